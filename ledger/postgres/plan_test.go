package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"bahi/ledger"
	"bahi/ledger/columns"
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
		"records_pkey":              {App: "chat", State: ledger.Held},
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

// TestPlansOfMany fills the tables of the reconciliation: its lists come out of an
// index in their order, a range is not the whole table, and nor is a cut.
func TestPlansOfMany(t *testing.T) {
	url := pgtest.NewDatabase(t)
	d := open(t, url)
	defer d.Close()
	id := func(n string) string { return "lpad(to_hex(" + n + "), 32, '0')::uuid" }
	must(t, url, `INSERT INTO breaks SELECT `+id("i")+`, 1 + i % 12, `+id("i / 2")+`, 1, NULL, NULL, NULL, NULL, NULL, 'SBIN', 'INR', i / 1000, 1, 2, 0, 1, 2, 0,
			2 - (i % 10) / 9, CASE WHEN i % 10 < 9 THEN 1 END, 'ravi', 1, 1, i, 0, 0 FROM generate_series(1, 20000) AS i`,
		`INSERT INTO lines SELECT 1, 'SBIN', `+id("i * 7919 % 100003")+`, 1, i / 1000, 1, 'INR', true, false, true, 1, `+id("i")+`, '', '', '', '', '', 1 FROM generate_series(1, 50000) AS i`,
		`INSERT INTO matches SELECT `+id("i")+`, 1, 1, 'SBIN', `+id("i * 7919 % 100003")+`, 1, 1 FROM generate_series(1, 50000) AS i`,
		`INSERT INTO transfers (id, app, kind, payer_bank, payee_bank, amount, currency, created, state) SELECT `+id("i")+`, 'chat', 1, 'SBIN', 'HDFC', 1, 'INR', 1, 3 FROM generate_series(1, 50000) AS i`,
		`INSERT INTO postings SELECT `+id("i")+`, 2, NULL, `+id("1")+`, `+id("2")+`, 1, 'INR', i, i, 0, i, 1 FROM generate_series(1, 50000) AS i`,
		"ANALYZE breaks", "ANALYZE lines", "ANALYZE matches", "ANALYZE transfers", "ANALYZE postings")
	part := ledger.Range{First: ledger.ID{14: 10}, Last: ledger.ID{14: 12}} // 512 of them
	for index, query := range map[string]string{
		"lines_by_transfer":  postgres.RangeQuery(part, "lines", columns.Lines, "source, bank, key, n"),
		"matches_pkey":       postgres.RangeQuery(part, "matches", columns.Matches, "leg, source, bank, key, n"),
		"breaks_by_transfer": postgres.RangeQuery(part, "breaks", columns.Breaks, "id"),
	} {
		if p := plan(t, d.db, "DECLARE c CURSOR FOR "+query, nil); strings.Contains(p, "Sort") || !strings.Contains(p, "Index Scan using "+index) {
			t.Errorf("want %s without a sort\n%s\n%s", index, query, p)
		}
	}
	for _, s := range postgres.Reading {
		if _, err := d.db.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for index, filter := range map[string]ledger.BreakFilter{
		"breaks_by_deadline": {Bank: "SBIN", Owner: "ravi", From: 1, Until: 2},
		"breaks_by_state":    {State: ledger.BreakOpen, Bank: "SBIN"},
		"breaks_by_class":    {State: ledger.BreakOpen, Class: ledger.ClassLate, Owner: "ravi"},
		"breaks_by_transfer": {Transfer: ledger.NewID()},
	} {
		query, args := postgres.BreakList(&filter, ledger.BreakPlace{Deadline: 9}, 10)
		p := plan(t, d.db, query, args)
		sorts := strings.Contains(p, "Sort") && filter.Transfer.IsZero() // of a transfer there are few
		if sorts || !strings.Contains(p, index) {
			t.Errorf("%+v: want %s without a sort\n%s\n%s", filter, index, query, p)
		}
	}
	p := plan(t, d.db, postgres.Flows, []any{[][16]byte{{15: 1}}, []int64{100}, []int64{200}})
	if !strings.Contains(p, "postings_by_debit") || !strings.Contains(p, "postings_by_credit") || strings.Contains(p, "Merge Join") || strings.Contains(p, "Hash Join") || strings.Contains(p, "Seq Scan") {
		t.Errorf("a cut walks more than its part\n%s", p)
	}
}

// TestPlansOfLog plans reads of the log while it is empty, since a plan is kept, and again
// when it is long and nearly all of it is sealed.
func TestPlansOfLog(t *testing.T) {
	url := pgtest.NewDatabase(t)
	d := open(t, url)
	defer d.Close()
	for _, s := range postgres.Reading {
		if _, err := d.db.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	plans := func(sorts bool) {
		for query, q := range postgres.LogQueries {
			p := plan(t, d.db, query, q.Args)
			whole := strings.Contains(p, "Seq Scan") || strings.Contains(p, "Merge Join") || strings.Contains(p, "Hash Join")
			if whole || strings.Contains(p, "Sort") && !sorts || !strings.Contains(p, q.Index) {
				t.Errorf("want %s\n%s\n%s", q.Index, query, p)
			}
		}
	}
	plans(true) // what an index finds may be sorted
	must(t, url, `INSERT INTO log (first, at, leaves, data) SELECT CASE WHEN i < 19990 THEN i * 3 END, i / 10, 3, '\x00' FROM generate_series(1, 20000) AS i`, "ANALYZE log")
	plans(false)
	p := plan(t, d.db, postgres.Place, []any{[]int64{1}, []int64{1}})
	if !strings.Contains(p, "Nested Loop") || !strings.Contains(p, "log_pkey") {
		t.Errorf("places are given by a walk\n%s", p)
	}
}

// TestPlansOfRecords plans lists of records while there are none, since a plan is kept, and
// again when there are many.
func TestPlansOfRecords(t *testing.T) {
	url := pgtest.NewDatabase(t)
	d := open(t, url)
	defer d.Close()
	for _, s := range postgres.Reading {
		if _, err := d.db.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	plans := func(many bool) {
		check := func(index, query string, args []any) {
			p := plan(t, d.db, query, args)
			whole := strings.Contains(p, "Seq Scan") || strings.Contains(p, "Merge Join") || strings.Contains(p, "Hash Join")
			if whole || many && (strings.Contains(p, "Sort") || !strings.Contains(p, index)) {
				t.Errorf("want %s without a sort\n%s\n%s", index, query, p)
			}
		}
		id := ledger.ID{15: 7}
		for index, filter := range map[string]ledger.RecordFilter{
			"records_pkey":            {},
			"records_by_app":          {App: "rare"},
			"records_by_parent":       {App: "chat", Parent: id},
			"records_by_conversation": {App: "chat", Conversation: "c7", State: 1},
			"record_parties_pkey":     {App: "chat", Party: id, State: 1},
		} {
			filter.Kind = ledger.RecordRequest
			query, args := postgres.RecordList(&filter, ledger.Page{Limit: 10})
			check(index, query, args)
		}
		check("records_due", postgres.DueRecords, []any{int64(900), int64(1), int64(1), make([]byte, 16), 10})
	}
	plans(false)
	id := func(n string) string { return "lpad(to_hex(" + n + "), 32, '0')::uuid" }
	must(t, url, `INSERT INTO records SELECT 4 + i % 2 * 2, `+id("i")+`, CASE WHEN i % 100 = 0 THEN 'rare' ELSE 'chat' END, NULL, `+id("i % 100")+`, 'c' || i % 100, 1, CASE WHEN i % 10 = 0 THEN i END, '{}', NULL, 1, 1
			FROM generate_series(1, 30000) AS i`,
		`INSERT INTO record_parties SELECT `+id("i % 100")+`, 4 + i % 2 * 2, `+id("i")+` FROM generate_series(1, 30000) AS i`,
		"ANALYZE records", "ANALYZE record_parties")
	plans(true)
}
