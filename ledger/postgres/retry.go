package postgres

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxPause is the longest time between a transaction and its next try.
const maxPause = 100 * time.Millisecond

// pause is how long to wait before the nth try again: longer each time, and never
// the same, which keeps two from meeting for ever.
func pause(n int) time.Duration { return rand.N(min(time.Millisecond<<min(n, 7), maxPause)) }

// retries counts how often a read was begun again. CockroachDB asks for it where
// it cannot tell whether a row was written before the read or after it: another
// node wrote it, and their clocks may differ by more than what lies between. It
// asks so even after it has sent rows, so nothing that was read counts before the end.
type retries int

const maxRetries = 10

// again says, after a pause, whether the read that ended with an error is to begin again.
func (n *retries) again(ctx context.Context, err error) bool {
	if err == nil || *n == maxRetries || sqlState(err) != codeSerialization {
		return false
	}
	*n++
	select {
	case <-time.After(pause(int(*n))):
		return true
	case <-ctx.Done():
		return false
	}
}
