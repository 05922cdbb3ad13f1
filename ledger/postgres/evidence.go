package postgres

import (
	"context"
	"errors"
	"iter"

	"bahi/ledger"
)

var errNotBuilt = errors.New("postgres: not built yet")

// Statements implements [ledger.Reader].
func (s *Store) Statements(ctx context.Context, after ledger.StatementPlace, limit int) (v []ledger.Statement, err error) {
	return v, errNotBuilt
}

// Coverage implements [ledger.Reader].
func (s *Store) Coverage(ctx context.Context, from, until ledger.Day) (v []ledger.Covered, err error) {
	return v, errNotBuilt
}

// Line implements [ledger.Reader].
func (s *Store) Line(ctx context.Context, id ledger.LineID) (v ledger.BankLine, err error) {
	return v, errNotBuilt
}

// LinesOf implements [ledger.Reader].
func (s *Store) LinesOf(ctx context.Context, transfer ledger.ID) (v []ledger.BankLine, err error) {
	return v, errNotBuilt
}

// LastRun implements [ledger.Reader].
func (s *Store) LastRun(ctx context.Context) (v ledger.Run, err error) { return v, errNotBuilt }

// Break implements [ledger.Reader].
func (s *Store) Break(ctx context.Context, id ledger.ID) (v ledger.Break, err error) {
	return v, errNotBuilt
}

// Breaks implements [ledger.Reader].
func (s *Store) Breaks(ctx context.Context, f ledger.BreakFilter, after ledger.BreakPlace, limit int) (v []ledger.Break, err error) {
	return v, errNotBuilt
}

// BreakNotes implements [ledger.Reader].
func (s *Store) BreakNotes(ctx context.Context, id ledger.ID) (v []ledger.BreakNote, err error) {
	return v, errNotBuilt
}

// BreakCounts implements [ledger.Reader].
func (s *Store) BreakCounts(ctx context.Context) (v []ledger.BreakCount, err error) {
	return v, errNotBuilt
}

// Correction implements [ledger.Reader].
func (s *Store) Correction(ctx context.Context, id ledger.ID) (v ledger.Correction, err error) {
	return v, errNotBuilt
}

// CorrectionsFor implements [ledger.Reader].
func (s *Store) CorrectionsFor(ctx context.Context, brk ledger.ID) (v []ledger.Correction, err error) {
	return v, errNotBuilt
}

// Window implements [ledger.Reader].
func (s *Store) Window(ctx context.Context, id string) (v ledger.Window, err error) {
	return v, errNotBuilt
}

// Windows implements [ledger.Reader].
func (s *Store) Windows(ctx context.Context, scheme string, before string, limit int) (v []ledger.Window, err error) {
	return v, errNotBuilt
}

// PositionsOf implements [ledger.Reader].
func (s *Store) PositionsOf(ctx context.Context, window string) (v []ledger.Position, err error) {
	return v, errNotBuilt
}

// Flows implements [ledger.Reader].
func (s *Store) Flows(ctx context.Context, cuts []ledger.Cut) (v []ledger.Flow, err error) {
	return v, errNotBuilt
}

// Positions implements [ledger.Snapshot].
func (s *snapshot) Positions() iter.Seq2[ledger.Position, error] { return notBuilt[ledger.Position] }

// Corrections implements [ledger.Snapshot].
func (s *snapshot) Corrections() iter.Seq2[ledger.Correction, error] {
	return notBuilt[ledger.Correction]
}

// Contradictions implements [ledger.Snapshot].
func (s *snapshot) Contradictions(ledger.Range) iter.Seq2[ledger.Contradiction, error] {
	return notBuilt[ledger.Contradiction]
}

// Lines implements [ledger.Snapshot].
func (s *snapshot) Lines(ledger.Range) iter.Seq2[ledger.BankLine, error] {
	return notBuilt[ledger.BankLine]
}

// Matches implements [ledger.Snapshot].
func (s *snapshot) Matches(ledger.Range) iter.Seq2[ledger.Match, error] {
	return notBuilt[ledger.Match]
}

// Breaks implements [ledger.Snapshot].
func (s *snapshot) Breaks(ledger.Range) iter.Seq2[ledger.Break, error] { return notBuilt[ledger.Break] }

// CorrectionsOf implements [ledger.Snapshot].
func (s *snapshot) CorrectionsOf(ledger.Range) iter.Seq2[ledger.Correction, error] {
	return notBuilt[ledger.Correction]
}

// notBuilt is empty: until the tables are there, nothing can be written to them.
func notBuilt[V any](yield func(V, error) bool) {}

// unbuilt refuses what would be lost.
func unbuilt(s *ledger.Set) error {
	added := len(s.Notes) + len(s.Lines) + len(s.Statements) + len(s.Coverage) + len(s.Matches) + len(s.Unmatched)
	if added > 0 || s.Runs.Changed() || s.Breaks.Changed() || s.Corrections.Changed() || s.Windows.Changed() || s.Positions.Changed() {
		return errNotBuilt
	}
	return nil
}
