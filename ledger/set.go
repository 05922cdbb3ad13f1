package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Set is the working set of one batch: what its commands declared, as the
// engine loaded it, and what they changed. An engine loads every wanted key of
// every table that exists, in the order Wanted gives (that is the lock order), and
// every seen one, and persists the Changes of each table and the appended rows in one
// transaction. A Set is used by one goroutine and never reused.
type Set struct {
	Now    int64   // Unix microseconds, one for the whole batch, never earlier than the batch before
	Policy *Policy // the timers of a transfer's life
	Node   ID      // who drives the instructions that the batch makes or takes
	Stripe int     // which part of the shared accounts the batch posts to
	Caps   Caps    // of banks that have one

	Accounts     Table[AccountID, Account]
	Transfers    Table[ID, Transfer] // a row is only written once: what it becomes is in Steps
	Instructions Table[InstructionID, Instruction]
	Parties      Table[ID, Party]
	Instruments  Table[ID, Instrument]
	Aliases      Table[Alias, AliasTarget]
	Keys         Table[ID, Key]
	Answers      Table[IdempotencyKey, Answer]
	Nodes        Table[ID, Node]
	Runs         Table[int64, Run]
	Breaks       Table[ID, Break]
	Corrections  Table[ID, Correction]
	Windows      Table[string, Window] // with their cuts; a row is only written once
	Positions    Table[ID, Position]
	Persons      Table[ID, PersonKey]
	Secrets      Table[string, Secret]
	LogHead      Table[int, LogHead] // one row, see [Seal]
	Records      Table[RecordKey, Record]
	Outbox       Table[int64, OutboxRow] // rows are added by [Set.News]; here they are only deleted

	// Rows that are only ever added.
	Postings []Posting
	Steps    []Step // but those of a transfer's beginning, which are in its own row
	Notes    []BreakNote
	Accesses []Access
	Erasures []Erasure
	Notices  []Notice    // of records; those of transfers follow from their states, see [Set.News]
	Streams  []StreamRow // see [Publish]
	// What a seal adds: see [Seal].
	Placed       []Placed // rows of the log that get their place
	Tiles        []Tile   // one that is known grows
	Checkpoints  []Checkpoint
	Cosignatures []Cosignature // the latest of a witness replaces the one before

	// Rows that are added unless they are known already, which is no error.
	Contradictions []Contradiction
	Lines          []BankLine // one that is known is merged with what is there
	Statements     []Statement
	Coverage       []Covered
	Matches        []Match // its rule is replaced

	Unmatched []Match // matches that are taken back

	named    map[partKey]part           // accounts by whom they belong to
	unlogged bool                       // see [PipelineOptions]
	unsent   map[InstructionID]struct{} // that the batch made or claimed
	known    map[ID]*Transfer           // rows of transfers that were read before the batch
	later    map[ID][]Step              // of each transfer: the steps after its beginning, in order
	usages   map[RecordKey]*usage       // that were read or changed, as they are now
}

// NewSet makes the empty working set that commands declare their keys to.
func NewSet(now int64, policy *Policy) *Set {
	return &Set{
		Now:          now,
		Policy:       policy,
		Accounts:     newTable[AccountID, Account](AccountID.Compare),
		Transfers:    newTable[ID, Transfer](ID.Compare),
		Instructions: newTable[InstructionID, Instruction](compareInstructions),
		Parties:      newTable[ID, Party](ID.Compare),
		Instruments:  newTable[ID, Instrument](ID.Compare),
		Aliases:      newTable[Alias, AliasTarget](compareAliases),
		Keys:         newTable[ID, Key](ID.Compare),
		Answers:      newTable[IdempotencyKey, Answer](compareIdempotencyKeys),
		Nodes:        newTable[ID, Node](ID.Compare),
		Runs:         newTable[int64, Run](cmp.Compare[int64]),
		Breaks:       newTable[ID, Break](ID.Compare),
		Corrections:  newTable[ID, Correction](ID.Compare),
		Windows:      newTable[string, Window](strings.Compare),
		Positions:    newTable[ID, Position](ID.Compare),
		Persons:      newTable[ID, PersonKey](ID.Compare),
		Secrets:      newTable[string, Secret](strings.Compare),
		LogHead:      newTable[int, LogHead](cmp.Compare[int]),
		Records:      newTable[RecordKey, Record](RecordKey.Compare),
		Outbox:       newTable[int64, OutboxRow](cmp.Compare[int64]),
		named:        map[partKey]part{},
		unsent:       map[InstructionID]struct{}{},
		known:        map[ID]*Transfer{},
		later:        map[ID][]Step{},
	}
}

// WantAccount declares an account by its name.
func (s *Set) WantAccount(n AccountName) { s.Accounts.Want(n.ID()) }

// WantTransfer declares a transfer, every instruction it may have and the
// accounts that a bank's answer can touch. A transfer's row never changes, so the
// caller has read it before the batch, which needs its lock and its steps only.
func (s *Set) WantTransfer(t *Transfer) {
	s.Transfers.Want(t.ID)
	if t.Born != 0 { // else it was not read
		s.known[t.ID] = t
	}
	for _, leg := range legs {
		s.Instructions.Want(InstructionID{t.ID, leg})
	}
	if t.holds() {
		s.wantHold(t)
	}
	s.wantSides(t)
}

// NewTransfer declares a transfer that does not exist yet.
func (s *Set) NewTransfer(t *Transfer) {
	s.Transfers.New(t.ID)
	for _, leg := range legs {
		s.Instructions.New(InstructionID{t.ID, leg})
	}
	s.Records.New(RecordKey{RecordHold, t.ID})
	s.wantSides(t)
}

func (s *Set) wantSides(t *Transfer) {
	payer, payee, transit := s.parts(t)
	s.Accounts.Want(transit.id)
	s.Accounts.Want(payer.id)
	s.Accounts.Want(payee.id)
	if !t.Cause.IsZero() {
		s.Records.Want(t.Cause)
	}
}

// account is the declared account, opened if this is its first use.
func (s *Set) account(n AccountName) Account { return s.accountOf(part{n, n.ID()}) }

func (s *Set) accountOf(p part) Account {
	a, ok := s.Accounts.Get(p.id)
	if !ok {
		return newAccount(p.name, s.Now)
	}
	return a
}

// part is an account that takes part in a transfer, in the stripe of the batch.
// Its name and the hash of it are made once in a batch: made anew at each use,
// they cost a batch of thousands a tenth of its time.
type part struct {
	name AccountName
	id   AccountID
}

// partKey tells parts from each other: a wallet's party, a bank, suspense, or none of them for transit.
type partKey struct {
	party    ID // or pot
	bank     string
	suspense bool
	currency Currency
}

// Post writes a posting of a correction or a position, whose ID is the entry. It
// assumes, as [life.post] does, that there is room.
func (s *Set) Post(entry ID, e Event, debit, credit AccountName, amount int64) {
	s.post(entry, e, part{debit, debit.ID()}, part{credit, credit.ID()}, amount, s.Now)
}

func (s *Set) post(entry ID, e Event, debit, credit part, amount, at int64) {
	d, c := s.accountOf(debit), s.accountOf(credit)
	if d.ID == c.ID || amount <= 0 || !d.room(amount, true) || !c.room(amount, false) {
		panic(fmt.Sprintf("ledger: %s of %s has no room", e, entry.TransferRef()))
	}
	d.Debits += amount
	c.Credits += amount
	d.Seq++
	c.Seq++
	// A node whose clock is ahead may have posted to one of them before.
	at = max(at, d.Posted, c.Posted)
	d.Posted, c.Posted = at, at
	s.Accounts.Put(d.ID, d)
	s.Accounts.Put(c.ID, c)
	s.Postings = append(s.Postings, Posting{
		Entry: entry, Event: e, Undoes: e.undoes(), Debit: d.ID, Credit: c.ID, Amount: amount, Currency: debit.name.Currency,
		DebitSeq: d.Seq, CreditSeq: c.Seq, DebitBalance: d.Balance(), CreditBalance: c.Balance(), At: at,
	})
}

// parts are the accounts that take part in a transfer.
func (s *Set) parts(t *Transfer) (payer, payee, transit part) {
	c := t.Amount.Currency
	end := func(e *End) part {
		if e.IsWallet() {
			return s.part(partKey{party: e.holder(), suspense: e.IsSuspense(), currency: c}, func() AccountName { return e.account(c) })
		}
		return s.part(partKey{bank: e.Bank, currency: c}, func() AccountName { return s.clearing(e.Bank, c) })
	}
	transit = s.part(partKey{currency: c}, func() AccountName { return TransitAccount(c).Stripe(s.Stripe) })
	return end(&t.Payer), end(&t.Payee), transit
}

func (s *Set) part(k partKey, name func() AccountName) part {
	p, ok := s.named[k]
	if !ok {
		p.name = name()
		p.id = p.name.ID()
		s.named[k] = p
	}
	return p
}

// Unsent says whether the batch made the instruction or claimed it, so that no
// bank has seen it yet. One that was taken over may have been sent.
func (s *Set) Unsent(id InstructionID) bool {
	_, ok := s.unsent[id]
	return ok
}

// History calls yield for each line that the batch adds to a transfer's history.
func (s *Set) History(yield func(*Step)) {
	s.Transfers.Changes(func(_ ID, t *Transfer, inserted bool) {
		if !inserted {
			return
		}
		for _, line := range t.Beginning() {
			yield(&line)
		}
	})
	for i := range s.Steps {
		yield(&s.Steps[i])
	}
}

// Changed says whether there is anything to persist.
func (s *Set) Changed() bool {
	added := len(s.Postings) + len(s.Steps) + len(s.Notes) + len(s.Contradictions) + len(s.Lines) + len(s.Statements) + len(s.Coverage) + len(s.Matches) + len(s.Unmatched) +
		len(s.Accesses) + len(s.Erasures) + len(s.Placed) + len(s.Tiles) + len(s.Checkpoints) + len(s.Cosignatures) + len(s.Notices) + len(s.Streams)
	return added > 0 || s.Accounts.Changed() || s.Transfers.Changed() || s.Instructions.Changed() ||
		s.Parties.Changed() || s.Instruments.Changed() || s.Aliases.Changed() || s.Keys.Changed() || s.Answers.Changed() || s.Nodes.Changed() ||
		s.Runs.Changed() || s.Breaks.Changed() || s.Corrections.Changed() || s.Windows.Changed() || s.Positions.Changed() || s.Persons.Changed() || s.Secrets.Changed() || s.LogHead.Changed() || s.Records.Changed() || s.Outbox.Changed()
}

// Table is one kind of row of a working set. Reading or writing a key that was
// not declared panics: it would be a silent miss of a row that exists.
type Table[K comparable, V any] struct {
	compare func(a, b K) int
	rows    map[K]*row[V]
	changed []K       // in the order of their first change
	hide    func(K) K // what the engine is given for a key, or nil
	hidden  map[K]K   // by what the engine was given
}

type row[V any] struct {
	value   V
	fresh   bool // declared as new: not to be looked for
	seen    bool // declared to be looked at only
	loaded  bool // the engine found it
	exists  bool // it exists now
	changed bool
}

func newTable[K comparable, V any](compare func(a, b K) int) Table[K, V] {
	return Table[K, V]{compare: compare, rows: map[K]*row[V]{}}
}

// Want declares a key.
func (t *Table[K, V]) Want(k K) {
	if r, ok := t.rows[k]; ok {
		r.fresh, r.seen = false, false
		return
	}
	t.rows[k] = &row[V]{}
}

// See declares a key that is looked at and not changed, so that the engine need
// not lock it: a batch of another node may change it meanwhile, and be the later one.
func (t *Table[K, V]) See(k K) {
	if _, ok := t.rows[k]; !ok {
		t.rows[k] = &row[V]{seen: true}
	}
}

// New declares a key that was just made, so that the engine need not look for
// it. Should it exist after all, the database's primary key refuses the batch.
func (t *Table[K, V]) New(k K) {
	if _, ok := t.rows[k]; !ok {
		t.rows[k] = &row[V]{fresh: true}
	}
}

// Wanted are the keys to load and lock, in lock order.
func (t *Table[K, V]) Wanted() []K { return t.keys(false) }

// Seen are the keys to load without a lock.
func (t *Table[K, V]) Seen() []K { return t.keys(true) }

func (t *Table[K, V]) keys(seen bool) []K {
	if len(t.rows) == 0 {
		return nil
	}
	keys := make([]K, 0, len(t.rows))
	for k, r := range t.rows {
		if !r.fresh && r.seen == seen {
			keys = append(keys, t.outside(k))
		}
	}
	slices.SortFunc(keys, t.compare)
	return keys
}

// Hide gives the engine another key for each one that is declared: commands go on
// using the plain ones, the engine sees and keeps what hide makes of them.
func (t *Table[K, V]) Hide(hide func(K) K) { t.hide, t.hidden = hide, map[K]K{} }

// outside is the key as the engine knows it.
func (t *Table[K, V]) outside(k K) K {
	if t.hide == nil {
		return k
	}
	h := t.hide(k)
	t.hidden[h] = k
	return h
}

// Load is called by the engine with a row it found.
func (t *Table[K, V]) Load(k K, v V) {
	if t.hide != nil {
		k = t.hidden[k]
	}
	r := t.row(k)
	r.value, r.loaded, r.exists = v, true, true
}

// Get is the row as the commands before left it, and whether it exists.
func (t *Table[K, V]) Get(k K) (V, bool) {
	r := t.row(k)
	return r.value, r.exists
}

// Declared says whether the key may be touched.
func (t *Table[K, V]) Declared(k K) bool {
	_, ok := t.rows[k]
	return ok
}

// Put inserts or replaces a row.
func (t *Table[K, V]) Put(k K, v V) {
	r := t.row(k)
	r.value, r.exists = v, true
	t.mark(k, r)
}

// Delete removes a row.
func (t *Table[K, V]) Delete(k K) {
	r := t.row(k)
	r.exists = false
	t.mark(k, r)
}

// Changed says whether any row was changed.
func (t *Table[K, V]) Changed() bool { return len(t.changed) > 0 }

// Changes calls yield for each key that was changed, in the order of their
// first change, with its new row, or nil where it was deleted.
func (t *Table[K, V]) Changes(yield func(k K, v *V, inserted bool)) {
	for _, k := range t.changed {
		switch r := t.rows[k]; {
		case r.exists:
			yield(t.outside(k), &r.value, !r.loaded)
		case r.loaded:
			yield(t.outside(k), nil, false)
		}
	}
}

// Loaded calls yield for each row that the engine found, in no order; seen says that it
// is there to be looked at only.
func (t *Table[K, V]) Loaded(yield func(k K, v *V, seen bool)) {
	for k, r := range t.rows {
		if r.loaded {
			yield(k, &r.value, r.seen)
		}
	}
}

func (t *Table[K, V]) row(k K) *row[V] {
	r, ok := t.rows[k]
	if !ok {
		panic(fmt.Sprintf("ledger: a command touched %T %v without declaring it", k, k))
	}
	return r
}

func (t *Table[K, V]) mark(k K, r *row[V]) {
	if r.seen {
		panic(fmt.Sprintf("ledger: a command changed %T %v, which it declared to look at only", k, k))
	}
	if !r.changed {
		r.changed = true
		t.changed = append(t.changed, k)
	}
}
