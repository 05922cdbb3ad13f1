package storetest

import (
	"fmt"
	"sync"
	"time"

	"bahi/ledger"
)

// manyAtOnce is how many payments try to break each limit at once.
const manyAtOnce = 200

// testLimits has all nodes make payments at once from the same account, to the same account
// and by the same new person: as many go through as the limit allows, and no more while some
// of them end unpaid.
func testLimits(f *fixture) {
	inr := func(minor int64) ledger.Sums { return ledger.Sums{"INR": minor} }
	f.policy.Limits = &ledger.Limits{
		Default: ledger.AppLimits{Window: 24 * time.Hour,
			ToPerson:      ledger.Limit{Sum: inr(1010), Count: 100},
			Received:      ledger.Limit{Sum: inr(1 << 40), Count: 25},
			NewFor:        24 * time.Hour,
			NewUser:       ledger.Limit{Sum: inr(905)},
			WalletBalance: inr(1234)},
		Apps: map[string]ledger.AppLimits{"plain": {}},
	}
	nodes := f.nodes()
	asha, ashas := f.person("chat", "Asha")
	ravi, _ := f.person("plain", "Ravi")
	meera, meeras := f.person("chat", "Meera")
	new1, new2 := f.person("chat", "Divya")
	sent := func(from, to ledger.Instrument, minor int64, since int64) func(int) ledger.CreateTransfer {
		return func(int) ledger.CreateTransfer {
			c := f.pay(from, to, minor)
			c.Transfer.Payer.Standing = ledger.Standing{App: from.App, Kind: ledger.Person, Since: since}
			c.Transfer.Payee.Standing = ledger.Standing{App: to.App, Kind: ledger.Person}
			return c
		}
	}
	f.wantAtOnce(nodes, sent(asha, ravi, 20, 0), 50, ledger.LimitAmount)
	f.wantAtOnce(nodes, sent(meera, ravi, 1, 0), 100, ledger.LimitCount)
	f.wantAtOnce(nodes, sent(ravi, asha, 7, 0), 25, ledger.LimitReceivedCount)
	f.wantAtOnce(nodes, sent(ravi, meeras, 100, 0), 12, ledger.LimitWalletBalance)
	now := time.Now().UnixMicro()
	f.top(new2, 2000)
	f.wantAtOnce(nodes, func(n int) ledger.CreateTransfer {
		from := new1 // and from the wallet, of the same person
		if n%2 == 0 {
			from = new2
		}
		return sent(from, ravi, 10, now)(n)
	}, 90, ledger.LimitNewUser)

	// While payments come some of those before them end unpaid.
	unpaid := f.atOnce(nodes, sent(ravi, ashas, 100, 0), true)
	if left := f.underWay(unpaid); left > 12 {
		f.Errorf("%d payments are counted, for which there is no room", left)
	}
	rest := 0
	for f.must(sent(ravi, ashas, 100, 0)(0))[0].(ledger.Transfer).State != ledger.Failed {
		rest++
	}
	if left := f.underWay(unpaid); left+rest != 12 {
		f.Errorf("%d and %d more payments are counted, want 12", left, rest)
	}
}

// top puts money into a wallet past the limits.
func (f *fixture) top(w ledger.Instrument, minor int64) {
	limits := f.policy.Limits
	f.policy.Limits = nil
	account, _ := f.person(w.App, "somebody")
	t := f.must(f.pay(account, w, minor))[0].(ledger.Transfer)
	f.must(f.says(t, ledger.LegDebit, ledger.SaysApproved))
	f.policy.Limits = limits
}

// wantAtOnce demands how many payments go through, and why the others do not.
func (f *fixture) wantAtOnce(nodes []node, make func(int) ledger.CreateTransfer, want int, why ledger.Reason) {
	f.Helper()
	went := 0
	for _, t := range f.atOnce(nodes, make, false) {
		switch {
		case t.State != ledger.Failed:
			went++
		case t.Reason != why:
			f.Errorf("a payment fails: %s, want %s", t.Reason, why)
		}
	}
	if went != want {
		f.Errorf("%d payments went through, want %d: %s", went, want, why)
	}
}

// atOnce makes payments at all nodes; with declined every second one that goes through is
// declined at another node.
func (f *fixture) atOnce(nodes []node, make func(int) ledger.CreateTransfer, declined bool) (made []ledger.Transfer) {
	var mu sync.Mutex
	var callers sync.WaitGroup
	for n := range manyAtOnce {
		callers.Go(func() {
			t, err := ledger.Do[ledger.Transfer](background, nodes[n%len(nodes)].book, make(n))
			if err == nil && declined && t.State != ledger.Failed && n%2 == 0 {
				_, err = ledger.Do[ledger.Recorded](background, nodes[(n/2)%len(nodes)].book, f.says(t, ledger.LegDebit, ledger.SaysDeclined))
			}
			if err != nil {
				f.Error(fmt.Errorf("payment %d: %w", n, err))
			}
			mu.Lock()
			defer mu.Unlock()
			made = append(made, t)
		})
	}
	callers.Wait()
	return made
}

// underWay is how many payments have not failed.
func (f *fixture) underWay(made []ledger.Transfer) (n int) {
	for _, t := range made {
		now, err := f.store.Transfer(background, t.ID)
		f.check(err)
		if now.State != ledger.Failed {
			n++
		}
	}
	return n
}
