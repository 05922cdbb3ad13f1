package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/sqlite"
)

// TestPlans demands that no read walks a table or sorts more than a page.
func TestPlans(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "book.db"))
	defer f.Close()
	for _, filter := range sqlite.Filters() {
		query, args := sqlite.TransferList(&filter, ledger.Page{Limit: 10})
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = a
		}
		p := plan(t, f.db, query, values...)
		want := "PRIMARY KEY (id<?)"
		switch { // the narrowest term has the index
		case !filter.Party.IsZero():
			want = "transfers_by_payee (payee_party=? AND id<?)"
		case filter.Conversation != "":
			want = "transfers_by_conversation (conversation=? AND id<?)"
		case filter.State == ledger.Pending:
			want = "SCAN instructions USING INDEX instructions_due"
		case filter.State == ledger.Reversed:
			want = "steps_by_state (state=? AND transfer<?)"
		case filter.State == ledger.Failed:
			want = "transfers_born_failed (id<?)"
			if !strings.Contains(p, "steps_by_state (state=? AND transfer") {
				t.Errorf("%+v: want steps_by_state too\n%s\n%s", filter, query, p)
			}
		case filter.State == ledger.Held:
			want = "h USING PRIMARY KEY (kind=? AND id<?)"
		case filter.App != "":
			want = "transfers_by_app (app=? AND id<?)"
		}
		if filter.From != 0 { // a period is a part of the index
			want = strings.Replace(want, "id<?", "id>? AND id<?", 1)
			want = strings.Replace(want, "transfer<?", "transfer>? AND transfer<?", 1)
		}
		// What waits for a bank is little; of a party and of the failed two pages are sorted.
		few := !filter.Party.IsZero() || filter.Conversation == "" && (filter.State == ledger.Pending || filter.State == ledger.Failed)
		sorts := strings.Contains(p, "TEMP B-TREE FOR ORDER BY") && !few
		if strings.Contains(p, "SCAN t") || sorts || !strings.Contains(p, want) {
			t.Errorf("%+v: want %s\n%s\n%s", filter, want, query, p)
		}
	}
	for _, query := range []string{sqlite.Statement, sqlite.Due, sqlite.Drivers, sqlite.Resolve} {
		if p := plan(t, f.db, query, make([]any, strings.Count(query, "?"))...); strings.Contains(p, "SCAN postings") || strings.Contains(p, "SCAN instructions") || strings.Contains(p, "SCAN t") || strings.Contains(p, "TEMP B-TREE") {
			t.Errorf("%s\n%s", query, p)
		}
	}
	for query, want := range sqlite.Evidence {
		p := plan(t, f.db, query, make([]any, 4)[:values(query)]...)
		if !strings.Contains(p, want) || strings.Contains(p, "SCAN t") || strings.Contains(p, "SCAN p") {
			t.Errorf("want %s\n%s\n%s", want, query, p)
		}
	}
	for query, want := range sqlite.Log {
		p := plan(t, f.db, query, make([]any, 2*32)[:values(query)]...)
		if !strings.Contains(p, want) || strings.Contains(p, "SCAN p") || strings.Contains(p, "SCAN t") || strings.Contains(p, "TEMP B-TREE") {
			t.Errorf("want %s\n%s\n%s", want, query, p)
		}
	}
	for query, want := range sqlite.Records {
		p := plan(t, f.db, query, make([]any, 5)[:values(query)]...)
		if !strings.Contains(p, want) || strings.Contains(p, "TEMP B-TREE") {
			t.Errorf("want %s\n%s\n%s", want, query, p)
		}
	}
	id := ledger.NewID()
	for index, filter := range map[string]ledger.RecordFilter{
		"PRIMARY KEY (kind=? AND id<?)":                                      {State: 1},
		"records_by_app (app=? AND kind=? AND id<?)":                         {App: "chat", State: 1},
		"records_by_parent (parent=? AND kind=? AND id<?)":                   {App: "chat", Parent: id},
		"records_by_conversation (conversation=? AND kind=? AND id<?)":       {App: "chat", Conversation: "c", State: 1},
		"SEARCH p USING PRIMARY KEY (party=? AND kind=? AND id<?)":           {App: "chat", Party: id, State: 1},
		"SEARCH r USING PRIMARY KEY (kind=? AND id=?)":                       {Party: id},
		"SEARCH p USING PRIMARY KEY (party=? AND kind=? AND id<?)\nSEARCH r": {Party: id, Parent: id, Conversation: "c"},
	} {
		filter.Kind = ledger.RecordRequest
		query, args := sqlite.RecordList(&filter, ledger.Page{Limit: 10})
		if p := plan(t, f.db, query, make([]any, len(args))...); !strings.Contains(p, index) || strings.Contains(p, "SCAN") || strings.Contains(p, "TEMP B-TREE") {
			t.Errorf("%+v: want %s without a sort\n%s\n%s", filter, index, query, p)
		}
	}
	for index, filter := range map[string]ledger.BreakFilter{
		"breaks_by_deadline ((deadline,id)>(?,?)":                      {Class: ledger.ClassLate, Bank: "SBIN", Owner: "ravi", From: 1, Until: 2},
		"breaks_by_state (state=? AND (deadline,id)>(?,?)":             {State: ledger.BreakOpen, Bank: "SBIN"},
		"breaks_by_class (class=? AND state=? AND (deadline,id)>(?,?)": {State: ledger.BreakOpen, Class: ledger.ClassLate, Owner: "ravi"},
		"breaks_by_transfer (transfer=?)":                              {State: ledger.BreakOpen, Transfer: ledger.NewID()},
	} {
		query, args := sqlite.BreakList(&filter, ledger.BreakPlace{Deadline: 9}, 10)
		p := plan(t, f.db, query, make([]any, len(args))...)
		sorts := strings.Contains(p, "TEMP B-TREE") && filter.Transfer.IsZero() // of a transfer there are few
		if sorts || !strings.Contains(p, index) {
			t.Errorf("%+v: want %s without a sort\n%s\n%s", filter, index, query, p)
		}
	}
	for _, table := range []string{"transfers", "instructions", "contradictions", "lines", "matches", "breaks", "corrections"} {
		column := "transfer"
		if table == "transfers" {
			column = "id"
		}
		query, args := sqlite.RangeQuery(ledger.Range{Last: ledger.NewID()}, "SELECT * FROM "+table, column, "")
		if p := plan(t, f.db, query, make([]any, len(args))...); !strings.Contains(p, "("+column+">? AND "+column+"<?)") || strings.Contains(p, "TEMP B-TREE") {
			t.Errorf("%s\n%s", query, p)
		}
	}
	if p := plan(t, f.db, sqlite.Lines); !strings.Contains(p, "MERGE (UNION ALL)") || strings.Contains(p, "TEMP B-TREE") {
		t.Errorf("the lines of all accounts are sorted, not merged:\n%s", p)
	}
}

func plan(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, detail)
	}
	return strings.Join(lines, "\n")
}

// values is how many a query takes.
func values(query string) int {
	for n := 64; n > 0; n-- {
		if strings.Contains(query, fmt.Sprintf("?%d", n)) { // numbered
			return n
		}
	}
	return strings.Count(query, "?")
}
