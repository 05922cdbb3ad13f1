package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// AskMoney implements [ServerInterface].
func (s *Server) AskMoney(c echo.Context, params AskMoneyParams) error {
	var in NewMoneyRequest
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	command, err := s.asking(c.Request().Context(), caller(c).App, &in)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: params.IdempotencyKey, body: body, status: http.StatusCreated, view: viewRequest})
}

// asking makes the command that makes a request. As with payments, what may have changed
// since a first answer is refused by the pipeline.
func (s *Server) asking(ctx context.Context, app string, in *NewMoneyRequest) (ledger.Command, error) {
	q := ledger.MoneyRequest{Message: in.Message}
	q.ID, q.App, q.Conversation, q.Private = ledger.NewID(), app, in.Conversation, in.Note
	if err := errors.Join(
		checkText("/note", in.Note, maxNote, false),
		checkText("/conversation", in.Conversation, maxRef, false),
		checkText("/message", in.Message, maxRef, false)); err != nil {
		return nil, err
	}
	if !in.ExpiresAt.IsZero() {
		q.Expires = in.ExpiresAt.UnixMicro()
	}
	shares, err := readShares(in)
	if err != nil {
		return nil, err
	}
	q.Currency = shares.currency
	requester, err := s.requester(ctx, app, &in.Requester, q.Currency)
	if err != nil {
		return refusedLater(err)
	}
	q.Owner = requester.party.ID
	if in.Requester.Instrument != nil || in.Requester.Wallet != nil {
		q.Instrument = requester.end.Instrument
	}
	for n := range shares.of {
		share := &shares.of[n]
		party := q.Owner
		if share.payer != nil {
			if party, err = s.askedParty(ctx, app, share.at, share.payer, q.Currency); err != nil {
				return refusedLater(err)
			}
		}
		if party == q.Owner && shares.split && q.Own == 0 {
			q.Own = share.minor
			continue
		}
		q.Asks = append(q.Asks, ledger.Ask{Party: party, Minor: share.minor})
	}
	return ledger.AskMoney{Request: q}, nil
}

// requester finds who asks, and what is to be paid on.
func (s *Server) requester(ctx context.Context, app string, a *Address, currency ledger.Currency) (place, error) {
	return s.own(ctx, app, "/requester", a, currency, "the requester is named by party, phone, handle, instrument or wallet",
		a.UPI != nil || a.Account != nil || a.Link != nil)
}

// askedParty finds who is asked.
func (s *Server) askedParty(ctx context.Context, app, field string, a *Address, currency ledger.Currency) (ledger.ID, error) {
	found, err := s.own(ctx, app, field, a, currency, "who is asked is named by party, phone or handle",
		a.UPI != nil || a.Account != nil || a.Link != nil || a.Instrument != nil || a.Wallet != nil)
	return found.party.ID, err
}

// own finds one of the app's parties that is not to pay now.
func (s *Server) own(ctx context.Context, app, field string, a *Address, currency ledger.Currency, ways string, other bool) (place, error) {
	switch {
	case exactlyOne(field, a) != nil, other:
		return place{}, badRequest("invalid_address", "%s", ways).at(field)
	case !a.Credential.IsZero():
		return place{}, badRequest("invalid_field", "nothing is paid yet; leave the credential out").at(field + "/credential")
	}
	return s.ownParty(ctx, app, field, a, currency)
}

// request is the request that the caller may see by this id.
func (s *Server) request(ctx context.Context, k *ledger.Key, ref string) (q ledger.MoneyRequest, err error) {
	id, err := ledger.ParseRequestRef(ref)
	if err != nil {
		return q, notFound("request")
	}
	r, err := s.reader.Record(ctx, ledger.RequestKey(id))
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return q, notFound("request")
	case err != nil:
		return q, err
	case !sees(k, r.App):
		return q, foreign("request", "")
	}
	return ledger.ReadRequest(r)
}

// GetRequest implements [ServerInterface].
func (s *Server) GetRequest(c echo.Context, ref string) error {
	q, err := s.request(c.Request().Context(), caller(c), ref)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, requestView(&q, sightOf(caller(c))))
}

// ListRequests implements [ServerInterface].
func (s *Server) ListRequests(c echo.Context, params ListRequestsParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	f := ledger.RecordFilter{Kind: ledger.RecordRequest, App: appFilter(caller(c))}
	if params.State != "" {
		state, _ := ledger.ParseRequestState(string(params.State)) // the contract's enum was checked
		f.State = uint8(state)
	}
	switch {
	case params.Party != "":
		if f.Party, err = ledger.ParsePartyRef(params.Party); err != nil {
			return badRequest("malformed_parameter", "not the id of a party").at("party")
		}
	case params.Role != "":
		return badRequest("malformed_parameter", "give the party too whose role is meant").at("role")
	default:
		f.Conversation = params.Conversation
	}
	found, next, err := s.findRequests(c.Request().Context(), f, page, func(q *ledger.MoneyRequest) bool {
		return (params.Conversation == "" || q.Conversation == params.Conversation) &&
			(params.Role == "" || (params.Role == RequestRoleRequester) == (q.Owner == f.Party))
	})
	if err != nil {
		return err
	}
	out := MoneyRequestList{Data: make([]MoneyRequest, len(found)), NextCursor: next}
	for i := range found {
		out.Data[i] = requestView(&found[i], sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// maxLooks is how many pages of records are looked through for one page of requests.
const maxLooks = 20

// findRequests looks through records for those to be shown, and says where to go on.
func (s *Server) findRequests(ctx context.Context, f ledger.RecordFilter, page ledger.Page, show func(*ledger.MoneyRequest) bool) (found []ledger.MoneyRequest, next string, err error) {
	for range maxLooks {
		rows, err := s.reader.Records(ctx, f, page)
		if err != nil {
			return nil, "", err
		}
		for _, r := range rows {
			if len(found) == page.Limit-1 {
				return found, cursorOf(string(page.Before[:])), nil
			}
			q, err := ledger.ReadRequest(r)
			if err != nil {
				return nil, "", err
			}
			if show(&q) {
				found = append(found, q)
			}
			page.Before = r.ID
		}
		if len(rows) < page.Limit {
			return found, "", nil
		}
	}
	return found, cursorOf(string(page.Before[:])), nil
}

// PayRequest implements [ServerInterface].
func (s *Server) PayRequest(c echo.Context, ref string, params PayRequestParams) error {
	var in RequestPayment
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if err := errors.Join(
		exactlyOne("/payer", &in.Payer),
		checkCredential("/payer/credential", in.Payer.Credential),
		checkText("/note", in.Note, maxNote, false),
		checkText("/message", in.Message, maxRef, false)); err != nil {
		return err
	}
	ctx := c.Request().Context()
	q, err := s.request(ctx, caller(c), ref)
	if err != nil {
		return err
	}
	command, err := s.payingAsk(ctx, &q, &in)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: params.IdempotencyKey, body: body, status: http.StatusCreated, wait: params.Wait, view: viewTransfer})
}

// payingAsk makes the command that pays what a payer is asked for.
func (s *Server) payingAsk(ctx context.Context, q *ledger.MoneyRequest, in *RequestPayment) (ledger.Command, error) {
	payer, err := s.payer(ctx, q.App, &in.Payer, q.Currency)
	if err != nil {
		return refusedLater(err)
	}
	n := q.AskOf(payer.party.ID)
	if n < 0 {
		return ledger.Refused{Why: newProblem(http.StatusNotFound, ledger.CodeAskNotFound, "the request asks nothing of this payer").at("/payer")}, nil
	}
	var payee place
	if q.Instrument.IsZero() {
		payee, err = s.resolver.byParty(ctx, q.App, q.Owner, q.Currency)
	} else {
		payee, err = s.resolver.byID(ctx, q.App, q.Instrument, q.Currency)
	}
	if err != nil {
		return nil, err
	}
	t := ledger.Transfer{App: q.App, Kind: ledger.Payment, Amount: q.Amount(q.Asks[n].Minor),
		Note: in.Note, Conversation: q.Conversation, Message: in.Message, Cause: q.RecordKey}
	refused := between(&t, &payer, &payee)
	made := s.create(t, refused, "/payer/credential", in.Payer.Credential)
	if _, refused := made.(ledger.Refused); refused {
		return made, nil
	}
	return payingAsk{ledger.PayAsk{Request: q}, made}, nil
}

// payingAsk is the command that pays an ask, with the one that makes the transfer.
type payingAsk struct {
	ledger.PayAsk
	by ledger.Command
}

// DeclineRequest implements [ServerInterface].
func (s *Server) DeclineRequest(c echo.Context, ref string, params DeclineRequestParams) error {
	var in Decline
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	reason, known := ledger.ParseDeclineReason(string(in.Reason))
	if in.Reason != "" && !known {
		return badRequest("invalid_field", "a reason is already_paid, wrong_amount or not_owed").at("/reason")
	}
	if in.Party == "" {
		return badRequest("missing_field", "this field is required").at("/party")
	}
	return s.changeRequest(c, ref, in.Party, params.IdempotencyKey, body, func(q *ledger.MoneyRequest, party ledger.ID) ledger.Command {
		return ledger.DeclineAsk{Request: q, Party: party, Reason: reason}
	})
}

// RemindRequest implements [ServerInterface].
func (s *Server) RemindRequest(c echo.Context, ref string, params RemindRequestParams) error {
	var in AskChoice
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	return s.changeRequest(c, ref, in.Party, params.IdempotencyKey, body, func(q *ledger.MoneyRequest, party ledger.ID) ledger.Command {
		return ledger.RemindAsk{Request: q, Party: party}
	})
}

// CancelRequest implements [ServerInterface].
func (s *Server) CancelRequest(c echo.Context, ref string, params CancelRequestParams) error {
	var in AskChoice
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	return s.changeRequest(c, ref, in.Party, params.IdempotencyKey, body, func(q *ledger.MoneyRequest, party ledger.ID) ledger.Command {
		return ledger.CancelRequest{Request: q, Party: party}
	})
}

// changeRequest changes the asks of a request, or that of one party.
func (s *Server) changeRequest(c echo.Context, ref, of, key string, body []byte, command func(*ledger.MoneyRequest, ledger.ID) ledger.Command) error {
	var party ledger.ID
	var err error
	if of != "" {
		if party, err = checked("invalid_field", "/party", of, ledger.ParsePartyRef); err != nil {
			return err
		}
	}
	q, err := s.request(c.Request().Context(), caller(c), ref)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command(&q, party), key: key, body: body, status: http.StatusOK, view: viewRequest})
}

// expireRequest ends a request whose time is over.
func (s *Server) expireRequest(ctx context.Context, r ledger.Record) error {
	_, err := s.book.Submit(ctx, ledger.Request{Command: ledger.ExpireRequest{ID: r.ID}})
	return err
}
