package memory

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"bahi/ledger"
)

// snapshot is a book that nobody changes any more.
type snapshot book

func (s snapshot) Accounts() iter.Seq2[ledger.Account, error] {
	return sorted(s.accounts, ledger.AccountID.Compare)
}

func (s snapshot) Transfers(in ledger.Range) iter.Seq2[ledger.Transfer, error] {
	return within(in, s.transfers, func(t *ledger.Transfer) ledger.ID { return t.ID }, nil)
}

func (s snapshot) Instructions(in ledger.Range) iter.Seq2[ledger.Instruction, error] {
	return within(in, s.instructions, func(i *ledger.Instruction) ledger.ID { return i.ID.Transfer },
		func(a, b *ledger.Instruction) int { return cmp.Compare(a.ID.Leg, b.ID.Leg) })
}

func (s snapshot) Contradictions(in ledger.Range) iter.Seq2[ledger.Contradiction, error] {
	return within(in, s.contradictions, func(c *ledger.Contradiction) ledger.ID { return c.Instruction.Transfer },
		func(a, b *ledger.Contradiction) int {
			return cmp.Or(cmp.Compare(a.Instruction.Leg, b.Instruction.Leg), cmp.Compare(a.Says, b.Says))
		})
}

func (s snapshot) Lines(in ledger.Range) iter.Seq2[ledger.BankLine, error] {
	return within(in, s.told, func(l *ledger.BankLine) ledger.ID { return l.Transfer },
		func(a, b *ledger.BankLine) int { return a.ID.Compare(b.ID) })
}

func (s snapshot) Matches(in ledger.Range) iter.Seq2[ledger.Match, error] {
	return within(in, s.matches, func(m *ledger.Match) ledger.ID { return m.Transfer },
		func(a, b *ledger.Match) int { return a.Compare(*b) })
}

func (s snapshot) Breaks(in ledger.Range) iter.Seq2[ledger.Break, error] {
	return within(in, s.breaks, func(b *ledger.Break) ledger.ID { return b.Subject.Transfer },
		func(a, b *ledger.Break) int { return a.ID.Compare(b.ID) })
}

func (s snapshot) CorrectionsOf(in ledger.Range) iter.Seq2[ledger.Correction, error] {
	return within(in, s.corrections, func(c *ledger.Correction) ledger.ID { return c.Transfer },
		func(a, b *ledger.Correction) int { return a.ID.Compare(b.ID) })
}

func (s snapshot) Corrections() iter.Seq2[ledger.Correction, error] {
	return sorted(s.corrections, ledger.ID.Compare)
}

func (s snapshot) Positions() iter.Seq2[ledger.Position, error] {
	return sorted(s.positions, ledger.ID.Compare)
}

func (s snapshot) Notes() iter.Seq2[ledger.BreakNote, error] {
	byNumber := maps.Clone(s.notes)
	for id, n := range byNumber {
		byNumber[id] = slices.SortedFunc(slices.Values(n), func(a, b ledger.BreakNote) int { return cmp.Compare(a.N, b.N) })
	}
	return flat(sorted(byNumber, ledger.ID.Compare))
}

func (s snapshot) Windows() iter.Seq2[ledger.Window, error] {
	return sorted(s.windows, strings.Compare)
}

func (s snapshot) StatementLines() iter.Seq2[ledger.StatementLine, error] {
	return flat(sorted(s.lines, ledger.AccountID.Compare))
}

func (s snapshot) Steps() iter.Seq2[ledger.Step, error] {
	return flat(sorted(s.steps, ledger.ID.Compare))
}

func (s snapshot) Postings() iter.Seq2[ledger.Posting, error] {
	byEvent := maps.Clone(s.postings)
	for id, p := range byEvent {
		byEvent[id] = slices.SortedFunc(slices.Values(p), func(a, b ledger.Posting) int { return cmp.Compare(a.Event, b.Event) })
	}
	return flat(sorted(byEvent, ledger.ID.Compare))
}

// sorted goes through the rows in the order of their keys.
func sorted[K comparable, V any](rows map[K]V, compare func(a, b K) int) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(rows), compare) {
			if !yield(rows[k], nil) {
				return
			}
		}
	}
}

// within goes through the rows of a range of transfers by transfer, and those of one in an order of their own.
func within[K comparable, V any](in ledger.Range, rows map[K]V, transfer func(*V) ledger.ID, order func(a, b *V) int) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var found []V
		for _, v := range rows {
			if in.Holds(transfer(&v)) {
				found = append(found, v)
			}
		}
		slices.SortFunc(found, func(a, b V) int {
			if c := transfer(&a).Compare(transfer(&b)); c != 0 || order == nil {
				return c
			}
			return order(&a, &b)
		})
		for _, v := range found {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func each[V any](list []V) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func flat[V any](lists iter.Seq2[[]V, error]) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for list := range lists {
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}
