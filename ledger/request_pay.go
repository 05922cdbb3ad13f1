package ledger

import "fmt"

// PayAsk pays what a party is asked for, by a transfer of exactly that amount whose cause
// is the request. There is one at a time: while it is under way, and once it has
// completed, another one is refused. It returns the [Transfer].
type PayAsk struct {
	Request *MoneyRequest  // as read before the batch: only what never changes of it is used
	Pay     CreateTransfer // by the party that is asked
}

// Declare implements [Command].
func (c PayAsk) Declare(s *Set) {
	s.Records.Want(c.Request.RecordKey)
	c.Pay.Declare(s)
}

// Apply implements [Command].
func (c PayAsk) Apply(s *Set) (any, error) {
	q, err := s.request(c.Request.ID)
	if err != nil {
		return nil, err
	}
	t := &c.Pay.Transfer
	i, err := q.place(t.Payer.Party)
	if err != nil {
		return nil, err
	}
	a := &q.Asks[i]
	if err := q.idle(s, a); err != nil {
		return nil, err
	}
	if t.Amount != q.Amount(a.Minor) || t.Cause != q.RecordKey {
		panic(fmt.Sprintf("ledger: transfer %s is not for the ask of %s", t.ID.TransferRef(), q.Ref()))
	}
	a.State, a.Transfer = AskPaying, t.ID
	q.put(s)
	return c.Pay.Apply(s) // which may end it at once: see concludeAsk
}

// concludeAsk says how a transfer has ended that was to pay an ask.
func (s *Set) concludeAsk(t *Transfer) {
	q, err := s.request(t.Cause.ID)
	if err != nil {
		panic(err)
	}
	for i := range q.Asks {
		if a := &q.Asks[i]; a.Transfer == t.ID {
			q.conclude(s, i, t.State == Completed)
			q.put(s)
			return
		}
	}
	panic(fmt.Sprintf("ledger: transfer %s pays no ask of %s", t.ID.TransferRef(), q.Ref()))
}

// conclude ends the payment of an ask that is under way.
func (q *MoneyRequest) conclude(s *Set, i int, paid bool) {
	a := &q.Asks[i]
	then := a.Then
	a.Then = 0
	if paid {
		a.State = AskPaid
		s.tell(&q.Record, NoticeRequestPaid, i+1)
		return
	}
	a.State, a.Transfer = AskOpen, ID{}
	if then == 0 && s.Now >= q.Expires {
		then = AskExpired
	}
	if then != 0 {
		q.end(s, i, then)
	}
}
