package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"bahi/ledger"
	"bahi/ledger/feed"
)

// upcomingRuns is how many of the next runs a schedule shows.
const upcomingRuns = 5

func scheduleView(q *ledger.Schedule, see sight) Schedule {
	c := &q.Calendar
	text, _ := textOf(q) // written by us
	v := Schedule{ID: q.ID.ScheduleRef(), State: ScheduleState(ledger.ScheduleState(q.State).String()), Reason: ScheduleReason(q.Why),
		Payer:  ScheduleEnd{Party: q.Owner.PartyRef(), Instrument: q.Instrument.InstrumentRef()},
		Payee:  ScheduleEnd{Party: q.Payee.PartyRef(), Instrument: q.PayeeInstrument.InstrumentRef(), Name: see.text(text.Name), UPI: see.text(text.UPI)},
		Amount: moneyView(q.Amount), Note: see.text(text.Note), Conversation: see.text(q.Conversation),
		At: timeView(c.At), Zone: c.Zone, From: dateView(c.From), Until: dateView(c.Until), Count: c.Count,
		Moved: balanceView(q.Moved, q.Amount.Currency), Failures: q.Failures, Next: []UpcomingRun{}, Runs: []ScheduleRun{},
		CreatedAt: timeView(q.Created), UpdatedAt: timeView(q.Updated)}
	if text.Number != "" {
		v.Payee.Account = MaskedAccount{Number: see.account(text.Number), IFSC: text.IFSC}
	}
	if q.Cap != 0 {
		v.Cap = moneyView(ledger.Amount{Minor: q.Cap, Currency: q.Amount.Currency})
	}
	switch c.Every {
	case ledger.Weekly:
		v.Every.Week = weekdays[c.Weekday]
	case ledger.Monthly:
		v.Every.Month = &c.Date
	}
	if c.Every != ledger.Once {
		v.Time = fmt.Sprintf("%02d:%02d", c.Minute/60, c.Minute%60)
	}
	next, _ := q.Upcoming(upcomingRuns) // as far as the zone is known here
	for _, o := range next {
		v.Next = append(v.Next, UpcomingRun{Run: o.N, At: timeView(o.At)})
	}
	for _, r := range slices.Backward(q.Runs) {
		v.Runs = append(v.Runs, scheduleRunView(&r))
	}
	return v
}

func scheduleRunView(r *ledger.ScheduleRun) ScheduleRun {
	v := ScheduleRun{Run: r.N, Last: r.Last, At: timeView(r.At), Outcome: RunOutcome(r.Fate.String())}
	if !r.Transfer.IsZero() {
		v.Transfer = r.Transfer.TransferRef()
	}
	if r.State != 0 {
		v.State = RunState(r.State.String())
	}
	if r.Reason != "" {
		v.Failure = Failure{Reason: FailureReason(r.Reason), Detail: reasonTexts[r.Reason]}
	}
	return v
}

// scheduleTexts are what payer and payee are told of a schedule, by the type of the event.
var scheduleTexts = map[string]sides{
	ledger.NoticeScheduleCreated: {
		phrase{"You set up payments of {amount} to {payee}.", "आपने {payee} को {amount} के भुगतान तय किए।"},
		phrase{"{payer} set up payments of {amount} to you.", "{payer} ने आपको {amount} के भुगतान तय किए।"}},
	ledger.NoticeScheduleUpcoming: {
		phrase{"You will pay {payee} {amount} at {at}.", "आप {at} पर {payee} को {amount} देंगे।"},
		phrase{"{payer} will pay you {amount} at {at}.", "{payer} आपको {at} पर {amount} देंगे।"}},
	ledger.NoticeScheduleRun: {
		phrase{"Your scheduled payment of {amount} to {payee} was sent.", "{payee} को {amount} का आपका तय भुगतान भेजा गया।"},
		phrase{"A scheduled payment of {amount} from {payer} was sent.", "{payer} से {amount} का तय भुगतान भेजा गया।"}},
	ledger.NoticeScheduleRunFailed: {
		phrase{"Your scheduled payment of {amount} to {payee} did not go through.", "{payee} को {amount} का आपका तय भुगतान नहीं हो सका।"},
		phrase{"A scheduled payment of {amount} from {payer} did not go through.", "{payer} से {amount} का तय भुगतान नहीं हो सका।"}},
	ledger.NoticeScheduleMissed: {
		phrase{"A scheduled payment of {amount} to {payee} was missed, and is not made up.", "{payee} को {amount} का तय भुगतान छूट गया और अब नहीं होगा।"},
		phrase{"A scheduled payment of {amount} from {payer} was missed, and is not made up.", "{payer} से {amount} का तय भुगतान छूट गया और अब नहीं होगा।"}},
	ledger.NoticeScheduleSkipped: {
		phrase{"A scheduled payment of {amount} to {payee} is skipped.", "{payee} को {amount} का एक तय भुगतान छोड़ा गया।"},
		phrase{"A scheduled payment of {amount} from {payer} is skipped.", "{payer} से {amount} का एक तय भुगतान छोड़ा गया।"}},
	ledger.NoticeSchedulePaused: {
		phrase{"Your payments of {amount} to {payee} are paused.", "{payee} को {amount} के आपके भुगतान रोक दिए गए हैं।"},
		phrase{"The payments of {amount} from {payer} are paused.", "{payer} से {amount} के भुगतान रोक दिए गए हैं।"}},
	ledger.NoticeScheduleResumed: {
		phrase{"Your payments of {amount} to {payee} go on.", "{payee} को {amount} के आपके भुगतान फिर चालू हैं।"},
		phrase{"The payments of {amount} from {payer} go on.", "{payer} से {amount} के भुगतान फिर चालू हैं।"}},
	ledger.NoticeScheduleCancelled: {
		phrase{"Your payments of {amount} to {payee} are cancelled.", "{payee} को {amount} के आपके भुगतान रद्द हैं।"},
		phrase{"The payments of {amount} from {payer} are cancelled.", "{payer} से {amount} के भुगतान रद्द हैं।"}},
	ledger.NoticeScheduleEnded: {
		phrase{"Your payments of {amount} to {payee} have ended.", "{payee} को {amount} के आपके भुगतान पूरे हो गए हैं।"},
		phrase{"The payments of {amount} from {payer} have ended.", "{payer} से {amount} के भुगतान पूरे हो गए हैं।"}},
}

var scheduleStatuses = map[ledger.ScheduleState]phrase{ledger.ScheduleActive: {"active", "चालू"}, ledger.SchedulePaused: {"paused", "रुका हुआ"},
	ledger.ScheduleEnded: {"ended", "समाप्त"}, ledger.ScheduleCancelled: {"cancelled", "रद्द"}}

// tellSchedule shows a schedule as it is, and what its payer and payee are told of the event.
func tellSchedule(ctx context.Context, v *viewer, e *feed.Event, r *ledger.Record) (EventData, error) {
	q, err := ledger.ReadSchedule(r)
	if err != nil {
		return EventData{}, err
	}
	text, err := textOf(&q)
	if err != nil {
		return EventData{}, err
	}
	payer, err := v.partyName(ctx, q.Owner)
	if err != nil {
		return EventData{}, err
	}
	payee, err := v.partyName(ctx, q.Payee)
	if err != nil {
		return EventData{}, err
	}
	nobody := somebody.in(&v.locale)
	run, action, until := runOf(&q, e)
	with := []string{"{amount}", v.amount(q.Amount), "{at}", v.time(run.At), "{payer}", cmp.Or(payer, nobody), "{payee}", cmp.Or(payee, v.see.text(text.Name), v.see.text(text.UPI), nobody)}
	said := scheduleTexts[e.Type]
	b := Bubble{Amount: v.amount(q.Amount), Status: scheduleStatuses[ledger.ScheduleState(q.State)].in(&v.locale), Conversation: v.see.text(q.Conversation),
		ForPayer: v.side(said.payer, action, until, with...), ForPayee: v.side(said.payee, "nothing", 0, with...)}
	return EventData{Schedule: scheduleView(&q, v.see), Bubble: b}, nil
}

// partyName is what a party is called; nobody is called nothing.
func (v *viewer) partyName(ctx context.Context, id ledger.ID) (string, error) {
	if id.IsZero() {
		return "", nil
	}
	p, err := v.reader.Party(ctx, id)
	return v.see.text(p.Name), err
}

// runOf is the run that an event is of, where it is of one, and what the payer can do about
// it as the schedule is now, and until when.
func runOf(q *ledger.Schedule, e *feed.Event) (run ledger.ScheduleRun, action NextAction, until int64) {
	state := ledger.ScheduleState(q.State)
	run.At = e.At + ledger.RunNotice.Microseconds() // of a run that is long forgotten
	if q.Next.N == e.N {
		run.Occurrence = q.Next
	}
	if i := slices.IndexFunc(q.Runs, func(r ledger.ScheduleRun) bool { return r.N == e.N }); i >= 0 {
		run = q.Runs[i]
	}
	_, what, _ := strings.Cut(e.Type, ".")
	switch {
	case what == "upcoming" && state == ledger.ScheduleActive && q.Next.N == e.N:
		return run, "skip_run", q.Next.At
	case what == "run_failed" && tries[run.Reason] != "":
		return run, tries[run.Reason], 0
	case what == "paused" && state == ledger.SchedulePaused:
		return run, "resume_schedule", 0
	}
	return run, "nothing", 0
}
