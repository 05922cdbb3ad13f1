package reconcile_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/privacy/privacytest"
)

// BenchmarkRun matches as many lines as there are instructions, of one day; each
// tenth names no transfer and is found by its RRN. It is for -benchtime 1x: a first run
// writes all matches, a second has nothing to write. The book is made
// before the clock runs.
func BenchmarkRun(b *testing.B) {
	for _, e := range durable {
		for _, lines := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", e.name, lines), func(b *testing.B) { measure(b, e.open(b), lines, 10) })
		}
	}
}

// BenchmarkRunByRRN is the same where no line names a transfer.
func BenchmarkRunByRRN(b *testing.B) {
	for _, e := range durable {
		b.Run(e.name, func(b *testing.B) { measure(b, e.open(b), 1_000_000, 1) })
	}
}

func measure(b *testing.B, store ledger.Store, lines, nameless int) {
	w := newWorld(b, store)
	defer w.close()
	w.told(monday)
	w.day(lines/2, nameless)
	w.at(w.days(1))
	peak, stop := peakHeap()
	b.ResetTimer()
	first := timed(func() { w.run() })
	b.StopTimer()
	stop()
	again := timed(func() { w.run() })
	b.ReportMetric(first.Seconds(), "s")
	b.ReportMetric(float64(first.Microseconds())/float64(lines), "µs/line")
	b.ReportMetric(again.Seconds(), "s-again")
	b.ReportMetric(float64(peak.Load())/(1<<20), "MB-heap")
	if open := w.breaks(ledger.BreakOpen); len(open) > 0 {
		b.Fatalf("open breaks %q", showAll(open[:1]))
	}
}

// durable are the engines as they serve, with every commit on disk.
var durable = []struct {
	name string
	open func(b testing.TB) ledger.Store
}{
	engines[1],
	{"postgres", func(b testing.TB) ledger.Store {
		server, err := pgtest.Start(b.Context(), pgtest.Options{Fsync: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = server.Close() })
		url, err := server.NewDatabase(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		store, err := privacytest.Sealed(postgres.Open(b.Context(), url))
		return opened(b, store, err)
	}},
}

// day makes n completed transfers over a day, and what the banks tell of them; of
// each so-and-so-many-th without its name.
func (w *world) day(n, nameless int) {
	const batch = 1000
	midnight := monday.Time(india).Add(time.Minute)
	for made := 0; made < n; made += batch {
		w.at(midnight.Add(time.Duration(made) * (23 * time.Hour / time.Duration(n))))
		var commands ledger.Many
		var lines []ledger.BankLine
		for i := range min(batch, n-made) {
			t := ledger.Transfer{ID: w.id(), Kind: ledger.Payment, Amount: inr(int64(100 + i)), RRN: fmt.Sprintf("6324%08d", w.made),
				Payer: ledger.End{Bank: payerBank, Account: "000123456789"}, Payee: ledger.End{Bank: payeeBank, Account: "987654321000"}}
			commands = append(commands, ledger.CreateTransfer{Transfer: t}, ledger.RecordResult{Transfer: &t, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved, Code: "00"},
				ledger.RecordResult{Transfer: &t, Leg: ledger.LegCredit, Outcome: ledger.SaysApproved, Code: "00"})
			t.Created = w.clock.Load()
			line := w.line
			if i%nameless == 0 {
				line = w.loose
			}
			lines = append(lines, line(&t, ledger.LegDebit), line(&t, ledger.LegCredit))
		}
		w.do(commands)
		w.tells(lines...)
	}
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// peakHeap watches the heap until it is stopped.
func peakHeap() (*atomic.Uint64, func()) {
	var peak atomic.Uint64
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	runtime.GC()
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return &peak, func() { stop(); <-done }
}
