package sqlite

import (
	"context"
	"database/sql/driver"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// one reads the only row of a query.
func one[V any](s *Store, ctx context.Context, read func(columns.Row) V, query string, args ...driver.Value) (v V, err error) {
	err = s.read(ctx, func(c *conn) error {
		found := false
		err := c.query(query, func(r *row) bool { v, found = read(r), true; return false }, args...)
		if err == nil && !found {
			return ledger.ErrNotFound
		}
		return err
	})
	return v, err
}

// list reads every row of a query that has a limit of its own.
func list[V any](s *Store, ctx context.Context, read func(columns.Row) V, query string, args ...driver.Value) (vs []V, err error) {
	err = s.read(ctx, func(c *conn) error {
		vs, err = rows(c, read, query, args...)
		return err
	})
	return vs, err
}

func rows[V any](c *conn, read func(columns.Row) V, query string, args ...driver.Value) (vs []V, err error) {
	err = c.query(query, func(r *row) bool { vs = append(vs, read(r)); return true }, args...)
	return vs, err
}

// Party implements [ledger.Reader].
func (s *Store) Party(ctx context.Context, id ledger.ID) (ledger.Party, error) {
	return one(s, ctx, columns.ReadParty, `SELECT `+columns.Parties+` FROM parties WHERE id = ?`, id[:])
}

// Parties implements [ledger.Reader].
func (s *Store) Parties(ctx context.Context, app string, page ledger.Page) ([]ledger.Party, error) {
	if app == "" {
		return list(s, ctx, columns.ReadParty, `SELECT `+columns.Parties+` FROM parties WHERE id < ? ORDER BY id DESC LIMIT ?`, columns.Before(page), int64(page.Limit))
	}
	return list(s, ctx, columns.ReadParty, `SELECT `+columns.Parties+` FROM parties WHERE app = ? AND id < ? ORDER BY id DESC LIMIT ?`, app, columns.Before(page), int64(page.Limit))
}

// Instruments implements [ledger.Reader].
func (s *Store) Instruments(ctx context.Context, party ledger.ID) ([]ledger.Instrument, error) {
	return list(s, ctx, columns.ReadInstrument, `SELECT `+columns.Instruments+` FROM instruments WHERE party = ? AND unlinked = 0 ORDER BY id`, party[:])
}

// Instrument implements [ledger.Reader].
func (s *Store) Instrument(ctx context.Context, id ledger.ID) (ledger.Instrument, error) {
	return one(s, ctx, columns.ReadInstrument, `SELECT `+columns.Instruments+` FROM instruments WHERE id = ?`, id[:])
}

// payees reads one row for each key, on one connection.
func payees[K comparable](ctx context.Context, s *Store, keys []K, query string, args func(K) []driver.Value) (map[K]ledger.Payee, error) {
	found := make(map[K]ledger.Payee, len(keys))
	return found, s.read(ctx, func(c *conn) error {
		for _, k := range keys {
			if err := c.query(query, func(r *row) bool { found[k] = columns.ReadPayee(r); return false }, args(k)...); err != nil {
				return err
			}
		}
		return nil
	})
}

var payable = `SELECT ` + columns.Of("p", columns.Parties) + `, ` + columns.Of("i", columns.Instruments) + `
	FROM parties AS p LEFT JOIN instruments AS i ON i.id = p.default_instrument WHERE p.id = ?`

// Payable implements [ledger.Reader].
func (s *Store) Payable(ctx context.Context, parties []ledger.ID) (map[ledger.ID]ledger.Payee, error) {
	return payees(ctx, s, parties, payable, func(id ledger.ID) []driver.Value { return []driver.Value{id[:]} })
}

var resolve = `SELECT ` + columns.Of("p", columns.Parties) + `, ` + columns.Of("i", columns.Instruments) + `
	FROM aliases AS a JOIN parties AS p ON p.id = a.party JOIN instruments AS i ON i.id = a.instrument
	WHERE a.app = ? AND a.kind = ? AND a.value = ?`

// Resolve implements [ledger.Reader].
func (s *Store) Resolve(ctx context.Context, aliases []ledger.Alias) (map[ledger.Alias]ledger.Payee, error) {
	return payees(ctx, s, aliases, resolve, func(a ledger.Alias) []driver.Value { return []driver.Value{a.App, int64(a.Kind), a.Value} })
}

// lastStep joins the transfer t with the last step s of its history.
const lastStep = ` LEFT JOIN steps AS s ON s.transfer = t.id AND s.n = (SELECT max(n) FROM steps AS m WHERE m.transfer = t.id) `

var transfer = `SELECT ` + columns.TransfersNow + ` FROM transfers AS t` + lastStep + `WHERE t.id = ?`

// Transfer implements [ledger.Reader].
func (s *Store) Transfer(ctx context.Context, id ledger.ID) (ledger.Transfer, error) {
	return one(s, ctx, columns.ReadTransfer, transfer, id[:])
}

// TransferHistory implements [ledger.Reader]. Both lists are of one moment.
func (s *Store) TransferHistory(ctx context.Context, id ledger.ID) (steps []ledger.Step, asked []ledger.Instruction, err error) {
	err = s.read(ctx, func(c *conn) error {
		return inSnapshot(c, func() error {
			begun, err := rows(c, columns.ReadBeginning, `SELECT `+columns.Beginnings+` FROM transfers WHERE id = ?`, id[:])
			if err != nil {
				return err
			}
			if len(begun) == 0 {
				return ledger.ErrNotFound
			}
			later, err := rows(c, columns.ReadStep, `SELECT `+columns.Steps+` FROM steps WHERE transfer = ? ORDER BY n`, id[:])
			if err != nil {
				return err
			}
			steps = append(begun[0], later...)
			asked, err = rows(c, columns.ReadInstruction, `SELECT `+columns.Instructions+` FROM instructions WHERE transfer = ? ORDER BY leg`, id[:])
			return err
		})
	})
	return steps, asked, err
}

var due = `SELECT ` + columns.Of("i", columns.Instructions) + `, ` + columns.TransfersNow + `
	FROM instructions AS i JOIN transfers AS t ON t.id = i.transfer` + lastStep + `
	WHERE i.state IN (1, 2, 3) AND i.node = ? AND i.due < ? AND (i.due, i.transfer, i.leg) > (?, ?, ?) ORDER BY i.due, i.transfer, i.leg LIMIT ?`

// Nodes implements [ledger.Reader].
func (s *Store) Nodes(ctx context.Context) ([]ledger.Node, error) {
	return list(s, ctx, columns.ReadNode, `SELECT `+columns.Nodes+` FROM nodes WHERE gone = 0 ORDER BY id`)
}

// drivers jumps from one node to the next, whatever lies between.
const drivers = `WITH RECURSIVE driver (node) AS (
	SELECT min(node) FROM instructions WHERE state IN (1, 2, 3)
	UNION ALL SELECT (SELECT min(node) FROM instructions WHERE state IN (1, 2, 3) AND node > driver.node) FROM driver WHERE driver.node IS NOT NULL)
	SELECT node FROM driver WHERE node IS NOT NULL`

// Drivers implements [ledger.Reader].
func (s *Store) Drivers(ctx context.Context) ([]ledger.ID, error) {
	return list(s, ctx, func(r columns.Row) ledger.ID { return r.ID() }, drivers)
}

// Due implements [ledger.Reader].
func (s *Store) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	return list(s, ctx, func(r columns.Row) ledger.Task {
		return ledger.Task{Instruction: columns.ReadInstruction(r), Transfer: columns.ReadTransfer(r)}
	}, due, node[:], before, after.Due, after.ID.Transfer[:], int64(after.ID.Leg), int64(limit))
}

// Account implements [ledger.Reader].
func (s *Store) Account(ctx context.Context, id ledger.AccountID) (ledger.Account, error) {
	return one(s, ctx, columns.ReadAccount, `SELECT `+columns.Accounts+` FROM accounts WHERE id = ?`, id[:])
}

// Accounts implements [ledger.Reader].
func (s *Store) Accounts(ctx context.Context, after ledger.AccountName, limit int) ([]ledger.Account, error) {
	return list(s, ctx, columns.ReadAccount, `SELECT `+columns.Accounts+` FROM accounts WHERE (path, currency) > (?, ?) ORDER BY path, currency LIMIT ?`,
		after.Path, string(after.Currency), int64(limit))
}

// statement reads each side from its own index; the two come in order and are
// merged, and no more than the limit is read.
const statement = `SELECT 1, ` + columns.Postings + `, debit_seq AS seq FROM postings WHERE debit = ? AND debit_seq < ?
	UNION ALL SELECT 0, ` + columns.Postings + `, credit_seq FROM postings WHERE credit = ? AND credit_seq < ?
	ORDER BY seq DESC LIMIT ?`

// Statement implements [ledger.Reader].
func (s *Store) Statement(ctx context.Context, id ledger.AccountID, before int64, limit int) ([]ledger.StatementLine, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	return list(s, ctx, columns.ReadLine, statement, id[:], before, id[:], before, int64(limit))
}

// KeyByHash implements [ledger.Reader].
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (ledger.Key, error) {
	return one(s, ctx, columns.ReadKey, `SELECT `+columns.Keys+` FROM api_keys WHERE hash = ?`, hash[:])
}

// Keys implements [ledger.Reader].
func (s *Store) Keys(ctx context.Context, page ledger.Page) ([]ledger.Key, error) {
	return list(s, ctx, columns.ReadKey, `SELECT `+columns.Keys+` FROM api_keys WHERE id < ? ORDER BY id DESC LIMIT ?`, columns.Before(page), int64(page.Limit))
}
