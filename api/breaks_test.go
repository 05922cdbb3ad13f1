package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

// TestBreaks goes the way of an operator: a bank has taken too much, which a run finds,
// somebody looks after, and a correction pays back.
func TestBreaks(t *testing.T) {
	s := start(t)
	c := s.as(chatA)
	asha, ravi := c.settle(newPerson("asha", 1, "NRMD")), c.settle(newPerson("ravi", 2, "KVRI"))
	paid := c.comesTo(read[api.Transfer](c.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "250.00").want(201)), "completed")

	policy := ledger.DefaultPolicy()
	day := policy.Day(time.Now().UnixMicro())
	for bank, line := range map[string]string{"NRMD": `"amount":"300.00","side":"debit"`, "KVRI": `"amount":"250.00","side":"credit"`} {
		file := fmt.Sprintf(`{"statement":{"bank":%q,"account":"1","id":"S1","currency":"INR","date":"%s"}}`+"\n"+
			`{"line":{"transaction_id":%q,"rrn":%q,"booking_date":"%s",%s,"code":"00"}}`+"\n"+`{"end":{"lines":1}}`+"\n", bank, day, paid.ID, paid.RRN, day, line)
		s.as(operator).post("/v1/statements", file).want(201)
	}
	o, other := s.as(operator), s.as(auditor)
	days := obj{"from": day.String(), "until": (day + 2).String()}
	for range 2 {
		run := read[api.ReconciliationRun](o.post("/v1/reconciliation/runs", days).want(200))
		if run.State != "ended" || run.Lines != 2 || run.OpenBreaks != 1 || !strings.HasPrefix(run.By, "key_") {
			t.Fatalf("run: %+v", run)
		}
	}
	state := read[api.Reconciliation](other.get("/v1/reconciliation").want(200))
	if state.LastRun.N != 2 || len(state.Breaks) != 1 || state.Breaks[0] != (api.BreakCount{Class: "amount_differs", State: "open", Count: 1}) {
		t.Errorf("reconciliation: %+v", state)
	}
	list := read[api.BreakList](other.get("/v1/breaks?state=open&bank=NRMD&class=amount_differs&transfer=" + paid.ID + "&from=" + day.String()).want(200)).Data
	if len(list) != 1 || list[0].Ours.Value != "250.00" || list[0].Theirs.Value != "300.00" || list[0].Says.Bank != "yes" || list[0].Says.Switch != "nothing" {
		t.Fatalf("breaks: %+v", list)
	}
	b := list[0]
	for _, query := range []string{"state=closed", "bank=KVRI", "class=late", "owner=meera", "overdue=true", "until=" + day.String()} {
		if got := read[api.BreakList](other.get("/v1/breaks?" + query).want(200)).Data; len(got) != 0 {
			t.Errorf("%s: %+v", query, got)
		}
	}
	at := "/v1/breaks/" + b.ID
	for range 2 { // each again changes nothing
		o.post(at+"/assign", obj{"owner": "meera"}).want(200)
		o.post(at+"/comment", obj{"text": "the bank was asked"}).want(200)
	}
	if got := read[api.BreakList](other.get("/v1/breaks?owner=meera").want(200)).Data; len(got) != 1 || got[0].Owner != "meera" {
		t.Errorf("hers: %+v", got)
	}
	before := s.fingerprint()
	plan := read[api.CorrectionPlan](o.post(at+"/corrections?dry_run=true", obj{}).want(200))
	if plan.Stored || plan.Correction.State != "proposed" || plan.Correction.Action != "refund" || plan.Correction.Difference.Value != "50.00" || plan.Payout.Amount.Value != "50.00" || len(plan.Postings) != 2 {
		t.Errorf("plan: %+v", plan)
	}
	if s.fingerprint() != before {
		t.Error("the dry run stored something")
	}
	o.post(at+"/corrections", obj{"action": "confirm_credit"}).refused(422, "action_not_allowed")
	made := read[api.CorrectionPlan](o.post(at+"/corrections", obj{}).want(200))
	if !made.Stored || made.Correction.ID != plan.Correction.ID {
		t.Errorf("proposed: %+v", made)
	}
	o.post(at+"/corrections", obj{"action": "suspense"}).refused(409, "correction_pending")
	o.post(at+"/close", obj{"text": "never mind"}).want(409)
	correction := "/v1/corrections/" + made.Correction.ID
	o.post(correction+"/approve", nil).refused(403, "same_person")
	o.post(correction+"/apply", obj{}).refused(422, "correction_too_early")
	for range 2 {
		done := read[api.Correction](o.post(correction+"/apply", obj{"override": "the payer is at the branch"}).want(200))
		if done.State != "applied" || done.Payout == "" || done.Override != "the payer is at the branch" {
			t.Errorf("applied: %+v", done)
		}
		c.comesTo(api.Transfer{ID: done.Payout}, "completed")
	}
	o.post(correction+"/withdraw", nil).refused(409, "correction_ended")
	wantEqual(t, "what Asha has", s.banks["NRMD"].Balance(asha.number), 1_000_000_00-250_00+50_00)
	got := read[api.BreakDetail](other.get(at).want(200))
	var told []string
	for _, n := range got.History {
		told = append(told, string(n.What))
	}
	wantEqual(t, "history", strings.Join(told, " "), "opened assigned commented proposed applied")
	if got.State != "closed" || got.Resolution != "corrected" || len(got.Lines) != 2 || len(got.Corrections) != 1 || len(got.Actions) != 0 || got.TransferState != "completed" {
		t.Errorf("break: %+v", got)
	}
	line := read[api.AccountStatement](other.get("/v1/accounts/suspense/statement").want(200)).Data
	if len(line) != 2 || line[0].Event != "adjustment" && line[1].Event != "adjustment" {
		t.Errorf("suspense: %+v", line)
	}
	// The payout itself is not told of yet; nothing else is open.
	run := read[api.ReconciliationRun](o.post("/v1/reconciliation/runs", days).want(200))
	for _, b := range read[api.BreakList](other.get("/v1/breaks?state=open").want(200)).Data {
		if b.Transfer == paid.ID {
			t.Errorf("open after run %d: %+v", run.N, b)
		}
	}
	s.verify()
}

func TestBreaksRefuse(t *testing.T) {
	s := start(t)
	o := s.as(operator)
	none := "/v1/breaks/brk_" + strings.Repeat("0", 32)
	o.get(none).refused(404, "break_not_found")
	o.get("/v1/breaks/brk_X").refused(404, "break_not_found")
	o.post(none+"/assign", obj{"owner": "meera"}).refused(404, "break_not_found")
	o.post(none+"/comment", obj{"text": "a\u0000b"}).refused(400, "invalid_field")
	o.post(none+"/close", obj{}).refused(400, "missing_field")
	o.post(none+"/corrections", obj{"action": "pay"}).refused(400, "invalid_field")
	o.post(none+"/corrections", obj{}).refused(404, "break_not_found")
	o.post("/v1/corrections/cor_"+strings.Repeat("0", 32)+"/apply", obj{}).refused(404, "correction_not_found")
	o.post("/v1/reconciliation/runs", obj{"from": "2026-11-25", "until": "2026-11-25"}).refused(400, "invalid_field")
	o.post("/v1/reconciliation/runs", obj{"from": "25.11.2026", "until": "2026-11-26"}).want(400)
	o.get("/v1/breaks?class=odd").want(400)
	o.get("/v1/breaks?cursor=AAAA").refused(400, "invalid_cursor")
	s.as(chatA).get("/v1/breaks").want(404)
	s.as(auditor).post("/v1/reconciliation/runs", obj{"from": "2026-11-25", "until": "2026-11-26"}).refused(403, "role_not_allowed")
}
