package ledger

import (
	"slices"
	"time"
)

// Schedule is an order to pay the same at the times of a calendar. It is a record, of which
// this is the body; it belongs to the payer. What is personal of it, its note and a payee that
// Bahi does not know as a party, is in Private.
type Schedule struct {
	Record          `json:"-"`
	Instrument      ID       `json:"instrument,omitzero"` // the payer's; zero: the default, as it is at each run
	Payee           ID       `json:"payee,omitzero"`      // zero: Private says who
	PayeeInstrument ID       `json:"payee_instrument,omitzero"`
	Amount          Amount   `json:"amount"`
	Cap             int64    `json:"cap,omitzero"` // how many minor units it may move in all; 0: no bound
	Calendar        Calendar `json:"calendar"`

	Next     Occurrence     `json:"next,omitzero"`     // the one to pay next; zero once there is none
	Told     bool           `json:"told,omitzero"`     // notice of it was given
	Moved    int64          `json:"moved,omitzero"`    // minor units of its transfers, but those that moved nothing in the end
	Failures int            `json:"failures,omitzero"` // in a row
	Pauses   int            `json:"pauses,omitzero"`   // how often it was paused
	Why      ScheduleReason `json:"why,omitzero"`      // of one that is not active
	Runs     []ScheduleRun  `json:"runs,omitempty"`    // the latest, oldest first
}

// ScheduleRun is what became of an occurrence; or of several together that were not paid.
type ScheduleRun struct {
	Occurrence
	Last     int     `json:"last,omitzero"` // the number of the last one, where there are several
	Fate     RunFate `json:"fate"`
	Transfer ID      `json:"transfer,omitzero"`
	State    State   `json:"state,omitzero"`  // that the transfer ended in; 0: it is under way
	Reason   Reason  `json:"reason,omitzero"` // that it ended for
}

// RunFate is what became of an occurrence.
type RunFate uint8

// What becomes of an occurrence.
const (
	RunMade    RunFate = iota + 1 // there is a transfer
	RunSkipped                    // at the payer's wish, or its time went by while the schedule was paused
	RunMissed                     // its time went by while no node was at work
)

var runFateNames = [...]string{RunMade: "made", RunSkipped: "skipped", RunMissed: "missed"}

// String is the fate's word.
func (f RunFate) String() string { return nameOf(runFateNames[:], f) }

// ScheduleState is where a schedule is in its life.
type ScheduleState uint8

// The states of a schedule.
const (
	ScheduleActive ScheduleState = iota + 1
	SchedulePaused
	ScheduleEnded     // end: no occurrence is left, or no money of the cap
	ScheduleCancelled // end
)

var scheduleStateNames = [...]string{ScheduleActive: "active", SchedulePaused: "paused", ScheduleEnded: "ended", ScheduleCancelled: "cancelled"}

// String is the state's word.
func (s ScheduleState) String() string { return nameOf(scheduleStateNames[:], s) }

// ParseScheduleState reads what String wrote.
func ParseScheduleState(s string) (ScheduleState, bool) {
	return parseName[ScheduleState](scheduleStateNames[:], s)
}

// ScheduleReason says in one stable word why a schedule is not active.
type ScheduleReason string

// The reasons.
const (
	ScheduleAsked       ScheduleReason = "asked"        // the app did it
	ScheduleFailing     ScheduleReason = "failures"     // as many runs in a row failed as may
	ScheduleOver        ScheduleReason = "over"         // its last occurrence is done with
	ScheduleCapped      ScheduleReason = "cap"          // another run would move more in all than it may
	SchedulePartyClosed ScheduleReason = "party_closed" // payer or payee is being erased
)

// Bounds of a schedule.
const (
	RunNotice   = 24 * time.Hour // how long before a run notice of it is given
	MaxFailures = 3              // runs that fail in a row pause the schedule
	MaxRuns     = 20             // how many it remembers
	maxAhead    = 10 * 366       // days from when it is made to its first run
)

// Codes of refusals that are about schedules.
const (
	CodeScheduleNotFound = "schedule_not_found"
	CodeScheduleNoRun    = "schedule_without_run"
	CodeScheduleEnded    = "schedule_ended"
	CodeRunNotNext       = "run_not_next"
	CodeZoneUnknown      = "zone_unknown"
)

// Types of notices of schedules.
const (
	NoticeScheduleCreated   = "schedule.created"
	NoticeScheduleUpcoming  = "schedule.upcoming"   // N is the number of the run, as in all that are about runs
	NoticeScheduleRun       = "schedule.run"        // a transfer was made
	NoticeScheduleRunFailed = "schedule.run_failed" // it moved nothing in the end
	NoticeScheduleMissed    = "schedule.missed"     // N is the last one of those that were
	NoticeScheduleSkipped   = "schedule.skipped"    // likewise
	NoticeSchedulePaused    = "schedule.paused"     // N is how often it was
	NoticeScheduleResumed   = "schedule.resumed"    // likewise
	NoticeScheduleCancelled = "schedule.cancelled"
	NoticeScheduleEnded     = "schedule.ended"
)

// ScheduleKey names the record of a schedule.
func ScheduleKey(id ID) RecordKey { return RecordKey{RecordSchedule, id} }

// ReadSchedule reads the record of a schedule.
func ReadSchedule(r *Record) (Schedule, error) {
	q, err := ReadRecord[Schedule](r)
	q.Record = *r
	return q, err
}

// schedule is a declared schedule.
func (s *Set) schedule(id ID) (Schedule, error) {
	r, q, ok := record[Schedule](s, ScheduleKey(id))
	if !ok {
		return q, refuse(CodeScheduleNotFound, "there is no schedule %s", id.ScheduleRef())
	}
	q.Record = r
	return q, nil
}

// keep stores the schedule, due when something is next to be done about it.
func (q *Schedule) keep(s *Set) {
	q.Due = 0
	if q.is(ScheduleActive) {
		q.Due = q.Next.At
		if !q.Told {
			q.Due -= RunNotice.Microseconds()
		}
	}
	putRecord(s, q.Record, q)
	q.Record, _ = s.Records.Get(q.RecordKey)
}

func (q *Schedule) is(state ScheduleState) bool { return ScheduleState(q.State) == state }

// open says whether it is at no end.
func (q *Schedule) open() bool { return q.is(ScheduleActive) || q.is(SchedulePaused) }

// become takes the schedule to a state; n tells apart what happens to it more than once.
func (q *Schedule) become(s *Set, state ScheduleState, why ScheduleReason, notice string, n int) {
	q.State, q.Why = uint8(state), why
	s.tell(&q.Record, notice, n)
}

func (q *Schedule) pause(s *Set, why ScheduleReason) {
	q.Pauses++
	q.become(s, SchedulePaused, why, NoticeSchedulePaused, q.Pauses)
}

func (q *Schedule) end(s *Set, why ScheduleReason) {
	q.become(s, ScheduleEnded, why, NoticeScheduleEnded, 1)
}

// turn gives notice of the next run if that is near, or ends a schedule that has none.
func (q *Schedule) turn(s *Set) {
	switch {
	case q.open() && q.Next.At == 0:
		q.end(s, ScheduleOver)
	case q.is(ScheduleActive) && !q.Told && q.Next.At-RunNotice.Microseconds() <= s.Now:
		q.Told = true
		s.tell(&q.Record, NoticeScheduleUpcoming, q.Next.N)
	}
}

// room says whether the cap lets another run through.
func (q *Schedule) room() bool { return q.Cap == 0 || q.Moved+q.Amount.Minor <= q.Cap }

// due are the last occurrence whose time has come, of those from the next one on, and the one
// behind it, which is zero where there is none.
func (q *Schedule) due(now int64) (last, next Occurrence, err error) {
	for last = q.Next; ; last = next {
		var more bool
		if next, more, err = q.Calendar.Next(last); err != nil {
			return last, next, refuse(CodeZoneUnknown, "%s: %v", q.Calendar.Zone, err)
		}
		if !more {
			return last, Occurrence{}, nil
		}
		if next.At > now {
			return last, next, nil
		}
	}
}

// DueRun is the number of the run that is to be made at a time; of several whose time has come
// it is the last.
func (q *Schedule) DueRun(now int64) (n int, err error) {
	last, _, err := q.due(now)
	return last.N, err
}

// Upcoming are the next runs, at most so many and no more than the cap lets through.
func (q *Schedule) Upcoming(n int) (runs []Occurrence, err error) {
	if q.Cap != 0 {
		n = min(n, int((q.Cap-q.Moved)/q.Amount.Minor))
	}
	more := q.is(ScheduleActive)
	for o := q.Next; more && err == nil && len(runs) < n; o, more, err = q.Calendar.Next(o) {
		runs = append(runs, o)
	}
	return runs, err
}

// note remembers what became of occurrences. Of too many those go first that are done with.
func (q *Schedule) note(r ScheduleRun) {
	if len(q.Runs) >= MaxRuns {
		i := max(0, slices.IndexFunc(q.Runs, func(r ScheduleRun) bool { return r.Fate != RunMade || r.State != 0 }))
		q.Runs = slices.Delete(q.Runs, i, i+1)
	}
	q.Runs = append(q.Runs, r)
}

// pass notes occurrences that are not paid, from the next one to the last, and tells of them.
func (q *Schedule) pass(s *Set, last Occurrence, fate RunFate, notice string) {
	r := ScheduleRun{Occurrence: q.Next, Fate: fate}
	if last.N != q.Next.N {
		r.Last = last.N
	}
	q.note(r)
	s.tell(&q.Record, notice, last.N)
}
