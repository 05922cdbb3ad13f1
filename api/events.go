package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/munnerz/goautoneg"

	"bahi/ledger"
	"bahi/ledger/feed"
)

// maxReaders is how many requests of one app may wait for events on one node.
const maxReaders = 100

// scanned is how many events are looked through at once for those of the types that are asked for.
const scanned = 2000

// eventQuery is which events of an app somebody wants.
type eventQuery struct {
	app   string
	after int64
	limit int
	types []string
	*viewer
}

// eventPage is what there is of them.
type eventPage struct {
	events []feed.Event
	next   int64 // the number behind which to go on
	more   bool
}

// ListEvents implements [ServerInterface].
func (s *Server) ListEvents(c echo.Context, params ListEventsParams) error {
	q, err := s.eventQuery(c, &params)
	if err != nil {
		return err
	}
	kinds := []string{echo.MIMEApplicationJSON, eventStream}
	if goautoneg.Negotiate(c.Request().Header.Get(echo.HeaderAccept), kinds) == eventStream {
		return s.streamEvents(c, q)
	}
	page, err := s.awaitEvents(c.Request().Context(), q, time.Duration(params.Wait)*time.Second)
	if err != nil {
		return err
	}
	out := EventList{NextAfter: page.next, HasMore: page.more}
	if out.Data, err = q.tell(c.Request().Context(), page.events); err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, out)
}

func (s *Server) eventQuery(c echo.Context, params *ListEventsParams) (q *eventQuery, err error) {
	q = &eventQuery{app: caller(c).App, after: params.After, limit: params.Limit}
	if q.viewer, err = s.viewer(params.Locale); err != nil {
		return nil, err
	}
	if params.Types != "" {
		q.types = strings.Split(params.Types, ",")
	}
	for _, t := range q.types {
		if !isEventType(t) {
			return nil, badRequest("malformed_parameter", "types are separated by commas, such as transfer.completed, or transfer.* for all of a kind").at("types")
		}
	}
	at := "after"
	if params.LastEventID != "" {
		at = "Last-Event-ID"
		if q.after, err = strconv.ParseInt(params.LastEventID, 10, 64); err != nil {
			q.after = -1
		}
	}
	last, err := s.lastEvent(c.Request().Context(), q)
	if err == nil && (q.after < 0 || q.after > last) {
		err = badRequest("invalid_cursor", "give the sequence of an event that there was, or 0 for the beginning").at(at)
	}
	return q, err
}

// lastEvent is the number of an app's last event. It is only looked up where there may be none behind the query's.
func (s *Server) lastEvent(ctx context.Context, q *eventQuery) (int64, error) {
	if q.after <= 0 {
		return 0, nil
	}
	return ledger.LastEvent(ctx, s.reader, q.app)
}

// isEventType says whether it is a type, or all of a kind.
func isEventType(t string) bool {
	kind, what, ok := strings.Cut(t, ".")
	word := func(v string) bool { return v != "" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz_") == "" }
	return ok && word(kind) && (what == "*" || word(what))
}

// wants says whether a type is among those that are asked for.
func (q *eventQuery) wants(t string) bool {
	kind, _, _ := strings.Cut(t, ".")
	return len(q.types) == 0 || slices.Contains(q.types, t) || slices.Contains(q.types, kind+".*")
}

// readEvents reads the events behind the query's number.
func (s *Server) readEvents(ctx context.Context, q *eventQuery) (page eventPage, err error) {
	look := q.limit + 1 // one more than is shown tells whether there is more
	if len(q.types) > 0 {
		look = scanned
	}
	events, err := feed.Read(ctx, s.reader, q.app, q.after, look)
	page.next = q.after
	for n := range events {
		wanted := q.wants(events[n].Type)
		if wanted && len(page.events) == q.limit {
			page.more = true
			return page, err
		}
		if wanted {
			page.events = append(page.events, events[n])
		}
		page.next = events[n].Sequence
	}
	page.more = len(events) == look
	return page, err
}

// awaitEvents reads the events behind the query's number, and where there are none waits
// for them for so long.
func (s *Server) awaitEvents(ctx context.Context, q *eventQuery, limit time.Duration) (page eventPage, err error) {
	if limit > 0 {
		leave, err := s.readers.enter(q.app)
		if err != nil {
			return page, err
		}
		defer leave()
	}
	over := time.NewTimer(limit)
	defer over.Stop()
	for last := limit == 0; ; {
		news, stop := s.feed.Wait(q.app, q.after)
		page, err := s.readEvents(ctx, q)
		if err != nil || len(page.events) > 0 || last {
			stop()
			return page, err
		}
		q.after = page.next
		if page.more {
			stop()
			continue
		}
		if page.next > 0 { // looked through: what is waited for is behind it
			stop()
			news, stop = s.feed.Wait(q.app, page.next)
		}
		select {
		case <-news:
		case <-over.C:
			last = true
		case <-s.stopping:
			last = true
		case <-ctx.Done():
			last = true // to nobody: the caller is gone
		}
		stop()
	}
}

// readers counts the requests that wait for events, by app.
type readers struct {
	mu sync.Mutex
	of map[string]int
}

// enter makes room for one more, until it leaves.
func (r *readers) enter(app string) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of[app] >= maxReaders {
		return nil, newProblem(http.StatusTooManyRequests, "too_many_readers",
			"%d requests of this app wait for events on this server; read one stream and hand its events on", maxReaders)
	}
	r.of[app]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.of[app]--; r.of[app] == 0 {
			delete(r.of, app)
		}
	}, nil
}
