package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/feed"
	"bahi/ledger/memory"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// engines open a book, as often as there are nodes.
var engines = map[string]func(t testing.TB) (open func() ledger.Store){
	"memory": func(t testing.TB) func() ledger.Store {
		m := memory.New()
		return func() ledger.Store { return m }
	},
	"sqlite": func(t testing.TB) func() ledger.Store {
		s := opened(t)(sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "book.db")))
		return func() ledger.Store { return s }
	},
	"postgres": func(t testing.TB) func() ledger.Store {
		url := pgtest.NewDatabase(t)
		return func() ledger.Store { return opened(t)(postgres.Open(context.Background(), url)) }
	},
}

func opened(t testing.TB) func(ledger.Store, error) ledger.Store {
	return func(s ledger.Store, err error) ledger.Store {
		check(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// node is a pipeline and a publisher on a book.
type node struct {
	t     testing.TB
	store ledger.Store
	book  *ledger.Pipeline
	feed  *feed.Publisher
}

// newNode opens a node that does not publish yet. Its publishers see all of its batches.
func newNode(t testing.TB, s ledger.Store, stripe int, others ...*feed.Publisher) *node {
	n := &node{t: t, store: s, feed: feed.New()}
	n.book = ledger.NewPipeline(s, ledger.PipelineOptions{Log: quiet, Observer: func(set *ledger.Set) {
		for _, p := range append(others, n.feed) {
			p.Observe(set)
		}
	}})
	n.book.Become(ledger.Node{ID: ledger.NewID(), Stripe: stripe})
	t.Cleanup(n.book.Close)
	return n
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// publish starts the node's publisher.
func (n *node) publish(clock ledger.Clock) *node {
	n.feed.Start(feed.Options{Book: n.book, Reader: n.store, Clock: clock, Log: quiet})
	n.t.Cleanup(n.feed.Close)
	return n
}

func do[R any](n *node, c ledger.Command) R {
	r, err := ledger.Do[R](context.Background(), n.book, c)
	if err != nil {
		n.t.Errorf("%T: %v", c, err)
	}
	return r
}

// wallet is one of a new party of an app.
func (n *node) wallet(app string) ledger.End {
	p := do[ledger.Party](n, ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: app, Name: "Asha", Kind: ledger.Person}})
	w := do[ledger.Instrument](n, ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: app, Kind: ledger.Wallet, Currency: "INR"}})
	return w.End("Asha")
}

// at is an account at a bank.
func at(bank string) ledger.End {
	return ledger.End{Name: "Ravi", Bank: bank, Account: "100000000001", IFSC: bank + "0000001"}
}

func payment(app string, payer, payee ledger.End, minor int64) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: app, Kind: ledger.Payment, Payer: payer, Payee: payee,
		Amount: ledger.Amount{Minor: minor, Currency: "INR"}, RRN: "630610000001"}}
}

// approve lets a bank say yes.
func (n *node) approve(t ledger.Transfer, leg ledger.Leg) {
	do[ledger.Recorded](n, ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: ledger.SaysApproved})
}

// eventually waits for what no channel tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (n *node) last(app string) int64 {
	last, err := ledger.LastEvent(context.Background(), n.store, app)
	check(n.t, err)
	return last
}

func (n *node) left() int {
	rows, err := n.store.Outbox(context.Background(), 1000)
	check(n.t, err)
	return len(rows)
}

// wantStream demands that the app was told of every step of its transfers, once, in order
// and without a gap, and of nothing else.
func (n *node) wantStream(app string) {
	n.t.Helper()
	ctx := context.Background()
	var told []feed.Event
	for {
		var after int64
		if len(told) > 0 {
			after = told[len(told)-1].Sequence
		}
		page, err := feed.Read(ctx, n.store, app, after, 37)
		check(n.t, err)
		if told = append(told, page...); len(page) < 37 {
			break
		}
	}
	of := map[ledger.ID][]string{}
	for i, e := range told {
		if e.Sequence != int64(i+1) {
			n.t.Fatalf("event %d has the number %d", i+1, e.Sequence)
		}
		if e.App != app {
			n.t.Errorf("%s is told of %+v", app, e)
		}
		of[e.Subject] = append(of[e.Subject], fmt.Sprint(e.N, " ", e.Type))
	}
	if last := n.last(app); last != int64(len(told)) {
		n.t.Errorf("the last event is %d, and %d were told", last, len(told))
	}
	all, err := n.store.Transfers(ctx, ledger.TransferFilter{App: app}, ledger.Page{Limit: 10_000})
	check(n.t, err)
	for _, t := range all {
		steps, _, err := n.store.TransferHistory(ctx, t.ID)
		check(n.t, err)
		var want []string
		for _, s := range steps[t.Birth().N-1:] {
			want = append(want, fmt.Sprint(s.N, " transfer.", s.State))
		}
		if !slices.Equal(of[t.ID], want) {
			n.t.Errorf("told %v of %v", of[t.ID], want)
		}
		delete(of, t.ID)
	}
	if len(of) > 0 {
		n.t.Errorf("told of what there is not: %v", of)
	}
}

// failing is a store of which a test may let commits fail.
type failing struct {
	ledger.Store
	fail func() bool
}

var errAway = errors.New("away")

func (f *failing) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	return f.Store.Commit(ctx, declare, func(s *ledger.Set) error {
		if err := apply(s); err != nil {
			return err
		}
		if len(s.Streams) > 0 && f.fail() {
			return errAway
		}
		return nil
	})
}

// wall is the machine's clock; one that is fast has short seconds.
type wall struct{ fast time.Duration }

// Now implements [ledger.Clock].
func (wall) Now() time.Time { return time.Now() }

// AfterFunc implements [ledger.Clock].
func (w wall) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d/max(1, w.fast), f).Stop
}

var fast = wall{50}

// manual is a clock that stands still until it is moved on.
type manual struct {
	mu     sync.Mutex
	at     time.Duration
	timers map[*time.Duration]func()
}

// Now implements [ledger.Clock].
func (m *manual) Now() time.Time { return time.Unix(0, 0) }

// AfterFunc implements [ledger.Clock].
func (m *manual) AfterFunc(d time.Duration, f func()) func() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	due := m.at + d
	m.timers[&due] = f
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, waited := m.timers[&due]
		delete(m.timers, &due)
		return waited
	}
}

func (m *manual) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at += d
	for due, f := range m.timers {
		if *due <= m.at {
			delete(m.timers, due)
			go f()
		}
	}
}

func still() *manual { return &manual{timers: map[*time.Duration]func(){}} }
