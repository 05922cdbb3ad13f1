package ledger

import (
	"context"
	"math"
	"time"
)

// end takes an ask to an end other than that it is paid. While a payment is under way
// that decides first.
func (q *MoneyRequest) end(s *Set, i int, state AskState) {
	a := &q.Asks[i]
	if a.State == AskPaying {
		if a.Then == 0 {
			a.Then = state
		}
		return
	}
	a.State = state
	s.tell(&q.Record, endNotices[state], i+1)
}

var endNotices = [...]string{AskDeclined: NoticeRequestDeclined, AskCancelled: NoticeRequestCancelled, AskExpired: NoticeRequestExpired}

// DeclineAsk ends an ask at the wish of the party that is asked. Declining again changes
// nothing. It returns the [MoneyRequest].
type DeclineAsk struct {
	Request *MoneyRequest // as read before the batch: only what never changes of it is used
	Party   ID
	Reason  DeclineReason // or 0
}

// Declare implements [Command].
func (c DeclineAsk) Declare(s *Set) { s.Records.Want(c.Request.RecordKey) }

// Apply implements [Command].
func (c DeclineAsk) Apply(s *Set) (any, error) {
	q, err := s.request(c.Request.ID)
	if err != nil {
		return nil, err
	}
	i, err := q.place(c.Party)
	if err != nil {
		return nil, err
	}
	a := &q.Asks[i]
	if a.State == AskDeclined {
		return q, nil
	}
	if err := q.idle(s, a); err != nil {
		return nil, err
	}
	a.Declined = c.Reason
	q.end(s, i, AskDeclined)
	q.put(s)
	return q, nil
}

// CancelRequest ends a request, or one ask of it, at the requester's wish. An ask that is
// being paid is decided by that payment: it is paid, or cancelled after all. Cancelling
// again changes nothing. It returns the [MoneyRequest].
type CancelRequest struct {
	Request *MoneyRequest // as read before the batch: only what never changes of it is used
	Party   ID            // whose ask is cancelled; zero: all that are not at an end
}

// Declare implements [Command].
func (c CancelRequest) Declare(s *Set) { s.Records.Want(c.Request.RecordKey) }

// Apply implements [Command].
func (c CancelRequest) Apply(s *Set) (any, error) {
	q, err := s.request(c.Request.ID)
	if err != nil {
		return nil, err
	}
	chosen, err := q.chosen(c.Party)
	if err != nil {
		return nil, err
	}
	cancelled, done := false, false
	for _, i := range chosen {
		a := &q.Asks[i]
		if err = q.ended(s, a); err == nil {
			q.end(s, i, AskCancelled)
			cancelled = true
		}
		done = done || a.State == AskCancelled
	}
	switch {
	case cancelled:
		q.put(s)
	case !done:
		return nil, err // of the last one: all are at another end
	}
	return q, nil
}

// ExpireRequest ends what is open of a request whose time is over. Doing it again changes
// nothing. It returns nothing.
type ExpireRequest struct {
	ID ID
}

// Declare implements [Command].
func (c ExpireRequest) Declare(s *Set) { s.Records.Want(RequestKey(c.ID)) }

// Apply implements [Command].
func (c ExpireRequest) Apply(s *Set) (any, error) {
	q, err := s.request(c.ID)
	if err != nil || q.Due == 0 || q.Expires > s.Now {
		return nil, err
	}
	for i := range q.Asks {
		if q.Asks[i].State.live() {
			q.end(s, i, AskExpired)
		}
	}
	q.put(s)
	return nil, nil
}

// RemindAsk reminds parties of what they are asked for, no more often than the policy
// allows. It returns the [MoneyRequest].
type RemindAsk struct {
	Request *MoneyRequest // as read before the batch: only what never changes of it is used
	Party   ID            // who is reminded; zero: all whose ask is open and who may be reminded now
}

// Declare implements [Command].
func (c RemindAsk) Declare(s *Set) { s.Records.Want(c.Request.RecordKey) }

// Apply implements [Command].
func (c RemindAsk) Apply(s *Set) (any, error) {
	q, err := s.request(c.Request.ID)
	if err != nil {
		return nil, err
	}
	chosen, err := q.chosen(c.Party)
	if err != nil {
		return nil, err
	}
	reminded, again := false, int64(math.MaxInt64)
	for _, i := range chosen {
		a := &q.Asks[i]
		if e := q.idle(s, a); e != nil {
			err = e
			continue
		}
		if at := s.Policy.remindAgain(a); at > s.Now {
			again = min(again, at)
			continue
		}
		a.remind(s)
		s.tell(&q.Record, NoticeRequestReminded, i+1)
		reminded = true
	}
	switch {
	case reminded:
		q.put(s)
		return q, nil
	case again < math.MaxInt64:
		refused := refuse(CodeRemindedJustNow, "reminded as often as may be; again from %s", time.UnixMicro(again).UTC().Format(time.RFC3339Nano))
		refused.Again = again
		return nil, refused
	}
	return nil, err // of the last one: none is open
}

// remindAgain is when an ask may be reminded of again.
func (p *Policy) remindAgain(a *Ask) int64 {
	n := len(a.Reminded)
	if n == 0 {
		return 0
	}
	at := a.Reminded[n-1] + p.RemindEvery.Microseconds()
	if p.RemindDaily > 0 && n >= p.RemindDaily {
		at = max(at, a.Reminded[n-p.RemindDaily]+day.Microseconds())
	}
	return at
}

const day = 24 * time.Hour

// remind notes a reminder, and forgets those that no rule looks at any more.
func (a *Ask) remind(s *Set) {
	a.Reminder++
	a.Reminded = append(a.Reminded, s.Now)
	a.Reminded = a.Reminded[max(0, len(a.Reminded)-max(1, s.Policy.RemindDaily)):]
}

// leaveRequests cancels what is open of a closed party's requests, and what it is asked for
// by others: nobody could pay it any more.
func leaveRequests(ctx context.Context, book *Pipeline, r Reader, party ID) error {
	const pageSize = 100
	page := Page{Limit: pageSize}
	for {
		open, err := r.Records(ctx, RecordFilter{Kind: RecordRequest, Party: party, State: uint8(RequestOpen)}, page)
		if err != nil {
			return err
		}
		var leave Many
		for _, row := range open {
			q, err := ReadRequest(row)
			if err != nil {
				return err
			}
			cancel := CancelRequest{Request: &q}
			if q.Owner != party {
				cancel.Party = party
			}
			leave = append(leave, cancel) // refused where it is at an end by now
		}
		if len(leave) > 0 {
			if _, err := Do[Outcomes](ctx, book, leave); err != nil {
				return err
			}
		}
		if len(open) < pageSize {
			return nil
		}
		page.Before = open[len(open)-1].ID
	}
}
