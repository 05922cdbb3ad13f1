package privacy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy/privacytest"
)

// write keeps a record as change leaves it.
type write struct {
	key    ledger.RecordKey
	change func(r *ledger.Record)
}

func (c write) Declare(s *ledger.Set) { s.Records.Want(c.key) }

func (c write) Apply(s *ledger.Set) (any, error) {
	r, ok := s.Records.Get(c.key)
	if !ok {
		r = ledger.Record{RecordKey: c.key, App: "chat", Body: []byte(`{}`), Created: s.Now}
	}
	c.change(&r)
	r.Updated = s.Now
	s.Records.Put(c.key, r)
	return r, nil
}

func (w *world) record(k ledger.RecordKey, change func(r *ledger.Record)) ledger.Record {
	w.Helper()
	return do[ledger.Record](w, write{k, change})
}

// reads demands that a record's text reads the same in every way there is.
func (w *world) reads(k ledger.RecordKey, want string) {
	w.Helper()
	one, err := w.store.Record(w.Context(), k)
	w.check(err)
	listed, err := w.store.Records(w.Context(), ledger.RecordFilter{Kind: k.Kind, App: "chat"}, ledger.Page{Limit: 100})
	w.check(err)
	due, err := w.store.DueRecords(w.Context(), ledger.RecordPlace{}, 1<<62, 100)
	w.check(err)
	all := append(append([]ledger.Record{one}, listed...), due...)
	seen := 0
	for _, r := range all {
		if r.RecordKey != k {
			continue
		}
		seen++
		if r.Private != want || r.Sealed != "" {
			w.Errorf("read %q, sealed %q; want %q", r.Private, r.Sealed, want)
		}
	}
	if seen != 3 {
		w.Errorf("found %d times, want 3", seen)
	}
	w.record(k, func(r *ledger.Record) { // a batch reads it too, and keeps what it does not change
		if r.Private != want {
			w.Errorf("a batch reads %q, want %q", r.Private, want)
		}
	})
}

func TestRecordsAreSealed(t *testing.T) {
	eachEngine(t, func(w *world) {
		a := asha(w)
		hers := ledger.RecordKey{Kind: ledger.RecordRequest, ID: ledger.NewID()}
		nobodys := ledger.RecordKey{Kind: ledger.RecordPot, ID: hers.ID}
		w.record(hers, func(r *ledger.Record) { r.Owner, r.Private, r.Due = a.ID, "the dinner at Saravana", 7 })
		w.record(nobodys, func(r *ledger.Record) { r.Private, r.Due = "for Meenakshi +919876500000", 8 })
		w.holdsNone("the dinner at Saravana", "Meenakshi", "+919876500000")
		w.reads(hers, "the dinner at Saravana")
		w.reads(nobodys, "for Meenakshi +919876500000")
		if r, err := privacytest.Over(w.T, w.open()).Record(w.Context(), hers); err != nil || r.Private != "the dinner at Saravana" {
			w.Errorf("another node reads %q, %v", r.Private, err)
		}

		w.record(hers, func(r *ledger.Record) { r.Private, r.Sealed = "the lunch at Murugan", "" })
		w.reads(hers, "the lunch at Murugan")
		w.holdsNone("the lunch at Murugan")
		w.record(nobodys, func(r *ledger.Record) { r.Private, r.Sealed = "", "" })
		w.reads(nobodys, "")

		_, err := ledger.Erase(w.Context(), w.book, w.store, a.ID, "operator")
		w.check(err)
		w.reads(hers, "")
		w.record(hers, func(r *ledger.Record) { r.Private, r.Sealed = "the tea at Adyar", "" }) // too late: nothing of it is kept
		w.reads(hers, "")
		w.holdsNone("the tea at Adyar")
	})
}

// TestSealedRecordsStayInTheirPlace: what was sealed for one record opens for no other.
func TestSealedRecordsStayInTheirPlace(t *testing.T) {
	eachEngine(t, func(w *world) {
		from := ledger.RecordKey{Kind: ledger.RecordRequest, ID: ledger.NewID()}
		w.record(from, func(r *ledger.Record) { r.Private = strings.Repeat("secret ", 3) })
		kept, err := w.open().Record(w.Context(), from)
		w.check(err)
		if kept.Sealed == "" || kept.Private != "" {
			w.Fatalf("the engine has %q, sealed %q", kept.Private, kept.Sealed)
		}
		policy := ledger.DefaultPolicy()
		for _, to := range []ledger.RecordKey{{Kind: ledger.RecordRequest, ID: ledger.NewID()}, {Kind: ledger.RecordPot, ID: from.ID}} {
			w.check(w.open().Commit(context.Background(), func() *ledger.Set {
				s := ledger.NewSet(time.Now().UnixMicro(), &policy)
				s.Records.New(to)
				return s
			}, func(s *ledger.Set) error {
				moved := kept
				moved.RecordKey = to
				s.Records.Put(to, moved)
				return nil
			}))
			if r, err := w.store.Record(w.Context(), to); err != nil || r.Private != "" {
				w.Errorf("moved to %s it reads %q, %v", to.Kind, r.Private, err)
			}
		}
	})
}
