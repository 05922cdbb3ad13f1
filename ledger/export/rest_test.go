package export_test

import (
	"bytes"
	"testing"

	"bahi/ledger/export"
)

// eachTextual calls test with what every resumable export can be of a range.
func eachTextual(t *testing.T, in export.Range, test func(t *testing.T, o export.Options)) {
	for _, o := range []export.Options{{Format: export.JSONL}, {Format: export.CSV}, {Format: export.CSV, Of: export.Transfers}, {Format: export.CSV, Of: export.Steps},
		{Format: export.HLedger}, {Format: export.Beancount}} {
		for _, app := range []string{"", "chat"} {
			o.Range, o.App = in, app
			t.Run(string(o.Format)+" "+string(o.Of)+" "+app, func(t *testing.T) { test(t, o) })
		}
	}
}

// An export that was cut at any byte and goes on from what is kept of it has the same
// bytes as one that was not cut.
func TestResumedAnywhere(t *testing.T) {
	w := memoryWorld(t)
	w.busy(16)
	whole := w.whole()
	eachTextual(t, export.Range{First: whole.Size / 3, Size: whole.Size}, func(t *testing.T, o export.Options) {
		want, total := w.export(o), w.rows(o)
		kept, last := map[export.Kept]bool{}, int64(0)
		for cut := 0; cut <= len(want); cut += 1 + cut%7 {
			k, err := export.Keep(bytes.NewReader(want[:cut]), o.Format)
			w.no(err)
			if k.Bytes > int64(cut) || k.Bytes < last {
				t.Fatalf("cut at %d, %d bytes are kept; of less %d", cut, k.Bytes, last)
			}
			last = k.Bytes
			if kept[k] {
				continue
			}
			kept[k] = true
			rest := o
			rest.From = k.From
			var b bytes.Buffer
			b.Write(want[:k.Bytes])
			rows, err := export.Write(ctx, w.store, &b, rest)
			w.no(err)
			if !bytes.Equal(b.Bytes(), want) {
				at := 0
				for got := b.Bytes(); at < len(got) && at < len(want) && got[at] == want[at]; {
					at++
				}
				t.Fatalf("cut at %d, going on at %+v: other bytes from %d on: %.200q, not %.200q", cut, k, at, b.Bytes()[at:], want[at:])
			}
			if rows+k.Rows != total {
				t.Fatalf("cut at %d: %d rows are kept and %d added; there are %d", cut, k.Rows, rows, total)
			}
		}
		if len(kept) < 8 || last < int64(len(want))/2 {
			t.Errorf("only %d places to go on at, the last one at %d of %d bytes", len(kept), last, len(want))
		}
	})
}

func (w *world) rows(o export.Options) int64 {
	w.Helper()
	n, err := export.Write(ctx, w.store, new(bytes.Buffer), o)
	w.no(err)
	return n
}
