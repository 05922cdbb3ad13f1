package ledger

// The leaves that the book's own types are. What a person can be known by (name,
// account, UPI id, note) is in none of them, only its mark: see [End]. Free text
// of operators may name people, so it is in none either.

// LeafKind implements [Leaf].
func (a *Account) LeafKind() LeafKind { return LeafAccount }

// LeafTime implements [Leaf].
func (a *Account) LeafTime() int64 { return a.Created }

// Describe implements [Leaf]: the account as it was opened. Its ID is the hash of its name.
func (a *Account) Describe(f Fields) {
	text(f, "path", &a.Name.Path)
	text(f, "currency", &a.Name.Currency)
	word(f, "type", &a.Type, accountTypeNames[:])
	set(&a.Bounded, f.Flag("bounded", a.Bounded))
	set(&a.Created, f.Time("at", a.Created))
	if a.ID == (AccountID{}) { // it was read
		a.ID = a.Name.ID()
	}
}

// LeafKind implements [Leaf].
func (t *Transfer) LeafKind() LeafKind { return LeafTransfer }

// LeafTime implements [Leaf].
func (t *Transfer) LeafTime() int64 { return t.Created }

// Describe implements [Leaf]: the transfer as its first commit left it.
func (t *Transfer) Describe(f Fields) {
	set(&t.ID, f.ID("transfer", t.ID, transferPrefix))
	text(f, "app", &t.App)
	word(f, "kind", &t.Kind, kindNames[:])
	text(f, "currency", &t.Amount.Currency)
	set(&t.Amount.Minor, f.Money("amount", t.Amount.Minor, t.Amount.Currency))
	t.Payer.describe(f, "payer_party", "payer_instrument", "payer_bank", "payer_ifsc", "payer_mark")
	t.Payee.describe(f, "payee_party", "payee_instrument", "payee_bank", "payee_ifsc", "payee_mark")
	text(f, "rrn", &t.RRN)
	set(&t.Credential, f.Flag("credential", t.Credential))
	word(f, "cause", &t.Cause.Kind, recordNames[:])
	set(&t.Cause.ID, f.ID("cause_id", t.Cause.ID, t.Cause.Kind.prefix()))
	set(&t.Until, f.Time("until", t.Until))
	born, reason := t.Born, t.Birth().Reason
	word(f, "state", &born, stateNames[:])
	text(f, "reason", &reason)
	set(&t.Created, f.Time("at", t.Created))
	if t.Steps == 0 { // it was read
		t.Begin(born, reason)
		t.FindPot()
	}
}

func (e *End) describe(f Fields, party, instrument, bank, ifsc, mark string) {
	set(&e.Party, f.ID(party, e.Party, partyPrefix))
	set(&e.Instrument, f.ID(instrument, e.Instrument, instrumentPrefix))
	set(&e.Bank, f.Text(bank, e.Bank))
	set(&e.IFSC, f.Text(ifsc, e.IFSC))
	set(&e.Mark, f.Hash(mark, e.Mark))
}

// LeafKind implements [Leaf].
func (s *Step) LeafKind() LeafKind { return LeafStep }

// LeafTime implements [Leaf].
func (s *Step) LeafTime() int64 { return s.At }

// Describe implements [Leaf].
func (s *Step) Describe(f Fields) {
	set(&s.Transfer, f.ID("transfer", s.Transfer, transferPrefix))
	number(f, "n", &s.N)
	word(f, "state", &s.State, stateNames[:])
	text(f, "reason", &s.Reason)
	set(&s.BankCode, f.Text("bank_code", s.BankCode))
	set(&s.Deadline, f.Time("deadline", s.Deadline))
	set(&s.At, f.Time("at", s.At))
}

// LeafKind implements [Leaf].
func (p *Posting) LeafKind() LeafKind { return LeafPosting }

// LeafTime implements [Leaf].
func (p *Posting) LeafTime() int64 { return p.At }

// Describe implements [Leaf].
func (p *Posting) Describe(f Fields) {
	word(f, "event", &p.Event, eventNames[:])
	set(&p.Entry, f.ID("entry", p.Entry, p.Event.entryPrefix()))
	word(f, "undoes", &p.Undoes, eventNames[:])
	set(&p.Debit, f.Account("debit", p.Debit))
	set(&p.Credit, f.Account("credit", p.Credit))
	text(f, "currency", &p.Currency)
	set(&p.Amount, f.Money("amount", p.Amount, p.Currency))
	set(&p.DebitSeq, f.Number("debit_seq", p.DebitSeq))
	set(&p.CreditSeq, f.Number("credit_seq", p.CreditSeq))
	set(&p.DebitBalance, f.Money("debit_balance", p.DebitBalance, p.Currency))
	set(&p.CreditBalance, f.Money("credit_balance", p.CreditBalance, p.Currency))
	set(&p.At, f.Time("at", p.At))
}

// LeafKind implements [Leaf].
func (c *Correction) LeafKind() LeafKind { return LeafCorrection }

// LeafTime implements [Leaf].
func (c *Correction) LeafTime() int64 { return c.Updated }

// Describe implements [Leaf].
func (c *Correction) Describe(f Fields) {
	set(&c.ID, f.ID("correction", c.ID, correctionPrefix))
	set(&c.Break, f.ID("break", c.Break, breakPrefix))
	set(&c.Transfer, f.ID("transfer", c.Transfer, transferPrefix))
	word(f, "leg", &c.Leg, legNames[:])
	set(&c.Bank, f.Text("bank", c.Bank))
	word(f, "action", &c.Action, actionNames[:])
	text(f, "currency", &c.Currency)
	set(&c.Difference, f.Money("difference", c.Difference, c.Currency))
	word(f, "state", &c.State, correctionStateNames[:])
	set(&c.Payout, f.ID("payout", c.Payout, transferPrefix))
	set(&c.ProposedBy, f.Text("proposed_by", c.ProposedBy))
	set(&c.ApprovedBy, f.Text("approved_by", c.ApprovedBy))
	set(&c.AppliedBy, f.Text("applied_by", c.AppliedBy))
	set(&c.Created, f.Time("created", c.Created))
	set(&c.Updated, f.Time("at", c.Updated))
}

// LeafKind implements [Leaf].
func (p *Position) LeafKind() LeafKind { return LeafPosition }

// LeafTime implements [Leaf].
func (p *Position) LeafTime() int64 { return p.Updated }

// Describe implements [Leaf].
func (p *Position) Describe(f Fields) {
	set(&p.ID, f.ID("position", p.ID, positionPrefix))
	set(&p.Window, f.Text("window", p.Window))
	set(&p.Bank, f.Text("bank", p.Bank))
	text(f, "currency", &p.Currency)
	set(&p.Remitted.Count, f.Number("remitted", p.Remitted.Count))
	set(&p.Remitted.Minor, f.Money("remitted_amount", p.Remitted.Minor, p.Currency))
	set(&p.Received.Count, f.Number("received", p.Received.Count))
	set(&p.Received.Minor, f.Money("received_amount", p.Received.Minor, p.Currency))
	set(&p.Fees, f.Money("fees", p.Fees, p.Currency))
	word(f, "state", &p.State, positionStateNames[:])
	set(&p.Ref, f.Text("ref", p.Ref))
	set(&p.By, f.Text("by", p.By))
	set(&p.Updated, f.Time("at", p.Updated))
}

// LeafKind implements [Leaf].
func (n *BreakNote) LeafKind() LeafKind { return LeafNote }

// LeafTime implements [Leaf].
func (n *BreakNote) LeafTime() int64 { return n.At }

// Describe implements [Leaf].
func (n *BreakNote) Describe(f Fields) {
	set(&n.Break, f.ID("break", n.Break, breakPrefix))
	number(f, "n", &n.N)
	word(f, "what", &n.What, noteNames[:])
	set(&n.By, f.Text("by", n.By))
	set(&n.At, f.Time("at", n.At))
}

// LeafKind implements [Leaf].
func (w *Window) LeafKind() LeafKind { return LeafWindow }

// LeafTime implements [Leaf].
func (w *Window) LeafTime() int64 { return w.Closed }

// Describe implements [Leaf].
func (w *Window) Describe(f Fields) {
	set(&w.ID, f.Text("window", w.ID))
	set(&w.Scheme, f.Text("scheme", w.Scheme))
	word(f, "kind", &w.Kind, windowKindNames[:])
	number(f, "day", &w.Day)
	number(f, "n", &w.N)
	set(&w.From, f.Time("from", w.From))
	set(&w.Until, f.Time("until", w.Until))
	f.List("cuts", len(w.Cuts), func(i int) {
		if i == len(w.Cuts) { // it is being read
			w.Cuts = append(w.Cuts, Cut{})
		}
		c := &w.Cuts[i]
		set(&c.Account, f.Account("account", c.Account))
		set(&c.After, f.Number("after", c.After))
		set(&c.UpTo, f.Number("up_to", c.UpTo))
	})
	set(&w.By, f.Text("by", w.By))
	set(&w.Closed, f.Time("at", w.Closed))
}

// LeafKind implements [Leaf].
func (a *Access) LeafKind() LeafKind { return LeafAccess }

// LeafTime implements [Leaf].
func (a *Access) LeafTime() int64 { return a.At }

// Describe implements [Leaf].
func (a *Access) Describe(f Fields) {
	set(&a.ID, f.ID("access", a.ID, accessPrefix))
	set(&a.Who, f.Text("who", a.Who))
	set(&a.Role, f.Text("role", a.Role))
	set(&a.What, f.Text("what", a.What))
	set(&a.Subject, f.Text("subject", a.Subject))
	set(&a.Denied, f.Flag("denied", a.Denied))
	set(&a.Reason, f.Text("reason", a.Reason))
	set(&a.Times, f.Number("times", a.Times))
	set(&a.At, f.Time("at", a.At))
}

// LeafKind implements [Leaf].
func (e *Erasure) LeafKind() LeafKind { return LeafErasure }

// LeafTime implements [Leaf].
func (e *Erasure) LeafTime() int64 { return e.At }

// Describe implements [Leaf].
func (e *Erasure) Describe(f Fields) {
	set(&e.Party, f.ID("party", e.Party, partyPrefix))
	set(&e.By, f.Text("by", e.By))
	set(&e.At, f.Time("at", e.At))
}
