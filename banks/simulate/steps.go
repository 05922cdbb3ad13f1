package simulate

import (
	"time"

	"bahi/ledger"
)

// happening is a kind of step.
type happening int

const (
	request happening = iota
	repeated
	cancelled
	looked
	crashed
	froze
	left
	jumped
	cutOff
	outage
	bankDied
	bankRefused
	bankWentDark
	news
	walletFrozen
	jammed
	struck   // no step: whenever a node waits
	released // likewise: whenever the time of a held payment is over
)

var happenings = [...]string{request: "requests", repeated: "repeats", cancelled: "cancellations", looked: "looks", crashed: "crashes",
	froze: "nodes frozen", left: "nodes left", jumped: "clocks set", cutOff: "nodes cut off", outage: "database outages",
	bankDied: "banks died", bankRefused: "banks refused", bankWentDark: "banks went dark", news: "late reports", walletFrozen: "wallets frozen", jammed: "jams", struck: "nodes struck in the middle of something", released: "held payments released"}

// step lets one thing happen.
func (w *world) step() {
	p := &w.plan.steps
	weights := [len(happenings)]int{request: 20, repeated: 6, cancelled: 3, looked: 3, crashed: p.crash, froze: p.freeze, left: p.leave,
		jumped: p.jump, cutOff: p.cut, outage: p.outage, bankDied: p.bankDies, bankRefused: p.bankRefuses, bankWentDark: p.bankIsDark,
		news: p.news, walletFrozen: p.freezeWallet, jammed: p.jam}
	total := 0
	for _, weight := range weights {
		total += weight
	}
	h, drawn := request, w.rng.IntN(total)
	for drawn >= weights[h] {
		drawn -= weights[h]
		h++
	}
	w.report.happened[h]++
	n, b := w.nodes[w.rng.IntN(len(w.nodes))], w.hosts[w.rng.IntN(len(w.hosts))]
	switch h {
	case request:
		many := 1
		if w.plan.crowds && w.rng.IntN(3) == 0 {
			many = 10
		}
		for range many {
			w.chat.pay()
		}
	case repeated:
		w.chat.again()
	case cancelled:
		w.chat.cancel()
	case looked:
		w.chat.look()
	case crashed:
		n.crash("crashes")
		n.bootIn(w.upTo(4 * w.plan.lease))
	case froze:
		n.freeze(w.upTo(4 * w.plan.lease))
	case left:
		n.leave()
	case jumped:
		n.jump()
	case cutOff:
		n.cutOff(w.upTo(4 * w.plan.lease))
	case outage:
		w.away = w.s.now + w.upTo(2*w.plan.lease)
		w.note(w.self.name, "the database is away until %v", w.away)
	case bankDied:
		b.die()
	case bankRefused:
		b.refuses = w.s.now + w.upTo(20*w.plan.policy.Submit)
		w.note(b.code, "refuses connections until %v", b.refuses)
	case bankWentDark:
		b.dark = w.s.now + w.upTo(60*w.plan.policy.Submit)
		w.note(b.code, "is dark until %v", b.dark)
	case news:
		b.repeatNews()
	case walletFrozen:
		w.chat.freezeWallet()
	case jammed:
		w.jammed = w.s.now + w.upTo(20*w.plan.policy.Submit)
		w.note(w.self.name, "everything is jammed until %v", w.jammed)
	}
}

// jump sets a node's clock, mostly by a little.
func (n *node) jump() {
	most := pick(n.w.rng, 100*time.Millisecond, 5*time.Second, time.Minute, 10*time.Minute)
	by := n.w.upTo(2*most) - most
	n.skew += by
	if n.proc != nil {
		n.proc.skew = n.skew
	}
	n.w.note(n.name(), "its clock is set by %v, to %v", by, n.skew)
}

// settled are the states of an instruction that its bank's word closed.
func settled(s ledger.InstructionState) bool {
	return s == ledger.Approved || s == ledger.Declined || s == ledger.NotDone || s == ledger.Stands || s == ledger.Dropped
}
