package ledger

import "context"

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
