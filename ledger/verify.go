package ledger

import (
	"context"
	"errors"
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
	Leaves     int64 `json:"leaves"` // of the log
	Violations int64 `json:"violations"`
}

// Verify derives every balance from the postings alone and checks every
// invariant of the book on one snapshot, while writes go on; so it does with the log,
// and it compares the tables with the log. It calls report for each violation. Memory
// grows with the accounts, and by some ten bytes with each transfer, see [Replay], and more with each that pays a request.
func Verify(ctx context.Context, r Reader, report func(Violation)) (Verified, error) {
	return Derive(ctx, r, report, func(*Account) {})
}

// Derive does so, and calls derived with each account as its postings add up to.
func Derive(ctx context.Context, r Reader, report func(Violation), derived func(*Account)) (Verified, error) {
	v := verifier{rules: newRules(report), derived: derived, reserved: map[AccountName]int64{}, pots: pots{}, payments: askPayments{}}
	v.compared = newCompared(&v)
	err := r.Audit(ctx, func(s Snapshot) error {
		if err := v.compared.log(s); err != nil {
			return err
		}
		if err := v.accounts(s); err != nil {
			return err
		}
		if err := v.refundRecords(s); err != nil {
			return err
		}
		if err := v.transfers(s); err != nil {
			return err
		}
		if err := v.checkPots(s); err != nil {
			return err
		}
		v.refunds()
		v.currencies()
		v.sides()
		if err := v.requests(s); err != nil {
			return err
		}
		if err := v.compared.tables(s); err != nil {
			return err
		}
		return v.compared.end(s)
	})
	v.sum.Violations = v.found
	return v.sum, err
}

type verifier struct {
	rules
	derived  func(*Account)
	compared compared
	refunded refunded
	sum      Verified
	lines    int64 // statement lines seen: two for each posting
	pots     pots
	// Of each account with all its stripes: what is reserved less what its bank is asked for.
	reserved map[AccountName]int64
	payments askPayments
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
	for a, err := range tapped(&v.compared, s.Accounts()) {
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
	derived := v.opened(a)
	for ; lines.ok && owner(lines.value) == a.ID; lines.advance() {
		v.lines++
		v.posted(&derived, &lines.value)
	}
	if a.Debits != derived.Debits || a.Credits != derived.Credits || a.Seq != derived.Seq || a.Posted != derived.Posted {
		v.violated("account_totals", a.where(), "debits %d, credits %d, postings %d, the last one at %d, are stored; the postings add up to %d, %d, %d, %d",
			a.Debits, a.Credits, a.Seq, a.Posted, derived.Debits, derived.Credits, derived.Seq, derived.Posted)
	}
	v.add(&derived)
	v.derived(&derived)
	v.pots.account(&derived)
	if a.Reserved != 0 {
		v.reserved[a.Name.Whole()] += a.Reserved
	}
}

// transfers walks the transfers and, beside them, what belongs to each.
func (v *verifier) transfers(s Snapshot) error {
	instructions, steps, postings := pull(s.Instructions(Range{})), pull(tapped(&v.compared, s.Steps())), pull(tapped(&v.compared, s.Postings()))
	defer instructions.stop()
	defer steps.stop()
	defer postings.stop()
	holds := pull(s.Records(RecordHold))
	defer holds.stop()
	others := pullEntries(&v.compared, s)
	defer others.stop()
	for t, err := range tapped(&v.compared, s.Transfers(Range{})) {
		if err != nil {
			return err
		}
		v.sum.Transfers++
		if t.fills() && !t.State.Final() {
			v.reserved[t.Payee.account(t.Amount.Currency)] -= t.Amount.Minor
		}
		if err := v.entriesBefore(t.ID, &others, &postings); err != nil {
			return err
		}
		f := file{Transfer: t,
			instructions: takeOwn(v, &instructions, t.ID, "instruction", func(i Instruction) ID { return i.ID.Transfer }),
			steps:        append(t.Beginning(), takeOwn(v, &steps, t.ID, "history line", func(s Step) ID { return s.Transfer })...),
			postings:     takeOwn(v, &postings, t.ID, "posting", func(p Posting) ID { return p.Entry })}
		v.sum.Postings += int64(len(f.postings))
		v.transfer(&f)
		v.hold(&f, takeOwn(v, &holds, t.ID, "hold", func(r Record) ID { return r.ID }))
		if err := errors.Join(instructions.err, steps.err, postings.err, holds.err); err != nil {
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
	takeOwn(v, &holds, last, "hold", func(r Record) ID { return r.ID })
	return errors.Join(instructions.err, steps.err, postings.err, holds.err)
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
	v.pots.transfer(&f.Transfer)
	v.payments.add(&f.Transfer)
	v.refund(&f.Transfer)
}

// history checks that the lines follow the table of states to the present one,
// and that none is of a time before the one before it.
func (v *verifier) history(f *file) {
	where := f.ID.TransferRef()
	last := Step{Transfer: f.ID, At: f.Created}
	for i := range f.steps {
		v.step(&last, &f.steps[i])
	}
	if inDoubt := f.State == Deemed || f.State == Unresolved; inDoubt != (f.Deadline != 0) {
		v.violated("deadline", where, "state %s has the deadline %d", f.State, f.Deadline)
	}
	if last.At != f.Updated {
		v.violated("history", where, "the transfer changed at %d, its history ends at %d", f.Updated, last.At)
	}
	if last.State != f.State || len(f.steps) != f.Steps {
		v.violated("history", where, "the transfer is %s after %d steps; its history ends at %s after %d", f.State, f.Steps, last.State, len(f.steps))
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
	terms := f.terms()
	var done legsDone
	for i := range f.postings {
		p := &f.postings[i]
		if !v.fits(where, &terms, p) {
			continue
		}
		done[p.Event] = true
	}
	confirmed := f.confirmed()
	for e := EventDebit; e <= EventWallet; e++ {
		if done[e] != confirmed[e] {
			v.violated("posted_as_confirmed", where, "%s: posted %v, confirmed %v, in state %s", e, done[e], confirmed[e], f.State)
		}
	}
	held := done.held()
	if held < 0 || held > 1 || !f.State.fits(&done) {
		v.violated("state_of_money", where, "state %s does not fit its postings: %d of the amount is in transit", f.State, held)
	}
	v.of(f.Amount.Currency).held += int64(held) * f.Amount.Minor
}

// confirmed says for each event whether the bank, or the wallet's own state, confirmed it.
func (f *file) confirmed() (c legsDone) {
	for _, i := range f.instructions {
		c[i.ID.Leg] = i.State == Approved
	}
	switch payer, payee := f.Payer.IsWallet(), f.Payee.IsWallet(); {
	case payer && payee && !f.wasHeld():
		c[EventWallet] = f.State == Completed
	case payer && payee:
		c[EventDebit], c[EventCredit], c[EventDebitReversal] = true, f.State == Completed, f.State == Reversed
	case payer:
		c[EventDebit] = f.State != Failed && f.State != Cancelled
		c[EventDebitReversal] = f.State == Reversed
	case payee:
		c[EventCredit] = f.State == Completed
	}
	return c
}

// wasHeld says whether the transfer is or was held, and so paid in two steps.
func (f *file) wasHeld() bool {
	return slices.ContainsFunc(f.steps, func(s Step) bool { return s.State == Held })
}

// hold checks that of each transfer that is held, and of no other, there is a record that
// falls due: else nobody would ever go on with it.
func (v *verifier) hold(f *file, records []Record) {
	due := len(records) == 1 && records[0].Due != 0
	if held := f.State == Held; held != due || len(records) > count(held) {
		v.violated("held", f.ID.TransferRef(), "%d records, of which one that falls due: %v, say that it is held, in state %s", len(records), due, f.State)
	}
}

// sides checks what the tables hold beside the postings.
func (v *verifier) sides() {
	for account, rest := range v.reserved {
		if rest != 0 {
			v.violated("reserved", account.Path+" "+string(account.Currency), "%d more is reserved than the bank was asked for and has not answered, or than is on its way to the wallet", rest)
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
