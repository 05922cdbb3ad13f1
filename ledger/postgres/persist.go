package postgres

import (
	"bahi/ledger"
	"bahi/ledger/columns"
)

// persist are the statements that write what the batch changed, in the order of
// their first use.
func (w *writer) persist(s *ledger.Set) ([]query, error) {
	var bulks []*bulk
	err := columns.Persist(s, func(c *columns.Change) columns.Writer {
		statement := w.statement(c)
		for _, b := range bulks {
			if b.statement == statement {
				return b
			}
		}
		b := newBulk(statement, &w.arrays)
		bulks = append(bulks, b)
		return b
	})
	qs := make([]query, len(bulks))
	for i, b := range bulks {
		qs[i] = b.query()
	}
	return qs, err
}

// statement is the change's statement, made at its first use.
func (w *writer) statement(c *columns.Change) *statement {
	s, ok := w.statements[c]
	if !ok {
		s = statementOf(c)
		w.statements[c] = s
	}
	return s
}
