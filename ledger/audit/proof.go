package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// LeafProof is a leaf with what proves that it stands at its place in a tree.
type LeafProof struct {
	Place  int64
	Leaf   []byte // in its canonical form
	Hashes tlog.RecordProof
}

// TransferProof is all that the log has of a transfer, with what proves it.
type TransferProof struct {
	Transfer   ledger.ID
	Head       Head
	Checkpoint string      // that signs the head, with its cosignatures
	Leaves     []LeafProof // in the order of the log
}

// Errors of proofs.
var (
	// ErrNotSealed means that a part of what is to be proved was committed so lately that it
	// has no place in the tree yet.
	ErrNotSealed = errors.New("not sealed yet")
	// ErrNotLogged means that the log lacks what the book has.
	ErrNotLogged = errors.New("the log lacks a leaf of what is in the book")
	// ErrNoSuchTree means that the log never had a tree of that size.
	ErrNoSuchTree = errors.New("there is no such tree")
)

// ProveTransfer proves what the log has of a transfer: how it was made, its steps and its postings.
func ProveTransfer(ctx context.Context, r ledger.Reader, id ledger.ID) (TransferProof, error) {
	p := TransferProof{Transfer: id}
	found, err := leavesOf(ctx, r, id)
	if err != nil {
		return p, err
	}
	// The head after the leaves, so that it covers them.
	c, err := Latest(ctx, r)
	if err != nil {
		return p, err
	}
	if p.Head, err = ParseHead(c.Note); err != nil {
		return p, err
	}
	by, err := r.Cosignatures(ctx, c.Size)
	if err != nil {
		return p, err
	}
	p.Checkpoint = Cosigned(c, by)
	hashes := Hashes(ctx, r)
	for _, l := range found {
		if l.Hashes, err = tlog.ProveRecord(c.Size, l.Place, hashes); err != nil {
			return p, err
		}
		p.Leaves = append(p.Leaves, l)
	}
	return p, nil
}

// Latest is the newest checkpoint, whose tiles are all there.
func Latest(ctx context.Context, r ledger.LogReader) (ledger.Checkpoint, error) {
	head, err := r.LogHead(ctx)
	if err == nil && head.Size == 0 {
		err = ledger.ErrNotFound
	}
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	return r.Checkpoint(ctx, head.Size)
}

// leavesOf finds the leaves of a transfer in the order of the log. Its steps and postings
// tell the times of the rows that they are in.
func leavesOf(ctx context.Context, r ledger.Reader, id ledger.ID) ([]LeafProof, error) {
	t, err := r.Transfer(ctx, id)
	if err != nil {
		return nil, err
	}
	steps, _, err := r.TransferHistory(ctx, id)
	if err != nil {
		return nil, err
	}
	postings, err := r.PostingsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	want := search{leaves: map[string]bool{}}
	want.add(&t)
	for _, s := range steps[len(t.Beginning()):] {
		want.add(&s)
	}
	for i := range postings {
		want.add(&postings[i])
	}
	return want.run(ctx, r)
}

// search looks leaves up by their times.
type search struct {
	leaves map[string]bool
	times  []int64
}

func (s *search) add(l ledger.Leaf) {
	s.leaves[string(ledger.AppendLeaf(nil, l))] = true
	s.times = append(s.times, l.LeafTime())
}

func (s *search) run(ctx context.Context, r ledger.LogReader) (found []LeafProof, err error) {
	slices.Sort(s.times)
	for _, at := range slices.Compact(s.times) {
		rows, err := r.LogAt(ctx, at)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if err := s.look(&rows[i], &found); err != nil {
				return nil, err
			}
		}
	}
	if len(s.leaves) > 0 {
		return nil, fmt.Errorf("%w: %d of them", ErrNotLogged, len(s.leaves))
	}
	slices.SortFunc(found, func(a, b LeafProof) int { return cmp.Compare(a.Place, b.Place) })
	if len(found) > 0 && found[0].Place < 0 {
		return nil, ErrNotSealed
	}
	return found, nil
}

// look takes what a row has of what is looked for.
func (s *search) look(row *ledger.LogRow, found *[]LeafProof) error {
	return row.Each(func(place int64, leaf []byte) bool {
		if s.leaves[string(leaf)] {
			delete(s.leaves, string(leaf))
			if row.First < 0 {
				place = -1
			}
			*found = append(*found, LeafProof{Place: place, Leaf: bytes.Clone(leaf)})
		}
		return true
	})
}

// ProveConsistency proves that the tree of a size is the beginning of that of another.
func ProveConsistency(ctx context.Context, r ledger.LogReader, from, to int64) (tlog.TreeProof, error) {
	head, err := r.LogHead(ctx)
	if err != nil {
		return nil, err
	}
	if from < 1 || to < from || to > head.Size {
		return nil, fmt.Errorf("%w: the log has %d leaves", ErrNoSuchTree, head.Size)
	}
	return tlog.ProveTree(to, from, Hashes(ctx, r))
}
