package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/address"
	"bahi/ledger/feed"
)

// StopPayments implements [ServerInterface].
func (s *Server) StopPayments(c echo.Context, party string, params StopPaymentsParams) error {
	return s.setStopped(c, party, params.IdempotencyKey, true)
}

// StartPayments implements [ServerInterface].
func (s *Server) StartPayments(c echo.Context, party string, params StartPaymentsParams) error {
	return s.setStopped(c, party, params.IdempotencyKey, false)
}

func (s *Server) setStopped(c echo.Context, party, key string, stopped bool) error {
	if err := noBody(c); err != nil {
		return err
	}
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	ch := change{command: ledger.StopPayments{Party: p.ID, Stopped: stopped, By: actor(c)}, key: key, status: http.StatusOK,
		view: func(r any) any { kept := r.(ledger.Safety); return safetyView(p.ID, &kept) }}
	if stopped { // what other nodes have begun without having seen it is stored before the answer
		ch.settle = func(ctx context.Context) error { return ledger.Through(ctx, s.book, s.reader, p.ID) }
	}
	return s.commit(c, ch)
}

func safetyView(party ledger.ID, kept *ledger.Safety) Safety {
	return Safety{Party: party.PartyRef(), Stopped: kept.Since != 0, StoppedAt: timeView(kept.Since), StoppedBy: kept.By}
}

// GetSafety implements [ServerInterface].
func (s *Server) GetSafety(c echo.Context, party string) error {
	p, _, kept, err := s.safety(c, party)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, safetyView(p.ID, &kept))
}

// safety is what a party that the caller may see has set.
func (s *Server) safety(c echo.Context, party string) (p ledger.Party, r ledger.Record, kept ledger.Safety, err error) {
	if p, err = s.party(c, party); err != nil {
		return p, r, kept, err
	}
	r, err = s.reader.Record(c.Request().Context(), ledger.RecordKey{Kind: ledger.RecordSafety, ID: p.ID})
	if errors.Is(err, ledger.ErrNotFound) {
		return p, r, kept, nil
	}
	if err == nil {
		kept, err = ledger.ReadRecord[ledger.Safety](&r)
	}
	return p, r, kept, err
}

// tellSafety tells that a party's payments were stopped or started, as they are when the event is read.
func tellSafety(_ context.Context, _ *viewer, e *feed.Event, r *ledger.Record) (out EventData, err error) {
	kept, err := ledger.ReadRecord[ledger.Safety](r)
	out.Safety = safetyView(e.Subject, &kept)
	return out, err
}

// TrustPayee implements [ServerInterface].
func (s *Server) TrustPayee(c echo.Context, party string) error {
	var in NewTrustedPayee
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	found, err := s.findPayee(c.Request().Context(), p.App, &in.Payee)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: ledger.TrustPayee{Party: p.ID, ID: ledger.NewID(), Payee: found.end}, status: http.StatusOK, view: func(r any) any {
		one := r.(ledger.TrustedPayee)
		return trustedView(&one, found.party.Name, sightOwn)
	}})
}

// findPayee is where an address leads to, which must lead to somebody.
func (s *Server) findPayee(ctx context.Context, app string, a *Address) (place, error) {
	if err := exactlyOne("/payee", a); err != nil {
		return place{}, err
	}
	if !a.Credential.IsZero() {
		return place{}, badRequest("invalid_field", "only the payer has a credential").at("/payee/credential")
	}
	var link *address.Link
	if a.Link != nil {
		l, err := address.ParseLink(*a.Link)
		if err != nil {
			return place{}, badRequest("invalid_link", "%v", err).at("/payee/link")
		}
		link = &l
	}
	found, err := s.payee(ctx, app, a, link, upiCurrency)
	if err != nil {
		return found, err
	}
	if found.party.App != app { // another app's parties are not this one's to know
		found.end.Party, found.party = ledger.ID{}, ledger.Party{}
	}
	switch {
	case !found.end.Party.IsZero():
	case found.refused == ledger.BankUnknown:
		return found, badRequest("invalid_account", "the IFSC belongs to no bank that is connected; see /v1/banks").at("/payee/account/ifsc")
	case found.end.Account == "": // nobody, or nobody can say it now
		return found, newProblem(http.StatusNotFound, "party_not_found", "nobody is known by this address").at("/payee")
	}
	return found, nil
}

func trustedView(one *ledger.TrustedPayee, name string, see sight) TrustedPayee {
	if one.Party.IsZero() {
		name = one.Payee.Name
	}
	e := &one.Payee
	return TrustedPayee{ID: one.ID.TrustedRef(), Party: one.Party.PartyRef(), Name: see.text(name), Bank: e.Bank, Account: see.account(e.Account), IFSC: e.IFSC,
		UPI: see.text(e.UPI), TrustedAt: timeView(one.Since)}
}

// ListTrustedPayees implements [ServerInterface].
func (s *Server) ListTrustedPayees(c echo.Context, party string) error {
	_, r, kept, err := s.safety(c, party)
	if err != nil {
		return err
	}
	payees := kept.Payees(&r)
	var parties []ledger.ID
	for i := range payees {
		if !payees[i].Party.IsZero() {
			parties = append(parties, payees[i].Party)
		}
	}
	known, err := find(c.Request().Context(), parties, s.reader.Payable)
	if err != nil {
		return err
	}
	out := TrustedPayeeList{Data: make([]TrustedPayee, len(payees))}
	for i := range payees {
		out.Data[i] = trustedView(&payees[i], known[payees[i].Party].Party.Name, sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// DistrustPayee implements [ServerInterface].
func (s *Server) DistrustPayee(c echo.Context, party, payee string) error {
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	if id, err := ledger.ParseTrustedRef(payee); err == nil { // else it is not on the list
		if _, err := s.book.Submit(c.Request().Context(), ledger.Request{Command: ledger.DistrustPayee{Party: p.ID, ID: id}}); err != nil {
			return err
		}
	}
	return c.NoContent(http.StatusNoContent)
}
