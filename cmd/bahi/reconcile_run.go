package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"

	"bahi/ledger"
	"bahi/ledger/reconcile"
)

type reconcileRunCmd struct {
	desk
	Days  int    `help:"Look at the transfers of so many business days, up to today." default:"10"`
	From  string `help:"Of this day or later, such as 2026-11-25, instead of --days."`
	Until string `help:"With --from: and before this day; up to today if not given."`
}

// Validate is called by the parser.
func (c *reconcileRunCmd) Validate() error {
	if _, _, err := c.days(); err != nil {
		return err
	}
	return c.desk.Validate()
}

func (c *reconcileRunCmd) days() (from, until ledger.Day, err error) {
	from, until = c.lastDays(c.Days)
	if c.From != "" {
		if from, err = ledger.ParseDay(c.From); err != nil {
			return 0, 0, errors.New("--from: a day such as 2026-11-25")
		}
	}
	if c.Until != "" {
		if until, err = ledger.ParseDay(c.Until); err != nil || c.From == "" {
			return 0, 0, errors.New("--until: a day such as 2026-11-26, with --from")
		}
	}
	if from >= until {
		return 0, 0, errors.New("there is no day to look at: --until comes after --from, and --days is above 0")
	}
	return from, until, nil
}

// Run matches what banks said with the book.
func (c *reconcileRunCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	from, until, err := c.days()
	if err != nil {
		return err
	}
	return c.work(ctx, "reconcile run", fmt.Sprintf("days from %s, until %s", from, until), func(d *reconcile.Desk) error {
		run, err := reconcile.Run(ctx, d.Book, d.Reader, reconcile.Options{From: from, Until: until, Zone: d.Policy.Location(), By: c.who(), Now: d.Now})
		if err != nil {
			return err
		}
		printRun(&run)
		return nil
	})
}

func printRun(r *ledger.Run) {
	fmt.Printf("run %d, transfers from %s and before %s: ", r.N, r.From, r.Until)
	switch {
	case r.Ended != 0:
		fmt.Printf("%d lines, %d legs, %d matched, %d breaks open, in %s\n", r.Lines, r.Legs, r.Matched, r.Breaks,
			time.Duration((r.Ended-r.Began)*int64(time.Microsecond)).Round(time.Millisecond))
	case r.Superseded:
		fmt.Println("overtaken by a later one")
	default:
		fmt.Printf("goes on since %s\n", time.UnixMicro(r.Began).UTC().Format(time.RFC3339))
	}
}

type reconcileStatusCmd struct{ desk }

// Run shows the last run and how many breaks there are.
func (c *reconcileStatusCmd) Run() error {
	ctx := context.Background()
	return c.work(ctx, "reconcile status", "", func(d *reconcile.Desk) error {
		switch run, err := d.Reader.LastRun(ctx); {
		case err == nil:
			printRun(&run)
		case errors.Is(err, ledger.ErrNotFound):
			fmt.Println("there was no run yet")
		default:
			return err
		}
		counts, err := d.Reader.BreakCounts(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, n := range counts {
			fmt.Fprintf(w, "%s\t%s\t%d\n", n.Class, n.State, n.Count)
		}
		return w.Flush()
	})
}
