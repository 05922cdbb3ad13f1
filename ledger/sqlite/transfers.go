package sqlite

import (
	"context"
	"database/sql/driver"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Transfers implements [ledger.Reader].
func (s *Store) Transfers(ctx context.Context, f ledger.TransferFilter, page ledger.Page) ([]ledger.Transfer, error) {
	query, args := transferList(&f, page)
	return list(s, ctx, columns.ReadTransfer, query, args...)
}

// transferList walks an index from the newest. With a party it takes a page of
// those it pays and a page of those it is paid by, each from an index of its
// own; UNION drops the transfers that are in both, such as a top-up.
func transferList(f *ledger.TransferFilter, page ledger.Page) (query string, args []driver.Value) {
	where, terms := filterTerms(f)
	terms = append(terms, columns.Before(page), int64(page.Limit))
	if f.Party.IsZero() {
		return `SELECT ` + columns.Transfers + ` FROM transfers WHERE ` + where + `id < ? ORDER BY id DESC LIMIT ?`, terms
	}
	side := func(column string) string {
		args = append(append(args, f.Party[:]), terms...)
		return `SELECT * FROM (SELECT id FROM transfers WHERE ` + column + ` = ? AND ` + where + `id < ? ORDER BY id DESC LIMIT ?)`
	}
	ids := side("payer_party") + ` UNION ` + side("payee_party")
	return `SELECT ` + columns.Transfers + ` FROM transfers WHERE id IN (` + ids + `) ORDER BY id DESC LIMIT ?`, append(args, int64(page.Limit))
}

// filterTerms are the filter's conditions but the party's, each with an AND
// behind it. The narrowest one chooses the index; a plus before a column keeps
// SQLite, which has no statistics here, from another choice.
func filterTerms(f *ledger.TransferFilter) (where string, args []driver.Value) {
	chosen := !f.Party.IsZero()
	equal := func(column string, value driver.Value) {
		if chosen {
			column = "+" + column
		}
		chosen = true
		where += column + " = ? AND "
		args = append(args, value)
	}
	if f.Conversation != "" {
		equal("conversation", f.Conversation)
	}
	if f.State == ledger.Completed { // nearly all are: no index has them
		where += "+state = 3 AND "
	} else if f.State != 0 {
		where += "state <> 3 AND " // this is what the index holds
		equal("state", int64(f.State))
	}
	if f.App != "" {
		equal("app", f.App)
	}
	// Every index ends with the id, which tells about when: only a period is walked.
	first, last := ledger.IDsOf(f.From, f.Until)
	if f.From != 0 {
		where += "created >= ? AND id >= ? AND "
		args = append(args, f.From, first[:])
	}
	if f.Until != 0 {
		where += "created < ? AND id < ? AND "
		args = append(args, f.Until, last[:])
	}
	return where, args
}
