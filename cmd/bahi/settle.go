package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"bahi/ledger"
	"bahi/ledger/settle"
)

type settleCmd struct {
	Close   settleCloseCmd   `cmd:"" help:"Close a window, or all that are over. A closed one stays as it is."`
	Report  settleReportCmd  `cmd:"" help:"Print what the banks owe and are owed for a closed window."`
	Confirm settleConfirmCmd `cmd:"" help:"Take in that a bank has settled a window, or that its payment failed."`
	Status  settleStatusCmd  `cmd:"" help:"List the latest windows and how far they are settled, or the positions of one."`
}

// settlement is the book, also one that a server is writing to, and its schedule.
type settlement struct {
	storage
	Settlement string `help:"File with the windows and fees; without one they are UPI's." env:"BAHI_SETTLEMENT" type:"path"`
}

// work calls f with a desk over the book, once it is written down who is at it.
func (s *settlement) work(command, window, subject string, f func(ctx context.Context, d *settle.Desk) error) error {
	schedule, err := readSchedule(s.Settlement)
	if err != nil {
		return err
	}
	ctx := context.Background()
	return s.storage.work(ctx, nil, func(store ledger.Store, book *ledger.Pipeline) error {
		if _, ok := schedule.Find(window); ok { // else it may be anything
			subject = joined("window "+window, subject)
		}
		if err := accessed(ctx, book, loginName(), command, subject); err != nil {
			return err
		}
		return f(ctx, &settle.Desk{Book: book, Reader: store, Schedule: schedule})
	})
}

type settleCloseCmd struct {
	settlement
	By     string `help:"Who closes it, for the record." default:"operator" env:"BAHI_BY"`
	Window string `arg:"" optional:"" help:"The window (upi-2026-11-25-03); all that are over, in order, if not given."`
}

// Run closes and prints the windows that were closed.
func (c *settleCloseCmd) Run() error {
	return c.work("settle close", c.Window, "", func(ctx context.Context, d *settle.Desk) (err error) {
		var closed []ledger.Window
		if c.Window == "" {
			closed, err = d.CloseDue(ctx, time.Now().UnixMicro(), c.By)
		} else {
			closed = make([]ledger.Window, 1)
			if closed[0], err = d.Close(ctx, c.Window, c.By); err != nil {
				return err
			}
		}
		for i := range closed {
			fmt.Printf("%s %s closed %s\n", closed[i].ID, closed[i].Kind, when(closed[i].Closed))
		}
		if err == nil && len(closed) == 0 {
			fmt.Fprintln(os.Stderr, "No window is to be closed.")
		}
		return err
	})
}

type settleReportCmd struct {
	settlement
	Format string `enum:"json,csv,pain.001,camt.054" default:"json" help:"json, csv, pain.001 (the payments of the banks that owe) or camt.054 (those to the banks that are owed)."`
	Window string `arg:"" help:"The window (upi-2026-11-25-03)."`
}

// Run prints the report.
func (c *settleReportCmd) Run() error {
	return c.work("settle report", c.Window, "format "+c.Format, func(ctx context.Context, d *settle.Desk) error {
		r, err := d.Report(ctx, c.Window)
		if err != nil {
			return err
		}
		return r.Write(os.Stdout, c.Format)
	})
}

type settleConfirmCmd struct {
	settlement
	By       string `help:"Who confirms it, for the record." default:"operator" env:"BAHI_BY"`
	Ref      string `help:"The payment's reference."`
	Failed   bool   `help:"The payment failed. It may still be made and confirmed later."`
	Currency string `help:"The position's currency." default:"INR"`
	Window   string `arg:"" help:"The window (upi-2026-11-25-03)."`
	Bank     string `arg:"" help:"The bank's code."`
	Amount   string `arg:"" help:"What was paid (1250.00), whichever way the position goes."`
}

// Run confirms.
func (c *settleConfirmCmd) Run() error {
	amount, err := ledger.ParseAmount(c.Amount, c.Currency)
	if err != nil {
		return usagef("the amount: %w", err)
	}
	return c.work("settle confirm", c.Window, aboutBank(c.Bank), func(ctx context.Context, d *settle.Desk) error {
		r, err := d.Report(ctx, c.Window)
		if err != nil {
			return err
		}
		confirm := settle.ConfirmPosition{Window: c.Window, Bank: c.Bank, Currency: amount.Currency, Amount: amount.Minor, Failed: c.Failed, Ref: c.Ref, By: c.By}
		for i := range r.Positions {
			if p := &r.Positions[i]; p.Bank == c.Bank && p.Currency == amount.Currency && settle.Owes(p) < 0 {
				confirm.Amount = -amount.Minor
			}
		}
		p, err := d.Confirm(ctx, confirm)
		if err != nil {
			return err
		}
		return printPositions(os.Stdout, []ledger.Position{p})
	})
}

type settleStatusCmd struct {
	settlement
	Limit  int    `help:"How many windows to list." default:"24"`
	Window string `arg:"" optional:"" help:"The window whose positions to list."`
}

// Run lists windows, newest first, or the positions of one.
func (c *settleStatusCmd) Run() error {
	return c.work("settle status", c.Window, "", func(ctx context.Context, d *settle.Desk) error {
		if c.Window != "" {
			r, err := d.Report(ctx, c.Window)
			if err != nil {
				return err
			}
			return printPositions(os.Stdout, r.Positions)
		}
		windows, err := d.Reader.Windows(ctx, d.Schedule.Scheme, "", c.Limit)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "WINDOW\tKIND\tCLOSED\tBY\tOPEN\tCONFIRMED\tFAILED")
		for i := range windows {
			positions, err := d.Positions(ctx, &windows[i])
			if err != nil {
				return err
			}
			n := map[ledger.PositionState]int{}
			for _, p := range positions {
				if p.Bank != "" {
					n[p.State]++
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", windows[i].ID, windows[i].Kind, when(windows[i].Closed), orDash(windows[i].By),
				n[ledger.PositionOpen], n[ledger.PositionConfirmed], n[ledger.PositionFailed])
		}
		return w.Flush()
	})
}

func printPositions(out io.Writer, positions []ledger.Position) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BANK\tCURRENCY\tREMITTED\tRECEIVED\tFEES\tPAYS\tGETS\tSTATE\tREF\tBY")
	for i := range positions {
		p := &positions[i]
		sum := func(minor int64) string { return ledger.Amount{Minor: minor, Currency: p.Currency}.String() }
		pays, gets, bank, state := sum(max(0, settle.Owes(p))), sum(max(0, -settle.Owes(p))), p.Bank, p.State.String()
		if bank == "" {
			bank, state = settle.Itself, "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", bank, p.Currency, sum(p.Remitted.Minor), sum(p.Received.Minor), sum(p.Fees), pays, gets, state, orDash(p.Ref), orDash(p.By))
	}
	return w.Flush()
}
