package ledger

import (
	"context"
	"slices"
)

// A person is erased in two commits. The first closes the party: its instruments are
// unlinked and nothing can be linked any more, so no transfer of it can begin. The
// second deletes the key of its data, once all of its transfers are at an end: a
// transfer under way needs the account's number until then.

// CloseParty closes a party to be erased. Its wallets must be empty. Doing it again
// unlinks what is linked still. It returns the [Party].
type CloseParty struct {
	Party       ID
	Instruments []Instrument  // its active ones, as read before the batch
	Between     []AccountName // every stripe of transit in their currencies
}

// Declare implements [Command]. Whoever makes a transfer locks a stripe of transit and
// then looks at the instruments: what was made before the lock was had is stored, what
// is made after it finds them unlinked.
func (c CloseParty) Declare(s *Set) {
	s.Parties.Want(c.Party)
	for _, i := range c.Instruments {
		UnlinkInstrument{i}.Declare(s)
	}
	for _, n := range c.Between {
		s.WantAccount(n)
	}
}

// Apply implements [Command].
func (c CloseParty) Apply(s *Set) (any, error) {
	p, ok := s.Parties.Get(c.Party)
	if !ok {
		return nil, refuse(CodePartyNotFound, "there is no party %s", c.Party.PartyRef())
	}
	for _, i := range c.Instruments {
		u := UnlinkInstrument{i}
		if err := u.refusal(s); err != nil {
			return nil, err
		}
	}
	for _, i := range c.Instruments {
		if _, err := (UnlinkInstrument{i}).Apply(s); err != nil {
			panic(err) // it was not refused just now
		}
	}
	p, _ = s.Parties.Get(c.Party)
	if p.Closed == 0 {
		p.Closed = s.Now
		s.Parties.Put(p.ID, p)
	}
	return p, nil
}

// ErasePerson deletes the key of a closed party's data, which cannot be read any more
// from then on. Doing it again changes nothing. It returns the [Party]. See [Erase],
// which does all that is to be done before.
type ErasePerson struct {
	Party ID
	By    string
}

// Declare implements [Command].
func (c ErasePerson) Declare(s *Set) {
	s.Parties.Want(c.Party)
	s.Persons.Want(c.Party)
}

// Apply implements [Command].
func (c ErasePerson) Apply(s *Set) (any, error) {
	p, ok := s.Parties.Get(c.Party)
	switch {
	case !ok:
		return nil, refuse(CodePartyNotFound, "there is no party %s", c.Party.PartyRef())
	case p.Erased != 0:
		return p, nil
	case p.Closed == 0:
		return nil, refuse(CodePartyBusy, "the party is not closed yet")
	}
	p.Name, p.Sealed, p.Erased = "", "", s.Now
	s.Parties.Put(p.ID, p)
	s.Persons.Delete(p.ID)
	s.Erasures = append(s.Erasures, Erasure{Party: p.ID, By: c.By, At: s.Now})
	return p, nil
}

// Erase erases a person for good. It is refused, with nothing changed, while a wallet of
// the party holds money, or a transfer or a pot of it is not at an end. Should one have begun
// meanwhile, on another node, the party stays closed: erase it again when that has ended.
// Doing it again changes nothing.
func Erase(ctx context.Context, book *Pipeline, r Reader, party ID, by string) (Party, error) {
	p, err := r.Party(ctx, party)
	if err != nil || p.Erased != 0 {
		return p, err
	}
	if err := idle(ctx, r, party); err != nil {
		return p, err
	}
	for first := true; ; first = false { // what was linked since it was read is unlinked then
		c, err := closing(ctx, r, party)
		if err != nil {
			return p, err
		}
		if !first && len(c.Instruments) == 0 {
			break
		}
		if p, err = Do[Party](ctx, book, c); err != nil {
			return p, err
		}
	}
	if err := cancelSchedules(ctx, book, r, party); err != nil {
		return p, err
	}
	if err := idle(ctx, r, party); err != nil {
		return p, err
	}
	if err := leaveRequests(ctx, book, r, party); err != nil {
		return p, err
	}
	return Do[Party](ctx, book, ErasePerson{Party: party, By: by})
}

// closing is the command that closes the party as it is now.
func closing(ctx context.Context, r Reader, party ID) (c CloseParty, err error) {
	c.Party = party
	if c.Instruments, err = r.Instruments(ctx, party); err != nil {
		return c, err
	}
	var currencies []Currency
	for _, i := range c.Instruments {
		if i.Kind.HoldsMoney() && !slices.Contains(currencies, i.Currency) {
			currencies = append(currencies, i.Currency)
		}
	}
	for _, currency := range currencies {
		stripes, err := Stripes(ctx, r, TransitAccount(currency))
		if err != nil {
			return c, err
		}
		for _, a := range stripes {
			c.Between = append(c.Between, a.Name)
		}
	}
	return c, nil
}

// idle refuses while a transfer of the party is not at an end, or money that it has put
// aside may still come back to it.
func idle(ctx context.Context, r Reader, party ID) error {
	if err := noPot(ctx, r, party); err != nil {
		return err
	}
	for state := range State(len(stateNames)) {
		if state == 0 || state.Final() {
			continue
		}
		open, err := r.Transfers(ctx, TransferFilter{Party: party, State: state}, Page{Limit: 1})
		if err != nil {
			return err
		}
		if len(open) > 0 {
			return refuse(CodePartyBusy, "transfer %s of the party is %s; erase it when that is at an end", open[0].ID.TransferRef(), state)
		}
	}
	return nil
}

// noPot refuses while a pot of the party is not at an end.
func noPot(ctx context.Context, r Reader, party ID) error {
	for _, state := range []PotState{PotFunding, PotOpen, PotClosing} {
		for page := (Page{Limit: 100}); ; {
			pots, err := r.Records(ctx, RecordFilter{Kind: RecordPot, Party: party, State: uint8(state)}, page)
			if err != nil {
				return err
			}
			for i := range pots {
				if pots[i].Owner == party {
					return refuse(CodePartyBusy, "pot %s of the party is %s; erase it when that is at an end", pots[i].Ref(), state)
				}
			}
			if len(pots) < page.Limit {
				break
			}
			page.Before = pots[len(pots)-1].ID
		}
	}
	return nil
}
