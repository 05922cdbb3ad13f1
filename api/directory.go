package api

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/address"
)

// LookUp implements [ServerInterface]. Not found is an answer.
func (s *Server) LookUp(c echo.Context, params LookUpParams) error {
	alias, err := readAlias(caller(c).App, &params)
	if err != nil {
		return err
	}
	found, err := s.resolver.byAlias(c.Request().Context(), alias, upiCurrency)
	if errors.Is(err, ledger.ErrNotFound) {
		return writeJSON(c, http.StatusOK, DirectoryEntry{})
	}
	if err != nil {
		return err
	}
	out := DirectoryEntry{Found: true, Name: sightOf(caller(c)).text(found.party.Name), Kind: PartyKind(found.party.Kind.String()), Payable: found.refused == ""}
	if sees(caller(c), found.party.App) {
		out.Party = found.party.ID.PartyRef()
		if out.Payable {
			out.Via = found.via()
		}
	}
	return writeJSON(c, http.StatusOK, out)
}

// via is what the payee would be paid by: a bank's code or "wallet".
func (p *place) via() string {
	if p.end.IsWallet() {
		return "wallet"
	}
	return p.end.Bank
}

func readAlias(app string, params *LookUpParams) (ledger.Alias, error) {
	given := 0
	for _, v := range []string{params.Phone, params.Handle, params.UPI} {
		if v != "" {
			given++
		}
	}
	if given != 1 {
		return ledger.Alias{}, badRequest("malformed_parameter", "name exactly one of phone, handle and upi")
	}
	a := ledger.Alias{App: app}
	var err error
	switch {
	case params.Phone != "":
		a.Kind = ledger.AliasPhone
		a.Value, err = checked("invalid_phone", "phone", params.Phone, address.Phone)
	case params.Handle != "":
		a.Kind = ledger.AliasHandle
		a.Value, err = checked("invalid_handle", "handle", params.Handle, address.Handle)
	default:
		a.App, a.Kind = "", ledger.AliasUPI
		a.Value, err = checked("invalid_upi", "upi", params.UPI, address.UPI)
	}
	return a, err
}
