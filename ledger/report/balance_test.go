package report_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/report"
)

// plan is what happens to a book.
type plan struct {
	skew  []time.Duration
	steps []step
}

type step struct {
	node     int
	after    time.Duration
	from, to int // places
	amount   ledger.Amount
	story    string
}

// places are where money is: banks, then wallets.
var places = []ledger.End{bankOf("NRMD"), bankOf("KVRI"), bankOf("GDVR"), walletOf(1), walletOf(2), walletOf(3)}

var stories = []string{paid, paid, paid, paid, "debit approved", "", "debit declined", "debit approved, credit declined, debit_reversal approved",
	"debit approved, credit silent, credit_reversal stands", "debit approved, credit silent, credit_reversal silent", "debit silent, debit_reversal silent"}

var plans = rapid.Custom(func(t *rapid.T) plan {
	skew := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 1, -1, 999, -30_000_000, 30_000_000, 3_600_000_000}).Draw(t, "micros")) * time.Microsecond
	})
	p := plan{skew: rapid.SliceOfN(skew, 1, 4).Draw(t, "skew")}
	one := rapid.Custom(func(t *rapid.T) step {
		s := step{node: rapid.IntRange(0, len(p.skew)-1).Draw(t, "node"), from: rapid.IntRange(0, len(places)-1).Draw(t, "from"), to: rapid.IntRange(0, len(places)-1).Draw(t, "to"),
			after: rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Second, 20 * time.Second}).Draw(t, "after"), story: rapid.SampledFrom(stories).Draw(t, "story"),
			amount: ledger.Amount{Minor: rapid.Int64Range(1, 100_000).Draw(t, "minor"), Currency: rapid.SampledFrom([]ledger.Currency{"INR", "JPY"}).Draw(t, "currency")}}
		if s.from == s.to {
			s.to = (s.to + 1) % len(places)
		}
		return s
	})
	p.steps = rapid.SliceOfN(one, 10, 60).Draw(t, "steps")
	return p
})

func (p *plan) play(w *world) {
	for n := range len(places) {
		if places[n].IsWallet() {
			w.open(places[n].Party)
		}
	}
	for _, s := range p.steps {
		w.pass(s.after)
		w.send(s.node, places[s.from], places[s.to], s.amount, s.story)
	}
}

// checkInstants holds what is found at instants against what all postings add up to.
func (w *world) checkInstants(most int) {
	w.Helper()
	all, accounts := w.postings()
	times := map[int64]bool{0: true}
	for _, p := range all {
		times[p.At], times[p.At-1] = true, true
	}
	list := slices.Collect(maps.Values(accounts))
	slices.SortFunc(list, func(a, b ledger.Account) int { return a.ID.Compare(b.ID) })
	instants := slices.Sorted(maps.Keys(times))
	for n, at := range instants {
		if n%(1+len(instants)/most) != 0 && n != len(instants)-1 {
			continue
		}
		want := w.tallies(0, at)
		got, err := report.BalancesAt(background, w.store, list, at)
		w.no(err)
		for i, b := range got {
			a, t := list[i], want[list[i].ID]
			a.Debits, a.Credits = t.debits, t.credits
			if b != (report.Balance{Seq: t.seq, Minor: a.Balance(), Last: t.last}) {
				w.Errorf("%s %s at %d: found %+v, its postings add up to %+v", a.Name.Path, a.Name.Currency, at, b, *t)
			}
		}
		w.checkTrial(at)
	}
}

// checkTrial holds a trial balance against the postings, account by account, and
// demands that it is in balance.
func (w *world) checkTrial(instant int64) {
	w.Helper()
	_, accounts := w.postings()
	want, seq := map[ledger.AccountName]int64{}, map[ledger.AccountName]int64{}
	for id, t := range w.tallies(0, instant) {
		name := accounts[id].Name.Whole()
		want[name] += t.debits - t.credits
		seq[name] += t.seq
	}
	total := map[string]int64{}
	for _, row := range w.read(report.TrialBalance(w.store, report.Query{Period: report.Period{To: instant}}), nil) {
		currency := row["currency"]
		debit, credit := w.minor(row["debit"], currency), w.minor(row["credit"], currency)
		if row["row"] == "total" {
			if debit != credit || total[currency] != debit {
				w.Errorf("at %d the debits of %s are %d, the credits %d; the rows add up to %d", instant, currency, debit, credit, total[currency])
			}
			continue
		}
		total[currency] += debit
		name := ledger.AccountName{Path: row["account"], Currency: ledger.Currency(currency)}
		if seq[name] == 0 || debit-credit != want[name] || (debit != 0 && credit != 0) {
			w.Errorf("at %d %s %s stands with %d and %d; its %d postings add up to %d", instant, name.Path, currency, debit, credit, seq[name], want[name])
		}
		delete(seq, name)
	}
	for name, n := range seq {
		if n > 0 {
			w.Errorf("at %d %s %s is left out, and has %d postings", instant, name.Path, name.Currency, n)
		}
	}
}

// The balance of every account at every instant is what its postings up to then add
// up to, whatever the clocks of the nodes, and the book is in balance.
func TestBalanceAtAnyInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plans.Draw(t, "plan")
		w := newWorld(t, memory.New(), p.skew...)
		defer w.close()
		p.play(w)
		w.checkInstants(12)
	})
}

func TestBalanceOnEngines(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			p := plans.Example(3)
			w := newWorld(t, open(t), p.skew...)
			defer w.close()
			p.play(w)
			w.verify()
			w.checkInstants(12)
		})
	}
}
