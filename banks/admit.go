package banks

import "bahi/ledger"

// Refuses says why a transfer is not to be made as its banks are now; the reason
// is empty where it may be. A payer is not debited where it is known that the
// payee cannot be credited. Call it once for each transfer that is about to be
// made: a bank that is being tried out is given a few only.
func (d *Dispatcher) Refuses(t *ledger.Transfer) ledger.Reason {
	payer, reason := d.end(&t.Payer, t.Amount)
	if reason != "" {
		return reason
	}
	payee, reason := d.end(&t.Payee, t.Amount)
	if reason != "" {
		return reason
	}
	now := d.opt.Clock.Now()
	switch {
	case payer != nil && !payer.breaker.admits(now), // its debit is the probe
		payee != nil && payee.congested(now, d.opt.Policy.QueueLimit),
		payee != nil && !payee.breaker.admit(now):
		return ledger.BankUnavailable
	}
	return ""
}

// end checks one end of a transfer; its lane is nil where it is a wallet.
func (d *Dispatcher) end(e *ledger.End, amount ledger.Amount) (*lane, ledger.Reason) {
	if e.IsWallet() {
		return nil, ""
	}
	b, ok := d.registry.ByCode(e.Bank)
	if !ok {
		return nil, ledger.BankUnknown
	}
	if b.MaxAmount.Minor > 0 && b.MaxAmount.Currency == amount.Currency && amount.Minor > b.MaxAmount.Minor {
		return nil, ledger.BankLimitExceeded
	}
	l, _ := d.lane(e.Bank)
	return l, ""
}
