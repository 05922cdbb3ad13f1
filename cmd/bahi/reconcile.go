package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"bahi/ledger/reconcile/statement"
)

type reconcileCmd struct {
	Ingest   reconcileIngestCmd   `cmd:"" help:"Take banks' statements, and the switch's files, into the book."`
	Run      reconcileRunCmd      `cmd:"" help:"Match what banks said with the book; open and close breaks."`
	Status   reconcileStatusCmd   `cmd:"" help:"Show the last run, and how many breaks there are."`
	Breaks   reconcileBreaksCmd   `cmd:"" help:"List breaks, by their deadline."`
	Show     reconcileShowCmd     `cmd:"" help:"Show all that is known of a break."`
	Assign   reconcileAssignCmd   `cmd:"" help:"Give a break to somebody."`
	Comment  reconcileCommentCmd  `cmd:"" help:"Comment a break."`
	Close    reconcileCloseCmd    `cmd:"" help:"Close a break as it is."`
	Propose  reconcileProposeCmd  `cmd:"" help:"Propose a correction of a break, or show what it would do."`
	Approve  reconcileApproveCmd  `cmd:"" help:"Approve a correction that somebody else proposed."`
	Withdraw reconcileWithdrawCmd `cmd:"" help:"Take a correction back that was not applied."`
	Apply    reconcileApplyCmd    `cmd:"" help:"Apply a correction."`
	Check    reconcileCheckCmd    `cmd:"" help:"Read banks' statements and say of each whether its balances, counts and control sums hold, or the first line that is wrong."`
}

// statementOptions say how files are to be read.
type statementOptions struct {
	Format  string `enum:",camt.053,camt.054,mt940,bai2,upi,settlement,csv,jsonl" default:"" help:"What the files are: camt.053, camt.054, mt940, bai2, upi, settlement, csv, jsonl. By their content if not given."`
	Mapping string `help:"A YAML file that says how a CSV is laid out."`
}

func (c *statementOptions) options() (o statement.Options, err error) {
	o.Format = statement.Format(c.Format)
	if (o.Format == statement.CSV) != (c.Mapping != "") && o.Format != "" {
		return o, usagef("--format csv needs --mapping, and no other format takes it")
	}
	if c.Mapping != "" {
		if o.Mapping, err = readMapping(c.Mapping); err != nil {
			return o, usagef("%s: %w", c.Mapping, err)
		}
	}
	return o, nil
}

type reconcileCheckCmd struct {
	statementOptions
	Files []string `arg:"" name:"file" help:"The files."`
}

// Run reads every file, also after one that is wrong.
func (c *reconcileCheckCmd) Run() error {
	o, err := c.options()
	if err != nil {
		return err
	}
	wrong := 0
	for _, file := range c.Files {
		if err := checkStatements(file, o); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return usageError{err}
			}
			wrong++
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d files wrong", wrong, len(c.Files))
	}
	return nil
}

func readMapping(file string) (*statement.Mapping, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return statement.ReadMapping(f)
}

// checkStatements prints each statement as it ends, and returns the first mistake.
func checkStatements(file string, o statement.Options) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var h statement.Header
	for item, err := range statement.Read(f, o) {
		if err != nil {
			return located(file, err)
		}
		switch item := item.(type) {
		case statement.Header:
			h = item
		case statement.End:
			fmt.Printf("%s:%d: %s %s, statement %s of %s, %s, %d lines: opening %s + credits %s - debits %s = closing %s, ok\n",
				file, h.Line, h.Format, printable(strings.Trim(h.Bank+"/"+h.Account, "/")), printable(h.ID), h.Date.Format(time.DateOnly),
				h.Currency, item.Lines, balance(h.Opening), item.Credits, item.Debits, balance(item.Closing))
		}
	}
	return nil
}

// balance is a balance, or a dash for one that the file doesn't state.
func balance(b *statement.Balance) string {
	if b == nil {
		return "-"
	}
	return b.String()
}

// printable quotes what would do something to a terminal.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
