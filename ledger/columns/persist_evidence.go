package columns

import (
	"slices"

	"bahi/ledger"
)

// The changes of what banks and the switch said, of what came of it, and of settlement.
var (
	addContradictions = Change{Verb: Add, Table: "contradictions", Columns: Contradictions, Types: []Type{UUID, Int2, Int2, Int2, Text, Int8}}
	mergeLines        = Change{Verb: Merge, Table: "lines", Key: 4, Last: 7, Columns: Lines, Types: []Type{Int2, Text, UUID, Int4,
		Int4, Int8, Text, Bool, Bool, Bool, Int2, UUID, Text, Text, Text, Text, Text, Int4}}
	addStatements = Change{Verb: Add, Table: "statements", Columns: Statements, Types: []Type{Bytea, Int4, Int2, Text, Text, Text, Text, Text, Int4,
		Int4, Int8, Int8, Int8, Text, Int8}}
	addCoverage    = Change{Verb: Add, Table: "coverage", Columns: Coverage, Types: []Type{Int4, Int2, Text}}
	replaceMatches = Change{Verb: Replace, Table: "matches", Key: 6, Last: 1, Columns: Matches, Types: []Type{UUID, Int2, Int2, Text, UUID, Int4, Int2}}
	deleteMatches  = Change{Verb: Delete, Table: "matches", Key: 6, Columns: matchKey, Types: replaceMatches.Types[:6]}
	insertRuns     = Change{Table: "runs", Columns: Runs, Types: []Type{Int8, Bool, Int4, Int4, Int8, Int8, Int8, Int8, Text, Int8, Int8}}
	updateRuns     = Change{Verb: Update, Table: "runs", Key: 1, Columns: "n, superseded, lines, legs, matched, breaks, ended",
		Types: []Type{Int8, Bool, Int8, Int8, Int8, Int8, Int8}}
	insertBreaks = Change{Table: "breaks", Columns: Breaks, Types: append([]Type{UUID, Int2, UUID, Int2, Int2, Text, UUID, Int4, Text, Text, Text}, foundTypes...)}
	updateBreaks = Change{Verb: Update, Table: "breaks", Key: 1, Columns: "id, " + found, Types: append([]Type{UUID}, foundTypes...)}
	foundTypes   = []Type{Int4, Int8, Int8, Int2, Int2, Int2, Int4, Int2, Int2, Text, Int8, Int8, Int8, Int4, Int4}
	insertNotes  = Change{Table: "break_notes", Columns: Notes, Types: []Type{UUID, Int4, Int2, Text, Text, Int8}}

	insertCorrections = Change{Table: "corrections", Columns: Corrections, Types: []Type{UUID, UUID, UUID, Int2, Text, Int2, Text, Int8, Text, Int8,
		Int2, UUID, Text, Text, Text, Int8}}
	updateCorrections = Change{Verb: Update, Table: "corrections", Key: 1, Columns: "id, " + corrected, Types: []Type{UUID, Int2, UUID, Text, Text, Text, Int8}}
	insertWindows     = Change{Table: "windows", Columns: Windows, Types: []Type{Text, Text, Int2, Int4, Int4, Int8, Int8, Text, Int8}}
	insertCuts        = Change{Table: "window_cuts", Columns: "window_id, " + Cuts, Types: []Type{Text, Int4, UUID, Int8, Int8}}
	insertPositions   = Change{Table: "positions", Columns: Positions, Types: []Type{UUID, Text, Text, Text, Int8, Int8, Int8, Int8, Int8, Int2, Text, Text, Int8}}
	updatePositions   = Change{Verb: Update, Table: "positions", Key: 1, Columns: "id, " + settled, Types: []Type{UUID, Int2, Text, Text, Int8}}
)

func (p *persister) evidence(s *ledger.Set) {
	for i := range s.Contradictions {
		p.contradiction(&s.Contradictions[i])
	}
	for _, l := range mergedLines(s.Lines) {
		p.line(&l)
	}
	for i := range s.Statements {
		p.statement(&s.Statements[i])
	}
	for i := range s.Coverage {
		p.covered(&s.Coverage[i])
	}
	for i := range s.Unmatched {
		writeMatch(p.rows(&deleteMatches), &s.Unmatched[i])
	}
	for _, m := range lastOf(s.Matches, ledger.Match.Compare) {
		w := p.rows(&replaceMatches)
		writeMatch(w, &m)
		w.Small(uint8(m.Rule))
	}
	s.Runs.Changes(p.run)
	s.Breaks.Changes(p.brk)
	for i := range s.Notes {
		p.note(&s.Notes[i])
	}
	s.Corrections.Changes(p.correction)
	s.Windows.Changes(p.window)
	s.Positions.Changes(p.position)
}

func (p *persister) contradiction(v *ledger.Contradiction) {
	w := p.rows(&addContradictions)
	w.ID(v.Instruction.Transfer)
	w.Small(uint8(v.Instruction.Leg))
	w.Small(uint8(v.Says))
	w.Small(uint8(v.Was))
	w.OptionalText(v.Code)
	w.Int8(v.At)
}

// mergedLines are the lines in the order of their keys, each key once: one statement
// of SQL may write a row only once, and two nodes that write the same ones wait
// for each other instead of failing.
func mergedLines(lines []ledger.BankLine) (merged []ledger.BankLine) {
	lines = slices.SortedStableFunc(slices.Values(lines), func(a, b ledger.BankLine) int { return a.ID.Compare(b.ID) })
	for _, l := range lines {
		if n := len(merged) - 1; n >= 0 && merged[n].ID == l.ID {
			merged[n] = merged[n].Merge(l)
		} else {
			merged = append(merged, l)
		}
	}
	return merged
}

func writeLineID(w Writer, id *ledger.LineID) {
	w.Small(uint8(id.Source))
	w.Text(id.Bank)
	w.ID(id.Key)
	w.Int4(id.N)
}

func (p *persister) line(l *ledger.BankLine) {
	w := p.rows(&mergeLines)
	writeLineID(w, &l.ID)
	w.Int4(int(l.Day))
	w.Int8(l.Amount.Minor)
	w.Text(string(l.Amount.Currency))
	w.Bool(l.Debit)
	w.Bool(l.Reversal)
	w.Bool(l.Moved)
	w.Small(uint8(l.By))
	w.ID(l.Transfer)
	w.Text(l.Name)
	w.Text(l.RRN)
	w.Text(l.Code)
	w.Text(l.Reference)
	w.Text(l.Account)
	w.Int4(l.Count)
}

func (p *persister) statement(s *ledger.Statement) {
	w := p.rows(&addStatements)
	w.Bytes(s.File[:])
	w.Int4(s.N)
	w.Small(uint8(s.Source))
	w.Text(s.Bank)
	w.OptionalText(s.Name)
	w.OptionalText(s.Account)
	w.OptionalText(s.Format)
	w.OptionalText(string(s.Currency))
	w.Int4(int(s.Date))
	w.Int4(s.Lines)
	w.Int8(s.Credits)
	w.Int8(s.Debits)
	w.Pointer(s.Closing)
	w.OptionalText(s.By)
	w.Int8(s.At)
}

func (p *persister) covered(c *ledger.Covered) {
	w := p.rows(&addCoverage)
	w.Int4(int(c.Day))
	w.Small(uint8(c.Source))
	w.Text(c.Bank)
}

func writeMatch(w Writer, m *ledger.Match) {
	w.ID(m.Transfer)
	w.Small(uint8(m.Leg))
	writeLineID(w, &m.Line)
}

func (p *persister) run(_ int64, r *ledger.Run, inserted bool) {
	if r == nil {
		p.kept()
		return
	}
	w := p.rows(either(inserted, &insertRuns, &updateRuns))
	w.Int8(r.N)
	w.Bool(r.Superseded)
	if inserted {
		w.Int4(int(r.From))
		w.Int4(int(r.Until))
	}
	w.Int8(r.Lines)
	w.Int8(r.Legs)
	w.Int8(r.Matched)
	w.Int8(r.Breaks)
	if inserted {
		w.OptionalText(r.By)
		w.Int8(r.Began)
	}
	w.Int8(r.Ended)
}

func (p *persister) brk(_ ledger.ID, b *ledger.Break, inserted bool) {
	if b == nil {
		p.kept()
		return
	}
	w := p.rows(either(inserted, &insertBreaks, &updateBreaks))
	w.ID(b.ID)
	if inserted { // the ID is made of class and subject
		w.Small(uint8(b.Class))
		w.ID(b.Subject.Transfer)
		w.Small(uint8(b.Subject.Leg))
		w.OptionalSmall(uint8(b.Subject.Line.Source))
		w.OptionalText(b.Subject.Line.Bank)
		w.OptionalID(b.Subject.Line.Key)
		w.OptionalInt4(b.Subject.Line.N)
		w.OptionalText(b.Subject.Window)
		w.Text(b.Subject.Bank)
		w.Text(string(b.Currency))
	}
	w.Int4(int(b.Day))
	w.Int8(b.Ours)
	w.Int8(b.Theirs)
	w.Small(uint8(b.Bank))
	w.Small(uint8(b.Switch))
	w.Small(uint8(b.Book))
	w.Int4(b.Steps)
	w.Small(uint8(b.State))
	w.OptionalSmall(uint8(b.Resolution))
	w.OptionalText(b.Owner)
	w.Int8(b.Opened)
	w.Int8(b.Updated)
	w.Int8(b.Deadline)
	w.Int4(b.Notes)
	w.Int4(b.Tries)
}

func (p *persister) note(n *ledger.BreakNote) {
	w := p.rows(&insertNotes)
	w.ID(n.Break)
	w.Int4(n.N)
	w.Small(uint8(n.What))
	w.OptionalText(n.By)
	w.OptionalText(n.Text)
	w.Int8(n.At)
}

func (p *persister) correction(_ ledger.ID, c *ledger.Correction, inserted bool) {
	if c == nil {
		p.kept()
		return
	}
	w := p.rows(either(inserted, &insertCorrections, &updateCorrections))
	w.ID(c.ID)
	if inserted {
		w.ID(c.Break)
		w.ID(c.Transfer)
		w.Small(uint8(c.Leg))
		w.Text(c.Bank)
		w.Small(uint8(c.Action))
		w.Text(string(c.Currency))
		w.Int8(c.Difference)
		w.OptionalText(c.ProposedBy)
		w.Int8(c.Created)
	}
	w.Small(uint8(c.State))
	w.OptionalID(c.Payout)
	w.OptionalText(c.Override)
	w.OptionalText(c.ApprovedBy)
	w.OptionalText(c.AppliedBy)
	w.Int8(c.Updated)
}

// window writes a window with its cuts, once.
func (p *persister) window(_ string, v *ledger.Window, inserted bool) {
	if v == nil || !inserted {
		p.kept()
		return
	}
	w := p.rows(&insertWindows)
	w.Text(v.ID)
	w.Text(v.Scheme)
	w.Small(uint8(v.Kind))
	w.Int4(int(v.Day))
	w.Int4(v.N)
	w.Int8(v.From)
	w.Int8(v.Until)
	w.OptionalText(v.By)
	w.Int8(v.Closed)
	for i, c := range v.Cuts {
		w := p.rows(&insertCuts)
		w.Text(v.ID)
		w.Int4(i + 1)
		w.ID(c.Account)
		w.Int8(c.After)
		w.Int8(c.UpTo)
	}
}

func (p *persister) position(_ ledger.ID, v *ledger.Position, inserted bool) {
	if v == nil {
		p.kept()
		return
	}
	w := p.rows(either(inserted, &insertPositions, &updatePositions))
	w.ID(v.ID)
	if inserted {
		w.Text(v.Window)
		w.Text(v.Bank)
		w.Text(string(v.Currency))
		w.Int8(v.Remitted.Count)
		w.Int8(v.Remitted.Minor)
		w.Int8(v.Received.Count)
		w.Int8(v.Received.Minor)
		w.Int8(v.Fees)
	}
	w.Small(uint8(v.State))
	w.OptionalText(v.Ref)
	w.OptionalText(v.By)
	w.Int8(v.Updated)
}
