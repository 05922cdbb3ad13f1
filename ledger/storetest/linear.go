package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// LinearWallets is how many wallets [Linearizable] moves money between.
const LinearWallets = 3

const (
	linearClients = 6
	linearEach    = 60 // operations of a client

	linearPatience = time.Minute // to find the order
)

// Wallets are LinearWallets wallets as the clients of one node see them. Their
// methods are called by several goroutines.
type Wallets interface {
	Pay(from, to int, minor int64) (paid bool, err error) // not paid: the money did not suffice
	Balance(of int) (minor int64, err error)
}

// linearInput is one operation: a payment, or with amount 0 a look at a balance.
type linearInput struct {
	from, to int
	amount   int64
}

// linearOutput is the balance, or what was paid.
type linearOutput int64

// balances is the whole state of the model.
type balances [LinearWallets]int64

// walletModel is what the wallets do when one operation comes after the other.
func walletModel(opening int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			var b balances
			for i := range b {
				b[i] = opening
			}
			return b
		},
		Step: func(state, input, output any) (bool, any) {
			b, in, out := state.(balances), input.(linearInput), int64(output.(linearOutput))
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

// Linearizable has clients pay between few wallets and look at them, through all
// the nodes: there is an order of all operations, each between its call and its
// return, in which one after the other would have answered the same. Every wallet
// holds opening at first.
func Linearizable(t *testing.T, opening int64, nodes ...Wallets) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var all sync.WaitGroup
	for client := range linearClients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), 7))
			for range linearEach {
				in := linearInput{from: r.IntN(LinearWallets), amount: r.Int64N(opening * 2 / 3)}
				if r.IntN(3) == 0 {
					in.amount = 0
				}
				in.to = (in.from + 1 + r.IntN(LinearWallets-1)) % LinearWallets
				op := porcupine.Operation{ClientId: client, Input: in, Call: int64(time.Since(began))}
				out, err := operate(nodes[client%len(nodes)], in)
				if err != nil {
					t.Errorf("%+v: %v", in, err)
					return
				}
				op.Output, op.Return = out, int64(time.Since(began))
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if got := porcupine.CheckOperationsTimeout(walletModel(opening), history, linearPatience); got != porcupine.Ok {
		t.Errorf("the history of %d operations is not linearizable: %s", len(history), got)
	}
	// The checker is not blind: the same history with one look changed is none.
	for i := range history {
		if history[i].Input.(linearInput).amount == 0 {
			history[i].Output = history[i].Output.(linearOutput) + 1
			break
		}
	}
	if got := porcupine.CheckOperationsTimeout(walletModel(opening), history, linearPatience); got == porcupine.Ok {
		t.Error("a wrong balance went unseen")
	}
}

// operate returns the balance, or what was paid: 0 where the money did not suffice.
func operate(w Wallets, in linearInput) (linearOutput, error) {
	if in.amount == 0 {
		balance, err := w.Balance(in.from)
		return linearOutput(balance), err
	}
	paid, err := w.Pay(in.from, in.to, in.amount)
	if !paid {
		return 0, err
	}
	return linearOutput(in.amount), err
}
