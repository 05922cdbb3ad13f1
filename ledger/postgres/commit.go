package postgres

import (
	"context"
	"errors"
	"fmt"

	"bahi/ledger"
)

// Commit implements [ledger.Store].
func (s *Store) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := s.connectWriter(ctx); err != nil {
		return err
	}
	t := &transaction{w: s.writer, cockroach: s.cockroach, begin: s.begin}
	err := t.within(ctx, func() error {
		set := declare()
		if err := t.run(ctx, load(set, &s.writer.arrays)); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		if err := apply(set); err != nil {
			return &applyError{err}
		}
		changes, err := s.writer.persist(set)
		if err != nil {
			return err
		}
		if err := t.finish(ctx, changes); err != nil {
			return fmt.Errorf("persist: %w", err)
		}
		return nil
	})
	return s.outcome(t, err)
}

// applyError keeps an error of apply apart from those of the database.
type applyError struct{ error }

// outcome tells a batch that is certainly not stored from one that may be.
func (s *Store) outcome(t *transaction, err error) error {
	if err == nil {
		return nil
	}
	if own := (*applyError)(nil); errors.As(err, &own) {
		return own.error
	}
	if t.w.pg.IsClosed() || lost(err) {
		t.w.close()
		s.writer = nil
	}
	code := sqlState(err)
	if t.ending && !errors.Is(err, errRolledBack) && (code == "" || code == codeUnknownEnd || lost(err)) {
		return fmt.Errorf("postgres: commit: %w: %w", ledger.ErrOutcomeUnknown, err)
	}
	return failed("commit", err)
}

// connectWriter makes the writer ready for the next transaction.
func (s *Store) connectWriter(ctx context.Context) (err error) {
	if s.writer != nil && !s.writer.pg.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	s.writer, err = connect(ctx, s.config, s.settings)
	return err
}
