package api

import (
	"context"
	"errors"
	"net/http"

	"bahi/ledger"
	"bahi/ledger/address"
)

// paySchedule does what is due about a schedule: notice of its next run, or the run. Payer and
// payee are followed as those of a payment that is asked for at this moment.
func (s *Server) paySchedule(ctx context.Context, r ledger.Record) error {
	q, err := ledger.ReadSchedule(&r)
	if err != nil {
		return err
	}
	now := s.now().UnixMicro()
	if q.Next.At > now {
		_, err := s.book.Submit(ctx, ledger.Request{Command: ledger.AnnounceRun{Schedule: q.ID}})
		return err
	}
	run, err := q.DueRun(now)
	if err != nil {
		return err
	}
	t, refused, err := s.scheduled(ctx, &q)
	if err != nil {
		return err
	}
	t.ID, t.RRN = ledger.NewID(), s.rrn.next(s.now())
	_, err = s.book.Submit(ctx, ledger.Request{Command: ledger.RunSchedule{Run: run, Create: s.admitted(t, refused)}})
	return err
}

// scheduled is the payment that a schedule makes at this moment, and why it is refused.
func (s *Server) scheduled(ctx context.Context, q *ledger.Schedule) (t ledger.Transfer, refused ledger.Reason, err error) {
	text, err := textOf(q)
	if err != nil {
		return t, "", err
	}
	t = ledger.Transfer{App: q.App, Kind: ledger.Payment, Amount: q.Amount, Note: text.Note, Conversation: q.Conversation, Cause: q.RecordKey}
	payer, err := s.payer(ctx, q.App, addressOf(q.Owner, q.Instrument), q.Amount.Currency)
	var p *problem
	switch {
	case errors.As(err, &p) && p.status == http.StatusNotFound:
		payer = place{end: ledger.End{Party: q.Owner}, refused: ledger.PayerNotPayable}
	case err != nil:
		return t, "", err
	}
	payee, err := s.scheduledPayee(ctx, q, &text)
	return t, between(&t, &payer, &payee), err
}

// addressOf names an instrument, or a party for its default.
func addressOf(party, instrument ledger.ID) *Address {
	if !instrument.IsZero() {
		ref := instrument.InstrumentRef()
		return &Address{Instrument: &ref}
	}
	ref := party.PartyRef()
	return &Address{Party: &ref}
}

func (s *Server) scheduledPayee(ctx context.Context, q *ledger.Schedule, text *scheduleText) (place, error) {
	switch {
	case !q.Payee.IsZero():
		return s.payee(ctx, q.App, addressOf(q.Payee, q.PayeeInstrument), nil, q.Amount.Currency)
	case text.UPI != "":
		return s.payee(ctx, q.App, &Address{}, &address.Link{Payee: text.UPI, Name: text.Name}, q.Amount.Currency)
	case text.Number != "":
		return s.payee(ctx, q.App, &Address{Account: &PayeeAccount{Number: text.Number, IFSC: text.IFSC, Name: text.Name}}, nil, q.Amount.Currency)
	}
	return place{refused: ledger.PayeeNotFound}, nil // it was erased with the payer
}
