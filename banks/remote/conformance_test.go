package remote_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bahi/banks"
	"bahi/banks/bankstest"
	"bahi/banks/remote"
	"bahi/banks/sim"
	"bahi/ledger"
)

// process is a bank's process: it leases, asks a bank and answers.
type process struct {
	near *remote.Bank
	bank *sim.Bank
	hold time.Duration
	// loses says of which offers it loses the lease, the n-th of its life counted from 0.
	loses func(n int) bool
}

// run works until ctx ends.
func (p *process) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; {
		for _, o := range p.near.Lease(ctx, holder, 500, time.Second, p.hold) {
			loses := p.loses != nil && p.loses(n)
			n++
			if loses && n%2 == 0 { // before it did anything
				continue
			}
			ask := map[remote.Ask]func(context.Context, banks.Instruction) (banks.Answer, error){
				remote.AskSubmit: p.bank.Submit, remote.AskReverse: p.bank.Reverse, remote.AskStatus: p.bank.Status}[o.Ask]
			a, err := ask(ctx, o.Instruction)
			if err == nil && !loses {
				p.near.Answer(o.Question, a)
			}
		}
	}
}

// rail opens a bank with its processes. It restarts both ends at once.
func rail(t *testing.T, cfg sim.Config, processes int, hold time.Duration, loses func(int) bool) bankstest.Rail {
	t.Helper()
	bank, err := sim.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	near := remote.New(remote.Config{})
	ctx, kill := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range processes {
		running.Go(func() { (&process{near, bank, hold, loses}).run(ctx) })
	}
	stop := sync.OnceFunc(func() {
		kill()
		near.Close()
		running.Wait()
		bank.Close()
	})
	t.Cleanup(stop)
	return bankstest.Rail{
		Adapter: near,
		Moved: func(id ledger.InstructionID) (net int64) {
			for e := range bank.Entries() {
				if e.ID == id {
					net += e.Net()
				}
			}
			return net
		},
		Good: banks.Account{Number: "100200300"}, Missing: banks.Account{Number: "0000123"},
		Restart: func(t *testing.T) bankstest.Rail {
			stop()
			return rail(t, cfg, processes, hold, loses)
		},
	}
}

func TestConformance(t *testing.T) {
	bankstest.Run(t, func(t *testing.T) bankstest.Rail {
		return rail(t, sim.Config{Code: "SBIN", OpeningBalance: 1_00_000_00, Path: filepath.Join(t.TempDir(), "book")}, 2, time.Minute, nil)
	})
}

// A third of all leases is lost, before or after the bank did what it was asked.
func TestConformanceWithLostLeases(t *testing.T) {
	bankstest.Run(t, func(t *testing.T) bankstest.Rail {
		return rail(t, sim.Config{Code: "SBIN", OpeningBalance: 1_00_000_00, Path: filepath.Join(t.TempDir(), "book")}, 2, 5*time.Millisecond,
			func(n int) bool { return n%3 == 0 })
	})
}
