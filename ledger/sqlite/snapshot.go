package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
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
	return ranged(s, in, columns.ReadTransfer, `SELECT `+columns.TransfersNow+` FROM transfers AS t`+lastStep, `t.id`, ``)
}

// Instructions implements [ledger.Snapshot].
func (s snapshot) Instructions(in ledger.Range) iter.Seq2[ledger.Instruction, error] {
	return ranged(s, in, columns.ReadInstruction, `SELECT `+columns.Instructions+` FROM instructions`, `transfer`, `, leg`)
}

// Steps implements [ledger.Snapshot].
func (s snapshot) Steps() iter.Seq2[ledger.Step, error] {
	return stream(s, columns.ReadStep, `SELECT `+columns.Steps+` FROM steps ORDER BY transfer, n`)
}

// Postings implements [ledger.Snapshot].
func (s snapshot) Postings() iter.Seq2[ledger.Posting, error] {
	return stream(s, columns.ReadPosting, `SELECT `+columns.Postings+` FROM postings ORDER BY entry, event`)
}

// Positions implements [ledger.Snapshot].
func (s snapshot) Positions() iter.Seq2[ledger.Position, error] {
	return stream(s, columns.ReadPosition, `SELECT `+columns.Positions+` FROM positions ORDER BY id`)
}

// Corrections implements [ledger.Snapshot].
func (s snapshot) Corrections() iter.Seq2[ledger.Correction, error] {
	return stream(s, columns.ReadCorrection, `SELECT `+columns.Corrections+` FROM corrections ORDER BY id`)
}

// Notes implements [ledger.Snapshot].
func (s snapshot) Notes() iter.Seq2[ledger.BreakNote, error] {
	return stream(s, columns.ReadNote, `SELECT `+columns.Notes+` FROM break_notes ORDER BY break_id, n`)
}

// Windows implements [ledger.Snapshot].
func (s snapshot) Windows() iter.Seq2[ledger.Window, error] {
	return columns.JoinWindows(stream(s, columns.ReadWindow, allWindows))
}

// Accesses implements [ledger.Snapshot].
func (s snapshot) Accesses() iter.Seq2[ledger.Access, error] {
	return stream(s, columns.ReadAccess, `SELECT `+columns.Accesses+` FROM accesses ORDER BY id`)
}

// Erasures implements [ledger.Snapshot].
func (s snapshot) Erasures() iter.Seq2[ledger.Erasure, error] {
	return stream(s, columns.ReadErasure, `SELECT `+columns.Erasures+` FROM erasures ORDER BY party`)
}

// LogRows implements [ledger.Snapshot].
func (s snapshot) LogRows() iter.Seq2[ledger.LogRow, error] {
	return columns.Both(stream(s, columns.ReadLogRow, sealed), stream(s, columns.ReadLogRow, unsealed))
}

// Checkpoints implements [ledger.Snapshot].
func (s snapshot) Checkpoints() iter.Seq2[ledger.Checkpoint, error] {
	return stream(s, columns.ReadCheckpoint, `SELECT `+columns.Checkpoints+` FROM checkpoints ORDER BY size`)
}

// Contradictions implements [ledger.Snapshot].
func (s snapshot) Contradictions(in ledger.Range) iter.Seq2[ledger.Contradiction, error] {
	return ranged(s, in, columns.ReadContradiction, `SELECT `+columns.Contradictions+` FROM contradictions`, `transfer`, `, leg, says`)
}

// Lines implements [ledger.Snapshot].
func (s snapshot) Lines(in ledger.Range) iter.Seq2[ledger.BankLine, error] {
	return ranged(s, in, columns.ReadBankLine, `SELECT `+columns.Lines+` FROM lines`, `transfer`, `, source, bank, key, n`)
}

// Matches implements [ledger.Snapshot].
func (s snapshot) Matches(in ledger.Range) iter.Seq2[ledger.Match, error] {
	return ranged(s, in, columns.ReadMatch, `SELECT `+columns.Matches+` FROM matches`, `transfer`, `, leg, source, bank, key, n`)
}

// Breaks implements [ledger.Snapshot].
func (s snapshot) Breaks(in ledger.Range) iter.Seq2[ledger.Break, error] {
	return ranged(s, in, columns.ReadBreak, `SELECT `+columns.Breaks+` FROM breaks`, `transfer`, `, id`)
}

// CorrectionsOf implements [ledger.Snapshot].
func (s snapshot) CorrectionsOf(in ledger.Range) iter.Seq2[ledger.Correction, error] {
	return ranged(s, in, columns.ReadCorrection, `SELECT `+columns.Corrections+` FROM corrections`, `transfer`, `, id`)
}

// ranged reads the rows of a range of transfers, by transfer and then in an order of their own.
func ranged[V any](s snapshot, in ledger.Range, read func(columns.Row) V, query, transfer, order string) iter.Seq2[V, error] {
	query, args := rangeQuery(in, query, transfer, order)
	return stream(s, read, query, args...)
}

func rangeQuery(in ledger.Range, query, transfer, order string) (_ string, args []driver.Value) {
	args = []driver.Value{in.First[:]}
	query += ` WHERE ` + transfer + ` >= ?`
	if !in.Last.IsZero() {
		query += ` AND ` + transfer + ` < ?`
		args = append(args, in.Last[:])
	}
	return query + ` ORDER BY ` + transfer + order, args
}

// stream reads a query row by row while its reader goes on.
func stream[V any](s snapshot, read func(columns.Row) V, query string, args ...driver.Value) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var none V
		more := true
		err := s.conn.query(query, func(r *row) bool {
			if s.ctx.Err() != nil {
				return false
			}
			more = yield(read(r), nil)
			return more
		}, args...)
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
