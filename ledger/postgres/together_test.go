package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// TestWhatFailsWithTheCommit: a batch's last statements travel with its COMMIT.
// One of them that fails, and a COMMIT that fails behind them, are both seen, are
// certainly not stored, and the next batch goes on.
func TestWhatFailsWithTheCommit(t *testing.T) {
	url := pgtest.NewDatabase(t)
	d := open(t, url)
	defer d.Close()
	must(t, url, "CREATE TABLE known (app text COLLATE \"C\" PRIMARY KEY)", "INSERT INTO known VALUES ('Asha')",
		"ALTER TABLE parties ADD CONSTRAINT no_mallory CHECK (app <> 'Mallory')",
		"ALTER TABLE parties ADD CONSTRAINT known_at_the_end FOREIGN KEY (app) REFERENCES known DEFERRABLE INITIALLY DEFERRED")
	policy := ledger.DefaultPolicy()
	commit := func(app string) error {
		c := ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: app, Name: "Asha", Kind: ledger.Person}}
		return d.Commit(context.Background(), func() *ledger.Set {
			s := ledger.NewSet(1, &policy)
			c.Declare(s)
			return s
		}, func(s *ledger.Set) error {
			_, err := c.Apply(s)
			return err
		})
	}
	for name, code := range map[string]string{"Mallory": "23514", "Stranger": "23503"} {
		err := commit(name)
		if err == nil || !strings.Contains(err.Error(), code) || errors.Is(err, ledger.ErrOutcomeUnknown) || errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s: got %v, want %s, certainly not stored", name, err, code)
		}
		if err := commit("Asha"); err != nil {
			t.Errorf("the batch after %s: %v", name, err)
		}
	}
	if n := count(t, url, "SELECT count(*) FROM parties"); n != 2 {
		t.Errorf("%d parties are stored, want Asha twice", n)
	}
}
