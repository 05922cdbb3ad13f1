package memory

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"

	"bahi/ledger"
)

// records is what the book remembers beside the money, and what it tells apps.
type records struct {
	records map[ledger.RecordKey]ledger.Record
	parties map[ledger.RecordKey][]ledger.ID
	outbox  map[int64]ledger.OutboxRow
	posted  int64 // rows that the outbox has had
	streams map[string][]ledger.StreamRow
}

func newRecords() records {
	return records{
		records: map[ledger.RecordKey]ledger.Record{},
		parties: map[ledger.RecordKey][]ledger.ID{},
		outbox:  map[int64]ledger.OutboxRow{},
		streams: map[string][]ledger.StreamRow{},
	}
}

func (r *records) clone() records { return records{records: maps.Clone(r.records)} }

func (r *records) load(s *ledger.Set) {
	loadTable(&s.Records, r.records)
	loadTable(&s.Outbox, r.outbox)
}

func (r *records) check(s *ledger.Set) error { return checkTable(&s.Records, r.records) }

func (r *records) persist(s *ledger.Set) {
	s.Records.Changes(func(k ledger.RecordKey, v *ledger.Record, inserted bool) {
		if v == nil {
			delete(r.records, k)
			delete(r.parties, k)
			return
		}
		if inserted {
			r.parties[k] = v.Parties
		}
		kept := *v
		kept.Parties = nil
		if kept.Sealed != "" {
			kept.Private = ""
		}
		r.records[k] = kept
	})
	saveTable(&s.Outbox, r.outbox)
	for _, v := range s.Streams {
		r.streams[v.App] = append(r.streams[v.App], v)
	}
	if news := s.News(); len(news) > 0 {
		r.posted++
		r.outbox[r.posted] = ledger.OutboxRow{N: r.posted, Data: ledger.AppendNotices(nil, news)}
	}
}

func (m *memory) Record(ctx context.Context, k ledger.RecordKey) (ledger.Record, error) {
	return find(m, m.records.records, k)
}

func (m *memory) Records(ctx context.Context, f ledger.RecordFilter, page ledger.Page) ([]ledger.Record, error) {
	return list(m, m.records.records, page.Limit, func(a, b *ledger.Record) int { return b.ID.Compare(a.ID) }, func(r *ledger.Record) bool {
		return r.Kind == f.Kind && onPage(page, r.ID) &&
			(f.App == "" || r.App == f.App) &&
			(f.Party.IsZero() || slices.Contains(m.records.parties[r.RecordKey], f.Party)) &&
			(f.Parent.IsZero() || r.Parent == f.Parent) &&
			(f.Conversation == "" || r.Conversation == f.Conversation) &&
			(f.State == 0 || r.State == f.State)
	})
}

func (m *memory) DueRecords(ctx context.Context, after ledger.RecordPlace, before int64, limit int) ([]ledger.Record, error) {
	return list(m, m.records.records, limit, func(a, b *ledger.Record) int { return a.Place().Compare(b.Place()) },
		func(r *ledger.Record) bool {
			return r.Due != 0 && r.Due < before && r.Place().Compare(after) > 0
		})
}

func (m *memory) Outbox(ctx context.Context, limit int) ([]ledger.OutboxRow, error) {
	return list(m, m.outbox, limit, func(a, b *ledger.OutboxRow) int { return cmp.Compare(a.N, b.N) }, func(*ledger.OutboxRow) bool { return true })
}

func (m *memory) Stream(ctx context.Context, app string, after int64, limit int) (rows []ledger.StreamRow, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := m.streams[app]
	first, _ := slices.BinarySearchFunc(all, after+1, func(r ledger.StreamRow, n int64) int { return cmp.Compare(r.Last, n) })
	return slices.Clone(all[first:min(len(all), first+limit)]), nil
}

// Records implements [ledger.Snapshot].
func (s snapshot) Records(kind ledger.RecordKind) iter.Seq2[ledger.Record, error] {
	var of []ledger.Record
	for _, r := range s.records.records {
		if r.Kind == kind {
			of = append(of, r)
		}
	}
	slices.SortFunc(of, func(a, b ledger.Record) int { return a.ID.Compare(b.ID) })
	return func(yield func(ledger.Record, error) bool) {
		for _, r := range of {
			if !yield(r, nil) {
				return
			}
		}
	}
}
