package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"bahi/ledger"
	"bahi/ledger/reconcile"
)

type reconcileBreaksCmd struct {
	desk
	State   string `help:"open, closed or all." enum:"open,closed,all" default:"open"`
	Class   string `help:"Only of this class, such as not_at_bank."`
	Bank    string `help:"Only about this bank."`
	Owner   string `help:"Only those that this person looks after."`
	Overdue bool   `help:"Only those whose deadline is over."`
	Limit   int    `help:"At most so many." default:"1000"`
}

// Run lists breaks by their deadline.
func (c *reconcileBreaksCmd) Run() error {
	f := ledger.BreakFilter{Bank: c.Bank, Owner: c.Owner}
	f.State, _ = ledger.ParseBreakState(c.State) // all: none
	if c.Class != "" {
		var ok bool
		if f.Class, ok = ledger.ParseClass(c.Class); !ok {
			return usagef("--class: one of %v", ledger.ClassNames())
		}
	}
	if c.Overdue {
		f.OverdueAt = time.Now().UnixMicro()
	}
	ctx := context.Background()
	return c.work(ctx, "reconcile breaks", c.subject(), func(d *reconcile.Desk) error {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "BREAK\tCLASS\tSTATE\tBANK\tDAY\tOURS\tTHEIRS\tOWNER\tABOUT")
		var after ledger.BreakPlace
		for left := c.Limit; left > 0; {
			page, err := d.Reader.Breaks(ctx, f, after, min(left, 200))
			if err != nil {
				return err
			}
			for i := range page {
				printBreak(w, &page[i])
			}
			if len(page) == 0 {
				break
			}
			after, left = page[len(page)-1].Place(), left-len(page)
		}
		return w.Flush()
	})
}

// subject says which breaks, without the names of who looks after them.
func (c *reconcileBreaksCmd) subject() string {
	parts := []string{"state " + c.State, c.Class, aboutBank(c.Bank)}
	if c.Owner != "" {
		parts = append(parts, "owner")
	}
	if c.Overdue {
		parts = append(parts, "overdue")
	}
	return joined(parts...)
}

func printBreak(w *tabwriter.Writer, b *ledger.Break) {
	state := b.State.String()
	if b.State == ledger.BreakClosed {
		state = b.Resolution.String()
	}
	about := b.Subject.Window
	if !b.Subject.Transfer.IsZero() {
		about = b.Subject.Transfer.TransferRef() + " " + b.Subject.Leg.String()
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.ID.BreakRef(), b.Class, state, b.Subject.Bank, b.Day,
		ledger.Amount{Minor: b.Ours, Currency: b.Currency}, ledger.Amount{Minor: b.Theirs, Currency: b.Currency}, b.Owner, about)
}

type reconcileShowCmd struct {
	desk
	Break string `arg:"" help:"The break's id."`
}

// Run shows all that is known of a break.
func (c *reconcileShowCmd) Run() error {
	ctx := context.Background()
	return c.about(ctx, "reconcile show", c.Break, func(d *reconcile.Desk, id ledger.ID) error {
		f, err := d.File(ctx, id)
		if err != nil {
			return err
		}
		b := &f.Break
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		printBreak(w, b)
		fmt.Fprintf(w, "bank says %s, switch says %s, book says %s\n", b.Bank, b.Switch, b.Book)
		for _, a := range f.Actions {
			fmt.Fprintf(w, "may be done: %s\n", a)
		}
		for i := range f.Lines {
			printLine(w, &f.Lines[i])
		}
		for i := range f.Corrections {
			printCorrection(w, &f.Corrections[i])
		}
		for _, n := range f.Notes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", time.UnixMicro(n.At).UTC().Format(time.RFC3339), n.What, n.By, printable(n.Text))
		}
		return w.Flush()
	})
}

func printLine(w *tabwriter.Writer, l *ledger.BankLine) {
	side := "credit"
	if l.Debit {
		side = "debit"
	}
	if l.Reversal {
		side += " reversal"
	}
	if !l.Moved {
		side += ", not moved"
	}
	fmt.Fprintf(w, "line\t%s %s\t%s\t%s %s\t%s\t%s\n", l.ID.Source, l.ID.Bank, l.Day, l.Amount, l.Amount.Currency, side, printable(l.Name+" "+l.RRN+" "+l.Reference))
}

func printCorrection(w *tabwriter.Writer, c *ledger.Correction) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%s %s\t%s\n", c.ID.CorrectionRef(), c.Action, c.State, ledger.Amount{Minor: c.Difference, Currency: c.Currency}, c.Currency, c.Break.BreakRef())
}

// about works on the break that the text names.
func (d desk) about(ctx context.Context, command, ref string, f func(d *reconcile.Desk, id ledger.ID) error) error {
	id, err := ledger.ParseBreakRef(ref)
	if err != nil {
		return usagef("%s: %w", ref, err)
	}
	return d.work(ctx, command, "break "+ref, func(desk *reconcile.Desk) error {
		err := f(desk, id)
		if errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("there is no break %s", ref)
		}
		return err
	})
}

type reconcileAssignCmd struct {
	desk
	Break string `arg:"" help:"The break's id."`
	Owner string `arg:"" help:"Who is to look after it."`
}

// Run gives a break to somebody.
func (c *reconcileAssignCmd) Run() error {
	return c.tend("reconcile assign", c.Break, c.Owner, (*reconcile.Desk).Assign)
}

type reconcileCommentCmd struct {
	desk
	Break string `arg:"" help:"The break's id."`
	Text  string `arg:"" help:"The comment."`
}

// Run adds a comment to a break's history.
func (c *reconcileCommentCmd) Run() error {
	return c.tend("reconcile comment", c.Break, c.Text, (*reconcile.Desk).Comment)
}

type reconcileCloseCmd struct {
	desk
	Break string `arg:"" help:"The break's id."`
	Text  string `arg:"" help:"Why nothing is to be corrected."`
}

// Run closes a break as it is.
func (c *reconcileCloseCmd) Run() error {
	return c.tend("reconcile close", c.Break, c.Text, (*reconcile.Desk).Dismiss)
}

func (d desk) tend(command, ref, text string, do func(d *reconcile.Desk, ctx context.Context, id ledger.ID, text, by string) (ledger.Break, error)) error {
	ctx := context.Background()
	return d.about(ctx, command, ref, func(desk *reconcile.Desk, id ledger.ID) error {
		b, err := do(desk, ctx, id, text, d.who())
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		printBreak(w, &b)
		return w.Flush()
	})
}
