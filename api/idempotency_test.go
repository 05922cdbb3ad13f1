package api_test

import (
	"context"
	"fmt"
	"testing"

	"bahi/api"
	"bahi/ledger"
)

const underOneKey = "Idempotency-Key"

func (a *answer) repeats(first *answer) {
	a.t.Helper()
	if a.status != first.status || string(a.body) != string(first.body) || !a.replayed() {
		a.t.Errorf("%s: replayed %t: %d %s\nthe first answer was %d %s", a.at, a.replayed(), a.status, a.body, first.status, first.body)
	}
}

func TestRepeatsGetTheFirstAnswer(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	payment := obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("1.00")}
	hook := "/v1/webhooks/" + read[api.CreatedWebhook](a.post("/v1/webhooks", obj{"url": "https://chat.example/"}).want(201)).Webhook.ID
	for n, c := range []struct {
		path  string
		body  obj
		other obj
	}{
		{"/v1/parties", obj{"name": "x", "kind": "person"}, obj{"name": "y", "kind": "person"}},
		{"/v1/parties/" + asha.id + "/instruments", obj{"kind": "handle", "handle": "second"}, obj{"kind": "handle", "handle": "third"}},
		{"/v1/transfers", payment, obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("2.00")}},
		{"/v1/transfers/batch", obj{"transfers": []obj{payment}}, obj{"transfers": []obj{payment, payment}}},
		{"/v1/wallets/" + asha.id + "/topups", obj{"amount": inr("5")}, obj{"amount": inr("6")}},
		{"/v1/wallets/" + asha.id + "/withdrawals", obj{"amount": inr("5")}, obj{"amount": inr("6")}},
		{"/v1/webhooks", obj{"url": "https://chat.example/a"}, obj{"url": "https://chat.example/b"}},
		{hook + "/rotate", obj{}, obj{"overlap_seconds": 1}},
		{hook + "/replay", obj{"after": 0}, obj{"dead": true}},
	} {
		key := fmt.Sprint("key-", n)
		first := a.post(c.path, c.body, underOneKey, key)
		if first.status >= 300 || first.replayed() {
			t.Fatalf("%s: %d %s", first.at, first.status, first.body)
		}
		a.post(c.path, c.body, underOneKey, key).repeats(first)
		a.post(c.path, c.other, underOneKey, key).refused(422, "idempotency_key_reused")
		a.post("/v1/parties", obj{"name": "elsewhere", "kind": "person"}, underOneKey, key).refused(422, "idempotency_key_reused")
		a.post(c.path, c.body, underOneKey, key).repeats(first)
	}
	// The same body at another place is another request.
	a.post("/v1/wallets/"+asha.id+"/topups", obj{"amount": inr("5")}, underOneKey, "key-5").refused(422, "idempotency_key_reused")
	parties := s.count("parties")
	// Another app's key of the same name is another key.
	if s.as(chatB).post("/v1/parties", obj{"name": "y", "kind": "person"}, underOneKey, "key-0").want(201).replayed() {
		t.Error("app B got app A's answer")
	}
	wantEqual(t, "parties", s.count("parties"), parties+1)
	// A problem uses no key up.
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "0", underOneKey, "mended").refused(400, "invalid_amount")
	a.pay(obj{"handle": "unheard"}, obj{"wallet": ravi.id}, "1", underOneKey, "mended").refused(404, "party_not_found")
	if a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1", underOneKey, "mended").want(201).replayed() {
		t.Error("a problem was replayed")
	}
}

func TestRepeatWhenTheBookHasChanged(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "")
	ravi := a.settle(newPerson("ravi", 2, "KVRI"))
	pay := func() *answer {
		return a.pay(obj{"phone": asha.phone}, obj{"phone": ravi.phone}, "1.00", underOneKey, "pay")
	}
	first := pay().want(201)
	a.comesTo(read[api.Transfer](first), "completed")
	for _, i := range []string{asha.account, asha.phoneInstrument} {
		a.send("DELETE", "/v1/parties/"+asha.id+"/instruments/"+i, nil).want(204)
		pay().repeats(first)
	}
	a.send("DELETE", "/v1/parties/"+ravi.id+"/instruments/"+ravi.phoneInstrument, nil).want(204)
	pay().repeats(first) // with the state that it had then: what it is now is to be read
	a.pay(obj{"phone": asha.phone}, obj{"phone": ravi.phone}, "1.00").refused(404, "party_not_found")

	topUp := func() *answer {
		return a.post("/v1/wallets/"+ravi.id+"/topups", obj{"amount": inr("1")}, underOneKey, "topup")
	}
	a.fund(ravi, "")
	first = topUp().want(201)
	a.comesTo(read[api.Transfer](first), "completed")
	a.send("DELETE", "/v1/parties/"+ravi.id+"/instruments/"+ravi.account, nil).want(204)
	topUp().repeats(first)
}

func TestRepeatAfterARestart(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	first := a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00", underOneKey, "pay").want(201)
	a = s.restart().as(chatA)
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00", underOneKey, "pay").repeats(first)
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "2.00", underOneKey, "pay").refused(422, "idempotency_key_reused")
	wantEqual(t, "ravi has", a.balance(ravi), "1.00")
}

func TestSameKeyAtTheSameTime(t *testing.T) {
	g, change := gated()
	s := start(t, change)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	transfers := s.count("transfers")
	const callers = 50
	held := newDoor(t)
	g.before.Store(held)
	in := obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("1.00")}
	answers := []<-chan *answer{a.hold("POST", "/v1/transfers", in, underOneKey, "at once")}
	<-held.reached // the first is being written, the others wait
	for range callers - 1 {
		answers = append(answers, a.hold("POST", "/v1/transfers", in, underOneKey, "at once"))
	}
	eventually(t, "all wait", func() bool { return s.book.Waiting() == callers-1 })
	g.before.Store(nil)
	held.open()
	bodies, first := map[string]int{}, 0
	for _, one := range answers {
		if got := <-one; got != nil {
			bodies[string(got.want(201).body)]++
			if !got.replayed() {
				first++
			}
		}
	}
	if len(bodies) != 1 || first != 1 {
		t.Errorf("%d different answers, %d of them first ones", len(bodies), first)
	}
	wantEqual(t, "transfers", s.count("transfers"), transfers+1)
	wantEqual(t, "ravi has", a.balance(ravi), "1.00")
}

func TestAnswerLostAfterTheCommit(t *testing.T) {
	g, change := gated()
	s := start(t, change)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	transfers := s.count("transfers")
	in := obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("1.00")}

	// The caller goes away while the commit is done and not answered.
	held := newDoor(t)
	g.after.Store(held)
	ctx, hangUp := context.WithCancel(t.Context())
	lost := make(chan error, 1)
	r := a.request("POST", "/v1/transfers", in, underOneKey, "lost").WithContext(ctx)
	go func() { _, err := a.try(r); lost <- err }()
	<-held.reached
	hangUp()
	if err := <-lost; err == nil {
		t.Fatal("the answer came")
	}
	wantEqual(t, "transfers in the database", s.count("transfers"), transfers+1)
	g.after.Store(nil)
	held.open()
	first := a.post("/v1/transfers", in, underOneKey, "lost").want(201)
	wantEqual(t, "replayed", first.replayed(), true)
	a.post("/v1/transfers", in, underOneKey, "lost").repeats(first)

	// The database's connection is lost in the middle of a commit that is done.
	g.fail(fmt.Errorf("connection reset: %w", ledger.ErrOutcomeUnknown), true)
	in["amount"] = inr("2.00")
	a.post("/v1/transfers", in, underOneKey, "unknown").refused(503, "outcome_unknown")
	g.heal()
	first = a.post("/v1/transfers", in, underOneKey, "unknown").want(201)
	wantEqual(t, "replayed", first.replayed(), true)

	// The database is away: nothing is stored, and the same key brings it about later.
	g.fail(fmt.Errorf("no route to host: %w", ledger.ErrUnavailable), false)
	in["amount"] = inr("3.00")
	got := a.post("/v1/transfers", in, underOneKey, "away").want(503)
	got.refused(503, "database_unavailable")
	s.as(nobody).get("/readyz").refused(503, "database_unavailable")
	s.as(nobody).get("/healthz").want(200)
	g.heal()
	wantEqual(t, "replayed", a.post("/v1/transfers", in, underOneKey, "away").want(201).replayed(), false)
	wantEqual(t, "transfers", s.count("transfers"), transfers+3)
	wantEqual(t, "ravi has", a.balance(ravi), "6.00")
	s.verify()
}
