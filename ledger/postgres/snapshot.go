package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Audit implements [ledger.Reader]. The transaction sees the book of the moment
// of its first read, whatever is written meanwhile.
func (s *Store) Audit(ctx context.Context, check func(ledger.Snapshot) error) error {
	snap := &snapshot{store: s, ctx: ctx, cursors: map[string]bool{}}
	if err := snap.begin(); err != nil {
		return err
	}
	return errors.Join(check(snap), snap.end())
}

// snapshot reads within one transaction. Its lists may be read side by side:
// each has a cursor.
type snapshot struct {
	store   *Store
	ctx     context.Context
	tx      pgx.Tx
	told    bool            // something of what it sees
	cursors map[string]bool // that are open
	retries retries
}

func (s *snapshot) begin() (err error) {
	tx, err := s.store.readers.BeginTx(s.ctx, s.store.snapshot)
	if err != nil {
		return failed("begin", err)
	}
	s.tx = tx
	if s.store.cockroach {
		return nil
	}
	if _, err := tx.Exec(s.ctx, "SET LOCAL enable_seqscan = on"); err != nil { // all of it is read
		return errors.Join(failed("audit", err), s.end())
	}
	return nil
}

func (s *snapshot) end() error { return s.tx.Rollback(context.WithoutCancel(s.ctx)) }

// Accounts implements [ledger.Snapshot].
func (s *snapshot) Accounts() iter.Seq2[ledger.Account, error] {
	return stream(s, "accounts", columns.ReadAccount, `SELECT `+columns.Accounts+` FROM accounts ORDER BY id`)
}

// lines takes both sides by their own indexes, already in order, and merges them.
const lines = `SELECT debit, debit_seq, true, ` + columns.Postings + ` FROM postings
	UNION ALL SELECT credit, credit_seq, false, ` + columns.Postings + ` FROM postings ORDER BY 1, 2`

// StatementLines implements [ledger.Snapshot].
func (s *snapshot) StatementLines() iter.Seq2[ledger.StatementLine, error] {
	return stream(s, "statementlines", func(r columns.Row) ledger.StatementLine {
		r.Blob() // the order's columns
		r.Int64()
		return columns.ReadLine(r)
	}, lines)
}

// Transfers implements [ledger.Snapshot]. It merges the transfers with the last steps:
// both come in order.
func (s *snapshot) Transfers(in ledger.Range) iter.Seq2[ledger.Transfer, error] {
	return stream(s, "transfers", columns.ReadTransfer, `SELECT `+columns.TransfersNow+` FROM transfers AS t
	LEFT JOIN (SELECT DISTINCT ON (transfer) `+columns.Steps+` FROM steps`+where(in, `transfer`)+` ORDER BY transfer, n DESC) AS s ON s.transfer = t.id`+where(in, `t.id`)+` ORDER BY t.id`)
}

// Instructions implements [ledger.Snapshot].
func (s *snapshot) Instructions(in ledger.Range) iter.Seq2[ledger.Instruction, error] {
	return ranged(s, in, "instructions", columns.ReadInstruction, columns.Instructions, "leg")
}

// Steps implements [ledger.Snapshot].
func (s *snapshot) Steps() iter.Seq2[ledger.Step, error] {
	return stream(s, "steps", columns.ReadStep, `SELECT `+columns.Steps+` FROM steps ORDER BY transfer, n`)
}

// Postings implements [ledger.Snapshot].
func (s *snapshot) Postings() iter.Seq2[ledger.Posting, error] {
	return stream(s, "postings", columns.ReadPosting, `SELECT `+columns.Postings+` FROM postings ORDER BY entry, event`)
}

// Positions implements [ledger.Snapshot].
func (s *snapshot) Positions() iter.Seq2[ledger.Position, error] {
	return stream(s, "positions", columns.ReadPosition, `SELECT `+columns.Positions+` FROM positions ORDER BY id`)
}

// Corrections implements [ledger.Snapshot].
func (s *snapshot) Corrections() iter.Seq2[ledger.Correction, error] {
	return stream(s, "corrections", columns.ReadCorrection, `SELECT `+columns.Corrections+` FROM corrections ORDER BY id`)
}

// Notes implements [ledger.Snapshot].
func (s *snapshot) Notes() iter.Seq2[ledger.BreakNote, error] {
	return stream(s, "break_notes", columns.ReadNote, `SELECT `+columns.Notes+` FROM break_notes ORDER BY break_id, n`)
}

// Windows implements [ledger.Snapshot].
func (s *snapshot) Windows() iter.Seq2[ledger.Window, error] {
	return columns.JoinWindows(stream(s, "windows", columns.ReadWindow, allWindows))
}

// Accesses implements [ledger.Snapshot].
func (s *snapshot) Accesses() iter.Seq2[ledger.Access, error] {
	return stream(s, "accesses", columns.ReadAccess, `SELECT `+columns.Accesses+` FROM accesses ORDER BY id`)
}

// Erasures implements [ledger.Snapshot].
func (s *snapshot) Erasures() iter.Seq2[ledger.Erasure, error] {
	return stream(s, "erasures", columns.ReadErasure, `SELECT `+columns.Erasures+` FROM erasures ORDER BY party`)
}

// LogRows implements [ledger.Snapshot].
func (s *snapshot) LogRows() iter.Seq2[ledger.LogRow, error] {
	return columns.Both(streamBy(s, "log", logPage, columns.ReadLogRow, sealed), streamBy(s, "log", logPage, columns.ReadLogRow, unsealed))
}

// Checkpoints implements [ledger.Snapshot].
func (s *snapshot) Checkpoints() iter.Seq2[ledger.Checkpoint, error] {
	return stream(s, "checkpoints", columns.ReadCheckpoint, `SELECT `+columns.Checkpoints+` FROM checkpoints ORDER BY size`)
}

// Contradictions implements [ledger.Snapshot].
func (s *snapshot) Contradictions(in ledger.Range) iter.Seq2[ledger.Contradiction, error] {
	return ranged(s, in, "contradictions", columns.ReadContradiction, columns.Contradictions, "leg, says")
}

// Lines implements [ledger.Snapshot].
func (s *snapshot) Lines(in ledger.Range) iter.Seq2[ledger.BankLine, error] {
	return ranged(s, in, "lines", columns.ReadBankLine, columns.Lines, "source, bank, key, n")
}

// Matches implements [ledger.Snapshot].
func (s *snapshot) Matches(in ledger.Range) iter.Seq2[ledger.Match, error] {
	return ranged(s, in, "matches", columns.ReadMatch, columns.Matches, "leg, source, bank, key, n")
}

// Breaks implements [ledger.Snapshot].
func (s *snapshot) Breaks(in ledger.Range) iter.Seq2[ledger.Break, error] {
	return ranged(s, in, "breaks", columns.ReadBreak, columns.Breaks, "id")
}

// CorrectionsOf implements [ledger.Snapshot].
func (s *snapshot) CorrectionsOf(in ledger.Range) iter.Seq2[ledger.Correction, error] {
	return ranged(s, in, "corrections", columns.ReadCorrection, columns.Corrections, "id")
}

// ranged reads the rows of a range of transfers from a table, by transfer and then in an order of their own.
func ranged[V any](s *snapshot, in ledger.Range, table string, read func(columns.Row) V, cols, order string) iter.Seq2[V, error] {
	return stream(s, table, read, rangeQuery(in, table, cols, order))
}

func rangeQuery(in ledger.Range, table, cols, order string) string {
	return `SELECT ` + cols + ` FROM ` + table + where(in, `transfer`) + ` ORDER BY transfer, ` + order
}

// where is the condition that the transfers of a column are those of a range: a
// cursor takes no parameters, and the planner sees how long the range is.
func where(in ledger.Range, column string) (condition string) {
	if !in.First.IsZero() {
		condition = fmt.Sprintf(" WHERE %s >= '%x'", column, in.First[:])
	}
	if in.Last.IsZero() {
		return condition
	}
	word := " WHERE "
	if condition != "" {
		word = " AND "
	}
	return condition + word + fmt.Sprintf("%s < '%x'", column, in.Last[:])
}

// How many rows of a list come at a time: those of the log have up to 256 leaves each.
const (
	pageSize = 2000
	logPage  = 100
)

func stream[V any](s *snapshot, list string, read func(columns.Row) V, query string) iter.Seq2[V, error] {
	return streamBy(s, list, pageSize, read, query)
}

// streamBy reads a query page by page while its reader goes on. A page is read to
// its end before its first row is handed out: meanwhile another list may be read.
func streamBy[V any](s *snapshot, list string, size int, read func(columns.Row) V, query string) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		cursor := s.cursor(list)
		fetch := fmt.Sprintf("FETCH %d FROM %s", size, cursor)
		vs, err := firstPage(s, cursor, fetch, read, query)
		for err == nil && len(vs) > 0 {
			for _, v := range vs {
				if !yield(v, nil) {
					s.finish(cursor)
					return
				}
			}
			vs, err = page(s, fetch, read)
		}
		if err != nil {
			var none V
			yield(none, err)
			return
		}
		s.finish(cursor)
	}
}

// cursor names a new cursor on a list. One that was closed gives its name to another
// on the same list: each name has a statement that is prepared for its columns.
func (s *snapshot) cursor(list string) string {
	for n := 1; ; n++ {
		if name := fmt.Sprintf("all_%s_%d", list, n); !s.cursors[name] {
			s.cursors[name] = true
			return name
		}
	}
}

// firstPage opens a list. As long as nothing was told of what the snapshot sees,
// it may become the snapshot of a later moment, if the database asks for it.
func firstPage[V any](s *snapshot, cursor, fetch string, read func(columns.Row) V, query string) (vs []V, err error) {
	for {
		if _, err = s.tx.Exec(s.ctx, "DECLARE "+cursor+" CURSOR FOR "+query); err != nil {
			err = failed("read", err)
		} else {
			vs, err = page(s, fetch, read)
		}
		if s.told || !s.retries.again(s.ctx, err) {
			s.told = true
			return vs, err
		}
		if err := errors.Join(s.end(), s.begin()); err != nil {
			return nil, err
		}
	}
}

func page[V any](s *snapshot, fetch string, read func(columns.Row) V) ([]V, error) {
	return appendRows(nil, s.tx, s.ctx, read, fetch)
}

// finish lets the list be read again. Should it fail, the next read says why.
func (s *snapshot) finish(cursor string) {
	_, _ = s.tx.Exec(s.ctx, "CLOSE "+cursor)
	delete(s.cursors, cursor)
}
