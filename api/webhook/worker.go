package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"bahi/ledger"
	"bahi/ledger/feed"
)

// worker sends to one endpoint while its node holds the lease.
type worker struct {
	s     *Sender
	id    ledger.ID
	node  ledger.ID
	ctx   context.Context // ends when it is to stop
	end   context.CancelFunc
	poked chan struct{} // capacity 1: there may be something to look at
	done  chan landed   // has room for all that are in flight

	seen  atomic.Int64 // the version of the endpoint that it goes by
	stale atomic.Bool  // there is another one
	state gauges

	until time.Time // of the lease
	over  bool      // it sends no more: the endpoint is another node's, disabled or deleted

	*session
}

// session is the sending to an endpoint as it is until its app changes it.
type session struct {
	endpoint ledger.Endpoint
	queue    *queue
	client   *http.Client
	signers  []signer
	disable  ledger.DisableReason // why it is to be disabled
	revived  int64                // what was to be sent again, all of which is in the queue

	tries  context.Context // ends when those in flight are given up
	giveUp context.CancelFunc

	news    <-chan struct{} // closed when there is something behind what was read; nil: not waited for
	leave   func()
	behind  bool      // there may be more to read
	kept    time.Time // when the progress last was, by the machine's clock
	renewed time.Time // likewise, by the sender's
	wait    time.Time // until when nothing is read, after an error
}

// landed is a try that is over.
type landed struct {
	job *job
	outcome
}

const (
	pace  = 100 * time.Millisecond // at most so often progress is kept while there is much to do
	grace = 2 * time.Second        // for what is in flight at the end
	// errorWait is how long the database is left alone after an error.
	errorWait = time.Second
)

func newWorker(s *Sender, id, node ledger.ID, until time.Time) *worker {
	w := &worker{s: s, id: id, node: node, until: until, poked: make(chan struct{}, 1), done: make(chan landed, maxFlying)}
	w.ctx, w.end = context.WithCancel(s.ctx)
	return w
}

// look is given the endpoint as somebody has seen it.
func (w *worker) look(e *ledger.Endpoint) {
	if int64(e.Version) > w.seen.Load() || e.Node != w.node {
		w.stale.Store(true)
		w.poke()
	}
}

func (w *worker) poke() {
	select {
	case w.poked <- struct{}{}:
	default:
	}
}

// run sends until it is to stop, and begins anew whenever the app changes the endpoint.
func (w *worker) run() {
	defer w.s.ended(w)
	defer w.end()
	for w.ctx.Err() == nil && !w.over {
		if err := w.begin(); err != nil {
			if w.ctx.Err() == nil {
				w.s.opt.Log.Warn("cannot send to an endpoint yet", "endpoint", w.id.EndpointRef(), "error", err)
				w.rest(errorWait)
			}
			w.over = w.over || !w.s.opt.Clock.Now().Before(w.until)
			continue
		}
		if !w.over {
			w.send()
		}
	}
}

func (w *worker) rest(d time.Duration) {
	over := make(chan struct{})
	defer w.s.opt.Clock.AfterFunc(d, func() { close(over) })()
	select {
	case <-w.ctx.Done():
	case <-over:
	}
}

// begin reads the endpoint and what was parked of it.
func (w *worker) begin() error {
	w.stale.Store(false)
	r, err := w.s.opt.Reader.Record(w.ctx, ledger.RecordKey{Kind: ledger.RecordEndpoint, ID: w.id})
	if errors.Is(err, ledger.ErrNotFound) {
		w.over = true
		return nil
	}
	if err != nil {
		return err
	}
	e, err := ledger.ReadEndpoint(&r)
	if err != nil {
		return err
	}
	w.seen.Store(int64(e.Version))
	if e.Node != w.node || e.State == ledger.EndpointDeleted {
		w.over = true
		return nil
	}
	x := &session{endpoint: e, behind: true}
	if x.signers, err = w.s.signers(&e); err != nil {
		return err
	}
	x.queue = newQueue(&x.endpoint, rand.Float64)
	if err := w.eachDelivery(ledger.DeliveryPending, func(d ledger.Delivery) { x.queue.load(d) }); err != nil {
		return err
	}
	x.client = w.s.newClient()
	x.tries, x.giveUp = context.WithCancel(context.WithoutCancel(w.ctx))
	x.kept, x.renewed = time.Now(), w.s.opt.Clock.Now()
	w.session = x
	return nil
}

// eachDelivery calls yield for those of the endpoint that are in a state.
func (w *worker) eachDelivery(state ledger.DeliveryState, yield func(ledger.Delivery)) error {
	page := ledger.Page{Limit: 1000}
	for {
		rows, err := w.s.opt.Reader.Records(w.ctx, ledger.RecordFilter{Kind: ledger.RecordDelivery, Parent: w.id, State: uint8(state)}, page)
		if err != nil {
			return err
		}
		for i := range rows {
			d, err := ledger.ReadDelivery(&rows[i])
			if err != nil {
				return err
			}
			yield(d)
		}
		if len(rows) < page.Limit {
			return nil
		}
		page.Before = rows[len(rows)-1].ID
	}
}

// send sends until the endpoint changes, or the worker is to stop.
func (w *worker) send() {
	defer w.giveUp()
	defer w.client.CloseIdleConnections()
	defer func() {
		if w.news != nil {
			w.leave()
		}
	}()
	for w.goesOn() {
		now := w.s.opt.Clock.Now()
		if !now.Before(w.wait) {
			if err := w.fill(now); err != nil && w.ctx.Err() == nil {
				w.s.opt.Log.Warn("cannot read the events of an endpoint", "endpoint", w.id.EndpointRef(), "error", err)
				w.wait = now.Add(errorWait)
			}
		}
		w.launch(now)
		later := w.keep(now)
		w.state.set(w.queue)
		if w.goesOn() {
			w.await(later)
		}
	}
	w.finish()
}

// goesOn says whether the worker may send.
func (w *worker) goesOn() bool {
	if !w.s.opt.Clock.Now().Before(w.until) {
		w.over = true
	}
	return w.ctx.Err() == nil && !w.over && !w.stale.Load() && w.disable == "" && w.endpoint.State == ledger.EndpointEnabled
}

// fill reads events for the queue.
func (w *worker) fill(now time.Time) error {
	if w.endpoint.Revive != w.revived && w.queue.parked < maxParked/2 {
		if err := w.revive(now); err != nil {
			return err
		}
	}
	w.listen()
	for n := w.queue.room(); n > 0 && w.behind; n = w.queue.room() {
		events, err := feed.Read(w.ctx, w.s.opt.Reader, w.endpoint.App, w.queue.read, n)
		if err != nil {
			return err
		}
		if err := w.add(events, now); err != nil {
			return err
		}
		w.behind = len(events) == n
		w.listen()
	}
	return nil
}

// listen waits for events behind what was read.
func (w *worker) listen() {
	if w.news != nil {
		select {
		case <-w.news:
			w.leave()
			w.news = nil
		default:
			return
		}
	}
	w.behind = true
	w.news, w.leave = w.s.opt.Feed.Wait(w.endpoint.App, w.queue.read)
}

// add gives the queue those events that the endpoint wants.
func (w *worker) add(events []feed.Event, now time.Time) error {
	wanted := slices.DeleteFunc(slices.Clone(events), func(e feed.Event) bool { return !wants(&w.endpoint, &e.Notice) })
	bodies, err := w.s.opt.Render(w.ctx, w.endpoint.Locale, wanted)
	if err != nil {
		return err
	}
	for i := range wanted {
		e := &wanted[i]
		w.queue.add(ledger.Delivery{Sequence: e.Sequence, Event: e.ID(), Type: e.Type, Subject: e.Subject}, e.At, bodies[i], now.UnixMicro())
	}
	if len(events) > 0 {
		w.queue.pass(events[len(events)-1].Sequence)
	}
	return nil
}

// wants says whether an endpoint is sent a notice.
func wants(e *ledger.Endpoint, n *ledger.Notice) bool {
	if n.Type == ledger.NoticeWebhookTest {
		return n.Subject == e.ID
	}
	kind, _, _ := strings.Cut(n.Type, ".")
	return len(e.Types) == 0 || slices.Contains(e.Types, n.Type) || slices.Contains(e.Types, kind+".*")
}

// revive takes up what was dead when the app asked for it, as far as there is room.
func (w *worker) revive(now time.Time) error {
	var dead []ledger.Delivery
	err := w.eachDelivery(ledger.DeliveryDead, func(d ledger.Delivery) {
		if d.Updated <= w.endpoint.Revive {
			dead = append(dead, d)
		}
	})
	if err != nil {
		return err
	}
	slices.Reverse(dead) // the oldest first
	room := max(0, maxParked-w.queue.parked)
	for i := range dead[:min(room, len(dead))] {
		w.queue.revive(dead[i], now.UnixMicro())
	}
	if len(dead) <= room {
		w.revived = w.endpoint.Revive
	}
	return nil
}

// launch sends what is due.
func (w *worker) launch(now time.Time) {
	for {
		j := w.queue.next(now.UnixMicro())
		if j == nil {
			return
		}
		x, sequence, event, body := w.session, j.Sequence, j.Event, j.body
		go func() { w.done <- landed{j, w.try(x, sequence, event, body)} }()
	}
}

// try sends an event once.
func (w *worker) try(x *session, sequence int64, event ledger.ID, body []byte) outcome {
	if body == nil {
		events, err := feed.Read(x.tries, w.s.opt.Reader, x.endpoint.App, sequence-1, 1)
		if err == nil && (len(events) == 0 || events[0].Sequence != sequence) {
			return outcome{failure: failedUnknown}
		}
		if err != nil {
			return outcome{err: err}
		}
		bodies, err := w.s.opt.Render(x.tries, x.endpoint.Locale, events)
		if err != nil {
			return outcome{err: err}
		}
		body = bodies[0]
	}
	out := post(x.tries, x.client, x.endpoint.URL, x.signers, event.EventRef(), w.s.opt.Clock.Now, w.s.opt.Try, body)
	if !out.taken && x.tries.Err() != nil {
		out.err = x.tries.Err()
	}
	return out
}

// land tells the queue what a try came to.
func (w *worker) land(l landed) {
	now := w.s.opt.Clock.Now().UnixMicro()
	if l.err != nil {
		w.queue.again(l.job, now)
		return
	}
	w.s.metrics.tried(&l.outcome)
	if l.taken {
		w.queue.take(l.job, now)
		return
	}
	if l.status == http.StatusGone {
		w.disable = ledger.EndpointGone
	}
	if l.retryAfter > 0 {
		w.queue.hold(now + l.retryAfter.Microseconds())
	}
	l.job.Failure, l.job.Status, l.job.Text = l.failure, l.status, l.text
	if w.queue.fail(l.job, now) {
		w.s.metrics.dead.Inc()
		w.s.opt.Log.Warn("an event was not taken for too long and is not tried any more",
			"endpoint", w.id.EndpointRef(), "event", l.job.Event.EventRef(), "failure", l.failure, "status", l.status)
	}
}

// keep keeps how far the worker is, where it is time to, or says for how long it may be put off.
func (w *worker) keep(now time.Time) (later time.Duration) {
	c, any := w.queue.progress()
	any = any || w.revived != 0
	renew := !now.Before(w.renewed.Add(w.s.opt.Lease / 3))
	if !any && !renew {
		return 0
	}
	if later = pace - time.Since(w.kept); !renew && later > 0 && w.queue.flying > 0 {
		return later
	}
	if now.Before(w.wait) {
		return 0
	}
	if err := w.step(w.ctx, c, w.s.opt.Lease); err != nil && w.ctx.Err() == nil {
		w.s.opt.Log.Warn("cannot keep what an endpoint has taken", "endpoint", w.id.EndpointRef(), "error", err)
		w.wait = now.Add(errorWait)
	}
	return 0
}

// step keeps the progress.
func (w *worker) step(ctx context.Context, c ledger.StepEndpoint, lease time.Duration) error {
	c.Node, c.Lease, c.Disable, c.Revived = w.node, lease, w.disable, w.revived
	began := w.s.opt.Clock.Now()
	e, err := ledger.Do[ledger.Endpoint](ctx, w.s.opt.Book, c)
	if isRefusal(err) {
		w.over = true // it is another node's, or there no more
		return nil
	}
	if err != nil {
		return err
	}
	w.kept, w.renewed, w.until = time.Now(), began, began.Add(lease)
	w.queue.committed(e.Cursor)
	w.endpoint.Revive, w.revived = e.Revive, 0
	if int64(e.Version) > w.seen.Load() {
		w.stale.Store(true)
	}
	return nil
}

// await waits until there is something to do.
func (w *worker) await(later time.Duration) {
	now := w.s.opt.Clock.Now()
	next := w.renewed.Add(w.s.opt.Lease / 3)
	if next.Before(w.wait) {
		next = w.wait
	}
	if due := w.queue.due(now.UnixMicro()); due != 0 {
		if at := time.UnixMicro(due); at.Before(next) {
			next = at
		}
	}
	if w.wait.After(now) && w.wait.Before(next) {
		next = w.wait
	}
	defer w.s.opt.Clock.AfterFunc(max(next.Sub(now), time.Millisecond), w.poke)()
	if !w.s.opt.Clock.Now().Before(next) { // it is late already, or the clock was set meanwhile
		w.poke()
	}
	if later > 0 {
		defer time.AfterFunc(later, w.poke).Stop()
	}
	news := w.news
	if w.queue.room() == 0 {
		news = nil
	}
	select {
	case l := <-w.done:
		w.land(l)
		w.landAll()
	case <-news:
	case <-w.poked:
	case <-w.ctx.Done():
	}
}

// landAll is for those that are over already.
func (w *worker) landAll() {
	for {
		select {
		case l := <-w.done:
			w.land(l)
		default:
			return
		}
	}
}

// finish waits for what is in flight and keeps how far the worker is.
func (w *worker) finish() {
	limit := w.s.opt.Try + time.Second
	if w.ctx.Err() != nil || w.over {
		limit = grace
	}
	cut := time.AfterFunc(limit, w.giveUp)
	stop := context.AfterFunc(w.ctx, func() { time.AfterFunc(grace, w.giveUp) })
	for w.queue.flying > 0 {
		w.land(<-w.done)
	}
	stop()
	cut.Stop()
	if w.over {
		return
	}
	c, _ := w.queue.progress()
	lease := w.s.opt.Lease
	if w.ctx.Err() != nil || w.disable != "" || w.endpoint.State != ledger.EndpointEnabled {
		lease, w.over = 0, true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), grace)
	defer cancel()
	if err := w.step(ctx, c, lease); err != nil && !errors.Is(err, ledger.ErrClosed) {
		w.s.opt.Log.Warn("what an endpoint has taken last will be sent again", "endpoint", w.id.EndpointRef(), "error", err)
	}
}
