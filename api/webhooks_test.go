package api_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bahi/api"
	"bahi/ledger"
)

const toWebhooks = "/v1/webhooks"

// chat is a chat backend that is sent its events.
type chat struct {
	*httptest.Server
	t      *testing.T
	status atomic.Int32 // what it answers
	text   atomic.Pointer[string]

	mu     sync.Mutex
	hooks  []*standard.Webhook
	bodies [][]byte // of what it took
	tries  int
}

func newChat(t *testing.T) *chat {
	c := &chat{t: t}
	c.status.Store(200)
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP implements [http.Handler].
func (c *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	signed := false
	for _, hook := range c.hooks {
		signed = signed || hook.Verify(body, r.Header) == nil
	}
	if !signed {
		c.t.Errorf("%v with %s is not signed", r.Header, body)
	}
	status := int(c.status.Load())
	if status < 300 {
		c.bodies = append(c.bodies, body)
	}
	w.WriteHeader(status)
	if text := c.text.Load(); text != nil {
		_, _ = io.WriteString(w, *text)
	}
}

func (c *chat) trust(secret string) {
	c.t.Helper()
	hook, err := standard.NewWebhook(secret)
	check(c.t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hooks = append(c.hooks, hook)
}

// events are what it took.
func (c *chat) events() (all []api.AppEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, body := range c.bodies {
		var e api.AppEvent
		check(c.t, json.Unmarshal(body, &e))
		all = append(all, e)
	}
	return all
}

// hook makes a webhook for a chat backend, for what happens from now on, and gives its path.
func (c *caller) hook(to *chat, types ...string) (path string) {
	c.s.t.Helper()
	eventually(c.s.t, "all is published", func() bool {
		rows, err := c.s.store.Outbox(c.s.t.Context(), 1)
		return err == nil && len(rows) == 0
	})
	in := obj{"url": to.URL + "/bahi?key=of-the-chat"}
	if len(types) > 0 {
		in["types"] = types
	}
	made := read[api.CreatedWebhook](c.post(toWebhooks, in).want(201))
	to.trust(made.Secret)
	return toWebhooks + "/" + made.Webhook.ID
}

func TestWebhookTellsWhatEventsTell(t *testing.T) {
	s := start(t, hooked)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	to, other := newChat(t), newChat(t)
	path := a.hook(to, "transfer.*")
	s.as(chatB).hook(other)
	for range 3 {
		a.comesTo(read[api.Transfer](a.pay(obj{"handle": "asha"}, obj{"handle": "ravi"}, "1.00").want(201)), "completed")
	}
	eventually(t, "all is told", func() bool { return len(to.events()) == 9 })
	listed := map[string]api.AppEvent{}
	for _, e := range a.events("") {
		listed[e.ID] = e
	}
	steps := map[string][]string{}
	for _, e := range to.events() {
		got, want := jsonOf(t, e), jsonOf(t, listed[e.ID])
		if got != want {
			t.Errorf("told\n%s\nlisted\n%s", got, want)
		}
		steps[e.Data.Transfer.ID] = append(steps[e.Data.Transfer.ID], e.Type)
		wantEqual(t, "payer", e.Data.Transfer.Payer.Party, asha.id)
		wantEqual(t, "payee", e.Data.Transfer.Payee.Party, ravi.id)
	}
	wantEqual(t, "transfers", len(steps), 3)
	for _, types := range steps {
		wantEqual(t, "steps", fmt.Sprint(types), "[transfer.pending transfer.debited transfer.completed]")
	}
	last := a.events("")
	eventually(t, "how far it is is kept", func() bool {
		return read[api.Webhook](a.get(path).want(200)).Sequence == last[len(last)-1].Sequence
	})
	wantEqual(t, "another app was told", len(other.events()), 0)
	metrics := string(s.as(operator).get("/metrics").want(200).body)
	for _, line := range []string{`bahi_webhook_tries_total{result="taken"} 9`, `bahi_webhook_dead_total 0`, `bahi_webhook_pending{endpoint="` + strings.TrimPrefix(path, toWebhooks+"/") + `"} 0`, `bahi_webhook_lag_seconds{`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no line %s", line)
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true))
	check(t, err)
	return string(b)
}

// A secret is shown by the answer that it was made for, and is nowhere else.
func TestSecretsOfWebhooks(t *testing.T) {
	var log bytes.Buffer
	s := start(t, hooked, func(o *setup) { o.log = &log })
	a := s.as(chatA)
	to := newChat(t)
	in := obj{"url": to.URL, "types": []string{"transfer.*"}, "description": "bubbles", "locale": "hi-IN"}
	first := a.post(toWebhooks, in, underOneKey, "hook").want(201)
	a.post(toWebhooks, in, underOneKey, "hook").repeats(first)
	made := read[api.CreatedWebhook](first)
	path := toWebhooks + "/" + made.Webhook.ID
	rotated := a.post(path+"/rotate", obj{}, underOneKey, "rotate").want(200)
	a.post(path+"/rotate", obj{}, underOneKey, "rotate").repeats(rotated)
	next := read[api.CreatedWebhook](rotated)
	if until := next.Webhook.OldSecretUntil; until.Sub(next.Webhook.UpdatedAt) != 24*3600e9 {
		t.Errorf("the old one signs until %v", until)
	}
	to.trust(next.Secret)
	a.post(path+"/test", nil).want(202)
	eventually(t, "it is signed by the new one", func() bool { return len(to.events()) == 1 })
	wantEqual(t, "what a test tells", to.events()[0].Data.Webhook.ID, made.Webhook.ID)
	to.hooks = nil
	to.trust(made.Secret)
	a.post(path+"/test", nil).want(202)
	eventually(t, "and by the old one", func() bool { return len(to.events()) == 2 })

	shown := []*answer{a.get(path), a.get(toWebhooks), a.get(path + "/deliveries"), a.send("PUT", path, in), a.post(path+"/enable", nil), a.get("/v1/events"), s.as(operator).get("/metrics")}
	s.stop()
	files := readAll(t, filepath.Dir(s.path))
	for _, secret := range []string{made.Secret, next.Secret} {
		text, ok := strings.CutPrefix(secret, "whsec_")
		raw, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
			t.Fatalf("the secret is %s", secret)
		}
		for what, where := range map[string][]byte{"the log": log.Bytes(), "the book": files} {
			if bytes.Contains(where, raw) || bytes.Contains(where, []byte(text)) || bytes.Contains(where, []byte(fmt.Sprintf("%x", raw))) {
				t.Errorf("%s holds a secret", what)
			}
		}
		for _, got := range shown {
			if got.want(200); bytes.Contains(got.body, []byte(text)) {
				t.Errorf("%s shows a secret: %s", got.at, got.body)
			}
		}
	}
	if bytes.Contains(log.Bytes(), []byte(to.URL)) {
		t.Error("the log names the URL")
	}
}

// readAll is what is in the files of a directory.
func readAll(t *testing.T, dir string) (all []byte) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	}))
	return all
}

func TestDeliveriesOfAWebhook(t *testing.T) {
	s := start(t, hooked)
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	to := newChat(t)
	path := a.hook(to)
	to.status.Store(500)
	text := "no such chat: birthday-cake of ravi\n\x1b[2J" + strings.Repeat("x", 70<<10)
	to.text.Store(&text)
	paid := read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"party": asha.id}, "payee": obj{"party": ravi.id}, "amount": inr("1.00"), "note": "birthday-cake"}).want(201))
	list := func(query string) []api.WebhookDelivery {
		t.Helper()
		return read[api.WebhookDeliveryList](a.get(path + "/deliveries" + query).want(200)).Data
	}
	eventually(t, "all events are put off", func() bool { return len(list("")) == 3 && list("")[2].Tries == 1 })
	got := list("?state=pending")
	wantEqual(t, "pending", len(got), 3)
	behind, tried := got[1], got[2]
	if tried.Transfer != paid.ID || tried.Type != "transfer.pending" || tried.Status != 500 || tried.Failure != "status" || tried.NextTryAt.IsZero() ||
		behind.Tries != 0 || behind.Sequence != tried.Sequence+1 || behind.Type != "transfer.debited" {
		t.Errorf("they are %+v", got)
	}
	if text := tried.Answer; !strings.HasPrefix(text, "no such chat: … of … [2Jxxx") || len(text) > 200 {
		t.Errorf("the answer is kept as %q", text)
	}
	if s.stop(); bytes.Contains(readAll(t, filepath.Dir(s.path)), []byte("birthday-cake")) {
		t.Error("what the answer repeats of a note is in the book")
	}
	s = s.restart()
	a = s.as(chatA)
	wantEqual(t, "dead", len(list("?state=dead")), 0)
	one := read[api.WebhookDeliveryList](a.get(path + "/deliveries?limit=1").want(200))
	next := read[api.WebhookDeliveryList](a.get(path + "/deliveries?limit=1&cursor=" + one.NextCursor).want(200))
	if len(one.Data) != 1 || len(next.Data) != 1 || one.Data[0].Sequence != got[0].Sequence || next.Data[0].Sequence != behind.Sequence {
		t.Errorf("page by page: %+v, %+v", one, next)
	}

	to.status.Store(200)
	a.post(path+"/replay", obj{"events": []int64{behind.Sequence, tried.Sequence}}).want(202)
	eventually(t, "all are taken", func() bool { return len(to.events()) == 3 })
	if is := to.events(); is[0].Sequence != tried.Sequence || is[1].Sequence != behind.Sequence || is[2].Sequence != got[0].Sequence {
		t.Errorf("not in their order: %+v", is)
	}
	eventually(t, "nothing is put off", func() bool { return len(list("")) == 0 })
	a.post(path+"/replay", obj{"after": 0}).want(202)
	all := a.events("")
	eventually(t, "all is told from the beginning", func() bool { return len(to.events()) == 3+len(all) })
	a.post(path+"/replay", obj{"dead": true}).want(202)

	to.status.Store(410)
	a.post(path+"/test", nil).want(202)
	eventually(t, "it is disabled", func() bool {
		v := read[api.Webhook](a.get(path).want(200))
		return v.State == api.WebhookStateDisabled && v.DisabledReason == "gone"
	})
	to.status.Store(200)
	wantEqual(t, "enabled", read[api.Webhook](a.post(path+"/enable", nil).want(200)).State, api.WebhookStateEnabled)
	eventually(t, "it is told all", func() bool { return len(to.events()) == 3+len(all)+3 }) // the test, disabled, enabled
	a.send("DELETE", path, nil).want(204)
	a.get(path).refused(404, "endpoint_not_found")
	wantEqual(t, "webhooks", len(read[api.WebhookList](a.get(toWebhooks).want(200)).Data), 0)
	a.send("DELETE", path, nil).refused(404, "endpoint_not_found")
}

func TestWebhooksOfAnotherAppAreNotFound(t *testing.T) {
	s := start(t)
	a, b := s.as(chatA), s.as(chatB)
	id := read[api.CreatedWebhook](a.post(toWebhooks, obj{"url": "https://chat.example/"}).want(201)).Webhook.ID
	before := s.fingerprint()
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil}, {"PUT", "", obj{"url": "https://thief.example/"}}, {"DELETE", "", nil}, {"POST", "/rotate", obj{}}, {"POST", "/enable", nil},
		{"POST", "/test", nil}, {"POST", "/replay", obj{"after": 0}}, {"POST", "/replay", obj{"dead": true}}, {"GET", "/deliveries", nil},
	} {
		ask := func(id string) *answer {
			return b.send(c.method, toWebhooks+"/"+id+c.path, c.body, "X-Request-Id", "the-same")
		}
		foreign, none := ask(id), ask(absent.Replace("{webhook}"))
		foreign.refused(404, "endpoint_not_found")
		if string(foreign.body) != string(none.body) {
			t.Errorf("%s: %s\nand what does not exist: %s", foreign.at, foreign.body, none.body)
		}
	}
	wantEqual(t, "webhooks of B", len(read[api.WebhookList](b.get(toWebhooks).want(200)).Data), 0)
	wantEqual(t, "the book", s.fingerprint(), before)
}

func TestWebhooksAreRefused(t *testing.T) {
	s := start(t)
	a := s.as(chatA)
	path := toWebhooks + "/" + read[api.CreatedWebhook](a.post(toWebhooks, obj{"url": "https://chat.example/"}).want(201)).Webhook.ID
	before := s.fingerprint()
	with := func(name string, value any) obj { return obj{"url": "https://chat.example/", name: value} }
	for n, c := range []struct {
		path string
		body any
		code string
	}{
		{toWebhooks, obj{}, "missing_field"},
		{toWebhooks, with("url", ""), "invalid_field"},
		{toWebhooks, with("url", "http://chat.example/"), "invalid_field"},
		{toWebhooks, with("url", "https://asha:pw@chat.example/"), "invalid_field"},
		{toWebhooks, with("url", "https://127.0.0.1/"), "invalid_field"},
		{toWebhooks, with("url", "https://[::ffff:10.0.0.1]/"), "invalid_field"},
		{toWebhooks, with("url", "https://169.254.169.254/latest/meta-data"), "invalid_field"},
		{toWebhooks, with("url", "https://chat.example/"+strings.Repeat("a", 2048)), "invalid_field"},
		{toWebhooks, with("url", 7), "wrong_type"},
		{toWebhooks, with("types", []string{"transfer"}), "invalid_field"},
		{toWebhooks, with("types", []string{"Transfer.*"}), "invalid_field"},
		{toWebhooks, with("types", make([]string, 65)), "invalid_field"},
		{toWebhooks, with("types", "transfer.*"), "wrong_type"},
		{toWebhooks, with("locale", "x"), "invalid_field"},
		{toWebhooks, with("secret", "whsec_AAAA"), "unknown_field"},
		{path + "/rotate", obj{"overlap_seconds": -1}, "invalid_field"},
		{path + "/rotate", obj{"overlap_seconds": 604801}, "invalid_field"},
		{path + "/replay", obj{}, "invalid_field"},
		{path + "/replay", obj{"after": 0, "dead": true}, "invalid_field"},
		{path + "/replay", obj{"after": -1}, "invalid_field"},
		{path + "/replay", obj{"dead": false}, "invalid_field"},
		{path + "/replay", obj{"events": []int{}}, "invalid_field"},
		{path + "/replay", obj{"events": []int{0}}, "invalid_field"},
		{path + "/replay", obj{"events": make([]int, 101)}, "invalid_field"},
		{path + "/replay", obj{"events": []string{"evt_1"}}, "wrong_type"},
		{path + "/enable", obj{}, "invalid_field"},
		{path + "/test", obj{}, "invalid_field"},
	} {
		if got := a.post(c.path, c.body); got.status != 400 || got.code() != c.code {
			t.Errorf("%d: %v: %d %s", n, c.body, got.status, got.body)
		}
	}
	a.post(path+"/replay", obj{"events": []int{1_000_000}}).refused(404, "event_not_found")
	a.post(path+"/replay", obj{"after": 1_000_000}).refused(404, "event_not_found")
	a.send("PUT", path, obj{"url": "http://chat.example/"}).refused(400, "invalid_field")
	a.get(path+"/deliveries?state=taken").refused(400, "malformed_parameter")
	wantEqual(t, "the book", s.fingerprint(), before)
	for range ledger.MaxEndpoints - 1 {
		a.post(toWebhooks, obj{"url": "https://chat.example/"}).want(201)
	}
	a.post(toWebhooks, obj{"url": "https://chat.example/"}).refused(409, "too_many_endpoints")
	s.as(chatB).post(toWebhooks, obj{"url": "https://chat.example/"}).want(201)
}
