package simulate

import (
	"context"
	"fmt"
	"time"

	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/agenda"
	"bahi/ledger/feed"
)

var background = context.Background()

// node is one place where a Bahi runs, in one process after the other.
type node struct {
	w      *world
	place  int
	boots  int
	skew   time.Duration
	cut    time.Duration // it cannot reach the database until then
	proc   *process      // nil: down
	store  ledger.Store  // as this process reaches it
	book   *ledger.Pipeline
	banks  *banks.Dispatcher
	feed   *feed.Publisher
	agenda *agenda.Agenda
	rrn    uint32
	serves bool // requests are taken
}

// name is how the trace calls the node.
func (n *node) name() string {
	if n.proc != nil {
		return n.proc.name
	}
	return fmt.Sprint("node", n.place+1)
}

// boot starts a process, as cmd/bahi does.
func (n *node) boot() {
	w := n.w
	n.boots++
	p := w.s.process(fmt.Sprintf("node%d.%d", n.place+1, n.boots))
	p.skew = n.skew
	n.proc = p
	w.note(p.name, "starts")
	p.Go(func() {
		var store ledger.Store = &nodeStore{Store: w.store, n: n, p: p}
		if w.cfg.bug.store != nil {
			store = w.cfg.bug.store(p, store)
		}
		var list []banks.Bank
		for _, h := range w.hosts {
			var adapter banks.Adapter = &wire{n: n, p: p, host: h}
			if w.cfg.bug.adapter != nil {
				adapter = w.cfg.bug.adapter(p, adapter)
			}
			list = append(list, banks.Bank{Code: h.code, Name: h.code, IFSCPrefix: h.code, Adapter: adapter, MaxInFlight: w.plan.maxInFlight})
		}
		registry, err := banks.NewRegistry(list)
		if err != nil {
			panic(err)
		}
		n.store = store
		log := w.log(p)
		n.banks, n.feed, n.agenda = banks.NewDispatcher(registry), feed.New(), agenda.New()
		dispatcher, publisher, due := n.banks, n.feed, n.agenda
		n.book = ledger.NewPipeline(store, ledger.PipelineOptions{MaxQueue: w.plan.maxQueue, MaxBatch: w.plan.maxBatch,
			Policy: &w.plan.policy, Now: p.Now, Tasks: p, Log: log,
			Observer: func(set *ledger.Set) { dispatcher.Observe(set); publisher.Observe(set); due.Observe(set) }})
		n.banks.Start(banks.Options{Book: n.book, Reader: store, Policy: &w.plan.policy, Clock: p, Tasks: p, NewID: p.newID,
			Sweep: w.plan.sweep, Lease: w.plan.lease, Sole: w.plan.sole, Log: log})
		n.feed.Start(feed.Options{Book: n.book, Reader: store, Clock: p, Tasks: p, Look: 10 * w.plan.sweep, Log: log})
		n.agenda.Start(agenda.Options{Reader: store, Clock: p, Tasks: p, Look: 10 * w.plan.sweep, Log: log,
			Handlers: map[ledger.RecordKind]agenda.Handler{ledger.RecordHold: n.release}})
		n.serves = true
	})
}

// release pays the payee of a held transfer.
func (n *node) release(ctx context.Context, r ledger.Record) error {
	t, err := n.store.Transfer(ctx, r.ID)
	if err != nil {
		return err
	}
	n.w.report.happened[released]++
	_, err = n.book.Submit(ctx, ledger.Request{Command: ledger.ReleaseTransfer{Transfer: &t}})
	return err
}

// bootIn starts the node again in a while, unless something else does before.
func (n *node) bootIn(d time.Duration) {
	boots := n.boots
	n.w.self.AfterFunc(d, func() {
		if n.proc == nil && n.boots == boots {
			n.boot()
		}
	})
}

// strike lets something happen to the node now, while the task that calls is in
// the middle of something.
func (n *node) strike(p *process) {
	w := n.w
	if p != n.proc || !w.jams(w.plan.struck, 12) {
		return
	}
	w.report.happened[struck]++
	switch long := w.upTo(3 * w.plan.lease); w.rng.IntN(3) {
	case 0:
		n.crash("is struck down")
		n.bootIn(long)
	case 1:
		n.freeze(long)
	case 2:
		n.cutOff(long)
	}
	w.s.sleep(0)
}

// cutOff keeps the node from the database for a while.
func (n *node) cutOff(d time.Duration) {
	n.cut = n.w.s.now + d
	n.w.note(n.name(), "is cut off from the database for %v", d)
}

// crash ends the process at whatever its tasks wait for.
func (n *node) crash(how string) {
	if n.proc == nil {
		return
	}
	n.w.note(n.proc.name, "%s", how)
	n.proc.dead = true
	n.proc, n.serves = nil, false
}

// freeze stops the process for a while; it does not notice.
func (n *node) freeze(d time.Duration) {
	p := n.proc
	if p == nil || p.frozen {
		return
	}
	n.w.note(p.name, "stands still for %v", d)
	p.frozen = true
	n.w.self.AfterFunc(d, func() {
		n.thaw(p)
	})
}

func (n *node) thaw(p *process) {
	if p.frozen {
		p.frozen, p.thawed = false, n.w.s.now
		n.w.note(p.name, "goes on")
	}
}

// leave ends the process as an operator does, and starts another.
func (n *node) leave() {
	p := n.proc
	if p == nil || !n.serves {
		return
	}
	n.w.note(p.name, "is asked to end")
	n.serves = false
	dispatcher, publisher, due, book := n.banks, n.feed, n.agenda, n.book
	p.Go(func() {
		due.Close()
		publisher.Close()
		dispatcher.Close()
		book.Close()
		if n.proc == p {
			n.crash("has ended")
			n.bootIn(n.w.upTo(n.w.plan.lease))
		}
	})
}

func (n *node) heal() {
	n.cut = 0
	switch {
	case n.proc == nil:
		n.boot()
	case n.proc.frozen:
		n.thaw(n.proc)
	}
}

// up says whether the node takes requests.
func (n *node) up() bool { return n.proc != nil && n.serves }
