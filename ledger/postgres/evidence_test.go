package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// commitAt commits what apply does with what declare declares.
func commitAt(d *database, declare func(*ledger.Set), apply func(*ledger.Set)) error {
	policy := ledger.DefaultPolicy()
	return d.Commit(context.Background(), func() *ledger.Set {
		s := ledger.NewSet(1, &policy)
		declare(s)
		return s
	}, func(s *ledger.Set) error {
		apply(s)
		return nil
	})
}

// TestOneAfterTheOther changes a row at one node while another has it loaded: the
// later one sees the earlier one's change, also where the row is new.
func TestOneAfterTheOther(t *testing.T) {
	url := pgtest.NewDatabase(t)
	a, b := open(t, url), open(t, url)
	defer a.Close()
	defer b.Close()
	brk, correction, position := ledger.ID{1}, ledger.ID{2}, ledger.PositionID("upi/1", "SBIN", "INR")
	for table, row := range map[string]struct {
		want func(*ledger.Set)
		add  func(*ledger.Set) (sum int64) // adds one to a number of the row, and returns it
	}{
		"runs": {func(s *ledger.Set) { s.Runs.Want(1) }, func(s *ledger.Set) int64 {
			r, _ := s.Runs.Get(1)
			r.N, r.Lines = 1, r.Lines+1
			s.Runs.Put(1, r)
			return r.Lines
		}},
		"breaks": {func(s *ledger.Set) { s.Breaks.Want(brk) }, func(s *ledger.Set) int64 {
			b, _ := s.Breaks.Get(brk)
			b.ID, b.Class, b.State, b.Tries = brk, ledger.ClassLate, ledger.BreakOpen, b.Tries+1
			s.Breaks.Put(brk, b)
			return int64(b.Tries)
		}},
		"corrections": {func(s *ledger.Set) { s.Corrections.Want(correction) }, func(s *ledger.Set) int64 {
			c, _ := s.Corrections.Get(correction)
			c.ID, c.Action, c.State, c.Updated = correction, ledger.ToSuspense, ledger.CorrectionProposed, c.Updated+1
			s.Corrections.Put(correction, c)
			return c.Updated
		}},
		"positions": {func(s *ledger.Set) { s.Positions.Want(position) }, func(s *ledger.Set) int64 {
			p, _ := s.Positions.Get(position)
			p.ID, p.Window, p.Bank, p.Currency, p.State, p.Updated = position, "upi/1", "SBIN", "INR", ledger.PositionOpen, p.Updated+1
			s.Positions.Put(position, p)
			return p.Updated
		}},
	} {
		for round := range int64(2) { // at first the row is new, and either of them may be the later one
			var other sync.Once
			done := make(chan error, 1)
			err := commitAt(a, row.want, func(s *ledger.Set) {
				row.add(s)
				other.Do(func() {
					go func() { done <- commitAt(b, row.want, func(s *ledger.Set) { row.add(s) }) }()
					time.Sleep(200 * time.Millisecond) // the other loads, or waits for the lock
				})
			})
			if err := errors.Join(err, <-done); err != nil {
				t.Fatalf("%s: %v", table, err)
			}
			var sum int64
			if err := commitAt(a, row.want, func(s *ledger.Set) { sum = row.add(s) }); err != nil || sum != 3*(round+1) {
				t.Errorf("%s: %d, %v; want each of %d seen by the next", table, sum, err, 3*(round+1))
			}
		}
	}
}

// TestToldAgain brings lines and matches again: neither is written, nor locked.
func TestToldAgain(t *testing.T) {
	d := open(t, pgtest.NewDatabase(t))
	defer d.Close()
	var lines []ledger.BankLine
	var matches []ledger.Match
	for i := range 50 {
		l := ledger.BankLine{ID: ledger.LineID{Source: ledger.SourceBank, Bank: "SBIN", Key: ledger.LineKey{byte(i)}, N: 1}, Transfer: ledger.NewID(), Name: fmt.Sprint("BAH", i),
			Amount: ledger.Amount{Minor: 1, Currency: "INR"}, By: ledger.KeyedByRRN, Count: 1}
		lines = append(lines, l)
		matches = append(matches, ledger.Match{Line: l.ID, Transfer: l.Transfer, Leg: ledger.LegDebit, Rule: ledger.RuleIDAmount})
	}
	tell := func() {
		t.Helper()
		if err := commitAt(d, func(*ledger.Set) {}, func(s *ledger.Set) { s.Lines, s.Matches = lines, matches }); err != nil {
			t.Fatal(err)
		}
	}
	written := func(want int64) {
		t.Helper()
		for _, table := range []string{"lines", "matches"} {
			// The first commit is the xmin of what nobody wrote after it; a lock, too, leaves an xmax.
			n, err := d.Count(t.Context(), "SELECT count(*) FROM "+table+" WHERE xmax <> 0 OR xmin <> (SELECT min(xmin::text::int8)::text::xid FROM "+table+")")
			if n != want || err != nil {
				t.Errorf("%d %s were written or locked again, %v; want %d", n, table, err, want)
			}
		}
	}
	tell()
	written(0)
	tell()
	written(0)
	for i := range 10 {
		lines[i].Code, matches[i].Rule = "00", ledger.RuleIDDateAmount
	}
	tell()
	written(10)
}
