package api_test

import (
	"testing"

	"bahi/api"
)

// TestABankThatIsDown: once a bank cannot be reached, payments from and to it are
// refused at once, honestly and for good under their key; others go on.
func TestABankThatIsDown(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi, meera := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI")), a.settle(newPerson("meera", 3, "GDVR"))
	pay := func(from, to *person, value string) api.Transfer {
		t.Helper()
		return read[api.Transfer](a.pay(obj{"party": from.id}, obj{"party": to.id}, value).want(201))
	}
	const unreachable = "9103.00"
	for range 5 {
		a.comesTo(pay(asha, ravi, unreachable), "failed")
	}
	for _, pair := range [][2]*person{{asha, ravi}, {meera, asha}} {
		got := pay(pair[0], pair[1], "1")
		if got.State != "failed" || got.Failure.Reason != "bank_unavailable" || got.Failure.BankCode != "U28" {
			t.Errorf("a payment with a bank that is down: %+v", got)
		}
		if d := read[api.TransferDetail](a.get("/v1/transfers/" + got.ID).want(200)); len(d.Instructions) != 0 {
			t.Errorf("a bank was asked: %+v", d.Instructions)
		}
	}
	a.comesTo(pay(ravi, meera, "1"), "completed")
	for _, b := range read[api.BankList](a.get("/v1/banks").want(200)).Data {
		down := b.Code == "NRMD"
		if (b.State == "down") != down || (b.Breaker == "open") != down || down && b.Windows[0].TechnicalDeclines != 5 {
			t.Errorf("%+v", b)
		}
	}
	s.verify()
}
