package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"bahi/api"
	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// timers are the policy of a transfer's life as flags.
type timers struct {
	SubmitTimeout time.Duration   `help:"How long a bank may take to answer a debit or a credit." default:"15s" env:"BAHI_SUBMIT_TIMEOUT"`
	CheckTimeout  time.Duration   `help:"How long a bank may take to answer a status check or a reversal." default:"10s" env:"BAHI_CHECK_TIMEOUT"`
	TakeOver      time.Duration   `help:"How long after its time-out an instruction without a result is taken up again." default:"15s" env:"BAHI_TAKE_OVER"`
	QueueLimit    time.Duration   `help:"How long a debit may wait to be sent before it expires." default:"15s" env:"BAHI_QUEUE_LIMIT"`
	Checks        []time.Duration `help:"When a silent bank is asked for the outcome, since the instruction was made." default:"90s,15m,2h" env:"BAHI_CHECKS"`
	Reversals     []time.Duration `help:"When a reversal is tried again, since it was made." default:"90s,15m,2h" env:"BAHI_REVERSALS"`
	DecideAfter   time.Duration   `help:"How long a transfer may stay in doubt before it must be decided." default:"24h" env:"BAHI_DECIDE_AFTER"`
}

func (t timers) policy() *ledger.Policy {
	return &ledger.Policy{Submit: t.SubmitTimeout, Check: t.CheckTimeout, Takeover: t.TakeOver, QueueLimit: t.QueueLimit,
		Checks: t.Checks, Reversals: t.Reversals, DecideAfter: t.DecideAfter}
}

// nodeConfig is what a node is made from.
type nodeConfig struct {
	storage  storage
	policy   *ledger.Policy
	maxQueue int
	remote   []remoteBank
	log      *slog.Logger
}

// node is a whole Bahi: the book, its pipeline, the banks and the HTTP server.
type node struct {
	lock       *os.File
	store      ledger.Store
	book       *ledger.Pipeline
	banks      []*sim.Bank
	dispatcher *banks.Dispatcher
	server     *api.Server
}

// openNode opens the book and goes on with what an earlier run left open.
func openNode(ctx context.Context, cfg nodeConfig) (n *node, err error) {
	n = &node{}
	defer func() {
		if err != nil {
			n.close(ctx)
		}
	}()
	if n.lock, err = cfg.storage.lock(); err != nil {
		return n, err
	}
	if n.store, err = cfg.storage.open(ctx); err != nil {
		return n, err
	}
	registry, err := n.openBanks(cfg)
	if err != nil {
		return n, err
	}
	n.dispatcher = banks.NewDispatcher(registry)
	n.book = ledger.NewPipeline(n.store, ledger.PipelineOptions{MaxQueue: cfg.maxQueue, Policy: cfg.policy, Log: cfg.log, Observer: n.observe})
	n.server, err = api.New(api.Options{Book: n.book, Reader: n.store, Registry: registry, Dispatcher: n.dispatcher, Memory: cfg.storage.memory(), Log: cfg.log})
	if err != nil {
		return n, err
	}
	for _, b := range n.banks {
		b.SetReporter(n.dispatcher)
	}
	// From here on batches are committed and observed.
	n.dispatcher.Start(banks.Options{Book: n.book, Reader: n.store, Policy: cfg.policy, Clock: banks.WallClock{},
		Sole: !cfg.storage.shared(), Log: cfg.log})
	return n, nil
}

// observe hands a committed batch to whoever lives on it.
func (n *node) observe(set *ledger.Set) {
	n.dispatcher.Observe(set)
	n.server.Observe(set)
}

// openBanks opens the simulated banks, each with a book of its own, beside those
// that processes of their own drive.
func (n *node) openBanks(cfg nodeConfig) (*banks.Registry, error) {
	list := openRemote(cfg.remote)
	for _, b := range simulatedBanks {
		bank, err := sim.Open(sim.Config{Code: b.Code, Path: filepath.Join(cfg.storage.Data, "bank-"+b.Code+".jsonl"),
			Clock: banks.WallClock{}, OpeningBalance: openingBalance})
		if err != nil {
			return nil, fmt.Errorf("simulated bank %s: %w", b.Code, err)
		}
		n.banks = append(n.banks, bank)
		b.Adapter = bank
		list = append(list, b)
	}
	return banks.NewRegistry(list)
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
	if n.dispatcher != nil {
		n.dispatcher.Close()
	}
	for _, b := range n.banks {
		if err := b.Close(); err != nil {
			slog.Warn("simulated bank", "error", err)
		}
	}
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
