package audit

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// BookTree is what was checked of the tree in a book.
type BookTree struct {
	Sealed      int64 `json:"sealed"`      // leaves that have their place
	Checkpoints int64 `json:"checkpoints"` // signed heads, all of which fit the leaves
	Violations  int64 `json:"-"`
}

// signedEvery is after how many leaves a signature is checked; the roots of all
// checkpoints are, and the signature of the last one.
const signedEvery = 1000

// VerifyBook checks the tree in the book on one snapshot, while it grows: the sealed
// leaves give all tiles, and the roots of all checkpoints, which the log's keys have signed.
// What the leaves say is for [ledger.Verify]. No keys are those that the book itself has.
func VerifyBook(ctx context.Context, r ledger.Reader, keys []string, report func(ledger.Violation)) (BookTree, error) {
	v := bookVerifier{ctx: ctx, reader: r, keys: keys, report: report, edge: &edge{}}
	if len(keys) == 0 {
		own, err := ReadKeys(ctx, r)
		if err != nil {
			return v.sum, err
		}
		v.keys = own.Verifiers()
	}
	// Before the snapshot, which then has all that it tells of.
	head, err := r.LogHead(ctx)
	if err != nil {
		return v.sum, err
	}
	v.head = head
	err = r.Audit(ctx, v.walk)
	return v.sum, err
}

type bookVerifier struct {
	ctx    context.Context
	reader ledger.Reader
	keys   []string
	report func(ledger.Violation)
	sum    BookTree
	head   ledger.LogHead
	tree   tree
	edge   *edge // for the tiles

	next    func() (ledger.Checkpoint, error, bool) // the one that was not reached yet
	waiting ledger.Checkpoint
	more    bool
	last    ledger.Checkpoint // that was reached
	signed  int64             // size of the last one whose signature was checked
}

func (v *bookVerifier) violated(rule, where, format string, args ...any) {
	v.sum.Violations++
	v.report(ledger.Violation{Rule: rule, Where: where, Detail: fmt.Sprintf(format, args...)})
}

func (v *bookVerifier) walk(s ledger.Snapshot) error {
	next, stop := iter.Pull2(s.Checkpoints())
	defer stop()
	v.next = next
	if err := v.advance(); err != nil {
		return err
	}
	for row, err := range s.LogRows() {
		if err != nil {
			return err
		}
		if row.First < 0 {
			break
		}
		if err := v.row(&row); err != nil {
			return err
		}
	}
	return v.end()
}

// row adds a row's leaves to the tree. One that is damaged is told of by [ledger.Verify].
func (v *bookVerifier) row(row *ledger.LogRow) error {
	var failed error
	_ = row.Each(func(_ int64, leaf []byte) bool {
		h := tlog.RecordHash(leaf)
		v.tree.add(h)
		v.edge.add(h)
		failed = v.reach()
		return failed == nil
	})
	if failed == nil && len(v.edge.full) >= 64 {
		failed = v.tiles(v.edge.full)
		v.edge.full = nil
	}
	return failed
}

// reach compares the tree with what was said of it at its size.
func (v *bookVerifier) reach() error {
	if v.tree.size == v.head.Size && v.tree.root() != v.head.Root {
		v.violated("log_root", "head", "the head of %d leaves has another root than they", v.head.Size)
	}
	for v.more && v.waiting.Size <= v.tree.size {
		c := v.waiting
		v.checkpoint(&c)
		if err := v.advance(); err != nil {
			return err
		}
	}
	return nil
}

func (v *bookVerifier) advance() (err error) {
	v.waiting, err, v.more = v.next()
	v.more = v.more && err == nil
	return err
}

func (v *bookVerifier) checkpoint(c *ledger.Checkpoint) {
	v.sum.Checkpoints++
	v.last = *c
	where := fmt.Sprintf("checkpoint %d", c.Size)
	head, err := ParseHead(c.Note)
	switch {
	case err != nil:
		v.violated("log_checkpoint", where, "%v", err)
		return
	case c.Size != v.tree.size || head.N != c.Size:
		v.violated("log_checkpoint", where, "it signs %d leaves, and is kept as of %d", head.N, c.Size)
	case head.Hash != v.tree.root():
		v.violated("log_root", where, "the leaves have another root than was signed")
	}
	if c.Size-v.signed >= signedEvery {
		v.signature(c)
	}
}

func (v *bookVerifier) signature(c *ledger.Checkpoint) {
	v.signed = c.Size
	if _, err := Open(c.Note, v.keys...); err != nil {
		v.violated("log_signature", fmt.Sprintf("checkpoint %d", c.Size), "%v", err)
	}
}

func (v *bookVerifier) end() error {
	v.sum.Sealed = v.tree.size
	if v.last.Size > v.signed {
		v.signature(&v.last)
	}
	if v.last.Size < v.tree.size {
		v.violated("log_checkpoint", "log", "%d leaves are sealed, and %d signed", v.tree.size, v.last.Size)
	}
	for v.more {
		v.violated("log_checkpoint", fmt.Sprintf("checkpoint %d", v.waiting.Size), "%d leaves are sealed", v.tree.size)
		if err := v.advance(); err != nil {
			return err
		}
	}
	if v.head.Size > v.tree.size {
		v.violated("log_root", "head", "it says that %d leaves are sealed; %d are", v.head.Size, v.tree.size)
	}
	return v.tiles(v.edge.tiles())
}

// tiles compares tiles with those that are kept, which may have grown since.
func (v *bookVerifier) tiles(made []ledger.Tile) error {
	var ids []ledger.TileID
	for i := range made {
		ids = append(ids, made[i].ID)
	}
	if len(ids) == 0 {
		return nil
	}
	kept, err := v.reader.Tiles(v.ctx, ids)
	if err != nil {
		return err
	}
	for i := range made {
		if t := &made[i]; !bytes.HasPrefix(kept[t.ID], t.Hashes) {
			v.violated("log_tile", fmt.Sprintf("tile %d of level %d", t.ID.N, t.ID.Level), "it is not what the leaves give, from place %d on", t.ID.N<<(tileHeight*(t.ID.Level+1)))
		}
	}
	return nil
}
