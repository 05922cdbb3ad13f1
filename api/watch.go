package api

import (
	"sync"

	"bahi/ledger"
)

// watch wakes requests that wait for a transfer to come to rest.
type watch struct {
	mu      sync.Mutex
	waiting map[ledger.ID][]chan ledger.Transfer
}

func newWatch() *watch { return &watch{waiting: map[ledger.ID][]chan ledger.Transfer{}} }

// add returns a channel that gets the transfer at the next change that brings it
// to rest, and a function to stop waiting.
func (w *watch) add(id ledger.ID) (rested <-chan ledger.Transfer, stop func()) {
	ch := make(chan ledger.Transfer, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[id] = append(w.waiting[id], ch)
	return ch, func() { w.remove(id, ch) }
}

func (w *watch) remove(id ledger.ID, ch chan ledger.Transfer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.waiting[id][:0]
	for _, other := range w.waiting[id] {
		if other != ch {
			left = append(left, other)
		}
	}
	if w.waiting[id] = left; len(left) == 0 {
		delete(w.waiting, id)
	}
}

// observe wakes whoever waits for a transfer that came to rest in the batch.
func (w *watch) observe(set *ledger.Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		return
	}
	set.Transfers.Changes(func(id ledger.ID, t *ledger.Transfer, _ bool) {
		if t.State.Waits() {
			return
		}
		for _, ch := range w.waiting[id] {
			ch <- *t // has room: it is told once
		}
		delete(w.waiting, id)
	})
}
