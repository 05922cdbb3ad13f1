package ledger

import (
	"math"
	"slices"
)

// ApplyCorrection does what a correction proposes, once, however often it is asked,
// and closes its break. It returns the [Correction].
type ApplyCorrection struct {
	Case
	ID       ID
	Override string // why it is applied on the very day that it is about; or empty: then that is refused
	Payout   ID     // of the transfer that the correction may pay by
	RRN      string // likewise
}

// Declare implements [Command].
func (c ApplyCorrection) Declare(s *Set) {
	c.declare(s)
	currency := c.Break.Currency
	s.WantAccount(SuspenseAccount(currency))
	s.WantAccount(s.clearing(c.Break.Subject.Bank, currency))
	if c.Transfer != nil { // what it pays by is known once the break is locked: each way is declared
		for _, to := range []*End{&c.Transfer.Payer, &c.Transfer.Payee} {
			CreateTransfer{Transfer: c.payout(to, 1)}.Declare(s)
		}
	}
}

// Apply implements [Command].
func (c ApplyCorrection) Apply(s *Set) (any, error) {
	b, t, made, err := c.waiting(s, c.ID, CorrectionApplied)
	switch {
	case err != nil:
		return nil, err
	case made.State == CorrectionApplied:
		return made, nil
	}
	if err := c.refusal(s, &b, t, &made); err != nil {
		return nil, err
	}
	if err := c.act(s, t, &made); err != nil {
		return nil, err
	}
	made.State, made.AppliedBy, made.Override = CorrectionApplied, c.By, c.Override
	b.State, b.Resolution = BreakClosed, Corrected
	return put(s, &b, made, NoteApplied, c.By), nil
}

// refusal is the first rule that keeps the correction from being applied now.
func (c *ApplyCorrection) refusal(s *Set, b *Break, t *Transfer, made *Correction) error {
	steps := 0
	if t != nil {
		steps = t.Steps
	}
	switch {
	case b.State != BreakOpen || b.Difference() != made.Difference || b.Steps != steps || !slices.Contains(b.Actions(t), made.Action):
		return refuse(CodeBreakChanged, "the break or its transfer has changed since this was proposed; run the reconciliation, withdraw this and propose anew")
	case made.State == CorrectionProposed && needsTwo(s.Policy, c.amount(t, made)):
		return refuse(CodeApprovalNeeded, "above %d %s a second person is to approve it", s.Policy.ApproveAbove, made.Currency)
	case c.Override == "" && s.Policy.Day(s.Now) <= b.Day:
		return refuse(CodeCorrectionTooEarly, "%s is not over: banks still book on it; apply it tomorrow, or now with a reason", b.Day)
	}
	return nil
}

// amount is what is at stake.
func (c *ApplyCorrection) amount(t *Transfer, made *Correction) Amount {
	if made.Action.Adjusts() {
		return Amount{Minor: abs(made.Difference), Currency: made.Currency}
	}
	return t.Amount
}

// needsTwo says whether two persons are needed for an amount.
func needsTwo(p *Policy, a Amount) bool {
	digits, err := a.Currency.Digits()
	if err != nil || p.ApproveAbove < 0 {
		return err != nil
	}
	above := p.ApproveAbove
	for range digits {
		if above > math.MaxInt64/10 {
			return false
		}
		above *= 10
	}
	return a.Minor > above
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func (c *ApplyCorrection) act(s *Set, t *Transfer, made *Correction) error {
	l := life{set: s, t: t}
	switch made.Action {
	case ConfirmCredit:
		l.confirmCredit()
	case ReturnToPayer:
		l.returnToPayer()
	case ReverseDebit:
		l.reverseDebit()
	case ConfirmFailed:
		l.confirmFailed()
	case RefundPayer, ReturnLater:
		return c.pay(s, &t.Payer, made)
	case CreditLater:
		return c.pay(s, &t.Payee, made)
	case ToSuspense:
		c.adjust(s, made)
	case PayAgain:
		return c.create(s, c.payout(&t.Payee, t.Amount.Minor), made)
	}
	return nil
}

// adjust posts the difference between the bank's clearing account and suspense.
func (c *ApplyCorrection) adjust(s *Set, made *Correction) {
	debit, credit := made.sides(s.clearing(made.Bank, made.Currency))
	s.Post(made.ID, EventAdjustment, debit, credit, abs(made.Difference))
}

// pay adjusts, and pays the difference from suspense to whom it is missing.
func (c *ApplyCorrection) pay(s *Set, to *End, made *Correction) error {
	if err := c.create(s, c.payout(to, abs(made.Difference)), made); err != nil {
		return err
	}
	c.adjust(s, made)
	return nil
}

// create makes the transfer that pays from suspense, which may go below zero for it.
func (c *ApplyCorrection) create(s *Set, t Transfer, made *Correction) error {
	create := CreateTransfer{Transfer: t}
	if reason := create.refusal(s); reason != "" { // which is known before anything changes
		return refuse(CodePayoutRefused, "the payout would fail: %s; leave it on suspense", reason)
	}
	if _, err := create.Apply(s); err != nil {
		return err
	}
	made.Payout = c.Payout
	return nil
}

// payout is the transfer from suspense to an end of the corrected transfer.
func (c *ApplyCorrection) payout(to *End, minor int64) Transfer {
	payee := *to
	payee.Instrument = ID{}                   // the account is paid, even if its owner has unlinked it since
	payee.Sealed, payee.Mark = "", [32]byte{} // which are the other transfer's own
	t := c.Transfer
	return Transfer{ID: c.Payout, App: t.App, Kind: Payout, Payer: End{Name: "suspense"}, Payee: payee,
		Amount: Amount{Minor: minor, Currency: c.Break.Currency}, Note: "correction of " + t.ID.TransferRef(), Conversation: t.Conversation, RRN: c.RRN}
}

// confirmCredit ends a deemed transfer whose payee has the money.
func (l *life) confirmCredit() {
	l.settle(LegCredit, Approved)
	if _, ok := l.instruction(LegCreditReversal); ok {
		l.settle(LegCreditReversal, Stands)
	}
	l.step(Completed, "", "")
}

// returnToPayer ends a deemed transfer whose payee does not have the money: it was
// never credited, or the credit was undone.
func (l *life) returnToPayer() {
	if credit, _ := l.instruction(LegCredit); credit.State == Approved {
		l.settle(LegCreditReversal, Approved)
	} else {
		l.settle(LegCredit, NotDone)
		if _, ok := l.instruction(LegCreditReversal); ok {
			l.settle(LegCreditReversal, NotDone)
		}
	}
	l.giveBack(l.t.Reason, l.t.BankCode)
}

// reverseDebit has the debit of an unresolved transfer reversed, once more where it was tried.
func (l *life) reverseDebit() {
	l.settle(LegDebit, Approved)
	l.step(Reversing, l.t.Reason, l.t.BankCode)
	l.instruct(LegDebitReversal, false)
}

// confirmFailed ends an unresolved transfer whose payer has the money: it never
// left, or it is back.
func (l *life) confirmFailed() {
	if debit, _ := l.instruction(LegDebit); debit.State == Approved {
		l.settle(LegDebitReversal, Approved)
		l.step(Reversed, l.t.Reason, l.t.BankCode)
		return
	}
	l.settle(LegDebit, NotDone)
	l.settle(LegDebitReversal, NotDone)
	l.step(Failed, l.t.Reason, l.t.BankCode)
}

// settle closes an instruction as the bank's statement says, and posts what it says
// that moved, unless the bank has said so before.
func (l *life) settle(leg Leg, state InstructionState) {
	i, ok := l.instruction(leg)
	if !ok || i.State == state || (notDone(i.State) && notDone(state)) {
		return
	}
	l.answered(i, state, i.Code, "")
	if state == Approved {
		l.post(Event(leg))
	}
}
