package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"bahi/api/client"
)

const (
	batchSize = 1000 // transfers in one request of the batch workload
	openers   = 64   // parties that are opened at once
	fillers   = 8    // callers that fill the book
)

// load is the callers of a run.
type load struct {
	cmd     *benchCmd
	profile *profile
	client  *client.Client // opens the parties
	caller  *caller        // makes the load
	banks   *benchBanks
	parties []string

	done, failed, beside, declined atomic.Int64
	firstError                     atomic.Pointer[string]
	measuring                      atomic.Bool
}

// prepare opens the parties, each with a bank account, and funds their wallets.
func (l *load) prepare(ctx context.Context) error {
	l.parties = make([]string, l.cmd.Parties)
	var next atomic.Int64
	errs := make(chan error, openers)
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
	bank := l.banks.of(n)
	party, err := l.client.OpenParty(ctx, client.OpenPartyParams{IdempotencyKey: fmt.Sprint("party-", n)}, client.NewParty{Name: fmt.Sprint("Party ", n), Kind: "person"})
	if err != nil {
		return err
	}
	l.parties[n] = party.ID
	link := func(name string, in client.NewInstrument) error {
		_, err := l.client.LinkInstrument(ctx, party.ID, client.LinkInstrumentParams{IdempotencyKey: fmt.Sprint(name, "-", n)}, in)
		return err
	}
	if err := link("account", client.NewInstrument{Kind: "bank_account", Account: client.BankAccount{Number: fmt.Sprintf("1%010d", n), IFSC: bank.IFSCPrefix + "0000001"}}); err != nil {
		return err
	}
	if l.cmd.Workload == "bank" {
		return nil
	}
	if err := link("wallet", client.NewInstrument{Kind: "wallet"}); err != nil {
		return err
	}
	return topUp(ctx, l.client, party.ID, fmt.Sprint("topup-", n), "50000.00")
}

// fill makes so many transfers, in large requests by several callers.
func (l *load) fill(transfers int) error {
	var next atomic.Int64
	errs := make(chan error, fillers)
	for range fillers {
		go func() {
			for {
				n := int(next.Add(batchSize)) - batchSize
				if n >= transfers {
					errs <- nil
					return
				}
				if err := l.batch(messageID(), n); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	var err error
	for range fillers {
		err = errors.Join(err, <-errs)
	}
	return err
}

// run drives the callers: one second to warm up, then the time that counts.
func (l *load) run(m *meter) *benchResult {
	ctx, cancel := context.WithCancel(context.Background())
	latencies := make([][]time.Duration, l.cmd.Concurrency)
	var callers sync.WaitGroup
	for n := range latencies {
		callers.Add(1)
		go func() {
			defer callers.Done()
			latencies[n] = l.repeat(ctx, n)
		}()
	}
	time.Sleep(time.Second)
	before, began := m.read(), time.Now()
	l.measuring.Store(true)
	l.profile.begin(l.cmd.Seconds)
	time.Sleep(time.Duration(l.cmd.Seconds) * time.Second)
	l.measuring.Store(false)
	took := time.Since(began)
	done, after := l.done.Load(), m.read()
	cancel()
	callers.Wait()

	all := slices.Concat(latencies...)
	slices.Sort(all)
	r := &benchResult{Engine: l.cmd.Engine, Workload: l.cmd.Workload, Concurrency: l.cmd.Concurrency, Seconds: took.Seconds(), Banks: l.cmd.Banks, Beside: l.beside.Load(), Declined: l.declined.Load(),
		Done: done, PerSecond: float64(done) / took.Seconds(), Errors: l.failed.Load()}
	if done > 0 {
		each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(done) }
		r.ServerCPU, r.DatabaseCPU, r.LoadCPU = each(after.server-before.server), each(after.database-before.database), each(after.load-before.load)
		r.Bytes = float64(after.stored-before.stored) / float64(done)
	}
	if len(all) > 0 {
		r.P50 = float64(all[len(all)/2].Microseconds()) / 1000
		r.P99 = float64(all[len(all)*99/100].Microseconds()) / 1000
	}
	if e := l.firstError.Load(); e != nil {
		r.FirstError = *e
	}
	return r
}

// repeat is one caller: a request after the other until ctx ends.
func (l *load) repeat(ctx context.Context, caller int) (latencies []time.Duration) {
	transfers := int64(1)
	if l.cmd.Workload == "batch" {
		transfers = batchSize
	}
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		err := l.request(messageID(), caller*7919+n*104729)
		switch {
		case !l.measuring.Load():
		case errors.Is(err, errBeside):
			l.beside.Add(1)
		case errors.Is(err, errDeclined):
			l.declined.Add(1)
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

// messageID is an idempotency key like those that chats have at hand: the ids of
// their messages, which are mostly ordered by time.
func messageID() string { return uuid.Must(uuid.NewV7()).String() }

// request does one request of the workload; n chooses who pays whom.
func (l *load) request(key string, n int) error {
	switch l.cmd.Workload {
	case "batch":
		return l.batch(key, n)
	case "bank":
		return l.bank(key, n)
	case "shop":
		return l.one("/v1/transfers", key, pay("wallet", l.parties[1+n%(len(l.parties)-1)], l.parties[0]))
	default:
		return l.one("/v1/transfers", key, l.body("wallet", n))
	}
}

func (l *load) body(kind string, n int) []byte {
	from, to := l.pair(n)
	return pay(kind, from, to)
}

func pay(kind, from, to string) []byte {
	return fmt.Appendf(nil, `{"payer":{"%s":"%s"},"payee":{"%s":"%s"},"amount":{"value":"1.00","currency":"INR"},"conversation":"bench"}`, kind, from, kind, to)
}

// pair spreads payers and payees evenly and never pairs a party with itself.
func (l *load) pair(n int) (from, to string) {
	f, t := l.pairOf(n)
	return l.parties[f], l.parties[t]
}

func (l *load) pairOf(n int) (from, to int) {
	from = n % len(l.parties)
	return from, (from + 1 + (n/len(l.parties))%(len(l.parties)-1)) % len(l.parties)
}

// one sends a transfer and waits until it is completed.
func (l *load) one(path, key string, body []byte) error {
	status, answer, err := l.caller.call(path, key, body)
	if err != nil {
		return err
	}
	if status != http.StatusCreated {
		return fmt.Errorf("status %d: %s", status, answer)
	}
	id := member(answer, "id")
	for state := member(answer, "state"); state != "completed"; state = member(answer, "state") {
		switch {
		case l.banks.profile != "":
			return errDeclined // or the bank is silent, which lasts for hours
		case state == "pending" || state == "debited":
		default:
			return fmt.Errorf("transfer %s is %s", id, state)
		}
		if status, answer, err = l.caller.call("/v1/transfers/"+id+"?wait=20", "", nil); err != nil || status != http.StatusOK {
			return fmt.Errorf("status %d: %s %w", status, answer, err)
		}
	}
	return nil
}

// member is the value of the first member of that name. Taking an answer apart
// properly would cost the cores more than the request did.
func member(answer []byte, name string) string {
	_, rest, _ := bytes.Cut(answer, []byte(`"`+name+`":"`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}

// batch sends batchSize transfers in one request; all must be completed.
func (l *load) batch(key string, n int) error {
	body := []byte(`{"transfers":[`)
	for i := range batchSize {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, l.body("wallet", n+i*31)...)
	}
	body = append(body, "]}"...)
	status, answer, err := l.caller.call("/v1/transfers/batch", key, body)
	if err != nil {
		return err
	}
	if done := bytes.Count(answer, []byte(`"state":"completed"`)); status != http.StatusOK || done != batchSize {
		return fmt.Errorf("status %d, %d of %d completed: %.200s", status, done, batchSize, answer)
	}
	return nil
}
