package feed_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/feed"
	"bahi/ledger/memory"
	"bahi/ledger/sqlite"
)

// Two publishers at once number two apps' events while 200 transfers are made at once, each
// moved on by whichever node: none is lost, none comes twice, and each transfer's are
// in order.
func TestNodesPublishAtOnce(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			open := engine(t)
			nodes := []*node{newNode(t, open(), 0)}
			if name == "sqlite" { // one node, which is told of nothing and publishes all the same
				other := *nodes[0]
				other.feed = feed.New()
				nodes = append(nodes, &other)
			} else {
				nodes = append(nodes, newNode(t, open(), 1))
			}
			for _, n := range nodes {
				n.publish(fast)
			}
			wallet := nodes[0].wallet("alpha")
			var all sync.WaitGroup
			for i := range 200 {
				all.Go(func() {
					r := rand.New(rand.NewPCG(1, uint64(i)))
					any := func() *node { return nodes[r.IntN(len(nodes))] }
					app := []string{"alpha", "beta"}[i%2]
					c := payment(app, at("SBIN"), at("HDFC"), 100)
					if app == "alpha" && i%3 == 0 {
						c.Transfer.Payee = wallet
					}
					made := do[ledger.Transfer](any(), c)
					any().approve(made, ledger.LegDebit)
					if !made.Payee.IsWallet() {
						any().approve(made, ledger.LegCredit)
					}
				})
			}
			all.Wait()
			eventually(t, "all is published", func() bool { return nodes[0].left() == 0 })
			nodes[0].wantStream("alpha")
			nodes[1].wantStream("beta")
			if last := nodes[0].last("beta"); last != 300 {
				t.Errorf("beta was told of %d events, want 300", last)
			}
			if last := nodes[0].last("gamma"); last != 0 {
				t.Errorf("gamma was told of %d events", last)
			}
		})
	}
}

// What a node left that died between a commit and its publication is found by another
// node, and what could not be published for a while is published later.
func TestNothingIsLost(t *testing.T) {
	m := memory.New()
	died := newNode(t, m, 0)
	for range 20 {
		made := do[ledger.Transfer](died, payment("alpha", at("SBIN"), at("HDFC"), 100))
		died.approve(made, ledger.LegDebit)
	}
	if died.last("alpha") != 0 || died.left() != 40 {
		t.Fatalf("%d events are published, %d commits are not", died.last("alpha"), died.left())
	}
	var faults atomic.Int32
	other := newNode(t, &failing{Store: m, fail: func() bool { return faults.Add(1) <= 3 }}, 1).publish(fast)
	eventually(t, "all is published", func() bool { return other.left() == 0 })
	if faults.Load() < 4 {
		t.Errorf("the publisher has tried %d times", faults.Load())
	}
	other.wantStream("alpha")
}

// A backlog is published in pieces.
func TestBacklog(t *testing.T) {
	n := newNode(t, memory.New(), 0)
	for range 1200 {
		do[ledger.Transfer](n, payment("alpha", at("SBIN"), at("HDFC"), 100))
	}
	n.publish(still()) // its clock stands still
	eventually(t, "all is published", func() bool { return n.left() == 0 })
	n.wantStream("alpha")
}

// The first news goes out at once, and the next not before a pause: so much happens under
// load in between that a transfer pays little for it.
func TestPause(t *testing.T) {
	clock := still()
	n := newNode(t, memory.New(), 0).publish(clock)
	make := func() { do[ledger.Transfer](n, payment("alpha", at("SBIN"), at("HDFC"), 100)) }
	make()
	eventually(t, "the first is published", func() bool { return n.last("alpha") == 1 })
	for range 10 {
		make()
	}
	time.Sleep(20 * time.Millisecond)
	if last := n.last("alpha"); last != 1 {
		t.Errorf("%d events are published before the pause is over", last)
	}
	eventually(t, "the others are published", func() bool { clock.advance(10 * time.Millisecond); return n.last("alpha") == 11 })
	streams, err := n.store.Stream(t.Context(), "alpha", 0, 100)
	check(t, err)
	if len(streams) != 2 {
		t.Errorf("%d commits have published 11 events, want 2", len(streams))
	}
}

// Who waits is told of what this node publishes at once, and of others' when it looks.
func TestWait(t *testing.T) {
	m, clock := memory.New(), still()
	n := newNode(t, m, 0).publish(clock)
	other := newNode(t, m, 1)
	told := func(news <-chan struct{}) bool {
		select {
		case <-news:
			return true
		default:
			return false
		}
	}
	alpha, stop := n.feed.Wait("alpha", 0)
	defer stop()
	beta, stop2 := n.feed.Wait("beta", 0)
	later, stop3 := n.feed.Wait("alpha", 1)
	do[ledger.Transfer](n, payment("alpha", at("SBIN"), at("HDFC"), 100))
	<-alpha
	if told(beta) || told(later) {
		t.Error("who waits for something else is told")
	}
	stop2()

	// Another node publishes what it does by itself; this one is only told when it looks.
	do[ledger.Transfer](other, payment("alpha", at("SBIN"), at("HDFC"), 100))
	rows, err := m.Outbox(t.Context(), 10)
	check(t, err)
	do[any](other, ledger.Publish{Rows: rows})
	if told(later) {
		t.Error("told before it has looked")
	}
	eventually(t, "it looks", func() bool { clock.advance(50 * time.Millisecond); return told(later) })
	stop3()
	stop3() // harmless
}

// A publisher that was never started, or is told before, does no harm.
func TestBeforeStart(t *testing.T) {
	idle := feed.New()
	idle.Close()
	n := newNode(t, memory.New(), 0)
	do[ledger.Transfer](n, payment("alpha", at("SBIN"), at("HDFC"), 100))
	n.publish(fast)
	eventually(t, "what was there before is published", func() bool { return n.last("alpha") == 1 })
}

// BenchmarkWallet moves money between wallets on SQLite, 64 callers at once, with nobody who publishes and with one.
func BenchmarkWallet(b *testing.B) {
	for _, published := range []bool{false, true} {
		name := map[bool]string{false: "not published", true: "published"}[published]
		b.Run(name, func(b *testing.B) {
			s, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "book.db"))
			check(b, err)
			b.Cleanup(func() { _ = s.Close() })
			n := newNode(b, s, 0)
			wallets := make([]ledger.End, 1000)
			for i := range wallets {
				wallets[i] = n.wallet("alpha")
				n.approve(do[ledger.Transfer](n, payment("alpha", at("SBIN"), wallets[i], 1_000_000)), ledger.LegDebit)
			}
			if published {
				n.publish(wall{})
			}
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				r := rand.New(rand.NewPCG(rand.Uint64(), 0))
				for pb.Next() {
					payer := r.IntN(len(wallets))
					do[ledger.Transfer](n, payment("alpha", wallets[payer], wallets[(payer+1+r.IntN(len(wallets)-1))%len(wallets)], 1))
				}
			})
		})
	}
}
