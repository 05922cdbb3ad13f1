package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"bahi/api"
	"bahi/api/webhook"
	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/agenda"
	"bahi/ledger/audit"
	"bahi/ledger/feed"
)

// timers are the policy of a transfer's life, and the rules of its reconciliation, as flags.
type timers struct {
	rules
	SubmitTimeout time.Duration   `help:"How long a bank may take to answer a debit or a credit." default:"15s" env:"BAHI_SUBMIT_TIMEOUT"`
	CheckTimeout  time.Duration   `help:"How long a bank may take to answer a status check or a reversal." default:"10s" env:"BAHI_CHECK_TIMEOUT"`
	TakeOver      time.Duration   `help:"How long after its time-out an instruction without a result is taken up again." default:"15s" env:"BAHI_TAKE_OVER"`
	QueueLimit    time.Duration   `help:"How long a debit may wait to be sent before it expires." default:"15s" env:"BAHI_QUEUE_LIMIT"`
	Checks        []time.Duration `help:"When a silent bank is asked for the outcome, since the instruction was made." default:"90s,15m,2h" env:"BAHI_CHECKS"`
	Reversals     []time.Duration `help:"When a reversal is tried again, since it was made." default:"90s,15m,2h" env:"BAHI_REVERSALS"`
	RemindEvery   time.Duration   `help:"How long after a reminder of a request for money there may be another one." default:"1h" env:"BAHI_REMIND_EVERY"`
	RemindDaily   int             `help:"How many such reminders there may be within 24 hours." default:"3" env:"BAHI_REMIND_DAILY"`
	DecideAfter   time.Duration   `help:"How long a transfer may stay in doubt before it must be decided." default:"24h" env:"BAHI_DECIDE_AFTER"`
	PotExpiry     time.Duration   `help:"How long money for a phone that is not registered, or in a red packet, may be claimed." default:"24h" env:"BAHI_POT_EXPIRY"`
}

func (t timers) policy() *ledger.Policy {
	p := &ledger.Policy{Submit: t.SubmitTimeout, Check: t.CheckTimeout, Takeover: t.TakeOver, QueueLimit: t.QueueLimit,
		Checks: t.Checks, Reversals: t.Reversals, DecideAfter: t.DecideAfter, RemindEvery: t.RemindEvery, RemindDaily: t.RemindDaily, PotLasts: t.PotExpiry}
	t.apply(p)
	return p
}

// nodeConfig is what a node is made from.
type nodeConfig struct {
	storage        storage
	banksFile      string // empty: the simulated banks
	settlementFile string // empty: UPI's windows
	remote         []remoteBank
	policy         *ledger.Policy
	maxQueue       int
	unlogged       bool     // see ledger.PipelineOptions
	logOrigin      string   // the name of the log; empty: any
	witnesses      []string // of the log: verifier keys
	privateHooks   bool     // webhooks may be sent to private addresses, and without TLS
	log            *slog.Logger
}

// node is a whole Bahi: the book, its pipeline, the banks and the HTTP server.
type node struct {
	data       string // the directory
	policy     *ledger.Policy
	lock       *os.File
	store      ledger.Store
	book       *ledger.Pipeline
	banks      *bankSet
	caps       capSet
	unwatch    func() // ends the watch over the banks file
	dispatcher *banks.Dispatcher
	sealer     *audit.Sealer
	server     *api.Server
	agenda     *agenda.Agenda
	feed       *feed.Publisher
	webhooks   *webhook.Sender
}

// openNode opens the book and goes on with what an earlier run left open.
func openNode(ctx context.Context, cfg nodeConfig) (n *node, err error) {
	n = &node{data: cfg.storage.Data, policy: cfg.policy, sealer: audit.NewSealer(), agenda: agenda.New(), feed: feed.New()}
	defer func() {
		if err != nil {
			n.close(ctx)
		}
	}()
	schedule, err := readSchedule(cfg.settlementFile)
	if err != nil {
		return n, err
	}
	witnesses, err := audit.ReadWitnesses(cfg.witnesses)
	if err != nil {
		return n, fmt.Errorf("--witness: %w", err)
	}
	if n.lock, err = cfg.storage.lock(); err != nil {
		return n, err
	}
	if n.store, err = cfg.storage.open(ctx); err != nil {
		return n, err
	}
	wrapper, err := cfg.storage.wrapper()
	if err != nil {
		return n, err
	}
	n.webhooks = webhook.New(wrapper, cfg.privateHooks)
	registry, err := banks.NewRegistry(nil)
	if err != nil {
		return n, err
	}
	n.dispatcher = banks.NewDispatcher(registry)
	n.banks = &bankSet{node: n, path: cfg.banksFile, beside: remoteEntries(cfg.remote), registry: registry, open: map[string]*opened{}, log: cfg.log}
	if err := n.banks.load(); err != nil {
		return n, err
	}
	if err := n.caps.refresh(ctx, n.store, registry.All()); err != nil {
		return n, err
	}
	n.book = ledger.NewPipeline(n.store, ledger.PipelineOptions{MaxQueue: cfg.maxQueue, Policy: cfg.policy, Caps: n.caps.load, Log: cfg.log, Observer: n.observe, Unlogged: cfg.unlogged})
	n.server, err = api.New(api.Options{Book: n.book, Reader: n.store, Registry: registry, Dispatcher: n.dispatcher, Policy: cfg.policy, Schedule: schedule, Memory: cfg.storage.memory(), Witnesses: witnesses, Feed: n.feed, Webhooks: n.webhooks, Log: cfg.log})
	if err != nil {
		return n, err
	}
	// From here on batches are committed and observed.
	n.dispatcher.Start(banks.Options{Book: n.book, Reader: n.store, Policy: cfg.policy, Clock: banks.WallClock{},
		Sole: !cfg.storage.shared(), Log: cfg.log})
	n.agenda.Start(agenda.Options{Reader: n.store, Handlers: n.server.Handlers(), Clock: banks.WallClock{}, Log: cfg.log})
	n.feed.Start(feed.Options{Book: n.book, Reader: n.store, Clock: banks.WallClock{}, Log: cfg.log})
	n.webhooks.Start(webhook.Options{Book: n.book, Reader: n.store, Feed: n.feed, Render: n.server.RenderEvents,
		Self: n.dispatcher.Node, Dead: n.dispatcher.Dead, Clock: banks.WallClock{}, Log: cfg.log})
	n.watchBanks()
	return n, n.sealLog(ctx, cfg)
}

// watchBanks keeps the banks as their file has them.
func (n *node) watchBanks() {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); n.banks.watch(ctx) }()
	n.unwatch = func() { cancel(); <-over }
}

// longestCall is for how long an adapter may be called at most: one that is asked
// for the status of what it has not seen is sent it at once.
func (n *node) longestCall() time.Duration { return n.policy.Check + n.policy.Submit + time.Second }

// observe hands a committed batch to whoever lives on it.
func (n *node) observe(set *ledger.Set) {
	n.dispatcher.Observe(set)
	n.sealer.Observe(set)
	n.server.Observe(set)
	n.agenda.Observe(set)
	n.feed.Observe(set)
	n.webhooks.Observe(set)
}

// serve answers requests on the listener until ctx ends, then closes the node:
// every request that was accepted is answered or refused before it returns.
func (n *node) serve(ctx context.Context, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- n.server.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	n.close(context.WithoutCancel(ctx))
	return err
}

// shutdownGrace is how long requests under way may take once a stop was asked for.
const shutdownGrace = 20 * time.Second

func (n *node) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	if n.server != nil {
		if err := n.server.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			slog.Warn("requests were cut off", "error", err)
		}
	}
	n.agenda.Close()
	n.feed.Close()
	if n.webhooks != nil {
		n.webhooks.Close()
	}
	if n.unwatch != nil {
		n.unwatch()
	}
	if n.dispatcher != nil {
		n.dispatcher.Close()
	}
	if n.banks != nil {
		n.banks.closeAll()
	}
	n.sealer.Close(ctx)
	if n.book != nil {
		n.book.Close()
	}
	if n.store != nil {
		if err := n.store.Close(); err != nil {
			slog.Warn("book", "error", err)
		}
	}
	if n.lock != nil {
		n.lock.Close()
	}
}
