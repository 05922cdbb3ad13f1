package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"bahi/api"
	"bahi/banks"
	"bahi/banks/remote"
)

// withRemote puts a bank RMTE beside the simulated ones, and in it who pays.
func withRemote(t *testing.T, cfg remote.Config) (s *stack, pay func(amount string) api.Transfer) {
	t.Helper()
	s = start(t, func(o *setup) { o.remote = remote.New(cfg) })
	t.Cleanup(func() { s.remote.Close() })
	a := s.as(chatA)
	payer := a.openParty("payer")
	a.link(payer, obj{"kind": "bank_account", "account": obj{"number": "100200300400", "ifsc": "RMTE0000001"}})
	payee := a.settle(newPerson("ravi", 2, "KVRI"))
	return s, func(amount string) api.Transfer {
		t.Helper()
		return read[api.Transfer](a.pay(obj{"party": payer}, obj{"party": payee.id}, amount).want(201))
	}
}

const toLeases, toAnswers = "/v1/banks/RMTE/leases", "/v1/banks/RMTE/leases/results"

func (c *caller) lease(in obj) []api.Lease {
	c.s.t.Helper()
	return read[api.LeaseList](c.post(toLeases, in).want(200)).Data
}

// leased comes until so many are leased.
func (c *caller) leased(n int) (all []api.Lease) {
	c.s.t.Helper()
	for len(all) < n {
		all = append(all, c.lease(obj{"wait": 30, "hold": 60})...)
	}
	return all
}

func answerTo(l api.Lease, outcome string) obj {
	return obj{"lease": l.Lease, "ask": l.Ask, "instruction": l.Instruction, "outcome": outcome, "code": "00", "ref": "R1"}
}

// answers sends answers and gives what each did: its effect or its problem.
func (c *caller) answers(all ...any) (did []string) {
	c.s.t.Helper()
	return effects(read[api.ResultBatch](c.post(toAnswers, obj{"results": all}).want(200)))
}

func effects(b api.ResultBatch) (did []string) {
	for _, r := range b.Results {
		if r.Problem != nil {
			did = append(did, fmt.Sprint(r.Status, " ", r.Problem.Code))
		} else {
			did = append(did, fmt.Sprint(r.Status, " ", r.Result.Effect, " ", r.Result.State))
		}
	}
	return did
}

func TestLeases(t *testing.T) {
	s, pay := withRemote(t, remote.Config{})
	a, r := s.as(chatA), s.as(bankR)
	one, two := pay("10.00"), pay("20.00")
	all := r.leased(2)
	first := all[slices.IndexFunc(all, func(l api.Lease) bool { return l.Instruction == one.ID+".debit" })]
	second := all[slices.IndexFunc(all, func(l api.Lease) bool { return l.Instruction == two.ID+".debit" })]
	wantEqual(t, "the account", first.Account, api.LeaseAccount{Number: "100200300400", IFSC: "RMTE0000001", Name: "payer"})
	wantEqual(t, "the other account", first.Counterparty.IFSC, "KVRI0000001")
	wantEqual(t, "the rest", fmt.Sprint(first.Ask, first.Leg, first.Amount, first.RRN, first.InitiatedAt), fmt.Sprint("submit", "debit", api.Money{Value: "10.00", Currency: "INR"}, one.RRN, one.CreatedAt))

	before := s.fingerprint()
	twisted := func(change func(obj)) obj {
		in := answerTo(first, "approved")
		change(in)
		return in
	}
	s.as(bankR2).in(t).refuses(answerTo(first, "approved"), "404 lease_not_found")
	for _, c := range []struct {
		name string
		in   any
		want string
	}{
		{"another lease", twisted(func(o obj) { o["lease"] = second.Lease }), "404 lease_not_found"},
		{"no lease", twisted(func(o obj) { delete(o, "lease") }), "404 lease_not_found"},
		{"another ask", twisted(func(o obj) { o["ask"] = "status" }), "404 lease_not_found"},
		{"no ask", twisted(func(o obj) { delete(o, "ask") }), "400 invalid_field"},
		{"not seen, to a debit", twisted(func(o obj) { o["outcome"] = "not_seen" }), "400 invalid_field"},
		{"stands, of a debit", twisted(func(o obj) { o["outcome"] = "stands" }), "400 invalid_field"},
		{"no outcome", twisted(func(o obj) { o["outcome"] = "unknown" }), "400 invalid_field"},
		{"no instruction", twisted(func(o obj) { o["instruction"] = "debit" }), "404 instruction_not_found"},
		{"a member too many", twisted(func(o obj) { o["amount"] = "1" }), "400 unknown_field"},
		{"no object", "approved", "400 wrong_type"},
	} {
		t.Run(c.name, func(t *testing.T) { r.in(t).refuses(c.in, c.want) })
	}
	wantEqual(t, "the book", s.fingerprint(), before)

	// What is wrong with one of many does not stop the others.
	wantEqual(t, "the first answers", strings.Join(r.answers(answerTo(first, "pending"), "nonsense", answerTo(second, "declined"), answerTo(second, "declined")), ", "),
		"200 noted pending, 400 wrong_type, 200 applied failed, 200 repeated failed")
	wantEqual(t, "pending, and answered later under the same lease", strings.Join(r.answers(answerTo(first, "approved")), ""), "200 applied debited")
	a.comesTo(one, "completed")
	postings := s.count("postings")
	wantEqual(t, "a contradiction", strings.Join(r.answers(answerTo(first, "declined")), ""), "200 contradiction completed")
	wantEqual(t, "repeated", strings.Join(r.answers(answerTo(first, "approved")), ""), "200 repeated completed")
	wantEqual(t, "postings", s.count("postings"), postings)
	wantEqual(t, "contradictions", s.count("contradictions"), 1)
	s.verify()
}

// refuses ends the test unless one answer is refused so.
func (c *caller) refuses(in any, want string) {
	c.s.t.Helper()
	if got := c.answers(in); len(got) != 1 || got[0] != want {
		c.s.t.Errorf("got %v, want %s", got, want)
	}
}

func TestLeasesAreForTheBanksOwnProcess(t *testing.T) {
	s, pay := withRemote(t, remote.Config{})
	pay("10.00")
	for _, path := range []string{toLeases, toAnswers, "/v1/banks/RMTE/heartbeat"} {
		s.as(bankN).post(path, obj{"results": []obj{{}}}).refused(404, "bank_not_found")
		s.as(bankN).post(strings.Replace(path, "RMTE", "NRMD", 1), obj{}).refused(409, "bank_not_remote")
		s.as(bankN).post(strings.Replace(path, "RMTE", "XXXX", 1), obj{}).refused(404, "bank_not_found")
	}
	r := s.as(bankR)
	for _, in := range []obj{{"max": 0}, {"max": 501}, {"wait": -1}, {"wait": 31}, {"hold": 0}, {"hold": 301}} {
		r.post(toLeases, in).refused(400, "invalid_field")
	}
	many := make([]any, 501)
	for n := range many {
		many[n] = obj{}
	}
	r.post(toAnswers, obj{"results": many}).refused(400, "invalid_field")
	r.post(toAnswers, obj{"results": []any{}}).refused(400, "missing_field")
	r.post("/v1/banks/RMTE/heartbeat", obj{}).refused(400, "invalid_field")
	wantEqual(t, "none was leased", len(r.leased(1)), 1)
}

// TestLeaseIsOfferedAgain: the same instruction comes again, and an answer under
// the lease that was lost counts like any other.
func TestLeaseIsOfferedAgain(t *testing.T) {
	s, pay := withRemote(t, remote.Config{})
	a, r := s.as(chatA), s.as(bankR)
	transfer := pay("10.00")
	lost := r.lease(obj{"wait": 30, "hold": 1})[0]
	again := s.as(bankR2).leased(1)[0]
	wantEqual(t, "the instruction", again.Instruction, lost.Instruction)
	if again.Lease == lost.Lease {
		t.Error("another key got the same lease")
	}
	wantEqual(t, "under the lost lease", strings.Join(r.answers(answerTo(lost, "approved")), ""), "200 applied debited")
	wantEqual(t, "under the other", strings.Join(s.as(bankR2).answers(answerTo(again, "approved")), ""), "200 repeated completed")
	a.comesTo(transfer, "completed")
	s.verify()
}

// TestManyAnswersAreOneCommit: all of them have the time of one batch.
func TestManyAnswersAreOneCommit(t *testing.T) {
	s, pay := withRemote(t, remote.Config{})
	r := s.as(bankR)
	const many = 40
	for range many {
		pay("1.00")
	}
	var answers []any
	for _, l := range r.leased(many) {
		answers = append(answers, answerTo(l, "declined"))
	}
	for _, did := range r.answers(answers...) {
		wantEqual(t, "each", did, "200 applied failed")
	}
	times := map[time.Time]int{}
	for _, row := range read[api.TransferList](s.as(chatA).get("/v1/transfers?limit=200&state=failed").want(200)).Data {
		times[row.UpdatedAt]++
	}
	if len(times) != 1 {
		t.Errorf("they were stored at %v", times)
	}
	s.verify()
}

// TestShutdownEndsPolls: a process that waits for instructions does not hold up the end.
func TestShutdownEndsPolls(t *testing.T) {
	clock := banks.NewManualClock(time.Now())
	s, _ := withRemote(t, remote.Config{Clock: clock, DownAfter: time.Second})
	clock.Advance(time.Second)
	polled := s.as(bankR).hold("POST", toLeases, obj{"wait": 30})
	eventually(t, "it polls", func() bool { return !s.remote.Down() })
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	if a := <-polled; a == nil || a.status != 200 {
		t.Errorf("the poll got %+v", a)
	}
}

// TestBankIsDown: without its process a bank's debits fail at once, and everybody sees why.
func TestBankIsDown(t *testing.T) {
	clock := banks.NewManualClock(time.Now())
	s, pay := withRemote(t, remote.Config{Clock: clock, DownAfter: time.Minute})
	state := func() string {
		for _, b := range read[api.BankList](s.as(chatA).get("/v1/banks").want(200)).Data {
			if b.Code == "RMTE" {
				return string(b.State)
			}
		}
		return "missing"
	}
	wantEqual(t, "at first", state(), "up")
	clock.Advance(time.Minute)
	wantEqual(t, "not heard of", state(), "down")
	s.as(chatA).comesTo(pay("10.00"), "failed")
	queue := read[api.BankQueue](s.as(bankR).post("/v1/banks/RMTE/heartbeat", nil).want(200))
	wantEqual(t, "what waits", queue, api.BankQueue{})
	transfer := pay("10.00")
	l := s.as(bankR).leased(1)
	wantEqual(t, "back", l[0].Instruction, transfer.ID+".debit")
	wantEqual(t, "answered", s.as(bankR).answers(answerTo(l[0], "approved"))[0], "200 applied debited")
	s.as(chatA).comesTo(transfer, "completed")
}

// TestABankThatLeavesIsServed: the process of a bank that is not listed any more
// still comes for what is open, until that has come to its end.
func TestABankThatLeavesIsServed(t *testing.T) {
	s, pay := withRemote(t, remote.Config{})
	a, r := s.as(chatA), s.as(bankR)
	one, two := pay("10.00"), pay("9201.00") // whose credit is declined, and the debit reversed
	leased := r.leased(2)
	check(t, s.registry.Replace(slices.DeleteFunc(slices.Clone(s.registry.All()), func(b banks.Bank) bool { return b.Code == "RMTE" })))
	for _, l := range leased {
		wantEqual(t, "the answer to what was leased before", r.answers(answerTo(l, "approved"))[0], "200 applied debited")
	}
	a.comesTo(one, "completed")
	undo := r.leased(1)[0]
	wantEqual(t, "what is asked after it left", fmt.Sprint(undo.Ask, " ", undo.Instruction), "reverse "+two.ID+".debit_reversal")
	wantEqual(t, "the reversal", r.answers(answerTo(undo, "approved"))[0], "200 applied reversed")
	r.post("/v1/banks/RMTE/heartbeat", nil).want(200)
	wantEqual(t, "a new payment", fmt.Sprint(pay("10.00").Failure.Reason), "bank_unknown")
	s.verify()
}

// TestAnAnswerIsCountedOnce: what a bank's process answers is one answer in its
// health, whether the call waits for it, it was put off, or it came to a status check.
func TestAnAnswerIsCountedOnce(t *testing.T) {
	s, pay := withRemote(t, remote.Config{})
	r := s.as(bankR)
	counted := func(what string, approved, all int64) {
		t.Helper()
		eventually(t, what, func() bool {
			h, _ := s.dispatcher.Health("RMTE")
			return h.InFlight == 0 && h.Total.Approved == approved && h.Total.All() == all
		})
	}
	pay("10.00")
	r.answers(answerTo(r.leased(1)[0], "approved"))
	counted("an answer", 1, 1)
	pay("10.00")
	l := r.leased(1)[0]
	r.answers(answerTo(l, "pending"))
	counted("one put off", 1, 1)
	r.answers(answerTo(l, "approved"))
	counted("one that was put off", 2, 2)
	pay("10.00")
	r.answers(answerTo(r.leased(1)[0], "declined"))
	counted("a decline", 2, 3)
}

func TestManyResultsThatABankPushes(t *testing.T) {
	s, pay := withRemote(t, remote.Config{})
	r := s.as(bankR)
	one, two := pay("1.00"), pay("2.00")
	said := func(id, outcome string) obj { return obj{"instruction": id, "outcome": outcome, "code": "00"} }
	body, err := json.Marshal(obj{"results": []any{said(one.ID+".debit", "approved"), said(two.ID+".debit", "declined"), said(one.ID+".debit", "declined"),
		said(one.ID+".credit", "approved"), said(two.ID+".debit_reversal", "approved"), "nonsense", said(two.ID+".debit", "declined")}}, json.Deterministic(true))
	check(t, err)
	push := func(signer string, body []byte) *answer {
		q := r.request("POST", "/v1/banks/RMTE/results/batch", body, "Idempotency-Key", "")
		api.Sign(q.Header, signingKey(signer), "msg-1", time.Now(), body)
		return r.do(q)
	}
	before := s.fingerprint()
	r.post("/v1/banks/RMTE/results/batch", body).refused(400, "malformed_parameter")
	push("NRMD", body).refused(401, "bad_signature")
	many := strings.Repeat("{},", 500) + "{}"
	push("RMTE", []byte(`{"results":[`+many+`]}`)).refused(400, "invalid_field")
	s.as(bankN).post("/v1/banks/RMTE/results/batch", body, "webhook-id", "1", "webhook-timestamp", "1", "webhook-signature", "1").refused(404, "bank_not_found")
	wantEqual(t, "the book", s.fingerprint(), before)
	wantEqual(t, "each", strings.Join(effects(read[api.ResultBatch](push("RMTE", body).want(200))), ", "),
		"200 applied debited, 200 applied failed, 200 contradiction debited, 404 instruction_not_found, 404 instruction_not_found, 400 wrong_type, 200 repeated failed")
	s.as(chatA).comesTo(one, "completed")
	s.verify()
}
