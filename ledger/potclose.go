package ledger

import "slices"

// ClosePot ends the time in which a pot may be claimed, when that is over or its sender
// cancels it, and gives back what is in it, now or, where that cannot be done, later. It
// looks at the pot again: where nothing is due nothing changes. It returns the [Record].
type ClosePot struct {
	Pot     ID
	Funding *Transfer // as read before the batch: to its payer the rest goes back
	Cancel  bool      // at the sender's wish: invitations that nobody has claimed
	Return  ID        // of the transfer by which it does
	RRN     string
	Refused Reason // why the payer's bank cannot be asked now, found out before the batch; or empty
}

// Back is the transfer that gives back so many minor units.
func (c *ClosePot) Back(minor int64) Transfer {
	payee := c.Funding.Payer
	payee.Instrument = ID{}                   // the account is paid, even if its owner has unlinked it since
	payee.Sealed, payee.Mark = "", [32]byte{} // which are the other transfer's own
	f := c.Funding
	return Transfer{ID: c.Return, App: f.App, Kind: Refund, Payer: End{Pot: c.Pot}, Payee: payee,
		Amount: Amount{Minor: minor, Currency: f.Amount.Currency}, Conversation: f.Conversation, RRN: c.RRN, Cause: PotKey(c.Pot)}
}

// Declare implements [Command].
func (c ClosePot) Declare(s *Set) { CreateTransfer{Transfer: c.Back(1)}.Declare(s) }

// Apply implements [Command].
func (c ClosePot) Apply(s *Set) (any, error) {
	r, p, ok := record[Pot](s, PotKey(c.Pot))
	if !ok || p.Funding != c.Funding.ID {
		return nil, refuse(CodePotNotFound, "there is no pot %s", c.Pot.PotRef())
	}
	if c.Cancel {
		if err := p.cancellable(PotState(r.State)); err != nil {
			return nil, err
		}
	}
	if PotState(r.State) == PotOpen && (c.Cancel || s.Now >= p.Expires) {
		p.Cancelled = c.Cancel
		r.State, r.Due = uint8(PotClosing), 0
		p.settle(s, &r)
		putRecord(s, r, &p)
	}
	if PotState(r.State) == PotClosing && r.Due != 0 && s.Now >= r.Due {
		c.giveBack(s, r, p)
	}
	r, _ = s.Records.Get(r.RecordKey)
	return r, nil
}

// cancellable refuses to cancel a pot that others may count on.
func (p *Pot) cancellable(state PotState) error {
	taken := slices.ContainsFunc(p.Taken, func(part PotPart) bool { return part.State != PartFailed })
	switch {
	case p.Type != Invitation:
		return refuse(CodePotNotCancellable, "a red packet cannot be taken back; what nobody claims comes back when it expires")
	case p.Cancelled: // again
		return nil
	case taken:
		return refuse(CodePotNotCancellable, "it was claimed")
	case state == PotFunding:
		return refuse(CodePotNotCancellable, "the money is still on its way into it: cancel the transfer %s", p.Funding.TransferRef())
	case state != PotOpen:
		return refuse(CodePotNotCancellable, "it is over: the money goes back by itself")
	}
	return nil
}

// giveBack sends the rest back to where it came from. Where that would fail at once it
// is tried later, and no transfer is made.
func (c *ClosePot) giveBack(s *Set, r Record, p Pot) {
	create := CreateTransfer{Transfer: c.Back(p.Rest()), Refused: c.Refused}
	t := &create.Transfer
	t.Payer.Name = p.Type.words()
	reason := create.wouldFail(s)
	if t.Payee.Unreadable() {
		reason = PayeeNotPayable
	}
	if reason != "" {
		p.Failures++
		p.Reason = reason
		p.settle(s, &r)
		putRecord(s, r, &p)
		return
	}
	part := PotPart{Amount: t.Amount.Minor, Transfer: t.ID, State: PartUnderWay, At: s.Now}
	if failed := slices.IndexFunc(p.Returns, func(part PotPart) bool { return part.State == PartFailed }); failed >= 0 {
		p.Returns[failed] = part
	} else {
		p.Returns = append(p.Returns, part)
	}
	p.Moves++
	p.settle(s, &r) // nothing is due while it is on its way
	putRecord(s, r, &p)
	if _, err := create.Apply(s); err != nil {
		panic(err) // it was not refused just now
	}
}

// Persons implements [Personal].
func (c ClosePot) Persons() []ID { return []ID{c.Funding.Payer.Party} }
