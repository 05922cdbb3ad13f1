// Package api is Bahi's face to chat backends, banks, auditors and operators:
// HTTP after the contract in openapi.yaml. It knows the ledger and the banks and
// holds no rule about money.
package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/api/webhook"
	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/feed"
	"bahi/ledger/reconcile"
	"bahi/ledger/settle"
)

// Options are what a server works with.
type Options struct {
	Book       *ledger.Pipeline
	Reader     ledger.Reader
	Registry   *banks.Registry
	Dispatcher *banks.Dispatcher
	Policy     *ledger.Policy   // of the book
	Schedule   *settle.Schedule // of settlement; nil: UPI's
	Memory     time.Duration    // how long it may be remembered whom an address leads to; other nodes' changes are seen after it
	Witnesses  audit.Witnesses  // of the log
	Feed       *feed.Publisher  // tells who waits of events; nil: nobody does
	Webhooks   *webhook.Sender  // sends events; nil: there are no webhooks
	Heartbeat  time.Duration    // how often a stream of events says that it lives; default 15 s
	Patience   time.Duration    // how long its reader may take to read a piece; default 30 s
	Now        func() time.Time
	Log        *slog.Logger
}

// Server answers HTTP requests.
type Server struct {
	book       *ledger.Pipeline
	reader     ledger.Reader
	registry   *banks.Registry
	dispatcher *banks.Dispatcher
	policy     *ledger.Policy
	desk       *reconcile.Desk
	settlement settle.Desk
	witnesses  audit.Witnesses
	resolver   *resolver
	contract   *contract
	now        func() time.Time
	log        *slog.Logger
	keys       *keyring
	watch      *watch
	metrics    *metrics
	accesses   *accesses
	rrn        rrnCounter
	feed       *feed.Publisher
	readers    readers // who waits for events
	webhooks   *webhook.Sender
	heartbeat  time.Duration
	patience   time.Duration
	http       *http.Server
	stopping   chan struct{} // closed by Shutdown
	stop       func()
	runs       sync.WaitGroup // of the reconciliation
	uploads    chan struct{}  // holds as many as there are
	reports    chan struct{}  // likewise
	exports    chan struct{}  // likewise
}

// Bounds of one connection and one request.
const (
	maxHeader      = 16 << 10 // bytes
	headerTimeout  = 5 * time.Second
	requestTimeout = 30 * time.Second // to read a request; also how long a commit is waited for
	maxWait        = 30 * time.Second // of GET /v1/transfers/{id}?wait=
	writeTimeout   = requestTimeout + maxWait + 10*time.Second
)

// New makes a server. The pipeline's observer must call Observe.
func New(opt Options) (*Server, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Schedule == nil {
		opt.Schedule = settle.UPI()
	}
	s := &Server{book: opt.Book, settlement: settle.Desk{Book: opt.Book, Reader: opt.Reader, Schedule: opt.Schedule}, reader: opt.Reader, registry: opt.Registry, dispatcher: opt.Dispatcher,
		resolver: &resolver{reader: opt.Reader, look: gather{reader: opt.Reader}, banks: opt.Registry, now: opt.Now, memory: opt.Memory, seen: map[query]rememberedPlace{}},
		now:      opt.Now, log: opt.Log, keys: newKeyring(opt.Reader, opt.Now), watch: newWatch(opt.Now)}
	if opt.Feed == nil {
		opt.Feed = feed.New()
	}
	if opt.Webhooks == nil {
		opt.Webhooks = webhook.New(nil, false)
	}
	s.policy, s.witnesses = opt.Policy, opt.Witnesses
	s.feed, s.readers.of, s.webhooks = opt.Feed, map[string]int{}, opt.Webhooks
	s.heartbeat, s.patience = cmp.Or(opt.Heartbeat, 15*time.Second), cmp.Or(opt.Patience, 30*time.Second)
	s.desk = &reconcile.Desk{Book: s.book, Reader: s.reader, Policy: s.policy, Now: s.now, RRN: func() string { return s.rrn.next(s.now()) }}
	s.stopping, s.uploads = make(chan struct{}), make(chan struct{}, maxUploads)
	s.reports = make(chan struct{}, maxReports)
	s.exports = make(chan struct{}, maxExports)
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	s.rrn.n.Store(rand.Uint32N(1_000_000)) // a restart within the hour must not begin with the same numbers
	s.metrics = newMetrics(s)
	s.accesses = &accesses{book: s.book, reader: s.reader, log: s.log}
	var err error
	if s.contract, err = loadContract(); err != nil {
		return nil, err
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.handleError
	e.IPExtractor = echo.ExtractIPDirect() // no header of a caller says who it is
	e.Use(s.identify, s.metrics.middleware, recovered, s.guard)
	RegisterHandlers(e, s)
	s.http = &http.Server{Handler: e, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(opt.Log.Handler(), slog.LevelDebug)}
	return s, nil
}

// Observe keeps the server's memory in step with a batch that was committed.
func (s *Server) Observe(set *ledger.Set) {
	s.keys.observe(set)
	s.resolver.observe(set)
	s.watch.observe(set)
	s.metrics.observe(set)
}

// Handler answers requests without a listener, for tests.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Serve answers requests until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown refuses new connections and waits for the requests under way. Those
// that wait for a bank are answered at once, with what there is.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	defer s.runs.Wait()
	defer s.accesses.close(ctx)
	return s.http.Shutdown(ctx)
}
