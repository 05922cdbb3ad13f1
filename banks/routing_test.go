package banks_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// inTown is badDay with the registry at hand.
func inTown(t *testing.T, payers, payees *scripted, test func(*world, *banks.Registry)) {
	badDay(t, payers, payees, nil, func(w *world) { test(w, w.registry) })
}

// town is the banks of badDay, without those that are named.
func town(payers, payees *scripted, edit func(*banks.Bank), without ...string) (list []banks.Bank) {
	for code, adapter := range map[string]*scripted{"NRMD": payers, "KVRI": payees} {
		b := banks.Bank{Code: code, IFSCPrefix: code, Adapter: adapter, MaxInFlight: 16}
		edit(&b)
		if len(without) == 0 || without[0] != code {
			list = append(list, b)
		}
	}
	return list
}

func asTheyAre(*banks.Bank) {}

// orderOne makes a payment as the API does.
func (w *world) orderOne(number int) ledger.Transfer {
	w.t.Helper()
	c := w.create(100, number)
	c.Refused = w.dispatcher.Refuses(&c.Transfer)
	t, err := ledger.Do[ledger.Transfer](context.Background(), w.book, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// TestADeadBankIsLeftAlone: once a bank has failed for a while, nobody is debited
// for it any more, at it or for a payee at it; what was debited goes on to its end
// all the same; and when the bank is back, it is used again.
func TestADeadBankIsLeftAlone(t *testing.T) {
	for _, side := range []string{"NRMD", "KVRI"} {
		t.Run(side, func(t *testing.T) {
			var dead atomic.Bool
			var sent, asked atomic.Int32
			ill := &scripted{}
			ill.submit = func(i banks.Instruction) (banks.Answer, error) {
				sent.Add(1)
				if dead.Load() {
					return banks.Answer{}, fmt.Errorf("no answer")
				}
				return say(nil, i)
			}
			ill.status = func(banks.Instruction) (banks.Answer, error) {
				asked.Add(1)
				return banks.Answer{Outcome: ledger.SaysNotDone, Code: "NC"}, nil
			}
			payers, payees := ill, &scripted{}
			if side == "KVRI" {
				payers, payees = payees, ill
			}
			inTown(t, payers, payees, func(w *world, _ *banks.Registry) {
				dead.Store(true)
				var early []ledger.ID
				for n := range 40 {
					early = append(early, w.orderOne(n).ID)
					w.pass(100*time.Millisecond, 100*time.Millisecond, func() bool { return false })
				}
				h, _ := w.dispatcher.Health(side)
				if n := sent.Load(); n < 5 || n > 12 || h.State != "down" || h.Breaker != banks.BreakerOpen {
					w.t.Errorf("%d of 40 were sent to the dead bank, which is %s", n, h.State)
				}
				late := w.orderOne(100)
				if late.State != ledger.Failed || late.Reason != ledger.BankUnavailable || late.BankCode != "U28" {
					w.t.Errorf("a payment with the dead bank is %s: %s (%s)", late.State, late.Reason, late.BankCode)
				}
				// One that another node made, or that had waited: it is certainly not sent.
				before := sent.Load()
				passed := w.pay(100, 101)
				w.pass(time.Second, 100*time.Millisecond, func() bool { return false })
				if got := w.state(passed.ID); side == "NRMD" && (got != ledger.Failed || sent.Load() != before) {
					w.t.Errorf("a debit at the dead bank is %s", got)
				} else if side == "KVRI" && sent.Load() != before+1 {
					w.t.Errorf("a credit whose payer was debited was not sent")
				}
				n := 200 // others try, and the bank fails them: it is left alone for longer and longer
				w.pass(2*time.Minute, time.Second, func() bool { n++; w.orderOne(n); return false })
				if asked.Load() < 5 {
					w.t.Errorf("the dead bank was asked %d times what became of what it has", asked.Load())
				}
				dead.Store(false)
				if !w.pass(5*time.Minute, time.Second, func() bool {
					n++
					w.orderOne(n)
					h, _ := w.dispatcher.Health(side)
					return h.Breaker == banks.BreakerClosed
				}) {
					w.t.Error("the bank is back, and still not used")
				}
				back := w.orderOne(1000)
				w.pass(time.Second, 100*time.Millisecond, func() bool { return false })
				if got := w.state(back.ID); got != ledger.Completed {
					w.t.Errorf("with the bank back a payment is %s", got)
				}
				for _, id := range early {
					if got := w.state(id); !got.Final() {
						w.t.Errorf("a payment of before is %s", got)
					}
				}
			})
		})
	}
}

// TestCustomersDoNotOpenTheBreaker: a bank that declines everybody for their own
// faults works; one that declines them for its own does not.
func TestCustomersDoNotOpenTheBreaker(t *testing.T) {
	for code, want := range map[string]banks.BreakerState{"Z9": banks.BreakerClosed, "XY": banks.BreakerOpen} {
		payers := &scripted{submit: answers(banks.Answer{Outcome: ledger.SaysDeclined, Code: code})}
		inTown(t, payers, &scripted{}, func(w *world, _ *banks.Registry) {
			for n := range 50 {
				w.orderOne(n)
				w.pass(100*time.Millisecond, 100*time.Millisecond, func() bool { return false })
			}
			if h, _ := w.dispatcher.Health("NRMD"); h.Breaker != want || (h.Windows[0].Business == 50) != (code == "Z9") || (h.Windows[0].Technical > 0) != (code == "XY") {
				w.t.Errorf("%s: %s after %+v", code, h.Breaker, h.Windows[0])
			}
		})
	}
}

// TestReportsAreHealth: what a bank reports later counts as its answer, once, with
// the time that it took.
func TestReportsAreHealth(t *testing.T) {
	payers := &scripted{submit: answers(banks.Answer{Pending: true})}
	inTown(t, payers, &scripted{}, func(w *world, _ *banks.Registry) {
		tr := w.orderOne(1)
		w.pass(2*time.Second, time.Second, func() bool { return false })
		id := ledger.InstructionID{Transfer: tr.ID, Leg: ledger.LegDebit}
		for range 2 { // a repeat is not counted
			if _, err := w.dispatcher.Report(context.Background(), "NRMD", id, banks.Answer{Outcome: ledger.SaysDeclined, Code: "XY"}); err != nil {
				w.t.Fatal(err)
			}
		}
		h, _ := w.dispatcher.Health("NRMD")
		if last := h.Windows[0]; last.Technical != 1 || last.All() != 1 || last.P50 < 1700*time.Millisecond || last.P50 > 2300*time.Millisecond {
			w.t.Errorf("%+v", last)
		}
	})
}

// TestABankThatNeverReports: one that takes everything as pending and reports
// nothing is as dead as one that does not answer; but not for what a node finds
// that was not there to hear it.
func TestABankThatNeverReports(t *testing.T) {
	pending := answers(banks.Answer{Pending: true})
	inTown(t, &scripted{submit: pending, status: pending}, &scripted{}, func(w *world, r *banks.Registry) {
		for n := range 10 {
			w.orderOne(n)
		}
		w.pass(25*time.Second, time.Second, func() bool { return false })
		h, _ := w.dispatcher.Health("NRMD")
		if h.Breaker != banks.BreakerClosed || h.Windows[0].All() != 0 {
			w.t.Errorf("before their time: %+v", h)
		}
		w.pass(10*time.Second, time.Second, func() bool { return false })
		if h, _ = w.dispatcher.Health("NRMD"); h.Breaker != banks.BreakerOpen || h.Windows[0].Unknown != 10 {
			w.t.Errorf("after their time: %+v", h)
		}
		w.pass(2*time.Hour, time.Minute, func() bool { return false }) // asked again and again
		if h, _ = w.dispatcher.Health("NRMD"); h.Total.Unknown != 10 {
			w.t.Errorf("each of 10 is counted once: %+v", h.Total)
		}
	})
	inWorld(t, func(w *world) {
		w.start()
		for n := range 10 {
			w.pay(9113_00, n) // pending for two seconds
		}
		w.pass(time.Second, time.Second, func() bool { return false })
		w.stop()
		time.Sleep(5 * time.Minute)
		w.start()
		w.pass(10*time.Second, time.Second, func() bool { return false })
		if h, _ := w.dispatcher.Health("NRMD"); h.Breaker != banks.BreakerClosed || h.Total.Unknown != 0 {
			w.t.Errorf("after the node was away: %+v", h)
		}
	})
}

// TestLimitOfATransfer: what is more than a bank allows is refused, at either end.
func TestLimitOfATransfer(t *testing.T) {
	payers, payees := &scripted{}, &scripted{}
	for _, side := range []string{"NRMD", "KVRI"} {
		inTown(t, payers, payees, func(w *world, r *banks.Registry) {
			for limit, want := range map[int64]ledger.State{99: ledger.Failed, 100: ledger.Completed, 0: ledger.Completed} {
				err := r.Replace(town(payers, payees, func(b *banks.Bank) {
					if b.Code == side {
						b.MaxAmount = ledger.Amount{Minor: limit, Currency: "INR"}
					}
				}))
				if err != nil {
					w.t.Fatal(err)
				}
				id := w.orderOne(1).ID
				w.pass(time.Second, time.Second, func() bool { return false })
				got, _ := w.store.Transfer(context.Background(), id)
				if got.State != want || want == ledger.Failed && (got.Reason != ledger.BankLimitExceeded || got.BankCode != "Z8") {
					w.t.Errorf("%s allows %d: %s, %s (%s)", side, limit, got.State, got.Reason, got.BankCode)
				}
			}
		})
	}
}

// TestABankLeaves: of a bank that is not listed any more nobody pays or is paid,
// what is open goes on to its end, and then it is forgotten. It may come back
// meanwhile with what it had.
func TestABankLeaves(t *testing.T) {
	payees := &scripted{submit: func(i banks.Instruction) (banks.Answer, error) {
		time.Sleep(10 * time.Second)
		return banks.Answer{Pending: true}, nil
	}}
	payees.status = func(i banks.Instruction) (banks.Answer, error) {
		return banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}, nil
	}
	payers := &scripted{submit: func(i banks.Instruction) (banks.Answer, error) {
		time.Sleep(5 * time.Second)
		return say(nil, i)
	}}
	inTown(t, payers, payees, func(w *world, r *banks.Registry) {
		replace := func(without ...string) {
			if err := r.Replace(town(payers, payees, asTheyAre, without...)); err != nil {
				w.t.Fatal(err)
			}
		}
		second := func(n int) { w.pass(time.Duration(n)*time.Second, time.Second, func() bool { return false }) }
		open := w.orderOne(1).ID
		second(2) // the payer's bank is being asked
		replace("KVRI")
		if late := w.orderOne(2); late.State != ledger.Failed || late.Reason != ledger.BankUnknown {
			w.t.Errorf("a payment to a bank that left is %s: %s", late.State, late.Reason)
		}
		if _, ok := r.ByIFSC("KVRI0000001"); ok {
			w.t.Error("an IFSC leads to a bank that left")
		}
		second(5) // its credit is under way
		if h, ok := w.dispatcher.Health("KVRI"); !ok || h.State != "leaving" || h.InFlight != 1 {
			w.t.Errorf("%+v, %v", h, ok)
		}
		replace() // it is back, and it is the same lane
		if h, _ := w.dispatcher.Health("KVRI"); h.State != "up" || h.InFlight != 1 {
			w.t.Errorf("back: %+v", h)
		}
		replace("KVRI")
		second(3 * 60)
		if got := w.state(open); got != ledger.Completed {
			w.t.Errorf("what was open when the bank left is %s", got)
		}
		if len(r.All()) != 1 {
			w.t.Error("nothing of the bank is open any more, and it is not forgotten")
		}
		replace()
		back := w.orderOne(3).ID
		if !w.pass(5*time.Minute, time.Second, func() bool { return w.state(back) == ledger.Completed }) {
			w.t.Errorf("with the bank back a payment is %s", w.state(back))
		}
		replace("KVRI")
		second(50) // something made just before may be on its way into the book
		known := len(r.All())
		if second(60); known != 2 || len(r.All()) != 1 {
			w.t.Errorf("%d banks are known soon after one left, and %d later", known, len(r.All()))
		}
	})
}

// TestABankIsNeededByTheOtherLeg: a bank that left is not forgotten while a debit
// at another bank may still lead to it, however long that takes.
func TestABankIsNeededByTheOtherLeg(t *testing.T) {
	payers := &scripted{submit: answers(banks.Answer{Pending: true}), status: answers(banks.Answer{Pending: true})}
	inTown(t, payers, &scripted{}, func(w *world, r *banks.Registry) {
		tr := w.orderOne(1)
		w.pass(time.Second, time.Second, func() bool { return false })
		if err := r.Replace(town(payers, &scripted{}, asTheyAre, "KVRI")); err != nil {
			w.t.Fatal(err)
		}
		w.pass(10*time.Minute, time.Second, func() bool { return false })
		debit := ledger.InstructionID{Transfer: tr.ID, Leg: ledger.LegDebit}
		if _, err := w.dispatcher.Report(context.Background(), "NRMD", debit, banks.Answer{Outcome: ledger.SaysDeclined, Code: "Z9"}); err != nil {
			w.t.Fatal(err)
		}
		if len(r.All()) != 2 {
			w.t.Error("the payee's bank was forgotten before the payer's had answered")
		}
		w.pass(3*time.Minute, time.Second, func() bool { return false })
		if len(r.All()) != 1 {
			w.t.Error("it is not forgotten after that")
		}
	})
}

// TestLimitsChangeUnderway: a bound that is lowered or raised holds for the lane as it is.
func TestLimitsChangeUnderway(t *testing.T) {
	var now, most atomic.Int32
	payers, payees := &scripted{}, &scripted{}
	payers.submit = func(i banks.Instruction) (banks.Answer, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		time.Sleep(time.Second)
		return say(nil, i)
	}
	inTown(t, payers, payees, func(w *world, r *banks.Registry) {
		var ids []ledger.ID
		for _, limit := range []int{16, 4, 32} {
			if err := r.Replace(town(payers, payees, func(b *banks.Bank) { b.MaxInFlight = limit })); err != nil {
				w.t.Fatal(err)
			}
			w.pass(1500*time.Millisecond, 1500*time.Millisecond, func() bool { return false }) // what was sent before is over
			most.Store(0)
			ids = append(ids, w.payMany(64, func(c *ledger.CreateTransfer) { c.Queue = false })...)
			w.pass(1500*time.Millisecond, 1500*time.Millisecond, func() bool { return false })
			if got := most.Load(); got > int32(limit) || limit == 32 && got != 32 || limit == 16 && got != 16 {
				w.t.Errorf("%d at once where there may be %d", got, limit)
			}
		}
		if !w.pass(time.Minute, time.Second, func() bool { return w.completed(ids) == len(ids) }) {
			w.t.Errorf("%d of %d are completed", w.completed(ids), len(ids))
		}
	})
}
