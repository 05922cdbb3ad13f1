package reconcile_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/reconcile"
)

// drain is a store that forgets the lines, and looks at the heap now and then.
type drain struct {
	ledger.Store
	lines, commits int
	heap           uint64 // the most that was in use
}

func (d *drain) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	return d.Store.Commit(ctx, declare, func(s *ledger.Set) error {
		err := apply(s)
		d.lines += len(s.Lines)
		if d.commits++; d.commits%16 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			d.heap = max(d.heap, m.HeapAlloc)
		}
		s.Lines = nil
		return err
	})
}

// A large file takes no more memory than the table that tells repeats.
func TestIngestIsStreamed(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 50 MB twice")
	}
	const n, most = 400_000, 16 << 20
	path := filepath.Join(t.TempDir(), "large.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, `{"statement":{"bank":"KVRI","account":"77","id":"S1","currency":"INR","date":"2026-11-20"}}`)
	for i := range n {
		fmt.Fprintf(w, `{"line":{"rrn":"%012d","booking_date":"2026-11-20","amount":"250.00","side":"credit","code":"00","reference":"NB%d"}}`+"\n", i, i)
	}
	fmt.Fprintf(w, `{"end":{"lines":%d}}`+"\n", n)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	store := &drain{Store: memory.New()}
	world := newWorld(t, store)
	defer world.close()
	in, err := reconcile.Ingest(t.Context(), world.book, store, f, reconcile.IngestOptions{})
	if err != nil || in.Lines != n || store.lines != n {
		t.Fatalf("%d lines, %d stored, %v", in.Lines, store.lines, err)
	}
	size, _ := f.Seek(0, io.SeekEnd)
	t.Logf("%d MB: %d KiB of heap", size>>20, store.heap>>10)
	if size < 40<<20 || store.heap > most {
		t.Errorf("a file of %d bytes took %d bytes of heap, at most %d are right", size, store.heap, most)
	}
}
