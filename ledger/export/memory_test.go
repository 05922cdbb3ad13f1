package export_test

import (
	"io"
	"runtime"
	"testing"

	"bahi/ledger/export"
	"bahi/ledger/memory"
)

// What an export holds at once does not grow with the book: as much at its end as early on.
func TestMemoryOfAnExport(t *testing.T) {
	w := newWorld(t, memory.New())
	w.many(24_000, 50)
	w.seal()
	live := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, format := range export.Formats {
		t.Run(string(format), func(t *testing.T) {
			var held []int64
			before := live()
			_, err := export.Write(ctx, w.store, io.Discard, export.Options{Format: format, Range: w.whole(), Progress: func(int64) { held = append(held, live()-before) }})
			w.no(err)
			if len(held) < 4 {
				t.Fatalf("the export is of %d pieces only", len(held))
			}
			const bound = 64 << 20
			first, last := held[1], held[len(held)-2]
			if last > bound || last > first+first/2+4<<20 {
				t.Errorf("it holds %d bytes early on and %d near its end", first, last)
			}
		})
	}
}
