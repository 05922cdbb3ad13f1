package banks_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/memory"
)

// scripted is a bank that a test writes by hand; what it does not say is approved.
type scripted struct {
	submit, reverse, status func(banks.Instruction) (banks.Answer, error)
}

func (b *scripted) Submit(_ context.Context, i banks.Instruction) (banks.Answer, error) {
	return say(b.submit, i)
}

func (b *scripted) Reverse(_ context.Context, i banks.Instruction) (banks.Answer, error) {
	return say(b.reverse, i)
}

func (b *scripted) Status(_ context.Context, i banks.Instruction) (banks.Answer, error) {
	return say(b.status, i)
}

func say(script func(banks.Instruction) (banks.Answer, error), i banks.Instruction) (banks.Answer, error) {
	if script == nil {
		return banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}, nil
	}
	return script(i)
}

func answers(a banks.Answer) func(banks.Instruction) (banks.Answer, error) {
	return func(banks.Instruction) (banks.Answer, error) { return a, nil }
}

// badDay runs a node whose payers' bank is NRMD and whose payees' bank is KVRI,
// in virtual time. reader, if any, stands between the dispatcher and the book.
func badDay(t *testing.T, payers, payees *scripted, reader func(ledger.Reader) ledger.Reader, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: memory.New(), policy: ledger.DefaultPolicy()}
		registry, err := banks.NewRegistry([]banks.Bank{
			{Code: "NRMD", IFSCPrefix: "NRMD", Adapter: payers, MaxInFlight: 16}, {Code: "KVRI", IFSCPrefix: "KVRI", Adapter: payees, MaxInFlight: 16}})
		if err != nil {
			t.Fatal(err)
		}
		w.registry, w.dispatcher = registry, banks.NewDispatcher(registry)
		w.book = ledger.NewPipeline(w.store, ledger.PipelineOptions{Policy: &w.policy, Observer: w.dispatcher.Observe, Log: quiet})
		read := ledger.Reader(w.store)
		if reader != nil {
			read = reader(read)
		}
		w.dispatcher.Start(banks.Options{Book: w.book, Reader: read, Policy: &w.policy, Clock: banks.WallClock{}, Sweep: time.Second, Log: quiet})
		test(w)
		w.verify()
		w.stop()
		w.store.Close()
	})
}

// payMany creates n payments in one commit.
func (w *world) payMany(n int, edit func(*ledger.CreateTransfer)) []ledger.ID {
	w.t.Helper()
	var many ledger.Many
	var ids []ledger.ID
	for i := range n {
		c := w.create(100, i)
		edit(&c)
		many, ids = append(many, c), append(ids, c.Transfer.ID)
	}
	if _, err := ledger.Do[ledger.Outcomes](context.Background(), w.book, many); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// slowReader holds the sweep up after it has read what is due.
type slowReader struct{ ledger.Reader }

func (r slowReader) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	tasks, err := r.Reader.Due(ctx, node, after, before, limit)
	if len(tasks) > 0 {
		time.Sleep(20 * time.Second)
	}
	return tasks, err
}

// TestAStaleSweepPaysNobody: between a sweep's look and its act the payer was
// refunded; the payee's bank must not be asked to pay then.
func TestAStaleSweepPaysNobody(t *testing.T) {
	var calls, credited atomic.Int32
	payees := &scripted{status: answers(banks.Answer{Outcome: ledger.SaysNotSeen})}
	payees.submit = func(i banks.Instruction) (banks.Answer, error) {
		if calls.Add(1) == 1 {
			time.Sleep(40 * time.Second)
			return banks.Answer{}, fmt.Errorf("refused: %w", banks.ErrNotSent)
		}
		credited.Add(1)
		return say(nil, i)
	}
	badDay(t, &scripted{}, payees, func(r ledger.Reader) ledger.Reader { return slowReader{r} }, func(w *world) {
		id := w.pay(100, 1).ID
		w.pass(10*time.Minute, time.Second, func() bool { return false })
		if got := w.state(id); got != ledger.Reversed || credited.Load() != 0 {
			w.t.Errorf("%s, and the payee was credited %d times", got, credited.Load())
		}
	})
}

// TestABacklogHidesNothing: thousands of credits wait for a slow bank, more than
// a sweep's page; a queued debit at a bank that is idle is taken up all the same.
func TestABacklogHidesNothing(t *testing.T) {
	payees := &scripted{submit: func(i banks.Instruction) (banks.Answer, error) {
		time.Sleep(14 * time.Second)
		return say(nil, i)
	}}
	badDay(t, &scripted{}, payees, nil, func(w *world) {
		w.payMany(3000, func(c *ledger.CreateTransfer) { c.Queue = false })
		w.pass(time.Minute, time.Second, func() bool { return false })
		id := w.payMany(1, func(c *ledger.CreateTransfer) { c.Queue, c.Transfer.Payee = true, end("NRMD", 2) })[0]
		if !w.pass(5*time.Second, time.Second, func() bool { return w.state(id) == ledger.Completed }) {
			w.t.Errorf("the queued payment is %s", w.state(id))
		}
	})
}

// TestABankThatIsGone: the credit to a bank that is not registered any more ends
// in an honest doubt with a deadline, not in silence for ever.
func TestABankThatIsGone(t *testing.T) {
	badDay(t, &scripted{}, &scripted{}, nil, func(w *world) {
		id := w.payMany(1, func(c *ledger.CreateTransfer) { c.Transfer.Payee = end("GONE", 1) })[0]
		if !w.pass(12*time.Hour, time.Minute, func() bool { return w.state(id) == ledger.Deemed }) {
			w.t.Errorf("the payment is %s", w.state(id))
		}
	})
}

// TestAPendingReversal: a bank that calls a reversal pending for ever is asked a
// few times, not for ever.
func TestAPendingReversal(t *testing.T) {
	var asked atomic.Int32
	payers := &scripted{reverse: func(banks.Instruction) (banks.Answer, error) { asked.Add(1); return banks.Answer{Pending: true}, nil }}
	badDay(t, payers, &scripted{submit: answers(banks.Answer{Outcome: ledger.SaysDeclined, Code: "XI"})}, nil, func(w *world) {
		id := w.pay(100, 1).ID
		if !w.pass(12*time.Hour, time.Minute, func() bool { return w.state(id) == ledger.Unresolved }) || asked.Load() > 10 {
			w.t.Errorf("the payment is %s after %d reversals", w.state(id), asked.Load())
		}
	})
}

// TestNoDebitIsSentLate: what waited behind others for longer than a debit may
// wait is not sent any more.
func TestNoDebitIsSentLate(t *testing.T) {
	var oldest atomic.Int64
	payers := &scripted{submit: func(i banks.Instruction) (banks.Answer, error) {
		oldest.Store(max(oldest.Load(), int64(time.Since(i.Initiated))))
		time.Sleep(10 * time.Second)
		return say(nil, i)
	}}
	badDay(t, payers, &scripted{}, nil, func(w *world) {
		ids := w.payMany(100, func(c *ledger.CreateTransfer) { c.Queue = false })
		w.pass(5*time.Minute, time.Second, func() bool { return false })
		ended := map[ledger.State]int{}
		for _, id := range ids {
			ended[w.state(id)]++
		}
		if time.Duration(oldest.Load()) > w.policy.QueueLimit || ended[ledger.Completed] != 32 || ended[ledger.Failed] != 68 {
			w.t.Errorf("the oldest debit was sent after %s; %v", time.Duration(oldest.Load()), ended)
		}
	})
}

// TestAClaimIsSentOnce: a claim and a cancellation that comes too late for it fall
// into one commit; the bank is asked once.
func TestAClaimIsSentOnce(t *testing.T) {
	var asked atomic.Int32
	payers := &scripted{submit: func(i banks.Instruction) (banks.Answer, error) { asked.Add(1); return say(nil, i) }}
	badDay(t, payers, &scripted{}, nil, func(w *world) {
		id := w.payMany(1, func(c *ledger.CreateTransfer) { c.Queue = true })[0]
		tr, err := w.store.Transfer(context.Background(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		debit := ledger.InstructionID{Transfer: id, Leg: ledger.LegDebit}
		if _, err := ledger.Do[ledger.Outcomes](context.Background(), w.book, ledger.Many{
			ledger.ClaimInstruction{ID: debit}, ledger.CancelTransfer{Transfer: &tr}}); err != nil {
			w.t.Fatal(err)
		}
		w.pass(time.Minute, time.Second, func() bool { return false })
		if got := w.state(id); got != ledger.Completed || asked.Load() != 1 {
			w.t.Errorf("%s, and the payer's bank was asked %d times", got, asked.Load())
		}
	})
}

// TestAnAdapterWithBugs: a panic and an answer that means nothing are unknown
// outcomes: neither a failure nor a success.
func TestAnAdapterWithBugs(t *testing.T) {
	for name, submit := range map[string]func(banks.Instruction) (banks.Answer, error){
		"panics":        func(banks.Instruction) (banks.Answer, error) { panic("a bug") },
		"says nothing":  answers(banks.Answer{}),
		"says nonsense": answers(banks.Answer{Outcome: 77}),
	} {
		t.Run(name, func(t *testing.T) {
			badDay(t, &scripted{}, &scripted{submit: submit}, nil, func(w *world) {
				id := w.pay(100, 1).ID
				w.pass(time.Minute, time.Second, func() bool { return false })
				if got := w.state(id); got != ledger.Debited {
					w.t.Errorf("%s while the outcome is not known", got)
				}
				if !w.pass(time.Hour, time.Second, func() bool { return w.state(id) == ledger.Completed }) {
					w.t.Errorf("%s after the status check", w.state(id))
				}
			})
		})
	}
}
