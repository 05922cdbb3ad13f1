package api_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/go-json-experiment/json"

	"bahi/api"
	"bahi/ledger/reconcile/statement"
	"bahi/ledger/settle"
)

func init() { openapi3filter.RegisterBodyDecoder("application/xml", openapi3filter.PlainBodyDecoder) }

const (
	toWindows       = "/v1/settlement/windows"
	toClose         = "/v1/settlement/windows/close"
	toConfirmations = "/v1/settlement/confirmations"
)

// settled is a stack with a closed window in which NRMD pays KVRI 250.00; it returns the window.
func settled(t *testing.T) (*stack, string) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	a.post("/v1/transfers?wait=20", obj{"payer": obj{"party": asha.id}, "payee": obj{"party": ravi.id}, "amount": inr("250.00")}).want(201)
	for _, w := range read[api.SettlementWindowList](s.as(operator).post(toClose, obj{}).want(200)).Data {
		if w.Kind == api.SettlementWindowKindTransfers {
			return s, w.Window
		}
	}
	t.Fatal("no window for transfers was closed")
	return nil, ""
}

func confirmation(window, bank, value, direction string) obj {
	return obj{"window": window, "bank": bank, "amount": inr(value), "direction": direction}
}

func TestSettlementReports(t *testing.T) {
	s, window := settled(t)
	au := s.as(auditor)
	first := read[api.SettlementWindowList](au.get(toWindows + "?limit=1").want(200))
	rest := read[api.SettlementWindowList](au.get(toWindows + "?limit=1&cursor=" + first.NextCursor).want(200))
	if len(first.Data) != 1 || len(rest.Data) != 1 || rest.NextCursor != "" || (first.Data[0].Window != window && rest.Data[0].Window != window) {
		t.Errorf("listed %+v, then %+v", first, rest)
	}
	report := au.get(toWindows + "/" + window).want(200)
	type row struct{ bank, remitted, received, net string }
	var got []row
	for _, p := range read[api.SettlementReport](report).Positions {
		got = append(got, row{p.Bank, p.Remitted.Value, p.Received.Value, p.Net})
	}
	if want := []row{{"KVRI", "0.00", "250.00", "250.00"}, {"NRMD", "250.00", "0.00", "-250.00"}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("positions %v, want %v", got, want)
	}
	for format, kind := range map[string]string{"json": "application/json", "csv": "text/csv", "pain.001": "application/xml", "camt.054": "application/xml"} {
		once, twice := au.get(toWindows+"/"+window+"?format="+format).want(200), s.as(operator).get(toWindows+"/"+window+"?format="+format).want(200)
		if once.header.Get("Content-Type") != kind || !bytes.Equal(once.body, twice.body) || len(once.body) == 0 {
			t.Errorf("%s is %s:\n%s\nthen\n%s", format, once.header.Get("Content-Type"), once.body, twice.body)
		}
		if format == "csv" {
			rows, err := settle.ReadReport(statement.Read(bytes.NewReader(once.body), statement.Options{}))
			if err != nil || len(rows) != 2 || rows[1].Owes() != 25000 {
				t.Errorf("read back %+v, %v", rows, err)
			}
		}
	}
	au.get(toWindows+"/"+window+"?format=xml").refused(400, "malformed_parameter")
	au.get(toWindows+"/upi-2020-01-01-01").refused(404, "window_not_found")
	au.get(toWindows+"/nonsense").refused(404, "window_not_found")
	au.get(toWindows+"?cursor=!").refused(400, "invalid_cursor")
	again := read[api.SettlementWindowList](s.as(operator).post(toClose, obj{"window": window}).want(200))
	if len(again.Data) != 1 || again.Data[0].Window != window || !bytes.Equal(au.get(toWindows+"/"+window).want(200).body, report.body) {
		t.Errorf("closed again: %+v", again)
	}
	s.verify()
}

func TestWindowsThatCannotBeClosed(t *testing.T) {
	s, window := settled(t)
	op := s.as(operator)
	before := s.fingerprint()
	op.post(toClose, obj{"window": "upi-2020-01-01-01"}).refused(409, "window_out_of_order")
	op.post(toClose, obj{"window": "upi-2099-01-01-01"}).refused(409, "window_not_over")
	op.post(toClose, obj{"window": window + "0"}).refused(404, "window_not_found")
	op.post(toClose, obj{"windows": window}).refused(400, "unknown_field")
	op.post(toClose, nil).refused(415, "unsupported_media_type")
	wantEqual(t, "the book", s.fingerprint(), before)
}

func TestSettlementIsConfirmed(t *testing.T) {
	s, window := settled(t)
	op, n, k := s.as(operator), s.as(bankN), s.as(bankK)
	sign := func(c *caller, bank string, body any) *answer {
		t.Helper()
		text, err := json.Marshal(body, json.Deterministic(true))
		check(t, err)
		r := c.request("POST", toConfirmations, text)
		api.Sign(r.Header, signingKey(bank), "msg-1", time.Now(), text)
		return c.do(r)
	}
	before := s.fingerprint()
	for _, c := range []struct {
		body   obj
		status int
		code   string
	}{
		{confirmation(window, "NRMD", "250.01", "paid"), 422, "settlement_amount_differs"},
		{confirmation(window, "NRMD", "250.00", "received"), 422, "settlement_amount_differs"},
		{confirmation(window, "STLJ", "250.00", "paid"), 404, "position_not_found"},
		{confirmation("upi-2020-01-01-01", "NRMD", "250.00", "paid"), 404, "window_not_found"},
		{confirmation(window, "NRMD", "250.001", "paid"), 400, "invalid_amount"},
		{confirmation(window, "NRMD", "250.00", "lent"), 400, "invalid_field"},
		{confirmation(window, "", "250.00", "paid"), 400, "invalid_field"},
		{obj{"window": window, "bank": "NRMD", "amount": inr("250.00")}, 400, "missing_field"},
		{obj{"window": window, "bank": "NRMD", "amount": inr("250.00"), "direction": "paid", "outcome": "perhaps"}, 400, "invalid_field"},
		{obj{"window": window, "bank": "NRMD", "amount": inr("250.00"), "direction": "paid", "ref": strings.Repeat("x", 65)}, 400, "invalid_field"},
	} {
		op.post(toConfirmations, c.body).refused(c.status, c.code)
	}
	paid := confirmation(window, "NRMD", "250.00", "paid")
	n.post(toConfirmations, paid).refused(401, "bad_signature")
	sign(n, "KVRI", paid).refused(401, "bad_signature")
	sign(k, "KVRI", paid).refused(404, "position_not_found") // it is another bank's
	wantEqual(t, "the book", s.fingerprint(), before)

	state := func(c *caller) (out string) {
		for _, p := range read[api.SettlementPositionList](c.get(toWindows + "/" + window + "/positions").want(200)).Data {
			out += fmt.Sprint(p.Bank, " ", p.Net.Value, " ", p.State, " ", p.Ref, "; ")
		}
		return out
	}
	failed := obj{"window": window, "bank": "KVRI", "amount": inr("250.00"), "direction": "received", "outcome": "failed", "ref": "NEFT1"}
	wantEqual(t, "state", read[api.SettlementPosition](op.post(toConfirmations, failed).want(200)).State, api.SettlementStateFailed)
	wantEqual(t, "positions", state(s.as(auditor)), "KVRI 250.00 failed NEFT1; NRMD -250.00 open ; ")
	for range 2 {
		wantEqual(t, "state", read[api.SettlementPosition](sign(n, "NRMD", paid).want(200)).State, api.SettlementStateConfirmed)
	}
	got := confirmation(window, "KVRI", "250.00", "received")
	got["ref"] = "NEFT2"
	sign(k, "KVRI", got).want(200)
	op.post(toConfirmations, failed).refused(409, "settlement_confirmed")
	wantEqual(t, "positions", state(s.as(auditor)), "KVRI 250.00 confirmed NEFT2; NRMD -250.00 confirmed ; ")
	wantEqual(t, "a bank sees its own", state(n), "NRMD -250.00 confirmed ; ")
	for name, want := range map[string]string{"bank:NRMD:clearing": "0.00", "bank:NRMD:settlement": "250.00", "bank:KVRI:clearing": "0.00", "bank:KVRI:settlement": "-250.00"} {
		wantEqual(t, name, read[api.Account](s.as(auditor).get("/v1/accounts/"+name).want(200)).Balance.Value, want)
	}
	s.verify()
}
