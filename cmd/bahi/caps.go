package main

import (
	"context"
	"sync/atomic"

	"bahi/banks"
	"bahi/ledger"
)

// capSet is the net debit caps of a node's banks. Batches look at them while the
// banks file is read again.
type capSet struct{ now atomic.Pointer[ledger.Caps] }

func (s *capSet) load() ledger.Caps {
	if c := s.now.Load(); c != nil {
		return *c
	}
	return nil
}

// refresh takes the caps of the banks, with the stripes that their clearing accounts
// have: another node may have posted to one of its own until it knew the cap too.
func (s *capSet) refresh(ctx context.Context, r ledger.Reader, list []banks.Bank) error {
	caps := ledger.Caps{}
	for _, b := range list {
		if b.NetDebitCap.Minor == 0 {
			continue
		}
		stripes, err := ledger.Stripes(ctx, r, ledger.ClearingAccount(b.Code, b.NetDebitCap.Currency))
		if err != nil {
			return err
		}
		limit := ledger.Cap{Limit: b.NetDebitCap}
		for i := range stripes {
			limit.Parts = append(limit.Parts, stripes[i].Name)
		}
		caps[b.Code] = limit
	}
	s.now.Store(&caps)
	return nil
}
