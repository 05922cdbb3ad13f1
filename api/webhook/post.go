package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// outcome is what one try came to.
type outcome struct {
	taken      bool
	failure    string // why it was not taken
	status     int    // of HTTP, or 0
	text       string // how the answer began
	retryAfter time.Duration
	err        error // it could not be tried, for a reason of our own
}

// Why an event was not taken, in one word.
const (
	failedStatus   = "status"   // an answer that is not 2xx
	failedRedirect = "redirect" // an answer that sends elsewhere, where nothing is sent
	failedTime     = "timeout"
	failedAddress  = "address" // the name leads to an address that nothing may be sent to
	failedName     = "name"    // the name leads nowhere
	failedConnect  = "connect"
	failedTLS      = "tls"
	failedCut      = "cut_off" // the connection ended before an answer
	failedUnknown  = "unreadable"
)

const (
	tryTime   = 15 * time.Second
	maxAnswer = 64 << 10 // bytes of an answer that are read
	maxHeader = 16 << 10
)

// client posts to one endpoint. Each has connections of its own, so that one that is slow
// takes nothing away from another.
func (s *Sender) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            s.dialer().DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.opt.Roots},
			MaxIdleConnsPerHost:    maxFlying,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post tries to deliver an event once.
func post(ctx context.Context, c *http.Client, url string, signers []signer, id string, now func() time.Time, limit time.Duration, body []byte) outcome {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return outcome{failure: failedUnknown}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Bahi-Webhooks/1")
	if err := sign(r.Header, signers, id, now(), body); err != nil {
		return outcome{err: err}
	}
	resp, err := c.Do(r)
	if err != nil {
		return outcome{failure: failureOf(err)}
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status has come: that counts
	out := outcome{status: resp.StatusCode}
	switch status := resp.StatusCode; {
	case status >= 200 && status < 300:
		out.taken = true
		return out
	case status >= 300 && status < 400:
		out.failure = failedRedirect
	default:
		out.failure = failedStatus
	}
	if s := resp.StatusCode; s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable {
		out.retryAfter = retryAfter(resp.Header.Get("Retry-After"), now())
	}
	out.text = excerpt(answer, body)
	return out
}

// failureOf says in one word why a request failed. The error itself may hold addresses, and is not kept.
func failureOf(err error) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, errAddress):
		return failedAddress
	case errors.As(err, &timeout) && timeout.Timeout():
		return failedTime
	case errors.As(err, &name):
		return failedName
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert):
		return failedTLS
	case errors.As(err, &op) && op.Op == "dial":
		return failedConnect
	}
	return failedCut
}

// retryAfter reads the header: seconds, or a date. What is beyond the longest pause is cut.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(0, seconds), int64(longWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), longWait)
	}
	return 0
}
