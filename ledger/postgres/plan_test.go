package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
)

// TestPlans demands that no read walks a table, and that a list comes out of an
// index in its order.
func TestPlans(t *testing.T) {
	d := open(t, pgtest.NewDatabase(t))
	defer d.Close()
	for _, s := range postgres.Reading {
		if _, err := d.db.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for index, filter := range map[string]ledger.TransferFilter{
		"transfers_pkey":            {},
		"transfers_by_app":          {App: "chat"},
		"transfers_by_conversation": {App: "chat", Conversation: "c"},
		"transfers_by_payee":        {App: "chat", Party: ledger.NewID()},
		"steps_by_state":            {App: "chat", State: ledger.Reversed},
		"transfers_born_failed":     {App: "chat", State: ledger.Failed},
		"instructions_due":          {State: ledger.Pending},
	} {
		query, args := postgres.TransferList(&filter, ledger.Page{Limit: 10})
		p := plan(t, d.db, query, args)
		// What waits for a bank is little; of a party and of the failed two pages are sorted.
		sorts := strings.Contains(p, "Sort") && filter.Party.IsZero() && !filter.State.Waits() && filter.State != ledger.Failed
		if strings.Contains(p, "Seq Scan") || sorts || !strings.Contains(p, index) {
			t.Errorf("%+v: want %s without a sort\n%s\n%s", filter, index, query, p)
		}
	}
	for query, args := range postgres.Queries {
		if p := plan(t, d.db, query, args); strings.Contains(p, "Seq Scan") {
			t.Errorf("%s\n%s", query, p)
		}
	}
}

func plan(t *testing.T, c *pgx.Conn, query string, args []any) string {
	t.Helper()
	rows, err := c.Query(t.Context(), "EXPLAIN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return strings.Join(lines, "\n")
}
