package api_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
)

// door holds whoever comes to it until it is opened.
type door struct {
	reached chan struct{} // somebody stands before it
	opened  chan struct{}
	open    func()
}

// newDoor is a closed door; at the latest the end of the test opens it.
func newDoor(t testing.TB) *door {
	d := &door{reached: make(chan struct{}, 1), opened: make(chan struct{})}
	d.open = sync.OnceFunc(func() { close(d.opened) })
	t.Cleanup(d.open)
	return d
}

// pass waits at a door that is closed; no door is an open one.
func (d *door) pass() {
	if d == nil {
		return
	}
	select {
	case d.reached <- struct{}{}:
	default:
	}
	<-d.opened
}

// gate is a store with doors that a test may close.
type gate struct {
	ledger.Store
	before, after atomic.Pointer[door] // of a commit
	afterKey      atomic.Pointer[door] // of reading a key
	fault         atomic.Pointer[error]
	loses         atomic.Bool  // commits, and then says fault
	looks         atomic.Int64 // at transfers
}

// gated puts a gate before the store that the stack opens.
func gated() (*gate, func(*setup)) {
	g := &gate{}
	return g, func(o *setup) {
		o.wrap = func(s ledger.Store) ledger.Store { g.Store = s; return g }
	}
}

func (g *gate) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	g.before.Load().pass()
	fault := g.fault.Load()
	if fault != nil && !g.loses.Load() {
		return *fault
	}
	err := g.Store.Commit(ctx, declare, apply)
	g.after.Load().pass()
	if fault != nil {
		return *fault
	}
	return err
}

func (g *gate) Ping(ctx context.Context) error {
	if fault := g.fault.Load(); fault != nil {
		return *fault
	}
	return g.Store.Ping(ctx)
}

func (g *gate) Transfer(ctx context.Context, id ledger.ID) (ledger.Transfer, error) {
	g.looks.Add(1)
	return g.Store.Transfer(ctx, id)
}

func (g *gate) KeyByHash(ctx context.Context, hash [32]byte) (ledger.Key, error) {
	k, err := g.Store.KeyByHash(ctx, hash)
	g.afterKey.Load().pass()
	return k, err
}

// fail makes every commit fail, lost: after it was done.
func (g *gate) fail(err error, lost bool) {
	g.loses.Store(lost)
	g.fault.Store(&err)
}

func (g *gate) heal() { g.fault.Store(nil) }

// eventually waits for what no channel tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
