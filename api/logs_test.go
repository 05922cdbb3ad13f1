package api_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"bahi/api"
)

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestLogsNameNobodyAndNoAmount(t *testing.T) {
	var log lines
	g, change := gated()
	s := start(t, change, func(o *setup) { o.log = &log })
	a := s.as(chatA)
	asha := &person{name: "Zephyrine", phone: "+919876543219", handle: "zephyrine", bank: "NRMD", number: "173928465012", ifsc: "NRMD0777777", upi: "zephyrine@narmada"}
	ravi := &person{name: "Quentin", phone: "+919876543218", handle: "quentin", bank: "KVRI", number: "284037561923", ifsc: "KVRI0888888", upi: "quentin@kaveri"}
	a.fund(a.settle(asha), "7391.37")
	a.fund(a.settle(ravi), "")
	const note, conversation, detail = "birthday-cake", "conv-4711", "table-by-the-window"

	var answers []*answer
	send := func(got *answer) *answer { answers = append(answers, got); return got }
	in := obj{"payer": obj{"phone": asha.phone}, "payee": obj{"upi": ravi.upi}, "amount": inr("6482.91"), "note": note,
		"conversation": conversation, "metadata": obj{"seat": detail}}
	paid := read[api.Transfer](send(a.post("/v1/transfers", in)).want(201))
	a.comesTo(paid, "completed")
	a.comesTo(read[api.Transfer](a.pay(obj{"phone": asha.phone}, obj{"account": obj{"number": ravi.number, "ifsc": ravi.ifsc}}, "9101.00").want(201)), "failed")
	a.comesTo(read[api.Transfer](a.pay(obj{"phone": asha.phone}, obj{"link": upiLink(ravi.upi, "Quentin", "")}, "9201.00").want(201)), "reversed")
	for _, bad := range []any{`{"` + asha.phone + `":1}`, `{"note":"` + note, `{"payer":{"phone":"98765 43219"}}`, in["amount"],
		obj{"payer": obj{"phone": asha.phone}, "payee": obj{"phone": ravi.phone}, "amount": inr("6482.911")},
		obj{"payer": obj{"phone": asha.phone}, "payee": obj{"phone": ravi.phone}, "amount": obj{"value": 6482.91, "currency": "INR"}},
		obj{"payer": obj{"handle": "zephyrine"}, "payee": obj{"phone": ravi.phone}, "amount": inr("1"), "note": note + "\n"}} {
		if got := send(a.post("/v1/transfers", bad, underOneKey, note+asha.phone)); got.status != 400 {
			t.Errorf("%v: %d", bad, got.status)
		}
	}
	send(a.get("/v1/directory?phone=" + url.QueryEscape(asha.phone)).want(200))
	send(a.get("/v1/directory?phone=9876543219")).want(400)
	send(a.get("/v1/directory?handle=" + asha.handle + ";x=" + asha.phone)).want(400)
	send(a.get("/v1/transfers?conversation=" + conversation).want(200))
	send(a.get("/v1/parties/" + url.PathEscape(asha.phone)).want(404))
	send(a.get("/" + asha.upi).want(404))
	send(s.as(nobody).send("GET", "/v1/parties", nil, "Authorization", "Bearer bahi_chat_"+detail).want(401))
	made := read[api.CreatedKey](send(s.as(operator).post("/v1/keys", obj{"role": "auditor", "label": detail}).want(201)))
	g.fail(errors.New("disk on fire"), false)
	send(a.post("/v1/transfers", in).refused(500, "internal"))
	g.heal()
	send(a.send("GET", "/v1/banks", nil, "X-Request-Id", "the-chats-own").want(200))

	s.stop() // now every line is written
	text := log.String()
	secrets := []string{"7391", "6482", "9101", "9201", "739137", "648291", "98765", "43219", "zephyrine", "quentin", "173928465012", "284037561923", "5012", "1923",
		"0777777", "0888888", note, conversation, detail, made.Secret}
	for _, secret := range s.keys {
		secrets = append(secrets, secret)
	}
	for _, secret := range secrets {
		for line := range strings.Lines(text) {
			if strings.Contains(strings.ToLower(withoutNumbers(t, line)), strings.ToLower(secret)) {
				t.Errorf("%q is in the log: %s", secret, line)
			}
		}
	}
	ids := map[string]int{}
	for _, l := range parsed(t, text) {
		if l["msg"] == "request" || l["msg"] == "request failed" {
			ids[fmt.Sprint(l["msg"], " ", l["request_id"])]++
		}
	}
	for _, got := range answers {
		id := got.header.Get("X-Request-Id")
		failed := ids["request failed "+id]
		if ids["request "+id] != 1 || (failed == 1) != (got.status >= 500) {
			t.Errorf("%s, %d: request %s is in %d lines and in %d of failure", got.at, got.status, id, ids["request "+id], failed)
		}
	}
	wantEqual(t, "the chat's own id", ids["request the-chats-own"], 1)
}

func parsed(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
		var l map[string]any
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("a line is not JSON: %v: %s", err, in.Text())
		}
		all = append(all, l)
	}
	return all
}

// withoutNumbers is the line without its time, its duration and the ids made at
// random, in which any digits may stand.
func withoutNumbers(t *testing.T, line string) string {
	l := parsed(t, line)[0]
	for _, name := range []string{"time", "took_us", "request_id"} {
		delete(l, name)
	}
	return fmt.Sprint(l)
}
