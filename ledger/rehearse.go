package ledger

import (
	"context"
	"errors"
	"time"
)

// Rehearse applies a command to what a reader sees, and stores nothing: it shows
// what the command would do now, by the same rules. The set that it returns holds
// the postings, the steps and the rows as they would be.
//
// Loaded are accounts, transfers with their steps and instructions, breaks and
// corrections, which is what a correction needs; a command that wants rows of
// another kind is rehearsed as if there were none.
func Rehearse(ctx context.Context, r Reader, policy *Policy, now time.Time, c Command) (*Set, any, error) {
	s := NewSet(now.UnixMicro(), policy)
	c.Declare(s)
	err := errors.Join(
		rehearsed(&s.Accounts, func(id AccountID) (Account, error) { return r.Account(ctx, id) }),
		rehearsed(&s.Breaks, func(id ID) (Break, error) { return r.Break(ctx, id) }),
		rehearsed(&s.Corrections, func(id ID) (Correction, error) { return r.Correction(ctx, id) }),
		rehearsed(&s.Transfers, func(id ID) (Transfer, error) { return r.Transfer(ctx, id) }),
	)
	for _, id := range s.Transfers.Wanted() {
		_, instructions, e := r.TransferHistory(ctx, id)
		if e != nil && !errors.Is(e, ErrNotFound) {
			err = errors.Join(err, e)
		}
		for _, i := range instructions {
			if s.Instructions.Declared(i.ID) {
				s.Instructions.Load(i.ID, i)
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	result, err := c.Apply(s)
	return s, result, err
}

// rehearsed loads what a table wants by reading row after row.
func rehearsed[K comparable, V any](t *Table[K, V], read func(K) (V, error)) error {
	for _, k := range append(t.Wanted(), t.Seen()...) {
		v, err := read(k)
		switch {
		case err == nil:
			t.Load(k, v)
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	return nil
}
