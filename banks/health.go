package banks

import (
	"slices"
	"time"

	"bahi/ledger"
)

// Health is how a bank has been doing lately.
type Health struct {
	Bank     *Bank
	State    string // "up", "degraded" or "down"
	InFlight int    // instructions that the bank is working on
	Queued   int    // instructions that wait for a place
	Answered int64  // since the start: all that follow
	Approved int64
	Declined int64
	Unknown  int64         // silence and technical failure
	P50, P99 time.Duration // of the last answers
}

// window is how many of the last answers tell how a bank is doing now.
const window = 512

// health counts a bank's answers. The lane's lock guards it.
type health struct {
	approved, declined, unknown int64
	latencies                   [window]time.Duration // ring
	silent                      [window]bool          // ring, beside latencies
	n                           int64                 // answers so far
}

func (h *health) add(o ledger.Outcome, took time.Duration) {
	switch o {
	case ledger.SaysApproved, ledger.SaysStands:
		h.approved++
	case ledger.SaysDeclined:
		h.declined++
	default:
		h.unknown++
	}
	slot := h.n % window
	h.latencies[slot], h.silent[slot] = took, o == ledger.SaysUnknown || o == ledger.SaysNotDone
	h.n++
}

func (l *lane) healthNow() Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &l.health
	out := Health{Bank: l.bank, State: "up", InFlight: l.running, Queued: len(l.waiting),
		Answered: h.n, Approved: h.approved, Declined: h.declined, Unknown: h.unknown}
	seen := int(min(h.n, window))
	if seen == 0 {
		return out
	}
	silent := 0
	for _, s := range h.silent[:seen] {
		if s {
			silent++
		}
	}
	switch {
	case 2*silent >= seen:
		out.State = "down"
	case 10*silent >= seen:
		out.State = "degraded"
	}
	sorted := slices.Sorted(slices.Values(h.latencies[:seen]))
	out.P50, out.P99 = sorted[seen/2], sorted[seen*99/100]
	return out
}
