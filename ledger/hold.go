package ledger

// A transfer is held after its payer has paid: the money is in transit until the time to
// take it back is over. Of what is held there is a record that falls due then. Cancelling
// and releasing both look at the state under the transfer's lock, so the one that comes
// second finds nothing to do. Should the payer have stopped its payments meanwhile, the
// money goes back at that time.

// wantHold declares what is looked at when the time of a held transfer is over.
func (s *Set) wantHold(t *Transfer) {
	s.Records.Want(RecordKey{RecordHold, t.ID})
	if !t.Payer.Party.IsZero() {
		s.Records.See(safetyKey(t.Payer.Party))
	}
}

// hold keeps what the payer has paid until the transfer's time.
func (l *life) hold() {
	l.step(Held, "", "")
	putRecord(l.set, Record{RecordKey: RecordKey{RecordHold, l.t.ID}, App: l.t.App, Due: l.t.Until}, struct{}{})
}

// ReleaseTransfer goes on with a held transfer whose time is over: the payee is paid or, if
// the payer has stopped its payments since, the payer gets the money back. Releasing again
// changes nothing. It returns the [Transfer].
type ReleaseTransfer struct {
	Transfer *Transfer // as read before the batch: only what never changes of it is used
}

// Declare implements [Command].
func (c ReleaseTransfer) Declare(s *Set) { s.WantTransfer(c.Transfer) }

// Apply implements [Command].
func (c ReleaseTransfer) Apply(s *Set) (any, error) {
	t, ok := s.Transfers.Get(c.Transfer.ID)
	if !ok {
		return nil, refuse(CodeTransferNotFound, "there is no transfer %s", c.Transfer.ID.TransferRef())
	}
	if t.State != Held || t.Until > s.Now {
		return t, nil
	}
	s.Records.Delete(RecordKey{RecordHold, t.ID})
	l := life{set: s, t: &t}
	l.credit()
	return t, nil
}

// takeBack gives the money of a held transfer back to its payer.
func (c CancelTransfer) takeBack(s *Set, t Transfer) Transfer {
	s.Records.Delete(RecordKey{RecordHold, t.ID})
	l := life{set: s, t: &t}
	l.giveBack(CancelledBySender, "")
	return t
}
