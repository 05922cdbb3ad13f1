package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"bahi/ledger"
	"bahi/ledger/audit"
)

type verifyCmd struct {
	storage
	JSON bool     `help:"Print one JSON object per violation and a last one with the counts."`
	Key  []string `help:"Verifier key that the log is signed with, from elsewhere than the book; without one, the book's own." env:"BAHI_LOG_KEY"`
}

// Run checks the book, also one that a server is writing to at the moment.
func (c *verifyCmd) Run() error {
	ctx := context.Background()
	return c.look(ctx, loginName(), "verify", "", func(store ledger.Store) error { return c.check(ctx, store) })
}

func (c *verifyCmd) check(ctx context.Context, store ledger.Store) error {
	out := json.NewEncoder(os.Stdout)
	report := func(v ledger.Violation) {
		if c.JSON {
			_ = out.Encode(v)
			return
		}
		fmt.Printf("VIOLATED %-20s %s: %s\n", v.Rule, v.Where, v.Detail)
	}
	sum, err := checkBook(ctx, store, c.Key, report)
	if err != nil {
		return err
	}
	if c.JSON {
		_ = out.Encode(sum)
	} else {
		fmt.Printf("checked %d accounts, %d transfers, %d postings, %d leaves of the log (%d sealed): %d violations\n",
			sum.Accounts, sum.Transfers, sum.Postings, sum.Leaves, sum.Sealed, sum.Violations)
	}
	if sum.Violations > 0 {
		return errViolated
	}
	return nil
}

// bookVerified is what was checked of a book.
type bookVerified struct {
	ledger.Verified
	audit.BookTree
	Violations int64 `json:"violations"`
}

// checkBook checks the book and its log.
func checkBook(ctx context.Context, store ledger.Reader, keys []string, report func(ledger.Violation)) (sum bookVerified, err error) {
	if sum.Verified, err = ledger.Verify(ctx, store, report); err != nil {
		return sum, err
	}
	if sum.BookTree, err = audit.VerifyBook(ctx, store, keys, report); err != nil {
		return sum, err
	}
	sum.Violations = sum.Verified.Violations + sum.BookTree.Violations
	return sum, nil
}
