package storetest

import (
	"bytes"
	"slices"

	"bahi/ledger"
)

var recordKinds = []ledger.RecordKind{ledger.RecordHold, ledger.RecordRefunds, ledger.RecordPot, ledger.RecordRequest, ledger.RecordSchedule,
	ledger.RecordUsage, ledger.RecordSafety, ledger.RecordEndpoint, ledger.RecordDelivery, ledger.RecordStream}

func (s some) recordKey() ledger.RecordKey {
	return ledger.RecordKey{Kind: recordKinds[s.IntN(len(recordKinds))], ID: s.id()}
}

func (s some) record() ledger.Record {
	r := ledger.Record{RecordKey: s.recordKey(), App: s.text(), Owner: s.maybe(), Parent: s.maybe(), Conversation: s.text(), Created: s.time()}
	for range s.IntN(3) {
		r.Parties = append(r.Parties, s.id())
	}
	if s.IntN(4) == 0 { // the same one twice
		r.Parties = slices.Concat(r.Parties, r.Parties)
	}
	s.change(&r)
	return r
}

// change changes all that may change in a record's life.
func (s some) change(r *ledger.Record) {
	r.State, r.Due, r.Sealed, r.Updated = uint8(s.IntN(256)), s.time()*int64(s.IntN(2)), s.sealed(), s.time()
	r.Body = bytes.Repeat([]byte(`{"k":"आशा","n":9007199254740993} `), 1+s.IntN(60))
}

// asRead is a record as it is read: who finds it is not told.
func asRead(r ledger.Record) ledger.Record {
	r.Parties = nil
	return r
}

// putRecords writes records past the rules, and deletes others.
func (f *fixture) putRecords(put []ledger.Record, gone ...ledger.RecordKey) {
	f.Helper()
	f.check(f.batch(func(s *ledger.Set) {
		for _, r := range put {
			s.Records.Want(r.RecordKey)
		}
		for _, k := range gone {
			s.Records.Want(k)
		}
	}, func(s *ledger.Set) error {
		for _, r := range put {
			s.Records.Put(r.RecordKey, r)
		}
		for _, k := range gone {
			s.Records.Delete(k)
		}
		return nil
	}))
}

// wantRecords reads records back in every way there is.
func (f *fixture) wantRecords(all []ledger.Record) {
	f.Helper()
	for _, r := range all {
		got, err := f.store.Record(background, r.RecordKey)
		equal(f, got, err, asRead(r), deeply)
	}
	f.check(f.store.Audit(background, func(s ledger.Snapshot) error {
		for _, kind := range recordKinds {
			want := chosen(all, func(r *ledger.Record) bool { return r.Kind == kind })
			wantStreamOf(f, s.Records(kind), sortedBy(of(want, func(r *ledger.Record) ledger.Record { return asRead(*r) }),
				func(a, b ledger.Record) int { return a.ID.Compare(b.ID) }), deeply)
		}
		return nil
	}))
	f.check(f.batch(func(s *ledger.Set) {
		for i, r := range all {
			if i%3 == 0 {
				s.Records.See(r.RecordKey)
			} else {
				s.Records.Want(r.RecordKey)
			}
			s.Records.Want(ledger.RecordKey{Kind: r.Kind%10 + 1, ID: r.ID}) // of another kind there is none
		}
	}, func(s *ledger.Set) error {
		for _, r := range all {
			wantLoaded(f, &s.Records, r.RecordKey, asRead(r), deeply)
			if other, ok := s.Records.Get(ledger.RecordKey{Kind: r.Kind%10 + 1, ID: r.ID}); ok {
				f.Errorf("loaded %+v, which is of another kind", other)
			}
		}
		return nil
	}))
}
