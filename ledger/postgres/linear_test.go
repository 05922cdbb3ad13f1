package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
)

const linearWallets = 3

// linearInput is one operation: a payment, or with amount 0 a look at a balance.
type linearInput struct {
	from, to int
	amount   int64
}

// balances is the whole state of the model.
type balances [linearWallets]int64

// ledgerModel is what the wallets do when one operation comes after the other.
func ledgerModel(opening int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			var b balances
			for i := range b {
				b[i] = opening
			}
			return b
		},
		Step: func(state, input, output any) (bool, any) {
			b, in, out := state.(balances), input.(linearInput), output.(int64)
			switch {
			case in.amount == 0:
				return out == b[in.from], b
			case b[in.from] < in.amount:
				return out == 0, b
			}
			b[in.from] -= in.amount
			b[in.to] += in.amount
			return out == in.amount, b
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %d", input, output) },
	}
}

// TestLinearizable has clients pay between few wallets and look at them, through
// two nodes: there is an order of all operations, each between its call and its
// return, in which one after the other would have answered the same.
func TestLinearizable(t *testing.T) {
	const opening, clients, each = 300, 6, 60
	url := pgtest.NewDatabase(t)
	var stores []*database
	var books []*ledger.Pipeline
	for range 2 {
		d := open(t, url)
		defer d.Close()
		b := ledger.NewPipeline(d.Store, ledger.PipelineOptions{})
		defer b.Close()
		stores, books = append(stores, d), append(books, b)
	}
	wallets := richPeople(t, books[0], linearWallets, opening)

	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), 7))
			for range each {
				in := linearInput{from: r.IntN(linearWallets), amount: r.Int64N(200)}
				if r.IntN(3) == 0 {
					in.amount = 0
				}
				in.to = (in.from + 1 + r.IntN(linearWallets-1)) % linearWallets
				op := porcupine.Operation{ClientId: client, Input: in, Call: int64(time.Since(began))}
				op.Output = operate(t, stores[client%2].Store, books[client%2], wallets, in)
				op.Return = int64(time.Since(began))
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if got := porcupine.CheckOperationsTimeout(ledgerModel(opening), history, time.Minute); got != porcupine.Ok {
		t.Errorf("the history of %d operations is not linearizable: %s", len(history), got)
	}
	// The checker is not blind: the same history with one look changed is none.
	for i := range history {
		if history[i].Input.(linearInput).amount == 0 {
			history[i].Output = history[i].Output.(int64) + 1
			break
		}
	}
	if got := porcupine.CheckOperationsTimeout(ledgerModel(opening), history, time.Minute); got == porcupine.Ok {
		t.Error("a wrong balance went unseen")
	}
}

// operate returns what was paid, 0 where the money did not suffice, or the balance.
func operate(t *testing.T, s *postgres.Store, book *ledger.Pipeline, wallets []ledger.End, in linearInput) int64 {
	if in.amount == 0 {
		a, err := s.Account(t.Context(), ledger.WalletAccount(wallets[in.from].Party, "INR").ID())
		if err != nil {
			t.Error(err)
		}
		return a.Balance()
	}
	done, err := ledger.Do[ledger.Transfer](t.Context(), book, payment(wallets[in.from], wallets[in.to], in.amount))
	switch {
	case err != nil:
		t.Error(err)
	case done.State == ledger.Completed:
		return in.amount
	case done.Reason != ledger.InsufficientFunds:
		t.Errorf("%s: %s", done.State, done.Reason)
	}
	return 0
}
