package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Within runs f in a transaction as a batch is, on a connection of its own, and
// says how often it was tried again. begin may ask for another isolation level.
func Within(ctx context.Context, url, begin string, f func(exec func(sql string) error) error) (restarts int, err error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return 0, err
	}
	w, err := connect(ctx, &cfg.ConnConfig.Config, nil)
	if err != nil {
		return 0, err
	}
	defer w.close()
	t := &transaction{w: w, cockroach: w.pg.ParameterStatus("crdb_version") != "", begin: begin}
	err = t.within(ctx, func() error {
		return f(func(sql string) error {
			_, err := w.exec(ctx, sql)
			return err
		})
	})
	return t.restarts, (&Store{}).outcome(t, err)
}

// DropWriter closes the connection of the next batch from the server's side of the wire.
func DropWriter(s *Store) error { return s.writer.pg.Conn().Close() }
