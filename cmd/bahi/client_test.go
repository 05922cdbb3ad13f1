package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bahi/api"
)

// rawClient calls a Bahi server as a chat backend does that has no library for it, and
// shows what came: the status, the bytes, and whether they are those of an earlier answer.
type rawClient struct {
	http   http.Client
	url    string
	secret string
}

func newClient(url, secret string, connections int) *rawClient {
	return &rawClient{url: url, secret: secret, http: http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: connections, DisableCompression: true}}}
}

// answer is a response that was read whole.
type answer struct {
	status   int
	body     []byte
	replayed bool
}

// problemError is an answer "no".
type problemError struct {
	api.Problem
}

func (e *problemError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Detail) }

// call sends one request once.
func (c *rawClient) call(ctx context.Context, method, path, key string, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+c.secret)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, replayed: resp.Header.Get("Idempotency-Replayed") == "true"}
	a.body, err = io.ReadAll(resp.Body)
	return a, err
}

// patience is how long send tries a request again whose outcome it does not know.
const patience = 30 * time.Second

// send marshals in, sends it until an answer comes that is not "try again", and
// unmarshals the answer into out.
func (c *rawClient) send(ctx context.Context, method, path, key string, in, out any) (answer, error) {
	var body []byte
	var err error
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return answer{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var a answer
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		a, err = c.call(ctx, method, path, key, body)
		if err == nil && a.status != http.StatusServiceUnavailable {
			break
		}
		select {
		case <-ctx.Done():
			return a, errors.Join(err, ctx.Err())
		case <-time.After(wait):
		}
	}
	if a.status >= http.StatusBadRequest {
		p := &problemError{}
		_ = json.Unmarshal(a.body, &p.Problem)
		p.Status = a.status // also of an answer that is not a problem of ours
		return a, p
	}
	if out != nil {
		err = json.Unmarshal(a.body, out)
	}
	return a, err
}

// transferAnswer is what programs need of a transfer.
type transferAnswer struct {
	ID         string `json:"id"`
	State      string `json:"state"`
	StatusText string `json:"status_text"`
	Failure    struct {
		Reason   string `json:"reason"`
		BankCode string `json:"bank_code"`
	} `json:"failure"`
}

// rests says whether the transfer waits for no bank.
func (t *transferAnswer) rests() bool {
	return t.State != "pending" && t.State != "debited" && t.State != "reversing"
}

// settled waits until a transfer waits for no bank any more.
func (c *rawClient) settled(ctx context.Context, t transferAnswer) (transferAnswer, error) {
	for !t.rests() {
		if _, err := c.send(ctx, "GET", "/v1/transfers/"+t.ID+"?wait=20", "", nil, &t); err != nil {
			return t, err
		}
	}
	return t, nil
}

// completed waits for a transfer; an end that is not "completed" is an error.
func (c *rawClient) completed(ctx context.Context, t transferAnswer) error {
	t, err := c.settled(ctx, t)
	if err == nil && t.State != "completed" {
		err = fmt.Errorf("transfer %s %w: it is %s (%s)", t.ID, errNotCompleted, t.State, t.Failure.Reason)
	}
	return err
}

// rupees is an amount as a request has it.
func rupees(value string) map[string]any { return map[string]any{"value": value, "currency": "INR"} }
