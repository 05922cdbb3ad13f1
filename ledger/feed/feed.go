// Package feed gives what apps are told of its numbers and tells who waits for it. What
// has changed is in the outbox from the commit that changed it; a node's [Publisher] moves
// it from there to the app's stream a moment later, many commits at once, so that a
// transfer pays little for being told of. Every node does so: what one has published
// another passes over, and what a node that died has left the others find.
package feed

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bahi/ledger"
)

// Options are what a publisher works with.
type Options struct {
	Book   *ledger.Pipeline
	Reader ledger.RecordReader
	Clock  ledger.Clock
	Tasks  ledger.Tasks  // nil: goroutines
	Pause  time.Duration // at least so long between two looks at the outbox; default 50 ms
	Look   time.Duration // how often one looks for what other nodes have left or published; default 1 s
	Log    *slog.Logger
}

// Publisher is one node's.
type Publisher struct {
	opt     Options
	ctx     context.Context
	cancel  context.CancelFunc
	wake    chan struct{} // capacity 1
	done    chan struct{}
	started atomic.Bool
	waiters waiters
}

// New makes a publisher, which may be told of batches, and waited for, before it starts.
func New() *Publisher {
	ctx, cancel := context.WithCancel(context.Background())
	return &Publisher{ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1), done: make(chan struct{}),
		waiters: waiters{of: map[string]map[*waiter]struct{}{}}}
}

// Start begins to publish, until Close.
func (p *Publisher) Start(opt Options) {
	if opt.Tasks == nil {
		opt.Tasks = ledger.Goroutines{}
	}
	if opt.Pause == 0 {
		opt.Pause = 50 * time.Millisecond
	}
	if opt.Look == 0 {
		opt.Look = time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	p.opt = opt
	p.started.Store(true)
	opt.Tasks.Go(p.run)
}

// Close ends it. What it leaves is published at the next start, or by another node.
func (p *Publisher) Close() {
	p.cancel()
	if p.started.Load() {
		_ = p.opt.Tasks.Wait(context.Background(), p.done)
	}
}

// Observe is told of every batch that the node has committed.
func (p *Publisher) Observe(set *ledger.Set) {
	for i := range set.Streams {
		p.waiters.tell(set.Streams[i].App, set.Streams[i].Last)
	}
	if set.Transfers.Changed() || len(set.Notices) > 0 {
		p.signal()
	}
}

func (p *Publisher) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Wait gives a channel that is closed once the app has an event behind a number, where
// this node learns of it: of what others have published within a second or so. Whoever
// waits begins to before they look whether there is one already, and calls stop in the end.
func (p *Publisher) Wait(app string, after int64) (news <-chan struct{}, stop func()) {
	return p.waiters.add(app, after)
}

func (p *Publisher) run() {
	defer close(p.done)
	for p.ctx.Err() == nil {
		published, err := p.publish()
		if err != nil && p.ctx.Err() == nil {
			p.opt.Log.Warn("what has happened could not be published yet", "error", err)
		}
		if published && err == nil {
			p.rest(p.opt.Pause, make(chan struct{}, 1))
		}
		if p.rest(p.opt.Look, p.wake) {
			p.look()
		}
	}
}

// Bounds of one command.
const (
	maxRows  = 500     // of the outbox
	maxBytes = 1 << 20 // of them, but for one row
)

// publish empties the outbox and says whether there was anything.
func (p *Publisher) publish() (published bool, err error) {
	for p.ctx.Err() == nil {
		rows, err := p.opt.Reader.Outbox(p.ctx, maxRows)
		if err != nil || len(rows) == 0 {
			return published, err
		}
		some := first(rows)
		if _, err := p.opt.Book.Submit(p.ctx, ledger.Request{Command: ledger.Publish{Rows: some}}); err != nil {
			return published, err
		}
		published = true
		if len(some) == len(rows) && len(rows) < maxRows {
			break
		}
	}
	return published, nil
}

// first are as many rows as one command takes.
func first(rows []ledger.OutboxRow) []ledger.OutboxRow {
	size := 0
	for n := range rows {
		if size += len(rows[n].Data); size > maxBytes && n > 0 {
			return rows[:n]
		}
	}
	return rows
}

// rest waits for so long, or until it is woken, and says whether the time was over.
func (p *Publisher) rest(d time.Duration, wake chan struct{}) bool {
	return ledger.Rest(p.ctx, p.opt.Tasks, p.opt.Clock, d, wake)
}

// look tells who waits of what other nodes have published.
func (p *Publisher) look() {
	for _, app := range p.waiters.apps() {
		last, err := ledger.LastEvent(p.ctx, p.opt.Reader, app)
		if err != nil {
			return // it looks again
		}
		p.waiters.tell(app, last)
	}
}

// waiters are those who wait for events.
type waiters struct {
	mu sync.Mutex
	of map[string]map[*waiter]struct{} // by app
}

type waiter struct {
	after int64
	news  chan struct{}
}

func (w *waiters) add(app string, after int64) (news <-chan struct{}, stop func()) {
	me := &waiter{after: after, news: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[app] == nil {
		w.of[app] = map[*waiter]struct{}{}
	}
	w.of[app][me] = struct{}{}
	return me.news, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.remove(app, me)
	}
}

func (w *waiters) remove(app string, me *waiter) {
	delete(w.of[app], me)
	if len(w.of[app]) == 0 {
		delete(w.of, app)
	}
}

// tell wakes who waits for an event that there is by now.
func (w *waiters) tell(app string, last int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for me := range w.of[app] {
		if last > me.after {
			close(me.news)
			w.remove(app, me)
		}
	}
}

func (w *waiters) apps() (apps []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for app := range w.of {
		apps = append(apps, app)
	}
	return apps
}
