package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"bahi/api/client"
)

// wire is the network between a client and the server: it can lose answers on the way.
type wire struct {
	requests atomic.Int64
	answer   func(n int64, q *http.Request) (*http.Response, error) // instead of the server's, unless nil
	lose     func(n int64) bool                                     // whether the answer to the request is lost
	through  http.RoundTripper
}

var errLost = errors.New("the connection was cut")

func (w *wire) RoundTrip(q *http.Request) (*http.Response, error) {
	n := w.requests.Add(1)
	if w.answer != nil {
		if a, err := w.answer(n, q); a != nil || err != nil {
			return a, err
		}
	}
	a, err := w.through.RoundTrip(q)
	if err == nil && w.lose != nil && w.lose(n) {
		_, _ = io.Copy(io.Discard, a.Body)
		a.Body.Close()
		return nil, errLost
	}
	return a, err
}

// over is a client of the stack's chat a over a wire.
func (s *stack) over(w *wire, patience time.Duration) *client.Client {
	w.through = s.client.Transport
	return client.New("http://"+s.addr, s.keys[chatA], client.HTTP(&http.Client{Transport: w}), client.Patience(patience))
}

// opened makes a party with a wallet that holds something.
func opened(t *testing.T, s *stack, c *client.Client, name, number string) string {
	t.Helper()
	ctx := t.Context()
	p, err := c.OpenParty(ctx, client.OpenPartyParams{}, client.NewParty{Name: name, Kind: client.PartyKindPerson})
	check(t, err)
	for _, in := range []client.NewInstrument{{Kind: "wallet"}, {Kind: "bank_account", Account: client.BankAccount{Number: number, IFSC: "NRMD0000001"}}} {
		_, err = c.LinkInstrument(ctx, p.ID, client.LinkInstrumentParams{}, in)
		check(t, err)
	}
	top, err := c.TopUp(ctx, p.ID, client.TopUpParams{Wait: 20}, client.NewWalletTransfer{Amount: client.INR("1000.00")})
	check(t, err)
	if top, err = c.Await(ctx, top); err != nil || top.State != client.TransferStateCompleted {
		t.Fatalf("the wallet is not filled: %+v, %v", top, err)
	}
	return p.ID
}

// TestClientPaysOnce: every second answer is lost, and what was asked for is done once.
func TestClientPaysOnce(t *testing.T) {
	s := start(t)
	w := &wire{}
	c := s.over(w, 30*time.Second)
	asha, ravi := opened(t, s, c, "Asha", "100000000001"), opened(t, s, c, "Ravi", "100000000002")
	w.lose = func(n int64) bool { return n%2 == 1 }
	w.requests.Store(0)
	amount := client.INR("1.00")
	const payments = 20
	for range payments {
		in := client.NewTransfer{Payer: client.ByWallet(asha), Payee: client.ByWallet(ravi), Amount: &amount, Conversation: "lost"}
		if paid, err := c.CreateTransfer(t.Context(), client.CreateTransferParams{}, in); err != nil || paid.State != client.TransferStateCompleted {
			t.Fatalf("%+v, %v", paid, err)
		}
	}
	if n := w.requests.Load(); n != 2*payments {
		t.Errorf("%d requests for %d payments whose first answer is lost", n, payments)
	}
	w.lose = nil
	list, err := c.ListTransfers(t.Context(), client.ListTransfersParams{Conversation: "lost", Limit: 200})
	check(t, err)
	if len(list.Data) != payments {
		t.Errorf("%d transfers were made, %d were asked for", len(list.Data), payments)
	}
	if got, err := c.GetWallet(t.Context(), asha, client.GetWalletParams{Currency: "INR"}); err != nil || got.Balance.Value != "980.00" {
		t.Errorf("the wallet holds %+v, %v", got.Balance, err)
	}
}

// TestClientGivesUp: it goes on only while that is safe and of use.
func TestClientGivesUp(t *testing.T) {
	s := start(t)
	reply := func(status int, header http.Header) func(int64, *http.Request) (*http.Response, error) {
		return func(_ int64, q *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: header, Body: http.NoBody, Request: q}, nil
		}
	}
	amount := client.INR("1.00")
	in := client.NewTransfer{Payer: client.ByHandle("nobody"), Payee: client.ByHandle("nobody"), Amount: &amount}
	for name, c := range map[string]struct {
		answer   func(int64, *http.Request) (*http.Response, error)
		patience time.Duration
		requests int64
		code     string
		status   int
	}{
		"a refusal is final":             {nil, time.Minute, 1, "party_not_found", 404},
		"a bad gateway is tried again":   {reply(502, nil), 200 * time.Millisecond, 2, "", 502},
		"without patience it is not":     {reply(502, nil), 0, 1, "", 502},
		"nor when the pause is too long": {reply(503, http.Header{"Retry-After": {"30"}}), 5 * time.Second, 1, "", 503},
		"a proxy's no is final":          {reply(407, nil), time.Minute, 1, "", 407},
		"too many requests are put off":  {reply(429, nil), 200 * time.Millisecond, 2, "", 429},
		"nor is what says nothing":       {reply(304, nil), time.Minute, 1, "", 304},
	} {
		t.Run(name, func(t *testing.T) {
			keys := map[string]bool{}
			w := &wire{}
			w.answer = func(n int64, q *http.Request) (*http.Response, error) {
				keys[q.Header.Get("Idempotency-Key")] = true
				if c.answer == nil {
					return nil, nil
				}
				return c.answer(n, q)
			}
			_, err := s.over(w, c.patience).CreateTransfer(t.Context(), client.CreateTransferParams{}, in)
			var no *client.Error
			if !errors.As(err, &no) || no.Code != c.code || no.Status != c.status || client.Code(err) != c.code {
				t.Errorf("the answer is %v", err)
			}
			if n := w.requests.Load(); n < c.requests || c.requests == 1 && n > 1 {
				t.Errorf("%d requests, expected %d", n, c.requests)
			}
			if len(keys) != 1 || keys[""] {
				t.Errorf("under the keys %v", keys)
			}
		})
	}
	t.Run("a caller that gives up", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := s.over(&wire{answer: reply(503, nil)}, time.Minute).CreateTransfer(ctx, client.CreateTransferParams{}, in)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
	t.Run("what makes something and has no key is sent once", func(t *testing.T) {
		w := &wire{lose: func(int64) bool { return true }}
		if _, err := s.over(w, time.Minute).CreateKey(t.Context(), client.NewKey{Role: "chat", App: "a"}); !errors.Is(err, errLost) || w.requests.Load() != 1 {
			t.Errorf("%d requests: %v", w.requests.Load(), err)
		}
	})
}

// TestClientReads: what an operation answers with is there, whatever its form.
func TestClientReads(t *testing.T) {
	s := start(t)
	c := client.New("http://"+s.addr+"/", s.keys[auditor])
	banks, err := c.ListBanks(t.Context())
	if err != nil || len(banks.Data) == 0 {
		t.Errorf("%+v, %v", banks, err)
	}
	if _, err := c.GetAccount(t.Context(), "bank:NRMD:clearing/x", client.GetAccountParams{}); client.Code(err) != "account_not_found" {
		t.Errorf("an account that is not there: %v", err)
	}
	metrics, err := client.New("http://"+s.addr, s.keys[operator]).Metrics(t.Context())
	check(t, err)
	defer metrics.Close()
	if b, err := io.ReadAll(metrics); err != nil || len(b) == 0 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
