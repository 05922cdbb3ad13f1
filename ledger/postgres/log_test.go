package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// TestLogNumbers has two batches meet on an account. The one that began first waits
// for a lock of a third before it comes to that account, so it is the later of the
// two, and must have the greater number: its number is taken after its locks.
func TestLogNumbers(t *testing.T) {
	url := pgtest.NewDatabase(t)
	holder, early, late := open(t, url), open(t, url), open(t, url)
	for _, d := range []*database{holder, early, late} {
		defer d.Close()
	}
	book := ledger.NewPipeline(holder.Store, ledger.PipelineOptions{})
	var names []ledger.AccountName
	for _, w := range richPeople(t, book, 3, 1000) {
		names = append(names, ledger.WalletAccount(w.Party, "INR"))
	}
	book.Close()
	slices.SortFunc(names, func(a, b ledger.AccountName) int { return a.ID().Compare(b.ID()) })
	before, err := holder.Unsealed(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}

	held, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	go func() {
		done <- commit(holder, func(s *ledger.Set) { s.WantAccount(names[0]) }, func(*ledger.Set) {
			close(held)
			<-release
		})
	}()
	<-held
	go func() { done <- commit(early, want(names[0], names[1]), post(names[0], names[1])) }()
	waitForLock(t, url)
	if err := commit(late, want(names[1], names[2]), post(names[1], names[2])); err != nil {
		t.Error(err)
	}
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	all, err := holder.Unsealed(t.Context(), 1000)
	if err != nil || len(all) != len(before)+2 {
		t.Fatalf("%d rows, %v; want two more than %d", len(all), err, len(before))
	}
	var payers []ledger.AccountID
	for _, r := range all[len(before):] {
		if err := r.Each(func(_ int64, leaf []byte) bool {
			l, err := ledger.ParseLeaf(leaf)
			if err != nil {
				t.Fatal(err)
			}
			payers = append(payers, l.(*ledger.Posting).Debit)
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []ledger.AccountID{names[1].ID(), names[0].ID()}; !slices.Equal(payers, want) {
		t.Errorf("the log tells of the debits of %x, want %x", payers, want)
	}
}

func commit(d *database, declare, apply func(*ledger.Set)) error {
	policy := ledger.DefaultPolicy()
	return d.Commit(context.Background(), func() *ledger.Set {
		s := ledger.NewSet(time.Now().UnixMicro(), &policy)
		declare(s)
		return s
	}, func(s *ledger.Set) error { apply(s); return nil })
}

func want(names ...ledger.AccountName) func(*ledger.Set) {
	return func(s *ledger.Set) {
		for _, n := range names {
			s.WantAccount(n)
		}
	}
}

func post(debit, credit ledger.AccountName) func(*ledger.Set) {
	return func(s *ledger.Set) { s.Post(ledger.NewID(), ledger.EventAdjustment, debit, credit, 1) }
}

// waitForLock returns once somebody waits for a lock.
func waitForLock(t *testing.T, url string) {
	t.Helper()
	for range 500 {
		if count(t, url, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody waits for a lock")
}

// TestTruncate empties tables, which row triggers do not see.
func TestTruncate(t *testing.T) {
	url := pgtest.NewDatabase(t)
	d := open(t, url)
	defer d.Close()
	for _, table := range []string{"postings", "transfers", "steps", "answers", "statements", "coverage", "break_notes", "windows", "window_cuts", "lines", "runs", "breaks", "corrections", "positions",
		"log", "log_head", "log_tiles", "checkpoints", "cosignatures", "accesses", "erasures", "secrets", "persons"} {
		if err := d.Exec(t.Context(), "TRUNCATE "+table); err == nil || !strings.Contains(err.Error(), "P0001") {
			t.Errorf("TRUNCATE %s: got %v, want a refusal", table, err)
		}
	}
}
