package sqlite

import (
	"context"
	"database/sql/driver"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Statements implements [ledger.EvidenceReader].
func (s *Store) Statements(ctx context.Context, after ledger.StatementPlace, limit int) ([]ledger.Statement, error) {
	if after == (ledger.StatementPlace{}) {
		return list(s, ctx, columns.ReadStatement, newestStatements, int64(limit))
	}
	return list(s, ctx, columns.ReadStatement, olderStatements, after.At, after.File[:], int64(after.N), int64(limit))
}

const (
	newestStatements = `SELECT ` + columns.Statements + ` FROM statements ORDER BY at DESC, file DESC, n DESC LIMIT ?`
	olderStatements  = `SELECT ` + columns.Statements + ` FROM statements WHERE (at, file, n) < (?, ?, ?) ORDER BY at DESC, file DESC, n DESC LIMIT ?`
)

const statementsOf = `SELECT ` + columns.Statements + ` FROM statements WHERE file = ? ORDER BY n`

// StatementsOf implements [ledger.EvidenceReader].
func (s *Store) StatementsOf(ctx context.Context, file [32]byte) ([]ledger.Statement, error) {
	return list(s, ctx, columns.ReadStatement, statementsOf, file[:])
}

const coverage = `SELECT ` + columns.Coverage + ` FROM coverage WHERE day >= ? AND day < ?`

// Coverage implements [ledger.EvidenceReader].
func (s *Store) Coverage(ctx context.Context, from, until ledger.Day) ([]ledger.Covered, error) {
	return list(s, ctx, columns.ReadCovered, coverage, int64(from), int64(until))
}

const line = `SELECT ` + columns.Lines + ` FROM lines WHERE source = ? AND bank = ? AND key = ? AND n = ?`

// Line implements [ledger.EvidenceReader].
func (s *Store) Line(ctx context.Context, id ledger.LineID) (ledger.BankLine, error) {
	return one(s, ctx, columns.ReadBankLine, line, int64(id.Source), id.Bank, id.Key[:], int64(id.N))
}

const linesOf = `SELECT ` + columns.Lines + ` FROM lines WHERE transfer = ? ORDER BY source, bank, key, n`

// LinesOf implements [ledger.EvidenceReader].
func (s *Store) LinesOf(ctx context.Context, transfer ledger.ID) ([]ledger.BankLine, error) {
	return list(s, ctx, columns.ReadBankLine, linesOf, transfer[:])
}

// LastRun implements [ledger.EvidenceReader].
func (s *Store) LastRun(ctx context.Context) (ledger.Run, error) {
	return one(s, ctx, columns.ReadRun, `SELECT `+columns.Runs+` FROM runs ORDER BY n DESC LIMIT 1`)
}

// Break implements [ledger.EvidenceReader].
func (s *Store) Break(ctx context.Context, id ledger.ID) (ledger.Break, error) {
	return one(s, ctx, columns.ReadBreak, `SELECT `+columns.Breaks+` FROM breaks WHERE id = ?`, id[:])
}

// Breaks implements [ledger.EvidenceReader].
func (s *Store) Breaks(ctx context.Context, f ledger.BreakFilter, after ledger.BreakPlace, limit int) ([]ledger.Break, error) {
	query, args := breakList(&f, after, limit)
	return list(s, ctx, columns.ReadBreak, query, args...)
}

// breakList walks the narrowest index that there is; SQLite has no statistics here.
func breakList(f *ledger.BreakFilter, after ledger.BreakPlace, limit int) (query string, args []driver.Value) {
	index := "breaks_by_deadline"
	switch {
	case !f.Transfer.IsZero():
		index = "breaks_by_transfer"
	case f.State != 0 && f.Class != 0:
		index = "breaks_by_class"
	case f.State != 0:
		index = "breaks_by_state"
	}
	query = `SELECT ` + columns.Breaks + ` FROM breaks INDEXED BY ` + index + ` WHERE (deadline, id) > (?, ?)`
	args = []driver.Value{after.Deadline, after.ID[:]}
	for _, t := range columns.BreakTerms(f) {
		query += ` AND ` + t.Column + ` ?`
		args = append(args, t.Value)
	}
	return query + ` ORDER BY deadline, id LIMIT ?`, append(args, int64(limit))
}

// BreakNotes implements [ledger.EvidenceReader].
func (s *Store) BreakNotes(ctx context.Context, id ledger.ID) ([]ledger.BreakNote, error) {
	return list(s, ctx, columns.ReadNote, `SELECT `+columns.Notes+` FROM break_notes WHERE break_id = ? ORDER BY n`, id[:])
}

const breakCounts = `SELECT ` + columns.BreakCounts + ` FROM breaks GROUP BY class, state ORDER BY class, state`

// BreakCounts implements [ledger.EvidenceReader].
func (s *Store) BreakCounts(ctx context.Context) ([]ledger.BreakCount, error) {
	return list(s, ctx, columns.ReadBreakCount, breakCounts)
}

// Correction implements [ledger.EvidenceReader].
func (s *Store) Correction(ctx context.Context, id ledger.ID) (ledger.Correction, error) {
	return one(s, ctx, columns.ReadCorrection, `SELECT `+columns.Corrections+` FROM corrections WHERE id = ?`, id[:])
}

const correctionsFor = `SELECT ` + columns.Corrections + ` FROM corrections WHERE break_id = ? ORDER BY created, id`

// CorrectionsFor implements [ledger.EvidenceReader].
func (s *Store) CorrectionsFor(ctx context.Context, brk ledger.ID) ([]ledger.Correction, error) {
	return list(s, ctx, columns.ReadCorrection, correctionsFor, brk[:])
}
