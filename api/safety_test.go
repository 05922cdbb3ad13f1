package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

// heldFor is a stack in which payments of more than 50 rupees are held.
func heldFor(d time.Duration) func(*setup) {
	return func(o *setup) {
		o.limits = &ledger.Limits{Default: ledger.AppLimits{HoldAbove: map[ledger.Currency]int64{"INR": 50_00}, HoldFor: d}}
	}
}

// release does what the agenda does for each hold whose time is over.
func (s *stack) release() {
	s.t.Helper()
	rows, err := s.store.DueRecords(s.t.Context(), ledger.RecordPlace{}, time.Now().UnixMicro(), 100)
	check(s.t, err)
	for _, r := range rows {
		if r.Kind == ledger.RecordHold {
			check(s.t, s.server.Handlers()[r.Kind](s.t.Context(), r))
		}
	}
}

// A held payment is shown as held, whoever waits for it waits no longer, and it is released in time.
func TestHeldTransfers(t *testing.T) {
	s := start(t, heldFor(100*time.Millisecond))
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500.00"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	for _, c := range []struct {
		name         string
		payer, payee obj
	}{
		{"wallets", obj{"wallet": asha.id}, obj{"wallet": ravi.id}},
		{"banks", obj{"party": asha.id}, obj{"party": ravi.id}},
		{"to a bank", obj{"wallet": asha.id}, obj{"party": ravi.id}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := *s
			s.t = t
			a := a.in(t)
			body := obj{"payer": c.payer, "payee": c.payee, "amount": inr("50.01")}
			held := read[api.Transfer](a.post("/v1/transfers?wait=20", body).want(201))
			wantEqual(t, "it", spaced(held.State, held.StatusText, held.HeldUntil.Sub(held.CreatedAt)), "held paid by the payer, held until the time to cancel is over 100ms")
			detail := read[api.TransferDetail](a.get("/v1/transfers/" + held.ID + "?wait=20").want(200))
			wantEqual(t, "waited for", detail.State, "held")
			listed := read[api.TransferList](a.get("/v1/transfers?state=held").want(200)).Data
			if len(listed) != 1 || listed[0].ID != held.ID {
				t.Errorf("listed as held: %+v", listed)
			}
			a.get("/v1/reports/transfers?open=true").refused(404, "not_found")
			open := string(s.as(auditor).in(t).get("/v1/reports/transfers?open=true").want(200).body)
			if !strings.Contains(open, "held") {
				t.Errorf("the report of what is open: %s", open)
			}
			eventually(t, "released", func() bool {
				s.release()
				return read[api.Transfer](a.get("/v1/transfers/"+held.ID+"?wait=20").want(200)).State == "completed"
			})
			a.post("/v1/transfers/"+held.ID+"/cancel", nil).refused(409, "transfer_not_cancellable")
		})
	}
	wantEqual(t, "not more than the threshold", read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "50.00").want(201)).State, "completed")
	lines := read[api.WalletStatement](a.get("/v1/wallets/" + ravi.id + "/statement").want(200)).Data
	wantEqual(t, "the payee's statement", fmt.Sprint(lines[1].Event, lines[1].Direction, lines[1].CounterpartyName, lines[1].Amount.Value), "creditinasha50.01")
	s.verify()
}

// The sender takes back what is held; of all who try to, and of the time that is over, one wins.
func TestCancelHeldTransfer(t *testing.T) {
	s := start(t, heldFor(time.Hour), fed)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500.00"), a.settle(newPerson("ravi", 2, "KVRI"))
	inside := read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"party": ravi.id}, "60.00").want(201))
	outside := read[api.Transfer](a.post("/v1/transfers?wait=20", obj{"payer": obj{"party": asha.id}, "payee": obj{"party": ravi.id}, "amount": inr("60.00")}).want(201))
	wantEqual(t, "both", inside.State+outside.State, "heldheld")
	s.as(chatB).post("/v1/transfers/"+inside.ID+"/cancel", nil).refused(404, "transfer_not_found")
	back := read[api.Transfer](a.post("/v1/transfers/"+inside.ID+"/cancel", nil).want(200))
	wantEqual(t, "out of a wallet", spaced(back.State, back.Failure.Reason), "reversed cancelled_by_sender")
	wantEqual(t, "to a bank", read[api.Transfer](a.post("/v1/transfers/"+outside.ID+"/cancel", nil).want(200)).State, "reversing")
	wantEqual(t, "in the end", a.comesTo(outside, "reversed").Failure.Reason, "cancelled_by_sender")
	for _, id := range []string{inside.ID, outside.ID} {
		wantEqual(t, "again", read[api.Transfer](a.post("/v1/transfers/"+id+"/cancel", nil).want(200)).State, "reversed")
	}
	wantEqual(t, "the wallet", a.balance(asha), "500.00")
	eventually(t, "told", func() bool {
		return len(read[api.EventList](a.get("/v1/events?types=transfer.held,transfer.reversed").want(200)).Data) == 4
	})
	s.verify()
}

// Nothing leaves who has stopped, on the next request, until it is started again.
func TestStopPayments(t *testing.T) {
	s := start(t, heldFor(time.Nanosecond), fed)
	a, b := s.as(chatA), s.as(chatB)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500.00"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "100.00")
	at := "/v1/parties/" + asha.id
	received := read[api.Transfer](a.pay(obj{"wallet": ravi.id}, obj{"wallet": asha.id}, "20.00").want(201))
	held := read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "60.00").want(201))
	wantEqual(t, "before", fmt.Sprint(read[api.Safety](a.get(at+"/safety").want(200))), fmt.Sprint(api.Safety{Party: asha.id}))
	for _, refused := range []string{"/stop", "/start"} {
		b.post(at+refused, nil).refused(404, "party_not_found")
		a.post(at+refused, obj{}).refused(400, "invalid_field")
		a.post("/v1/parties/pty_nobody"+refused, nil).refused(404, "party_not_found")
	}
	b.get(at+"/safety").refused(404, "party_not_found")

	first := a.post(at+"/stop", nil, underOneKey, "panic").want(200)
	stopped := read[api.Safety](first)
	if !stopped.Stopped || stopped.StoppedAt.IsZero() || !strings.HasPrefix(stopped.StoppedBy, "key_") {
		t.Errorf("%+v", stopped)
	}
	again := read[api.Safety](a.post(at+"/stop", nil, "Idempotency-Key", "").want(200))
	wantEqual(t, "again", fmt.Sprint(again), fmt.Sprint(stopped))
	for _, name := range []string{chatA, auditor, operator, inspector} {
		wantEqual(t, name, fmt.Sprint(read[api.Safety](s.as(name).get(at+"/safety").want(200))), fmt.Sprint(stopped))
	}
	for what, got := range map[string]*answer{
		"wallet":     a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00"),
		"bank":       a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "1.00"),
		"large":      a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "60.00"),
		"top-up":     a.post("/v1/wallets/"+asha.id+"/topups", obj{"amount": inr("1.00")}),
		"withdrawal": a.post("/v1/wallets/"+asha.id+"/withdrawals", obj{"amount": inr("1.00")}),
		"refund":     a.post(refundsOf(received), obj{}),
	} {
		tr := read[api.Transfer](got.want(201))
		wantEqual(t, what, spaced(tr.State, tr.Failure.Reason), "failed payments_stopped")
	}
	wantEqual(t, "what comes", read[api.Transfer](a.pay(obj{"wallet": ravi.id}, obj{"wallet": asha.id}, "1.00").want(201)).State, "completed")
	s.release()
	wantEqual(t, "what was held", a.comesTo(held, "reversed").Failure.Reason, "payments_stopped")

	wantEqual(t, "started", fmt.Sprint(read[api.Safety](a.post(at+"/start", nil).want(200))), fmt.Sprint(api.Safety{Party: asha.id}))
	a.post(at+"/stop", nil, underOneKey, "panic").repeats(first) // which stops nothing again
	wantEqual(t, "paid", read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00").want(201)).State, "completed")
	var told []api.AppEvent
	eventually(t, "told", func() bool {
		told = read[api.EventList](a.get("/v1/events?types=party.*").want(200)).Data
		return len(told) == 2
	})
	wantEqual(t, "told", spaced(told[0].Type, told[1].Type, told[0].Data.Safety.Party == asha.id), "party.stopped party.started true")
	s.verify()
}

// After the answer to a stop no payment of the party is made, however many are on their way.
func TestStopAmongPayments(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "500.00"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	var all sync.WaitGroup
	answered := make(chan struct{})
	for range 40 {
		all.Go(func() {
			for range 5 {
				late := false
				select {
				case <-answered:
					late = true
				default:
				}
				got, err := a.try(a.request("POST", "/v1/transfers", obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("0.01")}))
				if err != nil || got.status != 201 {
					t.Errorf("%v, %v", got, err)
				} else if tr := read[api.Transfer](got); late && tr.Failure.Reason != "payments_stopped" {
					t.Errorf("after the answer it is %s, %s", tr.State, tr.Failure.Reason)
				}
			}
		})
	}
	read[api.Safety](a.post("/v1/parties/"+asha.id+"/stop", nil).want(200))
	close(answered)
	all.Wait()
	s.verify()
}

// Whom a person trusts is found in every way, shown as the roles see it, and paid without a hold.
func TestTrustedPayees(t *testing.T) {
	s := start(t, heldFor(time.Hour))
	a, b := s.as(chatA), s.as(chatB)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "900.00"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	mina := b.settle(newPerson("mina", 3, "GDVR"))
	at := "/v1/parties/" + asha.id + "/trusted"
	trust := func(payee obj) *answer { return a.send("PUT", at, obj{"payee": payee}) }
	state := func(payee obj) api.TransferState {
		return read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"wallet": asha.id}, "payee": payee, "amount": inr("60.00")}).want(201)).State
	}
	strange := obj{"account": obj{"number": "700080009000", "ifsc": "STLJ0000001", "name": "Gita"}}
	for _, payee := range []obj{{"wallet": ravi.id}, {"upi": mina.upi}, strange} {
		wantEqual(t, fmt.Sprint(payee), state(payee), "held")
	}
	own := read[api.TrustedPayee](trust(obj{"handle": ravi.handle}).want(200))
	wantEqual(t, "one of the app's", spaced(own.Party == ravi.id, own.Name, own.Account, own.UPI, own.TrustedAt.IsZero()), "true ravi   false")
	for _, same := range []obj{{"party": ravi.id}, {"phone": ravi.phone}, {"upi": ravi.upi}, {"wallet": ravi.id}, {"account": obj{"number": ravi.number, "ifsc": ravi.ifsc}}, {"link": "upi://pay?pa=" + ravi.upi + "&pn=Ravi"}} {
		wantEqual(t, fmt.Sprint(same), fmt.Sprint(read[api.TrustedPayee](trust(same).want(200))), fmt.Sprint(own))
	}
	foreign := read[api.TrustedPayee](trust(obj{"upi": mina.upi}).want(200))
	wantEqual(t, "another app's", spaced(foreign.Party, foreign.Name, foreign.Bank, foreign.Account, foreign.UPI), " mina GDVR ••••0003 "+mina.upi)
	stranger := read[api.TrustedPayee](trust(strange).want(200))
	for _, payee := range []obj{{"wallet": ravi.id}, {"party": ravi.id}} {
		if got := state(payee); got == "held" {
			t.Errorf("%v is held", payee)
		}
	}
	for _, payee := range []obj{{"upi": mina.upi}, strange} {
		if got := state(payee); got == "held" {
			t.Errorf("%v is held", payee)
		}
	}
	wantEqual(t, "who is trusted does not trust", read[api.Transfer](a.pay(obj{"wallet": ravi.id}, obj{"wallet": asha.id}, "60.00").want(201)).State, "held")

	for _, name := range []string{chatA, auditor, operator, inspector} {
		all := read[api.TrustedPayeeList](s.as(name).get(at).want(200)).Data
		if len(all) != 3 || all[0].ID != own.ID || all[1].ID != foreign.ID || all[2].ID != stranger.ID {
			t.Fatalf("%s sees %+v", name, all)
		}
		want := map[string]string{chatA: "ravi mina " + mina.upi + " Gita ••••9000", inspector: "ravi mina " + mina.upi + " Gita 700080009000"}[name]
		if want == "" {
			want = "    ••••9000"
		}
		wantEqual(t, name, strings.Join([]string{all[0].Name, all[1].Name, all[1].UPI, all[2].Name, all[2].Account}, " "), want)
	}
	before := s.fingerprint()
	for body, code := range map[string]string{
		`{}`: "400 invalid_address", `{"payee":{}}`: "400 invalid_address", `{"payee":{"handle":"ravi","phone":"+919876500002"}}`: "400 invalid_address",
		`{"payee":{"handle":"nobody"}}`: "404 party_not_found", `{"payee":{"upi":"nobody@kaveri"}}`: "404 party_not_found", `{"payee":{"party":"` + mina.id + `"}}`: "404 party_not_found",
		`{"payee":{"account":{"number":"700080009000","ifsc":"ZZZZ0000001"}}}`: "400 invalid_account", `{"payee":{"account":{"number":"7","ifsc":"STLJ0000001"}}}`: "400 invalid_account",
		`{"payee":{"link":"https://pay"}}`: "400 invalid_link", `{"payee":{"handle":"ravi","credential":"` + block + `"}}`: "400 invalid_field", `{"payee":"ravi"}`: "400 wrong_type", `{"payer":{}}`: "400 unknown_field",
	} {
		got := a.send("PUT", at, body)
		wantEqual(t, body, fmt.Sprint(got.status, " ", got.code()), code)
	}
	b.send("PUT", at, obj{"payee": obj{"upi": ravi.upi}}).refused(404, "party_not_found")
	b.get(at).refused(404, "party_not_found")
	b.send("DELETE", at+"/"+own.ID, nil).refused(404, "party_not_found")
	a.send("DELETE", at+"/tru_0123456789abcdef0123456789abcdef", nil).want(204)
	a.send("DELETE", at+"/nonsense", nil).want(204)
	wantEqual(t, "the book", s.fingerprint(), before)
	for range 2 {
		a.send("DELETE", at+"/"+foreign.ID, nil).want(204)
	}
	wantEqual(t, "trusted no more", state(obj{"upi": mina.upi}), "held")
	wantEqual(t, "left", len(read[api.TrustedPayeeList](a.get(at).want(200)).Data), 2)
	s.verify()
}
