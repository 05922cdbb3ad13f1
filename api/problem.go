package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/reconcile"
	"bahi/ledger/settle"
)

// problem is an answer "no" as RFC 9457 has it: what was wrong and what to do,
// under a code that never changes.
type problem struct {
	status int
	code   string
	detail string
	field  string // JSON pointer, or the name of a parameter or header, of what is wrong
	line   int    // of the file that was sent, where one is wrong
	again  int64  // when the same will be let through, Unix microseconds; 0: that is not known
	cause  error  // for the log only

	withheld *withheld // there is something, which the caller may not have
}

// Error makes a problem an error.
func (p *problem) Error() string { return p.code + ": " + p.detail }

// Unwrap gives the log the cause.
func (p *problem) Unwrap() error { return p.cause }

func newProblem(status int, code, format string, args ...any) *problem {
	return &problem{status: status, code: code, detail: fmt.Sprintf(format, args...)}
}

// at says which part of the request is wrong.
func (p *problem) at(field string) *problem {
	p.field = field
	return p
}

func badRequest(code, format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, code, format, args...)
}

// notFound is the one answer to whoever looks for what is not there or not theirs.
func notFound(what string) *problem {
	return newProblem(http.StatusNotFound, what+"_not_found", "there is no such %s", what)
}

// refusalStatus is the HTTP status of each refusal of the ledger.
var refusalStatus = map[string]int{
	ledger.CodeIdempotencyReuse:    http.StatusUnprocessableEntity,
	ledger.CodePartyNotFound:       http.StatusNotFound,
	ledger.CodeInstrumentNotFound:  http.StatusNotFound,
	ledger.CodeInstrumentTaken:     http.StatusConflict,
	ledger.CodeTransferNotFound:    http.StatusNotFound,
	ledger.CodeRequestNotFound:     http.StatusNotFound,
	ledger.CodeAskNotFound:         http.StatusNotFound,
	ledger.CodeAskBeingPaid:        http.StatusConflict,
	ledger.CodeAskPaid:             http.StatusConflict,
	ledger.CodeAskEnded:            http.StatusConflict,
	ledger.CodeRemindedJustNow:     http.StatusTooManyRequests,
	ledger.CodeAccountNotFound:     http.StatusNotFound,
	ledger.CodeKeyNotFound:         http.StatusNotFound,
	ledger.CodeNotCancellable:      http.StatusConflict,
	ledger.CodeInstructionNotFound: http.StatusNotFound,
	ledger.CodeNotAPaymentMethod:   http.StatusUnprocessableEntity,
	ledger.CodeWalletNotEmpty:      http.StatusConflict,
	ledger.CodePartyClosed:         http.StatusConflict,
	ledger.CodePartyBusy:           http.StatusConflict,
	ledger.CodeRefundOfRefund:      http.StatusConflict,
	ledger.CodeRefundOfPot:         http.StatusConflict,
	ledger.CodeRefundOfErased:      http.StatusConflict,
	ledger.CodeRefundTooLarge:      http.StatusConflict,
	ledger.CodeNothingToRefund:     http.StatusConflict,
	ledger.CodeNotAPayment:         http.StatusConflict,
	ledger.CodeNotCompleted:        http.StatusConflict,
	ledger.CodePayeeNotYours:       http.StatusConflict,
	ledger.CodeTooManyTrusted:      http.StatusConflict,
	ledger.CodePotNotFound:         http.StatusNotFound,
	ledger.CodeNotInvited:          http.StatusForbidden,
	ledger.CodePotNotOpen:          http.StatusConflict,
	ledger.CodePotEmpty:            http.StatusConflict,
	ledger.CodePotClaimed:          http.StatusConflict,
	ledger.CodeClaimRefused:        http.StatusConflict,
	ledger.CodePhoneRegistered:     http.StatusConflict,
	ledger.CodePotNotCancellable:   http.StatusConflict,
	ledger.CodeAnswerErased:        http.StatusGone,
	ledger.CodeEndpointNotFound:    http.StatusNotFound,
	ledger.CodeEventNotFound:       http.StatusNotFound,
	ledger.CodeTooManyEndpoints:    http.StatusConflict,
	ledger.CodeBreakNotFound:       http.StatusNotFound,
	ledger.CodeBreakClosed:         http.StatusConflict,
	ledger.CodeBreakChanged:        http.StatusConflict,
	ledger.CodeCorrectionNotFound:  http.StatusNotFound,
	ledger.CodeCorrectionPending:   http.StatusConflict,
	ledger.CodeCorrectionEnded:     http.StatusConflict,
	ledger.CodeApprovalNeeded:      http.StatusForbidden,
	ledger.CodeSamePerson:          http.StatusForbidden,
	reconcile.CodeRunSuperseded:    http.StatusConflict,
	settle.CodeWindowNotFound:      http.StatusNotFound,
	settle.CodePositionNotFound:    http.StatusNotFound,
	settle.CodeWindowNotOver:       http.StatusConflict,
	settle.CodeWindowOutOfOrder:    http.StatusConflict,
	settle.CodeAlreadyConfirmed:    http.StatusConflict,
}

// asProblem says in HTTP's words what an error means.
func asProblem(err error) *problem {
	var p *problem
	var refusal *ledger.Refusal
	var parameter *ParameterError
	var he *echo.HTTPError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		status, known := refusalStatus[refusal.Code]
		if !known {
			status = http.StatusUnprocessableEntity
		}
		p = newProblem(status, refusal.Code, "%s", refusal.Detail)
		p.again = refusal.Again
		return p
	case errors.Is(err, ledger.ErrNotFound):
		return newProblem(http.StatusNotFound, "not_found", "there is nothing here")
	case errors.Is(err, ledger.ErrBusy):
		return newProblem(http.StatusServiceUnavailable, "busy", "too many requests are waiting; nothing was stored; send it again in a moment")
	case errors.Is(err, ledger.ErrClosed):
		return newProblem(http.StatusServiceUnavailable, "shutting_down", "this server is stopping; nothing was stored; send it again")
	case errors.Is(err, ledger.ErrUnavailable):
		return newProblem(http.StatusServiceUnavailable, "database_unavailable", "the database is away; nothing was stored; send it again")
	case errors.Is(err, ledger.ErrOutcomeUnknown):
		return newProblem(http.StatusServiceUnavailable, "outcome_unknown", "it may be stored or not; send it again under the same Idempotency-Key to learn which")
	case errors.As(err, &parameter):
		return fromParameter(parameter)
	case errors.As(err, &he):
		return fromEcho(he)
	}
	p = newProblem(http.StatusInternalServerError, "internal", "something is wrong on our side; nothing was stored")
	p.cause = err
	return p
}

// fromParameter turns what the generated code says of a parameter into a problem.
func fromParameter(e *ParameterError) *problem {
	switch {
	case e.Name == "Idempotency-Key" && errors.Is(e, ErrParameterMissing):
		return badRequest("idempotency_key_missing", "send the header Idempotency-Key, best with the id of the chat message").at(e.Name)
	case errors.Is(e, ErrParameterRepeated):
		return badRequest("duplicate_parameter", "%s: %v", e.Name, e.Err).at(e.Name)
	}
	return badRequest("malformed_parameter", "%s: %v", e.Name, e.Err).at(e.Name)
}

// fromEcho turns the framework's own refusals into problems.
func fromEcho(he *echo.HTTPError) *problem {
	switch he.Code {
	case http.StatusNotFound:
		return newProblem(he.Code, "not_found", "there is nothing here; the contract is at /openapi.json")
	case http.StatusMethodNotAllowed:
		return newProblem(he.Code, "method_not_allowed", "this path does not take the method; the contract is at /openapi.json")
	case http.StatusRequestEntityTooLarge:
		return newProblem(he.Code, "body_too_large", "the body is larger than %d bytes", maxBody)
	}
	return newProblem(he.Code, "malformed_parameter", "%v", he.Message)
}

// body is the problem as the contract has it.
func (p *problem) body(requestID string) Problem {
	out := Problem{Type: "urn:bahi:problem:" + p.code, Title: http.StatusText(p.status), Status: p.status,
		Code: p.code, Detail: p.detail, Field: p.field, Line: p.line, RetryAt: timeView(p.again), RequestID: requestID}
	return out
}

// retryAfterSeconds is what a 503 or a 429 tells callers to wait.
const retryAfterSeconds = 1

// retryAfter is in how many seconds the same may be let through.
func (s *Server) retryAfter(p *problem) int64 {
	const second = int64(time.Second / time.Microsecond)
	return max(retryAfterSeconds, (p.again-s.now().UnixMicro()+second-1)/second)
}

// handleError is Echo's error handler: every refusal leaves through it.
func (s *Server) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := asProblem(err)
	id := requestID(c)
	if p.status >= http.StatusInternalServerError {
		s.log.LogAttrs(c.Request().Context(), slog.LevelError, "request failed", slog.String("request_id", id), slog.String("code", p.code), slog.Any("error", err))
	}
	h := c.Response().Header()
	switch p.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.FormatInt(s.retryAfter(p), 10))
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="bahi"`)
	}
	body := mustMarshal(p.body(id))
	if c.Request().Method == http.MethodHead {
		body = nil
	}
	_ = c.Blob(p.status, "application/problem+json", body) // the caller may be gone
}
