package report

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"bahi/ledger"
)

// ageBucket is a span of how long ago a transfer was made.
type ageBucket struct {
	name  string
	below time.Duration
}

var ages = []ageBucket{{"<1m", time.Minute}, {"<15m", 15 * time.Minute}, {"<2h", 2 * time.Hour}, {"<24h", 24 * time.Hour}, {"older", 1<<63 - 1}}

var transfersColumns = []Column{{"row", Text}, {"state", Text}, {"age", Text}, {"currency", Text}, {"count", Number}, {"sum", Money}, {"overdue", Number}, {"oldest", Time}}

// rowTransfers is a row of a report of transfers that is no total.
const rowTransfers = "transfers"

// Transfers counts the transfers that were made in a period by their state now, by how
// long ago they were made, and by currency. Overdue are those in doubt that should have
// been decided by now. Of the transfers that are not at an end, open alone, it reads no
// others.
func Transfers(r ledger.Reader, p Period, open bool, now time.Time) *Report {
	facts := append([]fact{{"at", at(now.UnixMicro())}}, fact{"created_to", at(p.To)})
	if p.From > 0 {
		facts = append(facts, fact{"created_from", at(p.From)})
	}
	return &Report{Name: "transfers", Columns: transfersColumns, facts: facts, rows: func(ctx context.Context, yield func(...Cell) error) error {
		c := counts{period: p, now: now.UnixMicro(), of: map[bucket]*tally{}}
		read := c.all
		if open {
			read = c.open
		}
		if err := read(ctx, r); err != nil {
			return err
		}
		return c.yield(yield)
	}}
}

// bucket is a row of the report.
type bucket struct {
	state    ledger.State
	age      int
	currency ledger.Currency
}

type tally struct{ count, sum, overdue, oldest int64 }

type counts struct {
	period Period
	now    int64
	of     map[bucket]*tally
}

func (c *counts) take(t *ledger.Transfer) error {
	if t.Created < c.period.From || t.Created > c.period.To {
		return nil
	}
	age := time.Duration(c.now-t.Created) * time.Microsecond
	b := bucket{t.State, slices.IndexFunc(ages, func(a ageBucket) bool { return age < a.below }), t.Amount.Currency}
	n := c.of[b]
	if n == nil {
		n = &tally{oldest: t.Created}
		c.of[b] = n
	}
	n.count++
	n.oldest = min(n.oldest, t.Created)
	if t.Deadline != 0 && t.Deadline < c.now {
		n.overdue++
	}
	return add(&n.sum, t.Amount.Minor)
}

// all reads the transfers of the period at one moment.
func (c *counts) all(ctx context.Context, r ledger.Reader) error {
	var in ledger.Range
	in.First, in.Last = ledger.IDsOf(c.period.From, c.period.To+1)
	return r.Audit(ctx, func(s ledger.Snapshot) error {
		for t, err := range s.Transfers(in) {
			if err = errors.Join(err, c.take(&t)); err != nil {
				return err
			}
		}
		return nil
	})
}

// open reads those that are not at an end, state by state in the order in which they
// live, so that one that goes on meanwhile may be met twice and is not missed.
func (c *counts) open(ctx context.Context, r ledger.Reader) error {
	const page = 200
	seen := map[ledger.ID]bool{}
	for _, state := range []ledger.State{ledger.Pending, ledger.Held, ledger.Debited, ledger.Reversing, ledger.Deemed, ledger.Unresolved} {
		filter := ledger.TransferFilter{State: state, From: c.period.From, Until: c.period.To + 1}
		for before := (ledger.ID{}); ; {
			list, err := r.Transfers(ctx, filter, ledger.Page{Before: before, Limit: page})
			if err != nil {
				return err
			}
			for i := range list {
				if t := &list[i]; !seen[t.ID] {
					seen[t.ID] = true
					if err := c.take(t); err != nil {
						return err
					}
				}
			}
			if len(list) < page {
				break
			}
			before = list[page-1].ID
		}
	}
	return nil
}

func (c *counts) yield(yield func(...Cell) error) error {
	inOrder := func(a, b bucket) int {
		return cmp.Or(cmp.Compare(a.state, b.state), cmp.Compare(a.currency, b.currency), cmp.Compare(a.age, b.age))
	}
	totals := map[ledger.Currency]*tally{}
	for _, b := range slices.SortedFunc(maps.Keys(c.of), inOrder) {
		n := c.of[b]
		if err := yield(n.cells(rowTransfers, b.state.String(), ages[b.age].name, b.currency)...); err != nil {
			return err
		}
		t := totals[b.currency]
		if t == nil {
			t = &tally{oldest: n.oldest}
			totals[b.currency] = t
		}
		t.count, t.overdue, t.oldest = t.count+n.count, t.overdue+n.overdue, min(t.oldest, n.oldest)
		if err := add(&t.sum, n.sum); err != nil {
			return err
		}
	}
	for _, currency := range slices.Sorted(maps.Keys(totals)) {
		if err := yield(totals[currency].cells(rowTotal, "", "", currency)...); err != nil {
			return err
		}
	}
	return nil
}

func (n *tally) cells(row, state, age string, c ledger.Currency) []Cell {
	return []Cell{text(row), text(state), text(age), text(string(c)), number(n.count), money(n.sum, c), number(n.overdue), at(n.oldest)}
}
