package sim_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

func TestOpenRefuses(t *testing.T) {
	for name, cfg := range map[string]sim.Config{
		"no code":          {},
		"small letters":    {Code: "sbin"},
		"opening below 0":  {Code: "SBIN", OpeningBalance: -1},
		"a path elsewhere": {Code: "SBIN", Path: filepath.Join(t.TempDir(), "none", "journal")},
	} {
		if _, err := sim.Open(cfg); err == nil {
			t.Errorf("%s: it opened", name)
		}
	}
}

func TestWrongLegIsAnError(t *testing.T) {
	b := open(t, sim.Config{})
	i := instruction(ledger.LegCredit, "1", 100)
	if _, err := b.Reverse(t.Context(), i); err == nil {
		t.Error("a credit was reversed by a credit")
	}
	if _, err := b.Submit(t.Context(), undo(i)); err == nil {
		t.Error("a reversal was submitted")
	}
}

// One id, two payments: the sender has a bug, and the bank must not hide it.
func TestAnInstructionThatChangedIsAnError(t *testing.T) {
	b := open(t, sim.Config{})
	i := instruction(ledger.LegDebit, "1", 100)
	first, err := b.Submit(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	more, elsewhere := i, i
	more.Amount.Minor++
	elsewhere.Account.Number = "2"
	for _, changed := range []banks.Instruction{more, elsewhere} {
		if a, err := b.Submit(t.Context(), changed); err == nil {
			t.Errorf("%+v got %+v", changed, a)
		}
		if a, err := b.Reverse(t.Context(), undo(changed)); err == nil {
			t.Errorf("the reversal of %+v got %+v", changed, a)
		}
	}
	if again, err := b.Submit(t.Context(), i); err != nil || again != first || b.Net() != 100 {
		t.Errorf("got %+v, %v, net %d", again, err, b.Net())
	}
}

func TestBalanceIsTheBound(t *testing.T) {
	b := open(t, sim.Config{Code: "SBIN", OpeningBalance: 100})
	say := func(question func(context.Context, banks.Instruction) (banks.Answer, error), i banks.Instruction) string {
		t.Helper()
		a, err := question(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		return a.Code
	}
	if got := say(b.Submit, instruction(ledger.LegDebit, "1", 101)); got != "Z9" {
		t.Errorf("one paisa too much got %s", got)
	}
	if got := say(b.Submit, instruction(ledger.LegDebit, "1", 100)); got != "00" || b.Balance("1") != 0 {
		t.Errorf("the whole balance got %s and left %d", got, b.Balance("1"))
	}
	// The payee spends what it was paid: the credit can't be taken back.
	paid := instruction(ledger.LegCredit, "1", 50)
	if got := say(b.Submit, paid) + say(b.Submit, instruction(ledger.LegDebit, "1", 1)); got != "0000" {
		t.Errorf("paid and spent: %s", got)
	}
	if got := say(b.Reverse, undo(paid)); got != "CS" || b.Balance("1") != 49 {
		t.Errorf("the reversal of what was spent got %s and left %d", got, b.Balance("1"))
	}
	if got := say(b.Submit, instruction(ledger.LegCredit, "1", math.MaxInt64)); got != "XC" || b.Balance("1") != 49 {
		t.Errorf("a credit past all bounds got %s and left %d", got, b.Balance("1"))
	}
	if b.Balance("0000") != 0 || b.Balance("untouched") != 100 {
		t.Error("a balance from nowhere")
	}
}

// A promise outlives the bank: what was pending is decided when it is back.
func TestPendingOverARestart(t *testing.T) {
	cfg := sim.Config{Code: "SBIN", OpeningBalance: opening, Path: filepath.Join(t.TempDir(), "SBIN.journal"),
		Behaviours: map[string]sim.Behaviour{"1": {ledger.LegDebit: {Does: sim.Pends, After: time.Hour}}}}
	i := instruction(ledger.LegDebit, "1", 100)
	b := open(t, cfg)
	if a, err := b.Submit(t.Context(), i); err != nil || !a.Pending {
		t.Fatal(a, err)
	}
	b.Close()
	if a, err := open(t, cfg).Status(t.Context(), i); err != nil || a.Outcome != ledger.SaysApproved {
		t.Errorf("got %+v, %v", a, err)
	}
}

// The answer that was lost on its way is there for whoever asks again.
func TestARepeatAfterSilenceIsAnswered(t *testing.T) {
	for _, minor := range []int64{9105_00, 9110_00} { // the answer is lost; the answer is late
		synctest.Test(t, func(t *testing.T) {
			w := newWalk(t, sim.Config{})
			i := instruction(ledger.LegDebit, "1", minor)
			if got := w.ask(w.bank.Submit, i) + w.ask(w.bank.Submit, i); got != "-00" || w.bank.Net() != minor {
				t.Errorf("got %s, net %d", got, w.bank.Net())
			}
		})
	}
}

// Close ends calls and drops reports; the leak check of TestMain sees the rest.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalk(t, sim.Config{})
		said := make(chan error)
		go func() {
			_, err := w.bank.Submit(t.Context(), instruction(ledger.LegDebit, "1", 9104_00)) // silent
			said <- err
		}()
		if got := w.ask(w.bank.Submit, instruction(ledger.LegDebit, "1", 9109_00)); got != "00" { // to be said twice
			t.Errorf("got %s", got)
		}
		synctest.Wait()
		if err := w.bank.Close(); err != nil {
			t.Error(err)
		}
		if err := <-said; err == nil {
			t.Error("a silent bank answered as it closed")
		}
		if got := w.pass(); got != "" {
			t.Errorf("a closed bank %s", got)
		}
		_, err := w.bank.Submit(t.Context(), instruction(ledger.LegDebit, "1", 100))
		_, also := w.bank.Status(t.Context(), instruction(ledger.LegDebit, "1", 100))
		if err == nil || also == nil || errors.Is(err, banks.ErrNotSent) {
			t.Errorf("a closed bank said %v, %v", err, also)
		}
		if err := w.bank.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	})
}

// slowReporter takes its time over a report.
type slowReporter struct{ began, ended chan struct{} }

func (r slowReporter) Report(ctx context.Context, _ string, _ ledger.InstructionID, _ banks.Answer) (ledger.Recorded, error) {
	close(r.began)
	<-ctx.Done()
	time.Sleep(time.Millisecond)
	close(r.ended)
	return ledger.Recorded{}, ctx.Err()
}

func TestCloseWaitsForAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, sim.Config{})
		r := slowReporter{make(chan struct{}), make(chan struct{})}
		b.SetReporter(r)
		if _, err := b.Submit(t.Context(), instruction(ledger.LegDebit, "1", 9109_00)); err != nil {
			t.Fatal(err)
		}
		<-r.began
		b.Close()
		select {
		case <-r.ended:
		default:
			t.Error("Close did not wait")
		}
	})
}
