package api_test

import (
	"strings"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

// bounded starts a stack with small limits.
func bounded(o *setup) {
	rupees := func(n int64) ledger.Sums { return ledger.Sums{"INR": n * 100} }
	o.limits = &ledger.Limits{
		Default: ledger.AppLimits{Window: 24 * time.Hour, NewFor: 2 * time.Hour,
			ToPerson: ledger.Limit{Each: rupees(80), Sum: rupees(100), Count: 3}, ToMerchant: ledger.Limit{Sum: rupees(300)},
			Received: ledger.Limit{Sum: rupees(400), Count: 4}, NewUser: ledger.Limit{Sum: rupees(250)},
			WalletTransfer: rupees(50), WalletBalance: rupees(200)},
		Apps: map[string]ledger.AppLimits{"beta": {}},
	}
}

// limitsOf are a party's limits: name, used and left, and whether there is a time when it frees.
func (c *caller) limitsOf(p *person) map[string]string {
	c.s.t.Helper()
	found := map[string]string{}
	for _, l := range read[api.LimitList](c.get("/v1/parties/" + p.id + "/limits").want(200)).Data {
		of := map[string]string{p.account: "bank ", p.wallet: "wallet ", "": ""}[l.Instrument] + string(l.Name)
		found[of] = strings.TrimSpace(l.Figure + " " + l.Used + " " + l.Left + " " + l.Currency)
		if !l.FreesAt.IsZero() {
			found[of] += " frees"
		}
	}
	return found
}

func TestLimits(t *testing.T) {
	s := start(t, bounded)
	a := s.as(chatA)
	began := time.Now()
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "200.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	refused := func(payer, payee obj, value string, reason api.FailureReason, again time.Duration) {
		t.Helper()
		tr := read[api.Transfer](a.pay(payer, payee, value).want(201))
		if tr.State != "failed" || tr.Failure.Reason != reason || tr.Failure.Detail == "" {
			t.Errorf("%s is %s: %+v, want %s", value, tr.State, tr.Failure, reason)
		}
		at := tr.Failure.RetryAt
		if again == 0 && !at.IsZero() || again != 0 && (at.Before(began.Add(again)) || at.After(time.Now().Add(again))) {
			t.Errorf("%s for %s may be tried again at %s", value, reason, at)
		}
		kept := read[api.TransferDetail](a.get("/v1/transfers/" + tr.ID).want(200))
		wantEqual(t, "the time, read again", kept.Failure.RetryAt, at)
	}
	day := 24 * time.Hour
	bank, wallet := obj{"instrument": asha.account}, obj{"instrument": asha.wallet}
	toRavi := obj{"phone": ravi.phone}
	refused(bank, toRavi, "80.01", "limit_transfer", 0)
	refused(wallet, toRavi, "50.01", "limit_transfer", 0)
	first := read[api.Transfer](a.pay(bank, toRavi, "80.00", "Idempotency-Key", "once").want(201))
	a.pay(bank, toRavi, "80.00", "Idempotency-Key", "once").want(201)
	a.comesTo(first, "completed")
	refused(bank, toRavi, "20.01", "limit_amount", day)
	a.pay(bank, toRavi, "10.00").want(201)
	a.pay(bank, toRavi, "1.00").want(201)
	refused(bank, toRavi, "1.00", "limit_count", day)
	a.pay(wallet, toRavi, "50.00").want(201)
	a.pay(wallet, obj{"wallet": ravi.id}, "50.00").want(201)
	refused(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "0.01", "limit_amount", day)
	refused(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "60.00", "limit_transfer", 0)

	shop := a.settle(newPerson("shop", 3, "GDVR"))
	shop.id = read[api.Party](a.post("/v1/parties", obj{"name": "Chai Point", "kind": "merchant"}).want(201)).ID
	a.link(shop.id, obj{"kind": "handle", "handle": "chai"})
	a.link(shop.id, obj{"kind": "bank_account", "account": obj{"number": "777777777777", "ifsc": "GDVR0000001"}})
	refused(bank, obj{"handle": "chai"}, "60.00", "limit_new_user", 2*time.Hour)
	a.pay(bank, obj{"handle": "chai"}, "59.00").want(201)
	meera := a.settle(newPerson("meera", 4, "STLJ"))
	refused(obj{"party": meera.id}, toRavi, "0.01", "limit_received_count", day)
	top := read[api.Transfer](a.post("/v1/wallets/"+asha.id+"/topups", obj{"amount": inr("100.01")}).want(201))
	if top.Failure.Reason != "limit_wallet_balance" || !top.Failure.RetryAt.IsZero() {
		t.Errorf("too much for a wallet: %s, %+v", top.State, top.Failure)
	}

	for of, want := range map[string]string{
		"new_user_sum": "250.00 250.00 0.00 INR frees", "bank to_person_each": "80.00 0.00 80.00 INR", "bank to_person_sum": "100.00 91.00 9.00 INR frees",
		"bank to_person_count": "3 3 0 frees", "bank to_merchant_sum": "300.00 59.00 241.00 INR frees", "bank received_sum": "400.00 0.00 400.00 INR", "bank received_count": "4 0 4",
		"wallet to_person_each": "80.00 0.00 80.00 INR", "wallet to_person_sum": "100.00 100.00 0.00 INR frees", "wallet to_person_count": "3 2 1 frees", "wallet wallet_each": "50.00 0.00 50.00 INR",
		"wallet wallet_balance": "200.00 100.00 100.00 INR", "bank wallet_each": "",
	} {
		if got := a.limitsOf(asha)[of]; got != want {
			t.Errorf("%s: %q, want %q", of, got, want)
		}
	}
	if got := a.limitsOf(ravi)["bank received_count"]; got != "4 4 0 frees" {
		t.Errorf("received: %q", got)
	}
	if got := a.limitsOf(shop); len(got) > 0 {
		t.Errorf("a merchant has limits: %v", got)
	}
	if got := s.as(auditor).limitsOf(ravi)["wallet received_sum"]; got != "400.00 50.00 350.00 INR frees" {
		t.Errorf("an auditor sees %q", got)
	}
	s.verify()
}

// Another app's parties have that app's limits, also when they are paid.
func TestLimitsOfAnotherApp(t *testing.T) {
	s := start(t, bounded)
	a, b := s.as(chatA), s.as(chatB)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), b.settle(newPerson("ravi", 2, "KVRI"))
	if got := b.limitsOf(ravi); len(got) > 0 {
		t.Errorf("an app without limits has %v", got)
	}
	for range 6 {
		tr := read[api.Transfer](b.pay(obj{"party": ravi.id}, obj{"upi": asha.upi}, "1.00").want(201))
		if a.limitsOf(asha)["bank received_count"] == "4 4 0 frees" && tr.State == "failed" {
			wantEqual(t, "reason", tr.Failure.Reason, "limit_received_count")
			return
		}
	}
	t.Errorf("all was paid: %v", a.limitsOf(asha))
}
