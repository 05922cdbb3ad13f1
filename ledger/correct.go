package ledger

import (
	"slices"
	"strings"
)

// Codes of refusals of corrections.
const (
	CodeBreakNotFound      = "break_not_found"
	CodeBreakClosed        = "break_closed"
	CodeBreakChanged       = "break_changed"
	CodeActionNotAllowed   = "action_not_allowed"
	CodeCorrectionNotFound = "correction_not_found"
	CodeCorrectionPending  = "correction_pending"
	CodeCorrectionEnded    = "correction_ended"
	CodeCorrectionTooEarly = "correction_too_early"
	CodeApprovalNeeded     = "approval_needed"
	CodeSamePerson         = "same_person"
	CodePayoutRefused      = "payout_refused"
)

// Actions are what may be done about a break, the first being what the table of
// the reconciliation proposes. t is the break's transfer as it is now, or nil where
// there is none. There are none for a break that only tells something, and while a
// transfer is still under way.
func (b *Break) Actions(t *Transfer) []Action {
	d := b.Difference()
	switch {
	case b.Class == ClassPayoutFailed:
		if t != nil && t.PayoutFailed() {
			return []Action{PayAgain}
		}
		return nil
	case b.Bank == SaysNothing:
		return nil // silence decides nothing
	case t == nil && d != 0 && b.Subject.Line != LineID{}:
		return []Action{ToSuspense}
	case t == nil || t.State.Waits():
		return nil
	case t.State == Deemed && b.Subject.Leg.PayeeSide() && b.Class.decisive():
		return b.decides(ConfirmCredit, ReturnToPayer)
	case t.State == Unresolved && !b.Subject.Leg.PayeeSide() && b.Class.decisive():
		return b.decides(ReverseDebit, ConfirmFailed)
	case d == 0 || !t.State.Final():
		return nil
	case b.Subject.Line != LineID{}: // of a bank that the transfer has nothing to do with
		return []Action{ToSuspense}
	case d > 0 && !b.Subject.Leg.PayeeSide(): // the payer paid more than we show
		return []Action{RefundPayer, ToSuspense}
	case d < 0 && b.Subject.Leg.PayeeSide() && !t.Payer.Pot.IsZero(): // likewise, and the pot that paid is closed
		return []Action{CreditLater, ToSuspense}
	case d < 0 && b.Subject.Leg.PayeeSide(): // the payee got less than we show
		return []Action{CreditLater, ReturnLater, ToSuspense}
	}
	return []Action{ToSuspense}
}

// decisive says whether a break of the class tells what became of a transfer in doubt.
func (c Class) decisive() bool {
	return c == ClassInDoubt || c == ClassAmountDiffers || c == ClassDuplicate
}

// decides chooses by whether the bank's statement shows the money moved.
func (b *Break) decides(moved, not Action) []Action {
	if b.Theirs > 0 {
		return []Action{moved}
	}
	return []Action{not}
}

// Case is the break that a command about a correction is for. All commands declare
// it and look at it first.
type Case struct {
	Break Break // as read before the batch: its ID and subject, and how many corrections it had
	// Transfer is the break's transfer as read before the batch: only what never
	// changes of it is used. Nil where there is none.
	Transfer *Transfer
	By       string // who asks
}

func (c *Case) declare(s *Set) {
	s.Breaks.Want(c.Break.ID)
	s.Corrections.Want(CorrectionID(c.Break.ID, c.Break.Tries))
	s.Corrections.Want(CorrectionID(c.Break.ID, c.Break.Tries+1))
	if c.Transfer != nil {
		s.WantTransfer(c.Transfer)
		s.wantUncounted(c.Transfer)
	}
}

// ErrBreakBusy is the refusal of a command that was made from a break as it was
// before others corrected it: it is to be made anew.
var ErrBreakBusy error = refuse(CodeBreakChanged, "others correct this break at this moment; try again")

// now is the break and its transfer as they are, and its newest correction, if it has one.
func (c *Case) now(s *Set) (b Break, t *Transfer, newest *Correction, err error) {
	b, ok := s.Breaks.Get(c.Break.ID)
	switch {
	case !ok:
		return b, nil, nil, refuse(CodeBreakNotFound, "there is no break %s", c.Break.ID.BreakRef())
	case b.Tries > c.Break.Tries+1:
		return b, nil, nil, ErrBreakBusy
	}
	if c.Transfer != nil {
		if found, ok := s.Transfers.Get(c.Transfer.ID); ok {
			t = &found
		}
	}
	if b.Tries > 0 {
		if found, ok := s.Corrections.Get(CorrectionID(b.ID, b.Tries)); ok {
			newest = &found
		}
	}
	return b, t, newest, nil
}

// ProposeCorrection proposes to mend a break. Proposing the same again changes
// nothing. It returns the [Correction].
type ProposeCorrection struct {
	Case
	Action Action // 0: what the table of the reconciliation proposes
}

// Declare implements [Command].
func (c ProposeCorrection) Declare(s *Set) { c.declare(s) }

// Apply implements [Command].
func (c ProposeCorrection) Apply(s *Set) (any, error) {
	b, t, newest, err := c.now(s)
	if err != nil {
		return nil, err
	}
	if newest != nil && newest.State.open() {
		if (c.Action == 0 || newest.Action == c.Action) && newest.Difference == b.Difference() {
			return *newest, nil
		}
		return nil, refuse(CodeCorrectionPending, "correction %s (%s) is %s; withdraw it first", newest.ID.CorrectionRef(), newest.Action, newest.State)
	}
	if b.Tries > c.Break.Tries {
		return nil, ErrBreakBusy
	}
	if b.State != BreakOpen {
		return nil, refuse(CodeBreakClosed, "the break is closed (%s): there is nothing to correct", b.Resolution)
	}
	action, err := c.choose(&b, t)
	if err != nil {
		return nil, err
	}
	b.Tries++
	made := Correction{ID: CorrectionID(b.ID, b.Tries), Break: b.ID, Transfer: b.Subject.Transfer, Leg: b.Subject.Leg, Bank: b.Subject.Bank,
		Action: action, Currency: b.Currency, Difference: b.Difference(), State: CorrectionProposed, ProposedBy: c.By, Created: s.Now, Updated: s.Now}
	s.Corrections.Put(made.ID, made)
	s.Note(&b, NoteProposed, c.By, action.String())
	s.Breaks.Put(b.ID, b)
	return made, nil
}

func (c *ProposeCorrection) choose(b *Break, t *Transfer) (Action, error) {
	allowed := b.Actions(t)
	switch {
	case len(allowed) == 0:
		return 0, refuse(CodeActionNotAllowed, "nothing is to be corrected about it: dismiss it once it is looked into")
	case c.Action == 0:
		return allowed[0], nil
	case !slices.Contains(allowed, c.Action):
		names := make([]string, len(allowed))
		for i, a := range allowed {
			names[i] = a.String()
		}
		return 0, refuse(CodeActionNotAllowed, "%s does not mend this break; what does: %s", c.Action, strings.Join(names, ", "))
	}
	return c.Action, nil
}

// open says whether the correction waits to be applied.
func (s CorrectionState) open() bool { return s == CorrectionProposed || s == CorrectionApproved }

// ApproveCorrection is the second person's yes. It returns the [Correction].
type ApproveCorrection struct {
	Case
	ID ID
}

// WithdrawCorrection takes a proposal back. It returns the [Correction].
type WithdrawCorrection struct {
	Case
	ID ID
}

// Declare implements [Command].
func (c ApproveCorrection) Declare(s *Set) { c.declare(s) }

// Declare implements [Command].
func (c WithdrawCorrection) Declare(s *Set) { c.declare(s) }

// waiting is the correction, if it is the newest of its break and waits to be
// applied, or is already what the command makes of it.
func (c *Case) waiting(s *Set, id ID, wanted CorrectionState) (Break, *Transfer, Correction, error) {
	b, t, newest, err := c.now(s)
	switch {
	case err != nil:
		return b, nil, Correction{}, err
	case newest == nil || newest.ID != id:
		return b, nil, Correction{}, refuse(CodeCorrectionNotFound, "%s is not the newest correction of break %s", id.CorrectionRef(), b.ID.BreakRef())
	case !newest.State.open() && newest.State != wanted:
		return b, nil, *newest, refuse(CodeCorrectionEnded, "the correction is %s", newest.State)
	}
	return b, t, *newest, nil
}

// Apply implements [Command].
func (c ApproveCorrection) Apply(s *Set) (any, error) {
	b, _, made, err := c.waiting(s, c.ID, CorrectionApplied)
	switch {
	case err != nil:
		return nil, err
	case made.State != CorrectionProposed:
		return made, nil
	case c.By == made.ProposedBy:
		return nil, refuse(CodeSamePerson, "%s proposed it: a second person is to approve it", c.By)
	}
	made.State, made.ApprovedBy = CorrectionApproved, c.By
	return put(s, &b, made, NoteApproved, c.By), nil
}

// Apply implements [Command].
func (c WithdrawCorrection) Apply(s *Set) (any, error) {
	b, _, made, err := c.waiting(s, c.ID, CorrectionWithdrawn)
	switch {
	case err != nil:
		return nil, err
	case made.State == CorrectionWithdrawn:
		return made, nil
	}
	made.State = CorrectionWithdrawn
	return put(s, &b, made, NoteWithdrawn, c.By), nil
}

// put stores a correction that has gone a step, and its line in the break's history.
func put(s *Set, b *Break, c Correction, what NoteKind, by string) Correction {
	c.Updated = max(s.Now, c.Updated)
	s.Corrections.Put(c.ID, c)
	s.Note(b, what, by, c.Action.String())
	s.Breaks.Put(b.ID, *b)
	return c
}
