package ledger

// Event is what a posting records. With the transfer's ID it is the posting's
// key, so that no leg of a transfer can be posted twice.
type Event uint8

// The events of a transfer. The first four bear the numbers of their legs.
const (
	EventDebit          = Event(LegDebit)          // payer's side -> transit
	EventCredit         = Event(LegCredit)         // transit -> payee's side
	EventDebitReversal  = Event(LegDebitReversal)  // transit -> payer's side
	EventCreditReversal = Event(LegCreditReversal) // payee's side -> transit
	EventWallet         = Event(5)                 // wallet -> wallet, in one step
	EventAdjustment     = Event(6)                 // a bank's clearing account <-> suspense, of a correction
	EventSettlement     = Event(7)                 // a bank's clearing account <-> its settlement account, of a position
	EventFee            = Event(8)                 // a bank's settlement account -> fees, of a position
)

var eventNames = [...]string{EventDebit: "debit", EventCredit: "credit", EventDebitReversal: "debit_reversal",
	EventCreditReversal: "credit_reversal", EventWallet: "wallet",
	EventAdjustment: "adjustment", EventSettlement: "settlement", EventFee: "fee"}

// String is the event's word, such as "credit_reversal".
func (e Event) String() string { return nameOf(eventNames[:], e) }

// entryPrefix is that of the IDs of what owns such postings.
func (e Event) entryPrefix() string {
	switch e {
	case EventAdjustment:
		return correctionPrefix
	case EventSettlement, EventFee:
		return positionPrefix
	}
	return transferPrefix
}

// undoes is the event that e takes back, or 0: a reversal names the posting it undoes.
func (e Event) undoes() Event { return Event(Leg(e).Reverses()) }

// sides chooses what an event debits and credits.
func sides[A any](e Event, payer, payee, transit A) (debit, credit A) {
	switch e {
	case EventDebit:
		return payer, transit
	case EventCredit:
		return transit, payee
	case EventDebitReversal:
		return transit, payer
	case EventCreditReversal:
		return payee, transit
	default: // EventWallet
		return payer, payee
	}
}

// Posting is one row of the book: Amount leaves Credit and comes to Debit, in
// the words of bookkeeping: Debit is debited, Credit is credited. It cannot be
// unbalanced and is never changed. DebitSeq and CreditSeq count the postings
// of each account; DebitBalance and CreditBalance are the accounts' balances
// (by their normal side) right after it.
type Posting struct {
	Entry    ID // the transfer that it belongs to, or the correction or the position
	Event    Event
	Undoes   Event // the event of the same transfer that this posting takes back, or 0
	Debit    AccountID
	Credit   AccountID
	Amount   int64 // minor units, > 0
	Currency Currency

	DebitSeq, CreditSeq         int64
	DebitBalance, CreditBalance int64
	At                          int64 // Unix microseconds
}

// EntryRef is the outside form of the entry's ID: that of a transfer, a correction or a position.
func (p *Posting) EntryRef() string { return p.Entry.Ref(p.Event.entryPrefix()) }

// nameOf looks a small enumeration's word up.
func nameOf[E ~uint8](names []string, e E) string {
	if int(e) < len(names) && names[e] != "" {
		return names[e]
	}
	return "unknown"
}

// parseName finds the value whose word is s.
func parseName[E ~uint8](names []string, s string) (E, bool) {
	for i, n := range names {
		if n == s && n != "" {
			return E(i), true
		}
	}
	return 0, false
}
