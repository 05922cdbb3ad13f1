package columns

import "bahi/ledger"

// Records are the columns that [ReadRecord] reads.
const Records = `kind, id, app, owner, parent, conversation, state, due, body, sealed, created, updated`

// ReadRecord reads a row of [Records].
func ReadRecord(r Row) ledger.Record {
	return ledger.Record{
		RecordKey:    ledger.RecordKey{Kind: ledger.RecordKind(r.Int64()), ID: r.ID()},
		App:          r.Text(),
		Owner:        r.ID(),
		Parent:       r.ID(),
		Conversation: r.Text(),
		State:        uint8(r.Int64()),
		Due:          r.Int64(),
		Body:         []byte(r.Text()),
		Sealed:       string(r.Blob()),
		Created:      r.Int64(),
		Updated:      r.Int64(),
	}
}

// Outbox are the columns that [ReadOutbox] reads.
const Outbox = `n, data`

// ReadOutbox reads a row of [Outbox].
func ReadOutbox(r Row) ledger.OutboxRow { return ledger.OutboxRow{N: r.Int64(), Data: r.Blob()} }

// Streams are the columns that [ReadStream] reads.
const Streams = `app, last, first, data`

// ReadStream reads a row of [Streams].
func ReadStream(r Row) ledger.StreamRow {
	return ledger.StreamRow{App: r.Text(), Last: r.Int64(), First: r.Int64(), Data: r.Blob()}
}

// KindsOf calls yield with the IDs of each kind of sorted records.
func KindsOf(keys []ledger.RecordKey, yield func(ledger.RecordKind, []ledger.ID)) {
	for len(keys) > 0 {
		kind := keys[0].Kind
		var ids []ledger.ID
		for len(keys) > 0 && keys[0].Kind == kind {
			ids = append(ids, keys[0].ID)
			keys = keys[1:]
		}
		yield(kind, ids)
	}
}

// RecordTerms are the conditions of a filter but the kind's and the party's.
func RecordTerms(f *ledger.RecordFilter) (terms []Term) {
	add := func(given bool, column string, value any) {
		if given {
			terms = append(terms, Term{column, value})
		}
	}
	add(!f.Parent.IsZero(), "parent =", f.Parent[:])
	add(f.Conversation != "", "conversation =", f.Conversation)
	add(f.App != "", "app =", f.App)
	add(f.State != 0, "state =", int64(f.State))
	return terms
}
