package settle

import "bahi/ledger"

// ConfirmPosition takes in that a bank's payment for a window was made, or that it
// failed. A failed one may still be made, and confirmed, later; one that is
// confirmed is posted, once, and stays so.
type ConfirmPosition struct {
	Window   string
	Bank     string
	Currency ledger.Currency
	Amount   int64 // what the bank paid, in minor units, or below zero: was paid; fees included
	Failed   bool
	Ref      string // of the payment, or empty
	By       string
}

// Declare implements [ledger.Command].
func (c ConfirmPosition) Declare(s *ledger.Set) {
	s.Positions.Want(c.id())
	s.WantAccount(ledger.ClearingAccount(c.Bank, c.Currency))
	s.WantAccount(ledger.SettlementAccount(c.Bank, c.Currency))
	s.WantAccount(ledger.FeesAccount(c.Currency))
}

func (c *ConfirmPosition) id() ledger.ID { return ledger.PositionID(c.Window, c.Bank, c.Currency) }

// Apply implements [ledger.Command]; it returns the [ledger.Position].
func (c ConfirmPosition) Apply(s *ledger.Set) (any, error) {
	p, ok := s.Positions.Get(c.id())
	if !ok || c.Bank == "" {
		return nil, refuse(CodePositionNotFound, "bank %s has no position in %s in window %s", c.Bank, c.Currency, c.Window)
	}
	if owes := Owes(&p); c.Amount != owes {
		return nil, refuse(CodeAmountDiffers, "bank %s %s for window %s, not %s", p.Bank, pays(owes, p.Currency), p.Window, pays(c.Amount, p.Currency))
	}
	state := ledger.PositionConfirmed
	if c.Failed {
		state = ledger.PositionFailed
	}
	switch p.State {
	case state:
		return p, nil
	case ledger.PositionConfirmed:
		return nil, refuse(CodeAlreadyConfirmed, "bank %s was confirmed to have settled window %s (%s): that stands; a payment that was returned since is one of its own", p.Bank, p.Window, orNone(p.Ref))
	}
	p.State, p.Ref, p.By, p.Updated = state, c.Ref, c.By, max(s.Now, p.Updated)
	s.Positions.Put(p.ID, p)
	if !c.Failed {
		c.post(s, &p)
	}
	return p, nil
}

// post moves the net from what the bank owes to what it has paid, and takes the fees out of that.
func (c *ConfirmPosition) post(s *ledger.Set, p *ledger.Position) {
	if net := p.Net(); net != 0 {
		debit, credit := p.Sides()
		s.Post(p.ID, ledger.EventSettlement, debit, credit, max(net, -net))
	}
	if p.Fees > 0 {
		s.Post(p.ID, ledger.EventFee, ledger.SettlementAccount(p.Bank, p.Currency), ledger.FeesAccount(p.Currency), p.Fees)
	}
}

// pays says in words what a bank pays or gets.
func pays(owes int64, c ledger.Currency) string {
	if owes < 0 {
		return "gets " + ledger.Amount{Minor: -owes, Currency: c}.String() + " " + string(c)
	}
	return "pays " + ledger.Amount{Minor: owes, Currency: c}.String() + " " + string(c)
}

func orNone(ref string) string {
	if ref == "" {
		return "without a reference"
	}
	return "reference " + ref
}
