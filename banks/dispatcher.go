package banks

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"bahi/ledger"
)

// Dispatcher hands open instructions to their banks and records the answers. A
// new instruction comes straight from its commit, in memory; the database is the
// truth, and whatever was not finished is taken up from there: after its time,
// after a restart, after a flood that did not fit in memory.
type Dispatcher struct {
	opt   Options
	lanes map[string]*lane // by bank code
	began time.Time

	mu   sync.Mutex
	busy map[ledger.InstructionID]struct{} // in a lane: not to be taken up twice

	ctx  context.Context // ends when the dispatcher closes
	stop context.CancelFunc
	done sync.WaitGroup
}

// Options are what a dispatcher works with.
type Options struct {
	Book   *ledger.Pipeline
	Reader ledger.Reader
	Policy *ledger.Policy
	Clock  Clock
	Sweep  time.Duration // how often the database is asked for what is due; default 250 ms
	Log    *slog.Logger
}

// NewDispatcher makes a dispatcher for the pipeline's Observer to call. Start
// it before the first transfer.
func NewDispatcher(registry *Registry) *Dispatcher {
	d := &Dispatcher{lanes: map[string]*lane{}, busy: map[ledger.InstructionID]struct{}{}}
	d.ctx, d.stop = context.WithCancel(context.Background())
	for n := range registry.banks {
		b := &registry.banks[n]
		d.lanes[b.Code] = &lane{bank: b, run: d.run}
	}
	return d
}

// Start goes on with what the database holds and begins to sweep.
func (d *Dispatcher) Start(opt Options) {
	if opt.Sweep == 0 {
		opt.Sweep = 250 * time.Millisecond
	}
	d.opt = opt
	d.began = opt.Clock.Now()
	d.done.Add(1)
	go d.sweepForEver()
}

// Close stops taking work up and waits for what is under way. What a bank has
// not answered stays open in the database.
func (d *Dispatcher) Close() {
	d.mu.Lock() // no take may be between its look at ctx and its place in done
	d.stop()
	d.mu.Unlock()
	d.done.Wait()
}

// Observe takes the instructions of a batch that was just committed.
func (d *Dispatcher) Observe(set *ledger.Set) {
	set.Instructions.Changes(func(_ ledger.InstructionID, i *ledger.Instruction, _ bool) {
		// A claimed instruction comes without its transfer: the sweep that claimed it has both.
		if i == nil || i.State != ledger.Sent || i.Attempts > 0 || !set.Transfers.Declared(i.ID.Transfer) {
			return
		}
		t, _ := set.Transfers.Get(i.ID.Transfer)
		d.take(work{Task: ledger.Task{Instruction: *i, Transfer: t}, fresh: true})
	})
}

// Saturated says whether a new instruction to the bank would have to wait.
func (d *Dispatcher) Saturated(bank string) bool {
	l, ok := d.lanes[bank]
	return ok && l.saturated()
}

// Health is how a bank has been doing lately.
func (d *Dispatcher) Health(bank string) (Health, bool) {
	l, ok := d.lanes[bank]
	if !ok {
		return Health{}, false
	}
	return l.healthNow(), true
}

// Report implements [Reporter]: it records what a bank says without being asked.
// An instruction that is not the bank's own is ledger.ErrNotFound.
func (d *Dispatcher) Report(ctx context.Context, bank string, id ledger.InstructionID, a Answer) (ledger.Recorded, error) {
	t, err := d.opt.Reader.Transfer(ctx, id.Transfer)
	if err != nil {
		return ledger.Recorded{}, err
	}
	if here, _ := t.Ends(id.Leg); here.Bank != bank {
		return ledger.Recorded{}, ledger.ErrNotFound
	}
	r, err := ledger.Do[ledger.Recorded](ctx, d.opt.Book, ledger.RecordResult{
		Transfer: &t, Leg: id.Leg, Outcome: a.Outcome, Code: a.Code, Ref: a.Ref})
	if r.Effect == ledger.Contradicted {
		d.opt.Log.Warn("a bank contradicts itself; no money is moved", "bank", bank, "instruction", id.String(), "says", a.Outcome.String())
	}
	return r, err
}

// take puts work into its bank's lane unless it is there already.
func (d *Dispatcher) take(w work) {
	l, ok := d.lanes[w.Instruction.Bank]
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, taken := d.busy[w.Instruction.ID]
	if !taken && d.ctx.Err() == nil && l.offer(w) {
		d.busy[w.Instruction.ID] = struct{}{}
		d.done.Add(1)
	}
}

// run asks the bank and records what it says.
func (d *Dispatcher) run(l *lane, w work) {
	defer d.done.Done()
	if d.ctx.Err() == nil {
		answer := d.ask(l, w)
		if !answer.Pending && d.ctx.Err() == nil {
			d.record(w, answer)
		}
	}
	// Only now may the next step of the same instruction be taken up.
	d.mu.Lock()
	delete(d.busy, w.Instruction.ID)
	d.mu.Unlock()
}

// ask puts the question that the instruction's state calls for.
func (d *Dispatcher) ask(l *lane, w work) Answer {
	i := &w.Instruction
	switch {
	case i.ID.Leg.Reverses() != 0:
		return d.call(l, d.opt.Policy.Check, false, l.bank.Adapter.Reverse, w)
	case w.fresh:
		return d.call(l, d.opt.Policy.Submit, true, l.bank.Adapter.Submit, w)
	}
	answer := d.call(l, d.opt.Policy.Check, false, l.bank.Adapter.Status, w)
	if answer.Pending { // not even now
		return Answer{Outcome: ledger.SaysUnknown}
	}
	// A node died between its commit and its call, or the call never arrived:
	// the bank says that it has not seen the instruction, so it is sent now. For a
	// debit it is too late after a while: the payer has given up.
	neverSent := i.State == ledger.Sent && answer.Outcome == ledger.SaysNotSeen
	inTime := i.ID.Leg == ledger.LegCredit || d.opt.Clock.Now().UnixMicro()-w.Transfer.Created < d.opt.Policy.QueueLimit.Microseconds()
	if neverSent && inTime {
		return d.call(l, d.opt.Policy.Submit, true, l.bank.Adapter.Submit, w)
	}
	return answer
}

type method func(context.Context, Instruction) (Answer, error)

// call asks the bank within its time. refusable: that the call did not reach the
// bank means that nothing was done; of a question about an earlier call it tells nothing.
func (d *Dispatcher) call(l *lane, limit time.Duration, refusable bool, ask method, w work) Answer {
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	defer d.opt.Clock.AfterFunc(limit, cancel)()
	began := d.opt.Clock.Now()
	answer, err := ask(ctx, w.instruction())
	switch {
	case err != nil && refusable && errors.Is(err, ErrNotSent):
		answer = Answer{Outcome: ledger.SaysNotDone, Code: codeUnavailable}
	case err != nil:
		answer = Answer{Outcome: ledger.SaysUnknown}
	}
	if d.ctx.Err() == nil && !answer.Pending {
		l.mu.Lock()
		l.health.add(answer.Outcome, d.opt.Clock.Now().Sub(began))
		l.mu.Unlock()
	}
	return answer
}

// codeUnavailable is UPI's response code for a bank that cannot be reached.
const codeUnavailable = "U28"

// record stores the answer. The book may be busy or its database away for a
// while: the answer is worth keeping until then.
func (d *Dispatcher) record(w work, a Answer) {
	command := ledger.RecordResult{Transfer: &w.Transfer, Leg: w.Instruction.ID.Leg,
		Outcome: a.Outcome, Attempt: w.Instruction.Attempts, Code: a.Code, Ref: a.Ref}
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		_, err := d.opt.Book.Submit(d.ctx, ledger.Request{Command: command})
		var refusal *ledger.Refusal
		switch {
		case err == nil || errors.Is(err, ledger.ErrClosed) || d.ctx.Err() != nil:
			return
		case errors.As(err, &refusal), errors.Is(err, ledger.ErrBug):
			d.opt.Log.Error("a bank's answer was refused", "instruction", w.Instruction.ID.String(), "error", err)
			return
		}
		d.pause(wait)
	}
}

// sweepForEver takes up what is due, at every tick until the dispatcher closes.
func (d *Dispatcher) sweepForEver() {
	defer d.done.Done()
	for d.ctx.Err() == nil {
		if err := d.sweep(); err != nil && d.ctx.Err() == nil {
			d.opt.Log.Warn("cannot read due instructions", "error", err)
		}
		d.pause(d.opt.Sweep)
	}
}

// sweepLimit is how many due instructions one look at the database brings.
const sweepLimit = 1000

func (d *Dispatcher) sweep() error {
	now := d.opt.Clock.Now()
	// What an earlier run of this node had sent is nobody's: it need not wait for its time.
	abandoned := d.began.Add(d.opt.Policy.Submit + d.opt.Policy.Takeover)
	horizon := now
	if abandoned.After(now) {
		horizon = abandoned
	}
	tasks, err := d.opt.Reader.Due(d.ctx, horizon.UnixMicro(), sweepLimit)
	for _, t := range tasks {
		i := &t.Instruction
		switch due := i.Due <= now.UnixMicro(); {
		case i.State == ledger.Queued:
			d.takeQueued(t, now)
		case due, i.State == ledger.Sent && i.Updated < d.began.UnixMicro():
			d.take(work{Task: t})
		}
	}
	return err
}

// takeQueued sends what waits for its bank to have room, or lets it expire.
func (d *Dispatcher) takeQueued(t ledger.Task, now time.Time) {
	id := t.Instruction.ID
	var err error
	if now.UnixMicro()-t.Instruction.Created >= d.opt.Policy.QueueLimit.Microseconds() {
		_, err = d.opt.Book.Submit(d.ctx, ledger.Request{Command: ledger.CancelTransfer{Transfer: &t.Transfer, Expired: true}})
	} else if !d.Saturated(t.Instruction.Bank) {
		t.Instruction, err = ledger.Do[ledger.Instruction](d.ctx, d.opt.Book, ledger.ClaimInstruction{ID: id})
		if err == nil {
			d.take(work{Task: t, fresh: true})
		}
	}
	var refusal *ledger.Refusal
	if err != nil && !errors.As(err, &refusal) && d.ctx.Err() == nil { // a refusal: it was cancelled meanwhile
		d.opt.Log.Warn("cannot take a queued instruction", "instruction", id.String(), "error", err)
	}
}

// pause waits by the clock, or until the dispatcher closes.
func (d *Dispatcher) pause(how time.Duration) {
	over := make(chan struct{})
	defer d.opt.Clock.AfterFunc(how, func() { close(over) })()
	select {
	case <-over:
	case <-d.ctx.Done():
	}
}

// instruction is the work as the bank is told it.
func (w *work) instruction() Instruction {
	t := &w.Transfer
	here, there := t.Ends(w.Instruction.ID.Leg)
	return Instruction{ID: w.Instruction.ID, Amount: t.Amount, Account: accountOf(here), Counterparty: accountOf(there),
		RRN: t.RRN, Note: t.Note, Initiated: time.UnixMicro(t.Created)}
}

func accountOf(e *ledger.End) Account {
	return Account{Number: e.Account, IFSC: e.IFSC, UPI: e.UPI, Name: e.Name}
}
