package banks

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// morning is when the tests of one bank's state begin.
var morning = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)

// breakerDesk is a breaker and the time in front of it.
type breakerDesk struct {
	breaker
	t   testing.TB
	now time.Time
}

func (d *breakerDesk) answers(n int, good bool) {
	for range n {
		d.answered(d.now, d.now, good)
	}
}

func (d *breakerDesk) want(s BreakerState) {
	d.t.Helper()
	if got := d.breaker.now(d.now); got != s {
		d.t.Errorf("%s after the start the breaker is %s, want %s", d.now.Sub(morning), got, s)
	}
}

func (d *breakerDesk) admitted(n int) (yes int) {
	for range n {
		if d.admit(d.now) {
			yes++
		}
	}
	return yes
}

func TestBreakerOpens(t *testing.T) {
	for name, c := range map[string]struct {
		good, bad int
		gap       time.Duration // between the good ones and the bad ones
		want      BreakerState
	}{
		"nothing but failures":            {0, tripRow, 0, BreakerOpen},
		"a few failures":                  {0, tripRow - 1, 0, BreakerClosed},
		"half of many":                    {tripAnswers, tripAnswers, 0, BreakerOpen},
		"less than half of many":          {tripAnswers + 1, tripAnswers, 0, BreakerClosed},
		"half of not so many":             {tripAnswers - 1, tripAnswers - 1, 0, BreakerClosed},
		"a row long after a good one":     {1000, tripRow, tripSpan * time.Second, BreakerOpen},
		"a row right after a good one":    {1000, tripRow, (tripSpan - 1) * time.Second, BreakerClosed},
		"all, once the good ones are old": {1000, tripAnswers, tripSpan * time.Second, BreakerOpen},
	} {
		t.Run(name, func(t *testing.T) {
			d := &breakerDesk{t: t, now: morning}
			d.answers(c.good, true)
			d.now = d.now.Add(c.gap)
			d.answers(c.bad, false)
			d.want(c.want)
			if admitted := d.admitted(100); (admitted == 100) != (c.want == BreakerClosed) || admitted != 0 && admitted != 100 {
				t.Errorf("%d of 100 are admitted", admitted)
			}
		})
	}
}

// TestBreakerForgets: what was good long ago does not excuse what is not now.
func TestBreakerForgets(t *testing.T) {
	d := &breakerDesk{t: t, now: morning}
	d.answers(1000, true)
	d.now = d.now.Add((tripSpan + 3) * time.Second)
	for range tripAnswers {
		d.answers(1, true)
		d.want(BreakerClosed)
		d.answers(1, false)
	}
	d.want(BreakerOpen)
}

// TestBreakerTriesOut: after a while a few go to the bank; what they come to decides.
func TestBreakerTriesOut(t *testing.T) {
	d := &breakerDesk{t: t, now: morning}
	d.answers(tripRow, false)
	d.now = d.now.Add(coolFirst - 1)
	d.want(BreakerOpen)
	sent := d.now // while it is open: a credit of what was debited before
	d.now = d.now.Add(1)
	d.want(BreakerHalfOpen)
	if n := d.admitted(100); n != probes || d.admits(d.now) {
		t.Errorf("%d try it out, want %d", n, probes)
	}
	d.answered(sent, d.now, false)
	d.want(BreakerHalfOpen)
	d.answers(1, false)
	d.want(BreakerOpen)
	d.now = d.now.Add(2*coolFirst - 1)
	d.want(BreakerOpen)
	d.now = d.now.Add(1)
	d.admitted(probes)
	d.now = d.now.Add(2 * coolFirst) // nothing came back: others are sent
	if n := d.admitted(100); n != probes {
		t.Errorf("after those that told nothing %d try it out, want %d", n, probes)
	}
	d.answers(probesGood-1, true)
	d.want(BreakerHalfOpen)
	d.answers(1, true)
	d.want(BreakerClosed)
	d.answered(sent, d.now, false) // of before: it tells nothing
	d.answers(tripRow-1, false)
	d.want(BreakerClosed)
	for range 20 { // every probe fails
		d.now = d.now.Add(coolMost)
		d.answers(tripAnswers, false)
	}
	d.now = d.now.Add(coolMost)
	d.want(BreakerHalfOpen)
}

// TestBreakerComesBack: whatever a bank did, once it answers well it is used again
// within minutes; and no more probes than there may be ever go to one that fails.
func TestBreakerComesBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := &breakerDesk{t: t, now: morning}
		for range rapid.IntRange(0, 200).Draw(r, "steps") {
			d.now = d.now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(r, "ms")) * time.Millisecond)
			before := d.breaker.now(d.now)
			n := d.admitted(rapid.IntRange(0, 20).Draw(r, "wanted"))
			if before == BreakerOpen && n > 0 || before == BreakerHalfOpen && n > probes {
				r.Fatalf("%s, and %d are admitted", before, n)
			}
			d.answers(rapid.IntRange(0, 20).Draw(r, "answers"), rapid.Bool().Draw(r, "good"))
		}
		for until := d.now.Add(3 * coolMost); d.now.Before(until) && d.breaker.now(d.now) != BreakerClosed; d.now = d.now.Add(time.Second) {
			d.answers(d.admitted(1), true)
		}
		if d.breaker.now(d.now) != BreakerClosed {
			r.Fatal("the bank is well, and the breaker is not closed")
		}
	})
}
