package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// wallet is a party's wallet account that the caller may see.
func (s *Server) wallet(c echo.Context, party string, currency ledger.Currency) (ledger.Party, ledger.Account, error) {
	p, err := s.party(c, party)
	if err != nil {
		return p, ledger.Account{}, err
	}
	a, err := s.reader.Account(c.Request().Context(), ledger.WalletAccount(p.ID, currency).ID())
	if errors.Is(err, ledger.ErrNotFound) {
		err = notFound("account")
	}
	return p, a, err
}

// GetWallet implements [ServerInterface].
func (s *Server) GetWallet(c echo.Context, party string, params GetWalletParams) error {
	p, a, err := s.wallet(c, party, ledger.Currency(params.Currency))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, walletView(p.ID, &a))
}

// TopUp implements [ServerInterface].
func (s *Server) TopUp(c echo.Context, party string, params TopUpParams) error {
	return s.moveOwn(c, party, params.IdempotencyKey, params.Wait, ledger.TopUp)
}

// Withdraw implements [ServerInterface].
func (s *Server) Withdraw(c echo.Context, party string, params WithdrawParams) error {
	return s.moveOwn(c, party, params.IdempotencyKey, params.Wait, ledger.Withdrawal)
}

// moveOwn moves money between a party's own wallet and bank account.
func (s *Server) moveOwn(c echo.Context, party, key string, wait int, kind ledger.Kind) error {
	var in NewWalletTransfer
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	amount, err := parseMoney("/amount", in.Amount)
	if err != nil {
		return err
	}
	if err := checkText("/note", in.Note, maxNote, false); err != nil {
		return err
	}
	if err := checkCredential("/credential", in.Credential); err != nil {
		return err
	}
	if in.Instrument != "" {
		if _, err := checked("invalid_field", "/instrument", in.Instrument, ledger.ParseInstrumentRef); err != nil {
			return err
		}
	}
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	command, err := s.ownTransfer(c.Request().Context(), p, &in, amount, kind)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: key, body: body, status: http.StatusCreated, wait: wait, view: viewTransfer})
}

func (s *Server) ownTransfer(ctx context.Context, p ledger.Party, in *NewWalletTransfer, amount ledger.Amount, kind ledger.Kind) (ledger.Command, error) {
	wallet, err := s.resolver.byWallet(ctx, p.App, p.ID, amount.Currency)
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.Refused{Why: notFound("account")}, nil
	}
	if err != nil {
		return nil, err
	}
	account, err := s.ownAccount(ctx, p, in.Instrument, amount.Currency)
	var missing *problem
	if errors.As(err, &missing) {
		return ledger.Refused{Why: missing}, nil
	}
	if err != nil {
		return nil, err
	}
	t := ledger.Transfer{App: p.App, Kind: kind, Amount: amount, Note: in.Note, Payer: account.end, Payee: wallet.end}
	if kind == ledger.Withdrawal {
		t.Payer, t.Payee = t.Payee, t.Payer
	}
	return s.create(t, account.refused, "/credential", in.Credential), nil
}

// ownAccount is the bank account that is named, or the party's default, or the
// only one that it has.
func (s *Server) ownAccount(ctx context.Context, p ledger.Party, named string, currency ledger.Currency) (place, error) {
	if named != "" {
		i, err := s.instrumentOf(ctx, p, named)
		if err == nil && i.Kind != ledger.BankAccount {
			err = newProblem(http.StatusUnprocessableEntity, "instrument_holds_no_money", "name a bank account").at("/instrument")
		}
		return s.resolver.placeOf(p, i, currency), err
	}
	all, err := s.reader.Instruments(ctx, p.ID)
	if err != nil {
		return place{}, err
	}
	var accounts []ledger.Instrument
	for _, i := range all {
		if i.Kind != ledger.BankAccount {
			continue
		}
		if i.ID == p.Default {
			return s.resolver.placeOf(p, i, currency), nil
		}
		accounts = append(accounts, i)
	}
	if len(accounts) != 1 {
		return place{}, newProblem(http.StatusNotFound, "instrument_not_found", "the party has %d bank accounts; name one", len(accounts)).at("/instrument")
	}
	return s.resolver.placeOf(p, accounts[0], currency), nil
}

// GetWalletStatement implements [ServerInterface].
func (s *Server) GetWalletStatement(c echo.Context, party string, params GetWalletStatementParams) error {
	before, err := seqPage(params.Cursor)
	if err != nil {
		return err
	}
	_, a, err := s.wallet(c, party, ledger.Currency(params.Currency))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	lines, err := s.reader.Statement(ctx, a.ID, before, params.Limit)
	if err != nil {
		return err
	}
	see := sightOf(caller(c))
	out := WalletStatement{Data: make([]WalletLine, len(lines)), NextCursor: nextSeq(lines, params.Limit)}
	for n, l := range lines {
		t, err := s.reader.Transfer(ctx, l.Posting.Entry)
		if err != nil {
			return err
		}
		v := WalletLine{Transfer: t.ID.TransferRef(), Event: Event(l.Posting.Event.String()), Amount: moneyView(t.Amount),
			Balance: balanceView(l.Balance, t.Amount.Currency), At: timeView(l.Posting.At)}
		v.Direction, v.CounterpartyName = DirectionIn, see.text(t.Payer.Name)
		if l.Debited { // a wallet is a liability: debits take money out
			v.Direction = DirectionOut
		}
		if t.Payer.IsWallet() && ledger.WalletAccount(t.Payer.Party, a.Name.Currency) == a.Name {
			v.CounterpartyName = see.text(t.Payee.Name)
		}
		out.Data[n] = v
	}
	return writeJSON(c, http.StatusOK, out)
}

// FreezeWallet implements [ServerInterface].
func (s *Server) FreezeWallet(c echo.Context, party string, params FreezeWalletParams) error {
	return s.setFrozen(c, party, params.Currency, true)
}

// UnfreezeWallet implements [ServerInterface].
func (s *Server) UnfreezeWallet(c echo.Context, party string, params UnfreezeWalletParams) error {
	return s.setFrozen(c, party, params.Currency, false)
}

func (s *Server) setFrozen(c echo.Context, party, currency string, frozen bool) error {
	if err := noBody(c); err != nil {
		return err
	}
	p, err := s.party(c, party)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: ledger.FreezeWallet{Party: p.ID, Currency: ledger.Currency(currency), Frozen: frozen}, status: http.StatusOK,
		view: func(r any) any { a := r.(ledger.Account); return walletView(p.ID, &a) }})
}
