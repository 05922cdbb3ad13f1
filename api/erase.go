package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// EraseParty implements [ServerInterface].
func (s *Server) EraseParty(c echo.Context, party string) error {
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	if p, err = ledger.Erase(c.Request().Context(), s.book, s.reader, p.ID, actor(c)); err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, partyView(p, sightOf(caller(c))))
}
