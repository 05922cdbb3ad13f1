package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bahi/api/webhook"
	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/feed"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

const app = "chat"

// node is a sender with all that it needs, on a book of its own or of others too.
type node struct {
	t      testing.TB
	id     ledger.ID
	store  ledger.Store
	book   *ledger.Pipeline
	feed   *feed.Publisher
	sender *webhook.Sender
	clock  ledger.Clock
	log    strings.Builder
	logged sync.Mutex
	crash  func() // ends it as a crash does: nothing that it does is kept any more
	stop   func()
}

// options are those of a node.
type options struct {
	webhook.Options
	public bool // no private endpoints
	store  ledger.Store
}

func start(t testing.TB, changes ...func(*options)) *node {
	t.Helper()
	o := options{Options: webhook.Options{Clock: banks.WallClock{}, Dead: func(ledger.ID) bool { return false }, Try: 2 * time.Second, Look: 20 * time.Millisecond}}
	for _, change := range changes {
		change(&o)
	}
	n := &node{t: t, id: ledger.NewID(), store: o.store, clock: o.Clock}
	if n.store == nil {
		n.store = openStore(t)
	}
	n.sender, n.feed = webhook.New(privacytest.KEK(), !o.public), feed.New()
	n.book = ledger.NewPipeline(n.store, ledger.PipelineOptions{Now: o.Clock.Now, Observer: func(s *ledger.Set) { n.feed.Observe(s); n.sender.Observe(s) }})
	n.feed.Start(feed.Options{Book: n.book, Reader: n.store, Clock: banks.WallClock{}, Pause: time.Millisecond, Look: 20 * time.Millisecond})
	o.Book, o.Reader, o.Feed, o.Render, o.Self = n.book, n.store, n.feed, render, func() ledger.ID { return n.id }
	o.Log = slog.New(slog.NewTextHandler(n, nil))
	n.sender.Start(o.Options)
	n.crash = sync.OnceFunc(func() { n.book.Close(); n.feed.Close(); n.sender.Close() })
	n.stop = sync.OnceFunc(func() { n.feed.Close(); n.sender.Close(); n.book.Close() })
	t.Cleanup(func() { n.stop() })
	return n
}

func openStore(t testing.TB) ledger.Store {
	t.Helper()
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "bahi.db"))
	check(t, err)
	t.Cleanup(func() { check(t, file.Close()) })
	return file
}

// Write keeps what is logged.
func (n *node) Write(line []byte) (int, error) {
	n.logged.Lock()
	defer n.logged.Unlock()
	return n.log.Write(line)
}

// render makes bodies that say which event they are.
func render(_ context.Context, locale string, events []feed.Event) (bodies [][]byte, err error) {
	for i := range events {
		e := &events[i]
		body, err := json.Marshal(told{ID: e.ID().EventRef(), Sequence: e.Sequence, Type: e.Type, Subject: e.Subject.Ref(""), Locale: locale})
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

type told struct {
	ID       string `json:"id"`
	Sequence int64  `json:"sequence"`
	Type     string `json:"type"`
	Subject  string `json:"subject"`
	Locale   string `json:"locale"`
}

func do[R any](n *node, c ledger.Command) R {
	n.t.Helper()
	r, err := ledger.Do[R](n.t.Context(), n.book, c)
	check(n.t, err)
	return r
}

// news are notices without anything that they are of.
type news []ledger.Notice

func (news) Declare(*ledger.Set) {}

func (c news) Apply(s *ledger.Set) (any, error) {
	s.Notices = append(s.Notices, c...)
	return nil, nil
}

// happen tells of a step of each of the subjects.
func (n *node) happen(step int, subjects ...ledger.ID) {
	n.t.Helper()
	var c news
	for _, id := range subjects {
		c = append(c, ledger.Notice{App: app, Type: fmt.Sprint("transfer.step_", string(rune('a'+step))), Subject: id, N: step, At: n.clock.Now().UnixMicro()})
	}
	do[any](n, c)
}

func subjects(n int) (ids []ledger.ID) {
	for range n {
		ids = append(ids, ledger.NewID())
	}
	return ids
}

// endpoint makes one for a receiver.
func (n *node) endpoint(r *receiver, types ...string) ledger.Endpoint {
	n.t.Helper()
	return n.endpointAt(r, r.URL+"/hook", types...)
}

func (n *node) endpointAt(r *receiver, url string, types ...string) ledger.Endpoint {
	n.t.Helper()
	e := ledger.Endpoint{ID: ledger.NewID(), App: app, URL: url, Types: types}
	secret, wrapped, err := n.sender.NewSecret(e.ID)
	check(n.t, err)
	r.trust(n.t, secret)
	e.Secrets = []ledger.EndpointSecret{{Wrapped: wrapped}}
	return do[ledger.Endpoint](n, ledger.CreateEndpoint{Endpoint: e})
}

func (n *node) change(c ledger.ChangeEndpoint, id ledger.ID) ledger.Endpoint {
	n.t.Helper()
	c.App, c.ID = app, id
	return do[ledger.Endpoint](n, c)
}

func (n *node) read(id ledger.ID) ledger.Endpoint {
	n.t.Helper()
	r, err := n.store.Record(n.t.Context(), ledger.RecordKey{Kind: ledger.RecordEndpoint, ID: id})
	check(n.t, err)
	e, err := ledger.ReadEndpoint(&r)
	check(n.t, err)
	return e
}

func (n *node) deliveries(id ledger.ID, state ledger.DeliveryState) (all []ledger.Delivery) {
	n.t.Helper()
	rows, err := n.store.Records(n.t.Context(), ledger.RecordFilter{Kind: ledger.RecordDelivery, Parent: id, State: uint8(state)}, ledger.Page{Limit: 100_000})
	check(n.t, err)
	for i := range rows {
		d, err := ledger.ReadDelivery(&rows[i])
		check(n.t, err)
		all = append(all, d)
	}
	return all
}

// parked waits for the one delivery of an endpoint and gives it.
func (n *node) parked(id ledger.ID) ledger.Delivery {
	n.t.Helper()
	eventually(n.t, "something is parked", func() bool { return len(n.deliveries(id, ledger.DeliveryPending)) == 1 })
	return n.deliveries(id, ledger.DeliveryPending)[0]
}

// settled waits until an endpoint has all up to an event.
func (n *node) settled(id ledger.ID, sequence int64) {
	n.t.Helper()
	eventually(n.t, "all is taken", func() bool {
		return n.read(id).Cursor >= sequence && len(n.deliveries(id, ledger.DeliveryPending)) == 0
	})
}

// last is the number of the app's last event.
func (n *node) last() int64 {
	n.t.Helper()
	eventually(n.t, "all is published", func() bool {
		rows, err := n.store.Outbox(n.t.Context(), 1)
		return err == nil && len(rows) == 0
	})
	last, err := ledger.LastEvent(n.t.Context(), n.store, app)
	check(n.t, err)
	return last
}

// receiver is an endpoint that checks what it gets.
type receiver struct {
	*httptest.Server
	t      testing.TB
	answer func(e told, try int) int // the status; nil: 200
	hook   func(w http.ResponseWriter, r *http.Request, e told) bool
	timely bool // signatures are of now

	mu      sync.Mutex
	trusted []*standard.Webhook
	got     []told // that it took, in order
	tries   map[int64]int
	bodies  map[string][]string
	signers []int // of each request, by how many that it trusts it was signed
	flying  int
	most    int // at once
	bad     []string
}

func newReceiver(t testing.TB, answer func(e told, try int) int) *receiver {
	r := &receiver{t: t, answer: answer, tries: map[int64]int{}, bodies: map[string][]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) trust(t testing.TB, secret string) {
	t.Helper()
	raw, ok := strings.CutPrefix(secret, "whsec_")
	if !ok || len(raw) < 32 {
		t.Errorf("the secret is %q", secret)
	}
	hook, err := standard.NewWebhook(secret)
	check(t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trusted = append(r.trusted, hook)
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the sender went away
	}
	var e told
	if err := json.Unmarshal(body, &e); err != nil {
		r.wrong("the body is %s", body)
	}
	r.mu.Lock()
	r.flying++
	r.most = max(r.most, r.flying)
	r.tries[e.Sequence]++
	try, n := r.tries[e.Sequence], 0
	r.bodies[e.ID] = append(r.bodies[e.ID], string(body))
	for _, hook := range r.trusted {
		verify := hook.VerifyIgnoringTimestamp
		if r.timely {
			verify = hook.Verify
		}
		if verify(body, q.Header) == nil {
			n++
		}
	}
	r.signers = append(r.signers, n)
	r.mu.Unlock()
	if n == 0 || q.Header.Get("webhook-id") != e.ID || q.Method != "POST" || q.Header.Get("Content-Type") != "application/json" {
		r.wrong("%s %v with %s is signed by nobody, or not as it should be", q.Method, q.Header, body)
	}
	status := http.StatusOK
	if r.answer != nil {
		status = r.answer(e, try)
	}
	r.mu.Lock()
	r.flying--
	if status < 300 {
		r.got = append(r.got, e)
	}
	r.mu.Unlock()
	if r.hook == nil || !r.hook(w, q, e) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "status %d", status)
	}
}

func (r *receiver) wrong(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bad = append(r.bad, fmt.Sprintf(format, args...))
}

// taken are the sequences of what it took.
func (r *receiver) taken() (all []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.got {
		all = append(all, e.Sequence)
	}
	return all
}

func (r *receiver) triesOf(sequence int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[sequence]
}

// hasAll checks that it took every event up to a number, those of a subject in their order
// where repeats are left out.
func (r *receiver) hasAll(last int64) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, bad := range r.bad {
		r.t.Error(bad)
	}
	seen, latest := map[int64]bool{}, map[string]int64{}
	for _, e := range r.got {
		if !seen[e.Sequence] && e.Sequence < latest[e.Subject] {
			r.t.Errorf("event %d was taken after %d of its subject", e.Sequence, latest[e.Subject])
		}
		seen[e.Sequence], latest[e.Subject] = true, max(latest[e.Subject], e.Sequence)
	}
	for n := int64(1); n <= last; n++ {
		if !seen[n] {
			r.t.Errorf("event %d is lost", n)
		}
	}
	for id, bodies := range r.bodies {
		if len(slices.Compact(bodies)) > 1 {
			r.t.Errorf("event %s was told in different words: %q", id, bodies)
		}
	}
	if r.most > 16 {
		r.t.Errorf("%d at once", r.most)
	}
}

// fast is a clock that runs faster than the machine's.
type fast struct {
	began  time.Time
	factor time.Duration
}

func newFast(factor time.Duration) fast { return fast{time.Now(), factor} }

func (c fast) Now() time.Time { return c.began.Add(time.Since(c.began) * c.factor) }

func (c fast) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d/c.factor, f).Stop
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func isRefusal(err error, code string) bool {
	var r *ledger.Refusal
	return errors.As(err, &r) && r.Code == code
}
