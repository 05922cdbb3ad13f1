package ledger

import "slices"

// Story is a transfer with all that has happened to it: the lines of its history
// and what the banks were asked, each in order.
type Story struct {
	Transfer     Transfer
	Steps        []Step
	Instructions []Instruction
}

// LoadKnown takes the row of a wanted transfer that was read before the batch for
// loaded, and says whether it was. The engine has locked it and loads its steps next.
func (s *Set) LoadKnown(id ID) bool {
	t, ok := s.known[id]
	if !ok {
		return false
	}
	born := *t
	born.Begin(t.Born, t.Birth().Reason)
	s.Transfers.Load(id, born)
	return true
}

// LoadStep is called by the engine with each step of a wanted transfer, once the
// transfer itself is loaded as its first commit left it.
func (s *Set) LoadStep(step Step) {
	later := append(s.later[step.Transfer], step)
	slices.SortFunc(later, func(a, b Step) int { return a.N - b.N })
	s.later[step.Transfer] = later
	t, _ := s.Transfers.Get(step.Transfer)
	t.Take(later[len(later)-1])
	s.Transfers.Load(t.ID, t)
}

// Story is what the batch leaves of a transfer that it wanted with all of its instructions.
func (s *Set) Story(id ID) (Story, bool) {
	t, ok := s.Transfers.Get(id)
	if !ok {
		return Story{}, false
	}
	out := Story{Transfer: t, Steps: append(t.Beginning(), s.later[id]...)}
	for _, leg := range legs {
		instruction := InstructionID{id, leg}
		if !s.Instructions.Declared(instruction) {
			return Story{}, false
		}
		if i, ok := s.Instructions.Get(instruction); ok {
			out.Instructions = append(out.Instructions, i)
		}
	}
	return out, true
}
