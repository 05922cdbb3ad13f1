package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/address"
)

// Bounds of a transfer's texts, in characters; the contract states them.
const (
	maxNote          = 200
	maxRef           = 128 // conversation and message ids
	maxMetadata      = 20
	maxMetadataValue = 500
	maxBatch         = 1000
)

// rrnCounter numbers the transfers of a node; RRNs wrap and are never keys.
type rrnCounter struct{ n atomic.Uint32 }

func (r *rrnCounter) next(now time.Time) string { return address.RRN(now, r.n.Add(1)) }

// CreateTransfer implements [ServerInterface].
func (s *Server) CreateTransfer(c echo.Context, params CreateTransferParams) error {
	var in NewTransfer
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	command, err := s.payment(c.Request().Context(), caller(c).App, &in)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: params.IdempotencyKey, body: body, status: http.StatusCreated, wait: params.Wait, view: viewTransfer})
}

func viewTransfer(result any) any {
	t := transferOf(result)
	return transferView(&t, sightOwn)
}

// transferOf is the transfer that a command made, by itself or into a pot.
func transferOf(result any) ledger.Transfer {
	if made, ok := result.(ledger.Funded); ok {
		return made.Funding
	}
	return result.(ledger.Transfer)
}

// payment makes the command that a request for a transfer asks for. What the
// contract forbids is a problem; a payer that is not there is refused by the
// pipeline, so that a repeat finds its first answer; what a rule refuses becomes
// a failed transfer.
func (s *Server) payment(ctx context.Context, app string, in *NewTransfer) (ledger.Command, error) {
	t, link, err := s.readPayment(app, in)
	if err != nil {
		return nil, err
	}
	payer, err := s.payer(ctx, app, &in.Payer, t.Amount.Currency)
	if err != nil {
		return refusedLater(err)
	}
	payee, err := s.payee(ctx, app, &in.Payee, link, t.Amount.Currency)
	if err != nil {
		return nil, err
	}
	refused := between(&t, &payer, &payee)
	if payer.asPayer() == "" && payee.refused == ledger.PayeeNotFound && in.Payee.Invite {
		return s.invitation(t, *in.Payee.Phone, in)
	}
	return s.create(t, refused, "/payer/credential", in.Payer.Credential), nil
}

// refusedLater lets the pipeline say that somebody is not there, so that a repeat finds its first answer.
func refusedLater(err error) (ledger.Command, error) {
	var p *problem
	if errors.As(err, &p) && p.status == http.StatusNotFound {
		return ledger.Refused{Why: p}, nil
	}
	return nil, err
}

// between sets the ends of a payment, and says why it is refused where one of them is no account.
func between(t *ledger.Transfer, payer, payee *place) ledger.Reason {
	t.Payer, t.Payee = payer.end, payee.end
	if payee.party.App != t.App { // found by its UPI id: another app's parties are not this one's to know
		t.Payee.Party = ledger.ID{}
	}
	if refused := payer.asPayer(); refused != "" {
		return refused
	}
	return payee.refused
}

// create is the command that makes the transfer, without its numbers; field is where its credential stands.
func (s *Server) create(t ledger.Transfer, refused ledger.Reason, field string, c banks.Credential) ledger.Command {
	made := s.admitted(t, refused)
	if c.IsZero() || made.Refused != "" {
		return made
	}
	return withCredential(made, field, c)
}

// admitted makes the transfer, as far as the banks can take it now.
func (s *Server) admitted(t ledger.Transfer, refused ledger.Reason) ledger.CreateTransfer {
	if refused == "" {
		refused = s.dispatcher.Refuses(&t)
	}
	return ledger.CreateTransfer{Transfer: t, Refused: refused, Queue: s.dispatcher.Saturated(t.Payer.Bank)}
}

// numbered gives the transfers that a command makes their numbers, in the order of
// the request, and their credentials to the dispatcher.
func (s *Server) numbered(c ledger.Command) (ledger.Command, error) {
	switch made := c.(type) {
	case ledger.CreateTransfer:
		made.Transfer.ID, made.Transfer.RRN = ledger.NewID(), s.rrn.next(s.now())
		return made, nil
	case credentialed:
		made.Transfer.ID, made.Transfer.RRN = ledger.NewID(), s.rrn.next(s.now())
		err := s.entrust(made.Transfer.ID, made.credential)
		if made.pot == nil {
			return made.CreateTransfer, err
		}
		made.pot.Payment = made.CreateTransfer
		return numberedPot(*made.pot), err
	case ledger.CreateRefund:
		made.ID, made.RRN = ledger.NewID(), s.rrn.next(s.now())
		return made, nil
	case credentialedRefund:
		made.ID, made.RRN = ledger.NewID(), s.rrn.next(s.now())
		return made.CreateRefund, s.entrust(made.ID, made.credential)
	case ledger.FundPot:
		made.Payment.Transfer.ID, made.Payment.Transfer.RRN = ledger.NewID(), s.rrn.next(s.now())
		return numberedPot(made), nil
	case ledger.ClaimPot:
		made.Transfer, made.RRN = ledger.NewID(), s.rrn.next(s.now())
		return made, nil
	case ledger.ClosePot:
		made.Return, made.RRN = ledger.NewID(), s.rrn.next(s.now())
		return made, nil
	case payingAsk:
		pay, err := s.numbered(made.by)
		made.Pay, _ = pay.(ledger.CreateTransfer)
		return made.PayAsk, err
	case ledger.Many:
		for n := range made {
			var err error
			if made[n], err = s.numbered(made[n]); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// readPayment checks everything about a request that needs no look at the book.
func (s *Server) readPayment(app string, in *NewTransfer) (t ledger.Transfer, link *address.Link, err error) {
	t = ledger.Transfer{App: app, Kind: ledger.Payment, Note: in.Note, Conversation: in.Conversation, Message: in.Message}
	if err := exactlyOne("/payer", &in.Payer); err != nil {
		return t, nil, err
	}
	if err := exactlyOne("/payee", &in.Payee); err != nil {
		return t, nil, err
	}
	if err := checkCredential("/payer/credential", in.Payer.Credential); err != nil {
		return t, nil, err
	}
	if err := notInvited("/payer", &in.Payer); err != nil {
		return t, nil, err
	}
	if in.Payee.Phone == nil {
		if err := notInvited("/payee", &in.Payee); err != nil {
			return t, nil, err
		}
	}
	if !in.Payee.Credential.IsZero() {
		return t, nil, badRequest("invalid_field", "only the payer has a credential").at("/payee/credential")
	}
	if in.Payee.Link != nil {
		l, err := address.ParseLink(*in.Payee.Link)
		if err != nil {
			return t, nil, badRequest("invalid_link", "%v", err).at("/payee/link")
		}
		link = &l
		if t.Note == "" && checkText("", l.Note, maxNote, false) == nil {
			t.Note = l.Note
		}
	}
	if t.Amount, err = readAmount(in.Amount, link); err != nil {
		return t, nil, err
	}
	return t, link, readTexts(in, &t)
}

// pointerEscape writes a member's name as JSON pointers have it.
var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// readTexts checks and takes the texts that are kept as given.
func readTexts(in *NewTransfer, t *ledger.Transfer) error {
	if err := errors.Join(
		checkText("/note", in.Note, maxNote, false),
		checkText("/conversation", in.Conversation, maxRef, false),
		checkText("/message", in.Message, maxRef, false)); err != nil {
		return err
	}
	if len(in.Metadata) > maxMetadata {
		return badRequest("invalid_field", "at most %d values", maxMetadata).at("/metadata")
	}
	for k, v := range in.Metadata {
		if err := errors.Join(checkText("/metadata", k, maxRef, true), checkText("/metadata/"+pointerEscape.Replace(k), v, maxMetadataValue, false)); err != nil {
			return err
		}
	}
	t.Metadata = metadataText(in.Metadata)
	return nil
}

// readAmount takes the amount of the request or of the link, which must agree.
func readAmount(in *Money, link *address.Link) (ledger.Amount, error) {
	if in == nil {
		if link == nil || !link.HasAmount() {
			return ledger.Amount{}, badRequest("missing_field", "this field is required").at("/amount")
		}
		return link.Amount, nil
	}
	a, err := parseMoney("/amount", *in)
	switch {
	case err != nil || link == nil:
		return a, err
	case a.Currency != upiCurrency:
		return a, badRequest("amount_mismatch", "the link is in %s", upiCurrency).at("/amount/currency")
	case link.HasAmount() && a != link.Amount:
		return a, badRequest("amount_mismatch", "the link asks for another amount").at("/amount/value")
	case a.Minor < link.MinAmount.Minor:
		return a, badRequest("amount_mismatch", "the link asks for at least %s", link.MinAmount).at("/amount/value")
	}
	return a, nil
}

func parseMoney(field string, in Money) (ledger.Amount, error) {
	a, err := ledger.ParseAmount(in.Value, in.Currency)
	switch {
	case in.Currency == "":
		return a, badRequest("missing_field", "this field is required").at(field + "/currency")
	case in.Value == "":
		return a, badRequest("missing_field", "this field is required").at(field + "/value")
	case errors.Is(err, ledger.ErrCurrency):
		return a, badRequest("unsupported_currency", "%v", ledger.ErrCurrency).at(field + "/currency")
	case err != nil:
		return a, badRequest("invalid_amount", "%v", err).at(field + "/value")
	case a.Minor == 0:
		return a, badRequest("invalid_amount", "the amount must be more than zero").at(field + "/value")
	}
	return a, nil
}

// exactlyOne refuses an address that names nobody, or somebody in two ways.
func exactlyOne(field string, a *Address) error {
	n := 0
	for _, given := range []bool{a.Party != nil, a.Instrument != nil, a.Phone != nil, a.Handle != nil, a.UPI != nil,
		a.Account != nil, a.Wallet != nil, a.Link != nil} {
		if given {
			n++
		}
	}
	if n != 1 {
		return badRequest("invalid_address", "name exactly one of party, instrument, phone, handle, upi, account, wallet, link").at(field)
	}
	return nil
}

// payer follows the payer's address; the payer is one of the app's own parties.
func (s *Server) payer(ctx context.Context, app string, a *Address, currency ledger.Currency) (place, error) {
	if a.UPI != nil || a.Account != nil || a.Link != nil {
		return place{}, badRequest("invalid_address", "a payer is named by party, instrument, phone, handle or wallet").at("/payer")
	}
	return s.ownParty(ctx, app, "/payer", a, currency)
}

// ownParty follows the address of one of the app's own parties.
func (s *Server) ownParty(ctx context.Context, app, field string, a *Address, currency ledger.Currency) (place, error) {
	found, err := s.follow(ctx, app, field, a, currency)
	if errors.Is(err, ledger.ErrNotFound) {
		return place{}, s.noParty(ctx, app, field, a)
	}
	return found, err
}

// noParty says that there is no such party. One of another app is looked for to be
// written down, by its id: nobody else can be named by what is another app's.
func (s *Server) noParty(ctx context.Context, app, field string, a *Address) *problem {
	p := notFound("party").at(field)
	for _, ref := range []*string{a.Party, a.Wallet} {
		if ref == nil {
			continue
		}
		id, _ := ledger.ParsePartyRef(*ref) // it was read before
		if other, err := s.reader.Party(ctx, id); err == nil && other.App != app {
			return p.withhold(p.code, "party "+*ref)
		}
	}
	if a.Instrument != nil {
		id, _ := ledger.ParseInstrumentRef(*a.Instrument)
		if other, err := s.reader.Instrument(ctx, id); err == nil && other.App != app {
			return p.withhold(p.code, "instrument "+*a.Instrument)
		}
	}
	return p
}

// payee follows the payee's address; nobody at its end is a rule's refusal.
func (s *Server) payee(ctx context.Context, app string, a *Address, link *address.Link, currency ledger.Currency) (found place, err error) {
	switch {
	case link != nil:
		found, err = s.resolver.byAlias(ctx, ledger.Alias{Kind: ledger.AliasUPI, Value: link.Payee}, currency)
	case a.Account != nil:
		found, err = s.payeeAccount(ctx, app, a.Account, currency)
	default:
		found, err = s.follow(ctx, app, "/payee", a, currency)
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return found, err
	}
	unknown := place{end: unknownEnd(a, link), refused: ledger.PayeeNotFound}
	if unknown.end.UPI != "" && currency == upiCurrency {
		return s.issued(ctx, unknown), nil
	}
	return unknown, nil
}

// issued looks for an account that nobody has linked at the bank of its UPI id.
func (s *Server) issued(ctx context.Context, unknown place) place {
	end, refused := s.dispatcher.Resolve(ctx, unknown.end.UPI)
	if refused != "" || checkText("", end.Name, maxName, true) != nil {
		end.Name = unknown.end.Name
	}
	return place{end: end, refused: refused}
}

// unknownEnd keeps whom a payment was meant for, where nobody is known by the
// address; of a phone just what tells the sender which.
func unknownEnd(a *Address, link *address.Link) (e ledger.End) {
	switch {
	case link != nil:
		e.UPI, e.Name = link.Payee, link.Name
		if checkText("", e.Name, maxName, true) != nil {
			e.Name = ""
		}
	case a.UPI != nil:
		e.UPI = strings.ToLower(*a.UPI)
	case a.Handle != nil:
		e.Name = "@" + strings.ToLower(strings.TrimPrefix(*a.Handle, "@"))
	case a.Phone != nil:
		e.Name = masked(*a.Phone)
	}
	return e
}

func (s *Server) payeeAccount(ctx context.Context, app string, a *PayeeAccount, currency ledger.Currency) (place, error) {
	number, err := checked("invalid_account", "/payee/account/number", a.Number, address.AccountNumber)
	if err != nil {
		return place{}, err
	}
	ifsc, err := checked("invalid_account", "/payee/account/ifsc", a.IFSC, address.IFSC)
	if err != nil {
		return place{}, err
	}
	if err := checkText("/payee/account/name", a.Name, maxName, false); err != nil {
		return place{}, err
	}
	return s.resolver.byAccount(ctx, app, ifsc, number, a.Name, currency)
}

// follow finds whom an address of one of the app's own name spaces leads to.
func (s *Server) follow(ctx context.Context, app, field string, a *Address, currency ledger.Currency) (place, error) {
	switch {
	case a.Phone != nil:
		phone, err := checked("invalid_phone", field+"/phone", *a.Phone, address.Phone)
		if err != nil {
			return place{}, err
		}
		return s.resolver.byAlias(ctx, ledger.Alias{App: app, Kind: ledger.AliasPhone, Value: phone}, currency)
	case a.Handle != nil:
		handle, err := checked("invalid_handle", field+"/handle", *a.Handle, address.Handle)
		if err != nil {
			return place{}, err
		}
		return s.resolver.byAlias(ctx, ledger.Alias{App: app, Kind: ledger.AliasHandle, Value: handle}, currency)
	case a.UPI != nil:
		upi, err := checked("invalid_upi", field+"/upi", *a.UPI, address.UPI)
		if err != nil {
			return place{}, err
		}
		return s.resolver.byAlias(ctx, ledger.Alias{Kind: ledger.AliasUPI, Value: upi}, currency)
	case a.Wallet != nil:
		id, err := checked("invalid_address", field+"/wallet", *a.Wallet, ledger.ParsePartyRef)
		if err != nil {
			return place{}, err
		}
		return s.resolver.byWallet(ctx, app, id, currency)
	case a.Instrument != nil:
		id, err := checked("invalid_address", field+"/instrument", *a.Instrument, ledger.ParseInstrumentRef)
		if err != nil {
			return place{}, err
		}
		return s.resolver.byID(ctx, app, id, currency)
	default:
		id, err := checked("invalid_address", field+"/party", *a.Party, ledger.ParsePartyRef)
		if err != nil {
			return place{}, err
		}
		return s.resolver.byParty(ctx, app, id, currency)
	}
}

// CreateTransferBatch implements [ServerInterface].
func (s *Server) CreateTransferBatch(c echo.Context, params CreateTransferBatchParams) error {
	// Each transfer is read by itself: one that is malformed does not stop the others.
	var in struct {
		Transfers []jsontext.Value `json:"transfers"`
	}
	body, err := readBody(c, &in)
	switch {
	case err != nil:
		return err
	case len(in.Transfers) == 0:
		return badRequest("missing_field", "a batch holds at least one transfer").at("/transfers")
	case len(in.Transfers) > maxBatch:
		return badRequest("invalid_field", "a batch holds at most %d transfers", maxBatch).at("/transfers")
	}
	commands, err := s.batchItems(c.Request().Context(), caller(c).App, in.Transfers)
	if err != nil {
		return err
	}
	op, _ := s.operation(c)
	for _, command := range commands {
		if refused, ok := command.(ledger.Refused); ok {
			s.noteDenial(c, op, refused.Why)
		}
	}
	id := requestID(c)
	return s.commit(c, change{command: commands, key: params.IdempotencyKey, body: body, status: http.StatusOK,
		view: func(r any) any { return batchView(r.(ledger.Outcomes), id) }})
}

// atOnce is how many items of a batch are looked at together, so that the payees
// they name are looked for together.
const atOnce = 64

func (s *Server) batchItems(ctx context.Context, app string, texts []jsontext.Value) (ledger.Many, error) {
	commands, errs := make(ledger.Many, len(texts)), make([]error, len(texts))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(atOnce, len(texts)) {
		workers.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(texts); n = int(next.Add(1)) - 1 {
				if commands[n], errs[n] = s.batchItem(ctx, app, texts[n]); errs[n] != nil {
					next.Store(int64(len(texts))) // the batch fails with it: no further ones
				}
			}
		})
	}
	workers.Wait()
	return commands, errors.Join(errs...)
}

// batchItem is the command of one item; its problem, if it has one, is its result.
func (s *Server) batchItem(ctx context.Context, app string, text jsontext.Value) (command ledger.Command, err error) {
	defer func() {
		if r := recover(); r != nil { // not in the request's own goroutine
			err = panicked(r)
		}
	}()
	var in NewTransfer
	err = decode(text, &in)
	if err == nil {
		command, err = s.payment(ctx, app, &in)
	}
	var p *problem
	if errors.As(err, &p) && p.status < http.StatusInternalServerError {
		return ledger.Refused{Why: p}, nil
	}
	return command, err
}

func batchView(outcomes ledger.Outcomes, requestID string) TransferBatch {
	out := TransferBatch{Results: make([]TransferBatchResult, len(outcomes))}
	for n := range outcomes {
		if err := outcomes[n].Err; err != nil {
			p := asProblem(err)
			body := p.body(requestID)
			out.Results[n] = TransferBatchResult{Status: p.status, Problem: &body}
			continue
		}
		t := transferOf(outcomes[n].Result)
		v := transferView(&t, sightOwn)
		out.Results[n] = TransferBatchResult{Status: http.StatusCreated, Transfer: &v}
	}
	return out
}
