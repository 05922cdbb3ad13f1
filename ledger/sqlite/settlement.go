package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// windowsWhere reads windows with their cuts; where also orders and limits them.
func windowsWhere(where string) string {
	return `SELECT ` + columns.WindowsWithCuts + ` FROM (SELECT * FROM windows WHERE ` + where + `) AS w LEFT JOIN window_cuts AS c ON c.window_id = w.id ORDER BY w.id DESC, c.place`
}

var (
	window          = windowsWhere(`id = ?`)
	windows         = windowsWhere(`id < ? ORDER BY id DESC LIMIT ?`)
	windowsOfScheme = windowsWhere(`scheme = ? AND id < ? ORDER BY id DESC LIMIT ?`)
)

// allWindows are all of them, in their order.
var allWindows = `SELECT ` + columns.WindowsWithCuts + ` FROM windows AS w LEFT JOIN window_cuts AS c ON c.window_id = w.id ORDER BY w.id, c.place`

func (s *Store) windows(ctx context.Context, query string, args ...driver.Value) (ws []ledger.Window, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.query(query, func(r *row) bool { ws = columns.ReadWindows(ws, r); return true }, args...)
	})
	return ws, err
}

// Window implements [ledger.SettlementReader].
func (s *Store) Window(ctx context.Context, id string) (w ledger.Window, err error) {
	ws, err := s.windows(ctx, window, id)
	switch {
	case err != nil:
		return w, err
	case len(ws) == 0:
		return w, ledger.ErrNotFound
	}
	return ws[0], nil
}

// Windows implements [ledger.SettlementReader].
func (s *Store) Windows(ctx context.Context, scheme string, before string, limit int) ([]ledger.Window, error) {
	if scheme == "" {
		return s.windows(ctx, windows, columns.BeforeWindow(before), int64(limit))
	}
	return s.windows(ctx, windowsOfScheme, scheme, columns.BeforeWindow(before), int64(limit))
}

const positionsOf = `SELECT ` + columns.Positions + ` FROM positions WHERE window_id = ? ORDER BY currency, bank`

// PositionsOf implements [ledger.SettlementReader].
func (s *Store) PositionsOf(ctx context.Context, window string) ([]ledger.Position, error) {
	return list(s, ctx, columns.ReadPosition, positionsOf, window)
}

// flows walks each side of a cut by its own index. CROSS JOIN keeps SQLite from
// beginning at the other table.
const flows = `SELECT t.payer_bank, t.payee_bank, NULL, NULL, p.currency, count(*), sum(p.amount) FROM postings AS p CROSS JOIN transfers AS t ON t.id = p.entry
	WHERE p.debit = ?1 AND p.debit_seq > ?2 AND p.debit_seq <= ?3 AND p.event = 2 GROUP BY t.payer_bank, t.payee_bank, p.currency
	UNION ALL SELECT t.payee_bank, t.payer_bank, NULL, NULL, p.currency, count(*), sum(p.amount) FROM postings AS p CROSS JOIN transfers AS t ON t.id = p.entry
	WHERE p.credit = ?1 AND p.credit_seq > ?2 AND p.credit_seq <= ?3 AND p.event = 4 GROUP BY t.payee_bank, t.payer_bank, p.currency
	UNION ALL SELECT NULL, NULL, NULL, a.path, p.currency, count(*), sum(p.amount) FROM postings AS p CROSS JOIN accounts AS a ON a.id = p.credit
	WHERE p.debit = ?1 AND p.debit_seq > ?2 AND p.debit_seq <= ?3 AND p.event = 6 GROUP BY a.path, p.currency
	UNION ALL SELECT NULL, NULL, a.path, NULL, p.currency, count(*), sum(p.amount) FROM postings AS p CROSS JOIN accounts AS a ON a.id = p.debit
	WHERE p.credit = ?1 AND p.credit_seq > ?2 AND p.credit_seq <= ?3 AND p.event = 6 GROUP BY a.path, p.currency`

// Flows implements [ledger.SettlementReader]. What a cut bounds never changes, so that
// the cuts need not be read in one moment.
func (s *Store) Flows(ctx context.Context, cuts []ledger.Cut) (sums []ledger.Flow, err error) {
	for _, c := range cuts {
		fs, err := list(s, ctx, columns.ReadFlow, flows, c.Account[:], c.After, c.UpTo)
		if err != nil {
			return nil, err
		}
		sums = slices.Concat(sums, fs)
	}
	return columns.SumFlows(sums), nil
}
