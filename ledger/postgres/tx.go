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
// each word is translated to what it stands for: BEGIN goes with the first
// queries and COMMIT with the last ones, since the ways there and back are most of
// what a lone caller waits for.
type transaction struct {
	w         *writer
	cockroach bool
	begin     string
	begun     bool    // BEGIN was sent
	last      []query // to be sent with COMMIT
	restarts  int
	uniques   int  // unique violations that were taken for another node's rows
	ending    bool // the commit was sent: what became of it is not known until it is answered
	ended     bool
}

// Exec implements [crdb.Tx] with the three words that ExecuteInTx uses.
func (t *transaction) Exec(ctx context.Context, sql string, _ ...any) error {
	switch sql {
	case savepoint:
		return t.start(ctx)
	case release:
		return t.again(t.commit(ctx))
	case rollbackTo:
		return t.restart(ctx)
	}
	return fmt.Errorf("postgres: unexpected %q", sql)
}

func (t *transaction) start(ctx context.Context) error {
	if !t.cockroach { // BEGIN goes with what is run first
		return nil
	}
	if _, err := t.w.exec(ctx, t.begin); err != nil {
		return err
	}
	_, err := t.w.exec(ctx, savepoint)
	return err
}

// run runs queries within the transaction.
func (t *transaction) run(ctx context.Context, queries []query) error {
	if !t.cockroach && !t.begun {
		t.begun = true
		queries = append([]query{{sql: t.begin}}, queries...)
	}
	return t.w.run(ctx, queries)
}

// finish runs the last queries of the transaction, or keeps them for the COMMIT.
func (t *transaction) finish(ctx context.Context, queries []query) error {
	if t.cockroach {
		return t.w.run(ctx, queries)
	}
	t.last = queries
	return nil
}

func (t *transaction) commit(ctx context.Context) error {
	t.ending = true
	if t.cockroach {
		_, err := t.w.exec(ctx, release)
		return err
	}
	if t.begun && t.w.pg.TxStatus() != 'T' { // it has failed, or never began: a COMMIT would do nothing and say nothing
		return errRolledBack
	}
	var tag string
	err := t.run(ctx, append(t.last, query{sql: "COMMIT", done: func(s string) { tag = s }}))
	switch {
	case err != nil:
		return err
	case tag != "COMMIT": // "ROLLBACK" is PostgreSQL's answer to the COMMIT of a transaction that has failed
		return errRolledBack
	}
	t.ended = true
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
	t.begun, t.last = false, nil
	if _, err := t.w.exec(ctx, "ROLLBACK"); err != nil {
		return err
	}
	time.Sleep(pause(t.restarts)) // outside of a transaction: no lock is held
	return nil
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
	return crdb.ExecuteInTx(ctx, t, func() error { return t.again(f()) })
}

// again is the error by the name under which it is tried again, if it is to be.
func (t *transaction) again(err error) error {
	switch sqlState(err) {
	case codeDeadlock:
		return retryable{err}
	case codeUnique:
		if t.uniques++; t.uniques <= maxUnique {
			return retryable{err}
		}
	}
	return err
}
