package ledger

// wantUsage declares how much of their limits payer and payee have used.
func (c *CreateTransfer) wantUsage(s *Set) {}

// limited is the first limit that the transfer breaks, or empty, and when it lets as much through.
func (c *CreateTransfer) limited(s *Set) (reason Reason, frees int64) { return "", 0 }

// use counts the transfer to the limits of payer and payee.
func (c *CreateTransfer) use(s *Set) {}
