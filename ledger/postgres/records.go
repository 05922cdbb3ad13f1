package postgres

import (
	"context"
	"iter"
	"strconv"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// loadRecords reads what is remembered beside the money, and what apps are to be told of.
// Each kind is looked for by itself, in their order: one condition on pairs of kind and
// ID would leave it to the planner's guess whether the whole table is read.
func loadRecords(qs []query, s *ledger.Set, from *arrays) []query {
	load := func(keys []ledger.RecordKey, lock string) {
		columns.KindsOf(keys, func(kind ledger.RecordKind, wanted []ledger.ID) {
			qs = append(qs, query{
				sql:    `SELECT ` + columns.Records + ` FROM records WHERE kind = ` + strconv.Itoa(int(kind)) + ` AND id = ANY($1::uuid[])` + lock,
				params: [][]byte{ids(from, wanted)},
				each: func(r *row) {
					v := columns.ReadRecord(r)
					s.Records.Load(v.RecordKey, v)
				},
			})
		})
	}
	load(s.Records.Wanted(), ` ORDER BY id FOR UPDATE`)
	load(s.Records.Seen(), ``)
	const rows = `SELECT ` + columns.Outbox + ` FROM outbox WHERE n = ANY($1::int8[])`
	row := func(r *row) {
		v := columns.ReadOutbox(r)
		s.Outbox.Load(v.N, v)
	}
	numbered(&qs, from, rows+` ORDER BY n FOR UPDATE`, s.Outbox.Wanted(), row) // what another node published is gone when its lock is
	numbered(&qs, from, rows, s.Outbox.Seen(), row)
	return qs
}

// Record implements [ledger.RecordReader].
func (s *Store) Record(ctx context.Context, k ledger.RecordKey) (ledger.Record, error) {
	return one(s, ctx, columns.ReadRecord, `SELECT `+columns.Records+` FROM records WHERE kind = $1 AND id = $2`, int64(k.Kind), k.ID[:])
}

// Records implements [ledger.RecordReader].
func (s *Store) Records(ctx context.Context, f ledger.RecordFilter, page ledger.Page) ([]ledger.Record, error) {
	query, args := recordList(&f, page)
	return list(s, ctx, columns.ReadRecord, query, args...)
}

var recordColumns = columns.Of("r", columns.Records)

// recordList walks the records of a kind from the newest, or those that a party finds.
func recordList(f *ledger.RecordFilter, page ledger.Page) (query string, args []any) {
	t := &terms{}
	from, of := `records AS r`, `r`
	if !f.Party.IsZero() {
		from, of = `record_parties AS p JOIN records AS r ON r.kind = p.kind AND r.id = p.id`, `p`
		t.and("p.party =", f.Party[:])
	}
	t.and(of+".id <", columns.Before(page))
	for _, c := range columns.RecordTerms(f) {
		t.and("r."+c.Column, c.Value)
	}
	return `SELECT ` + recordColumns + ` FROM ` + from + ` WHERE ` + of + `.kind = ` + strconv.Itoa(int(f.Kind)) + t.where + ` ORDER BY ` + of + `.id DESC LIMIT ` + t.value(page.Limit), t.args
}

const dueRecords = `SELECT ` + columns.Records + ` FROM records WHERE due < $1 AND (due, kind, id) > ($2, $3, $4) ORDER BY due, kind, id LIMIT $5`

// DueRecords implements [ledger.RecordReader].
func (s *Store) DueRecords(ctx context.Context, after ledger.RecordPlace, before int64, limit int) ([]ledger.Record, error) {
	return list(s, ctx, columns.ReadRecord, dueRecords, before, after.Due, int64(after.Key.Kind), after.Key.ID[:], limit)
}

const outbox = `SELECT ` + columns.Outbox + ` FROM outbox ORDER BY n LIMIT $1`

// Outbox implements [ledger.RecordReader].
func (s *Store) Outbox(ctx context.Context, limit int) ([]ledger.OutboxRow, error) {
	return list(s, ctx, columns.ReadOutbox, outbox, limit)
}

const streamOf = `SELECT ` + columns.Streams + ` FROM streams WHERE app = $1 AND last > $2 ORDER BY last LIMIT $3`

// Stream implements [ledger.RecordReader].
func (s *Store) Stream(ctx context.Context, app string, after int64, limit int) ([]ledger.StreamRow, error) {
	return list(s, ctx, columns.ReadStream, streamOf, app, after, limit)
}

// Records implements [ledger.Snapshot].
func (s *snapshot) Records(kind ledger.RecordKind) iter.Seq2[ledger.Record, error] {
	return stream(s, `records`, columns.ReadRecord, `SELECT `+columns.Records+` FROM records WHERE kind = `+strconv.Itoa(int(kind))+` ORDER BY id`)
}
