package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"bahi/ledger"
)

// follower is a chat backend's reader of events, who asks on behind what it has, whatever dies.
type follower struct {
	told []followed
	over chan struct{} // closed once there is nothing more to be told
}

type followed struct {
	ID       string `json:"id"`
	Sequence int64  `json:"sequence"`
	Type     string `json:"type"`
	Data     struct {
		Transfer struct {
			ID    string `json:"id"`
			State string `json:"state"`
		} `json:"transfer"`
	} `json:"data"`
}

// follow begins to read events.
func (c *crash) follow() *follower {
	f := &follower{over: make(chan struct{})}
	go func() {
		defer close(f.over)
		for try, after := 0, int64(0); c.t.Context().Err() == nil; try++ {
			enough := c.rested.Load()
			a, err := c.chat(try).call(c.t.Context(), "GET", fmt.Sprintf("/v1/events?wait=3&limit=200&after=%d", after), "", nil)
			if err != nil || a.status == http.StatusServiceUnavailable {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			var page struct {
				Data      []followed `json:"data"`
				NextAfter int64      `json:"next_after"`
			}
			if err := json.Unmarshal(a.body, &page); err != nil || a.status != http.StatusOK {
				c.wrong("asked for events: %d %s", a.status, a.body)
				return
			}
			f.told = append(f.told, page.Data...)
			after = page.NextAfter
			if enough && len(page.Data) == 0 {
				return
			}
		}
	}()
	return f
}

// compareEvents demands that the follower was told of each step of each transfer once and
// in order, though servers died between a commit and its publication, and readers' answers with them.
func (c *crash) compareEvents(f *follower) {
	book := openBook(c.t, c.where)
	if left, err := book.Outbox(c.t.Context(), 1); err != nil || len(left) > 0 {
		c.wrong("not all was published: %v", err)
	}
	of, ids := map[string][]string{}, map[string]bool{}
	for n, e := range f.told {
		if e.Sequence != int64(n+1) || ids[e.ID] || e.Type != "transfer."+e.Data.Transfer.State {
			c.wrong("event %d is %+v", n+1, e)
		}
		ids[e.ID] = true
		of[e.Data.Transfer.ID] = append(of[e.Data.Transfer.ID], e.Type)
	}
	for _, t := range allTransfers(c.t, book) {
		steps, _, err := book.TransferHistory(c.t.Context(), t.ID)
		if err != nil {
			c.t.Fatal(err)
		}
		var want []string
		for _, s := range steps[t.Birth().N-1:] {
			want = append(want, ledger.TransferNotice(s.State))
		}
		id := t.ID.TransferRef()
		if !slices.Equal(of[id], want) {
			c.wrong("of %s is told %v, want %v", id, of[id], want)
		}
		delete(of, id)
	}
	c.t.Logf("%d events were told", len(f.told))
	if len(of) > 0 || len(f.told) == 0 {
		c.wrong("events are told of %d transfers that there are not", len(of))
	}
}
