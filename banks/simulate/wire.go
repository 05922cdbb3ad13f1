package simulate

import (
	"context"
	"slices"
	"time"

	"bahi/banks"
)

// wire is a bank as one node reaches it: messages take time, get lost, come twice,
// overtake each other, and arrive long after their sender has died.
type wire struct {
	n    *node
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
	w := x.n.w
	if w.s.now < x.host.refuses || x.host.proc == nil || w.happens(w.plan.messages.refused) {
		w.note(x.p.name, "%s %s: no connection to %s", what, i.ID, x.host.code)
		return banks.Answer{}, banks.ErrNotSent
	}
	w.note(x.p.name, "%s %s", what, i.ID)
	defer w.alone(x.p, what, i)()
	c := &call{came: make(chan struct{})}
	for range w.copies() {
		w.carry(func() { x.host.receive(i, q, c) })
	}
	x.n.strike(x.p)
	err := x.p.Wait(ctx, c.came)
	x.n.strike(x.p)
	if err != nil {
		w.note(x.p.name, "%s %s: %v", what, i.ID, err)
		return banks.Answer{}, err
	}
	w.note(x.p.name, "%s %s: %s %s pending %v, %v", what, i.ID, c.answer.Outcome, c.answer.Code, c.answer.Pending, c.err)
	return c.answer, c.err
}

// carry brings a message to where it is wanted, some time.
func (w *world) carry(arrive func()) {
	w.flying++
	w.net.AfterFunc(w.transit(), func() {
		w.flying--
		arrive()
	})
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

// alone demands that no two nodes ask banks about one instruction at once, as far
// as they can know: not one that stood still, nor by clocks that somebody set.
func (w *world) alone(p *process, what string, i banks.Instruction) (leave func()) {
	if w.plan.steps.jump == 0 && w.plan.stalls == 0 {
		for _, other := range w.asking[i.ID] {
			if other != p && !other.dead && !other.frozen && (other.thawed == 0 || w.s.now-other.thawed > time.Second) {
				w.found("%s asks to %s %s while %s does", p.name, what, i.ID, other.name)
			}
		}
	}
	w.asking[i.ID] = append(w.asking[i.ID], p)
	return func() {
		w.asking[i.ID] = slices.DeleteFunc(w.asking[i.ID], func(other *process) bool { return other == p })
	}
}
