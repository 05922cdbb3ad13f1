package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"bahi/api"
	"bahi/ledger"
)

// seeded is a stack with a book in which there is something to see on every route: two
// people who have paid each other, a break, a closed window.
type seeded struct {
	*stack
	asha, ravi *person
	paths      map[string]string // what a route's parameter may be
	personal   map[string]string // all that people can be known by, as it came in
}

func seed(t *testing.T, changes ...func(*setup)) *seeded {
	t.Helper()
	s := &seeded{stack: start(t, changes...), personal: map[string]string{"note": "birthday-cake", "conversation": "conv-4711", "message": "msg-4712", "metadata": "table-by-the-window"}}
	s.asha = &person{name: "Zephyrine", phone: "+919876543219", handle: "zephy.r", bank: "NRMD", number: "173928465012", ifsc: "NRMD0777777", upi: "zph@narmada"}
	s.ravi = &person{name: "Quentin", phone: "+919876543218", handle: "quen.t", bank: "KVRI", number: "284037561923", ifsc: "KVRI0888888", upi: "qnt@kaveri"}
	a, o := s.as(chatA), s.as(operator)
	a.fund(a.settle(s.asha), "500.00")
	a.fund(a.settle(s.ravi), "")
	for _, p := range []*person{s.asha, s.ravi} {
		for what, v := range map[string]string{"name": p.name, "phone": p.phone, "handle": p.handle, "account": p.number, "upi": p.upi} {
			s.personal[what+" of "+p.bank] = v
		}
	}
	in := obj{"payer": obj{"party": s.asha.id}, "payee": obj{"upi": s.ravi.upi}, "amount": inr("250.00"), "note": s.personal["note"],
		"conversation": s.personal["conversation"], "message": s.personal["message"], "metadata": obj{"seat": s.personal["metadata"]}}
	paid := a.comesTo(read[api.Transfer](a.post("/v1/transfers", in).want(201)), "completed")
	in["payer"], in["payee"] = obj{"wallet": s.asha.id}, obj{"wallet": s.ravi.id}
	a.comesTo(read[api.Transfer](a.post("/v1/transfers", in).want(201)), "completed")

	s.personal["invited phone"] = "+919876543217"
	a.post("/v1/transfers", obj{"payer": obj{"wallet": s.asha.id}, "payee": obj{"phone": s.personal["invited phone"], "invite": true}, "amount": inr("1.00"), "note": s.personal["note"]}).want(201)
	pot := read[api.Pot](a.post("/v1/pots", obj{"payer": obj{"wallet": s.asha.id}, "amount": inr("2.00"), "shares": 2, "note": s.personal["note"], "conversation": s.personal["conversation"]}).want(201))
	a.post("/v1/pots/"+pot.ID+"/claims", obj{"party": s.ravi.id, "instrument": s.ravi.wallet}).want(201)

	policy := ledger.DefaultPolicy()
	day := policy.Day(time.Now().UnixMicro())
	file := fmt.Sprintf(`{"statement":{"bank":"NRMD","account":%q,"id":"S1","currency":"INR","date":"%s"}}`+"\n"+
		`{"line":{"transaction_id":%q,"rrn":%q,"booking_date":"%s","amount":"300.00","side":"debit","code":"00"}}`+"\n"+`{"end":{"lines":1}}`+"\n", s.asha.number, day, paid.ID, paid.RRN, day)
	o.post("/v1/statements", file).want(201)
	o.post("/v1/reconciliation/runs", obj{"from": day.String(), "until": (day + 1).String()}).want(200)
	breaks := read[api.BreakList](o.get("/v1/breaks?class=amount_differs").want(200)).Data
	if len(breaks) == 0 {
		t.Fatal("there is no break to look at")
	}
	windows := read[api.SettlementWindowList](o.post(toClose, obj{}).want(200)).Data
	s.paths = map[string]string{"party": s.asha.id, "transfer": paid.ID, "pot": pot.ID, "name": "transit", "break": breaks[0].ID, "window": windows[0].Window, "tile": "000.p%2F1"}
	s.seal()
	return s
}

// lookUps are queries of routes that need one.
var lookUps = map[string]func(*seeded) string{
	"/v1/directory":         func(s *seeded) string { return "?upi=" + url.QueryEscape(s.ravi.upi) },
	"/v1/reports/balance":   func(*seeded) string { return "?account=transit" },
	"/v1/reports/statement": func(s *seeded) string { return "?party=" + s.asha.id },
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// eachView calls look with the path of every route of the book that shows something.
func (s *seeded) eachView(t *testing.T, look func(at, path string)) {
	t.Helper()
	look("GET /v1/parties/{party}/instruments", "/v1/parties/"+s.ravi.id+"/instruments")
	eachOperation(t, func(t *testing.T, at string, o *openapi3.Operation) {
		route, ok := strings.CutPrefix(at, "GET /v1/")
		if !ok || !slices.Contains(o.Extensions["x-roles"].([]any), any("auditor")) {
			return
		}
		path := "/v1/" + pathParam.ReplaceAllStringFunc(route, func(p string) string {
			v, known := s.paths[strings.Trim(p, "{}")]
			if !known {
				t.Errorf("%s: seed what %s can be", at, p)
			}
			return v
		})
		if query := lookUps["/v1/"+route]; query != nil {
			path += query(s)
		}
		look(at, path)
	})
}

// Whoever is no inspector sees nothing that a person can be known by, on any route.
func TestPersonalDataIsForInspectors(t *testing.T) {
	s := seed(t)
	var seen strings.Builder
	routes := 0
	s.eachView(t, func(at, path string) {
		routes++
		for _, role := range []string{auditor, operator} {
			got := s.as(role).get(path).want(200)
			for what, v := range s.personal {
				if strings.Contains(strings.ToLower(string(got.body)+fmt.Sprint(got.header)), strings.ToLower(v)) {
					t.Errorf("%s: the %s sees the %s: %s", path, role, what, got.body)
				}
			}
		}
		seen.Write(s.as(inspector).get(path).want(200).body)
	})
	for what, v := range s.personal {
		if !strings.Contains(seen.String(), v) {
			t.Errorf("no route shows an inspector the %s, %s", what, v)
		}
	}
	if routes < 18 {
		t.Errorf("%d routes were looked at", routes)
	}
	// Proposing a correction shows the transfer that would pay.
	plan := s.as(operator).post("/v1/breaks/"+s.paths["break"]+"/corrections?dry_run=true", obj{}).want(200)
	for what, v := range s.personal {
		if strings.Contains(string(plan.body), v) {
			t.Errorf("the operator sees the %s: %s", what, plan.body)
		}
	}
	if read[api.CorrectionPlan](plan).Payout.ID == "" {
		t.Errorf("the plan pays nobody: %s", plan.body)
	}
}

// What the roles see, field by field.
func TestSightOfEachRole(t *testing.T) {
	s := seed(t)
	type end struct{ name, account, upi string }
	for name, want := range map[string]struct {
		payer                                                                   end
		party, phone, handle, number, note, conversation, message, seat, before string
	}{
		chatA: {end{"Zephyrine", "••••5012", "zph@narmada"}, "Zephyrine", s.asha.phone, s.asha.handle, "••••5012",
			"birthday-cake", "conv-4711", "msg-4712", "table-by-the-window", "Quentin"},
		auditor:  {payer: end{account: "••••5012"}, number: "••••5012"},
		operator: {payer: end{account: "••••5012"}, number: "••••5012"},
		inspector: {end{"Zephyrine", s.asha.number, "zph@narmada"}, "Zephyrine", s.asha.phone, s.asha.handle, s.asha.number,
			"birthday-cake", "conv-4711", "msg-4712", "table-by-the-window", "Quentin"},
	} {
		c := s.as(name)
		paid := read[api.TransferDetail](c.get("/v1/transfers/" + s.paths["transfer"]).want(200))
		listed := read[api.TransferList](c.get("/v1/transfers?state=completed").want(200)).Data
		if len(listed) != 3 || listed[1].Payer != paid.Payer || listed[1].Note != paid.Note {
			t.Errorf("%s lists %+v", name, listed)
		}
		wantEqual(t, name+": payer", end{paid.Payer.Name, paid.Payer.Account, paid.Payer.UPI}, want.payer)
		wantEqual(t, name+": note", paid.Note, want.note)
		wantEqual(t, name+": conversation", paid.Conversation, want.conversation)
		wantEqual(t, name+": message", paid.Message, want.message)
		wantEqual(t, name+": metadata", paid.Metadata["seat"], want.seat)
		wantEqual(t, name+": what is nobody's", fmt.Sprint(paid.Payer.Party, paid.Payer.Bank, paid.Payer.IFSC, paid.RRN != "", paid.Amount.Value),
			fmt.Sprint(s.asha.id, "NRMD", s.asha.ifsc, true, "250.00"))
		wantEqual(t, name+": party", read[api.Party](c.get("/v1/parties/"+s.asha.id).want(200)).Name, want.party)
		for _, i := range read[api.InstrumentList](c.get("/v1/parties/" + s.asha.id + "/instruments").want(200)).Data {
			switch i.Kind {
			case "phone":
				wantEqual(t, name+": phone", i.Phone, want.phone)
			case "handle":
				wantEqual(t, name+": handle", i.Handle, want.handle)
			case "bank_account":
				wantEqual(t, name+": account", fmt.Sprint(i.Account.Number, i.UPI, i.Account.IFSC), fmt.Sprint(want.number, want.payer.upi, s.asha.ifsc))
			}
		}
		wantEqual(t, name+": counterparty", read[api.WalletStatement](c.get("/v1/wallets/" + s.asha.id + "/statement").want(200)).Data[0].CounterpartyName, want.before)
		found := read[api.DirectoryEntry](c.get("/v1/directory?upi=" + url.QueryEscape(s.ravi.upi)).want(200))
		wantEqual(t, name+": directory", fmt.Sprint(found.Found, found.Name), fmt.Sprint(true, want.before))
	}
}

// An inspector may do what an auditor may, and nothing else.
func TestInspectorIsAnAuditor(t *testing.T) {
	for at, roles := range mayCall {
		if strings.Contains(roles, "auditor") != strings.Contains(roles, "inspector") {
			t.Errorf("%s: %s", at, roles)
		}
		// Witnesses' signatures change nothing of the book.
		if method, _, _ := strings.Cut(at, " "); method != http.MethodGet && strings.Contains(roles, "inspector") && at != "POST /v1/log/cosignatures" {
			t.Errorf("%s: an inspector changes something", at)
		}
	}
}
