package reconcile

import (
	"context"
	"errors"
	"time"

	"bahi/ledger"
)

// outbox gathers what a run has to write and writes it in chunks: one is being
// written while the next gathers.
type outbox struct {
	book    *ledger.Pipeline
	reader  ledger.Reader
	zone    *time.Location
	most    int
	chunk   Reconciled
	payees  []ledger.ID // of each finding, zero for none
	writing chan error  // nil if nothing is being written
}

// matches adds the difference between the matches that should be and those that
// are stored, both in the order of Compare.
func (o *outbox) matches(want, stored []ledger.Match) {
	for len(want) > 0 || len(stored) > 0 {
		switch c := compareHeads(want, stored, ledger.Match.Compare); {
		case c < 0:
			o.chunk.Matches, want = append(o.chunk.Matches, want[0]), want[1:]
		case c > 0:
			o.chunk.Unmatched, stored = append(o.chunk.Unmatched, stored[0]), stored[1:]
		default:
			if want[0].Rule != stored[0].Rule {
				o.chunk.Matches = append(o.chunk.Matches, want[0])
			}
			want, stored = want[1:], stored[1:]
		}
	}
}

// breaks adds the difference between what was found and the breaks that are stored,
// both by ID.
func (o *outbox) breaks(found, stored []ledger.Break, payee ledger.ID) {
	for len(found) > 0 || len(stored) > 0 {
		switch c := compareHeads(found, stored, func(a, b ledger.Break) int { return a.ID.Compare(b.ID) }); {
		case c < 0:
			o.find(&found[0], 0, payee)
			found = found[1:]
		case c > 0:
			if stored[0].State == ledger.BreakOpen {
				o.chunk.Gone = append(o.chunk.Gone, stored[0].ID)
			}
			stored = stored[1:]
		default:
			if was := &stored[0]; !was.Same(&found[0]) || (was.State == ledger.BreakClosed && was.Resolution == ledger.Agreed) {
				o.find(&found[0], was.State, payee)
			}
			found, stored = found[1:], stored[1:]
		}
	}
}

func (o *outbox) find(b *ledger.Break, was ledger.BreakState, payee ledger.ID) {
	o.chunk.Findings = append(o.chunk.Findings, Finding{Break: *b, Was: was})
	o.payees = append(o.payees, payee)
}

// compareHeads says which of two lists comes first, an empty one being last.
func compareHeads[T any](a, b []T, compare func(a, b T) int) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return compare(a[0], b[0])
}

// full writes the chunk once it is large enough.
func (o *outbox) full(ctx context.Context) error {
	if o.size() < o.most {
		return nil
	}
	return o.flush(ctx)
}

func (o *outbox) size() int {
	return len(o.chunk.Matches) + len(o.chunk.Unmatched) + len(o.chunk.Findings) + len(o.chunk.Gone)
}

// flush begins to write the chunk when the one before is written.
func (o *outbox) flush(ctx context.Context) error {
	if err := o.wait(); err != nil || o.size() == 0 {
		return err
	}
	if err := o.deadlines(ctx); err != nil {
		return err
	}
	chunk := o.chunk
	o.chunk, o.payees = Reconciled{Run: chunk.Run}, o.payees[:0]
	o.writing = make(chan error, 1)
	go func() { o.writing <- write(ctx, o.book, chunk) }()
	return nil
}

// wait waits until the chunk is written that is on its way.
func (o *outbox) wait() error {
	if o.writing == nil {
		return nil
	}
	err := <-o.writing
	o.writing = nil
	return err
}

// The bounds of trying to write a chunk, while the queue is full or the database is away.
const (
	writeTries = 60
	writePause = 500 * time.Millisecond
)

// write stores a chunk. Storing it twice changes nothing, so it is tried again
// wherever that may help.
func write(ctx context.Context, book *ledger.Pipeline, chunk ledger.Command) (err error) {
	for range writeTries {
		_, err = book.Submit(ctx, ledger.Request{Command: chunk})
		passing := errors.Is(err, ledger.ErrBusy) || errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrOutcomeUnknown)
		if !passing || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(writePause):
		}
	}
	return err
}

// Days after its own that a break is to be closed by.
const (
	dueAfter         = 1
	dueAfterMerchant = 5 // where the payee is a merchant
)

// deadlines tells until when the breaks of the chunk are to be closed: the end of a day.
func (o *outbox) deadlines(ctx context.Context) error {
	if len(o.chunk.Findings) == 0 {
		return nil
	}
	var parties []ledger.ID
	for _, id := range o.payees {
		if !id.IsZero() {
			parties = append(parties, id)
		}
	}
	payees, err := o.reader.Payable(ctx, parties)
	if err != nil {
		return err
	}
	for i := range o.chunk.Findings {
		b := &o.chunk.Findings[i].Break
		after := ledger.Day(dueAfter)
		if payees[o.payees[i]].Party.Kind == ledger.Merchant {
			after = dueAfterMerchant
		}
		b.Deadline = endOf(b.Day+after, o.zone)
	}
	return nil
}

// Deadline is until when a break of a day that is about no payee is to be closed.
func Deadline(day ledger.Day, zone *time.Location) int64 { return endOf(day+dueAfter, zone) }

func endOf(day ledger.Day, zone *time.Location) int64 { return (day + 1).Time(zone).UnixMicro() }
