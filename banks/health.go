package banks

import (
	"math/bits"
	"sync"
	"time"

	"bahi/ledger"
)

// Health is how a bank has been doing lately.
type Health struct {
	// State is "up", "degraded" (a tenth of its answers of the last minute failed, or it is
	// being tried out), "down" (nothing new goes to it) or "leaving" (it was taken
	// out of the registry, and what is open goes on).
	State    string
	Breaker  BreakerState
	InFlight int                // instructions that the bank is working on
	Queued   int                // instructions that wait for a place
	Total    Tally              // since the start
	Windows  [len(spans)]Window // the shortest first
}

// Tally counts the answers to debits and credits.
type Tally struct {
	Approved  int64
	Business  int64 // declined: the customer's fault
	Technical int64 // declined or not reached: the bank's or the network's
	Unknown   int64 // no answer in time, or none that tells
}

// All is how many answers there were, silence included.
func (t *Tally) All() int64 { return t.Approved + t.Business + t.Technical + t.Unknown }

// Failed are those that tell of a bank that does not work.
func (t *Tally) Failed() int64 { return t.Technical + t.Unknown }

func (t *Tally) add(o *Tally) {
	t.Approved += o.Approved
	t.Business += o.Business
	t.Technical += o.Technical
	t.Unknown += o.Unknown
}

// tallyOf is the answer as one count.
func tallyOf(a Answer) (t Tally) {
	switch {
	case a.Outcome == ledger.SaysApproved:
		t.Approved = 1
	case a.Outcome == ledger.SaysDeclined && ClassOf(a.Code) == Business:
		t.Business = 1
	case a.Outcome == ledger.SaysDeclined, a.Outcome == ledger.SaysNotDone:
		t.Technical = 1
	default:
		t.Unknown = 1
	}
	return t
}

// Window is what a bank answered within a span of time up to now.
type Window struct {
	Span time.Duration
	Tally
	P50, P99 time.Duration // to within an eighth; 0 where there was no answer
}

// spans are what the windows look back over.
var spans = [...]time.Duration{time.Minute, 5 * time.Minute, time.Hour}

// cells is into how many parts a window is cut: it slides by one of them, so that
// it holds between eleven and twelve twelfths of its span.
const cells = 12

// health counts a bank's answers. It has a lock of its own, so that whoever looks
// holds up no instruction.
type health struct {
	mu      sync.Mutex
	total   Tally
	windows [len(spans)][cells]cell // rings
}

// cell is one part of a window.
type cell struct {
	n int64 // which part of time it is, in widths of a cell
	Tally
	latencies latencies
}

// add counts an answer that came now.
func (h *health) add(t Tally, took time.Duration, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total.add(&t)
	for w := range h.windows {
		n := now.UnixNano() / int64(spans[w]/cells)
		c := &h.windows[w][n%cells]
		if c.n != n {
			*c = cell{n: n}
		}
		c.add(&t)
		c.latencies[slotOf(took)]++
	}
}

// now is what the windows show.
func (h *health) now(now time.Time) (total Tally, windows [len(spans)]Window) {
	h.mu.Lock()
	total, rings := h.total, h.windows
	h.mu.Unlock()
	for w := range rings {
		out, all := &windows[w], latencies{}
		out.Span = spans[w]
		n := now.UnixNano() / int64(spans[w]/cells)
		for i := range rings[w] {
			if c := &rings[w][i]; n-c.n < cells {
				out.add(&c.Tally)
				for slot, count := range c.latencies {
					all[slot] += count
				}
			}
		}
		out.P50, out.P99 = all.percentile(out.All(), 50), all.percentile(out.All(), 99)
	}
	return total, windows
}

// latencies counts how long answers took in slots, four to each doubling of the
// time, from 64 microseconds to two minutes.
type latencies [1 + 4*(latencyBits-latencyLeast)]uint32

const (
	latencyLeast = 6 // 1<<6 microseconds
	latencyBits  = 27
)

func slotOf(took time.Duration) int {
	us := uint64(max(0, took.Microseconds()))
	us = min(us, 1<<latencyBits-1)
	length := bits.Len64(us)
	if length <= latencyLeast {
		return 0
	}
	return 1 + 4*(length-1-latencyLeast) + int(us>>(length-3)&3)
}

// slotTime is the middle of a slot.
func slotTime(slot int) time.Duration {
	if slot == 0 {
		return 1 << (latencyLeast - 1) * time.Microsecond
	}
	doubling, quarter := (slot-1)/4+latencyLeast, (slot-1)%4
	return time.Duration((2*(4+quarter)+1)<<(doubling-3)) * time.Microsecond
}

// percentile is what so many of a hundred of all answers did not take longer than.
func (l *latencies) percentile(all, percent int64) time.Duration {
	seen := int64(0)
	for slot, count := range l {
		if seen += int64(count); count > 0 && 100*seen >= percent*all {
			return slotTime(slot)
		}
	}
	return 0
}

// healthNow puts together what is known of a bank.
func (l *lane) healthNow(now time.Time) Health {
	out := Health{Breaker: l.breaker.now(now)}
	l.mu.Lock()
	out.InFlight, out.Queued = l.running, len(l.waiting)
	l.mu.Unlock()
	out.Total, out.Windows = l.health.now(now)
	last := &out.Windows[0]
	switch {
	case l.bank().leaving:
		out.State = "leaving"
	case out.Breaker == BreakerOpen:
		out.State = "down"
	case out.Breaker == BreakerHalfOpen, last.All() > 0 && 10*last.Failed() >= last.All():
		out.State = "degraded"
	default:
		out.State = "up"
	}
	return out
}
