package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"bahi/migrations"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Bring the book's tables to this version. Safe to repeat, and by many at once."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations and when each was applied."`
}

type migrateUpCmd struct {
	storage
}

// Run migrates; serve does the same at its start, where its role may.
func (c *migrateUpCmd) Run() error {
	ctx := context.Background()
	return c.migrations(ctx, func(db *sql.DB, d migrations.Dialect) error {
		if err := migrations.Up(ctx, db, d); err != nil {
			return err
		}
		return printSteps(ctx, db, d)
	})
}

type migrateStatusCmd struct {
	storage
}

// Run lists the migrations.
func (c *migrateStatusCmd) Run() error {
	ctx := context.Background()
	return c.migrations(ctx, func(db *sql.DB, d migrations.Dialect) error { return printSteps(ctx, db, d) })
}

func printSteps(ctx context.Context, db *sql.DB, d migrations.Dialect) error {
	steps, err := migrations.Status(ctx, db, d)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		applied := "pending"
		if !s.Applied.IsZero() {
			applied = s.Applied.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s/%s\t%s\n", d, s.Name, applied)
	}
	return w.Flush()
}
