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
	"bahi/api/client"
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

// transferAnswer is a transfer as the contract has it.
type transferAnswer = client.Transfer

// library is a client that calls the same server with the same key.
func (c *rawClient) library() *client.Client { return client.New(c.url, c.secret) }

// settled waits until a transfer waits for no bank any more.
func (c *rawClient) settled(ctx context.Context, t transferAnswer) (transferAnswer, error) {
	return c.library().Await(ctx, t)
}

// completed waits for a transfer; an end that is not "completed" is an error.
func (c *rawClient) completed(ctx context.Context, t transferAnswer) error {
	return completed(ctx, c.library(), t)
}

// rupees is an amount as a request has it.
func rupees(value string) map[string]any { return map[string]any{"value": value, "currency": "INR"} }
