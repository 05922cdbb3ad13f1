package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"bahi/api"
	"bahi/api/client"
	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

type benchCmd struct {
	Engine      string  `help:"Storage engine." enum:"sqlite,postgres" default:"sqlite" env:"BAHI_BENCH_ENGINE"`
	Workload    string  `help:"wallet: wallet to wallet. shop: every wallet pays the same one. bank: bank to bank, settled. batch: wallet to wallet, 1,000 a request. log: what the log costs, and how fast it proves, is exported and verified. all: the suite, on PostgreSQL, with what each line is held against." enum:"wallet,shop,bank,batch,log,all" default:"wallet" env:"BAHI_BENCH_WORKLOAD"`
	Concurrency int     `help:"Callers at once." default:"256" env:"BAHI_BENCH_CONCURRENCY"`
	Seconds     int     `help:"How long to measure, after one second of warming up." default:"10" env:"BAHI_BENCH_SECONDS"`
	Parties     int     `help:"Between how many parties money moves." default:"1000" env:"BAHI_BENCH_PARTIES"`
	Book        int     `help:"Transfers in the book before the run; of the suite: in its line about a large book." env:"BAHI_BENCH_BOOK"`
	Banks       int     `help:"Workload bank: over so many simulated banks; 0: the four that come with Bahi." default:"0" env:"BAHI_BENCH_BANKS"`
	Hanging     int     `help:"Workload bank: measure twice, the second time while so many of the banks never answer. Payments from and to those are sent both times, and neither waited for nor counted." default:"0" env:"BAHI_BENCH_HANGING"`
	BankProfile string  `help:"Workload bank: banks that decline as those in India do, large, good or weak; a payment that they decline or do not answer is counted apart." enum:",large,good,weak" default:"" env:"BAHI_BENCH_BANK_PROFILE"`
	Limits      string  `help:"What every account may pay and receive: high, which no account reaches, but which is counted; or none, to see what the limits cost." enum:"high,none" default:"high" env:"BAHI_BENCH_LIMITS"`
	Pgbench     bool    `help:"Also run pgbench (TPC-B-like, scale 10, 64 clients) before and after, on a private PostgreSQL, and print the ratio." env:"BAHI_BENCH_PGBENCH"`
	Profile     string  `help:"Also write where the processor time goes into this directory: server.pprof and allocs.pprof for go tool pprof, and on PostgreSQL statements.txt." type:"path" env:"BAHI_BENCH_PROFILE"`
	JSON        bool    `help:"Print the result as one JSON object."`
	Leaves      int     `help:"Workload log: leaves of the tree in which proofs are timed." default:"10000000" env:"BAHI_BENCH_LEAVES"`
	unlogged    bool    // by a server that leaves the log out
	watchLag    bool    // of the log's seal
	where       storage // the book of the last run
}

// benchResult is what one run measured.
type benchResult struct {
	Engine      string  `json:"engine"`
	Workload    string  `json:"workload"`
	Concurrency int     `json:"concurrency"`
	Seconds     float64 `json:"seconds"`
	Done        int64   `json:"done"`
	PerSecond   float64 `json:"done_per_second"`
	P50         float64 `json:"p50_ms"` // of one request
	P99         float64 `json:"p99_ms"`
	Errors      int64   `json:"errors"`
	FirstError  string  `json:"first_error,omitempty"`
	ServerCPU   float64 `json:"server_cpu_us"`   // processor time of a transfer, microseconds
	DatabaseCPU float64 `json:"database_cpu_us"` // 0 where the database is in the server
	LoadCPU     float64 `json:"load_cpu_us"`
	Bytes       float64 `json:"bytes"` // of a transfer on the disk, with its indexes, without the log
	Verify      string  `json:"verify"`
	Banks       int     `json:"banks,omitempty"`
	Beside      int64   `json:"beside,omitempty"`   // payments from and to banks that can hang
	Declined    int64   `json:"declined,omitempty"` // payments that banks with a profile declined or did not answer
	Pgbench     float64 `json:"pgbench_per_second,omitempty"`
	Ratio       float64 `json:"ratio_to_pgbench,omitempty"`

	WithHanging *benchResult  `json:"with_hanging,omitempty"`
	lag         time.Duration // of the log's seal, at most
	Kept        float64       `json:"kept,omitempty"` // what of the throughput was left while they hung
}

// Validate is called by the parser.
func (c *benchCmd) Validate() error {
	switch {
	case c.Parties < 2:
		return errors.New("--parties: money moves between two at least")
	case c.Concurrency < 1:
		return errors.New("--concurrency: at least one caller")
	case c.Seconds < 1:
		return errors.New("--seconds: at least one")
	case (c.Banks != 0 || c.Hanging != 0 || c.BankProfile != "") && c.Workload != "bank":
		return errors.New("--banks, --hanging and --bank-profile: with --workload bank")
	case c.Banks < 0 || c.Banks > maxBenchBanks || c.Hanging < 0 || c.Hanging > 0 && c.Hanging >= c.Banks:
		return fmt.Errorf("--banks: up to %d, and more than --hanging", maxBenchBanks)
	}
	return nil
}

// Run measures one workload against a server in a process of its own.
func (c *benchCmd) Run() (err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "bahi-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	profile, err := newProfile(c.Profile)
	if err != nil {
		return err
	}
	var pg *pgtest.Server
	if c.Pgbench || c.Engine == "postgres" || c.Workload == "all" {
		if pg, err = pgtest.Start(ctx, profile.withStatements(durable)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pg.Close()) }()
	}
	if c.Pgbench || c.Workload == "all" {
		if err := initPgbench(pg); err != nil {
			return err
		}
	}
	if c.Workload == "all" {
		return c.suite(ctx, dir, pg)
	}
	if c.Workload == "log" {
		return c.benchLog(ctx, dir, pg)
	}
	yardstick := [2]float64{} // before and after: the machine may have changed meanwhile
	if c.Pgbench {
		if yardstick[0], err = runPgbench(pg, c.Seconds); err != nil {
			return err
		}
	}
	result, err := c.measure(ctx, dir, pg, profile)
	if err != nil {
		return err
	}
	if c.Pgbench {
		if yardstick[1], err = runPgbench(pg, c.Seconds); err != nil {
			return err
		}
		result.Pgbench = (yardstick[0] + yardstick[1]) / 2
		result.Ratio = result.PerSecond / result.Pgbench
	}
	if c.JSON {
		err = json.NewEncoder(os.Stdout).Encode(result)
	} else {
		result.print()
	}
	if err == nil && result.Verify != "ok" {
		err = errViolated
	}
	return err
}

func (c *benchCmd) measure(ctx context.Context, dir string, pg *pgtest.Server, profile *profile) (*benchResult, error) {
	store, err := c.newBook(ctx, filepath.Join(dir, "data"), pg)
	if err != nil {
		return nil, err
	}
	c.where = store
	var book *pgtest.Server // where the book is in it
	if c.Engine == "postgres" {
		book = pg
	}
	secret, err := newChatKey(store, "bench")
	if err != nil {
		return nil, err
	}
	watcher, err := newKey(store, ledger.Key{Role: ledger.RoleAuditor})
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	banks, err := newBenchBanks(dir, c)
	if err != nil {
		return nil, err
	}
	command := "serve"
	if c.unlogged {
		command = "serve-unlogged"
	}
	limits, err := c.limitsFile(dir)
	if err != nil {
		return nil, err
	}
	server, err := startAs(command, program, store, log, slices.Concat(profile.flags(), banks.args(), []string{"--limits", limits})...)
	if err != nil {
		said, _ := os.ReadFile(log.Name()) // the directory goes with this process
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	defer server.kill()
	l := &load{cmd: c, profile: profile, banks: banks, client: client.New(server.url, secret), caller: newCaller(server.url, secret, c.Concurrency)}
	if err := l.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing: %w", err)
	}
	if err := l.fill(c.Book); err != nil {
		return nil, fmt.Errorf("filling the book: %w", err)
	}
	m := &meter{server: server.cmd.Process.Pid, pg: book, book: store}
	watched := func() time.Duration { return 0 }
	if c.watchLag {
		watched = watchLag(server.url, watcher)
	}
	result := l.run(m)
	result.lag = watched()
	if c.Hanging > 0 {
		if err := l.hang(ctx, m, result); err != nil {
			return nil, err
		}
	}
	if err := profile.end(book, store.DatabaseURL); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := server.stop(); err != nil {
		return nil, fmt.Errorf("the server did not end well: %w", err)
	}
	if c.unlogged {
		return result, nil
	}
	result.Verify, err = verifyBook(store)
	return result, err
}

// limitsFile writes the limits of a run.
func (c *benchCmd) limitsFile(dir string) (path string, err error) {
	if c.Limits == noLimits {
		return noLimits, nil
	}
	path = filepath.Join(dir, "limits.yaml")
	return path, os.WriteFile(path, []byte(benchLimits), 0o600)
}

// benchLimits have every account's payments counted, and are never reached.
const benchLimits = `
default:
  to_person: {each: 100000000.00, sum: 100000000.00, count: 1000000000}
  to_merchant: {each: 100000000.00, sum: 100000000.00}
  received: {sum: 100000000.00, count: 1000000000}
  new_user: none
  wallet: {each: 100000000.00, balance: 100000000.00}
`

// newBook is the place of a new book on the engine.
func (c *benchCmd) newBook(ctx context.Context, dir string, pg *pgtest.Server) (s storage, err error) {
	s.Data = dir
	if c.Engine == "postgres" {
		s.DatabaseURL, err = pg.NewDatabase(ctx)
	}
	return s, err
}

// newChatKey makes a key for an app before the server starts.
func newChatKey(s storage, app string) (secret string, err error) {
	return newKey(s, ledger.Key{Role: ledger.RoleChat, App: app})
}

func newKey(s storage, key ledger.Key) (secret string, err error) {
	key.ID = ledger.NewID()
	secret, key.Hash = api.NewSecret(key.Role)
	return secret, createKey(s, key)
}

// verifyBook is "ok" or the first violation.
func verifyBook(s storage) (string, error) {
	ctx := context.Background()
	store, err := s.open(ctx)
	if err != nil {
		return "", err
	}
	defer store.Close()
	found := "ok"
	_, err = checkBook(ctx, store, nil, func(v ledger.Violation) {
		if found == "ok" {
			found = v.Rule + " " + v.Where + ": " + v.Detail
		}
	})
	return found, err
}

func (r *benchResult) print() {
	fmt.Printf("%-8s %-8s %8s %10s %12s %9s %9s %7s %7s\n", "engine", "workload", "callers", "done", "done/s", "p50 ms", "p99 ms", "errors", "verify")
	fmt.Printf("%-8s %-8s %8d %10d %12.0f %9.2f %9.2f %7d %7s\n", r.Engine, r.Workload, r.Concurrency, r.Done, r.PerSecond, r.P50, r.P99, r.Errors, r.Verify)
	fmt.Printf("processor time of a transfer: server %.0f µs, database %.0f µs, load %.0f µs; on the disk: %.0f bytes\n", r.ServerCPU, r.DatabaseCPU, r.LoadCPU, r.Bytes)
	if r.FirstError != "" {
		fmt.Println("first error:", r.FirstError)
	}
	if r.Declined > 0 {
		fmt.Printf("the banks declined %d payments, or did not answer\n", r.Declined)
	}
	if h := r.WithHanging; h != nil {
		fmt.Printf("while some of the %d banks hang: %.0f/s, which is %.1f%%; p50 %.2f ms, p99 %.2f ms, %d errors, server %.0f µs a transfer; beside those %d payments from and to banks that hang, and %d before\n",
			r.Banks, h.PerSecond, 100*r.Kept, h.P50, h.P99, h.Errors, h.ServerCPU, h.Beside, r.Beside)
	}
	if r.Pgbench > 0 {
		fmt.Printf("pgbench (TPC-B-like, scale 10, 64 clients): %.0f/s; ratio %.2f\n", r.Pgbench, r.Ratio)
	}
	fmt.Printf("load and server on the same %d cores; durable; %s\n", runtime.NumCPU(), runtime.Version())
}
