package sim_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/memory"
)

// TestTransfersEndAsTheAmountsSay makes a transfer of every magic amount and a
// plain one between two simulated banks, lets half a day pass and compares.
func TestTransfersEndAsTheAmountsSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		payers := open(t, sim.Config{Code: "SBIN", OpeningBalance: opening})
		payees := open(t, sim.Config{Code: "HDFC", OpeningBalance: opening})
		registry, err := banks.NewRegistry([]banks.Bank{
			{Code: "SBIN", IFSCPrefix: "SBIN", Adapter: payers}, {Code: "HDFC", IFSCPrefix: "HDFC", Adapter: payees}})
		if err != nil {
			t.Fatal(err)
		}
		dispatcher := banks.NewDispatcher(registry)
		payers.SetReporter(dispatcher)
		payees.SetReporter(dispatcher)
		policy := ledger.DefaultPolicy()
		store := memory.New()
		book := ledger.NewPipeline(store, ledger.PipelineOptions{Policy: &policy, Observer: dispatcher.Observe})
		dispatcher.Start(banks.Options{Book: book, Reader: store, Policy: &policy, Clock: banks.WallClock{},
			Sweep: time.Second, Log: slog.New(slog.DiscardHandler)})
		defer book.Close()
		defer dispatcher.Close()

		all := append([]sim.Magic{{Minor: 250_00, Name: "plain", Ends: ledger.Completed}}, sim.Amounts...)
		made := make([]ledger.Transfer, len(all))
		for n, m := range all {
			made[n], err = ledger.Do[ledger.Transfer](t.Context(), book, ledger.CreateTransfer{Transfer: ledger.Transfer{
				ID: ledger.NewID(), App: "chat", Kind: ledger.Payment, Amount: m.Amount(), RRN: "632812000001",
				Payer: ledger.End{Bank: "SBIN", Account: "1" + m.Name, IFSC: "SBIN0000001"},
				Payee: ledger.End{Bank: "HDFC", Account: "2" + m.Name, IFSC: "HDFC0000001"},
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(12 * time.Hour) // of the bubble's time
		synctest.Wait()

		for n, m := range all {
			got, err := store.Transfer(t.Context(), made[n].ID)
			if err != nil || got.State != m.Ends {
				t.Errorf("%s %s ends %s (%s %s), %v, want %s", m.Amount(), m.Name, got.State, got.Reason, got.BankCode, err, m.Ends)
			}
		}
		// All that the books may differ by is what a bank did in a silence without end.
		if got, want := payers.Net(), clearing(t, store, "SBIN")+amountOf(t, "debit-silent-done"); got != want {
			t.Errorf("the payers' bank nets %d, want %d", got, want)
		}
		if got, want := payees.Net(), clearing(t, store, "HDFC")-amountOf(t, "credit-silent-done"); got != want {
			t.Errorf("the payees' bank nets %d, want %d", got, want)
		}
	})
}

func clearing(t *testing.T, r ledger.Reader, bank string) int64 {
	t.Helper()
	a, err := r.Account(context.Background(), ledger.ClearingAccount(bank, "INR").ID())
	if err != nil {
		t.Fatal(err)
	}
	return a.Balance()
}

func amountOf(t *testing.T, name string) int64 {
	t.Helper()
	for _, m := range sim.Amounts {
		if m.Name == name {
			return m.Minor
		}
	}
	t.Fatalf("no amount is called %s", name)
	return 0
}
