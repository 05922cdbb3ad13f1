package main

import (
	"strings"

	"github.com/valyala/fasthttp"
)

// caller sends the load's requests. It shares the cores with what it measures, so
// it is a client that takes little of them.
type caller struct {
	http fasthttp.HostClient
	url  string
	auth string
}

func newCaller(url, secret string, connections int) *caller {
	return &caller{url: url, auth: "Bearer " + secret, http: fasthttp.HostClient{
		Addr: strings.TrimPrefix(url, "http://"), MaxConns: connections, DisablePathNormalizing: true,
		RetryIfErr: func(*fasthttp.Request, int, error) (resetTimeout, retry bool) { return false, false }}}
}

// call sends one request once. A nil body makes it a GET.
func (c *caller) call(path, key string, body []byte) (status int, answer []byte, err error) {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI(c.url + path)
	request.Header.Set("Authorization", c.auth)
	if body != nil {
		request.Header.SetMethod("POST")
		request.Header.SetContentType("application/json")
		request.Header.Set("Idempotency-Key", key)
		request.SetBodyRaw(body)
	}
	err = c.http.Do(request, response)
	return response.StatusCode(), append([]byte(nil), response.Body()...), err
}
