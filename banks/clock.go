package banks

import (
	"slices"
	"sync"
	"time"

	"bahi/ledger"
)

// Clock is the book's.
type Clock = ledger.Clock

// WallClock is the machine's clock.
type WallClock struct{}

// Now implements [Clock].
func (WallClock) Now() time.Time { return time.Now() }

// AfterFunc implements [Clock].
func (WallClock) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// ManualClock stands still until Advance moves it.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*manualTimer // by time
}

type manualTimer struct {
	at time.Time
	f  func()
}

// NewManualClock makes a clock that stands at now.
func NewManualClock(now time.Time) *ManualClock { return &ManualClock{now: now} }

// Now implements [Clock].
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements [Clock].
func (c *ManualClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &manualTimer{at: c.now.Add(d), f: f}
	c.timers = append(c.timers, t)
	slices.SortStableFunc(c.timers, func(a, b *manualTimer) int { return a.at.Compare(b.at) })
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		before := len(c.timers)
		c.timers = slices.DeleteFunc(c.timers, func(other *manualTimer) bool { return other == t })
		return len(c.timers) < before
	}
}

// Advance moves the clock by d and starts what falls due, in order.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	due := 0
	for due < len(c.timers) && !c.timers[due].at.After(c.now) {
		due++
	}
	fire := slices.Clone(c.timers[:due])
	c.timers = c.timers[due:]
	c.mu.Unlock()
	for _, t := range fire {
		go t.f()
	}
}
