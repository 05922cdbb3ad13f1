package ledger

// Caps are the banks' net debit caps, by the banks' codes.
type Caps map[string]Cap

// Cap is the most that a bank may come to owe: a transfer is refused when what the
// bank owes and is asked for would be more with it.
//
// Every node posts to the same row of a bank with a cap, so that the row's lock lets
// one batch after the other see the sum: such a bank's transfers are as fast as one
// node is. Once every node knows the cap, the stripes stay as they are.
type Cap struct {
	Limit Amount
	Parts []AccountName // of the bank's clearing account: those stripes of it that there are
}

// capOf is the cap of a bank in a currency.
func (s *Set) capOf(bank string, c Currency) (Cap, bool) {
	limit, ok := s.Caps[bank]
	return limit, ok && limit.Limit.Currency == c
}

// clearing is the part of a bank's clearing account that the batch posts to.
func (s *Set) clearing(bank string, c Currency) AccountName {
	n := ClearingAccount(bank, c)
	if _, capped := s.capOf(bank, c); capped {
		return n
	}
	return n.Stripe(s.Stripe)
}

// wantPosition declares what breaksCap looks at.
func (s *Set) wantPosition(bank string, c Currency) {
	limit, _ := s.capOf(bank, c)
	for _, n := range limit.Parts {
		s.WantAccount(n)
	}
}

// breaksCap says whether a bank would owe more than it may if it were asked for the
// amount: beside what it has confirmed it owes what it was asked for and has not
// denied, since it may confirm that at any time.
func (s *Set) breaksCap(bank string, a Amount) bool {
	limit, capped := s.capOf(bank, a.Currency)
	if !capped {
		return false
	}
	owes := int64(0)
	whole := s.account(ClearingAccount(bank, a.Currency))
	parts := []Account{whole}
	for _, n := range limit.Parts {
		if n != whole.Name {
			parts = append(parts, s.account(n))
		}
	}
	for i := range parts {
		owes += parts[i].Balance() + parts[i].Reserved
	}
	return owes > limit.Limit.Minor-a.Minor
}

// reserve keeps count of what the payer's bank is asked for.
func (l *life) reserve(minor int64) {
	payer, _, _ := l.set.parts(l.t)
	a := l.set.accountOf(payer)
	a.Reserved += minor
	l.set.Accounts.Put(a.ID, a)
}

// undecided says whether the bank may still say that it did it.
func (s InstructionState) undecided() bool { return s.Open() || s == Silent }
