package ledger

// CreateTransfer makes a transfer and takes its first step: a wallet pays at
// once, a bank gets a debit instruction. What a rule refuses becomes a failed
// transfer, so that the chat has something to show and the auditor to see.
type CreateTransfer struct {
	Transfer Transfer // what never changes of it; the rest is set here
	Refused  Reason   // found out before the batch, such as PayeeNotFound; or empty
	Queue    bool     // the payer's bank is not to be asked yet: leave the instruction queued
}

// Declare implements [Command].
func (c CreateTransfer) Declare(s *Set) {
	t := &c.Transfer
	s.NewTransfer(t)
	for _, end := range []*End{&t.Payer, &t.Payee} {
		if !end.Instrument.IsZero() {
			s.Instruments.See(end.Instrument)
		}
	}
	s.wantPosition(t.Payer.Bank, t.Amount.Currency)
	c.wantSafety(s)
	c.wantUsage(s)
}

// Apply implements [Command]; it returns the [Transfer].
func (c CreateTransfer) Apply(s *Set) (any, error) {
	t := c.Transfer
	t.Payer.Standing, t.Payee.Standing = Standing{}, Standing{}
	t.Created, t.Until = s.Now, c.holdUntil(s)
	l := life{set: s, t: &t, begins: true}
	l.step(Pending, "", "")
	if reason := c.refusal(s); reason != "" {
		t.Until = 0
		l.step(Failed, reason, "")
		return t, nil
	}
	counts, reason, frees := c.limited(s)
	if reason != "" {
		t.Until = frees
		l.step(Failed, reason, "")
		return t, nil
	}
	counts.use(s, &t)
	s.openTransit(&t)
	switch {
	case !t.Payer.IsWallet():
		l.instruct(LegDebit, c.Queue)
	case t.holds():
		l.post(EventDebit)
		l.hold()
	case t.Payee.IsWallet():
		l.post(EventWallet)
		l.step(Completed, "", "")
	default:
		l.post(EventDebit)
		l.step(Debited, "", "")
		l.instruct(LegCredit, false)
	}
	if !t.State.Final() {
		l.incoming(t.Amount.Minor)
	}
	return t, nil
}

// maxTotal bounds an account's totals, far below overflow: transfers that are
// under way when it is reached still have room to end.
const maxTotal = 1 << 62

// refusal is the first rule that the transfer breaks, or empty.
func (c *CreateTransfer) refusal(s *Set) Reason {
	t := &c.Transfer
	if c.Refused != "" {
		return c.Refused
	}
	if c.stopped(s) {
		return PaymentsStopped
	}
	for _, end := range []*End{&t.Payer, &t.Payee} {
		if end.Instrument.IsZero() {
			continue
		}
		// The address was resolved before the batch; it may have been unlinked since.
		if i, ok := s.Instruments.Get(end.Instrument); !ok || i.Unlinked {
			return InstrumentUnlinked
		}
	}
	from, to, between := s.parts(t)
	payer, payee, transit := s.accountOf(from), s.accountOf(to), s.accountOf(between)
	sameEnd := t.Payer.Bank == t.Payee.Bank && t.Payer.IFSC == t.Payee.IFSC && t.Payer.Account == t.Payee.Account
	switch {
	case t.Kind == Payout && t.Payee.Unreadable():
		return PayeeNotPayable
	case payer.ID == payee.ID && sameEnd:
		return SameAccount
	case (t.Payer.IsWallet() && payer.Frozen) || (t.Payee.IsWallet() && payee.Frozen):
		return AccountFrozen
	case payer.Bounded && payer.Balance() < t.Amount.Minor:
		return InsufficientFunds
	}
	// A total must not overflow half way through a transfer's life.
	for _, a := range []*Account{&payer, &payee, &transit} {
		if max(a.Debits, a.Credits) > maxTotal-t.Amount.Minor {
			return AmountTooLarge
		}
	}
	if s.breaksCap(t.Payer.Bank, t.Amount) {
		return NetDebitCap
	}
	return ""
}
