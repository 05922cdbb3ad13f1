package columns

import (
	"iter"

	"bahi/ledger"
)

// LogRows are the columns that [ReadLogRow] reads.
const LogRows = `n, first, at, leaves, data`

// ReadLogRow reads a row of [LogRows].
func ReadLogRow(r Row) ledger.LogRow {
	v := ledger.LogRow{N: r.Int64(), First: -1}
	if first := r.Pointer(); first != nil {
		v.First = *first
	}
	v.At, v.Leaves, v.Data = r.Int64(), int(r.Int64()), r.Blob()
	return v
}

// Both goes through one list and then through another. It ends after an error.
func Both[V any](first, second iter.Seq2[V, error]) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for v, err := range first {
			if !yield(v, err) || err != nil {
				return
			}
		}
		second(yield)
	}
}

// LogHeads are the columns that [ReadLogHead] reads.
const LogHeads = `id, size, root, at, sealer`

// ReadLogHead reads a row of [LogHeads], and its key.
func ReadLogHead(r Row) (id int, head ledger.LogHead) {
	return int(r.Int64()), ledger.LogHead{Size: r.Int64(), Root: r.Hash(), At: r.Int64(), Sealer: r.ID()}
}

// Tiles are the columns that [ReadTile] reads.
const Tiles = `level, n, hashes`

// ReadTile reads a row of [Tiles].
func ReadTile(r Row) ledger.Tile {
	return ledger.Tile{ID: ledger.TileID{Level: int(r.Int64()), N: r.Int64()}, Hashes: r.Blob()}
}

// Checkpoints are the columns that [ReadCheckpoint] reads.
const Checkpoints = `size, at, note`

// ReadCheckpoint reads a row of [Checkpoints].
func ReadCheckpoint(r Row) ledger.Checkpoint {
	return ledger.Checkpoint{Size: r.Int64(), At: r.Int64(), Note: r.Text()}
}

// Cosignatures are the columns that [ReadCosignature] reads.
const Cosignatures = `size, witness, line, at`

// ReadCosignature reads a row of [Cosignatures].
func ReadCosignature(r Row) ledger.Cosignature {
	return ledger.Cosignature{Size: r.Int64(), Witness: r.Text(), Line: r.Text(), At: r.Int64()}
}

// Accesses are the columns that [ReadAccess] reads.
const Accesses = `id, who, role, what, subject, denied, reason, times, at`

// ReadAccess reads a row of [Accesses].
func ReadAccess(r Row) ledger.Access {
	return ledger.Access{
		ID:      r.ID(),
		Who:     r.Text(),
		Role:    r.Text(),
		What:    r.Text(),
		Subject: r.Text(),
		Denied:  r.Bool(),
		Reason:  r.Text(),
		Times:   r.Int64(),
		At:      r.Int64(),
	}
}

// Persons are the columns that [ReadPersonKey] reads.
const Persons = `party, wrapped`

// ReadPersonKey reads a row of [Persons].
func ReadPersonKey(r Row) ledger.PersonKey {
	return ledger.PersonKey{Party: r.ID(), Wrapped: r.Blob()}
}

// Erasures are the columns that [ReadErasure] reads.
const Erasures = `party, erased_by, at`

// ReadErasure reads a row of [Erasures].
func ReadErasure(r Row) ledger.Erasure {
	return ledger.Erasure{Party: r.ID(), By: r.Text(), At: r.Int64()}
}

// Secrets are the columns that [ReadSecret] reads.
const Secrets = `name, public, wrapped, created, until_time`

// ReadSecret reads a row of [Secrets].
func ReadSecret(r Row) ledger.Secret {
	return ledger.Secret{Name: r.Text(), Public: r.Text(), Wrapped: r.Blob(), Created: r.Int64(), Until: r.Int64()}
}
