package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/crdbproxy"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/storetest"
)

// behindProxy is an empty book behind a proxy that behaves like CockroachDB. The
// tables are PostgreSQL's: hash-sharded keys are a matter of CockroachDB's own grammar.
func behindProxy(t *testing.T) (proxy *crdbproxy.Proxy, url, direct string) {
	t.Helper()
	direct = pgtest.NewDatabase(t)
	if err := open(t, direct).Close(); err != nil {
		t.Fatal(err)
	}
	proxy, err := crdbproxy.Listen(direct)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return proxy, proxy.URL(direct), direct
}

// writes says whether the statement is one of a batch.
func writes(sql string) bool {
	return strings.HasSuffix(sql, "FOR UPDATE") || strings.HasPrefix(sql, "INSERT") || strings.HasPrefix(sql, "UPDATE") || strings.HasPrefix(sql, "RELEASE")
}

// TestStoreCockroach runs the suite with one in twenty statements of the batches
// answered by a restart, the commit too, and one in twenty reads, before its rows
// or behind them.
func TestStoreCockroach(t *testing.T) {
	var restarts atomic.Int64
	storetest.Run(t, func(t *testing.T) ledger.Store {
		proxy, url, _ := behindProxy(t)
		d := open(t, url)
		proxy.Inject(func(sql string) crdbproxy.Fault {
			if !(writes(sql) || reads(sql)) || rand.IntN(20) != 0 {
				return crdbproxy.None
			}
			restarts.Add(1)
			if reads(sql) && rand.IntN(2) == 0 {
				return crdbproxy.RestartLate
			}
			return crdbproxy.Restart
		})
		return d
	})
	if restarts.Load() == 0 {
		t.Error("no statement was restarted")
	}
}

// TestRestartEverywhere has each statement of one batch answered by a restart, one
// after the other: whichever it is, the batch is stored once.
func TestRestartEverywhere(t *testing.T) {
	proxy, url, direct := behindProxy(t)
	d := open(t, url)
	defer d.Close()
	book := ledger.NewPipeline(d.Store, ledger.PipelineOptions{})
	defer book.Close()
	wallets := richPeople(t, book, 2, 1_000_000)
	const most = 30
	hit := 0
	for nth := range int64(most) {
		var n atomic.Int64
		proxy.Inject(func(sql string) crdbproxy.Fault {
			if sql != "ROLLBACK TO SAVEPOINT cockroach_restart" && sql != "BEGIN ISOLATION LEVEL SERIALIZABLE" && n.Add(1) == nth+1 && writes(sql) {
				hit++
				return crdbproxy.Restart
			}
			return crdbproxy.None
		})
		if _, err := ledger.Do[ledger.Transfer](t.Context(), book, payment(wallets[0], wallets[1], 1)); err != nil {
			t.Errorf("restart at statement %d: %v", nth+1, err)
		}
	}
	proxy.Inject(nil)
	if n := count(t, direct, "SELECT count(*) FROM postings WHERE event = 5"); n != most {
		t.Errorf("%d postings, want %d", n, most)
	}
	if hit < 5 { // accounts, transfer, steps, posting, release
		t.Errorf("%d statements were restarted", hit)
	}
}

// TestUnknownOutcome loses the connection at the commit, before and after it
// happened: the outcome is unknown, and a repeat under the key finds it out.
func TestUnknownOutcome(t *testing.T) {
	for name, fault := range map[string]crdbproxy.Fault{"stored": crdbproxy.DropAfter, "not stored": crdbproxy.DropBefore} {
		t.Run(name, func(t *testing.T) {
			proxy, url, direct := behindProxy(t)
			d := open(t, url)
			defer d.Close()
			book := ledger.NewPipeline(privacytest.Over(t, d.Store), ledger.PipelineOptions{})
			defer book.Close()
			wallets := richPeople(t, book, 2, 1000)
			var n atomic.Int64
			proxy.Inject(func(sql string) crdbproxy.Fault {
				if strings.HasPrefix(sql, "RELEASE") && n.Add(1) == 1 {
					return fault
				}
				return crdbproxy.None
			})
			send := func() (ledger.Reply, error) {
				return book.Submit(t.Context(), ledger.Request{Command: payment(wallets[0], wallets[1], 10), Key: &ledger.IdempotencyKey{App: "chat", Key: "k"},
					Answer: func(any) (int, []byte) { return 201, []byte("done") }})
			}
			if _, err := send(); !errors.Is(err, ledger.ErrOutcomeUnknown) {
				t.Errorf("got %v, want ErrOutcomeUnknown", err)
			}
			reply, err := send()
			if err != nil || reply.Replayed != (fault == crdbproxy.DropAfter) || string(reply.Answer.Body) != "done" {
				t.Errorf("repeated: %+v, %v", reply, err)
			}
			if n := count(t, direct, "SELECT count(*) FROM postings WHERE event = 5"); n != 1 {
				t.Errorf("%d postings, want 1", n)
			}
		})
	}
}

// TestLostBeforeCommit loses the connection at a statement: certainly nothing is stored.
func TestLostBeforeCommit(t *testing.T) {
	proxy, url, direct := behindProxy(t)
	d := open(t, url)
	defer d.Close()
	book := ledger.NewPipeline(d.Store, ledger.PipelineOptions{})
	defer book.Close()
	wallets := richPeople(t, book, 2, 1000)
	var n atomic.Int64
	proxy.Inject(func(sql string) crdbproxy.Fault {
		if strings.HasPrefix(sql, "INSERT INTO postings") && n.Add(1) == 1 {
			return crdbproxy.DropAfter
		}
		return crdbproxy.None
	})
	if _, err := ledger.Do[ledger.Transfer](t.Context(), book, payment(wallets[0], wallets[1], 10)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if n := count(t, direct, "SELECT count(*) FROM postings WHERE event = 5"); n != 0 {
		t.Errorf("%d postings, want none", n)
	}
	if _, err := ledger.Do[ledger.Transfer](t.Context(), book, payment(wallets[0], wallets[1], 10)); err != nil {
		t.Error(err)
	}
}

// TestGrammar has CockroachDB's own parser read every text that is sent to it,
// and the migrations.
func TestGrammar(t *testing.T) {
	if raced {
		t.Skip("is run without the race detector, which tells nothing of SQL's grammar")
	}
	proxy, url, _ := behindProxy(t)
	t.Run("every statement", func(t *testing.T) {
		first := true
		storetest.Run(t, func(t *testing.T) ledger.Store {
			if first {
				first = false
				return open(t, url)
			}
			other, url, _ := behindProxy(t)
			t.Cleanup(func() { parse(t, other.Statements()) })
			return open(t, url)
		})
	})
	parse(t, proxy.Statements())
	files, err := filepath.Glob("../../migrations/cockroach/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	statements, sharded := 0, 0
	for _, file := range files {
		sql, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.Parse(string(sql))
		if err != nil || len(parsed) == 0 {
			t.Errorf("%s: %d statements, %v", file, len(parsed), err)
		}
		statements += len(parsed)
		sharded += strings.Count(string(sql), "USING HASH")
	}
	if statements < 99 || sharded < 41 {
		t.Errorf("%d statements of migrations, %d keys sharded by a hash", statements, sharded)
	}
	if _, err := parser.Parse("SELECT FROM WHERE"); err == nil {
		t.Error("the parser accepts everything")
	}
}

func parse(t *testing.T, statements []string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := parser.Parse(sql); err != nil && !storetestOwn(sql) {
			t.Errorf("%v in: %s", err, sql)
		}
	}
}

// storetestOwn are texts of the tests and of the driver.
func storetestOwn(sql string) bool { return strings.HasPrefix(sql, "--") }

// TestServer runs the suite against the server of BAHI_TEST_DATABASE_URL, each
// test in a database of its own: a cluster's owner sees that it holds there.
func TestServer(t *testing.T) {
	url := os.Getenv("BAHI_TEST_DATABASE_URL")
	if url == "" {
		return // an offer to those who have a cluster; PostgreSQL and the proxy are tested always
	}
	storetest.Run(t, func(t *testing.T) ledger.Store {
		name := fmt.Sprintf("bahi_test_%s", strings.ToLower(ledger.NewID().TransferRef()))
		must(t, url, "CREATE DATABASE "+name)
		t.Cleanup(func() { must(t, url, "DROP DATABASE "+name) })
		return open(t, postgres.WithDatabase(url, name))
	})
}
