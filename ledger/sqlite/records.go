package sqlite

import (
	"context"
	"database/sql/driver"
	"iter"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Record implements [ledger.RecordReader].
func (s *Store) Record(ctx context.Context, k ledger.RecordKey) (ledger.Record, error) {
	return one(s, ctx, columns.ReadRecord, `SELECT `+columns.Records+` FROM records WHERE kind = ? AND id = ?`, int64(k.Kind), k.ID[:])
}

// Records implements [ledger.RecordReader].
func (s *Store) Records(ctx context.Context, f ledger.RecordFilter, page ledger.Page) ([]ledger.Record, error) {
	query, args := recordList(&f, page)
	return list(s, ctx, columns.ReadRecord, query, args...)
}

// recordList walks the narrowest index that there is; SQLite has no statistics here.
func recordList(f *ledger.RecordFilter, page ledger.Page) (query string, args []driver.Value) {
	from, of := "records AS r", "r"
	switch {
	case !f.Party.IsZero():
		from, of = "record_parties AS p CROSS JOIN records AS r ON r.kind = p.kind AND r.id = p.id", "p"
	case !f.Parent.IsZero():
		from += " INDEXED BY records_by_parent"
	case f.Conversation != "":
		from += " INDEXED BY records_by_conversation"
	case f.App != "":
		from += " INDEXED BY records_by_app"
	}
	query = `SELECT ` + recordColumns + ` FROM ` + from + ` WHERE ` + of + `.kind = ? AND ` + of + `.id < ?`
	args = []driver.Value{int64(f.Kind), columns.Before(page)}
	if !f.Party.IsZero() {
		query += ` AND p.party = ?`
		args = append(args, f.Party[:])
	}
	for _, t := range columns.RecordTerms(f) {
		query += ` AND r.` + t.Column + ` ?`
		args = append(args, t.Value)
	}
	return query + ` ORDER BY ` + of + `.id DESC LIMIT ?`, append(args, int64(page.Limit))
}

var recordColumns = columns.Of("r", columns.Records)

const dueRecords = `SELECT ` + columns.Records + ` FROM records INDEXED BY records_due
	WHERE due < ? AND (due, kind, id) > (?, ?, ?) ORDER BY due, kind, id LIMIT ?`

// DueRecords implements [ledger.RecordReader].
func (s *Store) DueRecords(ctx context.Context, after ledger.RecordPlace, before int64, limit int) ([]ledger.Record, error) {
	return list(s, ctx, columns.ReadRecord, dueRecords, before, after.Due, int64(after.Key.Kind), after.Key.ID[:], int64(limit))
}

const outbox = `SELECT ` + columns.Outbox + ` FROM outbox ORDER BY n LIMIT ?`

// Outbox implements [ledger.RecordReader].
func (s *Store) Outbox(ctx context.Context, limit int) ([]ledger.OutboxRow, error) {
	return list(s, ctx, columns.ReadOutbox, outbox, int64(limit))
}

const streamOf = `SELECT ` + columns.Streams + ` FROM streams WHERE app = ? AND last > ? ORDER BY last LIMIT ?`

// Stream implements [ledger.RecordReader].
func (s *Store) Stream(ctx context.Context, app string, after int64, limit int) ([]ledger.StreamRow, error) {
	return list(s, ctx, columns.ReadStream, streamOf, app, after, int64(limit))
}

// Records implements [ledger.Snapshot].
func (s snapshot) Records(kind ledger.RecordKind) iter.Seq2[ledger.Record, error] {
	return stream(s, columns.ReadRecord, `SELECT `+columns.Records+` FROM records WHERE kind = ? ORDER BY id`, int64(kind))
}
