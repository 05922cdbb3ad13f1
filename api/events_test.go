package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

// events reads all events of the caller's app, page by page.
func (c *caller) events(query string) (all []api.AppEvent) {
	c.s.t.Helper()
	for after := int64(0); ; {
		page := read[api.EventList](c.get(fmt.Sprintf("/v1/events?after=%d&limit=7%s", after, query)).want(200))
		all = append(all, page.Data...)
		if !page.HasMore {
			return all
		}
		after = page.NextAfter
	}
}

// settled waits until all that has happened is published.
func (s *stack) settled() {
	s.t.Helper()
	eventually(s.t, "all is published", func() bool {
		rows, err := s.store.Outbox(s.t.Context(), 1)
		check(s.t, err)
		return len(rows) == 0
	})
}

// wantEvents demands that the events are those of the app's transfers, each line of their
// histories once and as it was, in order, numbered without a gap.
func (c *caller) wantEvents(all []api.AppEvent) {
	c.s.t.Helper()
	of, ids := map[string][]api.AppEvent{}, map[string]bool{}
	for i, e := range all {
		if e.Sequence != int64(i+1) || ids[e.ID] || e.Data.Transfer.ID == "" || e.Type != "transfer."+string(e.Data.Transfer.State) {
			c.s.t.Fatalf("event %d: %+v", i+1, e)
		}
		ids[e.ID] = true
		of[e.Data.Transfer.ID] = append(of[e.Data.Transfer.ID], e)
	}
	for id, told := range of {
		d := read[api.TransferDetail](c.get("/v1/transfers/" + id).want(200))
		lines := d.History
		if n := len(lines) - len(told); n == 0 || n == 1 { // what the first commit passes through is not told
			lines = lines[n:]
		}
		if len(lines) != len(told) || len(lines) < len(d.History) && len(told) > 0 && len(d.Instructions) > 0 && d.Payer.Bank != "" {
			c.s.t.Errorf("told of %d of %d lines: %+v", len(told), len(d.History), d.History)
			continue
		}
		for i, line := range lines {
			e := &told[i]
			t := e.Data.Transfer
			if t.State != line.State || t.Failure.Reason != line.Reason || t.Failure.BankCode != line.BankCode || !t.UpdatedAt.Equal(line.At) || !e.CreatedAt.Equal(line.At) {
				c.s.t.Errorf("told %s, %s %s at %v of the line %+v", t.State, t.Failure.Reason, t.Failure.BankCode, t.UpdatedAt, line)
			}
		}
	}
}

// Every line of a transfer's history is told as it was then, whatever came of it since.
func TestEvents(t *testing.T) {
	t.Parallel()
	s := start(t, fed)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	silent := a.openParty("waiter")
	a.link(silent, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	a.comesTo(read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "250").want(201)), "completed")
	a.comesTo(read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "9101").want(201)), "failed")   // declined
	a.comesTo(read[api.Transfer](a.pay(obj{"party": asha.id}, obj{"party": ravi.id}, "9201").want(201)), "reversed") // given back
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1").want(201)
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1000").want(201) // refused by a rule
	waits := read[api.Transfer](a.pay(obj{"party": silent}, obj{"party": ravi.id}, "5").want(201))
	s.report("NRMD", waits.ID+".debit", "declined").want(200)
	s.settled()
	all := a.events("")
	a.wantEvents(all)
	types := map[string]int{}
	for _, e := range all {
		types[e.Type]++
	}
	for what, want := range map[string]int{"pending": 5, "debited": 3, "completed": 3, "reversing": 1, "reversed": 1, "failed": 3} {
		wantEqual(t, what, types["transfer."+what], want)
	}
	// The same again, whoever of the app asks; and to another app nothing.
	again := a.get("/v1/events?limit=200").want(200)
	wantEqual(t, "the same again", string(a.get("/v1/events?limit=200").want(200).body), string(again.body))
	none := read[api.EventList](s.as(chatB).get("/v1/events").want(200))
	wantEqual(t, "another app's", fmt.Sprint(len(none.Data), none.NextAfter, none.HasMore), "0 0 false")
	for name, role := range map[string]string{auditor: "auditor", operator: "operator", inspector: "inspector", bankN: "bank"} {
		if got := s.as(name).get("/v1/events"); got.status != 404 {
			t.Errorf("the %s sees events: %s", role, got.body)
		}
	}

	// Of some types.
	var failed []string
	for _, e := range all {
		if strings.HasSuffix(e.Type, "ed") && e.Type != "transfer.debited" && e.Type != "transfer.completed" {
			failed = append(failed, e.ID)
		}
	}
	var ids []string
	for _, e := range a.events("&types=transfer.failed,transfer.reversed") {
		ids = append(ids, e.ID)
	}
	wantEqual(t, "some types", fmt.Sprint(ids), fmt.Sprint(failed))
	wantEqual(t, "all of a kind", len(a.events("&types=transfer.*,request.paid")), len(all))
	wantEqual(t, "none", len(a.events("&types=request.*")), 0)
	last := all[len(all)-1].Sequence
	left := read[api.EventList](a.get(fmt.Sprintf("/v1/events?types=request.*&after=%d", last-1)).want(200))
	wantEqual(t, "what is passed over", left.NextAfter, last)

	// What is no place in the stream.
	a.get(fmt.Sprintf("/v1/events?after=%d", last)).want(200)
	for _, query := range []string{fmt.Sprintf("after=%d", last+1), "after=-1", "after=9223372036854775807"} {
		a.get("/v1/events?"+query).refused(400, "invalid_cursor")
	}
	a.send("GET", "/v1/events", nil, "Last-Event-ID", "abc").refused(400, "invalid_cursor")
	a.send("GET", "/v1/events", nil, "Last-Event-ID", fmt.Sprint(last+1)).refused(400, "invalid_cursor")
	wantEqual(t, "behind an id", read[api.EventList](a.send("GET", "/v1/events?after=1", nil, "Last-Event-ID", fmt.Sprint(last-1)).want(200)).Data[0].Sequence, last)
	for _, query := range []string{"after=x", "limit=0", "limit=201", "wait=31", "types=transfer", "types=transfer.*,,", "types=Transfer.failed", "types=*", "locale=english%20please", "locale=x"} {
		a.get("/v1/events?"+query).refused(400, "malformed_parameter")
	}
	s.verify()
}

// 200 transfers at once: each is told of in order, while they run and afterwards alike.
func TestEventsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, fed)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	stream := a.stream("", "")
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			value := []string{"1", "9101", "9201"}[n%3]
			if got, err := a.try(a.request("POST", "/v1/transfers", obj{"payer": obj{"party": asha.id}, "payee": obj{"party": ravi.id}, "amount": inr(value)})); err != nil || got.status != 201 {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	all.Wait()
	want := 67*3 + 67*2 + 66*4 // completed, failed, reversed
	told := make([]api.AppEvent, want)
	for n := range told {
		told[n] = stream.next().event(t)
	}
	a.wantEvents(told)
	s.settled()
	if listed := a.events(""); !slices.EqualFunc(listed, told, func(x, y api.AppEvent) bool { return x.ID == y.ID && x.Sequence == y.Sequence }) {
		t.Errorf("%d events are listed, other than the %d of the stream", len(listed), len(told))
	}
}

// A request that waits is answered as soon as there is something.
func TestEventsAreWaitedFor(t *testing.T) {
	t.Parallel()
	s := start(t, fed)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	s.settled()
	all := a.events("")
	last := all[len(all)-1].Sequence
	behind := fmt.Sprintf("/v1/events?wait=30&after=%d", last)

	other := s.as(chatB).hold("GET", "/v1/events?wait=1", nil)
	waiting, picky := a.hold("GET", behind, nil), a.hold("GET", behind+"&types=transfer.failed", nil)
	time.Sleep(100 * time.Millisecond)
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1").want(201)
	began := time.Now()
	page := read[api.EventList]((<-waiting).want(200))
	if took := time.Since(began); took > time.Second { // usually some milliseconds
		t.Errorf("told after %v", took)
	}
	if len(page.Data) != 1 || page.Data[0].Type != "transfer.completed" || page.NextAfter != last+1 || page.HasMore {
		t.Errorf("told %+v", page)
	}
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "5000").want(201)
	if page := read[api.EventList]((<-picky).want(200)); len(page.Data) != 1 || page.Data[0].Sequence != last+2 {
		t.Errorf("who waits for failures is told %+v", page)
	}
	if page := read[api.EventList]((<-other).want(200)); len(page.Data) != 0 || page.NextAfter != 0 {
		t.Errorf("another app is told %+v", page)
	}
	// With nothing to tell the answer comes after the wait, and where it stands.
	began = time.Now()
	empty := read[api.EventList](a.get(fmt.Sprintf("/v1/events?wait=1&after=%d", last+2)).want(200))
	if took := time.Since(began); len(empty.Data) != 0 || empty.NextAfter != last+2 || took < time.Second {
		t.Errorf("%+v after %v", empty, took)
	}
	// A server that stops answers those who wait.
	stopped := a.hold("GET", fmt.Sprintf("/v1/events?wait=30&after=%d", last+2), nil)
	time.Sleep(100 * time.Millisecond)
	began = time.Now()
	s.stop()
	(<-stopped).want(200)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopped after %v", took)
	}
}

// What a node left unpublished is told after the next start.
func TestEventsOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	s := start(t) // without a publisher, as if it had died before it came to it
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1").want(201)
	wantEqual(t, "told", len(a.events("")), 0)
	s.stop()
	s = start(t, func(o *setup) { *o = s.setup; fed(o) })
	a = s.as(chatA)
	s.settled()
	all := a.events("")
	wantEqual(t, "told later", len(all), 4)
	a.wantEvents(all)
}

// Whoever was erased is somebody in all that is told of them from then on.
func TestEventsOfTheErased(t *testing.T) {
	t.Parallel()
	s := start(t, fed)
	a := s.as(chatA)
	asha, ravi := a.fund(a.settle(newPerson("Zephyrine", 1, "NRMD")), "100"), a.settle(newPerson("Quentin", 2, "KVRI"))
	a.comesTo(read[api.Transfer](a.post("/v1/transfers", obj{"payer": obj{"party": ravi.id}, "payee": obj{"party": asha.id}, "amount": inr("5"), "note": "cake"}).want(201)), "completed")
	s.settled()
	before := a.events("")
	wantEqual(t, "before", before[len(before)-1].Data.Bubble.ForPayee.Text, "Quentin paid you ₹5.00.")
	a.send("DELETE", "/v1/parties/"+ravi.id, nil).want(200)
	after := a.events("")
	e := after[len(before)-1]
	wantEqual(t, "after", e.Data.Bubble.ForPayee.Text, "somebody paid you ₹5.00.")
	wantEqual(t, "to the erased", e.Data.Bubble.ForPayer.Text, "You paid Zephyrine ₹5.00.")
	wantEqual(t, "in Hindi", a.events("&locale=hi-IN")[len(before)-1].Data.Bubble.ForPayee.Text, "किसी ने आपको ₹5.00 दिए।")
	wantEqual(t, "the note", e.Data.Transfer.Note, "")
	wantEqual(t, "the same event", e.ID, before[len(before)-1].ID)
}

// So many may wait at once and no more.
func TestReadersAreBounded(t *testing.T) {
	t.Parallel()
	const most = 100
	s := start(t, fed)
	a := s.as(chatA)
	var open []*stream
	for range most {
		open = append(open, a.stream("", ""))
	}
	refused := a.send("GET", "/v1/events", nil, "Accept", "text/event-stream").refused(429, "too_many_readers")
	wantEqual(t, "Retry-After", refused.header.Get("Retry-After"), "1")
	a.get("/v1/events?wait=1").refused(429, "too_many_readers")
	a.get("/v1/events").want(200) // who does not wait
	s.as(chatB).get("/v1/events?wait=1").want(200)
	open[0].close()
	eventually(t, "there is room again", func() bool { return a.get("/v1/events?wait=1").status == 200 })
}

// Amounts are written as people of the locale do, and never pass through a float.
func TestLocales(t *testing.T) {
	t.Parallel()
	s := start(t, fed)
	a := s.as(chatA)
	asha, ravi := a.settle(newPerson("asha", 1, "NRMD")), a.settle(newPerson("ravi", 2, "KVRI"))
	pay := func(currency ledger.Currency, minor int64) {
		c := ledger.CreateTransfer{Refused: ledger.PayeeNotPayable, Transfer: ledger.Transfer{ID: ledger.NewID(), App: "alpha", Kind: ledger.Payment, RRN: "630610000001",
			Amount: ledger.Amount{Minor: minor, Currency: currency}, Payer: ledger.End{Name: asha.name}, Payee: ledger.End{Name: ravi.name, Bank: "KVRI"}}}
		_, err := ledger.Do[ledger.Transfer](t.Context(), s.book, c)
		check(t, err)
	}
	pay("INR", 1_00_000_00)
	pay("INR", 999_999_999_999_999)
	pay("JPY", 1_234_567)
	pay("KWD", 1_234_567)
	pay("EUR", 123_456_78)
	pay("INR", 5)
	s.settled()
	for locale, want := range map[string]string{
		"en-IN":           "₹1,00,000.00 | ₹99,99,99,99,99,999.99 | JP¥12,34,567 | KWD 1,234.567 | €1,23,456.78 | ₹0.05",
		"hi-IN":           "₹1,00,000.00 | ₹99,99,99,99,99,999.99 | JP¥12,34,567 | KWD 1,234.567 | €1,23,456.78 | ₹0.05",
		"de-DE":           "100.000,00 ₹ | 9.999.999.999.999,99 ₹ | 1.234.567 ¥ | 1.234,567 KWD | 123.456,78 € | 0,05 ₹",
		"ja-JP":           "₹100,000.00",
		"en-US":           "₹100,000.00",
		"en-IN-u-nu-latn": "₹1,00,000.00",
		"ne":              "₹ १,००,०००.००",
	} {
		var got []string
		for _, e := range a.events("&locale=" + locale) {
			got = append(got, e.Data.Bubble.Amount)
		}
		if all := strings.ReplaceAll(strings.Join(got, " | "), "\u00a0", " "); !strings.HasPrefix(all, want) {
			t.Errorf("%s: %s\nwant   %s", locale, all, want)
		}
	}
	wantEqual(t, "nothing given", a.events("")[0].Data.Bubble.Amount, "₹1,00,000.00")
	wantEqual(t, "in Hindi", a.events("&locale=hi")[0].Data.Bubble.ForPayer.Text, "आप ravi को ₹1,00,000.00 नहीं दे सके। कोई पैसा नहीं कटा।")
	wantEqual(t, "what the payee can do", a.events("")[0].Data.Bubble.ForPayee.Action, "link_account")
}
