package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/api"
	"bahi/banks"
	"bahi/ledger"
)

// A stack whose time the test moves begins on Monday, 2 November 2026, at 15:30 in India.
var thatMonday = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

func movable(o *setup) {
	o.clock = banks.NewManualClock(thatMonday)
}

// goTo moves the stack's clock to a time and does what is due then, as its agenda would.
func (s *stack) goTo(at string) {
	s.t.Helper()
	to, err := time.Parse(time.RFC3339, at)
	check(s.t, err)
	s.clock.Advance(to.Sub(s.clock.Now()))
	for range 10 {
		if s.doDue() == 0 {
			return
		}
	}
	s.t.Fatal("something is due for ever")
}

// doDue gives what is due to its handlers and says how much that was.
func (s *stack) doDue() (done int) {
	s.t.Helper()
	handlers := s.server.Handlers()
	due, err := s.store.DueRecords(s.t.Context(), ledger.RecordPlace{}, s.clock.Now().UnixMicro()+1, 500)
	check(s.t, err)
	for _, r := range due {
		if handle := handlers[r.Kind]; handle != nil {
			done++
			check(s.t, handle(s.t.Context(), r))
		}
	}
	return done
}

// order is a schedule from one person's wallet to another's, each Monday at noon.
func order(payer, payee *person, changes ...any) obj {
	in := obj{"payer": obj{"wallet": payer.id}, "payee": obj{"wallet": payee.id}, "amount": inr("10.00"), "every": obj{"week": "monday"}, "time": "12:00"}
	for i := 0; i+1 < len(changes); i += 2 {
		in[changes[i].(string)] = changes[i+1]
	}
	return in
}

func (c *caller) schedule(in obj) api.Schedule {
	c.s.t.Helper()
	return read[api.Schedule](c.post("/v1/schedules", in).want(201))
}

func (c *caller) getSchedule(id string) api.Schedule {
	c.s.t.Helper()
	return read[api.Schedule](c.get("/v1/schedules/" + id).want(200))
}

// scheduleEvents are the types of the events of a schedule, in order.
func (c *caller) scheduleEvents(id string) (types []string) {
	c.s.t.Helper()
	c.s.settled()
	for _, e := range c.events("&types=schedule.*") {
		if e.Data.Schedule.ID == id {
			types = append(types, strings.TrimPrefix(e.Type, "schedule."))
		}
	}
	return types
}

func (c *caller) wantScheduleEvents(id string, want ...string) {
	c.s.t.Helper()
	if got := c.scheduleEvents(id); !slices.Equal(got, want) {
		c.s.t.Errorf("events %s, want %s", got, want)
	}
}

// pair is a stack with a payer whose wallet holds 100 and a payee with an empty one.
func pair(t *testing.T, changes ...func(*setup)) (s *stack, a *caller, asha, ravi *person) {
	t.Helper()
	s = start(t, append(changes, movable)...)
	a = s.as(chatA)
	return s, a, a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
}

func TestScheduleFromTheChat(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t, fed)
	in := order(asha, ravi, "every", obj{"month": 31}, "note", "rent", "conversation", "c-1", "count", 7, "cap", inr("30.00"))
	first := a.post("/v1/schedules", in, "Idempotency-Key", "rent-1").want(201)
	q := read[api.Schedule](first)
	if again := a.post("/v1/schedules", in, "Idempotency-Key", "rent-1").want(201); !again.replayed() || string(again.body) != string(first.body) {
		t.Errorf("repeated: %s", again.body)
	}
	wantEqual(t, "first", words(q.State, *q.Every.Month, q.Time, q.Zone, q.Count, q.Cap.Value, q.Moved.Value, q.Note, q.Conversation, q.From.IsZero(), q.Until.IsZero(), q.At.IsZero()),
		"active 31 12:00 Asia/Kolkata 7 30.00 0.00 rent c-1 true true true")
	wantEqual(t, "payer", q.Payer, api.ScheduleEnd{Party: asha.id, Instrument: asha.wallet})
	wantEqual(t, "payee", q.Payee, api.ScheduleEnd{Party: ravi.id, Instrument: ravi.wallet})
	wantNext(t, q, "1 2026-11-30T06:30:00Z", "2 2026-12-31T06:30:00Z", "3 2027-01-31T06:30:00Z") // the cap lets no more through
	s.goTo("2026-11-29T06:30:00Z")
	s.goTo("2026-11-30T06:29:59Z")
	wantEqual(t, "before its time", a.balance(ravi), "0.00")
	s.goTo("2026-11-30T06:30:00Z")
	wantEqual(t, "after the first run", a.balance(ravi), "10.00")
	q = a.getSchedule(q.ID)
	wantEqual(t, "moved", q.Moved.Value, "10.00")
	wantNext(t, q, "2 2026-12-31T06:30:00Z", "3 2027-01-31T06:30:00Z")
	run := q.Runs[0]
	made := read[api.TransferDetail](a.get("/v1/transfers/" + run.Transfer).want(200))
	wantEqual(t, "the run", words(len(q.Runs), run.Run, run.At.Format(time.RFC3339), run.Outcome, run.State), "1 1 2026-11-30T06:30:00Z made completed")
	wantEqual(t, "the transfer", fmt.Sprint(made.State, made.Kind, made.Note, made.Conversation, made.Amount.Value, made.Cause),
		fmt.Sprint("completed", "payment", "rent", "c-1", "10.00", api.TransferCause{Kind: "schedule", ID: q.ID}))
	s.goTo("2026-12-31T06:30:00Z")
	s.goTo("2027-01-31T06:30:00Z")
	q = a.getSchedule(q.ID)
	wantEqual(t, "at the end", words(q.State, q.Reason, q.Moved.Value, len(q.Next), q.Runs[0].Run, q.Runs[2].Run), "ended cap 30.00 0 3 1")
	a.wantScheduleEvents(q.ID, "created", "upcoming", "run", "run", "run", "ended")
	s.verify()
}

// wantNext demands the next runs as "number time".
func wantNext(t *testing.T, q api.Schedule, want ...string) {
	t.Helper()
	var got []string
	for _, r := range q.Next {
		got = append(got, fmt.Sprint(r.Run, " ", r.At.Format(time.RFC3339)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("next %q, want %q", got, want)
	}
}

func TestScheduleOnce(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t, fed)
	in := order(asha, ravi, "at", "2026-12-01T09:00:00+05:30")
	delete(in, "every")
	delete(in, "time")
	q := a.schedule(in)
	wantEqual(t, "at", q.At.Format(time.RFC3339), "2026-12-01T03:30:00Z")
	s.goTo("2026-12-01T03:30:00Z")
	wantEqual(t, "ravi has", a.balance(ravi), "10.00")
	q = a.getSchedule(q.ID)
	wantEqual(t, "at the end", words(q.State, q.Reason, len(q.Next)), "ended over 0")
	a.wantScheduleEvents(q.ID, "created", "run", "ended") // the clock jumped over the time of its notice
}

// Both ends are followed at each run, and what cannot be paid is a failed transfer that says why.
func TestScheduleFollowsItsEnds(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t, fed)
	a.send("PUT", "/v1/parties/"+asha.id+"/default", obj{"instrument": asha.wallet}).want(200)
	q := a.schedule(order(asha, ravi, "payer", obj{"handle": "asha"}, "payee", obj{"phone": ravi.phone}))
	wantEqual(t, "ends", fmt.Sprint(q.Payer, q.Payee), fmt.Sprint(api.ScheduleEnd{Party: asha.id}, api.ScheduleEnd{Party: ravi.id}))
	last := func() api.TransferDetail {
		t.Helper()
		id := a.getSchedule(q.ID).Runs[0].Transfer
		return read[api.TransferDetail](a.get("/v1/transfers/" + id + "?wait=30").want(200))
	}
	s.goTo("2026-11-09T06:30:00Z") // to ravi's account
	wantEqual(t, "by default", words(last().State, last().Payer.Wallet, last().Payee.Bank), "completed true KVRI")
	a.send("PUT", "/v1/parties/"+ravi.id+"/default", obj{"instrument": ravi.wallet}).want(200)
	s.goTo("2026-11-16T06:30:00Z")
	wantEqual(t, "the new default", words(last().State, last().Payee.Wallet), "completed true")
	a.send("PUT", "/v1/parties/"+asha.id+"/default", obj{"instrument": asha.account}).want(200)
	s.goTo("2026-11-23T06:30:00Z")
	wantEqual(t, "from the account", words(last().State, last().Payer.Bank), "completed NRMD")
	a.send("DELETE", "/v1/parties/"+asha.id+"/instruments/"+asha.account, nil).want(204)
	s.goTo("2026-11-30T06:30:00Z")
	wantEqual(t, "from no account", words(last().State, last().Failure.Reason), "failed payer_not_payable")
	a.wantScheduleEvents(q.ID, "created", "run", "run", "run", "run", "run_failed")
	if f := a.getSchedule(q.ID); f.Failures != 1 || f.Runs[0].State != "failed" || f.Runs[0].Failure.Reason != "payer_not_payable" || f.Runs[0].Failure.Detail == "" {
		t.Errorf("it is %+v", f)
	}
	// A named instrument is not replaced by another one.
	named := a.schedule(order(asha, ravi, "payee", obj{"instrument": ravi.account}, "every", obj{"week": "tuesday"}, "count", 1))
	a.send("DELETE", "/v1/parties/"+ravi.id+"/instruments/"+ravi.account, nil).want(204)
	q.ID = named.ID
	s.goTo("2026-12-01T06:30:00Z")
	wantEqual(t, "to an account that is unlinked", words(last().State, last().Failure.Reason), "failed instrument_unlinked")
	a.post("/v1/schedules", order(asha, ravi, "payee", obj{"instrument": ravi.account})).refused(404, "instrument_not_found")
	s.verify()
}

// Payees who are no party of the app are looked for at each run.
func TestScheduleToOthers(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t)
	meera := s.as(chatB).settle(newPerson("meera", 3, "GDVR"))
	var all []string
	for _, payee := range []obj{{"upi": meera.upi}, {"upi": "nobody@nowhere"}, {"account": obj{"number": "5010012345678", "ifsc": "STLJ0000001", "name": "Sita"}},
		{"link": upiLink(meera.upi, "Meera's Tea", "10.00")}, {"account": obj{"number": "5010012345678", "ifsc": "ZZZZ0000001"}}} {
		all = append(all, a.schedule(order(asha, ravi, "payee", payee, "count", 1)).ID)
	}
	s.goTo("2026-11-09T06:30:00Z")
	for n, want := range []string{"completed  meera@godavari GDVR", "failed payee_not_found nobody@nowhere ", "completed   STLJ", "completed  meera@godavari GDVR", "failed bank_unknown  "} {
		q := a.getSchedule(all[n])
		d := read[api.TransferDetail](a.get("/v1/transfers/" + q.Runs[0].Transfer + "?wait=30").want(200))
		wantEqual(t, fmt.Sprint("payee ", n), fmt.Sprintf("%s %s %s %s", d.State, d.Failure.Reason, d.Payee.UPI, d.Payee.Bank), want)
		if d.Payee.Party != "" {
			t.Errorf("payee %d is shown to another app: %+v", n, d.Payee)
		}
	}
	if q := a.getSchedule(all[2]); q.Payee.Name != "Sita" || q.Payee.Account.Number != "••••5678" || q.Payee.Account.IFSC != "STLJ0000001" {
		t.Errorf("the payee is shown as %+v", q.Payee)
	}
	if q := a.getSchedule(all[3]); q.Payee.Name != "Meera's Tea" || q.Payee.UPI != meera.upi {
		t.Errorf("the payee is shown as %+v", q.Payee)
	}
	s.verify()
}

// Three weeks without a server: the last of the missed runs is made up once it is there again.
func TestScheduleAfterARestart(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t, fed)
	q := a.schedule(order(asha, ravi))
	s.goTo("2026-11-08T06:30:00Z")
	s.stop()
	s.clock.Advance(21 * 24 * time.Hour) // to the 29th, 06:30: notice of the 30th is due
	s.clock.Advance(-time.Minute)
	s = s.restart()
	a = s.as(chatA)
	s.goTo(s.clock.Now().Format(time.RFC3339))
	wantEqual(t, "ravi has", a.balance(ravi), "10.00")
	q = a.getSchedule(q.ID)
	wantEqual(t, "runs", words(len(q.Runs), q.Runs[0].Run, q.Runs[0].Outcome, q.Runs[0].At.Format(time.DateOnly), q.Runs[1].Run, q.Runs[1].Last, q.Runs[1].Outcome),
		"2 3 made 2026-11-23 1 2 missed")
	wantNext(t, q, "4 2026-11-30T06:30:00Z", "5 2026-12-07T06:30:00Z", "6 2026-12-14T06:30:00Z", "7 2026-12-21T06:30:00Z", "8 2026-12-28T06:30:00Z")
	a.wantScheduleEvents(q.ID, "created", "upcoming", "missed", "run")
	s.goTo("2026-11-30T06:30:00Z")
	wantEqual(t, "ravi has", a.balance(ravi), "20.00")
	s.verify()
}

func TestScheduleChanges(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t, fed)
	q := a.schedule(order(asha, ravi, "note", "tea"))
	at := func(change string) string { return "/v1/schedules/" + q.ID + "/" + change }
	paused := a.post(at("pause"), nil, "Idempotency-Key", "p-1").want(200)
	wantEqual(t, "paused", words(read[api.Schedule](paused).State, read[api.Schedule](paused).Reason, len(read[api.Schedule](paused).Next), read[api.Schedule](paused).Note), "paused asked 0 tea")
	s.goTo("2026-11-10T06:30:00Z")
	q = read[api.Schedule](a.post(at("resume"), nil).want(200))
	wantEqual(t, "resumed", words(q.State, q.Next[0].Run, q.Runs[0].Outcome), "active 2 skipped")
	if again := a.post(at("pause"), nil, "Idempotency-Key", "p-1").want(200); !again.replayed() || string(again.body) != string(paused.body) {
		t.Errorf("repeated: %s", again.body)
	}
	a.post(at("skip"), obj{"run": 3}).refused(409, "run_not_next")
	a.post(at("skip"), obj{"run": 2}).want(200)
	a.post(at("skip"), obj{"run": 2}).want(200) // under another key: it is skipped already
	s.goTo("2026-11-16T06:30:00Z")
	wantEqual(t, "ravi has", a.balance(ravi), "0.00")
	s.goTo("2026-11-23T06:30:00Z")
	wantEqual(t, "ravi has", a.balance(ravi), "10.00")
	wantEqual(t, "cancelled", read[api.Schedule](a.post(at("cancel"), nil).want(200)).State, "cancelled")
	a.post(at("cancel"), nil).want(200)
	a.post(at("pause"), nil).refused(409, "schedule_ended")
	a.post(at("skip"), obj{"run": 4}).refused(409, "schedule_ended")
	s.goTo("2026-11-30T06:30:00Z")
	wantEqual(t, "ravi has", a.balance(ravi), "10.00")
	a.wantScheduleEvents(q.ID, "created", "paused", "resumed", "skipped", "skipped", "run", "cancelled")
}

func TestListSchedules(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t)
	meera := a.fund(a.settle(newPerson("meera", 3, "GDVR")), "")
	one, two := a.schedule(order(asha, ravi)), a.schedule(order(asha, meera))
	three := a.schedule(order(ravi, meera))
	a.post("/v1/schedules/"+two.ID+"/pause", nil).want(200)
	b := s.as(chatB)
	for query, want := range map[string][]string{
		"":                                     {three.ID, two.ID, one.ID},
		"?state=active":                        {three.ID, one.ID},
		"?state=paused":                        {two.ID},
		"?state=cancelled":                     {},
		"?party=" + ravi.id:                    {three.ID, one.ID},
		"?party=" + meera.id + "&state=paused": {two.ID},
		"?limit=2":                             {three.ID, two.ID},
	} {
		for _, who := range []*caller{a, s.as(auditor)} {
			l := read[api.ScheduleList](who.get("/v1/schedules" + query).want(200))
			var got []string
			for _, q := range l.Data {
				got = append(got, q.ID)
			}
			if !slices.Equal(got, want) && len(got)+len(want) > 0 {
				t.Errorf("%s as %s: %s, want %s", query, who.name, got, want)
			}
			if query == "?limit=2" {
				rest := read[api.ScheduleList](who.get("/v1/schedules?limit=2&cursor=" + l.NextCursor).want(200))
				if len(rest.Data) != 1 || rest.Data[0].ID != one.ID || rest.NextCursor != "" {
					t.Errorf("the second page as %s: %+v", who.name, rest)
				}
			}
		}
		if l := read[api.ScheduleList](b.get("/v1/schedules" + query).want(200)); len(l.Data) != 0 {
			t.Errorf("%s as another app: %+v", query, l)
		}
	}
}

// Erasing somebody cancels what they pay and what they are paid by schedules.
func TestErasedSchedules(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t)
	meera := a.fund(a.settle(newPerson("meera", 3, "GDVR")), "")
	mine := a.schedule(order(meera, ravi, "payee", obj{"account": obj{"number": "5010012345678", "ifsc": "STLJ0000001", "name": "Sita"}}, "note", "a secret"))
	hers := a.schedule(order(asha, meera, "note", "pocket money"))
	a.send("DELETE", "/v1/parties/"+meera.id, nil).want(200)
	for _, id := range []string{mine.ID, hers.ID} {
		if q := a.getSchedule(id); q.State != "cancelled" || q.Reason != "party_closed" {
			t.Errorf("it is %s (%s)", q.State, q.Reason)
		}
	}
	if q := read[api.Schedule](s.as(inspector).get("/v1/schedules/" + mine.ID).want(200)); q.Note != "" || q.Payee != (api.ScheduleEnd{}) {
		t.Errorf("of who was erased there is %+v", q)
	}
	wantEqual(t, "asha's note", a.getSchedule(hers.ID).Note, "pocket money")
	a.post("/v1/schedules", order(asha, meera, "payee", obj{"party": meera.id})).refused(409, "party_closed")
	a.post("/v1/schedules", order(meera, asha, "payer", obj{"party": meera.id})).refused(409, "party_closed")
	s.goTo("2026-11-09T06:30:00Z")
	s.verify()
}

// Of two hundred tries at once to make the same run one makes it; who skips it at the same
// time, or pauses, is in time or is not.
func TestRunsRace(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t)
	var ids []string
	for range 4 {
		ids = append(ids, a.schedule(order(asha, ravi)).ID)
	}
	s.clock.Advance(time.Date(2026, 11, 9, 6, 30, 0, 0, time.UTC).Sub(thatMonday))
	due, err := s.store.DueRecords(t.Context(), ledger.RecordPlace{}, s.clock.Now().UnixMicro()+1, 10)
	check(t, err)
	if len(due) != len(ids) {
		t.Fatalf("%d are due", len(due))
	}
	handle := s.server.Handlers()[ledger.RecordSchedule]
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	try := func(do func() error) {
		all.Go(func() {
			if err := do(); err != nil {
				failed.Store(&err)
			}
		})
	}
	send := func(path string, body any) func() error {
		return func() error {
			_, err := a.try(a.request("POST", path, body))
			return err
		}
	}
	for n := range 200 {
		try(func() error { return handle(t.Context(), due[n%len(due)]) })
		switch n {
		case 20:
			try(send("/v1/schedules/"+ids[1]+"/skip", obj{"run": 1}))
		case 40:
			try(send("/v1/schedules/"+ids[2]+"/pause", nil))
		case 60:
			try(send("/v1/schedules/"+ids[3]+"/cancel", nil))
		}
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	made := 0
	for n, id := range ids {
		q := a.getSchedule(id)
		runs := 0
		for _, r := range q.Runs {
			if r.Outcome == "made" {
				runs++
			}
		}
		made += runs
		if runs > 1 || n == 0 && runs != 1 || n == 1 && len(q.Runs) != 1 || q.Moved.Value != fmt.Sprint(10*runs, ".00") {
			t.Errorf("schedule %d has moved %s by %+v", n, q.Moved.Value, q.Runs)
		}
	}
	wantEqual(t, "ravi has", a.balance(ravi), fmt.Sprint(10*made, ".00"))
	s.verify()
}

// What payer and payee are told.
func TestScheduleBubbles(t *testing.T) {
	t.Parallel()
	s, a, asha, ravi := pair(t, fed)
	q := a.schedule(order(asha, ravi, "amount", inr("60.00"), "conversation", "c-9"))
	s.goTo("2026-11-08T06:30:00Z")
	s.settled()
	events := a.events("&types=schedule.*")
	soon := events[len(events)-1].Data.Bubble
	wantEqual(t, "upcoming", fmt.Sprint(soon.ForPayer.Text, " ", soon.ForPayer.Action, " ", soon.ForPayer.Next, " ", soon.Status, " ", soon.Conversation),
		"You will pay ravi ₹60.00 at 09-11-2026 12:00. skip_run You can skip it until 09-11-2026 12:00. active c-9")
	wantEqual(t, "upcoming", soon.ForPayee.Text, "asha will pay you ₹60.00 at 09-11-2026 12:00.")
	for _, day := range []string{"09", "16", "23", "30"} {
		s.goTo("2026-11-" + day + "T06:30:00Z")
	}
	a.wantScheduleEvents(q.ID, "created", "upcoming", "run", "run", "run_failed", "run", "run_failed", "run", "run_failed", "paused")
	events = a.events("&types=schedule.*")
	paused, broke := events[len(events)-1].Data.Bubble, events[len(events)-2].Data.Bubble
	wantEqual(t, "paused", fmt.Sprint(paused.ForPayer.Text, " ", paused.ForPayer.Action, " ", paused.Status), "Your payments of ₹60.00 to ravi are paused. resume_schedule paused")
	wantEqual(t, "failed", fmt.Sprint(broke.ForPayer.Text, " ", broke.ForPayer.Action), "Your scheduled payment of ₹60.00 to ravi did not go through. top_up")
	upcoming := events[1].Data.Bubble.ForPayer // of a run that is over
	wantEqual(t, "upcoming, later", fmt.Sprint(upcoming.Text, " ", upcoming.Action), "You will pay ravi ₹60.00 at 09-11-2026 12:00. nothing")
	// Every type has its texts, in each language.
	other := a.schedule(order(asha, ravi, "amount", inr("1.00"), "count", 6))
	for _, change := range []string{"pause", "resume"} {
		a.post("/v1/schedules/"+other.ID+"/"+change, nil).want(200)
	}
	a.post("/v1/schedules/"+other.ID+"/skip", obj{"run": 1}).want(200)
	a.post("/v1/schedules/"+a.schedule(order(asha, ravi)).ID+"/cancel", nil).want(200)
	s.goTo("2027-06-01T06:30:00Z")
	s.settled()
	seen := map[string]bool{}
	for _, locale := range []string{"en-IN", "hi-IN"} {
		for _, e := range a.events("&types=schedule.*&locale=" + locale) {
			seen[e.Type] = true
			for _, side := range []api.BubbleSide{e.Data.Bubble.ForPayer, e.Data.Bubble.ForPayee} {
				if side.Text == "" || side.Action == "" || side.Next == "" || strings.ContainsAny(side.Text+side.Next, "{}") || strings.Contains(side.Text, "1970") {
					t.Errorf("%s in %s: %+v", e.Type, locale, side)
				}
			}
		}
	}
	wantEqual(t, "types", len(seen), 10)
}
