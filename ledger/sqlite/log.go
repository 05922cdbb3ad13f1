package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bahi/ledger"
	"bahi/ledger/columns"
)

const logHead = `SELECT ` + columns.LogHeads + ` FROM log_head WHERE id = ?`

// LogHead implements [ledger.LogReader].
func (s *Store) LogHead(ctx context.Context) (ledger.LogHead, error) {
	head, err := one(s, ctx, func(r columns.Row) ledger.LogHead {
		_, head := columns.ReadLogHead(r)
		return head
	}, logHead, int64(1))
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.LogHead{}, nil
	}
	return head, err
}

const sealed = `SELECT ` + columns.LogRows + ` FROM log WHERE first >= 0 ORDER BY first`

// SQLite has no statistics here, and would walk the whole log in its order.
const unsealed = `SELECT ` + columns.LogRows + ` FROM log INDEXED BY log_unsealed WHERE first IS NULL ORDER BY n`

// Unsealed implements [ledger.LogReader].
func (s *Store) Unsealed(ctx context.Context, limit int) ([]ledger.LogRow, error) {
	return list(s, ctx, columns.ReadLogRow, unsealed+` LIMIT ?`, int64(limit))
}

// logFrom begins at the row before the place, which holds it unless it is the last.
const logFrom = `SELECT ` + columns.LogRows + ` FROM log WHERE first >= (SELECT max(first) FROM log WHERE first <= ?1) AND first + leaves > ?1 ORDER BY first LIMIT ?2`

// LogFrom implements [ledger.LogReader].
func (s *Store) LogFrom(ctx context.Context, place int64, limit int) ([]ledger.LogRow, error) {
	return list(s, ctx, columns.ReadLogRow, logFrom, place, int64(limit))
}

const logAt = `SELECT ` + columns.LogRows + ` FROM log WHERE at = ? ORDER BY n`

// LogAt implements [ledger.LogReader].
func (s *Store) LogAt(ctx context.Context, at int64) ([]ledger.LogRow, error) {
	return list(s, ctx, columns.ReadLogRow, logAt, at)
}

const tile = `SELECT ` + columns.Tiles + ` FROM log_tiles WHERE level = ? AND n = ?`

// Tiles implements [ledger.LogReader].
func (s *Store) Tiles(ctx context.Context, ids []ledger.TileID) (map[ledger.TileID][]byte, error) {
	found := make(map[ledger.TileID][]byte, len(ids))
	return found, s.read(ctx, func(c *conn) error {
		for _, id := range ids {
			if err := c.query(tile, func(r *row) bool { found[id] = columns.ReadTile(r).Hashes; return false }, int64(id.Level), id.N); err != nil {
				return err
			}
		}
		return nil
	})
}

// Checkpoint implements [ledger.LogReader].
func (s *Store) Checkpoint(ctx context.Context, size int64) (ledger.Checkpoint, error) {
	return one(s, ctx, columns.ReadCheckpoint, `SELECT `+columns.Checkpoints+` FROM checkpoints WHERE size = ?`, size)
}

const checkpointAt = `SELECT ` + columns.Checkpoints + ` FROM checkpoints WHERE at <= ? ORDER BY at DESC, size DESC LIMIT 1`

// CheckpointAt implements [ledger.LogReader].
func (s *Store) CheckpointAt(ctx context.Context, at int64) (ledger.Checkpoint, error) {
	return one(s, ctx, columns.ReadCheckpoint, checkpointAt, at)
}

const checkpoints = `SELECT ` + columns.Checkpoints + ` FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?`

// Checkpoints implements [ledger.LogReader].
func (s *Store) Checkpoints(ctx context.Context, after int64, limit int) ([]ledger.Checkpoint, error) {
	return list(s, ctx, columns.ReadCheckpoint, checkpoints, after, int64(limit))
}

const cosignatures = `SELECT ` + columns.Cosignatures + ` FROM cosignatures WHERE size = ? ORDER BY witness`

// Cosignatures implements [ledger.LogReader].
func (s *Store) Cosignatures(ctx context.Context, size int64) ([]ledger.Cosignature, error) {
	return list(s, ctx, columns.ReadCosignature, cosignatures, size)
}

const accesses = `SELECT ` + columns.Accesses + ` FROM accesses WHERE id < ? ORDER BY id DESC LIMIT ?`

// Accesses implements [ledger.LogReader].
func (s *Store) Accesses(ctx context.Context, page ledger.Page) ([]ledger.Access, error) {
	return list(s, ctx, columns.ReadAccess, accesses, columns.Before(page), int64(page.Limit))
}

// Erasures implements [ledger.LogReader].
func (s *Store) Erasures(ctx context.Context, parties []ledger.ID) ([]ledger.Erasure, error) {
	return byParty(ctx, s, columns.ReadErasure, columns.Erasures, "erasures", parties, func(e ledger.Erasure) ledger.ID { return e.Party })
}

// PersonKeys implements [ledger.LogReader].
func (s *Store) PersonKeys(ctx context.Context, parties []ledger.ID) ([]ledger.PersonKey, error) {
	return byParty(ctx, s, columns.ReadPersonKey, columns.Persons, "persons", parties, func(k ledger.PersonKey) ledger.ID { return k.Party })
}

// byParty reads the rows that parties have, in their order.
func byParty[V any](ctx context.Context, s *Store, read func(columns.Row) V, cols, table string, parties []ledger.ID, party func(V) ledger.ID) (vs []V, err error) {
	parties = slices.Compact(slices.SortedFunc(slices.Values(parties), ledger.ID.Compare))
	err = s.load(ctx, func(l *loader) {
		byKey(l, cols, table+" WHERE party", parties, func(r *row) { vs = append(vs, read(r)) })
	})
	slices.SortFunc(vs, func(a, b V) int { return party(a).Compare(party(b)) })
	return vs, err
}

// load reads many rows by their keys.
func (s *Store) load(ctx context.Context, f func(*loader)) error {
	return s.read(ctx, func(c *conn) error {
		l := loader{conn: c}
		f(&l)
		return l.err
	})
}

// Secrets implements [ledger.LogReader].
func (s *Store) Secrets(ctx context.Context) ([]ledger.Secret, error) {
	return list(s, ctx, columns.ReadSecret, `SELECT `+columns.Secrets+` FROM secrets ORDER BY name`)
}

const transfersOf = `transfers AS t` + lastStep + `WHERE t.id`

// TransfersOf implements [ledger.LogReader].
func (s *Store) TransfersOf(ctx context.Context, ids []ledger.ID) (map[ledger.ID]ledger.Transfer, error) {
	found := make(map[ledger.ID]ledger.Transfer, len(ids))
	return found, s.load(ctx, func(l *loader) {
		byKey(l, columns.TransfersNow, transfersOf, ids, func(r *row) {
			t := columns.ReadTransfer(r)
			found[t.ID] = t
		})
	})
}

const postingsOf = `SELECT ` + columns.Postings + ` FROM postings WHERE entry = ? ORDER BY event`

// PostingsOf implements [ledger.LogReader].
func (s *Store) PostingsOf(ctx context.Context, entry ledger.ID) ([]ledger.Posting, error) {
	return list(s, ctx, columns.ReadPosting, postingsOf, entry[:])
}

// linesAt looks for each place among the debits and among the credits. CROSS JOIN keeps
// SQLite from beginning at the postings.
var linesAt = linesOn("debit", "1") + ` UNION ALL ` + linesOn("credit", "0")

func linesOn(side, debited string) string {
	places := make([]string, atOnce)
	for i := range places {
		places[i] = fmt.Sprintf("(?%d, ?%d)", 2*i+1, 2*i+2)
	}
	return `SELECT ` + debited + `, ` + columns.Of("p", columns.Postings) + ` FROM (VALUES ` + strings.Join(places, ", ") + `) AS w
	CROSS JOIN postings AS p ON p.` + side + ` = w.column1 AND p.` + side + `_seq = w.column2`
}

// LinesAt implements [ledger.LogReader].
func (s *Store) LinesAt(ctx context.Context, places []ledger.LinePlace) (map[ledger.LinePlace]ledger.StatementLine, error) {
	found := make(map[ledger.LinePlace]ledger.StatementLine, len(places))
	return found, s.load(ctx, func(l *loader) {
		args := make([]driver.Value, 2*atOnce)
		for ; len(places) > 0; places = places[min(atOnce, len(places)):] {
			for i := range atOnce { // the last one fills what is left
				p := &places[min(i, len(places)-1)]
				args[2*i], args[2*i+1] = p.Account[:], p.Seq
			}
			l.query(linesAt, func(r *row) {
				line := columns.ReadLine(r)
				found[columns.PlaceOf(&line)] = line
			}, args...)
		}
	})
}
