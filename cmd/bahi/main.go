// Command bahi is the payment ledger behind a chat: the server, and the tools
// to run, check and measure it.
package main

import (
	"errors"
	"fmt"
	"os"
	_ "time/tzdata" // schedules name time zones, and the machine may have none

	"github.com/alecthomas/kong"
)

// Exit codes: scripts tell a broken book from a broken call.
const (
	exitOK       = 0
	exitFailed   = 1 // the command did not do what it was asked
	exitUsage    = 2 // the call's words are wrong
	exitViolated = 3 // the book does not hold
)

// errViolated makes main exit with exitViolated.
var errViolated = errors.New("the book does not hold")

// usageError is what the parser cannot see to be wrong with the call's words.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

type cli struct {
	Serve     serveCmd     `cmd:"" help:"Serve the HTTP API until interrupted."`
	Keys      keysCmd      `cmd:"" help:"Create, list and revoke API keys."`
	Party     partyCmd     `cmd:"" help:"Erase a person."`
	KEK       kekCmd       `cmd:"" name:"kek" help:"Rotate the key-encryption key, under which the book's secrets are kept."`
	Banks     banksCmd     `cmd:"" help:"Check the file that lists the banks."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the book's tables to this version, or show where they are."`
	Verify    verifyCmd    `cmd:"" help:"Derive every balance from the postings alone and check every invariant of the book."`
	Reconcile reconcileCmd `cmd:"" help:"Check banks' statements."`
	Log       logCmd       `cmd:"" help:"Handle the keys that the log is signed with."`
	Audit     auditCmd     `cmd:"" help:"Check what an auditor or a chat user was given, without the book and without trusting who keeps it."`
	Settle    settleCmd    `cmd:"" help:"Close settlement windows, report what the banks owe each other, and confirm that it was paid."`
	Report    reportCmd    `cmd:"" help:"Report the book at any past instant: trial balance, balances, postings, statements, transfers by state and age."`
	Access    accessCmd    `cmd:"" help:"Show who looked at the book, and who was denied to."`
	Export    exportCmd    `cmd:"" help:"Write the book, or a part of it, for others to read: audit file, CSV, Parquet, journals of hledger and Beancount."`
	Demo      demoCmd      `cmd:"" help:"Play a conversation with payments in it, in a temporary directory, and verify the book."`
	Bench     benchCmd     `cmd:"" help:"Measure transfers that are done, over HTTP, durable, with the load on the same machine."`
	Sim       simCmd       `cmd:"" help:"Run several nodes, their banks and their chats in one process on virtual time, while everything goes wrong that can."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	ServeUnlogged unloggedCmd `cmd:"" hidden:"" help:"For the bench: serve without the log."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("bahi"), kong.DefaultEnvars("BAHI"),
		kong.Description("The payment ledger behind a chat: double entry, pluggable banks, one binary.\n\n"+
			"Every flag has an environment twin, shown beside it in the help of each command. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the book does not hold."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bahi:", err)
		return exitFailed
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bahi:", err)
		fmt.Fprintln(os.Stderr, "Run \"bahi --help\" to see what there is.")
		return exitUsage
	}
	switch err := ctx.Run(); {
	case err == nil:
		return exitOK
	case errors.Is(err, errViolated):
		fmt.Fprintln(os.Stderr, "bahi:", err)
		return exitViolated
	case errors.As(err, &usageError{}):
		fmt.Fprintln(os.Stderr, "bahi:", err)
		return exitUsage
	default:
		fmt.Fprintln(os.Stderr, "bahi:", err)
		return exitFailed
	}
}
