package api

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/banks"
	"bahi/banks/remote"
	"bahi/ledger"
)

// ListBanks implements [ServerInterface].
func (s *Server) ListBanks(c echo.Context) error {
	out := BankList{Data: []Bank{}}
	for _, b := range s.registry.All() {
		h, ok := s.dispatcher.Health(b.Code)
		if !ok {
			continue
		}
		if r, ok := b.Adapter.(*remote.Bank); ok && r.Down() && h.State != "leaving" {
			h.State = "down"
		}
		out.Data = append(out.Data, bankView(&b, &h))
	}
	return writeJSON(c, http.StatusOK, out)
}

func bankView(b *banks.Bank, h *banks.Health) Bank {
	v := Bank{Code: b.Code, Name: b.Name, IFSCPrefix: b.IFSCPrefix, Handles: append([]string{}, b.Handles...),
		State: BankState(h.State), Breaker: BreakerState(h.Breaker.String()), InFlight: int64(h.InFlight), Queued: int64(h.Queued)}
	if b.NetDebitCap.Minor > 0 {
		v.NetDebitCap = moneyView(b.NetDebitCap)
	}
	if b.MaxAmount.Minor > 0 {
		v.MaxAmount = moneyView(b.MaxAmount)
	}
	for _, w := range h.Windows {
		v.Windows = append(v.Windows, BankWindow{Seconds: int64(w.Span.Seconds()), Approved: w.Approved, BusinessDeclines: w.Business,
			TechnicalDeclines: w.Technical, Unknown: w.Unknown, P50Ms: milliseconds(w.P50), P99Ms: milliseconds(w.P99)})
	}
	return v
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ReportResult implements [ServerInterface]: a bank says what became of an instruction.
func (s *Server) ReportResult(c echo.Context, bank string, _ ReportResultParams) error {
	if caller(c).Bank != bank {
		return foreign("bank", "")
	}
	var in NewResult
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if err := verifySignature(c.Request().Header, caller(c).PublicKey, s.now(), body); err != nil {
		return err
	}
	id, answer, err := readResult(&in)
	if err != nil {
		return err
	}
	r, err := s.dispatcher.Report(c.Request().Context(), bank, id, answer)
	if errors.Is(err, ledger.ErrNotFound) {
		err = notFound("instruction")
	}
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, resultView(id, r))
}

func resultView(id ledger.InstructionID, r ledger.Recorded) Result {
	return Result{Instruction: id.String(), Effect: Effect(r.Effect), State: TransferState(r.Transfer.State.String())}
}

func readResult(in *NewResult) (id ledger.InstructionID, a banks.Answer, err error) {
	transfer, leg, _ := strings.Cut(in.Instruction, ".")
	l, ok := ledger.ParseLeg(leg)
	t, err := ledger.ParseTransferRef(transfer)
	if err != nil || !ok {
		return id, a, notFound("instruction")
	}
	outcome, ok := ledger.ParseOutcome(string(in.Outcome))
	if !ok || !in.Outcome.Valid() {
		return id, a, badRequest("invalid_field", "outcome is approved, declined, not_done or stands").at("/outcome")
	}
	switch {
	case outcome == ledger.SaysStands && l != ledger.LegCreditReversal:
		return id, a, badRequest("invalid_field", "only a credit's reversal can find that the credit stands").at("/outcome")
	case in.Code != "" && !bankCode.MatchString(in.Code):
		return id, a, badRequest("invalid_field", "a response code is 1 to 8 letters and digits").at("/code")
	case in.Ref != "" && !bankRef.MatchString(in.Ref):
		return id, a, badRequest("invalid_field", "a reference is 1 to 64 letters, digits and . _ / -").at("/ref")
	}
	return ledger.InstructionID{Transfer: t, Leg: l}, banks.Answer{Outcome: outcome, Code: in.Code, Ref: in.Ref}, nil
}

// What a bank may have us keep of its own; the contract states both.
var (
	bankCode = regexp.MustCompile(`^[A-Za-z0-9]{1,8}$`)
	bankRef  = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,64}$`)
)
