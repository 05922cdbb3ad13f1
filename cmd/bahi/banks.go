package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

type banksCmd struct {
	Check     banksCheckCmd     `cmd:"" help:"Say whether a banks file is right, or every line that is wrong."`
	Statement banksStatementCmd `cmd:"" help:"Write a simulated bank's statement of a day, from its own book. It may be open meanwhile."`
}

type banksCheckCmd struct {
	File string `arg:"" help:"The file." type:"path"`
}

// Run checks the file as a server does, credentials included, and opens no bank.
func (c *banksCheckCmd) Run() error {
	entries, err := readBanksFile(c.File)
	if err != nil {
		return err
	}
	fmt.Printf("%s: ok, %d banks\n", c.File, len(entries))
	return nil
}

type banksStatementCmd struct {
	Data   string `help:"Directory of the simulated banks' books." default:"./data" env:"BAHI_DATA" type:"path"`
	Bank   string `required:"" help:"The bank's code, such as NRMD."`
	Day    string `required:"" help:"The business day, such as 2026-11-25. Of one that is not over: what there is so far."`
	Zone   string `help:"Where the business days begin and end." default:"Asia/Kolkata" env:"BAHI_ZONE"`
	Format string `enum:"camt.053,mt940,jsonl" default:"camt.053" help:"camt.053, mt940 or jsonl."`
	Out    string `help:"The file to write; made anew. Standard output if not given." type:"path"`
}

// Run writes the statement.
func (c *banksStatementCmd) Run() error {
	day, err := ledger.ParseDay(c.Day)
	if err != nil {
		return usagef("--day: %q is not a day such as 2026-11-25", c.Day)
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil || c.Zone == "" {
		return usagef("--zone: %q is not the name of a time zone, such as Asia/Kolkata", c.Zone)
	}
	s, err := sim.ReadStatement(filepath.Join(c.Data, simJournal(filepath.Base(c.Bank))), day, zone)
	if errors.Is(err, os.ErrNotExist) {
		return usagef("there is no book of a simulated bank %s in %s", c.Bank, c.Data)
	}
	if err != nil {
		return err
	}
	if c.Out == "" {
		return s.Write(os.Stdout, statement.Format(c.Format))
	}
	out, err := os.Create(c.Out)
	if err != nil {
		return err
	}
	return errors.Join(s.Write(out, statement.Format(c.Format)), out.Close())
}
