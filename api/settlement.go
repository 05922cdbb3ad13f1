package api

import (
	"bytes"
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/settle"
)

// ListSettlementWindows implements [ServerInterface].
func (s *Server) ListSettlementWindows(c echo.Context, params ListSettlementWindowsParams) error {
	before := ""
	if params.Cursor != "" {
		var err error
		if before, err = readCursor(params.Cursor); err != nil {
			return err
		}
	}
	rows, err := s.reader.Windows(c.Request().Context(), s.settlement.Schedule.Scheme, before, params.Limit+1)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Window) string { return last.ID })
	return writeJSON(c, http.StatusOK, SettlementWindowList{Data: windowViews(rows), NextCursor: next})
}

// CloseSettlementWindows implements [ServerInterface]. Closing again is safe.
func (s *Server) CloseSettlementWindows(c echo.Context) error {
	var in NewSettlementClose
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	ctx, by := c.Request().Context(), caller(c).ID.KeyRef()
	if in.Window == "" {
		closed, err := s.settlement.CloseDue(ctx, s.now().UnixMicro(), by)
		if err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, SettlementWindowList{Data: windowViews(closed)})
	}
	w, err := s.settlement.Close(ctx, in.Window, by)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, SettlementWindowList{Data: windowViews([]ledger.Window{w})})
}

// reportTypes are the content types of a report's formats.
var reportTypes = map[GetSettlementReportParamsFormat]string{
	settle.FormatJSON: echo.MIMEApplicationJSON, settle.FormatCSV: "text/csv",
	settle.FormatInstruction: echo.MIMEApplicationXML, settle.FormatNotification: echo.MIMEApplicationXML,
}

// GetSettlementReport implements [ServerInterface].
func (s *Server) GetSettlementReport(c echo.Context, window string, params GetSettlementReportParams) error {
	r, err := s.settlement.Report(c.Request().Context(), window)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := r.Write(&b, string(params.Format)); err != nil {
		return err
	}
	return c.Blob(http.StatusOK, reportTypes[params.Format], b.Bytes())
}

// ListSettlementPositions implements [ServerInterface]: a bank sees its own.
func (s *Server) ListSettlementPositions(c echo.Context, window string) error {
	r, err := s.settlement.Report(c.Request().Context(), window)
	if err != nil {
		return err
	}
	out := SettlementPositionList{Data: []SettlementPosition{}}
	for i := range r.Positions {
		if p := &r.Positions[i]; caller(c).Role != ledger.RoleBank || p.Bank == caller(c).Bank {
			out.Data = append(out.Data, positionView(p))
		}
	}
	return writeJSON(c, http.StatusOK, out)
}

// ConfirmSettlement implements [ServerInterface]. A bank confirms its own, signed as
// its results are.
func (s *Server) ConfirmSettlement(c echo.Context, _ ConfirmSettlementParams) error {
	var in NewSettlementConfirmation
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	who := caller(c)
	if who.Role == ledger.RoleBank {
		if err := verifySignature(c.Request().Header, who.PublicKey, s.now(), body); err != nil {
			return err
		}
		if in.Bank != who.Bank {
			return foreign("position", "bank "+s.word(&parameter{name: "bank"}, in.Bank))
		}
	}
	amount, err := ledger.ParseAmount(in.Amount.Value, in.Amount.Currency)
	switch {
	case err != nil:
		return badRequest("invalid_amount", "%v", err).at("/amount")
	case in.Window == "" || in.Bank == "" || in.Direction == "":
		return badRequest("missing_field", "window, bank, amount and direction are required")
	case !in.Direction.Valid():
		return badRequest("invalid_field", "direction is paid or received: what the bank did").at("/direction")
	case in.Outcome != "" && !in.Outcome.Valid():
		return badRequest("invalid_field", "outcome is settled or failed").at("/outcome")
	}
	if err := checkText("/ref", in.Ref, maxSettlementRef, false); err != nil {
		return err
	}
	confirm := settle.ConfirmPosition{Window: in.Window, Bank: in.Bank, Currency: amount.Currency, Amount: amount.Minor,
		Failed: in.Outcome == SettlementOutcomeFailed, Ref: in.Ref, By: who.ID.KeyRef()}
	if in.Direction == SettlementDirectionReceived {
		confirm.Amount = -amount.Minor
	}
	p, err := s.settlement.Confirm(c.Request().Context(), confirm)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, positionView(&p))
}

const maxSettlementRef = 64 // characters

func windowViews(windows []ledger.Window) []SettlementWindow {
	out := make([]SettlementWindow, len(windows))
	for i := range windows {
		w := &windows[i]
		out[i] = SettlementWindow{Window: w.ID, Scheme: w.Scheme, Kind: SettlementWindowKind(w.Kind.String()), Date: w.Day.String(),
			From: timeView(w.From), Until: timeView(w.Until), ClosedAt: timeView(w.Closed), ClosedBy: w.By}
	}
	return out
}

func positionView(p *ledger.Position) SettlementPosition {
	v := SettlementPosition{Window: p.Window, Bank: p.Bank, Remitted: volumeView(p.Remitted, p.Currency), Received: volumeView(p.Received, p.Currency),
		Fees: balanceView(p.Fees, p.Currency), Net: balanceView(-settle.Owes(p), p.Currency), State: SettlementState(p.State.String()),
		Ref: p.Ref, ConfirmedBy: p.By, UpdatedAt: timeView(p.Updated)}
	if p.Bank == "" {
		v.Bank = settle.Itself
	}
	return v
}

func volumeView(v ledger.Volume, c ledger.Currency) SettlementVolume {
	return SettlementVolume{Count: v.Count, Sum: balanceView(v.Minor, c)}
}
