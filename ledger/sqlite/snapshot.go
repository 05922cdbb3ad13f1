package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Audit implements [ledger.Reader]. In WAL mode a read transaction sees the
// book of the moment of its first read, whatever is written meanwhile.
func (s *Store) Audit(ctx context.Context, check func(ledger.Snapshot) error) error {
	return s.audits.with(ctx, func(c *conn) error {
		return inSnapshot(c, func() error { return check(snapshot{ctx, c}) })
	})
}

// inSnapshot calls f in a read transaction.
func inSnapshot(c *conn, f func() error) (err error) {
	if err := c.exec("BEGIN"); err != nil {
		return failed("begin", err)
	}
	defer func() {
		if end := c.exec("ROLLBACK"); end != nil {
			err = errors.Join(err, failed("rollback", end))
		}
	}()
	return f()
}

// snapshot reads within one transaction. Its lists may be read side by side.
type snapshot struct {
	ctx  context.Context
	conn *conn
}

// Accounts implements [ledger.Snapshot].
func (s snapshot) Accounts() iter.Seq2[ledger.Account, error] {
	return stream(s, columns.ReadAccount, `SELECT `+columns.Accounts+` FROM accounts ORDER BY id`)
}

// lines takes both sides by their own indexes, already in order, and merges them.
const lines = `SELECT debit, debit_seq, 1, ` + columns.Postings + ` FROM postings
	UNION ALL SELECT credit, credit_seq, 0, ` + columns.Postings + ` FROM postings ORDER BY 1, 2`

// StatementLines implements [ledger.Snapshot].
func (s snapshot) StatementLines() iter.Seq2[ledger.StatementLine, error] {
	return stream(s, func(r columns.Row) ledger.StatementLine {
		r.Blob() // the order's columns
		r.Int64()
		return columns.ReadLine(r)
	}, lines)
}

// Transfers implements [ledger.Snapshot].
func (s snapshot) Transfers(in ledger.Range) iter.Seq2[ledger.Transfer, error] {
	return stream(s, columns.ReadTransfer, `SELECT `+columns.TransfersNow+` FROM transfers AS t`+lastStep+within(in, `t.id`)+` ORDER BY t.id`)
}

// Instructions implements [ledger.Snapshot].
func (s snapshot) Instructions(in ledger.Range) iter.Seq2[ledger.Instruction, error] {
	return stream(s, columns.ReadInstruction, `SELECT `+columns.Instructions+` FROM instructions`+within(in, `transfer`)+` ORDER BY transfer, leg`)
}

// Steps implements [ledger.Snapshot].
func (s snapshot) Steps() iter.Seq2[ledger.Step, error] {
	return stream(s, columns.ReadStep, `SELECT `+columns.Steps+` FROM steps ORDER BY transfer, n`)
}

// Postings implements [ledger.Snapshot].
func (s snapshot) Postings() iter.Seq2[ledger.Posting, error] {
	return stream(s, columns.ReadPosting, `SELECT `+columns.Postings+` FROM postings ORDER BY entry, event`)
}

// stream reads a query row by row while its reader goes on.
func stream[V any](s snapshot, read func(columns.Row) V, query string) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var none V
		more := true
		err := s.conn.query(query, func(r *row) bool {
			if s.ctx.Err() != nil {
				return false
			}
			more = yield(read(r), nil)
			return more
		})
		if err == nil {
			err = context.Cause(s.ctx)
		} else {
			err = failed("read", err)
		}
		if err != nil && more {
			yield(none, err)
		}
	}
}

// within is the condition that the transfers in a column are those of a range.
func within(in ledger.Range, column string) string {
	where := fmt.Sprintf(" WHERE %s >= x'%x'", column, in.First[:])
	if !in.Last.IsZero() {
		where += fmt.Sprintf(" AND %s < x'%x'", column, in.Last[:])
	}
	return where
}
