package ledger

// askPayments are the transfers that were made to pay asks, as they are.
type askPayments map[ID]askPayment

type askPayment struct {
	request ID
	payer   ID
	minor   int64
	state   State
}

func (p askPayments) add(t *Transfer) {
	if t.Cause.Kind == RecordRequest {
		p[t.ID] = askPayment{t.Cause.ID, t.Payer.Party, t.Amount.Minor, t.State}
	}
}

// requests checks that an ask is paid exactly when a transfer of its amount, made by its
// party for it, has completed, and is being paid exactly while one is under way.
func (v *verifier) requests(s Snapshot) error {
	for r, err := range s.Records(RecordRequest) {
		if err != nil {
			return err
		}
		q, err := ReadRequest(r)
		if err != nil {
			v.violated("request", r.Ref(), "its body cannot be read: %v", err)
			continue
		}
		v.request(&q)
	}
	for id, p := range v.payments {
		if p.state == Completed || !p.state.Final() {
			v.violated("ask_paid_once", p.request.RequestRef(), "transfer %s is %s, and no ask says so", id.TransferRef(), p.state)
		}
	}
	return nil
}

func (v *verifier) request(q *MoneyRequest) {
	state := q.State()
	if q.tally(); state != q.State() {
		v.violated("request", q.Ref(), "it is %s; its asks say that it is %s", state, q.State())
	}
	for i := range q.Asks {
		a := &q.Asks[i]
		p, made := v.payments[a.Transfer]
		delete(v.payments, a.Transfer)
		fits := !made && a.Transfer.IsZero()
		if a.State == AskPaid || a.State == AskPaying {
			fits = made && p.request == q.ID && p.payer == a.Party && p.minor == a.Minor &&
				(a.State == AskPaid && p.state == Completed || a.State == AskPaying && !p.state.Final())
		}
		if !fits {
			v.violated("ask", q.Ref(), "what %s is asked for is %s by transfer %q, which is %+v", a.Party.PartyRef(), a.State, a.Transfer.Ref(transferPrefix), p)
		}
	}
}
