package api

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// ListAccounts implements [ServerInterface].
func (s *Server) ListAccounts(c echo.Context, params ListAccountsParams) error {
	after, err := accountPage(params.Cursor)
	if err != nil {
		return err
	}
	rows, err := s.reader.Accounts(c.Request().Context(), after, params.Limit+1)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Account) string { return last.Name.Path + "\n" + string(last.Name.Currency) })
	out := AccountList{Data: make([]Account, len(rows)), NextCursor: next}
	for i := range rows {
		out.Data[i] = accountView(&rows[i])
	}
	return writeJSON(c, http.StatusOK, out)
}

func (s *Server) account(c echo.Context, path, currency string) (ledger.Account, error) {
	name := ledger.AccountName{Path: path, Currency: ledger.Currency(currency)}
	a, err := s.reader.Account(c.Request().Context(), name.ID())
	if errors.Is(err, ledger.ErrNotFound) {
		err = notFound("account")
	}
	return a, err
}

// GetAccount implements [ServerInterface].
func (s *Server) GetAccount(c echo.Context, name string, params GetAccountParams) error {
	a, err := s.account(c, name, params.Currency)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, accountView(&a))
}

// GetAccountStatement implements [ServerInterface].
func (s *Server) GetAccountStatement(c echo.Context, name string, params GetAccountStatementParams) error {
	before, err := seqPage(params.Cursor)
	if err != nil {
		return err
	}
	a, err := s.account(c, name, params.Currency)
	if err != nil {
		return err
	}
	lines, err := s.reader.Statement(c.Request().Context(), a.ID, before, params.Limit)
	if err != nil {
		return err
	}
	out := AccountStatement{Data: make([]AccountLine, len(lines)), NextCursor: nextSeq(lines, params.Limit)}
	for n, l := range lines {
		out.Data[n] = accountLineView(&l)
	}
	return writeJSON(c, http.StatusOK, out)
}

func accountLineView(l *ledger.StatementLine) AccountLine {
	p := &l.Posting
	v := AccountLine{Seq: l.Seq, Side: SideCredit, Event: Event(p.Event.String()), At: timeView(p.At),
		Amount: moneyView(ledger.Amount{Minor: p.Amount, Currency: p.Currency}), Balance: balanceView(l.Balance, p.Currency)}
	if l.Debited {
		v.Side = SideDebit
	}
	switch p.Event {
	case ledger.EventAdjustment:
		v.Correction = p.Entry.CorrectionRef()
	case ledger.EventSettlement, ledger.EventFee: // of a window's position: see the settlement
	default:
		v.Transfer = p.Entry.TransferRef()
	}
	return v
}
