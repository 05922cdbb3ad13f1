// Package audit is the log as others can check it: it seals the log's rows to a Merkle
// tree, signs the tree's head, and proves what is in it. What it signs and serves has the
// forms that C2SP gives them (tlog-tiles, tlog-checkpoint, tlog-cosignature,
// tlog-proof), so that tools that know nothing of Bahi can read them.
package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// Tiles are eight levels of the tree high.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight // hashes in a full tile
)

// ErrTiles means that the tiles that are kept are not those of the tree.
var ErrTiles = errors.New("the tiles of the log are not those of its tree")

// tiles reads tiles; what is missing is left out.
type tiles func(ids []ledger.TileID) (map[ledger.TileID][]byte, error)

// Hashes reads the hashes of the tree from the tiles that are kept. It remembers the
// tiles: it is for one proof, or a few of one moment, and for one goroutine.
func Hashes(ctx context.Context, r ledger.LogReader) tlog.HashReader {
	known := map[ledger.TileID][]byte{}
	return tiles(func(ids []ledger.TileID) (map[ledger.TileID][]byte, error) {
		var missing []ledger.TileID
		for _, id := range ids {
			if _, ok := known[id]; !ok {
				missing = append(missing, id)
			}
		}
		if len(missing) == 0 {
			return known, nil
		}
		found, err := r.Tiles(ctx, missing)
		for id, hashes := range found {
			known[id] = hashes
		}
		return known, err
	})
}

// ReadHashes implements [tlog.HashReader], with one look at the tiles.
func (t tiles) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var ids []ledger.TileID
	wanted := map[ledger.TileID]bool{}
	for _, index := range indexes {
		if id := tileOf(tlog.TileForIndex(tileHeight, index)); !wanted[id] {
			wanted[id] = true
			ids = append(ids, id)
		}
	}
	found, err := t(ids)
	if err != nil {
		return nil, err
	}
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(tileHeight, index)
		data := found[tileOf(tile)]
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%w: tile %d of level %d has %d hashes, not %d", ErrTiles, tile.N, tile.L, len(data)/tlog.HashSize, tile.W)
		}
		if hashes[i], err = tlog.HashFromTile(tile, data, index); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func tileOf(t tlog.Tile) ledger.TileID { return ledger.TileID{Level: t.L, N: t.N} }

// edge is the right end of a growing tree: of each level the last tile, which is not full.
type edge struct {
	size   int64
	levels []lastTile
	full   []ledger.Tile // that have become so
}

type lastTile struct {
	hashes []byte
	grown  bool
}

// readEdge reads the right end of the tree of a head. A tile may have more hashes by now.
func readEdge(size int64, read tiles) (*edge, error) {
	e := &edge{size: size}
	var ids []ledger.TileID
	for n := size; n > 0; n >>= tileHeight {
		if n%tileWidth > 0 {
			ids = append(ids, ledger.TileID{Level: len(e.levels), N: n >> tileHeight})
		}
		e.levels = append(e.levels, lastTile{})
	}
	if len(ids) == 0 {
		return e, nil
	}
	found, err := read(ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		width := int(size>>(tileHeight*id.Level)) % tileWidth * tlog.HashSize
		if len(found[id]) < width {
			return nil, fmt.Errorf("%w: tile %d of level %d has %d hashes, not %d", ErrTiles, id.N, id.Level, len(found[id])/tlog.HashSize, width/tlog.HashSize)
		}
		e.levels[id.Level].hashes = append(make([]byte, 0, tileWidth*tlog.HashSize), found[id][:width]...)
	}
	return e, nil
}

// add adds the hash of a leaf.
func (e *edge) add(h tlog.Hash) {
	e.size++
	for level := 0; ; level++ {
		if level == len(e.levels) {
			e.levels = append(e.levels, lastTile{})
		}
		last := &e.levels[level]
		last.hashes, last.grown = append(last.hashes, h[:]...), true
		if len(last.hashes) < tileWidth*tlog.HashSize {
			return
		}
		// The root of a full tile is a hash of the level above it.
		n := e.size>>(tileHeight*(level+1)) - 1
		e.full = append(e.full, ledger.Tile{ID: ledger.TileID{Level: level, N: n}, Hashes: last.hashes})
		h = rootOf(last.hashes)
		*last = lastTile{}
	}
}

// rootOf is the hash over those of a full tile.
func rootOf(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	half := len(hashes) / 2
	return tlog.NodeHash(rootOf(hashes[:half]), rootOf(hashes[half:]))
}

// id is the place of the last tile of a level.
func (e *edge) id(level int) ledger.TileID {
	return ledger.TileID{Level: level, N: e.size >> (tileHeight * (level + 1))}
}

// tiles are those that have become full and those of the right end that have grown.
func (e *edge) tiles() []ledger.Tile {
	grown := e.full
	for level, last := range e.levels {
		if last.grown {
			grown = append(grown, ledger.Tile{ID: e.id(level), Hashes: last.hashes})
		}
	}
	return grown
}

// root is the hash of the whole tree, all of whose parts end in tiles of the right end.
func (e *edge) root() (tlog.Hash, error) {
	return tlog.TreeHash(e.size, tiles(func([]ledger.TileID) (map[ledger.TileID][]byte, error) {
		ends := map[ledger.TileID][]byte{}
		for level, last := range e.levels {
			ends[e.id(level)] = last.hashes
		}
		return ends, nil
	}))
}
