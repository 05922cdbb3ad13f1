package ledger

import "fmt"

// life moves one transfer of a working set along the table of states. It
// assumes that the rules were checked: a step the table does not have, or a
// posting without room, is a bug and panics, which fails the batch unstored.
type life struct {
	set    *Set
	t      *Transfer
	begins bool // this is the transfer's first commit: its lines stand in its row
}

// now is the time of what happens to the transfer: the batch's, but never before
// the transfer's last step, which a node may have taken whose clock is ahead of ours.
func (l *life) now() int64 { return max(l.set.Now, l.t.Updated) }

// step takes the transfer to a state and adds the line to its history.
func (l *life) step(to State, reason Reason, bankCode string) {
	t := l.t
	if t.State == to {
		return
	}
	if first := t.Steps == 0; first != (to == Pending) || (!first && !t.State.mayBecome(to)) {
		panic(fmt.Sprintf("ledger: transfer %s cannot go from %s to %s", t.ID.TransferRef(), t.State, to))
	}
	if l.begins {
		t.Begin(to, reason)
	} else {
		s := Step{Transfer: t.ID, N: t.Steps + 1, State: to, Reason: reason, BankCode: bankCode, At: l.now()}
		if to == Deemed || to == Unresolved {
			s.Deadline = s.At + l.set.Policy.DecideAfter.Microseconds()
		}
		t.Take(s)
		l.set.Steps = append(l.set.Steps, s)
		l.set.later[t.ID] = append(l.set.later[t.ID], s)
	}
	l.set.Transfers.Put(t.ID, *t)
	if !to.Final() {
		return
	}
	if !l.begins {
		l.incoming(-t.Amount.Minor)
		if to != Completed {
			l.set.uncount(t)
		}
	}
	if !t.Cause.IsZero() {
		l.set.concluded(t)
	}
}

// post writes the posting that an event stands for. Its time is never before the
// transfer's, nor before that of the postings before it to either account.
func (l *life) post(e Event) {
	payer, payee, transit := l.set.parts(l.t)
	debit, credit := sides(e, payer, payee, transit)
	l.set.post(l.t.ID, e, debit, credit, l.t.Amount.Minor, l.now())
}

// instruct opens the instruction of a leg, or opens it again. Its times are by the
// clock of the node that drives it, which measures by them.
func (l *life) instruct(leg Leg, queue bool) {
	here, _ := l.t.Ends(leg)
	i := Instruction{ID: InstructionID{l.t.ID, leg}, Bank: here.Bank, Node: l.set.Node, State: Sent, Created: l.set.Now, Updated: l.set.Now}
	i.Due = l.set.Now + (l.set.Policy.Submit + l.set.Policy.Takeover).Microseconds()
	if queue {
		i.State, i.Due = Queued, l.set.Now
	}
	l.set.Instructions.Put(i.ID, i)
	l.set.unsent[i.ID] = struct{}{}
	if leg == LegDebit {
		l.reserve(l.t.Amount.Minor)
	}
}

// instruction is the instruction of a leg, if there is one.
func (l *life) instruction(leg Leg) (Instruction, bool) {
	return l.set.Instructions.Get(InstructionID{l.t.ID, leg})
}

// answered closes an instruction with what the bank said of it.
func (l *life) answered(i Instruction, state InstructionState, code, ref string) {
	if i.ID.Leg == LegDebit && i.State.undecided() && !state.undecided() {
		l.reserve(-l.t.Amount.Minor)
	}
	i.State, i.Code, i.Updated, i.Due = state, code, max(l.now(), i.Updated), 0
	if ref != "" {
		i.Ref = ref
	}
	l.set.Instructions.Put(i.ID, i)
}

// credit goes on with the payee's side once the payer has paid.
func (l *life) credit() {
	switch {
	case l.t.State == Pending && l.t.Until > l.set.Now:
		l.hold()
		return
	case l.t.holds() && l.set.stopped(l.t.Payer.Party):
		l.giveBack(PaymentsStopped, "")
		return
	}
	if l.t.holds() {
		l.set.openTransit(l.t)
	}
	l.step(Debited, "", "")
	if l.t.Payee.IsWallet() {
		l.post(EventCredit)
		l.step(Completed, "", "")
		return
	}
	l.instruct(LegCredit, false)
}

// giveBack returns the money to the payer: to a wallet at once, to a bank by an instruction.
func (l *life) giveBack(reason Reason, bankCode string) {
	if l.t.Payer.IsWallet() {
		l.post(EventDebitReversal)
		l.step(Reversed, reason, bankCode)
		return
	}
	l.step(Reversing, reason, bankCode)
	l.instruct(LegDebitReversal, false)
}

// contradicts keeps a word of a bank that contradicts an earlier one.
func (l *life) contradicts(i Instruction, says Outcome, code string) {
	l.set.Contradictions = append(l.set.Contradictions, Contradiction{Instruction: i.ID, Was: i.State, Says: says, Code: code, At: l.set.Now})
}
