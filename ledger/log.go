package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
)

// The log is the book as a Merkle tree: every commit adds its leaves to it, in the same
// transaction, as rows that have no place in the tree yet. One sealer at a time
// gives them their places, in the order of the commits, and signs the tree's head.
// A place that was given is never given again.

// LogRow is a run of leaves that were committed together and are of one time.
type LogRow struct {
	N      int64 // given by the database after the batch has all its locks: of two batches that meet, the later has the greater
	First  int64 // the place in the tree of its first leaf, from 0; -1 while it has none
	At     int64 // the time of its leaves
	Leaves int   // how many
	Data   []byte
}

// maxRow is how many leaves a row has at most, so that one can be read alone.
const maxRow = 256

// Each calls yield for each leaf of the row in its canonical form, with its place (counted
// from First) until yield says false. A row that is damaged is an error.
func (r *LogRow) Each(yield func(place int64, leaf []byte) bool) error {
	b := r.Data
	for i := range r.Leaves {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return fmt.Errorf("row %d of the log ends in its leaf %d", r.N, i)
		}
		n := 2 + int(binary.BigEndian.Uint16(b))
		if !yield(r.First+int64(i), b[2:n]) {
			return nil
		}
		b = b[n:]
	}
	if len(b) > 0 {
		return fmt.Errorf("row %d of the log has %d bytes behind its last leaf", r.N, len(b))
	}
	return nil
}

// Log is what the batch adds to the log: the rows without N, in order. Engines
// persist them last, after all locks were taken.
func (s *Set) Log() []LogRow {
	if s.unlogged {
		return nil
	}
	w := logWriter{}
	s.Accounts.Changes(func(_ AccountID, a *Account, inserted bool) {
		if inserted {
			w.add(a)
		}
	})
	s.Transfers.Changes(func(_ ID, t *Transfer, inserted bool) {
		if inserted {
			w.add(t)
		}
	})
	for i := range s.Steps {
		w.add(&s.Steps[i])
	}
	for i := range s.Postings {
		w.add(&s.Postings[i])
	}
	s.Corrections.Changes(func(_ ID, c *Correction, _ bool) { w.add(c) })
	s.Windows.Changes(func(_ string, v *Window, _ bool) { w.add(v) })
	s.Positions.Changes(func(_ ID, p *Position, _ bool) { w.add(p) })
	for i := range s.Notes {
		w.add(&s.Notes[i])
	}
	for i := range s.Accesses {
		w.add(&s.Accesses[i])
	}
	for i := range s.Erasures {
		w.add(&s.Erasures[i])
	}
	return w.rows
}

// logWriter gathers leaves to rows.
type logWriter struct {
	rows []LogRow
	leaf leafWriter
}

// usualLeaf is about how long a leaf is, so that a row need not grow often.
const usualLeaf = 180

func (w *logWriter) add(l Leaf) {
	n := len(w.rows) - 1
	if n < 0 || w.rows[n].At != l.LeafTime() || w.rows[n].Leaves == maxRow {
		w.rows = append(w.rows, LogRow{First: -1, At: l.LeafTime()})
		w.leaf.b = make([]byte, 0, 4*usualLeaf)
		n++
	}
	r := &w.rows[n]
	at := len(r.Data)
	w.leaf.b = append(w.leaf.b, 0, 0) // as the tiles of C2SP have it: the length, then the leaf
	w.leaf.leaf(l)
	r.Data = w.leaf.b
	size := len(r.Data) - at - 2
	if size > maxLeaf {
		panic(fmt.Sprintf("ledger: a %s of %d bytes is too long for the log", l.LeafKind(), size))
	}
	binary.BigEndian.PutUint16(r.Data[at:], uint16(size))
	r.Leaves++
}

// LogHead is how far the log is sealed.
type LogHead struct {
	Size   int64    // leaves that have their place
	Root   [32]byte // of the tree over them
	At     int64    // when it was sealed, Unix microseconds; never earlier than the one before
	Sealer ID       // the node that seals
}

// TileID names a tile of the tree: 256 hashes side by side, or fewer at the right
// end, as the tlog-tiles of C2SP have it. Level 0 holds the leaves' hashes, each
// hash of a level the root of a full tile of the level below.
type TileID struct {
	Level int
	N     int64
}

// Tile is a tile with what hashes it has, 32 bytes each. Those at the right end grow.
type Tile struct {
	ID     TileID
	Hashes []byte
}

// Checkpoint is a signed head of the tree, in the form of a C2SP tlog-checkpoint.
type Checkpoint struct {
	Size int64
	At   int64
	Note string
}

// Cosignature is what a witness signed a checkpoint with: a signature line of a note.
type Cosignature struct {
	Size    int64
	Witness string // the name in its key
	Line    string // "— name base64", without the line's end
	At      int64
}

// Placed is where a row's first leaf stands in the tree.
type Placed struct{ Row, First int64 }

// CodeLogMoved refuses to seal what another node has sealed meanwhile.
const CodeLogMoved = "log_moved"

// Seal gives leaves their places and keeps the new head. It is refused with
// [CodeLogMoved] unless the log is as the sealer found it, so two that seal
// at once do no harm. It returns the [LogHead].
type Seal struct {
	From       LogHead // as it was found
	To         LogHead // all but At
	Placed     []Placed
	Tiles      []Tile
	Checkpoint Checkpoint // all but At
}

// theLog is the key of the one row of heads.
const theLog = 1

// Declare implements [Command].
func (c Seal) Declare(s *Set) { s.LogHead.Want(theLog) }

// Apply implements [Command].
func (c Seal) Apply(s *Set) (any, error) {
	head, _ := s.LogHead.Get(theLog)
	if head != c.From {
		return nil, refuse(CodeLogMoved, "the log has %d leaves, not %d", head.Size, c.From.Size)
	}
	to := c.To
	to.At = max(s.Now, head.At)
	s.LogHead.Put(theLog, to)
	if to.Size > head.Size {
		c.Checkpoint.At = to.At
		s.Placed = append(s.Placed, c.Placed...)
		s.Tiles = append(s.Tiles, c.Tiles...)
		s.Checkpoints = append(s.Checkpoints, c.Checkpoint)
	}
	return to, nil
}

// KeepCosignature keeps a witness' signature of a checkpoint; the latest of a witness
// counts. It returns the [Cosignature].
type KeepCosignature struct {
	Cosignature Cosignature // all but At; checked by the caller
}

// Declare implements [Command].
func (c KeepCosignature) Declare(*Set) {}

// Apply implements [Command].
func (c KeepCosignature) Apply(s *Set) (any, error) {
	v := c.Cosignature
	v.At = s.Now
	s.Cosignatures = append(s.Cosignatures, v)
	return v, nil
}

// LogReader reads the log and what is beside it. It is a part of [Reader].
type LogReader interface {
	LogHead(ctx context.Context) (LogHead, error)                                  // zero before the first seal
	Unsealed(ctx context.Context, limit int) ([]LogRow, error)                     // by N
	LogFrom(ctx context.Context, place int64, limit int) ([]LogRow, error)         // sealed rows, in order, from the one that holds the place
	LogAt(ctx context.Context, at int64) ([]LogRow, error)                         // of a time, sealed or not, by N
	Tiles(ctx context.Context, ids []TileID) (map[TileID][]byte, error)            // what is missing is left out
	Checkpoint(ctx context.Context, size int64) (Checkpoint, error)                // of exactly that size
	CheckpointAt(ctx context.Context, at int64) (Checkpoint, error)                // the last one that is not later
	Checkpoints(ctx context.Context, after int64, limit int) ([]Checkpoint, error) // by size, of sizes greater than after
	Cosignatures(ctx context.Context, size int64) ([]Cosignature, error)           // by witness
	Accesses(ctx context.Context, page Page) ([]Access, error)                     // newest first
	Erasures(ctx context.Context, parties []ID) ([]Erasure, error)                 // of those of them that were erased
	Secrets(ctx context.Context) ([]Secret, error)                                 // by name
	PersonKeys(ctx context.Context, parties []ID) ([]PersonKey, error)             // of those of them that have one

	TransfersOf(ctx context.Context, ids []ID) (map[ID]Transfer, error) // what is missing is left out
	// PostingsOf reads the postings of a transfer, a correction or a position, by event.
	PostingsOf(ctx context.Context, entry ID) ([]Posting, error)
	// LinesAt reads lines of accounts by their number: what is missing is left out.
	LinesAt(ctx context.Context, places []LinePlace) (map[LinePlace]StatementLine, error)
}

// LinePlace is a place in an account's statement.
type LinePlace struct {
	Account AccountID
	Seq     int64
}
