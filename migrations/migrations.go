// Package migrations holds the SQL that makes the book's tables, one folder per
// dialect. There is only a way up: the book is append-only, so a step back that
// drops a table isn't offered.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed sqlite/*.sql postgres/*.sql cockroach/*.sql
var files embed.FS

// Dialect names a folder of migrations.
type Dialect string

// The dialects.
const (
	SQLite    Dialect = "sqlite"
	Postgres  Dialect = "postgres"
	Cockroach Dialect = "cockroach"
)

// ErrNewer means that a newer program has changed the tables: this one would misread them.
var ErrNewer = errors.New("the database was changed by a newer version of bahi; run that version")

// Step is one migration.
type Step struct {
	Version int64
	Name    string
	Applied time.Time // zero: not yet
}

// Up brings the database to the newest version. Doing it again, or by many at
// the same moment, changes nothing more. A database that is newer is [ErrNewer].
func Up(ctx context.Context, db *sql.DB, d Dialect) error {
	p, err := provider(db, d)
	if err != nil {
		return err
	}
	// What is current is left alone: a role that only serves may not change tables.
	pending, err := pending(ctx, p)
	if err != nil || !pending {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}

// Status lists the migrations that this program knows, in their order.
func Status(ctx context.Context, db *sql.DB, d Dialect) (steps []Step, err error) {
	p, err := provider(db, d)
	if err != nil {
		return nil, err
	}
	if _, err := pending(ctx, p); err != nil {
		return nil, err
	}
	all, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	for _, s := range all {
		steps = append(steps, Step{Version: s.Source.Version, Name: s.Source.Path, Applied: s.AppliedAt})
	}
	return steps, nil
}

func pending(ctx context.Context, p *goose.Provider) (bool, error) {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("migrations: %w", err)
	}
	if current > target {
		return false, fmt.Errorf("migrations: %w (its tables are at version %d, this program knows %d)", ErrNewer, current, target)
	}
	return current < target, nil
}

func provider(db *sql.DB, d Dialect) (*goose.Provider, error) {
	dir, err := fs.Sub(files, string(d))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	dialect := goose.DialectSQLite3
	switch d {
	case Postgres:
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // looks each second
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	case Cockroach: // it has no advisory locks: one that answers "taken" without taking
		locker, err := lock.NewPostgresTableLocker()
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, dir, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}
