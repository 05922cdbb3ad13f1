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
// that died.
type Dispatcher struct {
	opt    Options
	lanes  map[string]*lane // by bank code
	member member

	credentials credentials

	mu   sync.Mutex
	busy map[ledger.InstructionID]time.Time // not to be taken up before

	looked time.Time // when the sweep last looked for what was missed

	ctx  context.Context // ends when the dispatcher closes
	stop context.CancelFunc
	done group
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
	d := &Dispatcher{lanes: map[string]*lane{}, busy: map[ledger.InstructionID]time.Time{}, opt: Options{Tasks: ledger.Goroutines{}}}
	d.ctx, d.stop = context.WithCancel(context.Background())
	for n := range registry.banks {
		b := &registry.banks[n]
		d.lanes[b.Code] = &lane{bank: b, run: d.run, start: func(f func()) { d.opt.Tasks.Go(f) }}
	}
	return d
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
	d.opt = opt
	d.member.start(d.ctx, &d.opt)
	d.done.add(2)
	opt.Tasks.Go(d.beatForEver)
	opt.Tasks.Go(d.sweepForEver)
}

// Close stops taking work up and waits for what is under way. What a bank has
// not answered stays open in the database, for another node or the next start.
func (d *Dispatcher) Close() {
	d.mu.Lock() // no take may be between its look at ctx and its place in done
	d.stop()
	d.mu.Unlock()
	d.done.wait(d.opt.Tasks)
	if d.opt.Book != nil {
		d.member.leave()
	}
}

// Observe takes the instructions of a batch that was just committed, new ones and
// those that a sweep claimed. Nothing else takes an instruction for the first
// time, so none is sent twice for its first time.
func (d *Dispatcher) Observe(set *ledger.Set) {
	set.Instructions.Changes(func(_ ledger.InstructionID, i *ledger.Instruction, _ bool) {
		if i == nil {
			return
		}
		d.awake(i.ID)
		if i.State != ledger.Sent || i.Attempts > 0 || !set.Unsent(i.ID) {
			return
		}
		t, _ := set.Transfers.Get(i.ID.Transfer)
		d.take(work{Task: ledger.Task{Instruction: *i, Transfer: t}, fresh: true})
	})
}

// Saturated says whether a new instruction to the bank would have to wait.
func (d *Dispatcher) Saturated(bank string) bool { return d.room(bank) == 0 }

// Health is how a bank has been doing lately.
func (d *Dispatcher) Health(bank string) (Health, bool) {
	l, ok := d.lanes[bank]
	if !ok {
		return Health{}, false
	}
	return l.healthNow(), true
}

// inLane is until when an instruction in a lane is not to be taken up again.
var inLane = time.Unix(1<<40, 0)

// take puts work of this node into its bank's lane, unless it is there already or
// the bank is given time.
func (d *Dispatcher) take(w work) {
	l, ok := d.lanes[w.Instruction.Bank]
	if node := w.Instruction.Node; !ok || node.IsZero() || node != d.member.id() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	until := d.busy[w.Instruction.ID] // zero for one that is not there
	if !until.After(d.opt.Clock.Now()) && d.ctx.Err() == nil && l.offer(w) {
		d.busy[w.Instruction.ID] = inLane
		d.done.add(1)
	}
}

// awake ends the rest of an instruction that something happened to.
func (d *Dispatcher) awake(id ledger.InstructionID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until, ok := d.busy[id]; ok && until != inLane {
		delete(d.busy, id)
	}
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
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, w.Instruction.ID)
	if due := time.UnixMicro(w.Instruction.Due); rests && due.After(d.opt.Clock.Now()) {
		d.busy[w.Instruction.ID] = due
	}
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
	i := &w.Instruction
	// The payer of a debit that waited for too long has given up.
	tooLate := i.ID.Leg == ledger.LegDebit && d.opt.Clock.Now().UnixMicro()-w.Transfer.Created >= d.opt.Policy.QueueLimit.Microseconds()
	switch {
	case i.ID.Leg.Reverses() != 0:
		return d.call(l, d.opt.Policy.Check, false, l.bank.Adapter.Reverse, w)
	case w.fresh && tooLate:
		return Answer{Outcome: ledger.SaysNotDone, Code: ledger.CodeExpired} // certainly not sent
	case w.fresh:
		if w.credentialed() {
			if w.credential = d.credentials.take(w.Transfer.ID); w.credential.IsZero() {
				return lost
			}
		}
		return d.call(l, d.opt.Policy.Submit, true, l.bank.Adapter.Submit, w)
	}
	answer := d.call(l, d.opt.Policy.Check, false, l.bank.Adapter.Status, w)
	// A node died between its commit and its call, or the call never arrived:
	// the bank says that it has not seen the instruction, so it is sent now. That
	// this does not reach the bank proves nothing: an earlier one may be on its way.
	if i.State == ledger.Sent && answer.Outcome == ledger.SaysNotSeen && !tooLate && !w.credentialed() {
		return d.call(l, d.opt.Policy.Submit, false, l.bank.Adapter.Submit, w)
	}
	return answer
}

// nothing is what a bank that was not asked said, or one that was cut off because
// the node's lease ended. The instruction's driver, whoever it is then, asks.
var nothing Answer

type method func(context.Context, Instruction) (Answer, error)

// call asks the bank within its time. refusable: that the call did not reach the
// bank means that nothing was done; of a question about an earlier call it tells nothing.
func (d *Dispatcher) call(l *lane, limit time.Duration, refusable bool, ask method, w work) Answer {
	lease, ok := d.member.holds(w.Instruction.Node)
	if !ok {
		return nothing
	}
	ctx, cancel := context.WithCancel(lease)
	defer cancel()
	defer d.opt.Clock.AfterFunc(limit, cancel)()
	began := d.opt.Clock.Now()
	answer, err := d.guarded(ctx, ask, w.instruction())
	switch {
	case lease.Err() != nil && (err != nil || !answer.Outcome.Definite()):
		return nothing
	case err != nil && refusable && errors.Is(err, ErrNotSent):
		answer = Answer{Outcome: ledger.SaysNotDone, Code: codeUnavailable}
	case err != nil, !answer.Pending && !answer.Outcome.Valid():
		answer = Answer{Outcome: ledger.SaysUnknown}
	}
	if lease.Err() == nil && !answer.Pending {
		l.mu.Lock()
		l.health.add(answer.Outcome, d.opt.Clock.Now().Sub(began))
		l.mu.Unlock()
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

// record stores the answer and says whether it did. The book may be busy or its
// database away for a while: the answer is worth keeping until then. What is not
// a bank's own word counts only as long as the node drives the instruction.
func (d *Dispatcher) record(w work, a Answer) bool {
	outcome := a.Outcome
	if a.Pending {
		outcome = ledger.SaysUnknown
	}
	command := ledger.RecordResult{Transfer: &w.Transfer, Leg: w.Instruction.ID.Leg,
		Outcome: outcome, Attempt: w.Instruction.Attempts, Code: a.Code, Ref: a.Ref}
	if !outcome.Definite() {
		command.Node = w.Instruction.Node
	}
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
	if l, ok := d.lanes[bank]; ok {
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
