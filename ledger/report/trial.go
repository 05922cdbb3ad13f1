package report

import (
	"context"
	"errors"
	"maps"
	"slices"

	"bahi/ledger"
)

// What a row of a report of accounts is, in its first column.
const (
	rowAccount = "account"
	rowTotal   = "total"
)

// TrialBalance is the closing balance of each account at the end of a period, in its
// debit or its credit column, with a total for each currency. Of a period that has
// a beginning it shows the opening balances too, and what was debited and credited.
func TrialBalance(r ledger.Reader, q Query) *Report {
	columns := []Column{{"row", Text}, {"account", Text}, {"currency", Text}, {"type", Text}}
	for _, name := range columnsOf(q.Period) {
		columns = append(columns, Column{name, Side})
	}
	return &Report{Name: "trial-balance", Columns: columns, facts: q.facts(), rows: func(ctx context.Context, yield func(...Cell) error) error {
		totals := map[ledger.Currency]*totals{}
		err := q.all(ctx, r, func(groups []group) error {
			moved, err := q.turnovers(ctx, r, groups)
			if err != nil {
				return err
			}
			for i := range groups {
				g := &groups[i]
				line, err := trialLine(g, moved[i])
				if err != nil {
					return err
				}
				if err := addAll(totals, g.name.Currency, line); err != nil {
					return err
				}
				if err := yield(trialCells(q.Period, rowAccount, g.name, g.kind.String(), line)...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, c := range slices.Sorted(maps.Keys(totals)) {
			t := totals[c]
			if err := yield(trialCells(q.Period, rowTotal, ledger.AccountName{Currency: c}, "", *t)...); err != nil {
				return err
			}
			if t[0] != t[1] || t[2] != t[3] || t[4] != t[5] {
				err = ErrDiffers
			}
		}
		return err
	}}
}

// columnsOf are the columns of money.
func columnsOf(p Period) []string {
	if p.From == 0 {
		return []string{"debit", "credit"}
	}
	return []string{"opening_debit", "opening_credit", "debits", "credits", "debit", "credit"}
}

// totals are an opening balance, a turnover and a closing balance, each as debit and credit.
type totals [6]int64

// turnover is what was debited and credited in a period.
type turnover struct{ debits, credits int64 }

func trialLine(g *group, moved turnover) (t totals, err error) {
	s, err := g.sums()
	return totals{max(s.opening, 0), max(-s.opening, 0), moved.debits, moved.credits, max(s.closing, 0), max(-s.closing, 0)}, err
}

func addAll(all map[ledger.Currency]*totals, c ledger.Currency, line totals) (err error) {
	if all[c] == nil {
		all[c] = &totals{}
	}
	for i, n := range line {
		err = errors.Join(err, add(&all[c][i], n))
	}
	return err
}

func trialCells(p Period, row string, n ledger.AccountName, kind string, t totals) []Cell {
	cells := []Cell{text(row), text(n.Path), text(string(n.Currency)), text(kind)}
	sums := t[:]
	if p.From == 0 {
		sums = t[4:]
	}
	for _, minor := range sums {
		cells = append(cells, side(minor, n.Currency))
	}
	return cells
}

// AccountBalance is the balance of one account, in every currency that it has, at the
// end of a period; of a period that has a beginning also what was debited and
// credited. Balances are by the account's normal side, and may be below zero.
func AccountBalance(ctx context.Context, r ledger.Reader, q Query) (*Report, error) {
	groups, err := q.of(ctx, r, q.Account)
	if err != nil {
		return nil, err
	}
	columns := []Column{{"account", Text}, {"currency", Text}, {"type", Text}}
	if q.From > 0 {
		columns = append(columns, Column{"opening", Money}, Column{"debits", Side}, Column{"credits", Side})
	}
	columns = append(columns, Column{"balance", Money}, Column{"postings", Number}, Column{"last_posting", Time})
	return &Report{Name: "balance", Columns: columns, facts: q.facts(), rows: func(ctx context.Context, yield func(...Cell) error) error {
		moved, err := q.turnovers(ctx, r, groups)
		if err != nil {
			return err
		}
		for i := range groups {
			g := &groups[i]
			s, err := g.sums()
			if err != nil {
				return err
			}
			c := g.name.Currency
			cells := []Cell{text(g.name.Path), text(string(c)), text(g.kind.String())}
			if q.From > 0 {
				cells = append(cells, money(normal(g.kind, s.opening), c), side(moved[i].debits, c), side(moved[i].credits, c))
			}
			if err := yield(append(cells, money(normal(g.kind, s.closing), c), number(s.seq), at(s.last))...); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

// normal is debits less credits as the account's normal side has it.
func normal(t ledger.AccountType, net int64) int64 {
	if t.DebitNormal() {
		return net
	}
	return -net
}
