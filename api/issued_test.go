package api_test

import (
	"testing"

	"bahi/api"
)

// TestPayeeOfTheBank: a UPI id that nobody has linked leads to the account that
// its bank says, or to nobody; then nobody is debited.
func TestPayeeOfTheBank(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha := a.settle(newPerson("asha", 1, "NRMD"))
	pay := func(payee obj) api.Transfer {
		t.Helper()
		return read[api.Transfer](a.pay(obj{"party": asha.id}, payee, "10").want(201))
	}
	paid := a.comesTo(pay(obj{"upi": "777000111222@Kaveri"}), "completed")
	if p := paid.Payee; p.Bank != "KVRI" || p.UPI != "777000111222@kaveri" || p.Account != "••••1222" || p.IFSC != "KVRI0000001" || p.Name != "Account 1222" {
		t.Errorf("the payee is %+v", p)
	}
	a.comesTo(pay(obj{"link": "upi://pay?pa=777000111223@kaveri&pn=Shop&am=10&cu=INR"}), "completed")
	for _, upi := range []string{"nobody@kaveri", "0000123456@kaveri", "777000111222@nowhere"} {
		if got := pay(obj{"upi": upi}); got.State != "failed" || got.Failure.Reason != "payee_not_found" || got.Payee.UPI != upi {
			t.Errorf("%s: %+v", upi, got)
		}
	}
	if got := s.banks["KVRI"].Balance("777000111222"); got != 1_000_010_00 {
		t.Errorf("the payee has %d", got)
	}
	s.verify()
}
