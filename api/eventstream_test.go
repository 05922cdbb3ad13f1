package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"bahi/api"
	"bahi/ledger"
)

// stream is an answer of server-sent events that is being read, over a socket of its own.
type stream struct {
	t     testing.TB
	body  io.ReadCloser
	lines *bufio.Reader
	close func()
}

// message is one of a stream; a comment has only that.
type message struct{ id, kind, data, comment string }

// stream begins to read events, from behind an id where one is given.
func (c *caller) stream(query, lastEventID string) *stream {
	c.s.t.Helper()
	r := c.request("GET", "/v1/events"+query, nil, "Accept", "text/event-stream", "Last-Event-ID", lastEventID)
	resp, err := c.s.client.Do(r)
	check(c.s.t, err)
	s := &stream{t: c.s.t, body: resp.Body, lines: bufio.NewReader(resp.Body)}
	s.close = sync.OnceFunc(func() { _ = resp.Body.Close() })
	c.s.t.Cleanup(s.close)
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		c.s.t.Fatalf("%d %s: %s", resp.StatusCode, kind, body)
	}
	return s
}

// message reads up to an empty line.
func (s *stream) message() (m message, err error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return m, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return m, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			m.id = value
		case "event":
			m.kind = value
		case "data":
			m.data += value
		case "":
			m.comment = "alive"
		}
	}
}

// next is the next event.
func (s *stream) next() message {
	s.t.Helper()
	for {
		m, err := s.message()
		if err != nil {
			s.t.Fatalf("the stream ends: %v", err)
		}
		if m.data != "" {
			return m
		}
	}
}

// event is what the message says, which must go with what is around it.
func (m message) event(t testing.TB) (e api.AppEvent) {
	t.Helper()
	if err := json.Unmarshal([]byte(m.data), &e); err != nil || m.id != fmt.Sprint(e.Sequence) || m.kind != e.Type {
		t.Fatalf("%+v: %v", m, err)
	}
	return e
}

// A stream tells what happens as it happens, and goes on where its reader was.
func TestEventStream(t *testing.T) {
	t.Parallel()
	s := start(t, fed, func(o *setup) { o.heartbeat = 50 * time.Millisecond })
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	s.settled()
	first := a.stream("", "")
	foreign := s.as(chatB).stream("", "")
	for n := range 3 { // the top-up
		wantEqual(t, "sequence", first.next().event(t).Sequence, int64(n+1))
	}
	began := time.Now()
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1").want(201)
	paid := first.next()
	if took := time.Since(began); took > time.Second { // usually some milliseconds
		t.Errorf("told after %v", took)
	}
	wantEqual(t, "event", paid.kind, "transfer.completed")
	listed := read[api.EventList](a.get("/v1/events?after=3").want(200)).Data[0]
	wantEqual(t, "the same as listed", paid.data, string(mustJSON(t, listed)))

	// The reader goes away, something happens, and it comes back.
	first.close()
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "2").want(201)
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "3").want(201)
	back := a.stream("?after=1", paid.id) // the id wins
	wantEqual(t, "goes on with", back.next().event(t).Data.Transfer.Amount.Value, "2.00")
	wantEqual(t, "and then", back.next().event(t).Data.Transfer.Amount.Value, "3.00")

	// Who wants something else is told how far the stream is all the same.
	picky := a.stream("?types=transfer.failed", "")
	for {
		m, err := picky.message()
		check(t, err)
		if m.comment != "" {
			wantEqual(t, "a heartbeat", m, message{id: "6", comment: "alive"})
			break
		}
	}
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "5000").want(201)
	wantEqual(t, "the first that it wants", picky.next().event(t).Sequence, int64(7))

	m, err := foreign.message() // how long to wait before it connects again
	check(t, err)
	wantEqual(t, "another app", m, message{})
	m, err = foreign.message()
	check(t, err)
	wantEqual(t, "another app", m, message{id: "0", comment: "alive"})

	// A key that is revoked reads no more.
	key := ledger.Key{ID: ledger.NewID(), Role: ledger.RoleChat, App: "alpha"}
	s.keys["other"], key.Hash = api.NewSecret(key.Role)
	_, err = ledger.Do[ledger.Key](t.Context(), s.book, ledger.CreateKey{Key: key})
	check(t, err)
	other := s.as("other").stream("?after=7", "")
	s.as(operator).send("DELETE", "/v1/keys/"+key.ID.KeyRef(), nil).want(204)
	wantEqual(t, "revoked", other.ends(), io.EOF)

	// The server stops: streams end well, at once.
	began = time.Now()
	go s.stop()
	wantEqual(t, "stopped", back.ends(), io.EOF)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("ended after %v", took)
	}
	s.stop()
}

// ends is how the stream ends.
func (s *stream) ends() error {
	for {
		if _, err := s.message(); err != nil {
			return err
		}
	}
}

func mustJSON(t testing.TB, v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	check(t, err)
	return b
}

// Who does not read is cut off, and holds nobody up.
func TestWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	s := start(t, fed, func(o *setup) { o.patience = 200 * time.Millisecond })
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	conn, err := net.Dial("tcp", s.addr)
	check(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: bahi\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", s.keys[chatA])
	check(t, err)
	metadata := obj{}
	for n := range 20 {
		metadata[fmt.Sprint("k", n)] = strings.Repeat("x", 500)
	}
	for range 11 {
		var batch []obj
		for range 50 {
			batch = append(batch, obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("0.01"), "metadata": metadata})
		}
		a.post("/v1/transfers/batch", obj{"transfers": batch}).want(200)
	}
	s.settled()
	time.Sleep(500 * time.Millisecond)
	check(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := io.Copy(io.Discard, conn)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Errorf("it is still connected after %d bytes", n)
	}
	if n > 5_000_000 {
		t.Errorf("%d bytes came: all of them", n)
	}
	a.get("/v1/events").want(200)
}
