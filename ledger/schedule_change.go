package ledger

import (
	"context"
	"slices"
)

// CreateSchedule makes a schedule. It returns the [Schedule].
type CreateSchedule struct {
	// Schedule has ID, App, Owner (the payer), Conversation and Private of its record, and all of its body up to its calendar.
	Schedule Schedule
}

// Declare implements [Command]. The parties are locked: one that is being closed has all of its
// schedules cancelled, and gets no further ones.
func (c CreateSchedule) Declare(s *Set) {
	s.Records.New(ScheduleKey(c.Schedule.ID))
	for _, party := range c.Schedule.parties() {
		s.Parties.Want(party)
	}
}

func (q *Schedule) parties() []ID {
	return slices.DeleteFunc([]ID{q.Owner, q.Payee}, ID.IsZero)
}

// Apply implements [Command].
func (c CreateSchedule) Apply(s *Set) (any, error) {
	q := c.Schedule
	for _, party := range q.parties() {
		switch p, ok := s.Parties.Get(party); {
		case !ok || p.App != q.App:
			return nil, refuse(CodePartyNotFound, "there is no party %s", party.PartyRef())
		case p.Closed != 0:
			return nil, refuse(CodePartyClosed, "the party %s was closed to be erased", party.PartyRef())
		}
	}
	first, ok, err := q.Calendar.First(s.Now)
	switch {
	case err != nil:
		return nil, refuse(CodeZoneUnknown, "%s: %v", q.Calendar.Zone, err)
	case !ok:
		return nil, refuse(CodeScheduleNoRun, "no run is left: its time, or its last day, is over already")
	case first.At-s.Now > maxAhead*secondsOfDay*1_000_000:
		return nil, refuse(CodeScheduleNoRun, "the first run would be in more than ten years")
	}
	q.RecordKey, q.Parties, q.State = ScheduleKey(q.ID), q.parties(), uint8(ScheduleActive)
	q.Next, q.Told = first, false
	s.tell(&q.Record, NoticeScheduleCreated, 1)
	q.turn(s)
	q.keep(s)
	return q, nil
}

// PauseSchedule makes no runs until the schedule is resumed. Pausing again changes nothing. It
// returns the [Schedule].
type PauseSchedule struct {
	Schedule *Schedule // as read before the batch, like that of the other commands: only what never changes of it is used
}

// Declare implements [Command].
func (c PauseSchedule) Declare(s *Set) { s.Records.Want(c.Schedule.RecordKey) }

// Apply implements [Command].
func (c PauseSchedule) Apply(s *Set) (any, error) {
	q, err := s.openSchedule(c.Schedule.ID)
	if err != nil {
		return nil, err
	}
	if q.is(ScheduleActive) {
		q.pause(s, ScheduleAsked)
		q.keep(s)
	}
	return q, nil
}

// openSchedule is a declared schedule that is at no end.
func (s *Set) openSchedule(id ID) (Schedule, error) {
	q, err := s.schedule(id)
	if err == nil && !q.open() {
		err = refuse(CodeScheduleEnded, "the schedule is %s; make a new one", ScheduleState(q.State))
	}
	return q, err
}

// ResumeSchedule goes on with a paused schedule. Runs whose time went by are skipped. Resuming
// again changes nothing. It returns the [Schedule].
type ResumeSchedule struct {
	Schedule *Schedule
}

// Declare implements [Command].
func (c ResumeSchedule) Declare(s *Set) { s.Records.Want(c.Schedule.RecordKey) }

// Apply implements [Command].
func (c ResumeSchedule) Apply(s *Set) (any, error) {
	q, err := s.openSchedule(c.Schedule.ID)
	if err != nil || q.is(ScheduleActive) {
		return q, err
	}
	last, next, err := q.due(s.Now)
	if err != nil {
		return nil, err
	}
	q.Failures = 0
	q.become(s, ScheduleActive, "", NoticeScheduleResumed, q.Pauses)
	if q.Next.At <= s.Now {
		q.pass(s, last, RunSkipped, NoticeScheduleSkipped)
		q.Next, q.Told = next, false
	}
	q.turn(s)
	q.keep(s)
	return q, nil
}

// SkipRun does not make the next run of a schedule. Skipping the same one again changes
// nothing. It returns the [Schedule].
type SkipRun struct {
	Schedule *Schedule
	Run      int // its number: of a run that was made meanwhile it is not the one behind that is skipped
}

// Declare implements [Command].
func (c SkipRun) Declare(s *Set) { s.Records.Want(c.Schedule.RecordKey) }

// Apply implements [Command].
func (c SkipRun) Apply(s *Set) (any, error) {
	q, err := s.schedule(c.Schedule.ID)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(q.Runs, func(r ScheduleRun) bool { return r.Fate == RunSkipped && r.N <= c.Run && c.Run <= max(r.N, r.Last) }) {
		return q, nil
	}
	if q, err = s.openSchedule(c.Schedule.ID); err != nil {
		return nil, err
	}
	if q.Next.N != c.Run {
		return nil, refuse(CodeRunNotNext, "the next run is number %d", q.Next.N)
	}
	next, more, err := q.Calendar.Next(q.Next)
	if err != nil {
		return nil, refuse(CodeZoneUnknown, "%s: %v", q.Calendar.Zone, err)
	}
	q.pass(s, q.Next, RunSkipped, NoticeScheduleSkipped)
	if q.Next, q.Told = next, false; !more {
		q.Next = Occurrence{}
	}
	q.turn(s)
	q.keep(s)
	return q, nil
}

// CancelSchedule ends a schedule; what is under way runs its course. Cancelling again changes
// nothing. It returns the [Schedule].
type CancelSchedule struct {
	Schedule *Schedule
	Why      ScheduleReason
}

// Declare implements [Command].
func (c CancelSchedule) Declare(s *Set) { s.Records.Want(c.Schedule.RecordKey) }

// Apply implements [Command].
func (c CancelSchedule) Apply(s *Set) (any, error) {
	q, err := s.schedule(c.Schedule.ID)
	if err != nil || q.is(ScheduleCancelled) {
		return q, err
	}
	if q, err = s.openSchedule(c.Schedule.ID); err != nil {
		return nil, err
	}
	q.become(s, ScheduleCancelled, c.Why, NoticeScheduleCancelled, 1)
	q.keep(s)
	return q, nil
}

// schedulesAtOnce is how many schedules of a party that was closed are looked at together.
const schedulesAtOnce = 200

// cancelSchedules cancels the schedules by which a party that was closed pays or is paid.
func cancelSchedules(ctx context.Context, book *Pipeline, r Reader, party ID) error {
	page := Page{Limit: schedulesAtOnce}
	for {
		found, err := r.Records(ctx, RecordFilter{Kind: RecordSchedule, Party: party}, page)
		if err != nil || len(found) == 0 {
			return err
		}
		page.Before = found[len(found)-1].ID
		var open Many
		for i := range found {
			if q := (&Schedule{Record: found[i]}); q.open() {
				open = append(open, CancelSchedule{Schedule: q, Why: SchedulePartyClosed})
			}
		}
		if len(open) == 0 {
			continue
		}
		if _, err := book.Submit(ctx, Request{Command: open}); err != nil {
			return err
		}
	}
}
