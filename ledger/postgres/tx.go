package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/cockroach-go/v2/crdb"
)

// What crdb.ExecuteInTx says to a transaction.
const (
	savepoint  = "SAVEPOINT cockroach_restart"
	release    = "RELEASE SAVEPOINT cockroach_restart"
	rollbackTo = "ROLLBACK TO SAVEPOINT cockroach_restart"
)

// transaction is what crdb.ExecuteInTx drives, on either database. In
// CockroachDB a transaction restarts at a savepoint and RELEASE is its commit.
// PostgreSQL knows neither: there RELEASE would commit nothing while the COMMIT
// behind it fails unseen, and a restart would go on with the old snapshot. So
// each word is translated to what it stands for.
type transaction struct {
	w         *writer
	cockroach bool
	begin     string
	restarts  int
	ending    bool // the commit was sent: what became of it is not known until it is answered
	ended     bool
}

// Exec implements [crdb.Tx] with the three words that ExecuteInTx uses.
func (t *transaction) Exec(ctx context.Context, sql string, _ ...any) error {
	switch sql {
	case savepoint:
		return t.start(ctx)
	case release:
		return t.commit(ctx)
	case rollbackTo:
		return t.restart(ctx)
	}
	return fmt.Errorf("postgres: unexpected %q", sql)
}

func (t *transaction) start(ctx context.Context) error {
	if _, err := t.w.exec(ctx, t.begin); err != nil || !t.cockroach {
		return err
	}
	_, err := t.w.exec(ctx, savepoint)
	return err
}

func (t *transaction) commit(ctx context.Context) error {
	t.ending = true
	sql := "COMMIT"
	if t.cockroach {
		sql = release
	}
	tag, err := t.w.exec(ctx, sql)
	switch {
	case err != nil:
		return err
	case tag == "ROLLBACK": // PostgreSQL's answer to the COMMIT of a transaction that has failed
		return errRolledBack
	}
	t.ended = !t.cockroach
	return nil
}

var errRolledBack = errors.New("the transaction was rolled back instead of committed")

// restart begins again, after a pause that keeps two writers from meeting for ever.
func (t *transaction) restart(ctx context.Context) error {
	t.ending = false
	t.restarts++
	if t.cockroach {
		_, err := t.w.exec(ctx, rollbackTo)
		time.Sleep(pause(t.restarts))
		return err
	}
	if _, err := t.w.exec(ctx, "ROLLBACK"); err != nil {
		return err
	}
	time.Sleep(pause(t.restarts)) // outside of a transaction: no lock is held
	_, err := t.w.exec(ctx, t.begin)
	return err
}

// Commit implements [crdb.Tx]. ExecuteInTx calls it after RELEASE, which did it all.
func (t *transaction) Commit(ctx context.Context) error {
	if t.ended {
		return nil
	}
	_, err := t.w.exec(ctx, "COMMIT")
	return err
}

// Rollback implements [crdb.Tx]. A connection that cannot do even that is dropped.
func (t *transaction) Rollback(ctx context.Context) error {
	if t.w.pg.IsClosed() || t.w.pg.TxStatus() == 'I' {
		return nil
	}
	_, err := t.w.exec(ctx, "ROLLBACK")
	if err != nil {
		t.w.close()
	}
	return err
}

// retryable makes crdb.ExecuteInTx try again what the database calls by another name.
type retryable struct{ error }

func (r retryable) SQLState() string { return codeSerialization }
func (r retryable) Unwrap() error    { return r.error }

// maxUnique is how often a unique violation is taken for another node's row that
// appeared since ours were loaded. One that stays is a bug.
const maxUnique = 3

// within runs f in a transaction, again where the database asks for it.
func (t *transaction) within(ctx context.Context, f func() error) error {
	unique := 0
	return crdb.ExecuteInTx(ctx, t, func() error {
		err := f()
		switch sqlState(err) {
		case codeDeadlock:
			return retryable{err}
		case codeUnique:
			if unique++; unique <= maxUnique {
				return retryable{err}
			}
		}
		return err
	})
}
