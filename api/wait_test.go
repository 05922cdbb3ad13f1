package api_test

import (
	"testing"
	"time"

	"bahi/api"
)

// TestPostWaits lets the request that makes a transfer wait for the banks.
func TestPostWaits(t *testing.T) {
	t.Parallel()
	g, change := gated()
	s := start(t, change)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "10"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	body := obj{"payer": obj{"party": asha.id}, "payee": obj{"party": ravi.id}, "amount": inr("250")}
	looks := g.looks.Load()
	first := a.post("/v1/transfers?wait=20", body, underOneKey, "dinner").want(201)
	wantEqual(t, "state", read[api.Transfer](first).State, "completed")
	wantEqual(t, "looks at the book", g.looks.Load()-looks, 0)
	wantEqual(t, "replayed", first.replayed(), false)

	again := a.post("/v1/transfers?wait=20", body, underOneKey, "dinner").want(201)
	wantEqual(t, "replayed", again.replayed(), true)
	wantEqual(t, "the repeat that waits", string(again.body), string(first.body))
	plain := a.post("/v1/transfers", body, underOneKey, "dinner").want(201)
	wantEqual(t, "the first answer", read[api.Transfer](plain).State, "pending")
	wantEqual(t, "the same transfer", read[api.Transfer](plain).ID, read[api.Transfer](first).ID)

	// What a rule refuses, and what is done at once, waits for nothing.
	body["amount"] = inr("9101")
	wantEqual(t, "declined", read[api.Transfer](a.post("/v1/transfers?wait=20", body).want(201)).State, "failed")
	wallets := obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("1")}
	wantEqual(t, "wallets", read[api.Transfer](a.post("/v1/transfers?wait=20", wallets).want(201)).State, "completed")
	wantEqual(t, "a top-up", read[api.Transfer](a.post("/v1/wallets/"+asha.id+"/topups?wait=20", obj{"amount": inr("5")}).want(201)).State, "completed")
	wantEqual(t, "a withdrawal", read[api.Transfer](a.post("/v1/wallets/"+asha.id+"/withdrawals?wait=20", obj{"amount": inr("5")}).want(201)).State, "completed")

	// A silent bank: the answer comes after the wait, with the transfer as it is.
	silent := a.openParty("waiter")
	a.link(silent, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	began := time.Now()
	made := read[api.Transfer](a.post("/v1/transfers?wait=1", obj{"payer": obj{"party": silent}, "payee": obj{"party": ravi.id}, "amount": inr("1")}).want(201))
	if took := time.Since(began); made.State != "pending" || took < time.Second {
		t.Errorf("%s after %v; want pending after a second", made.State, took)
	}
	a.post("/v1/transfers?wait=31", body).refused(400, "malformed_parameter")
	s.report("NRMD", made.ID+".debit", "declined").want(200)
	a.comesTo(made, "failed")
	s.verify()
}

// TestStoryAfterwards reads a transfer that ended while nobody waited, at once and
// from the book: both tell the same.
func TestStoryAfterwards(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	for _, value := range []string{"10.00", "9101.00", "9201.00"} {
		made := read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, value).want(201))
		a.get("/v1/transfers/" + made.ID + "?wait=30").want(200)
		remembered := string(a.get("/v1/transfers/" + made.ID + "?wait=30").want(200).body)
		wantEqual(t, value, remembered, string(a.get("/v1/transfers/"+made.ID).want(200).body))
		s.as(chatB).get("/v1/transfers/"+made.ID+"?wait=30").refused(404, "transfer_not_found")
	}
}
