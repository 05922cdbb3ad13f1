package settle

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"bahi/ledger"
)

// positionsOf are what each bank owes or is owed for a closed window, with fees for
// the transfers that it remitted.
func positionsOf(w *ledger.Window, flows []ledger.Flow, fees *Fees) ([]ledger.Position, error) {
	at := map[ledger.ID]*ledger.Position{}
	position := func(bank string, c ledger.Currency) *ledger.Position {
		id := ledger.PositionID(w.ID, bank, c)
		if at[id] == nil {
			at[id] = &ledger.Position{ID: id, Window: w.ID, Bank: bank, Currency: c, State: ledger.PositionOpen}
		}
		return at[id]
	}
	for _, f := range flows {
		err := add(&position(f.Payer, f.Currency).Remitted, &f)
		if err == nil {
			err = add(&position(f.Payee, f.Currency).Received, &f)
		}
		if err != nil {
			return nil, err
		}
	}
	var positions []ledger.Position
	for _, p := range at {
		if w.Kind == ledger.WindowTransfers {
			fee := fees.of(p.Bank, p.Currency)
			if fee > 0 && p.Remitted.Count > (math.MaxInt64-p.Remitted.Minor)/fee {
				return nil, fmt.Errorf("the fees of %s are larger than can be counted", p.Bank)
			}
			p.Fees = fee * p.Remitted.Count
		}
		positions = append(positions, *p)
	}
	slices.SortFunc(positions, comparePositions)
	return positions, nil
}

func add(v *ledger.Volume, f *ledger.Flow) error {
	if f.Minor <= 0 || f.Count <= 0 || v.Minor > math.MaxInt64-f.Minor {
		return fmt.Errorf("%d transfers of %d minor units from %q to %q cannot be added to %d", f.Count, f.Minor, f.Payer, f.Payee, v.Minor)
	}
	v.Count += f.Count
	v.Minor += f.Minor
	return nil
}

func comparePositions(a, b ledger.Position) int {
	return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Bank, b.Bank))
}

// Owes is what the bank is to pay for its position, fees included; below zero: what
// it is to be paid.
func Owes(p *ledger.Position) int64 { return p.Net() + p.Fees }

// StorePositions keeps the positions of a closed window. They follow from postings
// that nobody changes, so whoever stores them first stores what everybody would.
type StorePositions struct {
	Window    string
	Positions []ledger.Position
}

// Declare implements [ledger.Command].
func (c StorePositions) Declare(s *ledger.Set) {
	s.Windows.Want(c.Window)
	for i := range c.Positions {
		s.Positions.Want(c.Positions[i].ID)
	}
}

// Apply implements [ledger.Command]; it returns the positions as they are stored.
func (c StorePositions) Apply(s *ledger.Set) (any, error) {
	if _, ok := s.Windows.Get(c.Window); !ok {
		return nil, refuse(CodeWindowNotFound, "window %s is not closed", c.Window)
	}
	net := map[ledger.Currency]int64{}
	stored := make([]ledger.Position, len(c.Positions))
	for i, p := range c.Positions {
		net[p.Currency] += p.Net()
		var ok bool
		if stored[i], ok = s.Positions.Get(p.ID); !ok {
			stored[i] = p
		} else if stored[i].Remitted != p.Remitted || stored[i].Received != p.Received {
			return nil, refuse(CodePositionsDiffer, "window %s has a position of %q that differs from what its postings add up to", c.Window, p.Bank)
		}
	}
	for currency, sum := range net {
		if sum != 0 {
			return nil, refuse(CodePositionsDiffer, "what the banks owe each other for window %s does not cancel out: %d minor units of %s are left", c.Window, sum, currency)
		}
	}
	for _, p := range stored {
		if p.Updated == 0 {
			p.Updated = s.Now
			s.Positions.Put(p.ID, p)
		}
	}
	return stored, nil
}
