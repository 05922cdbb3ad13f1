package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/address"
)

const maxName = 99 // characters, as on the rails

// party is the party that the caller may see by this id.
func (s *Server) party(c echo.Context, ref string) (ledger.Party, error) {
	id, err := ledger.ParsePartyRef(ref)
	if err != nil {
		return ledger.Party{}, notFound("party")
	}
	p, err := s.reader.Party(c.Request().Context(), id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return ledger.Party{}, notFound("party")
	case err == nil && !sees(caller(c), p.App):
		return ledger.Party{}, foreign("party", "")
	}
	return p, err
}

// sees says whether the holder of a key may look at what belongs to an app.
func sees(k *ledger.Key, app string) bool { return k.Role != ledger.RoleChat || k.App == app }

// appFilter restricts a list to what the holder of a key may see.
func appFilter(k *ledger.Key) string {
	if k.Role == ledger.RoleChat {
		return k.App
	}
	return ""
}

// OpenParty implements [ServerInterface].
func (s *Server) OpenParty(c echo.Context, params OpenPartyParams) error {
	var in NewParty
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	kind, ok := ledger.ParsePartyKind(string(in.Kind))
	switch {
	case in.Kind == "":
		return badRequest("missing_field", "this field is required").at("/kind")
	case !ok:
		return badRequest("invalid_field", "kind is \"person\" or \"merchant\"").at("/kind")
	}
	if err := checkText("/name", in.Name, maxName, true); err != nil {
		return err
	}
	party := ledger.Party{ID: ledger.NewID(), App: caller(c).App, Name: in.Name, Kind: kind}
	return s.commit(c, change{command: ledger.OpenParty{Party: party}, key: params.IdempotencyKey, body: body, status: http.StatusCreated,
		view: func(r any) any { return partyView(r.(ledger.Party), sightOwn) }})
}

// ListParties implements [ServerInterface].
func (s *Server) ListParties(c echo.Context, params ListPartiesParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	rows, err := s.reader.Parties(c.Request().Context(), appFilter(caller(c)), page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Party) string { return string(last.ID[:]) })
	out := PartyList{Data: make([]Party, len(rows)), NextCursor: next}
	for i := range rows {
		out.Data[i] = partyView(rows[i], sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// GetParty implements [ServerInterface].
func (s *Server) GetParty(c echo.Context, party string) error {
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, partyView(p, sightOf(caller(c))))
}

// ListInstruments implements [ServerInterface].
func (s *Server) ListInstruments(c echo.Context, party string) error {
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	rows, err := s.reader.Instruments(c.Request().Context(), p.ID)
	if err != nil {
		return err
	}
	out := InstrumentList{Data: make([]Instrument, len(rows))}
	for n, i := range rows {
		out.Data[n] = instrumentView(i, i.ID == p.Default, sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// LinkInstrument implements [ServerInterface].
func (s *Server) LinkInstrument(c echo.Context, party string, params LinkInstrumentParams) error {
	var in NewInstrument
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	i, err := s.newInstrument(&in)
	if err != nil {
		return err
	}
	i.ID, i.Party, i.App = ledger.NewID(), p.ID, p.App
	isDefault := in.Default || (i.Kind.HoldsMoney() && p.Default.IsZero())
	return s.commit(c, change{command: ledger.LinkInstrument{Instrument: i, MakeDefault: in.Default}, key: params.IdempotencyKey, body: body,
		status: http.StatusCreated, view: func(r any) any { return instrumentView(r.(ledger.Instrument), isDefault, sightOwn) }})
}

// newInstrument checks what the contract says of each kind.
func (s *Server) newInstrument(in *NewInstrument) (i ledger.Instrument, err error) {
	if err := onlyFor(in); err != nil {
		return i, err
	}
	i.Currency = ledger.Currency(in.Currency)
	if in.Currency == "" && (in.Kind == InstrumentKindWallet || in.Kind == InstrumentKindBankAccount) {
		i.Currency = upiCurrency
	}
	switch in.Kind {
	case InstrumentKindPhone:
		i.Kind = ledger.Phone
		i.Value, err = checked("invalid_phone", "/phone", in.Phone, address.Phone)
	case InstrumentKindHandle:
		i.Kind = ledger.Handle
		i.Value, err = checked("invalid_handle", "/handle", in.Handle, address.Handle)
	case InstrumentKindWallet:
		i.Kind = ledger.Wallet
		if _, err := i.Currency.Digits(); err != nil {
			return i, badRequest("unsupported_currency", "%v", err).at("/currency")
		}
	case InstrumentKindBankAccount:
		i.Kind = ledger.BankAccount
		err = s.newBankAccount(in, &i)
	default:
		err = badRequest("invalid_field", "kind is \"phone\", \"handle\", \"bank_account\" or \"wallet\"").at("/kind")
	}
	return i, err
}

// upiCurrency is the currency of UPI's rails and what a wallet is in when none is named.
const upiCurrency = "INR"

func (s *Server) newBankAccount(in *NewInstrument, i *ledger.Instrument) (err error) {
	if i.Value, err = checked("invalid_account", "/account/number", in.Account.Number, address.AccountNumber); err != nil {
		return err
	}
	if i.IFSC, err = checked("invalid_account", "/account/ifsc", in.Account.IFSC, address.IFSC); err != nil {
		return err
	}
	bank, ok := s.registry.ByIFSC(i.IFSC)
	if !ok {
		return badRequest("invalid_account", "the IFSC belongs to no bank that is connected; see /v1/banks").at("/account/ifsc")
	}
	if i.Bank = bank.Code; i.Currency != upiCurrency {
		return badRequest("unsupported_currency", "bank accounts are in %s", upiCurrency).at("/currency")
	}
	if in.UPI == "" {
		return nil
	}
	if i.UPI, err = checked("invalid_upi", "/upi", in.UPI, address.UPI); err != nil {
		return err
	}
	_, suffix, _ := strings.Cut(i.UPI, "@")
	if issuer, ok := s.registry.ByHandle(suffix); ok && issuer.Code != bank.Code {
		return badRequest("invalid_upi", "UPI ids @%s are issued by another bank than the account's", suffix).at("/upi")
	}
	return nil
}

// onlyFor refuses a field that does not go with the kind: it would be lost.
func onlyFor(in *NewInstrument) error {
	for _, f := range []struct {
		field string
		given bool
		kinds []InstrumentKind
	}{
		{"/phone", in.Phone != "", []InstrumentKind{InstrumentKindPhone}},
		{"/handle", in.Handle != "", []InstrumentKind{InstrumentKindHandle}},
		{"/account", in.Account != BankAccount{}, []InstrumentKind{InstrumentKindBankAccount}},
		{"/upi", in.UPI != "", []InstrumentKind{InstrumentKindBankAccount}},
		{"/currency", in.Currency != "", []InstrumentKind{InstrumentKindBankAccount, InstrumentKindWallet}},
	} {
		if !f.given {
			continue
		}
		fits := false
		for _, k := range f.kinds {
			fits = fits || k == in.Kind
		}
		if !fits {
			return badRequest("invalid_field", "this field does not go with kind %q", in.Kind).at(f.field)
		}
	}
	return nil
}

// checked normalises an address and says which field is wrong where it is not one.
func checked[T any](code, field, value string, parse func(string) (T, error)) (T, error) {
	out, err := parse(value)
	if err != nil {
		return out, badRequest(code, "%v", err).at(field)
	}
	return out, nil
}

// checkText refuses text that is too long, hides something or, where required, is missing.
func checkText(field, value string, maxRunes int, required bool) error {
	if value == "" {
		if required {
			return badRequest("missing_field", "this field is required").at(field)
		}
		return nil
	}
	if err := address.Text(value, maxRunes); err != nil {
		return badRequest("invalid_field", "%v", err).at(field)
	}
	return nil
}

// UnlinkInstrument implements [ServerInterface].
func (s *Server) UnlinkInstrument(c echo.Context, party, instrument string) error {
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	i, err := s.instrumentOf(c.Request().Context(), p, instrument)
	if err != nil {
		return err
	}
	if _, err := s.book.Submit(c.Request().Context(), ledger.Request{Command: ledger.UnlinkInstrument{Instrument: i}}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// instrumentOf is the party's instrument with this id, also an unlinked one.
func (s *Server) instrumentOf(ctx context.Context, p ledger.Party, ref string) (ledger.Instrument, error) {
	id, err := ledger.ParseInstrumentRef(ref)
	if err != nil {
		return ledger.Instrument{}, notFound("instrument")
	}
	i, err := s.reader.Instrument(ctx, id)
	switch {
	case err == nil && i.App != p.App:
		return ledger.Instrument{}, foreign("instrument", "instrument "+ref)
	case errors.Is(err, ledger.ErrNotFound), err == nil && i.Party != p.ID:
		return ledger.Instrument{}, notFound("instrument")
	}
	return i, err
}

// SetDefaultInstrument implements [ServerInterface].
func (s *Server) SetDefaultInstrument(c echo.Context, party string) error {
	var in DefaultInstrument
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	if _, err := checked("invalid_field", "/instrument", in.Instrument, ledger.ParseInstrumentRef); err != nil {
		return err
	}
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	i, err := s.instrumentOf(c.Request().Context(), p, in.Instrument)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: ledger.SetDefault{Party: p.ID, Instrument: i.ID}, status: http.StatusOK,
		view: func(r any) any { return partyView(r.(ledger.Party), sightOwn) }})
}
