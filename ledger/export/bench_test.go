package export_test

import (
	"io"
	"testing"

	"bahi/ledger"
	"bahi/ledger/export"
	"bahi/ledger/memory"
)

// many makes transfers by the thousand, past the pipeline: between wallets and
// between banks in turns, each done.
func (w *world) many(n, wallets int) {
	w.Helper()
	const batch = 1000
	for from := 0; from < n; from += batch {
		w.pass(1e9)
		var commands []ledger.Command
		var made []ledger.Transfer
		for i := from; i < min(n, from+batch); i++ {
			t := ledger.Transfer{ID: w.id(), App: "chat", Kind: ledger.Payment, RRN: "632900000001", Amount: ledger.Amount{Minor: int64(1 + i%9999), Currency: "INR"},
				Payer: bankOf("NRMD", i), Payee: walletOf(i % wallets)}
			if i%2 == 1 {
				t.Payee = bankOf("KVRI", i+1)
			}
			made = append(made, t)
			commands = append(commands, ledger.CreateTransfer{Transfer: t})
		}
		w.batch(commands)
		for _, leg := range []ledger.Leg{ledger.LegDebit, ledger.LegCredit} {
			commands = nil
			for i := range made {
				if leg == ledger.LegDebit || !made[i].Payee.IsWallet() {
					made[i].Born, made[i].Created = ledger.Pending, w.clock.Load()
					commands = append(commands, ledger.RecordResult{Transfer: &made[i], Leg: leg, Outcome: ledger.SaysApproved})
				}
			}
			w.batch(commands)
		}
	}
}

func (w *world) batch(commands []ledger.Command) {
	w.Helper()
	policy := ledger.DefaultPolicy()
	w.no(w.store.Commit(ctx, func() *ledger.Set {
		s := ledger.NewSet(w.clock.Load(), &policy)
		for _, c := range commands {
			c.Declare(s)
		}
		return s
	}, func(s *ledger.Set) error {
		for _, c := range commands {
			if _, err := c.Apply(s); err != nil {
				return err
			}
		}
		return nil
	}))
}

func BenchmarkExport(b *testing.B) {
	w := newWorld(b, memory.New())
	w.many(100_000, 20_000)
	w.seal()
	r := w.whole()
	for _, o := range []export.Options{{Format: export.JSONL}, {Format: export.CSV}, {Format: export.CSV, Of: export.Transfers}, {Format: export.CSV, Of: export.Steps},
		{Format: export.Parquet}, {Format: export.HLedger}, {Format: export.Beancount}} {
		o.Range = r
		b.Run(string(o.Format)+string(o.Of), func(b *testing.B) {
			b.ReportAllocs()
			rows := int64(0)
			for b.Loop() {
				n, err := export.Write(ctx, w.store, io.Discard, o)
				w.no(err)
				rows += n
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
