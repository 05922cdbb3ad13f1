// Package client calls a Bahi server. Its types and a method for each operation are
// generated from the contract, api/openapi.yaml; what is here is how a request is sent:
// with the caller's key, and again under the same idempotency key for as long as it is not
// known what became of it, so that a payment is made once whatever happens on the way.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Client calls a server with one key. It may be used by many goroutines.
type Client struct {
	url      string
	key      string
	http     *http.Client
	patience time.Duration
}

// Option changes how a [Client] works.
type Option func(*Client)

// HTTP makes the client send its requests by another [http.Client].
func HTTP(h *http.Client) Option { return func(c *Client) { c.http = h } }

// Patience is for how long a request is sent again while its outcome is not known;
// without it 30 s. With 0 it is sent once.
func Patience(d time.Duration) Option { return func(c *Client) { c.patience = d } }

// New makes a client of the server at a URL such as "https://bahi.example.com", which
// shows the key (the secret that [Client.CreateKey] answered with) with each request.
func New(url, key string, options ...Option) *Client {
	c := &Client{url: strings.TrimSuffix(url, "/"), key: key, http: &http.Client{Transport: transport()}, patience: 30 * time.Second}
	for _, option := range options {
		option(c)
	}
	return c
}

// transport keeps as many connections open as there are requests at once.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 256
	return t
}

// NewIdempotencyKey makes an idempotency key. Where there is an id of your own for what is asked for, such
// as that of the chat message, it is the better key: it is still known after a crash.
func NewIdempotencyKey() string { return uuid.Must(uuid.NewV7()).String() }

// Error is the server's answer "no". Decide by Code.
type Error struct {
	Problem
	RetryAfter time.Duration // how long to wait before it is asked again; 0 where it was not said
}

// Error implements error.
func (e *Error) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%d %s at %s: %s", e.Status, e.Code, e.Field, e.Detail)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Detail)
}

// Code is the stable code of the server's refusal, or empty where err is none.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// call is what an operation's method makes of its arguments.
type call struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	err    error
}

// in puts a parameter in the path.
func (r *call) in(name, value string) {
	r.path = strings.Replace(r.path, "{"+name+"}", url.PathEscape(value), 1)
}

// ask adds a parameter to the query, unless it is zero.
func (r *call) ask(name string, value any) {
	if text, ok := textOf(value); ok {
		if r.query == nil {
			r.query = url.Values{}
		}
		r.query.Set(name, text)
	}
}

// head adds a header, unless it is zero. What may be sent with an idempotency key is never sent without.
func (r *call) head(name string, value any) {
	text, ok := textOf(value)
	if !ok && name == idempotencyKey {
		text, ok = NewIdempotencyKey(), true
	}
	if ok {
		r.set(name, text)
	}
}

func (r *call) set(name, value string) {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(name, value)
}

func (r *call) json(body any) {
	r.body, r.err = json.Marshal(body)
	r.set("Content-Type", "application/json")
}

func (r *call) raw(contentType string, body []byte) {
	r.body = body
	r.set("Content-Type", contentType)
}

// textOf is a parameter as text; none where it is zero.
func textOf(value any) (string, bool) {
	v := reflect.ValueOf(value)
	if !v.IsValid() || v.IsZero() {
		return "", false
	}
	v = reflect.Indirect(v)
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano), true
	case fmt.Stringer:
		return x.String(), true
	}
	if v.Kind() == reflect.Slice {
		var all []string
		for i := range v.Len() {
			all = append(all, fmt.Sprint(v.Index(i)))
		}
		return strings.Join(all, ","), true
	}
	return fmt.Sprint(v.Interface()), true
}

const idempotencyKey = "Idempotency-Key"

// repeatable says whether the request may be sent again though it may have been carried out.
func (r *call) repeatable() bool {
	return r.method != http.MethodPost || r.header.Get(idempotencyKey) != ""
}

// do sends the request and reads the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, r *call, out any) error {
	body, err := c.stream(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(b, out)
}
