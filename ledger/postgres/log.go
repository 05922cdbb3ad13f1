package postgres

import (
	"context"
	"errors"

	"bahi/ledger"
	"bahi/ledger/columns"
)

const logHead = `SELECT ` + columns.LogHeads + ` FROM log_head WHERE id = 1`

// LogHead implements [ledger.LogReader].
func (s *Store) LogHead(ctx context.Context) (ledger.LogHead, error) {
	head, err := one(s, ctx, func(r columns.Row) ledger.LogHead {
		_, head := columns.ReadLogHead(r)
		return head
	}, logHead)
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.LogHead{}, nil
	}
	return head, err
}

const sealed = `SELECT ` + columns.LogRows + ` FROM log WHERE first >= 0 ORDER BY first`

// unsealed has the order of its own index, so that no plan walks the whole log in the
// order of n.
const unsealed = `SELECT ` + columns.LogRows + ` FROM log WHERE first IS NULL ORDER BY first, n`

// Unsealed implements [ledger.LogReader].
func (s *Store) Unsealed(ctx context.Context, limit int) ([]ledger.LogRow, error) {
	return list(s, ctx, columns.ReadLogRow, unsealed+` LIMIT $1`, limit)
}

// logFrom begins at the row before the place, which holds it unless it is the last.
const logFrom = `SELECT ` + columns.LogRows + ` FROM log WHERE first >= (SELECT max(first) FROM log WHERE first <= $1) AND first + leaves > $1 ORDER BY first LIMIT $2`

// LogFrom implements [ledger.LogReader].
func (s *Store) LogFrom(ctx context.Context, place int64, limit int) ([]ledger.LogRow, error) {
	return list(s, ctx, columns.ReadLogRow, logFrom, place, limit)
}

const logAt = `SELECT ` + columns.LogRows + ` FROM log WHERE at = $1 ORDER BY n`

// LogAt implements [ledger.LogReader].
func (s *Store) LogAt(ctx context.Context, at int64) ([]ledger.LogRow, error) {
	return list(s, ctx, columns.ReadLogRow, logAt, at)
}

// tiles looks each tile up by itself, as [flows] does with transfers.
const tiles = `SELECT t.* FROM unnest($1::int4[], $2::int8[]) AS w (level, n)
	CROSS JOIN LATERAL (SELECT ` + columns.Tiles + ` FROM log_tiles WHERE level = w.level AND n = w.n LIMIT 1) AS t`

// Tiles implements [ledger.LogReader].
func (s *Store) Tiles(ctx context.Context, ids []ledger.TileID) (map[ledger.TileID][]byte, error) {
	levels, ns := make([]int32, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		levels[i], ns[i] = int32(id.Level), id.N
	}
	return found(s, ctx, func(r *row) (ledger.TileID, []byte) {
		t := columns.ReadTile(r)
		return t.ID, t.Hashes
	}, tiles, levels, ns)
}

// Checkpoint implements [ledger.LogReader].
func (s *Store) Checkpoint(ctx context.Context, size int64) (ledger.Checkpoint, error) {
	return one(s, ctx, columns.ReadCheckpoint, `SELECT `+columns.Checkpoints+` FROM checkpoints WHERE size = $1`, size)
}

const checkpointAt = `SELECT ` + columns.Checkpoints + ` FROM checkpoints WHERE at <= $1 ORDER BY at DESC, size DESC LIMIT 1`

// CheckpointAt implements [ledger.LogReader].
func (s *Store) CheckpointAt(ctx context.Context, at int64) (ledger.Checkpoint, error) {
	return one(s, ctx, columns.ReadCheckpoint, checkpointAt, at)
}

const checkpoints = `SELECT ` + columns.Checkpoints + ` FROM checkpoints WHERE size > $1 ORDER BY size LIMIT $2`

// Checkpoints implements [ledger.LogReader].
func (s *Store) Checkpoints(ctx context.Context, after int64, limit int) ([]ledger.Checkpoint, error) {
	return list(s, ctx, columns.ReadCheckpoint, checkpoints, after, limit)
}

const cosignatures = `SELECT ` + columns.Cosignatures + ` FROM cosignatures WHERE size = $1 ORDER BY witness`

// Cosignatures implements [ledger.LogReader].
func (s *Store) Cosignatures(ctx context.Context, size int64) ([]ledger.Cosignature, error) {
	return list(s, ctx, columns.ReadCosignature, cosignatures, size)
}

const accesses = `SELECT ` + columns.Accesses + ` FROM accesses WHERE id < $1 ORDER BY id DESC LIMIT $2`

// Accesses implements [ledger.LogReader].
func (s *Store) Accesses(ctx context.Context, page ledger.Page) ([]ledger.Access, error) {
	return list(s, ctx, columns.ReadAccess, accesses, columns.Before(page), page.Limit)
}

const erasures = `SELECT ` + columns.Erasures + ` FROM erasures WHERE party = ANY($1::uuid[]) ORDER BY party`

// Erasures implements [ledger.LogReader].
func (s *Store) Erasures(ctx context.Context, parties []ledger.ID) ([]ledger.Erasure, error) {
	return list(s, ctx, columns.ReadErasure, erasures, uuids(parties))
}

const personKeys = `SELECT ` + columns.Persons + ` FROM persons WHERE party = ANY($1::uuid[]) ORDER BY party`

// PersonKeys implements [ledger.LogReader].
func (s *Store) PersonKeys(ctx context.Context, parties []ledger.ID) ([]ledger.PersonKey, error) {
	return list(s, ctx, columns.ReadPersonKey, personKeys, uuids(parties))
}

// Secrets implements [ledger.LogReader].
func (s *Store) Secrets(ctx context.Context) ([]ledger.Secret, error) {
	return list(s, ctx, columns.ReadSecret, `SELECT `+columns.Secrets+` FROM secrets ORDER BY name`)
}

var transfersOf = `SELECT ` + columns.TransfersNow + ` FROM transfers AS t` + lastStep + `WHERE t.id = ANY($1::uuid[])`

// TransfersOf implements [ledger.LogReader].
func (s *Store) TransfersOf(ctx context.Context, ids []ledger.ID) (map[ledger.ID]ledger.Transfer, error) {
	return found(s, ctx, func(r *row) (ledger.ID, ledger.Transfer) {
		t := columns.ReadTransfer(r)
		return t.ID, t
	}, transfersOf, uuids(ids))
}

const postingsOf = `SELECT ` + columns.Postings + ` FROM postings WHERE entry = $1 ORDER BY event`

// PostingsOf implements [ledger.LogReader].
func (s *Store) PostingsOf(ctx context.Context, entry ledger.ID) ([]ledger.Posting, error) {
	return list(s, ctx, columns.ReadPosting, postingsOf, [16]byte(entry))
}

// linesAt looks for each place among the debits and among the credits.
const (
	linesAt       = `SELECT true, p.* FROM ` + linesOnDebit + ` UNION ALL SELECT false, p.* FROM ` + linesOnCredit
	places        = `unnest($1::uuid[], $2::int8[]) AS w (account, seq) CROSS JOIN LATERAL (SELECT ` + columns.Postings + ` FROM postings WHERE `
	linesOnDebit  = places + `debit = w.account AND debit_seq = w.seq LIMIT 1) AS p`
	linesOnCredit = places + `credit = w.account AND credit_seq = w.seq LIMIT 1) AS p`
)

// LinesAt implements [ledger.LogReader].
func (s *Store) LinesAt(ctx context.Context, at []ledger.LinePlace) (map[ledger.LinePlace]ledger.StatementLine, error) {
	accounts, seqs := make([][16]byte, len(at)), make([]int64, len(at))
	for i, p := range at {
		accounts[i], seqs[i] = p.Account, p.Seq
	}
	return found(s, ctx, func(r *row) (ledger.LinePlace, ledger.StatementLine) {
		l := columns.ReadLine(r)
		return columns.PlaceOf(&l), l
	}, linesAt, accounts, seqs)
}

// found reads rows by their keys.
func found[K comparable, V any](s *Store, ctx context.Context, read func(*row) (K, V), sql string, args ...any) (map[K]V, error) {
	rows := map[K]V{}
	for n := retries(0); ; clear(rows) {
		err := each(ctx, s.readers, func(r *row) {
			k, v := read(r)
			rows[k] = v
		}, sql, args...)
		if !n.again(ctx, err) {
			return rows, err
		}
	}
}

func uuids(ids []ledger.ID) [][16]byte {
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	return keys
}
