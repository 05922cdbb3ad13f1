package sqlite

import (
	"context"
	"database/sql/driver"
	"strconv"
	"strings"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Transfers implements [ledger.Reader].
func (s *Store) Transfers(ctx context.Context, f ledger.TransferFilter, page ledger.Page) ([]ledger.Transfer, error) {
	query, args := transferList(&f, page)
	return list(s, ctx, columns.ReadTransfer, query, args...)
}

// transferList walks an index from the newest. Where one index does not have all
// of the transfers, it takes a page from each.
func transferList(f *ledger.TransferFilter, page ledger.Page) (query string, args []driver.Value) {
	if !f.Party.IsZero() {
		return partyList(f, page)
	}
	var parts []string
	for _, s := range sources(f) {
		where, terms := filterTerms(f, s.id, s.narrow)
		parts = append(parts, `SELECT `+columns.TransfersNow+` FROM `+s.from+` AND `+where+s.id+` < ? ORDER BY `+s.id+` DESC LIMIT ?`)
		args = append(append(args, terms...), columns.Before(page), int64(page.Limit))
	}
	if len(parts) == 1 {
		return parts[0], args
	}
	return `SELECT * FROM (` + strings.Join(parts, `) UNION ALL SELECT * FROM (`) + `) ORDER BY 1 DESC LIMIT ?`, append(args, int64(page.Limit))
}

// partyList takes a page of what the party pays and a page of what it is paid.
// UNION drops the transfers that it is at both ends of, such as a top-up.
func partyList(f *ledger.TransferFilter, page ledger.Page) (query string, args []driver.Value) {
	where, terms := filterTerms(f, "t.id", true)
	side := func(column string) string {
		args = append(append(append(args, f.Party[:]), terms...), columns.Before(page), int64(page.Limit))
		return `SELECT * FROM (SELECT t.id FROM transfers AS t` + lastStep + `WHERE ` + column + ` = ? AND ` + where + `t.id < ? ORDER BY t.id DESC LIMIT ?)`
	}
	ids := side("payer_party") + ` UNION ` + side("payee_party")
	return `SELECT ` + columns.TransfersNow + ` FROM transfers AS t` + lastStep + `WHERE t.id IN (` + ids + `) ORDER BY t.id DESC LIMIT ?`, append(args, int64(page.Limit))
}

// source is a part of the book, each in the order of id.
type source struct {
	from   string // tables and conditions
	id     string // of the transfer
	narrow bool   // it has an index of its own
}

// sources are where the transfers are looked for. A state is in no index of theirs:
// who waits for a bank is found by its open instruction, of which there are few,
// who is held by its record, and who is at rest by the step that brought it there,
// unless it was born so.
func sources(f *ledger.TransferFilter) []source {
	switch {
	case f.State == 0, f.State == ledger.Completed, f.Conversation != "":
		return []source{{from: `transfers AS t` + lastStep + `WHERE true`, id: "t.id"}}
	case f.State.Waits():
		return []source{{from: `(SELECT DISTINCT transfer AS id FROM instructions INDEXED BY instructions_due WHERE state IN (1, 2, 3)) AS w CROSS JOIN transfers AS t ON t.id = w.id` + lastStep + `WHERE true`,
			id: "t.id", narrow: true}}
	case f.State == ledger.Held:
		return []source{{from: `records AS h CROSS JOIN transfers AS t ON t.id = h.id` + lastStep + `WHERE h.kind = ` + strconv.Itoa(int(ledger.RecordHold)), id: "h.id", narrow: true}}
	}
	parts := []source{{from: `steps AS s CROSS JOIN transfers AS t ON t.id = s.transfer
	WHERE s.state = ` + strconv.Itoa(int(f.State)) + ` AND s.state NOT IN (1, 2, 3, 6, 10) AND s.n = (SELECT max(n) FROM steps AS m WHERE m.transfer = s.transfer)`,
		id: "s.transfer", narrow: true}}
	if f.State == ledger.Failed {
		parts = append(parts, source{from: `transfers AS t LEFT JOIN steps AS s ON s.transfer = t.id WHERE t.state = 4`, id: "t.id", narrow: true})
	}
	return parts
}

// filterTerms are the filter's conditions but the party's, each with an AND
// behind it. The narrowest one chooses the index; a plus before a column keeps
// SQLite, which has no statistics here, from another choice.
func filterTerms(f *ledger.TransferFilter, id string, chosen bool) (where string, args []driver.Value) {
	equal := func(column string, value driver.Value) {
		if chosen {
			column = "+" + column
		}
		chosen = true
		where += column + " = ? AND "
		args = append(args, value)
	}
	if f.Conversation != "" {
		equal("t.conversation", f.Conversation)
	}
	if f.State != 0 {
		where += "COALESCE(s.state, t.state) = ? AND "
		args = append(args, int64(f.State))
	}
	if f.App != "" {
		equal("t.app", f.App)
	}
	// Every index ends with the id, which tells about when: only a period is walked.
	first, last := ledger.IDsOf(f.From, f.Until)
	if f.From != 0 {
		where += "t.created >= ? AND " + id + " >= ? AND "
		args = append(args, f.From, first[:])
	}
	if f.Until != 0 {
		where += "t.created < ? AND " + id + " < ? AND "
		args = append(args, f.Until, last[:])
	}
	return where, args
}
