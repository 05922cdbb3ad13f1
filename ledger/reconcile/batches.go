package reconcile

import (
	"cmp"
	"slices"

	"bahi/ledger"
)

// batches finds the legs for which a bank booked one sum: as many, one after the
// other in time, as the line says, of a bank, a day and a side, and none of them
// told of by another line, whose amounts add up to it exactly. If there is more than one
// way, none is taken.
type batches struct {
	judge *Judge
	loose *looseLines
	of    map[batchKey]*batch
}

type batchKey struct {
	source   ledger.Source
	bank     string
	currency ledger.Currency
	day      ledger.Day
	leg      ledger.Leg
}

type batch struct {
	lines []batchLine
	legs  []batchLeg // that may be in it
}

type batchLine struct {
	line  int32
	count int
	minor int64
}

type batchLeg struct {
	at       int64
	transfer ledger.ID
	minor    int64
}

func newBatches(j *Judge, l *looseLines) *batches {
	b := &batches{judge: j, loose: l, of: map[batchKey]*batch{}}
	if !l.batched {
		return b
	}
	for i := range l.all {
		if !l.all[i].batch() {
			continue
		}
		line := l.line(int32(i))
		key := batchKey{line.ID.Source, line.ID.Bank, line.Amount.Currency, line.Day, plainLeg(&line)}
		if b.of[key] == nil {
			b.of[key] = &batch{}
		}
		b.of[key].lines = append(b.of[key].lines, batchLine{int32(i), line.Count, line.Amount.Minor})
	}
	return b
}

// offer adds the legs of a transfer that our book shows and no line tells of.
func (b *batches) offer(t *ledger.Transfer, asked []ledger.Instruction, lines []ledger.BankLine) {
	for i := range asked {
		in := &asked[i]
		if in.State != ledger.Approved {
			continue
		}
		for _, source := range []ledger.Source{ledger.SourceBank, ledger.SourceSwitch} {
			batch := b.of[batchKey{source, in.Bank, t.Amount.Currency, ledger.DayAt(in.Updated, b.judge.Zone), in.ID.Leg}]
			tells := func(l ledger.BankLine) bool {
				leg, ok := LegOf(t, &l)
				return ok && leg == in.ID.Leg && l.Moved && l.ID.Source == source
			}
			if batch != nil && !slices.ContainsFunc(lines, tells) {
				batch.legs = append(batch.legs, batchLeg{in.Updated, t.ID, t.Amount.Minor})
			}
		}
	}
}

// assign finds the legs of all batches. Those that other lines were found for, which
// are in order of their transfers, are in none.
func (b *batches) assign(found []told) (all []told) {
	for key, batch := range b.of { // in any order: a leg is in one of each source only
		batch.legs = slices.DeleteFunc(batch.legs, func(l batchLeg) bool {
			i, _ := slices.BinarySearchFunc(found, l.transfer, func(f told, id ledger.ID) int { return f.transfer.Compare(id) })
			for ; i < len(found) && found[i].transfer == l.transfer; i++ {
				if found[i].leg == key.leg && b.loose.all[found[i].line].source == key.source {
					return true
				}
			}
			return false
		})
		slices.SortFunc(batch.legs, func(a, b batchLeg) int { return cmp.Or(cmp.Compare(a.at, b.at), a.transfer.Compare(b.transfer)) })
		all = append(all, batch.assign(key.leg)...)
	}
	return all
}

// run is some legs one after the other that a line may stand for.
type run struct {
	line        int32
	first, last int // the first, and behind the last
}

// assign finds the legs of each line. Lines that are alike share the runs that
// there are, if there are as many and each is apart from the others.
func (b *batch) assign(leg ledger.Leg) (found []told) {
	alike := func(x, y batchLine) int { return cmp.Or(cmp.Compare(x.count, y.count), cmp.Compare(x.minor, y.minor)) }
	slices.SortFunc(b.lines, func(x, y batchLine) int { return cmp.Or(alike(x, y), cmp.Compare(x.line, y.line)) })
	var taken []run
	for lines := b.lines; len(lines) > 0; {
		n := 1
		for n < len(lines) && alike(lines[n], lines[0]) == 0 {
			n++
		}
		if runs := b.runs(lines[0].count, lines[0].minor); len(runs) == n {
			for i := range runs {
				runs[i].line = lines[i].line
			}
			taken = append(taken, runs...)
		}
		lines = lines[n:]
	}
	for i, r := range taken {
		apart := func(o run) bool { return o.last <= r.first || r.last <= o.first }
		if slices.ContainsFunc(taken[:i], func(o run) bool { return !apart(o) }) || slices.ContainsFunc(taken[i+1:], func(o run) bool { return !apart(o) }) {
			continue
		}
		for _, l := range b.legs[r.first:r.last] {
			found = append(found, told{l.transfer, r.line, leg})
		}
	}
	return found
}

// runs are the places at which so many legs add up to an amount.
func (b *batch) runs(count int, minor int64) (runs []run) {
	sum := int64(0)
	for i := range b.legs {
		sum += b.legs[i].minor
		if i >= count {
			sum -= b.legs[i-count].minor
		}
		if i >= count-1 && sum == minor {
			runs = append(runs, run{first: i - count + 1, last: i + 1})
		}
	}
	return runs
}
