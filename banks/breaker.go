package banks

import (
	"sync"
	"time"
)

// BreakerState says whether a bank is given new debits and new transfers.
type BreakerState uint8

// The states of a breaker.
const (
	BreakerClosed   BreakerState = iota // all is well
	BreakerOpen                         // the bank fails: nothing new goes to it
	BreakerHalfOpen                     // a few go to it, to see whether it is back
)

// String is the state's word.
func (s BreakerState) String() string { return [...]string{"closed", "open", "half_open"}[s] }

// The bounds of a breaker.
const (
	tripSpan    = 10               // seconds: how far back failures count
	tripAnswers = 10               // so many failures of at least twice as many answers, or fewer, open it
	tripRow     = 5                // so many failures in a row, and none of them good for tripSpan, open it too
	coolFirst   = 10 * time.Second // how long it stays open at first
	coolMost    = 2 * time.Minute  // and at most: each probe that fails doubles it
	probes      = 5                // how many go to the bank while it is half open
	probesGood  = 3                // so many answers to them close it
)

// breaker keeps new debits and credits away from a bank that fails for technical
// reasons; what is under way goes on, whatever its state. It is our own since
// those at hand read the machine's clock, and this one must keep to a [Clock],
// so that simulated time moves it too. The zero breaker is closed.
type breaker struct {
	mu    sync.Mutex
	state BreakerState
	since time.Time // when it came to the state: answers to what was sent before tell nothing
	cool  time.Duration

	// closed
	seconds [tripSpan]tripSecond // ring
	row     int                  // failures since the last good answer
	good    time.Time            // when that was

	// half open
	left   int       // probes that may still go
	filled time.Time // when left was last set
	proved int       // good answers
}

// tripSecond counts the answers of one second.
type tripSecond struct {
	second    int64 // Unix
	good, bad int
}

// stateAt is the state at a time, which moves on by itself. The caller holds the lock.
func (b *breaker) stateAt(now time.Time) BreakerState {
	switch {
	case b.state == BreakerOpen && now.Sub(b.since) >= b.cool:
		b.state, b.since, b.proved = BreakerHalfOpen, now, 0
		b.left, b.filled = probes, now
	case b.state == BreakerHalfOpen && now.Sub(b.filled) >= b.cool:
		b.left, b.filled = probes, now // those before told nothing: others are sent
	}
	return b.state
}

// now is the state for people to see.
func (b *breaker) now(now time.Time) BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stateAt(now)
}

// admits says whether something new may go to the bank.
func (b *breaker) admits(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.stateAt(now)
	return state == BreakerClosed || state == BreakerHalfOpen && b.left > 0
}

// admit lets something new go to the bank, as a probe where it is half open.
func (b *breaker) admit(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state := b.stateAt(now); {
	case state == BreakerClosed:
		return true
	case state == BreakerOpen || b.left == 0:
		return false
	}
	b.left--
	return true
}

// answered takes the answer to a debit or a credit that was sent at began. Good
// is whatever shows that the bank works: a business decline too.
func (b *breaker) answered(began, now time.Time, good bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.stateAt(now)
	if began.Before(b.since) {
		return
	}
	switch {
	case state == BreakerClosed:
		b.count(now, good)
		if b.failing(now) {
			b.open(now, coolFirst)
		}
	case state == BreakerHalfOpen && !good:
		b.open(now, min(2*b.cool, coolMost))
	case state == BreakerHalfOpen:
		if b.proved++; b.proved == probesGood {
			b.state, b.since = BreakerClosed, now
			b.seconds, b.row, b.good = [tripSpan]tripSecond{}, 0, now
		}
	}
}

func (b *breaker) open(now time.Time, cool time.Duration) {
	b.state, b.since, b.cool = BreakerOpen, now, cool
}

func (b *breaker) count(now time.Time, good bool) {
	second := now.Unix()
	s := &b.seconds[uint64(second)%tripSpan]
	if s.second != second {
		*s = tripSecond{second: second}
	}
	if good {
		s.good++
		b.row, b.good = 0, now
		return
	}
	s.bad++
	b.row++
}

// failing says whether the answers of late are reason to open.
func (b *breaker) failing(now time.Time) bool {
	if b.row >= tripRow && now.Sub(b.good) >= tripSpan*time.Second {
		return true
	}
	good, bad := 0, 0
	for _, s := range b.seconds {
		if now.Unix()-s.second < tripSpan {
			good, bad = good+s.good, bad+s.bad
		}
	}
	return bad >= tripAnswers && bad >= good
}
