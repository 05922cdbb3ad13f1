package main

import (
	"context"
	"fmt"

	"bahi/ledger"
)

type partyCmd struct {
	Erase partyEraseCmd `cmd:"" help:"Make all that a person can be known by unreadable, for good."`
}

type partyEraseCmd struct {
	storage
	Party string `arg:"" help:"The party's id (pty_…)."`
	As    string `help:"Who erases; it is written down." required:"" placeholder:"NAME"`
}

// Run erases the person, also while servers use the book. Erasing again is safe.
func (c *partyEraseCmd) Run() error {
	id, err := ledger.ParsePartyRef(c.Party)
	if err != nil {
		return usagef("that is not a party's id")
	}
	ctx := context.Background()
	return c.work(ctx, nil, func(store ledger.Store, book *ledger.Pipeline) error {
		if err := accessed(ctx, book, c.As, "party erase", id.PartyRef()); err != nil {
			return err
		}
		p, err := ledger.Erase(ctx, book, store, id, c.As)
		if err != nil {
			return err
		}
		fmt.Printf("%s  erased %s\n", p.ID.PartyRef(), when(p.Erased))
		return nil
	})
}
