package api_test

import (
	"testing"

	"bahi/api"
)

func TestBatch(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	payer, payee := obj{"wallet": asha.id}, obj{"wallet": ravi.id}
	pay := func(amount any, more ...any) obj {
		in := obj{"payer": payer, "payee": payee, "amount": amount}
		for i := 0; i+1 < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
	items := []struct {
		in     any
		status int
		is     string // the transfer's state or the problem's code
	}{
		{pay(inr("60.00")), 201, "completed"},
		{pay(inr("60.00")), 201, "failed"}, // the first took too much
		{pay(inr("40.00")), 201, "completed"},
		{pay(inr("1e5")), 400, "invalid_amount"},
		{pay(obj{"value": "5", "currency": "JPY"}), 404, "party_not_found"}, // no wallet in yen
		{pay(obj{"value": "5", "currency": "XXY"}), 400, "unsupported_currency"},
		{pay(inr("1"), "surprise", 1), 400, "unknown_field"},
		{pay(inr("1"), "note", ""), 400, "invalid_field"},
		{pay(inr("1"), "note", nil), 400, "wrong_type"},
		{pay(inr("1"), "payer", obj{"handle": "unheard"}), 404, "party_not_found"},
		{pay(inr("1"), "payee", obj{"handle": "unheard"}), 201, "failed"},
		{pay(inr("1"), "payee", obj{}), 400, "invalid_address"},
		{pay(5), 400, "wrong_type"},
		{nil, 400, "wrong_type"},
		{[]int{1}, 400, "wrong_type"},
		{"text", 400, "wrong_type"},
	}
	var batch []any
	for _, i := range items {
		batch = append(batch, i.in)
	}
	first := a.post("/v1/transfers/batch", obj{"transfers": batch}, "Idempotency-Key", "batch").want(200)
	results := read[api.TransferBatch](first).Results
	if len(results) != len(items) {
		t.Fatalf("%d results, want %d", len(results), len(items))
	}
	for n, want := range items {
		is := ""
		switch r := results[n]; {
		case r.Transfer != nil:
			is = string(r.Transfer.State)
		case r.Problem != nil:
			is = r.Problem.Code
			wantEqual(t, "status of the problem", r.Problem.Status, r.Status)
		}
		if results[n].Status != want.status || is != want.is {
			t.Errorf("item %d, %v: %d %s, want %d %s", n, want.in, results[n].Status, is, want.status, want.is)
		}
	}
	wantEqual(t, "ravi has", a.balance(ravi), "100.00")
	again := a.post("/v1/transfers/batch", obj{"transfers": batch}, "Idempotency-Key", "batch").want(200)
	if string(again.body) != string(first.body) || !again.replayed() {
		t.Error("the batch again is another answer")
	}
	a.post("/v1/transfers/batch", obj{"transfers": batch[1:]}, "Idempotency-Key", "batch").refused(422, "idempotency_key_reused")
	s.verify()
}

func TestSizeOfABatch(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "1000.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	batch := make([]any, 1001)
	for i := range batch {
		batch[i] = obj{"payer": obj{"wallet": asha.id}, "payee": obj{"wallet": ravi.id}, "amount": inr("0.01")}
	}
	before := s.fingerprint()
	a.post("/v1/transfers/batch", obj{"transfers": batch}).refused(400, "invalid_field")
	a.post("/v1/transfers/batch", obj{"transfers": []any{}}).refused(400, "missing_field")
	wantEqual(t, "the book", s.fingerprint(), before)
	results := read[api.TransferBatch](a.post("/v1/transfers/batch", obj{"transfers": batch[:1000]}).want(200)).Results
	wantEqual(t, "results", len(results), 1000)
	for n, r := range results {
		if r.Transfer == nil || r.Transfer.State != "completed" {
			t.Fatalf("item %d: %+v", n, r)
		}
	}
	wantEqual(t, "ravi has", a.balance(ravi), "10.00")
	s.verify()
}
