package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/banks"
	"bahi/banks/remote"
	"bahi/ledger"
)

// Bounds of a lease; the contract states them, and what is meant where they are left out.
const (
	defaultWait = 20 // seconds
	defaultHold = 10 // seconds
	maxHold     = 300
)

// remoteBank is the caller's own bank, if a process of its own drives it. To one
// that is leaving its process still comes, for what is open.
func (s *Server) remoteBank(c echo.Context, code string) (*remote.Bank, error) {
	b, known := s.registry.Driven(code)
	switch {
	case !known:
		return nil, notFound("bank")
	case caller(c).Bank != code:
		return nil, foreign("bank", "")
	}
	r, ok := b.Adapter.(*remote.Bank)
	if !ok {
		return nil, newProblem(http.StatusConflict, "bank_not_remote", "this bank is not driven by a process that comes for its instructions")
	}
	return r, nil
}

// LeaseInstructions implements [ServerInterface]: a bank's process comes for what it is asked.
func (s *Server) LeaseInstructions(c echo.Context, bank string) error {
	r, err := s.remoteBank(c, bank)
	if err != nil {
		return err
	}
	var in NewLease
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	limit, hold, wait := valueOr(in.Max, maxResults), valueOr(in.Hold, defaultHold), valueOr(in.Wait, defaultWait)
	switch {
	case limit < 1 || limit > maxResults:
		return badRequest("invalid_field", "at least 1 and at most %d", maxResults).at("/max")
	case hold < 1 || hold > maxHold:
		return badRequest("invalid_field", "at least 1 and at most %d seconds", maxHold).at("/hold")
	case wait < 0 || wait > int(maxWait/time.Second):
		return badRequest("invalid_field", "at most %d seconds", int(maxWait/time.Second)).at("/wait")
	}
	ctx, cancel := s.untilStop(c.Request().Context())
	defer cancel()
	out := LeaseList{Data: []Lease{}}
	for _, o := range r.Lease(ctx, caller(c).ID, limit, time.Duration(wait)*time.Second, time.Duration(hold)*time.Second) {
		out.Data = append(out.Data, leaseView(&o))
	}
	return writeJSON(c, http.StatusOK, out)
}

// untilStop is a context that ends with the server too.
func (s *Server) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func valueOr(v *int, otherwise int) int {
	if v == nil {
		return otherwise
	}
	return *v
}

func leaseView(o *remote.Offer) Lease {
	i := &o.Instruction
	v := Lease{Lease: o.Token, Until: o.Until.UTC(), Ask: Ask(o.Ask), Instruction: o.ID.String(), Leg: Leg(o.ID.Leg.String()),
		Amount: moneyView(i.Amount), Account: leaseAccountView(&i.Account), Counterparty: leaseAccountView(&i.Counterparty),
		RRN: i.RRN, Note: i.Note, InitiatedAt: i.Initiated.UTC(), Credential: i.Credential.Reveal()}
	if leg := o.ID.Leg.Reverses(); leg != 0 {
		v.Reverses = ledger.InstructionID{Transfer: o.ID.Transfer, Leg: leg}.String()
	}
	return v
}

func leaseAccountView(a *banks.Account) LeaseAccount {
	return LeaseAccount{Number: a.Number, IFSC: a.IFSC, UPI: a.UPI, Name: a.Name}
}

// AnswerLeases implements [ServerInterface]: a bank's process answers what it leased.
func (s *Server) AnswerLeases(c echo.Context, bank string) error {
	r, err := s.remoteBank(c, bank)
	if err != nil {
		return err
	}
	items, _, err := readResults(c)
	if err != nil {
		return err
	}
	all, questions := make([]taken, len(items)), make([]remote.Question, len(items))
	for n := range items {
		var in NewLeaseResult
		t := &all[n]
		if t.err = decode(items[n], &in); t.err == nil {
			questions[n], t.err = readLeaseResult(&in, t)
		}
		if t.err == nil && !r.Leased(caller(c).ID, questions[n], in.Lease) {
			t.err = newProblem(http.StatusNotFound, "lease_not_found",
				"this node did not lease it to this key, or has been restarted since; where the outcome is not known you will be asked for it").at("/lease")
		}
		t.Asked = questions[n].Ask == remote.AskSubmit && r.Waits(questions[n])
	}
	if err := s.record(c.Request().Context(), bank, all); err != nil {
		return err
	}
	// Only now that the book has them: who waits for an answer goes on from there.
	for n := range all {
		if all[n].err == nil {
			r.Answer(questions[n], all[n].Answer)
		}
	}
	return writeResults(c, all)
}

// readLeaseResult reads an answer: a result, or one of the two that only a question can have.
func readLeaseResult(in *NewLeaseResult, t *taken) (q remote.Question, err error) {
	ask := remote.Ask(in.Ask)
	t.noted = in.Outcome == LeaseOutcomePending || in.Outcome == LeaseOutcomeNotSeen
	result := NewResult{Instruction: in.Instruction, Outcome: Outcome(in.Outcome), Code: in.Code, Ref: in.Ref}
	if t.noted { // the rest is read as of any result
		result.Outcome = OutcomeNotDone
	}
	if t.ID, t.Answer, err = readResult(&result); err != nil {
		return q, err
	}
	switch {
	case !in.Ask.Valid():
		return q, badRequest("invalid_field", "ask is submit, reverse or status, as it was leased").at("/ask")
	case in.Outcome == LeaseOutcomePending:
		t.Answer = banks.Answer{Pending: true}
	case in.Outcome == LeaseOutcomeNotSeen && ask != remote.AskStatus:
		return q, badRequest("invalid_field", "only a question for the status can find that the instruction was not seen").at("/outcome")
	case in.Outcome == LeaseOutcomeNotSeen:
		t.Outcome = ledger.SaysNotSeen
	}
	return remote.Question{Ask: ask, ID: t.ID}, nil
}

// Heartbeat implements [ServerInterface]: a bank's process says that it lives.
func (s *Server) Heartbeat(c echo.Context, bank string) error {
	r, err := s.remoteBank(c, bank)
	if err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	waiting, leased := r.Heartbeat()
	return writeJSON(c, http.StatusOK, BankQueue{Waiting: waiting, Leased: leased})
}
