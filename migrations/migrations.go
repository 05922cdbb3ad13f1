// Package migrations holds the SQL that makes the book's tables, one folder per
// dialect. There is only a way up: the book is append-only, so a step back that
// drops a table isn't offered.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed sqlite/*.sql
var files embed.FS

// Dialect names a folder of migrations.
type Dialect string

// The dialects.
const (
	SQLite Dialect = "sqlite"
)

var gooseDialects = map[Dialect]goose.Dialect{SQLite: goose.DialectSQLite3}

// Up brings the database to the newest version. Doing it again changes nothing.
func Up(ctx context.Context, db *sql.DB, d Dialect) error {
	dir, err := fs.Sub(files, string(d))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(gooseDialects[d], db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}
