package reconcile_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/reconcile"
	"bahi/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// engines make a new store of each kind.
var engines = []struct {
	name string
	open func(t testing.TB) ledger.Store
}{
	{"memory", func(t testing.TB) ledger.Store { return privacytest.Over(t, memory.New()) }},
	{"sqlite", func(t testing.TB) ledger.Store {
		store, err := privacytest.Sealed(sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "book.db")))
		return opened(t, store, err)
	}},
	{"postgres", func(t testing.TB) ledger.Store {
		store, err := privacytest.Sealed(postgres.Open(t.Context(), pgtest.NewDatabase(t)))
		return opened(t, store, err)
	}},
}

func opened(t testing.TB, store ledger.Store, err error) ledger.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// On every engine a run leaves the same, again it changes nothing, and several at
// once leave what one does.
func TestEngines(t *testing.T) {
	const n = 150
	var want []string
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			w := newWorld(t, e.open(t))
			defer w.close()
			w.tells(w.crowd(n)...)
			w.told(monday, monday+1)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					o := w.options()
					o.Chunk = 50
					if _, err := reconcile.Run(context.Background(), w.book, w.store, o); err != nil && !errors.Is(err, reconcile.ErrSuperseded) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got := w.state()
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
			w.run()
			if again := w.state(); !slices.Equal(again, want) {
				t.Errorf("again:\n%q\nwant\n%q", again, want)
			}
		})
	}
}

// Runs of several nodes on one database fence each other off.
func TestNodesAtOnce(t *testing.T) {
	const n = 100
	alone := memoryWorld(t)
	alone.tells(alone.crowd(n)...)
	alone.told(monday, monday+1)
	alone.run()
	want := alone.state()

	url := pgtest.NewDatabase(t)
	var worlds []*world
	for range 3 {
		store, err := privacytest.Sealed(postgres.Open(t.Context(), url))
		w := newWorld(t, opened(t, store, err))
		defer w.close()
		worlds = append(worlds, w)
	}
	worlds[0].tells(worlds[0].crowd(n)...)
	worlds[0].told(monday, monday+1)
	var wg sync.WaitGroup
	for _, w := range worlds {
		w.at(w.days(3))
		for range 3 {
			wg.Go(func() {
				o := w.options()
				o.Chunk = 20
				if _, err := reconcile.Run(context.Background(), w.book, w.store, o); err != nil && !errors.Is(err, reconcile.ErrSuperseded) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if got := worlds[0].state(); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if last, err := worlds[0].store.LastRun(t.Context()); err != nil || last.N != 9 || last.Ended == 0 {
		t.Errorf("last run %+v, %v", last, err)
	}
}
