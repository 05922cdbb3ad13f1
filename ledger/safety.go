package ledger

// wantSafety declares what the payer has set for its own safety.
func (c *CreateTransfer) wantSafety(s *Set) {}

// stopped says whether the payer has stopped its payments.
func (c *CreateTransfer) stopped(s *Set) bool { return false }

// holdUntil is when the payee is paid, or 0 for at once.
func (c *CreateTransfer) holdUntil(s *Set) int64 { return c.Transfer.Until }
