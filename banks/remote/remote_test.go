package remote_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"bahi/banks"
	"bahi/banks/remote"
	"bahi/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var holder = ledger.NewID()

func debit() banks.Instruction {
	return banks.Instruction{ID: ledger.InstructionID{Transfer: ledger.NewID(), Leg: ledger.LegDebit}, Amount: ledger.Amount{Minor: 100, Currency: "INR"}}
}

var approved = banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}

// said is what an ask came to.
type said struct {
	answer banks.Answer
	err    error
}

// ask asks in the background, for at most so long.
func ask(question func(context.Context, banks.Instruction) (banks.Answer, error), i banks.Instruction, limit time.Duration) <-chan said {
	out := make(chan said, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		a, err := question(ctx, i)
		out <- said{a, err}
	}()
	return out
}

// inBubble runs a test in a bubble of virtual time.
func inBubble(t *testing.T, cfg remote.Config, test func(*testing.T, *remote.Bank)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := remote.New(cfg)
		defer b.Close()
		test(t, b)
	})
}

// lease is what there is to lease now, for a second.
func lease(b *remote.Bank, limit int) []remote.Offer {
	synctest.Wait()
	return b.Lease(context.Background(), holder, limit, 0, time.Second)
}

func (s said) is(t *testing.T, want banks.Answer) {
	t.Helper()
	if s.err != nil || s.answer != want {
		t.Errorf("the answer is %+v, %v; want %+v", s.answer, s.err, want)
	}
}

// failed says whether it was certainly not sent.
func (s said) failed(t *testing.T, notSent bool) {
	t.Helper()
	if s.err == nil || errors.Is(s.err, banks.ErrNotSent) != notSent {
		t.Errorf("got %+v, %v; want an error, certainly not sent: %t", s.answer, s.err, notSent)
	}
}

func TestWhatNobodyCameForWasNotSent(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		(<-ask(b.Submit, debit(), time.Second)).failed(t, true)
		if got := lease(b, 10); len(got) != 0 {
			t.Errorf("what was given up is offered: %+v", got)
		}
	})
}

func TestWhatWasLeasedMayHaveBeenDone(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		said := ask(b.Submit, debit(), 500*time.Millisecond)
		if got := lease(b, 10); len(got) != 1 {
			t.Fatalf("leased %+v", got)
		}
		(<-said).failed(t, false)
		time.Sleep(2 * time.Second) // its lease would be over
		if got := lease(b, 10); len(got) != 0 {
			t.Errorf("nobody waits for %+v", got)
		}
	})
}

// Back among the waiting, it may still have been done by whoever lost the lease.
func TestWhatWasOfferedAgainMayHaveBeenDone(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		said := ask(b.Submit, debit(), 1500*time.Millisecond)
		lease(b, 1)
		(<-said).failed(t, false)
	})
}

func TestALeaseThatExpiresIsOfferedAgainFirst(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		var all []<-chan said
		for range 3 {
			all = append(all, ask(b.Submit, debit(), time.Minute))
			synctest.Wait() // one after the other
		}
		first := lease(b, 2)
		time.Sleep(1100 * time.Millisecond)
		again := lease(b, 10)
		if len(first) != 2 || len(again) != 3 || again[0].Question != first[0].Question || again[1].Question != first[1].Question {
			t.Fatalf("first %+v, then %+v", first, again)
		}
		b.Answer(first[0].Question, approved) // by whoever lost the lease
		(<-all[0]).is(t, approved)
		b.Answer(first[0].Question, banks.Answer{Outcome: ledger.SaysDeclined}) // nobody waits for it any more
		b.Answer(again[1].Question, approved)
		b.Answer(again[2].Question, approved)
		(<-all[1]).is(t, approved)
		(<-all[2]).is(t, approved)
	})
}

func TestTheSameQuestionIsOneOffer(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		i := debit()
		patient, hasty, status := ask(b.Submit, i, time.Minute), ask(b.Submit, i, time.Second), ask(b.Status, i, time.Minute)
		time.Sleep(2 * time.Second)
		(<-hasty).failed(t, false) // it may yet be sent, for the other
		got := lease(b, 10)
		if len(got) != 2 {
			t.Fatalf("leased %+v", got)
		}
		for _, o := range got {
			if o.Ask == remote.AskStatus {
				b.Answer(o.Question, banks.Answer{Outcome: ledger.SaysNotSeen})
			} else {
				b.Answer(o.Question, approved)
			}
		}
		(<-patient).is(t, approved)
		(<-status).is(t, banks.Answer{Outcome: ledger.SaysNotSeen})
	})
}

func TestAWaitingProcessIsServedAtOnce(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		began := time.Now()
		type served struct {
			who  int
			what []remote.Offer
		}
		got := make(chan served)
		poll := func(ctx context.Context, who int) {
			go func() { got <- served{who, b.Lease(ctx, holder, 1, time.Minute, time.Minute)} }()
			synctest.Wait()
		}
		hungUp, hangUp := context.WithCancel(t.Context())
		poll(t.Context(), 1)
		poll(hungUp, 2)
		poll(t.Context(), 3)
		hangUp()
		if s := <-got; s.who != 2 || len(s.what) != 0 {
			t.Errorf("who hung up got %+v", s)
		}
		one := ask(b.Submit, debit(), 30*time.Second)
		if s := <-got; s.who != 1 || len(s.what) != 1 {
			t.Errorf("the first got %+v", s)
		}
		two := ask(b.Submit, debit(), time.Minute)
		s := <-got
		if s.who != 3 || len(s.what) != 1 || time.Since(began) != 0 {
			t.Errorf("the next got %+v after %v", s, time.Since(began))
		}
		b.Answer(s.what[0].Question, approved)
		(<-two).is(t, approved)
		poll(t.Context(), 4)
		if s := <-got; s.who != 4 || len(s.what) != 0 || time.Since(began) != time.Minute {
			// The lease of the first, which nobody waits for any more, does not come back.
			t.Errorf("the last got %+v after %v", s, time.Since(began))
		}
		(<-one).failed(t, false)
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	inBubble(t, remote.Config{MaxOffers: 2}, func(t *testing.T, b *remote.Bank) {
		one, two := ask(b.Submit, debit(), time.Second), ask(b.Reverse, debit(), time.Second)
		synctest.Wait()
		(<-ask(b.Submit, debit(), time.Hour)).failed(t, true)
		(<-one).failed(t, true)
		(<-two).failed(t, true)
		three := ask(b.Submit, debit(), time.Second) // there is room again
		b.Answer(lease(b, 1)[0].Question, approved)
		(<-three).is(t, approved)
	})
}

func TestDown(t *testing.T) {
	inBubble(t, remote.Config{DownAfter: 10 * time.Second}, func(t *testing.T, b *remote.Bank) {
		down := func(want bool) {
			t.Helper()
			if b.Down() != want {
				t.Errorf("down is %t", !want)
			}
		}
		down(false)
		time.Sleep(10 * time.Second)
		down(true)
		began := time.Now()
		(<-ask(b.Submit, debit(), time.Hour)).failed(t, true)
		if time.Since(began) != 0 {
			t.Errorf("it was refused after %v", time.Since(began))
		}
		reversal := ask(b.Reverse, debit(), time.Minute) // a process may come back for it
		if waiting, leased := b.Heartbeat(); waiting+leased > 1 {
			t.Errorf("%d wait, %d are leased", waiting, leased)
		}
		down(false)
		b.Answer(lease(b, 1)[0].Question, approved)
		(<-reversal).is(t, approved)
		time.Sleep(9 * time.Second)
		polled := make(chan []remote.Offer)
		go func() { polled <- b.Lease(t.Context(), holder, 1, 30*time.Second, time.Second) }()
		time.Sleep(20 * time.Second)
		down(false) // it is waiting
		<-polled
		time.Sleep(9 * time.Second)
		down(false)
		time.Sleep(time.Second)
		down(true)
	})
}

func TestCloseEndsEverything(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		leased := ask(b.Submit, debit(), time.Hour)
		lease(b, 1)
		polled := make(chan []remote.Offer)
		go func() { polled <- b.Lease(context.Background(), holder, 1, time.Hour, time.Second) }()
		synctest.Wait()
		began := time.Now()
		b.Close()
		b.Close()
		(<-leased).failed(t, false)
		if got := <-polled; len(got) != 0 || time.Since(began) != 0 {
			t.Errorf("leased %+v after %v", got, time.Since(began))
		}
		(<-ask(b.Submit, debit(), time.Hour)).failed(t, true)
		if got := lease(b, 1); len(got) != 0 {
			t.Errorf("leased %+v from a closed bank", got)
		}
	})
}

func TestOnlyWhoLeasedCanAnswer(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		i := debit()
		waits := ask(b.Submit, i, time.Minute)
		o := lease(b, 1)[0]
		other := o.Question
		other.Ask = remote.AskReverse
		elsewhere := remote.New(remote.Config{})
		defer elsewhere.Close()
		for name, got := range map[string]bool{
			"no token":       b.Leased(holder, o.Question, ""),
			"another key":    b.Leased(ledger.NewID(), o.Question, o.Token),
			"another ask":    b.Leased(holder, other, o.Token),
			"another id":     b.Leased(holder, remote.Question{Ask: o.Ask, ID: debit().ID}, o.Token),
			"another bank":   elsewhere.Leased(holder, o.Question, o.Token),
			"its own, wrong": !b.Leased(holder, o.Question, o.Token),
		} {
			if got {
				t.Errorf("%s: it counts as leased", name)
			}
		}
		b.Answer(o.Question, approved)
		<-waits
	})
}

// TestNotSentIsNeverLeased has many callers give up at the moment when many
// processes come: what was given up as not sent was handed to none of them, and
// nothing is handed out twice within its lease.
func TestNotSentIsNeverLeased(t *testing.T) {
	b := remote.New(remote.Config{})
	defer b.Close()
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	leased, notSent := map[ledger.InstructionID]int{}, map[ledger.InstructionID]bool{}
	var processes, callers sync.WaitGroup
	for range 4 {
		processes.Go(func() {
			for ctx.Err() == nil {
				for _, o := range b.Lease(ctx, holder, 3, time.Second, time.Hour) {
					mu.Lock()
					leased[o.ID]++
					mu.Unlock()
					b.Answer(o.Question, approved)
				}
			}
		})
	}
	outcomes := map[string]int{}
	for range 16 {
		callers.Go(func() {
			for range 500 {
				i := debit()
				limit, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(30))*time.Microsecond)
				_, err := b.Submit(limit, i)
				cancel()
				mu.Lock()
				notSent[i.ID] = errors.Is(err, banks.ErrNotSent)
				if err == nil && leased[i.ID] != 1 {
					t.Errorf("%s was answered and leased %d times", i.ID, leased[i.ID])
				}
				outcomes[fmt.Sprint(err == nil, notSent[i.ID])]++
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	stop()
	processes.Wait()
	for id, n := range leased {
		if n > 1 || notSent[id] {
			t.Errorf("%s was leased %d times, and not sent: %t", id, n, notSent[id])
		}
	}
	if outcomes["true false"] == 0 || outcomes["false true"] == 0 {
		t.Errorf("the moments do not meet: %v", outcomes)
	}
}

// TestAllWhoWaitAreServed: what comes back in one bundle goes to as many as it
// takes, also past one that has just hung up.
func TestAllWhoWaitAreServed(t *testing.T) {
	inBubble(t, remote.Config{}, func(t *testing.T, b *remote.Bank) {
		var asked []<-chan said
		for range 3 {
			asked = append(asked, ask(b.Submit, debit(), time.Minute))
		}
		lease(b, 3) // for a second
		began := time.Now()
		served := make(chan remote.Offer, 3)
		hasty, hangUp := context.WithTimeout(t.Context(), time.Second) // when they are offered again
		defer hangUp()
		for n, ctx := range []context.Context{hasty, t.Context(), t.Context(), t.Context()} {
			go func() {
				for _, o := range b.Lease(ctx, holder, 1, 10*time.Second+time.Duration(n), time.Minute) {
					served <- o
					b.Answer(o.Question, approved)
				}
			}()
			synctest.Wait()
		}
		for _, a := range asked {
			(<-a).is(t, approved)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("they were served after %v", took)
		}
	})
}
