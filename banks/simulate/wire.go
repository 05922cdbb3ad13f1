package simulate

import (
	"context"
	"time"

	"bahi/banks"
)

// wire is a bank as one node reaches it: messages take time, get lost, come twice,
// overtake each other, and arrive long after their sender has died.
type wire struct {
	w    *world
	p    *process // of the node
	host *host
}

// question is one of the adapter's methods.
type question func(banks.Adapter, context.Context, banks.Instruction) (banks.Answer, error)

// Submit implements [banks.Adapter].
func (x *wire) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return x.ask(ctx, "submit", i, banks.Adapter.Submit)
}

// Reverse implements [banks.Adapter].
func (x *wire) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return x.ask(ctx, "reverse", i, banks.Adapter.Reverse)
}

// Status implements [banks.Adapter].
func (x *wire) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return x.ask(ctx, "status", i, banks.Adapter.Status)
}

// call is a question under way.
type call struct {
	answered bool
	answer   banks.Answer
	err      error
	came     chan struct{}
}

func (x *wire) ask(ctx context.Context, what string, i banks.Instruction, q question) (banks.Answer, error) {
	w := x.w
	if w.s.now < x.host.refuses || x.host.proc == nil || w.happens(w.plan.messages.refused) {
		w.note(x.p.name, "%s %s: no connection to %s", what, i.ID, x.host.code)
		return banks.Answer{}, banks.ErrNotSent
	}
	w.note(x.p.name, "%s %s", what, i.ID)
	c := &call{came: make(chan struct{})}
	for range w.copies() {
		w.net.AfterFunc(w.transit(), func() { x.host.receive(i, q, c) })
	}
	if err := x.p.Wait(ctx, c.came); err != nil {
		w.note(x.p.name, "%s %s: %v", what, i.ID, err)
		return banks.Answer{}, err
	}
	w.note(x.p.name, "%s %s: %s %s pending %v, %v", what, i.ID, c.answer.Outcome, c.answer.Code, c.answer.Pending, c.err)
	return c.answer, c.err
}

// copies is how many of a message arrive.
func (w *world) copies() int {
	switch {
	case w.happens(w.plan.messages.lost):
		return 0
	case w.happens(w.plan.messages.twice):
		return 2
	}
	return 1
}

// transit is how long a message is on its way.
func (w *world) transit() time.Duration {
	submit := w.plan.policy.Submit
	switch {
	case w.happens(w.plan.messages.late): // past every timer
		return w.upTo(20 * submit)
	case w.happens(w.plan.messages.slow):
		return w.upTo(2 * submit)
	}
	return w.upTo(50 * time.Millisecond)
}
