package export

import (
	"context"
	"errors"
	"io"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/audit/file"
)

// auditFile writes the audit file: every leaf of the range, with what is needed to check
// it without the book.
type auditFile struct {
	ctx     context.Context
	reader  ledger.Reader
	options *Options
	gate    *gate
	w       *file.Writer
	next    ledger.Checkpoint // the next older one to write; its size is that of the range where there is none
	rows    int64
}

// older is how many leaves lie between the older checkpoints that are in the file, at least.
const older = 1000

// gate lets through what is written once it is open. The last line has the hash of all
// bytes, so those that a resumed export leaves out are made as well.
type gate struct {
	io.Writer
	open bool
}

// Write implements [io.Writer].
func (g *gate) Write(b []byte) (int, error) {
	if !g.open {
		return len(b), nil
	}
	return g.Writer.Write(b)
}

// ErrNoCheckpoint means that the log has no checkpoint yet that an audit file could be made up to.
var ErrNoCheckpoint = errors.New("the log has no checkpoint in this range yet")

func newAuditFile(ctx context.Context, r ledger.Reader, w io.Writer, o *Options) (*auditFile, error) {
	if o.Range.Size == 0 {
		return nil, ErrNoCheckpoint
	}
	f := &auditFile{ctx: ctx, reader: r, options: o, gate: &gate{w, !o.resumed()}}
	h, err := f.header()
	if err != nil {
		return nil, err
	}
	if f.w, err = file.NewWriter(f.gate, h); err != nil {
		return nil, err
	}
	return f, f.follow(o.Range.First + 1)
}

func (f *auditFile) header() (h file.Header, err error) {
	o := f.options
	checkpoint, err := f.reader.Checkpoint(f.ctx, o.Range.Size)
	if err != nil {
		return h, err
	}
	keys, err := audit.ReadKeys(f.ctx, f.reader)
	if err != nil {
		return h, err
	}
	h = file.Header{Origin: keys.Origin(), App: o.App, First: o.Range.First, Size: o.Range.Size, Checkpoint: checkpoint.Note}
	for _, k := range keys {
		if k.Created <= checkpoint.At { // later ones would make it another file
			h.Keys = append(h.Keys, k.Verifier)
		}
	}
	h.Before, err = audit.Hashes(f.ctx, f.reader).ReadHashes(subtrees(o.Range.First))
	return h, err
}

// subtrees are the indexes of the complete subtrees, largest first, of the leaves before a place.
func subtrees(n int64) (indexes []int64) {
	for at := int64(0); at < n; {
		level := bits.Len64(uint64(n-at)) - 1
		indexes = append(indexes, tlog.StoredHashIndex(level, at>>level))
		at += 1 << level
	}
	return indexes
}

// follow finds the older checkpoint that is written next: the first one of some size or greater.
func (f *auditFile) follow(size int64) error {
	found, err := f.reader.Checkpoints(f.ctx, size-1, 1)
	f.next = ledger.Checkpoint{Size: f.options.Range.Size}
	if len(found) > 0 && found[0].Size < f.options.Range.Size {
		f.next = found[0]
	}
	return err
}

func (f *auditFile) wants(ledger.LeafKind) bool { return true }
func (f *auditFile) replays() int64             { return f.options.Range.First }
func (f *auditFile) count() int64               { return f.rows }
func (f *auditFile) begin() error               { return nil }

func (f *auditFile) replay(fact *fact) error { return f.leaf(fact) }

func (f *auditFile) write(fact *fact) error {
	if !f.gate.open {
		if err := f.w.Flush(); err != nil {
			return err
		}
		f.gate.open = true
	}
	f.rows++
	return f.leaf(fact)
}

func (f *auditFile) leaf(fact *fact) error {
	var err error
	hash := tlog.RecordHash(fact.raw)
	if f.shows(fact) {
		err = f.w.Leaf(fact.place, hash, fact.leaf, fact.people)
	} else {
		err = f.w.Hidden(fact.place, hash)
	}
	if err != nil || fact.place+1 != f.next.Size || f.next.Note == "" {
		return err
	}
	if err := f.w.Checkpoint(f.next.Note); err != nil {
		return err
	}
	return f.follow((f.next.Size/older + 1) * older)
}

// shows says whether a leaf is given whole: with an app, those of its transfers, and
// accounts that are nobody's.
func (f *auditFile) shows(fact *fact) bool {
	if f.options.App == "" || fact.about.app == f.options.App {
		return true
	}
	a, ok := fact.leaf.(*ledger.Account)
	if !ok {
		return false
	}
	_, somebodys := a.Name.Wallet()
	return !somebodys
}

func (f *auditFile) end() error {
	if !f.gate.open {
		if err := f.w.Flush(); err != nil {
			return err
		}
		f.gate.open = true
	}
	return f.w.Close()
}
