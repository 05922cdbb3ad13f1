package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bahi/ledger"
	"bahi/ledger/reconcile"
	"bahi/ledger/report"
)

type reportCmd struct {
	TrialBalance reportTrialCmd     `cmd:"" name:"trial-balance" help:"The closing balance of every account at an instant, in its debit or credit column, with totals; of a period also the opening balances and what was debited and credited."`
	Balance      reportBalanceCmd   `cmd:"" help:"The balance of an account at an instant."`
	Ledger       reportLedgerCmd    `cmd:"" help:"Every posting of an account, or of all, with its counter-account and the balance after it."`
	Statement    reportStatementCmd `cmd:"" help:"What moved in a party's wallets and what became of its bank transfers; or a bank's accounts and its open positions."`
	Transfers    reportTransfersCmd `cmd:"" help:"How many transfers are in which state, by age, and for how much."`
}

// reporting is the book, also one that a server is writing to, and how a report of it
// is written.
type reporting struct {
	storage
	Zone   string `help:"Where a day begins and ends." default:"Asia/Kolkata" env:"BAHI_ZONE"`
	Format string `help:"table, csv or json." enum:"table,csv,json" default:"table"`
	Out    string `help:"The file to write, which is there once it is whole. Standard output if not given." type:"path"`
}

// Validate is called by the parser.
func (r reporting) Validate() error {
	return errors.Join(r.storage.Validate(), rules{Zone: r.Zone}.Validate())
}

// about is a period as a subject names it.
func about(p report.Period) string {
	to := "to " + when(p.To)
	if p.From == 0 {
		return to
	}
	return "from " + when(p.From) + ", " + to
}

// aboutAccount is an account as a subject names it; nothing where the text is no place
// in the chart of accounts.
func aboutAccount(path string) string {
	n := ledger.AccountName{Path: path}.Whole()
	party, isWallet := strings.CutPrefix(n.Path, "wallet:")
	_, err := ledger.ParsePartyRef(party)
	bank := n.Bank()
	isBank := reconcile.IsBankCode(bank) && (n == ledger.ClearingAccount(bank, "") || n == ledger.SettlementAccount(bank, ""))
	if n == ledger.TransitAccount("") || n == ledger.SuspenseAccount("") || n == ledger.FeesAccount("") || isBank || (isWallet && err == nil) {
		return "account " + n.Path
	}
	return ""
}

// period reads an instant, or the two ends of a period.
func (r reporting) period(at, from, to string) (report.Period, error) {
	zone, _ := time.LoadLocation(r.Zone) // was tried
	if at != "" {
		from, to = "", at
	}
	p, err := report.ParsePeriod(from, to, zone, time.Now())
	if err != nil {
		return p, usageError{err}
	}
	return p, nil
}

// write makes a report and writes it, once it is written down who looks at what.
func (r reporting) write(command, subject, of string, make func(context.Context, ledger.Reader) (*report.Report, error)) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return r.look(ctx, loginName(), "report "+command, joined(subject, "format "+r.Format), func(store ledger.Store) error {
		made, err := make(ctx, store)
		if errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("the book has no %s", of)
		}
		if err != nil {
			return err
		}
		return r.print(ctx, made)
	})
}

func (r reporting) print(ctx context.Context, made *report.Report) (err error) {
	if r.Out == "" {
		err = made.Write(ctx, os.Stdout, report.Format(r.Format))
	} else {
		err = writeWhole(r.Out, func(w io.Writer) error { return made.Write(ctx, w, report.Format(r.Format)) })
	}
	if errors.Is(err, report.ErrDiffers) {
		return fmt.Errorf("%w: %w", errViolated, err)
	}
	return err
}

// writeWhole writes a file that takes its name once it is whole. A report that shows a
// book that does not hold is whole.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	made := write(f)
	err = f.Close()
	if made != nil && !errors.Is(made, report.ErrDiffers) {
		return errors.Join(made, err, os.Remove(f.Name()))
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return errors.Join(made, err)
}

type reportTrialCmd struct {
	reporting
	At       string `help:"At this instant: an RFC 3339 time, or the end of a day (2026-11-25). Now if not given." xor:"from,to"`
	From     string `help:"From this instant, or the beginning of this day." xor:"from"`
	To       string `help:"To this instant, or the end of this day. Now if not given." xor:"to"`
	Currency string `help:"Only of this currency."`
	Stripes  bool   `help:"The parts of accounts that nodes share apart."`
}

// Run prints the trial balance.
func (c *reportTrialCmd) Run() error {
	p, err := c.period(c.At, c.From, c.To)
	if err != nil {
		return err
	}
	return c.write("trial-balance", about(p), "accounts", func(_ context.Context, r ledger.Reader) (*report.Report, error) {
		return report.TrialBalance(r, report.Query{Period: p, Currency: ledger.Currency(c.Currency), Stripes: c.Stripes}), nil
	})
}

type reportBalanceCmd struct {
	reporting
	At       string `help:"At this instant: an RFC 3339 time, or the end of a day (2026-11-25). Now if not given." xor:"from,to"`
	From     string `help:"With what it had before this instant or day, and what was debited and credited since." xor:"from"`
	To       string `help:"To this instant, or the end of this day. Now if not given." xor:"to"`
	Currency string `help:"Only of this currency."`
	Stripes  bool   `help:"The parts of an account that nodes share apart."`
	Account  string `arg:"" help:"The account: wallet:pty_…, bank:NRMD:clearing, bank:NRMD:settlement, transit, suspense, fees."`
}

// Run prints the balance.
func (c *reportBalanceCmd) Run() error {
	p, err := c.period(c.At, c.From, c.To)
	if err != nil {
		return err
	}
	return c.write("balance", joined(aboutAccount(c.Account), about(p)), "account "+c.Account, func(ctx context.Context, r ledger.Reader) (*report.Report, error) {
		return report.AccountBalance(ctx, r, report.Query{Period: p, Account: c.Account, Currency: ledger.Currency(c.Currency), Stripes: c.Stripes})
	})
}

// span is a period as flags.
type span struct {
	From string `help:"From this instant (RFC 3339), or the beginning of this day (2026-11-25); the whole past if not given."`
	To   string `help:"To this instant, or the end of this day. Now if not given."`
}

type reportLedgerCmd struct {
	reporting
	span
	Currency string `help:"Only of this currency."`
	Stripes  bool   `help:"The parts of accounts that nodes share apart."`
	Account  string `arg:"" optional:"" help:"The account; all if not given."`
}

// Run prints the postings.
func (c *reportLedgerCmd) Run() error {
	p, err := c.period("", c.From, c.To)
	if err != nil {
		return err
	}
	return c.write("ledger", joined(aboutAccount(c.Account), about(p)), "account "+c.Account, func(ctx context.Context, r ledger.Reader) (*report.Report, error) {
		return report.GeneralLedger(ctx, r, report.Query{Period: p, Account: c.Account, Currency: ledger.Currency(c.Currency), Stripes: c.Stripes})
	})
}

type reportStatementCmd struct {
	reporting
	span
	Currency string `help:"Only of this currency."`
	Party    string `help:"Of this party (pty_…)." xor:"whose" required:""`
	Bank     string `help:"Of this bank (its code)." xor:"whose" required:""`
}

// Run prints the statement.
func (c *reportStatementCmd) Run() error {
	p, err := c.period("", c.From, c.To)
	if err != nil {
		return err
	}
	q := report.Query{Period: p, Currency: ledger.Currency(c.Currency)}
	if c.Bank != "" {
		return c.write("statement", joined(aboutBank(c.Bank), about(p)), "account of bank "+c.Bank, func(ctx context.Context, r ledger.Reader) (*report.Report, error) {
			return report.BankStatement(ctx, r, c.Bank, q)
		})
	}
	id, err := ledger.ParsePartyRef(c.Party)
	if err != nil {
		return usagef("--party: %w", err)
	}
	return c.write("statement", joined(id.PartyRef(), about(p)), "party "+c.Party, func(ctx context.Context, r ledger.Reader) (*report.Report, error) {
		return report.PartyStatement(ctx, r, id, q)
	})
}

type reportTransfersCmd struct {
	reporting
	span
	Open bool `help:"Only those that are not at an end, which is fast however many others there are."`
}

// Run prints the counts.
func (c *reportTransfersCmd) Run() error {
	p, err := c.period("", c.From, c.To)
	if err != nil {
		return err
	}
	return c.write("transfers", about(p), "transfers", func(_ context.Context, r ledger.Reader) (*report.Report, error) {
		return report.Transfers(r, p, c.Open, time.Now()), nil
	})
}
