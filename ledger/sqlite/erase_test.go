package sqlite_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bahi/ledger"
)

// TestErase looks for the keys of persons in the file and in its log, where pages were
// split and written again many times since. Those that were deleted or replaced are in
// neither, as soon as the log was copied, which happens by itself.
func TestErase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.db")
	f := open(t, path)
	defer f.Close()
	b := newBook(t, f.Store)
	r := rand.New(rand.NewPCG(1, 2))
	key := func(party ledger.ID) ledger.PersonKey {
		k := ledger.PersonKey{Party: party, Wrapped: make([]byte, 40+r.IntN(60))}
		for i := range k.Wrapped {
			k.Wrapped[i] = byte(r.Uint32())
		}
		return k
	}
	put := func(s *ledger.Set, k ledger.PersonKey) { s.Persons.Put(k.Party, k) }
	var keys, gone []ledger.PersonKey
	for range 40 {
		var some []ledger.PersonKey
		for range 50 {
			some = append(some, key(ledger.ID(random(r.Int64(), 1))))
		}
		b.persons(some, put)
		keys = append(keys, some...)
	}
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for range 9 {
		some := slices.Clone(keys[:50])
		gone = append(gone, some...)
		for i := range some {
			some[i] = key(some[i].Party) // of another length, mostly
		}
		b.persons(some, put)
		keys = append(keys[50:], some...)
		b.persons(keys[:50], func(s *ledger.Set, k ledger.PersonKey) { s.Persons.Delete(k.Party) })
		gone, keys = append(gone, keys[:50]...), keys[50:]
	}
	found := func(keys []ledger.PersonKey) (n int) {
		file, err := os.ReadFile(path)
		log, err2 := os.ReadFile(path + "-wal")
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if bytes.Contains(file, k.Wrapped[8:32]) || bytes.Contains(log, k.Wrapped[8:32]) {
				n++
			}
		}
		return n
	}
	for range 100 { // until the writer's turn came, at one of its batches
		if b.persons([]ledger.PersonKey{key(ledger.NewID())}, put); found(gone) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n, m := found(keys), found(gone); n != len(keys) || m != 0 {
		t.Errorf("%d of %d keys are found, and %d of the %d that were deleted", n, len(keys), m, len(gone))
	}
	stored, err := f.PersonKeys(t.Context(), parties(slices.Concat(keys, gone)))
	if err != nil || len(stored) != len(keys) {
		t.Errorf("%d keys, %v; want %d", len(stored), err, len(keys))
	}
}

func parties(keys []ledger.PersonKey) (ids []ledger.ID) {
	for _, k := range keys {
		ids = append(ids, k.Party)
	}
	return ids
}

// persons changes keys of persons in one batch.
func (b *book) persons(keys []ledger.PersonKey, change func(*ledger.Set, ledger.PersonKey)) {
	b.Helper()
	b.now++
	err := b.store.Commit(b.Context(), func() *ledger.Set {
		s := ledger.NewSet(b.now, &b.policy)
		for _, k := range keys {
			s.Persons.Want(k.Party)
		}
		return s
	}, func(s *ledger.Set) error {
		for _, k := range keys {
			change(s, k)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
