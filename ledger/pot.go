package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Pot is the body of a [RecordPot]: money that was put aside for others to claim, by a
// transfer to the pot, and that goes out again by transfers from it. What nobody has
// claimed when its time is over goes back to where it came from. Its owner is who sent it.
type Pot struct {
	Type   PotType `json:"type"`
	Amount Amount  `json:"amount"`
	Shares int     `json:"shares"` // in how many it is divided; a person gets one
	Mode   PotMode `json:"mode"`
	// Seed is what random shares are made of, which is not shown before the pot is
	// closed; Commitment is shown at once.
	Seed       Seed          `json:"seed,omitzero"`
	Commitment string        `json:"commitment,omitempty"`
	Members    PotMembers    `json:"members,omitempty"` // who may claim; empty: whoever the app knows, or has the phone that was invited
	Lasts      time.Duration `json:"lasts"`             // how long it may be claimed, from when the money is in it
	Expires    int64         `json:"expires,omitempty"` // Unix microseconds; 0 while the money is on its way into it

	Funding   ID        `json:"funding"`             // the transfer into it, to whose payer the rest goes back
	Taken     []PotPart `json:"taken,omitempty"`     // shares, in the order in which they were claimed
	Returns   []PotPart `json:"returns,omitempty"`   // what went back, and what is on its way
	Moves     int       `json:"moves,omitempty"`     // transfers out of it that were made, those that failed among them
	Failures  int       `json:"failures,omitempty"`  // how often it could not be given back since it last could
	Reason    Reason    `json:"reason,omitempty"`    // why, the last time; or why the money never came into it
	Cancelled bool      `json:"cancelled,omitempty"` // its sender did not want to wait until it expires
}

// PotType is what a pot is for.
type PotType string

// The types of pot.
const (
	Invitation PotType = "invitation" // for one person, who was not registered when it was made and is known by a phone
	RedPacket  PotType = "red_packet" // for several, in shares
)

// PotMode is how a pot is divided.
type PotMode string

// The modes. See [Pot.Divide].
const (
	EqualShares  PotMode = "equal"
	RandomShares PotMode = "random"
)

// MaxShares is in how many shares a pot is divided at most.
const MaxShares = 200

// PotState is where a pot is in its life; it is the [Record.State] of its record.
type PotState uint8

// The states of a pot.
const (
	PotFunding PotState = iota + 1 // the money is on its way into it
	PotOpen                        // it may be claimed
	PotClosing                     // it may not any more; money is on its way out of it, or is still to be given back
	PotClosed                      // end: it is empty
	PotFailed                      // end: the money never came into it
)

var potStateNames = [...]string{PotFunding: "funding", PotOpen: "open", PotClosing: "closing", PotClosed: "closed", PotFailed: "failed"}

// String is the state's word.
func (s PotState) String() string { return nameOf(potStateNames[:], s) }

// ParsePotState reads what String wrote.
func ParsePotState(s string) (PotState, bool) { return parseName[PotState](potStateNames[:], s) }

// PotStateNames are the words of all states of a pot.
func PotStateNames() []string { return potStateNames[1:] }

// Final says whether the pot is at an end that nothing moves it from.
func (s PotState) Final() bool { return s == PotClosed || s == PotFailed }

// PotPart is a part of a pot's money that goes out of it by a transfer.
type PotPart struct {
	Party    ID        `json:"party,omitzero"` // who claimed it; zero of what goes back
	Amount   int64     `json:"amount"`         // minor units
	Transfer ID        `json:"transfer"`       // the last one, where others failed before
	State    PartState `json:"state"`
	At       int64     `json:"at"` // when the transfer was made, Unix microseconds
}

// PartState is what became of a part.
type PartState uint8

// The states of a part.
const (
	PartUnderWay PartState = iota + 1
	PartPaid               // end: whom it is for has it
	PartFailed             // it is in the pot again; who claimed it may try again
)

var partStateNames = [...]string{PartUnderWay: "under_way", PartPaid: "paid", PartFailed: "failed"}

// String is the state's word.
func (s PartState) String() string { return nameOf(partStateNames[:], s) }

// PotMembers are IDs of parties in their order, one behind the other.
type PotMembers []byte

// NewPotMembers are the parties, each once.
func NewPotMembers(parties []ID) (m PotMembers) {
	parties = slices.Clone(parties)
	slices.SortFunc(parties, ID.Compare)
	for _, p := range slices.Compact(parties) {
		m = append(m, p[:]...)
	}
	return m
}

// Len is how many they are.
func (m PotMembers) Len() int { return len(m) / len(ID{}) }

// At is one of them.
func (m PotMembers) At(i int) ID { return ID(m[i*len(ID{}):]) }

// Has says whether a party is one of them.
func (m PotMembers) Has(party ID) bool {
	low, high := 0, m.Len()
	for low < high {
		switch mid := (low + high) / 2; bytes.Compare(m[mid*len(party):(mid+1)*len(party)], party[:]) {
		case 0:
			return true
		case 1:
			high = mid
		default:
			low = mid + 1
		}
	}
	return false
}

// PotPrivate is what persons can be known by of a pot: see [Record.Private].
type PotPrivate struct {
	Phone string `json:"phone,omitempty"` // of an invitation: who is invited, E.164
	Note  string `json:"note,omitempty"`
}

// ReadPotPrivate reads it; it is empty once the sender was erased.
func ReadPotPrivate(r *Record) (p PotPrivate, err error) {
	if r.Private == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(r.Private), &p); err != nil {
		return p, fmt.Errorf("%s %s: %w", r.Kind, r.Ref(), err)
	}
	return p, nil
}

// PotKey names the record of a pot.
func PotKey(id ID) RecordKey { return RecordKey{RecordPot, id} }

// Rest is what is in the pot once the money has come into it.
func (p *Pot) Rest() int64 {
	rest := p.Amount.Minor
	for _, parts := range [][]PotPart{p.Taken, p.Returns} {
		for i := range parts {
			if parts[i].State != PartFailed {
				rest -= parts[i].Amount
			}
		}
	}
	return rest
}

// Paid is how much those who claimed it have.
func (p *Pot) Paid() (sum int64) {
	for i := range p.Taken {
		if p.Taken[i].State == PartPaid {
			sum += p.Taken[i].Amount
		}
	}
	return sum
}

// underWay says whether money is on its way out of it, and may come back.
func (p *Pot) underWay() bool {
	is := func(part PotPart) bool { return part.State == PartUnderWay }
	return slices.ContainsFunc(p.Taken, is) || slices.ContainsFunc(p.Returns, is)
}

// allPaid says whether all shares are with those who claimed them.
func (p *Pot) allPaid() bool {
	return len(p.Taken) == p.Shares && !slices.ContainsFunc(p.Taken, func(part PotPart) bool { return part.State != PartPaid })
}

// ShareOf is the number of the share that a party has claimed, from 1; or 0.
func (p *Pot) ShareOf(party ID) int {
	return 1 + slices.IndexFunc(p.Taken, func(part PotPart) bool { return part.Party == party })
}

func byTransfer(parts []PotPart, id ID) int {
	return slices.IndexFunc(parts, func(part PotPart) bool { return part.Transfer == id })
}

// FundPot puts money aside by a transfer, which holds, fails and is stopped by the same
// rules as any other: then the pot has failed too. It returns a [Funded].
type FundPot struct {
	ID      ID
	Pot     Pot // Type, Amount, Shares, Mode, Seed, Members and Lasts
	Private PotPrivate
	Payment CreateTransfer // from whom the money comes, and all that is said of it; its payee has a name only
}

// Funded is a pot with the transfer into it.
type Funded struct {
	Pot     Record
	Funding Transfer
}

// Codes of refusals about pots.
const (
	CodePotNotFound       = "pot_not_found"
	CodePotNotOpen        = "pot_not_open"
	CodePotEmpty          = "pot_empty"
	CodePotClaimed        = "pot_claimed"
	CodeNotInvited        = "not_invited"
	CodeClaimRefused      = "claim_refused"
	CodePhoneRegistered   = "phone_registered"
	CodePotNotCancellable = "pot_not_cancellable"
)

// funding is the command that makes the transfer into the pot.
func (c *FundPot) funding() CreateTransfer {
	made := c.Payment
	made.Transfer.Cause, made.Transfer.Amount = PotKey(c.ID), c.Pot.Amount
	made.Transfer.Payee = End{Pot: c.ID, Name: made.Transfer.Payee.Name}
	return made
}

// invited is the name by which the one is found who may claim an invitation.
func invited(app, phone string) Alias { return Alias{App: app, Kind: AliasPhone, Value: phone} }

// Declare implements [Command].
func (c FundPot) Declare(s *Set) {
	s.Records.New(PotKey(c.ID))
	if c.Pot.Type == Invitation {
		s.Aliases.Want(invited(c.Payment.Transfer.App, c.Private.Phone))
	}
	c.funding().Declare(s)
}

// Apply implements [Command].
func (c FundPot) Apply(s *Set) (any, error) {
	create := c.funding()
	t := &create.Transfer
	if c.Pot.Type == Invitation {
		if _, is := s.Aliases.Get(invited(t.App, c.Private.Phone)); is {
			return nil, refuse(CodePhoneRegistered, "the phone was registered in this moment; send the same again to pay its owner")
		}
	}
	private, err := json.Marshal(c.Private)
	if err != nil {
		return nil, err
	}
	p := c.Pot
	p.Funding = t.ID
	if p.Mode == RandomShares {
		p.Commitment = p.Commit(c.ID)
	}
	parties := []ID{t.Payer.Party}
	for i := range p.Members.Len() {
		if m := p.Members.At(i); m != t.Payer.Party {
			parties = append(parties, m)
		}
	}
	putRecord(s, Record{RecordKey: PotKey(c.ID), App: t.App, Owner: t.Payer.Party, Parties: parties, Conversation: t.Conversation,
		State: uint8(PotFunding), Private: string(private)}, &p)
	made, err := create.Apply(s)
	if err != nil {
		return nil, err
	}
	r, _ := s.Records.Get(PotKey(c.ID))
	return Funded{Pot: r, Funding: made.(Transfer)}, nil
}

// Persons implements [Personal].
func (c FundPot) Persons() []ID { return []ID{c.Payment.Transfer.Payer.Party} }

// potMoved takes note of how a transfer into a pot or out of it ended.
func (s *Set) potMoved(t *Transfer) {
	r, p, ok := record[Pot](s, t.Cause)
	if !ok {
		return // [Verify] says so
	}
	paid := t.State == Completed
	if t.ID == p.Funding {
		p.funded(s, &r, t)
	} else if i := byTransfer(p.Taken, t.ID); i >= 0 {
		p.Taken[i].State = ended(paid)
		if paid {
			s.tell(&r, "pot.claimed", i+1)
		} else {
			s.tell(&r, "pot.claim_failed", i+1)
		}
	} else if i := byTransfer(p.Returns, t.ID); i >= 0 {
		p.Returns[i].State = ended(paid)
		if paid {
			p.Failures, p.Reason = 0, ""
			s.tell(&r, "pot.returned", i+1)
		} else {
			p.Failures++
			p.Reason = t.Reason
		}
	}
	p.settle(s, &r)
	putRecord(s, r, &p)
}

func ended(paid bool) PartState {
	if paid {
		return PartPaid
	}
	return PartFailed
}

// funded opens the pot once the money is in it.
func (p *Pot) funded(s *Set, r *Record, t *Transfer) {
	if t.State != Completed {
		r.State, p.Reason = uint8(PotFailed), t.Reason
		s.tell(r, "pot.failed", 0)
		return
	}
	p.Expires = s.Now + p.Lasts.Microseconds()
	r.State, r.Due = uint8(PotOpen), p.Expires
	s.tell(r, "pot.opened", 0)
}

// settle closes the pot when there is nothing more to wait for, or says when the rest is
// to be given back.
func (p *Pot) settle(s *Set, r *Record) {
	switch state := PotState(r.State); {
	case state == PotOpen && p.allPaid(), state == PotClosing && p.Rest() == 0 && !p.underWay():
		r.State, r.Due = uint8(PotClosed), 0
		s.tell(r, "pot.closed", 0)
	case state == PotClosing && p.Rest() > 0:
		if r.Due <= s.Now { // else it is waited already
			r.Due = s.Now + pause(p.Failures).Microseconds()
		}
	case state == PotClosing:
		r.Due = 0
	}
}

// pause is how long one waits before the rest is given back again: a minute, then twice as long each time, up to a day.
func pause(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	return min(time.Minute<<min(failures-1, 20), 24*time.Hour)
}
