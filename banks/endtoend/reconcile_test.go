package endtoend

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bahi/ledger"
	"bahi/ledger/sqlite"
)

func TestADayIsReconciledAndSettled(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(dir, "book.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		w := newWorld(t, store, dir)
		first := w.policy.Day(time.Now().UnixMicro())
		w.until(first, 10*time.Hour)
		w.start(false)
		began := wall()
		w.spend(transfers)
		t.Logf("%s: made", since(began))
		w.until(first, 23*time.Hour+50*time.Minute)
		w.spend(200)
		w.until(first+1, 12*time.Hour)
		w.spend(100)
		t.Logf("%s: day 2", since(began))
		states := map[string]int{}
		for _, t := range w.transfers() {
			states[t.State.String()]++
		}
		t.Log(states)
		t.Logf("%s", since(began))
		w.holds()
		t.Logf("%s", since(began))
		w.stop()
		_ = ledger.Completed
	})
}
