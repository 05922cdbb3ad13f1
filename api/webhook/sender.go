// Package webhook sends apps their events, signed as the Standard Webhooks have it: each
// event at least once, those of a transfer in their order. Every endpoint has a worker, a
// queue and connections of its own, so that a slow one is in nobody's way. Of several nodes
// one sends to an endpoint at a time: it holds a lease, which stands in the endpoint's
// record together with how far it is, so that another node can go on from there.
package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"time"

	"bahi/ledger"
	"bahi/ledger/feed"
)

// Options are what a sender works with.
type Options struct {
	Book   *ledger.Pipeline
	Reader ledger.Reader
	Feed   *feed.Publisher
	// Render makes the bodies of an app's events, for people of a locale.
	Render func(ctx context.Context, locale string, events []feed.Event) ([][]byte, error)
	Self   func() ledger.ID       // the node that the process is; zero while it is none
	Dead   func(n ledger.ID) bool // says whether a node will send nothing any more
	Clock  ledger.Clock
	Lease  time.Duration  // how long a node may be silent before another sends in its place; default 15 s
	Look   time.Duration  // how often one looks for what other nodes have changed; default 3 s
	Try    time.Duration  // how long an endpoint may take to answer; default 15 s
	Roots  *x509.CertPool // whom endpoints' certificates are to be signed by; nil: the system's
	Log    *slog.Logger
}

// Sender is one node's.
type Sender struct {
	wrapper ledger.Wrapper
	private bool
	opt     Options
	metrics metrics

	ctx     context.Context
	cancel  context.CancelFunc
	wake    chan struct{} // capacity 1
	started bool
	running sync.WaitGroup

	mu      sync.Mutex
	workers map[ledger.ID]*worker // by endpoint
}

// New makes a sender, which may be told of batches before it starts. Endpoints' secrets are
// kept wrapped. Where private endpoints are allowed they may be anywhere, also without TLS.
func New(wrapper ledger.Wrapper, private bool) *Sender {
	s := &Sender{wrapper: wrapper, private: private, metrics: newMetrics(), wake: make(chan struct{}, 1), workers: map[ledger.ID]*worker{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start begins to send, until Close.
func (s *Sender) Start(opt Options) {
	if opt.Lease == 0 {
		opt.Lease = 15 * time.Second
	}
	if opt.Look == 0 {
		opt.Look = 3 * time.Second
	}
	if opt.Try == 0 {
		opt.Try = tryTime
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	s.opt, s.started = opt, true
	s.running.Add(1)
	go s.run()
}

// Close ends it. What is being sent is waited for, for a moment; how far it is is kept, and
// another node may go on at once.
func (s *Sender) Close() {
	s.cancel()
	if s.started {
		s.running.Wait()
	}
}

// Observe is told of every batch that the node has committed.
func (s *Sender) Observe(set *ledger.Set) {
	if !set.Records.Changed() {
		return
	}
	set.Records.Changes(func(k ledger.RecordKey, r *ledger.Record, _ bool) {
		if k.Kind != ledger.RecordEndpoint || r == nil {
			return
		}
		if e, err := ledger.ReadEndpoint(r); err == nil {
			s.changed(&e)
		}
	})
}

// changed wakes whoever has to do with an endpoint's change.
func (s *Sender) changed(e *ledger.Endpoint) {
	s.mu.Lock()
	w := s.workers[e.ID]
	s.mu.Unlock()
	switch {
	case w != nil:
		w.look(e)
	case e.State == ledger.EndpointDeleted, e.State == ledger.EndpointEnabled && e.Node.IsZero():
		s.poke()
	}
}

func (s *Sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run finds endpoints to send to.
func (s *Sender) run() {
	defer s.running.Done()
	for s.ctx.Err() == nil {
		if err := s.look(); err != nil && s.ctx.Err() == nil {
			s.opt.Log.Warn("cannot look for endpoints", "error", err)
		}
		s.pause(s.opt.Look)
	}
}

// pause waits for so long, or until the sender is woken.
func (s *Sender) pause(d time.Duration) {
	over := make(chan struct{})
	stop := s.opt.Clock.AfterFunc(d, func() { close(over) })
	defer stop()
	select {
	case <-s.ctx.Done():
	case <-s.wake:
	case <-over:
	}
}

const pageSize = 200

// look goes through all endpoints.
func (s *Sender) look() error {
	self := s.opt.Self()
	if self.IsZero() {
		return nil
	}
	s.leave(self)
	page := ledger.Page{Limit: pageSize}
	for s.ctx.Err() == nil {
		rows, err := s.opt.Reader.Records(s.ctx, ledger.RecordFilter{Kind: ledger.RecordEndpoint}, page)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := s.see(self, &rows[i]); err != nil {
				return err
			}
		}
		if len(rows) < pageSize {
			break
		}
		page.Before = rows[len(rows)-1].ID
	}
	return nil
}

// leave ends what was begun by the node that the process was before it was taken for dead.
func (s *Sender) leave(self ledger.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		if w.node != self {
			w.end()
		}
	}
}

// see does what there is to do about an endpoint.
func (s *Sender) see(self ledger.ID, r *ledger.Record) error {
	e, err := ledger.ReadEndpoint(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	w := s.workers[e.ID]
	s.mu.Unlock()
	switch {
	case w != nil:
		w.look(&e)
	case e.State == ledger.EndpointDeleted:
		return s.purge(e.ID)
	case e.State == ledger.EndpointEnabled:
		return s.claim(self, &e)
	}
	return nil
}

// claim begins to send to an endpoint that no other node sends to.
func (s *Sender) claim(self ledger.ID, e *ledger.Endpoint) error {
	c := ledger.ClaimEndpoint{ID: e.ID, Node: self, Lease: s.opt.Lease}
	began := s.opt.Clock.Now()
	if other := e.Node; !other.IsZero() && other != self && e.Until > began.UnixMicro() {
		if !s.opt.Dead(other) {
			return nil
		}
		c.Dead = other
	}
	_, err := ledger.Do[ledger.Endpoint](s.ctx, s.opt.Book, c)
	if isRefusal(err) { // another was faster
		return nil
	}
	if err != nil {
		return err
	}
	w := newWorker(s, e.ID, self, began.Add(s.opt.Lease))
	s.mu.Lock()
	s.workers[e.ID] = w
	s.mu.Unlock()
	s.running.Add(1)
	go w.run()
	return nil
}

// ended is called by a worker at its end.
func (s *Sender) ended(w *worker) {
	s.mu.Lock()
	delete(s.workers, w.id)
	s.mu.Unlock()
	s.poke() // the endpoint may have been enabled meanwhile
	s.running.Done()
}

// purge removes what belongs to an endpoint that was deleted, some at a time.
func (s *Sender) purge(id ledger.ID) error {
	for s.ctx.Err() == nil {
		rows, err := s.opt.Reader.Records(s.ctx, ledger.RecordFilter{Kind: ledger.RecordDelivery, Parent: id}, ledger.Page{Limit: pageSize})
		if err != nil {
			return err
		}
		c := ledger.PurgeEndpoint{ID: id}
		for i := range rows {
			c.Deliveries = append(c.Deliveries, rows[i].RecordKey)
		}
		if _, err := s.opt.Book.Submit(s.ctx, ledger.Request{Command: c}); err != nil || len(rows) == 0 {
			return err
		}
	}
	return nil
}

func isRefusal(err error) bool {
	var refusal *ledger.Refusal
	return errors.As(err, &refusal)
}
