package bankstest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// walk has three callers at once replay, delay and cut off an instruction and its
// reversal, in any order, and then looks whether all that was said is one story
// that the money tells too.
func (k *kit) walk() {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	k.time = k.took()
	for range 10 {
		i := k.instruction(k.rail.Good)
		s := &story{kit: k, i: i}
		var callers sync.WaitGroup
		for range 3 {
			steps := s.plan(rng)
			callers.Go(func() { s.tell(steps) })
		}
		callers.Wait()
		k.restart()
		original := k.submit(i)
		undone := k.reverse(reversal(i))
		for _, a := range s.original {
			k.same("the instruction, in the end,", original, a)
		}
		for _, a := range s.undone {
			k.same("its reversal, in the end,", undone, a)
		}
		k.oneTruth(i, original, undone)
		if k.Failed() {
			k.Fatalf("seed %d", seed)
		}
	}
}

// step is one question of a story.
type step struct {
	ask   question
	i     banks.Instruction
	after time.Duration
	limit time.Duration // then the caller gives up
}

// plan is what one caller does.
func (s *story) plan(rng *rand.Rand) (steps []step) {
	undo, a := reversal(s.i), s.rail.Adapter
	for range 5 {
		one := []step{{ask: a.Submit, i: s.i}, {ask: a.Submit, i: s.i}, {ask: a.Status, i: s.i}, {ask: a.Reverse, i: undo}, {ask: a.Status, i: undo}}[rng.IntN(5)]
		one.after, one.limit = s.upTo(rng, 2), patience
		if rng.IntN(3) == 0 {
			one.limit = s.upTo(rng, 2)
		}
		steps = append(steps, one)
	}
	return steps
}

// upTo is a time of up to so many instructions.
func (s *story) upTo(rng *rand.Rand, times int64) time.Duration {
	return time.Duration(rng.Int64N(times*int64(s.time) + 1))
}

// story is what was said of an instruction and of its reversal.
type story struct {
	*kit
	i banks.Instruction

	mu               sync.Mutex
	original, undone []banks.Answer // the definite ones
}

// tell asks one question after the other. What a caller was told once it is not
// to be told otherwise.
func (s *story) tell(steps []step) {
	known := map[ledger.Leg]bool{}
	for _, st := range steps {
		time.Sleep(st.after)
		ctx, cancel := context.WithTimeout(s.Context(), st.limit)
		a, err := s.call(ctx, st.ask, st.i)
		cancel()
		switch leg := st.i.ID.Leg; {
		case err != nil || a.Pending:
		case a.Outcome == ledger.SaysNotSeen:
			if known[leg] {
				s.Errorf("%s: the bank forgot what it had said", st.i.ID)
			}
		default:
			known[leg] = true
			s.heard(leg, a)
		}
	}
}

func (s *story) heard(leg ledger.Leg, a banks.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leg.Reverses() == 0 {
		s.original = append(s.original, a)
	} else {
		s.undone = append(s.undone, a)
	}
}
