package postgres

import (
	"context"
	"strconv"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// Transfers implements [ledger.Reader].
func (s *Store) Transfers(ctx context.Context, f ledger.TransferFilter, page ledger.Page) ([]ledger.Transfer, error) {
	query, args := transferList(&f, page)
	return list(s, ctx, columns.ReadTransfer, query, args...)
}

// terms gathers the conditions of a query and their values.
type terms struct {
	where string
	args  []any
}

func (t *terms) value(v any) string {
	t.args = append(t.args, v)
	return "$" + strconv.Itoa(len(t.args))
}

func (t *terms) and(condition string, v any) { t.where += " AND " + condition + " " + t.value(v) }

// transferList walks an index from the newest. With a party it takes a page of
// those it pays and a page of those it is paid by, each from an index of its
// own; UNION drops the transfers that are in both, such as a top-up.
func transferList(f *ledger.TransferFilter, page ledger.Page) (query string, args []any) {
	t := filterTerms(f, page)
	limit := t.value(page.Limit)
	if f.Party.IsZero() {
		return `SELECT ` + columns.Of("t", columns.Transfers) + ` FROM ` + from(f, page, t) + ` WHERE true` + t.where + ` ORDER BY id DESC LIMIT ` + limit, t.args
	}
	party := t.value(f.Party[:])
	side := func(column string) string {
		return `(SELECT id FROM transfers AS t WHERE ` + column + ` = ` + party + t.where + ` ORDER BY id DESC LIMIT ` + limit + `)`
	}
	return `SELECT ` + columns.Transfers + ` FROM transfers WHERE id IN (` + side("payer_party") + ` UNION ` + side("payee_party") +
		`) ORDER BY id DESC LIMIT ` + limit, t.args
}

// from is where the transfers are looked for. A state is in no index of theirs:
// who waits for a bank is found by its open instruction, of which there are few,
// and who is at rest by the step that brought it there.
func from(f *ledger.TransferFilter, page ledger.Page, t *terms) string {
	switch {
	case f.State == 0, f.State == ledger.Completed, f.Conversation != "":
		return `transfers AS t`
	case f.State.Waits():
		return `(SELECT DISTINCT transfer AS id FROM instructions WHERE state IN (1, 2, 3)) AS w JOIN transfers AS t USING (id)`
	default:
		return `(SELECT DISTINCT transfer AS id FROM steps WHERE state = ` + t.value(int64(f.State)) + ` AND state NOT IN (1, 2, 3, 6) AND transfer < ` +
			t.value(columns.Before(page)) + ` ORDER BY transfer DESC) AS w JOIN transfers AS t USING (id)`
	}
}

// filterTerms are the page's and the filter's conditions but the party's.
func filterTerms(f *ledger.TransferFilter, page ledger.Page) *terms {
	t := &terms{}
	t.and("id <", columns.Before(page))
	if f.Conversation != "" {
		t.and("conversation =", f.Conversation)
	}
	if f.State != 0 {
		t.and("t.state =", int64(f.State))
	}
	if f.App != "" {
		t.and("app =", f.App)
	}
	// Every index ends with the id, which tells about when: only a period is walked.
	first, last := ledger.IDsOf(f.From, f.Until)
	if f.From != 0 {
		t.and("created >=", f.From)
		t.and("id >=", first[:])
	}
	if f.Until != 0 {
		t.and("created <", f.Until)
		t.and("id <", last[:])
	}
	return t
}
