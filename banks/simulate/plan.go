package simulate

import (
	"math/rand/v2"
	"time"

	"bahi/ledger"
)

// plan is what kind of world a seed makes: how big, how it is configured, and what
// goes wrong in it how often. Each world lacks about half of the troubles, so that
// one does not always hide another.
type plan struct {
	nodes, banks, people int
	sole                 bool          // one node, told that it is the only one
	gap                  time.Duration // the most between two steps
	policy               ledger.Policy
	sweep, lease         time.Duration
	maxInFlight          int
	admits               bool // transfers are made only where their banks answer well enough
	crowds               bool // requests come so close together that none sees the others wait for its bank
	maxQueue, maxBatch   int

	stalls odds // of tasks, wherever they wait
	struck odds // nodes, at the very moment of a commit or a bank's answer

	commits struct { // of the database
		slow                                       odds
		unavailable, conflicts, forgotten, unheard odds // unheard: stored, and nobody hears of it; forgotten: not stored, and nobody knows
	}
	messages struct { // to and from banks, and to and from chat backends
		refused, lost, slow, late, twice odds
		reported                         odds // what was asked, long after
		stuck                            odds // those that are refused, until then
	}
	steps struct { // what happens to machines, by weight
		crash, freeze, leave, jump, cut, outage, bankDies, bankRefuses, bankIsDark, news, freezeWallet, jam int
	}
	magic odds // amounts that make a bank misbehave
	queue odds // transfers that are to wait
	pins  odds // payers whose bank wants a credential
	torn  odds // writes of a bank that it is killed in
}

func newPlan(rng *rand.Rand) *plan {
	p := &plan{nodes: 1 + rng.IntN(4), banks: 2 + rng.IntN(2), people: 4 + rng.IntN(4)}
	p.sole = p.nodes == 1 && rng.IntN(2) == 0
	p.gap = pick(rng, 20*time.Millisecond, 200*time.Millisecond, time.Second, 5*time.Second)
	p.policy = ledger.DefaultPolicy()
	p.sweep, p.lease = 5*time.Second, 30*time.Second
	if rng.IntN(8) > 0 { // most worlds do not take UPI's hours
		unit := pick(rng, time.Second, 3*time.Second)
		p.policy.Submit, p.policy.Check, p.policy.Takeover, p.policy.QueueLimit = unit, unit, unit, 2*unit
		p.policy.Checks = []time.Duration{3 * unit, 8 * unit, 20 * unit}
		p.policy.Reversals = p.policy.Checks
		p.sweep, p.lease = pick(rng, 250*time.Millisecond, time.Second), pick(rng, 3*time.Second, 6*time.Second)
	}
	p.maxInFlight, p.admits = pick(rng, 1, 2, 8, 256), rng.IntN(2) == 0
	p.maxQueue, p.maxBatch = pick(rng, 3, 16384), pick(rng, 1, 2, 4096)
	p.stalls, p.struck = some(rng, 100), some(rng, 8)
	p.commits.slow, p.commits.conflicts = some(rng, 5), some(rng, 5)
	p.commits.unavailable, p.commits.forgotten, p.commits.unheard = some(rng, 10), some(rng, 10), some(rng, 10)
	p.messages.refused, p.messages.lost, p.messages.slow = some(rng, 2), some(rng, 2), some(rng, 3)
	p.messages.late, p.messages.twice, p.messages.reported = some(rng, 2), some(rng, 2), some(rng, 2)
	for _, weight := range []*int{&p.steps.crash, &p.steps.freeze, &p.steps.leave, &p.steps.jump, &p.steps.cut, &p.steps.outage,
		&p.steps.bankDies, &p.steps.bankRefuses, &p.steps.bankIsDark, &p.steps.news, &p.steps.freezeWallet, &p.steps.jam} {
		*weight = rng.IntN(2) * (1 + rng.IntN(4))
	}
	p.magic, p.queue, p.torn = some(rng, 2), some(rng, 2), some(rng, 2)
	p.pins, p.crowds, p.messages.stuck = some(rng, 1), rng.IntN(2) == 0, some(rng, 1)
	if rng.IntN(2) == 0 { // every second world holds payments
		hold := pick(rng, time.Second, 10*time.Second, time.Minute)
		p.policy.Limits = &ledger.Limits{Default: ledger.AppLimits{HoldAbove: ledger.Sums{"INR": 250_00}, HoldFor: hold}}
	}
	return p
}

// some is never in half of the worlds, and in the others one in low to 8 times low.
func some(rng *rand.Rand, low odds) odds {
	return low << rng.IntN(4) * odds(rng.IntN(2))
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }
