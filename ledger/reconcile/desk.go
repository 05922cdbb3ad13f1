package reconcile

import (
	"context"
	"errors"
	"time"

	"bahi/ledger"
)

// Desk is where people work on breaks: they look at one with all that is known of
// it, and propose, approve, apply or withdraw corrections. Everything may be asked again.
type Desk struct {
	Book   *ledger.Pipeline
	Reader ledger.Reader
	Policy *ledger.Policy
	Now    func() time.Time
	RRN    func() string // a reference number for a transfer that pays from suspense
}

// File is a break with all that is known of it.
type File struct {
	Break       ledger.Break
	Notes       []ledger.BreakNote
	Lines       []ledger.BankLine // that tell of its transfer, or the one that it is about
	Corrections []ledger.Correction
	Transfer    *ledger.Transfer // nil where it is about none
	Actions     []ledger.Action  // what may be done about it, the proposed one first
}

// File gathers what is known of a break; [ledger.ErrNotFound] if there is none.
func (d *Desk) File(ctx context.Context, id ledger.ID) (f File, err error) {
	if f.Break, f.Transfer, err = d.open(ctx, id); err != nil {
		return f, err
	}
	f.Actions = f.Break.Actions(f.Transfer)
	if f.Break.State != ledger.BreakOpen {
		f.Actions = nil
	}
	if f.Notes, err = d.Reader.BreakNotes(ctx, id); err != nil {
		return f, err
	}
	if f.Corrections, err = d.Reader.CorrectionsFor(ctx, id); err != nil {
		return f, err
	}
	f.Lines, err = d.lines(ctx, &f.Break.Subject)
	return f, err
}

func (d *Desk) lines(ctx context.Context, s *ledger.Subject) ([]ledger.BankLine, error) {
	if !s.Transfer.IsZero() {
		return d.Reader.LinesOf(ctx, s.Transfer)
	}
	if s.Line == (ledger.LineID{}) {
		return nil, nil
	}
	line, err := d.Reader.Line(ctx, s.Line)
	return []ledger.BankLine{line}, err
}

// open reads a break and its transfer.
func (d *Desk) open(ctx context.Context, id ledger.ID) (ledger.Break, *ledger.Transfer, error) {
	b, err := d.Reader.Break(ctx, id)
	if err != nil || b.Subject.Transfer.IsZero() {
		return b, nil, err
	}
	t, err := d.Reader.Transfer(ctx, b.Subject.Transfer)
	if errors.Is(err, ledger.ErrNotFound) { // the bank names one that is not ours
		return b, nil, nil
	}
	return b, &t, err
}

// Propose proposes a correction of a break: the action, or where it is 0 the one
// that the table of the reconciliation has.
func (d *Desk) Propose(ctx context.Context, id ledger.ID, a ledger.Action, by string) (ledger.Correction, error) {
	return d.act(ctx, id, func(c ledger.Case) ledger.Command { return ledger.ProposeCorrection{Case: c, Action: a} }, by)
}

// Approve is a second person's yes to a correction.
func (d *Desk) Approve(ctx context.Context, correction ledger.ID, by string) (ledger.Correction, error) {
	return d.decide(ctx, correction, by, func(c ledger.Case) ledger.Command { return ledger.ApproveCorrection{Case: c, ID: correction} })
}

// Withdraw takes a correction back that was not applied.
func (d *Desk) Withdraw(ctx context.Context, correction ledger.ID, by string) (ledger.Correction, error) {
	return d.decide(ctx, correction, by, func(c ledger.Case) ledger.Command { return ledger.WithdrawCorrection{Case: c, ID: correction} })
}

// Apply does what a correction proposes. override is why, on the very day that it
// is about; empty: then it is refused until the next.
func (d *Desk) Apply(ctx context.Context, correction ledger.ID, override, by string) (ledger.Correction, error) {
	return d.decide(ctx, correction, by, func(c ledger.Case) ledger.Command { return d.application(c, correction, override) })
}

func (d *Desk) application(c ledger.Case, correction ledger.ID, override string) ledger.ApplyCorrection {
	return ledger.ApplyCorrection{Case: c, ID: correction, Override: override, Payout: ledger.NewID(), RRN: d.RRN()}
}

func (d *Desk) decide(ctx context.Context, correction ledger.ID, by string, make func(ledger.Case) ledger.Command) (ledger.Correction, error) {
	c, err := d.Reader.Correction(ctx, correction)
	if err != nil {
		return c, err
	}
	return d.act(ctx, c.Break, make, by)
}

// tries is how often a command is made anew because others were at the same break.
const tries = 5

func (d *Desk) act(ctx context.Context, id ledger.ID, make func(ledger.Case) ledger.Command, by string) (c ledger.Correction, err error) {
	for range tries {
		b, t, err := d.open(ctx, id)
		if err != nil {
			return c, err
		}
		c, err = ledger.Do[ledger.Correction](ctx, d.Book, make(ledger.Case{Break: b, Transfer: t, By: by}))
		if !errors.Is(err, ledger.ErrBreakBusy) {
			return c, err
		}
	}
	return c, ledger.ErrBreakBusy
}

// Rehearsal is what a correction would do if it were applied tomorrow.
type Rehearsal struct {
	Correction ledger.Correction
	Postings   []Posting
	Transfer   *ledger.Transfer // as it would be left, where the correction moves it; else nil
	Payout     *ledger.Transfer // that it would pay by; or nil
}

// Posting is a posting by the names of its accounts.
type Posting struct {
	Event         ledger.Event
	Debit, Credit ledger.AccountName
	Amount        ledger.Amount
}

// Rehearse shows what the correction of a break would do, and changes nothing: not
// even the proposal is stored.
func (d *Desk) Rehearse(ctx context.Context, id ledger.ID, a ledger.Action, by string) (Rehearsal, error) {
	b, t, err := d.open(ctx, id)
	if err != nil {
		return Rehearsal{}, err
	}
	c := ledger.Case{Break: b, Transfer: t, By: by}
	r := rehearsed{ledger.ProposeCorrection{Case: c, Action: a}, d.application(c, ledger.ID{}, "rehearsed")}
	set, result, err := ledger.Rehearse(ctx, d.Reader, d.Policy, d.Now(), r)
	if err != nil {
		return Rehearsal{}, err
	}
	return show(set, result.(ledger.Correction)), nil
}

// rehearsed is a proposal, a second person's yes and the application in one.
type rehearsed struct {
	propose ledger.ProposeCorrection
	apply   ledger.ApplyCorrection // of what is proposed: without its ID
}

// Declare implements [ledger.Command].
func (r rehearsed) Declare(s *ledger.Set) {
	r.propose.Declare(s)
	r.apply.Declare(s)
}

// Apply implements [ledger.Command].
func (r rehearsed) Apply(s *ledger.Set) (any, error) {
	proposed, err := r.propose.Apply(s)
	if err != nil {
		return nil, err
	}
	r.apply.ID = proposed.(ledger.Correction).ID
	second := ledger.ApproveCorrection{Case: r.apply.Case, ID: r.apply.ID}
	second.By = "a second person"
	if _, err := second.Apply(s); err != nil {
		return nil, err
	}
	return r.apply.Apply(s)
}

func show(s *ledger.Set, c ledger.Correction) Rehearsal {
	out := Rehearsal{Correction: c}
	for _, p := range s.Postings {
		debit, _ := s.Accounts.Get(p.Debit)
		credit, _ := s.Accounts.Get(p.Credit)
		out.Postings = append(out.Postings, Posting{p.Event, debit.Name.Whole(), credit.Name.Whole(), ledger.Amount{Minor: p.Amount, Currency: p.Currency}})
	}
	s.Transfers.Changes(func(id ledger.ID, t *ledger.Transfer, inserted bool) {
		if inserted {
			out.Payout = t
		} else {
			out.Transfer = t
		}
	})
	return out
}
