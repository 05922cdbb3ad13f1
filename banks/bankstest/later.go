package bankstest

import (
	"context"
	"errors"
	"sync"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// reports is a [banks.Reporter] that writes down what it is told.
type reports struct {
	refuse error // what it answers

	mu   sync.Mutex
	told []report
	some chan struct{} // capacity 1: something was told
}

type report struct {
	bank   string
	id     ledger.InstructionID
	answer banks.Answer
}

func (r *reports) Report(_ context.Context, bank string, id ledger.InstructionID, a banks.Answer) (ledger.Recorded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, report{bank, id, a})
	select {
	case r.some <- struct{}{}:
	default:
	}
	return ledger.Recorded{}, r.refuse
}

// reporter sets a reporter that answers with refuse.
func (k *kit) reporter(refuse error) *reports {
	r := &reports{refuse: refuse, some: make(chan struct{}, 1)}
	k.rail.Report(r)
	return r
}

// await waits for the first report.
func (r *reports) await(k *kit) (first report) {
	k.Helper()
	select {
	case <-r.some:
	case <-time.After(patience):
		k.Fatalf("nothing was reported within %s", patience)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told[0]
}

// pend submits what the bank must take as pending.
func (k *kit) pend() banks.Instruction {
	k.Helper()
	i := k.instruction(k.rail.Later)
	ctx, cancel := context.WithTimeout(k.Context(), patience)
	defer cancel()
	a, err := k.call(ctx, k.rail.Adapter.Submit, i)
	if err != nil || a != (banks.Answer{Pending: true}) {
		k.Fatalf("the answer is %+v, %v; want it pending and nothing more", a, err)
	}
	return i
}

func (k *kit) later() {
	r := k.reporter(nil)
	i := k.pend()
	first := r.await(k)
	if first.bank == "" || first.id != i.ID {
		k.Errorf("the report is of %s by bank %q, want %s", first.id, first.bank, i.ID)
	}
	k.expect("the report", first.answer, ledger.SaysApproved)
	k.restart()
	k.same("the status", k.ask(k.rail.Adapter.Status, i), first.answer)
	k.same("a repeat", k.submit(i), first.answer)
	undone := k.reverse(reversal(i))
	k.oneTruth(i, first.answer, undone)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, again := range r.told {
		if again != first {
			k.Errorf("reported %+v, and then %+v", first, again)
		}
	}
}

// unreported: a report that nobody took is no excuse to forget the outcome.
func (k *kit) unreported() {
	r := k.reporter(errors.New("the book is away"))
	i := k.pend()
	k.restart()
	k.expect("the outcome, asked for", k.ask(k.rail.Adapter.Status, i), ledger.SaysApproved)
	if !k.restarts { // else the bank may have died with its report
		r.await(k)
	}
	k.expect("the repeat", k.submit(i), ledger.SaysApproved)
	k.moved(i, 1)
}

// overtaken reverses what is still pending: it is done and undone, or never done.
func (k *kit) overtaken() {
	k.reporter(nil)
	i := k.pend()
	undone := k.reverse(reversal(i))
	k.restart()
	k.oneTruth(i, k.submit(i), undone)
}
