package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
)

func must(t *testing.T, url string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, sql := range statements {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func count(t *testing.T, url, sql string) (n int64) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWriteSkew has pairs of transactions each read what the other writes. One
// of a pair must fail at its COMMIT, be seen to fail, and be tried again on a new
// snapshot. An engine that takes RELEASE for the commit on PostgreSQL would answer
// nil with nothing stored.
func TestWriteSkew(t *testing.T) {
	url := pgtest.NewDatabase(t)
	must(t, url, "CREATE TABLE duty (pair int, who int, at_work bool)")
	const pairs = 50
	restarts := 0
	for pair := range pairs {
		must(t, url, "INSERT INTO duty SELECT "+str(pair)+", n, true FROM generate_series(0, 1) n")
		var read, done sync.WaitGroup
		read.Add(2)
		var mu sync.Mutex
		for who := range 2 {
			done.Go(func() {
				tries := 0
				n, err := postgres.Within(t.Context(), url, "BEGIN ISOLATION LEVEL SERIALIZABLE", func(exec func(string) error) error {
					// Goes home only where the other one stays.
					err := exec("UPDATE duty SET at_work = false WHERE pair = " + str(pair) + " AND who = " + str(who) +
						" AND (SELECT count(*) FROM duty WHERE pair = " + str(pair) + " AND at_work) = 2")
					if tries++; tries == 1 {
						read.Done()
						read.Wait() // both have read and written before either commits
					}
					return err
				})
				if err != nil {
					t.Errorf("pair %d: %v", pair, err)
				}
				mu.Lock()
				defer mu.Unlock()
				restarts += n
			})
		}
		done.Wait()
	}
	if n := count(t, url, "SELECT count(*) FROM duty WHERE at_work"); n != pairs {
		t.Errorf("%d are at work, want one of each of the %d pairs", n, pairs)
	}
	if restarts < pairs {
		t.Errorf("%d restarts, want one of each pair at least", restarts)
	}
}

func str(n int) string {
	return string(rune('0'+n/100)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

// TestFailingCommit lets only the COMMIT fail: a check that the database makes at the end.
func TestFailingCommit(t *testing.T) {
	url := pgtest.NewDatabase(t)
	must(t, url, "CREATE TABLE parent (id int PRIMARY KEY)",
		"CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
	_, err := postgres.Within(t.Context(), url, "BEGIN", func(exec func(string) error) error { return exec("INSERT INTO child VALUES (1)") })
	if err == nil || !strings.Contains(err.Error(), "23503") || errors.Is(err, ledger.ErrOutcomeUnknown) || errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("got %v, want the foreign key's violation, certainly not stored", err)
	}
	// A statement that failed unseen leaves a transaction whose COMMIT rolls back.
	_, err = postgres.Within(t.Context(), url, "BEGIN", func(exec func(string) error) error {
		_ = exec("INSERT INTO nowhere VALUES (1)")
		return nil
	})
	if err == nil {
		t.Error("a COMMIT that rolled back was taken for one that stored")
	}
	if n := count(t, url, "SELECT count(*) FROM child"); n != 0 {
		t.Errorf("%d rows are stored", n)
	}
}

// TestDeadlock makes two transactions wait for each other: one is tried again.
func TestDeadlock(t *testing.T) {
	url := pgtest.NewDatabase(t)
	must(t, url, "CREATE TABLE two (id int PRIMARY KEY, n int)", "INSERT INTO two VALUES (0, 0), (1, 0)")
	var first, done sync.WaitGroup
	first.Add(2)
	restarts := make([]int, 2)
	for who := range 2 {
		done.Go(func() {
			tries := 0
			n, err := postgres.Within(t.Context(), url, "BEGIN", func(exec func(string) error) error {
				if err := exec("UPDATE two SET n = n + 1 WHERE id = " + str(who)); err != nil {
					return err
				}
				if tries++; tries == 1 {
					first.Done()
					first.Wait()
				}
				return exec("UPDATE two SET n = n + 1 WHERE id = " + str(1-who))
			})
			if restarts[who] = n; err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := count(t, url, "SELECT sum(n) FROM two"); n != 4 || restarts[0]+restarts[1] == 0 {
		t.Errorf("sum %d, want 4; restarts %v", n, restarts)
	}
}
