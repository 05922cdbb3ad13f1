package ledger

// refunded checks what was refunded of each payment: by the refunds themselves, which name
// it as their cause, and against the record that is kept of it. Memory grows with the
// payments that were refunded, of which there are few.
type refunded struct {
	of map[ID]*refundedPayment
}

// refundedPayment is what is known of a payment that is refunded.
type refundedPayment struct {
	kept    *Refunds // its record, if there is one
	payment *refundTerms
	refunds *refundTerms // of the first one: all have the same
	done    int64
	open    int64
	count   int
}

// refundTerms are between whom and how much.
type refundTerms struct {
	terms
	completed bool
	kind      Kind
}

func (v *refunded) at(id ID) *refundedPayment {
	p, ok := v.of[id]
	if !ok {
		p = &refundedPayment{}
		v.of[id] = p
	}
	return p
}

// records reads the records, so that the payments they are of are known when they come.
func (v *verifier) refundRecords(s Snapshot) error {
	v.refunded.of = map[ID]*refundedPayment{}
	for r, err := range s.Records(RecordRefunds) {
		if err != nil {
			return err
		}
		if !r.Parent.IsZero() { // of a single refund
			continue
		}
		kept, err := ReadRecord[Refunds](&r)
		if err != nil {
			v.violated("refunds", r.Ref(), "%v", err)
			continue
		}
		v.refunded.at(r.ID).kept = &kept
	}
	return nil
}

// refund takes a transfer that is a refund, or is refunded.
func (v *verifier) refund(t *Transfer) {
	of := func() *refundTerms { return &refundTerms{t.terms(), t.State == Completed, t.Kind} }
	if p, ok := v.refunded.of[t.ID]; ok {
		p.payment = of()
	}
	if t.Kind != Refund {
		return
	}
	if t.Cause.Kind != RecordRefunds {
		v.violated("refunds", t.ID.TransferRef(), "it is a refund and does not say of what")
		return
	}
	p := v.refunded.at(t.Cause.ID)
	switch {
	case p.refunds == nil:
		p.refunds = of()
	case p.refunds.payer != t.terms().payer || p.refunds.payee != t.terms().payee || p.refunds.amount.Currency != t.Amount.Currency:
		v.violated("refunds", t.ID.TransferRef(), "it goes another way than the other refunds of %s", t.Cause.Ref())
	}
	switch {
	case t.State == Completed:
		p.done += t.Amount.Minor
		p.count++
	case !t.State.Final():
		p.open += t.Amount.Minor
	}
}

// refunds compares, once all transfers were seen.
func (v *verifier) refunds() {
	for id, p := range v.refunded.of {
		where := id.TransferRef()
		var kept Refunds
		if p.kept != nil {
			kept = *p.kept
		}
		if kept != (Refunds{Refunded: p.done, UnderWay: p.open, Count: p.count}) {
			v.violated("refunds", where, "%d refunds of %d, and %d under way, are stored; the refunds add up to %d of %d, and %d", kept.Count, kept.Refunded, kept.UnderWay, p.count, p.done, p.open)
		}
		switch {
		case p.payment == nil && p.kept != nil:
			v.violated("refunds", where, "it is refunded and does not exist")
		case p.payment == nil || p.refunds == nil: // said above, or no refund
		case !p.payment.completed || p.payment.kind != Payment:
			v.violated("refunds", where, "it is refunded and is no completed payment")
		case p.done+p.open > p.payment.amount.Minor:
			v.violated("refunds", where, "%d are refunded or on their way; it was of %d", p.done+p.open, p.payment.amount.Minor)
		case p.refunds.payer != p.payment.payee || p.refunds.payee != p.payment.payer || p.refunds.amount.Currency != p.payment.amount.Currency:
			v.violated("refunds", where, "its refunds do not go back the way it came")
		}
	}
}
