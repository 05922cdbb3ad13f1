package columns

import (
	"slices"

	"bahi/ledger"
)

// The changes of records, and of what apps are told of. An update leaves alone what
// lists are kept by: it never changes. A row of the outbox is numbered by the database.
var (
	insertRecords       = Change{Table: "records", Columns: Records, Types: []Type{Int2, UUID, Text, UUID, UUID, Text, Int2, Int8, Text, Bytea, Int8, Int8}}
	updateRecords       = Change{Verb: Update, Table: "records", Key: 2, Columns: "kind, id, state, due, body, sealed, updated", Types: []Type{Int2, UUID, Int2, Int8, Text, Bytea, Int8}}
	recordKey           = []Type{Int2, UUID}
	deleteRecords       = Change{Verb: Delete, Table: "records", Key: 2, Columns: "kind, id", Types: recordKey}
	insertRecordParties = Change{Table: "record_parties", Columns: "party, kind, id", Types: []Type{UUID, Int2, UUID}}
	deleteRecordParties = Change{Verb: Delete, Table: "record_parties", Key: 2, Columns: "kind, id", Types: recordKey}
	insertOutbox        = Change{Table: "outbox", Columns: "data", Types: []Type{Bytea}}
	deleteOutbox        = Change{Verb: Delete, Table: "outbox", Key: 1, Columns: "n", Types: []Type{Int8}}
	insertStreams       = Change{Table: "streams", Columns: Streams, Types: []Type{Text, Int8, Int8, Bytea}}
)

// records writes records in the order of their keys: two nodes that make the same ones
// at once meet at the first, and not each at what the other has made.
func (p *persister) records(s *ledger.Set) {
	var changed []recordChange
	s.Records.Changes(func(k ledger.RecordKey, v *ledger.Record, inserted bool) {
		changed = append(changed, recordChange{k, v, inserted})
	})
	slices.SortFunc(changed, func(a, b recordChange) int { return a.key.Compare(b.key) })
	for _, c := range changed {
		p.record(c.key, c.record, c.inserted)
	}
	s.Outbox.Changes(func(n int64, row *ledger.OutboxRow, _ bool) {
		if row != nil {
			p.kept()
			return
		}
		p.rows(&deleteOutbox).Int8(n)
	})
	for i := range s.Streams {
		v := &s.Streams[i]
		w := p.rows(&insertStreams)
		w.Text(v.App)
		w.Int8(v.Last)
		w.Int8(v.First)
		w.Bytes(v.Data)
	}
}

type recordChange struct {
	key      ledger.RecordKey
	record   *ledger.Record // nil where it was deleted
	inserted bool
}

func (p *persister) record(k ledger.RecordKey, v *ledger.Record, inserted bool) {
	switch {
	case v == nil:
		for _, c := range []*Change{&deleteRecords, &deleteRecordParties} {
			w := p.rows(c)
			w.Small(uint8(k.Kind))
			w.ID(k.ID)
		}
		return
	case inserted:
		w := p.rows(&insertRecords)
		w.Small(uint8(k.Kind))
		w.ID(k.ID)
		w.OptionalText(v.App)
		w.OptionalID(v.Owner)
		w.OptionalID(v.Parent)
		w.OptionalText(v.Conversation)
		w.OptionalSmall(v.State)
		w.OptionalInt8(v.Due)
		w.Text(string(v.Body))
		w.OptionalBytes([]byte(v.Sealed))
		w.Int8(v.Created)
		w.Int8(v.Updated)
		p.recordParties(k, v.Parties)
		return
	}
	w := p.rows(&updateRecords)
	w.Small(uint8(k.Kind))
	w.ID(k.ID)
	w.OptionalSmall(v.State)
	w.OptionalInt8(v.Due)
	w.Text(string(v.Body))
	w.OptionalBytes([]byte(v.Sealed))
	w.Int8(v.Updated)
}

func (p *persister) recordParties(k ledger.RecordKey, parties []ledger.ID) {
	for i, party := range parties {
		if slices.Contains(parties[:i], party) {
			continue
		}
		w := p.rows(&insertRecordParties)
		w.ID(party)
		w.Small(uint8(k.Kind))
		w.ID(k.ID)
	}
}

// news writes what apps are to be told of: of two batches that meet, the later has the greater number.
func (p *persister) news(s *ledger.Set) {
	if news := s.News(); len(news) > 0 {
		p.rows(&insertOutbox).Bytes(ledger.AppendNotices(nil, news))
	}
}
