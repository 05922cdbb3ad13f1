package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/storetest"
)

// TestLinearizableOverHTTP has clients pay between wallets and look at them
// through two servers, one of which is killed in the middle: its clients go on at
// the other, under the same keys.
func TestLinearizableOverHTTP(t *testing.T) {
	t.Parallel()
	where := storage{Data: filepath.Join(t.TempDir(), "data"), DatabaseURL: pgtest.NewDatabase(t)}
	secret, err := newChatKey(where, "linear")
	if err != nil {
		t.Fatal(err)
	}
	log := &safeBuilder{}
	var servers []*child
	var clients []*rawClient
	for range 2 {
		server, err := startChild(shippedProgram(t), where, log, fastTimers...)
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		t.Cleanup(server.kill)
		servers, clients = append(servers, server), append(clients, newClient(server.url, secret, 8))
	}
	parties := people(t, clients[0], storetest.LinearWallets)
	var done atomic.Int64
	var dying sync.WaitGroup
	var nodes []storetest.Wallets
	for n := range servers {
		nodes = append(nodes, &httpWallets{parties: parties, clients: []*rawClient{clients[n], clients[1-n]}, done: func() {
			if done.Add(1) == 150 {
				dying.Go(servers[0].kill)
			}
		}})
	}
	storetest.Linearizable(t, 50_000_00, nodes...)
	dying.Wait()
	if !nodes[0].(*httpWallets).lost.Load() {
		t.Error("no client of the server that was killed went on at the other")
	}
	if err := servers[1].stop(); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
	mustHold(t, where)
}

// httpWallets are the wallets of parties as a client of a server sees them. When it
// gets no answer it asks the next one.
type httpWallets struct {
	parties []string
	clients []*rawClient
	done    func()
	lost    atomic.Bool // the first server
}

func (w *httpWallets) call(method, path, key string, body []byte, out any) (err error) {
	defer w.done()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		c := w.clients[0]
		if w.lost.Load() {
			c = w.clients[1]
		}
		var a answer
		a, err = c.call(context.Background(), method, path, key, body)
		switch {
		case err != nil:
			w.lost.Store(true)
		case a.status == http.StatusOK || a.status == http.StatusCreated:
			return json.Unmarshal(a.body, out)
		case a.status != http.StatusServiceUnavailable:
			return fmt.Errorf("answered %d: %s", a.status, a.body)
		}
	}
	return fmt.Errorf("no answer: %w", err)
}

func (w *httpWallets) Pay(from, to int, minor int64) (bool, error) {
	body := fmt.Appendf(nil, `{"payer":{"wallet":"%s"},"payee":{"wallet":"%s"},"amount":{"value":"%d.%02d","currency":"INR"}}`,
		w.parties[from], w.parties[to], minor/100, minor%100)
	var got transferAnswer
	err := w.call("POST", "/v1/transfers", messageID(), body, &got)
	if paid := got.State == "completed"; err != nil || paid {
		return paid, err
	}
	if string(got.Failure.Reason) != string(ledger.InsufficientFunds) {
		err = fmt.Errorf("transfer %s is %s: %s", got.ID, got.State, got.Failure.Reason)
	}
	return false, err
}

func (w *httpWallets) Balance(of int) (int64, error) {
	var got struct {
		Balance struct{ Value, Currency string } `json:"balance"`
	}
	if err := w.call("GET", "/v1/wallets/"+w.parties[of]+"?currency=INR", "", nil, &got); err != nil {
		return 0, err
	}
	amount, err := ledger.ParseAmount(got.Balance.Value, got.Balance.Currency)
	return amount.Minor, err
}
