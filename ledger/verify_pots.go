package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// What a pot's record says is compared with its account and with the transfers into it and
// out of it. Those lie in another order than the records: of each pot they are summed up,
// and the sums are compared.

// pots are the pots as accounts and transfers show them.
type pots map[ID]*potSeen

// potSeen is one of them.
type potSeen struct {
	moves    int // transfers out of it, those that failed among them
	money    map[Currency]int64
	has      potSum
	from, to AccountID // where the money came from, and where it went back to
	astray   bool      // it went back to several places
}

// potSum is what is compared of transfers. Of each one that has not failed it holds which
// it is, of whom and how far; of those into a pot also if it has.
type potSum struct {
	in, underWay, paid int64
	each               [2]uint64 // sums of hashes
}

func (p *potSum) add(id, party ID, amount int64, state PartState, into bool) {
	switch {
	case into && state == PartPaid:
		p.in += amount
	case !into && state == PartPaid:
		p.paid += amount
	case !into && state == PartUnderWay:
		p.underWay += amount
	case !into: // that it failed is all that there is to say
		return
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%x %x %d %d %v", id, party, amount, state, into))
	p.each[0] += binary.BigEndian.Uint64(h[:])
	p.each[1] += binary.BigEndian.Uint64(h[8:])
}

func (p *potSum) String() string {
	return fmt.Sprintf("%d in, %d out, %d on its way out", p.in, p.paid, p.underWay)
}

// pot is the pot whose account it is, if it is one's.
func (n AccountName) pot() (id ID, ok bool) {
	ref, ok := strings.CutPrefix(n.Path, potPath)
	if !ok {
		return id, false
	}
	id, err := ParsePotRef(ref)
	return id, err == nil
}

func (p pots) of(id ID) *potSeen {
	seen, ok := p[id]
	if !ok {
		seen = &potSeen{money: map[Currency]int64{}}
		p[id] = seen
	}
	return seen
}

func (p pots) account(a *Account) {
	if id, ok := a.Name.pot(); ok {
		p.of(id).money[a.Name.Currency] += a.Balance()
	}
}

func (p pots) transfer(t *Transfer) {
	if t.Cause.Kind != RecordPot {
		return
	}
	state := PartUnderWay
	if t.State.Final() {
		state = ended(t.State == Completed)
	}
	seen := p.of(t.Cause.ID)
	switch {
	case !t.Payee.Pot.IsZero():
		seen.from = t.Payer.account(t.Amount.Currency).ID()
		seen.has.add(t.ID, t.Payer.Party, t.Amount.Minor, state, true)
	case t.Kind == Refund:
		to := t.Payee.account(t.Amount.Currency).ID()
		seen.astray = seen.astray || (seen.to != AccountID{} && seen.to != to)
		seen.to = to
		seen.moves++
		seen.has.add(t.ID, ID{}, t.Amount.Minor, state, false)
	default:
		seen.moves++
		seen.has.add(t.ID, t.Payee.Party, t.Amount.Minor, state, false)
	}
}

// pots checks every pot.
func (v *verifier) checkPots(s Snapshot) error {
	for r, err := range s.Records(RecordPot) {
		if err != nil {
			return err
		}
		p, err := ReadRecord[Pot](&r)
		if err != nil {
			v.violated("pot_record", r.Ref(), "%v", err)
			continue
		}
		v.pot(&r, &p, v.pots.of(r.ID))
		delete(v.pots, r.ID)
	}
	for id := range v.pots {
		v.violated("pot_exists", id.PotRef(), "there is an account or a transfer of a pot that does not exist")
	}
	return nil
}

func (v *verifier) pot(r *Record, p *Pot, seen *potSeen) {
	where := r.Ref()
	v.potTerms(r, p)
	state := PotState(r.State)
	funding := map[PotState]PartState{PotFunding: PartUnderWay, PotOpen: PartPaid, PotClosing: PartPaid, PotClosed: PartPaid, PotFailed: PartFailed}[state]
	var says potSum
	says.add(p.Funding, r.Owner, p.Amount.Minor, funding, true)
	for i := range p.Taken {
		says.add(p.Taken[i].Transfer, p.Taken[i].Party, p.Taken[i].Amount, p.Taken[i].State, false)
	}
	for i := range p.Returns {
		says.add(p.Returns[i].Transfer, ID{}, p.Returns[i].Amount, p.Returns[i].State, false)
	}
	if says != seen.has || p.Moves != seen.moves {
		v.violated("pot_transfers", where, "its record in state %s says %v, by %d transfers; the transfers say %v, by %d, or are others", state, &says, p.Moves, &seen.has, seen.moves)
	}
	if seen.astray || (seen.to != AccountID{} && seen.to != seen.from) {
		v.violated("pot_return", where, "money went back to another account than it came from")
	}
	rest := int64(0)
	if funding == PartPaid {
		rest = p.Rest()
	}
	for c, balance := range seen.money {
		if want := map[bool]int64{true: rest}[c == p.Amount.Currency]; balance != want {
			v.violated("pot_balance", where, "its account holds %d %s; by its record it should be %d", balance, c, want)
		}
	}
	if _, is := seen.money[p.Amount.Currency]; !is && rest != 0 {
		v.violated("pot_balance", where, "it has no account, and should hold %d", rest)
	}
	due := int64(0)
	if state == PotOpen {
		due = p.Expires
	}
	switch {
	case state == PotClosed && (rest != 0 || p.underWay()):
		v.violated("pot_state", where, "it is closed; it holds %d, and money may be on its way", rest)
	case state == PotClosing && rest == 0 && !p.underWay():
		v.violated("pot_state", where, "it is closing, with nothing to wait for")
	case state == PotClosing && rest > 0 && r.Due == 0:
		v.violated("pot_due", where, "it holds %d that are not given back at any time", rest)
	case !(state == PotClosing && rest > 0) && r.Due != due:
		v.violated("pot_due", where, "in state %s it is due at %d, not at %d", state, r.Due, due)
	}
}

// potTerms checks that shares are what was committed to, each once and of another person.
func (v *verifier) potTerms(r *Record, p *Pot) {
	where := r.Ref()
	if p.Shares < 1 || p.Shares > MaxShares || p.Amount.Minor < int64(p.Shares) || len(p.Taken) > p.Shares {
		v.violated("pot_terms", where, "%d are divided in %d shares, of which %d are claimed", p.Amount.Minor, p.Shares, len(p.Taken))
		return
	}
	if p.Mode == RandomShares && p.Commitment != p.Commit(r.ID) {
		v.violated("pot_commitment", where, "its terms and its seed are not those that were committed to")
	}
	shares, claimed := p.Divide(), map[ID]bool{}
	for i, part := range p.Taken {
		if part.Amount != shares[i] || claimed[part.Party] {
			v.violated("pot_share", where, "share %d is %d, of a party that has claimed one: %v; it should be %d", i+1, part.Amount, claimed[part.Party], shares[i])
		}
		claimed[part.Party] = true
	}
}
