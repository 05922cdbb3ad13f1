package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

// circle is a stack with people who owe each other something: Asha asks, with a wallet and a
// bank account to be paid on; Ravi and Mina have wallets with money, and bank accounts.
type circle struct {
	*stack
	*caller
	asha, ravi, mina *person
}

func newCircle(t *testing.T, changes ...func(*setup)) *circle {
	t.Helper()
	s := start(t, changes...)
	c := &circle{stack: s, caller: s.as(chatA)}
	c.asha = c.fund(c.settle(newPerson("asha", 1, "NRMD")), "")
	c.ravi = c.fund(c.settle(newPerson("ravi", 2, "KVRI")), "500.00")
	c.mina = c.fund(c.settle(newPerson("mina", 3, "GDVR")), "500.00")
	return c
}

// ask is what one of them is asked for.
func ask(p *person, value string) obj {
	return obj{"payer": obj{"handle": p.handle}, "amount": inr(value)}
}

// asks makes a request of Asha's, to be paid on her wallet.
func (c *circle) asks(asks ...obj) api.MoneyRequest {
	c.caller.s.t.Helper()
	return read[api.MoneyRequest](c.post("/v1/requests", obj{"requester": obj{"wallet": c.asha.id}, "asks": asks, "note": "dinner", "conversation": "c-77", "message": "m-1"}).want(201))
}

func (c *circle) read(id string) api.MoneyRequest {
	c.caller.s.t.Helper()
	return read[api.MoneyRequest](c.get("/v1/requests/" + id).want(200))
}

// sums are the states of the asks and of the request, and what is asked for, paid and open.
func sums(q *api.MoneyRequest) string {
	var all []string
	for _, a := range q.Asks {
		all = append(all, string(a.State))
	}
	return fmt.Sprint(strings.Join(all, " "), ", ", q.State, ": ", q.Total.Value, " ", q.Paid.Value, " ", q.Open.Value)
}

func TestRequests(t *testing.T) {
	t.Parallel()
	c := newCircle(t)
	made := c.asks(ask(c.ravi, "100.00"), ask(c.mina, "50.50"))
	wantEqual(t, "made", sums(&made), "open open, open: 150.50 0.00 150.50")
	if made.Requester != c.asha.id || made.Instrument != c.asha.wallet || made.Note != "dinner" || made.Conversation != "c-77" || made.Message != "m-1" ||
		made.Asks[1].Party != c.mina.id || made.OwnPart != nil || made.ExpiresAt.Sub(made.CreatedAt) != 7*24*time.Hour {
		t.Errorf("made as %+v", made)
	}
	path := "/v1/requests/" + made.ID
	paid := read[api.Transfer](c.post(path+"/pay", obj{"payer": obj{"wallet": c.ravi.id}, "note": "thanks", "message": "m-2"}, "Idempotency-Key", "pay-1").want(201))
	if paid.State != "completed" || paid.Amount.Value != "100.00" || paid.Payee.Party != c.asha.id || !paid.Payee.Wallet || paid.Conversation != "c-77" ||
		paid.Note != "thanks" || paid.Message != "m-2" || paid.Cause != (api.TransferCause{Kind: "request", ID: made.ID}) {
		t.Errorf("paid by %+v", paid)
	}
	again := c.post(path+"/pay", obj{"payer": obj{"wallet": c.ravi.id}, "note": "thanks", "message": "m-2"}, "Idempotency-Key", "pay-1").want(201)
	if r := read[api.Transfer](again); r.ID != paid.ID || !again.replayed() {
		t.Errorf("repeated: %+v", r)
	}
	if got := c.post(path+"/pay", obj{"payer": obj{"handle": "ravi"}}); !strings.Contains(string(got.refused(409, "ask_paid").body), paid.ID) {
		t.Errorf("it does not say which transfer paid: %s", got.body)
	}
	q := c.read(made.ID)
	wantEqual(t, "paid once", sums(&q), "paid open, open: 150.50 100.00 50.50")
	wantEqual(t, "by", q.Asks[0].Transfer, paid.ID)

	// By the default account, which is at a bank, and with its answer.
	byBank := read[api.Transfer](c.post(path+"/pay?wait=30", obj{"payer": obj{"phone": c.mina.phone}}).want(201))
	wantEqual(t, "by the bank", words(byBank.State, byBank.Payer.Bank, byBank.Amount.Value), "completed GDVR 50.50")
	q = c.read(made.ID)
	wantEqual(t, "settled", sums(&q), "paid paid, settled: 150.50 150.50 0.00")
	wantEqual(t, "Asha has", c.balance(c.asha), "150.50")
	for _, name := range []string{auditor, operator, inspector} {
		seen := read[api.MoneyRequest](c.as(name).get(path).want(200))
		wantEqual(t, name+" sees", sums(&seen), sums(&q))
		wantEqual(t, name+" reads", seen.Note+seen.Conversation+seen.Message, map[bool]string{true: "dinnerc-77m-1"}[name == inspector])
	}
	c.verify()
}

// A payment that comes to nothing opens the ask again, and one under way decides.
func TestPaymentOfARequestThatFails(t *testing.T) {
	t.Parallel()
	c := newCircle(t)
	slow := c.openParty("slow")
	c.link(slow, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	made := c.asks(ask(c.ravi, "500.01"), obj{"payer": obj{"party": slow}, "amount": inr("5")}, ask(c.mina, "9101.00")) // which her bank declines
	path := "/v1/requests/" + made.ID
	refused := read[api.Transfer](c.post(path+"/pay", obj{"payer": obj{"wallet": c.ravi.id}}).want(201))
	wantEqual(t, "more than there is", words(refused.State, refused.Failure.Reason), "failed insufficient_funds")
	declined := read[api.Transfer](c.post(path+"/pay?wait=30", obj{"payer": obj{"party": c.mina.id}}).want(201))
	wantEqual(t, "the bank", words(declined.State, declined.Failure.Reason), "failed debit_declined")
	q := c.read(made.ID)
	wantEqual(t, "both", sums(&q), "open open open, open: 9606.01 0.00 9606.01")

	waits := read[api.Transfer](c.post(path+"/pay", obj{"payer": obj{"party": slow}}).want(201))
	wantEqual(t, "waits", waits.State, "pending")
	c.post(path+"/pay", obj{"payer": obj{"party": slow}}).refused(409, "ask_being_paid")
	c.post(path+"/decline", obj{"party": slow}).refused(409, "ask_being_paid")
	c.post(path+"/remind", obj{"party": slow}).refused(409, "ask_being_paid")
	q = read[api.MoneyRequest](c.post(path+"/cancel", obj{"party": slow}).want(200))
	wantEqual(t, "cancelled while it is paid", words(q.Asks[1].State, q.Asks[1].Transfer == waits.ID, q.Asks[1].Otherwise), "paying true cancelled")
	c.report("NRMD", waits.ID+".debit", "declined").want(200)
	c.comesTo(waits, "failed")
	q = c.read(made.ID)
	wantEqual(t, "after the bank's answer", sums(&q), "open cancelled open, open: 9606.01 0.00 9601.01")
	c.post(path+"/pay", obj{"payer": obj{"party": slow}}).refused(409, "ask_ended")

	// Who asks has no account any more.
	other := read[api.MoneyRequest](c.post("/v1/requests", obj{"requester": obj{"handle": "asha"}, "asks": []obj{ask(c.ravi, "1")}}).want(201))
	wantEqual(t, "paid on", other.Instrument, "")
	c.send("DELETE", "/v1/parties/"+c.asha.id+"/instruments/"+c.asha.account, nil).want(204)
	unpayable := read[api.Transfer](c.post("/v1/requests/"+other.ID+"/pay", obj{"payer": obj{"wallet": c.ravi.id}}).want(201))
	wantEqual(t, "no default", words(unpayable.State, unpayable.Failure.Reason), "failed payee_not_payable")
	c.send("PUT", "/v1/parties/"+c.asha.id+"/default", obj{"instrument": c.asha.wallet}).want(200)
	wantEqual(t, "with another default", read[api.Transfer](c.post("/v1/requests/"+other.ID+"/pay", obj{"payer": obj{"wallet": c.ravi.id}}).want(201)).State, "completed")
	c.verify()
}

func TestRequestsEnd(t *testing.T) {
	t.Parallel()
	c := newCircle(t)
	made := c.asks(ask(c.ravi, "1"), ask(c.mina, "2"))
	path := "/v1/requests/" + made.ID
	first := c.post(path+"/decline", obj{"party": c.ravi.id, "reason": "already_paid"}, "Idempotency-Key", "no").want(200)
	q := read[api.MoneyRequest](first)
	wantEqual(t, "declined", sums(&q)+" "+string(q.Asks[0].DeclinedBecause), "declined open, open: 3.00 0.00 2.00 already_paid")
	again := c.post(path+"/decline", obj{"party": c.ravi.id, "reason": "already_paid"}, "Idempotency-Key", "no").want(200)
	if string(again.body) != string(first.body) || !again.replayed() {
		t.Errorf("declined again: %s", again.body)
	}
	c.post(path+"/decline", obj{"party": c.ravi.id}, "Idempotency-Key", "").want(200)
	c.post(path+"/pay", obj{"payer": obj{"wallet": c.ravi.id}}).refused(409, "ask_ended")
	c.post(path+"/cancel", obj{"party": c.ravi.id}).refused(409, "ask_ended")
	c.post(path+"/cancel", obj{"party": c.asha.id}).refused(404, "ask_not_found")
	c.post(path+"/decline", obj{"party": c.asha.id}).refused(404, "ask_not_found")
	c.post(path+"/pay", obj{"payer": obj{"party": c.asha.id}}).refused(404, "ask_not_found")
	q = read[api.MoneyRequest](c.post(path+"/cancel", obj{}).want(200))
	wantEqual(t, "cancelled", sums(&q)+" "+q.Note, "declined cancelled, closed: 3.00 0.00 0.00 dinner")
	c.post(path+"/cancel", obj{}, "Idempotency-Key", "").want(200)
	c.post(path+"/decline", obj{"party": c.mina.id}).refused(409, "ask_ended")

	brief := read[api.MoneyRequest](c.post("/v1/requests", obj{"requester": obj{"handle": "asha"}, "asks": []obj{ask(c.ravi, "1")},
		"expires_at": time.Now().Add(300 * time.Millisecond).Format(time.RFC3339Nano)}).want(201))
	id, err := ledger.ParseRequestRef(brief.ID)
	check(t, err)
	due := func() []ledger.Record {
		all, err := c.store.DueRecords(t.Context(), ledger.RecordPlace{}, time.Now().UnixMicro(), 10)
		check(t, err)
		return slices.DeleteFunc(all, func(r ledger.Record) bool { return r.ID != id })
	}
	eventually(t, "its time is over", func() bool { return len(due()) == 1 })
	c.post("/v1/requests/"+brief.ID+"/pay", obj{"payer": obj{"wallet": c.ravi.id}}).refused(409, "ask_ended")
	check(t, c.server.Handlers()[ledger.RecordRequest](t.Context(), due()[0]))
	q = c.read(brief.ID)
	wantEqual(t, "expired", sums(&q), "expired, closed: 1.00 0.00 0.00")
	wantEqual(t, "due", len(due()), 0)
	for what, at := range map[string]time.Time{"past": time.Now().Add(-time.Second), "far": time.Now().Add(46 * 24 * time.Hour)} {
		got := c.post("/v1/requests", obj{"requester": obj{"handle": "asha"}, "asks": []obj{ask(c.ravi, "1")}, "expires_at": at.Format(time.RFC3339)})
		if got.code() != "expiry_not_allowed" {
			t.Errorf("%s: %s", what, got.body)
		}
	}
}

// A reminder that comes too soon is refused, and said when it may come.
func TestReminders(t *testing.T) {
	c := newCircle(t)
	made := c.asks(ask(c.ravi, "1"), ask(c.mina, "2"))
	path := "/v1/requests/" + made.ID + "/remind"
	q := read[api.MoneyRequest](c.post(path, obj{"party": c.ravi.id}).want(200))
	if a := q.Asks[0]; a.Reminders != 1 || a.RemindedAt.IsZero() || q.Asks[1].Reminders != 0 {
		t.Errorf("reminded: %+v", q.Asks)
	}
	again := c.post(path, obj{"party": c.ravi.id}).refused(429, "reminded_just_now")
	p := read[api.Problem](again)
	seconds, err := strconv.Atoi(again.header.Get("Retry-After"))
	if in := q.Asks[0].RemindedAt.Add(time.Hour); err != nil || !p.RetryAt.Equal(in) || seconds < 3590 || seconds > 3600 {
		t.Errorf("again at %v, in %d seconds, want %v: %s", p.RetryAt, seconds, in, again.body)
	}
	q = read[api.MoneyRequest](c.post(path, obj{}).want(200)) // Mina only
	wantEqual(t, "reminders", fmt.Sprint(q.Asks[0].Reminders, q.Asks[1].Reminders), "1 1")
	c.post(path, obj{}).refused(429, "reminded_just_now")
	c.post("/v1/requests/"+made.ID+"/cancel", obj{}).want(200)
	c.post(path, obj{}).refused(409, "ask_ended")
}

// All ways to divide a bill: what the asked are asked for, and what the requester bears.
func TestSplits(t *testing.T) {
	c := newCircle(t)
	part := func(p *person, more ...any) obj {
		in := obj{"payer": obj{"handle": p.handle}}
		for i := 0; i+1 < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
	asha, ravi, mina := c.asha, c.ravi, c.mina
	split := func(total obj, parts []obj, more ...any) *answer {
		in := obj{"total": total, "parts": parts}
		for i := 0; i+1 < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return c.post("/v1/requests", obj{"requester": obj{"handle": "asha"}, "split": in})
	}
	yen, dinars := func(v string) obj { return obj{"value": v, "currency": "JPY"} }, func(v string) obj { return obj{"value": v, "currency": "KWD"} }
	all := func(more ...any) []obj { return []obj{part(asha, more...), part(ravi, more...), part(mina, more...)} }
	for name, one := range map[string]struct {
		got  *answer
		want string // what is asked for, and the own part
	}{
		"equal":                          {split(inr("10.01"), []obj{part(ravi), part(mina)}), "5.01 5.00; "},
		"equal, with the requester":      {split(inr("10.00"), []obj{part(ravi), part(mina)}, "include_requester", true), "3.33 3.33; 3.34"},
		"equal, with the requester last": {split(inr("10.00"), []obj{part(ravi), part(mina), part(asha)}), "3.34 3.33; 3.33"},
		"yen":                            {split(yen("1000"), all()), "333 333; 334"},
		"dinars":                         {split(dinars("0.005"), all()), "0.002 0.001; 0.002"},
		"amounts":                        {split(inr("10.00"), []obj{part(ravi, "amount", inr("9.99")), part(mina, "amount", inr("0.01"))}), "9.99 0.01; "},
		"amounts, with the requester":    {split(inr("10.00"), []obj{part(ravi, "amount", inr("4")), part(asha, "amount", inr("6.00"))}), "4.00; 6.00"},
		"shares":                         {split(inr("100.00"), []obj{part(ravi, "share", 1), part(asha, "share", 2), part(mina, "share", 4)}), "14.29 57.14; 28.57"},
		"percentages":                    {split(inr("999.99"), []obj{part(ravi, "percent", "33.34"), part(mina, "percent", "66.66")}), "333.40 666.59; "},
		"the largest total": {split(yen("1000000000000000"), []obj{part(ravi, "share", 1_000_000), part(mina, "share", 999_999), part(asha, "share", 1)}),
			"500000000000000 499999500000000; 500000000"},
	} {
		q := read[api.MoneyRequest](one.got.want(201))
		var got []string
		for _, a := range q.Asks {
			got = append(got, a.Amount.Value)
		}
		own := ""
		if q.OwnPart != nil {
			own = q.OwnPart.Value
		}
		wantEqual(t, name, strings.Join(got, " ")+"; "+own, one.want)
	}
	before := c.fingerprint()
	for name, one := range map[string]struct {
		got   *answer
		code  string
		field string
	}{
		"amounts that are too little":  {split(inr("10.00"), []obj{part(ravi, "amount", inr("9.99"))}), "amount_mismatch", "/split/total/value"},
		"amounts in another currency":  {split(inr("10.00"), []obj{part(ravi, "amount", yen("10"))}), "invalid_field", "/split/parts/0/amount/currency"},
		"a part of nothing":            {split(inr("10.00"), []obj{part(ravi, "amount", inr("0"))}), "invalid_amount", "/split/parts/0/amount/value"},
		"a total that is too small":    {split(inr("0.02"), all()), "invalid_amount", "/split/total/value"},
		"a total of nothing":           {split(inr("0"), all()), "invalid_amount", "/split/total/value"},
		"percentages below 100":        {split(inr("1"), []obj{part(ravi, "percent", "50"), part(mina, "percent", "49.9999")}), "amount_mismatch", "/split/parts"},
		"percentages above 100":        {split(inr("1"), []obj{part(ravi, "percent", "100"), part(mina, "percent", "0.0001")}), "amount_mismatch", "/split/parts"},
		"a percentage of nothing":      {split(inr("1"), []obj{part(ravi, "percent", "0")}), "invalid_field", "/split/parts/0/percent"},
		"an empty percentage":          {split(inr("1"), []obj{part(ravi, "percent", "")}), "invalid_field", "/split/parts/0/percent"},
		"a percentage with a sign":     {split(inr("1"), []obj{part(ravi, "percent", "100%")}), "invalid_field", "/split/parts/0/percent"},
		"a percentage that is finer":   {split(inr("1"), []obj{part(ravi, "percent", "99.99999")}), "invalid_field", "/split/parts/0/percent"},
		"a share of nothing":           {split(inr("1"), []obj{part(ravi, "share", 0)}), "invalid_field", "/split/parts/0/share"},
		"a negative share":             {split(inr("1"), []obj{part(ravi, "share", 2), part(mina, "share", -1)}), "invalid_field", "/split/parts/1/share"},
		"a share that is too large":    {split(inr("1"), []obj{part(ravi, "share", 1_000_001)}), "invalid_field", "/split/parts/0/share"},
		"a share that is no number":    {split(inr("1"), []obj{part(ravi, "share", "1")}), "wrong_type", "/split/parts/0/share"},
		"two ways in one part":         {split(inr("1"), []obj{part(ravi, "share", 1, "percent", "100")}), "invalid_field", "/split/parts/0"},
		"two ways in two parts":        {split(inr("1"), []obj{part(ravi, "share", 1), part(mina, "percent", "50")}), "invalid_field", "/split/parts/1"},
		"one part without":             {split(inr("1"), []obj{part(ravi, "share", 1), part(mina)}), "invalid_field", "/split/parts/1"},
		"shares with the requester":    {split(inr("1"), []obj{part(ravi, "share", 1)}, "include_requester", true), "invalid_field", "/split/include_requester"},
		"no parts":                     {split(inr("1"), []obj{}), "invalid_field", "/split/parts"},
		"too many parts":               {split(inr("1000"), slices.Repeat([]obj{part(ravi)}, 102)), "invalid_field", "/split/parts"},
		"somebody twice":               {split(inr("1"), []obj{part(ravi), part(ravi)}), "asks_not_allowed", ""},
		"the requester twice":          {split(inr("1"), []obj{part(asha), part(asha), part(ravi)}), "asks_not_allowed", ""},
		"the requester twice, counted": {split(inr("1"), []obj{part(asha), part(ravi)}, "include_requester", true), "asks_not_allowed", ""},
		"the requester only":           {split(inr("1"), []obj{part(asha)}), "asks_not_allowed", ""},
		"nobody":                       {split(inr("1"), []obj{part(ravi), {"payer": obj{"handle": "unheard"}}}), "party_not_found", "/split/parts/1/payer"},
		"no payer":                     {split(inr("1"), []obj{{}}), "invalid_address", "/split/parts/0/payer"},
	} {
		p := read[api.Problem](one.got)
		if one.got.status < 400 || p.Code != one.code || p.Field != one.field {
			t.Errorf("%s: %d %s, want %s at %s", name, one.got.status, one.got.body, one.code, one.field)
		}
	}
	wantEqual(t, "the book", c.fingerprint(), before)
}

// Requests that are not what the contract has are refused, and nothing is stored.
func TestRequestsThatAreNone(t *testing.T) {
	c := newCircle(t)
	made := c.asks(ask(c.ravi, "1"))
	path := "/v1/requests/" + made.ID
	good := func(changes ...any) obj {
		in := obj{"requester": obj{"handle": "asha"}, "asks": []obj{ask(c.ravi, "1")}}
		for i := 0; i+1 < len(changes); i += 2 {
			if in[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
				delete(in, changes[i].(string))
			}
		}
		return in
	}
	dollars := c.link(c.asha.id, obj{"kind": "wallet", "currency": "USD"}).ID
	before := c.fingerprint()
	absentID := "pty_" + hex32
	long := strings.Repeat("x", 201)
	for _, one := range []struct {
		name, path string
		body       any
		status     int
		code       string
	}{
		{"nothing", "/v1/requests", obj{}, 400, "invalid_field"},
		{"no requester", "/v1/requests", good("requester", nil), 400, "invalid_address"},
		{"neither asks nor a split", "/v1/requests", good("asks", nil), 400, "invalid_field"},
		{"both", "/v1/requests", good("split", obj{"total": inr("1"), "parts": []obj{{"payer": obj{"handle": "ravi"}}}}), 400, "invalid_field"},
		{"no asks", "/v1/requests", good("asks", []obj{}), 400, "invalid_field"},
		{"asks that are null", "/v1/requests", `{"requester":{"handle":"asha"},"asks":null}`, 400, "wrong_type"},
		{"too many asks", "/v1/requests", good("asks", slices.Repeat([]obj{ask(c.ravi, "1")}, 101)), 400, "invalid_field"},
		{"asked for nothing", "/v1/requests", good("asks", []obj{ask(c.ravi, "0")}), 400, "invalid_amount"},
		{"asked for less than nothing", "/v1/requests", good("asks", []obj{ask(c.ravi, "-1")}), 400, "invalid_amount"},
		{"asked for too much in all", "/v1/requests", good("asks", []obj{ask(c.ravi, "5000000000000.01"), ask(c.mina, "5000000000000.00")}), 422, "asks_not_allowed"},
		{"two currencies", "/v1/requests", good("asks", []obj{ask(c.ravi, "1"), {"payer": obj{"handle": "mina"}, "amount": obj{"value": "1", "currency": "USD"}}}), 400, "invalid_field"},
		{"asked twice", "/v1/requests", good("asks", []obj{ask(c.ravi, "1"), {"payer": obj{"phone": c.ravi.phone}, "amount": inr("1")}}), 422, "asks_not_allowed"},
		{"asks itself", "/v1/requests", good("asks", []obj{ask(c.asha, "1")}), 422, "asks_not_allowed"},
		{"somebody unheard of", "/v1/requests", good("asks", []obj{{"payer": obj{"phone": "+919876599999"}, "amount": inr("1")}}), 404, "party_not_found"},
		{"no such party", "/v1/requests", good("asks", []obj{{"payer": obj{"party": absentID}, "amount": inr("1")}}), 404, "party_not_found"},
		{"a requester unheard of", "/v1/requests", good("requester", obj{"handle": "unheard"}), 404, "party_not_found"},
		{"asked by a UPI id", "/v1/requests", good("asks", []obj{{"payer": obj{"upi": c.ravi.upi}, "amount": inr("1")}}), 400, "invalid_address"},
		{"asked on a wallet", "/v1/requests", good("asks", []obj{{"payer": obj{"wallet": c.ravi.id}, "amount": inr("1")}}), 400, "invalid_address"},
		{"asked in two ways", "/v1/requests", good("asks", []obj{{"payer": obj{"party": c.ravi.id, "handle": "ravi"}, "amount": inr("1")}}), 400, "invalid_address"},
		{"a requester's account by number", "/v1/requests", good("requester", obj{"account": obj{"number": c.asha.number, "ifsc": c.asha.ifsc}}), 400, "invalid_address"},
		{"a credential", "/v1/requests", good("asks", []obj{{"payer": obj{"handle": "ravi", "credential": "c2VjcmV0"}, "amount": inr("1")}}), 400, "invalid_field"},
		{"a requester's credential", "/v1/requests", good("requester", obj{"handle": "asha", "credential": "c2VjcmV0"}), 400, "invalid_field"},
		{"paid on a phone", "/v1/requests", good("requester", obj{"instrument": c.asha.phoneInstrument}), 404, "party_not_found"},
		{"paid in another currency", "/v1/requests", good("requester", obj{"instrument": dollars}), 422, "instrument_currency_differs"},
		{"a note that hides something", "/v1/requests", good("note", "a\u202eb"), 400, "invalid_field"},
		{"a long note", "/v1/requests", good("note", long), 400, "invalid_field"},
		{"an empty note", "/v1/requests", good("note", ""), 400, "invalid_field"},
		{"a long conversation", "/v1/requests", good("conversation", long), 400, "invalid_field"},
		{"a message with a line break", "/v1/requests", good("message", "a\nb"), 400, "invalid_field"},
		{"a time that is none", "/v1/requests", good("expires_at", "tomorrow"), 400, "wrong_type"},
		{"an unknown field", "/v1/requests", good("remind", true), 400, "unknown_field"},
		{"no payer", path + "/pay", obj{}, 400, "invalid_address"},
		{"two payers", path + "/pay", obj{"payer": obj{"handle": "ravi", "wallet": c.ravi.id}}, 400, "invalid_address"},
		{"a payer by UPI id", path + "/pay", obj{"payer": obj{"upi": c.ravi.upi}}, 400, "invalid_address"},
		{"an amount of one's own", path + "/pay", obj{"payer": obj{"handle": "ravi"}, "amount": inr("0.01")}, 400, "unknown_field"},
		{"a payer unheard of", path + "/pay", obj{"payer": obj{"handle": "unheard"}}, 404, "party_not_found"},
		{"a payer who is not asked", path + "/pay", obj{"payer": obj{"handle": "mina"}}, 404, "ask_not_found"},
		{"a wallet's credential", path + "/pay", obj{"payer": obj{"wallet": c.ravi.id, "credential": "c2VjcmV0"}}, 400, "invalid_field"},
		{"a credential that is none", path + "/pay", obj{"payer": obj{"handle": "ravi", "credential": "?"}}, 400, "invalid_field"},
		{"declined by nobody", path + "/decline", obj{}, 400, "missing_field"},
		{"declined by no party", path + "/decline", obj{"party": "ravi"}, 400, "invalid_field"},
		{"declined by an empty party", path + "/decline", obj{"party": ""}, 400, "invalid_field"},
		{"a reason in own words", path + "/decline", obj{"party": c.ravi.id, "reason": "never"}, 400, "invalid_field"},
		{"an empty reason", path + "/decline", obj{"party": c.ravi.id, "reason": ""}, 400, "invalid_field"},
		{"cancelled without a body", path + "/cancel", nil, 415, "unsupported_media_type"},
		{"cancelled of an empty party", path + "/cancel", obj{"party": ""}, 400, "invalid_field"},
		{"cancelled of null", path + "/cancel", `{"party":null}`, 400, "wrong_type"},
		{"cancelled of whoever", path + "/cancel", obj{"party": "*"}, 400, "invalid_field"},
		{"cancelled and more", path + "/cancel", obj{"all": true}, 400, "unknown_field"},
		{"reminded of an instrument", path + "/remind", obj{"party": c.ravi.wallet}, 400, "invalid_field"},
		{"reminded who is not asked", path + "/remind", obj{"party": c.mina.id}, 404, "ask_not_found"},
		{"another request", "/v1/requests/req_" + hex32 + "/pay", obj{"payer": obj{"handle": "ravi"}}, 404, "request_not_found"},
		{"no request", "/v1/requests/ravi/cancel", obj{}, 404, "request_not_found"},
		{"in capitals", "/v1/requests/" + strings.ToUpper(made.ID) + "/cancel", obj{}, 404, "request_not_found"},
	} {
		if got := c.post(one.path, one.body); got.status != one.status || got.code() != one.code {
			t.Errorf("%s: %d %s, want %d %s", one.name, got.status, got.body, one.status, one.code)
		}
	}
	for _, query := range []string{"party=ravi", "role=asked", "role=payer&party=" + c.ravi.id, "state=paid", "state=", "cursor=x", "limit=0"} {
		if got := c.get("/v1/requests?" + query); got.status != 400 {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	wantEqual(t, "the book", c.fingerprint(), before)
}

func TestListOfRequests(t *testing.T) {
	c := newCircle(t)
	names := map[string]string{}
	make := func(name string, requester, asked *person, conversation string) string {
		q := read[api.MoneyRequest](c.post("/v1/requests", obj{"requester": obj{"party": requester.id}, "asks": []obj{{"payer": obj{"party": asked.id}, "amount": inr("1")}}, "conversation": conversation}).want(201))
		names[q.ID] = name
		return q.ID
	}
	make("1", c.asha, c.ravi, "x")
	make("2", c.ravi, c.asha, "y")
	three := make("3", c.asha, c.mina, "x")
	make("4", c.mina, c.asha, "y")
	five := make("5", c.ravi, c.mina, "x")
	c.post("/v1/requests/"+three+"/cancel", obj{}).want(200)
	c.post("/v1/requests/"+five+"/pay", obj{"payer": obj{"wallet": c.mina.id}}).want(201)
	c.comesTo(read[api.TransferList](c.get("/v1/transfers?conversation=x").want(200)).Data[0], "completed")
	for filter, want := range map[string][]string{
		"":                                       {"5", "4", "3", "2", "1"},
		"conversation=x":                         {"5", "3", "1"},
		"conversation=unheard":                   nil,
		"party=" + c.asha.id:                     {"4", "3", "2", "1"},
		"party=" + c.asha.id + "&role=asked":     {"4", "2"},
		"party=" + c.ravi.id + "&role=asked":     {"1"},
		"party=pty_" + hex32:                     nil,
		"state=open":                             {"4", "2", "1"},
		"state=closed":                           {"3"},
		"state=settled":                          {"5"},
		"party=" + c.asha.id + "&state=closed":   {"3"},
		"party=" + c.asha.id + "&role=requester": {"3", "1"},
		"party=" + c.asha.id + "&conversation=y": {"4", "2"},
		"party=" + c.asha.id + "&role=requester&state=open":              {"1"},
		"conversation=x&role=asked&state=settled&party=" + c.mina.id:     {"5"},
		"conversation=y&role=requester&state=settled&party=" + c.mina.id: nil,
	} {
		for _, limit := range []int{1, 2, 200} {
			ids, _ := pagesOf(c.caller, fmt.Sprint("/v1/requests?limit=", limit, "&", filter), func(l api.MoneyRequestList) (ids []string, next string) {
				if len(l.Data) > limit {
					t.Errorf("%q: a page of %d, want %d", filter, len(l.Data), limit)
				}
				for _, row := range l.Data {
					ids = append(ids, names[row.ID])
				}
				return ids, l.NextCursor
			})
			if !slices.Equal(ids, want) {
				t.Errorf("%q by %d: %q, want %q", filter, limit, ids, want)
			}
		}
	}
}

// What is another app's is answered to the byte as what does not exist.
func TestRequestsOfAnotherApp(t *testing.T) {
	c := newCircle(t)
	made := c.asks(ask(c.ravi, "1"))
	b := c.as(chatB)
	mine := b.fund(b.settle(newPerson("gita", 9, "STLJ")), "")
	for _, call := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil},
		{"POST", "/pay", obj{"payer": obj{"wallet": mine.id}}},
		{"POST", "/decline", obj{"party": c.ravi.id}},
		{"POST", "/remind", obj{}},
		{"POST", "/cancel", obj{}},
	} {
		at := func(id string) *answer {
			got := b.send(call.method, "/v1/requests/"+id+call.path, call.body, "X-Request-Id", "the-same")
			got.header.Del("Date")
			return got
		}
		foreign, none := at(made.ID), at("req_"+hex32)
		if foreign.status != 404 || string(foreign.body) != string(none.body) || fmt.Sprint(foreign.header) != fmt.Sprint(none.header) {
			t.Errorf("%s %s: %d %s %v; what does not exist: %d %s %v", call.method, call.path, foreign.status, foreign.body, foreign.header, none.status, none.body, none.header)
		}
	}
	for _, payer := range []obj{{"party": c.ravi.id}, {"phone": c.ravi.phone}, {"handle": "ravi"}} {
		b.post("/v1/requests", obj{"requester": obj{"party": mine.id}, "asks": []obj{{"payer": payer, "amount": inr("1")}}}).refused(404, "party_not_found")
	}
	b.post("/v1/requests", obj{"requester": obj{"instrument": c.asha.wallet}, "asks": []obj{{"payer": obj{"party": mine.id}, "amount": inr("1")}}}).refused(404, "party_not_found")
	for _, query := range []string{"", "?party=" + c.ravi.id, "?conversation=c-77"} {
		if got := read[api.MoneyRequestList](b.get("/v1/requests" + query).want(200)); len(got.Data) != 0 {
			t.Errorf("app B lists %+v", got.Data)
		}
	}
	q := c.read(made.ID)
	wantEqual(t, "it is", sums(&q), "open, open: 1.00 0.00 1.00")
}

// Each ask is told of in its own bubble, as it is when it is read.
func TestEventsOfRequests(t *testing.T) {
	c := newCircle(t, fed)
	made := c.asks(ask(c.ravi, "100.00"), ask(c.mina, "50.00"))
	path := "/v1/requests/" + made.ID
	c.post(path+"/remind", obj{"party": c.mina.id}).want(200)
	c.settled()
	told := func() (lines []string) {
		for _, e := range c.events("&types=request.*") {
			q, b := e.Data.Request, e.Data.Bubble
			if q.ID != made.ID || b.Conversation != "c-77" || b.Message != "m-1" || q.Total.Value != "150.00" || q.Note != "dinner" {
				t.Errorf("%s tells %+v", e.Type, e.Data)
			}
			lines = append(lines, fmt.Sprintf("%s %d %s | %s %s | %s %s", e.Type, len(q.Asks), b.Amount, b.ForPayer.Text, b.ForPayer.Action, b.ForPayee.Text, b.ForPayee.Action))
			if b.ForPayer.Action == "pay" && (!b.ForPayer.Until.Equal(made.ExpiresAt) || !strings.HasPrefix(b.ForPayer.Next, "You can pay until ")) {
				t.Errorf("%s: %+v", e.Type, b.ForPayer)
			}
		}
		return lines
	}
	wantLines(t, told(), `request.created 1 ₹100.00 | asha asks you for ₹100.00. pay | You asked ravi for ₹100.00. cancel
request.created 1 ₹50.00 | asha asks you for ₹50.00. pay | You asked mina for ₹50.00. cancel
request.reminded 1 ₹50.00 | asha reminds you: ₹50.00 is still to be paid. pay | You reminded mina of ₹50.00. cancel`)
	c.post(path+"/pay", obj{"payer": obj{"wallet": c.ravi.id}}).want(201)
	c.post(path+"/pay", obj{"payer": obj{"wallet": c.mina.id}}).want(201)
	c.settled()
	wantLines(t, told(), `request.created 1 ₹100.00 | You paid asha ₹100.00. nothing | ravi paid you ₹100.00. nothing
request.created 1 ₹50.00 | You paid asha ₹50.00. nothing | mina paid you ₹50.00. nothing
request.reminded 1 ₹50.00 | You paid asha ₹50.00. nothing | mina paid you ₹50.00. nothing
request.paid 1 ₹100.00 | You paid asha ₹100.00. nothing | ravi paid you ₹100.00. nothing
request.paid 1 ₹50.00 | You paid asha ₹50.00. nothing | mina paid you ₹50.00. nothing
request.settled 2 ₹150.00 | All have paid asha: ₹150.00. nothing | All have paid you: ₹150.00. nothing`)
	made = c.asks(ask(c.ravi, "150.00"))
	c.post("/v1/requests/"+made.ID+"/decline", obj{"party": c.ravi.id}).want(200)
	c.settled()
	all := c.events("&types=request.declined&locale=hi-IN")
	wantEqual(t, "in Hindi", all[0].Data.Bubble.ForPayee.Text, "ravi ने आपको ₹150.00 देने से मना किया।")
	wantEqual(t, "cannot be paid", string(all[0].Data.Bubble.ForPayer.Action), "nothing")
}

func wantLines(t *testing.T, got []string, want string) {
	t.Helper()
	if all := strings.Join(got, "\n"); all != want {
		t.Errorf("told\n%s\nwant\n%s", all, want)
	}
}

// Of who is erased no request is open, and what they wrote cannot be read.
func TestErasureOfARequester(t *testing.T) {
	c := newCircle(t)
	own := c.asks(ask(c.ravi, "1"), ask(c.mina, "2"))
	others := read[api.MoneyRequest](c.post("/v1/requests", obj{"requester": obj{"handle": "mina"}, "asks": []obj{ask(c.ravi, "1"), ask(c.asha, "2")}, "note": "breakfast"}).want(201))
	c.send("DELETE", "/v1/parties/"+c.asha.id, nil).want(200)
	q := c.read(own.ID)
	wantEqual(t, "hers", sums(&q)+q.Note, "cancelled cancelled, closed: 3.00 0.00 0.00")
	q = c.read(others.ID)
	wantEqual(t, "the others'", sums(&q)+" "+q.Note, "open cancelled, open: 3.00 0.00 1.00 breakfast")
	if got := read[api.MoneyRequest](c.as(inspector).get("/v1/requests/" + own.ID).want(200)); got.Note != "" {
		t.Errorf("an inspector reads %q", got.Note)
	}
	c.post("/v1/requests", obj{"requester": obj{"handle": "mina"}, "asks": []obj{{"payer": obj{"party": c.asha.id}, "amount": inr("1")}}}).refused(409, "party_closed")
	c.verify()
}

// Two hundred who pay the same ask over HTTP at once, each under a key of its own.
func TestManyPayARequestAtOnce(t *testing.T) {
	t.Parallel()
	const payers = 200
	c := newCircle(t)
	made := c.asks(ask(c.ravi, "1.00"))
	outcomes := make([]string, payers)
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() {
			got, err := c.try(c.request(http.MethodPost, "/v1/requests/"+made.ID+"/pay", obj{"payer": obj{"wallet": c.ravi.id}}))
			if err != nil {
				outcomes[i] = err.Error()
			} else if outcomes[i] = got.code(); got.status == 201 {
				outcomes[i] = "paid"
			}
		})
	}
	all.Wait()
	count := map[string]int{}
	for _, o := range outcomes {
		count[o]++
	}
	wantEqual(t, "outcomes", fmt.Sprint(count), fmt.Sprint(map[string]int{"paid": 1, "ask_paid": payers - 1}))
	wantEqual(t, "Asha has", c.balance(c.asha), "1.00")
	c.verify()
}

// The payer's credential goes to its bank with the debit, and not at all with a refusal.
func TestCredentialOfAPaidRequest(t *testing.T) {
	c := newCircle(t)
	made := c.asks(ask(c.ravi, "1.00"))
	in := obj{"payer": obj{"party": c.ravi.id, "credential": "c2VjcmV0"}}
	paid := read[api.Transfer](c.post("/v1/requests/"+made.ID+"/pay?wait=30", in, "Idempotency-Key", "pin").want(201))
	wantEqual(t, "paid", string(paid.State), "completed")
	in["payer"] = obj{"party": c.ravi.id, "credential": "YW5vdGhlcg=="}
	again := c.post("/v1/requests/"+made.ID+"/pay", in, "Idempotency-Key", "pin").want(201)
	if !again.replayed() {
		t.Error("another credential is another request")
	}
	c.post("/v1/requests/"+made.ID+"/pay", in).refused(409, "ask_paid")
	wantEqual(t, "credentials that are left", c.dispatcher.Entrusted(), 0)
}
