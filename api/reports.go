package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/munnerz/goautoneg"

	"bahi/ledger"
	"bahi/ledger/report"
)

// Bounds of reports, which are sent while they are made.
const (
	maxReports    = 4                // at once; more are refused
	reportTime    = 15 * time.Minute // in all
	slowestReader = 30 * time.Second // for a piece of one
)

// reportKinds are the content types of a report's formats, the default first.
var reportKinds = []struct {
	format report.Format
	kind   string
}{{report.JSON, echo.MIMEApplicationJSON}, {report.CSV, "text/csv"}, {report.Table, echo.MIMETextPlain}}

// GetTrialBalance implements [ServerInterface].
func (s *Server) GetTrialBalance(c echo.Context, params GetTrialBalanceParams) error {
	p, err := s.period(params.At, params.From, params.To)
	if err != nil {
		return err
	}
	q := report.Query{Period: p, Currency: ledger.Currency(params.Currency), Stripes: params.Stripes}
	return s.report(c, string(params.Format), "account", func(context.Context) (*report.Report, error) {
		return report.TrialBalance(s.reader, q), nil
	})
}

// GetBalanceReport implements [ServerInterface].
func (s *Server) GetBalanceReport(c echo.Context, params GetBalanceReportParams) error {
	p, err := s.period(params.At, params.From, params.To)
	if err != nil {
		return err
	}
	if params.Account == "" {
		return badRequest("malformed_parameter", "account is required").at("account")
	}
	q := report.Query{Period: p, Account: params.Account, Currency: ledger.Currency(params.Currency), Stripes: params.Stripes}
	return s.report(c, string(params.Format), "account", func(ctx context.Context) (*report.Report, error) {
		return report.AccountBalance(ctx, s.reader, q)
	})
}

// GetLedgerReport implements [ServerInterface].
func (s *Server) GetLedgerReport(c echo.Context, params GetLedgerReportParams) error {
	p, err := s.period("", params.From, params.To)
	if err != nil {
		return err
	}
	q := report.Query{Period: p, Account: params.Account, Currency: ledger.Currency(params.Currency), Stripes: params.Stripes}
	return s.report(c, string(params.Format), "account", func(ctx context.Context) (*report.Report, error) {
		return report.GeneralLedger(ctx, s.reader, q)
	})
}

// GetStatementReport implements [ServerInterface].
func (s *Server) GetStatementReport(c echo.Context, params GetStatementReportParams) error {
	p, err := s.period("", params.From, params.To)
	if err != nil {
		return err
	}
	q := report.Query{Period: p, Currency: ledger.Currency(params.Currency)}
	if (params.Party == "") == (params.Bank == "") {
		return badRequest("malformed_parameter", "name either a party or a bank").at("party")
	}
	if params.Bank != "" {
		return s.report(c, string(params.Format), "bank", func(ctx context.Context) (*report.Report, error) {
			return report.BankStatement(ctx, s.reader, params.Bank, q)
		})
	}
	id, err := ledger.ParsePartyRef(params.Party)
	if err != nil {
		return notFound("party")
	}
	return s.report(c, string(params.Format), "party", func(ctx context.Context) (*report.Report, error) {
		return report.PartyStatement(ctx, s.reader, id, q)
	})
}

// GetTransfersReport implements [ServerInterface].
func (s *Server) GetTransfersReport(c echo.Context, params GetTransfersReportParams) error {
	p, err := s.period("", params.From, params.To)
	if err != nil {
		return err
	}
	return s.report(c, string(params.Format), "transfer", func(context.Context) (*report.Report, error) {
		return report.Transfers(s.reader, p, params.Open, s.now()), nil
	})
}

// period reads what a report is about.
func (s *Server) period(at, from, to string) (p report.Period, err error) {
	if at != "" && (from != "" || to != "") {
		return p, badRequest("malformed_parameter", "give either an instant, or a period").at("at")
	}
	zone, now := s.policy.Location(), s.now()
	for _, end := range []struct{ name, from, to string }{{"at", "", at}, {"to", "", to}, {"from", from, ""}, {"from", from, at + to}} {
		if p, err = report.ParsePeriod(end.from, end.to, zone, now); err != nil {
			return p, badRequest("malformed_parameter", "%v", err).at(end.name)
		}
	}
	return p, nil
}

// report makes a report and sends it while it is made. Who gets one that was cut off sees
// its connection broken.
func (s *Server) report(c echo.Context, format, of string, make func(context.Context) (*report.Report, error)) error {
	select {
	case s.reports <- struct{}{}:
		defer func() { <-s.reports }()
	default:
		return ledger.ErrBusy
	}
	ctx, cancel := context.WithTimeout(exchangeOf(c).connection, reportTime)
	defer cancel()
	go func() {
		select {
		case <-s.stopping: // it is asked for again of another node
			cancel()
		case <-ctx.Done():
		}
	}()
	made, err := make(ctx)
	if err != nil {
		return missing(err, of)
	}
	f, kind := reportFormat(format, c.Request().Header.Get(echo.HeaderAccept))
	c.Response().Header().Set(echo.HeaderContentType, kind)
	to := &stream{response: c.Response(), control: http.NewResponseController(c.Response().Writer)}
	err = made.Write(ctx, to, f)
	if err == nil {
		return nil
	}
	if errors.Is(err, report.ErrDiffers) {
		s.log.LogAttrs(ctx, slog.LevelError, "a report shows that the book does not hold", slog.String("report", made.Name))
		return nil
	}
	if !c.Response().Committed {
		c.Response().Header().Del(echo.HeaderContentType)
		return err
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "a report was cut off", slog.String("request_id", requestID(c)), slog.Any("error", err))
	return to.sever()
}

// reportFormat is what the caller asked for, or takes.
func reportFormat(asked, accept string) (report.Format, string) {
	var kinds []string
	for _, t := range reportKinds {
		if asked == string(t.format) {
			return t.format, t.kind
		}
		kinds = append(kinds, t.kind)
	}
	taken := goautoneg.Negotiate(accept, kinds)
	for _, t := range reportKinds {
		if taken == t.kind {
			return t.format, t.kind
		}
	}
	return reportKinds[0].format, reportKinds[0].kind
}

// stream is an answer that is sent piece by piece, to whoever takes each in time.
type stream struct {
	response *echo.Response
	control  *http.ResponseController
}

// Write implements [io.Writer].
func (s *stream) Write(b []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(slowestReader)); err != nil {
		return 0, err
	}
	return s.response.Write(b)
}

// sever breaks the connection, so that an answer without its end is not taken for a whole one.
func (s *stream) sever() error {
	conn, _, err := s.control.Hijack()
	if err != nil {
		return err
	}
	return conn.Close()
}
