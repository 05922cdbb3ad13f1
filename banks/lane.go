package banks

import (
	"sync"

	"bahi/ledger"
)

// lane is the way to one bank: so many instructions at once, the others in
// order behind them, and a bound on those. A slow bank fills its own lane only.
type lane struct {
	bank  *Bank
	run   func(*lane, work)
	start func(func()) // beside the caller

	mu      sync.Mutex
	running int
	waiting []work
	health  health
}

// maxWaiting bounds what a lane remembers; the database remembers the rest.
const maxWaiting = 10_000

// work is a task, and whether this node is the first to take it up.
type work struct {
	ledger.Task
	fresh      bool       // just committed: the bank has not seen it
	credential Credential // of a debit that is being sent for its only time
}

// offer takes the work in, unless the lane is full.
func (l *lane) offer(w work) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.running < l.bank.MaxInFlight:
		l.running++
		l.start(func() { l.drain(w) })
	case len(l.waiting) < maxWaiting:
		l.waiting = append(l.waiting, w)
	default:
		return false
	}
	return true
}

// drain does the work and then what waits, until nothing does.
func (l *lane) drain(w work) {
	for more := true; more; w, more = l.next() {
		l.run(l, w)
	}
}

func (l *lane) next() (work, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.waiting = nil // let a burst's memory go
		l.running--
		return work{}, false
	}
	w := l.waiting[0]
	l.waiting = l.waiting[1:]
	return w, true
}

// room is how many instructions could go to the bank at once now.
func (l *lane) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.bank.MaxInFlight-l.running)
}
