package storetest

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"

	"bahi/ledger"
)

func (s some) day() ledger.Day { return ledger.Day(s.IntN(40000)) }
func (s some) count() int      { return s.IntN(math.MaxInt32) }

func (s some) lineID() ledger.LineID {
	return ledger.LineID{Source: ledger.Source(s.upTo(2)), Bank: s.text(), Key: ledger.LineKey(s.id()), N: 1 + s.count()}
}

func (s some) line() ledger.BankLine {
	return ledger.BankLine{ID: s.lineID(), Transfer: s.maybe(), Name: s.text(), RRN: s.text(), Day: s.day(), Amount: ledger.Amount{Minor: s.amount(), Currency: "INR"},
		Debit: s.IntN(2) == 0, Reversal: s.IntN(2) == 0, Moved: s.IntN(2) == 0, By: ledger.KeyedBy(s.upTo(4)),
		Code: s.text(), Reference: s.text(), Account: s.text(), Count: s.count()}
}

func (s some) statement() ledger.Statement {
	v := ledger.Statement{File: s.hash(), N: 1 + s.count(), Source: ledger.Source(s.upTo(2)), Bank: s.text(), Name: s.text(), Account: s.text(), Format: s.text(),
		Currency: ledger.Currency([]string{"", "INR"}[s.IntN(2)]), Date: s.day() * ledger.Day(s.IntN(2)), Lines: s.count(), Credits: s.amount(), Debits: s.amount(), By: s.text(), At: 1 + s.time()/2}
	if s.IntN(3) > 0 {
		closing := s.amount() * int64(s.IntN(3)-1) // zero is not the same as none
		v.Closing = &closing
	}
	return v
}

func (s some) match() ledger.Match {
	return ledger.Match{Line: s.lineID(), Transfer: s.id(), Leg: ledger.Leg(s.upTo(4)), Rule: ledger.Rule(s.upTo(6))}
}

func (s some) run(n int64) ledger.Run {
	return ledger.Run{N: n, Superseded: s.IntN(2) == 0, From: s.day(), Until: s.day(), Lines: s.time(), Legs: s.time(), Matched: s.time(), Breaks: s.time(),
		By: s.text(), Began: s.time(), Ended: s.time() * int64(s.IntN(2))}
}

func (s some) breakOf(transfer ledger.ID) ledger.Break {
	b := ledger.Break{ID: s.id(), Class: ledger.Class(s.upTo(13)), Subject: ledger.Subject{Transfer: transfer, Leg: ledger.Leg(s.IntN(5)), Bank: s.text()}, Currency: "INR"}
	switch s.IntN(3) {
	case 0:
		b.Subject.Line = s.lineID()
	case 1:
		b.Subject.Window = s.text()
	}
	s.find(&b)
	return b
}

// find gives a break anew what may change in its life.
func (s some) find(b *ledger.Break) {
	b.Day, b.Ours, b.Theirs = s.day(), s.amount(), -s.amount()
	b.Bank, b.Switch, b.Book, b.Steps = ledger.Word(s.IntN(3)), ledger.Word(s.IntN(3)), ledger.Word(s.IntN(3)), s.count()
	b.State, b.Resolution = ledger.BreakState(s.upTo(2)), 0
	if b.State == ledger.BreakClosed {
		b.Resolution = ledger.Resolution(s.upTo(3))
	}
	b.Owner, b.Opened, b.Updated, b.Deadline, b.Notes, b.Tries = s.text(), s.time(), s.time(), s.time(), s.count(), s.count()
}

func (s some) note(of ledger.ID, n int) ledger.BreakNote {
	return ledger.BreakNote{Break: of, N: n, What: ledger.NoteKind(s.upTo(10)), By: s.text(), Text: s.text(), At: s.time()}
}

func (s some) correction(b *ledger.Break) ledger.Correction {
	c := ledger.Correction{ID: s.id(), Break: b.ID, Transfer: b.Subject.Transfer, Leg: ledger.Leg(s.IntN(5)), Bank: s.text(), Action: ledger.Action(s.upTo(9)), Currency: "INR",
		Difference: -s.amount(), ProposedBy: s.text(), Created: s.time()}
	s.decide(&c)
	return c
}

func (s some) decide(c *ledger.Correction) {
	c.State, c.Payout, c.Override = ledger.CorrectionState(s.upTo(4)), s.maybe(), s.text()
	c.ApprovedBy, c.AppliedBy, c.Updated = s.text(), s.text(), s.time()
}

func (s some) window(id, scheme string) ledger.Window {
	w := ledger.Window{ID: id, Scheme: scheme, Kind: ledger.WindowKind(s.upTo(2)), Day: s.day(), N: 1 + s.count(), From: s.time(), Until: s.time(), By: s.text(), Closed: s.time()}
	for range s.IntN(4) {
		after := s.time() / 2
		w.Cuts = append(w.Cuts, ledger.Cut{Account: ledger.AccountID(s.id()), After: after, UpTo: after + s.Int64N(1e9)})
	}
	return w
}

func (s some) position(window, bank string, c ledger.Currency) ledger.Position {
	p := ledger.Position{ID: ledger.PositionID(window, bank, c), Window: window, Bank: bank, Currency: c, Remitted: ledger.Volume{Count: s.time(), Minor: s.amount()},
		Received: ledger.Volume{Count: s.time(), Minor: s.amount()}, Fees: s.amount()}
	s.settle(&p)
	return p
}

func (s some) settle(p *ledger.Position) {
	p.State, p.Ref, p.By, p.Updated = ledger.PositionState(s.upTo(3)), s.text(), s.text(), s.time()
}

func (s some) contradiction(transfer ledger.ID) ledger.Contradiction {
	return ledger.Contradiction{Instruction: ledger.InstructionID{Transfer: transfer, Leg: ledger.Leg(s.upTo(4))}, Was: ledger.InstructionState(s.upTo(9)),
		Says: ledger.Outcome(s.upTo(5)), Code: s.text(), At: s.time()}
}

// evidence is what banks said, what came of it and how it is settled.
type evidence struct {
	contradictions []ledger.Contradiction
	lines          []ledger.BankLine
	statements     []ledger.Statement
	coverage       []ledger.Covered
	matches        []ledger.Match
	runs           []ledger.Run
	breaks         []ledger.Break
	notes          []ledger.BreakNote
	corrections    []ledger.Correction
	windows        []ledger.Window
	positions      []ledger.Position
}

// evidence makes n of each kind; seed keeps the keys of several apart.
func (s some) evidence(n, seed int) (e evidence) {
	for i := range n {
		transfer := s.maybe()
		b := s.breakOf(transfer)
		e.contradictions = append(e.contradictions, s.contradiction(s.id()))
		e.lines = append(e.lines, s.line())
		e.statements = append(e.statements, s.statement())
		e.coverage = append(e.coverage, ledger.Covered{Source: ledger.Source(s.upTo(2)), Bank: s.text(), Day: ledger.Day(seed*n + i)})
		e.matches = append(e.matches, s.match())
		e.runs = append(e.runs, s.run(int64(1+seed*n+i)))
		e.breaks = append(e.breaks, b)
		e.notes = append(e.notes, s.note(b.ID, 1), s.note(b.ID, 2))
		e.corrections = append(e.corrections, s.correction(&b), s.correction(&b))
		w := s.window(fmt.Sprintf("upi/%d/%02d", seed, i), []string{"upi", "imps"}[i%2])
		e.windows = append(e.windows, w)
		for _, bank := range []string{"SBIN", "", "HDFC"} {
			e.positions = append(e.positions, s.position(w.ID, bank, "USD"), s.position(w.ID, bank, "INR"))
		}
	}
	return e
}

// putEvidence writes all of it; where it is known already, again.
func (f *fixture) putEvidence(e evidence) {
	f.Helper()
	f.check(f.batch(func(s *ledger.Set) { e.declare(s) }, func(s *ledger.Set) error {
		e.putTables(s)
		e.putTold(s)
		for _, w := range e.windows {
			s.Windows.Put(w.ID, w)
		}
		s.Notes = append(s.Notes, e.notes...)
		return nil
	}))
}

func (e *evidence) declare(s *ledger.Set) {
	for _, v := range e.runs {
		s.Runs.Want(v.N)
	}
	for _, v := range e.breaks {
		s.Breaks.Want(v.ID)
	}
	for _, v := range e.corrections {
		s.Corrections.Want(v.ID)
	}
	for _, v := range e.windows {
		s.Windows.Want(v.ID)
	}
	for _, v := range e.positions {
		s.Positions.Want(v.ID)
	}
}

// putTables puts what may change.
func (e *evidence) putTables(s *ledger.Set) {
	for _, v := range e.runs {
		s.Runs.Put(v.N, v)
	}
	for _, v := range e.breaks {
		s.Breaks.Put(v.ID, v)
	}
	for _, v := range e.corrections {
		s.Corrections.Put(v.ID, v)
	}
	for _, v := range e.positions {
		s.Positions.Put(v.ID, v)
	}
}

// putTold adds what may be told again.
func (e *evidence) putTold(s *ledger.Set) {
	s.Contradictions = append(s.Contradictions, e.contradictions...)
	s.Lines = append(s.Lines, e.lines...)
	s.Statements = append(s.Statements, e.statements...)
	s.Coverage = append(s.Coverage, e.coverage...)
	s.Matches = append(s.Matches, e.matches...)
}

// wantEvidence demands that a book holds exactly this, whatever way it is read.
func (f *fixture) wantEvidence(e evidence) {
	f.Helper()
	f.wantEvidenceLoaded(e)
	for _, v := range e.lines {
		got, err := f.store.Line(background, v.ID)
		equal(f, got, err, v, same)
	}
	for _, v := range e.breaks {
		got, err := f.store.Break(background, v.ID)
		equal(f, got, err, v, same)
		notes, err := f.store.BreakNotes(background, v.ID)
		equal(f, notes, err, chosen(e.notes, func(n *ledger.BreakNote) bool { return n.Break == v.ID }), sameList)
		found, err := f.store.CorrectionsFor(background, v.ID)
		equal(f, found, err, sortedBy(chosen(e.corrections, func(c *ledger.Correction) bool { return c.Break == v.ID }), func(a, b ledger.Correction) int {
			return cmp.Or(cmp.Compare(a.Created, b.Created), a.ID.Compare(b.ID))
		}), sameList)
	}
	for _, v := range e.corrections {
		got, err := f.store.Correction(background, v.ID)
		equal(f, got, err, v, same)
	}
	for _, v := range e.windows {
		got, err := f.store.Window(background, v.ID)
		equal(f, got, err, v, deeply)
		positions, err := f.store.PositionsOf(background, v.ID)
		equal(f, positions, err, sortedBy(chosen(e.positions, func(p *ledger.Position) bool { return p.Window == v.ID }), func(a, b ledger.Position) int {
			return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Bank, b.Bank))
		}), sameList)
	}
	f.wantEvidenceListed(e)
	f.check(f.store.Audit(background, func(s ledger.Snapshot) error {
		f.wantEvidenceIn(s, e, ledger.Range{})
		wantStreamOf(f, s.Windows(), sortedBy(e.windows, func(a, b ledger.Window) int { return cmp.Compare(a.ID, b.ID) }), deeply)
		wantStream(f, s.Notes(), sortedBy(e.notes, func(a, b ledger.BreakNote) int { return cmp.Or(a.Break.Compare(b.Break), cmp.Compare(a.N, b.N)) }))
		return nil
	}))
}

// wantEvidenceLoaded demands that a batch gets the rows as they were written.
func (f *fixture) wantEvidenceLoaded(e evidence) {
	f.Helper()
	f.check(f.batch(func(s *ledger.Set) { e.declare(s) }, func(s *ledger.Set) error {
		for _, v := range e.runs {
			wantLoaded(f, &s.Runs, v.N, v, same)
		}
		for _, v := range e.breaks {
			wantLoaded(f, &s.Breaks, v.ID, v, same)
		}
		for _, v := range e.corrections {
			wantLoaded(f, &s.Corrections, v.ID, v, same)
		}
		for _, v := range e.windows {
			wantLoaded(f, &s.Windows, v.ID, v, deeply)
		}
		for _, v := range e.positions {
			wantLoaded(f, &s.Positions, v.ID, v, same)
		}
		return nil
	}))
}

// wantEvidenceListed reads the lists, in pages where there are any.
func (f *fixture) wantEvidenceListed(e evidence) {
	f.Helper()
	newest := func(a, b ledger.Statement) int {
		return cmp.Or(cmp.Compare(b.At, a.At), slices.Compare(b.File[:], a.File[:]), cmp.Compare(b.N, a.N))
	}
	var statements []ledger.Statement
	for place := (ledger.StatementPlace{}); ; place = statements[len(statements)-1].Place() {
		page, err := f.store.Statements(background, place, 7)
		f.check(err)
		if statements = append(statements, page...); len(page) == 0 || len(statements) > len(e.statements) {
			break
		}
	}
	equal(f, statements, nil, sortedBy(e.statements, newest), deeply)
	for _, s := range e.statements {
		of, err := f.store.StatementsOf(background, s.File)
		inFile := chosen(e.statements, func(other *ledger.Statement) bool { return other.File == s.File })
		equal(f, of, err, sortedBy(inFile, func(a, b ledger.Statement) int { return a.N - b.N }), deeply)
	}
	for _, scheme := range []string{"", "upi", "imps", "none"} {
		var windows []ledger.Window
		for before := ""; ; before = windows[len(windows)-1].ID {
			page, err := f.store.Windows(background, scheme, before, 7)
			f.check(err)
			if windows = append(windows, page...); len(page) == 0 || len(windows) > len(e.windows) {
				break
			}
		}
		equal(f, windows, nil, sortedBy(chosen(e.windows, func(w *ledger.Window) bool { return scheme == "" || w.Scheme == scheme }), func(a, b ledger.Window) int { return cmp.Compare(b.ID, a.ID) }), deeply)
	}
	byDay := func(a, b ledger.Covered) int { return cmp.Compare(a.Day, b.Day) }
	middle := ledger.Day(len(e.coverage) / 2)
	coverage, err := f.store.Coverage(background, 2, middle)
	equal(f, sortedBy(coverage, byDay), err, sortedBy(chosen(e.coverage, func(c *ledger.Covered) bool { return c.Day >= 2 && c.Day < middle }), byDay), sameList)
	last, err := f.store.LastRun(background)
	equal(f, last, err, slices.MaxFunc(e.runs, func(a, b ledger.Run) int { return cmp.Compare(a.N, b.N) }), same)
}

// wantEvidenceIn reads a range of a snapshot, list after list.
func (f *fixture) wantEvidenceIn(s ledger.Snapshot, e evidence, in ledger.Range) {
	f.Helper()
	wantStream(f, s.Lines(in), linesIn(e.lines, in))
	wantStream(f, s.Matches(in), sortedBy(chosen(e.matches, func(m *ledger.Match) bool { return in.Holds(m.Transfer) }), ledger.Match.Compare))
	wantStream(f, s.Breaks(in), sortedBy(chosen(e.breaks, func(b *ledger.Break) bool { return in.Holds(b.Subject.Transfer) }), func(a, b ledger.Break) int {
		return cmp.Or(a.Subject.Transfer.Compare(b.Subject.Transfer), a.ID.Compare(b.ID))
	}))
	wantStream(f, s.CorrectionsOf(in), sortedBy(chosen(e.corrections, func(c *ledger.Correction) bool { return in.Holds(c.Transfer) }), func(a, b ledger.Correction) int {
		return cmp.Or(a.Transfer.Compare(b.Transfer), a.ID.Compare(b.ID))
	}))
	wantStream(f, s.Contradictions(in), sortedBy(chosen(e.contradictions, func(c *ledger.Contradiction) bool { return in.Holds(c.Instruction.Transfer) }), func(a, b ledger.Contradiction) int {
		return a.Instruction.Transfer.Compare(b.Instruction.Transfer)
	}))
	wantStream(f, s.Positions(), sortedBy(e.positions, func(a, b ledger.Position) int { return a.ID.Compare(b.ID) }))
	wantStream(f, s.Corrections(), sortedBy(e.corrections, func(a, b ledger.Correction) int { return a.ID.Compare(b.ID) }))
}

func linesIn(lines []ledger.BankLine, in ledger.Range) []ledger.BankLine {
	return sortedBy(chosen(lines, func(l *ledger.BankLine) bool { return in.Holds(l.Transfer) }), func(a, b ledger.BankLine) int {
		return cmp.Or(a.Transfer.Compare(b.Transfer), a.ID.Compare(b.ID))
	})
}

func wantStream[V comparable](f *fixture, stream iter.Seq2[V, error], want []V) {
	f.Helper()
	wantStreamOf(f, stream, want, same)
}

func wantStreamOf[V any](f *fixture, stream iter.Seq2[V, error], want []V, same func(a, b V) bool) {
	f.Helper()
	var got []V
	for v, err := range stream {
		f.check(err)
		got = append(got, v)
	}
	if !slices.EqualFunc(got, want, same) {
		f.Errorf("%d %T, want %d in their order", len(got), want, len(want))
	}
}

func chosen[V any](all []V, keep func(*V) bool) (some []V) {
	for _, v := range all {
		if keep(&v) {
			some = append(some, v)
		}
	}
	return some
}

func sortedBy[V any](all []V, order func(a, b V) int) []V {
	return slices.SortedFunc(slices.Values(all), order)
}

func deeply[V any](a, b V) bool { return reflect.DeepEqual(a, b) }
