package api

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// ListLimits implements [ServerInterface].
func (s *Server) ListLimits(c echo.Context, party string) error {
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	uses, err := ledger.LimitUses(c.Request().Context(), s.reader, s.policy.Limits, p, s.now().UnixMicro())
	if err != nil {
		return err
	}
	out := LimitList{Data: make([]PartyLimit, len(uses))}
	for n := range uses {
		out.Data[n] = limitView(&uses[n])
	}
	return writeJSON(c, http.StatusOK, out)
}

func limitView(u *ledger.LimitUse) PartyLimit {
	figure := func(n int64) string {
		if u.Currency == "" {
			return strconv.FormatInt(n, 10)
		}
		return ledger.Amount{Minor: n, Currency: u.Currency}.String()
	}
	return PartyLimit{Name: LimitName(u.Name), Reason: FailureReason(u.Name.Refuses()), Instrument: u.Instrument.InstrumentRef(), Currency: string(u.Currency),
		Figure: figure(u.Figure), Used: figure(u.Used), Left: figure(u.Left()), FreesAt: timeView(u.Frees)}
}
