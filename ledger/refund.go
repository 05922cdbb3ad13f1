package ledger

// A refund is a transfer from the payee of a completed payment back to its payer. How much
// is refunded and how much is on its way is kept in one record of the payment, and its lock
// lets one refund see what the one before it left: however many begin and end at once,
// they never come to more than was paid. Each refund has an empty record beneath that one,
// by which a payment's refunds are listed.

// Refunds is what was refunded of a payment, in minor units: the body of its [RecordRefunds].
type Refunds struct {
	Refunded int64 `json:"refunded"`  // the payer has it
	UnderWay int64 `json:"under_way"` // it is on its way, or in doubt
	Count    int   `json:"count"`     // refunds that the payer has
}

// NoticeRefunded is the type of the notice of a payment that a refund of it has reached its payer.
const NoticeRefunded = "transfer.refunded"

// Codes of refusals of refunds.
const (
	CodeRefundOfRefund  = "refund_of_refund"
	CodeRefundOfPot     = "refund_of_pot"
	CodeNotAPayment     = "transfer_not_a_payment"
	CodeNotCompleted    = "transfer_not_completed"
	CodePayeeNotYours   = "payee_not_yours"
	CodeRefundCurrency  = "refund_currency_differs"
	CodeRefundTooLarge  = "refund_too_large"
	CodeNothingToRefund = "nothing_left_to_refund"
	CodeRefundOfErased  = "refund_of_erased"
)

// CreateRefund makes a refund of a payment. It returns the [Transfer], which like any other
// may be failed by a rule, such as that the payee's wallet holds too little.
type CreateRefund struct {
	Payment *Transfer // as read before the batch, opened
	ID      ID        // of the refund, as RRN, Note and Credential are
	RRN     string
	Note    string
	Amount  Amount // zero: all that is left

	Credential bool
	Refused    Reason // as in [CreateTransfer]
	Queue      bool   // likewise
}

// Refund is the refund as a transfer, of so many minor units.
func (c *CreateRefund) Refund(minor int64) Transfer {
	p := c.Payment
	t := Transfer{ID: c.ID, App: p.App, Kind: Refund, Payer: p.Payee, Payee: p.Payer, Amount: Amount{Minor: minor, Currency: p.Amount.Currency},
		Note: c.Note, Conversation: p.Conversation, RRN: c.RRN, Credential: c.Credential, Cause: RecordKey{RecordRefunds, p.ID}}
	for _, e := range []*End{&t.Payer, &t.Payee} {
		e.Sealed, e.Mark = "", [32]byte{} // which are the payment's own
	}
	return t
}

// Declare implements [Command]. A party that is locked is not closed meanwhile, nor is a
// refund begun of one that is.
func (c CreateRefund) Declare(s *Set) {
	CreateTransfer{Transfer: c.Refund(1)}.Declare(s)
	s.Records.New(RecordKey{RecordRefunds, c.ID})
	for _, e := range []*End{&c.Payment.Payer, &c.Payment.Payee} {
		if !e.Party.IsZero() {
			s.Parties.Want(e.Party)
		}
	}
}

// Apply implements [Command].
func (c CreateRefund) Apply(s *Set) (any, error) {
	key := RecordKey{RecordRefunds, c.Payment.ID}
	r, kept, ok := record[Refunds](s, key)
	if !ok {
		r = Record{RecordKey: key, App: c.Payment.App}
	}
	minor, err := c.minor(s, &kept)
	if err != nil {
		return nil, err
	}
	kept.UnderWay += minor
	putRecord(s, r, kept)
	putRecord(s, Record{RecordKey: RecordKey{RecordRefunds, c.ID}, App: r.App, Parent: r.ID}, struct{}{})
	t := c.Refund(minor)
	for _, e := range []*End{&t.Payer, &t.Payee} {
		if e.Instrument.IsZero() {
			continue
		}
		if i, ok := s.Instruments.Get(e.Instrument); !ok || i.Unlinked {
			e.Instrument = ID{} // the money goes where it came from, even if that was unlinked since
		}
	}
	return CreateTransfer{Transfer: t, Refused: c.Refused, Queue: c.Queue}.Apply(s)
}

// minor is how much is refunded, or the first rule that forbids it.
func (c *CreateRefund) minor(s *Set, kept *Refunds) (int64, error) {
	p := c.Payment
	ref := p.ID.TransferRef()
	switch {
	case p.Kind == Refund:
		return 0, refuse(CodeRefundOfRefund, "%s is a refund itself; pay it back by a payment", ref)
	case p.Kind != Payment:
		return 0, refuse(CodeNotAPayment, "%s is a %s: only a payment can be refunded", ref, p.Kind)
	case p.Cause.Kind == RecordPot || !p.Payer.Pot.IsZero() || !p.Payee.Pot.IsZero():
		return 0, refuse(CodeRefundOfPot, "%s is money put aside for others or claimed of it, which cannot be refunded", ref)
	case p.State != Completed:
		return 0, refuse(CodeNotCompleted, "%s is %s: only what the payee has can be refunded", ref, p.State)
	case p.Payee.Party.IsZero():
		return 0, refuse(CodePayeeNotYours, "the payee of %s is none of your app's parties: only who was paid can refund it", ref)
	}
	for _, e := range []*End{&p.Payer, &p.Payee} {
		if party, ok := s.Parties.Get(e.Party); !ok || party.Closed != 0 || e.Unreadable() {
			return 0, refuse(CodeRefundOfErased, "payer or payee of %s was erased, so that nothing can be refunded", ref)
		}
	}
	left := Amount{Minor: p.Amount.Minor - kept.Refunded - kept.UnderWay, Currency: p.Amount.Currency}
	switch {
	case c.Amount.Minor != 0 && c.Amount.Currency != left.Currency:
		return 0, refuse(CodeRefundCurrency, "%s is in %s", ref, left.Currency)
	case left.Minor == 0 && kept.UnderWay != 0:
		return 0, refuse(CodeNothingToRefund, "all of %s is refunded or on its way back; what fails of it can be refunded again", ref)
	case left.Minor == 0:
		return 0, refuse(CodeNothingToRefund, "all of %s is refunded", ref)
	case c.Amount.Minor > left.Minor:
		return 0, refuse(CodeRefundTooLarge, "%s %s are left to refund of %s", left, left.Currency, ref)
	case c.Amount.Minor != 0:
		return c.Amount.Minor, nil
	}
	return left.Minor, nil
}

// refundEnded moves a refund that has ended to what is refunded, or frees its amount again.
func (s *Set) refundEnded(t *Transfer) {
	r, kept, ok := record[Refunds](s, t.Cause)
	if !ok {
		return // [Verify] says so
	}
	kept.UnderWay -= t.Amount.Minor
	if t.State == Completed {
		kept.Refunded += t.Amount.Minor
		kept.Count++
		s.tell(&r, NoticeRefunded, kept.Count)
	}
	putRecord(s, r, kept)
}
