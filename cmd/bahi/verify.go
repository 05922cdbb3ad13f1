package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"bahi/ledger"
)

type verifyCmd struct {
	storage
	JSON bool `help:"Print one JSON object per violation and a last one with the counts."`
}

// Run checks the book, also one that a server is writing to at the moment.
func (c *verifyCmd) Run() error {
	ctx := context.Background()
	return c.look(ctx, loginName(), "verify", "", func(store ledger.Store) error { return c.check(ctx, store) })
}

func (c *verifyCmd) check(ctx context.Context, store ledger.Store) error {
	out := json.NewEncoder(os.Stdout)
	sum, err := ledger.Verify(ctx, store, func(v ledger.Violation) {
		if c.JSON {
			_ = out.Encode(v)
			return
		}
		fmt.Printf("VIOLATED %-20s %s: %s\n", v.Rule, v.Where, v.Detail)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		_ = out.Encode(sum)
	} else {
		fmt.Printf("checked %d accounts, %d transfers, %d postings: %d violations\n", sum.Accounts, sum.Transfers, sum.Postings, sum.Violations)
	}
	if sum.Violations > 0 {
		return errViolated
	}
	return nil
}
