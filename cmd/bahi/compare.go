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
	for _, b := range simulatedBanks {
		entries, err := sim.ReadJournal(filepath.Join(s.Data, "bank-"+b.Code+".jsonl"))
		if err != nil {
			return "", err
		}
		net := int64(0)
		for i := range entries {
			e := &entries[i]
			if _, twice := theirs[e.ID]; twice {
				return fmt.Sprintf("bank %s did %s twice", b.Code, e.ID), nil
			}
			theirs[e.ID] = b.Code
			net += e.Net()
		}
		stripes, err := ledger.Stripes(ctx, store, ledger.ClearingAccount(b.Code, "INR"))
		if err != nil {
			return "", err
		}
		held := int64(0)
		for i := range stripes {
			held += stripes[i].Balance()
		}
		if net != held {
			return fmt.Sprintf("bank %s moved %d paise net, our clearing account says %d", b.Code, net, held), nil
		}
	}
	difference := "ok"
	err = store.Audit(ctx, func(snapshot ledger.Snapshot) error {
		for i, err := range snapshot.Instructions() {
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
