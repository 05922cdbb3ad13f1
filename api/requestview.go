package api

import "bahi/ledger"

func viewRequest(result any) any {
	q := result.(ledger.MoneyRequest)
	return requestView(&q, sightOwn)
}

func requestView(q *ledger.MoneyRequest, see sight) MoneyRequest {
	v := MoneyRequest{ID: q.ID.RequestRef(), State: RequestState(q.State().String()), Requester: q.Owner.PartyRef(), Instrument: q.Instrument.InstrumentRef(),
		Note: see.text(q.Private), Conversation: see.text(q.Conversation), Message: see.text(q.Message), Asks: make([]MoneyAsk, len(q.Asks)),
		ExpiresAt: timeView(q.Expires), CreatedAt: timeView(q.Created), UpdatedAt: timeView(q.Updated)}
	var total, paid, open int64
	for n := range q.Asks {
		a := &q.Asks[n]
		total += a.Minor
		switch a.State {
		case ledger.AskPaid:
			paid += a.Minor
		case ledger.AskOpen, ledger.AskPaying:
			open += a.Minor
		}
		v.Asks[n] = askView(q, a)
	}
	v.Total, v.Paid, v.Open = moneyView(q.Amount(total)), moneyView(q.Amount(paid)), moneyView(q.Amount(open))
	if q.Own != 0 {
		own := moneyView(q.Amount(q.Own))
		v.OwnPart = &own
	}
	return v
}

func askView(q *ledger.MoneyRequest, a *ledger.Ask) MoneyAsk {
	v := MoneyAsk{Party: a.Party.PartyRef(), Amount: moneyView(q.Amount(a.Minor)), State: AskState(a.State.String()), Reminders: a.Reminder}
	if !a.Transfer.IsZero() {
		v.Transfer = a.Transfer.TransferRef()
	}
	if a.Then != 0 {
		v.Otherwise = AskState(a.Then.String())
	}
	if a.Declined != 0 {
		v.DeclinedBecause = DeclineReason(a.Declined.String())
	}
	if n := len(a.Reminded); n > 0 {
		v.RemindedAt = timeView(a.Reminded[n-1])
	}
	return v
}
