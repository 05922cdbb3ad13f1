package sim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"bahi/banks"
	"bahi/banks/bankstest"
	"bahi/banks/sim"
	"bahi/ledger"
)

// several is a bank that several processes have open: each question goes to
// another one of them.
type several struct {
	banks []*sim.Bank
	mu    sync.Mutex
	next  int
}

func (s *several) one() *sim.Bank {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = (s.next + 1) % len(s.banks)
	return s.banks[s.next]
}

func (s *several) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return s.one().Submit(ctx, i)
}

func (s *several) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return s.one().Reverse(ctx, i)
}

func (s *several) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return s.one().Status(ctx, i)
}

func TestConformanceShared(t *testing.T) {
	bankstest.Run(t, func(t *testing.T) bankstest.Rail {
		cfg := sim.Config{Code: "SBIN", OpeningBalance: opening, Path: filepath.Join(t.TempDir(), "SBIN.journal"), Behaviours: later}
		s := &several{banks: []*sim.Bank{open(t, cfg), open(t, cfg), open(t, cfg)}}
		r := rail(s.banks[0], nil)
		r.Adapter = s
		r.Report = func(to banks.Reporter) {
			for _, b := range s.banks {
				b.SetReporter(to)
			}
		}
		return r
	})
}

// Another process may be killed in the middle of a line while this one goes on.
func TestTornLineOfAnother(t *testing.T) {
	cfg, lines := written(t)
	b := open(t, cfg)
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	torn := lines[1][:len(lines[1])/2]
	if err := os.WriteFile(cfg.Path, append(whole, torn...), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := b.Submit(t.Context(), instruction(ledger.LegDebit, "1", 100)); err != nil || a.Outcome != ledger.SaysApproved {
		t.Errorf("got %+v, %v", a, err)
	}
	if entries, err := sim.ReadJournal(cfg.Path); err != nil || len(entries) != 3 {
		t.Errorf("the file tells %v, %v", entries, err)
	}
}

// What another process wrote wrongly is not built upon.
func TestMalformedLineOfAnother(t *testing.T) {
	cfg, _ := written(t)
	b := open(t, cfg)
	f, err := os.OpenFile(cfg.Path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("{}\n"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := b.Submit(t.Context(), instruction(ledger.LegDebit, "1", 100)); err == nil {
			t.Error("it went on")
		}
	}
}

const (
	rushOfAll   = 600 // instructions
	rushCovered = 400 // that the account has money for
	rushKilled  = 250 // after which one of the processes dies
	rushEnv     = "SIM_TEST_RUSH"
	rushDies    = "SIM_TEST_RUSH_DIES"
)

// rush is the n-th of the instructions that every process sends.
func rush(n int) banks.Instruction {
	i := instruction(ledger.LegDebit, "1", 1_00)
	i.ID.Transfer = ledger.ID{15: 0}
	binary.BigEndian.PutUint64(i.ID.Transfer[8:], uint64(n)+1)
	return i
}

// TestProcessesRush has processes send the same debits at the same time, of which
// one is killed with -9 on its way: each debit is decided once, the account is
// never overdrawn, and all get the same answers.
func TestProcessesRush(t *testing.T) {
	cfg := sim.Config{Code: "SBIN", OpeningBalance: rushCovered * 1_00, Path: os.Getenv(rushEnv)}
	if cfg.Path != "" {
		rushOn(cfg)
	}
	cfg.Path = filepath.Join(t.TempDir(), "SBIN.journal")
	var all sync.WaitGroup
	for n := range 4 {
		child := exec.Command(os.Args[0], "-test.run=^TestProcessesRush$")
		child.Env = append(os.Environ(), rushEnv+"="+cfg.Path)
		if n == 0 {
			child.Env = append(child.Env, rushDies+"=yes")
		}
		all.Go(func() {
			out, err := child.CombinedOutput()
			if died := child.ProcessState.ExitCode() == -1; (n == 0) != died || (n != 0 && err != nil) {
				t.Errorf("process %d: %v\n%s", n, err, out)
			}
		})
	}
	all.Wait()
	b := open(t, cfg)
	if entries, err := sim.ReadJournal(cfg.Path); err != nil || len(entries) != rushCovered || b.Balance("1") != 0 {
		t.Errorf("%d entries, %v, and %d paise are left", len(entries), err, b.Balance("1"))
	}
}

// rushOn is one of the processes: it sends all instructions in an order of its
// own, and asks for each again.
func rushOn(cfg sim.Config) {
	b, err := sim.Open(cfg)
	said := map[int]banks.Answer{}
	for _, again := range []bool{false, true} {
		for sent, n := range rand.Perm(rushOfAll) {
			if err == nil {
				var a banks.Answer
				a, err = b.Submit(context.Background(), rush(n))
				if again && a != said[n] {
					err = fmt.Errorf("instruction %d was answered %+v and is %+v", n, said[n], a)
				}
				said[n] = a
			}
			if self, found := os.FindProcess(os.Getpid()); sent == rushKilled && found == nil && os.Getenv(rushDies) != "" {
				self.Kill()
				select {}
			}
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	os.Exit(0)
}
