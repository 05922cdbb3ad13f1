package api_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"bahi/api"
)

func TestAccounts(t *testing.T) {
	s := start(t)
	a, au := s.as(chatA), s.as(auditor)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.settle(newPerson("ravi", 2, "KVRI"))
	a.comesTo(read[api.Transfer](a.pay(obj{"handle": "asha"}, obj{"handle": "ravi"}, "30.00").want(201)), "completed")
	a.comesTo(read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"party": ravi.id}, "5.00").want(201)), "completed")

	want := []string{"bank:KVRI:clearing asset -35.00 2", "bank:NRMD:clearing asset 130.00 2", "transit liability 0.00 6",
		"wallet:" + asha.id + " liability 95.00 2"}
	for limit, pages := range map[string]int{"1": 4, "3": 2, "4": 1, "200": 1} {
		got, n := pagesOf(au, "/v1/accounts?limit="+limit, func(l api.AccountList) (lines []string, next string) {
			for _, a := range l.Data {
				lines = append(lines, fmt.Sprint(a.Name, " ", a.Type, " ", a.Balance.Value, " ", a.Postings))
			}
			return lines, l.NextCursor
		})
		if !slices.Equal(got, want) || n != pages {
			t.Errorf("by %s: %d pages: %q, want %d: %q", limit, n, got, pages, want)
		}
	}
	one := read[api.Account](au.get("/v1/accounts/bank:NRMD:clearing").want(200))
	wantEqual(t, "debits", one.Debits.Value, "130.00")
	wantEqual(t, "the bank's own book", s.banks["NRMD"].Net(), int64(130_00))
	au.get("/v1/accounts/bank:NRMD:clearing?currency=JPY").refused(404, "account_not_found")
	au.get("/v1/accounts/fees").refused(404, "account_not_found")

	lines, _ := pagesOf(au, "/v1/accounts/transit/statement?limit=4", func(l api.AccountStatement) (lines []string, next string) {
		for _, l := range l.Data {
			lines = append(lines, fmt.Sprint(l.Seq, " ", l.Side, " ", l.Event, " ", l.Amount.Value, " ", l.Balance.Value))
		}
		return lines, l.NextCursor
	})
	wanted := []string{"6 debit credit 5.00 0.00", "5 credit debit 5.00 5.00", "4 debit credit 30.00 0.00", "3 credit debit 30.00 30.00",
		"2 debit credit 100.00 0.00", "1 credit debit 100.00 100.00"}
	if !slices.Equal(lines, wanted) {
		t.Errorf("statement %q, want %q", lines, wanted)
	}
}

func TestBanks(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	a.comesTo(read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "1").want(201)), "completed")
	a.comesTo(read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "9101.00").want(201)), "failed")
	var codes []string
	banks := func() []api.Bank { return read[api.BankList](s.as(bankK).get("/v1/banks").want(200)).Data }
	// A bank's lane is free a moment after what it did is committed.
	busy := func(b api.Bank) bool { return b.InFlight > 0 }
	for began := time.Now(); slices.ContainsFunc(banks(), busy) && time.Since(began) < 10*time.Second; {
		time.Sleep(5 * time.Millisecond)
	}
	for _, b := range banks() {
		codes = append(codes, b.Code)
		if b.Code == "NRMD" && (b.State != "up" || b.Breaker != "closed" || b.InFlight != 0 || !slices.Equal(b.Handles, []string{"narmada"})) {
			t.Errorf("%+v", b)
		}
		for n, w := range b.Windows {
			if b.Code == "NRMD" && (w.Seconds != []int64{60, 300, 3600}[n] || w.Approved != 1 || w.BusinessDeclines != 1 || w.TechnicalDeclines+w.Unknown != 0 ||
				w.P50Ms <= 0 || w.P99Ms < w.P50Ms) {
				t.Errorf("%s: %+v", b.Code, w)
			}
		}
	}
	if want := []string{"GDVR", "KVRI", "NRMD", "STLJ"}; !slices.Equal(codes, want) {
		t.Errorf("banks %v, want %v", codes, want)
	}
}

func TestKeys(t *testing.T) {
	s := start(t)
	op := s.as(operator)
	public := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, in := range []obj{
		{"role": "chat"}, {"role": "chat", "app": "Alpha"}, {"role": "chat", "app": "-a"}, {"role": "chat", "app": "a b"},
		{"role": "chat", "app": "a", "bank": "NRMD"}, {"role": "auditor", "app": "a"}, {"role": "operator", "public_key": public},
		{"role": "bank", "bank": "NRMD"}, {"role": "bank", "public_key": public}, {"role": "bank", "bank": "ZZZZ", "public_key": public},
		{"role": "bank", "bank": "NRMD", "public_key": "AAAA"}, {"role": "king"}, {}, {"role": "chat", "app": "a", "label": "a\nb"},
	} {
		op.post("/v1/keys", in).refused(400, "invalid_field")
	}
	op.post("/v1/keys", obj{"role": "bank", "bank": "NRMD", "public_key": "no base64!"}).refused(400, "wrong_type")

	bank := read[api.CreatedKey](op.post("/v1/keys", obj{"role": "bank", "bank": "GDVR", "public_key": public}).want(201))
	wantEqual(t, "public key", base64.StdEncoding.EncodeToString(bank.Key.PublicKey), public)
	made := read[api.CreatedKey](op.post("/v1/keys", obj{"role": "chat", "app": "gamma", "label": "production"}).want(201))
	s.keys["gamma"] = made.Secret
	gamma := s.as("gamma")
	gamma.openParty("somebody")
	listed := op.get("/v1/keys?limit=1").want(200)
	if newest := read[api.KeyList](listed).Data[0]; newest.ID != made.Key.ID || bytes.Contains(listed.body, []byte(made.Secret)) {
		t.Errorf("listed %s", listed.body)
	}
	op.send("DELETE", "/v1/keys/"+made.Key.ID, nil).want(204)
	gamma.get("/v1/parties").refused(401, "unauthenticated") // at once, though it was just remembered
	op.send("DELETE", "/v1/keys/"+made.Key.ID, nil).want(204)
	op.send("DELETE", "/v1/keys/key_0123456789abcdef0123456789abcdef", nil).refused(404, "key_not_found")
	op.send("DELETE", "/v1/keys/nonsense", nil).refused(404, "key_not_found")
	ids, _ := pagesOf(op, "/v1/keys?limit=2", func(l api.KeyList) (ids []string, next string) {
		for _, k := range l.Data {
			ids = append(ids, k.ID)
			if k.ID == made.Key.ID && k.RevokedAt.IsZero() {
				t.Error("revoked, and does not say so")
			}
		}
		return ids, l.NextCursor
	})
	wantEqual(t, "keys", len(ids), s.count("api_keys"))
}
