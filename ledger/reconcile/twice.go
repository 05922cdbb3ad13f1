package reconcile

import (
	"encoding/binary"

	"bahi/ledger"
)

// twice numbers the lines of a statement that have the same key: 1, 2, … Nearly
// all have a key of their own, and a file may hold tens of millions. So a first
// reading marks two bits for each line in a table that is as large as the file makes
// sensible (a Bloom filter); only keys whose bits were both marked already, which are
// those that come twice and about one in a hundred of the others, are remembered,
// and counted by the second reading.
type twice struct {
	bits []uint64
	seen map[numbered]int // how many were numbered so far
}

// numbered is a key within a statement.
type numbered struct {
	statement int
	key       ledger.LineKey
}

const (
	bytesOfLine = 40       // of the shortest line that a format has
	bitsOfLine  = 16       // with two marks each: one in seventy is taken for a repeat
	maxBits     = 32 << 23 // 32 MiB
)

func newTwice(size int64) *twice {
	bits := uint64(64)
	for bits < maxBits && bits < uint64(size)/bytesOfLine*bitsOfLine {
		bits *= 2
	}
	return &twice{bits: make([]uint64, bits/64), seen: map[numbered]int{}}
}

// see takes note of a line in the first reading.
func (t *twice) see(statement int, key ledger.LineKey) {
	first := t.mark(statement, binary.LittleEndian.Uint64(key[:8]))
	if second := t.mark(statement, binary.LittleEndian.Uint64(key[8:])); first && second {
		t.seen[numbered{statement, key}] = 0
	}
}

// mark sets a bit, and says whether it was set. The number of the statement is
// mixed in, so that the table need not be cleared for each of thousands.
func (t *twice) mark(statement int, half uint64) bool {
	at := (half ^ uint64(statement)*0x9E3779B97F4A7C15) % uint64(len(t.bits)*64)
	was := t.bits[at/64]&(1<<(at%64)) != 0
	t.bits[at/64] |= 1 << (at % 64)
	return was
}

// number is the line's number among those of its key, in the second reading.
func (t *twice) number(statement int, key ledger.LineKey) int {
	k := numbered{statement, key}
	n, ok := t.seen[k]
	if !ok {
		return 1
	}
	t.seen[k] = n + 1
	return n + 1
}
