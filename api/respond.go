package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// change is a request that changes the book, as its handler understood it.
type change struct {
	command ledger.Command
	key     string                      // Idempotency-Key, or empty
	body    []byte                      // of the request
	status  int                         // of the answer
	wait    int                         // transfers: for how many seconds the answer may wait for a bank
	view    func(any) (v any)           // what is answered, made from the command's result; pure
	settle  func(context.Context) error // what else is done before any answer, also to a repeat; or nil
}

// commit sends a change through the pipeline and answers with its result, or
// with the first answer where the key was seen before.
func (s *Server) commit(c echo.Context, ch change) error {
	command, err := s.numbered(ch.command)
	if err != nil {
		s.forget(command)
		return err
	}
	r := ledger.Request{Command: command}
	if ch.key != "" {
		r.Key = &ledger.IdempotencyKey{App: caller(c).App, Key: ch.key}
		r.RequestHash = requestHash(c.Request(), withoutCredentials(ch.body))
		r.Answer = func(result any) (int, []byte) { return ch.status, mustMarshal(ch.view(result)) }
	}
	reply, err := s.book.Submit(c.Request().Context(), r)
	if reply.Replayed || err != nil && !errors.Is(err, ledger.ErrOutcomeUnknown) {
		s.forget(command)
	}
	if err != nil {
		return err
	}
	if ch.settle != nil {
		if err := ch.settle(c.Request().Context()); err != nil {
			return err
		}
	}
	if ch.key == "" {
		return writeJSON(c, ch.status, ch.view(reply.Result))
	}
	if reply.Replayed {
		c.Response().Header().Set("Idempotency-Replayed", "true")
	}
	if ch.wait > 0 && reply.Answer.Status == http.StatusCreated {
		return s.whenAtRest(c, &reply, time.Duration(ch.wait)*time.Second)
	}
	return c.Blob(reply.Answer.Status, echo.MIMEApplicationJSON, reply.Answer.Body)
}

// whenAtRest answers with the transfer that a request made once it waits for no
// bank, or after the limit as it then is. It is made: whatever fails now, the first
// answer stands.
func (s *Server) whenAtRest(c echo.Context, reply *ledger.Reply, limit time.Duration) error {
	var first struct {
		ID string `json:"id"`
	}
	var t ledger.Transfer
	made := !reply.Replayed
	if made {
		t = transferOf(reply.Result)
	}
	if made && !t.State.Waits() {
		return c.Blob(reply.Answer.Status, echo.MIMEApplicationJSON, reply.Answer.Body)
	}
	if made {
		first.ID = t.ID.TransferRef()
	} else if err := json.Unmarshal(reply.Answer.Body, &first); err != nil {
		return err
	}
	story, err := s.await(c.Request().Context(), caller(c), first.ID, limit)
	if err != nil {
		return c.Blob(reply.Answer.Status, echo.MIMEApplicationJSON, reply.Answer.Body)
	}
	return writeJSON(c, reply.Answer.Status, transferView(&story.Transfer, sightOwn))
}

// requestHash tells one request from another under the same key.
func requestHash(r *http.Request, body []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(r.Method))
	h.Write([]byte{0}) // neither a method nor a path holds a zero byte
	h.Write([]byte(r.URL.Path))
	h.Write([]byte{0})
	h.Write(body)
	return [32]byte(h.Sum(nil))
}

// mustMarshal writes a value of the contract, whose texts were checked when they
// came in. The line ends, so that a terminal shows one answer a line.
func mustMarshal(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

// writeJSON answers with a value of the contract.
func writeJSON(c echo.Context, status int, v any) error {
	return c.Blob(status, echo.MIMEApplicationJSON, mustMarshal(v))
}
