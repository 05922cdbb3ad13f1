package crdbproxy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/cockroach-go/v2/crdb"
	"github.com/cockroachdb/cockroach-go/v2/crdb/crdbpgxv5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"bahi/ledger/postgres/crdbproxy"
	"bahi/ledger/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

const (
	insert  = "INSERT INTO t (id) VALUES ($1)"
	release = "RELEASE SAVEPOINT cockroach_restart"
)

// bench is a database with a table t, reached directly and through a proxy.
type bench struct {
	proxy  *crdbproxy.Proxy
	direct string
	conn   *pgx.Conn // through the proxy
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{direct: pgtest.NewDatabase(t)}
	var err error
	b.proxy, err = crdbproxy.Listen(b.direct)
	must(t, err)
	t.Cleanup(func() { must(t, b.proxy.Close()) })
	b.conn = b.connect(t)
	b.exec(t, "CREATE TABLE t (id int PRIMARY KEY)")
	return b
}

func (b *bench) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.proxy.URL(b.direct))
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (b *bench) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.conn.Exec(t.Context(), sql, args...)
	must(t, err)
}

// stored asks the server itself, so that no fault is in the way.
func (b *bench) stored(t *testing.T) (ids []int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.direct)
	must(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "SELECT id FROM t ORDER BY id")
	must(t, err)
	ids, err = pgx.CollectRows(rows, pgx.RowTo[int])
	must(t, err)
	return ids
}

func (b *bench) wantStored(t *testing.T, want ...int) {
	t.Helper()
	if got := b.stored(t); !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// once injects a fault at the first statement that begins so.
func (b *bench) once(start string, fault crdbproxy.Fault) *atomic.Int32 {
	var seen atomic.Int32
	b.proxy.Inject(func(sql string) crdbproxy.Fault {
		if strings.HasPrefix(strings.ToUpper(sql), strings.ToUpper(start)) && seen.Add(1) == 1 {
			return fault
		}
		return crdbproxy.None
	})
	return &seen
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var failure *pgconn.PgError
	if !errors.As(err, &failure) || failure.Code != code {
		t.Errorf("got %v, want code %s", err, code)
	}
}

func TestSaysItIsCockroach(t *testing.T) {
	b := newBench(t)
	if got := b.conn.PgConn().ParameterStatus("crdb_version"); !strings.HasPrefix(got, "CockroachDB CCL v25.2") {
		t.Errorf("crdb_version: %q", got)
	}
	for _, begin := range []string{"BEGIN", "START TRANSACTION", "SELECT 1"} {
		var level string
		b.exec(t, begin)
		must(t, b.conn.QueryRow(t.Context(), "SHOW transaction_isolation").Scan(&level))
		if level != "serializable" {
			t.Errorf("%s: isolation %s", begin, level)
		}
		b.exec(t, "ROLLBACK")
	}
}

func TestRestartIsRetriedAndStoredOnce(t *testing.T) {
	for _, at := range []string{insert, "SELECT", release} {
		t.Run(at, func(t *testing.T) {
			b := newBench(t)
			b.once(at, crdbproxy.Restart)
			tries := 0
			must(t, crdbpgx.ExecuteTx(t.Context(), b.conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
				tries++
				if _, err := tx.Exec(t.Context(), insert, 1); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), "SELECT count(*) FROM t")
				return err
			}))
			if tries != 2 {
				t.Errorf("%d tries, want 2", tries)
			}
			b.wantStored(t, 1)
			b.exec(t, insert, 2) // the connection is still good
			b.wantStored(t, 1, 2)
		})
	}
}

func TestRestartReadsANewSnapshot(t *testing.T) {
	b := newBench(t)
	b.once(release, crdbproxy.Restart)
	var counts []int
	must(t, crdbpgx.ExecuteTx(t.Context(), b.conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
		var n int
		err := tx.QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&n)
		counts = append(counts, n)
		if len(counts) == 1 {
			_, err2 := b.connect(t).Exec(t.Context(), insert, 1)
			err = errors.Join(err, err2)
		}
		return err
	}))
	if !slices.Equal(counts, []int{0, 1}) {
		t.Errorf("counts %v, want [0 1]", counts)
	}
}

// Two transactions read all and each writes one: PostgreSQL itself lets one
// fail, at its commit or before.
func TestWriteSkewIsRetried(t *testing.T) {
	b := newBench(t)
	conns := []*pgx.Conn{b.conn, b.connect(t)}
	for round := range 20 {
		var tries atomic.Int32
		var group errgroup.Group
		read := make(chan struct{}, 2)
		for i, conn := range conns {
			group.Go(func() error {
				first := true
				return crdbpgx.ExecuteTx(t.Context(), conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
					tries.Add(1)
					var n int
					if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
						return err
					}
					if first { // both have read before one writes
						first = false
						read <- struct{}{}
						for len(read) < 2 {
							time.Sleep(time.Millisecond)
						}
					}
					_, err := tx.Exec(t.Context(), insert, round*100+n*10+i)
					return err
				})
			})
		}
		must(t, group.Wait())
		if tries.Load() < 3 {
			t.Fatalf("round %d: %d tries: nobody was told to restart", round, tries.Load())
		}
	}
	if n := len(b.stored(t)); n != 40 {
		t.Errorf("%d rows, want 40", n)
	}
}

func TestServersOwnFailureReadsAsCockroachs(t *testing.T) {
	b := newBench(t)
	for _, code := range []string{"40001", "40P01"} {
		_, err := b.conn.Exec(t.Context(), "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '"+code+"'; END $$")
		wantCode(t, err, "40001")
		if err == nil || !strings.Contains(err.Error(), "restart transaction: ") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAfterARestartErrorOnlyRollbackHelps(t *testing.T) {
	for _, by := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		t.Run(by.String(), func(t *testing.T) {
			b := newBench(t)
			b.once("INSERT", crdbproxy.Restart)
			tx, err := b.conn.Begin(t.Context())
			must(t, err)
			_, err = tx.Exec(t.Context(), insert, by, 1)
			wantCode(t, err, "40001")
			_, err = tx.Exec(t.Context(), insert, by, 2)
			wantCode(t, err, "25P02")
			if err := tx.Commit(t.Context()); !errors.Is(err, pgx.ErrTxCommitRollback) {
				t.Errorf("commit of a failed transaction: %v", err)
			}
			b.exec(t, insert, by, 3)
			b.wantStored(t, 3)
		})
	}
}

func TestReleaseIsTheCommit(t *testing.T) {
	b := newBench(t)
	for _, sql := range []string{"BEGIN", "SAVEPOINT cockroach_restart", "INSERT INTO t VALUES (1)", release} {
		b.exec(t, sql)
	}
	b.wantStored(t, 1)
	if status := b.conn.PgConn().TxStatus(); status != 'T' {
		t.Errorf("status %c after RELEASE", status)
	}
	for _, late := range []string{"INSERT INTO t VALUES (2)", release, "ROLLBACK TO SAVEPOINT cockroach_restart"} {
		_, err := b.conn.Exec(t.Context(), late)
		wantCode(t, err, "25000")
	}
	_, err := b.conn.Exec(t.Context(), insert, 3) // by the extended protocol
	wantCode(t, err, "25000")
	tag, err := b.conn.Exec(t.Context(), "COMMIT")
	if err != nil || tag.String() != "COMMIT" {
		t.Errorf("COMMIT: %q, %v", tag, err)
	}
	if status := b.conn.PgConn().TxStatus(); status != 'I' {
		t.Errorf("status %c after COMMIT", status)
	}
	b.wantStored(t, 1)
}

// The commit itself fails on the server, not by injection.
func TestFailedReleaseLeavesAFailedTransaction(t *testing.T) {
	for _, end := range []string{"ROLLBACK TO SAVEPOINT cockroach_restart", "ROLLBACK", "COMMIT"} {
		t.Run(end, func(t *testing.T) {
			b := newBench(t)
			b.failRelease(t)
			_, err := b.conn.Exec(t.Context(), insert, 1)
			wantCode(t, err, "25P02")
			tag, err := b.conn.Exec(t.Context(), end)
			if err != nil || tag.String() != "ROLLBACK" {
				t.Errorf("%s: %q, %v", end, tag, err)
			}
			b.exec(t, "INSERT INTO t VALUES (2)")
			if b.conn.PgConn().TxStatus() == 'T' {
				b.exec(t, release)
				b.exec(t, "COMMIT")
			}
			b.wantStored(t, 2)
		})
	}
}

// failRelease makes a transaction that wrote something fail when it is released.
func (b *bench) failRelease(t *testing.T) {
	t.Helper()
	direct, err := pgx.Connect(t.Context(), b.direct)
	must(t, err)
	defer direct.Close(t.Context())
	_, err = direct.Exec(t.Context(), "CREATE TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
	must(t, err)
	for _, sql := range []string{"BEGIN", "SAVEPOINT cockroach_restart", "INSERT INTO t VALUES (9)", "INSERT INTO d VALUES (1), (1)"} {
		b.exec(t, sql)
	}
	_, err = b.conn.Exec(t.Context(), release)
	wantCode(t, err, "23505")
	if status := b.conn.PgConn().TxStatus(); status != 'E' {
		t.Errorf("status %c after a failed RELEASE", status)
	}
}

func TestControlByTheExtendedProtocol(t *testing.T) {
	b := newBench(t)
	b.once("INSERT", crdbproxy.Restart)
	run := func(sql string) error {
		result := b.conn.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
		return result.Err
	}
	must(t, run("begin isolation level serializable"))
	must(t, run("savepoint cockroach_restart"))
	wantCode(t, run("INSERT INTO t VALUES (1)"), "40001")
	must(t, run("rollback to savepoint cockroach_restart"))
	must(t, run("INSERT INTO t VALUES (2)"))
	must(t, run("release savepoint cockroach_restart"))
	wantCode(t, run("INSERT INTO t VALUES (3)"), "25000")
	must(t, run("commit"))
	b.wantStored(t, 2)
}

// A whole retried transaction in one pipeline, with one Sync at its end.
func TestControlWithinAPipeline(t *testing.T) {
	b := newBench(t)
	pipeline := b.conn.PgConn().StartPipeline(t.Context())
	statements := []string{
		"BEGIN", "SAVEPOINT cockroach_restart", "INSERT INTO t VALUES (1)", "ROLLBACK TO SAVEPOINT cockroach_restart",
		"INSERT INTO t VALUES (2)", release, "COMMIT", "BEGIN", "INSERT INTO t VALUES (3)", "COMMIT",
	}
	for _, sql := range statements {
		pipeline.SendQueryParams(sql, nil, nil, nil, nil)
	}
	must(t, pipeline.Sync())
	for _, sql := range statements {
		result, err := pipeline.GetResults()
		must(t, err)
		if _, err := result.(*pgconn.ResultReader).Close(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	must(t, pipeline.Close())
	if status := b.conn.PgConn().TxStatus(); status != 'I' {
		t.Errorf("status %c", status)
	}
	b.wantStored(t, 2, 3)
}

func TestDropAtRelease(t *testing.T) {
	for fault, want := range map[crdbproxy.Fault][]int{crdbproxy.DropBefore: nil, crdbproxy.DropAfter: {1}} {
		b := newBench(t)
		seen := b.once(release, fault)
		err := crdbpgx.ExecuteTx(t.Context(), b.conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), insert, 1)
			return err
		})
		var unknown *crdb.AmbiguousCommitError
		if !errors.As(err, &unknown) || seen.Load() != 1 {
			t.Errorf("fault %d: error %v after %d RELEASE", fault, err, seen.Load())
		}
		b.wantStored(t, want...)
	}
}

func TestDropAtAStatement(t *testing.T) {
	for fault, want := range map[crdbproxy.Fault][]int{crdbproxy.DropBefore: nil, crdbproxy.DropAfter: {1}} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
			b := newBench(t)
			b.once("INSERT", fault)
			if _, err := b.conn.Exec(t.Context(), insert, mode, 1); err == nil {
				t.Errorf("fault %d: no error", fault)
			}
			b.wantStored(t, want...)
		}
	}
}

func TestBatchGoesThrough(t *testing.T) {
	b := newBench(t)
	batch := &pgx.Batch{}
	for id := range 500 {
		batch.Queue(insert, id)
	}
	var n int
	batch.Queue("SELECT count(*) FROM t").QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	must(t, b.conn.SendBatch(t.Context(), batch).Close())
	if n != 500 {
		t.Errorf("%d rows", n)
	}
}

func TestRestartInABatchUndoesItAll(t *testing.T) {
	b := newBench(t)
	seen := 0
	b.proxy.Inject(func(sql string) crdbproxy.Fault {
		if seen++; seen == 3 {
			return crdbproxy.Restart
		}
		return crdbproxy.None
	})
	send := func() error {
		batch := &pgx.Batch{}
		for id := range 5 {
			batch.Queue(insert, id)
		}
		return b.conn.SendBatch(t.Context(), batch).Close()
	}
	wantCode(t, send(), "40001")
	if seen != 3 {
		t.Errorf("%d statements executed, want 3", seen)
	}
	b.wantStored(t)
	must(t, send())
	b.wantStored(t, 0, 1, 2, 3, 4)
}

func TestLackingIsRefused(t *testing.T) {
	b := newBench(t)
	_, err := b.conn.Exec(t.Context(), "LISTEN events")
	wantCode(t, err, "0A000")
	_, err = b.conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", 1)
	wantCode(t, err, "0A000")
	tx, err := b.conn.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE t")
	wantCode(t, err, "0A000")
	_, err = tx.Exec(t.Context(), insert, 1)
	wantCode(t, err, "25P02")
	must(t, tx.Rollback(t.Context()))
	b.exec(t, insert, 2)
	b.wantStored(t, 2)
}

func TestRestartSavepointMustComeFirst(t *testing.T) {
	b := newBench(t)
	b.exec(t, "BEGIN")
	b.exec(t, insert, 1)
	_, err := b.conn.Exec(t.Context(), "SAVEPOINT cockroach_restart")
	wantCode(t, err, "42601")
	b.exec(t, "ROLLBACK")
}

func TestBeginWithinATransactionIsRefused(t *testing.T) {
	b := newBench(t)
	b.exec(t, "BEGIN")
	_, err := b.conn.Exec(t.Context(), "BEGIN")
	wantCode(t, err, "25001")
	b.exec(t, "ROLLBACK")
	b.exec(t, "BEGIN")
	b.exec(t, "COMMIT")
}

func TestPlainCommitRestartEndsTheTransaction(t *testing.T) {
	b := newBench(t)
	b.once("COMMIT", crdbproxy.Restart)
	tx, err := b.conn.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), insert, 1)
	must(t, err)
	wantCode(t, tx.Commit(t.Context()), "40001")
	b.wantStored(t)
	b.exec(t, insert, 2)
	b.wantStored(t, 2)
}

func TestStatementsAreCollected(t *testing.T) {
	b := newBench(t)
	b.exec(t, insert, 1)
	b.exec(t, insert, 2)
	b.exec(t, "SELECT 1")
	want := []string{"CREATE TABLE t (id int PRIMARY KEY)", insert, "SELECT 1"}
	if got := b.proxy.Statements(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCancelReachesTheServer(t *testing.T) {
	b := newBench(t)
	done := make(chan error, 1)
	go func() {
		_, err := b.conn.Exec(context.Background(), "SELECT pg_sleep(60)")
		done <- err
	}()
	for {
		must(t, b.conn.PgConn().CancelRequest(t.Context()))
		select {
		case err := <-done:
			wantCode(t, err, "57014")
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestSSLIsRefused(t *testing.T) {
	b := newBench(t)
	conn, err := pgx.Connect(t.Context(), strings.Replace(b.proxy.URL(b.direct), "sslmode=disable", "sslmode=prefer", 1))
	must(t, err)
	must(t, conn.Close(t.Context()))
}

func TestCopyGoesThrough(t *testing.T) {
	b := newBench(t)
	rows := make([][]any, 10_000)
	for i := range rows {
		rows[i] = []any{i}
	}
	n, err := b.conn.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"id"}, pgx.CopyFromRows(rows))
	if err != nil || n != 10_000 {
		t.Errorf("%d rows, %v", n, err)
	}
	_, err = b.conn.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"id"}, pgx.CopyFromRows(rows[:1]))
	wantCode(t, err, "23505")
	var count int
	must(t, b.conn.QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&count))
}

// Faults of every kind hit many clients that are in each other's way: what was
// acknowledged is stored, and what failed for sure is not.
func TestFaultsUnderLoad(t *testing.T) {
	b := newBench(t)
	b.exec(t, "CREATE TABLE total (n int)")
	b.exec(t, "INSERT INTO total VALUES (0)")
	pool := b.pool(t)
	b.proxy.Inject(func(string) crdbproxy.Fault {
		if n := rand.IntN(150); n < 10 {
			return crdbproxy.Restart
		} else if n < 13 {
			return crdbproxy.Fault(n - 9)
		}
		return crdbproxy.None
	})
	var mu sync.Mutex
	var acknowledged, unknown []int
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for id := worker * 100; id < worker*100+50; id++ {
				err := crdbpgx.ExecuteTx(t.Context(), pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
					batch := &pgx.Batch{}
					batch.Queue("UPDATE total SET n = n + 1")
					batch.Queue(insert, id)
					return tx.SendBatch(t.Context(), batch).Close()
				})
				var ambiguous *crdb.AmbiguousCommitError
				mu.Lock()
				if err == nil {
					acknowledged = append(acknowledged, id)
				} else if errors.As(err, &ambiguous) {
					unknown = append(unknown, id)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	b.proxy.Inject(nil)
	stored := b.stored(t)
	for _, id := range acknowledged {
		if !slices.Contains(stored, id) {
			t.Errorf("%d was acknowledged and is not stored", id)
		}
	}
	for _, id := range stored {
		if !slices.Contains(acknowledged, id) && !slices.Contains(unknown, id) {
			t.Errorf("%d failed and is stored", id)
		}
	}
	var total int
	must(t, pool.QueryRow(t.Context(), "SELECT n FROM total").Scan(&total))
	if total != len(stored) || len(acknowledged) == 0 {
		t.Errorf("counted %d, stored %d, acknowledged %d", total, len(stored), len(acknowledged))
	}
}

func (b *bench) pool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(b.proxy.URL(b.direct))
	must(t, err)
	config.MaxConns = 32
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestCloseEndsManyConnectionsUnderWay(t *testing.T) {
	b := newBench(t)
	pool := b.pool(t)
	var group errgroup.Group
	var done atomic.Int32
	for worker := range 64 {
		group.Go(func() error {
			for id := 0; ; id++ {
				err := crdbpgx.ExecuteTx(t.Context(), pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), insert, worker<<20+id)
					return err
				})
				if err != nil {
					return fmt.Errorf("after %d: %w", id, err)
				}
				done.Add(1)
			}
		})
	}
	for done.Load() < 500 {
		time.Sleep(time.Millisecond)
	}
	must(t, b.proxy.Close())
	if err := group.Wait(); err == nil {
		t.Error("somebody went on through a closed proxy")
	}
	if stored := len(b.stored(t)); stored < int(done.Load()) {
		t.Errorf("%d stored, %d acknowledged", stored, done.Load())
	}
}

func TestServersEndIsPassedOn(t *testing.T) {
	server, err := pgtest.Start(t.Context(), pgtest.Options{})
	must(t, err)
	defer server.Close()
	proxy, err := crdbproxy.Listen(server.URL("postgres"))
	must(t, err)
	defer proxy.Close()
	conn, err := pgx.Connect(t.Context(), proxy.URL(server.URL("postgres")))
	must(t, err)
	must(t, server.Kill())
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil || !conn.IsClosed() {
		t.Errorf("a killed server answered: %v", err)
	}
	if _, err := pgx.Connect(t.Context(), proxy.URL(server.URL("postgres"))); err == nil {
		t.Error("connected to a killed server")
	}
}
