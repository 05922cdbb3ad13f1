package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// TestNodes has three servers share a database and the simulated banks, under
// load, and kills one of them: the others take over what it drove, and later it
// comes back and does its share again.
//
// It was seen to fail when each server had banks of its own, and when nobody took
// over what a dead node drove.
func TestNodes(t *testing.T) {
	where := storage{Data: filepath.Join(t.TempDir(), "data"), DatabaseURL: pgtest.NewDatabase(t)}
	testCrash(t, where, 3, func(c *crash) {
		c.killed = true
		w := watchNodes(t, where.DatabaseURL)
		dead := w.alive(3)[1]
		c.sleep(500, 1000)
		w.until("the node to be killed has much to do", func() bool { return len(w.open(dead)) >= 5 })
		c.nodes[1].server.kill()
		killed, left := time.Now(), w.open(dead)
		w.until("what a dead node drove is taken over", func() bool { return len(w.open(dead)) == 0 })
		t.Logf("%d instructions were taken over within %v", len(left), time.Since(killed).Round(time.Millisecond))
		if len(left) == 0 {
			t.Error("the node that was killed left nothing")
		}
		w.until("the dead node is declared gone", func() bool { return !slices.Contains(w.alive(2), dead) })
		c.sleep(200, 600)
		c.start(1)
		w.alive(3)
		w.until("all four have done their share", func() bool {
			return len(w.ids(`SELECT node FROM instructions WHERE state = 4 GROUP BY node HAVING count(*) >= 20`)) == 4
		})
	})
}

// TestDataOfOneBook: servers of a database do not share their directory with a
// book in a file, whichever comes first.
func TestDataOfOneBook(t *testing.T) {
	t.Parallel()
	inFile, inDatabase := t.TempDir(), t.TempDir()
	startServer(t, inFile, fastTimers...)
	url := pgtest.NewDatabase(t)
	shared, err := startChild(shippedProgram(t), storage{Data: inDatabase, DatabaseURL: url}, &safeBuilder{}, fastTimers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shared.kill)
	serve := []string{"serve", "--listen=127.0.0.1:0", "--data"}
	mustRefuse(t, exec.Command(shippedProgram(t), append(serve, inFile, "--database-url", url)...), "another server is using "+inFile)
	mustRefuse(t, exec.Command(shippedProgram(t), append(serve, inDatabase)...), "another server is using "+inDatabase)
}

// nodeWatch looks at a book's nodes beside the servers.
type nodeWatch struct {
	t  *testing.T
	db *pgx.Conn
}

func watchNodes(t *testing.T, url string) *nodeWatch {
	t.Helper()
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	return &nodeWatch{t, db}
}

// takeOverLimit is how long a node's death may go without consequence: a lease of
// three seconds, the time of a call to a bank, and a machine that is busy.
const takeOverLimit = 8 * time.Second

// until looks again and again whether it is done.
func (w *nodeWatch) until(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(takeOverLimit); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("after %v still not: %s", takeOverLimit, what)
		}
	}
}

// alive waits until so many nodes live. They come in the order of their first beats.
func (w *nodeWatch) alive(count int) (nodes []ledger.ID) {
	w.t.Helper()
	w.until("the nodes live", func() bool {
		nodes = w.ids(`SELECT id FROM nodes WHERE NOT gone ORDER BY started`)
		return len(nodes) == count
	})
	return nodes
}

// open are the transfers with an open instruction that the node drives.
func (w *nodeWatch) open(node ledger.ID) []ledger.ID {
	w.t.Helper()
	return w.ids(`SELECT transfer FROM instructions WHERE state IN (1, 2, 3) AND node = $1`, node[:])
}

func (w *nodeWatch) ids(sql string, args ...any) []ledger.ID {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), sql, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (id ledger.ID, err error) { return id, r.Scan((*[16]byte)(&id)) })
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}
