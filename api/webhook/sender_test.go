package webhook_test

import (
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/memory"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("time.goFunc"))
}

func TestEventsOfASubjectComeInTheirOrder(t *testing.T) {
	t.Parallel()
	clock := newFast(500)
	n := start(t, func(o *options) { o.Clock, o.Lease, o.Try = clock, time.Hour, time.Minute })
	r := newReceiver(t, func(e told, try int) int {
		time.Sleep(2 * time.Millisecond)
		if int64(try) <= e.Sequence%4 { // the first tries of most fail
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	e := n.endpoint(r)
	ids := subjects(20)
	for step := range 10 {
		n.happen(step, ids...)
	}
	n.settled(e.ID, n.last())
	r.hasAll(200)
	if got := r.taken(); len(got) != 200 {
		t.Errorf("%d were taken, some twice", len(got))
	}
	if r.most < 8 {
		t.Errorf("only %d at once", r.most)
	}
}

// An endpoint that answers nothing is in nobody's way.
func TestSlowEndpointDelaysNoOther(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.Try = 10 * time.Second })
	hanging := make(chan struct{})
	slow := newReceiver(t, func(told, int) int { <-hanging; return 200 })
	defer close(hanging)
	quick := newReceiver(t, nil)
	n.endpoint(slow)
	e := n.endpoint(quick)
	eventually(t, "both are begun with", func() bool { return !n.read(e.ID).Node.IsZero() })
	began := time.Now()
	ids := subjects(50)
	for step := range 10 {
		n.happen(step, ids...)
	}
	eventually(t, "the quick one has all", func() bool { return len(quick.taken()) == 500 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v, half as long as the other one may take to answer", took)
	}
	quick.hasAll(500)
	eventually(t, "the slow one is busy", func() bool { slow.mu.Lock(); defer slow.mu.Unlock(); return slow.most == 16 })
	t.Logf("500 events in %v beside one that hangs", time.Since(began))
}

func TestRotation(t *testing.T) {
	t.Parallel()
	n := start(t)
	r := newReceiver(t, nil)
	r.timely = true
	e := n.endpoint(r)
	one := func(step int) (signers int) {
		t.Helper()
		before := len(r.taken())
		n.happen(step, ledger.NewID())
		eventually(t, "it is taken", func() bool { return len(r.taken()) > before })
		return r.signers[len(r.signers)-1]
	}
	if got := one(1); got != 1 {
		t.Errorf("signed by %d secrets, want the first", got)
	}
	secret, wrapped, err := n.sender.NewSecret(e.ID)
	check(t, err)
	r.trust(t, secret)
	const overlap = 500 * time.Millisecond
	n.change(ledger.ChangeEndpoint{Rotate: &ledger.RotateEndpoint{Wrapped: wrapped, Overlap: overlap}}, e.ID)
	rotated := time.Now()
	if got := one(2); got != 2 && time.Since(rotated) < overlap {
		t.Errorf("signed by %d secrets, want both", got)
	}
	time.Sleep(time.Until(rotated.Add(overlap + 20*time.Millisecond)))
	if got := one(3); got != 1 {
		t.Errorf("signed by %d secrets after the overlap, want the new one", got)
	}
	r.trusted = r.trusted[1:]
	if got := one(4); got != 1 {
		t.Error("it is not signed by the new secret")
	}
	r.hasAll(4)
}

func TestDeadAfterThreeDays(t *testing.T) {
	t.Parallel()
	clock := banks.NewManualClock(time.Now())
	n := start(t, func(o *options) { o.Clock, o.Lease = clock, 1000*time.Hour })
	var heals atomic.Bool
	r := newReceiver(t, func(e told, _ int) int {
		if e.Sequence == 1 && !heals.Load() {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	began := clock.Now()
	e := n.endpoint(r)
	bad, good := ledger.NewID(), ledger.NewID()
	n.happen(1, bad)
	n.happen(2, bad) // waits for the one before it
	n.happen(3, good)
	eventually(t, "others go on", func() bool { return slices.Equal(r.taken(), []int64{3}) })
	eventually(t, "the others of the subject are parked", func() bool { return len(n.deliveries(e.ID, ledger.DeliveryPending)) == 2 })
	for tries := 1; len(n.deliveries(e.ID, ledger.DeliveryDead)) == 0; {
		if passed := clock.Now().Sub(began); passed > 80*time.Hour {
			t.Fatalf("tried %d times for %v and not dead", r.triesOf(1), passed)
		}
		var next int64
		for _, d := range n.deliveries(e.ID, ledger.DeliveryPending) {
			if d.Sequence == 1 {
				next = d.Next
			}
		}
		clock.Advance(time.UnixMicro(next).Sub(clock.Now()))
		tries++
		eventually(t, "it is tried again", func() bool {
			return r.triesOf(1) == tries && slices.ContainsFunc(append(n.deliveries(e.ID, ledger.DeliveryPending), n.deliveries(e.ID, ledger.DeliveryDead)...), func(d ledger.Delivery) bool { return d.Sequence == 1 && d.Tries == tries })
		})
	}
	if passed := clock.Now().Sub(began); passed < 71*time.Hour || passed > 73*time.Hour {
		t.Errorf("dead after %v", passed)
	}
	dead := n.deliveries(e.ID, ledger.DeliveryDead)[0]
	if dead.Sequence != 1 || dead.Status != 500 || dead.Failure != "status" || dead.Text != "status 500" || dead.Next != 0 {
		t.Errorf("dead: %+v", dead)
	}
	eventually(t, "the next of the subject is sent", func() bool { return slices.Equal(r.taken(), []int64{3, 2}) })
	clock.Advance(100 * time.Hour)
	// Replayed, it is tried as if it were new.
	heals.Store(true)
	n.change(ledger.ChangeEndpoint{Revive: true}, e.ID)
	eventually(t, "it is sent again", func() bool { return slices.Equal(r.taken(), []int64{3, 2, 1}) })
	eventually(t, "nothing is dead", func() bool {
		return len(n.deliveries(e.ID, 0)) == 0 && n.read(e.ID).Revive == 0
	})
}

func TestReplay(t *testing.T) {
	n := start(t)
	r := newReceiver(t, nil)
	e := n.endpoint(r)
	ids := subjects(5)
	n.happen(1, ids...)
	n.settled(e.ID, 5)
	first := r.taken()

	d := ledger.Delivery{Sequence: 2, Subject: ids[1], Type: "transfer.step_b", Event: (&ledger.Notice{App: app, Type: "transfer.step_b", Subject: ids[1], N: 1}).ID()}
	do[ledger.Endpoint](n, ledger.ReplayDeliveries{App: app, ID: e.ID, Events: []ledger.Delivery{d}})
	eventually(t, "one is sent again", func() bool { return slices.Equal(r.taken(), append(slices.Clone(first), 2)) })
	eventually(t, "nothing is left of it", func() bool { return len(n.deliveries(e.ID, 0)) == 0 })

	two := int64(2)
	n.change(ledger.ChangeEndpoint{Rewind: &two}, e.ID)
	eventually(t, "all behind it are sent again", func() bool { return len(r.taken()) == len(first)+4 })
	again := r.taken()[len(first)+1:]
	slices.Sort(again)
	if !slices.Equal(again, []int64{3, 4, 5}) {
		t.Errorf("sent again: %v", again)
	}
	n.settled(e.ID, 5)
	six := int64(6)
	_, err := ledger.Do[ledger.Endpoint](t.Context(), n.book, ledger.ChangeEndpoint{App: app, ID: e.ID, Rewind: &six})
	if !isRefusal(err, ledger.CodeEventNotFound) {
		t.Errorf("behind the last event: %v", err)
	}
	r.hasAll(5)
}

// An event that the app asks for while it is being tried is sent again after that.
func TestReplayOfWhatIsOnItsWay(t *testing.T) {
	n := start(t)
	began, goOn := make(chan struct{}, 4), make(chan struct{})
	r := newReceiver(t, func(_ told, try int) int {
		began <- struct{}{}
		if try == 1 {
			<-goOn
		}
		return 200
	})
	e := n.endpoint(r)
	id := ledger.NewID()
	n.happen(1, id)
	<-began
	do[ledger.Endpoint](n, ledger.ReplayDeliveries{App: app, ID: e.ID, Events: []ledger.Delivery{{Sequence: 1, Subject: id, Type: "transfer.step_b"}}})
	close(goOn)
	eventually(t, "it is sent twice", func() bool { return len(r.taken()) == 2 })
	n.settled(e.ID, 1)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	n := start(t)
	elsewhere := newReceiver(t, nil)
	r := newReceiver(t, func(told, int) int { return 0 })
	r.hook = func(w http.ResponseWriter, q *http.Request, _ told) bool {
		http.Redirect(w, q, elsewhere.URL, http.StatusTemporaryRedirect)
		return true
	}
	e := n.endpoint(r)
	n.happen(1, ledger.NewID())
	if d := n.parked(e.ID); d.Failure != "redirect" || d.Status != 307 || d.Tries != 1 {
		t.Errorf("it is %+v", d)
	}
	if len(elsewhere.tries) > 0 {
		t.Error("it was followed")
	}
}

// A URL that leads to an address of a network of ours is not sent to, whatever its host is called.
func TestPrivateAddressesAreRefused(t *testing.T) {
	n := start(t, func(o *options) { o.public = true })
	r := newReceiver(t, nil)
	port := r.URL[len("http://127.0.0.1"):]
	for _, host := range []string{"localhost" + port, "127.0.0.1" + port, "[::ffff:127.0.0.1]" + port, "[::ffff:10.0.0.1]", "169.254.169.254", "[::1]" + port, "0.0.0.0" + port, "[64:ff9b::7f00:1]" + port} {
		t.Run(host, func(t *testing.T) {
			e := n.endpointAt(r, "http://"+host+"/hook", "transfer.*")
			n.happen(1, ledger.NewID())
			if d := n.parked(e.ID); d.Failure != "address" {
				t.Errorf("it is %+v", d)
			}
			n.change(ledger.ChangeEndpoint{Delete: true}, e.ID)
		})
	}
	if len(r.tries) > 0 {
		t.Error("it was sent")
	}
}

func TestURLs(t *testing.T) {
	public, private := start(t, func(o *options) { o.public = true }).sender, start(t).sender
	for url, want := range map[string]struct{ public, private bool }{
		"https://chat.example/bahi?a=b":   {true, true},
		"https://chat.example:8443":       {true, true},
		"https://93.184.216.34/":          {true, true},
		"https://[2606:2800:220:1::1]/":   {true, true},
		"https://[::ffff:93.184.216.34]/": {true, true},
		"http://chat.example/bahi":        {false, true},
		"http://127.0.0.1:8080/":          {false, true},
		"https://127.0.0.1/":              {false, true},
		"https://10.1.2.3/":               {false, true},
		"https://172.31.0.1/":             {false, true},
		"https://192.168.1.1/":            {false, true},
		"https://100.64.0.1/":             {false, true},
		"https://169.254.169.254/latest":  {false, true},
		"https://[::1]/":                  {false, true},
		"https://[fe80::1%25eth0]/":       {false, true},
		"https://[fc00::1]/":              {false, true},
		"https://[::ffff:10.0.0.1]/":      {false, true},
		"https://[2002:a00:1::]/":         {false, true},
		"https://[64:ff9b::a00:1]/":       {false, true},
		"https://224.0.0.1/":              {false, true},
		"https://[ff02::1]/":              {false, true},
		"https://asha:pw@chat.example/":   {false, false},
		"https://asha@chat.example/":      {false, false},
		"https://chat.example/#a":         {false, false},
		"https://chat.example:0/":         {false, false},
		"https://chat.example:70000/":     {false, false},
		"https:///path":                   {false, false},
		"https:chat.example":              {false, false},
		"ftp://chat.example/":             {false, false},
		"file:///etc/passwd":              {false, false},
		"javascript:alert(1)":             {false, false},
		"chat.example":                    {false, false},
		"https://chät.example/":           {false, false},
		"https://chat.example/ a":         {false, false},
		"https://chat.example/\r\nHost:x": {false, false},
		"":                                {false, false},
	} {
		if err := public.CheckURL(url); (err == nil) != want.public {
			t.Errorf("%q: %v", url, err)
		}
		if err := private.CheckURL(url); (err == nil) != want.private {
			t.Errorf("%q, where private ones are allowed: %v", url, err)
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	n := start(t)
	r := newReceiver(t, nil)
	r.Close()
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Server.Close)
	e := n.endpoint(r)
	n.happen(1, ledger.NewID())
	if d := n.parked(e.ID); d.Failure != "tls" {
		t.Errorf("it is %+v", d)
	}
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	trusting := start(t, func(o *options) { o.Roots = roots })
	trusting.endpoint(r)
	trusting.happen(1, ledger.NewID())
	eventually(t, "it is taken", func() bool { return len(r.taken()) == 1 })
}

// What was under way when the node was killed is sent again, and nothing is lost.
func TestKilled(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	clock := newFast(200)
	r := newReceiver(t, func(e told, try int) int {
		time.Sleep(time.Millisecond)
		if int64(try) <= e.Sequence%3 {
			return http.StatusBadGateway
		}
		return 200
	})
	with := func(o *options) { o.store, o.Clock, o.Lease, o.Try = store, clock, 30*time.Second, time.Hour }
	n := start(t, with)
	e := n.endpoint(r)
	ids := subjects(20)
	for step := range 20 {
		n.happen(step, ids...)
	}
	last := n.last()
	for kills := 0; kills < 5; kills++ {
		before := len(r.taken())
		eventually(t, "some are taken", func() bool { return len(r.taken()) > before+40 || len(r.taken()) >= 400 })
		n.crash()
		n = start(t, with)
	}
	n.settled(e.ID, last)
	r.hasAll(last)
	t.Logf("%d events, %d deliveries over 5 kills", last, len(r.taken()))
}

// Of two nodes one sends, and the other takes over: at once when it knows the first to be
// dead, else when the lease is over.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		end   func(*node)
		known bool
		lease time.Duration
	}{
		{"the one that sends leaves", func(n *node) { n.stop() }, false, time.Hour},
		{"it is known to be dead", func(n *node) { n.crash() }, true, time.Hour},
		{"it is silent", func(n *node) { n.crash() }, false, 1200 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			var gone atomic.Pointer[ledger.ID]
			with := func(o *options) {
				o.store, o.Lease = store, c.lease
				o.Dead = func(id ledger.ID) bool { known := gone.Load(); return known != nil && *known == id }
			}
			nodes := []*node{start(t, with), start(t, with)}
			r := newReceiver(t, nil)
			e := nodes[0].endpoint(r)
			ids := subjects(10)
			for step := range 20 { // for longer than the short lease
				nodes[step%2].happen(step, ids...)
				time.Sleep(60 * time.Millisecond)
			}
			eventually(t, "all is taken", func() bool { return len(r.taken()) >= 200 })
			if got := len(r.taken()); got != 200 {
				t.Errorf("%d deliveries of 200 events", got)
			}
			first, other := nodes[0], nodes[1]
			if nodes[0].read(e.ID).Node != nodes[0].id {
				first, other = other, first
			}
			nodes[0].settled(e.ID, 200)
			c.end(first)
			if c.known {
				gone.Store(&first.id)
			}
			began := time.Now()
			other.happen(20, ids...)
			eventually(t, "the other node goes on", func() bool { return len(r.taken()) >= 210 })
			took := time.Since(began)
			t.Logf("the other node took %v", took)
			if c.lease < time.Hour && took < c.lease/2 {
				t.Errorf("it took %v, before the lease was over", took)
			}
			r.hasAll(210)
		})
	}
}

// A node that lost its lease while it was asleep keeps nothing of what it does.
func TestStepOfALostLease(t *testing.T) {
	n := start(t)
	r := newReceiver(t, nil)
	e := n.endpoint(r)
	eventually(t, "it is claimed", func() bool { return n.read(e.ID).Node == n.id })
	_, err := ledger.Do[ledger.Endpoint](t.Context(), n.book, ledger.ClaimEndpoint{ID: e.ID, Node: ledger.NewID(), Lease: time.Minute})
	if !isRefusal(err, ledger.CodeEndpointHeld) {
		t.Errorf("a second claim: %v", err)
	}
	stranger := do[ledger.Endpoint](n, ledger.ClaimEndpoint{ID: e.ID, Node: ledger.NewID(), Lease: time.Minute, Dead: n.id})
	_, err = ledger.Do[ledger.Endpoint](t.Context(), n.book, ledger.StepEndpoint{ID: e.ID, Node: n.id, Lease: time.Minute, To: 10})
	if !isRefusal(err, ledger.CodeEndpointHeld) || n.read(e.ID).Node != stranger.Node {
		t.Errorf("a step without a lease: %v", err)
	}
	n.happen(1, ledger.NewID())
	time.Sleep(100 * time.Millisecond)
	if len(r.tries) > 0 {
		t.Error("two nodes send")
	}
}

// A node that does not know yet that another one has taken over learns of it when it
// wants to keep what was taken, and sends no more.
func TestLostLeaseIsNoticed(t *testing.T) {
	store := memory.New()
	with := func(o *options) { o.store, o.Lease, o.Look = store, time.Hour, time.Hour }
	n := start(t, with)
	r := newReceiver(t, nil)
	e := n.endpoint(r)
	eventually(t, "it is claimed", func() bool { return n.read(e.ID).Node == n.id })
	elsewhere := ledger.NewPipeline(store, ledger.PipelineOptions{})
	defer elsewhere.Close()
	_, err := ledger.Do[ledger.Endpoint](t.Context(), elsewhere, ledger.ClaimEndpoint{ID: e.ID, Node: ledger.NewID(), Lease: time.Hour, Dead: n.id})
	check(t, err)
	n.happen(1, ledger.NewID())
	eventually(t, "it is taken", func() bool { return len(r.taken()) == 1 })
	time.Sleep(150 * time.Millisecond) // for the step
	n.happen(1, subjects(3)...)
	time.Sleep(150 * time.Millisecond)
	if got := n.read(e.ID); len(r.taken()) != 1 || got.Cursor != 0 {
		t.Errorf("it took %v, the cursor is at %d", r.taken(), got.Cursor)
	}
}

func TestGoneDisables(t *testing.T) {
	n := start(t)
	var back atomic.Bool
	r := newReceiver(t, func(told, int) int {
		if back.Load() {
			return 200
		}
		return http.StatusGone
	})
	e := n.endpoint(r, "transfer.*")
	other := newReceiver(t, nil)
	n.endpoint(other, "endpoint.*")
	n.happen(1, ledger.NewID())
	eventually(t, "it is disabled", func() bool { return n.read(e.ID).State == ledger.EndpointDisabled })
	if got := n.read(e.ID); got.Reason != ledger.EndpointGone || !got.Node.IsZero() {
		t.Errorf("it is %+v", got)
	}
	eventually(t, "another is told", func() bool { return len(other.taken()) == 1 })
	if got := other.got[0]; got.Type != "endpoint.disabled" || got.Subject != e.ID.Ref("") && got.Subject == "" {
		t.Errorf("it is told %+v", got)
	}
	n.happen(1, subjects(5)...)
	time.Sleep(50 * time.Millisecond)
	if n := len(r.tries); n != 1 {
		t.Errorf("%d were sent to it", n)
	}
	back.Store(true)
	n.change(ledger.ChangeEndpoint{Enable: true}, e.ID)
	eventually(t, "it has what it has missed", func() bool { return len(r.taken()) >= 5 })
	eventually(t, "another is told", func() bool { return len(other.taken()) == 2 && other.got[1].Type == "endpoint.enabled" })
}

func TestRetryAfter(t *testing.T) {
	clock := banks.NewManualClock(time.Now())
	n := start(t, func(o *options) { o.Clock, o.Lease = clock, 100*time.Hour })
	r := newReceiver(t, func(_ told, try int) int {
		if try == 1 {
			return http.StatusTooManyRequests
		}
		return 200
	})
	r.hook = func(w http.ResponseWriter, _ *http.Request, e told) bool {
		w.Header().Set("Retry-After", "600")
		return false
	}
	e := n.endpoint(r)
	n.happen(1, ledger.NewID())
	n.parked(e.ID)
	n.happen(1, subjects(3)...)
	clock.Advance(599 * time.Second)
	time.Sleep(50 * time.Millisecond)
	if len(r.tries) != 1 {
		t.Errorf("sent before its time: %v", r.tries)
	}
	clock.Advance(2 * time.Second)
	eventually(t, "it goes on", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.tries) > 1 })
}

func TestChangesOfAnEndpoint(t *testing.T) {
	n := start(t)
	before, after := newReceiver(t, nil), newReceiver(t, nil)
	e := n.endpoint(before, "transfer.step_b")
	after.trusted = before.trusted
	n.happen(1, ledger.NewID())
	n.happen(2, ledger.NewID())
	n.settled(e.ID, 2)
	n.change(ledger.ChangeEndpoint{Set: &ledger.Endpoint{URL: after.URL, Types: []string{"transfer.*"}, Locale: "hi-IN"}}, e.ID)
	n.happen(2, ledger.NewID())
	eventually(t, "it is sent to the new URL", func() bool { return slices.Equal(after.taken(), []int64{3}) })
	if got := before.taken(); !slices.Equal(got, []int64{1}) {
		t.Errorf("the old one has %v", got)
	}
	if after.got[0].Locale != "hi-IN" {
		t.Errorf("told as %+v", after.got[0])
	}
	n.change(ledger.ChangeEndpoint{Test: true}, e.ID)
	eventually(t, "it is tested", func() bool { return slices.Equal(after.taken(), []int64{3, 4}) })
	if after.got[1].Type != "webhook.test" {
		t.Errorf("tested with %+v", after.got[1])
	}
}

func TestDeleted(t *testing.T) {
	n := start(t)
	r := newReceiver(t, func(told, int) int { return 500 })
	e := n.endpoint(r)
	n.happen(1, subjects(300)...)
	eventually(t, "some are parked", func() bool { return len(n.deliveries(e.ID, 0)) > 10 })
	n.change(ledger.ChangeEndpoint{Delete: true}, e.ID)
	eventually(t, "nothing is left", func() bool {
		_, err := n.store.Record(t.Context(), ledger.RecordKey{Kind: ledger.RecordEndpoint, ID: e.ID})
		return errors.Is(err, ledger.ErrNotFound) && len(n.deliveries(e.ID, 0)) == 0
	})
}

// What an endpoint did not take is tried at once when its app has changed it.
func TestMended(t *testing.T) {
	clock := banks.NewManualClock(time.Now())
	n := start(t, func(o *options) { o.Clock = clock })
	wrong, right := newReceiver(t, func(told, int) int { return 404 }), newReceiver(t, nil)
	e := n.endpoint(wrong)
	right.trusted = wrong.trusted
	n.happen(1, subjects(3)...)
	eventually(t, "all are parked", func() bool { return len(n.deliveries(e.ID, ledger.DeliveryPending)) == 3 })
	n.change(ledger.ChangeEndpoint{Set: &ledger.Endpoint{URL: right.URL}}, e.ID)
	eventually(t, "all are sent to the right place", func() bool { return len(right.taken()) == 3 })
}

// The answer of an endpoint is not read without end.
func TestAnswers(t *testing.T) {
	t.Parallel()
	n := start(t)
	var written atomic.Int64
	r := newReceiver(t, func(e told, _ int) int { return int(200 + 300*(e.Sequence%2)) })
	r.hook = func(w http.ResponseWriter, q *http.Request, e told) bool {
		w.WriteHeader(int(200 + 300*(e.Sequence%2)))
		for {
			n, err := w.Write(make([]byte, 10<<10))
			if written.Add(int64(n)); err != nil {
				return true
			}
		}
	}
	e := n.endpoint(r)
	n.happen(1, subjects(4)...)
	eventually(t, "two are taken, two are not", func() bool {
		return n.read(e.ID).Cursor == 4 && len(n.deliveries(e.ID, ledger.DeliveryPending)) == 2
	})
	for _, d := range n.deliveries(e.ID, ledger.DeliveryPending) {
		if d.Status != 500 || d.Text != "" {
			t.Errorf("it is %+v", d)
		}
	}
	if read := written.Load(); read > 40<<20 {
		t.Errorf("%d bytes were read", read)
	}
}

func TestNothingThereIsAFailure(t *testing.T) {
	t.Parallel()
	n := start(t, func(o *options) { o.Try = 100 * time.Millisecond })
	r := newReceiver(t, func(told, int) int { time.Sleep(time.Second); return 200 })
	hung := n.endpoint(r)
	closed := newReceiver(t, nil)
	closed.Close()
	refused, nowhere := n.endpoint(closed), n.endpointAt(closed, "http://nowhere.invalid/")
	n.happen(1, ledger.NewID())
	for what, id := range map[string]ledger.ID{"timeout": hung.ID, "connect": refused.ID, "name": nowhere.ID} {
		slow := id == nowhere.ID // where names are looked up for longer than a try may take
		if d := n.parked(id); (d.Failure != what && !(slow && d.Failure == "timeout")) || d.Status != 0 {
			t.Errorf("%s: %+v", what, d)
		}
	}
	if text := n.log.String(); strings.Contains(text, closed.URL) {
		t.Errorf("the log names a URL: %s", text)
	}
}
