package api_test

import (
	"fmt"
	"slices"
	"testing"

	"bahi/api"
)

func TestWallets(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	at := func(p *person, what string) string { return "/v1/wallets/" + p.id + what }

	a.get(at(asha, "")).refused(404, "account_not_found")
	a.post(at(asha, "/topups"), obj{"amount": inr("1")}).refused(404, "account_not_found")
	a.fund(asha, "500.00")
	a.get(at(asha, "?currency=JPY")).refused(404, "account_not_found")
	wantEqual(t, "asha has", a.balance(asha), "500.00")

	declined := read[api.Transfer](a.post(at(asha, "/topups"), obj{"amount": inr("9101.00")}).want(201))
	a.comesTo(declined, "failed")
	named := read[api.Transfer](a.post(at(asha, "/topups"), obj{"amount": inr("100"), "instrument": asha.account, "note": "pocket money"}).want(201))
	d := a.comesTo(named, "completed")
	wantEqual(t, "kind", d.Kind, "top_up")
	wantEqual(t, "note", d.Note, "pocket money")
	a.post(at(asha, "/topups"), obj{"amount": inr("1"), "instrument": asha.wallet}).refused(422, "instrument_holds_no_money")
	a.post(at(asha, "/topups"), obj{"amount": inr("1"), "instrument": ravi.account}).refused(404, "instrument_not_found")

	a.comesTo(read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "150.00").want(201)), "completed")
	out := read[api.Transfer](a.post(at(asha, "/withdrawals"), obj{"amount": inr("50")}).want(201))
	wantEqual(t, "kind", a.comesTo(out, "completed").Kind, "withdrawal")
	short := read[api.Transfer](a.post(at(ravi, "/withdrawals"), obj{"amount": inr("150.01")}).want(201))
	wantEqual(t, "reason", short.Failure.Reason, "insufficient_funds")
	// The payee's bank declines: the money comes back to the wallet.
	back := read[api.Transfer](a.post(at(asha, "/topups"), obj{"amount": inr("9000")}).want(201))
	a.comesTo(back, "completed")
	back = read[api.Transfer](a.post(at(asha, "/withdrawals"), obj{"amount": inr("9201.00")}).want(201))
	a.comesTo(back, "reversed")
	wantEqual(t, "asha has", a.balance(asha), "9400.00")
	wantEqual(t, "asha's bank has", s.banks["NRMD"].Balance(asha.number), int64(1_000_000_00-9400_00-150_00))

	a.send("DELETE", "/v1/parties/"+ravi.id+"/instruments/"+ravi.wallet, nil).refused(409, "wallet_not_empty")
	a.comesTo(read[api.Transfer](a.post(at(ravi, "/withdrawals"), obj{"amount": inr("150")}).want(201)), "completed")
	a.send("DELETE", "/v1/parties/"+ravi.id+"/instruments/"+ravi.wallet, nil).want(204)
	s.verify()
}

func TestWalletStatement(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	wanted := []string{"in 100.00 asha 100.00"}
	for n := 1; n <= 5; n++ {
		a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, fmt.Sprintf("%d.00", n)).want(201)
		wanted = append(wanted, fmt.Sprintf("out %d.00 ravi %d.00", n, 100-n*(n+1)/2))
	}
	a.pay(obj{"wallet": ravi.id}, obj{"wallet": asha.id}, "0.50").want(201)
	wanted = append(wanted, "in 0.50 ravi 85.50")
	slices.Reverse(wanted)
	for limit, pages := range map[string]int{"1": 7, "3": 3, "7": 1, "200": 1} {
		got, n := pagesOf(a, "/v1/wallets/"+asha.id+"/statement?limit="+limit, func(w api.WalletStatement) (lines []string, next string) {
			for _, l := range w.Data {
				lines = append(lines, fmt.Sprint(l.Direction, " ", l.Amount.Value, " ", l.CounterpartyName, " ", l.Balance.Value))
			}
			return lines, w.NextCursor
		})
		if !slices.Equal(got, wanted) || n != pages {
			t.Errorf("by %s: %d pages: %q, want %d: %q", limit, n, got, pages, wanted)
		}
	}
}

func TestFreeze(t *testing.T) {
	s := start(t)
	a, op := s.as(chatA), s.as(operator)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	reason := func() api.FailureReason {
		return read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00").want(201)).Failure.Reason
	}
	for range 2 {
		wantEqual(t, "frozen", read[api.Wallet](op.post("/v1/wallets/"+asha.id+"/freeze", nil).want(200)).Frozen, true)
	}
	wantEqual(t, "paying", reason(), "account_frozen")
	for range 2 {
		wantEqual(t, "frozen", read[api.Wallet](op.post("/v1/wallets/"+asha.id+"/unfreeze", nil).want(200)).Frozen, false)
	}
	wantEqual(t, "paying", reason(), "")
	op.post("/v1/wallets/"+asha.id+"/freeze?currency=JPY", nil).refused(404, "account_not_found")
	op.post("/v1/wallets/"+asha.id+"/freeze", "{}").refused(400, "invalid_field")
}
