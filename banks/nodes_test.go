package banks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

// TestNodesShareTheWork: payments at three nodes, the banks' misbehaviour
// included, each driven by one node at a time, to the ends that are promised.
func TestNodesShareTheWork(t *testing.T) {
	inCluster(t, 3, func(c *cluster) {
		var ids []ledger.ID
		var ends []ledger.State
		for n, m := range sim.Amounts {
			ids = append(ids, c.nodes[n%3].pay(1, func(p *ledger.CreateTransfer) { p.Transfer.Amount.Minor = m.Minor })...)
			ends = append(ends, m.Ends)
		}
		c.pass(5*time.Hour, 10*time.Second, func() bool { return c.all(ids, func(s ledger.State) bool { return !s.Waits() }) })
		c.pass(time.Minute, time.Second, func() bool { return false }) // late and contradicting reports come in
		for n, id := range ids {
			if got := c.state(id); got != ends[n] {
				t.Errorf("%s %s: %s, want %s", sim.Amounts[n].Amount(), sim.Amounts[n].Does, got, ends[n])
			}
		}
		stripes, err := ledger.Stripes(context.Background(), c.store, ledger.TransitAccount("INR"))
		if err != nil || len(stripes) != 3 {
			t.Errorf("transit has %d stripes of three nodes (%v)", len(stripes), err)
		}
	})
}

// TestADeadNodesWork: what a node drove when it died comes to its end elsewhere
// within two leases, what was queued there too.
func TestADeadNodesWork(t *testing.T) {
	for _, nodes := range []int{2, 3} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			inCluster(t, nodes, func(c *cluster) {
				c.pass(lease, time.Second, func() bool { return false })
				ids := c.nodes[0].pay(40, nil)
				ids = append(ids, c.nodes[0].pay(10, func(p *ledger.CreateTransfer) { p.Queue = true })...)
				time.Sleep(150 * time.Millisecond)
				c.nodes[0].kill()
				died := time.Now()
				if !c.pass(time.Minute, 50*time.Millisecond, c.allIn(ids, ledger.Completed)) {
					t.Fatal("not all is completed")
				}
				if took := time.Since(died); took > 2*lease {
					t.Errorf("it took %v", took)
				}
				c.netAgrees()
			})
		})
	}
}

// TestANodeThatLeaves need not be waited for.
func TestANodeThatLeaves(t *testing.T) {
	inCluster(t, 2, func(c *cluster) {
		ids := c.nodes[0].pay(40, nil)
		time.Sleep(50 * time.Millisecond)
		c.nodes[0].close()
		left := time.Now()
		c.pass(time.Minute, 50*time.Millisecond, c.allIn(ids, ledger.Completed))
		if took := time.Since(left); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestABankThatAnotherNodeNeeds: a bank that left is not forgotten while another
// node drives something at it, which is this one's when that node dies.
func TestABankThatAnotherNodeNeeds(t *testing.T) {
	inCluster(t, 2, func(c *cluster) {
		c.pass(lease, time.Second, func() bool { return false })
		ids := c.nodes[0].pay(1, func(p *ledger.CreateTransfer) { p.Transfer.Amount.Minor = 9206_00 }) // whose credit is asked after for two hours
		for _, m := range c.nodes {
			list := slices.DeleteFunc(slices.Clone(m.registry.All()), func(b banks.Bank) bool { return b.Code == "KVRI" })
			if err := m.registry.Replace(list); err != nil {
				t.Fatal(err)
			}
		}
		c.pass(5*time.Minute, time.Second, func() bool { return false })
		c.nodes[0].kill()
		c.pass(5*time.Hour, time.Second, func() bool { return c.all(ids, func(s ledger.State) bool { return !s.Waits() }) })
		if got := c.state(ids[0]); got != ledger.Completed {
			t.Errorf("it is %s", got)
		}
		if !c.pass(3*time.Minute, time.Second, func() bool { return len(c.nodes[1].registry.All()) == 1 }) {
			t.Error("it is not forgotten after that")
		}
	})
}

// TestABankThatNobodyKnows: a thousand credits fall due at a bank that is not
// registered; what waits for other banks is not held up while that is recorded.
func TestABankThatNobodyKnows(t *testing.T) {
	inCluster(t, 1, func(c *cluster) {
		c.pass(lease, time.Second, func() bool { return false })
		m := c.nodes[0]
		m.pay(1000, func(p *ledger.CreateTransfer) { p.Transfer.Payee = end("GONE", 1) })
		c.pass(c.policy.Submit+c.policy.Takeover, time.Second, func() bool { return false })
		m.store.mu.Lock()
		m.store.late = 20 * time.Millisecond
		m.store.mu.Unlock()
		c.pass(500*time.Millisecond, 50*time.Millisecond, func() bool { return false }) // they fall due
		ids := m.pay(1, func(p *ledger.CreateTransfer) { p.Queue = true })
		if !c.pass(2*time.Second, 50*time.Millisecond, c.allIn(ids, ledger.Completed)) {
			t.Errorf("beside them a queued payment is %s", c.state(ids[0]))
		}
	})
}

// TestAFrozenNode: a process that stood still for longer than its lease finds its
// work taken over. It asks no bank about it, and goes on under a new id.
func TestAFrozenNode(t *testing.T) {
	stopped := func(t *testing.T, by func(*member) *ice) {
		inCluster(t, 0, func(c *cluster) {
			c.edit = func(b *banks.Bank) { b.MaxInFlight = 2 } // so that most wait in the lane
			frozen, other := c.join(), c.join()
			c.pass(lease, time.Second, func() bool { return false })
			before, err := c.store.Nodes(t.Context())
			ids := frozen.pay(20, nil)
			time.Sleep(time.Millisecond)
			ice := by(frozen)
			ice.freeze()
			if !c.pass(20*time.Second, 50*time.Millisecond, c.allIn(ids, ledger.Completed)) {
				t.Error("not all is completed elsewhere")
			}
			asked := frozen.calls()
			ice.melt()
			c.pass(lease, 100*time.Millisecond, func() bool { return false })
			if again := frozen.calls(); again != asked {
				t.Errorf("it asked %d times after it woke up", again-asked)
			}
			after, err2 := c.store.Nodes(t.Context())
			if err != nil || err2 != nil || len(before) != 2 || len(after) != 2 || slices.Equal(names(before), names(after)) {
				t.Errorf("the nodes were %v and are %v", before, after)
			}
			more := frozen.pay(4, nil)
			if !c.pass(5*time.Second, 100*time.Millisecond, c.allIn(more, ledger.Completed)) || frozen.calls() == asked {
				t.Errorf("under its new id it asked %d times", frozen.calls()-asked)
			}
			if other.calls() == 0 {
				t.Error("the other node did nothing")
			}
			c.netAgrees()
		})
	}
	t.Run("the process", func(t *testing.T) { stopped(t, func(m *member) *ice { return m.ice }) })
	t.Run("its commits", func(t *testing.T) { stopped(t, func(m *member) *ice { return m.store.stall }) })
}

func names(nodes []ledger.Node) (ids []ledger.ID) {
	for _, n := range nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

// TestALeaseCutsCallsOff: a node that cannot beat gives its calls up before
// another asks, however long the bank would have had.
func TestALeaseCutsCallsOff(t *testing.T) {
	inCluster(t, 0, func(c *cluster) {
		c.banks["NRMD"] = &stubborn{Adapter: c.banks["NRMD"]}
		stalled, _ := c.join(), c.join()
		c.pass(lease, time.Second, func() bool { return false })
		ids := stalled.pay(3, nil)
		time.Sleep(time.Millisecond)
		stalled.store.stall.freeze()
		began := time.Now()
		c.pass(time.Minute, 50*time.Millisecond, c.allIn(ids, ledger.Completed))
		if took := time.Since(began); took > 2*lease {
			t.Errorf("it took %v", took)
		}
		stalled.store.stall.melt()
		c.pass(lease, time.Second, func() bool { return false })
		c.netAgrees()
	})
}

// TestALoneNodeThatStalls: a call that was cut off with the lease tells nothing of
// the bank. Nobody took the work over, so it goes on as soon as the node can.
func TestALoneNodeThatStalls(t *testing.T) {
	inCluster(t, 0, func(c *cluster) {
		c.banks["NRMD"] = &stubborn{Adapter: c.banks["NRMD"]}
		m := c.join()
		ids := m.pay(3, nil)
		m.store.stall.freeze()
		time.Sleep(2 * lease)
		m.store.stall.melt()
		began := time.Now()
		c.pass(10*time.Minute, 50*time.Millisecond, c.allIn(ids, ledger.Completed))
		if took := time.Since(began); took > lease {
			t.Errorf("it took %v", took)
		}
		c.netAgrees()
	})
}

// stubborn answers the first time nobody before the caller gives up.
type stubborn struct {
	banks.Adapter
	seen sync.Map
}

func (b *stubborn) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if _, again := b.seen.LoadOrStore(i.ID, true); !again {
		<-ctx.Done()
		return banks.Answer{}, ctx.Err()
	}
	return b.Adapter.Submit(ctx, i)
}

// TestAnUnknownCommit: nobody observed the batch, since nobody knew whether it was
// stored. Its instructions are taken up all the same, within seconds.
func TestAnUnknownCommit(t *testing.T) {
	inCluster(t, 2, func(c *cluster) {
		m := c.nodes[0]
		c.pass(time.Second, 100*time.Millisecond, func() bool { return false })
		time.Sleep(30 * time.Millisecond) // between two beats: the next commit is the payments'
		m.store.mu.Lock()
		m.store.unknown = 1
		m.store.mu.Unlock()
		ids := m.pay(5, nil)
		if m.dispatcher.Saturated("NRMD") || m.calls() > 0 {
			t.Error("somebody observed the batch")
		}
		began := time.Now()
		c.pass(time.Minute, 50*time.Millisecond, c.allIn(ids, ledger.Completed))
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %v", took)
		}
		c.netAgrees()
	})
}

// patient are amounts that make the banks misbehave in ways that come to an end.
var patient = []int64{9101_00, 9104_00, 9105_00, 9109_00, 9201_00, 9204_00, 9205_00, 9209_00, 9303_00, 9307_00, 9308_00, 9310_00}

// TestNodesComeAndGo kills, freezes, stalls and slows nodes at random while payments go
// on; no two nodes ask about the same at once, and every rupee is where it should be.
func TestNodesComeAndGo(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			inCluster(t, 3, func(c *cluster) {
				var ids []ledger.ID
				for range 60 {
					c.trouble(rng)
					m := c.nodes[rng.IntN(len(c.nodes))]
					if m.ice.melted() && m.store.stall.melted() {
						ids = append(ids, m.pay(1+rng.IntN(6), func(p *ledger.CreateTransfer) {
							if p.Queue = rng.IntN(4) == 0; rng.IntN(4) == 0 {
								p.Transfer.Amount.Minor = patient[rng.IntN(len(patient))]
							}
						})...)
					}
					time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
				}
				for _, m := range c.nodes {
					m.ice.melt()
					m.store.stall.melt()
					m.store.mu.Lock()
					m.store.late = 0
					m.store.mu.Unlock()
				}
				rested := func() bool { return c.all(ids, ledger.State.Final) }
				if !c.pass(5*time.Hour, 10*time.Second, rested) {
					t.Error("not all came to an end")
				}
				c.netAgrees()
			})
		})
	}
}

// trouble does something to a node.
func (c *cluster) trouble(rng *rand.Rand) {
	n := rng.IntN(len(c.nodes))
	m := c.nodes[n]
	for _, i := range []*ice{m.ice, m.store.stall} {
		if rng.IntN(3) == 0 {
			i.freeze()
		} else {
			i.melt()
		}
	}
	m.store.mu.Lock()
	m.store.late = time.Duration(rng.IntN(5000)*rng.IntN(2)*rng.IntN(2)) * time.Millisecond
	m.store.mu.Unlock()
	if rng.IntN(10) == 0 {
		m.kill()
		c.mu.Lock()
		c.nodes = slices.Delete(slices.Clone(c.nodes), n, n+1)
		c.mu.Unlock()
		c.join()
	}
}

// TestALateMessage: the call of a node that died is still on its way to the bank
// when the next node asks. That the bank cannot be reached by a second call then
// does not mean that the debit is not done.
func TestALateMessage(t *testing.T) {
	inCluster(t, 0, func(c *cluster) {
		c.banks["NRMD"] = &slowWire{Adapter: c.banks["NRMD"]}
		dies, _ := c.join(), c.join()
		c.pass(lease, time.Second, func() bool { return false })
		ids := dies.pay(1, nil)
		time.Sleep(time.Second)
		dies.kill()
		if !c.pass(time.Hour, time.Second, func() bool { return c.all(ids, ledger.State.Final) }) {
			t.Errorf("the payment is %s", c.state(ids[0]))
		}
		c.pass(time.Minute, time.Second, func() bool { return false })
		c.netAgrees()
	})
}

// slowWire takes half a minute to carry the first message to the bank; the next one finds no way.
type slowWire struct {
	banks.Adapter
	mu   sync.Mutex
	sent int
}

func (b *slowWire) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	b.mu.Lock()
	b.sent++
	sent := b.sent
	b.mu.Unlock()
	switch sent {
	case 1:
		time.AfterFunc(30*time.Second, func() { _, _ = b.Adapter.Submit(context.Background(), i) })
		<-ctx.Done()
		return banks.Answer{}, ctx.Err()
	case 2:
		return banks.Answer{}, fmt.Errorf("no way: %w", banks.ErrNotSent)
	}
	return b.Adapter.Submit(ctx, i)
}

// TestNodesOnSQLite: what holds in memory holds in a database.
func TestNodesOnSQLite(t *testing.T) {
	store, err := privacytest.Sealed(sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "book.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	inCluster(t, 0, func(c *cluster) {
		c.store = &oneWriter{Store: store}
		dies := c.join()
		c.join()
		c.pass(lease, time.Second, func() bool { return false })
		ids := append(dies.pay(20, nil), c.join().pay(20, nil)...)
		ids = append(ids, dies.pay(5, func(p *ledger.CreateTransfer) { p.Queue = true })...)
		time.Sleep(100 * time.Millisecond)
		dies.kill()
		if !c.pass(2*lease, 50*time.Millisecond, c.allIn(ids, ledger.Completed)) {
			t.Error("not all is completed")
		}
		c.netAgrees()
	})
}

// TestNodesOnPostgreSQL: three nodes, each with connections of its own, in real time.
func TestNodesOnPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a lease to end")
	}
	url := pgtest.NewDatabase(t)
	c := newCluster(t)
	var stores []ledger.Store
	t.Cleanup(func() {
		for n, m := range c.nodes {
			m.kill()
			stores[n].Close()
		}
	})
	join := func() *member {
		store, err := privacytest.Sealed(postgres.Open(t.Context(), url))
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, store)
		c.store = store
		return c.join()
	}
	dies, second, third := join(), join(), join()
	var ids []ledger.ID
	for range 10 {
		for _, m := range []*member{dies, second, third} {
			ids = append(ids, m.pay(10, nil)...)
		}
	}
	// Each node posts to a stripe of its own, as soon as its banks answer.
	posted := func() int {
		stripes, err := ledger.Stripes(t.Context(), c.store, ledger.TransitAccount("INR"))
		if err != nil {
			t.Fatal(err)
		}
		return len(stripes)
	}
	for began := time.Now(); posted() != 3; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 3*lease {
			t.Fatalf("transit has %d stripes of three nodes", posted())
		}
	}
	ids = append(ids, dies.pay(10, nil)...)
	dies.kill()
	done := c.allIn(ids, ledger.Completed)
	for died := time.Now(); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Since(died) > 3*lease {
			t.Fatal("not all is completed")
		}
	}
	c.netAgrees()
	c.hold()
}
