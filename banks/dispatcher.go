package banks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bahi/ledger"
)

// Dispatcher hands the open instructions of its node to their banks and records
// the answers. A new instruction comes straight from its commit, in memory; the
// database is the truth, and whatever was not finished is taken up from there:
// after its time, after a flood that did not fit in memory, and from other nodes
// that died. Each bank has a lane of its own, and no lane waits for another.
type Dispatcher struct {
	opt      Options
	registry *Registry
	lanes    sync.Map // by bank code: *lane
	member   member
	sweeper  sweeper
	started  time.Time

	credentials credentials

	ctx     context.Context // ends when the dispatcher closes
	stop    context.CancelFunc
	closing sync.Mutex // nothing comes into done once ctx has ended
	done    group
}

// Options are what a dispatcher works with.
type Options struct {
	Book   *ledger.Pipeline
	Reader ledger.Reader
	Policy *ledger.Policy
	Clock  Clock
	Tasks  ledger.Tasks     // default ledger.Goroutines
	NewID  func() ledger.ID // default ledger.NewID
	Sweep  time.Duration    // how often the database is asked for what is due; default 250 ms
	Lease  time.Duration    // a node that does not beat for so long is dead to the others; default 3 s
	Sole   bool             // no other process can use the database: what is not this node's is nobody's
	Log    *slog.Logger
}

// NewDispatcher makes a dispatcher for the pipeline's Observer to call. Start
// it before the first transfer.
func NewDispatcher(registry *Registry) *Dispatcher {
	d := &Dispatcher{registry: registry, opt: Options{Tasks: ledger.Goroutines{}}}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

// lane is the way to a bank: one that is registered, or was and is leaving.
func (d *Dispatcher) lane(code string) (*lane, bool) {
	if l, ok := d.lanes.Load(code); ok {
		return l.(*lane), true
	}
	first, ok := d.registry.Driven(code)
	if !ok {
		return nil, false
	}
	bank := func() *Bank {
		if b, ok := d.registry.Driven(code); ok {
			return b
		}
		return first
	}
	l, _ := d.lanes.LoadOrStore(code, &lane{bank: bank, run: d.run, start: func(f func()) { d.opt.Tasks.Go(f) },
		busy: map[ledger.InstructionID]time.Time{}})
	return l.(*lane), true
}

// Start joins the nodes of the database, goes on with what it holds and begins to sweep.
func (d *Dispatcher) Start(opt Options) {
	if opt.Sweep == 0 {
		opt.Sweep = 250 * time.Millisecond
	}
	if opt.Lease == 0 {
		opt.Lease = 3 * time.Second
	}
	if opt.Tasks == nil {
		opt.Tasks = ledger.Goroutines{}
	}
	if opt.NewID == nil {
		opt.NewID = ledger.NewID
	}
	d.opt, d.started = opt, opt.Clock.Now()
	d.member.start(d.ctx, &d.opt)
	d.done.add(2)
	opt.Tasks.Go(d.beatForEver)
	opt.Tasks.Go(d.sweepForEver)
}

// Close stops taking work up and waits for what is under way. What a bank has
// not answered stays open in the database, for another node or the next start.
func (d *Dispatcher) Close() {
	d.closing.Lock()
	d.stop()
	d.closing.Unlock()
	d.done.wait(d.opt.Tasks)
	if d.opt.Book != nil {
		d.member.leave()
	}
}

// Observe takes the instructions of a batch that was just committed, new ones and
// those that a sweep claimed. Nothing else takes an instruction for the first
// time, so none is sent twice for its first time.
func (d *Dispatcher) Observe(set *ledger.Set) {
	set.Transfers.Changes(func(id ledger.ID, t *ledger.Transfer, _ bool) {
		if t != nil && t.Credential && t.State != ledger.Pending { // its debit was sent, or never will be
			d.Forget(id)
		}
	})
	set.Instructions.Changes(func(_ ledger.InstructionID, i *ledger.Instruction, _ bool) {
		if i == nil {
			return
		}
		if l, ok := d.lane(i.Bank); ok {
			l.awake(i.ID)
		}
		if i.State != ledger.Sent || i.Attempts > 0 || !set.Unsent(i.ID) {
			return
		}
		t, _ := set.Transfers.Get(i.ID.Transfer)
		d.take(work{Task: ledger.Task{Instruction: *i, Transfer: t}, fresh: true})
	})
}

// Node is the node that the process is, or zero while it is none.
func (d *Dispatcher) Node() ledger.ID { return d.member.id() }

// Dead says whether a node will do nothing any more, as far as this one has seen.
func (d *Dispatcher) Dead(node ledger.ID) bool {
	_, dead := d.member.dead(node)
	return dead
}

// Saturated says whether a new instruction to the bank would have to wait.
func (d *Dispatcher) Saturated(bank string) bool { return d.room(bank) == 0 }

// Health is how a bank has been doing lately.
func (d *Dispatcher) Health(bank string) (Health, bool) {
	l, ok := d.lane(bank)
	if !ok {
		return Health{}, false
	}
	return l.healthNow(d.opt.Clock.Now()), true
}

// take puts work of this node into its bank's lane, unless it is there already or
// the bank is given time.
func (d *Dispatcher) take(w work) {
	l, ok := d.lane(w.Instruction.Bank)
	if node := w.Instruction.Node; !ok || node.IsZero() || node != d.member.id() {
		return
	}
	if d.enter() && !l.offer(w, d.opt.Clock.Now()) {
		d.done.done()
	}
}

// enter makes Close wait for one thing more, unless it has begun.
func (d *Dispatcher) enter() bool {
	d.closing.Lock()
	defer d.closing.Unlock()
	if d.ctx.Err() != nil {
		return false
	}
	d.done.add(1)
	return true
}

// run asks the bank and records what it says.
func (d *Dispatcher) run(l *lane, w work) {
	defer d.done.done()
	rests := false
	if d.ctx.Err() == nil && d.current(w) {
		answer := d.ask(l, w)
		rests = answer != nothing && d.ctx.Err() == nil && (d.waits(w, answer) || !d.record(w, answer))
	}
	// Only now may the next step of the same instruction be taken up.
	until := time.UnixMicro(w.Instruction.Due)
	if !rests || !until.After(d.opt.Clock.Now()) {
		until = time.Time{}
	}
	l.left(w.Instruction.ID, until)
}

// current says whether the instruction still is what it was when it was read.
// What comes from a sweep may be old by the time it has its place: meanwhile an
// answer may have been recorded, the payer refunded, and the bank must not be
// asked to pay any more.
func (d *Dispatcher) current(w work) bool {
	if w.fresh {
		return true
	}
	_, instructions, err := d.opt.Reader.TransferHistory(d.ctx, w.Transfer.ID)
	if err != nil {
		return false // the next sweep brings it again
	}
	return slices.Contains(instructions, w.Instruction)
}

// waits says whether the bank is given until the instruction is due to report an
// outcome that is pending. After that it is silent.
func (d *Dispatcher) waits(w work, a Answer) bool {
	return a.Pending && (w.fresh || w.Instruction.Due > d.opt.Clock.Now().UnixMicro())
}

// ask puts the question that the instruction's state calls for.
func (d *Dispatcher) ask(l *lane, w work) Answer {
	i, bank, now := &w.Instruction, l.bank().Adapter, d.opt.Clock.Now()
	// The payer of a debit that waited for too long has given up.
	tooLate := i.ID.Leg == ledger.LegDebit && now.UnixMicro()-w.Transfer.Created >= d.opt.Policy.QueueLimit.Microseconds()
	switch {
	case i.ID.Leg.Reverses() != 0:
		return d.call(d.opt.Policy.Check, false, bank.Reverse, w)
	case w.fresh && tooLate:
		return Answer{Outcome: ledger.SaysNotDone, Code: ledger.CodeExpired} // certainly not sent
	case w.fresh && i.ID.Leg == ledger.LegDebit && !l.breaker.admit(now):
		return Answer{Outcome: ledger.SaysNotDone, Code: codeUnavailable} // certainly not sent
	case w.fresh:
		if w.credentialed() {
			if w.credential = d.credentials.take(w.Transfer.ID); w.credential.IsZero() {
				return lost
			}
		}
		return d.send(l, true, bank, w)
	}
	d.overdue(l, i, now)
	answer := d.call(d.opt.Policy.Check, false, bank.Status, w)
	// A node died between its commit and its call, or the call never arrived:
	// the bank says that it has not seen the instruction, so it is sent now. That
	// this does not reach the bank proves nothing: an earlier one may be on its way.
	if i.State == ledger.Sent && answer.Outcome == ledger.SaysNotSeen && !tooLate && !w.credentialed() {
		return d.send(l, false, bank, w)
	}
	return answer
}

// overdue counts against a bank that it took an instruction as pending and did not
// report in time. What was sent before this node was there tells nothing: nobody
// may have been listening.
func (d *Dispatcher) overdue(l *lane, i *ledger.Instruction, now time.Time) {
	if sent := time.UnixMicro(i.Updated); i.State == ledger.Sent && i.Due <= now.UnixMicro() && !sent.Before(d.started) {
		l.answered(Answer{Outcome: ledger.SaysUnknown}, sent, now)
	}
}

// send hands a debit or a credit to the bank; how that goes is the bank's health.
func (d *Dispatcher) send(l *lane, refusable bool, bank Adapter, w work) Answer {
	began := d.opt.Clock.Now()
	answer := d.call(d.opt.Policy.Submit, refusable, bank.Submit, w)
	if answer != nothing {
		l.answered(answer, began, d.opt.Clock.Now())
	}
	return answer
}

// nothing is what a bank that was not asked said, or one that was cut off because
// the node's lease ended. The instruction's driver, whoever it is then, asks.
var nothing Answer

type method func(context.Context, Instruction) (Answer, error)

// call asks the bank within its time. refusable: that the call did not reach the
// bank means that nothing was done; of a question about an earlier call it tells nothing.
func (d *Dispatcher) call(limit time.Duration, refusable bool, ask method, w work) Answer {
	lease, ok := d.member.holds(w.Instruction.Node)
	if !ok {
		return nothing
	}
	ctx, cancel := context.WithCancel(lease)
	defer cancel()
	defer d.opt.Clock.AfterFunc(limit, cancel)()
	answer, err := d.guarded(ctx, ask, w.instruction())
	switch {
	case lease.Err() != nil && (err != nil || !answer.Outcome.Definite()):
		return nothing
	case err != nil && refusable && errors.Is(err, ErrNotSent):
		answer = Answer{Outcome: ledger.SaysNotDone, Code: codeUnavailable}
	case err != nil, !answer.Pending && !answer.Outcome.Valid():
		answer = Answer{Outcome: ledger.SaysUnknown}
	}
	return answer
}

// guarded calls an adapter. What a panic did before it is not known.
func (d *Dispatcher) guarded(ctx context.Context, ask method, i Instruction) (answer Answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New(i.Credential.hide(fmt.Sprintf("the adapter panicked: %v", r)))
			d.opt.Log.Error("adapter", "instruction", i.ID.String(), "error", err)
		}
	}()
	return ask(ctx, i)
}

// codeUnavailable is UPI's response code for a bank that cannot be reached.
const codeUnavailable = "U28"

// resultOf is the command that records an answer. What is not a bank's own word
// counts only as long as the node drives the instruction.
func resultOf(w work, a Answer) ledger.RecordResult {
	c := ledger.RecordResult{Transfer: &w.Transfer, Leg: w.Instruction.ID.Leg,
		Outcome: a.Outcome, Attempt: w.Instruction.Attempts, Code: a.Code, Ref: a.Ref}
	if a.Pending {
		c.Outcome = ledger.SaysUnknown
	}
	if !c.Outcome.Definite() {
		c.Node = w.Instruction.Node
	}
	return c
}

// record stores the answer and says whether it did. The book may be busy or its
// database away for a while: the answer is worth keeping until then.
func (d *Dispatcher) record(w work, a Answer) bool {
	command := resultOf(w, a)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		_, err := d.opt.Book.Submit(d.ctx, ledger.Request{Command: command})
		switch {
		case err == nil:
			return true
		case errors.Is(err, ledger.ErrClosed) || d.ctx.Err() != nil:
			return false
		case errors.Is(err, ledger.ErrBusy), errors.Is(err, ledger.ErrUnavailable), errors.Is(err, ledger.ErrOutcomeUnknown):
			d.pause(wait)
		default: // it stays open, and is taken up again when it is due
			d.opt.Log.Error("a bank's answer was refused", "instruction", w.Instruction.ID.String(), "error", err)
			return false
		}
	}
}

// room is how many instructions the bank could be given at once now.
func (d *Dispatcher) room(bank string) int {
	if l, ok := d.lane(bank); ok {
		return l.room()
	}
	return 0
}

// pause waits by the clock, or until the dispatcher closes.
func (d *Dispatcher) pause(how time.Duration) {
	over := make(chan struct{})
	defer d.opt.Clock.AfterFunc(how, func() { close(over) })()
	_ = d.opt.Tasks.Wait(d.ctx, over)
}

// instruction is the work as the bank is told it.
func (w *work) instruction() Instruction {
	t := &w.Transfer
	here, there := t.Ends(w.Instruction.ID.Leg)
	return Instruction{ID: w.Instruction.ID, Amount: t.Amount, Account: accountOf(here), Counterparty: accountOf(there),
		RRN: t.RRN, Note: t.Note, Initiated: time.UnixMicro(t.Created), Credential: w.credential}
}

func accountOf(e *ledger.End) Account {
	return Account{Number: e.Account, IFSC: e.IFSC, UPI: e.UPI, Name: e.Name}
}
