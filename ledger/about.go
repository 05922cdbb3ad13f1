package ledger

import "slices"

// Personal is implemented by commands whose answers tell of persons. Such an
// answer is kept for as long as none of them is erased.
type Personal interface {
	Persons() []ID // parties, with zeros for those who are none
}

// Persons implements [Personal].
func (c OpenParty) Persons() []ID { return []ID{c.Party.ID} }

// Persons implements [Personal].
func (c LinkInstrument) Persons() []ID { return []ID{c.Instrument.Party} }

// Persons implements [Personal].
func (c UnlinkInstrument) Persons() []ID { return []ID{c.Instrument.Party} }

// Persons implements [Personal].
func (c SetDefault) Persons() []ID { return []ID{c.Party} }

// Persons implements [Personal].
func (c CreateTransfer) Persons() []ID { return []ID{c.Transfer.Payer.Party, c.Transfer.Payee.Party} }

// Persons implements [Personal].
func (c CancelTransfer) Persons() []ID { return []ID{c.Transfer.Payer.Party, c.Transfer.Payee.Party} }

// Persons implements [Personal]: of whom it asks nothing is told but what they are asked for.
func (c AskMoney) Persons() []ID { return []ID{c.Request.Owner} }

// Persons implements [Personal].
func (c PayAsk) Persons() []ID { return c.Pay.Persons() }

// Persons implements [Personal].
func (c DeclineAsk) Persons() []ID { return []ID{c.Request.Owner} }

// Persons implements [Personal].
func (c RemindAsk) Persons() []ID { return []ID{c.Request.Owner} }

// Persons implements [Personal].
func (c CancelRequest) Persons() []ID { return []ID{c.Request.Owner} }

// Persons implements [Personal].
func (c CreateSchedule) Persons() []ID { return []ID{c.Schedule.Owner} }

// Persons implements [Personal].
func (c PauseSchedule) Persons() []ID { return []ID{c.Schedule.Owner} }

// Persons implements [Personal].
func (c ResumeSchedule) Persons() []ID { return []ID{c.Schedule.Owner} }

// Persons implements [Personal].
func (c SkipRun) Persons() []ID { return []ID{c.Schedule.Owner} }

// Persons implements [Personal].
func (c CancelSchedule) Persons() []ID { return []ID{c.Schedule.Owner} }

// Persons implements [Personal].
func (c CreateRefund) Persons() []ID { return []ID{c.Payment.Payer.Party, c.Payment.Payee.Party} }

// Persons implements [Personal].
func (m Many) Persons() (all []ID) {
	for _, c := range m {
		if p, ok := c.(Personal); ok {
			all = append(all, p.Persons()...)
		}
	}
	return all
}

// personsOf are the persons that the answer to a command tells of, each once.
func personsOf(c Command) []ID {
	p, ok := c.(Personal)
	if !ok {
		return nil
	}
	all := slices.DeleteFunc(p.Persons(), ID.IsZero)
	if len(all) > 2 {
		slices.SortFunc(all, ID.Compare)
	}
	return slices.Compact(all)
}
