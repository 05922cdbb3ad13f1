package simulate

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"bahi/ledger"
	"bahi/ledger/memory"
)

// world is everything that a run is made of.
type world struct {
	cfg    Config
	plan   *plan
	s      *scheduler
	rng    *rand.Rand
	self   *process // what happens by itself
	net    *process // messages on their way
	store  ledger.Store
	away   time.Duration // the database is out of reach until then
	jammed time.Duration // troubles come together until then
	nodes  []*node
	hosts  []*host
	chat   *chat
	breaks map[ledger.InstructionID]bool       // that the book noted
	lies   map[ledger.InstructionID]bool       // that banks told
	asking map[ledger.InstructionID][]*process // nodes that wait for a bank's answer
	pins   pins
	flying int  // messages to and from banks that have not arrived
	calm   bool // nothing goes wrong, for now or any more
	report Report
}

// Purposes of random numbers: each has a sequence of its own.
const (
	forOrder = iota + 1
	forTrouble
	forPlan
)

func newWorld(cfg Config) *world {
	source := func(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(cfg.Seed, purpose)) }
	w := &world{cfg: cfg, plan: newPlan(source(forPlan)), s: newScheduler(source(forOrder)), rng: source(forTrouble),
		store: memory.New(), breaks: map[ledger.InstructionID]bool{}, lies: map[ledger.InstructionID]bool{}, asking: map[ledger.InstructionID][]*process{}, pins: pins{}, calm: true, report: Report{Config: cfg}}
	w.self, w.net = w.s.process("world"), w.s.process("network")
	for n := range w.plan.banks {
		w.hosts = append(w.hosts, newHost(w, n))
	}
	for n := range w.plan.nodes {
		w.nodes = append(w.nodes, &node{w: w, place: n})
	}
	w.chat = newChat(w)
	return w
}

// play is the world's life.
func (w *world) play() {
	for _, n := range w.nodes {
		n.boot()
	}
	w.s.sleep(5 * time.Second)
	w.chat.populate()
	w.calm, w.s.stalls = false, w.plan.stalls
	for range w.cfg.Steps {
		w.s.sleep(w.upTo(w.plan.gap))
		w.step()
	}
	w.heal()
	w.rest()
	w.chat.repeatAll()
	w.rest()
	w.check()
}

// heal ends all troubles but those that are on their way.
func (w *world) heal() {
	w.note(w.self.name, "the world calms down")
	w.calm, w.s.stalls, w.away, w.jammed = true, 0, 0, 0
	for _, h := range w.hosts {
		h.heal()
	}
	for _, n := range w.nodes {
		n.heal()
	}
}

// patience is how long after its troubles a world may take to come to rest. The
// longest life of a transfer takes eight hours of UPI's timers, and a clock that
// was set may add some.
const patience = 24 * time.Hour

// rest waits until every chat has its answers, no transfer waits for a bank, and
// nothing is on its way to move anything any more.
func (w *world) rest() {
	quiet := 0
	for began := w.s.now; quiet < 3; {
		if passed := w.s.now - began; passed > patience || (passed > time.Hour && len(w.report.Findings) > 0) {
			w.found("the world did not come to rest within %v", passed)
			return
		}
		w.s.sleep(20 * time.Second) // late reports come in
		if quiet++; w.chat.waiting > 0 || w.waiting() || w.reporting() || w.flying > 0 || w.publishing() || w.holding() {
			quiet = 0
		}
	}
}

func (w *world) reporting() bool {
	for _, h := range w.hosts {
		if h.reporting > 0 {
			return true
		}
	}
	return false
}

// waiting says whether any transfer waits for a bank.
func (w *world) waiting() bool {
	drivers, err := w.store.Drivers(background)
	if err != nil {
		w.found("the open instructions cannot be read: %v", err)
	}
	return len(drivers) > 0
}

// holding says whether a payment is held.
func (w *world) holding() bool {
	held, err := w.store.DueRecords(background, ledger.RecordPlace{}, math.MaxInt64, 1)
	if err != nil {
		w.found("what is due cannot be read: %v", err)
	}
	return len(held) > 0
}

// publishing says whether there is something that chats are not told of yet.
func (w *world) publishing() bool {
	rows, err := w.store.Outbox(background, 1)
	if err != nil {
		w.found("the outbox cannot be read: %v", err)
	}
	return len(rows) > 0
}

// happens says whether a trouble strikes now.
func (w *world) happens(o odds) bool { return !w.calm && o.in(w.rng) }

// jams is happens for the troubles of a machine or a network that has too much to
// do, which come together: in a jam one time in so many.
func (w *world) jams(o, jammed odds) bool {
	if w.s.now < w.jammed {
		o = jammed
	}
	return w.happens(o)
}

// upTo is a time below d.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }

// found notes something that should not have been.
func (w *world) found(format string, args ...any) {
	w.report.Findings = append(w.report.Findings, fmt.Sprintf(format, args...))
	w.note(w.self.name, "FOUND "+format, args...)
}

// note writes a line of the trace.
func (w *world) note(who, format string, args ...any) {
	if w.cfg.Trace != nil {
		fmt.Fprintf(w.cfg.Trace, "%14.6f %-10s %s\n", w.s.now.Seconds(), who, fmt.Sprintf(format, args...))
	}
}

// log is a log whose lines go to the trace.
func (w *world) log(p *process) *slog.Logger {
	if w.cfg.Trace == nil {
		return slog.New(slog.DiscardHandler)
	}
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		first, _, _ := strings.Cut(a.Value.String(), "\n") // no stacks, which are never the same
		return slog.String(a.Key, first)
	}
	return slog.New(slog.NewTextHandler(noteWriter{w, p}, &slog.HandlerOptions{ReplaceAttr: plain}))
}

type noteWriter struct {
	w *world
	p *process
}

func (n noteWriter) Write(line []byte) (int, error) {
	n.w.note(n.p.name, "log: %s", strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

var _ io.Writer = noteWriter{}
