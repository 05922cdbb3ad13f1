package export

import (
	"context"
	"fmt"
	"math"

	"bahi/ledger"
)

// fact is a leaf with what is known of what it belongs to.
type fact struct {
	place         int64
	raw           []byte // the leaf in its canonical form
	leaf          ledger.Leaf
	about         *about             // of a transfer, a step or a posting
	people        []byte             // of a transfer, as JSON; nil where it is not asked for or not known
	debit, credit ledger.AccountName // of a posting
}

// sink takes the facts that belong to an export, in the order of the log.
type sink interface {
	wants(k ledger.LeafKind) bool
	begin() error         // the heading
	replay(f *fact) error // a fact before the place where the output begins
	write(f *fact) error
	end() error
	count() int64 // rows written
	// replays says from which place on the sink must see the facts, where that is before
	// the output begins: a journal has balances.
	replays() int64
}

// nowhere is behind every place.
const nowhere = math.MaxInt64

// chunk is how many rows of the log are read at once: of at most 256 leaves each, some
// megabytes at most.
const chunk = 128

// walk hands the facts of a range to a sink.
func walk(ctx context.Context, r ledger.Reader, o *Options, s sink) error {
	from := max(o.From, o.Range.First)
	w := walker{reader: r, options: o, sink: s, lookup: newLookup(r)}
	for place := min(s.replays(), from); place < o.Range.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := r.LogFrom(ctx, place, chunk)
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].First > place {
			return fmt.Errorf("the log has no leaf %d, and should have %d leaves", place, o.Range.Size)
		}
		if err := w.read(rows, place); err != nil {
			return err
		}
		if o.Format != JSONL || o.App != "" {
			if err := w.lookup.fill(ctx, w.facts); err != nil {
				return err
			}
		}
		if o.People != nil {
			if err := w.people(ctx); err != nil {
				return err
			}
		}
		if err := w.hand(ctx, from); err != nil {
			return err
		}
		last := &rows[len(rows)-1]
		place = min(last.First+int64(last.Leaves), o.Range.Size)
		if o.Progress != nil {
			o.Progress(place)
		}
	}
	return nil
}

type walker struct {
	reader  ledger.Reader
	options *Options
	sink    sink
	lookup  *lookup
	facts   []fact // of one chunk
}

// read parses the leaves of a chunk that are of use.
func (w *walker) read(rows []ledger.LogRow, from int64) error {
	w.facts = w.facts[:0]
	next := max(from, rows[0].First)
	for i := range rows {
		if rows[i].First > next {
			return fmt.Errorf("the log has no leaf %d", next)
		}
		next = rows[i].First + int64(rows[i].Leaves)
		var wrong error
		err := rows[i].Each(func(place int64, b []byte) bool {
			if place < from {
				return true
			}
			if place >= w.options.Range.Size {
				return false
			}
			if len(b) < 2 {
				wrong = ledger.ErrLeaf
				return false
			}
			kind := ledger.LeafKind(b[1])
			if !w.sink.wants(kind) && kind != ledger.LeafTransfer && kind != ledger.LeafCorrection {
				return true
			}
			l, err := ledger.ParseLeaf(b)
			if err != nil {
				wrong = fmt.Errorf("leaf %d of the log: %w", place, err)
				return false
			}
			w.facts = append(w.facts, fact{place: place, raw: b, leaf: l})
			return true
		})
		if wrong != nil || err != nil {
			return firstOf(wrong, err)
		}
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// hand gives the sink what is its own of a chunk.
func (w *walker) hand(ctx context.Context, from int64) error {
	for i := range w.facts {
		f := &w.facts[i]
		if !w.sink.wants(f.leaf.LeafKind()) || (w.options.App != "" && f.about.app != w.options.App && w.options.Format != JSONL) {
			continue
		}
		if p, ok := f.leaf.(*ledger.Posting); ok && w.options.Format != JSONL {
			var err error
			if f.debit, err = w.lookup.account(ctx, p.Debit, p.Currency, f.about); err != nil {
				return err
			}
			if f.credit, err = w.lookup.account(ctx, p.Credit, p.Currency, f.about); err != nil {
				return err
			}
		}
		take := w.sink.write
		if f.place < from {
			take = w.sink.replay
		}
		if err := take(f); err != nil {
			return err
		}
	}
	return nil
}
