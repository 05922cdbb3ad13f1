package ledger

// ClaimPot pays a share of a pot to one of those it is for. A person gets one share; whose
// bank has declined it may claim that share again. A claim that a rule refuses takes none. It returns a [Claim].
type ClaimPot struct {
	Pot      ID
	Currency Currency // of the pot: it never changes
	App      string
	Payee    End    // of the one who claims
	Phone    string // that the pot invites, as read before the batch: it never changes; or empty
	Transfer ID
	RRN      string
	Refused  Reason // found out before the batch; or empty
}

// Claim is a share that was claimed.
type Claim struct {
	Pot      Record
	N        int // which share
	Transfer Transfer
}

// Payment is the transfer that pays the share, of so many minor units.
func (c *ClaimPot) Payment(minor int64) Transfer {
	return Transfer{ID: c.Transfer, App: c.App, Kind: Payment, Payer: End{Pot: c.Pot}, Payee: c.Payee,
		Amount: Amount{Minor: minor, Currency: c.Currency}, RRN: c.RRN, Cause: PotKey(c.Pot)}
}

// Declare implements [Command].
func (c ClaimPot) Declare(s *Set) {
	if c.Phone != "" {
		s.Aliases.Want(invited(c.App, c.Phone))
	}
	CreateTransfer{Transfer: c.Payment(1)}.Declare(s)
}

// Apply implements [Command].
func (c ClaimPot) Apply(s *Set) (any, error) {
	r, p, ok := record[Pot](s, PotKey(c.Pot))
	if !ok || r.App != c.App {
		return nil, refuse(CodePotNotFound, "there is no pot %s", c.Pot.PotRef())
	}
	if err := c.invited(s, &r, &p); err != nil {
		return nil, err
	}
	n, err := c.share(s, &r, &p)
	if err != nil {
		return nil, err
	}
	create := CreateTransfer{Transfer: c.Payment(p.Divide()[n-1]), Refused: c.Refused}
	t := &create.Transfer
	t.Conversation = r.Conversation
	t.Payer.Name = p.Type.words()
	if reason := create.wouldFail(s); reason != "" {
		return nil, refuse(CodeClaimRefused, "the share could not be paid: %s", reason)
	}
	part := PotPart{Party: c.Payee.Party, Amount: t.Amount.Minor, Transfer: t.ID, State: PartUnderWay, At: s.Now}
	if n > len(p.Taken) {
		p.Taken = append(p.Taken, part)
	} else {
		p.Taken[n-1] = part
	}
	p.Moves++
	putRecord(s, r, &p)
	made, err := create.Apply(s)
	if err != nil {
		panic(err) // it was not refused just now
	}
	r, _ = s.Records.Get(r.RecordKey)
	return Claim{Pot: r, N: n, Transfer: made.(Transfer)}, nil
}

// wouldFail is the reason for which the transfer would fail at once, or empty.
func (c *CreateTransfer) wouldFail(s *Set) Reason {
	if reason := c.refusal(s); reason != "" {
		return reason
	}
	_, reason, _ := c.limited(s)
	return reason
}

// words name the pot where people see a name, of no person.
func (t PotType) words() string {
	if t == RedPacket {
		return "red packet"
	}
	return "invitation"
}

// invited refuses whom the pot is not for. Who has the phone now is looked at under its
// lock: it may have been given to somebody else since the pot was made, or since it was read.
func (c *ClaimPot) invited(s *Set, r *Record, p *Pot) error {
	if p.Type == Invitation {
		private, err := ReadPotPrivate(r)
		if err != nil {
			panic(err)
		}
		if private.Phone == "" || private.Phone != c.Phone {
			return refuse(CodeNotInvited, "somebody else is invited")
		}
		if who, _ := s.Aliases.Get(invited(c.App, c.Phone)); who.Party != c.Payee.Party || c.Payee.Party.IsZero() {
			return refuse(CodeNotInvited, "somebody else is invited: link the phone that the money was sent to, then claim it")
		}
	}
	if p.Members.Len() > 0 && !p.Members.Has(c.Payee.Party) {
		return refuse(CodeNotInvited, "it is not for this party")
	}
	return nil
}

// share is the number of the share that the claim is for.
func (c *ClaimPot) share(s *Set, r *Record, p *Pot) (int, error) {
	n := p.ShareOf(c.Payee.Party)
	switch state := PotState(r.State); {
	case n > 0 && p.Taken[n-1].State != PartFailed:
		return 0, refuse(CodePotClaimed, "the party has claimed its share, number %d, already", n)
	case state == PotFunding:
		return 0, refuse(CodePotNotOpen, "the money is still on its way into the pot; claim it when it is open")
	case state != PotOpen || s.Now >= p.Expires:
		if len(p.Taken) == p.Shares {
			return 0, refuse(CodePotEmpty, "all shares are claimed")
		}
		return 0, refuse(CodePotNotOpen, "it is over: what was not claimed goes back")
	case n > 0:
		return n, nil
	case len(p.Taken) == p.Shares:
		return 0, refuse(CodePotEmpty, "all shares are claimed")
	}
	return len(p.Taken) + 1, nil
}

// Persons implements [Personal].
func (c ClaimPot) Persons() []ID { return []ID{c.Payee.Party} }
