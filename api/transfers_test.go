package api_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"bahi/api"
)

func TestEveryWayToNameAPayee(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "1000.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	shop := s.as(chatB).settle(newPerson("shop", 3, "GDVR")) // another app's

	viaAccount := api.TransferEnd{Party: ravi.id, Name: "ravi", Bank: "KVRI", Account: "••••0002", IFSC: ravi.ifsc, UPI: ravi.upi}
	viaWallet := api.TransferEnd{Party: ravi.id, Name: "ravi", Wallet: true}
	foreign := api.TransferEnd{Name: "shop", Bank: "GDVR", Account: "••••0003", IFSC: shop.ifsc, UPI: shop.upi}
	for _, c := range []struct {
		name  string
		payee obj
		want  api.TransferEnd
	}{
		{"party", obj{"party": ravi.id}, viaAccount},
		{"instrument, an account", obj{"instrument": ravi.account}, viaAccount},
		{"instrument, a wallet", obj{"instrument": ravi.wallet}, viaWallet},
		{"phone", obj{"phone": ravi.phone}, viaAccount},
		{"handle", obj{"handle": "@Ravi"}, viaAccount},
		{"UPI id", obj{"upi": "Ravi@Kaveri"}, viaAccount},
		{"UPI id of another app's", obj{"upi": shop.upi}, foreign},
		{"account that is linked", obj{"account": obj{"number": ravi.number, "ifsc": ravi.ifsc}}, viaAccount},
		{"account that nobody linked", obj{"account": obj{"number": "500000004321", "ifsc": "stlj0000009", "name": "Uncle"}},
			api.TransferEnd{Name: "Uncle", Bank: "STLJ", Account: "••••4321", IFSC: "STLJ0000009"}},
		{"wallet", obj{"wallet": ravi.id}, viaWallet},
		{"link without amount", obj{"link": upiLink(ravi.upi, "Somebody Else", "")}, viaAccount},
		{"link with the amount", obj{"link": upiLink(ravi.upi, "Ravi", "10.00")}, viaAccount},
	} {
		t.Run(c.name, func(t *testing.T) {
			made := read[api.Transfer](a.in(t).pay(obj{"party": asha.id}, c.payee, "10.00").want(201))
			d := a.in(t).comesTo(made, "completed")
			wantEqual(t, "payee", d.Payee, c.want)
			wantEqual(t, "payer", d.Payer, api.TransferEnd{Party: asha.id, Name: "asha", Bank: "NRMD", Account: "••••0001", IFSC: asha.ifsc, UPI: asha.upi})
		})
	}
	for _, payer := range []obj{{"party": asha.id}, {"instrument": asha.account}, {"phone": asha.phone},
		{"handle": "asha"}, {"wallet": asha.id}, {"instrument": asha.wallet}} {
		a.comesTo(read[api.Transfer](a.pay(payer, obj{"handle": "ravi"}, "1.00").want(201)), "completed")
	}
	s.verify()
}

func TestLinks(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.settle(newPerson("ravi", 2, "KVRI"))
	fixed := upiLink(ravi.upi, "Ravi", "12.50") + "&tn=two%20teas"
	pay := func(more obj) *answer {
		in := obj{"payer": obj{"wallet": asha.id}}
		for k, v := range more {
			in[k] = v
		}
		return a.post("/v1/transfers", in)
	}
	got := read[api.Transfer](pay(obj{"payee": obj{"link": fixed}}).want(201))
	wantEqual(t, "amount of the link", got.Amount, api.Money{Value: "12.50", Currency: "INR"})
	wantEqual(t, "note of the link", got.Note, "two teas")
	got = read[api.Transfer](pay(obj{"payee": obj{"link": fixed}, "note": "mine", "amount": inr("12.5")}).want(201))
	wantEqual(t, "own note", got.Note, "mine")
	open := upiLink(ravi.upi, "Ravi", "")
	pay(obj{"payee": obj{"link": open}}).refused(400, "missing_field")
	pay(obj{"payee": obj{"link": fixed}, "amount": inr("12.51")}).refused(400, "amount_mismatch")
	pay(obj{"payee": obj{"link": open + "&mam=5.00"}, "amount": inr("4.99")}).refused(400, "amount_mismatch")
	pay(obj{"payee": obj{"link": open}, "amount": obj{"value": "5", "currency": "JPY"}}).refused(400, "amount_mismatch")
	pay(obj{"payee": obj{"link": "https://example.com"}}).refused(400, "invalid_link")
}

func TestWhatARuleRefusesIsAFailedTransfer(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	poor := a.openParty("poor")
	absent := "pty_" + "0123456789abcdef0123456789abcdef"
	s.as(operator).post("/v1/wallets/"+ravi.id+"/freeze", nil).want(200)
	for _, c := range []struct {
		name         string
		payer, payee obj
		amount       obj
		reason       api.FailureReason
	}{
		{"empty wallet", obj{"wallet": asha.id}, obj{"handle": "ravi"}, inr("100.01"), "insufficient_funds"},
		{"nobody", obj{"handle": "asha"}, obj{"handle": "unheard"}, inr("1"), "payee_not_found"},
		{"no such party", obj{"handle": "asha"}, obj{"party": absent}, inr("1"), "payee_not_found"},
		{"payee without account", obj{"handle": "asha"}, obj{"party": poor}, inr("1"), "payee_not_payable"},
		{"payer without account", obj{"party": poor}, obj{"handle": "asha"}, inr("1"), "payer_not_payable"},
		{"frozen", obj{"wallet": asha.id}, obj{"wallet": ravi.id}, inr("1"), "account_frozen"},
		{"same", obj{"handle": "asha"}, obj{"phone": asha.phone}, inr("1"), "same_account"},
		{"another currency", obj{"handle": "asha"}, obj{"handle": "ravi"}, obj{"value": "5", "currency": "JPY"}, "currency_mismatch"},
		{"a bank that is not connected", obj{"handle": "asha"}, obj{"account": obj{"number": "123456789", "ifsc": "ZZZZ0000001"}}, inr("1"), "bank_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read[api.Transfer](a.in(t).post("/v1/transfers", obj{"payer": c.payer, "payee": c.payee, "amount": c.amount}).want(201))
			if got.State != "failed" || got.Failure.Reason != c.reason || got.Failure.Detail == "" {
				t.Errorf("%s, %+v; want failed, %s", got.State, got.Failure, c.reason)
			}
			if c.reason == "payee_not_payable" && got.Payee != (api.TransferEnd{Party: poor, Name: "poor"}) {
				t.Errorf("the payee is %+v, who has no wallet", got.Payee)
			}
		})
	}
	for reason, value := range map[api.FailureReason]string{"debit_declined": "9101.00", "credit_declined": "9201.00"} {
		made := read[api.Transfer](a.pay(obj{"handle": "asha"}, obj{"handle": "ravi"}, value).want(201))
		d := read[api.TransferDetail](a.get("/v1/transfers/" + made.ID + "?wait=30").want(200))
		wantEqual(t, value, d.Failure.Reason, reason)
		if d.Failure.BankCode == "" || !slices.Contains([]api.TransferState{"failed", "reversed"}, d.State) {
			t.Errorf("%s: %s with bank code %q", value, d.State, d.Failure.BankCode)
		}
	}
	s.verify()
}

func TestHistoryAndWait(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	made := read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"party": asha.id}, "payee": obj{"party": ravi.id}, "amount": inr("250"),
		"note": "dinner", "conversation": "c-77", "message": "m-1", "metadata": obj{"table": "12", "empty": ""}}).want(201))
	d := a.comesTo(made, "completed")
	var states []string
	for _, step := range d.History {
		states = append(states, string(step.State))
	}
	if want := []string{"pending", "debited", "completed"}; !slices.Equal(states, want) {
		t.Errorf("history %v, want %v", states, want)
	}
	if len(d.Instructions) != 2 || d.Instructions[0].Leg != "debit" || d.Instructions[1].Bank != "KVRI" || d.Instructions[1].State != "approved" {
		t.Errorf("instructions %+v", d.Instructions)
	}
	if d.Note != "dinner" || d.Conversation != "c-77" || d.Message != "m-1" || d.Metadata["table"] != "12" || len(d.Metadata) != 2 || d.StatusText != "paid" {
		t.Errorf("not given back as it was: %+v", d.Transfer)
	}

	// One that does not come to rest is answered as it is, after the wait.
	party := a.openParty("waiter")
	a.link(party, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	made = read[api.Transfer](a.pay(obj{"party": party}, obj{"party": ravi.id}, "1.00").want(201))
	began := time.Now()
	d = read[api.TransferDetail](a.get("/v1/transfers/" + made.ID + "?wait=1").want(200))
	if took := time.Since(began); d.State != "pending" || took < time.Second {
		t.Errorf("%s after %v; want pending after a second", d.State, took)
	}
	s.report("NRMD", made.ID+".debit", "declined").want(200)
	a.comesTo(made, "failed")
}

// A wait ends as soon as the transfer comes to rest, not when it is looked at again.
func TestWaitIsWoken(t *testing.T) {
	g, change := gated()
	s := start(t, change)
	a := s.as(chatA)
	party := a.openParty("waiter")
	a.link(party, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	ravi := a.settle(newPerson("ravi", 2, "KVRI"))
	fastest := time.Hour
	for range 3 {
		made := read[api.Transfer](a.pay(obj{"party": party}, obj{"party": ravi.id}, "1.00").want(201))
		looks := g.looks.Load()
		waiting := a.hold("GET", "/v1/transfers/"+made.ID+"?wait=30", nil)
		eventually(t, "it was looked at, and again in the wait", func() bool { return g.looks.Load() == looks+2 })
		began := time.Now()
		s.report("NRMD", made.ID+".debit", "declined").want(200)
		if got := <-waiting; got != nil {
			wantEqual(t, "state", read[api.TransferDetail](got).State, "failed")
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 500*time.Millisecond {
		t.Errorf("the fastest of three took %v", fastest)
	}
}

func TestListOfTransfers(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	meera := a.fund(a.settle(newPerson("meera", 3, "KVRI")), "")
	made := map[string]api.Transfer{}
	pay := func(name string, payer, payee *person, value, conversation string) {
		made[name] = read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"wallet": payer.id}, "payee": obj{"wallet": payee.id},
			"amount": inr(value), "conversation": conversation}).want(201))
	}
	pay("1", asha, ravi, "1.00", "x")
	pay("2", asha, meera, "2.00", "y")
	pay("3", ravi, asha, "0.50", "x")
	pay("4", meera, ravi, "99.00", "x") // fails
	pay("5", asha, meera, "3.00", "y")
	names := map[string]string{}
	for name, m := range made {
		names[m.ID] = name
	}
	at := func(name string) string { return url.QueryEscape(made[name].CreatedAt.Format(time.RFC3339Nano)) }
	topUp := "" // the only transfer without a name
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{"", []string{"5", "4", "3", "2", "1", topUp}},
		{"conversation=x", []string{"4", "3", "1"}},
		{"conversation=unheard", nil},
		{"party=" + ravi.id, []string{"4", "3", "1"}},
		{"party=" + meera.id, []string{"5", "4", "2"}},
		{"state=failed", []string{"4"}},
		{"state=completed", []string{"5", "3", "2", "1", topUp}},
		{"state=deemed", nil},
		{"from=" + at("3"), []string{"5", "4", "3"}},
		{"until=" + at("3"), []string{"2", "1", topUp}},
		{"from=" + at("2") + "&until=" + at("4"), []string{"3", "2"}},
		{"until=1970-01-01T00:00:00Z", nil},
		{"conversation=x&party=" + asha.id, []string{"3", "1"}},
		{"conversation=x&party=" + asha.id + "&state=completed&from=" + at("2") + "&until=" + at("4"), []string{"3"}},
		{"party=" + meera.id + "&state=failed", []string{"4"}},
		{"party=pty_0123456789abcdef0123456789abcdef", nil},
	} {
		for limit, size := range map[string]int{"1": 1, "2": 2, "200": 200} {
			ids, pages := pagesOf(a, "/v1/transfers?limit="+limit+"&"+c.filter, func(l api.TransferList) (ids []string, next string) {
				for _, row := range l.Data {
					ids = append(ids, names[row.ID])
				}
				return ids, l.NextCursor
			})
			if want := max(1, (len(c.want)+size-1)/size); !slices.Equal(ids, c.want) || pages != want {
				t.Errorf("%q by %s: %q on %d pages, want %q on %d", c.filter, limit, ids, pages, c.want, want)
			}
		}
	}
}

func TestCancel(t *testing.T) {
	s := start(t, func(o *setup) { o.maxInFlight = 1 })
	a := s.as(chatA)
	slow := a.openParty("slow")
	a.link(slow, obj{"kind": "bank_account", "account": obj{"number": never, "ifsc": "NRMD0000001"}})
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	sent := read[api.Transfer](a.pay(obj{"party": slow}, obj{"party": ravi.id}, "1.00").want(201))
	// The bank has one place, and that is taken: the next one waits.
	queued := read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "2.00").want(201))
	cancel := "/v1/transfers/" + queued.ID + "/cancel"
	first := a.post(cancel, nil, "Idempotency-Key", "take-back").want(200)
	got := read[api.Transfer](first)
	if got.State != "cancelled" || got.Failure.Reason != "cancelled_by_sender" {
		t.Errorf("%s, %+v", got.State, got.Failure)
	}
	again := a.post(cancel, nil, "Idempotency-Key", "take-back").want(200)
	if string(again.body) != string(first.body) || !again.replayed() {
		t.Errorf("again under the same key: %s", again.body)
	}
	a.post(cancel, nil, "Idempotency-Key", "").want(200)
	d := read[api.TransferDetail](a.get("/v1/transfers/" + queued.ID).want(200))
	wantEqual(t, "instruction", d.Instructions[0].State, "dropped")
	a.post("/v1/transfers/"+sent.ID+"/cancel", nil).refused(409, "transfer_not_cancellable")
	a.post(cancel, "{}").refused(400, "invalid_field")
}
