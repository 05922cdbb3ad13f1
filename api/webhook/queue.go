package webhook

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"bahi/ledger"
)

// queue decides which event an endpoint is sent next: those of a subject one after the
// other, those of different subjects side by side. An event that is not taken is parked,
// with all behind it of its subject: it gets a record of its own, does not hold the
// cursor any more, and is tried again later. The queue knows no clock and no network.
type queue struct {
	endpoint *ledger.Endpoint
	jitter   func() float64 // 0 <= x < 1

	cursor int64 // as it stands in the book
	read   int64 // the last event that was read of those of the app

	jobs   map[int64]*job // those that are neither taken nor dead, by sequence
	lines  map[ledger.ID][]*job
	window []*job // those that hold the cursor, and some that do no more, in order
	fresh  []*job // that may be sent for the first time; some may no more
	retry  retries
	parked int
	idle   int // jobs that are not parked and not in flight

	flying, retrying int
	failures         int   // in a row
	probe            int64 // when an endpoint that seems to be down is sent something new
	held             int64 // until when nothing is sent, since the endpoint asked for it

	changed []*job // whose records are to be kept, or removed where they were taken
}

// job is an event on its way to an endpoint.
type job struct {
	ledger.Delivery
	at     int64  // when it happened; 0: not known
	body   []byte // nil: to be rendered when it is sent
	parked bool
	kept   bool // there may be a record of it
	flying bool
	taken  bool
	queued bool // among those to be tried again
	dirty  bool // among those that have changed
}

// Bounds of a queue.
const (
	maxFlying   = 16
	maxRetrying = maxFlying / 2 // so that what fails slowly does not keep out what is new
	maxParked   = 10_000        // with so many nothing new is read
	maxWindow   = 8192
	readAhead   = 64
	maxRead     = 128

	downAfter = maxFlying + 4 // failures in a row
	firstWait = 5 * time.Second
	longWait  = 4 * time.Hour
	probeWait = time.Minute
	lifetime  = 72 * time.Hour
)

func newQueue(e *ledger.Endpoint, jitter func() float64) *queue {
	return &queue{endpoint: e, jitter: jitter, cursor: e.Cursor, read: e.Cursor, jobs: map[int64]*job{}, lines: map[ledger.ID][]*job{}}
}

// load takes up a delivery that was parked before. All are loaded before anything is read.
func (q *queue) load(d ledger.Delivery) {
	if q.jobs[d.Sequence] == nil {
		q.insert(&job{Delivery: d, parked: true, kept: true}, 0)
	}
}

// revive takes up a delivery that was dead.
func (q *queue) revive(d ledger.Delivery, now int64) {
	if q.jobs[d.Sequence] != nil {
		return
	}
	d.State, d.Since, d.Next, d.Tries = ledger.DeliveryPending, now, now, 0
	j := &job{Delivery: d, parked: true, kept: true}
	q.insert(j, now)
	q.change(j)
}

// room is how many events may be read.
func (q *queue) room() int {
	switch {
	case q.parked >= maxParked || len(q.window) >= maxWindow || q.idle >= readAhead:
		return 0
	case q.down():
		return max(0, 1-q.idle) // something to see by whether it is up again
	}
	return maxRead
}

// add takes up an event that was read.
func (q *queue) add(d ledger.Delivery, at int64, body []byte, now int64) {
	q.pass(d.Sequence)
	if q.jobs[d.Sequence] != nil {
		return // it is parked
	}
	d.Endpoint, d.App, d.State = q.endpoint.ID, q.endpoint.App, ledger.DeliveryPending
	j := &job{Delivery: d, at: at, body: body}
	q.insert(j, now)
	if !j.parked {
		q.window = append(q.window, j)
	}
}

// pass says that an event was read, whether the endpoint wants it or not.
func (q *queue) pass(sequence int64) { q.read = max(q.read, sequence) }

// insert puts a job into its subject's line, in the order of events, but never before
// one that is in flight. What is behind a parked one is parked.
func (q *queue) insert(j *job, now int64) {
	line, first := q.lines[j.Subject], 0
	if len(line) > 0 && line[0].flying {
		first = 1
	}
	at, _ := slices.BinarySearchFunc(line[first:], j, func(a, b *job) int { return cmp.Compare(a.Sequence, b.Sequence) })
	at += first
	line = slices.Insert(line, at, j)
	q.lines[j.Subject], q.jobs[j.Sequence] = line, j
	switch {
	case j.parked:
		q.parked++
		for _, other := range line[at+1:] {
			q.park(other, now)
		}
	default:
		q.idle++
		if at > 0 && line[at-1].parked {
			q.park(j, now)
		}
	}
	if at == 0 {
		q.ready(j)
	}
}

// ready says that a job is the first of its line.
func (q *queue) ready(j *job) {
	switch {
	case !j.parked:
		q.fresh = append(q.fresh, j)
	case !j.queued:
		j.queued = true
		heap.Push(&q.retry, j)
	}
}

func (q *queue) isFirst(j *job) bool {
	line := q.lines[j.Subject]
	return len(line) > 0 && line[0] == j && !j.flying
}

// next is the job to send now, which is in flight then; nil: none.
func (q *queue) next(now int64) *job {
	if q.flying >= maxFlying || now < q.held {
		return nil
	}
	if j := q.firstRetry(); j != nil && j.Next <= now && q.retrying < maxRetrying {
		heap.Pop(&q.retry)
		j.queued = false
		q.retrying++
		return q.fly(j)
	}
	if j := q.firstFresh(); j != nil && (!q.down() || (now >= q.probe && q.flying == 0)) {
		q.fresh = q.fresh[1:]
		q.idle--
		return q.fly(j)
	}
	return nil
}

func (q *queue) fly(j *job) *job {
	q.flying++
	j.flying = true
	return j
}

func (q *queue) firstRetry() *job {
	for len(q.retry) > 0 {
		if j := q.retry[0]; q.isFirst(j) {
			return j
		}
		heap.Pop(&q.retry).(*job).queued = false // another one came before it
	}
	return nil
}

func (q *queue) firstFresh() *job {
	for len(q.fresh) > 0 {
		if j := q.fresh[0]; q.isFirst(j) && !j.parked {
			return j
		}
		q.fresh = q.fresh[1:]
	}
	return nil
}

// due is when there is something to send, if nothing changes; 0: then there never is.
func (q *queue) due(now int64) (at int64) {
	if q.flying >= maxFlying {
		return 0
	}
	soonest := func(t int64) {
		if at == 0 || t < at {
			at = t
		}
	}
	if j := q.firstRetry(); j != nil && q.retrying < maxRetrying {
		soonest(j.Next)
	}
	switch j := q.firstFresh(); {
	case j == nil:
	case !q.down():
		soonest(now)
	case q.flying == 0:
		soonest(q.probe)
	}
	if at == 0 {
		return 0
	}
	return max(at, q.held)
}

// down says whether the endpoint seems to be out of order altogether.
func (q *queue) down() bool { return q.failures >= downAfter }

func (q *queue) land(j *job) {
	j.flying = false
	q.flying--
	if j.parked {
		q.retrying--
	} else {
		q.idle++ // until it is parked or gone
	}
}

// take says that the endpoint took the event.
func (q *queue) take(j *job, now int64) {
	q.land(j)
	if q.down() { // it is up again: so all may be tried
		for _, other := range q.retry {
			other.Next = min(other.Next, now)
		}
		heap.Init(&q.retry)
	}
	q.failures = 0
	j.taken = true
	q.remove(j)
	if j.kept || j.dirty {
		q.change(j)
	}
}

// fail says that the endpoint did not take the event, and whether that was the last try.
func (q *queue) fail(j *job, now int64) (dead bool) {
	q.land(j)
	q.failures++
	if q.down() {
		q.probe = now + q.spread(backOff(firstWait, probeWait, q.failures-downAfter))
	}
	q.park(j, now)
	for _, other := range q.lines[j.Subject][1:] {
		q.park(other, now)
	}
	j.Tries++
	end := j.Since + lifetime.Microseconds()
	if now >= end {
		j.State, j.Next = ledger.DeliveryDead, 0
		q.change(j)
		q.remove(j)
		return true
	}
	j.Next = min(now+q.spread(backOff(firstWait, longWait, j.Tries-1)), end)
	q.change(j)
	q.ready(j)
	return false
}

// again says that the event could not be sent for a reason of our own.
func (q *queue) again(j *job, now int64) {
	q.land(j)
	if j.parked {
		j.Next = now + time.Second.Microseconds()
	}
	q.ready(j)
}

// hold says that the endpoint wants nothing until a time.
func (q *queue) hold(until int64) { q.held = max(q.held, until) }

// park takes a job off the window.
func (q *queue) park(j *job, now int64) {
	if j.parked {
		return
	}
	j.parked, j.body, j.Since, j.Next = true, nil, now, now
	q.parked++
	q.idle--
	q.change(j)
}

// remove takes a job that is taken or dead, and the first of its line, out of the queue.
func (q *queue) remove(j *job) {
	delete(q.jobs, j.Sequence)
	if j.parked {
		q.parked--
	} else {
		q.idle--
	}
	j.body = nil
	line := q.lines[j.Subject][1:]
	if len(line) == 0 {
		delete(q.lines, j.Subject)
		return
	}
	q.lines[j.Subject] = line
	q.ready(line[0])
}

func (q *queue) change(j *job) {
	if !j.dirty {
		j.dirty = true
		q.changed = append(q.changed, j)
	}
}

// progress is what is to be kept in the book, and whether that is anything.
func (q *queue) progress() (c ledger.StepEndpoint, any bool) {
	for len(q.window) > 0 && (q.window[0].taken || q.window[0].parked) {
		q.window = q.window[1:]
	}
	c.ID, c.From, c.To, c.Version = q.endpoint.ID, q.cursor, q.read, q.endpoint.Version
	if len(q.window) > 0 {
		c.To = q.window[0].Sequence - 1
	}
	for _, j := range q.changed {
		switch {
		case !j.taken:
			c.Keep = append(c.Keep, j.Delivery)
			j.kept = true // or may be, should the answer be lost
		case j.kept:
			c.Taken = append(c.Taken, j.Delivery)
		}
	}
	return c, c.From != c.To || len(c.Keep)+len(c.Taken) > 0
}

// committed says that what progress told is in the book, where the cursor is as given.
func (q *queue) committed(cursor int64) {
	for _, j := range q.changed {
		j.dirty = false
	}
	q.changed = q.changed[:0]
	q.cursor = cursor
}

// oldest is since when the oldest event waits to be taken; 0: none does.
func (q *queue) oldest() (since int64) {
	for _, j := range q.jobs {
		at := j.at
		if at == 0 {
			at = j.Since
		}
		if since == 0 || at < since {
			since = at
		}
	}
	return since
}

// backOff doubles the first pause n times, up to the longest.
func backOff(first, longest time.Duration, n int) time.Duration {
	for ; n > 0 && first < longest; n-- {
		first *= 2
	}
	return min(first, longest)
}

// spread is a pause in microseconds, made up to a quarter longer or shorter by chance, so
// that what failed together is not tried again together.
func (q *queue) spread(d time.Duration) int64 {
	return int64(float64(d.Microseconds()) * (0.75 + q.jitter()/2))
}

// retries are jobs to be tried again, the soonest first.
type retries []*job

func (r retries) Len() int           { return len(r) }
func (r retries) Less(a, b int) bool { return r[a].before(r[b]) }
func (r retries) Swap(a, b int)      { r[a], r[b] = r[b], r[a] }
func (r *retries) Push(v any)        { *r = append(*r, v.(*job)) }
func (r *retries) Pop() any {
	last := len(*r) - 1
	j := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return j
}

func (j *job) before(other *job) bool {
	if j.Next != other.Next {
		return j.Next < other.Next
	}
	return j.Sequence < other.Sequence
}
