package audit

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"bahi/ledger"
)

// reference is the tree as the library for it keeps it.
type reference struct {
	stored []tlog.Hash
	size   int64
}

func (r *reference) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(r.stored)) {
			return nil, fmt.Errorf("there is no hash %d", index)
		}
		hashes[i] = r.stored[index]
	}
	return hashes, nil
}

func (r *reference) add(t testing.TB, leaf []byte) tlog.Hash {
	h := tlog.RecordHash(leaf)
	hashes, err := tlog.StoredHashesForRecordHash(r.size, h, r)
	check(t, err)
	r.stored = append(r.stored, hashes...)
	r.size++
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kept are tiles as an engine keeps them.
type kept map[ledger.TileID][]byte

func (k kept) read(ids []ledger.TileID) (map[ledger.TileID][]byte, error) {
	found := map[ledger.TileID][]byte{}
	for _, id := range ids {
		if b, ok := k[id]; ok {
			found[id] = b
		}
	}
	return found, nil
}

// grow adds as many leaves to both trees in one seal, and compares what it keeps.
func grow(t testing.TB, r *reference, k kept, leaves int) {
	before := r.size
	e, err := readEdge(before, k.read)
	check(t, err)
	for range leaves {
		e.add(r.add(t, fmt.Append(nil, "leaf ", r.size)))
	}
	want, err := tlog.TreeHash(r.size, r)
	check(t, err)
	root, err := e.root()
	check(t, err)
	if root != want || e.size != r.size {
		t.Fatalf("from %d to %d: size %d, root %s, want %s", before, r.size, e.size, root, want)
	}
	tiles, wanted := e.tiles(), tlog.NewTiles(tileHeight, before, r.size)
	if len(tiles) != len(wanted) {
		t.Fatalf("from %d to %d: %d tiles, want %d", before, r.size, len(tiles), len(wanted))
	}
	for _, tile := range tiles {
		k[tile.ID] = tile.Hashes
	}
	for _, w := range wanted {
		data, err := tlog.ReadTileData(w, r)
		check(t, err)
		if !bytes.Equal(k[tileOf(w)], data) {
			t.Fatalf("from %d to %d: tile %s has other hashes", before, r.size, w.Path())
		}
	}
}

// The tree is the library's, whatever the seals that it grew in.
func TestTreeIsTheLibrarysForAnySplitIntoSeals(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, k := &reference{}, kept{}
		for range rapid.IntRange(1, 8).Draw(rt, "seals") {
			grow(t, r, k, rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(200, 600), rapid.SampledFrom([]int{1, 255, 256, 257, 512})).Draw(rt, "leaves"))
		}
		proofs(t, r, k, rapid.Int64Range(0, r.size-1).Draw(rt, "leaf"), rapid.Int64Range(1, r.size).Draw(rt, "older"))
	})
}

// A tree of three levels of tiles.
func TestTreeAcrossLevels(t *testing.T) {
	r, k := &reference{}, kept{}
	for _, leaves := range []int{65_000, 535, 1, 1, 65_000, 600} {
		grow(t, r, k, leaves)
		proofs(t, r, k, r.size/3, r.size/2)
	}
}

// proofs proves a leaf and an older tree from the tiles.
func proofs(t testing.TB, r *reference, k kept, leaf, older int64) {
	hashes := tiles(k.read)
	root, err := tlog.TreeHash(r.size, r)
	check(t, err)
	record, err := tlog.ProveRecord(r.size, leaf, hashes)
	check(t, err)
	check(t, tlog.CheckRecord(record, r.size, root, leaf, tlog.RecordHash(fmt.Append(nil, "leaf ", leaf))))
	old, err := tlog.TreeHash(older, hashes)
	check(t, err)
	tree, err := tlog.ProveTree(r.size, older, hashes)
	check(t, err)
	check(t, tlog.CheckTree(tree, r.size, root, older, old))
}

// A sealer may find tiles that another has made longer meanwhile, but none that is shorter.
func TestTilesThatDoNotFit(t *testing.T) {
	r, k := &reference{}, kept{}
	grow(t, r, k, 300)
	root, err := tlog.TreeHash(300, r)
	check(t, err)
	grow(t, r, k, 500)
	e, err := readEdge(300, k.read)
	check(t, err)
	if got, err := e.root(); err != nil || got != root {
		t.Errorf("longer tiles: %s, %v, want %s", got, err, root)
	}
	e.add(tlog.RecordHash([]byte("leaf 300")))
	next, err := tlog.TreeHash(301, r)
	check(t, err)
	if got, err := e.root(); err != nil || got != next {
		t.Errorf("grown from longer tiles: %s, %v, want %s", got, err, next)
	}
	k[ledger.TileID{N: 1}] = k[ledger.TileID{N: 1}][:43*tlog.HashSize]
	if _, err = readEdge(300, k.read); !errors.Is(err, ErrTiles) {
		t.Errorf("a shorter tile: %v", err)
	}
	if _, err := tlog.ProveRecord(300, 298, tiles(k.read)); !errors.Is(err, ErrTiles) {
		t.Errorf("a proof from a shorter tile: %v", err)
	}
}
