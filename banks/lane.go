package banks

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"bahi/ledger"
)

// lane is the way to one bank: so many instructions at once, the others in
// order behind them, and a bound on those. A slow bank fills its own lane only:
// nothing of it is held under a lock that other banks need.
type lane struct {
	bank  func() *Bank // as it is now
	run   func(*lane, work)
	start func(func()) // beside the caller

	mu      sync.Mutex
	running int
	waiting []work
	busy    map[ledger.InstructionID]time.Time // not to be taken up before

	health    health
	breaker   breaker
	resolving atomic.Int32 // UPI ids that the bank is being asked about
}

// maxWaiting bounds what a lane remembers; the database remembers the rest.
const maxWaiting = 10_000

// work is a task, and whether this node is the first to take it up.
type work struct {
	ledger.Task
	fresh      bool       // just committed: the bank has not seen it
	since      time.Time  // when the lane took it in
	credential Credential // of a debit that is being sent for its only time
}

// inLane is until when an instruction in a lane is not to be taken up again.
var inLane = time.Unix(1<<40, 0)

// offer takes the work in, unless it is there already, the bank is given time, or
// the lane is full.
func (l *lane) offer(w work, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[w.Instruction.ID].After(now) { // zero for one that is not there
		return false
	}
	w.since = now
	switch {
	case l.running < l.bank().MaxInFlight:
		l.running++
		l.start(func() { l.drain(w) })
	case len(l.waiting) < maxWaiting:
		l.waiting = append(l.waiting, w)
	default:
		return false
	}
	l.busy[w.Instruction.ID] = inLane
	return true
}

// left lets the instruction be taken up again at a time, or at once where it is zero.
func (l *lane) left(id ledger.InstructionID, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, id)
	if !until.IsZero() {
		l.busy[id] = until
	}
}

// awake ends the rest of an instruction that something happened to.
func (l *lane) awake(id ledger.InstructionID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, ok := l.busy[id]; ok && until != inLane {
		delete(l.busy, id)
	}
}

// forget drops rests that are over.
func (l *lane) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.busy, func(_ ledger.InstructionID, until time.Time) bool { return !until.After(now) })
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
	}
	if len(l.waiting) == 0 || l.running > l.bank().MaxInFlight { // the bound was lowered
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
	return max(0, l.bank().MaxInFlight-l.running)
}

// congested says whether the first in the queue has waited for longer than limit.
func (l *lane) congested(now time.Time, limit time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0 && now.Sub(l.waiting[0].since) > limit
}

// idle says whether nothing is in the lane.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running == 0
}

// answered counts the answer to a debit or a credit that was sent at began. One
// that is pending tells nothing yet.
func (l *lane) answered(a Answer, began, now time.Time) {
	if a.Pending {
		return
	}
	t := tallyOf(a)
	l.health.add(t, now.Sub(began), now)
	l.breaker.answered(began, now, t.Failed() == 0)
}
