package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// each calls f with every row. The row is only valid during the call.
func each(ctx context.Context, q querier, f func(*row), sql string, args ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return failed("read", err)
	}
	defer rows.Close()
	r := &row{} // not the loop's own: that would be another for every row
	for rows.Next() {
		r.values, r.next = rows.RawValues(), 0
		f(r)
	}
	if err := rows.Err(); err != nil {
		return failed("read", err)
	}
	return nil
}

// one reads the only row of a query.
func one[V any](s *Store, ctx context.Context, read func(columns.Row) V, sql string, args ...any) (v V, err error) {
	var found bool
	for n := retries(0); ; {
		found = false
		err = each(ctx, s.readers, func(r *row) { v, found = read(r), true }, sql, args...)
		if !n.again(ctx, err) {
			break
		}
	}
	if err == nil && !found {
		err = ledger.ErrNotFound
	}
	return v, err
}

// list reads every row of a query that has a limit of its own.
func list[V any](s *Store, ctx context.Context, read func(columns.Row) V, sql string, args ...any) (vs []V, err error) {
	for n := retries(0); ; {
		vs, err = appendRows(vs[:0], s.readers, ctx, read, sql, args...)
		if !n.again(ctx, err) {
			return vs, err
		}
	}
}

// appendRows reads every row of a query once.
func appendRows[V any](vs []V, q querier, ctx context.Context, read func(columns.Row) V, sql string, args ...any) ([]V, error) {
	err := each(ctx, q, func(r *row) { vs = append(vs, read(r)) }, sql, args...)
	return vs, err
}

// Ping implements [ledger.Reader].
func (s *Store) Ping(ctx context.Context) error {
	_, err := list(s, ctx, func(columns.Row) (none struct{}) { return none }, "SELECT 1 FROM accounts LIMIT 1")
	return err
}

// Party implements [ledger.Reader].
func (s *Store) Party(ctx context.Context, id ledger.ID) (ledger.Party, error) {
	return one(s, ctx, columns.ReadParty, `SELECT `+columns.Parties+` FROM parties WHERE id = $1`, id[:])
}

// Parties implements [ledger.Reader].
func (s *Store) Parties(ctx context.Context, app string, page ledger.Page) ([]ledger.Party, error) {
	if app == "" {
		return list(s, ctx, columns.ReadParty, `SELECT `+columns.Parties+` FROM parties WHERE id < $1 ORDER BY id DESC LIMIT $2`, columns.Before(page), page.Limit)
	}
	return list(s, ctx, columns.ReadParty, `SELECT `+columns.Parties+` FROM parties WHERE app = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, app, columns.Before(page), page.Limit)
}

// Instruments implements [ledger.Reader].
func (s *Store) Instruments(ctx context.Context, party ledger.ID) ([]ledger.Instrument, error) {
	return list(s, ctx, columns.ReadInstrument, `SELECT `+columns.Instruments+` FROM instruments WHERE party = $1 AND NOT unlinked ORDER BY id`, party[:])
}

// Instrument implements [ledger.Reader].
func (s *Store) Instrument(ctx context.Context, id ledger.ID) (ledger.Instrument, error) {
	return one(s, ctx, columns.ReadInstrument, `SELECT `+columns.Instruments+` FROM instruments WHERE id = $1`, id[:])
}

var payable = `SELECT ` + columns.Of("p", columns.Parties) + `, ` + columns.Of("i", columns.Instruments) + `
	FROM parties AS p LEFT JOIN instruments AS i ON i.id = p.default_instrument WHERE p.id = ANY($1::uuid[])`

// Payable implements [ledger.Reader].
func (s *Store) Payable(ctx context.Context, parties []ledger.ID) (map[ledger.ID]ledger.Payee, error) {
	return found(s, ctx, func(r *row) (ledger.ID, ledger.Payee) {
		p := columns.ReadPayee(r)
		return p.Party.ID, p
	}, payable, uuids(parties))
}

var resolve = `SELECT a.app, a.kind, a.value, ` + columns.Of("p", columns.Parties) + `, ` + columns.Of("i", columns.Instruments) + `
	FROM unnest($1::text[], $2::int2[], $3::text[]) AS w (app, kind, value)
	JOIN aliases AS a ON a.app = w.app AND a.kind = w.kind AND a.value = w.value
	JOIN parties AS p ON p.id = a.party JOIN instruments AS i ON i.id = a.instrument`

// Resolve implements [ledger.Reader].
func (s *Store) Resolve(ctx context.Context, aliases []ledger.Alias) (map[ledger.Alias]ledger.Payee, error) {
	apps, kinds, values := make([]string, len(aliases)), make([]int16, len(aliases)), make([]string, len(aliases))
	for i, a := range aliases {
		apps[i], kinds[i], values[i] = a.App, int16(a.Kind), a.Value
	}
	return found(s, ctx, func(r *row) (ledger.Alias, ledger.Payee) {
		return ledger.Alias{App: r.Text(), Kind: ledger.AliasKind(r.Int64()), Value: r.Text()}, columns.ReadPayee(r)
	}, resolve, apps, kinds, values)
}

// lastStep joins the transfer t with the last step s of its history.
const lastStep = ` LEFT JOIN LATERAL (SELECT ` + columns.Steps + ` FROM steps WHERE transfer = t.id ORDER BY n DESC LIMIT 1) AS s ON true `

var transfer = `SELECT ` + columns.TransfersNow + ` FROM transfers AS t` + lastStep + `WHERE t.id = $1`

// Transfer implements [ledger.Reader].
func (s *Store) Transfer(ctx context.Context, id ledger.ID) (ledger.Transfer, error) {
	return one(s, ctx, columns.ReadTransfer, transfer, id[:])
}

// history reads the beginning, the steps and the instructions with one statement:
// it sees one moment of the book without the four messages of a transaction.
const history = `SELECT 1 AS part, 0 AS n, ` + columns.Beginnings + `, NULL::uuid AS transfer, NULL::int4, NULL::int2, NULL::text, NULL::text, NULL::int8, NULL::int8` + noInstruction + `
	FROM transfers WHERE id = $1
	UNION ALL SELECT 2, n, NULL, NULL, NULL, NULL, ` + columns.Steps + noInstruction + ` FROM steps WHERE transfer = $1
	UNION ALL SELECT 3, leg, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ` + columns.Instructions + `
	FROM instructions WHERE transfer = $1 ORDER BY part, n`

const (
	noInstruction = `, NULL::uuid, NULL::int2, NULL::text, NULL::uuid, NULL::int2, NULL::int4, NULL::int8, NULL::text, NULL::text, NULL::int8, NULL::int8`
	stepsAt       = 6  // the first column of a step
	instructionAt = 13 // and of an instruction
)

// TransferHistory implements [ledger.Reader].
func (s *Store) TransferHistory(ctx context.Context, id ledger.ID) (steps []ledger.Step, asked []ledger.Instruction, err error) {
	for n := retries(0); ; {
		steps, asked = steps[:0], asked[:0]
		err = each(ctx, s.readers, func(r *row) {
			switch part := r.Int64(); part {
			case 1:
				r.next = 2
				steps = columns.ReadBeginning(r)
			case 2:
				r.next = stepsAt
				steps = append(steps, columns.ReadStep(r))
			default:
				r.next = instructionAt
				asked = append(asked, columns.ReadInstruction(r))
			}
		}, history, id[:])
		if !n.again(ctx, err) {
			break
		}
	}
	if err == nil && len(steps) == 0 {
		err = ledger.ErrNotFound
	}
	return steps, asked, err
}

var due = `SELECT ` + columns.Of("i", columns.Instructions) + `, ` + columns.TransfersNow + `
	FROM instructions AS i JOIN transfers AS t ON t.id = i.transfer` + lastStep + `
	WHERE i.state IN (1, 2, 3) AND i.node = $1 AND i.due < $2 AND (i.due, i.transfer, i.leg) > ($3, $4, $5) ORDER BY i.due, i.transfer, i.leg LIMIT $6`

// Nodes implements [ledger.Reader].
func (s *Store) Nodes(ctx context.Context) ([]ledger.Node, error) {
	return list(s, ctx, columns.ReadNode, `SELECT `+columns.Nodes+` FROM nodes WHERE NOT gone ORDER BY id`)
}

const nextDriver = `SELECT node FROM instructions WHERE state IN (1, 2, 3) AND node >= $1 ORDER BY node LIMIT 1`

// Drivers implements [ledger.Reader]. It jumps from one node to the next, whatever
// lies between.
func (s *Store) Drivers(ctx context.Context) (nodes []ledger.ID, err error) {
	for from := (ledger.ID{}); ; {
		node, err := one(s, ctx, func(r columns.Row) ledger.ID { return r.ID() }, nextDriver, from[:])
		if errors.Is(err, ledger.ErrNotFound) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
		if from = successor(node); from.IsZero() {
			return nodes, nil
		}
	}
}

// successor is the next ID, zero after the last.
func successor(id ledger.ID) ledger.ID {
	for n := len(id) - 1; n >= 0; n-- {
		if id[n]++; id[n] != 0 {
			break
		}
	}
	return id
}

// Due implements [ledger.Reader].
func (s *Store) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	return list(s, ctx, func(r columns.Row) ledger.Task {
		return ledger.Task{Instruction: columns.ReadInstruction(r), Transfer: columns.ReadTransfer(r)}
	}, due, node[:], before, after.Due, after.ID.Transfer[:], int64(after.ID.Leg), limit)
}

// Account implements [ledger.Reader].
func (s *Store) Account(ctx context.Context, id ledger.AccountID) (ledger.Account, error) {
	return one(s, ctx, columns.ReadAccount, `SELECT `+columns.Accounts+` FROM accounts WHERE id = $1`, id[:])
}

// Accounts implements [ledger.Reader].
func (s *Store) Accounts(ctx context.Context, after ledger.AccountName, limit int) ([]ledger.Account, error) {
	return list(s, ctx, columns.ReadAccount, `SELECT `+columns.Accounts+` FROM accounts WHERE (path, currency) > ($1, $2) ORDER BY path, currency LIMIT $3`,
		after.Path, string(after.Currency), limit)
}

// statementLines reads each side from its own index; the two come in order and
// are merged, and no more than the limit is read.
const statementLines = `SELECT true, ` + columns.Postings + `, debit_seq AS seq FROM postings WHERE debit = $1 AND debit_seq < $2
	UNION ALL SELECT false, ` + columns.Postings + `, credit_seq FROM postings WHERE credit = $1 AND credit_seq < $2
	ORDER BY seq DESC LIMIT $3`

// Statement implements [ledger.Reader].
func (s *Store) Statement(ctx context.Context, id ledger.AccountID, before int64, limit int) ([]ledger.StatementLine, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	return list(s, ctx, columns.ReadLine, statementLines, id[:], before, limit)
}

// KeyByHash implements [ledger.Reader].
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (ledger.Key, error) {
	return one(s, ctx, columns.ReadKey, `SELECT `+columns.Keys+` FROM api_keys WHERE hash = $1`, hash[:])
}

// Keys implements [ledger.Reader].
func (s *Store) Keys(ctx context.Context, page ledger.Page) ([]ledger.Key, error) {
	return list(s, ctx, columns.ReadKey, `SELECT `+columns.Keys+` FROM api_keys WHERE id < $1 ORDER BY id DESC LIMIT $2`, columns.Before(page), page.Limit)
}
