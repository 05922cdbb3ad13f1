package banks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// cluster is several nodes that share one book and the same banks, in virtual time.
type cluster struct {
	*world
	desk  *desk
	banks map[string]banks.Adapter
	mu    sync.Mutex
	nodes []*member
	edit  func(*banks.Bank)
}

const lease = 3 * time.Second

// inCluster runs a test with simulated banks behind a desk that sees who asks.
func inCluster(t *testing.T, nodes int, test func(*cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{world: newWorld(t), desk: &desk{asking: map[ledger.InstructionID]map[*member]int{}}, banks: map[string]banks.Adapter{}}
		for code, b := range c.world.banks {
			c.banks[code] = b
			b.SetReporter(c)
		}
		t.Cleanup(func() {
			for _, m := range c.nodes {
				m.kill()
			}
		})
		for range nodes {
			c.join()
		}
		test(c)
		if len(c.desk.wrong) > 0 {
			t.Errorf("%d times two nodes asked a bank about the same instruction at once: %s", len(c.desk.wrong), c.desk.wrong[0])
		}
		c.verify()
	})
}

// Report takes what a bank says of itself to any node that lives.
func (c *cluster) Report(ctx context.Context, bank string, id ledger.InstructionID, a banks.Answer) (ledger.Recorded, error) {
	c.mu.Lock()
	nodes := slices.Clone(c.nodes)
	c.mu.Unlock()
	for _, m := range nodes {
		if m.ice.melted() {
			return m.dispatcher.Report(ctx, bank, id, a)
		}
	}
	return ledger.Recorded{}, ledger.ErrUnavailable
}

// member is one node of the cluster.
type member struct {
	c          *cluster
	ice        *ice // around the whole process
	store      *memberStore
	book       *ledger.Pipeline
	dispatcher *banks.Dispatcher
	asked      map[ledger.InstructionID]int // under the desk's lock
	close      func()
}

func (c *cluster) join() *member {
	c.t.Helper()
	m := &member{c: c, ice: &ice{}, asked: map[ledger.InstructionID]int{}}
	m.store = &memberStore{Store: c.store, ice: m.ice, stall: &ice{}}
	var list []banks.Bank
	for code, b := range c.banks {
		bank := banks.Bank{Code: code, IFSCPrefix: code, Adapter: &window{m, b}}
		if c.edit != nil {
			c.edit(&bank)
		}
		list = append(list, bank)
	}
	registry, err := banks.NewRegistry(list)
	if err != nil {
		c.t.Fatal(err)
	}
	m.dispatcher = banks.NewDispatcher(registry)
	m.book = ledger.NewPipeline(m.store, ledger.PipelineOptions{Policy: &c.policy, Observer: m.dispatcher.Observe, Log: quiet})
	m.dispatcher.Start(banks.Options{Book: m.book, Reader: m.store, Policy: &c.policy, Clock: memberClock{m.ice}, Lease: lease, Log: quiet})
	m.close = sync.OnceFunc(func() { m.dispatcher.Close(); m.book.Close() })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, m)
	return m
}

// kill ends the node as a power cut does: nothing that it knows is written any more.
func (m *member) kill() {
	m.ice.shatter()
	m.store.stall.shatter()
	m.close()
}

// pay creates n payments at the node.
func (m *member) pay(n int, edit func(*ledger.CreateTransfer)) (ids []ledger.ID) {
	m.c.t.Helper()
	var many ledger.Many
	for i := range n {
		c := ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: "chat", Kind: ledger.Payment, RRN: "630610000001",
			Payer: end("NRMD", i), Payee: end("KVRI", i), Amount: ledger.Amount{Minor: int64(100 + i), Currency: "INR"}}}
		if edit != nil {
			edit(&c)
		}
		many, ids = append(many, c), append(ids, c.Transfer.ID)
	}
	if _, err := ledger.Do[ledger.Outcomes](context.Background(), m.book, many); err != nil {
		m.c.t.Log(err)
	}
	return ids
}

func (c *cluster) all(ids []ledger.ID, in func(ledger.State) bool) bool {
	return !slices.ContainsFunc(ids, func(id ledger.ID) bool { return !in(c.state(id)) })
}

func (c *cluster) allIn(ids []ledger.ID, s ledger.State) func() bool {
	return func() bool { return c.all(ids, func(is ledger.State) bool { return is == s }) }
}

// netAgrees compares the banks' money with our clearing accounts, all stripes.
func (c *cluster) netAgrees() {
	c.t.Helper()
	for code, b := range c.world.banks {
		stripes, err := ledger.Stripes(context.Background(), c.store, ledger.ClearingAccount(code, "INR"))
		net := int64(0)
		for i := range stripes {
			net += stripes[i].Balance()
		}
		if err != nil || net != b.Net() {
			c.t.Errorf("bank %s moved %d net, our %d clearing accounts say %d (%v)", code, b.Net(), len(stripes), net, err)
		}
	}
}

// desk is where the nodes meet at the banks: it sees when two ask for the same.
type desk struct {
	mu     sync.Mutex
	asking map[ledger.InstructionID]map[*member]int
	wrong  []string
}

func (d *desk) enter(m *member, i banks.Instruction, what string) (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	here := d.asking[i.ID]
	if here == nil {
		here = map[*member]int{}
		d.asking[i.ID] = here
	}
	here[m]++
	m.asked[i.ID]++
	for other := range here {
		// What a frozen process had asked before, and the bank is silent about, it cannot take back.
		if other != m && other.ice.melted() {
			d.wrong = append(d.wrong, fmt.Sprintf("%s %s at %v", what, i.ID, time.Now()))
		}
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if here[m]--; here[m] == 0 {
			delete(here, m)
		}
	}
}

// window is a bank as one node reaches it.
type window struct {
	m    *member
	bank banks.Adapter
}

func (w *window) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return w.ask(ctx, i, "submit", w.bank.Submit)
}

func (w *window) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return w.ask(ctx, i, "reverse", w.bank.Reverse)
}

func (w *window) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return w.ask(ctx, i, "status", w.bank.Status)
}

func (w *window) ask(ctx context.Context, i banks.Instruction, what string, bank func(context.Context, banks.Instruction) (banks.Answer, error)) (banks.Answer, error) {
	leave := w.m.c.desk.enter(w.m, i, what)
	time.Sleep(time.Duration(10+rand.IntN(300)) * time.Millisecond)
	answer, err := bank(ctx, i)
	leave()
	w.m.ice.wait() // the answer is there; nobody is awake to read it
	return answer, err
}

// ice stops whoever waits on it, until it melts or breaks for good.
type ice struct {
	mu     sync.Mutex
	melts  chan struct{}
	shards bool
}

func (i *ice) freeze() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.melts == nil && !i.shards {
		i.melts = make(chan struct{})
	}
}

func (i *ice) melt() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.melts != nil {
		close(i.melts)
		i.melts = nil
	}
}

func (i *ice) shatter() {
	i.mu.Lock()
	i.shards = true
	i.mu.Unlock()
	i.melt()
}

func (i *ice) broken() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.shards
}

// wait returns false once the ice is broken.
func (i *ice) wait() bool {
	i.mu.Lock()
	melts := i.melts
	i.mu.Unlock()
	if melts != nil {
		<-melts
	}
	return !i.broken()
}

// memberStore is the store as one node reaches it.
type memberStore struct {
	ledger.Store
	ice, stall *ice
	mu         sync.Mutex
	unknown    int           // so many commits lose their outcome
	late       time.Duration // how long after it a commit is known
}

func (s *memberStore) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	if !s.ice.wait() || !s.stall.wait() {
		return ledger.ErrUnavailable
	}
	err := s.Store.Commit(ctx, declare, apply)
	s.mu.Lock()
	late := s.late
	s.mu.Unlock()
	time.Sleep(late)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unknown > 0 && err == nil {
		s.unknown--
		return ledger.ErrOutcomeUnknown
	}
	return err
}

func (s *memberStore) Nodes(ctx context.Context) ([]ledger.Node, error) {
	if !s.ice.wait() {
		return nil, ledger.ErrUnavailable
	}
	return s.Store.Nodes(ctx)
}

func (s *memberStore) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	if !s.ice.wait() {
		return nil, ledger.ErrUnavailable
	}
	return s.Store.Due(ctx, node, after, before, limit)
}

func (s *memberStore) TransferHistory(ctx context.Context, id ledger.ID) ([]ledger.Step, []ledger.Instruction, error) {
	if !s.ice.wait() {
		return nil, nil, ledger.ErrUnavailable
	}
	return s.Store.TransferHistory(ctx, id)
}

// memberClock goes on while its process is frozen; its timers do not.
type memberClock struct{ ice *ice }

func (c memberClock) Now() time.Time { return time.Now() }

func (c memberClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, func() { c.ice.wait(); f() }).Stop
}

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

// calls is how often the node asked banks.
func (m *member) calls() (n int) {
	m.c.desk.mu.Lock()
	defer m.c.desk.mu.Unlock()
	for _, k := range m.asked {
		n += k
	}
	return n
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

func (i *ice) melted() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.melts == nil && !i.shards
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
