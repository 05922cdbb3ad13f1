package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// host is a bank: a process, and the book that outlives it.
type host struct {
	w         *world
	code      string
	path      string
	boots     int
	proc      *process // nil: down
	bank      *sim.Bank
	seen      []banks.Instruction // what came, repeats too
	refuses   time.Duration       // connections, until then
	dark      time.Duration       // it takes messages and does nothing with them, until then
	reporting int                 // reports under way
}

var bankCodes = [...]string{"NRMD", "KVRI", "GDVR"}

// opening is what every account has at first: some come to have too little.
const opening = 20_000_00

func newHost(w *world, n int) *host {
	h := &host{w: w, code: bankCodes[n], path: filepath.Join(w.cfg.Dir, bankCodes[n]+".jsonl")}
	h.boot()
	return h
}

func (h *host) boot() {
	h.boots++
	h.proc = h.w.s.process(fmt.Sprintf("%s.%d", h.code, h.boots))
	h.w.note(h.proc.name, "starts")
	var err error
	h.bank, err = sim.Open(sim.Config{Code: h.code, Path: h.path, OpeningBalance: opening, Clock: h.proc, Tasks: h.proc})
	if err != nil {
		panic(err)
	}
	h.bank.SetReporter(&desk{h, h.proc})
}

// die ends the bank's process, perhaps in the middle of a write, for a while.
func (h *host) die() {
	if h.proc == nil {
		return
	}
	h.w.note(h.proc.name, "dies")
	h.proc.dead = true
	h.proc = nil
	if h.w.plan.torn.in(h.w.rng) {
		tear(h.path)
	}
	boots := h.boots
	h.w.self.AfterFunc(h.w.upTo(10*h.w.plan.policy.Submit), func() {
		if h.proc == nil && h.boots == boots {
			h.boot()
		}
	})
}

// tear leaves the half line that a process was killed in the middle of.
func tear(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(`{"at":17930`)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		panic(err)
	}
}

func (h *host) heal() {
	h.refuses, h.dark = 0, 0
	if h.proc == nil {
		h.boot()
	}
}

// callTime is how long the bank's server keeps a call that it does not answer.
const callTime = time.Minute

// receive takes a message that has come, and sends the answer back.
func (h *host) receive(i banks.Instruction, q question, c *call) {
	w, p, bank := h.w, h.proc, h.bank
	if p == nil || w.s.now < h.dark {
		return
	}
	h.seen = append(h.seen, i)
	if w.happens(w.plan.messages.reported) {
		checks := w.plan.policy.Checks
		p.AfterFunc(w.upTo(2*checks[len(checks)-1]), func() { h.tell(i) })
	}
	p.Go(func() {
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		defer p.AfterFunc(callTime, cancel)()
		answer, err := q(bank, ctx, i)
		switch {
		case ctx.Err() != nil:
			return // silence
		case err != nil && !errors.Is(err, banks.ErrNotSent):
			w.found("%s could not work on %s: %v", p.name, i.ID, err)
			return
		}
		w.s.sleep(w.upTo(10 * time.Millisecond)) // it may die now
		for range w.copies() {
			w.carry(func() {
				if !c.answered {
					c.answered, c.answer, c.err = true, answer, err
					close(c.came)
				}
			})
		}
	})
}

// desk brings what a bank says without being asked to any node.
type desk struct {
	h *host
	p *process // of the bank
}

// Report implements [banks.Reporter].
func (d *desk) Report(_ context.Context, bank string, id ledger.InstructionID, a banks.Answer) (r ledger.Recorded, err error) {
	h, w := d.h, d.h.w
	h.reporting++
	defer func() { h.reporting-- }()
	lie := h.did(id) != (a.Outcome == ledger.SaysApproved)
	if lie {
		if !d.truthIsKnown(id) {
			return r, ledger.ErrUnavailable
		}
		w.lies[id] = true
	}
	for range w.copies() {
		w.s.sleep(w.transit())
		n := w.nodes[w.rng.IntN(len(w.nodes))]
		if !n.up() {
			continue
		}
		w.note(d.p.name, "reports %s: %s to %s", id, a.Outcome, n.proc.name)
		node, dispatcher := n.proc, n.banks
		ctx, cancel := context.WithCancel(background)
		done := make(chan struct{})
		stop := d.p.AfterFunc(callTime, cancel)
		node.Go(func() {
			if r, err = dispatcher.Report(ctx, bank, id, a); err == nil {
				d.judge(id, a, r.Effect, lie)
			}
			close(done)
		})
		_ = d.p.Wait(ctx, done)
		stop()
		cancel()
	}
	return r, err
}

// judge holds what a report did against what it may do: what the bank says first
// counts, the truth moves nothing twice, and a lie that comes after it nothing at all.
func (d *desk) judge(id ledger.InstructionID, a banks.Answer, e ledger.Effect, lie bool) {
	switch {
	case lie && e == ledger.Applied:
		d.h.w.found("%s of %s was applied, after the bank had said the contrary", a.Outcome, id)
	case !lie && e == ledger.Contradicted:
		d.h.w.found("%s of %s, which is true, was taken for a contradiction", a.Outcome, id)
	}
}

// truthIsKnown waits until the book has the bank's first word of an instruction:
// nobody can tell a lie from the truth that it hears before the truth.
func (d *desk) truthIsKnown(id ledger.InstructionID) bool {
	for range 20 {
		_, instructions, err := d.h.w.store.TransferHistory(background, id.Transfer)
		if err != nil {
			return false
		}
		for _, i := range instructions {
			if i.ID == id && settled(i.State) {
				return true
			}
		}
		d.h.w.s.sleep(5 * time.Second)
	}
	return false
}

// did says whether the bank has moved money for an instruction.
func (h *host) did(id ledger.InstructionID) bool {
	for e := range h.bank.Entries() {
		if e.ID == id {
			return true
		}
	}
	return false
}

// repeatNews has the bank report an old outcome, however long ago it was.
func (h *host) repeatNews() {
	if h.proc != nil && len(h.seen) > 0 {
		i := h.seen[h.w.rng.IntN(len(h.seen))]
		h.proc.Go(func() { h.tell(i) })
	}
}

// tell reports what the bank came to of an instruction, also where it would give
// no answer to a question.
func (h *host) tell(i banks.Instruction) {
	d := &desk{h, h.proc}
	if h.did(i.ID) {
		_, _ = d.Report(background, h.code, i.ID, banks.Answer{Outcome: ledger.SaysApproved, Code: "00"})
		return
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	defer d.p.AfterFunc(time.Second, cancel)()
	truth, err := h.bank.Status(ctx, i)
	if err == nil && !truth.Pending && truth.Outcome != ledger.SaysNotSeen {
		_, _ = d.Report(background, h.code, i.ID, truth)
	}
}
