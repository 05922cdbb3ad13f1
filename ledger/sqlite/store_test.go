package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/sqlite"
	"bahi/ledger/storetest"
)

// file is a store with a door of its own to the file, as another program has.
type file struct {
	*sqlite.Store
	path string
	db   *sql.DB
}

func open(t *testing.T, path string) *file {
	t.Helper()
	store, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		t.Fatal(err)
	}
	return &file{Store: store, path: path, db: db}
}

func (f *file) Close() error                     { return errors.Join(f.db.Close(), f.Store.Close()) }
func (f *file) Reopen(t *testing.T) ledger.Store { return open(t, f.path) }
func (f *file) Exec(c context.Context, q string) error {
	_, err := f.db.ExecContext(c, q)
	return err
}
func (f *file) Count(c context.Context, q string) (n int64, err error) {
	return n, f.db.QueryRowContext(c, q).Scan(&n)
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) ledger.Store {
		return open(t, filepath.Join(t.TempDir(), "a folder", "book?50%.db"))
	})
}

// TestRefusals checks that the book says why it refuses.
func TestRefusals(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "book.db"))
	defer f.Close()
	n := newBook(t, f.Store)
	n.top(n.wallet(), 100)
	for query, want := range map[string]string{
		"UPDATE postings SET amount = 1":                         "postings are never changed",
		"DELETE FROM postings":                                   "postings are never deleted",
		"UPDATE steps SET n = 9":                                 "the history of a transfer is never changed",
		"UPDATE accounts SET debits = credits + 1 WHERE bounded": "bounded_account",
		"UPDATE transfers SET message = 'x'":                     "a transfer is never changed",
		"DELETE FROM transfers":                                  "a transfer is never deleted",
		"INSERT INTO transfers (id, app, kind, amount, currency, created, state) VALUES (x'00112233445566778899aabbccddeeff', 'a', 1, 0, 'INR', 1, 1)": "amount > 0",
		"UPDATE accounts SET type = 'asset'": "INTEGER",
	} {
		if err := f.Exec(t.Context(), query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", query, err, want)
		}
	}
	if n, err := f.Count(t.Context(), "SELECT count(*) FROM book WHERE credit LIKE 'wallet:%' AND event = 'credit'"); n != 1 || err != nil {
		t.Errorf("the view shows %d, %v", n, err)
	}
}

// TestReadWhileWriting reads from another connection in the middle of a batch.
func TestReadWhileWriting(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "book.db"))
	defer f.Close()
	n := newBook(t, f.Store)
	w := n.wallet()
	count := func() int64 {
		c, err := f.Count(t.Context(), "SELECT count(*) FROM transfers")
		if err != nil {
			t.Error(err)
		}
		return c
	}
	n.during = func() {
		if got := count(); got != 0 {
			t.Errorf("%d transfers are seen before their commit", got)
		}
	}
	n.commit(creates([]ledger.Transfer{transfer(ledger.TopUp, bank, w, 1)}), false)
	if got := count(); got != 1 {
		t.Errorf("%d transfers are seen after the commit", got)
	}
}

// TestDiskFull fills the file up to a limit and then raises it.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.db")
	f := open(t, path)
	defer f.Close()
	n := newBook(t, f.Store)
	w := n.wallet()
	sqlite.LimitPages(f.Store, 80)
	stored := 0
	var full error
	for full == nil && stored < 100 {
		if full = n.try(creates([]ledger.Transfer{transfer(ledger.TopUp, bank, w, 1), transfer(ledger.TopUp, bank, w, 2)}), true); full == nil {
			stored++
		}
	}
	if !errors.Is(full, ledger.ErrUnavailable) {
		t.Fatalf("got %v after %d batches, want ErrUnavailable", full, stored)
	}
	for range 3 { // it goes on refusing what does not fit, and storing nothing
		if err := n.try(creates([]ledger.Transfer{transfer(ledger.TopUp, bank, w, 1), transfer(ledger.TopUp, bank, w, 2)}), true); !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("got %v, want ErrUnavailable", err)
		}
	}
	if got, err := f.Count(t.Context(), "SELECT count(*) FROM transfers"); got != int64(2*stored) || err != nil {
		t.Errorf("%d transfers, %v; want %d", got, err, 2*stored)
	}
	sqlite.LimitPages(f.Store, 1<<30)
	n.commit(creates([]ledger.Transfer{transfer(ledger.TopUp, bank, w, 1)}), true)
	if got, err := f.Count(t.Context(), "SELECT count(*) FROM transfers"); got != int64(2*stored)+1 || err != nil {
		t.Errorf("%d transfers, %v; want %d", got, err, 2*stored+1)
	}
	n.verify()
}

// TestLocked has another program hold the write lock for longer than a commit waits.
func TestLocked(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "book.db"))
	defer f.Close()
	n := newBook(t, f.Store)
	w := n.wallet()
	sqlite.Impatient(f.Store)
	other, err := f.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	commands := creates([]ledger.Transfer{transfer(ledger.TopUp, bank, w, 1)})
	if err := n.try(commands, true); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	n.commit(commands, true)
}

// TestCheckpoint writes more than the log may hold: it starts again, and nothing is lost.
func TestCheckpoint(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "book.db"))
	defer f.Close()
	n := newBook(t, f.Store)
	w := n.wallet()
	for range 4 {
		n.commit(creates([]ledger.Transfer{transfer(ledger.TopUp, bank, w, 1)}), true)
	}
	before := sqlite.LogFrames(t, f.Store)
	sqlite.Checkpoint(t, f.Store)
	n.commit(creates([]ledger.Transfer{transfer(ledger.TopUp, bank, w, 1)}), true)
	if after := sqlite.LogFrames(t, f.Store); before == 0 || after >= before {
		t.Errorf("the log had %d frames and has %d", before, after)
	}
	var ok string
	if err := f.db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity check: %s, %v", ok, err)
	}
	n.verify()
}

// TestClosed reads after the end.
func TestClosed(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "book.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Ping(t.Context()); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// TestOpenTogether: a new file may be opened by many at the same moment.
func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.db")
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			s, err := sqlite.Open(context.Background(), path)
			if err == nil {
				err = s.Close()
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
