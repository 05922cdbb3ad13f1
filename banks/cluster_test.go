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
		c := newCluster(t)
		for range nodes {
			c.join()
		}
		test(c)
		c.hold()
	})
}

func newCluster(t *testing.T) *cluster {
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
	return c
}

// hold demands that no two nodes ever drove one instruction, and that the book holds.
func (c *cluster) hold() {
	c.t.Helper()
	if len(c.desk.wrong) > 0 {
		c.t.Errorf("%d times two nodes asked a bank about the same instruction at once: %s", len(c.desk.wrong), c.desk.wrong[0])
	}
	c.verify()
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
	registry   *banks.Registry
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
	m.registry, m.dispatcher = registry, banks.NewDispatcher(registry)
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

// calls is how often the node asked banks.
func (m *member) calls() (n int) {
	m.c.desk.mu.Lock()
	defer m.c.desk.mu.Unlock()
	for _, k := range m.asked {
		n += k
	}
	return n
}

func (i *ice) melted() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.melts == nil && !i.shards
}

// oneWriter lets several pipelines write to one store in turn.
type oneWriter struct {
	ledger.Store
	turn sync.Mutex
}

func (s *oneWriter) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.Store.Commit(ctx, declare, apply)
}

func (s *oneWriter) Close() error { return nil }
