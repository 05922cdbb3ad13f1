package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"bahi/api"
)

// shopping is a stack where somebody has paid a shop 100 rupees, between wallets.
func shopping(t *testing.T, changes ...func(*setup)) (s *stack, asha, shop *person, paid api.Transfer) {
	t.Helper()
	s = start(t, changes...)
	a := s.as(chatA)
	asha, shop = a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00"), a.fund(a.settle(newPerson("shop", 2, "KVRI")), "")
	in := obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": shop.id}, "amount": inr("100.00"), "conversation": "c-77"}
	return s, asha, shop, read[api.Transfer](a.post("/v1/transfers", in).want(201))
}

// spaced is values with a space between each two.

func refundsOf(t api.Transfer) string { return "/v1/transfers/" + t.ID + "/refunds" }

func wantRefunds(t testing.TB, a *caller, paid api.Transfer, refunded, underWay, left string) {
	t.Helper()
	got := read[api.TransferDetail](a.get("/v1/transfers/" + paid.ID).want(200)).Refunds
	wantEqual(t, "refunded, under way, left", spaced(got.Refunded.Value, got.UnderWay.Value, got.Left.Value), spaced(refunded, underWay, left))
}

// Parts, the rest, and nothing more; each is told of and listed.
func TestRefund(t *testing.T) {
	s, asha, shop, paid := shopping(t, fed)
	a := s.as(chatA)
	wantRefunds(t, a, paid, "", "", "")
	first := a.post(refundsOf(paid), obj{"amount": inr("40.00"), "note": "cold chai"}, underOneKey, "part").want(201)
	part := read[api.Transfer](first)
	wantEqual(t, "the refund", spaced(part.Kind, part.State, part.StatusText, part.Note, part.Conversation, part.Amount.Value, part.Payer.Party == shop.id, part.Payee.Party == asha.id,
		part.Payer.Wallet, part.Payee.Wallet, part.Cause.Kind, part.Cause.ID == paid.ID), "refund completed refunded cold chai c-77 40.00 true true true true refunds true")
	wantRefunds(t, a, paid, "40.00", "0.00", "60.00")
	a.post(refundsOf(paid), obj{"amount": inr("40.00"), "note": "cold chai"}, underOneKey, "part").repeats(first)
	a.post(refundsOf(paid), obj{"amount": inr("41.00")}, underOneKey, "part").refused(422, "idempotency_key_reused")
	wantRefunds(t, a, paid, "40.00", "0.00", "60.00")
	if p := a.post(refundsOf(paid), obj{"amount": inr("60.01")}).refused(409, "refund_too_large"); !strings.Contains(string(p.body), "60.00 INR") {
		t.Errorf("it does not say how much is left: %s", p.body)
	}
	rest := read[api.Transfer](a.post(refundsOf(paid), obj{}).want(201))
	wantEqual(t, "the rest", spaced(rest.State, rest.Amount.Value), "completed 60.00")
	a.post(refundsOf(paid), obj{}).refused(409, "nothing_left_to_refund")
	a.post(refundsOf(rest), obj{}).refused(409, "refund_of_refund")
	wantEqual(t, "the wallets", a.balance(asha)+" "+a.balance(shop), "100.00 0.00")

	for _, name := range []string{chatA, auditor, inspector} {
		page := read[api.TransferList](s.as(name).get(refundsOf(paid) + "?limit=1").want(200))
		last := read[api.TransferList](s.as(name).get(refundsOf(paid) + "?limit=1&cursor=" + page.NextCursor).want(200))
		if page.Data[0].ID != rest.ID || last.Data[0].ID != part.ID || last.NextCursor != "" {
			t.Errorf("%s lists %+v, %+v", name, page, last)
		}
		wantEqual(t, "the note that "+name+" sees", last.Data[0].Note, map[string]string{chatA: "cold chai", inspector: "cold chai"}[name])
	}
	wantEqual(t, "refunds of a refund", len(read[api.TransferList](a.get(refundsOf(rest)).want(200)).Data), 0)
	var told []api.AppEvent
	eventually(t, "told", func() bool {
		told = read[api.EventList](a.get("/v1/events?types=transfer.refunded").want(200)).Data
		return len(told) == 2
	})
	e := told[0].Data
	wantEqual(t, "the event", spaced(e.Transfer.ID == paid.ID, e.Transfer.State, e.Refunds.Refunded.Value, e.Bubble.ForPayee.Text, told[0].ID != told[1].ID),
		"true completed 100.00 You have refunded asha ₹100.00 of ₹100.00. true")
	s.verify()
}

// A refund between banks goes through both of them, and what a bank declines can be refunded again.
func TestRefundBetweenBanks(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	paid := read[api.Transfer](a.post("/v1/transfers?wait=20", obj{"payer": obj{"party": asha.id}, "payee": obj{"upi": ravi.upi}, "amount": inr("300.00")}).want(201))
	wantEqual(t, "paid", paid.State, "completed")
	back := read[api.Transfer](a.post(refundsOf(paid)+"?wait=20", obj{"amount": inr("100.00")}).want(201))
	wantEqual(t, "refunded", spaced(back.State, back.Payer.Bank, back.Payee.Bank), "completed KVRI NRMD")
	a.send("DELETE", "/v1/parties/"+asha.id+"/instruments/"+asha.account, nil).want(204)
	again := read[api.Transfer](a.post(refundsOf(paid)+"?wait=20", obj{"amount": inr("100.00")}).want(201))
	wantEqual(t, "to an account that was unlinked", spaced(again.State, again.Payee.Account), "completed ••••0001")
	wantRefunds(t, a, paid, "200.00", "0.00", "100.00")

	silent := a.openParty("silent")
	a.link(silent, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	slow := read[api.Transfer](a.pay(obj{"party": ravi.id}, obj{"party": silent}, "10.00").want(201))
	eventually(t, "debited", func() bool {
		return read[api.Transfer](a.get("/v1/transfers/"+slow.ID).want(200)).State == "debited"
	})
	a.post(refundsOf(slow), obj{}).refused(409, "transfer_not_completed")
	s.report("NRMD", slow.ID+".credit", "approved").want(200)
	a.comesTo(slow, "completed")
	declined := read[api.Transfer](a.post(refundsOf(slow), obj{}).want(201))
	wantRefunds(t, a, slow, "0.00", "10.00", "0.00")
	a.post(refundsOf(slow), obj{}).refused(409, "nothing_left_to_refund")
	s.report("NRMD", declined.ID+".debit", "declined").want(200)
	a.comesTo(declined, "failed")
	wantRefunds(t, a, slow, "", "", "")
	read[api.Transfer](a.post(refundsOf(slow), obj{}).want(201))
	s.verify()
}

// A refund may carry a credential for the bank of who was paid.
func TestRefundWithCredential(t *testing.T) {
	s, a, shop, asha := credentialed(t)
	r := s.as(bankR)
	paid := read[api.Transfer](a.pay(obj{"party": asha}, obj{"party": shop}, "50.00").want(201))
	eventually(t, "debited", func() bool {
		return read[api.Transfer](a.get("/v1/transfers/"+paid.ID).want(200)).State == "debited"
	})
	r.answers(answerTo(r.leased(1)[0], "approved"))
	a.comesTo(paid, "completed")
	a.post(refundsOf(paid), obj{"credential": "PIN 1234"}).refused(400, "invalid_field")
	back := read[api.Transfer](a.post(refundsOf(paid), obj{"credential": block}).want(201))
	l := r.leased(1)[0]
	wantEqual(t, "with the debit", l.Credential, block)
	r.answers(answerTo(l, "approved"))
	a.comesTo(back, "completed")
	funded := a.fund(&person{id: asha}, "")
	fromWallet := read[api.Transfer](a.post("/v1/wallets/"+asha+"/topups?wait=20", obj{"amount": inr("5.00")}).want(201))
	a.post(refundsOf(fromWallet), obj{}).refused(409, "transfer_not_a_payment")
	toWallet := read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"wallet": funded.id}, "payee": obj{"wallet": shop}, "amount": inr("5.00")}).want(201))
	a.post(refundsOf(toWallet), obj{"credential": block}).refused(400, "invalid_field")
	s.verify()
}

// Refunds sent at once come to the payment and no more.
func TestRefundsAtOnce(t *testing.T) {
	s, asha, shop, paid := shopping(t)
	a := s.as(chatA)
	codes := make([]string, 60)
	var all sync.WaitGroup
	for n := range codes {
		all.Go(func() {
			body := obj{"amount": inr("3.00")}
			if n%20 == 0 {
				body = obj{}
			}
			if got, err := a.try(a.request("POST", refundsOf(paid), body)); err != nil {
				codes[n] = err.Error()
			} else {
				codes[n] = fmt.Sprint(got.status, got.code())
			}
		})
	}
	all.Wait()
	slices.Sort(codes)
	for _, c := range slices.Compact(codes) {
		if c != "201" && c != "409refund_too_large" && c != "409nothing_left_to_refund" {
			t.Error(c)
		}
	}
	wantRefunds(t, a, paid, "100.00", "0.00", "0.00")
	wantEqual(t, "the wallets", a.balance(asha)+" "+a.balance(shop), "100.00 0.00")
	s.verify()
}

// What is wrong about a request for a refund, and who may not make one.
func TestRefundRefused(t *testing.T) {
	s, asha, shop, paid := shopping(t)
	a, b := s.as(chatA), s.as(chatB)
	mina := b.settle(newPerson("mina", 3, "GDVR"))
	abroad := read[api.Transfer](a.post("/v1/transfers?wait=20", obj{"payer": obj{"party": asha.id}, "payee": obj{"upi": mina.upi}, "amount": inr("10.00")}).want(201))
	failed := read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"wallet": shop.id}, "500.00").want(201))
	before := s.fingerprint()
	for body, code := range map[string]string{
		`{"amount":{"value":"0","currency":"INR"}}`: "400 invalid_amount", `{"amount":{"value":"-1.00","currency":"INR"}}`: "400 invalid_amount",
		`{"amount":{"value":"1e2","currency":"INR"}}`: "400 invalid_amount", `{"amount":{"value":"1.001","currency":"INR"}}`: "400 invalid_amount",
		`{"amount":{"value":1,"currency":"INR"}}`: "400 wrong_type", `{"amount":{"currency":"INR"}}`: "400 missing_field",
		`{"amount":{"value":"1.00","currency":"USD"}}`: "422 refund_currency_differs", `{"amount":{"value":"1.00","currency":"rupees"}}`: "400 unsupported_currency",
		`{"amount":null}`: "400 wrong_type", `{"note":""}`: "400 invalid_field", `{"note":"a\u202eb"}`: "400 invalid_field", `{"payee":{}}`: "400 unknown_field",
		`{`: "400 malformed_json", `[]`: "400 wrong_type", `{"credential":"` + block + `"}`: "400 invalid_field",
	} {
		got := a.post(refundsOf(paid), body)
		wantEqual(t, body, fmt.Sprint(got.status, " ", got.code()), code)
	}
	a.post(refundsOf(paid), obj{}, "Idempotency-Key", "").refused(400, "idempotency_key_missing")
	a.post(refundsOf(abroad), obj{}).refused(409, "payee_not_yours")
	a.post(refundsOf(failed), obj{}).refused(409, "transfer_not_completed")
	for _, where := range []string{refundsOf(paid), refundsOf(abroad)} {
		b.post(where, obj{}).refused(404, "transfer_not_found")
		b.get(where).refused(404, "transfer_not_found")
	}
	a.post("/v1/transfers/nonsense/refunds", obj{}).refused(404, "transfer_not_found")
	a.get(refundsOf(paid)+"?cursor=x").refused(400, "invalid_cursor")
	wantEqual(t, "the book", s.fingerprint(), before)

	a.post("/v1/wallets/"+shop.id+"/withdrawals?wait=20", obj{"amount": inr("1.00")}).want(201)
	empty := read[api.Transfer](a.post(refundsOf(paid), obj{}).want(201))
	wantEqual(t, "out of too little", spaced(empty.State, empty.Failure.Reason), "failed insufficient_funds")
	wantRefunds(t, a, paid, "", "", "")
	a.send("DELETE", "/v1/parties/"+asha.id, nil).want(200)
	a.post(refundsOf(paid), obj{"amount": inr("1.00")}).refused(409, "refund_of_erased")
	s.verify()
}
