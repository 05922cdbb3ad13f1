package api

import (
	"cmp"
	"context"
	"errors"

	"bahi/ledger"
	"bahi/ledger/feed"
)

// askTexts are what who is asked and who asks are told, by how far the ask is.
var askTexts = map[ledger.AskState]sides{
	ledger.AskOpen: {
		phrase{"{payee} asks you for {amount}.", "{payee} ने आपसे {amount} माँगे हैं।"},
		phrase{"You asked {payer} for {amount}.", "आपने {payer} से {amount} माँगे हैं।"}},
	ledger.AskPaying: payments[ledger.Pending],
	ledger.AskPaid:   payments[ledger.Completed],
	ledger.AskDeclined: {
		phrase{"You declined to pay {payee} {amount}.", "आपने {payee} को {amount} देने से मना किया।"},
		phrase{"{payer} declined to pay you {amount}.", "{payer} ने आपको {amount} देने से मना किया।"}},
	ledger.AskCancelled: {
		phrase{"{payee} does not ask you for {amount} any more.", "{payee} अब आपसे {amount} नहीं माँग रहे।"},
		phrase{"You do not ask {payer} for {amount} any more.", "आपने {payer} से {amount} की माँग रद्द की।"}},
	ledger.AskExpired: {
		phrase{"{payee} asked you for {amount}. The time to pay is over.", "{payee} ने आपसे {amount} माँगे थे। समय समाप्त हो गया।"},
		phrase{"You asked {payer} for {amount}. The time to pay is over.", "आपने {payer} से {amount} माँगे थे। समय समाप्त हो गया।"}},
}

var (
	reminding = sides{
		phrase{"{payee} reminds you: {amount} is still to be paid.", "{payee} याद दिला रहे हैं: {amount} देने बाकी हैं।"},
		phrase{"You reminded {payer} of {amount}.", "आपने {payer} को {amount} की याद दिलाई।"}}
	allPaid = sides{
		phrase{"All have paid {payee}: {amount}.", "सभी ने {payee} को दे दिए: {amount}।"},
		phrase{"All have paid you: {amount}.", "सभी ने आपको दे दिए: {amount}।"}}
)

var askStatuses = map[ledger.AskState]phrase{
	ledger.AskOpen: {"asked for", "माँगा गया"}, ledger.AskPaying: {"being paid", "दिया जा रहा है"}, ledger.AskPaid: {"paid", "पूरा हुआ"},
	ledger.AskDeclined: {"declined", "मना किया"}, ledger.AskCancelled: {"cancelled", "रद्द"}, ledger.AskExpired: {"expired", "समय समाप्त"},
}

// tellRequests shows requests as they are when the event is read, of an event about one
// ask with that one only.
func tellRequests(ctx context.Context, v *viewer, events []feed.Event) ([]EventData, error) {
	requests, parties := map[ledger.ID]*ledger.MoneyRequest{}, []ledger.ID(nil)
	for n := range events {
		id := events[n].Subject
		if _, looked := requests[id]; looked {
			continue
		}
		r, err := v.reader.Record(ctx, ledger.RequestKey(id))
		if errors.Is(err, ledger.ErrNotFound) {
			requests[id] = nil
			continue
		}
		if err != nil {
			return nil, err
		}
		q, err := ledger.ReadRequest(r)
		if err != nil {
			return nil, err
		}
		requests[id] = &q
		parties = append(parties, q.Owner)
		for i := range q.Asks {
			parties = append(parties, q.Asks[i].Party)
		}
	}
	people, err := v.reader.Payable(ctx, parties)
	if err != nil {
		return nil, err
	}
	out := make([]EventData, len(events))
	for n := range events {
		if q := requests[events[n].Subject]; q != nil {
			out[n] = v.requestData(q, &events[n], people)
		}
	}
	return out, nil
}

func (v *viewer) requestData(q *ledger.MoneyRequest, e *feed.Event, people map[ledger.ID]ledger.Payee) EventData {
	view := requestView(q, v.see)
	name := func(id ledger.ID) string {
		return cmp.Or(v.see.text(people[id].Party.Name), somebody.in(&v.locale))
	}
	b := Bubble{Conversation: view.Conversation, Message: view.Message}
	if e.N < 1 || e.N > len(q.Asks) { // of all together
		amount := v.amount(q.Total())
		with := []string{"{payee}", name(q.Owner), "{amount}", amount}
		b.Amount, b.Status = amount, askStatuses[ledger.AskPaid].in(&v.locale)
		b.ForPayer, b.ForPayee = v.side(allPaid.payer, "nothing", 0, with...), v.side(allPaid.payee, "nothing", 0, with...)
		return EventData{Request: view, Bubble: b}
	}
	a := &q.Asks[e.N-1]
	text := askTexts[a.State]
	if a.State == ledger.AskOpen && e.Type == ledger.NoticeRequestReminded {
		text = reminding
	}
	payer, payee, until := NextAction("nothing"), NextAction("nothing"), int64(0)
	switch a.State {
	case ledger.AskOpen:
		payer, payee, until = "pay", "cancel", q.Expires
	case ledger.AskPaying:
		payer, payee = "wait", "wait"
	}
	with := []string{"{payer}", name(a.Party), "{payee}", name(q.Owner), "{amount}", v.amount(q.Amount(a.Minor))}
	b.Amount, b.Status = v.amount(q.Amount(a.Minor)), askStatuses[a.State].in(&v.locale)
	b.ForPayer, b.ForPayee = v.side(text.payer, payer, until, with...), v.side(text.payee, payee, until, with...)
	view.Asks = view.Asks[e.N-1 : e.N]
	return EventData{Request: view, Bubble: b}
}
