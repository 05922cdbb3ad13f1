package banks

import (
	"maps"
	"slices"
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
	return d.release(drivers)
}

// walk goes through what a node has due from behind a place to before a time, a
// page at a time: what one bank cannot take now must not hide what waits for another.
func (d *Dispatcher) walk(node ledger.ID, after ledger.DuePlace, before int64, visit func([]ledger.Task)) error {
	for {
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

// sweeper is what the sweeps remember. Only they use it.
type sweeper struct {
	looked time.Time         // when a sweep last looked for what was missed
	next   time.Time         // when one looks at all that is due again
	queued map[string]*queue // by bank: what there was no room for since the last look at all

	counted time.Time            // when one last looked for what is open at banks that are leaving
	unused  map[string]time.Time // which of those nothing was open at, and since when
}

// queue is a bank's debits that are queued in the database, as far as they were
// seen. It holds no more than a lane would.
type queue struct {
	tasks []ledger.Task
	seen  map[ledger.InstructionID]struct{}
}

// late is for how long after it fell due an instruction may first be seen: it
// was due at once, and its commit took so long.
const late = 2 * time.Second

// sweepOwn takes up what is due and, now and then, what was missed. A dead bank
// can have tens of thousands due that its lane holds already or has no place for;
// to read them all at every sweep would cost the other banks the processor. So
// all are read once in as many sweeps as they fill pages, and in between those
// alone that fell due of late.
func (d *Dispatcher) sweepOwn(me ledger.ID) error {
	s, now := &d.sweeper, d.opt.Clock.Now()
	defer d.takeQueued(now)
	if now.Before(s.next) {
		from := ledger.DuePlace{Due: now.Add(-late).UnixMicro()}
		return d.walk(me, from, now.UnixMicro(), func(tasks []ledger.Task) { d.takeUp(tasks, now) })
	}
	horizon := now
	if now.Sub(s.looked) >= missAfter {
		s.looked = now
		d.lanes.Range(func(_, l any) bool { l.(*lane).forget(now); return true })
		// This is when an instruction is due that was made so long ago.
		horizon = now.Add(d.opt.Policy.Submit + d.opt.Policy.Takeover - missAfter)
	}
	s.queued = map[string]*queue{}
	read := 0
	err := d.walk(me, ledger.DuePlace{}, max(now.UnixMicro(), horizon.UnixMicro()), func(tasks []ledger.Task) {
		read += len(tasks)
		d.takeUp(tasks, now)
	})
	s.next = now.Add(d.opt.Sweep * time.Duration(read/sweepLimit))
	return err
}

// takeUp takes what is due or was missed, and keeps what is queued in mind.
func (d *Dispatcher) takeUp(tasks []ledger.Task, now time.Time) {
	var silent ledger.Many
	for _, t := range tasks {
		i := &t.Instruction
		_, known := d.lane(i.Bank)
		switch due := i.Due <= now.UnixMicro(); {
		case i.State == ledger.Queued:
			d.sweeper.add(t)
		case due && !known:
			d.opt.Log.Error("an instruction is for a bank that is not registered", "bank", i.Bank, "instruction", i.ID.String())
			silent = append(silent, resultOf(work{Task: t}, Answer{Outcome: ledger.SaysUnknown}))
		case due, i.State == ledger.Sent && i.Updated <= now.Add(-missAfter).UnixMicro():
			d.take(work{Task: t})
		}
	}
	if len(silent) > 0 {
		d.submit("record that a bank is not there", silent)
	}
}

// add keeps a queued debit in mind.
func (s *sweeper) add(t ledger.Task) {
	q := s.queued[t.Instruction.Bank]
	if q == nil {
		q = &queue{seen: map[ledger.InstructionID]struct{}{}}
		s.queued[t.Instruction.Bank] = q
	}
	if _, ok := q.seen[t.Instruction.ID]; !ok && len(q.tasks) < maxWaiting {
		q.tasks, q.seen[t.Instruction.ID] = append(q.tasks, t), struct{}{}
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

// forever is a time before which everything is due.
const forever = 1 << 62

// inherit takes all that a dead node has open over, due or not, and drives it.
// What was queued is sent by the next sweep.
func (d *Dispatcher) inherit(node ledger.ID, beat int64) error {
	return d.walk(node, ledger.DuePlace{}, forever, func(tasks []ledger.Task) {
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
// expire that waited for too long, a page in a commit. The others stay in mind.
func (d *Dispatcher) takeQueued(now time.Time) {
	var commands ledger.Many
	for _, bank := range slices.Sorted(maps.Keys(d.sweeper.queued)) {
		q, room := d.sweeper.queued[bank], d.room(bank)
		stay := q.tasks[:0]
		for _, t := range q.tasks {
			switch expired := now.UnixMicro()-t.Instruction.Created >= d.opt.Policy.QueueLimit.Microseconds(); {
			case expired:
				commands = append(commands, ledger.CancelTransfer{Transfer: &t.Transfer, Expired: true})
			case room > 0:
				room--
				commands = append(commands, ledger.ClaimInstruction{ID: t.Instruction.ID})
			default:
				stay = append(stay, t)
			}
		}
		q.tasks = stay
	}
	// One that is refused was cancelled meanwhile; what is claimed comes back by Observe.
	for page := range slices.Chunk(commands, sweepLimit) {
		d.submit("take queued instructions", page)
	}
}
