package ledger

import (
	"slices"
	"time"
)

// MoneyRequest asks parties for money, and each of them pays its own ask or does not: it
// is a message that leads them to pay, no way to take. It is a record, of which these are
// the body; it belongs to the requester.
type MoneyRequest struct {
	Record     `json:"-"`
	Currency   Currency `json:"currency"`
	Instrument ID       `json:"instrument,omitzero"` // what is to be paid on; zero: the requester's default at that time
	Message    string   `json:"message,omitempty"`   // the chat's own id, kept as given
	Expires    int64    `json:"expires"`             // Unix microseconds
	Own        int64    `json:"own,omitempty"`       // the requester's own part of what was split, in minor units, or 0
	Asks       []Ask    `json:"asks"`
}

// Ask is what one party is asked for.
type Ask struct {
	Party    ID            `json:"party"`
	Minor    int64         `json:"minor"`
	State    AskState      `json:"state"`
	Transfer ID            `json:"transfer,omitzero"` // the one that is under way or has paid it
	Then     AskState      `json:"then,omitempty"`    // of one that is being paid: what it becomes if it isn't paid after all; 0: open again
	Declined DeclineReason `json:"declined,omitempty"`
	Reminded []int64       `json:"reminded,omitempty"`  // when last, as often as may be in a day, oldest first
	Reminder int           `json:"reminders,omitempty"` // how often in all
}

// AskState is where an ask is in its life.
type AskState uint8

// The states of an ask.
const (
	AskOpen      AskState = iota + 1
	AskPaying             // a transfer is under way that may pay it
	AskPaid               // end
	AskDeclined           // end: the asked party will not pay
	AskCancelled          // end: the requester does not want it any more
	AskExpired            // end: its time was over
)

var askStateNames = [...]string{AskOpen: "open", AskPaying: "paying", AskPaid: "paid", AskDeclined: "declined", AskCancelled: "cancelled", AskExpired: "expired"}

// String is the state's word.
func (s AskState) String() string { return nameOf(askStateNames[:], s) }

// live says whether it is not at an end.
func (s AskState) live() bool { return s == AskOpen || s == AskPaying }

// RequestState is how far a request is as a whole.
type RequestState uint8

// The states of a request.
const (
	RequestOpen    RequestState = iota + 1 // an ask is not at an end
	RequestSettled                         // end: every ask is paid
	RequestClosed                          // end: not every one
)

var requestStateNames = [...]string{RequestOpen: "open", RequestSettled: "settled", RequestClosed: "closed"}

// String is the state's word.
func (s RequestState) String() string { return nameOf(requestStateNames[:], s) }

// ParseRequestState reads what String wrote.
func ParseRequestState(s string) (RequestState, bool) {
	return parseName[RequestState](requestStateNames[:], s)
}

// DeclineReason is why somebody does not pay, in one of a few words: a text of a person
// would have to be kept under that person's key.
type DeclineReason uint8

// The reasons to decline.
const (
	DeclinedPaid   DeclineReason = iota + 1 // it was paid in another way
	DeclinedAmount                          // it is not this much
	DeclinedNot                             // nothing is owed
)

var declineNames = [...]string{DeclinedPaid: "already_paid", DeclinedAmount: "wrong_amount", DeclinedNot: "not_owed"}

// String is the reason's word.
func (r DeclineReason) String() string { return nameOf(declineNames[:], r) }

// ParseDeclineReason reads what String wrote.
func ParseDeclineReason(s string) (DeclineReason, bool) {
	return parseName[DeclineReason](declineNames[:], s)
}

// Bounds of a request.
const (
	MaxAsks     = 100
	RequestLife = 7 * 24 * time.Hour // how long it may be paid where it does not say
	maxLife     = 45 * 24 * time.Hour
)

// Codes of refusals that are about requests.
const (
	CodeRequestNotFound  = "request_not_found"
	CodeAskNotFound      = "ask_not_found"
	CodeAsksNotAllowed   = "asks_not_allowed"
	CodeExpiryNotAllowed = "expiry_not_allowed"
	CodeCurrencyDiffers  = "instrument_currency_differs"
	CodeAskBeingPaid     = "ask_being_paid"
	CodeAskPaid          = "ask_paid"
	CodeAskEnded         = "ask_ended"
	CodeRemindedJustNow  = "reminded_just_now"
)

// Types of notices of requests; of all but the last one N is the ask's place, from 1.
const (
	NoticeRequestCreated   = "request.created"
	NoticeRequestPaid      = "request.paid"
	NoticeRequestDeclined  = "request.declined"
	NoticeRequestReminded  = "request.reminded"
	NoticeRequestCancelled = "request.cancelled"
	NoticeRequestExpired   = "request.expired"
	NoticeRequestSettled   = "request.settled"
)

// AskMoney makes a request. It returns the [MoneyRequest].
type AskMoney struct {
	// Request has ID, App, Owner, Conversation and Private (the note) of its record, and all
	// of its body but what becomes of its asks. Expires may be 0.
	Request MoneyRequest
}

// Declare implements [Command].
func (c AskMoney) Declare(s *Set) {
	q := &c.Request
	s.Records.New(RequestKey(q.ID))
	s.Parties.See(q.Owner)
	for i := range q.Asks {
		s.Parties.See(q.Asks[i].Party)
	}
	if !q.Instrument.IsZero() {
		s.Instruments.See(q.Instrument)
	}
}

// Apply implements [Command].
func (c AskMoney) Apply(s *Set) (any, error) {
	q := c.Request
	if q.Expires == 0 {
		q.Expires = s.Now + RequestLife.Microseconds()
	}
	if err := q.refusal(s); err != nil {
		return nil, err
	}
	q.RecordKey = RequestKey(q.ID)
	q.Asks, q.Parties = make([]Ask, len(c.Request.Asks)), []ID{q.Owner}
	for i, a := range c.Request.Asks {
		q.Asks[i] = Ask{Party: a.Party, Minor: a.Minor, State: AskOpen}
		q.Parties = append(q.Parties, a.Party)
		s.tell(&q.Record, NoticeRequestCreated, i+1)
	}
	q.put(s)
	return q, nil
}

// refusal is the first rule that a new request breaks, if there is one.
func (q *MoneyRequest) refusal(s *Set) error {
	asked, total := map[ID]bool{q.Owner: true}, q.Own
	if err := q.known(s, q.Owner); err != nil {
		return err
	}
	for _, a := range q.Asks {
		if err := q.known(s, a.Party); err != nil {
			return err
		}
		if total += a.Minor; a.Minor <= 0 || total > maxAmount {
			return refuse(CodeAsksNotAllowed, "each ask is for more than nothing, and all together are for no more than a transfer can be")
		}
		if asked[a.Party] {
			return refuse(CodeAsksNotAllowed, "%s is the requester, or is asked twice", a.Party.PartyRef())
		}
		asked[a.Party] = true
	}
	switch n := len(q.Asks); {
	case n == 0 || n > MaxAsks:
		return refuse(CodeAsksNotAllowed, "a request asks 1 to %d parties", MaxAsks)
	case q.Expires <= s.Now || q.Expires > s.Now+maxLife.Microseconds():
		return refuse(CodeExpiryNotAllowed, "a request expires in the future, at most %d days from now", maxLife/(24*time.Hour))
	case q.Instrument.IsZero():
		return nil
	}
	switch i, ok := s.Instruments.Get(q.Instrument); {
	case !ok || i.Party != q.Owner || i.Unlinked:
		return refuse(CodeInstrumentNotFound, "the requester has no instrument %s", q.Instrument.InstrumentRef())
	case !i.Kind.HoldsMoney():
		return refuse(CodeNotAPaymentMethod, "a %s holds no money and cannot be paid on", i.Kind)
	case i.Currency != q.Currency:
		return refuse(CodeCurrencyDiffers, "the instrument that is to be paid on is in %s, the request in %s", i.Currency, q.Currency)
	}
	return nil
}

// known refuses who is not a party of the request's app, or is none any more.
func (q *MoneyRequest) known(s *Set, id ID) error {
	p, ok := s.Parties.Get(id)
	switch {
	case !ok || p.App != q.App:
		return refuse(CodePartyNotFound, "there is no party %s", id.PartyRef())
	case p.Closed != 0:
		return refuse(CodePartyClosed, "party %s was closed to be erased", id.PartyRef())
	}
	return nil
}

// RequestKey names the record of a request.
func RequestKey(id ID) RecordKey { return RecordKey{RecordRequest, id} }

// ReadRequest reads a request from its record.
func ReadRequest(r Record) (MoneyRequest, error) {
	q, err := ReadRecord[MoneyRequest](&r)
	q.Record = r
	return q, err
}

// Amount is an amount of the request's currency.
func (q *MoneyRequest) Amount(minor int64) Amount { return Amount{minor, q.Currency} }

// State is how far the request is.
func (q *MoneyRequest) State() RequestState { return RequestState(q.Record.State) }

// AskOf is where the ask of a party stands, or -1.
func (q *MoneyRequest) AskOf(party ID) int {
	return slices.IndexFunc(q.Asks, func(a Ask) bool { return a.Party == party })
}

// place is where the ask of a party stands, which there must be.
func (q *MoneyRequest) place(party ID) (int, error) {
	i := q.AskOf(party)
	if i < 0 {
		return 0, refuse(CodeAskNotFound, "the request asks nothing of %s", party.PartyRef())
	}
	return i, nil
}

// chosen are the places of the asks that a command is about: that of a party, or all.
func (q *MoneyRequest) chosen(party ID) ([]int, error) {
	if !party.IsZero() {
		i, err := q.place(party)
		return []int{i}, err
	}
	all := make([]int, len(q.Asks))
	for i := range all {
		all[i] = i
	}
	return all, nil
}

// request is a declared request.
func (s *Set) request(id ID) (MoneyRequest, error) {
	r, q, ok := record[MoneyRequest](s, RequestKey(id))
	if !ok {
		return q, refuse(CodeRequestNotFound, "there is no request %s", id.RequestRef())
	}
	q.Record = r
	return q, nil
}

// put keeps the request as its asks are now.
func (q *MoneyRequest) put(s *Set) {
	q.tally()
	if q.State() == RequestSettled { // once: nothing is put after it
		s.tell(&q.Record, NoticeRequestSettled, 0)
	}
	putRecord(s, q.Record, q)
	q.Record, _ = s.Records.Get(q.RecordKey)
}

// tally says by its asks how far the request is. It is due when they expire, for as long
// as there is one that expiring would change.
func (q *MoneyRequest) tally() {
	live, paid := 0, 0
	q.Due = 0
	for i := range q.Asks {
		a := &q.Asks[i]
		switch {
		case a.State.live():
			live++
			if a.Then == 0 {
				q.Due = q.Expires
			}
		case a.State == AskPaid:
			paid++
		}
	}
	state := RequestClosed
	switch {
	case live > 0:
		state = RequestOpen
	case paid == len(q.Asks):
		state = RequestSettled
	}
	q.Record.State = uint8(state)
}

// ended refuses where an ask is at its end. One whose time is over is so also before that
// was written down.
func (q *MoneyRequest) ended(s *Set, a *Ask) error {
	switch {
	case a.State == AskPaid:
		return refuse(CodeAskPaid, "it was paid by transfer %s", a.Transfer.TransferRef())
	case !a.State.live():
		return refuse(CodeAskEnded, "it is %s", a.State)
	case a.State == AskOpen && s.Now >= q.Expires:
		return refuse(CodeAskEnded, "it is %s", AskExpired)
	}
	return nil
}

// idle refuses where an ask cannot be paid or declined, nor its party reminded: that needs
// one that is open, with no payment under way.
func (q *MoneyRequest) idle(s *Set, a *Ask) error {
	if a.State == AskPaying {
		return refuse(CodeAskBeingPaid, "transfer %s is under way and may pay it", a.Transfer.TransferRef())
	}
	return q.ended(s, a)
}
