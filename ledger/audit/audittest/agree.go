// Package audittest says whether a log is whole: for the tests of whatever seals one.
package audittest

import (
	"bytes"
	"context"
	"iter"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
)

// log is the log as the rows alone tell it, in the library's own tree.
type log struct {
	testing.TB
	store  ledger.Store
	stored []tlog.Hash
	size   int64
	roots  map[int64]tlog.Hash // behind each row
	leaves map[string]int
	rows   map[int64]bool
}

// Agree demands that the log is sealed whole, and that rows, tiles, checkpoints and the
// book's tables all say the same: no leaf is lost, is there twice, or has another place.
func Agree(t testing.TB, store ledger.Store) ledger.LogHead {
	t.Helper()
	ctx := context.Background()
	l := &log{TB: t, store: store, roots: map[int64]tlog.Hash{}, leaves: map[string]int{}, rows: map[int64]bool{}}
	waiting, err := store.Unsealed(ctx, 1)
	l.check(err)
	if len(waiting) > 0 {
		t.Fatalf("row %d has no place", waiting[0].N)
	}
	l.read(ctx)
	head, err := store.LogHead(ctx)
	l.check(err)
	if head.Size != l.size || tlog.Hash(head.Root) != l.roots[l.size] {
		t.Fatalf("the head has %d leaves and root %s; the rows have %d and %s", head.Size, tlog.Hash(head.Root), l.size, l.roots[l.size])
	}
	l.tiles(ctx)
	l.checkpoints(ctx, head)
	l.check(store.Audit(ctx, l.tables))
	return head
}

func (l *log) check(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// ReadHashes implements [tlog.HashReader].
func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = l.stored[index]
	}
	return hashes, nil
}

// read reads all sealed rows: their places follow each other.
func (l *log) read(ctx context.Context) {
	for {
		rows, err := l.store.LogFrom(ctx, l.size, 500)
		l.check(err)
		if len(rows) == 0 {
			return
		}
		for i := range rows {
			r := &rows[i]
			if r.First != l.size || l.rows[r.N] {
				l.Fatalf("row %d stands at place %d, where %d is next", r.N, r.First, l.size)
			}
			l.rows[r.N] = true
			l.check(r.Each(func(_ int64, leaf []byte) bool {
				l.leaves[string(leaf)]++
				hashes, err := tlog.StoredHashes(l.size, leaf, l)
				l.check(err)
				l.stored = append(l.stored, hashes...)
				l.size++
				return true
			}))
			l.roots[l.size], err = tlog.TreeHash(l.size, l)
			l.check(err)
		}
	}
}

func (l *log) tiles(ctx context.Context) {
	for _, tile := range tlog.NewTiles(8, 0, l.size) {
		id := ledger.TileID{Level: tile.L, N: tile.N}
		found, err := l.store.Tiles(ctx, []ledger.TileID{id})
		l.check(err)
		want, err := tlog.ReadTileData(tile, l)
		l.check(err)
		if !bytes.Equal(found[id], want) {
			l.Fatalf("tile %s has %d hashes and is not the tree's with %d", tile.Path(), len(found[id])/tlog.HashSize, tile.W)
		}
	}
}

// checkpoints demands that each is signed, and of a tree that ended where a row did.
func (l *log) checkpoints(ctx context.Context, head ledger.LogHead) {
	keys, err := audit.ReadKeys(ctx, l.store)
	l.check(err)
	last := ledger.Checkpoint{}
	for {
		more, err := l.store.Checkpoints(ctx, last.Size, 500)
		l.check(err)
		if len(more) == 0 {
			break
		}
		for _, c := range more {
			h, err := audit.Open(c.Note, keys.Verifiers()...)
			l.check(err)
			root, ok := l.roots[c.Size]
			if !ok || h.N != c.Size || h.Hash != root || c.At < last.At {
				l.Fatalf("the checkpoint of size %d says %d and %s; the rows have %s", c.Size, h.N, h.Hash, root)
			}
			last = c
		}
	}
	if last.Size != head.Size || last.At > head.At {
		l.Fatalf("the last checkpoint is of size %d, the head %d", last.Size, head.Size)
	}
}

// tables demands that each row of the book is a leaf, and each leaf such a row, but for
// the earlier states of what changes.
func (l *log) tables(s ledger.Snapshot) error {
	take(l, s.Accounts(), func(a *ledger.Account) ledger.Leaf { return a })
	take(l, s.Transfers(ledger.Range{}), func(t *ledger.Transfer) ledger.Leaf { return t })
	take(l, s.Steps(), func(v *ledger.Step) ledger.Leaf { return v })
	take(l, s.Postings(), func(p *ledger.Posting) ledger.Leaf { return p })
	take(l, s.Windows(), func(w *ledger.Window) ledger.Leaf { return w })
	take(l, s.Notes(), func(n *ledger.BreakNote) ledger.Leaf { return n })
	take(l, s.Accesses(), func(a *ledger.Access) ledger.Leaf { return a })
	take(l, s.Erasures(), func(e *ledger.Erasure) ledger.Leaf { return e })
	take(l, s.Corrections(), func(c *ledger.Correction) ledger.Leaf { return c })
	take(l, s.Positions(), func(p *ledger.Position) ledger.Leaf { return p })
	for leaf, n := range l.leaves {
		parsed, err := ledger.ParseLeaf([]byte(leaf))
		l.check(err)
		switch parsed.LeafKind() {
		case ledger.LeafCorrection, ledger.LeafPosition:
			continue
		}
		if n != 0 {
			l.Fatalf("the log has a %s %d times more than the book: %+v", parsed.LeafKind(), n, parsed)
		}
	}
	return nil
}

func take[V any](l *log, rows iter.Seq2[V, error], leaf func(*V) ledger.Leaf) {
	l.Helper()
	for v, err := range rows {
		l.check(err)
		b := string(ledger.AppendLeaf(nil, leaf(&v)))
		if l.leaves[b] == 0 {
			l.Fatalf("the log lacks %+v", v)
		}
		l.leaves[b]--
	}
}
