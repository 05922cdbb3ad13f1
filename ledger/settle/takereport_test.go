package settle

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/reconcile"
	"bahi/ledger/reconcile/statement"
)

// TestTakeReport: a report that differs opens a break for each bank of which it does,
// the right one closes it again, and the same one again changes nothing.
func TestTakeReport(t *testing.T) {
	onEach(t, 1, func(h *house) {
		ctx, d := context.Background(), h.nodes[0]
		h.send(0, bankOf("NRMD"), bankOf("KVRI"), 25_000, "debit approved, credit approved")
		h.at("2026-11-25 11:01")
		closed, err := d.CloseDue(ctx, h.now.Load(), "meera")
		h.check(err)
		w := closed[0]
		for _, c := range closed {
			if c.Kind == ledger.WindowTransfers {
				w = c
			}
		}
		r, err := d.Report(ctx, w.ID)
		h.check(err)
		right := string(written(h.T, r, FormatCSV))
		// Its own totals hold, so that only our positions can tell.
		wrong := strings.NewReplacer("250.00", "250.01").Replace(right)
		wrong = strings.NewReplacer("250.10", "250.11", "249.90", "249.91").Replace(wrong)
		take := func(text string) []ledger.Break {
			h.Helper()
			file := bytes.NewReader([]byte(text))
			in, err := reconcile.Ingest(ctx, d.Book, d.Reader, file, reconcile.IngestOptions{By: "meera"})
			h.check(err)
			differ, err := d.TakeFile(ctx, &in, file)
			h.check(err)
			return differ
		}
		open := func() (banks string) {
			h.Helper()
			breaks, err := d.Reader.Breaks(ctx, ledger.BreakFilter{State: ledger.BreakOpen, Class: ledger.ClassSettlement}, ledger.BreakPlace{}, 10)
			h.check(err)
			for _, b := range breaks {
				banks += b.Subject.Bank + " " + b.Subject.Window + ","
			}
			return banks
		}
		for range 2 {
			if got := take(wrong); len(got) != 2 || strings.Count(open(), w.ID) != 2 {
				h.Fatalf("differ: %+v, open: %s; the report is\n%s", got, open(), wrong)
			}
		}
		if _, err := reconcile.Run(ctx, d.Book, d.Reader, reconcile.Options{From: w.Day - 3, Until: w.Day + 3, Zone: india}); err != nil {
			h.Fatal(err)
		}
		if strings.Count(open(), w.ID) != 2 {
			h.Fatalf("a run of the reconciliation left %q", open())
		}
		if got := take(right); len(got) != 0 || open() != "" {
			h.Fatalf("differ: %+v, open: %q", got, open())
		}
		id := ledger.BreakID(ledger.ClassSettlement, ledger.Subject{Window: w.ID, Bank: "NRMD"})
		if b, err := d.Reader.Break(ctx, id); err != nil || b.Resolution != ledger.Agreed || b.Actions(nil) != nil {
			h.Errorf("%+v, %v", b, err)
		}
		unknown := strings.ReplaceAll(right, w.ID, "upi-2026-11-25-99")
		if _, err := d.TakeReport(ctx, statement.Read(strings.NewReader(unknown), statement.Options{})); err == nil || errors.Is(err, ledger.ErrNotFound) {
			h.Errorf("of a window that there is not: %v", err)
		}
	})
}
