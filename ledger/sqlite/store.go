// Package sqlite keeps the book in one SQLite file, without cgo.
//
// One connection writes; SQLite has one writer at a time anyway. Readers have
// connections of their own and, in WAL mode, neither wait for the writer nor
// hold it up. Every commit is synced to the disk.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	lib "modernc.org/sqlite/lib"

	"bahi/ledger"
	"bahi/migrations"
)

// Store is a [ledger.Store] in an SQLite file.
type Store struct {
	path    string
	writer  *conn // nil after a fault that left it in an unknown state: reopened by the next Commit
	readers *pool
	audits  *pool // apart, so that long reads leave the short ones their connections
	wal     *checkpointer
}

var _ ledger.Store = (*Store)(nil)

// patience is for how long, in milliseconds, a lock of another process is waited for.
const patience = "busy_timeout = 5000"

// Pragmas of every connection.
var common = []string{
	patience,
	"synchronous = FULL",
}

// The writer leaves checkpoints to the [checkpointer]: one inside of COMMIT,
// every 1,000 pages, doubled the time of a batch.
var writing = append(common[:len(common):len(common)],
	fmt.Sprintf("page_size = %d", pageBytes), // of a new file
	"journal_mode = WAL",
	"wal_autocheckpoint = 0",
	fmt.Sprintf("journal_size_limit = %d", 4*walBytes),
	"cache_size = -131072", // KiB
	"secure_delete = FAST", // what is free within a page is zeros: see the table of persons
)

var reading = append(common[:len(common):len(common)],
	"query_only = ON",
	"cache_size = -8192", // KiB
)

// Pages of 1, 2, 8 and 16 KiB were slower: small ones make more frames of the
// log, each two system calls, and large ones more bytes.
const (
	pageBytes  = 4096
	maxReaders = 4
	maxAudits  = 2
)

// Open opens the book in the file, made with its folder if missing, and brings
// its tables to the newest version. Close releases it.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	writer, err := connectWriter(path)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, path); err != nil {
		return nil, errors.Join(err, writer.close())
	}
	open := func() (*conn, error) { return connect(path, reading) }
	s := &Store{path: path, writer: writer, readers: newPool(maxReaders, open), audits: newPool(maxAudits, open)}
	if s.wal, err = startCheckpointer(path); err != nil {
		return nil, errors.Join(err, writer.close())
	}
	return s, nil
}

// Frugal lets the writer remember little, for a command that runs beside a server. It
// is to be called before the first Commit.
func (s *Store) Frugal() error { return s.writer.exec("PRAGMA cache_size = -32768") } // KiB

// create makes an empty file that nobody else may read, if there is none: SQLite
// itself would let everybody, and gives its log the file's permissions.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// connectWriter opens the connection that writes. SQLite waits for no lock where
// it turns a new file's journal into a log, or ends one: others may be doing so now.
func connectWriter(path string) (c *conn, err error) {
	for range openTries {
		if c, err = connect(path, writing); code(err) != lib.SQLITE_BUSY {
			break
		}
		time.Sleep(openPause)
	}
	return c, err
}

func migrate(ctx context.Context, path string) error {
	return Migrations(path, func(db *sql.DB, d migrations.Dialect) (err error) {
		// Of two processes that make a new file at the same moment one stumbles over the
		// tables of the other; when it looks again there is nothing left to do.
		for range openTries {
			if err = migrations.Up(ctx, db, d); err == nil || errors.Is(err, migrations.ErrNewer) || ctx.Err() != nil {
				break
			}
			time.Sleep(openPause)
		}
		return err
	})
}

// Migrations calls f with the file's database and its dialect, as package migrations wants them.
func Migrations(path string, f func(*sql.DB, migrations.Dialect) error) error {
	db, err := sql.Open("sqlite", dataSource(path)+"?_busy_timeout=5000")
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(1)
	return errors.Join(f(db, migrations.SQLite), db.Close())
}

const (
	openTries = 50
	openPause = 100 * time.Millisecond
)

// Close waits for reads under way and closes the file. The last connection to
// close moves what is in the write-ahead log into the file.
func (s *Store) Close() error {
	errs := []error{s.wal.stop(), s.readers.close(), s.audits.close()}
	if s.writer != nil {
		if s.wal.forget.Load() { // others may have the file open
			s.wal.empty(s.writer)
		}
		errs = append(errs, s.writer.close())
	}
	return errors.Join(errs...)
}
