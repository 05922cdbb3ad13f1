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
	"sync"
	"sync/atomic"
	"time"

	"bahi/api"
	"bahi/ledger"
)

type benchCmd struct {
	Engine      string `help:"Storage engine." enum:"sqlite" default:"sqlite" env:"BAHI_BENCH_ENGINE"`
	Workload    string `help:"wallet: wallet to wallet. bank: bank to bank, settled. batch: wallet to wallet, 1,000 a request." enum:"wallet,bank,batch" default:"wallet" env:"BAHI_BENCH_WORKLOAD"`
	Concurrency int    `help:"Callers at once." default:"256" env:"BAHI_BENCH_CONCURRENCY"`
	Seconds     int    `help:"How long to measure, after one second of warming up." default:"10" env:"BAHI_BENCH_SECONDS"`
	Parties     int    `help:"Between how many parties money moves." default:"1000" env:"BAHI_BENCH_PARTIES"`
	Pgbench     bool   `help:"Also run pgbench (TPC-B-like, scale 10, 64 clients) on a private PostgreSQL and print the ratio." env:"BAHI_BENCH_PGBENCH"`
	JSON        bool   `help:"Print the result as one JSON object."`
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
	Verify      string  `json:"verify"`
	Pgbench     float64 `json:"pgbench_per_second,omitempty"`
	Ratio       float64 `json:"ratio_to_pgbench,omitempty"`
}

// batchSize is how many transfers one request of the batch workload holds.
const batchSize = 1000

// Validate is called by the parser.
func (c *benchCmd) Validate() error {
	switch {
	case c.Parties < 2:
		return errors.New("--parties: money moves between two at least")
	case c.Concurrency < 1:
		return errors.New("--concurrency: at least one caller")
	case c.Seconds < 1:
		return errors.New("--seconds: at least one")
	}
	return nil
}

// Run measures one workload against a server in a process of its own.
func (c *benchCmd) Run() error {
	dir, err := os.MkdirTemp("", "bahi-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	result, err := c.measure(dir)
	if err != nil {
		return err
	}
	if c.Pgbench {
		if result.Pgbench, err = runPgbench(c.Seconds); err != nil {
			return err
		}
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

func (c *benchCmd) measure(dir string) (*benchResult, error) {
	store := storage{Data: filepath.Join(dir, "data")}
	secret, err := newChatKey(store, "bench")
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
	server, err := startChild(program, store.Data, log)
	if err != nil {
		said, _ := os.ReadFile(log.Name()) // the directory goes with this process
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	defer server.kill()
	l := &load{cmd: c, client: newClient(server.url, secret, c.Concurrency)}
	if err := l.prepare(context.Background()); err != nil {
		return nil, fmt.Errorf("preparing: %w", err)
	}
	result := l.run()
	if err := server.stop(); err != nil {
		return nil, fmt.Errorf("the server did not end well: %w", err)
	}
	result.Verify, err = verifyBook(store)
	return result, err
}

// newChatKey makes a key for an app before the server starts.
func newChatKey(s storage, app string) (secret string, err error) {
	key := ledger.Key{ID: ledger.NewID(), Role: ledger.RoleChat, App: app}
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
	_, err = ledger.Verify(ctx, store, func(v ledger.Violation) {
		if found == "ok" {
			found = v.Rule + " " + v.Where + ": " + v.Detail
		}
	})
	return found, err
}

// load is the callers of a run.
type load struct {
	cmd     *benchCmd
	client  *client
	parties []string

	done, failed atomic.Int64
	firstError   atomic.Pointer[string]
	measuring    atomic.Bool
}

// prepare opens the parties, each with a bank account, and funds their wallets.
func (l *load) prepare(ctx context.Context) error {
	l.parties = make([]string, l.cmd.Parties)
	var next atomic.Int64
	errs := make(chan error, 64)
	for range cap(errs) {
		go func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(l.parties) {
					errs <- nil
					return
				}
				if err := l.open(ctx, n); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	var err error
	for range cap(errs) {
		err = errors.Join(err, <-errs)
	}
	return err
}

func (l *load) open(ctx context.Context, n int) error {
	bank := simulatedBanks[n%len(simulatedBanks)]
	var party struct {
		ID string `json:"id"`
	}
	if _, err := l.client.send(ctx, "POST", "/v1/parties", fmt.Sprint("party-", n), map[string]any{"name": fmt.Sprint("Party ", n), "kind": "person"}, &party); err != nil {
		return err
	}
	l.parties[n] = party.ID
	account := map[string]any{"kind": "bank_account", "account": map[string]any{"number": fmt.Sprintf("1%010d", n), "ifsc": bank.IFSCPrefix + "0000001"}}
	if _, err := l.client.send(ctx, "POST", "/v1/parties/"+party.ID+"/instruments", fmt.Sprint("account-", n), account, nil); err != nil {
		return err
	}
	if l.cmd.Workload == "bank" {
		return nil
	}
	if _, err := l.client.send(ctx, "POST", "/v1/parties/"+party.ID+"/instruments", fmt.Sprint("wallet-", n), map[string]any{"kind": "wallet"}, nil); err != nil {
		return err
	}
	return topUp(ctx, l.client, party.ID, fmt.Sprint("topup-", n), "50000.00")
}

// run drives the callers: one second to warm up, then the time that counts.
func (l *load) run() *benchResult {
	ctx, cancel := context.WithCancel(context.Background())
	latencies := make([][]time.Duration, l.cmd.Concurrency)
	var callers sync.WaitGroup
	for n := range latencies {
		callers.Add(1)
		go func() {
			defer callers.Done()
			latencies[n] = l.call(ctx, n)
		}()
	}
	time.Sleep(time.Second)
	began := time.Now()
	l.measuring.Store(true)
	time.Sleep(time.Duration(l.cmd.Seconds) * time.Second)
	l.measuring.Store(false)
	took := time.Since(began)
	done := l.done.Load()
	cancel()
	callers.Wait()

	all := slices.Concat(latencies...)
	slices.Sort(all)
	r := &benchResult{Engine: l.cmd.Engine, Workload: l.cmd.Workload, Concurrency: l.cmd.Concurrency, Seconds: took.Seconds(),
		Done: done, PerSecond: float64(done) / took.Seconds(), Errors: l.failed.Load()}
	if len(all) > 0 {
		r.P50 = float64(all[len(all)/2].Microseconds()) / 1000
		r.P99 = float64(all[len(all)*99/100].Microseconds()) / 1000
	}
	if e := l.firstError.Load(); e != nil {
		r.FirstError = *e
	}
	return r
}

// call is one caller: a request after the other until ctx ends.
func (l *load) call(ctx context.Context, caller int) (latencies []time.Duration) {
	transfers := int64(1)
	if l.cmd.Workload == "batch" {
		transfers = batchSize
	}
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		err := l.request(ctx, fmt.Sprintf("%d-%d", caller, n), caller*7919+n*104729)
		switch {
		case !l.measuring.Load():
		case err != nil:
			l.failed.Add(1)
			text := err.Error()
			l.firstError.CompareAndSwap(nil, &text)
		default:
			l.done.Add(transfers)
			latencies = append(latencies, time.Since(began))
		}
	}
	return latencies
}

// request does one request of the workload; n chooses who pays whom.
func (l *load) request(ctx context.Context, key string, n int) error {
	switch l.cmd.Workload {
	case "batch":
		return l.batch(ctx, key, n)
	case "bank":
		return l.one(ctx, key, l.body("party", n))
	default:
		return l.one(ctx, key, l.body("wallet", n))
	}
}

func (l *load) body(kind string, n int) []byte {
	from, to := l.pair(n)
	return fmt.Appendf(nil, `{"payer":{"%s":"%s"},"payee":{"%s":"%s"},"amount":{"value":"1.00","currency":"INR"},"conversation":"bench"}`, kind, from, kind, to)
}

// pair spreads payers and payees evenly and never pairs a party with itself.
func (l *load) pair(n int) (from, to string) {
	f := n % len(l.parties)
	t := (f + 1 + (n/len(l.parties))%(len(l.parties)-1)) % len(l.parties)
	return l.parties[f], l.parties[t]
}

func (l *load) one(ctx context.Context, key string, body []byte) error {
	a, err := l.client.call(ctx, "POST", "/v1/transfers", key, body)
	if err != nil {
		return err
	}
	var t transferAnswer
	if err := json.Unmarshal(a.body, &t); err != nil || a.status != 201 {
		return fmt.Errorf("status %d: %s", a.status, a.body)
	}
	return l.client.completed(ctx, t)
}

func (l *load) batch(ctx context.Context, key string, n int) error {
	body := []byte(`{"transfers":[`)
	for i := range batchSize {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, l.body("wallet", n+i*31)...)
	}
	body = append(body, "]}"...)
	a, err := l.client.call(ctx, "POST", "/v1/transfers/batch", key, body)
	if err != nil {
		return err
	}
	var answer struct {
		Results []struct {
			Transfer transferAnswer `json:"transfer"`
		} `json:"results"`
	}
	if err := json.Unmarshal(a.body, &answer); err != nil || a.status != 200 {
		return fmt.Errorf("status %d: %.200s", a.status, a.body)
	}
	for _, r := range answer.Results {
		if r.Transfer.State != "completed" {
			return fmt.Errorf("transfer %s is %s", r.Transfer.ID, r.Transfer.State)
		}
	}
	return nil
}

func (r *benchResult) print() {
	fmt.Printf("%-8s %-8s %8s %10s %12s %9s %9s %7s %7s\n", "engine", "workload", "callers", "done", "done/s", "p50 ms", "p99 ms", "errors", "verify")
	fmt.Printf("%-8s %-8s %8d %10d %12.0f %9.2f %9.2f %7d %7s\n", r.Engine, r.Workload, r.Concurrency, r.Done, r.PerSecond, r.P50, r.P99, r.Errors, r.Verify)
	if r.FirstError != "" {
		fmt.Println("first error:", r.FirstError)
	}
	if r.Pgbench > 0 {
		fmt.Printf("pgbench (TPC-B-like, scale 10, 64 clients): %.0f/s; ratio %.2f\n", r.Pgbench, r.Ratio)
	}
	fmt.Printf("load and server on the same %d cores; durable; %s\n", runtime.NumCPU(), runtime.Version())
}
