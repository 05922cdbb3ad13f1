package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bahi/ledger"
)

// evidence is what banks and the switch said, what came of it, and how it is settled.
type evidence struct {
	contradictions map[contradictionKey]ledger.Contradiction
	told           map[ledger.LineID]ledger.BankLine
	statements     map[statementKey]ledger.Statement
	coverage       map[ledger.Covered]struct{}
	matches        map[ledger.Match]ledger.Match // by the match without its rule
	runs           map[int64]ledger.Run
	breaks         map[ledger.ID]ledger.Break
	notes          map[ledger.ID][]ledger.BreakNote
	corrections    map[ledger.ID]ledger.Correction
	windows        map[string]ledger.Window
	positions      map[ledger.ID]ledger.Position
}

type contradictionKey struct {
	of   ledger.InstructionID
	says ledger.Outcome
}

type statementKey struct {
	file [32]byte
	n    int
}

func newEvidence() evidence {
	return evidence{
		contradictions: map[contradictionKey]ledger.Contradiction{},
		told:           map[ledger.LineID]ledger.BankLine{},
		statements:     map[statementKey]ledger.Statement{},
		coverage:       map[ledger.Covered]struct{}{},
		matches:        map[ledger.Match]ledger.Match{},
		runs:           map[int64]ledger.Run{},
		breaks:         map[ledger.ID]ledger.Break{},
		notes:          map[ledger.ID][]ledger.BreakNote{},
		corrections:    map[ledger.ID]ledger.Correction{},
		windows:        map[string]ledger.Window{},
		positions:      map[ledger.ID]ledger.Position{},
	}
}

// clone copies what a [ledger.Snapshot] reads.
func (e *evidence) clone() evidence {
	return evidence{
		contradictions: maps.Clone(e.contradictions),
		told:           maps.Clone(e.told),
		matches:        maps.Clone(e.matches),
		breaks:         maps.Clone(e.breaks),
		corrections:    maps.Clone(e.corrections),
		positions:      maps.Clone(e.positions),
		notes:          maps.Clone(e.notes),
		windows:        maps.Clone(e.windows),
	}
}

func (e *evidence) load(s *ledger.Set) {
	loadTable(&s.Runs, e.runs)
	loadTable(&s.Breaks, e.breaks)
	loadTable(&s.Corrections, e.corrections)
	loadTable(&s.Windows, e.windows)
	loadTable(&s.Positions, e.positions)
}

func (e *evidence) check(s *ledger.Set) error {
	errs := []error{checkTable(&s.Runs, e.runs), checkTable(&s.Breaks, e.breaks), checkTable(&s.Corrections, e.corrections),
		checkTable(&s.Windows, e.windows), checkTable(&s.Positions, e.positions)}
	s.Windows.Changes(func(id string, w *ledger.Window, inserted bool) {
		if w == nil || !inserted {
			errs = append(errs, fmt.Errorf("memory: window %s is closed for good", id))
		}
	})
	for _, n := range s.Notes {
		if slices.ContainsFunc(e.notes[n.Break], func(other ledger.BreakNote) bool { return other.N == n.N }) {
			errs = append(errs, fmt.Errorf("memory: note %d of %x exists", n.N, n.Break))
		}
	}
	return errors.Join(errs...)
}

func (e *evidence) persist(s *ledger.Set) {
	saveTable(&s.Runs, e.runs)
	saveTable(&s.Breaks, e.breaks)
	saveTable(&s.Corrections, e.corrections)
	saveTable(&s.Windows, e.windows)
	saveTable(&s.Positions, e.positions)
	for _, n := range s.Notes {
		e.notes[n.Break] = append(e.notes[n.Break], n)
	}
	for _, c := range s.Contradictions {
		addNew(e.contradictions, contradictionKey{c.Instruction, c.Says}, c)
	}
	for _, l := range s.Lines {
		if known, ok := e.told[l.ID]; ok {
			l = known.Merge(l)
		}
		e.told[l.ID] = l
	}
	for _, v := range s.Statements {
		addNew(e.statements, statementKey{v.File, v.N}, v)
	}
	for _, c := range s.Coverage {
		e.coverage[c] = struct{}{}
	}
	for _, m := range s.Unmatched {
		delete(e.matches, withoutRule(m))
	}
	for _, m := range s.Matches {
		e.matches[withoutRule(m)] = m
	}
}

// addNew keeps what is there.
func addNew[K comparable, V any](rows map[K]V, k K, v V) {
	if _, known := rows[k]; !known {
		rows[k] = v
	}
}

func withoutRule(m ledger.Match) ledger.Match {
	m.Rule = 0
	return m
}

// Statements implements [ledger.EvidenceReader].
func (m *memory) Statements(ctx context.Context, after ledger.StatementPlace, limit int) ([]ledger.Statement, error) {
	newest := func(a, b ledger.StatementPlace) int {
		return cmp.Or(cmp.Compare(b.At, a.At), slices.Compare(b.File[:], a.File[:]), cmp.Compare(b.N, a.N))
	}
	return list(m, m.statements, limit, func(a, b *ledger.Statement) int { return newest(a.Place(), b.Place()) },
		func(s *ledger.Statement) bool {
			return after == ledger.StatementPlace{} || newest(s.Place(), after) > 0
		})
}

// StatementsOf implements [ledger.EvidenceReader].
func (m *memory) StatementsOf(ctx context.Context, file [32]byte) ([]ledger.Statement, error) {
	return list(m, m.statements, -1, func(a, b *ledger.Statement) int { return a.N - b.N }, func(s *ledger.Statement) bool { return s.File == file })
}

// Coverage implements [ledger.EvidenceReader].
func (m *memory) Coverage(ctx context.Context, from, until ledger.Day) (covered []ledger.Covered, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for c := range m.coverage {
		if c.Day >= from && c.Day < until {
			covered = append(covered, c)
		}
	}
	return covered, nil
}

// Line implements [ledger.EvidenceReader].
func (m *memory) Line(ctx context.Context, id ledger.LineID) (ledger.BankLine, error) {
	return find(m, m.told, id)
}

// LinesOf implements [ledger.EvidenceReader].
func (m *memory) LinesOf(ctx context.Context, transfer ledger.ID) ([]ledger.BankLine, error) {
	return list(m, m.told, -1, func(a, b *ledger.BankLine) int { return a.ID.Compare(b.ID) },
		func(l *ledger.BankLine) bool { return l.Transfer == transfer })
}

// LastRun implements [ledger.EvidenceReader].
func (m *memory) LastRun(ctx context.Context) (ledger.Run, error) {
	return first(list(m, m.runs, 1, func(a, b *ledger.Run) int { return cmp.Compare(b.N, a.N) }, func(*ledger.Run) bool { return true }))
}

func first[V any](vs []V, err error) (v V, _ error) {
	if err == nil && len(vs) == 0 {
		err = ledger.ErrNotFound
	}
	if err != nil {
		return v, err
	}
	return vs[0], nil
}

// Break implements [ledger.EvidenceReader].
func (m *memory) Break(ctx context.Context, id ledger.ID) (ledger.Break, error) {
	return find(m, m.breaks, id)
}

// Breaks implements [ledger.EvidenceReader].
func (m *memory) Breaks(ctx context.Context, f ledger.BreakFilter, after ledger.BreakPlace, limit int) ([]ledger.Break, error) {
	return list(m, m.breaks, limit, func(a, b *ledger.Break) int { return a.Place().Compare(b.Place()) },
		func(b *ledger.Break) bool { return f.Chooses(b) && b.Place().Compare(after) > 0 })
}

// BreakNotes implements [ledger.EvidenceReader].
func (m *memory) BreakNotes(ctx context.Context, id ledger.ID) ([]ledger.BreakNote, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.SortedFunc(slices.Values(m.notes[id]), func(a, b ledger.BreakNote) int { return cmp.Compare(a.N, b.N) }), nil
}

// BreakCounts implements [ledger.EvidenceReader].
func (m *memory) BreakCounts(ctx context.Context) (counts []ledger.BreakCount, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	sums := map[ledger.BreakCount]int64{} // by the count without its number
	for _, b := range m.breaks {
		sums[ledger.BreakCount{Class: b.Class, State: b.State}]++
	}
	for c, n := range sums {
		c.Count = n
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b ledger.BreakCount) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.State, b.State))
	})
	return counts, nil
}

// Correction implements [ledger.EvidenceReader].
func (m *memory) Correction(ctx context.Context, id ledger.ID) (ledger.Correction, error) {
	return find(m, m.corrections, id)
}

// CorrectionsFor implements [ledger.EvidenceReader].
func (m *memory) CorrectionsFor(ctx context.Context, brk ledger.ID) ([]ledger.Correction, error) {
	return list(m, m.corrections, -1, func(a, b *ledger.Correction) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), a.ID.Compare(b.ID))
	}, func(c *ledger.Correction) bool { return c.Break == brk })
}

// Window implements [ledger.SettlementReader].
func (m *memory) Window(ctx context.Context, id string) (ledger.Window, error) {
	return find(m, m.windows, id)
}

// Windows implements [ledger.SettlementReader].
func (m *memory) Windows(ctx context.Context, scheme string, before string, limit int) ([]ledger.Window, error) {
	return list(m, m.windows, limit, func(a, b *ledger.Window) int { return strings.Compare(b.ID, a.ID) },
		func(w *ledger.Window) bool {
			return (scheme == "" || w.Scheme == scheme) && (before == "" || w.ID < before)
		})
}

// PositionsOf implements [ledger.SettlementReader].
func (m *memory) PositionsOf(ctx context.Context, window string) ([]ledger.Position, error) {
	return list(m, m.positions, -1, func(a, b *ledger.Position) int {
		return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Bank, b.Bank))
	}, func(p *ledger.Position) bool { return p.Window == window })
}

// Flows implements [ledger.SettlementReader].
func (m *memory) Flows(ctx context.Context, cuts []ledger.Cut) ([]ledger.Flow, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	sums := map[ledger.Flow]ledger.Volume{} // by the flow without its numbers
	for _, c := range cuts {
		for _, l := range m.lines[c.Account] {
			if l.Seq <= c.After || l.Seq > c.UpTo {
				continue
			}
			if flow, ok := m.flow(&l); ok {
				v := sums[flow]
				sums[flow] = ledger.Volume{Count: v.Count + 1, Minor: v.Minor + l.Posting.Amount}
			}
		}
	}
	var flows []ledger.Flow
	for f, v := range sums {
		f.Count, f.Minor = v.Count, v.Minor
		flows = append(flows, f)
	}
	slices.SortFunc(flows, func(a, b ledger.Flow) int {
		return cmp.Or(cmp.Compare(a.Payer, b.Payer), cmp.Compare(a.Payee, b.Payee), cmp.Compare(a.Currency, b.Currency))
	})
	return flows, nil
}

// flow is from whom to whom a posting of a cut moved money.
func (m *memory) flow(l *ledger.StatementLine) (f ledger.Flow, ok bool) {
	f.Currency = l.Posting.Currency
	t := m.transfers[l.Posting.Entry]
	switch {
	case l.Posting.Event == ledger.EventCredit && l.Debited:
		f.Payer, f.Payee = t.Payer.Bank, t.Payee.Bank
	case l.Posting.Event == ledger.EventCreditReversal && !l.Debited:
		f.Payer, f.Payee = t.Payee.Bank, t.Payer.Bank
	case l.Posting.Event == ledger.EventAdjustment && l.Debited: // suspense to the bank's clearing account
		f.Payee = m.accounts[l.Posting.Credit].Name.Bank()
	case l.Posting.Event == ledger.EventAdjustment:
		f.Payer = m.accounts[l.Posting.Debit].Name.Bank()
	default:
		return f, false
	}
	return f, true
}
