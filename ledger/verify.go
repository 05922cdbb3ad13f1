package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Violation is one place where the book does not hold.
type Violation struct {
	Rule   string `json:"rule"`   // which invariant, such as "account_totals"
	Where  string `json:"where"`  // the account, transfer or currency
	Detail string `json:"detail"` // what is there and what should be
}

// Verified says what was checked.
type Verified struct {
	Accounts   int64 `json:"accounts"`
	Transfers  int64 `json:"transfers"`
	Postings   int64 `json:"postings"`
	Violations int64 `json:"violations"`
}

// Verify derives every balance from the postings alone and checks every
// invariant of the book on one snapshot, while writes go on. It calls report for
// each violation. Memory does not grow with the book.
func Verify(ctx context.Context, r Reader, report func(Violation)) (Verified, error) {
	return Derive(ctx, r, report, func(*Account) {})
}

// Derive does so, and calls derived with each account as its postings add up to.
func Derive(ctx context.Context, r Reader, report func(Violation), derived func(*Account)) (Verified, error) {
	v := verifier{report: report, derived: derived, money: map[Currency]*totals{}, whole: map[AccountID]AccountID{}, reserved: map[AccountName]int64{}}
	err := r.Audit(ctx, func(s Snapshot) error {
		if err := v.accounts(s); err != nil {
			return err
		}
		if err := v.transfers(s); err != nil {
			return err
		}
		v.currencies()
		return nil
	})
	return v.sum, err
}

type verifier struct {
	report  func(Violation)
	derived func(*Account)
	sum     Verified
	lines   int64 // statement lines seen: two for each posting
	money   map[Currency]*totals
	whole   map[AccountID]AccountID // of each stripe, which account it is a part of
	// Of each account with all its stripes: what is reserved less what its bank is asked for.
	reserved map[AccountName]int64
}

// totals are sums over one currency.
type totals struct {
	debits, credits int64 // of all accounts
	transit         int64 // balance of the transit account, all stripes
	held            int64 // what the transfers say is in transit
}

func (v *verifier) violated(rule, where, format string, args ...any) {
	v.sum.Violations++
	v.report(Violation{Rule: rule, Where: where, Detail: fmt.Sprintf(format, args...)})
}

func (v *verifier) of(c Currency) *totals {
	t, ok := v.money[c]
	if !ok {
		t = &totals{}
		v.money[c] = t
	}
	return t
}

// accounts walks the accounts and, beside them, their statement lines.
func (v *verifier) accounts(s Snapshot) error {
	lines := pull(s.StatementLines())
	defer lines.stop()
	owner := func(l StatementLine) AccountID {
		if l.Debited {
			return l.Posting.Debit
		}
		return l.Posting.Credit
	}
	for a, err := range s.Accounts() {
		if err != nil {
			return err
		}
		for lines.ok && owner(lines.value).Compare(a.ID) < 0 {
			v.violated("account_exists", owner(lines.value).String(), "posting of transfer %s names an account that does not exist", lines.value.Posting.Entry.TransferRef())
			lines.advance()
		}
		v.account(&a, &lines, owner)
		if lines.err != nil {
			return lines.err
		}
	}
	for ; lines.ok; lines.advance() {
		v.violated("account_exists", owner(lines.value).String(), "posting of transfer %s names an account that does not exist", lines.value.Posting.Entry.TransferRef())
	}
	return lines.err
}

// account derives one account from its lines and compares.
func (v *verifier) account(a *Account, lines *cursor[StatementLine], owner func(StatementLine) AccountID) {
	v.sum.Accounts++
	where := a.Name.Path + " " + string(a.Name.Currency)
	if a.ID != a.Name.ID() {
		v.violated("account_id", where, "id %s is not the hash of its name", a.ID)
	}
	derived := newAccount(a.Name, a.Created)
	derived.ID = a.ID
	for ; lines.ok && owner(lines.value) == a.ID; lines.advance() {
		l := &lines.value
		v.lines++
		derived.Seq++
		if l.Debited {
			derived.Debits += l.Posting.Amount
		} else {
			derived.Credits += l.Posting.Amount
		}
		if l.Posting.At < derived.Posted {
			v.violated("posting_time", where, "posting %d is of %d, before the one before it", l.Seq, l.Posting.At)
		}
		derived.Posted = l.Posting.At
		switch {
		case l.Seq != derived.Seq:
			v.violated("account_sequence", where, "posting number %d stands where number %d should (transfer %s)", l.Seq, derived.Seq, l.Posting.Entry.TransferRef())
			derived.Seq = l.Seq
		case l.Balance != derived.Balance():
			v.violated("running_balance", where, "after posting %d the balance is noted as %d and adds up to %d", l.Seq, l.Balance, derived.Balance())
		}
		if l.Posting.Currency != a.Name.Currency {
			v.violated("posting_currency", where, "posting %d is in %s", l.Seq, l.Posting.Currency)
		}
		if a.Bounded && derived.Balance() < 0 {
			v.violated("bounded_account", where, "the balance was %d after posting %d", derived.Balance(), l.Seq)
		}
	}
	if a.Debits != derived.Debits || a.Credits != derived.Credits || a.Seq != derived.Seq || a.Posted != derived.Posted {
		v.violated("account_totals", where, "debits %d, credits %d, postings %d, the last one at %d, are stored; the postings add up to %d, %d, %d, %d",
			a.Debits, a.Credits, a.Seq, a.Posted, derived.Debits, derived.Credits, derived.Seq, derived.Posted)
	}
	v.derived(&derived)
	if a.Type != derived.Type || a.Bounded != derived.Bounded {
		v.violated("chart", where, "type %s, bounded %v; the chart says %s, %v", a.Type, a.Bounded, derived.Type, derived.Bounded)
	}
	t := v.of(a.Name.Currency)
	t.debits += derived.Debits
	t.credits += derived.Credits
	whole := a.Name.Whole()
	if a.Reserved != 0 {
		v.reserved[whole] += a.Reserved
	}
	if whole == TransitAccount(a.Name.Currency) {
		t.transit += derived.Balance()
	}
	if whole != a.Name {
		v.whole[a.ID] = whole.ID()
	}
}

// wholeOf is the account that a stripe is a part of, or the account itself.
func (v *verifier) wholeOf(id AccountID) AccountID {
	if whole, ok := v.whole[id]; ok {
		return whole
	}
	return id
}

// transfers walks the transfers and, beside them, what belongs to each.
func (v *verifier) transfers(s Snapshot) error {
	instructions, steps, postings := pull(s.Instructions(Range{})), pull(s.Steps()), pull(s.Postings())
	defer instructions.stop()
	defer steps.stop()
	defer postings.stop()
	others := pullEntries(s)
	defer others.stop()
	for t, err := range s.Transfers(Range{}) {
		if err != nil {
			return err
		}
		v.sum.Transfers++
		if err := v.entriesBefore(t.ID, &others, &postings); err != nil {
			return err
		}
		f := file{Transfer: t,
			instructions: takeOwn(v, &instructions, t.ID, "instruction", func(i Instruction) ID { return i.ID.Transfer }),
			steps:        append(t.Beginning(), takeOwn(v, &steps, t.ID, "history line", func(s Step) ID { return s.Transfer })...),
			postings:     takeOwn(v, &postings, t.ID, "posting", func(p Posting) ID { return p.Entry })}
		v.sum.Postings += int64(len(f.postings))
		v.transfer(&f)
		if err := errors.Join(instructions.err, steps.err, postings.err); err != nil {
			return err
		}
	}
	last := ID(slices.Repeat([]byte{0xff}, 16))
	if err := v.entriesBefore(last, &others, &postings); err != nil {
		return err
	}
	takeOwn(v, &instructions, last, "instruction", func(i Instruction) ID { return i.ID.Transfer })
	takeOwn(v, &steps, last, "history line", func(s Step) ID { return s.Transfer })
	takeOwn(v, &postings, last, "posting", func(p Posting) ID { return p.Entry })
	return errors.Join(instructions.err, steps.err, postings.err)
}

// file is a transfer with everything that belongs to it.
type file struct {
	Transfer
	instructions []Instruction
	steps        []Step
	postings     []Posting
}

func (v *verifier) transfer(f *file) {
	v.history(f)
	v.openInstruction(f)
	v.legs(f)
}

// history checks that the lines follow the table of states to the present one,
// and that none is of a time before the one before it.
func (v *verifier) history(f *file) {
	where := f.ID.TransferRef()
	var state State
	at := f.Created
	for n, s := range f.steps {
		legal := (n == 0 && s.State == Pending) || (n > 0 && state.mayBecome(s.State))
		if s.N != n+1 || !legal {
			v.violated("history", where, "line %d, numbered %d, goes from %s to %s", n+1, s.N, state, s.State)
		}
		if s.At < at {
			v.violated("history", where, "line %d is of %d, before the one before it", n+1, s.At)
		}
		state, at = s.State, s.At
	}
	if inDoubt := f.State == Deemed || f.State == Unresolved; inDoubt != (f.Deadline != 0) {
		v.violated("deadline", where, "state %s has the deadline %d", f.State, f.Deadline)
	}
	if at != f.Updated {
		v.violated("history", where, "the transfer changed at %d, its history ends at %d", f.Updated, at)
	}
	if state != f.State || len(f.steps) != f.Steps {
		v.violated("history", where, "the transfer is %s after %d steps; its history ends at %s after %d", f.State, f.Steps, state, len(f.steps))
	}
}

func (v *verifier) openInstruction(f *file) {
	open := 0
	for _, i := range f.instructions {
		if i.ID.Leg == LegDebit && i.State.undecided() {
			v.reserved[f.Payer.account(f.Amount.Currency)] -= f.Amount.Minor
		}
		if i.State.Open() {
			open++
			if !f.State.awaits(i.ID.Leg) {
				v.violated("open_instruction", f.ID.TransferRef(), "the %s is open in state %s", i.ID.Leg, f.State)
			}
		}
		if here, _ := f.Ends(i.ID.Leg); i.Bank != here.Bank {
			v.violated("instructed_bank", f.ID.TransferRef(), "the %s went to bank %q; the transfer's is %q", i.ID.Leg, i.Bank, here.Bank)
		}
	}
	want := 0
	if f.State.Waits() {
		want = 1
	}
	if open != want {
		v.violated("open_instruction", f.ID.TransferRef(), "%d instructions are open in state %s; %d should be", open, f.State, want)
	}
}

// legs checks each posting against the transfer, the postings against what the
// banks confirmed, and both against the state.
func (v *verifier) legs(f *file) {
	where := f.ID.TransferRef()
	var posted [EventWallet + 1]bool
	for _, p := range f.postings {
		if p.Event < EventDebit || p.Event > EventWallet {
			v.violated("posting_event", where, "event %d is not known", p.Event)
			continue
		}
		posted[p.Event] = true
		debit, credit := f.sides(p.Event) // whichever stripes took it
		if p.Amount != f.Amount.Minor || p.Currency != f.Amount.Currency || v.wholeOf(p.Debit) != debit.ID() || v.wholeOf(p.Credit) != credit.ID() || p.Undoes != p.Event.undoes() {
			v.violated("posting_content", where, "the %s posting debits %s and credits %s with %d %s; it should debit %s and credit %s with %d %s", p.Event,
				p.Debit, p.Credit, p.Amount, p.Currency, debit.Path, credit.Path, f.Amount.Minor, f.Amount.Currency)
		}
	}
	confirmed := f.confirmed()
	for e := EventDebit; e <= EventWallet; e++ {
		if posted[e] != confirmed[e] {
			v.violated("posted_as_confirmed", where, "%s: posted %v, confirmed %v, in state %s", e, posted[e], confirmed[e], f.State)
		}
	}
	held := count(posted[EventDebit]) - count(posted[EventCredit]) + count(posted[EventCreditReversal]) - count(posted[EventDebitReversal])
	if held < 0 || held > 1 || (held == 1 && f.State.Final()) || !f.consistent(posted[:]) {
		v.violated("state_of_money", where, "state %s does not fit its postings: %d of the amount is in transit", f.State, held)
	}
	v.of(f.Amount.Currency).held += int64(held) * f.Amount.Minor
}

// confirmed says for each event whether the bank, or the wallet's own state, confirmed it.
func (f *file) confirmed() (c [EventWallet + 1]bool) {
	for _, i := range f.instructions {
		c[i.ID.Leg] = i.State == Approved
	}
	switch payer, payee := f.Payer.IsWallet(), f.Payee.IsWallet(); {
	case payer && payee:
		c[EventWallet] = f.State == Completed
	case payer:
		c[EventDebit] = f.State != Failed && f.State != Cancelled
		c[EventDebitReversal] = f.State == Reversed
	case payee:
		c[EventCredit] = f.State == Completed
	}
	return c
}

// consistent says whether an end state has the postings it promises.
func (f *file) consistent(posted []bool) bool {
	paid := posted[EventWallet] || (posted[EventDebit] && posted[EventCredit] && !posted[EventDebitReversal] && !posted[EventCreditReversal])
	switch f.State {
	case Completed:
		return paid
	case Failed, Cancelled:
		return len(f.postings) == 0
	case Reversed:
		return posted[EventDebit] && posted[EventDebitReversal] && posted[EventCredit] == posted[EventCreditReversal]
	}
	return true
}

// currencies checks the sums over the whole book.
func (v *verifier) currencies() {
	for c, t := range v.money {
		if t.debits != t.credits {
			v.violated("balance", string(c), "all debits are %d, all credits are %d", t.debits, t.credits)
		}
		if t.transit != t.held {
			v.violated("transit", string(c), "transit holds %d; the transfers under way add up to %d", t.transit, t.held)
		}
	}
	for account, rest := range v.reserved {
		if rest != 0 {
			v.violated("reserved", account.Path+" "+string(account.Currency), "%d more is reserved than the bank was asked for and has not answered", rest)
		}
	}
	if v.lines != 2*v.sum.Postings {
		v.violated("two_sides", "book", "%d postings have %d sides", v.sum.Postings, v.lines)
	}
}

// cursor walks an iterator one value at a time.
type cursor[T any] struct {
	value T
	ok    bool
	err   error
	next  func() (T, error, bool)
	stop  func()
}

func pull[T any](seq iter.Seq2[T, error]) cursor[T] {
	c := cursor[T]{}
	c.next, c.stop = iter.Pull2(seq)
	c.advance()
	return c
}

func (c *cursor[T]) advance() {
	c.value, c.err, c.ok = c.next()
	if c.err != nil {
		c.ok = false
	}
}

// takeOwn takes the rows that belong to the transfer; rows before it belong to none.
func takeOwn[T any](v *verifier, c *cursor[T], id ID, what string, owner func(T) ID) []T {
	for c.ok && owner(c.value).Compare(id) < 0 {
		v.violated("belongs_to_a_transfer", owner(c.value).TransferRef(), "%s of a transfer that does not exist", what)
		c.advance()
	}
	var own []T
	for c.ok && owner(c.value) == id {
		own = append(own, c.value)
		c.advance()
	}
	return own
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
