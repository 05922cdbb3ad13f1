package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"bahi/api"
)

// report pushes a bank's result, signed as it should be.
func (s *stack) report(bank, instruction, outcome string) *answer {
	s.t.Helper()
	c := s.as("bank " + bank)
	return c.do(c.signed(bank, bank, time.Now(), result(instruction, outcome)))
}

func result(instruction, outcome string) []byte {
	b, _ := json.Marshal(obj{"instruction": instruction, "outcome": outcome, "code": "00", "ref": "904211"}, json.Deterministic(true))
	return b
}

// signed is a report at a bank's address, signed by perhaps another bank, some time ago.
func (c *caller) signed(bank, signer string, at time.Time, body []byte) *http.Request {
	r := c.request("POST", "/v1/banks/"+bank+"/results", body, "Idempotency-Key", "")
	api.Sign(r.Header, signingKey(signer), "msg-1", at, body)
	return r
}

func TestResultsThatABankPushes(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	payer := a.openParty("payer")
	a.link(payer, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	ravi := a.settle(newPerson("ravi", 2, "KVRI"))
	pending := read[api.Transfer](a.pay(obj{"party": payer}, obj{"party": ravi.id}, "10.00").want(201))
	debit := pending.ID + ".debit"
	n, k := s.as(bankN), s.as(bankK)
	good, now := result(debit, "approved"), time.Now()

	before := s.fingerprint()
	for _, c := range []struct {
		name   string
		who    *caller
		r      *http.Request
		status int
		code   string
	}{
		{"unsigned", n, n.request("POST", "/v1/banks/NRMD/results", good), 400, "malformed_parameter"},
		{"another bank's signature", n, n.signed("NRMD", "KVRI", now, good), 401, "bad_signature"},
		{"too old", n, n.signed("NRMD", "NRMD", now.Add(-6*time.Minute), good), 401, "stale_signature"},
		{"too far ahead", n, n.signed("NRMD", "NRMD", now.Add(6*time.Minute), good), 401, "stale_signature"},
		{"another bank's address", n, n.signed("KVRI", "NRMD", now, good), 404, "bank_not_found"},
		{"another bank's instruction", k, k.signed("KVRI", "KVRI", now, good), 404, "instruction_not_found"},
		{"not asked for", n, n.signed("NRMD", "NRMD", now, result(pending.ID+".debit_reversal", "approved")), 404, "instruction_not_found"},
		{"no such transfer", n, n.signed("NRMD", "NRMD", now, result("BAH00000000000000000000000000000001.debit", "approved")), 404, "instruction_not_found"},
		{"no instruction", n, n.signed("NRMD", "NRMD", now, result("debit", "approved")), 404, "instruction_not_found"},
		{"no outcome of a bank", n, n.signed("NRMD", "NRMD", now, result(debit, "unknown")), 400, "invalid_field"},
		{"a code that is none", n, n.signed("NRMD", "NRMD", now, []byte(`{"instruction":"`+debit+`","outcome":"approved","code":"zero zero"}`)), 400, "invalid_field"},
		{"a reference that is none", n, n.signed("NRMD", "NRMD", now, []byte(`{"instruction":"`+debit+`","outcome":"approved","ref":"a b"}`)), 400, "invalid_field"},
	} {
		t.Run(c.name, func(t *testing.T) { c.who.in(t).do(c.r).refused(c.status, c.code) })
	}
	tampered := n.signed("NRMD", "NRMD", now, good)
	swapped := n.request("POST", "/v1/banks/NRMD/results", result(debit, "declined"))
	swapped.Header = tampered.Header
	n.do(swapped).refused(401, "bad_signature")
	wantEqual(t, "the book", s.fingerprint(), before)

	applied := read[api.Result](n.do(n.signed("NRMD", "NRMD", now, good)).want(200))
	wantEqual(t, "first", applied, api.Result{Instruction: debit, Effect: "applied", State: "debited"})
	a.comesTo(pending, "completed")
	// Several signatures: while a bank changes its key one of them is right.
	twice := n.signed("NRMD", "NRMD", now, good)
	twice.Header.Set("webhook-signature", "v1,unknown v1a,AAAA "+twice.Header.Get("webhook-signature"))
	before = s.fingerprint()
	wantEqual(t, "repeated", read[api.Result](n.do(twice).want(200)), api.Result{Instruction: debit, Effect: "repeated", State: "completed"})
	wantEqual(t, "the book after a repeat", s.fingerprint(), before)

	postings := s.count("postings")
	wantEqual(t, "contradicting", read[api.Result](s.report("NRMD", debit, "declined").want(200)),
		api.Result{Instruction: debit, Effect: "contradiction", State: "completed"})
	wantEqual(t, "postings after a contradiction", s.count("postings"), postings)
	wantEqual(t, "contradictions", s.count("contradictions"), 1)
	s.report("NRMD", debit, "declined").want(200)
	wantEqual(t, "contradictions after the same contradiction", s.count("contradictions"), 1)
	s.verify()
}
