package banks

import (
	"time"

	"bahi/ledger"
)

// sweepForEver takes up what is due, at every tick until the dispatcher closes.
func (d *Dispatcher) sweepForEver() {
	defer d.done.done()
	for d.ctx.Err() == nil {
		if err := d.sweep(); err != nil && d.ctx.Err() == nil {
			d.opt.Log.Warn("cannot read due instructions", "error", err)
		}
		d.pause(d.opt.Sweep)
	}
}

// sweepLimit is how many due instructions one look at the database brings.
const sweepLimit = 1000

// sweep goes on with this node's own instructions and takes those of dead nodes
// over; what other nodes drive is theirs.
func (d *Dispatcher) sweep() error {
	me := d.member.id()
	if _, ok := d.member.holds(me); !ok {
		return nil
	}
	d.bury()
	drivers, err := d.opt.Reader.Drivers(d.ctx)
	if err != nil {
		return err
	}
	for _, node := range drivers {
		if beat, dead := d.member.dead(node); dead {
			err = d.inherit(node, beat)
		} else if node == me {
			err = d.sweepOwn(me)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walk goes through what a node has due before a time, a page at a time: what one
// bank cannot take now must not hide what waits for another.
func (d *Dispatcher) walk(node ledger.ID, before int64, visit func([]ledger.Task)) error {
	for after := (ledger.DuePlace{}); ; {
		tasks, err := d.opt.Reader.Due(d.ctx, node, after, before, sweepLimit)
		if err != nil {
			return err
		}
		visit(tasks)
		if len(tasks) < sweepLimit {
			return nil
		}
		after = tasks[len(tasks)-1].Place()
	}
}

// missAfter is how long after its commit an instruction that was to be sent at
// once, and is in no lane, was missed: nobody observed the commit, because its
// outcome was not known, or the lane had no place, or the lease had ended.
const missAfter = 2 * time.Second

// sweepOwn takes up what is due and, now and then, what was missed.
func (d *Dispatcher) sweepOwn(me ledger.ID) error {
	now := d.opt.Clock.Now()
	horizon := now
	if now.Sub(d.looked) >= missAfter {
		d.looked = now
		d.forget(now)
		// This is when an instruction is due that was made so long ago.
		horizon = now.Add(d.opt.Policy.Submit + d.opt.Policy.Takeover - missAfter)
	}
	return d.walk(me, max(now.UnixMicro(), horizon.UnixMicro()), func(tasks []ledger.Task) { d.takeUp(tasks, now) })
}

// forget drops rests that are over.
func (d *Dispatcher) forget(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, until := range d.busy {
		if !until.After(now) {
			delete(d.busy, id)
		}
	}
}

// takeUp takes what is due or was missed, and sends what is queued.
func (d *Dispatcher) takeUp(tasks []ledger.Task, now time.Time) {
	var queued []ledger.Task
	for _, t := range tasks {
		i := &t.Instruction
		_, known := d.lanes[i.Bank]
		switch due := i.Due <= now.UnixMicro(); {
		case i.State == ledger.Queued:
			queued = append(queued, t)
		case due && !known:
			d.opt.Log.Error("an instruction is for a bank that is not registered", "bank", i.Bank, "instruction", i.ID.String())
			d.record(work{Task: t}, Answer{Outcome: ledger.SaysUnknown})
		case due, i.State == ledger.Sent && i.Updated <= now.Add(-missAfter).UnixMicro():
			d.take(work{Task: t})
		}
	}
	if len(queued) > 0 {
		d.takeQueued(queued, now)
	}
}

// bury fences the dead, whether or not they left anything.
func (d *Dispatcher) bury() {
	for _, n := range d.member.unburied() {
		for _, outcome := range d.submit("fence a dead node", ledger.Many{ledger.Fence{Node: n.ID, Beat: n.Beat}}) {
			if outcome.Err == nil { // else it lives after all
				d.opt.Log.Warn("a node beats no more; its work is taken over", "node", n.ID.NodeRef(), "beat", n.Beat)
				d.member.buried(n.ID)
			}
		}
	}
}

// inherit takes all that a dead node has open over, due or not, and drives it.
// What was queued is sent by the next sweep.
func (d *Dispatcher) inherit(node ledger.ID, beat int64) error {
	return d.walk(node, 1<<62, func(tasks []ledger.Task) {
		var commands ledger.Many
		for _, t := range tasks {
			commands = append(commands, ledger.TakeOver{ID: t.Instruction.ID, From: node, Beat: beat})
		}
		if len(commands) == 0 {
			return
		}
		now := d.opt.Clock.Now().UnixMicro()
		for n, outcome := range d.submit("take instructions over", commands) {
			i, ok := outcome.Result.(ledger.Instruction) // one that is refused is another node's by now
			if ok && (i.State == ledger.Sent || i.Due <= now && i.State == ledger.InDoubt) {
				d.take(work{Task: ledger.Task{Instruction: i, Transfer: tasks[n].Transfer}})
			}
		}
	})
}

func (d *Dispatcher) submit(what string, commands ledger.Many) ledger.Outcomes {
	outcomes, err := ledger.Do[ledger.Outcomes](d.ctx, d.opt.Book, commands)
	if err != nil && d.ctx.Err() == nil {
		d.opt.Log.Warn("cannot "+what, "error", err)
	}
	return outcomes
}

// takeQueued claims as many debits as their banks have room for and lets those
// expire that waited for too long, all in one commit.
func (d *Dispatcher) takeQueued(tasks []ledger.Task, now time.Time) {
	var commands ledger.Many
	room := map[string]int{}
	for _, t := range tasks {
		bank := t.Instruction.Bank
		if _, seen := room[bank]; !seen {
			room[bank] = d.room(bank)
		}
		switch expired := now.UnixMicro()-t.Instruction.Created >= d.opt.Policy.QueueLimit.Microseconds(); {
		case expired:
			commands = append(commands, ledger.CancelTransfer{Transfer: &t.Transfer, Expired: true})
		case room[bank] > 0:
			room[bank]--
			commands = append(commands, ledger.ClaimInstruction{ID: t.Instruction.ID})
		}
	}
	if len(commands) == 0 { // the banks have no room yet
		return
	}
	// One that is refused was cancelled meanwhile; what is claimed comes back by Observe.
	d.submit("take queued instructions", commands)
}
