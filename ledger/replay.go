package ledger

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// Misfit is a leaf that may not stand where it stands in the log.
type Misfit struct {
	Violation
	Place int64 // of the leaf
	Late  bool  // what should have followed on the leaf did not come, up to the end of a commit
}

// Replay goes through the log leaf by leaf, as if each were written at that moment, and
// checks the invariants of the book. What it keeps are the accounts, and of the
// transfers those that are not at their end; of the others eight bytes each.
//
// The log may be given in part: from a place on, so that there are transfers that began
// before, or with gaps, where leaves are not shown. Then what is not known is passed over.
type Replay struct {
	rules
	report func(Misfit)
	part   Part
	place  int64
	late   bool
	kind   int   // of the leaf before, in the order of a commit's leaves
	commit int64 // the leaves from here on may all be of one commit

	accounts    map[AccountID]*replayed
	transfers   map[ID]*underway
	promised    map[ID]*underway    // of them, those whose state wants a posting that has not come yet
	ended       map[uint64]struct{} // of transfers, positions and erasures that are over: the last 8 bytes of the ID
	loose       map[ID]*loose       // postings of corrections and positions, until these come
	corrections map[ID]Correction   // that are not at their end
	breaks      map[ID]*replayedBreak
	windows     map[string]struct{}
	cuts        map[windowsOf]map[AccountID]int64 // where the last window ends
	positions   map[ID]Position                   // that are not confirmed
	nets        map[netOf]netSum                  // of windows: what their positions add up to, where it is not nothing
}

// Part says how much of the log is replayed.
type Part struct {
	Late bool // it does not begin at the first leaf
	Gaps bool // some leaves are not shown
}

func (p Part) whole() bool { return p == Part{} }

// replayed is an account. One that was opened before the part that is replayed is known by its postings only.
type replayed struct {
	Account
	adopted bool
	balance int64 // of an adopted one, as its last posting notes it
}

// underway is a transfer that is not at its end.
type underway struct {
	terms
	last  Step
	done  legsDone
	place int64 // of the leaf that changed it last
}

type replayedBreak struct {
	notes       int
	at          int64
	corrections int
}

type loose struct {
	postings []Posting
	place    int64
}

type windowsOf struct {
	scheme string
	kind   WindowKind
}

type netOf struct {
	window   string
	currency Currency
}

type netSum struct {
	minor int64
	place int64
}

// NewReplay begins a replay. It calls report for each leaf that does not fit.
func NewReplay(part Part, report func(Misfit)) *Replay {
	r := &Replay{
		report:      report,
		part:        part,
		accounts:    map[AccountID]*replayed{},
		transfers:   map[ID]*underway{},
		promised:    map[ID]*underway{},
		ended:       map[uint64]struct{}{},
		loose:       map[ID]*loose{},
		corrections: map[ID]Correction{},
		breaks:      map[ID]*replayedBreak{},
		windows:     map[string]struct{}{},
		cuts:        map[windowsOf]map[AccountID]int64{},
		positions:   map[ID]Position{},
		nets:        map[netOf]netSum{},
	}
	r.rules = newRules(func(v Violation) { r.report(Misfit{v, r.place, r.late}) })
	return r
}

// logOrder is the order of the leaves of a commit, see [Set.Log].
var logOrder = [...]int{LeafAccount: 1, LeafTransfer: 2, LeafStep: 3, LeafPosting: 4, LeafCorrection: 5, LeafWindow: 6, LeafPosition: 7, LeafNote: 8, LeafAccess: 9, LeafErasure: 10}

// Leaf takes the next leaf.
func (r *Replay) Leaf(place int64, l Leaf) {
	r.place = place
	kind := logOrder[l.LeafKind()]
	if kind < r.kind {
		r.commit = place
	}
	r.kind = kind
	switch l := l.(type) {
	case *Account:
		r.account(l)
	case *Transfer:
		r.transfer(l)
	case *Step:
		r.historyLine(l)
	case *Posting:
		r.posting(l)
	case *Correction:
		r.correction(l)
	case *Position:
		r.position(l)
	case *BreakNote:
		r.note(l)
	case *Window:
		r.window(l)
	case *Erasure:
		r.once("erased_once", l.Party.PartyRef(), l.Party)
	}
}

func (r *Replay) account(a *Account) {
	if _, ok := r.accounts[a.ID]; ok {
		r.violated("account_opened_once", a.where(), "it was opened, or posted to, before")
		return
	}
	r.accounts[a.ID] = &replayed{Account: r.opened(a)}
}

// once checks that an ID comes to its end for the first time.
func (r *Replay) once(rule, where string, id ID) {
	k := tail(id)
	if _, ok := r.ended[k]; ok {
		r.violated(rule, where, "it was before")
	}
	r.ended[k] = struct{}{}
}

// tail is enough of an ID to know it again: 62 random bits.
func tail(id ID) (k uint64) {
	for _, b := range id[8:] {
		k = k<<8 | uint64(b)
	}
	return k
}

func (r *Replay) transfer(t *Transfer) {
	where := t.ID.TransferRef()
	_, ended := r.ended[tail(t.ID)]
	if _, ok := r.transfers[t.ID]; ok || ended {
		r.violated("transfer_once", where, "it was made before")
		return
	}
	if t.Amount.Minor <= 0 {
		r.violated("posting_amount", where, "it is of %d", t.Amount.Minor)
	}
	u := &underway{terms: t.terms(), last: Step{Transfer: t.ID, At: t.Created}}
	r.transfers[t.ID] = u
	for _, s := range t.Beginning() {
		r.step(&u.last, &s)
	}
	r.moved(t.ID, u)
}

func (r *Replay) historyLine(s *Step) {
	u, ok := r.underway(s.Transfer, "history line")
	if !ok {
		return
	}
	if inDoubt := s.State == Deemed || s.State == Unresolved; inDoubt != (s.Deadline != 0) {
		r.violated("deadline", s.Transfer.TransferRef(), "state %s has the deadline %d", s.State, s.Deadline)
	}
	r.step(&u.last, s)
	r.moved(s.Transfer, u)
}

// underway finds a transfer that is not at its end.
func (r *Replay) underway(id ID, what string) (*underway, bool) {
	u, ok := r.transfers[id]
	if !ok && (r.part.whole() || r.isEnded(id)) {
		why := "was not made before"
		if r.isEnded(id) {
			why = "was at its end before"
		}
		r.violated("belongs_to_a_transfer", id.TransferRef(), "%s of a transfer that %s", what, why)
	}
	return u, ok
}

func (r *Replay) isEnded(id ID) bool {
	_, ok := r.ended[tail(id)]
	return ok
}

// moved checks what is posted for a transfer against its state, and forgets one that is
// at its end. A commit's steps come before its postings, so what a state promises may
// still come.
func (r *Replay) moved(id ID, u *underway) {
	u.place = r.place
	if held := u.done.held(); held < 0 || held > 1 || u.last.State.excludes(&u.done) {
		r.violated("state_of_money", id.TransferRef(), "state %s does not fit its postings: %d of the amount is in transit", u.last.State, held)
	}
	if !u.last.State.fits(&u.done) {
		r.promised[id] = u
		return
	}
	delete(r.promised, id)
	if u.last.State.Final() {
		delete(r.transfers, id)
		r.ended[tail(id)] = struct{}{}
	}
}

// excludes says whether a transfer in the state can have these postings neither now nor
// once others have come.
func (s State) excludes(d *legsDone) bool {
	switch s {
	case Pending, Failed, Cancelled:
		return *d != legsDone{}
	case Completed:
		return d[EventDebitReversal] || d[EventCreditReversal]
	case Debited, Deemed, Reversing, Unresolved, Held:
		return d[EventDebitReversal] || d[EventWallet]
	}
	return d[EventWallet]
}

func (r *Replay) posting(p *Posting) {
	r.line(p.Debit, &StatementLine{Posting: *p, Debited: true, Seq: p.DebitSeq, Balance: p.DebitBalance})
	r.line(p.Credit, &StatementLine{Posting: *p, Seq: p.CreditSeq, Balance: p.CreditBalance})
	if p.Event > EventWallet {
		l := r.loose[p.Entry]
		if l == nil {
			l = &loose{place: r.place}
			r.loose[p.Entry] = l
		}
		l.postings = append(l.postings, *p)
		return
	}
	u, ok := r.underway(p.Entry, "posting")
	if !ok {
		return
	}
	where := p.Entry.TransferRef()
	if !r.fits(where, &u.terms, p) {
		return
	}
	if u.done[p.Event] {
		r.violated("posted_once", where, "the %s is posted again", p.Event)
	}
	was := u.done.held()
	u.done[p.Event] = true
	r.of(p.Currency).held += int64(u.done.held()-was) * u.amount.Minor
	r.moved(p.Entry, u)
}

// line adds one side of a posting to its account.
func (r *Replay) line(id AccountID, l *StatementLine) {
	a, ok := r.accounts[id]
	switch {
	case !ok && r.part.whole():
		r.violated("account_exists", id.String(), "posting of transfer %s names an account that was not opened before", l.Posting.Entry.TransferRef())
	case r.part.Gaps: // what is between is not known
	case !ok:
		r.accounts[id] = &replayed{Account: Account{ID: id, Name: AccountName{Path: id.String(), Currency: l.Posting.Currency}, Seq: l.Seq, Posted: l.Posting.At}, adopted: true, balance: l.Balance}
	case a.adopted:
		r.adoptedLine(a, l)
	default:
		r.posted(&a.Account, l)
	}
}

// adoptedLine is the next line of an account whose type is not known.
func (r *Replay) adoptedLine(a *replayed, l *StatementLine) {
	change := l.Balance - a.balance
	if l.Seq != a.Seq+1 {
		r.violated("account_sequence", a.where(), "posting number %d stands where number %d should (transfer %s)", l.Seq, a.Seq+1, l.Posting.Entry.TransferRef())
	} else if abs(change) != l.Posting.Amount {
		r.violated("running_balance", a.where(), "posting %d of %d takes the balance from %d to %d", l.Seq, l.Posting.Amount, a.balance, l.Balance)
	}
	if l.Posting.At < a.Posted {
		r.violated("posting_time", a.where(), "posting %d is of %d, before the one before it", l.Seq, l.Posting.At)
	}
	a.Seq, a.balance, a.Posted = l.Seq, l.Balance, l.Posting.At
}

// Settled checks at a checkpoint that what the commits before it began is complete. A
// seal may end within a commit, so what the last one began may still be to come.
func (r *Replay) Settled() {
	type open struct {
		place  int64
		report func()
	}
	var all []open
	for id, u := range r.promised {
		if u.place < r.commit {
			all = append(all, open{u.place, func() {
				r.violated("state_of_money", id.TransferRef(), "state %s does not fit its postings: one is missing", u.last.State)
			}})
			delete(r.promised, id)
		}
	}
	for id, l := range r.loose {
		if l.place < r.commit {
			all = append(all, open{l.place, func() {
				r.missing("belongs_to_an_entry", id.Ref(l.postings[0].Event.entryPrefix()), "%s of what does not exist", l.postings[0].Event)
			}})
			delete(r.loose, id)
		}
	}
	for of, net := range r.nets {
		if net.place < r.commit {
			all = append(all, open{net.place, func() {
				r.missing("positions", of.window, "what the banks owe each other does not cancel out: %d minor units of %s are left", net.minor, of.currency)
			}})
			delete(r.nets, of)
		}
	}
	slices.SortFunc(all, func(a, b open) int { return cmp.Compare(a.place, b.place) })
	place := r.place
	r.late = true
	for _, o := range all {
		r.place = o.place
		o.report()
	}
	r.place, r.late = place, false
}

// missing reports what can only be said where the whole log is known.
func (r *Replay) missing(rule, where, format string, args ...any) {
	if r.part.whole() {
		r.violated(rule, where, format, args...)
	}
}

// End checks what holds over the whole, once the last leaf was given.
func (r *Replay) End() {
	r.Settled()
	if !r.part.whole() {
		return
	}
	r.late = true
	for _, a := range r.accounts {
		r.add(&a.Account)
	}
	r.currencies()
}

// Accounts are those that the whole log opened, with what its postings make of them, in no order.
func (r *Replay) Accounts() iter.Seq[*Account] {
	return func(yield func(*Account) bool) {
		for a := range maps.Values(r.accounts) {
			if !a.adopted && !yield(&a.Account) {
				return
			}
		}
	}
}
