package audit

import (
	"crypto/sha256"
	"errors"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is a Merkle tree that leaves are added to, of which only the roots of the complete
// subtrees are kept, largest first: as many as its size has ones.
type tree struct {
	size  int64
	roots []tlog.Hash
}

func newTree(size int64, roots []tlog.Hash) (*tree, error) {
	if size < 0 || bits.OnesCount64(uint64(size)) != len(roots) {
		return nil, errors.New("what stands before the first leaf is not a tree of that size")
	}
	return &tree{size, roots}, nil
}

func (t *tree) add(h tlog.Hash) {
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.roots) - 1
		h = tlog.NodeHash(t.roots[last], h)
		t.roots = t.roots[:last]
	}
	t.roots = append(t.roots, h)
	t.size++
}

func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(t.roots) - 1
	h := t.roots[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(t.roots[i], h)
	}
	return h
}
