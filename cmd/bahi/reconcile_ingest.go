package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"bahi/ledger"
	"bahi/ledger/reconcile"
	"bahi/ledger/reconcile/statement"
	"bahi/ledger/settle"
)

type reconcileIngestCmd struct {
	desk
	statementOptions
	Bank     string `help:"The bank whose statements they are, such as SBIN; as the files say if not given."`
	Mirrored bool   `help:"The statements are of our own account at the bank: what it pays in there it has taken from a customer."`
	JSON     bool   `help:"Print one JSON object per file."`

	Settlement string `help:"File with the settlement's windows, which a settlement report is compared with; without one they are UPI's." env:"BAHI_SETTLEMENT" type:"path"`

	Files []string `arg:"" name:"file" help:"The files; - is the standard input."`
}

// Run takes every file in, also after one that is wrong.
func (c *reconcileIngestCmd) Run() error {
	o, err := c.options()
	if err != nil {
		return err
	}
	if c.Bank != "" && !reconcile.IsBankCode(c.Bank) {
		return usagef("--bank: a bank's code is four capital letters, such as SBIN")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	wrong := 0
	err = c.work(ctx, "reconcile ingest", fmt.Sprint(len(c.Files), " files"), func(d *reconcile.Desk) error {
		for _, file := range c.Files {
			err := c.ingest(ctx, d, file, reconcile.IngestOptions{Format: o.Format, Mapping: o.Mapping, Bank: c.Bank, Mirrored: c.Mirrored, By: c.who()})
			switch {
			case errors.Is(err, os.ErrNotExist):
				return usageError{err}
			case isMistake(err):
				wrong++
				fmt.Fprintln(os.Stderr, located(file, err))
			case err != nil:
				return located(file, err)
			}
		}
		return nil
	})
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%d of %d files wrong", wrong, len(c.Files))
	}
	return err
}

func (c *reconcileIngestCmd) ingest(ctx context.Context, d *reconcile.Desk, file string, o reconcile.IngestOptions) error {
	f, err := openTwice(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := reconcile.Ingest(ctx, d.Book, d.Reader, f, o)
	if err != nil {
		return err
	}
	schedule, err := readSchedule(c.Settlement)
	if err != nil {
		return usageError{err}
	}
	settlement := settle.Desk{Book: d.Book, Reader: d.Reader, Schedule: schedule}
	differ, err := settlement.TakeFile(ctx, &in, f)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"file": file, "sha256": fmt.Sprintf("%x", in.File), "again": in.Again,
			"statements": len(in.Statements), "lines": in.Lines, "days": len(in.Covered)})
	}
	again := ""
	if in.Again {
		again = ", taken in before: nothing changes"
	}
	fmt.Printf("%s: %d statements, %d lines, all of %d days%s\n", file, len(in.Statements), in.Lines, len(in.Covered), again)
	for i := range differ {
		b := &differ[i]
		fmt.Printf("  %s %s: the report says that %q owes %s, we say %s\n", b.ID.BreakRef(), b.Subject.Window, b.Subject.Bank,
			ledger.Amount{Minor: b.Theirs, Currency: b.Currency}, ledger.Amount{Minor: b.Ours, Currency: b.Currency})
	}
	return nil
}

// openTwice opens a file to be read twice.
func openTwice(file string) (interface {
	io.ReadSeeker
	io.Closer
}, error) {
	if file == "-" {
		return reconcile.Spool(os.Stdin)
	}
	return os.Open(file)
}

func isMistake(err error) bool {
	var m *statement.Mistake
	return errors.As(err, &m)
}

// located says of an error which file it is about, and where.
func located(file string, err error) error {
	var m *statement.Mistake
	if errors.As(err, &m) {
		return fmt.Errorf("%s:%d: %s: %s", file, m.Line, m.Field, m.Text)
	}
	return fmt.Errorf("%s: %w", file, err)
}
