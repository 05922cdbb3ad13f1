package main

import (
	"context"
	"fmt"
	"path/filepath"

	"bahi/banks/sim"
	"bahi/ledger"
)

// compareBanks holds the simulated banks' own books against ours: every leg that
// we hold for confirmed stands in the bank's book once, the bank did nothing
// else, and the money adds up to the bank's clearing account. It returns "ok" or
// the first difference. All transfers must have come to an end.
func compareBanks(s storage) (string, error) {
	ctx := context.Background()
	store, err := s.open(ctx)
	if err != nil {
		return "", err
	}
	defer store.Close()
	theirs := map[ledger.InstructionID]string{} // to the bank's code
	journals, err := filepath.Glob(filepath.Join(s.Data, simJournal("????")))
	if err != nil {
		return "", err
	}
	for _, path := range journals {
		code := filepath.Base(path)[len("bank-"):][:4]
		entries, err := sim.ReadJournal(path)
		if err != nil {
			return "", err
		}
		net := int64(0)
		for i := range entries {
			e := &entries[i]
			if _, twice := theirs[e.ID]; twice {
				return fmt.Sprintf("bank %s did %s twice", code, e.ID), nil
			}
			theirs[e.ID] = code
			net += e.Net()
		}
		stripes, err := ledger.Stripes(ctx, store, ledger.ClearingAccount(code, "INR"))
		if err != nil {
			return "", err
		}
		held := int64(0)
		for i := range stripes {
			held += stripes[i].Balance()
		}
		if net != held {
			return fmt.Sprintf("bank %s moved %d paise net, our clearing account says %d", code, net, held), nil
		}
	}
	difference := "ok"
	err = store.Audit(ctx, func(snapshot ledger.Snapshot) error {
		for i, err := range snapshot.Instructions(ledger.Range{}) {
			switch bank, done := theirs[i.ID]; {
			case err != nil:
				return err
			case i.State == ledger.Approved && (!done || bank != i.Bank):
				difference = fmt.Sprintf("we hold %s for done, bank %s does not", i.ID, i.Bank)
			case i.State != ledger.Approved && i.State != ledger.Stands && done:
				difference = fmt.Sprintf("bank %s did %s, we hold it for %s", bank, i.ID, i.State)
			}
			delete(theirs, i.ID)
		}
		return nil
	})
	for id, bank := range theirs {
		difference = fmt.Sprintf("bank %s did %s, which we never asked for", bank, id)
	}
	return difference, err
}
