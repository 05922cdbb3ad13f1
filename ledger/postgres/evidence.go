package postgres

import (
	"context"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Statements implements [ledger.EvidenceReader].
func (s *Store) Statements(ctx context.Context, after ledger.StatementPlace, limit int) ([]ledger.Statement, error) {
	if after == (ledger.StatementPlace{}) {
		return list(s, ctx, columns.ReadStatement, newestStatements, limit)
	}
	return list(s, ctx, columns.ReadStatement, olderStatements, after.At, after.File[:], int64(after.N), limit)
}

const (
	newestStatements = `SELECT ` + columns.Statements + ` FROM statements ORDER BY at DESC, file DESC, n DESC LIMIT $1`
	olderStatements  = `SELECT ` + columns.Statements + ` FROM statements WHERE (at, file, n) < ($1, $2, $3) ORDER BY at DESC, file DESC, n DESC LIMIT $4`
)

const statementsOf = `SELECT ` + columns.Statements + ` FROM statements WHERE file = $1 ORDER BY n`

// StatementsOf implements [ledger.EvidenceReader].
func (s *Store) StatementsOf(ctx context.Context, file [32]byte) ([]ledger.Statement, error) {
	return list(s, ctx, columns.ReadStatement, statementsOf, file[:])
}

const coverage = `SELECT ` + columns.Coverage + ` FROM coverage WHERE day >= $1 AND day < $2`

// Coverage implements [ledger.EvidenceReader].
func (s *Store) Coverage(ctx context.Context, from, until ledger.Day) ([]ledger.Covered, error) {
	return list(s, ctx, columns.ReadCovered, coverage, int32(from), int32(until))
}

const line = `SELECT ` + columns.Lines + ` FROM lines WHERE source = $1 AND bank = $2 AND key = $3 AND n = $4`

// Line implements [ledger.EvidenceReader].
func (s *Store) Line(ctx context.Context, id ledger.LineID) (ledger.BankLine, error) {
	return one(s, ctx, columns.ReadBankLine, line, int64(id.Source), id.Bank, id.Key[:], int64(id.N))
}

const linesOf = `SELECT ` + columns.Lines + ` FROM lines WHERE transfer = $1 ORDER BY source, bank, key, n`

// LinesOf implements [ledger.EvidenceReader].
func (s *Store) LinesOf(ctx context.Context, transfer ledger.ID) ([]ledger.BankLine, error) {
	return list(s, ctx, columns.ReadBankLine, linesOf, transfer[:])
}

const lastRun = `SELECT ` + columns.Runs + ` FROM runs ORDER BY n DESC LIMIT 1`

// LastRun implements [ledger.EvidenceReader].
func (s *Store) LastRun(ctx context.Context) (ledger.Run, error) {
	return one(s, ctx, columns.ReadRun, lastRun)
}

// Break implements [ledger.EvidenceReader].
func (s *Store) Break(ctx context.Context, id ledger.ID) (ledger.Break, error) {
	return one(s, ctx, columns.ReadBreak, `SELECT `+columns.Breaks+` FROM breaks WHERE id = $1`, id[:])
}

// Breaks implements [ledger.EvidenceReader].
func (s *Store) Breaks(ctx context.Context, f ledger.BreakFilter, after ledger.BreakPlace, limit int) ([]ledger.Break, error) {
	query, args := breakList(&f, after, limit)
	return list(s, ctx, columns.ReadBreak, query, args...)
}

func breakList(f *ledger.BreakFilter, after ledger.BreakPlace, limit int) (query string, args []any) {
	t := &terms{}
	place := t.value(after.Deadline) + `, ` + t.value(after.ID[:])
	for _, c := range columns.BreakTerms(f) {
		t.and(c.Column, c.Value)
	}
	return `SELECT ` + columns.Breaks + ` FROM breaks WHERE (deadline, id) > (` + place + `)` + t.where + ` ORDER BY deadline, id LIMIT ` + t.value(limit), t.args
}

const breakNotes = `SELECT ` + columns.Notes + ` FROM break_notes WHERE break_id = $1 ORDER BY n`

// BreakNotes implements [ledger.EvidenceReader].
func (s *Store) BreakNotes(ctx context.Context, id ledger.ID) ([]ledger.BreakNote, error) {
	return list(s, ctx, columns.ReadNote, breakNotes, id[:])
}

const breakCounts = `SELECT ` + columns.BreakCounts + ` FROM breaks GROUP BY class, state ORDER BY class, state`

// BreakCounts implements [ledger.EvidenceReader].
func (s *Store) BreakCounts(ctx context.Context) ([]ledger.BreakCount, error) {
	return list(s, ctx, columns.ReadBreakCount, breakCounts)
}

// Correction implements [ledger.EvidenceReader].
func (s *Store) Correction(ctx context.Context, id ledger.ID) (ledger.Correction, error) {
	return one(s, ctx, columns.ReadCorrection, `SELECT `+columns.Corrections+` FROM corrections WHERE id = $1`, id[:])
}

const correctionsFor = `SELECT ` + columns.Corrections + ` FROM corrections WHERE break_id = $1 ORDER BY created, id`

// CorrectionsFor implements [ledger.EvidenceReader].
func (s *Store) CorrectionsFor(ctx context.Context, brk ledger.ID) ([]ledger.Correction, error) {
	return list(s, ctx, columns.ReadCorrection, correctionsFor, brk[:])
}
