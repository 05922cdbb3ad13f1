package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
)

const eventStream = "text/event-stream"

const (
	streamPage  = 100  // events that are read at once
	retryMillis = 1000 // after which a browser connects again
)

// streamEvents answers with events as they come, until the caller goes, does not read
// them or may no more, or the server stops.
func (s *Server) streamEvents(c echo.Context, q *eventQuery) error {
	leave, err := s.readers.enter(q.app)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.untilStop(exchangeOf(c).connection)
	defer cancel()
	q.limit = streamPage
	out := &eventAnswer{response: c.Response(), conn: http.NewResponseController(c.Response().Writer), patience: s.patience}
	if err := out.begin(); err != nil {
		return s.ended(c, ctx, err)
	}
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		news, stop := s.feed.Wait(q.app, q.after)
		page, err := s.readEvents(ctx, q)
		if err == nil {
			err = out.send(ctx, q, &page)
		}
		if err != nil {
			stop()
			return s.ended(c, ctx, err)
		}
		behind := page.next > q.after
		q.after = page.next
		if behind {
			stop()
			continue
		}
		select {
		case <-news:
		case <-beat.C:
			if err = s.mayStillRead(c); err == nil {
				err = out.beat(q.after)
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
		stop()
		if err != nil {
			return s.ended(c, ctx, err)
		}
	}
}

// ended is how a stream ends: always well, since its reader goes on where it was.
func (s *Server) ended(c echo.Context, ctx context.Context, err error) error {
	if ctx.Err() == nil {
		s.log.Debug("a stream of events was ended", "request_id", requestID(c), "error", err)
	}
	return nil
}

// mayStillRead looks whether the key that the stream was opened with is still valid.
func (s *Server) mayStillRead(c echo.Context) error {
	op, _ := s.operation(c)
	return s.authenticate(c, op)
}

// eventAnswer writes server-sent events.
type eventAnswer struct {
	response *echo.Response
	conn     *http.ResponseController
	patience time.Duration
	buffer   bytes.Buffer
}

func (a *eventAnswer) begin() error {
	_ = a.conn.SetReadDeadline(time.Time{}) // the request was read; the caller's end is still noticed
	h := a.response.Header()
	h.Set(echo.HeaderContentType, eventStream)
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not keep what is to come at once
	a.response.WriteHeader(http.StatusOK)
	fmt.Fprintf(&a.buffer, "retry: %d\n\n", retryMillis)
	return a.flush()
}

// send writes the events of a page.
func (a *eventAnswer) send(ctx context.Context, q *eventQuery, page *eventPage) error {
	events, err := q.tell(ctx, page.events)
	if err != nil || len(events) == 0 {
		return err
	}
	for n := range events {
		e := &events[n]
		data, err := json.Marshal(e, json.Deterministic(true)) // one line
		if err != nil {
			return err
		}
		fmt.Fprintf(&a.buffer, "id: %d\nevent: %s\ndata: %s\n\n", e.Sequence, e.Type, data)
	}
	return a.flush()
}

// beat says that the stream is alive, and how far it is where nothing of that was of the types asked for.
func (a *eventAnswer) beat(after int64) error {
	fmt.Fprintf(&a.buffer, ":\nid: %d\n\n", after)
	return a.flush()
}

func (a *eventAnswer) flush() error {
	_ = a.conn.SetWriteDeadline(time.Now().Add(a.patience)) // without a connection, as in a test, there is none to keep
	if _, err := a.buffer.WriteTo(a.response); err != nil {
		return err
	}
	return a.conn.Flush()
}
