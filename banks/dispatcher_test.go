package banks_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// world is a book, a dispatcher and two simulated banks in a bubble of virtual
// time: hours pass as soon as everybody in it waits.
type world struct {
	t          *testing.T
	store      ledger.Store
	book       *ledger.Pipeline
	dispatcher *banks.Dispatcher
	registry   *banks.Registry
	banks      map[string]*sim.Bank
	policy     ledger.Policy
	log        *slog.Logger
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// inWorld runs a test in a world of its own.
func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) { test(newWorld(t)) })
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: memory.New(), banks: map[string]*sim.Bank{}, policy: ledger.DefaultPolicy(), log: quiet}
	for _, code := range []string{"NRMD", "KVRI"} {
		b, err := sim.Open(sim.Config{Code: code, Clock: banks.WallClock{}, OpeningBalance: 10_000_000_00})
		if err != nil {
			t.Fatal(err)
		}
		w.banks[code] = b
	}
	t.Cleanup(func() {
		w.stop()
		for _, b := range w.banks {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		w.store.Close()
	})
	return w
}

// start starts a node on the world; stop ends it, as a crash does for what was under way.
func (w *world) start(edit ...func(*banks.Bank)) {
	w.t.Helper()
	var list []banks.Bank
	for code, b := range w.banks {
		bank := banks.Bank{Code: code, Name: code, IFSCPrefix: code, Adapter: b}
		for _, e := range edit {
			e(&bank)
		}
		list = append(list, bank)
	}
	registry, err := banks.NewRegistry(list)
	if err != nil {
		w.t.Fatal(err)
	}
	w.dispatcher = banks.NewDispatcher(registry)
	w.book = ledger.NewPipeline(w.store, ledger.PipelineOptions{Policy: &w.policy, Observer: w.dispatcher.Observe, Log: w.log})
	for _, b := range w.banks {
		b.SetReporter(w.dispatcher)
	}
	w.dispatcher.Start(banks.Options{Book: w.book, Reader: w.store, Policy: &w.policy, Clock: banks.WallClock{}, Sweep: time.Second, Log: w.log})
}

func (w *world) stop() {
	if w.book != nil {
		w.dispatcher.Close()
		w.book.Close()
		w.book = nil
	}
}

func end(bank string, number int) ledger.End {
	return ledger.End{Name: "somebody", Bank: bank, IFSC: bank + "0000001", Account: fmt.Sprintf("1%09d", number)}
}

// pay creates a payment from a Narmada to a Kaveri account.
func (w *world) pay(minor int64, number int) ledger.Transfer {
	w.t.Helper()
	t, err := ledger.Do[ledger.Transfer](context.Background(), w.book, w.create(minor, number))
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

func (w *world) create(minor int64, number int) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: "chat", Kind: ledger.Payment, RRN: "630610000001",
		Payer: end("NRMD", number), Payee: end("KVRI", number), Amount: ledger.Amount{Minor: minor, Currency: "INR"}},
		Queue: w.dispatcher.Saturated("NRMD")}
}

func (w *world) state(id ledger.ID) ledger.State {
	w.t.Helper()
	t, err := w.store.Transfer(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return t.State
}

// pass lets time pass until done, or for at most d; step is how often it looks.
func (w *world) pass(d, step time.Duration, done func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(step) {
		synctest.Wait()
		if done() {
			return true
		}
	}
	return done()
}

func (w *world) verify() {
	w.t.Helper()
	_, err := ledger.Verify(context.Background(), w.store, func(v ledger.Violation) { w.t.Errorf("%+v", v) })
	if err != nil {
		w.t.Error(err)
	}
}

// netAgrees compares the banks' money with our clearing accounts.
func (w *world) netAgrees() {
	w.t.Helper()
	for code, b := range w.banks {
		stripes, err := ledger.Stripes(context.Background(), w.store, ledger.ClearingAccount(code, "INR"))
		if err != nil {
			w.t.Error(err)
		}
		held := int64(0)
		for i := range stripes {
			held += stripes[i].Balance()
		}
		if held != b.Net() {
			w.t.Errorf("bank %s moved %d net, our clearing account says %d", code, b.Net(), held)
		}
	}
}

// TestEveryMagicAmountEndsAsPromised drives every misbehaviour that a simulated
// bank has through hours of timers.
func TestEveryMagicAmountEndsAsPromised(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		ids := make([]ledger.ID, len(sim.Amounts))
		for n, m := range sim.Amounts {
			ids[n] = w.pay(m.Minor, n).ID
		}
		atRest := func() bool {
			for _, id := range ids {
				if w.state(id).Waits() {
					return false
				}
			}
			return true
		}
		w.pass(5*time.Hour, 10*time.Second, atRest)
		w.pass(time.Minute, time.Second, func() bool { return false }) // late and contradicting reports come in
		for n, m := range sim.Amounts {
			if got := w.state(ids[n]); got != m.Ends {
				w.t.Errorf("%s %s (%s): %s, want %s", m.Amount(), m.Name, m.Does, got, m.Ends)
			}
		}
		w.verify()
	})
}

// TestBanksMoneyAgrees: where every transfer came to an end, the banks' books are ours.
func TestBanksMoneyAgrees(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		var ids []ledger.ID
		for n, m := range sim.Amounts {
			if m.Ends.Final() {
				ids = append(ids, w.pay(m.Minor, n).ID)
			}
		}
		for n := range 50 {
			ids = append(ids, w.pay(int64(100+n), n).ID)
		}
		ended := w.pass(5*time.Hour, 10*time.Second, func() bool {
			for _, id := range ids {
				if !w.state(id).Final() {
					return false
				}
			}
			return true
		})
		if !ended {
			w.t.Fatal("not every transfer came to an end")
		}
		w.verify()
		w.netAgrees()
	})
}

// TestFirstStatusCheckWaits: no bank is asked sooner than 90 s after the start.
func TestFirstStatusCheckWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		id := w.pay(9205_00, 1).ID // the credit's answer is lost
		if w.pass(89*time.Second, time.Second, func() bool { return w.state(id) == ledger.Completed }) {
			w.t.Fatal("the bank was asked too soon")
		}
		if got := w.state(id); got != ledger.Debited {
			w.t.Fatalf("%s while the credit is in doubt", got)
		}
		if !w.pass(30*time.Second, time.Second, func() bool { return w.state(id) == ledger.Completed }) {
			w.t.Fatalf("%s after the status check", w.state(id))
		}
	})
}

// TestRestartGoesOn: a node that ends with instructions under way leaves them to the next one.
func TestRestartGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		slow, pending, plain := w.pay(9114_00, 1).ID, w.pay(9213_00, 2).ID, w.pay(100, 3).ID
		w.stop() // in the middle of the slow debit
		time.Sleep(time.Second)
		w.start()
		done := func() bool {
			return w.state(slow) == ledger.Completed && w.state(pending) == ledger.Completed && w.state(plain) == ledger.Completed
		}
		if !w.pass(time.Minute, 200*time.Millisecond, done) {
			w.t.Fatalf("slow %s, pending %s, plain %s", w.state(slow), w.state(pending), w.state(plain))
		}
		w.verify()
		w.netAgrees()
	})
}

// TestQueuedDebit: what waits for a saturated bank can be cancelled, is sent when
// there is room, and expires.
func TestQueuedDebit(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(func(b *banks.Bank) { b.MaxInFlight = 1 })
		cancel := func(tr ledger.Transfer) error {
			_, err := ledger.Do[ledger.Transfer](context.Background(), w.book, ledger.CancelTransfer{Transfer: &tr})
			return err
		}
		blocker := w.pay(9114_00, 1) // two seconds
		if err := cancel(blocker); err == nil {
			w.t.Error("a debit that was sent cannot be cancelled")
		}
		sent, cancelled := w.pay(100, 2), w.pay(100, 3)
		if err := cancel(cancelled); err != nil || w.state(cancelled.ID) != ledger.Cancelled {
			w.t.Errorf("a queued debit: %v, %s", err, w.state(cancelled.ID))
		}
		if err := cancel(cancelled); err != nil {
			w.t.Errorf("cancelling again: %v", err)
		}
		if !w.pass(10*time.Second, 200*time.Millisecond, func() bool { return w.state(sent.ID) == ledger.Completed }) {
			w.t.Errorf("queued, then room: %s", w.state(sent.ID))
		}
		w.pass(time.Second, 10*time.Millisecond, func() bool { return !w.dispatcher.Saturated("NRMD") })
		hang := w.pay(9104_00, 4) // holds the only place for 15 s
		late := w.pay(100, 5)
		if !w.pass(20*time.Second, 200*time.Millisecond, func() bool { return w.state(late.ID) == ledger.Failed }) {
			w.t.Errorf("queued for too long: %s, while %s", w.state(late.ID), w.state(hang.ID))
		}
		if tr, _ := w.store.Transfer(context.Background(), late.ID); tr.Reason != ledger.RequestExpired {
			w.t.Errorf("the reason is %q", tr.Reason)
		}
		w.verify()
	})
}

// TestReportOfAnotherBank: a bank may speak of its own instructions only.
func TestReportOfAnotherBank(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		tr := w.pay(9113_00, 1) // pending for two seconds
		id := ledger.InstructionID{Transfer: tr.ID, Leg: ledger.LegDebit}
		if _, err := w.dispatcher.Report(context.Background(), "KVRI", id, banks.Answer{Outcome: ledger.SaysDeclined}); err == nil {
			w.t.Error("the payee's bank answered for the payer's")
		}
		r, err := w.dispatcher.Report(context.Background(), "NRMD", id, banks.Answer{Outcome: ledger.SaysDeclined, Code: "Z9"})
		if err != nil || r.Effect != ledger.Applied || r.Transfer.State != ledger.Failed {
			w.t.Errorf("its own bank: %v, %v", r, err)
		}
	})
}
