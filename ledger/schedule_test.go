package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// timetable is a book in which somebody pays at times.
type timetable struct {
	*book
	payer, payee ledger.End
	id           ledger.ID
}

// noon is the calendar's time in most of these tests; the book's clock begins at 10:00 UTC, 15:30 in India.
const noon = 12 * 60

func (b *book) timetable(minor, funds int64, c ledger.Calendar, changes ...func(*ledger.Schedule)) *timetable {
	b.t.Helper()
	account, wallet := b.person("Asha", "SBIN")
	_, payee := b.person("Ravi", "HDFC")
	if funds > 0 {
		b.fund(account, wallet, funds)
	}
	tt := &timetable{book: b, payer: wallet, payee: payee}
	q := tt.order(minor, c)
	for _, change := range changes {
		change(&q)
	}
	tt.id = must[ledger.Schedule](b, ledger.CreateSchedule{Schedule: q}).ID
	return tt
}

func (tt *timetable) order(minor int64, c ledger.Calendar) ledger.Schedule {
	if c.Zone == "" && c.Every != ledger.Once {
		c.Zone = "Asia/Kolkata"
	}
	return ledger.Schedule{Record: ledger.Record{RecordKey: ledger.ScheduleKey(ledger.NewID()), App: "chat", Owner: tt.payer.Party, Private: "rent"},
		Payee: tt.payee.Party, Amount: inr(minor), Calendar: c}
}

func (tt *timetable) schedule() ledger.Schedule {
	tt.t.Helper()
	r, err := tt.store.Record(context.Background(), ledger.ScheduleKey(tt.id))
	if err != nil {
		tt.t.Fatal(err)
	}
	q, err := ledger.ReadSchedule(&r)
	if err != nil {
		tt.t.Fatal(err)
	}
	return q
}

// run is the command that makes a run.
func (tt *timetable) run(n int) ledger.RunSchedule {
	c := create(tt.payer, tt.payee, tt.schedule().Amount.Minor)
	c.Transfer.Cause = ledger.ScheduleKey(tt.id)
	return ledger.RunSchedule{Run: n, Create: c}
}

// doDue does what is due as the server does: it reads what there is to do, and then does it.
func (tt *timetable) doDue(book *ledger.Pipeline, now time.Time) (err error) {
	for _, c := range tt.toDo(now) {
		_, failed := book.Submit(context.Background(), ledger.Request{Command: c})
		err = errors.Join(err, failed)
	}
	return err
}

// toDo are the commands that do what is due.
func (tt *timetable) toDo(now time.Time) (commands []ledger.Command) {
	due, err := tt.store.DueRecords(context.Background(), ledger.RecordPlace{}, now.UnixMicro()+1, 100)
	if err != nil {
		tt.t.Fatal(err)
	}
	for i := range due {
		if due[i].Kind != ledger.RecordSchedule {
			continue
		}
		q, err := ledger.ReadSchedule(&due[i])
		if err != nil {
			tt.t.Fatal(err)
		}
		if q.Next.At > now.UnixMicro() {
			commands = append(commands, ledger.AnnounceRun{Schedule: q.ID})
			continue
		}
		n, err := q.DueRun(now.UnixMicro())
		if err != nil {
			tt.t.Fatal(err)
		}
		commands = append(commands, tt.run(n))
	}
	return commands
}

// goTo moves the clock to a time and does what is due then.
func (tt *timetable) goTo(at string) {
	tt.t.Helper()
	now, err := time.Parse(time.RFC3339, at)
	if err != nil {
		tt.t.Fatal(err)
	}
	tt.now = now
	if err := tt.doDue(tt.pipe, tt.now); err != nil {
		tt.t.Fatal(err)
	}
}

// told are the notices of the schedule so far, as "type N".
func (tt *timetable) told() (all []string) {
	tt.t.Helper()
	rows, err := tt.store.Outbox(context.Background(), 1_000_000)
	if err != nil {
		tt.t.Fatal(err)
	}
	for _, row := range rows {
		notices, err := ledger.ParseNotices(row.Data)
		if err != nil {
			tt.t.Fatal(err)
		}
		for _, n := range notices {
			if n.Subject == tt.id {
				all = append(all, fmt.Sprint(strings.TrimPrefix(n.Type, "schedule."), " ", n.N))
			}
		}
	}
	return all
}

func (tt *timetable) wantTold(want ...string) {
	tt.t.Helper()
	if got := tt.told(); !slices.Equal(got, want) {
		tt.t.Fatalf("told\n%s\nwant\n%s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// wantIs demands a state and how much has moved.
func (tt *timetable) wantIs(state ledger.ScheduleState, why ledger.ScheduleReason, moved int64) ledger.Schedule {
	tt.t.Helper()
	q := tt.schedule()
	if ledger.ScheduleState(q.State) != state || q.Why != why || q.Moved != moved {
		tt.t.Fatalf("it is %s (%s) with %d moved, want %s (%s) with %d", ledger.ScheduleState(q.State), q.Why, q.Moved, state, why, moved)
	}
	if (q.Due != 0) != (state == ledger.ScheduleActive) {
		tt.t.Fatalf("it is %s and due at %d", state, q.Due)
	}
	return q
}

// transfers are those that the schedule made, oldest first.
func (tt *timetable) transfers() (made []ledger.Transfer) {
	tt.t.Helper()
	all, err := tt.store.Transfers(context.Background(), ledger.TransferFilter{Party: tt.payer.Party}, ledger.Page{Limit: 10_000})
	if err != nil {
		tt.t.Fatal(err)
	}
	for _, t := range slices.Backward(all) {
		if t.Cause == ledger.ScheduleKey(tt.id) {
			made = append(made, t)
		}
	}
	return made
}

func dayOf(text string) ledger.Day {
	d, err := ledger.ParseDay(text)
	if err != nil {
		panic(err)
	}
	return d
}

var mondays = ledger.Calendar{Every: ledger.Weekly, Weekday: time.Monday, Minute: noon}

// every31st has its first run on 30 November 2026.
var every31st = ledger.Calendar{Every: ledger.Monthly, Date: 31, Minute: noon}

func TestSchedulePaysEachMonth(t *testing.T) {
	b := newBook(t)
	defer b.close()
	calendar := every31st
	calendar.Count = 3
	tt := b.timetable(100, 1000, calendar)
	tt.wantTold("created 1")
	tt.goTo("2026-11-29T06:29:59Z")
	tt.wantTold("created 1")
	tt.goTo("2026-11-29T06:30:00Z") // 24 hours before noon in India
	tt.goTo("2026-11-30T06:29:59Z")
	tt.wantTold("created 1", "upcoming 1")
	tt.goTo("2026-11-30T06:30:00Z")
	tt.wantTold("created 1", "upcoming 1", "run 1")
	tt.goTo("2026-11-30T06:30:00Z")
	tt.goTo("2026-12-30T06:30:00Z")
	tt.goTo("2026-12-31T06:31:00Z")
	tt.goTo("2027-01-30T18:00:00Z")
	tt.wantIs(ledger.ScheduleActive, "", 200)
	tt.goTo("2027-01-31T07:00:00Z")
	tt.wantTold("created 1", "upcoming 1", "run 1", "upcoming 2", "run 2", "upcoming 3", "run 3", "ended 1")
	q := tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleOver, 300)
	for n, made := range tt.transfers() {
		if r := q.Runs[n]; made.State != ledger.Completed || r.Transfer != made.ID || r.State != ledger.Completed || r.N != n+1 || r.Fate != ledger.RunMade || made.Created < r.At {
			t.Errorf("run %d is %+v, transfer %s", n+1, r, made.State)
		}
	}
	if len(q.Runs) != 3 || len(tt.transfers()) != 3 {
		t.Errorf("%d runs, %d transfers", len(q.Runs), len(tt.transfers()))
	}
	b.verify()
}

// A first run that is nearer than notice is given of is told of at once.
func TestScheduleOnceAndSoon(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 1000, ledger.Calendar{Every: ledger.Once, At: b.now.Add(time.Hour).UnixMicro()})
	tt.wantTold("created 1", "upcoming 1")
	tt.goTo("2026-11-02T10:59:59Z")
	tt.wantTold("created 1", "upcoming 1")
	tt.goTo("2026-11-02T11:00:00Z")
	tt.wantTold("created 1", "upcoming 1", "run 1", "ended 1")
	tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleOver, 100)
}

func TestSchedulesThatNeverRun(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 0, mondays)
	for name, c := range map[string]struct {
		calendar ledger.Calendar
		payee    ledger.ID
		app      string
		code     string
	}{
		"at a time that is over":             {ledger.Calendar{Every: ledger.Once, At: b.now.UnixMicro()}, tt.payee.Party, "chat", ledger.CodeScheduleNoRun},
		"until before the first":             {ledger.Calendar{Every: ledger.Weekly, Weekday: time.Monday, Minute: noon, Until: dayOf("2026-11-08")}, tt.payee.Party, "chat", ledger.CodeScheduleNoRun},
		"in eleven years":                    {ledger.Calendar{Every: ledger.Monthly, Date: 1, From: dayOf("2037-11-02")}, tt.payee.Party, "chat", ledger.CodeScheduleNoRun},
		"in no zone":                         {ledger.Calendar{Every: ledger.Weekly, Zone: "Asia/Atlantis"}, tt.payee.Party, "chat", ledger.CodeZoneUnknown},
		"to nobody":                          {mondays, ledger.NewID(), "chat", ledger.CodePartyNotFound},
		"from and to another app's":          {mondays, tt.payee.Party, "other", ledger.CodePartyNotFound},
		"on a day of which the time is over": {ledger.Calendar{Every: ledger.Weekly, Weekday: time.Monday, Minute: noon, Until: dayOf("2026-11-02")}, tt.payee.Party, "chat", ledger.CodeScheduleNoRun},
	} {
		q := tt.order(100, c.calendar)
		q.Payee, q.App = c.payee, c.app
		_, err := ledger.Do[ledger.Schedule](context.Background(), b.pipe, ledger.CreateSchedule{Schedule: q})
		wantRefusal(t, name, err, c.code)
	}
}

func wantRefusal(t *testing.T, what string, err error, code string) {
	t.Helper()
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// After three weeks without a node the last run is made up and the others are told of; where
// the next is near, all are missed.
func TestScheduleAfterAnOutage(t *testing.T) {
	for _, c := range []struct {
		back  string
		told  []string
		moved int64
	}{
		{"2026-11-23T18:00:00Z", []string{"missed 2", "run 3"}, 100},    // the 9th and the 16th; the 23rd is made up
		{"2026-11-29T06:29:00Z", []string{"missed 2", "run 3"}, 100},    // just before notice of the 30th is due
		{"2026-11-29T06:30:00Z", []string{"missed 3", "upcoming 4"}, 0}, // so near to the next nobody pays
		{"2026-11-09T06:30:00Z", []string{"run 1"}, 100},
		{"2026-11-12T18:00:00Z", []string{"run 1"}, 100}, // late, but none was missed
		{"2026-11-15T18:00:00Z", []string{"missed 1", "upcoming 2"}, 0},
	} {
		b := newBook(t)
		tt := b.timetable(100, 1000, mondays)
		tt.goTo(c.back)
		tt.wantTold(append([]string{"created 1"}, c.told...)...)
		tt.wantIs(ledger.ScheduleActive, "", c.moved)
		tt.goTo(c.back)
		tt.wantIs(ledger.ScheduleActive, "", c.moved)
		b.verify()
		b.close()
	}
	// What is paid once has no next one: it is made up however late.
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 1000, ledger.Calendar{Every: ledger.Once, At: b.now.Add(time.Hour).UnixMicro()})
	tt.goTo("2027-11-02T11:00:00Z")
	tt.wantTold("created 1", "upcoming 1", "run 1", "ended 1")
}

func TestScheduleLastRunIsMadeUp(t *testing.T) {
	b := newBook(t)
	defer b.close()
	until := mondays
	until.Until = dayOf("2026-11-16") // that day too
	tt := b.timetable(100, 1000, until)
	tt.goTo("2026-12-29T06:29:00Z")
	tt.wantTold("created 1", "missed 1", "run 2", "ended 1")
	tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleOver, 100)
}

func TestScheduleCap(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 1000, mondays, func(q *ledger.Schedule) { q.Cap = 250 })
	if runs, err := ptr(tt.schedule()).Upcoming(5); err != nil || len(runs) != 2 || runs[1].Day != dayOf("2026-11-16") {
		t.Errorf("upcoming: %v, %v", runs, err)
	}
	tt.goTo("2026-11-09T06:30:00Z")
	tt.wantIs(ledger.ScheduleActive, "", 100)
	tt.goTo("2026-11-16T06:30:00Z") // it ends when the money has moved, not when the next run comes
	tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleCapped, 200)
	tt.wantTold("created 1", "run 1", "run 2", "ended 1")
	tt.goTo("2026-11-23T06:30:00Z")
	tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleCapped, 200)
}

func ptr[V any](v V) *V { return &v }

// What is under way counts to the cap; what moved nothing in the end does not.
func TestScheduleCapWithTransfersUnderWay(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 0, mondays, func(q *ledger.Schedule) { q.Cap = 200 })
	tt.payer, _ = b.person("Asha", "SBIN") // whatever the schedule's payer is: the transfer says who pays
	tt.goTo("2026-11-09T06:30:00Z")
	tt.goTo("2026-11-16T06:30:00Z")
	made := tt.transfers()
	tt.wantIs(ledger.ScheduleActive, "", 200)
	must[ledger.Recorded](b, ledger.RecordResult{Transfer: &made[0], Leg: ledger.LegDebit, Outcome: ledger.SaysDeclined})
	tt.wantIs(ledger.ScheduleActive, "", 100)
	tt.goTo("2026-11-23T06:30:00Z")
	tt.wantIs(ledger.ScheduleActive, "", 200)
	tt.goTo("2026-11-30T06:30:00Z") // two are under way
	tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleCapped, 200)
	must[ledger.Recorded](b, ledger.RecordResult{Transfer: &made[1], Leg: ledger.LegDebit, Outcome: ledger.SaysDeclined})
	tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleCapped, 100)
	tt.wantTold("created 1", "run 1", "run 2", "run_failed 1", "run 3", "ended 1", "run_failed 2")
	b.verify()
}

func TestScheduleThatFailsPauses(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 100, mondays)
	for _, day := range []string{"2026-11-09", "2026-11-16", "2026-11-23", "2026-11-30", "2026-12-07"} { // there is money for one
		tt.goTo(day + "T06:30:00Z")
	}
	tt.wantTold("created 1", "run 1", "run 2", "run_failed 2", "run 3", "run_failed 3", "run 4", "run_failed 4", "paused 1")
	q := tt.wantIs(ledger.SchedulePaused, ledger.ScheduleFailing, 100)
	if last := q.Runs[len(q.Runs)-1]; last.State != ledger.Failed || last.Reason != ledger.InsufficientFunds {
		t.Errorf("the last run is %+v", last)
	}
	account, _ := b.person("Asha", "SBIN")
	b.fund(account, tt.payer, 150)
	must[ledger.Schedule](b, ledger.ResumeSchedule{Schedule: &q})
	tt.goTo("2026-12-14T06:30:00Z") // paid: the row of failures is over
	tt.goTo("2026-12-21T06:30:00Z")
	tt.goTo("2026-12-28T06:30:00Z")
	tt.wantIs(ledger.ScheduleActive, "", 200)
	tt.goTo("2027-01-04T06:30:00Z")
	tt.wantIs(ledger.SchedulePaused, ledger.ScheduleFailing, 200)
	b.verify()
}

// A payer who takes a held payment back does not want to stop the schedule.
func TestScheduleRunTakenBack(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 1000, mondays)
	for n, day := range []string{"2026-11-09", "2026-11-16", "2026-11-23", "2026-11-30"} {
		tt.now, _ = time.Parse(time.RFC3339, day+"T06:30:00Z")
		c := tt.run(n + 1)
		c.Create.Transfer.Until = tt.now.Add(time.Hour).UnixMicro()
		must[ledger.Schedule](b, c)
		held := tt.transfers()[n]
		tt.wantIs(ledger.ScheduleActive, "", 100)
		must[ledger.Transfer](b, ledger.CancelTransfer{Transfer: &held})
		tt.wantIs(ledger.ScheduleActive, "", 0)
	}
	if told := tt.told(); !slices.Contains(told, "run_failed 4") {
		t.Errorf("told %s", told)
	}
	b.verify()
}

func TestPauseAndResume(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 1000, mondays)
	q := tt.schedule()
	pause, resume := ledger.PauseSchedule{Schedule: &q}, ledger.ResumeSchedule{Schedule: &q}
	must[ledger.Schedule](b, resume)
	must[ledger.Schedule](b, pause)
	must[ledger.Schedule](b, pause)
	tt.wantIs(ledger.SchedulePaused, ledger.ScheduleAsked, 0)
	tt.goTo("2026-11-09T06:30:00Z")
	must[ledger.Schedule](b, tt.run(1))
	must[ledger.Schedule](b, ledger.AnnounceRun{Schedule: tt.id})
	tt.wantTold("created 1", "paused 1")
	tt.goTo("2026-11-16T06:30:00Z")
	must[ledger.Schedule](b, resume) // two have gone by
	must[ledger.Schedule](b, resume)
	tt.wantTold("created 1", "paused 1", "resumed 1", "skipped 2")
	tt.goTo("2026-11-23T06:30:00Z")
	must[ledger.Schedule](b, pause)
	must[ledger.Schedule](b, resume) // none has
	tt.wantTold("created 1", "paused 1", "resumed 1", "skipped 2", "run 3", "paused 2", "resumed 2")
	tt.wantIs(ledger.ScheduleActive, "", 100)
	if r := tt.schedule().Runs[0]; r.N != 1 || r.Last != 2 || r.Fate != ledger.RunSkipped {
		t.Errorf("the first run is %+v", r)
	}
	// Of one whose end went by while it was paused nothing is left.
	until := mondays
	until.Count = 2
	tt = b.timetable(100, 1000, until)
	q = tt.schedule()
	must[ledger.Schedule](b, pause)
	tt.goTo("2027-12-21T06:30:00Z")
	must[ledger.Schedule](b, resume)
	tt.wantTold("created 1", "paused 1", "resumed 1", "skipped 2", "ended 1")
	_, err := ledger.Do[ledger.Schedule](context.Background(), b.pipe, resume)
	wantRefusal(t, "resume", err, ledger.CodeScheduleEnded)
}

func TestSkipRun(t *testing.T) {
	b := newBook(t)
	defer b.close()
	calendar := mondays
	calendar.Count = 4
	tt := b.timetable(100, 1000, calendar)
	q := tt.schedule()
	skip := func(n int) error {
		_, err := ledger.Do[ledger.Schedule](context.Background(), b.pipe, ledger.SkipRun{Schedule: &q, Run: n})
		return err
	}
	wantRefusal(t, "not the next", skip(2), ledger.CodeRunNotNext)
	for range 2 { // the second time changes nothing
		if err := skip(1); err != nil {
			t.Fatal(err)
		}
	}
	tt.goTo("2026-11-09T06:30:00Z")
	tt.wantTold("created 1", "skipped 1")
	tt.goTo("2026-11-16T06:30:00Z")
	wantRefusal(t, "made already", skip(2), ledger.CodeRunNotNext)
	tt.goTo("2026-11-22T06:30:00Z")
	tt.goTo("2026-11-23T06:29:59Z")
	if err := skip(3); err != nil { // notice of it was given
		t.Fatal(err)
	}
	tt.goTo("2026-11-23T06:30:00Z")
	must[ledger.Schedule](b, tt.run(3))
	tt.wantTold("created 1", "skipped 1", "run 2", "upcoming 3", "skipped 3")
	if err := skip(4); err != nil {
		t.Fatal(err)
	}
	tt.wantTold("created 1", "skipped 1", "run 2", "upcoming 3", "skipped 3", "skipped 4", "ended 1")
	tt.wantIs(ledger.ScheduleEnded, ledger.ScheduleOver, 100)
	if err := skip(4); err != nil { // again
		t.Fatal(err)
	}
	wantRefusal(t, "none is left", skip(5), ledger.CodeScheduleEnded)
	// The last one of a paused schedule.
	calendar.Count = 1
	tt = b.timetable(100, 1000, calendar)
	q = tt.schedule()
	must[ledger.Schedule](b, ledger.PauseSchedule{Schedule: &q})
	if err := skip(1); err != nil {
		t.Fatal(err)
	}
	tt.wantTold("created 1", "paused 1", "skipped 1", "ended 1")
}

func TestCancelSchedule(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 1000, mondays)
	q := tt.schedule()
	for range 2 {
		must[ledger.Schedule](b, ledger.CancelSchedule{Schedule: &q, Why: ledger.ScheduleAsked})
	}
	tt.goTo("2026-11-09T06:30:00Z")
	must[ledger.Schedule](b, tt.run(1))
	tt.wantIs(ledger.ScheduleCancelled, ledger.ScheduleAsked, 0)
	tt.wantTold("created 1", "cancelled 1")
	for name, c := range map[string]ledger.Command{"pause": ledger.PauseSchedule{Schedule: &q}, "resume": ledger.ResumeSchedule{Schedule: &q}, "skip": ledger.SkipRun{Schedule: &q, Run: 1}} {
		_, err := ledger.Do[ledger.Schedule](context.Background(), b.pipe, c)
		wantRefusal(t, name, err, ledger.CodeScheduleEnded)
	}
	q.RecordKey = ledger.ScheduleKey(ledger.NewID())
	for name, c := range map[string]ledger.Command{"pause": ledger.PauseSchedule{Schedule: &q}, "resume": ledger.ResumeSchedule{Schedule: &q}, "skip": ledger.SkipRun{Schedule: &q, Run: 1},
		"cancel": ledger.CancelSchedule{Schedule: &q}, "announce": ledger.AnnounceRun{Schedule: q.ID}} {
		_, err := ledger.Do[ledger.Schedule](context.Background(), b.pipe, c)
		wantRefusal(t, name, err, ledger.CodeScheduleNotFound)
	}
}

// Whoever is erased pays no more, and is paid no more; and gets no new schedule.
func TestErasedPartiesHaveNoSchedules(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 0, mondays)
	var all []ledger.ID
	for n := range 450 {
		q := tt.order(100, mondays)
		if n%2 == 0 {
			q.Owner, q.Payee = q.Payee, q.Owner
		}
		all = append(all, must[ledger.Schedule](b, ledger.CreateSchedule{Schedule: q}).ID)
		if n%3 == 0 {
			must[ledger.Schedule](b, ledger.PauseSchedule{Schedule: &q})
		}
	}
	if _, err := ledger.Erase(context.Background(), b.pipe, b.store, tt.payer.Party, "tests"); err != nil {
		t.Fatal(err)
	}
	for _, tt.id = range append(all, tt.id) {
		tt.wantIs(ledger.ScheduleCancelled, ledger.SchedulePartyClosed, 0)
	}
	_, err := ledger.Do[ledger.Schedule](context.Background(), b.pipe, ledger.CreateSchedule{Schedule: tt.order(100, mondays)})
	wantRefusal(t, "of who was erased", err, ledger.CodePartyClosed)
	q := tt.order(100, mondays)
	q.Owner, q.Payee = q.Payee, q.Owner
	_, err = ledger.Do[ledger.Schedule](context.Background(), b.pipe, ledger.CreateSchedule{Schedule: q})
	wantRefusal(t, "to who was erased", err, ledger.CodePartyClosed)
}

// Of many runs the latest are remembered, and those whose end is still to come.
func TestScheduleRemembersItsLatestRuns(t *testing.T) {
	b := newBook(t)
	defer b.close()
	tt := b.timetable(100, 3000, mondays)
	wallet := tt.payer
	tt.payer, _ = b.person("Asha", "SBIN")
	tt.goTo("2026-11-09T06:30:00Z")
	first := tt.transfers()[0]
	tt.payer = wallet
	for range 24 {
		tt.goTo(tt.now.AddDate(0, 0, 7).Format(time.RFC3339))
	}
	q := tt.wantIs(ledger.ScheduleActive, "", 2500)
	if len(q.Runs) != ledger.MaxRuns || q.Runs[0].N != 1 || q.Runs[1].N != 7 || q.Runs[19].N != 25 {
		t.Fatalf("%d runs: %+v", len(q.Runs), q.Runs)
	}
	must[ledger.Recorded](b, ledger.RecordResult{Transfer: &first, Leg: ledger.LegDebit, Outcome: ledger.SaysDeclined})
	if q = tt.wantIs(ledger.ScheduleActive, "", 2400); q.Runs[0].State != ledger.Failed {
		t.Errorf("the first run is %+v", q.Runs[0])
	}
}
