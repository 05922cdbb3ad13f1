package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/sqlite"
	"bahi/migrations"
)

// storage is where the book is, for every command that opens it.
type storage struct {
	Data        string `help:"Directory of the book and of the simulated banks' books; made if missing." default:"./data" env:"BAHI_DATA" type:"path"`
	DatabaseURL string `help:"Keep the book in this PostgreSQL or CockroachDB database instead: postgres://user:password@host:5432/bahi. Several hosts, with commas, are tried for the one that takes writes." env:"BAHI_DATABASE_URL"`
	KEKFile     string `name:"kek-file" help:"File with the key-encryption key, a keyset of Tink; by default kek.json in the data directory, made at the first start. BAHI_KEK may hold the keyset itself." env:"BAHI_KEK_FILE" type:"path"`
}

// Validate is called by the parser.
func (s storage) Validate() error {
	if s.shared() && !strings.HasPrefix(s.DatabaseURL, "postgres://") && !strings.HasPrefix(s.DatabaseURL, "postgresql://") {
		return errors.New("--database-url: it begins with postgres://")
	}
	return nil
}

// shared says whether other nodes may work on the same book.
func (s storage) shared() bool { return s.DatabaseURL != "" }

func (s storage) path() string { return filepath.Join(s.Data, "bahi.db") }

// open opens the book, made if missing, with the key-encryption key that it was made with.
func (s storage) open(ctx context.Context) (ledger.Store, error) {
	engine, err := s.openEngine(ctx)
	if err != nil {
		return nil, err
	}
	store, err := s.private(ctx, engine)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return store, nil
}

func (s storage) openEngine(ctx context.Context) (ledger.Store, error) {
	if s.shared() {
		return postgres.Open(ctx, s.DatabaseURL)
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	return sqlite.Open(ctx, s.path())
}

// openExisting opens a book that is there: a mistyped directory or database must
// not turn into an empty book in which all is well.
func (s storage) openExisting(ctx context.Context) (ledger.Store, error) {
	if s.shared() {
		exists, err := postgres.Exists(ctx, s.DatabaseURL)
		if err == nil && !exists {
			err = errors.New("there is no book in this database")
		}
		if err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(s.path()); err != nil {
		return nil, fmt.Errorf("there is no book in %s: %w", s.Data, err)
	}
	return s.open(ctx)
}

// work calls f with a book that is there, and a way into it, also while servers use it.
func (s storage) work(ctx context.Context, policy *ledger.Policy, f func(ledger.Store, *ledger.Pipeline) error) error {
	store, err := s.openExisting(ctx)
	if err != nil {
		return err
	}
	if file, ok := engineOf(store).(*sqlite.Store); ok {
		if err := file.Frugal(); err != nil {
			return errors.Join(err, store.Close())
		}
	}
	book := ledger.NewPipeline(store, ledger.PipelineOptions{Policy: policy})
	err = f(store, book)
	book.Close()
	return errors.Join(err, store.Close())
}

// migrations calls f with the book's database and dialect.
func (s storage) migrations(ctx context.Context, f func(*sql.DB, migrations.Dialect) error) error {
	if s.shared() {
		return postgres.Migrations(ctx, s.DatabaseURL, f)
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fmt.Errorf("the data directory cannot be made: %w", err)
	}
	return sqlite.Migrations(s.path(), f)
}

// memory is for how long what was read of a party may be remembered. In an SQLite
// file only this node changes parties, and it forgets at once what it changes.
func (s storage) memory() time.Duration {
	if s.shared() {
		return time.Second
	}
	return time.Minute
}

// lock keeps a second server away from a book in a file, until the file that it
// returns is closed or the process ends. Servers of one database may share a data
// directory, and the simulated banks' books in it, but not with a book in a file.
func (s storage) lock() (*os.File, error) {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.Data, "serve.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be written: %w", err)
	}
	how := syscall.LOCK_EX
	if s.shared() {
		how = syscall.LOCK_SH
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another server is using %s: %w", s.Data, err)
	}
	return f, nil
}
