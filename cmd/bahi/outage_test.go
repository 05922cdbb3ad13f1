package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bahi/ledger/postgres/pgtest"
)

// privateServer is a PostgreSQL that a test may treat badly.
func privateServer(t *testing.T) (pg *pgtest.Server, where storage) {
	t.Helper()
	pg, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Close(); err != nil {
			t.Error(err)
		}
	})
	url, err := pg.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pg, storage{Data: filepath.Join(t.TempDir(), "data"), DatabaseURL: url}
}

// TestDatabaseRestarts stops the database at once, again and again, and starts it
// after a while: the server goes on by itself.
func TestDatabaseRestarts(t *testing.T) {
	pg, where := privateServer(t)
	testCrash(t, where, 1, func(c *crash) {
		for range 5 {
			c.sleep(300, 900)
			if err := pg.StopImmediate(); err != nil {
				t.Fatal(err)
			}
			c.sleep(50, 400)
			c.mustRefuse()
			if err := pg.StartAgain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.sleep(300, 600)
	})
}

// mustRefuse sends a request while the database is away: the answer says so, and when to come again.
func (c *crash) mustRefuse() {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), "GET", c.nodes[0].server.url+"/v1/transfers", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.secret)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatalf("%v\n%s", err, tail(c.log.String(), 6000))
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		c.t.Errorf("with the database away the answer is %d, Retry-After %q", a.StatusCode, a.Header.Get("Retry-After"))
	}
}

// TestDatabaseFreezes stops every process of the database where it is for ten seconds.
func TestDatabaseFreezes(t *testing.T) {
	pg, where := privateServer(t)
	testCrash(t, where, 1, func(c *crash) {
		c.sleep(500, 1500)
		if err := pg.Freeze(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := pg.Thaw(); err != nil {
			t.Fatal(err)
		}
		c.sleep(1000, 1500)
	})
}

// TestFailOver kills the primary under load and promotes its synchronous standby:
// the URL that names both is enough to go on, with all that was acknowledged.
func TestFailOver(t *testing.T) {
	pg, where := privateServer(t)
	standby, err := pg.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	where.DatabaseURL = multiHost(t, where.DatabaseURL, standby.URL("postgres"))
	testCrash(t, where, 1, func(c *crash) {
		c.sleep(1000, 2000)
		if err := pg.Kill(); err != nil {
			t.Fatal(err)
		}
		c.sleep(100, 500)
		if err := standby.Promote(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.sleep(1500, 2500)
	})
}

// multiHost names the second URL's host beside the first's.
func multiHost(t *testing.T, first, second string) string {
	t.Helper()
	_, host, ok := strings.Cut(second, "@")
	host, _, ok2 := strings.Cut(host, "/")
	user, rest, ok3 := strings.Cut(first, "@")
	own, database, ok4 := strings.Cut(rest, "/")
	if !ok || !ok2 || !ok3 || !ok4 {
		t.Fatalf("cannot join %s and %s", first, second)
	}
	return user + "@" + own + "," + host + "/" + database
}
