package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/storetest"
)

// database is a store with a door of its own to the database, as another program has.
type database struct {
	*postgres.Store
	url string
	db  *pgx.Conn
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

func open(t *testing.T, url string) *database {
	t.Helper()
	store, err := postgres.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return &database{Store: store, url: url, db: db}
}

func (d *database) Close() error {
	if err := d.db.Close(context.Background()); err != nil {
		return err
	}
	return d.Store.Close()
}
func (d *database) Reopen(t *testing.T) ledger.Store { return open(t, d.url) }
func (d *database) Exec(c context.Context, q string) error {
	_, err := d.db.Exec(c, q)
	return err
}
func (d *database) Count(c context.Context, q string) (n int64, err error) {
	return n, d.db.QueryRow(c, q).Scan(&n)
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) ledger.Store { return open(t, pgtest.NewDatabase(t)) })
}
