// Package postgres keeps the book in PostgreSQL or CockroachDB.
//
// One connection of each node commits batches; a pool of others reads. (With two
// that commit at once, batches were half as large, a transfer cost a tenth more,
// and no more were done: the processors are the bound, not the wait for the disk.) Rows
// that a batch may change are locked in the order of their keys, so that
// batches of several nodes wait for each other instead of failing. The server
// says which of the two it is; they differ in how a transaction is tried again
// and in how keys are spread, not in what is stored.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"bahi/ledger"
	"bahi/migrations"
)

// Store is a [ledger.Store] in a PostgreSQL or CockroachDB database.
type Store struct {
	config    *pgconn.Config
	writer    *writer // nil after a fault: connected again by the next Commit
	readers   *pgxpool.Pool
	cockroach bool
	begin     string // of a batch
	settings  []string
	snapshot  pgx.TxOptions
}

var _ ledger.Store = (*Store)(nil)

const (
	connectTimeout = 5 * time.Second
	commitTimeout  = 20 * time.Second // a server that is silent for longer is given up
	closeTimeout   = time.Second
	maxReaders     = 8
)

// Settings of a PostgreSQL session. The book's queries all go by an index; a
// plan made while a table was still small would read all of it for good. A node
// that stops in the middle of a batch must not hold its locks against the others.
var (
	reading = []string{
		"SET enable_seqscan = off",
		"SET plan_cache_mode = force_generic_plan",
		"SET jit = off",
	}
	writing = append(reading[:len(reading):len(reading)],
		"SET idle_in_transaction_session_timeout = '5s'",
		"SET synchronous_commit = on",
	)
)

// Open opens the book in the database that the URL names, and brings its tables
// to the newest version. Of several hosts in the URL the one that takes writes
// is used, and looked for again when it is lost. Close releases it.
func Open(ctx context.Context, url string) (*Store, error) {
	cfg, err := configOf(url)
	if err != nil {
		return nil, err
	}
	s := &Store{config: &cfg.ConnConfig.Config}
	err = Migrations(ctx, url, func(db *sql.DB, d migrations.Dialect) error {
		s.cockroach = d == migrations.Cockroach
		return migrations.Up(ctx, db, d)
	})
	if err != nil {
		return nil, err
	}
	if s.cockroach {
		s.begin = "BEGIN ISOLATION LEVEL SERIALIZABLE"
		s.snapshot = pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}
	} else {
		s.snapshot = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		s.begin, s.settings = "BEGIN ISOLATION LEVEL READ COMMITTED", writing
		cfg.AfterConnect = prepareReader
	}
	if s.readers, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, failed("open", err)
	}
	if err := s.connectWriter(ctx); err != nil {
		s.readers.Close()
		return nil, err
	}
	return s, nil
}

func configOf(url string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	cfg.MaxConns = max(cfg.MaxConns, maxReaders)
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "bahi"
	}
	// After a fail-over the old primary may be back as a standby: the book is read where it is written.
	cfg.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	return cfg, nil
}

func prepareReader(ctx context.Context, c *pgx.Conn) error {
	for _, s := range reading {
		if _, err := c.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Migrations calls f with the database that the URL names and its dialect, as
// package migrations wants them.
func Migrations(ctx context.Context, url string, f func(*sql.DB, migrations.Dialect) error) error {
	cfg, err := configOf(url)
	if err != nil {
		return err
	}
	w, err := connect(ctx, &cfg.ConnConfig.Config, nil)
	if err != nil {
		return err
	}
	dialect := migrations.Postgres
	if w.pg.ParameterStatus("crdb_version") != "" {
		dialect = migrations.Cockroach
	}
	w.close()
	db := stdlib.OpenDB(*cfg.ConnConfig)
	return errors.Join(f(db, dialect), db.Close())
}

// Exists says whether there is a book in the database that the URL names.
func Exists(ctx context.Context, url string) (exists bool, err error) {
	err = Migrations(ctx, url, func(db *sql.DB, _ migrations.Dialect) error {
		return db.QueryRowContext(ctx, "SELECT to_regclass('postings') IS NOT NULL").Scan(&exists)
	})
	return exists, err
}

// Close waits for reads under way and closes the connections.
func (s *Store) Close() error {
	s.readers.Close()
	if s.writer != nil {
		s.writer.close()
	}
	return nil
}
