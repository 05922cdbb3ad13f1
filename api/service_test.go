package api_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"bahi/api"
)

func TestServiceNeedsNoKey(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		s.as(nobody).get(path).want(200)
		s.as(nobody).send("GET", path, nil, "Authorization", "Bearer nonsense").want(200)
	}
	s.as(nobody).get("/metrics").refused(401, "unauthenticated")
}

func TestServedContractIsTheContract(t *testing.T) {
	served := read[any](start(t).as(nobody).get("/openapi.json").want(200))
	written, err := loadContract(t).MarshalJSON()
	check(t, err)
	var want any
	check(t, json.Unmarshal(written, &want))
	if !reflect.DeepEqual(served, want) {
		t.Error("/openapi.json is not what openapi.yaml says")
	}
}

func TestMetrics(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	a.comesTo(read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "1").want(201)), "completed")
	a.comesTo(read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "9101.00").want(201)), "failed")
	a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "0").want(400)
	s.as(nobody).get("/v1/parties").want(401)
	// What callers make up must not become series.
	for n := range 3 {
		r := a.request("GET", fmt.Sprint("/%2B91987651111", n), nil)
		r.Host = fmt.Sprint("made-up-", n)
		a.do(r).want(404)
		a.send(fmt.Sprint("BREW", n), "/v1/parties", nil).want(405)
	}
	text := string(s.as(auditor).get("/metrics").want(200).body)
	for _, want := range []string{
		`bahi_http_requests_total{code="201",host="",method="POST",url="/v1/transfers"} 2`,
		`bahi_http_requests_total{code="400",host="",method="POST",url="/v1/transfers"} 1`,
		`bahi_http_requests_total{code="401",host="",method="GET",url="/v1/parties"} 1`,
		`bahi_http_requests_total{code="404",host="",method="GET",url=""} 3`,
		`bahi_http_requests_total{code="405",host="",method="other",url="/v1/parties"} 3`,
		`bahi_transfer_steps_total{state="completed"} 1`,
		`bahi_transfer_steps_total{state="failed"} 1`,
		`bahi_bank_answers_total{bank="NRMD",outcome="approved"} 1`,
		`bahi_bank_answers_total{bank="NRMD",outcome="business_decline"} 1`,
		`bahi_bank_answers_total{bank="KVRI",outcome="approved"} 1`,
		`bahi_bank_in_flight{bank="NRMD"} 0`,
		`bahi_queue_commands 0`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	for _, not := range []string{"made-up", "98765", "BREW", `code="500"`} {
		if strings.Contains(text, not) {
			t.Errorf("/metrics has %s", not)
		}
	}
}
