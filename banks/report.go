package banks

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"bahi/ledger"
)

// Said is what a bank says of one of its instructions.
type Said struct {
	ID ledger.InstructionID
	Answer
	Asked bool // by a Submit that still waits for it, and counts it as the bank's health
}

// Report implements [Reporter]: it records what a bank says without being asked.
// An instruction that is not the bank's own is ledger.ErrNotFound.
func (d *Dispatcher) Report(ctx context.Context, bank string, id ledger.InstructionID, a Answer) (ledger.Recorded, error) {
	said := Said{ID: id, Answer: a}
	command, err := d.result(ctx, bank, said)
	if err != nil {
		return ledger.Recorded{}, err
	}
	r, err := ledger.Do[ledger.Recorded](ctx, d.opt.Book, command)
	d.reported(bank, said, command, r)
	return r, err
}

// reportReads is how many transfers are looked up at once for the results of many.
const reportReads = 8

// ReportAll records what a bank says of many instructions, all in one commit. Each
// has an outcome of its own: a [ledger.Recorded], or why it was not taken.
func (d *Dispatcher) ReportAll(ctx context.Context, bank string, said []Said) (ledger.Outcomes, error) {
	commands := make(ledger.Many, len(said))
	reads, readCtx := errgroup.WithContext(ctx)
	reads.SetLimit(reportReads)
	for n := range said {
		reads.Go(func() error {
			command, err := d.result(readCtx, bank, said[n])
			if errors.Is(err, ledger.ErrNotFound) {
				commands[n] = ledger.Refused{Why: err}
				return nil
			}
			commands[n] = command
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	outcomes, err := ledger.Do[ledger.Outcomes](ctx, d.opt.Book, commands)
	for n := range outcomes {
		if r, ok := outcomes[n].Result.(ledger.Recorded); ok {
			d.reported(bank, said[n], commands[n].(ledger.RecordResult), r)
		}
	}
	return outcomes, err
}

// result is the command that records what a bank says.
func (d *Dispatcher) result(ctx context.Context, bank string, s Said) (ledger.RecordResult, error) {
	t, err := d.opt.Reader.Transfer(ctx, s.ID.Transfer)
	if err != nil {
		return ledger.RecordResult{}, err
	}
	if here, _ := t.Ends(s.ID.Leg); here.Bank != bank {
		return ledger.RecordResult{}, ledger.ErrNotFound
	}
	return ledger.RecordResult{Transfer: &t, Leg: s.ID.Leg, Outcome: s.Outcome, Code: s.Code, Ref: s.Ref}, nil
}

func (d *Dispatcher) reported(bank string, s Said, c ledger.RecordResult, r ledger.Recorded) {
	if l, ok := d.lane(bank); ok && !s.Asked && r.Effect == ledger.Applied && c.Leg.Reverses() == 0 {
		asked := time.UnixMicro(c.Transfer.Updated) // the step before: it made a debit, or a credit
		l.answered(s.Answer, asked, d.opt.Clock.Now())
	}
	if r.Effect == ledger.Contradicted {
		d.opt.Log.Warn("a bank contradicts itself; no money is moved", "bank", bank, "instruction", s.ID.String(), "says", s.Outcome.String())
	}
}
