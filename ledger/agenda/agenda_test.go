package agenda_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/agenda"
	"bahi/ledger/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Time is virtual in these tests: an hour takes as long as what happens in it.

// clock is the virtual one.
type clock struct{}

// Now implements [ledger.Clock].
func (clock) Now() time.Time { return time.Now() }

// AfterFunc implements [ledger.Clock].
func (clock) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

const kind = ledger.RecordHold

// put keeps a record.
type put struct{ ledger.Record }

// Declare implements [ledger.Command].
func (c put) Declare(s *ledger.Set) { s.Records.Want(c.RecordKey) }

// Apply implements [ledger.Command].
func (c put) Apply(s *ledger.Set) (any, error) {
	s.Records.Put(c.RecordKey, c.Record)
	return nil, nil
}

// do does what is due about a record, if it is, and says whether it was.
type do struct {
	ledger.RecordKey
	again time.Duration // it is due again so much later, or 0 for never
}

// Declare implements [ledger.Command].
func (c do) Declare(s *ledger.Set) { s.Records.Want(c.RecordKey) }

// Apply implements [ledger.Command].
func (c do) Apply(s *ledger.Set) (any, error) {
	r, ok := s.Records.Get(c.RecordKey)
	if !ok || r.Due == 0 || r.Due > s.Now {
		return false, nil
	}
	r.Due, r.State = 0, r.State+1
	if c.again != 0 {
		r.Due = s.Now + c.again.Microseconds()
	}
	s.Records.Put(c.RecordKey, r)
	return true, nil
}

// node is a process with an agenda, whose clock may be off.
type node struct {
	t        *testing.T
	store    ledger.Store
	book     *ledger.Pipeline
	agenda   *agenda.Agenda
	handlers map[ledger.RecordKind]agenda.Handler
	given    atomic.Int64 // to the handlers
}

func newNode(t *testing.T, s ledger.Store) *node {
	n := &node{t: t, store: s, agenda: agenda.New()}
	n.book = ledger.NewPipeline(s, ledger.PipelineOptions{Log: quiet, Observer: n.agenda.Observe})
	n.handlers = map[ledger.RecordKind]agenda.Handler{kind: n.handle}
	return n
}

func (n *node) handle(ctx context.Context, r ledger.Record) error {
	n.given.Add(1)
	_, err := n.book.Submit(ctx, ledger.Request{Command: do{RecordKey: r.RecordKey}})
	return err
}

func (n *node) start() *node {
	n.agenda.Start(agenda.Options{Reader: n.store, Handlers: n.handlers, Clock: clock{}, Log: quiet})
	return n
}

func (n *node) close() {
	n.agenda.Close()
	n.book.Close()
}

func (n *node) put(k ledger.RecordKind, due time.Time) ledger.RecordKey {
	n.t.Helper()
	r := ledger.Record{RecordKey: ledger.RecordKey{Kind: k, ID: ledger.NewID()}, Body: []byte("{}"), Due: due.UnixMicro()}
	if due.IsZero() {
		r.Due = 0
	}
	if _, err := n.book.Submit(context.Background(), ledger.Request{Command: put{r}}); err != nil {
		n.t.Fatal(err)
	}
	return r.RecordKey
}

func (n *node) record(k ledger.RecordKey) ledger.Record {
	n.t.Helper()
	r, err := n.store.Record(context.Background(), k)
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// wantDone demands how often what was due about a record was done.
func (n *node) wantDone(k ledger.RecordKey, times uint8) {
	n.t.Helper()
	if got := n.record(k).State; got != times {
		n.t.Errorf("it was done %d times, want %d", got, times)
	}
}

func TestDoesWhatFallsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memory.New())
		late := n.put(kind, time.Now().Add(-time.Hour)) // before it starts
		n.start()
		defer n.close()
		soon, later, never, other := n.put(kind, time.Now().Add(300*time.Millisecond)), n.put(kind, time.Now().Add(time.Hour)), n.put(kind, time.Time{}), n.put(ledger.RecordPot, time.Now())
		synctest.Wait()
		n.wantDone(late, 1)
		n.wantDone(soon, 0)
		time.Sleep(300*time.Millisecond - time.Microsecond)
		synctest.Wait()
		n.wantDone(soon, 0)
		time.Sleep(2 * time.Millisecond) // not at the next look, which would be too late
		synctest.Wait()
		n.wantDone(soon, 1)
		time.Sleep(time.Hour - time.Second)
		n.wantDone(later, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		n.wantDone(later, 1)
		n.wantDone(never, 0)
		n.wantDone(other, 0) // it has no handler
		if n.given.Load() != 3 {
			t.Errorf("%d were given", n.given.Load())
		}
	})
}

// What is added while it waits for something later is done in its time.
func TestIsWokenForWhatIsEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memory.New()).start()
		defer n.close()
		n.put(kind, time.Now().Add(900*time.Millisecond))
		synctest.Wait()
		now := n.put(kind, time.Now())
		synctest.Wait()
		n.wantDone(now, 1)
		soon := n.put(kind, time.Now().Add(10*time.Millisecond))
		time.Sleep(11 * time.Millisecond)
		synctest.Wait()
		n.wantDone(soon, 1)
	})
}

// Many at once are all done, with a bounded number at work, and each is given once.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memory.New())
		defer n.close()
		var atWork, most atomic.Int64
		n.handlers[kind] = func(ctx context.Context, r ledger.Record) error {
			now := atWork.Add(1)
			defer atWork.Add(-1)
			for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
			}
			time.Sleep(time.Millisecond)
			return n.handle(ctx, r)
		}
		at := time.Now().Add(time.Minute)
		var all ledger.Many
		keys := make([]ledger.RecordKey, 3_000)
		for i := range keys {
			keys[i] = ledger.RecordKey{Kind: kind, ID: ledger.NewID()}
			all = append(all, put{ledger.Record{RecordKey: keys[i], Body: []byte("{}"), Due: at.UnixMicro()}})
		}
		if _, err := n.book.Submit(t.Context(), ledger.Request{Command: all}); err != nil {
			t.Fatal(err)
		}
		n.start()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		for _, k := range keys {
			n.wantDone(k, 1)
		}
		if most.Load() != 64 || n.given.Load() != int64(len(keys)) {
			t.Errorf("%d were at work at once; %d were given", most.Load(), n.given.Load())
		}
	})
}

// What fails, or panics, is given again and again, and does not keep the others from being done.
func TestFailingHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memory.New())
		defer n.close()
		broken := map[ledger.RecordKey]int{}
		var mu sync.Mutex
		n.handlers[kind] = func(ctx context.Context, r ledger.Record) error {
			mu.Lock()
			tries, ok := broken[r.RecordKey]
			if ok {
				broken[r.RecordKey]++
			}
			mu.Unlock()
			switch {
			case ok && tries < 5 && tries%2 == 0:
				return errors.New("the database is away")
			case ok && tries < 5:
				panic("a bug")
			}
			return n.handle(ctx, r)
		}
		for range 600 { // more than a page
			broken[n.put(kind, time.Now())] = 0
		}
		behind := n.put(kind, time.Now())
		n.start()
		synctest.Wait()
		n.wantDone(behind, 1)
		time.Sleep(4*time.Second + time.Millisecond)
		synctest.Wait()
		mu.Lock()
		after := maps.Clone(broken)
		mu.Unlock()
		for k, tries := range after {
			if tries != 5 {
				t.Fatalf("it was tried %d times within four seconds", tries)
			}
			n.wantDone(k, 0)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for k := range after {
			n.wantDone(k, 1)
		}
	})
}

// A handler that hangs keeps nobody waiting, and is not given the same again meanwhile.
func TestSlowHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memory.New())
		defer n.close()
		slow := map[ledger.RecordKey]bool{}
		n.handlers[kind] = func(ctx context.Context, r ledger.Record) error {
			if slow[r.RecordKey] {
				time.Sleep(time.Minute)
			}
			return n.handle(ctx, r)
		}
		for range 40 {
			slow[n.put(kind, time.Now())] = true
		}
		n.start()
		for range 10 {
			time.Sleep(time.Second)
			k := n.put(kind, time.Now())
			time.Sleep(time.Millisecond)
			synctest.Wait()
			n.wantDone(k, 1)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for k := range slow {
			n.wantDone(k, 1)
		}
		if n.given.Load() != 50 {
			t.Errorf("%d were given", n.given.Load())
		}
	})
}

// away is a store that cannot be read for a while.
type away struct {
	ledger.Store
	is atomic.Bool
}

func (a *away) DueRecords(ctx context.Context, after ledger.RecordPlace, before int64, limit int) ([]ledger.Record, error) {
	if a.is.Load() {
		return nil, ledger.ErrUnavailable
	}
	return a.Store.DueRecords(ctx, after, before, limit)
}

func TestDatabaseIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		s.is.Store(true)
		n := newNode(t, s).start()
		defer n.close()
		k := n.put(kind, time.Now())
		time.Sleep(time.Minute)
		n.wantDone(k, 0)
		s.is.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		n.wantDone(k, 1)
	})
}

// Closing ends it once what is being done is finished; no handler begins after it.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := agenda.New()
		a.Close() // it has not started
		n := newNode(t, memory.New())
		var running, finished atomic.Int64
		n.handlers[kind] = func(ctx context.Context, r ledger.Record) error {
			running.Add(1)
			<-ctx.Done()
			time.Sleep(time.Second) // to end takes a while
			finished.Add(1)
			return ctx.Err()
		}
		for range 100 {
			n.put(kind, time.Now())
		}
		n.start()
		synctest.Wait()
		n.close()
		if running.Load() != 64 || finished.Load() != 64 {
			t.Errorf("%d began, %d were finished", running.Load(), finished.Load())
		}
		n.agenda.Close()
	})
}

// dying is a store whose node dies over a commit: before it is done, or after.
type dying struct {
	ledger.Store
	dies func() (before, after bool)
}

var errDied = errors.New("the node died")

func (d *dying) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	before, after := d.dies()
	if before {
		return errors.Join(ledger.ErrUnavailable, errDied)
	}
	if err := d.Store.Commit(ctx, declare, apply); err != nil {
		return err
	}
	if after {
		return errors.Join(ledger.ErrOutcomeUnknown, errDied)
	}
	return nil
}

// Two nodes on one book, of which one after the other dies and comes back: all that falls due
// is done, and nothing twice, though both look at all of it.
func TestNodesThatDie(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			dice, rolling := rand.New(rand.NewPCG(seed, 0)), sync.Mutex{}
			roll := func(n int64) int64 {
				rolling.Lock()
				defer rolling.Unlock()
				return dice.Int64N(n)
			}
			m := memory.New()
			writer := newNode(t, m)
			defer writer.close()
			due := map[ledger.RecordKey]time.Time{}
			for range 150 {
				at := time.Now().Add(time.Duration(roll(int64(20 * time.Second))))
				due[writer.put(kind, at)] = at
			}
			var done sync.Map       // by key: how often it was done, by any node
			for range 1 + roll(6) { // lives
				var nodes []*node
				for range 2 {
					var mu sync.Mutex
					dead := false
					s := &dying{Store: m, dies: func() (before, after bool) {
						mu.Lock()
						defer mu.Unlock()
						if dead {
							return true, false
						}
						dead = roll(30) == 0
						return dead && roll(2) == 0, dead
					}}
					n := newNode(t, s)
					n.handlers[kind] = func(ctx context.Context, rec ledger.Record) error {
						did, err := ledger.Do[bool](ctx, n.book, do{RecordKey: rec.RecordKey})
						if did && err == nil {
							if _, twice := done.LoadOrStore(rec.RecordKey, true); twice {
								t.Errorf("%x was done twice", rec.ID)
							}
						}
						return err
					}
					nodes = append(nodes, n.start())
				}
				time.Sleep(time.Duration(roll(int64(8 * time.Second))))
				for _, n := range nodes {
					n.close()
				}
			}
			last := newNode(t, m).start()
			defer last.close()
			time.Sleep(22 * time.Second)
			synctest.Wait()
			for k := range due {
				last.wantDone(k, 1)
			}
		})
	}
}

// What one node adds is found by another in time for its next look; each is done by one.
func TestTwoAgendas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		one, two := newNode(t, m).start(), newNode(t, m).start()
		defer two.close()
		defer one.close()
		var keys []ledger.RecordKey
		for range 200 {
			keys = append(keys, one.put(kind, time.Now().Add(10*time.Millisecond)))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, k := range keys {
			one.wantDone(k, 1)
		}
		// One that dies leaves the rest to the other.
		one.agenda.Close()
		k := one.put(kind, time.Now().Add(time.Minute))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		one.wantDone(k, 1)
	})
}

// What is due again is given again, in its own time and in the order in which it falls due.
func TestDueAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memory.New())
		defer n.close()
		var times []time.Time
		n.handlers[kind] = func(ctx context.Context, r ledger.Record) error {
			times = append(times, time.Now())
			_, err := n.book.Submit(ctx, ledger.Request{Command: do{r.RecordKey, time.Minute}})
			return err
		}
		begin := time.Now()
		n.put(kind, begin.Add(time.Minute))
		n.start()
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if len(times) != 10 {
			t.Fatalf("it was given %d times", len(times))
		}
		for i, at := range times {
			if late := at.Sub(begin.Add(time.Duration(i+1) * time.Minute)); late < 0 || late > time.Duration(i+1)*2*time.Millisecond {
				t.Errorf("time %d is late by %v", i, late)
			}
		}
	})
}

func TestLongestDueFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memory.New())
		defer n.close()
		var mu sync.Mutex
		var order []int64
		n.handlers[kind] = func(ctx context.Context, r ledger.Record) error {
			mu.Lock()
			order = append(order, r.Due)
			mu.Unlock()
			time.Sleep(time.Millisecond)
			return n.handle(ctx, r)
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 1_100 {
			n.put(kind, time.Now().Add(-time.Duration(r.Int64N(int64(time.Hour)))))
		}
		n.start()
		time.Sleep(time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(order) != 1_100 {
			t.Fatalf("%d were given", len(order))
		}
		for at := 0; at+64 < len(order); at += 64 { // those that begin together are in any order
			if slices.Max(order[at:at+64]) > slices.Min(order[at+64:]) {
				t.Fatalf("the later ones are given first")
			}
		}
	})
}
