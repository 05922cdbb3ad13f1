// Package reporttest holds the reports of a book against what the verifier derives
// from its postings. The book must be at rest.
package reporttest

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bahi/ledger"
	"bahi/ledger/report"
)

// Check compares account by account. Its error says all that differs.
func Check(ctx context.Context, r ledger.Reader) error {
	c := checker{ctx: ctx, reader: r, whole: map[ledger.AccountName]*ledger.Account{}, each: map[ledger.AccountName]*ledger.Account{}}
	_, err := ledger.Derive(ctx, r, func(v ledger.Violation) { c.differs("%s %s: %s", v.Rule, v.Where, v.Detail) }, c.take)
	if err != nil {
		return err
	}
	for _, check := range []func() error{c.trial, c.stripes, c.turnover, c.halves, c.balances, c.ledger, c.statements, c.transfers} {
		if err := check(); err != nil {
			return err
		}
	}
	return errors.Join(c.found...)
}

// Rows writes a report as CSV and reads it back: each row by the columns' names.
func Rows(ctx context.Context, r *report.Report) (rows []map[string]string, err error) {
	var b strings.Builder
	if err := r.Write(ctx, &b, report.CSV); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	lines, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Minor reads a sum of a report, which may be below zero.
func Minor(s, currency string) (int64, error) {
	abs, below := strings.CutPrefix(s, "-")
	a, err := ledger.ParseAmount(abs, currency)
	if below {
		a.Minor = -a.Minor
	}
	return a.Minor, err
}

// always is a period that holds all postings.
var always = report.Period{To: end.UnixMicro()}

var end = time.Date(5000, 1, 1, 0, 0, 0, 0, time.UTC)

type checker struct {
	ctx    context.Context
	reader ledger.Reader
	whole  map[ledger.AccountName]*ledger.Account // as derived, all stripes in one
	each   map[ledger.AccountName]*ledger.Account
	last   int64 // the time of the last posting
	found  []error
}

func (c *checker) differs(format string, args ...any) {
	if len(c.found) < 20 {
		c.found = append(c.found, fmt.Errorf(format, args...))
	}
}

func (c *checker) take(a *ledger.Account) {
	one, all := *a, *a
	c.each[a.Name] = &one
	c.last = max(c.last, a.Posted)
	all.Name = a.Name.Whole()
	if w, ok := c.whole[all.Name]; ok {
		w.Debits, w.Credits, w.Seq, w.Posted = w.Debits+a.Debits, w.Credits+a.Credits, w.Seq+a.Seq, max(w.Posted, a.Posted)
		return
	}
	c.whole[all.Name] = &all
}

func nameOf(row map[string]string) ledger.AccountName {
	return ledger.AccountName{Path: row["account"], Currency: ledger.Currency(row["currency"])}
}

// want demands that sums of a row are what they should be.
func (c *checker) want(what string, row map[string]string, sums map[string]int64) {
	for column, want := range sums {
		if got, err := Minor(row[column], row["currency"]); err != nil || got != want {
			c.differs("%s: %s of %s %s is %q, want %d", what, column, row["account"], row["currency"], row[column], want)
		}
	}
}

func (c *checker) trial() error {
	return c.trialOf(report.Query{Period: always}, c.whole)
}

func (c *checker) stripes() error {
	return c.trialOf(report.Query{Period: always, Stripes: true}, c.each)
}

func (c *checker) trialOf(q report.Query, accounts map[ledger.AccountName]*ledger.Account) error {
	rows, err := Rows(c.ctx, report.TrialBalance(c.reader, q))
	if err != nil {
		return err
	}
	rest, totals := maps.Clone(accounts), map[string]int64{}
	maps.DeleteFunc(rest, func(_ ledger.AccountName, a *ledger.Account) bool { return a.Seq == 0 })
	for _, row := range rows {
		currency := row["currency"]
		if row["row"] == "total" {
			c.want("total", row, map[string]int64{"debit": totals[currency], "credit": totals[currency]})
			continue
		}
		a := rest[nameOf(row)]
		if a == nil {
			c.differs("trial balance: %s %s does not exist, or twice", row["account"], currency)
			continue
		}
		delete(rest, a.Name)
		net := a.Debits - a.Credits
		totals[currency] += max(net, 0)
		want := map[string]int64{"debit": max(net, 0), "credit": max(-net, 0)}
		if q.From > 0 {
			want["opening_debit"], want["opening_credit"], want["debits"], want["credits"] = 0, 0, a.Debits, a.Credits
		}
		c.want("trial balance", row, want)
	}
	for name := range rest {
		c.differs("trial balance: %s %s is left out", name.Path, name.Currency)
	}
	return nil
}

// turnover is over the whole life of the book: what was debited and credited are the accounts' totals.
func (c *checker) turnover() error {
	return c.trialOf(report.Query{Period: report.Period{From: 1, To: always.To}}, c.whole)
}

// halves demands that a period goes on where the one before it ended.
func (c *checker) halves() error {
	middle := c.last - 1
	before, err := Rows(c.ctx, report.TrialBalance(c.reader, report.Query{Period: report.Period{To: middle}}))
	if err != nil {
		return err
	}
	after, err := Rows(c.ctx, report.TrialBalance(c.reader, report.Query{Period: report.Period{From: middle + 1, To: always.To}}))
	if err != nil {
		return err
	}
	opening := map[ledger.AccountName]map[string]string{}
	for _, row := range after {
		opening[nameOf(row)] = row
	}
	for _, row := range before {
		if o := opening[nameOf(row)]; o["opening_debit"] != row["debit"] || o["opening_credit"] != row["credit"] {
			c.differs("%s %s ends with %s and %s, and begins with %s and %s", row["account"], row["currency"], row["debit"], row["credit"], o["opening_debit"], o["opening_credit"])
		}
	}
	return nil
}

// balances asks for each account alone.
func (c *checker) balances() error {
	for name, a := range c.whole {
		made, err := report.AccountBalance(c.ctx, c.reader, report.Query{Account: name.Path, Period: always, Currency: name.Currency})
		if err != nil {
			return err
		}
		rows, err := Rows(c.ctx, made)
		if err != nil {
			return err
		}
		if len(rows) != 1 || rows[0]["postings"] != fmt.Sprint(a.Seq) {
			c.differs("balance of %s: %v", name.Path, rows)
			continue
		}
		c.want("balance", rows[0], map[string]int64{"balance": a.Balance()})
	}
	return nil
}

func (c *checker) ledger() error {
	made, err := report.GeneralLedger(c.ctx, c.reader, report.Query{Period: always})
	if err != nil {
		return err
	}
	return c.postings(made, c.whole, true)
}

// postings follows each account from its opening row to its closing one.
func (c *checker) postings(made *report.Report, accounts map[ledger.AccountName]*ledger.Account, all bool) error {
	rows, err := Rows(c.ctx, made)
	if err != nil {
		return err
	}
	var sum ledger.Account
	var want *ledger.Account
	closed, before := 0, ""
	for _, row := range rows {
		minor := func(column string) int64 {
			n, err := Minor(row[column], row["currency"])
			if err != nil {
				c.differs("%s: %v", made.Name, err)
			}
			return n
		}
		switch row["row"] {
		case "opening":
			want = accounts[nameOf(row)]
			if want == nil {
				return fmt.Errorf("%s: there is no account %s", made.Name, row["account"])
			}
			sum, before = ledger.Account{Type: want.Type}, ""
		case "posting":
			sum.Debits, sum.Credits, sum.Seq = sum.Debits+minor("debit"), sum.Credits+minor("credit"), sum.Seq+1
			counter := ledger.AccountName{Path: row["counter_account"], Currency: ledger.Currency(row["currency"])}
			if row["at"] < before {
				c.differs("%s: %s has a posting of %s after one of %s", made.Name, want.Name.Path, row["at"], before)
			}
			before = row["at"]
			if _, ok := c.whole[counter]; !ok || minor("balance") != sum.Balance() {
				c.differs("%s: %s has %s after posting %d, which add up to %d; its counter-account is %s", made.Name, want.Name.Path, row["balance"], sum.Seq, sum.Balance(), counter.Path)
			}
		case "closing":
			closed++
			if sum.Debits != want.Debits || sum.Credits != want.Credits || sum.Seq != want.Seq || minor("balance") != want.Balance() {
				c.differs("%s: %s has %d and %d in %d postings, balance %s; want %d and %d in %d, %d", made.Name, want.Name.Path, sum.Debits, sum.Credits, sum.Seq, row["balance"],
					want.Debits, want.Credits, want.Seq, want.Balance())
			}
		}
	}
	used := 0
	for _, a := range accounts {
		used += int(min(a.Seq, 1))
	}
	if all && closed != used {
		c.differs("%s tells of %d accounts, %d have postings", made.Name, closed, used)
	}
	return nil
}

// statements asks for those of every bank, and of every party that has a wallet.
func (c *checker) statements() error {
	banks := map[string]bool{}
	for name, a := range c.whole {
		if bank := name.Bank(); bank != "" && a.Seq > 0 {
			banks[bank] = true
		}
		ref, isWallet := strings.CutPrefix(name.Path, "wallet:")
		if !isWallet {
			continue
		}
		id, err := ledger.ParsePartyRef(ref)
		if err != nil {
			return err
		}
		made, err := report.PartyStatement(c.ctx, c.reader, id, report.Query{Period: always})
		if errors.Is(err, ledger.ErrNotFound) { // a wallet of a test that opened no party
			continue
		}
		if err != nil {
			return err
		}
		if err := c.party(made, name.Path); err != nil {
			return err
		}
	}
	for _, bank := range slices.Sorted(maps.Keys(banks)) {
		made, err := report.BankStatement(c.ctx, c.reader, bank, report.Query{Period: always})
		if err != nil {
			return err
		}
		if err := c.postings(made, c.whole, false); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) party(made *report.Report, wallet string) error {
	rows, err := Rows(c.ctx, made)
	if err != nil {
		return err
	}
	sum := map[string]int64{}
	for _, row := range rows {
		switch row["row"] {
		case "posting":
			minor, err := Minor(row["amount"], row["currency"])
			if err != nil {
				return err
			}
			if row["direction"] == "out" {
				minor = -minor
			}
			sum[row["currency"]] += minor
			c.want(wallet, row, map[string]int64{"balance": sum[row["currency"]]})
		case "closing":
			c.want(wallet, row, map[string]int64{"balance": c.whole[nameOf(row)].Balance()})
		}
	}
	return nil
}

// transfers counts them by state.
func (c *checker) transfers() error {
	type volume struct{ count, minor int64 }
	want := map[string]volume{}
	err := c.reader.Audit(c.ctx, func(s ledger.Snapshot) error {
		for t, err := range s.Transfers(ledger.Range{}) {
			if err != nil {
				return err
			}
			for _, key := range []string{t.State.String() + string(t.Amount.Currency), string(t.Amount.Currency)} {
				want[key] = volume{want[key].count + 1, want[key].minor + t.Amount.Minor}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, open := range []bool{false, true} {
		rows, err := Rows(c.ctx, report.Transfers(c.reader, always, open, end))
		if err != nil {
			return err
		}
		got := map[string]volume{}
		for _, row := range rows {
			var n int64
			minor, err := Minor(row["sum"], row["currency"])
			if _, scan := fmt.Sscan(row["count"], &n); err != nil || scan != nil {
				return errors.Join(err, scan)
			}
			key := row["state"] + row["currency"]
			got[key] = volume{got[key].count + n, got[key].minor + minor}
		}
		for key, v := range want {
			state, ok := ledger.ParseState(strings.TrimRight(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
			if expected := !open || (ok && !state.Final()); expected && got[key] != v {
				c.differs("transfers %s (open alone: %v): %+v, want %+v", key, open, got[key], v)
			} else if open && ok && state.Final() && got[key] != (volume{}) {
				c.differs("transfers %s are counted among the open ones", key)
			}
		}
	}
	return nil
}
