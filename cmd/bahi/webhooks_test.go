package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bahi/api/client"
)

// TestWebhooksOverKills kills a server that sends events again and again: the chat backend
// gets each event, signed, and those of a transfer in their order.
func TestWebhooksOverKills(t *testing.T) {
	where := storage{Data: filepath.Join(t.TempDir(), "data")}
	secret, err := newChatKey(where, "hooked")
	if err != nil {
		t.Fatal(err)
	}
	flags := append([]string{"--webhooks-allow-private"}, fastTimers...)
	server := startServer(t, where.Data, flags...)
	chat := newClient(server.url, secret, 4)
	parties := people(t, chat, 4)

	var mu sync.Mutex
	var hook *standard.Webhook
	var got []client.AppEvent
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the server was killed
		}
		mu.Lock()
		defer mu.Unlock()
		var e client.AppEvent
		if err := hook.Verify(body, r.Header); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if err := json.Unmarshal(body, &e); err != nil || r.Header.Get("webhook-id") != e.ID {
			t.Errorf("%v %s: %v", r.Header, body, err)
		}
		got = append(got, e)
	}))
	defer receiver.Close()
	var made client.CreatedWebhook
	mu.Lock()
	if _, err := chat.send(t.Context(), "POST", "/v1/webhooks", "hook", map[string]any{"url": receiver.URL}, &made); err != nil {
		t.Fatal(err)
	}
	if hook, err = standard.NewWebhook(made.Secret); err != nil {
		t.Fatal(err)
	}
	mu.Unlock()

	var first int64 // of the events since then
	for kill := range 4 {
		for n := range 20 {
			pay := map[string]any{"payer": map[string]any{"party": parties[n%4]}, "payee": map[string]any{"party": parties[(n+1)%4]}, "amount": map[string]any{"value": "1.00", "currency": "INR"}}
			if _, err := chat.send(t.Context(), "POST", "/v1/transfers", fmt.Sprint("pay-", kill, "-", n), pay, nil); err != nil {
				t.Fatal(err)
			}
		}
		server.kill()
		server = startServer(t, where.Data, flags...)
		chat = newClient(server.url, secret, 4)
	}
	waitUntilRested(t, chat, 20*time.Second)
	all := map[string]client.AppEvent{}
	missing := func() (n int) {
		var page client.EventList
		for after := int64(0); ; after = page.NextAfter {
			if _, err := chat.send(t.Context(), "GET", fmt.Sprintf("/v1/events?limit=200&after=%d", after), "", nil, &page); err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Data {
				all[e.ID] = e
			}
			if !page.HasMore {
				break
			}
		}
		mu.Lock()
		defer mu.Unlock()
		seen := map[string]bool{}
		first = 1 << 62
		for _, e := range got {
			seen[e.ID] = true
			first = min(first, e.Sequence)
		}
		for id, e := range all {
			if !seen[id] && e.Sequence > first {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(20 * time.Second); missing() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d events are lost", missing(), len(all))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	seen, latest := map[string]bool{}, map[string]int64{}
	for _, e := range got {
		id := e.Data.Transfer.ID
		if !seen[e.ID] && e.Sequence < latest[id] {
			t.Errorf("event %d came after %d of its transfer", e.Sequence, latest[id])
		}
		seen[e.ID], latest[id] = true, max(latest[id], e.Sequence)
	}
	if len(seen) < 80 {
		t.Errorf("%d events came", len(seen))
	}
	t.Logf("%d events, %d deliveries over 4 kills", len(seen), len(got))
}
