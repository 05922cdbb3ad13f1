package postgres

import (
	"context"
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

// transferList walks an index from the newest. Where one index does not have all
// of the transfers, it takes a page from each.
func transferList(f *ledger.TransferFilter, page ledger.Page) (query string, args []any) {
	t := filterTerms(f, page)
	limit := ` ORDER BY t.id DESC LIMIT ` + t.value(page.Limit)
	if f.Party.IsZero() {
		parts := sources(f, page, t)
		for i, source := range parts {
			parts[i] = `SELECT ` + columns.TransfersNow + ` FROM ` + source + t.where + limit
		}
		if len(parts) == 1 {
			return parts[0], t.args
		}
		return `(` + strings.Join(parts, `) UNION ALL (`) + `) ORDER BY 1 DESC LIMIT ` + t.value(page.Limit), t.args
	}
	// UNION drops the transfers that the party is at both ends of, such as a top-up.
	party := t.value(f.Party[:])
	side := func(column string) string {
		return `(SELECT t.id FROM transfers AS t` + lastStep + `WHERE ` + column + ` = ` + party + t.where + limit + `)`
	}
	return `SELECT ` + columns.TransfersNow + ` FROM transfers AS t` + lastStep + `WHERE t.id IN (` + side("payer_party") + ` UNION ` + side("payee_party") + `)` + limit, t.args
}

// sources are where the transfers are looked for. A state is in no index of theirs:
// who waits for a bank is found by its open instruction, of which there are few,
// who is held by its record, and who is at rest by the step that brought it there,
// unless it was born so.
func sources(f *ledger.TransferFilter, page ledger.Page, t *terms) []string {
	switch {
	case f.State == 0, f.State == ledger.Completed, f.Conversation != "":
		return []string{`transfers AS t` + lastStep + `WHERE true`}
	case f.State.Waits():
		return []string{`(SELECT DISTINCT transfer AS id FROM instructions WHERE state IN (1, 2, 3)) AS w JOIN transfers AS t USING (id)` + lastStep + `WHERE true`}
	}
	if f.State == ledger.Held {
		return []string{`(SELECT id FROM records WHERE kind = ` + strconv.Itoa(int(ledger.RecordHold)) + ` AND id < ` + t.value(columns.Before(page)) +
			` ORDER BY id DESC) AS w JOIN transfers AS t USING (id)` + lastStep + `WHERE true`}
	}
	parts := []string{`(SELECT DISTINCT transfer AS id FROM steps WHERE state = ` + t.value(int64(f.State)) + ` AND state NOT IN (1, 2, 3, 6, 10) AND transfer < ` +
		t.value(columns.Before(page)) + ` ORDER BY transfer DESC) AS w JOIN transfers AS t USING (id)` + lastStep + `WHERE true`}
	if f.State == ledger.Failed {
		parts = append(parts, `transfers AS t LEFT JOIN steps AS s ON s.transfer = t.id WHERE t.state = 4`)
	}
	return parts
}

// filterTerms are the page's and the filter's conditions but the party's.
func filterTerms(f *ledger.TransferFilter, page ledger.Page) *terms {
	t := &terms{}
	t.and("t.id <", columns.Before(page))
	if f.Conversation != "" {
		t.and("conversation =", f.Conversation)
	}
	if f.State != 0 {
		t.and("COALESCE(s.state, t.state) =", int64(f.State))
	}
	if f.App != "" {
		t.and("app =", f.App)
	}
	// Every index ends with the id, which tells about when: only a period is walked.
	first, last := ledger.IDsOf(f.From, f.Until)
	if f.From != 0 {
		t.and("created >=", f.From)
		t.and("t.id >=", first[:])
	}
	if f.Until != 0 {
		t.and("created <", f.Until)
		t.and("t.id <", last[:])
	}
	return t
}
