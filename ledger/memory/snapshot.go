package memory

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"bahi/ledger"
)

// snapshot is a book that nobody changes any more.
type snapshot book

func (s snapshot) Accounts() iter.Seq2[ledger.Account, error] {
	return sorted(s.accounts, ledger.AccountID.Compare)
}

func (s snapshot) Transfers() iter.Seq2[ledger.Transfer, error] {
	return sorted(s.transfers, ledger.ID.Compare)
}

func (s snapshot) Instructions() iter.Seq2[ledger.Instruction, error] {
	return sorted(s.instructions, func(a, b ledger.InstructionID) int {
		return cmp.Or(a.Transfer.Compare(b.Transfer), cmp.Compare(a.Leg, b.Leg))
	})
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
