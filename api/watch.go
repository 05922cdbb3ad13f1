package api

import (
	"sync"
	"time"

	"bahi/ledger"
)

// watch tells requests that wait for a transfer to come to rest, with its whole
// story, from the commit that brought it there: the book is not asked.
type watch struct {
	now func() time.Time

	mu      sync.Mutex
	waiting map[ledger.ID][]chan ledger.Story
	open    map[ledger.ID]string // the apps of those that wait for a bank, as this node's last commits of them say

	// Those that ended a moment ago, for requests that come right after.
	ended map[ledger.ID]endedStory
	ring  [maxEnded]ledger.ID
	next  int
}

type endedStory struct {
	ledger.Story
	until time.Time
}

const (
	maxOpen     = 100_000
	maxEnded    = 4096
	endedMemory = time.Second // a bank may say something of an instruction to another node, even after the end
)

func newWatch(now func() time.Time) *watch {
	return &watch{now: now, waiting: map[ledger.ID][]chan ledger.Story{}, open: map[ledger.ID]string{}, ended: map[ledger.ID]endedStory{}}
}

// wait is one request's place among those that wait.
type wait struct {
	rested <-chan ledger.Story // gets the story at the next change that brings the transfer to rest
	open   string              // the transfer's app, where this node knows that it waits for a bank
	stop   func()
}

// add begins to wait for a transfer, or gives the story of one that has just ended.
func (w *watch) add(id ledger.ID) (place wait, ended ledger.Story, ok bool) {
	ch := make(chan ledger.Story, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if told, ok := w.ended[id]; ok && w.now().Before(told.until) {
		return wait{}, told.Story, true
	}
	w.waiting[id] = append(w.waiting[id], ch)
	return wait{rested: ch, open: w.open[id], stop: func() { w.remove(id, ch) }}, ended, false
}

func (w *watch) remove(id ledger.ID, ch chan ledger.Story) {
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

// observe notes which transfers of a batch wait for a bank and wakes whoever waits
// for one that came to rest.
func (w *watch) observe(set *ledger.Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	set.Instructions.Changes(func(id ledger.InstructionID, _ *ledger.Instruction, _ bool) { delete(w.ended, id.Transfer) })
	set.Transfers.Changes(func(id ledger.ID, t *ledger.Transfer, _ bool) {
		_, known := w.open[id]
		switch {
		case t.State.Waits():
			if len(w.open) >= maxOpen { // other nodes have ended some of them
				clear(w.open)
			}
			w.open[id] = t.App
		case known || w.waiting[id] != nil:
			delete(w.open, id)
			if story, ok := set.Story(id); ok {
				w.rest(story)
			}
		}
	})
}

// rest tells the story of a transfer that came to rest.
func (w *watch) rest(s ledger.Story) {
	id := s.Transfer.ID
	for _, ch := range w.waiting[id] {
		ch <- s // has room: it is told once
	}
	delete(w.waiting, id)
	if !s.Transfer.State.Final() {
		return
	}
	delete(w.ended, w.ring[w.next])
	w.ended[id], w.ring[w.next] = endedStory{s, w.now().Add(endedMemory)}, id
	w.next = (w.next + 1) % maxEnded
}
