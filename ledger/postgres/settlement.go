package postgres

import (
	"context"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// windowsWhere reads windows with their cuts; where also orders and limits them.
func windowsWhere(where string) string {
	return `SELECT ` + columns.WindowsWithCuts + ` FROM (SELECT * FROM windows WHERE ` + where + `) AS w LEFT JOIN window_cuts AS c ON c.window_id = w.id ORDER BY w.id DESC, c.place`
}

var (
	windowsByID     = windowsWhere(`id = ANY($1::text[])`)
	windows         = windowsWhere(`id < $1 ORDER BY id DESC LIMIT $2`)
	windowsOfScheme = windowsWhere(`scheme = $1 AND id < $2 ORDER BY id DESC LIMIT $3`)
)

// allWindows are all of them, in their order.
var allWindows = `SELECT ` + columns.WindowsWithCuts + ` FROM windows AS w LEFT JOIN window_cuts AS c ON c.window_id = w.id ORDER BY w.id, c.place`

func (s *Store) windows(ctx context.Context, sql string, args ...any) (ws []ledger.Window, err error) {
	for n := retries(0); ; {
		ws = nil
		err = each(ctx, s.readers, func(r *row) { ws = columns.ReadWindows(ws, r) }, sql, args...)
		if !n.again(ctx, err) {
			return ws, err
		}
	}
}

// Window implements [ledger.SettlementReader].
func (s *Store) Window(ctx context.Context, id string) (w ledger.Window, err error) {
	ws, err := s.windows(ctx, windowsByID, []string{id})
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
		return s.windows(ctx, windows, columns.BeforeWindow(before), limit)
	}
	return s.windows(ctx, windowsOfScheme, scheme, columns.BeforeWindow(before), limit)
}

const positionsOf = `SELECT ` + columns.Positions + ` FROM positions WHERE window_id = $1 ORDER BY currency, bank`

// PositionsOf implements [ledger.SettlementReader].
func (s *Store) PositionsOf(ctx context.Context, window string) ([]ledger.Position, error) {
	return list(s, ctx, columns.ReadPosition, positionsOf, window)
}

// flows walks each side of each cut by its own index, and looks each transfer up by
// its id: a plan that is made once for all cuts must not walk a whole table to
// join it. LIMIT keeps the look-up one.
var flows = `SELECT t.payer_bank, t.payee_bank, NULL, NULL, p.currency, count(*), sum(p.amount)::int8 FROM ` + cutSide("debit", 2) + ofTransfer + ` GROUP BY 1, 2, 5
	UNION ALL SELECT t.payee_bank, t.payer_bank, NULL, NULL, p.currency, count(*), sum(p.amount)::int8 FROM ` + cutSide("credit", 4) + ofTransfer + ` GROUP BY 1, 2, 5
	UNION ALL SELECT NULL, NULL, NULL, a.path, p.currency, count(*), sum(p.amount)::int8 FROM ` + cutSide("debit", 6) + ofAccount("credit") + ` GROUP BY 4, 5
	UNION ALL SELECT NULL, NULL, a.path, NULL, p.currency, count(*), sum(p.amount)::int8 FROM ` + cutSide("credit", 6) + ofAccount("debit") + ` GROUP BY 3, 5`

const ofTransfer = ` CROSS JOIN LATERAL (SELECT payer_bank, payee_bank FROM transfers WHERE id = p.entry LIMIT 1) AS t`

func ofAccount(side string) string {
	return ` CROSS JOIN LATERAL (SELECT path FROM accounts WHERE id = p.` + side + ` LIMIT 1) AS a`
}

// cutSide are the postings p of an event that debit the cuts' accounts, or credit them.
func cutSide(side string, e ledger.Event) string {
	return `unnest($1::uuid[], $2::int8[], $3::int8[]) AS c (account, after, up_to) CROSS JOIN LATERAL (SELECT entry, debit, credit, amount, currency FROM postings
	WHERE ` + side + ` = c.account AND ` + side + `_seq > c.after AND ` + side + `_seq <= c.up_to AND event = ` + string('0'+rune(e)) + ` OFFSET 0) AS p`
}

// Flows implements [ledger.SettlementReader].
func (s *Store) Flows(ctx context.Context, cuts []ledger.Cut) ([]ledger.Flow, error) {
	accounts, after, upTo := make([][16]byte, len(cuts)), make([]int64, len(cuts)), make([]int64, len(cuts))
	for i, c := range cuts {
		accounts[i], after[i], upTo[i] = c.Account, c.After, c.UpTo
	}
	fs, err := list(s, ctx, columns.ReadFlow, flows, accounts, after, upTo)
	return columns.SumFlows(fs), err
}
