package reconcile

import (
	"iter"

	"bahi/ledger"
)

// rows walks one list of a snapshot, owner by owner: a transfer, mostly.
type rows[T any] struct {
	head  T // the next one
	ok    bool
	err   error
	owner func(*T) ledger.ID
	next  func() (T, error, bool)
	stop  func()
	own   []T
}

func pull[T any](seq iter.Seq2[T, error], owner func(*T) ledger.ID) *rows[T] {
	r := &rows[T]{owner: owner}
	r.next, r.stop = iter.Pull2(seq)
	r.advance()
	return r
}

func (r *rows[T]) advance() {
	r.head, r.err, r.ok = r.next()
	if r.err != nil {
		r.ok = false
	}
}

// of are the owner's rows, until the next call; those of owners before it are skipped.
func (r *rows[T]) of(id ledger.ID) []T {
	r.own = r.own[:0]
	for ; r.ok; r.advance() {
		switch c := r.owner(&r.head).Compare(id); {
		case c > 0:
			return r.own
		case c == 0:
			r.own = append(r.own, r.head)
		}
	}
	return r.own
}

// least is the first owner of whom one of the lists has rows.
func (r *rows[T]) least(id ledger.ID, found bool) (ledger.ID, bool) {
	if !r.ok {
		return id, found
	}
	if owner := r.owner(&r.head); !found || owner.Compare(id) < 0 {
		return owner, true
	}
	return id, true
}

func least(transfers *rows[ledger.Transfer], lines *rows[ledger.BankLine], breaks *rows[ledger.Break]) (ledger.ID, bool) {
	return breaks.least(lines.least(transfers.least(ledger.ID{}, false)))
}
