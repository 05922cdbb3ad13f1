package sim_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/banks"
	"bahi/banks/bankstest"
	"bahi/banks/sim"
	"bahi/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opening is every account's first balance in the tests: INR 1,00,000.
const opening = 1_00_000_00

func open(t testing.TB, cfg sim.Config) *sim.Bank {
	t.Helper()
	if cfg.Code == "" {
		cfg.Code, cfg.OpeningBalance = "SBIN", opening
	}
	b, err := sim.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func instruction(leg ledger.Leg, account string, minor int64) banks.Instruction {
	return banks.Instruction{ID: ledger.InstructionID{Transfer: ledger.NewID(), Leg: leg},
		Account: banks.Account{Number: account}, Amount: ledger.Amount{Minor: minor, Currency: "INR"}, RRN: "632812000001"}
}

func undo(i banks.Instruction) banks.Instruction {
	i.ID.Leg += ledger.LegDebitReversal - ledger.LegDebit
	return i
}

// later is an account whose instructions are answered in a moment.
var later = map[string]sim.Behaviour{"300300300": {
	ledger.LegDebit:  {Does: sim.Pends, After: 20 * time.Millisecond},
	ledger.LegCredit: {Does: sim.Pends, After: 20 * time.Millisecond},
}}

func TestConformanceInMemory(t *testing.T) {
	bankstest.Run(t, func(t *testing.T) bankstest.Rail { return rail(open(t, sim.Config{Behaviours: later}), nil) })
}

func TestConformanceWithFile(t *testing.T) {
	bankstest.Run(t, func(t *testing.T) bankstest.Rail {
		return fileRail(t, sim.Config{Code: "SBIN", OpeningBalance: opening, Latency: 50 * time.Microsecond, Behaviours: later,
			Path: filepath.Join(t.TempDir(), "SBIN.journal")})
	})
}

// fileRail restarts by opening the file again while the old bank still has it
// open, which is all that a process killed with -9 leaves behind.
func fileRail(t *testing.T, cfg sim.Config) bankstest.Rail {
	return rail(open(t, cfg), func(t *testing.T) bankstest.Rail { return fileRail(t, cfg) })
}

func rail(b *sim.Bank, restart func(*testing.T) bankstest.Rail) bankstest.Rail {
	return bankstest.Rail{
		Adapter: b,
		Moved: func(id ledger.InstructionID) (net int64) {
			for e := range b.Entries() {
				if e.ID == id {
					net += e.Net()
				}
			}
			return net
		},
		Good:    banks.Account{Number: "100200300"},
		Missing: banks.Account{Number: "0000123"},
		Later:   banks.Account{Number: "300300300"},
		Report:  b.SetReporter,
		Restart: restart,
	}
}

func BenchmarkSubmit(b *testing.B) {
	for name, path := range map[string]string{"memory": "", "file": filepath.Join(b.TempDir(), "SBIN.journal")} {
		b.Run(name, func(b *testing.B) {
			bank := open(b, sim.Config{Code: "SBIN", OpeningBalance: 1 << 60, Path: path})
			i := instruction(ledger.LegDebit, "100200300", 250_00)
			b.ReportAllocs()
			for b.Loop() {
				i.ID.Transfer = ledger.NewID()
				if a, err := bank.Submit(context.Background(), i); err != nil || a.Outcome != ledger.SaysApproved {
					b.Fatal(a, err)
				}
			}
		})
	}
}
