package sqlite

import (
	"context"
	"errors"
	"fmt"

	lib "modernc.org/sqlite/lib"

	"bahi/ledger"
)

// Commit implements [ledger.Store].
func (s *Store) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.prepareWriter(); err != nil {
		return err
	}
	set := declare()
	// IMMEDIATE takes the write lock now: upgrading a read lock later could fail half way.
	if err := s.writer.exec("BEGIN IMMEDIATE"); err != nil {
		return failed("begin", err)
	}
	begun := true
	defer func() {
		if begun { // an error, nothing to persist, or a panic that goes on after this
			s.rollback()
		}
	}()
	if err := load(s.writer, set); err != nil {
		return failed("load", err)
	}
	if err := apply(set); err != nil {
		return err
	}
	if !set.Changed() {
		return nil
	}
	if err := persist(s.writer, set); err != nil {
		return failed("persist", err)
	}
	begun = false
	if err := s.commit(); err != nil {
		return err
	}
	set.Persons.Changes(func(_ ledger.ID, k *ledger.PersonKey, _ bool) {
		if k == nil {
			s.wal.forget.Store(true)
		}
	})
	return nil
}

// prepareWriter makes the writer ready for the next transaction.
func (s *Store) prepareWriter() (err error) {
	if s.writer == nil {
		if s.writer, err = connect(s.path, writing); err != nil {
			return err
		}
	}
	s.wal.finish(s.writer)
	return nil
}

// commit ends the transaction. Its last write to the log is the frame that
// marks the commit, and the sync of the log comes after it. So an error other
// than of input and output comes before that frame, or left it incomplete:
// rolled back, nothing of the batch is stored. After a failed sync the frame is
// in the log: a process that dies now finds it when it starts again, while one
// that goes on writes its next batch over it. That outcome is unknown.
func (s *Store) commit() error {
	err := s.writer.exec("COMMIT")
	if err == nil {
		return nil
	}
	s.rollback()
	if code(err) == lib.SQLITE_IOERR {
		return fmt.Errorf("sqlite: commit: %w: %w", ledger.ErrOutcomeUnknown, err)
	}
	return failed("commit", err)
}

// rollback leaves the writer without a transaction. SQLite may have rolled back
// by itself, after a full disk for one, and then answers that none is active
// (SQLITE_ERROR). Should it answer anything else, closing the connection drops
// the transaction.
func (s *Store) rollback() {
	err := s.writer.exec("ROLLBACK")
	if err == nil || code(err) == lib.SQLITE_ERROR {
		return
	}
	_ = s.writer.close() // its fault is told by what led here
	s.writer = nil
}

// Ping implements [ledger.Reader].
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, func(c *conn) error {
		return c.query("SELECT 1 FROM accounts LIMIT 1", func(*row) bool { return false })
	})
}

// read lends a connection for short reads and translates their errors.
func (s *Store) read(ctx context.Context, f func(*conn) error) error {
	err := s.readers.with(ctx, f)
	if err == nil || errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	return failed("read", err)
}
