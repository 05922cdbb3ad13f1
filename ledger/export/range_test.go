package export_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/export"
)

func find(w *world, b export.Bounds) export.Range {
	w.Helper()
	r, err := b.Find(ctx, w.store, (&ledger.Policy{}).Location())
	w.no(err)
	return r
}

// between are bounds of times.
func between(from, to string) export.Bounds {
	return export.Bounds{From: from, To: to, First: -1, Checkpoint: -1}
}

func TestRanges(t *testing.T) {
	w := memoryWorld(t)
	if r := find(w, export.Whole); r != (export.Range{}) {
		t.Errorf("of an empty log: %+v", r)
	}
	var sizes []int64
	for day := range 3 { // from noon of the 25th, in India
		w.at(time.Date(2026, 11, 25+day, 6, 30, 0, 0, time.UTC).Format(time.RFC3339))
		w.send(0, "chat", bankOf("NRMD", 1), bankOf("KVRI", 2), 100, "INR", paid)
		sizes = append(sizes, w.seal().Size)
	}
	for _, c := range []struct {
		bounds export.Bounds
		want   export.Range
	}{
		{export.Whole, export.Range{First: 0, Size: sizes[2]}},
		{between("2026-11-25", ""), export.Range{First: 0, Size: sizes[2]}},
		{between("2026-11-26", ""), export.Range{First: sizes[0], Size: sizes[2]}},
		{between("2026-11-26", "2026-11-27"), export.Range{First: sizes[0], Size: sizes[1]}},
		{between("2026-11-27", "2026-11-28"), export.Range{First: sizes[1], Size: sizes[2]}},
		{between("", "2026-11-25"), export.Range{}},
		{between("2026-11-30", ""), export.Range{First: sizes[2], Size: sizes[2]}},
		{between("2026-11-25T18:29:59Z", "2026-11-25T18:30:00Z"), export.Range{First: sizes[0], Size: sizes[0]}},
		{between("2026-11-26T13:00:00+05:30", ""), export.Range{First: sizes[1], Size: sizes[2]}},
		{export.Bounds{First: 3, Checkpoint: sizes[1]}, export.Range{First: 3, Size: sizes[1]}},
		{export.Bounds{First: 3, Checkpoint: -1, To: "2026-11-26"}, export.Range{First: 3, Size: sizes[0]}},
		{export.Bounds{First: -1, Checkpoint: sizes[1], From: "2026-11-26"}, export.Range{First: sizes[0], Size: sizes[1]}},
	} {
		if got := find(w, c.bounds); got != c.want {
			t.Errorf("%+v is %+v, want %+v", c.bounds, got, c.want)
		}
	}
	for bound, b := range map[string]export.Bounds{
		"from": between("yesterday", ""), "to": between("", "2026-13-01"), "from_leaf": {From: "2026-11-25", First: 3, Checkpoint: -1},
		"checkpoint": {First: -1, Checkpoint: sizes[1] + 1},
	} {
		_, err := b.Find(ctx, w.store, time.UTC)
		var wrong *export.BoundsError
		if !errors.As(err, &wrong) || wrong.Bound != bound {
			t.Errorf("%+v: %v", b, err)
		}
	}
	for _, b := range []export.Bounds{between("2026-11-27", "2026-11-26"), {First: 3, Checkpoint: 0}, {First: -1, Checkpoint: 3, To: "2026-11-25"}, {First: sizes[2] + 1, Checkpoint: -1}} {
		if _, err := b.Find(ctx, w.store, time.UTC); !errors.As(err, new(*export.BoundsError)) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

// all are exports in every form.
func all(in export.Range, app string) (forms []export.Options) {
	for _, f := range []export.Format{export.CSV, export.Parquet} {
		for _, of := range export.Tables {
			forms = append(forms, export.Options{Format: f, Of: of, Range: in, App: app})
		}
	}
	return append(forms, export.Options{Format: export.JSONL, Range: in, App: app}, export.Options{Format: export.HLedger, Range: in, App: app}, export.Options{Format: export.Beancount, Range: in, App: app})
}

// The same range has the same bytes, whatever is written and sealed meanwhile.
func TestSameRangeSameBytes(t *testing.T) {
	w := memoryWorld(t)
	w.busy(40)
	forms := append(all(w.whole(), ""), all(w.whole(), "chat")...)
	var first [][]byte
	for _, o := range forms {
		first = append(first, w.export(o))
	}
	var writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			w.send(i, "chat", bankOf("NRMD", 1), bankOf("KVRI", 2), 100, "INR", paid)
			w.seal()
		}
	})
	for i, o := range forms {
		if got := w.export(o); !bytes.Equal(got, first[i]) {
			t.Errorf("%s of %s has other bytes than before", o.Format, o.Of)
		}
	}
	close(stop)
	writer.Wait()
	if w.whole() == forms[0].Range {
		t.Error("nothing was written meanwhile")
	}
}

// Ranges that follow each other have all rows between them.
func TestRangesFollowEachOther(t *testing.T) {
	w := memoryWorld(t)
	w.busy(40)
	whole := w.whole()
	for _, of := range export.Tables {
		o := export.Options{Format: export.CSV, Of: of, Range: whole}
		want := w.export(o)
		head := bytes.IndexByte(want, '\n') + 1
		got := bytes.Clone(want[:head])
		for first := int64(0); first < whole.Size; first += 37 {
			o.Range = export.Range{First: first, Size: min(first+37, whole.Size)}
			got = append(got, w.export(o)[head:]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the pieces of the %s are not the whole", of)
		}
	}
}
