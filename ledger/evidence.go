package ledger

import "context"

// EvidenceReader reads what banks and the switch said, and what came of it. It is
// a part of [Reader].
type EvidenceReader interface {
	Statements(ctx context.Context, after StatementPlace, limit int) ([]Statement, error) // newest first
	StatementsOf(ctx context.Context, file [32]byte) ([]Statement, error)                 // of a file, by N
	Coverage(ctx context.Context, from, until Day) ([]Covered, error)                     // of days from, and before until; in no order
	Line(ctx context.Context, id LineID) (BankLine, error)
	LinesOf(ctx context.Context, transfer ID) ([]BankLine, error) // by ID
	LastRun(ctx context.Context) (Run, error)                     // the one with the greatest N; [ErrNotFound] before the first

	Break(ctx context.Context, id ID) (Break, error)
	Breaks(ctx context.Context, f BreakFilter, after BreakPlace, limit int) ([]Break, error) // by deadline
	BreakNotes(ctx context.Context, id ID) ([]BreakNote, error)                              // by N
	BreakCounts(ctx context.Context) ([]BreakCount, error)                                   // by class, then state

	Correction(ctx context.Context, id ID) (Correction, error)
	CorrectionsFor(ctx context.Context, brk ID) ([]Correction, error) // of a break, oldest first
}

// StatementPlace is a place in the order of statements, which is from the newest; the zero place is before all.
type StatementPlace struct {
	At   int64
	File [32]byte
	N    int
}

// Place is where the statement stands.
func (s *Statement) Place() StatementPlace { return StatementPlace{s.At, s.File, s.N} }

// SettlementReader reads what settlement needs. It is a part of [Reader].
type SettlementReader interface {
	Window(ctx context.Context, id string) (Window, error)
	Windows(ctx context.Context, scheme string, before string, limit int) ([]Window, error) // newest first: IDs less than before, or from the newest
	PositionsOf(ctx context.Context, window string) ([]Position, error)                     // by currency, then bank
	// Flows are the sums of what the postings of the cuts moved from bank to bank. Of the
	// transit accounts: each credit, and each reversal of one, which goes the other
	// way. Of suspense: each adjustment.
	Flows(ctx context.Context, cuts []Cut) ([]Flow, error)
}
