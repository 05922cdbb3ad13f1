package simulate

import (
	"context"
	"slices"
	"time"

	"bahi/banks"
	"bahi/ledger"
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
	w.checkPIN(what, &i)
	w.checkTime(x.p, what, &i)
	defer w.alone(x.p, what, i)()
	if w.s.now < x.host.refuses || x.host.proc == nil || w.jams(w.plan.messages.refused, 3) {
		w.note(x.p.name, "%s %s: no connection to %s", what, i.ID, x.host.code)
		if w.jams(w.plan.messages.stuck, 2) && !x.waits(ctx, w.upTo(w.plan.policy.Submit)) {
			return banks.Answer{}, ctx.Err()
		}
		return banks.Answer{}, banks.ErrNotSent
	}
	w.note(x.p.name, "%s %s", what, i.ID)
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

// waits says whether so much time passes before ctx ends.
func (x *wire) waits(ctx context.Context, d time.Duration) bool {
	over := make(chan struct{})
	defer x.p.AfterFunc(d, func() { close(over) })()
	return x.p.Wait(ctx, over) == nil
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
	case w.jams(w.plan.messages.late, 3): // past every timer
		return w.upTo(20 * submit)
	case w.happens(w.plan.messages.slow):
		return w.upTo(2 * submit)
	}
	return w.upTo(50 * time.Millisecond)
}

// checkTime demands that no debit is sent whose payer has given up, by a clock that
// nobody set: one that was in time when its bank was asked for it may be sent after that.
func (w *world) checkTime(p *process, what string, i *banks.Instruction) {
	age, most := p.Now().Sub(i.Initiated), w.plan.policy.QueueLimit+w.plan.policy.Check+time.Second
	steady := w.plan.steps.jump == 0 && w.plan.stalls == 0 && p.thawed == 0
	if steady && what == "submit" && i.ID.Leg == ledger.LegDebit && age > most {
		w.found("%s is sent %v after it was asked for", i.ID, age)
	}
}

// alone demands that no two nodes ask banks about one instruction at once, as far
// as they can know: not one that stood still, nor by clocks that somebody set. And
// no node ever asks twice at once.
func (w *world) alone(p *process, what string, i banks.Instruction) (leave func()) {
	if slices.Contains(w.asking[i.ID], p) {
		w.found("%s asks to %s %s while it asks already", p.name, what, i.ID)
	}
	if w.plan.steps.jump == 0 && w.plan.stalls == 0 {
		for _, other := range w.asking[i.ID] {
			if other != p && !other.dead && !other.frozen && (other.thawed == 0 || w.s.now-other.thawed > time.Second) {
				w.found("%s asks to %s %s while %s does", p.name, what, i.ID, other.name)
			}
		}
	}
	w.asking[i.ID] = append(w.asking[i.ID], p)
	return func() {
		at := slices.Index(w.asking[i.ID], p)
		w.asking[i.ID] = slices.Delete(w.asking[i.ID], at, at+1)
	}
}
