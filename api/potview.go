package api

import (
	"fmt"

	"bahi/ledger"
)

// potView shows a pot without those who claimed it. The record is one that was read, or just made.
func potView(r *ledger.Record, sender string, see sight) Pot {
	p, err := ledger.ReadRecord[ledger.Pot](r)
	if err != nil {
		panic(err)
	}
	return viewOfPot(r, &p, sender, see)
}

func viewOfPot(r *ledger.Record, p *ledger.Pot, sender string, see sight) Pot {
	state := ledger.PotState(r.State)
	private, _ := ledger.ReadPotPrivate(r)
	v := Pot{ID: r.Ref(), Type: PotType(p.Type), State: PotState(state.String()), StatusText: potStatus(state, p), Amount: moneyView(p.Amount),
		Left: balanceView(0, p.Amount.Currency), Shares: p.Shares, Claimed: len(p.Taken), Mode: PotMode(p.Mode),
		Sender: PotParty{Party: r.Owner.PartyRef(), Name: see.text(sender)}, Phone: see.text(private.Phone), Note: see.text(private.Note),
		Conversation: see.text(r.Conversation), Commitment: p.Commitment, Funding: p.Funding.TransferRef(),
		CreatedAt: timeView(r.Created), UpdatedAt: timeView(r.Updated), ExpiresAt: timeView(p.Expires)}
	if state == ledger.PotOpen || state == ledger.PotClosing {
		v.Left = balanceView(p.Rest(), p.Amount.Currency)
	}
	if p.Reason != "" && state != ledger.PotClosed {
		v.Failure = PotFailure{Reason: FailureReason(p.Reason), Detail: reasonTexts[p.Reason]}
	}
	return v
}

// potStatus says in plain words how far a pot is.
func potStatus(state ledger.PotState, p *ledger.Pot) string {
	switch {
	case state == ledger.PotFunding:
		return "being paid"
	case state == ledger.PotFailed:
		return "not paid, no money moved"
	case state == ledger.PotOpen && p.Type == ledger.Invitation && len(p.Taken) == 0:
		return "waiting for the payee to sign up"
	case state == ledger.PotOpen:
		return claimedText(p)
	case state == ledger.PotClosing && p.Rest() > 0:
		return "over, the rest is to go back"
	case state == ledger.PotClosing:
		return "over, money is on its way"
	case p.Paid() == p.Amount.Minor:
		return "all claimed"
	case p.Paid() == 0:
		return "not claimed, the money went back"
	}
	return claimedText(p) + ", the rest went back"
}

func claimedText(p *ledger.Pot) string {
	return fmt.Sprintf("%d of %d claimed", len(p.Taken), p.Shares)
}

// potDetail shows all of a pot. Its seed, by which everybody can see how the shares were
// made, must not be known while some can still be claimed.
func potDetail(r *ledger.Record, p *ledger.Pot, persons map[ledger.ID]ledger.Payee, see sight) PotDetail {
	v := PotDetail{Pot: viewOfPot(r, p, persons[r.Owner].Party.Name, see), Claims: make([]PotClaim, len(p.Taken)), Returns: []PotReturn{}}
	for i := range p.Taken {
		v.Claims[i] = claimView(p, i, persons[p.Taken[i].Party].Party.Name, see)
	}
	money := func(minor int64) Money { return moneyView(ledger.Amount{Minor: minor, Currency: p.Amount.Currency}) }
	for _, part := range p.Returns {
		if part.State != ledger.PartFailed {
			v.Returns = append(v.Returns, PotReturn{Amount: money(part.Amount), State: PotPartState(part.State.String()), Transfer: part.Transfer.TransferRef(), At: timeView(part.At)})
		}
	}
	for i := range p.Members.Len() {
		v.Members = append(v.Members, p.Members.At(i).PartyRef())
	}
	if ledger.PotState(r.State) != ledger.PotClosed {
		return v
	}
	if p.Mode == ledger.RandomShares {
		v.Seed = p.Seed.String()
	}
	for _, share := range p.Divide() {
		v.AllShares = append(v.AllShares, money(share))
	}
	return v
}

// claimView shows who got a share, counted from 0.
func claimView(p *ledger.Pot, i int, name string, see sight) PotClaim {
	part := p.Taken[i]
	return PotClaim{N: i + 1, Party: part.Party.PartyRef(), Name: see.text(name), Amount: moneyView(ledger.Amount{Minor: part.Amount, Currency: p.Amount.Currency}),
		State: PotPartState(part.State.String()), Transfer: part.Transfer.TransferRef(), ClaimedAt: timeView(part.At)}
}
