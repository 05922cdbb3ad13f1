package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Bounds of the pause between two tries.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 5 * time.Second
)

// stream sends the request, again and again under the same idempotency key while it is not
// known what became of it, and returns the body of the answer.
func (c *Client) stream(ctx context.Context, r *call) (io.ReadCloser, error) {
	if r.err != nil {
		return nil, r.err
	}
	until := time.Now().Add(c.patience)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		body, err := c.once(ctx, r)
		if err == nil || !r.repeatable() || !undecided(err) {
			return body, err
		}
		wait := time.Duration(rand.Int64N(int64(pause))) + pause/2
		var no *Error
		if errors.As(err, &no) {
			wait = max(wait, no.RetryAfter)
		}
		if time.Now().Add(wait).After(until) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// undecided says whether the request may be sent again: no answer came, or one that says so.
func undecided(err error) bool {
	var no *Error
	if !errors.As(err, &no) {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	return no.Status >= 500 && no.Status != http.StatusNotImplemented || no.Status == http.StatusTooManyRequests
}

// once sends the request.
func (c *Client) once(ctx context.Context, r *call) (io.ReadCloser, error) {
	url := c.url + r.path
	if len(r.query) > 0 {
		url += "?" + r.query.Encode()
	}
	q, err := http.NewRequestWithContext(ctx, r.method, url, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		q.Header[name] = values
	}
	if c.key != "" {
		q.Header.Set("Authorization", "Bearer "+c.key)
	}
	answer, err := c.http.Do(q)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 300 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, refusal(answer)
}

// maxProblem is how much of a refusal is read.
const maxProblem = 64 << 10

// refusal reads an answer that is a "no". One that comes from between, such as a proxy's, has no code.
func refusal(answer *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxProblem))
	if err != nil {
		return err
	}
	no := &Error{}
	if json.Unmarshal(b, &no.Problem) != nil || no.Code == "" {
		no.Problem = Problem{Title: http.StatusText(answer.StatusCode), Detail: "not an answer of Bahi"}
	}
	no.Status = answer.StatusCode
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		no.RetryAfter = time.Duration(seconds) * time.Second
	}
	return no
}
