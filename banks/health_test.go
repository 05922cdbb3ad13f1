package banks

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bahi/ledger"
)

// TestWindowsSlide: an answer is in each window for as long as the window is, to
// within a twelfth, and in the sums for ever.
func TestWindowsSlide(t *testing.T) {
	for _, step := range []time.Duration{time.Second, 7 * time.Second, time.Minute} {
		var h health
		h.add(Tally{Approved: 1}, time.Millisecond, morning)
		for age := time.Duration(0); age < 90*time.Minute; age += step {
			total, windows := h.now(morning.Add(age))
			if total.Approved != 1 {
				t.Fatalf("after %s the sum is %+v", age, total)
			}
			for _, w := range windows {
				in := w.Approved == 1 && w.P50 > 0
				if must, may := age < w.Span*11/12, age < w.Span; must && !in || !may && in {
					t.Fatalf("after %s the window of %s shows %+v", age, w.Span, w)
				}
			}
		}
	}
}

// TestWindowsCount: answers of every kind, over hours, against counting them all.
func TestWindowsCount(t *testing.T) {
	type answer struct {
		at time.Time
		t  Tally
	}
	var h health
	var all []answer
	random := rand.New(rand.NewPCG(1, 2))
	now := morning
	kinds := []Tally{{Approved: 1}, {Business: 1}, {Technical: 1}, {Unknown: 1}}
	for range 20_000 {
		now = now.Add(time.Duration(random.IntN(2000)) * time.Millisecond)
		a := answer{now, kinds[random.IntN(len(kinds))]}
		all = append(all, a)
		h.add(a.t, time.Second, now)
	}
	_, windows := h.now(now)
	for _, w := range windows {
		var want Tally
		width := w.Span / cells
		from := now.Truncate(width).Add(width - w.Span) // where the eldest part begins
		for _, a := range all {
			if !a.at.Before(from) {
				want.add(&a.t)
			}
		}
		if w.Tally != want {
			t.Errorf("%s: %+v, want %+v", w.Span, w.Tally, want)
		}
	}
}

// TestPercentiles are right to within an eighth.
func TestPercentiles(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, most := range []time.Duration{time.Millisecond, 100 * time.Millisecond, 20 * time.Second, 100 * time.Second} {
		var h health
		var all []time.Duration
		for range 1000 {
			took := 100*time.Microsecond + time.Duration(random.Int64N(int64(most)))
			all = append(all, took)
			h.add(Tally{Approved: 1}, took, morning)
		}
		slices.Sort(all)
		_, windows := h.now(morning)
		for percent, got := range map[int]time.Duration{50: windows[0].P50, 99: windows[0].P99} {
			want := all[len(all)*percent/100-1]
			if off := (got - want).Abs(); off > want/8 {
				t.Errorf("p%d is %s, want %s", percent, got, want)
			}
		}
	}
	for _, extreme := range []time.Duration{-1, 0, time.Hour, 1 << 62} {
		var h health
		h.add(Tally{Unknown: 1}, extreme, morning)
	}
}

// TestTallyOf: what counts against a bank, and what against its customers.
func TestTallyOf(t *testing.T) {
	for _, c := range []struct {
		a    Answer
		want Tally
	}{
		{Answer{Outcome: ledger.SaysApproved, Code: "00"}, Tally{Approved: 1}},
		{Answer{Outcome: ledger.SaysDeclined, Code: "Z9"}, Tally{Business: 1}},
		{Answer{Outcome: ledger.SaysDeclined, Code: "XI"}, Tally{Business: 1}},
		{Answer{Outcome: ledger.SaysDeclined, Code: "QQ"}, Tally{Business: 1}},
		{Answer{Outcome: ledger.SaysDeclined}, Tally{Business: 1}},
		{Answer{Outcome: ledger.SaysDeclined, Code: "XY"}, Tally{Technical: 1}},
		{Answer{Outcome: ledger.SaysDeclined, Code: "Y1"}, Tally{Technical: 1}},
		{Answer{Outcome: ledger.SaysNotDone, Code: "U28"}, Tally{Technical: 1}},
		{Answer{Outcome: ledger.SaysUnknown}, Tally{Unknown: 1}},
		{Answer{Outcome: ledger.SaysNotSeen}, Tally{Unknown: 1}},
	} {
		if got := tallyOf(c.a); got != c.want {
			t.Errorf("%+v counts as %+v, want %+v", c.a, got, c.want)
		}
	}
}
