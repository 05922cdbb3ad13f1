// Package agenda does what falls due: it looks for records whose time has come and hands
// each to whoever does its kind. Every node does so; what is done twice changes nothing the
// second time, since the rules look at the record again under its lock.
package agenda

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"bahi/ledger"
)

// Handler does what is due about a record, as it was read a moment ago. Once it has
// returned nil the record is due no more, or later; after an error, or a panic, it is given
// again. One that takes long keeps nobody waiting until there are many of them.
type Handler func(ctx context.Context, r ledger.Record) error

// Options are what an agenda works with.
type Options struct {
	Reader   ledger.Reader
	Handlers map[ledger.RecordKind]Handler // kinds without one are passed over
	Clock    ledger.Clock
	Tasks    ledger.Tasks  // nil: goroutines
	Look     time.Duration // how often one looks for what other nodes have added; default 1 s
	Log      *slog.Logger
}

// Agenda is one node's.
type Agenda struct {
	opt    Options
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // capacity 1
	done   chan struct{}

	next atomic.Int64 // when it looks next, Unix microseconds; while it looks: never; before it starts: 0

	slots chan struct{} // one for each handler that may begin
	mu    sync.Mutex
	taken map[ledger.RecordKey]bool // given to a handler, and whether that has returned; those are forgotten when it looks next
}

// New makes an agenda, which may be told of batches before it starts.
func New() *Agenda {
	ctx, cancel := context.WithCancel(context.Background())
	a := &Agenda{ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1), done: make(chan struct{}), slots: make(chan struct{}, atOnce), taken: map[ledger.RecordKey]bool{}}
	for range atOnce {
		a.slots <- struct{}{}
	}
	return a
}

// Start begins to do what is due, until Close.
func (a *Agenda) Start(opt Options) {
	if opt.Tasks == nil {
		opt.Tasks = ledger.Goroutines{}
	}
	if opt.Look == 0 {
		opt.Look = time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	a.opt = opt
	a.next.Store(never)
	opt.Tasks.Go(a.run)
}

const never = math.MaxInt64

// Close ends it; what is being done is finished first.
func (a *Agenda) Close() {
	a.cancel()
	if a.next.Load() == 0 {
		return
	}
	_ = a.opt.Tasks.Wait(context.Background(), a.done)
	for range atOnce {
		_ = a.opt.Tasks.Wait(context.Background(), a.slots)
	}
	for range atOnce { // so that it may be closed again
		a.slots <- struct{}{}
	}
}

// Observe is told of every batch that the node has committed.
func (a *Agenda) Observe(set *ledger.Set) {
	next := a.next.Load()
	if next == 0 || !set.Records.Changed() {
		return
	}
	set.Records.Changes(func(k ledger.RecordKey, r *ledger.Record, _ bool) {
		if r != nil && r.Due != 0 && r.Due < next && a.opt.Handlers[k.Kind] != nil {
			select {
			case a.wake <- struct{}{}:
			default:
			}
		}
	})
}

func (a *Agenda) run() {
	defer close(a.done)
	for a.ctx.Err() == nil {
		next, err := a.doAll()
		if err != nil && a.ctx.Err() == nil {
			a.opt.Log.Warn("cannot read what is due", "error", err)
		}
		a.pause(next)
	}
}

const (
	pageSize = 500 // due records that one look at the database brings
	atOnce   = 64  // handlers at work
)

// doAll begins what is due and says when something is next.
func (a *Agenda) doAll() (next int64, err error) {
	a.next.Store(never)
	a.forget()
	now := a.opt.Clock.Now().UnixMicro()
	next = now + a.opt.Look.Microseconds()
	var after ledger.RecordPlace
	for a.ctx.Err() == nil {
		page, err := a.opt.Reader.DueRecords(a.ctx, after, next, pageSize)
		if err != nil {
			return next, err
		}
		due := page
		for i := range page {
			if page[i].Due > now {
				due, next = page[:i], page[i].Due
				break
			}
		}
		a.do(due)
		if len(due) < pageSize {
			break
		}
		after = page[len(page)-1].Place()
	}
	return next, nil
}

// forget lets the records be given again whose handlers have returned. What was read before
// they did may still say that they are due.
func (a *Agenda) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.taken, func(_ ledger.RecordKey, returned bool) bool { return returned })
}

// do hands records to their handlers, as soon as these may begin.
func (a *Agenda) do(due []ledger.Record) {
	for _, r := range due {
		handle := a.opt.Handlers[r.Kind]
		if handle == nil || a.isTaken(r.RecordKey) {
			continue
		}
		if a.opt.Tasks.Wait(a.ctx, a.slots) != nil {
			return
		}
		a.take(r.RecordKey, false)
		a.opt.Tasks.Go(func() {
			a.one(handle, r)
			a.take(r.RecordKey, true)
			a.slots <- struct{}{}
		})
	}
}

func (a *Agenda) isTaken(k ledger.RecordKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, taken := a.taken[k]
	return taken
}

func (a *Agenda) take(k ledger.RecordKey, returned bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken[k] = returned
}

func (a *Agenda) one(handle Handler, r ledger.Record) {
	defer func() {
		if p := recover(); p != nil {
			a.opt.Log.Error("what was due is not done", "kind", r.Kind.String(), "id", r.Ref(), "error", p, "stack", string(debug.Stack()))
		}
	}()
	if err := handle(a.ctx, r); err != nil && a.ctx.Err() == nil {
		a.opt.Log.Warn("what was due is not done", "kind", r.Kind.String(), "id", r.Ref(), "error", err)
	}
}

// pause waits until a time, or until something is due before it.
func (a *Agenda) pause(until int64) {
	a.next.Store(until)
	d := time.Duration(until-a.opt.Clock.Now().UnixMicro()) * time.Microsecond
	ledger.Rest(a.ctx, a.opt.Tasks, a.opt.Clock, max(d, time.Millisecond), a.wake)
}
