package api_test

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"bahi/api"
	"bahi/ledger"
)

// mayCall is who may call what. The contract says the same; both change together, on purpose.
var mayCall = map[string]string{
	"GET /healthz":      "everybody",
	"GET /readyz":       "everybody",
	"GET /openapi.json": "everybody",
	"GET /metrics":      "auditor operator inspector",

	"POST /v1/parties":                                    "chat",
	"GET /v1/parties":                                     "chat auditor operator inspector",
	"GET /v1/parties/{party}":                             "chat auditor operator inspector",
	"DELETE /v1/parties/{party}":                          "chat operator",
	"POST /v1/parties/{party}/instruments":                "chat",
	"GET /v1/parties/{party}/instruments":                 "chat auditor operator inspector",
	"DELETE /v1/parties/{party}/instruments/{instrument}": "chat",
	"PUT /v1/parties/{party}/default":                     "chat",
	"GET /v1/parties/{party}/limits":                      "chat auditor operator inspector",
	"GET /v1/directory":                                   "chat auditor operator inspector",

	"POST /v1/transfers":                   "chat",
	"GET /v1/transfers":                    "chat auditor operator inspector",
	"POST /v1/transfers/batch":             "chat",
	"GET /v1/transfers/{transfer}":         "chat auditor operator inspector",
	"POST /v1/transfers/{transfer}/cancel": "chat",

	"POST /v1/transfers/{transfer}/refunds": "chat",
	"GET /v1/transfers/{transfer}/refunds":  "chat auditor operator inspector",

	"POST /v1/parties/{party}/stop":              "chat",
	"POST /v1/parties/{party}/start":             "chat",
	"GET /v1/parties/{party}/safety":             "chat auditor operator inspector",
	"PUT /v1/parties/{party}/trusted":            "chat",
	"GET /v1/parties/{party}/trusted":            "chat auditor operator inspector",
	"DELETE /v1/parties/{party}/trusted/{payee}": "chat",
	"POST /v1/pots":                              "chat",
	"GET /v1/pots":                               "chat auditor operator inspector",
	"GET /v1/pots/{pot}":                         "chat auditor operator inspector",
	"POST /v1/pots/{pot}/claims":                 "chat",
	"POST /v1/pots/{pot}/cancel":                 "chat",

	"GET /v1/transfers/{transfer}/proof":   "chat auditor operator inspector",
	"GET /v1/transfers/{transfer}/receipt": "chat auditor operator inspector",

	"GET /v1/log/checkpoint":          "everybody",
	"GET /v1/log/tile/{level}/{tile}": "everybody",
	"GET /v1/log/tile/entries/{tile}": "auditor operator inspector",
	"GET /v1/log/proofs/consistency":  "everybody",
	"GET /v1/log/keys":                "everybody",
	"POST /v1/log/cosignatures":       "auditor operator inspector",

	"GET /v1/events": "chat",

	"POST /v1/webhooks":                     "chat",
	"GET /v1/webhooks":                      "chat",
	"GET /v1/webhooks/{webhook}":            "chat",
	"PUT /v1/webhooks/{webhook}":            "chat",
	"DELETE /v1/webhooks/{webhook}":         "chat",
	"POST /v1/webhooks/{webhook}/rotate":    "chat",
	"POST /v1/webhooks/{webhook}/enable":    "chat",
	"POST /v1/webhooks/{webhook}/test":      "chat",
	"POST /v1/webhooks/{webhook}/replay":    "chat",
	"GET /v1/webhooks/{webhook}/deliveries": "chat",

	"GET /v1/wallets/{party}":              "chat auditor operator inspector",
	"POST /v1/wallets/{party}/topups":      "chat",
	"POST /v1/wallets/{party}/withdrawals": "chat",
	"GET /v1/wallets/{party}/statement":    "chat auditor operator inspector",
	"POST /v1/wallets/{party}/freeze":      "operator",
	"POST /v1/wallets/{party}/unfreeze":    "operator",

	"GET /v1/accounts":                  "auditor operator inspector",
	"GET /v1/accounts/{name}":           "auditor operator inspector",
	"GET /v1/accounts/{name}/statement": "auditor operator inspector",

	"GET /v1/reports/trial-balance": "auditor operator inspector",
	"GET /v1/reports/balance":       "auditor operator inspector",
	"GET /v1/reports/ledger":        "auditor operator inspector",
	"GET /v1/reports/statement":     "auditor operator inspector",
	"GET /v1/reports/transfers":     "auditor operator inspector",

	"GET /v1/banks":                        "chat bank auditor operator inspector",
	"POST /v1/banks/{bank}/results":        "bank",
	"POST /v1/banks/{bank}/results/batch":  "bank",
	"POST /v1/banks/{bank}/leases":         "bank",
	"POST /v1/banks/{bank}/leases/results": "bank",
	"POST /v1/banks/{bank}/heartbeat":      "bank",

	"GET /v1/settlement/windows":                    "bank auditor operator inspector",
	"POST /v1/settlement/windows/close":             "operator",
	"GET /v1/settlement/windows/{window}":           "auditor operator inspector",
	"GET /v1/settlement/windows/{window}/positions": "bank auditor operator inspector",
	"POST /v1/settlement/confirmations":             "bank operator",

	"GET /v1/reconciliation":                     "auditor operator inspector",
	"POST /v1/reconciliation/runs":               "operator",
	"GET /v1/breaks":                             "auditor operator inspector",
	"GET /v1/breaks/{break}":                     "auditor operator inspector",
	"POST /v1/breaks/{break}/assign":             "operator",
	"POST /v1/breaks/{break}/comment":            "operator",
	"POST /v1/breaks/{break}/close":              "operator",
	"POST /v1/breaks/{break}/corrections":        "operator",
	"POST /v1/corrections/{correction}/approve":  "operator",
	"POST /v1/corrections/{correction}/withdraw": "operator",
	"POST /v1/corrections/{correction}/apply":    "operator",

	"POST /v1/statements": "bank operator",
	"GET /v1/statements":  "auditor operator inspector",

	"GET /v1/export":   "auditor operator inspector",
	"GET /v1/accesses": "auditor operator inspector",

	"POST /v1/keys":         "operator",
	"GET /v1/keys":          "operator",
	"DELETE /v1/keys/{key}": "operator",
}

const hex32 = "0123456789abcdef0123456789abcdef"

// absent are well-formed ids of what is not there.
var absent = strings.NewReplacer("{party}", "pty_"+hex32, "{webhook}", "end_"+hex32, "{pot}", "pot_"+hex32, "{request}", "req_"+hex32, "{schedule}", "sch_"+hex32, "{instrument}", "ins_"+hex32,
	"{transfer}", "BAH"+strings.ToUpper(hex32), "{name}", "fees", "{payee}", "tru_"+hex32, "{window}", "upi-2026-11-25-03", "{bank}", "NRMD", "{break}", "brk_"+hex32, "{correction}", "cor_"+hex32,
	"{key}", "key_"+hex32, "{level}", "0", "{tile}", "999")

func TestRoles(t *testing.T) {
	s := start(t)
	callers := map[string]string{chatA: "chat", auditor: "auditor", operator: "operator", inspector: "inspector", bankN: "bank", revoked: "", nobody: ""}
	seen := 0
	eachOperation(t, func(t *testing.T, at string, _ *openapi3.Operation) {
		seen++
		allowed, pinned := mayCall[at]
		if !pinned {
			t.Errorf("%s is not in the table of roles", at)
		}
		method, path, _ := strings.Cut(at, " ")
		for name, role := range callers {
			got := s.as(name).send(method, absent.Replace(path), nil)
			if want := refusalOf(method, role, allowed); want != "" && fmt.Sprint(got.status, " ", got.code()) != want {
				t.Errorf("%s as %s: %d %s, want %s", at, name, got.status, got.code(), want)
			} else if refused := got.status == 401 || got.status == 403 || got.code() == "not_found"; want == "" && refused {
				t.Errorf("%s as %s: %d %s, which is allowed", at, name, got.status, got.code())
			}
		}
	})
	wantEqual(t, "operations", seen, len(mayCall))
}

// refusalOf is how a caller with the role is refused, or empty.
func refusalOf(method, role, allowed string) string {
	switch {
	case allowed == "everybody" || (role != "" && slices.Contains(strings.Fields(allowed), role)):
		return ""
	case role == "":
		return "401 unauthenticated"
	case method == http.MethodGet:
		return "404 not_found"
	}
	return "403 role_not_allowed"
}

// What is another app's is answered to the byte as what does not exist.
func TestAppsDoNotSeeEachOther(t *testing.T) {
	s := start(t)
	a, b := s.as(chatA), s.as(chatB)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	paid := read[api.Transfer](a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00").want(201))
	mine := b.settle(newPerson("meera", 3, "GDVR"))
	nowhere := &person{id: absent.Replace("{party}"), phone: "+919876599999", handle: "unheard", account: absent.Replace("{instrument}"), wallet: absent.Replace("{instrument}")}

	party, instrument := obj{"kind": "handle", "handle": "new"}, func(id string) obj { return obj{"instrument": id} }
	for _, c := range []struct {
		method string
		path   func(p *person, transfer string) string
		body   func(p *person) any
	}{
		{"GET", func(p *person, _ string) string { return "/v1/parties/" + p.id }, nil},
		{"GET", func(p *person, _ string) string { return "/v1/parties/" + p.id + "/instruments" }, nil},
		{"POST", func(p *person, _ string) string { return "/v1/parties/" + p.id + "/instruments" }, func(*person) any { return party }},
		{"DELETE", func(p *person, _ string) string { return "/v1/parties/" + p.id + "/instruments/" + p.account }, nil},
		{"DELETE", func(p *person, _ string) string { return "/v1/parties/" + mine.id + "/instruments/" + p.account }, nil},
		{"PUT", func(p *person, _ string) string { return "/v1/parties/" + p.id + "/default" }, func(p *person) any { return instrument(p.wallet) }},
		{"PUT", func(p *person, _ string) string { return "/v1/parties/" + mine.id + "/default" }, func(p *person) any { return instrument(p.wallet) }},
		{"GET", func(_ *person, transfer string) string { return "/v1/transfers/" + transfer }, nil},
		{"GET", func(_ *person, transfer string) string { return "/v1/transfers/" + transfer + "?wait=1" }, nil},
		{"POST", func(_ *person, transfer string) string { return "/v1/transfers/" + transfer + "/cancel" }, nil},
		{"GET", func(p *person, _ string) string { return "/v1/transfers?party=" + p.id }, nil},
		{"GET", func(p *person, _ string) string { return "/v1/wallets/" + p.id }, nil},
		{"GET", func(p *person, _ string) string { return "/v1/wallets/" + p.id + "/statement" }, nil},
		{"POST", func(p *person, _ string) string { return "/v1/wallets/" + p.id + "/topups" }, func(*person) any { return obj{"amount": inr("1")} }},
		{"POST", func(p *person, _ string) string { return "/v1/wallets/" + p.id + "/withdrawals" }, func(*person) any { return obj{"amount": inr("1")} }},
		{"GET", func(p *person, _ string) string { return "/v1/directory?handle=" + p.handle }, nil},
		{"POST", toTransfers, func(p *person) any { return payment(obj{"party": p.id}, mine) }},
		{"POST", toTransfers, func(p *person) any { return payment(obj{"wallet": p.id}, mine) }},
		{"POST", toTransfers, func(p *person) any { return payment(obj{"instrument": p.account}, mine) }},
		{"POST", toTransfers, func(p *person) any { return payment(obj{"phone": p.phone}, mine) }},
		{"POST", toTransfers, func(p *person) any { return payment(obj{"handle": p.handle}, mine) }},
	} {
		ask := func(p *person, transfer string) *answer {
			var body any
			if c.body != nil {
				body = c.body(p)
			}
			return b.send(c.method, c.path(p, transfer), body, "X-Request-Id", "the-same")
		}
		foreign, none := ask(asha, paid.ID), ask(nowhere, absent.Replace("{transfer}"))
		foreign.header.Del("Date")
		none.header.Del("Date")
		if foreign.status != none.status || string(foreign.body) != string(none.body) || fmt.Sprint(foreign.header) != fmt.Sprint(none.header) {
			t.Errorf("%s: %d %s %v\nand what does not exist: %d %s %v", foreign.at, foreign.status, foreign.body, foreign.header, none.status, none.body, none.header)
		}
	}
	// A payee that is another app's is nobody, but by its UPI id: the answer holds
	// only what the request said.
	for _, c := range []struct {
		payee obj
		shown api.TransferEnd
	}{
		{obj{"party": asha.id}, api.TransferEnd{}},
		{obj{"wallet": asha.id}, api.TransferEnd{}},
		{obj{"instrument": asha.account}, api.TransferEnd{}},
		{obj{"phone": asha.phone}, api.TransferEnd{Name: "••••" + asha.phone[len(asha.phone)-4:]}},
		{obj{"handle": "asha"}, api.TransferEnd{Name: "@asha"}},
		{obj{"upi": "unheard@nowhere"}, api.TransferEnd{UPI: "unheard@nowhere"}},
	} {
		got := read[api.Transfer](b.pay(obj{"party": mine.id}, c.payee, "1.00").want(201))
		if got.Failure.Reason != "payee_not_found" || got.Payee != c.shown {
			t.Errorf("to %v: %s, %+v", c.payee, got.Failure.Reason, got.Payee)
		}
	}
	if l := read[api.PartyList](b.get("/v1/parties").want(200)); len(l.Data) != 1 || l.Data[0].ID != mine.id {
		t.Errorf("app B lists %+v", l.Data)
	}
	for _, row := range read[api.TransferList](b.get("/v1/transfers").want(200)).Data {
		if row.Payer.Party != mine.id {
			t.Errorf("app B lists %+v", row)
		}
	}
	wantEqual(t, "an auditor sees", read[api.TransferDetail](s.as(auditor).get("/v1/transfers/"+paid.ID).want(200)).ID, paid.ID)
	wantEqual(t, "asha has", a.balance(asha), "99.00")
}

func toTransfers(*person, string) string { return "/v1/transfers" }

func payment(payer obj, payee *person) obj {
	return obj{"payer": payer, "payee": obj{"party": payee.id}, "amount": inr("1.00")}
}

// A key that is revoked while a request is reading it must not be remembered as valid.
func TestKeyRevokedWhileItIsRead(t *testing.T) {
	g, change := gated()
	stopped := time.Now() // so that what is remembered is remembered for ever
	s := start(t, change, func(o *setup) { o.now = func() time.Time { return stopped } })
	key := ledger.Key{ID: ledger.NewID(), Role: ledger.RoleChat, App: "gamma"}
	s.keys["gamma"], key.Hash = api.NewSecret(key.Role)
	_, err := ledger.Do[ledger.Key](t.Context(), s.book, ledger.CreateKey{Key: key})
	check(t, err)
	s.as(operator).get("/v1/keys").want(200)
	held := newDoor(t)
	g.afterKey.Store(held)
	reading := s.as("gamma").hold("GET", "/v1/parties", nil)
	<-held.reached
	g.afterKey.Store(nil)
	s.as(operator).send("DELETE", "/v1/keys/"+key.ID.KeyRef(), nil).want(204)
	held.open()
	<-reading // read before it was revoked: either answer is right
	s.as("gamma").get("/v1/parties").refused(401, "unauthenticated")
}

func TestSignatureIsOverTheWholeMessage(t *testing.T) {
	s := start(t)
	n := s.as(bankN)
	body := result("BAH"+strings.ToUpper(hex32)+".debit", "approved")
	for name, change := range map[string]func(http.Header){
		"another id":   func(h http.Header) { h.Set("webhook-id", "msg-2") },
		"another time": func(h http.Header) { h.Set("webhook-timestamp", fmt.Sprint(time.Now().Unix()-1)) },
		"no algorithm": func(h http.Header) {
			h.Set("webhook-signature", strings.TrimPrefix(h.Get("webhook-signature"), "v1a,"))
		},
		"another algorithm": func(h http.Header) {
			h.Set("webhook-signature", "v1,"+strings.TrimPrefix(h.Get("webhook-signature"), "v1a,"))
		},
		"cut short": func(h http.Header) { h.Set("webhook-signature", h.Get("webhook-signature")[:40]) },
		"of zeros": func(h http.Header) {
			h.Set("webhook-signature", "v1a,"+strings.Repeat("A", 4*((ed25519.SignatureSize+2)/3)))
		},
	} {
		r := n.signed("NRMD", "NRMD", time.Now(), body)
		change(r.Header)
		if got := n.do(r); got.code() != "bad_signature" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	n.do(n.signed("NRMD", "NRMD", time.Now(), body)).refused(404, "instruction_not_found")
}
