package ledger

// Outcome is what a bank's answer means for an instruction.
type Outcome uint8

// The outcomes.
const (
	SaysApproved Outcome = iota + 1 // done
	SaysDeclined                    // not done: refused
	SaysNotDone                     // not done, and never will be: certainly never sent, or reversed before it came
	SaysStands                      // to a credit's reversal: the credit was done and stands
	SaysUnknown                     // no answer in time, or one that decides nothing
	SaysNotSeen                     // to a status check: not seen so far; it may still be on its way
)

var outcomeNames = [...]string{SaysApproved: "approved", SaysDeclined: "declined", SaysNotDone: "not_done",
	SaysStands: "stands", SaysUnknown: "unknown", SaysNotSeen: "not_seen"}

// String is the outcome's word.
func (o Outcome) String() string { return nameOf(outcomeNames[:], o) }

// Valid says whether it is one of the outcomes.
func (o Outcome) Valid() bool { return o >= SaysApproved && o <= SaysNotSeen }

// Definite says whether only the bank itself can have found the outcome out, and
// it stands whoever asked: nothing that happens later makes it another.
func (o Outcome) Definite() bool { return o == SaysApproved || o == SaysDeclined || o == SaysStands }

// ParseOutcome reads what String wrote.
func ParseOutcome(s string) (Outcome, bool) { return parseName[Outcome](outcomeNames[:], s) }

// state is how an instruction is closed by the outcome.
func (o Outcome) state() InstructionState {
	return [...]InstructionState{SaysApproved: Approved, SaysDeclined: Declined, SaysNotDone: NotDone, SaysStands: Stands, SaysUnknown: InDoubt}[o]
}

// RecordResult is a bank's answer to an instruction, or its silence. The same
// answer again changes nothing; one that contradicts an answer already taken is
// kept as a [Contradiction] and moves no money.
type RecordResult struct {
	Transfer *Transfer // as read before the batch: only what never changes of it is used
	Leg      Leg
	Outcome  Outcome
	Attempt  int    // SaysUnknown, and reversals that failed: the instruction's Attempts that it answers
	Code     string // the bank's response code, or empty
	Ref      string // the bank's reference, or empty
	// Node, unless zero, is whose own finding it is, such as that it did not send the
	// instruction: it counts for nothing once another node drives the instruction.
	Node ID
}

// Effect is what a result did.
type Effect string

// The effects of a result.
const (
	Applied      Effect = "applied"
	Repeated     Effect = "repeated"
	Contradicted Effect = "contradiction"
)

// Recorded is what RecordResult returns.
type Recorded struct {
	Transfer Transfer
	Effect   Effect
}

// Declare implements [Command].
func (c RecordResult) Declare(s *Set) {
	s.WantTransfer(c.Transfer)
	if c.Outcome != SaysApproved || c.Leg.Reverses() != 0 {
		s.wantUncounted(c.Transfer)
	}
}

// Apply implements [Command]; it returns a [Recorded].
func (c RecordResult) Apply(s *Set) (any, error) {
	t, ok := s.Transfers.Get(c.Transfer.ID)
	if !ok {
		return nil, refuse(CodeTransferNotFound, "there is no transfer %s", c.Transfer.ID.TransferRef())
	}
	i, ok := s.Instructions.Get(InstructionID{t.ID, c.Leg})
	if !ok {
		return nil, refuse(CodeInstructionNotFound, "transfer %s has no %s instruction", t.ID.TransferRef(), c.Leg)
	}
	if !c.Node.IsZero() && i.Node != c.Node {
		return Recorded{Effect: Repeated, Transfer: t}, nil
	}
	l := life{set: s, t: &t}
	return Recorded{Effect: c.record(&l, i), Transfer: t}, nil
}

func (c *RecordResult) record(l *life, i Instruction) Effect {
	reversal := c.Leg.Reverses() != 0
	undecided := c.Outcome == SaysUnknown || (c.Leg != LegCreditReversal && c.Outcome == SaysStands) ||
		(reversal && (c.Outcome == SaysDeclined || c.Outcome == SaysNotSeen))
	// A bank that gave no answer before does now, and its answer still decides: a
	// credit's reversal decides nothing once the payer is being given the money back.
	late := i.State == Silent && !l.t.State.Final() &&
		(c.Leg != LegCreditReversal || l.t.State == Debited || l.t.State == Deemed)
	switch {
	case undecided && (!i.State.Open() || i.Attempts != c.Attempt):
		return Repeated
	case undecided:
		c.silence(l, i)
	case c.Outcome == SaysNotSeen && !i.State.Open():
		return Repeated
	case c.Outcome == SaysNotSeen:
		// It may still be on its way. Only a reversal can keep it from being done.
		c.giveUp(l, i)
	case i.State.Open() || late:
		c.decide(l, i)
	case reversal && i.State == Silent && c.Outcome == SaysNotDone && l.neverDone(c.Leg.Reverses()):
		l.answered(i, NotDone, c.Code, c.Ref) // what the original's own answer said before
	case i.State == c.Outcome.state(), notDone(i.State) && notDone(c.Outcome.state()):
		return Repeated
	default:
		l.contradicts(i, c.Outcome, c.Code)
		return Contradicted
	}
	return Applied
}

func (c *RecordResult) decide(l *life, i Instruction) {
	switch c.Leg {
	case LegDebit:
		c.debit(l, i)
	case LegCredit:
		c.credit(l, i)
	case LegDebitReversal:
		c.debitReversal(l, i)
	case LegCreditReversal:
		c.creditReversal(l, i)
	}
}

// silence counts an attempt that told nothing and plans the next one. A debit or
// a credit is asked after, then reversed; a reversal is tried again, then given up.
func (c *RecordResult) silence(l *life, i Instruction) {
	plan := l.set.Policy.Checks
	if c.Leg.Reverses() != 0 {
		plan = l.set.Policy.Reversals
	}
	i.Attempts++
	if i.Attempts <= len(plan) {
		i.State, i.Updated = InDoubt, l.set.Now
		i.Due = max(l.set.Now, i.Created+plan[i.Attempts-1].Microseconds())
		l.set.Instructions.Put(i.ID, i)
		return
	}
	c.giveUp(l, i)
}

// giveUp stops asking after an instruction: a debit or a credit is reversed, the
// transfer of a reversal is in doubt.
func (c *RecordResult) giveUp(l *life, i Instruction) {
	l.answered(i, Silent, c.Code, "")
	switch c.Leg {
	case LegDebit:
		l.step(Reversing, DebitTimedOut, c.Code)
		l.instruct(LegDebitReversal, false)
	case LegCredit:
		// The payee may have the money: only the payee's bank can say that it has not.
		l.instruct(LegCreditReversal, false)
	case LegDebitReversal:
		if debit, _ := l.instruction(LegDebit); notDone(debit.State) {
			l.step(Failed, DebitDeclined, debit.Code) // there is nothing to give back
			return
		}
		l.step(Unresolved, ReversalFailed, c.Code)
	case LegCreditReversal:
		if credit, _ := l.instruction(LegCredit); notDone(credit.State) {
			l.giveBack(CreditDeclined, credit.Code)
			return
		}
		l.step(Deemed, CreditTimedOut, c.Code)
	}
}

// debit takes the payer's bank's answer to the debit. One that comes after its
// time is given back: the payer was told that it is being confirmed and may
// have paid in another way.
func (c *RecordResult) debit(l *life, i Instruction) {
	wasLate := i.State == InDoubt || i.State == Silent || l.set.Now-l.t.Created > l.set.Policy.debitTime().Microseconds()
	reversal, asked := l.instruction(LegDebitReversal)
	l.answered(i, c.Outcome.state(), c.Code, c.Ref)
	if c.Outcome == SaysApproved {
		l.post(EventDebit)
		switch {
		case asked && reversal.State.Open(): // its answer decides
		case wasLate:
			l.step(Reversing, DebitTimedOut, c.Code)
			l.instruct(LegDebitReversal, false)
		default:
			l.credit()
		}
		return
	}
	if !asked || !reversal.State.Open() {
		l.step(Failed, c.notDoneReason(DebitDeclined), c.Code)
	}
}

// credit takes the payee's bank's answer to the credit.
func (c *RecordResult) credit(l *life, i Instruction) {
	reversal, asked := l.instruction(LegCreditReversal)
	l.answered(i, c.Outcome.state(), c.Code, c.Ref)
	if c.Outcome == SaysApproved {
		l.post(EventCredit)
	}
	switch {
	case asked && reversal.State.Open(): // its answer decides
	case asked && c.Outcome == SaysApproved:
		// The bank was silent about the reversal: it may have undone the credit since.
	case c.Outcome == SaysApproved:
		l.step(Completed, "", "")
	default:
		l.giveBack(c.notDoneReason(CreditDeclined), c.Code)
	}
}

// debitReversal takes the payer's bank's answer to the reversal of the debit.
func (c *RecordResult) debitReversal(l *life, i Instruction) {
	debit, _ := l.instruction(LegDebit)
	neverDone := notDone(debit.State)
	switch {
	case c.Outcome == SaysApproved && neverDone:
		// It gives back what it says it never took: nothing moved, either way.
		l.contradicts(i, c.Outcome, c.Code)
		l.answered(i, NotDone, c.Code, c.Ref)
		l.step(Failed, DebitTimedOut, c.Code)
	case c.Outcome == SaysApproved:
		l.imply(debit, Approved, EventDebit)
		l.answered(i, Approved, c.Code, c.Ref)
		l.post(EventDebitReversal)
		l.step(Reversed, l.t.Reason, l.t.BankCode)
	case debit.State == Approved:
		l.contradicts(i, c.Outcome, c.Code)
		l.answered(i, NotDone, c.Code, c.Ref)
		l.step(Unresolved, BankContradiction, c.Code)
	default:
		l.imply(debit, NotDone, 0)
		l.answered(i, NotDone, c.Code, c.Ref)
		l.step(Failed, DebitTimedOut, c.Code)
	}
}

// creditReversal takes the payee's bank's answer to the reversal of the credit.
func (c *RecordResult) creditReversal(l *life, i Instruction) {
	credit, _ := l.instruction(LegCredit)
	neverDone := notDone(credit.State)
	switch {
	case c.Outcome == SaysApproved && neverDone:
		l.contradicts(i, c.Outcome, c.Code)
		l.answered(i, NotDone, c.Code, c.Ref)
		l.giveBack(CreditTimedOut, c.Code)
	case c.Outcome == SaysApproved:
		l.imply(credit, Approved, EventCredit)
		l.answered(i, Approved, c.Code, c.Ref)
		l.post(EventCreditReversal)
		l.giveBack(CreditTimedOut, c.Code)
	case c.Outcome == SaysStands && !neverDone:
		l.imply(credit, Approved, EventCredit)
		l.answered(i, Stands, c.Code, c.Ref)
		l.step(Completed, "", "")
	case c.Outcome == SaysNotDone && credit.State != Approved:
		l.imply(credit, NotDone, 0)
		l.answered(i, NotDone, c.Code, c.Ref)
		l.giveBack(CreditTimedOut, c.Code)
	default: // "it stands" of a credit declined, or "never done" of one confirmed
		l.contradicts(i, c.Outcome, c.Code)
		l.answered(i, c.Outcome.state(), c.Code, c.Ref)
		l.step(Deemed, BankContradiction, c.Code)
	}
}

// imply closes a silent original by what the answer to its reversal says of it.
func (l *life) imply(original Instruction, state InstructionState, posts Event) {
	if original.State != Silent { // it has already said so itself
		return
	}
	l.answered(original, state, original.Code, "")
	if posts != 0 {
		l.post(posts)
	}
}

// neverDone says whether a leg's own answer was that it is not done.
func (l *life) neverDone(leg Leg) bool {
	i, _ := l.instruction(leg)
	return notDone(i.State)
}

// notDone says whether the bank did not do it and never will.
func notDone(s InstructionState) bool { return s == Declined || s == NotDone }

// notDoneReason tells a refusal from a request that never reached the bank.
func (c *RecordResult) notDoneReason(declined Reason) Reason {
	switch {
	case c.Code == CodeExpired:
		return RequestExpired
	case c.Code == CodeCredentialLost:
		return CredentialLost
	case c.Outcome == SaysNotDone:
		return BankUnavailable
	}
	return declined
}
