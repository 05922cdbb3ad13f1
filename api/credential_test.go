package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bahi/api"
	"bahi/banks/remote"
)

const block = "ZW5jcnlwdGVkIFBJTg=="

// credentialed is a stack with a payer at the remote bank who has a wallet too.
func credentialed(t *testing.T) (s *stack, a *caller, payer, payee string) {
	t.Helper()
	s = start(t, func(o *setup) { o.remote = remote.New(remote.Config{}) })
	t.Cleanup(func() { s.remote.Close() })
	a = s.as(chatA)
	payer = a.openParty("payer")
	a.link(payer, obj{"kind": "bank_account", "account": obj{"number": "100200300400", "ifsc": "RMTE0000001"}})
	a.link(payer, obj{"kind": "wallet"})
	return s, a, payer, a.settle(newPerson("ravi", 2, "KVRI")).id
}

func TestCredential(t *testing.T) {
	s, a, payer, payee := credentialed(t)
	r := s.as(bankR)
	pay := func(credential any, key string) *answer {
		in := obj{"payer": obj{"party": payer}, "payee": obj{"party": payee}, "amount": inr("1.00")}
		if credential != nil {
			in["payer"] = obj{"party": payer, "credential": credential}
		}
		return a.post("/v1/transfers", in, underOneKey, key)
	}
	first := pay(block, "one").want(201)
	l := r.leased(1)[0]
	wantEqual(t, "with the debit", l.Credential, block)
	wantEqual(t, "the debit", r.answers(answerTo(l, "approved"))[0], "200 applied debited")
	a.comesTo(read[api.Transfer](first), "completed")

	// A repeat may have been encrypted anew, but what had a credential is not what had none.
	pay("YW5vdGhlcg==", "one").repeats(first)
	pay(nil, "one").refused(422, "idempotency_key_reused")
	escaped := `{"amount":{"currency":"INR","value":"1.00"},"payee":{"party":"` + payee + `"},"payer":{"credenti\u0061l":"` + block + `","party":"` + payer + `"}}`
	one := a.post("/v1/transfers", escaped, underOneKey, "two").want(201)
	a.post("/v1/transfers", strings.Replace(escaped, block, "YW5vdGhlcg==", 1), underOneKey, "two").repeats(one)
	l = r.leased(1)[0]
	wantEqual(t, "of the first", l.Credential, block)
	r.answers(answerTo(l, "declined"))
	// The chat's own metadata is its own, whatever it is called.
	named := func(value string) *answer {
		return a.post("/v1/transfers", obj{"payer": obj{"wallet": payer}, "payee": obj{"party": payee}, "amount": inr("1.00"), "metadata": obj{"credential": value}}, underOneKey, "three")
	}
	named("a").want(201)
	named("b").refused(422, "idempotency_key_reused")

	topUp := a.post("/v1/wallets/"+payer+"/topups", obj{"amount": inr("5.00"), "credential": block}).want(201)
	l = r.leased(1)[0]
	wantEqual(t, "with a top-up", l.Credential, block)
	r.answers(answerTo(l, "approved"))
	a.comesTo(read[api.Transfer](topUp), "completed")
	s.verify()
}

func TestCredentialWhereNoneBelongs(t *testing.T) {
	s, a, payer, payee := credentialed(t)
	before := s.fingerprint()
	to := func(payer, payee obj) *answer {
		return a.post("/v1/transfers", obj{"payer": payer, "payee": payee, "amount": inr("1.00")})
	}
	for name, bad := range map[string]any{"empty": "", "no Base64": "PIN 1234", "too long": strings.Repeat("A", 4097), "padded in the middle": "AB=CD"} {
		t.Run(name, func(t *testing.T) {
			a := a.in(t)
			a.post("/v1/transfers", obj{"payer": obj{"party": payer, "credential": bad}, "payee": obj{"party": payee}, "amount": inr("1.00")}).refused(400, "invalid_field")
			a.post("/v1/wallets/"+payer+"/topups", obj{"amount": inr("5.00"), "credential": bad}).refused(400, "invalid_field")
		})
	}
	to(obj{"party": payer, "credential": 1}, obj{"party": payee}).refused(400, "wrong_type")
	to(obj{"party": payer}, obj{"party": payee, "credential": block}).refused(400, "invalid_field")
	to(obj{"credential": block}, obj{"party": payee}).refused(400, "invalid_address")
	to(obj{"wallet": payer, "credential": block}, obj{"party": payee}).refused(400, "invalid_field")
	a.post("/v1/wallets/"+payer+"/withdrawals", obj{"amount": inr("1.00"), "credential": block}).refused(400, "invalid_field")
	wantEqual(t, "the book", s.fingerprint(), before)

	// A repeat gets its first answer, also when the payer's default is a wallet by now.
	in := obj{"payer": obj{"party": payer, "credential": block}, "payee": obj{"party": payee}, "amount": inr("1.00")}
	first := a.post("/v1/transfers", in, underOneKey, "one").want(201)
	wallet := ""
	for _, i := range read[api.InstrumentList](a.get("/v1/parties/" + payer + "/instruments").want(200)).Data {
		if i.Kind == "wallet" {
			wallet = i.ID
		}
	}
	a.send("PUT", "/v1/parties/"+payer+"/default", obj{"instrument": wallet}).want(200)
	a.post("/v1/transfers", in, underOneKey, "one").repeats(first)
	a.post("/v1/transfers", in, underOneKey, "two").refused(400, "invalid_field")
}

// TestCredentialOfWhatWasNotMade: requests that made no transfer leave nothing in memory.
func TestCredentialOfWhatWasNotMade(t *testing.T) {
	g, change := gated()
	s := start(t, change, func(o *setup) { o.remote = remote.New(remote.Config{}) })
	t.Cleanup(func() { s.remote.Close() })
	a := s.as(chatA)
	payer, payee := a.openParty("payer"), a.settle(newPerson("ravi", 2, "KVRI")).id
	a.link(payer, obj{"kind": "bank_account", "account": obj{"number": "100200300400", "ifsc": "RMTE0000001"}})
	pay := obj{"payer": obj{"party": payer, "credential": block}, "payee": obj{"party": payee}, "amount": inr("1.00")}
	held := func(want int) {
		t.Helper()
		eventually(t, "the credentials in memory", func() bool { return s.dispatcher.Entrusted() == want })
	}
	a.post("/v1/transfers", pay, underOneKey, "one").want(201)
	held(0) // sent
	a.post("/v1/transfers", pay, underOneKey, "one").want(201)
	held(0) // a repeat
	a.post("/v1/transfers/batch", obj{"transfers": []obj{pay, pay}}, underOneKey, "one").refused(422, "idempotency_key_reused")
	held(0)
	g.fail(errors.New("disk on fire"), false)
	a.post("/v1/transfers", pay, underOneKey, "two").refused(500, "internal")
	g.heal()
	held(0)
	// A caller that hung up may have made it.
	door := newDoor(t)
	g.before.Store(door)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	r := a.request("POST", "/v1/transfers", pay, underOneKey, "three").WithContext(ctx)
	go func() { _, err := a.try(r); gone <- err }()
	<-door.reached
	hangUp()
	<-gone
	held(1)
	g.before.Store(nil)
	door.open()
	held(0)
	for _, l := range s.as(bankR).leased(2) {
		wantEqual(t, "with each", l.Credential, block)
	}
}
