package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// asking makes a request for paise to parties, as one that was not made yet.
func asking(requester ledger.ID, minor int64, parties ...ledger.ID) ledger.AskMoney {
	q := ledger.MoneyRequest{Currency: "INR"}
	q.ID, q.App, q.Owner, q.Conversation, q.Private = ledger.NewID(), "chat", requester, "c-77", "dinner"
	for _, p := range parties {
		q.Asks = append(q.Asks, ledger.Ask{Party: p, Minor: minor})
	}
	return ledger.AskMoney{Request: q}
}

// asked reads a request as it is now.
func (b *book) asked(id ledger.ID) ledger.MoneyRequest {
	b.t.Helper()
	r, err := b.store.Record(context.Background(), ledger.RequestKey(id))
	if err != nil {
		b.t.Fatal(err)
	}
	q, err := ledger.ReadRequest(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

// payAsk is the command that pays an ask.
func payAsk(q *ledger.MoneyRequest, payer, payee ledger.End) ledger.PayAsk {
	c := create(payer, payee, q.Asks[q.AskOf(payer.Party)].Minor)
	c.Transfer.Cause = q.RecordKey
	return ledger.PayAsk{Request: q, Pay: c}
}

// submit submits a command and says how it was refused, or nothing.
func (b *book) submit(c ledger.Command) (result any, code string) {
	b.t.Helper()
	reply, err := b.pipe.Submit(context.Background(), ledger.Request{Command: c})
	var refusal *ledger.Refusal
	switch {
	case errors.As(err, &refusal):
		return nil, refusal.Code
	case err != nil:
		b.t.Fatalf("%T: %v", c, err)
	}
	return reply.Result, ""
}

// told are the notices about a request so far, as "paid.1".
func (b *book) told(id ledger.ID) string {
	b.t.Helper()
	rows, err := b.store.Outbox(context.Background(), 10_000)
	if err != nil {
		b.t.Fatal(err)
	}
	var told []string
	for _, row := range rows {
		notices, err := ledger.ParseNotices(row.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, n := range notices {
			if n.Subject == id {
				told = append(told, fmt.Sprintf("%s.%d", strings.TrimPrefix(n.Type, "request."), n.N))
			}
		}
	}
	return strings.Join(told, " ")
}

// states are those of the asks, and of the request.
func states(q *ledger.MoneyRequest) string {
	var all []string
	for i := range q.Asks {
		all = append(all, q.Asks[i].State.String())
	}
	return strings.Join(all, " ") + ", " + q.State().String()
}

// TestLifeOfAnAsk tells what happens to an ask, and how it and the request are then. What is
// refused has the code behind a "=". The payer has a bank account; the request is over
// after ten seconds.
func TestLifeOfAnAsk(t *testing.T) {
	for _, c := range []struct{ name, happens, states, told string }{
		{"paid by a bank", "pay, debit approved", "paid, settled", "created.1 paid.1 settled.0"},
		{"paid by a wallet", "pay by wallet", "paid, settled", "created.1 paid.1 settled.0"},
		{"one payment at a time", "pay, pay=ask_being_paid, pay by wallet=ask_being_paid", "paying, open", "created.1"},
		{"paid once", "pay by wallet, pay=ask_paid, pay by wallet=ask_paid", "paid, settled", "created.1 paid.1 settled.0"},
		{"the bank declines: it may be paid again", "pay, debit declined, pay, debit approved", "paid, settled", "created.1 paid.1 settled.0"},
		{"the bank declines", "pay, debit declined", "open, open", "created.1"},
		{"a rule refuses the payment", "pay by empty wallet, pay by empty wallet", "open, open", "created.1"},
		{"the payer takes the payment back", "pay queued, take back", "open, open", "created.1"},
		{"the money comes back", "pay, debit unknown, debit approved, pay=ask_being_paid, debit_reversal approved", "open, open", "created.1"},
		{"a payment in doubt is still one", "pay, debit silent, debit_reversal silent, pay=ask_being_paid, decline=ask_being_paid", "paying, open", "created.1"},
		{"a doubt is decided", "pay, debit silent, debit_reversal silent, debit_reversal approved", "open, open", "created.1"},

		{"declined", "decline, decline, decline because", "declined, closed", "created.1 declined.1"},
		{"what is declined is not paid", "decline, pay=ask_ended, pay by wallet=ask_ended, remind=ask_ended", "declined, closed", "created.1 declined.1"},
		{"what is declined is not cancelled", "decline, cancel=ask_ended, cancel all=ask_ended, expire", "declined, closed", "created.1 declined.1"},
		{"what is paid is not declined", "pay by wallet, decline=ask_paid, cancel=ask_paid, cancel all=ask_paid, remind=ask_paid, expire", "paid, settled", "created.1 paid.1 settled.0"},
		{"what is being paid is not declined", "pay, decline=ask_being_paid, remind=ask_being_paid", "paying, open", "created.1"},

		{"cancelled", "cancel, cancel, cancel all, expire", "cancelled, closed", "created.1 cancelled.1"},
		{"cancelled whole", "cancel all, cancel all, cancel", "cancelled, closed", "created.1 cancelled.1"},
		{"what is cancelled is not paid", "cancel, pay=ask_ended, decline=ask_ended, remind=ask_ended", "cancelled, closed", "created.1 cancelled.1"},
		{"cancelled while it is paid", "pay, cancel, cancel, cancel all, pay=ask_being_paid", "paying, open", "created.1"},
		{"cancelled while it is paid: paid", "pay, cancel, debit approved", "paid, settled", "created.1 paid.1 settled.0"},
		{"cancelled while it is paid: not paid", "pay, cancel all, debit declined, pay=ask_ended", "cancelled, closed", "created.1 cancelled.1"},

		{"expired", "late, expire, expire", "expired, closed", "created.1 expired.1"},
		{"not expired yet", "expire", "open, open", "created.1"},
		{"its time is over before that is written down", "late, pay=ask_ended, pay by wallet=ask_ended, decline=ask_ended, cancel=ask_ended, cancel all=ask_ended, remind=ask_ended", "open, open", "created.1"},
		{"expired while it is paid", "pay, late, expire, expire", "paying, open", "created.1"},
		{"expired while it is paid: paid", "pay, late, expire, debit approved", "paid, settled", "created.1 paid.1 settled.0"},
		{"expired while it is paid: not paid", "pay, late, expire, cancel, debit declined", "expired, closed", "created.1 expired.1"},
		{"cancelled, then expired while it is paid", "pay, cancel, late, expire, debit declined", "cancelled, closed", "created.1 cancelled.1"},
		{"not paid after its time", "pay, late, debit declined", "expired, closed", "created.1 expired.1"},
		{"paid after its time", "pay, late, debit approved", "paid, settled", "created.1 paid.1 settled.0"},

		{"reminded", "remind, pay by wallet", "paid, settled", "created.1 reminded.1 paid.1 settled.0"},
		{"reminded again at once", "remind, remind=reminded_just_now, remind all=reminded_just_now", "open, open", "created.1 reminded.1"},
		{"somebody else", "pay by other=ask_not_found, decline by other=ask_not_found, cancel other=ask_not_found, remind other=ask_not_found", "open, open", "created.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBook(t)
			defer b.close()
			s := newAskStory(b)
			for _, step := range strings.Split(c.happens, ", ") {
				what, want, _ := strings.Cut(step, "=")
				if got := s.happens(what); got != want {
					t.Fatalf("%s: %q, want %q", what, got, want)
				}
				b.verify()
			}
			q := b.asked(s.request.ID)
			if got := states(&q); got != c.states {
				t.Errorf("it is %s, want %s", got, c.states)
			}
			if got := b.told(q.ID); got != c.told {
				t.Errorf("told %s, want %s", got, c.told)
			}
			if waits := q.State() == ledger.RequestOpen && q.Asks[0].Then == 0; (q.Due == q.Expires) != waits || (q.Due == 0) == waits {
				t.Errorf("due at %d, expires at %d", q.Due, q.Expires)
			}
		})
	}
}

// askStory is a request of 5 rupees to one party.
type askStory struct {
	*book
	request               ledger.MoneyRequest
	to, payer, wallet     ledger.End
	empty, other, another ledger.End
	transfer              ledger.Transfer // the latest
}

func newAskStory(b *book) *askStory {
	s := &askStory{book: b}
	_, s.to = b.person("Asha", "SBIN")
	s.payer, s.wallet = b.person("Ravi", "HDFC")
	s.other, s.another = b.person("Mina", "HDFC")
	b.fund(s.payer, s.wallet, 700)
	s.empty = s.wallet
	s.empty.Party = s.payer.Party
	ask := asking(s.to.Party, 500, s.payer.Party)
	ask.Request.Expires = b.now.Add(10 * time.Second).UnixMicro()
	s.request = must[ledger.MoneyRequest](b, ask)
	return s
}

func (s *askStory) happens(what string) (refused string) {
	s.t.Helper()
	q := &s.request
	pay := func(c ledger.PayAsk) string {
		result, code := s.submit(c)
		if code == "" {
			s.transfer = result.(ledger.Transfer)
		}
		return code
	}
	do := func(c ledger.Command) string {
		_, code := s.submit(c)
		return code
	}
	switch what {
	case "pay":
		return pay(payAsk(q, s.payer, s.to))
	case "pay queued":
		c := payAsk(q, s.payer, s.to)
		c.Pay.Queue = true
		return pay(c)
	case "pay by wallet":
		return pay(payAsk(q, s.wallet, s.to))
	case "pay by empty wallet":
		if s.wallet.Party == s.payer.Party { // spend what is in it
			must[ledger.Transfer](s.book, create(s.wallet, s.another, 600))
			s.wallet.Party = ledger.ID{}
		}
		code := pay(payAsk(q, s.empty, s.to))
		if s.transfer.State != ledger.Failed || s.transfer.Reason != ledger.InsufficientFunds {
			s.t.Errorf("the payment is %s, %s", s.transfer.State, s.transfer.Reason)
		}
		return code
	case "pay by other":
		c := payAsk(q, s.payer, s.to)
		c.Pay.Transfer.Payer = s.other
		return pay(c)
	case "take back":
		return do(ledger.CancelTransfer{Transfer: &s.transfer})
	case "decline":
		return do(ledger.DeclineAsk{Request: q, Party: s.payer.Party})
	case "decline because":
		return do(ledger.DeclineAsk{Request: q, Party: s.payer.Party, Reason: ledger.DeclinedPaid})
	case "decline by other":
		return do(ledger.DeclineAsk{Request: q, Party: s.other.Party})
	case "cancel":
		return do(ledger.CancelRequest{Request: q, Party: s.payer.Party})
	case "cancel all":
		return do(ledger.CancelRequest{Request: q})
	case "cancel other":
		return do(ledger.CancelRequest{Request: q, Party: s.other.Party})
	case "remind":
		return do(ledger.RemindAsk{Request: q, Party: s.payer.Party})
	case "remind all":
		return do(ledger.RemindAsk{Request: q})
	case "remind other":
		return do(ledger.RemindAsk{Request: q, Party: s.other.Party})
	case "late":
		s.now = s.now.Add(10 * time.Second)
	case "expire":
		return do(ledger.ExpireRequest{ID: q.ID})
	default:
		s.say(&s.transfer, what)
	}
	return ""
}

// TestAsksOfManyEndOneByOne: what happens to one ask is not the others' affair.
func TestAsksOfManyEndOneByOne(t *testing.T) {
	b := newBook(t)
	defer b.close()
	_, to := b.person("Asha", "SBIN")
	var wallets []ledger.End
	var parties []ledger.ID
	for range 4 {
		account, wallet := b.person("somebody", "HDFC")
		b.fund(account, wallet, 500)
		wallets, parties = append(wallets, wallet), append(parties, wallet.Party)
	}
	q := must[ledger.MoneyRequest](b, asking(to.Party, 500, parties...))
	if q.Expires != b.now.Add(ledger.RequestLife).UnixMicro() || q.Due != q.Expires || q.Private != "dinner" {
		t.Errorf("made as %+v", q)
	}
	must[ledger.Transfer](b, payAsk(&q, wallets[2], to))
	must[ledger.MoneyRequest](b, ledger.DeclineAsk{Request: &q, Party: parties[0], Reason: ledger.DeclinedAmount})
	must[ledger.MoneyRequest](b, ledger.RemindAsk{Request: &q})
	if q = b.asked(q.ID); states(&q) != "declined open paid open, open" || q.Asks[0].Declined != ledger.DeclinedAmount {
		t.Errorf("it is %s: %+v", states(&q), q)
	}
	must[ledger.MoneyRequest](b, ledger.CancelRequest{Request: &q})
	if q = b.asked(q.ID); states(&q) != "declined cancelled paid cancelled, closed" || q.Due != 0 {
		t.Errorf("it is %s: %+v", states(&q), q)
	}
	if got, want := b.told(q.ID), "created.1 created.2 created.3 created.4 paid.3 declined.1 reminded.2 reminded.4 cancelled.2 cancelled.4"; got != want {
		t.Errorf("told\n%s, want\n%s", got, want)
	}
	b.verify()
}

func TestRequestsThatAreRefused(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	payer, _ := b.person("Ravi", "HDFC")
	dollars := must[ledger.Instrument](b, ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: account.Party, App: "chat", Kind: ledger.Wallet, Currency: "USD"}})
	phone := must[ledger.Instrument](b, ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: account.Party, App: "chat", Kind: ledger.Phone, Value: "+919876500001"}})
	foreign := must[ledger.Party](b, ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "other", Name: "Gita", Kind: ledger.Person}})
	closed, _ := b.person("Mina", "HDFC")
	must[ledger.Party](b, ledger.CloseParty{Party: closed.Party})
	many := make([]ledger.ID, ledger.MaxAsks+1)
	for i := range many {
		p, _ := b.person("somebody", "HDFC")
		many[i] = p.Party
	}
	to := func(parties ...ledger.ID) ledger.AskMoney { return asking(account.Party, 100, parties...) }
	for name, c := range map[string]struct {
		change func(*ledger.MoneyRequest)
		ask    ledger.AskMoney
		want   string
	}{
		"nobody is asked":             {nil, to(), ledger.CodeAsksNotAllowed},
		"too many are asked":          {nil, to(many...), ledger.CodeAsksNotAllowed},
		"somebody is asked twice":     {nil, to(payer.Party, many[0], payer.Party), ledger.CodeAsksNotAllowed},
		"the requester asks itself":   {nil, to(account.Party), ledger.CodeAsksNotAllowed},
		"asked for nothing":           {nil, asking(account.Party, 0, payer.Party), ledger.CodeAsksNotAllowed},
		"asked for less than nothing": {nil, asking(account.Party, -1, payer.Party), ledger.CodeAsksNotAllowed},
		"asked for too much in all":   {nil, asking(account.Party, 500_000_000_000_001, payer.Party, many[0]), ledger.CodeAsksNotAllowed},
		"asked for more than fits":    {nil, asking(account.Party, 1<<62, payer.Party, many[0], many[1]), ledger.CodeAsksNotAllowed},
		"another app's is asked":      {nil, to(payer.Party, foreign.ID), ledger.CodePartyNotFound},
		"another app's asks":          {nil, asking(foreign.ID, 100, payer.Party), ledger.CodePartyNotFound},
		"nobody asks":                 {nil, asking(ledger.NewID(), 100, payer.Party), ledger.CodePartyNotFound},
		"who is closed is asked":      {nil, to(closed.Party), ledger.CodePartyClosed},
		"who is closed asks":          {nil, asking(closed.Party, 100, payer.Party), ledger.CodePartyClosed},
		"it is over":                  {func(q *ledger.MoneyRequest) { q.Expires = b.now.UnixMicro() }, to(payer.Party), ledger.CodeExpiryNotAllowed},
		"it lasts for long":           {func(q *ledger.MoneyRequest) { q.Expires = b.now.Add(45*24*time.Hour).UnixMicro() + 1 }, to(payer.Party), ledger.CodeExpiryNotAllowed},
		"paid on what is not there":   {func(q *ledger.MoneyRequest) { q.Instrument = ledger.NewID() }, to(payer.Party), ledger.CodeInstrumentNotFound},
		"paid on somebody else's":     {func(q *ledger.MoneyRequest) { q.Instrument = payer.Instrument }, to(payer.Party), ledger.CodeInstrumentNotFound},
		"paid on a phone":             {func(q *ledger.MoneyRequest) { q.Instrument = phone.ID }, to(payer.Party), ledger.CodeNotAPaymentMethod},
		"paid in another currency":    {func(q *ledger.MoneyRequest) { q.Instrument = dollars.ID }, to(payer.Party), ledger.CodeCurrencyDiffers},
	} {
		if c.change != nil {
			c.change(&c.ask.Request)
		}
		if _, got := b.submit(c.ask); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if _, err := b.store.Record(context.Background(), ledger.RequestKey(c.ask.Request.ID)); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s: it was kept all the same (%v)", name, err)
		}
	}
	ask := to(many[:ledger.MaxAsks]...)
	ask.Request.Instrument, ask.Request.Expires = wallet.Instrument, b.now.Add(45*24*time.Hour).UnixMicro()
	if q := must[ledger.MoneyRequest](b, ask); len(q.Asks) != ledger.MaxAsks || q.Instrument != wallet.Instrument {
		t.Errorf("made as %+v", q)
	}
	unlinked, err := b.store.Instrument(context.Background(), wallet.Instrument)
	if err != nil {
		t.Fatal(err)
	}
	must[ledger.Instrument](b, ledger.UnlinkInstrument{Instrument: unlinked})
	ask.Request.ID = ledger.NewID()
	if _, got := b.submit(ask); got != ledger.CodeInstrumentNotFound {
		t.Errorf("paid on what was unlinked: %q", got)
	}
}

// TestRemindersAreFew: at most one an hour and three a day for each ask, and a refusal says
// when there may be another one.
func TestRemindersAreFew(t *testing.T) {
	b := newBook(t)
	defer b.close()
	_, to := b.person("Asha", "SBIN")
	one, _ := b.person("Ravi", "HDFC")
	two, _ := b.person("Mina", "HDFC")
	began := b.now
	ask := asking(to.Party, 100, one.Party, two.Party)
	q := must[ledger.MoneyRequest](b, ask)
	remind := func(party ledger.ID, wantAgain time.Duration) {
		t.Helper()
		_, err := b.pipe.Submit(context.Background(), ledger.Request{Command: ledger.RemindAsk{Request: &q, Party: party}})
		var refusal *ledger.Refusal
		switch errors.As(err, &refusal); {
		case wantAgain == 0 && err != nil, wantAgain != 0 && refusal == nil:
			t.Fatalf("at %s: %v", b.now.Sub(began), err)
		case wantAgain == 0:
		case refusal.Code != ledger.CodeRemindedJustNow || refusal.Again != began.Add(wantAgain).UnixMicro():
			t.Fatalf("at %s: %v; again at %s", b.now.Sub(began), err, time.UnixMicro(refusal.Again).Sub(began))
		}
	}
	at := func(d time.Duration) { b.now = began.Add(d) }
	all := ledger.ID{}
	remind(one.Party, 0)
	remind(one.Party, time.Hour)
	at(30 * time.Minute)
	remind(all, 0) // two only
	at(time.Hour - time.Microsecond)
	remind(one.Party, time.Hour)
	remind(all, time.Hour)
	at(time.Hour)
	remind(all, 0) // one only
	at(2 * time.Hour)
	remind(all, 0) // both
	at(4 * time.Hour)
	remind(one.Party, 24*time.Hour)
	remind(two.Party, 0)
	remind(all, 24*time.Hour)
	at(24 * time.Hour)
	remind(all, 0) // one only
	at(24*time.Hour + 30*time.Minute)
	remind(one.Party, 25*time.Hour)
	remind(all, 0) // two only
	if q = b.asked(q.ID); q.Asks[0].Reminder != 4 || q.Asks[1].Reminder != 4 || len(q.Asks[0].Reminded) != 3 {
		t.Errorf("reminded %+v", q.Asks)
	}
	if got, want := b.told(q.ID), "created.1 created.2 reminded.1 reminded.2 reminded.1 reminded.1 reminded.2 reminded.2 reminded.1 reminded.2"; got != want {
		t.Errorf("told\n%s, want\n%s", got, want)
	}
}

// TestErasureEndsRequests: of who is erased no request is open, and nobody asks for anything.
func TestErasureEndsRequests(t *testing.T) {
	b := newBook(t)
	defer b.close()
	gone, _ := b.person("Asha", "SBIN")
	one, oneWallet := b.person("Ravi", "HDFC")
	two, _ := b.person("Mina", "HDFC")
	var own, others []ledger.MoneyRequest
	for range 101 { // more than a page
		own = append(own, must[ledger.MoneyRequest](b, asking(gone.Party, 100, one.Party, two.Party)))
	}
	for range 3 {
		others = append(others, must[ledger.MoneyRequest](b, asking(two.Party, 100, one.Party, gone.Party)))
	}
	must[ledger.MoneyRequest](b, ledger.DeclineAsk{Request: &others[1], Party: gone.Party})
	pay := must[ledger.Transfer](b, payAsk(&own[0], one, gone))
	erase := func() string {
		_, err := ledger.Erase(context.Background(), b.pipe, b.store, gone.Party, "operator")
		var refusal *ledger.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if refusal != nil {
			return refusal.Code
		}
		return ""
	}
	if got := erase(); got != ledger.CodePartyBusy {
		t.Errorf("with a payment under way: %q", got)
	}
	if q := b.asked(own[1].ID); states(&q) != "open open, open" {
		t.Errorf("after a refused erasure a request is %s", states(&q))
	}
	b.say(&pay, "debit approved")
	b.say(&pay, "credit approved")
	if got := erase(); got != "" {
		t.Fatalf("at the end: %q", got)
	}
	for i, q := range own {
		want := "cancelled cancelled, closed"
		if i == 0 {
			want = "paid cancelled, closed"
		}
		if q = b.asked(q.ID); states(&q) != want {
			t.Errorf("own request %d is %s, want %s", i, states(&q), want)
		}
	}
	for i, want := range []string{"open cancelled, open", "open declined, open", "open cancelled, open"} {
		if q := b.asked(others[i].ID); states(&q) != want {
			t.Errorf("request %d of somebody else is %s, want %s", i, states(&q), want)
		}
	}
	if _, got := b.submit(payAsk(&own[1], oneWallet, gone)); got != ledger.CodeAskEnded {
		t.Errorf("paying a request of who was erased: %q", got)
	}
	b.verify()
}

// TestVerifyFindsAsksThatAreNotPaid breaks the records of requests, each in another way.
func TestVerifyFindsAsksThatAreNotPaid(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*ledger.MoneyRequest)
		rule  string
	}{
		"as it is":                  {func(*ledger.MoneyRequest) {}, ""},
		"paid without a transfer":   {func(q *ledger.MoneyRequest) { q.Asks[1].State = ledger.AskPaid }, "ask"},
		"not paid after all":        {func(q *ledger.MoneyRequest) { q.Asks[0].State, q.Asks[0].Transfer = ledger.AskOpen, ledger.ID{} }, "ask_paid_once"},
		"open, with a transfer":     {func(q *ledger.MoneyRequest) { q.Asks[0].State = ledger.AskOpen }, "ask"},
		"still being paid":          {func(q *ledger.MoneyRequest) { q.Asks[0].State = ledger.AskPaying }, "ask"},
		"of another amount":         {func(q *ledger.MoneyRequest) { q.Asks[0].Minor++ }, "ask"},
		"of another party":          {func(q *ledger.MoneyRequest) { q.Asks[0].Party = ledger.NewID() }, "ask"},
		"paid by the same transfer": {func(q *ledger.MoneyRequest) { q.Asks[1] = q.Asks[0] }, "ask"},
		"in another state":          {func(q *ledger.MoneyRequest) { q.Record.State = uint8(ledger.RequestSettled) }, "request"},
		"not readable":              {func(q *ledger.MoneyRequest) { q.Body = []byte("{") }, "request"},
	} {
		b := newBook(t)
		_, to := b.person("Asha", "SBIN")
		account, wallet := b.person("Ravi", "HDFC")
		other, _ := b.person("Mina", "HDFC")
		b.fund(account, wallet, 500)
		q := must[ledger.MoneyRequest](b, asking(to.Party, 500, wallet.Party, other.Party))
		must[ledger.Transfer](b, payAsk(&q, wallet, to))
		q = b.asked(q.ID)
		c.spoil(&q)
		must[any](b, spoil(q))
		var found []string
		_, err := ledger.Verify(context.Background(), b.store, func(v ledger.Violation) { found = append(found, v.Rule) })
		if ok := err == nil && (len(found) == 0) == (c.rule == "") && strings.Contains(strings.Join(found, " "), c.rule); !ok {
			t.Errorf("%s: found %v, %v; want %q", name, found, err, c.rule)
		}
		b.close()
	}
}

// spoil replaces a request by another one, past all rules.
type spoil ledger.MoneyRequest

func (c spoil) Declare(s *ledger.Set) { s.Records.Want(c.RecordKey) }

func (c spoil) Apply(s *ledger.Set) (any, error) {
	r := c.Record
	if string(r.Body) != "{" {
		r.Body = mustJSON(ledger.MoneyRequest(c))
	}
	s.Records.Put(r.RecordKey, r)
	return nil, nil
}

// TestRequestsUnderRandomCommands asks, pays, declines, reminds, cancels and lets time go by
// in random order, between random words of banks: after each step every ask is as its
// transfers are, see Verify; and what is paid of all requests is what reached the payees.
func TestRequestsUnderRandomCommands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t)
		defer b.close()
		m := &askMachine{machine: machine{book: b}}
		for _, bank := range []string{"SBIN", "HDFC", "SBIN", "HDFC"} {
			account, wallet := b.person("somebody", bank)
			m.ends = append(m.ends, account, wallet)
		}
		b.fund(m.ends[0], m.ends[1], 1_000)
		b.fund(m.ends[2], m.ends[3], 1_000)
		rt.Repeat(map[string]func(*rapid.T){
			"ask":       m.ask,
			"pay":       m.payOne,
			"pay again": m.payOne,
			"answer":    m.says,
			"answers":   m.says,
			"take back": func(rt *rapid.T) { m.send(rt, ledger.CancelTransfer{Transfer: m.pick(rt)}) },
			"decline":   func(rt *rapid.T) { m.send(rt, ledger.DeclineAsk{Request: m.one(rt), Party: m.party(rt)}) },
			"remind":    func(rt *rapid.T) { m.send(rt, ledger.RemindAsk{Request: m.one(rt), Party: m.partyOrAll(rt)}) },
			"cancel":    func(rt *rapid.T) { m.send(rt, ledger.CancelRequest{Request: m.one(rt), Party: m.partyOrAll(rt)}) },
			"time": func(rt *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "minutes")) * time.Minute)
			},
			"expire": func(rt *rapid.T) {
				q := b.asked(m.one(rt).ID)
				over := q.Due != 0 && q.Due <= b.now.UnixMicro()
				m.send(rt, ledger.ExpireRequest{ID: q.ID})
				if q = b.asked(q.ID); over && q.Due != 0 {
					rt.Fatalf("it is due still: %+v", q)
				}
			},
			"": func(rt *rapid.T) {
				if m.steps++; m.steps%4 == 0 { // what is wrong stays wrong
					b.verify()
					m.check(rt)
				}
			},
		})
		b.verify()
		m.check(rt)
	})
}

type askMachine struct {
	machine
	steps    int
	requests []ledger.MoneyRequest
	ended    map[string]string // what asks ended as, by request and place
}

func (m *askMachine) ask(rt *rapid.T) {
	q := asking(m.party(rt), rapid.Int64Range(1, 400).Draw(rt, "paise"), rapid.SliceOfN(rapid.Custom(m.party), 1, 3).Draw(rt, "asked")...)
	q.Request.Expires = m.now.Add(time.Hour).UnixMicro()
	if made, ok := m.send(rt, q).(ledger.MoneyRequest); ok {
		m.requests = append(m.requests, made)
	}
}

func (m *askMachine) party(rt *rapid.T) ledger.ID {
	return rapid.SampledFrom(m.ends).Draw(rt, "party").Party
}

func (m *askMachine) partyOrAll(rt *rapid.T) ledger.ID {
	if rapid.Bool().Draw(rt, "all") {
		return ledger.ID{}
	}
	return m.party(rt)
}

// one is one of the latest requests.
func (m *askMachine) one(rt *rapid.T) *ledger.MoneyRequest {
	if len(m.requests) == 0 {
		rt.Skip("no request yet")
	}
	return &m.requests[len(m.requests)-rapid.IntRange(1, min(len(m.requests), 3)).Draw(rt, "request")]
}

func (m *askMachine) payOne(rt *rapid.T) {
	q := m.one(rt)
	a := rapid.SampledFrom(q.Asks).Draw(rt, "ask")
	payer, payee := rapid.SampledFrom(m.of(a.Party)).Draw(rt, "payer"), rapid.SampledFrom(m.of(q.Owner)).Draw(rt, "payee")
	c := payAsk(q, payer, payee)
	c.Pay.Queue = rapid.Bool().Draw(rt, "queue")
	if t, ok := m.send(rt, c).(ledger.Transfer); ok {
		m.transfers = append(m.transfers, t)
	}
}

// says lets a bank say anything of a payment.
func (m *askMachine) says(rt *rapid.T) {
	m.send(rt, ledger.RecordResult{Transfer: m.pick(rt), Code: "XX",
		Leg:     ledger.Leg(rapid.IntRange(1, 4).Draw(rt, "leg")),
		Outcome: ledger.Outcome(rapid.IntRange(1, 6).Draw(rt, "outcome")),
		Attempt: rapid.IntRange(0, 4).Draw(rt, "attempt")})
}

// send submits a command; one that is refused must have told nothing of requests, nor changed any.
func (m *askMachine) send(rt *rapid.T, c ledger.Command) any {
	before := m.bodies()
	result, refused := m.submit(c)
	if refused != "" && m.bodies() != before {
		rt.Fatalf("%T was refused (%s) and changed a request", c, refused)
	}
	return result
}

// bodies are the latest requests as they are kept.
func (m *askMachine) bodies() string {
	var all []byte
	for _, q := range m.requests[max(0, len(m.requests)-3):] {
		q = m.asked(q.ID)
		all = append(all, q.Body...)
	}
	return string(all)
}

// of are the ends of a party.
func (m *askMachine) of(party ledger.ID) (ends []ledger.End) {
	for _, e := range m.ends {
		if e.Party == party {
			ends = append(ends, e)
		}
	}
	return ends
}

// check demands that what has ended stays as it ended, and that of each end is told once.
func (m *askMachine) check(rt *rapid.T) {
	if m.ended == nil {
		m.ended = map[string]string{}
	}
	for _, q := range m.requests[max(0, len(m.requests)-3):] {
		q = m.asked(q.ID)
		told := strings.Fields(m.book.told(q.ID))
		for i, a := range q.Asks {
			at := fmt.Sprint(q.ID, i)
			if was, ok := m.ended[at]; ok && was != a.State.String() {
				rt.Fatalf("what was %s is %s", was, a.State)
			}
			if a.State == ledger.AskOpen || a.State == ledger.AskPaying {
				continue
			}
			m.ended[at] = a.State.String()
			if n := count(told, fmt.Sprintf("%s.%d", a.State, i+1)); n != 1 {
				rt.Fatalf("that ask %d is %s was told %d times: %v", i+1, a.State, n, told)
			}
		}
		if n := count(told, "settled.0"); (n == 1) != (q.State() == ledger.RequestSettled) || n > 1 {
			rt.Fatalf("that it is %s was told %d times", q.State(), n)
		}
	}
}

func count(words []string, word string) (n int) {
	for _, w := range words {
		if w == word {
			n++
		}
	}
	return n
}
