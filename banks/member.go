package banks

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"bahi/ledger"
)

// member is this process's place among the nodes that share the database. No two
// clocks are compared: a node is dead to another that has not seen its beat change
// for a whole lease, by the other's own clock; and a node holds its lease for two
// thirds of that time, by its own clock, from before the last beat that it knows
// to be stored. So it has stopped asking banks when another begins to, unless one
// clock runs half as fast again as the other.
type member struct {
	opt *Options
	ctx context.Context // ends with the dispatcher

	mu    sync.Mutex
	name  ledger.ID   // it beats under this
	self  ledger.Node // as its last beat left it; zero while it is not known
	seen  map[ledger.ID]sighting
	until time.Time // the lease's end
	lease context.Context
	end   context.CancelFunc // of the lease
	timer func() bool        // stops what ends the lease
}

// sighting is another node and when this beat of it was first seen.
type sighting struct {
	ledger.Node
	at time.Time
}

// start makes the process a node. Where the first beat fails, the next one does it.
func (m *member) start(ctx context.Context, opt *Options) {
	m.ctx, m.opt = ctx, opt
	m.name, m.seen = opt.NewID(), map[ledger.ID]sighting{}
	m.lease, m.end = context.WithCancel(ctx)
	m.timer = func() bool { return true }
	if opt.Sole { // nobody needs to be told
		m.self.ID = m.name
		opt.Book.Become(m.self)
	} else {
		m.end()
	}
	m.beat()
}

// beatForEver keeps the lease, at six beats to its time.
func (d *Dispatcher) beatForEver() {
	defer d.done.done()
	for d.pause(d.opt.Lease / 6); d.ctx.Err() == nil; d.pause(d.opt.Lease / 6) {
		d.member.beat()
	}
}

// beat looks at the other nodes and says that this one lives.
func (m *member) beat() {
	nodes, err := m.opt.Reader.Nodes(m.ctx)
	if err == nil {
		m.saw(nodes)
	}
	if err == nil && !m.opt.Sole {
		began := m.opt.Clock.Now() // before the beat: what comes after must not count
		var self ledger.Node
		if self, err = ledger.Do[ledger.Node](m.ctx, m.opt.Book, ledger.Beat{Node: m.name, Known: m.strangers(nodes)}); err == nil {
			m.stored(self, began)
		}
	}
	var refused *ledger.Refusal
	switch {
	case err == nil || m.ctx.Err() != nil:
	case errors.As(err, &refused) && refused.Code == ledger.CodeNodeGone:
		m.opt.Log.Warn("this node was taken for dead; it goes on under a new id", "node", m.name.NodeRef())
		m.begone()
	default:
		m.opt.Log.Warn("cannot say that this node lives", "error", err)
	}
}

// saw notes which nodes there are and which of them have beaten.
func (m *member) saw(nodes []ledger.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, seen := m.opt.Clock.Now(), make(map[ledger.ID]sighting, len(nodes))
	for _, n := range nodes {
		before, ok := m.seen[n.ID]
		switch {
		case n.ID == m.name:
		case ok && before.Beat == n.Beat:
			seen[n.ID] = before
		default:
			seen[n.ID] = sighting{n, now}
		}
	}
	m.seen = seen
}

// strangers are the nodes that a first beat must know to choose its stripe.
func (m *member) strangers(nodes []ledger.Node) []ledger.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.self.ID == m.name {
		return nil
	}
	return nodes
}

// stored prolongs the lease after a beat that was submitted at began.
func (m *member) stored(self ledger.Node, began time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.self.ID != self.ID {
		m.opt.Book.Become(self)
	}
	m.self, m.until = self, began.Add(m.opt.Lease*2/3)
	left := m.until.Sub(m.opt.Clock.Now())
	if left <= 0 {
		return
	}
	if m.lease.Err() != nil {
		m.lease, m.end = context.WithCancel(m.ctx)
	}
	m.timer()
	m.timer = m.opt.Clock.AfterFunc(left, m.expire)
}

// expire cuts off the calls that are under way when the lease ends.
func (m *member) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.opt.Clock.Now().Before(m.until) {
		m.end()
	}
}

// begone leaves the name that was taken for dead. Under a new one the process
// has nothing: what it drove is another node's, or is taken over like any other.
func (m *member) begone() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end()
	m.name, m.self = m.opt.NewID(), ledger.Node{}
	m.opt.Book.Become(m.self)
}

// leave tells the others that they need not wait for this node's death.
func (m *member) leave() {
	m.mu.Lock()
	self := m.self
	m.end()
	m.timer()
	m.mu.Unlock()
	if m.opt.Sole || self.ID.IsZero() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer m.opt.Clock.AfterFunc(time.Second, cancel)()
	if _, err := ledger.Do[any](ctx, m.opt.Book, ledger.Fence{Node: self.ID, Beat: self.Beat}); err != nil {
		m.opt.Log.Warn("cannot say that this node leaves", "error", err)
	}
}

// id is the node that the process is, or zero.
func (m *member) id() ledger.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.self.ID
}

// holds says whether the process is the node and may ask banks now, and gives a
// context that ends when it no longer may. A machine that was asleep knows it by
// its wall clock alone: both clocks must be within the lease.
func (m *member) holds(node ledger.ID) (context.Context, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.opt.Clock.Now()
	within := m.opt.Sole || (now.Before(m.until) && now.Round(0).Before(m.until.Round(0)))
	return m.lease, within && m.lease.Err() == nil && node == m.self.ID && !node.IsZero()
}

// dead says whether a node will drive nothing any more, with its last beat. One
// that is not known is gone, or so new that its first beat refutes the claim.
func (m *member) dead(node ledger.ID) (beat int64, dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, known := m.seen[node]
	return s.Beat, node != m.self.ID && (!known || m.silent(s))
}

// silent says whether a node has not beaten for a lease.
func (m *member) silent(s sighting) bool {
	return m.opt.Sole || m.opt.Clock.Now().Sub(s.at) >= m.opt.Lease
}

// unburied are the nodes that are dead and not declared so, in order.
func (m *member) unburied() (dead []ledger.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.seen {
		if m.silent(s) {
			dead = append(dead, s.Node)
		}
	}
	slices.SortFunc(dead, func(a, b ledger.Node) int { return a.ID.Compare(b.ID) })
	return dead
}

// buried forgets a node that was declared gone.
func (m *member) buried(node ledger.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.seen, node)
}
