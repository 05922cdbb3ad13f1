package api_test

import (
	"fmt"
	"net/url"
	"testing"

	"bahi/api"
)

// person is somebody with a phone, a handle and a bank account, perhaps a wallet.
type person struct {
	id, name, phone, handle      string
	bank, number, ifsc, upi      string
	account, wallet              string // ids of instruments
	phoneInstrument, handleInstr string
	schedule                     string
}

// Everybody's phone and account has its own last digits.
func newPerson(name string, n int, bank string) *person {
	handles := map[string]string{"NRMD": "narmada", "KVRI": "kaveri", "GDVR": "godavari", "STLJ": "sutlej"}
	return &person{name: name, phone: fmt.Sprintf("+9198765%05d", n), handle: name, bank: bank,
		number: fmt.Sprintf("1000%08d", n), ifsc: bank + "0000001", upi: name + "@" + handles[bank]}
}

func (c *caller) openParty(name string) string {
	c.s.t.Helper()
	return read[api.Party](c.post("/v1/parties", obj{"name": name, "kind": "person"}).want(201)).ID
}

func (c *caller) link(party string, instrument obj) api.Instrument {
	c.s.t.Helper()
	return read[api.Instrument](c.post("/v1/parties/"+party+"/instruments", instrument).want(201))
}

// settle makes the person known to the caller's app. The bank account is the default.
func (c *caller) settle(p *person) *person {
	c.s.t.Helper()
	p.id = c.openParty(p.name)
	p.phoneInstrument = c.link(p.id, obj{"kind": "phone", "phone": p.phone}).ID
	p.handleInstr = c.link(p.id, obj{"kind": "handle", "handle": p.handle}).ID
	p.account = c.link(p.id, obj{"kind": "bank_account", "account": obj{"number": p.number, "ifsc": p.ifsc}, "upi": p.upi}).ID
	return p
}

// fund gives the person a wallet with so much in it.
func (c *caller) fund(p *person, value string) *person {
	c.s.t.Helper()
	p.wallet = c.link(p.id, obj{"kind": "wallet"}).ID
	if value != "" {
		t := read[api.Transfer](c.post("/v1/wallets/"+p.id+"/topups", obj{"amount": inr(value)}).want(201))
		c.comesTo(t, "completed")
	}
	return p
}

// pay asks for a payment and gives the answer.
func (c *caller) pay(payer, payee obj, value string, headers ...string) *answer {
	c.s.t.Helper()
	return c.post("/v1/transfers", obj{"payer": payer, "payee": payee, "amount": inr(value)}, headers...)
}

// comesTo waits until the transfer waits for no bank and checks how it ended.
func (c *caller) comesTo(t api.Transfer, state api.TransferState) api.TransferDetail {
	c.s.t.Helper()
	d := read[api.TransferDetail](c.get("/v1/transfers/" + t.ID + "?wait=30").want(200))
	if d.State != state {
		c.s.t.Fatalf("the transfer is %s (%s), want %s", d.State, d.Failure.Reason, state)
	}
	return d
}

func (c *caller) balance(p *person) string {
	c.s.t.Helper()
	return read[api.Wallet](c.get("/v1/wallets/" + p.id).want(200)).Balance.Value
}

func wantEqual[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// upiLink is a link as a QR code holds it.
func upiLink(upi, name, amount string) string {
	q := "upi://pay?pa=" + upi + "&pn=" + url.QueryEscape(name)
	if amount != "" {
		q += "&am=" + amount + "&cu=INR"
	}
	return q
}
