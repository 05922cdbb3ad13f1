package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"bahi/ledger/columns"
)

// writer is the connection that commits batches. It speaks the protocol's
// extended form below pgx: parameters are arrays that are built once, and rows
// are read as they come.
type writer struct {
	pg       *pgconn.PgConn
	prepared map[string]*pgconn.StatementDescription
	arrays   arrays // of parameters

	statements map[*columns.Change]*statement
}

func connect(ctx context.Context, cfg *pgconn.Config, settings []string) (*writer, error) {
	pg, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, failed("connect", err)
	}
	w := &writer{pg: pg, prepared: map[string]*pgconn.StatementDescription{}, statements: map[*columns.Change]*statement{}}
	for _, s := range settings {
		if _, err := w.exec(ctx, s); err != nil {
			w.close()
			return nil, failed(s, err)
		}
	}
	return w, nil
}

// exec runs a statement without parameters and returns its tag.
func (w *writer) exec(ctx context.Context, sql string) (tag string, err error) {
	results, err := w.pg.Exec(ctx, sql).ReadAll()
	if err == nil && len(results) > 0 {
		tag = results[len(results)-1].CommandTag.String()
	}
	return tag, err
}

// query is one statement of a batch.
type query struct {
	sql    string
	params [][]byte     // binary
	each   func(*row)   // nil where no rows are wanted; the row is only valid during the call
	done   func(string) // nil, or told the statement's tag
}

var binaryFormat = []int16{1}

// run sends all queries at once and reads their results in order: those behind one
// that fails are not done. Their parameters are of no use after it.
func (w *writer) run(ctx context.Context, queries []query) error {
	defer w.arrays.takeBack()
	if len(queries) == 0 {
		return nil
	}
	batch := &pgconn.Batch{}
	for _, q := range queries {
		s, err := w.prepare(ctx, q.sql)
		if err != nil {
			return err
		}
		batch.ExecStatement(s, q.params, binaryFormat, binaryFormat)
	}
	results := w.pg.ExecBatch(ctx, batch)
	r := &row{} // one for all rows: the loop's own would be another for each
	for n := 0; results.NextResult(); n++ {
		rows := results.ResultReader()
		for each := queries[n].each; rows.NextRow(); {
			if each != nil {
				r.values, r.next = rows.Values(), 0
				each(r)
			}
		}
		tag, err := rows.Close()
		if err != nil {
			_ = results.Close() // says the same
			return err
		}
		if done := queries[n].done; done != nil {
			done(tag.String())
		}
	}
	return results.Close()
}

// prepare is the prepared statement, prepared at its first use.
func (w *writer) prepare(ctx context.Context, sql string) (*pgconn.StatementDescription, error) {
	if s, ok := w.prepared[sql]; ok {
		return s, nil
	}
	s, err := w.pg.Prepare(ctx, fmt.Sprintf("bahi_%d", len(w.prepared)), sql, nil)
	if err != nil {
		return nil, fmt.Errorf("%w in: %s", err, sql)
	}
	w.prepared[sql] = s
	return s, nil
}

// close drops the connection, and with it a transaction that is open.
func (w *writer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = w.pg.Close(ctx) // nothing is lost with it
}
