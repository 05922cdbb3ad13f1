package ledger

import (
	"errors"
	"slices"
)

// entries walks what owns postings beside the transfers: corrections and positions.
type entries struct {
	corrections cursor[Correction]
	positions   cursor[Position]
}

func pullEntries(c *compared, s Snapshot) entries {
	return entries{pull(tapped(c, s.Corrections())), pull(tapped(c, s.Positions()))}
}

func (e *entries) stop() {
	e.corrections.stop()
	e.positions.stop()
}

// entriesBefore checks all entries whose ID comes before a transfer's: their
// postings lie among those of the transfers.
func (v *verifier) entriesBefore(id ID, e *entries, postings *cursor[Posting]) error {
	for {
		c, p := &e.corrections, &e.positions
		isCorrection := c.ok && c.value.ID.Compare(id) < 0
		isPosition := p.ok && p.value.ID.Compare(id) < 0
		switch {
		case isCorrection && (!isPosition || c.value.ID.Compare(p.value.ID) < 0):
			v.entry(c.value.ID, c.value.ID.CorrectionRef(), c.value.owed(), postings)
			c.advance()
		case isPosition:
			v.entry(p.value.ID, p.value.Window+" "+p.value.Bank, p.value.owed(), postings)
			p.advance()
		default:
			return errors.Join(c.err, p.err, postings.err)
		}
	}
}

// entry takes an entry's postings and compares them with those that it should have.
func (v *verifier) entry(id ID, where string, should []owed, postings *cursor[Posting]) {
	own := takeOwn(v, postings, id, "posting", func(p Posting) ID { return p.Entry })
	v.sum.Postings += int64(len(own))
	v.owes(where, should, own)
}

// owed is a posting that an entry should have.
type owed struct {
	event         Event
	debit, credit AccountName
	amount        int64
}

// owes compares an entry's postings with those that it should have.
func (r *rules) owes(where string, should []owed, own []Posting) {
	for _, p := range own {
		n := slices.IndexFunc(should, func(o owed) bool {
			return o.event == p.Event && o.amount == p.Amount && o.debit.Currency == p.Currency && p.Undoes == 0 &&
				r.wholeOf(p.Debit) == o.debit.ID() && r.wholeOf(p.Credit) == o.credit.ID()
		})
		if n < 0 {
			r.violated("posting_content", where, "a posting (%s, %d %s, from %s to %s) is none of those it should have", p.Event, p.Amount, p.Currency, p.Credit, p.Debit)
			continue
		}
		should = slices.Delete(should, n, n+1)
	}
	for _, o := range should {
		r.violated("posted_as_confirmed", where, "the %s of %d %s is missing", o.event, o.amount, o.debit.Currency)
	}
}

// owed is the posting of an applied correction that adjusts.
func (c *Correction) owed() []owed {
	if c.Adjusted() == 0 {
		return nil
	}
	debit, credit := c.sides(ClearingAccount(c.Bank, c.Currency))
	return []owed{{EventAdjustment, debit, credit, abs(c.Difference)}}
}

// owed are the postings of a confirmed position.
func (p *Position) owed() (all []owed) {
	if p.State != PositionConfirmed {
		return nil
	}
	if p.Net() != 0 {
		debit, credit := p.Sides()
		all = append(all, owed{EventSettlement, debit, credit, abs(p.Net())})
	}
	if p.Fees != 0 {
		all = append(all, owed{EventFee, SettlementAccount(p.Bank, p.Currency), FeesAccount(p.Currency), p.Fees})
	}
	return all
}
