// Package bankstest is the conformance kit for bank adapters: what every rail
// must keep when instructions are replayed, reordered, delayed, duplicated and
// changed on their way, when answers are dropped or come later, and over a
// restart. Run it against a bank's test system or simulator.
package bankstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// Rail is an adapter under test and the means to see what the bank really did.
type Rail struct {
	Adapter banks.Adapter
	// Moved is what the bank's own book shows for an instruction, in minor units:
	// above zero for money that left the account, below zero for money that came
	// in, 0 for none, and twice the amount for one that was carried out twice.
	Moved func(ledger.InstructionID) int64
	// Good is an account with 1,000,000 minor units at least; Missing does not exist.
	Good, Missing banks.Account
	Currency      ledger.Currency // default INR
	// Later, if the bank answers some instructions later, is an account whose
	// instructions it takes as pending and approves soon; Report then sets who is told.
	Later  banks.Account
	Report func(banks.Reporter)
	// Restart, if the rail has one, stops the bank or the adapter as roughly as it
	// can and gives the rail that follows, with the same book.
	Restart func(*testing.T) Rail
}

// amount is what every instruction of the kit moves, in minor units.
const amount = 12_345

// Run tests the contract of [banks.Adapter]. open gives a rail of its own to
// each test and cleans up after it by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Rail) {
	type test struct {
		name string
		test func(*kit)
	}
	tests := []test{
		{"a debit and a credit move their amount once", (*kit).moves},
		{"a repeat gets the same answer and moves nothing", (*kit).repeats},
		{"the same fifty times at one moment is one", (*kit).storm},
		{"fifty at one moment are fifty", (*kit).crowd},
		{"a missing account is declined, and there is nothing to reverse", (*kit).missing},
		{"a reversal undoes its original once", (*kit).reverses},
		{"a reversal without original keeps the original out", (*kit).reordered},
		{"an original and its reversal at the same moment leave nothing", (*kit).race},
		{"status tells the truth and changes nothing", (*kit).status},
		{"a caller that gives up half way learns the outcome later", (*kit).cancelled},
		{"a caller that gives up half way can take it back", (*kit).takenBack},
		{"an instruction that changed on its way moves nothing", (*kit).changed},
		{"whatever comes when, there is one truth", (*kit).walk},
	}
	restarts, first := []bool{false}, open(t)
	if first.Restart != nil {
		restarts = append(restarts, true)
	}
	if first.Report != nil {
		tests = append(tests,
			test{"an outcome that comes later is reported, and is what others are told", (*kit).later},
			test{"an outcome that comes later is not lost with its report", (*kit).unreported},
			test{"a reversal before the outcome leaves one truth", (*kit).overtaken})
	}
	for _, leg := range []ledger.Leg{ledger.LegDebit, ledger.LegCredit} {
		for _, restart := range restarts {
			for _, test := range tests {
				name := fmt.Sprintf("%s/%s", leg, test.name)
				if restart {
					name += ", over a restart"
				}
				t.Run(name, func(t *testing.T) {
					rail := open(t)
					if rail.Currency == "" {
						rail.Currency = "INR"
					}
					test.test(&kit{T: t, rail: rail, leg: leg, restarts: restart})
				})
			}
		}
	}
}

// kit is one test of one leg.
type kit struct {
	*testing.T
	rail     Rail
	leg      ledger.Leg // debit or credit
	restarts bool
	time     time.Duration // that an instruction takes
}

func (k *kit) moves() {
	i := k.instruction(k.rail.Good)
	k.expect("the answer", k.submit(i), ledger.SaysApproved)
	k.restart()
	k.moved(i, 1)
}

func (k *kit) repeats() {
	i := k.instruction(k.rail.Good)
	first := k.submit(i)
	k.restart()
	for range 3 {
		k.same("a repeat", k.submit(i), first)
	}
	k.moved(i, 1)
}

func (k *kit) storm() {
	i := k.instruction(k.rail.Good)
	answers := k.together(50, func(int) banks.Answer { return k.submit(i) })
	k.restart()
	for _, a := range append(answers, k.submit(i)) {
		k.same("one of fifty", a, answers[0])
	}
	k.expect("the answer", answers[0], ledger.SaysApproved)
	k.moved(i, 1)

	undo := reversal(i)
	answers = k.together(50, func(int) banks.Answer { return k.reverse(undo) })
	k.restart()
	for _, a := range append(answers, k.reverse(undo)) {
		k.same("one of fifty reversals", a, answers[0])
	}
	k.moved(undo, 1)
}

func (k *kit) missing() {
	i := k.instruction(k.rail.Missing)
	first := k.submit(i)
	k.expect("the answer", first, ledger.SaysDeclined)
	k.restart()
	k.same("a repeat", k.submit(i), first)
	undo := reversal(i)
	k.expect("its reversal", k.reverse(undo), ledger.SaysNotDone)
	k.moved(i, 0)
	k.moved(undo, 0)
}

func (k *kit) reverses() {
	i := k.instruction(k.rail.Good)
	undo := reversal(i)
	done := k.submit(i)
	first := k.reverse(undo)
	k.expect("the reversal", first, ledger.SaysApproved)
	k.restart()
	k.same("the second reversal", k.reverse(undo), first)
	k.same("the original, repeated after its reversal", k.submit(i), done)
	k.moved(i, 1)
	k.moved(undo, 1)
}

func (k *kit) reordered() {
	i := k.instruction(k.rail.Good)
	undo := reversal(i)
	first := k.reverse(undo)
	k.expect("the reversal of what never came", first, ledger.SaysNotDone)
	k.restart()
	k.expect("the original that comes after it", k.submit(i), ledger.SaysDeclined)
	k.same("the reversal, repeated", k.reverse(undo), first)
	k.moved(i, 0)
	k.moved(undo, 0)
}

func (k *kit) race() {
	took := k.took()
	for try := range 20 {
		i := k.instruction(k.rail.Good)
		undo := reversal(i)
		answers := k.together(2, func(n int) banks.Answer {
			late := took * time.Duration(try-10) / 5 // twice an instruction's time before to twice after it
			if n == 0 {
				time.Sleep(-late)
				return k.submit(i)
			}
			time.Sleep(late)
			return k.reverse(undo)
		})
		k.restart()
		k.oneTruth(i, answers[0], answers[1])
	}
}

// oneTruth checks that what was said of an instruction and of its reversal go
// together, and that the money moved so.
func (k *kit) oneTruth(i banks.Instruction, original, undone banks.Answer) {
	k.Helper()
	times := int64(0)
	if original.Outcome == ledger.SaysApproved {
		times = 1
		k.expect("the reversal of what was done", undone, ledger.SaysApproved)
	} else {
		k.expect("the original", original, ledger.SaysDeclined)
		k.expect("the reversal of what was not done", undone, ledger.SaysNotDone)
	}
	k.moved(i, times)
	k.moved(reversal(i), times)
}

func (k *kit) status() {
	i := k.instruction(k.rail.Good)
	for range 3 {
		k.expect("the status of what never came", k.ask(k.rail.Adapter.Status, i), ledger.SaysNotSeen)
	}
	k.restart()
	first := k.submit(i) // a status check is not a reversal: this is still welcome
	k.expect("the answer", first, ledger.SaysApproved)
	k.restart()
	for range 3 {
		k.same("the status", k.ask(k.rail.Adapter.Status, i), first)
	}
	k.moved(i, 1)
}

// cancelled gives up at moments spread over the time that an instruction takes.
func (k *kit) cancelled() {
	for n := range cuts {
		if k.Failed() {
			return
		}
		i := k.instruction(k.rail.Good)
		heard, err := k.cut(i, n)
		if n == cuts/2 {
			k.restart()
		}
		if errors.Is(err, banks.ErrNotSent) {
			k.expect("the status of what was not sent", k.ask(k.rail.Adapter.Status, i), ledger.SaysNotSeen)
			k.moved(i, 0)
		}
		outcome := k.submit(i)
		k.expect("the answer to the repeat", outcome, ledger.SaysApproved)
		if err == nil && !heard.Pending {
			k.same("the repeat", outcome, heard)
		}
		k.moved(i, 1)
	}
}

// takenBack gives up and then undoes what may have been done, or may yet be: the
// original that is still on its way must not come after its reversal.
func (k *kit) takenBack() {
	var all []banks.Instruction
	var said []banks.Answer
	for n := range cuts {
		if k.Failed() {
			return
		}
		i := k.instruction(k.rail.Good)
		heard, err := k.cut(i, n)
		if n == cuts/2 {
			k.restart()
		}
		undone := k.reverse(reversal(i))
		if err == nil && heard.Outcome == ledger.SaysApproved {
			k.expect("the reversal of what was approved", undone, ledger.SaysApproved)
		}
		original := k.submit(i)
		k.oneTruth(i, original, undone)
		all, said = append(all, i), append(said, original)
	}
	time.Sleep(max(10*k.time, 20*time.Millisecond)) // what is on its way has come by now
	for n, i := range all {
		k.same("the original, much later,", k.submit(i), said[n])
		times := int64(0)
		if said[n].Outcome == ledger.SaysApproved {
			times = 1
		}
		k.moved(i, times)
	}
}

// changed sends an id again with another amount or account, which is a bug of its
// sender: the bank may say so by an error, or say what it said before.
func (k *kit) changed() {
	i := k.instruction(k.rail.Good)
	first := k.submit(i)
	more, elsewhere := i, i
	more.Amount.Minor *= 2
	elsewhere.Account = k.rail.Missing
	for _, c := range []banks.Instruction{more, elsewhere} {
		ctx, cancel := context.WithTimeout(k.Context(), max(20*k.took(), 200*time.Millisecond))
		a, err := k.call(ctx, k.rail.Adapter.Submit, c)
		cancel()
		if err == nil && !a.Pending {
			k.same("the same id with another amount or account", a, first)
		}
		k.restart()
	}
	k.same("the instruction as it was", k.submit(i), first)
	k.moved(i, 1)
}

// crowd sends many at once. Each is carried out.
func (k *kit) crowd() {
	all := make([]banks.Instruction, 50)
	for n := range all {
		all[n] = k.instruction(k.rail.Good)
	}
	for n, a := range k.together(len(all), func(n int) banks.Answer { return k.submit(all[n]) }) {
		k.expect("one of fifty", a, ledger.SaysApproved)
		k.moved(all[n], 1)
	}
}

// took is how long an instruction takes.
func (k *kit) took() time.Duration {
	began := time.Now()
	k.submit(k.instruction(k.rail.Good))
	return time.Since(began)
}

// cuts is how many moments to give up at there are.
const cuts = 20

// cut submits an instruction and gives up at the n-th moment of twice the time that it takes.
func (k *kit) cut(i banks.Instruction, n int) (banks.Answer, error) {
	if n == 0 {
		k.time = k.took()
	}
	ctx, cancel := context.WithTimeout(k.Context(), k.time*time.Duration(n)/(cuts/2))
	defer cancel()
	return k.call(ctx, k.rail.Adapter.Submit, i)
}

func (k *kit) instruction(at banks.Account) banks.Instruction {
	return banks.Instruction{
		ID:           ledger.InstructionID{Transfer: ledger.NewID(), Leg: k.leg},
		Amount:       ledger.Amount{Minor: amount, Currency: k.rail.Currency},
		Account:      at,
		Counterparty: banks.Account{Number: "919876543210", IFSC: "TEST0000001", Name: "Counterparty"},
		RRN:          "632812000001",
		Note:         "conformance",
		Initiated:    time.Now(),
	}
}

// reversal is the instruction that undoes i.
func reversal(i banks.Instruction) banks.Instruction {
	if i.ID.Leg == ledger.LegDebit {
		i.ID.Leg = ledger.LegDebitReversal
	} else {
		i.ID.Leg = ledger.LegCreditReversal
	}
	return i
}

func (k *kit) submit(i banks.Instruction) banks.Answer  { return k.ask(k.rail.Adapter.Submit, i) }
func (k *kit) reverse(i banks.Instruction) banks.Answer { return k.ask(k.rail.Adapter.Reverse, i) }

// patience is how long a bank has for an answer, and how long for an outcome that it promised.
const patience = 30 * time.Second

// grace is how long a method may take to return once its time is up.
const grace = 2 * time.Second

type question func(context.Context, banks.Instruction) (banks.Answer, error)

var errStuck = errors.New("the method did not return when its time was up")

// call puts a question, which must return when ctx ends.
func (k *kit) call(ctx context.Context, q question, i banks.Instruction) (banks.Answer, error) {
	type said struct {
		answer banks.Answer
		err    error
	}
	out := make(chan said, 1)
	go func() {
		a, err := q(ctx, i)
		out <- said{a, err}
	}()
	select {
	case s := <-out:
		return s.answer, s.err
	case <-ctx.Done():
	}
	select {
	case s := <-out:
		return s.answer, s.err
	case <-time.After(grace):
		k.Errorf("%s: %v", i.ID, errStuck)
		return banks.Answer{}, errStuck
	}
}

// ask puts a question and waits for the outcome where the bank promises one.
func (k *kit) ask(question question, i banks.Instruction) banks.Answer {
	ctx, cancel := context.WithTimeout(k.Context(), patience)
	defer cancel()
	for {
		a, err := k.call(ctx, question, i)
		if err != nil {
			k.Errorf("%s: no answer: %v", i.ID, err)
			return banks.Answer{}
		}
		if !a.Pending {
			return a
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			k.Errorf("%s: still pending after %s", i.ID, patience)
			return banks.Answer{}
		}
		question = k.rail.Adapter.Status
	}
}

// together calls f n times at the same moment.
func (k *kit) together(n int, f func(n int) banks.Answer) []banks.Answer {
	answers := make([]banks.Answer, n)
	start := make(chan struct{})
	var done sync.WaitGroup
	for n := range answers {
		done.Go(func() {
			<-start
			answers[n] = f(n)
		})
	}
	close(start)
	done.Wait()
	return answers
}

func (k *kit) restart() {
	k.Helper()
	if k.restarts {
		currency := k.rail.Currency
		k.rail = k.rail.Restart(k.T)
		k.rail.Currency = currency
		if k.rail.Restart == nil {
			k.Fatal("the restarted rail cannot be restarted")
		}
	}
}

func (k *kit) expect(what string, got banks.Answer, want ledger.Outcome) {
	k.Helper()
	if got.Pending || got.Outcome != want {
		k.Errorf("%s is %+v, want %s", what, got, want)
	}
}

func (k *kit) same(what string, got, want banks.Answer) {
	k.Helper()
	if got != want {
		k.Errorf("%s got %+v, want %+v as before", what, got, want)
	}
}

// moved checks that the bank carried the instruction out so many times.
func (k *kit) moved(i banks.Instruction, times int64) {
	k.Helper()
	want := times * i.Amount.Minor
	if i.ID.Leg == ledger.LegCredit || i.ID.Leg == ledger.LegDebitReversal {
		want = -want
	}
	if got := k.rail.Moved(i.ID); got != want {
		k.Errorf("the bank's book shows %d moved for %s, want %d", got, i.ID, want)
	}
}
