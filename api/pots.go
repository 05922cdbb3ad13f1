package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/address"
)

const (
	maxMembers    = 1024
	minPotTime    = time.Minute
	maxPotTime    = 30 * 24 * time.Hour
	redPacketName = "red packet" // as the payee of the payment into one
)

// invitation is the command that puts money aside for a phone that nobody has.
func (s *Server) invitation(t ledger.Transfer, phone string, in *NewTransfer) (ledger.Command, error) {
	phone, err := checked("invalid_phone", "/payee/phone", phone, address.Phone)
	if err != nil {
		return nil, err
	}
	fund := ledger.FundPot{Private: ledger.PotPrivate{Phone: phone, Note: t.Note},
		Pot: ledger.Pot{Type: ledger.Invitation, Amount: t.Amount, Shares: 1, Mode: ledger.EqualShares, Lasts: s.policy.PotLasts}}
	return s.fund(fund, t, "", in.Payer.Credential), nil
}

// CreateRedPacket implements [ServerInterface].
func (s *Server) CreateRedPacket(c echo.Context, params CreateRedPacketParams) error {
	var in NewRedPacket
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	command, err := s.redPacket(c.Request().Context(), caller(c).App, &in)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: params.IdempotencyKey, body: body, status: http.StatusCreated, view: func(r any) any {
		made := r.(ledger.Funded)
		return potView(&made.Pot, made.Funding.Payer.Name, sightOwn)
	}})
}

func (s *Server) redPacket(ctx context.Context, app string, in *NewRedPacket) (ledger.Command, error) {
	t := ledger.Transfer{App: app, Kind: ledger.Payment, Payee: ledger.End{Name: redPacketName}, Note: in.Note, Conversation: in.Conversation, Message: in.Message}
	pot, members, err := s.readRedPacket(in)
	if err != nil {
		return nil, err
	}
	t.Amount = pot.Amount
	payer, err := s.payer(ctx, app, &in.Payer, t.Amount.Currency)
	if err != nil {
		return refusedLater(err)
	}
	if err := s.areMembers(ctx, app, members); err != nil {
		return ledger.Refused{Why: err}, nil
	}
	t.Payer = payer.end
	return s.fund(ledger.FundPot{Pot: pot, Private: ledger.PotPrivate{Note: t.Note}}, t, payer.asPayer(), in.Payer.Credential), nil
}

// asPayer is why the payer's account cannot pay, or empty.
func (p *place) asPayer() ledger.Reason {
	if p.refused == ledger.PayeeNotPayable { // no default: said of the payer
		return ledger.PayerNotPayable
	}
	return p.refused
}

// readRedPacket checks everything about a request that needs no look at the book.
func (s *Server) readRedPacket(in *NewRedPacket) (p ledger.Pot, members []ledger.ID, err error) {
	p = ledger.Pot{Type: ledger.RedPacket, Shares: in.Shares, Mode: ledger.PotMode(cmp.Or(in.Mode, string(ledger.RandomShares))), Lasts: s.policy.PotLasts}
	if err := exactlyOne("/payer", &in.Payer); err != nil {
		return p, nil, err
	}
	if err := errors.Join(
		checkCredential("/payer/credential", in.Payer.Credential),
		notInvited("/payer", &in.Payer),
		checkText("/note", in.Note, maxNote, false),
		checkText("/conversation", in.Conversation, maxRef, false),
		checkText("/message", in.Message, maxRef, false)); err != nil {
		return p, nil, err
	}
	if p.Amount, err = parseMoney("/amount", in.Amount); err != nil {
		return p, nil, err
	}
	switch {
	case in.Shares == 0:
		return p, nil, badRequest("missing_field", "this field is required, and at least 1").at("/shares")
	case in.Shares < 0 || in.Shares > ledger.MaxShares:
		return p, nil, badRequest("invalid_field", "1 to %d shares", ledger.MaxShares).at("/shares")
	case int64(in.Shares) > p.Amount.Minor:
		return p, nil, badRequest("invalid_field", "each share is at least one minor unit of %s", p.Amount.Currency).at("/shares")
	case p.Mode != ledger.EqualShares && p.Mode != ledger.RandomShares:
		return p, nil, badRequest("invalid_field", "mode is \"random\" or \"equal\"").at("/mode")
	case len(in.Members) > maxMembers || in.Members != nil && len(in.Members) == 0:
		return p, nil, badRequest("invalid_field", "1 to %d members, or leave it out", maxMembers).at("/members")
	}
	if in.ExpiresIn != nil {
		p.Lasts = time.Duration(*in.ExpiresIn) * time.Second
		if *in.ExpiresIn > int(maxPotTime/time.Second) || p.Lasts < minPotTime {
			return p, nil, badRequest("invalid_field", "%.0f to %.0f seconds", minPotTime.Seconds(), maxPotTime.Seconds()).at("/expires_in")
		}
	}
	for _, ref := range in.Members {
		id, err := ledger.ParsePartyRef(ref)
		if err != nil {
			return p, nil, badRequest("invalid_field", "not the id of a party").at("/members")
		}
		members = append(members, id)
	}
	p.Members = ledger.NewPotMembers(members)
	return p, members, nil
}

// areMembers refuses members who are none of the app's parties.
func (s *Server) areMembers(ctx context.Context, app string, members []ledger.ID) error {
	if len(members) == 0 {
		return nil
	}
	found, err := s.reader.Payable(ctx, members)
	if err != nil {
		return err
	}
	for _, id := range members {
		switch p, ok := found[id]; {
		case !ok:
			return notFound("party").at("/members")
		case p.Party.App != app:
			return notFound("party").at("/members").withhold("party_not_found", "party "+id.PartyRef())
		}
	}
	return nil
}

// notInvited refuses to invite somebody who is no payee with a phone.
func notInvited(field string, a *Address) error {
	if !a.Invite {
		return nil
	}
	return badRequest("invalid_address", "invite goes with the phone of a payee").at(field + "/invite")
}

// fund is the command that puts money aside by a transfer, without its numbers.
func (s *Server) fund(fund ledger.FundPot, t ledger.Transfer, refused ledger.Reason, c banks.Credential) ledger.Command {
	switch made := s.create(t, refused, "/payer/credential", c).(type) {
	case ledger.CreateTransfer:
		fund.Payment = made
		return fund
	case credentialed:
		made.pot = &fund
		return made
	default: // refused
		return made
	}
}

// numberedPot gives a pot its numbers; those of the payment into it are given.
func numberedPot(fund ledger.FundPot) ledger.FundPot {
	fund.ID = ledger.NewID()
	if fund.Pot.Mode == ledger.RandomShares {
		_, _ = rand.Read(fund.Pot.Seed[:]) // never fails
	}
	return fund
}

// pot is the pot that the caller may see by this id.
func (s *Server) pot(ctx context.Context, k *ledger.Key, ref string) (r ledger.Record, p ledger.Pot, err error) {
	id, err := ledger.ParsePotRef(ref)
	if err != nil {
		return r, p, notFound("pot")
	}
	r, err = s.reader.Record(ctx, ledger.PotKey(id))
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return r, p, notFound("pot")
	case err == nil && !sees(k, r.App):
		return r, p, foreign("pot", "")
	case err == nil:
		p, err = ledger.ReadRecord[ledger.Pot](&r)
	}
	return r, p, err
}

// GetPot implements [ServerInterface].
func (s *Server) GetPot(c echo.Context, ref string) error {
	ctx := c.Request().Context()
	r, p, err := s.pot(ctx, caller(c), ref)
	if err != nil {
		return err
	}
	persons := []ledger.ID{r.Owner}
	for i := range p.Taken {
		persons = append(persons, p.Taken[i].Party)
	}
	found, err := s.reader.Payable(ctx, persons)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, potDetail(&r, &p, found, sightOf(caller(c))))
}

// ListPots implements [ServerInterface].
func (s *Server) ListPots(c echo.Context, params ListPotsParams) error {
	ctx := c.Request().Context()
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	f := ledger.RecordFilter{Kind: ledger.RecordPot, App: appFilter(caller(c)), Conversation: params.Conversation}
	if params.State != "" {
		state, _ := ledger.ParsePotState(string(params.State)) // the contract's enum was checked
		f.State = uint8(state)
	}
	if params.Party != "" {
		if params.Conversation != "" {
			return badRequest("malformed_parameter", "give a party or a conversation, not both").at("party")
		}
		if f.Party, err = ledger.ParsePartyRef(params.Party); err != nil {
			return badRequest("malformed_parameter", "not the id of a party").at("party")
		}
	}
	rows, err := s.reader.Records(ctx, f, page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Record) string { return string(last.ID[:]) })
	var senders []ledger.ID
	for i := range rows {
		senders = append(senders, rows[i].Owner)
	}
	found, err := s.reader.Payable(ctx, senders)
	if err != nil {
		return err
	}
	out := PotList{Data: make([]Pot, len(rows)), NextCursor: next}
	for i := range rows {
		out.Data[i] = potView(&rows[i], found[rows[i].Owner].Party.Name, sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// ClaimPot implements [ServerInterface].
func (s *Server) ClaimPot(c echo.Context, ref string, params ClaimPotParams) error {
	var in NewClaim
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	command, err := s.claim(c.Request().Context(), caller(c), ref, &in)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: params.IdempotencyKey, body: body, status: http.StatusCreated, view: func(r any) any {
		made := r.(ledger.Claim)
		p, err := ledger.ReadRecord[ledger.Pot](&made.Pot)
		if err != nil {
			panic(err) // it was written just now
		}
		return PotClaimed{Pot: made.Pot.Ref(), Claim: claimView(&p, made.N-1, made.Transfer.Payee.Name, sightOwn), Transfer: transferView(&made.Transfer, sightOwn)}
	}})
}

// claim makes the command that a request for a share asks for. Who is not there is refused by the
// pipeline, so that a repeat finds its first answer.
func (s *Server) claim(ctx context.Context, k *ledger.Key, ref string, in *NewClaim) (ledger.Command, error) {
	if in.Party == "" {
		return nil, badRequest("missing_field", "this field is required").at("/party")
	}
	party, err := checked("invalid_field", "/party", in.Party, ledger.ParsePartyRef)
	if err != nil {
		return nil, err
	}
	r, p, err := s.pot(ctx, k, ref)
	if err != nil {
		return nil, err
	}
	to, err := s.claimant(ctx, k.App, party, in.Instrument, p.Amount.Currency)
	if err != nil {
		return refusedLater(err)
	}
	private, err := ledger.ReadPotPrivate(&r)
	if err != nil {
		return nil, err
	}
	c := ledger.ClaimPot{Pot: r.ID, Currency: p.Amount.Currency, App: r.App, Payee: to.end, Phone: private.Phone, Refused: to.refused}
	if c.Refused == "" {
		t := c.Payment(p.Divide()[min(len(p.Taken), p.Shares-1)]) // most likely this share; the bank itself looks at the amount too
		c.Refused = s.dispatcher.Refuses(&t)
	}
	return c, nil
}

// claimant is the account of the party on which it is paid.
func (s *Server) claimant(ctx context.Context, app string, party ledger.ID, instrument string, currency ledger.Currency) (to place, err error) {
	to, err = s.resolver.byParty(ctx, app, party, currency)
	if errors.Is(err, ledger.ErrNotFound) {
		ref := party.PartyRef()
		return to, s.noParty(ctx, app, "/party", &Address{Party: &ref})
	}
	if err != nil || instrument == "" {
		return to, err
	}
	id, err := checked("invalid_field", "/instrument", instrument, ledger.ParseInstrumentRef)
	if err != nil {
		return to, err
	}
	to, err = s.resolver.byID(ctx, app, id, currency)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && to.party.ID != party {
		return to, notFound("instrument").at("/instrument")
	}
	return to, err
}

// CancelPot implements [ServerInterface].
func (s *Server) CancelPot(c echo.Context, ref string, params CancelPotParams) error {
	if err := noBody(c); err != nil {
		return err
	}
	ctx := c.Request().Context()
	r, p, err := s.pot(ctx, caller(c), ref)
	if err != nil {
		return err
	}
	closing, err := s.closing(ctx, &r, &p)
	if err != nil {
		return err
	}
	closing.Cancel = true
	sender := closing.Funding.Payer.Name
	return s.commit(c, change{command: closing, key: params.IdempotencyKey, status: http.StatusOK, view: func(r any) any {
		made := r.(ledger.Record)
		return potView(&made, sender, sightOwn)
	}})
}

// closing is the command that closes a pot, without its numbers.
func (s *Server) closing(ctx context.Context, r *ledger.Record, p *ledger.Pot) (c ledger.ClosePot, err error) {
	funding, err := s.reader.Transfer(ctx, p.Funding)
	if err != nil {
		return c, err
	}
	c = ledger.ClosePot{Pot: r.ID, Funding: &funding}
	t := c.Back(max(p.Rest(), 1))
	c.Refused = s.dispatcher.Refuses(&t)
	return c, nil
}

// expirePot gives back what is left in a pot whose time is over.
func (s *Server) expirePot(ctx context.Context, r ledger.Record) error {
	p, err := ledger.ReadRecord[ledger.Pot](&r)
	if err != nil {
		return err
	}
	closing, err := s.closing(ctx, &r, &p)
	if err != nil {
		return err
	}
	command, err := s.numbered(closing)
	if err != nil {
		return err
	}
	_, err = s.book.Submit(ctx, ledger.Request{Command: command})
	return err
}
