package ledger

import "slices"

// AnnounceRun gives notice of the next run of a schedule when that is near. Doing it again
// changes nothing. It returns the [Schedule].
type AnnounceRun struct {
	Schedule ID
}

// Declare implements [Command].
func (c AnnounceRun) Declare(s *Set) { s.Records.Want(ScheduleKey(c.Schedule)) }

// Apply implements [Command].
func (c AnnounceRun) Apply(s *Set) (any, error) {
	q, err := s.schedule(c.Schedule)
	if err != nil {
		return nil, err
	}
	if told := q.Told; q.is(ScheduleActive) {
		if q.turn(s); q.Told != told {
			q.keep(s)
		}
	}
	return q, nil
}

// RunSchedule makes the transfer of a run whose time has come. It does so only if that is the
// run that is to be made at the time of the commit, so that each is made once, however often and by
// however many nodes it is tried. It returns the [Schedule].
//
// Of several runs whose time has come, which is so after no node was at work for long, only the
// last is made. The others are missed; and the last too where the next one is so near that
// notice of it is due, so that nobody pays twice in a day for what was to be paid far apart.
type RunSchedule struct {
	Run    int            // its number
	Create CreateTransfer // caused by the schedule
}

// Declare implements [Command].
func (c RunSchedule) Declare(s *Set) { c.Create.Declare(s) } // its cause too

// Apply implements [Command].
func (c RunSchedule) Apply(s *Set) (any, error) {
	q, err := s.schedule(c.Create.Transfer.Cause.ID)
	if err != nil {
		return nil, err
	}
	if !q.is(ScheduleActive) || q.Next.At > s.Now {
		return q, nil
	}
	last, next, err := q.due(s.Now)
	if err != nil {
		return nil, err
	}
	if last.N != c.Run {
		return q, nil
	}
	makes := next.At == 0 || next.At-RunNotice.Microseconds() > s.Now
	q.miss(s, last, makes)
	if makes && !q.room() {
		q.end(s, ScheduleCapped)
		q.keep(s)
		return q, nil
	}
	q.Next, q.Told = next, false
	if makes {
		if err := q.make(s, last, c.Create); err != nil {
			return nil, err
		}
	}
	q.turn(s)
	q.keep(s)
	return q, nil
}

// miss tells of the occurrences that are not made up, from the next one on.
func (q *Schedule) miss(s *Set, last Occurrence, butLast bool) {
	if butLast {
		last.N--
	}
	if last.N >= q.Next.N {
		q.pass(s, last, RunMissed, NoticeScheduleMissed)
	}
}

// make makes the transfer of a run. The schedule is stored before, since it is told when the transfer ends, which may be at once.
func (q *Schedule) make(s *Set, run Occurrence, create CreateTransfer) error {
	if create.Transfer.Amount != q.Amount {
		panic("ledger: a run of another amount than its schedule's")
	}
	q.note(ScheduleRun{Occurrence: run, Fate: RunMade, Transfer: create.Transfer.ID})
	q.Moved += q.Amount.Minor
	s.tell(&q.Record, NoticeScheduleRun, run.N)
	q.keep(s)
	if _, err := create.Apply(s); err != nil {
		return err
	}
	var err error
	*q, err = s.schedule(q.ID)
	return err
}

// concludeRun tells a schedule how the transfer of one of its runs ended.
func (s *Set) concludeRun(t *Transfer) {
	q, err := s.schedule(t.Cause.ID)
	if err != nil {
		panic(err) // schedules are never deleted
	}
	i := slices.IndexFunc(q.Runs, func(r ScheduleRun) bool { return r.Transfer == t.ID })
	if i >= 0 {
		q.Runs[i].State, q.Runs[i].Reason = t.State, t.Reason
	}
	if t.State == Completed {
		q.Failures = 0
		if q.open() && !q.room() {
			q.end(s, ScheduleCapped)
		}
		q.keep(s)
		return
	}
	q.Moved -= t.Amount.Minor
	if i >= 0 { // else it is long ago
		s.tell(&q.Record, NoticeScheduleRunFailed, q.Runs[i].N)
	}
	if t.Reason != CancelledBySender { // who takes one back wants the others
		q.Failures++
	}
	if q.Failures >= MaxFailures && q.is(ScheduleActive) && q.Next.At != 0 {
		q.pause(s, ScheduleFailing)
	}
	q.keep(s)
}
