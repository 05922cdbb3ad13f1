package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // served with --pprof only
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"bahi/ledger"
)

type serveCmd struct {
	storage
	timers
	Banks       string       `help:"File that lists the banks, read again when it changes and at a SIGHUP; without one there are four simulated banks." env:"BAHI_BANKS" type:"path"`
	Settlement  string       `help:"File with the windows and fees of settlement; without one they are UPI's." env:"BAHI_SETTLEMENT" type:"path"`
	Limits      string       `help:"File that says how much may be paid and how often, or none; without one India's limits are in force, in the demo but for new users." env:"BAHI_LIMITS"`
	Listen      string       `help:"Address to serve on." default:"127.0.0.1:8080" env:"BAHI_LISTEN"`
	Demo        bool         `help:"Seed demo people, banks and keys on the first start, and print lines to paste." env:"BAHI_DEMO"`
	BankProfile string       `help:"With --demo, banks that decline as those in India do: large, good or weak. In a banks file each bank has its own." enum:",large,good,weak" default:"" env:"BAHI_BANK_PROFILE"`
	MaxQueue    int          `help:"Commands that may wait for a commit; more are refused with 503." default:"16384" env:"BAHI_MAX_QUEUE"`
	RemoteBank  []remoteBank `help:"Also drive this bank, whose own process comes for its instructions." placeholder:"CODE:IFSC:handle,…" sep:"none" env:"BAHI_REMOTE_BANK"`
	LogOrigin   string       `help:"The name of the log in what it signs, best a URL without its scheme; kept for good from the first start on. Without it the log gets a name of its own." env:"BAHI_LOG_ORIGIN"`
	Witness     []string     `help:"Verifier key of a witness, whose cosignatures of the log are taken." placeholder:"VKEY" sep:"none" env:"BAHI_WITNESS"`
	PrivateHook bool         `name:"webhooks-allow-private" help:"Send webhooks to private addresses too, and without TLS: for tests and the demo. Who may make webhooks then reaches whatever this machine does." env:"BAHI_WEBHOOKS_ALLOW_PRIVATE"`
	LogLevel    slog.Level   `help:"Least level to log: debug, info, warn, error." default:"info" env:"BAHI_LOG_LEVEL"`
	Pprof       string       `help:"Address to serve profiles on; off when empty." env:"BAHI_PPROF"`
	unlogged    bool         // see benchServeCmd
}

// Validate is called by the parser.
func (c *serveCmd) Validate() error {
	if c.Demo && c.Banks != "" {
		return errors.New("--demo has banks of its own: leave --banks out")
	}
	if !c.Demo && c.BankProfile != "" {
		return errors.New("--bank-profile: with --demo; in a banks file each bank has its own")
	}
	return errors.Join(c.storage.Validate(), c.rules.Validate())
}

// Run serves until SIGINT or SIGTERM.
func (c *serveCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	log, flush := newLog(os.Stderr, c.LogLevel)
	defer flush()
	slog.SetDefault(log)
	if os.Getenv("GOGC") == "" {
		// The heap that lives is small: collected less often, wallets do a twentieth more a second.
		debug.SetGCPercent(400)
	}
	if c.Pprof != "" {
		go func() { log.Error("pprof", "error", http.ListenAndServe(c.Pprof, nil)) }()
	}
	policy := c.policy()
	var err error
	if policy.Limits, err = c.limits(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen) // first: a node that cannot listen must not drive banks
	if err != nil {
		return fmt.Errorf("cannot serve on %s: %w", c.Listen, err)
	}
	n, err := openNode(ctx, nodeConfig{storage: c.storage, banksFile: c.Banks, settlementFile: c.Settlement, remote: c.RemoteBank, policy: policy, maxQueue: c.MaxQueue, unlogged: c.unlogged, logOrigin: c.LogOrigin, witnesses: c.Witness, privateHooks: c.PrivateHook, log: log})
	if err != nil {
		l.Close()
		return err
	}
	served := make(chan error, 1)
	go func() { served <- n.serve(ctx, l) }()
	url := "http://" + l.Addr().String()
	fmt.Println(readyLine + url)
	if c.Demo {
		if err := seedDemo(ctx, n, c.Data, url, os.Stdout); err != nil && ctx.Err() == nil {
			stop()
			<-served
			return fmt.Errorf("demo: %w", err)
		}
		n.behave(c.BankProfile)
	}
	return <-served
}

// limits are those that are in force.
func (c *serveCmd) limits() (*ledger.Limits, error) {
	if c.Demo && c.Limits == "" {
		return demoLimits(), nil
	}
	return readLimits(c.Limits)
}

// readyLine begins the line that says where the server listens. Programs that
// start a server wait for it.
const readyLine = "bahi is listening on "
