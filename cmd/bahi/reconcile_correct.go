package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"bahi/ledger"
	"bahi/ledger/address"
	"bahi/ledger/reconcile"
)

type reconcileProposeCmd struct {
	desk
	Action string `help:"What to do; what the table of the reconciliation has for the break if not given."`
	DryRun bool   `help:"Show what it would do, and store nothing."`
	Break  string `arg:"" help:"The break's id."`
}

// Run proposes a correction, and shows what it would do.
func (c *reconcileProposeCmd) Run() error {
	var action ledger.Action
	if c.Action != "" {
		var ok bool
		if action, ok = ledger.ParseAction(c.Action); !ok {
			return usagef("--action: there is no %q; see bahi reconcile show", c.Action)
		}
	}
	ctx := context.Background()
	return c.about(ctx, "reconcile propose", c.Break, func(d *reconcile.Desk, id ledger.ID) error {
		if !c.DryRun {
			if _, err := d.Propose(ctx, id, action, c.who()); err != nil {
				return err
			}
		}
		plan, err := d.Rehearse(ctx, id, action, c.who())
		if err != nil {
			return err
		}
		printPlan(&plan, c.DryRun)
		return nil
	})
}

func printPlan(r *reconcile.Rehearsal, dry bool) {
	what := "proposed"
	if dry {
		what = "would be proposed"
	}
	fmt.Printf("%s %s: %s %s\n", r.Correction.ID.CorrectionRef(), what, r.Correction.Action, ledger.Amount{Minor: r.Correction.Difference, Currency: r.Correction.Currency})
	for _, p := range r.Postings {
		fmt.Printf("  %s: debit %s, credit %s, %s %s\n", p.Event, p.Debit.Path, p.Credit.Path, p.Amount, p.Amount.Currency)
	}
	if r.Transfer != nil {
		fmt.Printf("  transfer %s becomes %s\n", r.Transfer.ID.TransferRef(), r.Transfer.State)
	}
	if r.Payout != nil {
		fmt.Printf("  pays %s %s from suspense to %s\n", r.Payout.Amount, r.Payout.Amount.Currency, printable(r.Payout.Payee.Name))
	}
}

type reconcileApproveCmd struct {
	desk
	Correction string `arg:"" help:"The correction's id."`
}

// Run is the second person's yes.
func (c *reconcileApproveCmd) Run() error {
	return c.decide("reconcile approve", c.Correction, func(ctx context.Context, d *reconcile.Desk, id ledger.ID) (ledger.Correction, error) {
		return d.Approve(ctx, id, c.who())
	})
}

type reconcileWithdrawCmd struct {
	desk
	Correction string `arg:"" help:"The correction's id."`
}

// Run takes a proposal back.
func (c *reconcileWithdrawCmd) Run() error {
	return c.decide("reconcile withdraw", c.Correction, func(ctx context.Context, d *reconcile.Desk, id ledger.ID) (ledger.Correction, error) {
		return d.Withdraw(ctx, id, c.who())
	})
}

type reconcileApplyCmd struct {
	desk
	Override   string `help:"Why it is applied on the very day that it is about; else that is refused."`
	Correction string `arg:"" help:"The correction's id."`
}

// Run does what a correction proposes. A bank that is to be asked for it is asked by a server.
func (c *reconcileApplyCmd) Run() error {
	if c.Override != "" {
		if err := address.Text(c.Override, 1000); err != nil {
			return usagef("--override: %w", err)
		}
	}
	return c.decide("reconcile apply", c.Correction, func(ctx context.Context, d *reconcile.Desk, id ledger.ID) (ledger.Correction, error) {
		return d.Apply(ctx, id, c.Override, c.who())
	})
}

func (d desk) decide(command, ref string, f func(context.Context, *reconcile.Desk, ledger.ID) (ledger.Correction, error)) error {
	id, err := ledger.ParseCorrectionRef(ref)
	if err != nil {
		return usagef("%s: %w", ref, err)
	}
	ctx := context.Background()
	return d.work(ctx, command, "correction "+ref, func(desk *reconcile.Desk) error {
		made, err := f(ctx, desk, id)
		if errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("there is no correction %s", ref)
		}
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		printCorrection(w, &made)
		return w.Flush()
	})
}
