package ledger

import (
	"context"
	"sync/atomic"
	"time"
)

// Tasks is how the book and the banks' side of it start goroutines and wait in
// them. [Goroutines] do what Go does; a simulation runs one at a time, in an order
// that it can repeat, and lets those of a node that crashes end at any wait.
type Tasks interface {
	// Go runs f beside the caller.
	Go(f func())
	// Wait returns nil once c is closed or gives a value, or else the cause of ctx's end.
	Wait(ctx context.Context, c <-chan struct{}) error
}

// Goroutines are plain ones.
type Goroutines struct{}

// Go implements [Tasks].
func (Goroutines) Go(f func()) { go f() }

// Wait implements [Tasks].
func (Goroutines) Wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Clock is the time that timers run on, so that a test of a two-hour rule takes milliseconds.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in its own goroutine once d has passed, unless stopped before.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// Rest waits for so long by a clock, or until wake, which has room for one value, is given
// one, or ctx ends. It says whether the time was over.
func Rest(ctx context.Context, t Tasks, c Clock, d time.Duration, wake chan struct{}) bool {
	var over atomic.Bool
	stop := c.AfterFunc(d, func() {
		over.Store(true)
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	defer stop()
	return t.Wait(ctx, wake) == nil && over.Load()
}
