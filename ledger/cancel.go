package ledger

// ClaimInstruction takes a queued instruction for sending by the node of the
// batch. From its commit on the transfer cannot be cancelled. It returns the [Instruction].
type ClaimInstruction struct {
	ID InstructionID
}

// Declare implements [Command].
func (c ClaimInstruction) Declare(s *Set) {
	s.Instructions.Want(c.ID)
	s.Transfers.Want(c.ID.Transfer) // for whoever observes the batch and sends the instruction
}

// Apply implements [Command].
func (c ClaimInstruction) Apply(s *Set) (any, error) {
	i, ok := s.Instructions.Get(c.ID)
	if !ok || i.State != Queued {
		return nil, refuse(CodeInstructionNotFound, "instruction %s is not queued", c.ID)
	}
	i.State, i.Node, i.Updated = Sent, s.Node, s.Now
	i.Due = s.Now + (s.Policy.Submit + s.Policy.Takeover).Microseconds()
	s.Instructions.Put(i.ID, i)
	s.unsent[i.ID] = struct{}{}
	return i, nil
}

// CancelTransfer ends a transfer of which nothing was sent: at the sender's wish
// or, with Expired, because it waited for too long. One that is held the sender gets
// back. Cancelling again is safe.
// It returns the [Transfer].
type CancelTransfer struct {
	Transfer *Transfer // as read before the batch: only what never changes of it is used
	Expired  bool
}

// CodeExpired is UPI's response code for a request that was not sent in time.
const CodeExpired = "U69"

// CodeCredentialLost says that a debit was not sent because its credential block
// is gone. It is our own code, none of UPI's.
const CodeCredentialLost = "NOCRED"

// Declare implements [Command].
func (c CancelTransfer) Declare(s *Set) {
	s.WantTransfer(c.Transfer)
	s.wantUncounted(c.Transfer)
}

// Apply implements [Command].
func (c CancelTransfer) Apply(s *Set) (any, error) {
	t, ok := s.Transfers.Get(c.Transfer.ID)
	if !ok {
		return nil, refuse(CodeTransferNotFound, "there is no transfer %s", c.Transfer.ID.TransferRef())
	}
	if t.State == Cancelled || t.Reason == CancelledBySender {
		return t, nil
	}
	if t.State == Held && !c.Expired {
		return c.takeBack(s, t), nil
	}
	i, ok := s.Instructions.Get(InstructionID{t.ID, LegDebit})
	switch {
	case ok && t.State == Pending && i.State != Queued && t.holds():
		return nil, refuse(CodeNotCancellable, "the payer's bank was asked already; cancel the transfer once it is held")
	case !ok || i.State != Queued:
		return nil, refuse(CodeNotCancellable, "the transfer is %s: its debit was already sent or needs none, so it can only run its course", t.State)
	}
	l := life{set: s, t: &t}
	if c.Expired {
		l.answered(i, Dropped, CodeExpired, "")
		l.step(Failed, RequestExpired, CodeExpired)
	} else {
		l.answered(i, Dropped, "", "")
		l.step(Cancelled, CancelledBySender, "")
	}
	return t, nil
}
