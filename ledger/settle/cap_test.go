package settle

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"bahi/ledger"
)

// Several nodes pay from one bank as fast as they can. What it owes and is asked for
// never passes its cap, at any moment, and in the end comes to it exactly: no
// transfer is refused that had room.
func TestNetDebitCapOfSeveralNodes(t *testing.T) {
	for engine, nodes := range map[string]int{"memory": 3, "sqlite": 1, "postgres": 3} {
		t.Run(engine, func(t *testing.T) {
			h := newHouse(t, engines[engine](t, nodes)...)
			const limit = 40
			h.caps = ledger.Caps{"NRMD": {Limit: ledger.Amount{Minor: limit, Currency: "INR"}}}
			clearing := ledger.ClearingAccount("NRMD", "INR")
			var refused atomic.Int64
			var wg sync.WaitGroup
			for n := range uint64(6) {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(n, 2))
					for range 40 {
						story := []string{paid, "debit approved", "debit declined", "debit silent", "", "debit approved, credit declined, debit_reversal approved"}[r.IntN(6)]
						if story == "" && r.IntN(3) > 0 {
							story = "debit declined"
						}
						_, err := h.trySend(int(n)%nodes, bankOf("NRMD"), bankOf("KVRI"), ledger.Amount{Minor: 1, Currency: "INR"}, story)
						if refusal, ok := err.(*ledger.Refusal); ok && refusal.Code == ledger.CodeInstructionNotFound {
							refused.Add(1) // it has failed: there is nothing to say
						} else if err != nil {
							h.Error(err)
							return
						}
						a, err := h.nodes[0].Reader.Account(context.Background(), clearing.ID())
						if err != nil {
							h.Error(err)
							return
						}
						if owes := a.Balance() + a.Reserved; owes > limit {
							h.Errorf("it owes %d of %d", owes, limit)
						}
					}
				})
			}
			wg.Wait()
			for range limit { // what is left
				_, err := h.trySend(0, bankOf("NRMD"), bankOf("KVRI"), ledger.Amount{Minor: 1, Currency: "INR"}, "")
				h.check(err)
			}
			a, err := h.nodes[0].Reader.Account(context.Background(), clearing.ID())
			h.check(err)
			if owes := a.Balance() + a.Reserved; owes != limit || refused.Load() == 0 {
				h.Errorf("it owes %d of %d; %d were refused", owes, limit, refused.Load())
			}
			stripes, err := ledger.Stripes(context.Background(), h.nodes[0].Reader, clearing)
			if err != nil || len(stripes) != 1 {
				h.Errorf("posted to %+v, %v", stripes, err)
			}
			h.verify()
			// Settled, it may owe as much again.
			if p, err := h.trySend(0, bankOf("NRMD"), bankOf("KVRI"), ledger.Amount{Minor: 1, Currency: "INR"}, ""); err != nil || p.Reason != ledger.NetDebitCap {
				h.Errorf("one too many is %+v, %v", p, err)
			}
			h.closed(0, third, "upi-2026-11-24-12")
			r, err := h.nodes[0].Report(context.Background(), third)
			h.check(err)
			for i := range r.Positions {
				if p := &r.Positions[i]; p.Bank == "NRMD" {
					_, err := h.confirm(ConfirmPosition{Bank: p.Bank, Amount: Owes(p)})
					h.check(err)
					for range p.Net() + 1 {
						_, err := h.trySend(0, bankOf("NRMD"), bankOf("KVRI"), ledger.Amount{Minor: 1, Currency: "INR"}, "")
						h.check(err)
					}
				}
			}
			if a, err = h.nodes[0].Reader.Account(context.Background(), clearing.ID()); err != nil || a.Balance()+a.Reserved != limit {
				h.Errorf("then it owes %d of %d, %v", a.Balance()+a.Reserved, limit, err)
			}
			h.verify()
		})
	}
}
