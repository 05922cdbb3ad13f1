package audit

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// Tile is a tile, or a bundle of leaves, as C2SP tlog-tiles names it in a path.
type Tile struct{ tlog.Tile }

// ParseTile reads the level and the rest of a path, such as x001/067.p/12.
func ParseTile(level, rest string) (Tile, error) {
	t, err := parseTile(level, rest)
	if err == nil && t.L < 0 {
		err = errNoTile
	}
	return t, err
}

// ParseBundle reads the part of a path that names a bundle of leaves.
func ParseBundle(rest string) (Tile, error) { return parseTile("data", rest) }

var errNoTile = fmt.Errorf("%w: no path of a tile", ledger.ErrNotFound)

// parseTile has the library read the path in the form that it knows.
func parseTile(level, rest string) (Tile, error) {
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s/%s", tileHeight, level, rest))
	if err != nil || strings.Contains(level, "/") {
		err = errNoTile
	}
	return Tile{t}, err
}

// Hashes are those of the tile, as many as it is wide: [ledger.ErrNotFound] where there are fewer.
func (t Tile) Hashes(ctx context.Context, r ledger.LogReader) ([]byte, error) {
	id := tileOf(t.Tile)
	found, err := r.Tiles(ctx, []ledger.TileID{id})
	if err != nil {
		return nil, err
	}
	if len(found[id]) < t.W*tlog.HashSize {
		return nil, ledger.ErrNotFound
	}
	return found[id][:t.W*tlog.HashSize], nil
}

// Leaves are those of the bundle, each with its length before it, likewise.
func (t Tile) Leaves(ctx context.Context, r ledger.LogReader) ([]byte, error) {
	var bundle []byte
	next, end := t.N<<tileHeight, t.N<<tileHeight+int64(t.W)
	for next < end {
		rows, err := r.LogFrom(ctx, next, 64) // mostly all of them
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, ledger.ErrNotFound
		}
		for i := 0; i < len(rows) && next < end; i++ {
			err := rows[i].Each(func(place int64, leaf []byte) bool {
				if place == next {
					bundle = append(append(bundle, byte(len(leaf)>>8), byte(len(leaf))), leaf...)
					next++
				}
				return next < end
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return bundle, nil
}
