package ledger

// Standing is what the limits ask of a party that pays or is paid.
type Standing struct {
	App   string // whose party it is; empty: the transfer's
	Kind  PartyKind
	Since int64 // when it became known, Unix microseconds; 0: long ago
}

// counter is a rule that a transfer counts to, and where.
type counter struct {
	key    RecordKey
	list   int
	rule   Limit
	window int64 // microseconds
	frees  int64 // when the rule ends, if it does; else 0
	sum    Reason
	count  Reason
}

// counters are the rules that a transfer counts to.
type counters struct {
	all [3]counter
	n   int
}

func (cs *counters) add(c counter, currency Currency) {
	if c.rule.windowed(currency) {
		cs.all[cs.n] = c
		cs.n++
	}
}

// counters are the rules whose windows the transfer counts to.
func (c *CreateTransfer) counters(s *Set) (cs counters) {
	t := &c.Transfer
	if s.Policy.Limits == nil || t.Kind != Payment {
		return cs
	}
	if t.paysAsPerson() {
		limits := s.Policy.Limits.of(t.App)
		list, rule := paidPersons, limits.ToPerson
		if t.Payee.Standing.Kind == Merchant {
			list, rule = paidMerchants, limits.ToMerchant
		}
		cs.add(counter{key: usageKey(&t.Payer), list: list, rule: rule, window: limits.Window.Microseconds(), sum: LimitAmount, count: LimitCount}, t.Amount.Currency)
		known := t.Payer.Standing.Since
		if frees := known + limits.NewFor.Microseconds(); known != 0 && s.Now < frees {
			cs.add(counter{key: newUserKey(t.Payer.Party, t.Amount.Currency), list: paidNew, rule: limits.NewUser, window: limits.NewFor.Microseconds(), frees: frees,
				sum: LimitNewUser, count: LimitNewUser}, t.Amount.Currency)
		}
	}
	if t.Payee.receives() && t.Payee.Standing.Kind != Merchant {
		limits := s.Policy.Limits.of(t.payeesApp())
		cs.add(counter{key: usageKey(&t.Payee), list: received, rule: limits.Received, window: limits.Window.Microseconds(),
			sum: LimitReceivedAmount, count: LimitReceivedCount}, t.Amount.Currency)
	}
	return cs
}

// paysAsPerson says whether the payer's limits are those of a person.
func (t *Transfer) paysAsPerson() bool {
	return t.Kind == Payment && !t.Payer.Party.IsZero() && t.Payer.Standing.Kind != Merchant
}

// payeesApp is whose limits are those of the payee.
func (t *Transfer) payeesApp() string {
	if t.Payee.Standing.App != "" {
		return t.Payee.Standing.App
	}
	return t.App
}

// wantUsage declares how much of their limits payer and payee have used.
func (c *CreateTransfer) wantUsage(s *Set) {
	cs := c.counters(s)
	for i := range cs.all[:cs.n] {
		s.Records.Want(cs.all[i].key)
	}
}

// limited is the first limit that the transfer breaks, or empty, and when the limits let as
// much through: the last one that does so counts. It is 0 where no time mends it. What the
// transfer counts to, if it breaks none, is told too: it is not to be found twice.
func (c *CreateTransfer) limited(s *Set) (cs counters, reason Reason, frees int64) {
	if s.Policy.Limits == nil || c.goesBack(s) {
		return cs, "", 0
	}
	if reason := c.tooMuch(s); reason != "" {
		return cs, reason, 0
	}
	cs = c.counters(s)
	for i := range cs.all[:cs.n] {
		if why, at := cs.all[i].breaks(s, c.Transfer.Amount); why != "" && at > frees {
			reason, frees = why, at
		}
	}
	return cs, reason, frees
}

// goesBack says whether the owner of a pot gets back what is left in it.
func (c *CreateTransfer) goesBack(s *Set) bool {
	t := &c.Transfer
	if t.Payer.Pot.IsZero() || t.Payee.Party.IsZero() || t.Cause.IsZero() {
		return false
	}
	pot, ok := s.Records.Get(t.Cause)
	return ok && pot.Owner == t.Payee.Party
}

// tooMuch is the first limit that the transfer breaks whenever it is made.
func (c *CreateTransfer) tooMuch(s *Set) Reason {
	t := &c.Transfer
	minor, currency := t.Amount.Minor, t.Amount.Currency
	if t.paysAsPerson() {
		limits := s.Policy.Limits.of(t.App)
		rule := &limits.ToPerson
		if t.Payee.Standing.Kind == Merchant {
			rule = &limits.ToMerchant
		}
		switch {
		case rule.Each.forbids(minor, currency), t.Payer.IsWallet() && limits.WalletTransfer.forbids(minor, currency):
			return LimitTransfer
		case rule.Sum.forbids(minor, currency):
			return LimitAmount
		}
	}
	limits := s.Policy.Limits.of(t.payeesApp())
	switch {
	case t.Payee.Standing.Kind == Merchant:
	case t.Kind == Payment && t.Payee.receives() && limits.Received.Sum.forbids(minor, currency):
		return LimitReceivedAmount
	case c.overfills(s, limits.WalletBalance):
		return LimitWalletBalance
	}
	return ""
}

// overfills says whether the payee's wallet would hold more than it may.
func (c *CreateTransfer) overfills(s *Set, most Sums) bool {
	t := &c.Transfer
	if _, ok := most[t.Amount.Currency]; !ok || !t.fills() || t.Kind != Payment && t.Kind != TopUp {
		return false
	}
	_, payee, _ := s.parts(t)
	wallet := s.accountOf(payee)
	return most.forbids(plus(plus(wallet.Balance(), wallet.Reserved), t.Amount.Minor), t.Amount.Currency)
}

// fills says whether the payee is a party's wallet.
func (t *Transfer) fills() bool { return t.Payee.IsWallet() && !t.Payee.Party.IsZero() }

// breaks is the reason why an amount is more than the rule has room for, or empty, and when
// it has.
func (c *counter) breaks(s *Set, a Amount) (reason Reason, frees int64) {
	counts := since(s.usage(c.key)[c.list], s.Now-c.window)
	amount, count := total(counts)
	most, bounded := c.rule.Sum[a.Currency]
	fits := func() bool {
		switch {
		case bounded && (a.Minor > most || amount > most-a.Minor):
			reason = c.sum
		case c.rule.Count > 0 && count >= int64(c.rule.Count):
			reason = c.count
		default:
			return true
		}
		return false
	}
	if fits() {
		return "", 0
	}
	why := reason
	if c.frees != 0 {
		return why, c.frees
	}
	for i := range counts {
		amount, count = amount-counts[i].amount, count-counts[i].count
		if fits() {
			return why, counts[i].at + c.window
		}
	}
	return why, 0
}

// use counts a transfer to the limits of payer and payee.
func (cs *counters) use(s *Set, t *Transfer) {
	for i := range cs.all[:cs.n] {
		r := &cs.all[i]
		u := s.usage(r.key)
		u.add(r.list, used{at: s.Now, amount: t.Amount.Minor, count: 1, tag: tagOf(t.ID)}, s.Now-r.window, &r.rule, t.Amount.Currency)
		s.keepUsage(r.key, u)
	}
}

// incoming keeps count of what is on its way to a party's wallet. What was on its way before
// that was counted is not in it.
func (l *life) incoming(minor int64) {
	if !l.t.fills() {
		return
	}
	_, payee, _ := l.set.parts(l.t)
	a := l.set.accountOf(payee)
	a.Reserved = max(0, a.Reserved+minor)
	l.set.Accounts.Put(a.ID, a)
}
