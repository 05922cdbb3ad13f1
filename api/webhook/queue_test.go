package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
	"bahi/ledger/memory"
)

// bench drives a queue with a book behind it on virtual time, and checks at each try what
// an endpoint may rely on.
type bench struct {
	rapid.TB
	rng   *rand.Rand
	now   int64
	store ledger.Store
	book  *ledger.Pipeline
	node  ledger.ID
	queue *queue
	id    ledger.ID

	subjects []ledger.ID
	events   []ledger.Delivery // by sequence, from 1
	flights  []flight
	fails    float64 // how many tries do

	tries map[int64]int
	first map[int64]int64 // when it failed first
	taken map[int64]bool
	dead  map[int64]bool
}

type flight struct {
	*job
	ends int64
}

const benchApp = "chat"

func newBench(t rapid.TB, seed uint64) *bench {
	b := &bench{TB: t, rng: rand.New(rand.NewPCG(seed, 1)), now: 1_800_000_000_000_000, store: memory.New(), node: ledger.NewID(),
		tries: map[int64]int{}, first: map[int64]int64{}, taken: map[int64]bool{}, dead: map[int64]bool{}}
	b.book = ledger.NewPipeline(b.store, ledger.PipelineOptions{Now: func() time.Time { return time.UnixMicro(b.now) }})
	b.id = ledger.NewID()
	b.do(ledger.CreateEndpoint{Endpoint: ledger.Endpoint{ID: b.id, App: benchApp}})
	for range 4 {
		b.subjects = append(b.subjects, ledger.NewID())
	}
	b.restart()
	return b
}

func (b *bench) do(c ledger.Command) ledger.Endpoint {
	b.Helper()
	e, err := ledger.Do[ledger.Endpoint](context.Background(), b.book, c)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// restart forgets all that is not in the book.
func (b *bench) restart() {
	e := b.do(ledger.ClaimEndpoint{ID: b.id, Node: b.node, Lease: time.Minute})
	b.flights, b.queue = nil, newQueue(&e, b.rng.Float64)
	for _, d := range b.deliveries(ledger.DeliveryPending) {
		b.queue.load(d)
	}
}

func (b *bench) deliveries(state ledger.DeliveryState) (all []ledger.Delivery) {
	b.Helper()
	rows, err := b.store.Records(context.Background(), ledger.RecordFilter{Kind: ledger.RecordDelivery, Parent: b.id, State: uint8(state)}, ledger.Page{Limit: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	for i := range rows {
		d, err := ledger.ReadDelivery(&rows[i])
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// happen adds events.
func (b *bench) happen(n int) {
	for range n {
		sequence := int64(len(b.events) + 1)
		b.events = append(b.events, ledger.Delivery{Sequence: sequence, Type: "transfer.completed", Subject: b.subjects[b.rng.IntN(len(b.subjects))]})
	}
}

// turn does what a worker does in one turn.
func (b *bench) turn() {
	for n := b.queue.room(); n > 0 && b.queue.read < int64(len(b.events)); n = b.queue.room() {
		for _, d := range b.events[b.queue.read:min(b.queue.read+int64(n), int64(len(b.events)))] {
			b.queue.add(d, b.now, []byte("{}"), b.now)
		}
	}
	for j := b.queue.next(b.now); j != nil; j = b.queue.next(b.now) {
		b.try(j)
	}
}

// try checks that the event may be sent now.
func (b *bench) try(j *job) {
	for _, other := range b.flights {
		if other.Subject == j.Subject {
			b.Fatalf("event %d is sent while %d of its subject is", j.Sequence, other.Sequence)
		}
	}
	for _, d := range b.events[:j.Sequence-1] {
		if d.Subject == j.Subject && !b.taken[d.Sequence] && !b.dead[d.Sequence] {
			b.Fatalf("event %d is sent before %d", j.Sequence, d.Sequence)
		}
	}
	b.flights = append(b.flights, flight{j, b.now + 1 + b.rng.Int64N((15 * time.Second).Microseconds())})
	if len(b.flights) > maxFlying {
		b.Fatalf("%d in flight", len(b.flights))
	}
	b.tries[j.Sequence]++
}

// pass lets the time go to what is next: the end of a try, or something to send.
func (b *bench) pass() (any bool) {
	next, at := int64(0), -1
	for n, f := range b.flights {
		if next == 0 || f.ends < next {
			next, at = f.ends, n
		}
	}
	if due := b.queue.due(b.now); due != 0 && (next == 0 || due < next) {
		next, at = max(due, b.now), -1
	}
	if next == 0 {
		return false
	}
	b.now = next
	if at >= 0 {
		j := b.flights[at].job
		b.flights = append(b.flights[:at], b.flights[at+1:]...)
		b.land(j)
	}
	return true
}

func (b *bench) land(j *job) {
	if b.rng.Float64() >= b.fails {
		b.taken[j.Sequence] = true
		b.queue.take(j, b.now)
		return
	}
	if b.first[j.Sequence] == 0 {
		b.first[j.Sequence] = b.now
	}
	if b.queue.fail(j, b.now) {
		b.dead[j.Sequence] = true
		if since := b.now - j.Since; since < lifetime.Microseconds() {
			b.Fatalf("event %d is dead after %v", j.Sequence, time.Duration(since)*time.Microsecond)
		}
	} else if b.now-j.Since > lifetime.Microseconds() {
		b.Fatalf("event %d is tried for too long", j.Sequence)
	}
}

// step keeps the progress; the worker may not learn that it was.
func (b *bench) step(lost bool) {
	c, any := b.queue.progress()
	if !any {
		return
	}
	c.Node, c.Lease = b.node, time.Minute
	e := b.do(c)
	if lost {
		return
	}
	b.queue.committed(e.Cursor)
	for _, d := range b.events[:e.Cursor] { // each is taken, dead, or has a record
		if !b.taken[d.Sequence] && !b.dead[d.Sequence] && !b.pending(d.Sequence) {
			b.Fatalf("the cursor is at %d, and event %d is lost", e.Cursor, d.Sequence)
		}
	}
}

func (b *bench) pending(sequence int64) bool {
	d := ledger.Delivery{Endpoint: b.id, Sequence: sequence}
	_, err := b.store.Record(context.Background(), d.Key())
	return err == nil
}

func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, rapid.Uint64().Draw(t, "seed"))
		defer b.book.Close()
		b.fails = rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9, 1}).Draw(t, "fails")
		for range rapid.IntRange(1, 150).Draw(t, "turns") {
			switch rapid.SampledFrom([]string{"happen", "pass", "pass", "pass", "keep", "lost", "crash", "heal", "break"}).Draw(t, "what") {
			case "happen":
				b.happen(1 + b.rng.IntN(12))
			case "pass":
				for range b.rng.IntN(12) {
					b.turn()
					b.pass()
				}
			case "keep":
				b.step(false)
			case "lost":
				b.step(true)
			case "crash":
				b.restart()
			case "heal":
				b.fails = 0
			case "break":
				b.fails = 1
			}
			b.turn()
		}
		b.drain()
	})
}

// drain runs until all is quiet, with an endpoint that takes all, or with one that takes nothing.
func (b *bench) drain() {
	b.fails = float64(b.rng.IntN(2))
	b.step(false)
	for n := 0; ; n++ {
		b.turn()
		if !b.pass() {
			break
		}
		if n%50 == 0 {
			b.step(false)
		}
		if n > 200_000 {
			b.Fatal("it never comes to rest")
		}
	}
	b.step(false)
	for _, d := range b.events {
		if !b.taken[d.Sequence] && !b.dead[d.Sequence] {
			b.Errorf("event %d was never taken, and is not dead", d.Sequence)
		}
	}
	if n := len(b.deliveries(ledger.DeliveryPending)); n != 0 || len(b.queue.jobs) != 0 || b.queue.cursor != int64(len(b.events)) || b.queue.idle != 0 || b.queue.parked != 0 || b.queue.retrying != 0 {
		b.Errorf("at the end %d are pending; the queue is %+v", n, *b.queue)
	}
}

// An endpoint that takes nothing at all is left alone: what happens is not parked without
// end, and once it takes something again it soon has all.
func TestQueueOfAnEndpointThatIsDown(t *testing.T) {
	for seed := range uint64(3) {
		b := newBench(t, seed)
		for range 200 {
			b.subjects = append(b.subjects, ledger.NewID())
		}
		b.fails = 1
		b.happen(2000)
		for end := b.now + (6 * time.Hour).Microseconds(); b.now < end; {
			b.turn()
			b.pass()
		}
		b.step(false)
		if n := len(b.deliveries(ledger.DeliveryPending)); n > 1500 {
			t.Errorf("%d events are parked", n)
		}
		b.fails = 0
		healed := b.now
		for len(b.taken) < len(b.events) {
			b.turn()
			b.pass()
		}
		if took := time.Duration(b.now-healed) * time.Microsecond; took > 30*time.Minute {
			t.Errorf("it took %v after the end of the outage", took)
		}
		b.book.Close()
	}
}

// The pauses between tries double from 5 seconds to 4 hours, for three days.
func TestPauses(t *testing.T) {
	for seed := range uint64(100) {
		b := newBench(t, seed)
		b.fails, b.subjects = 1, b.subjects[:1]
		b.happen(1)
		var pauses []time.Duration
		for last := int64(0); len(b.dead) == 0; {
			b.turn()
			if len(b.flights) > 0 && last != 0 {
				pauses = append(pauses, time.Duration(b.now-last)*time.Microsecond)
			}
			if flying := len(b.flights); b.pass() && len(b.flights) < flying {
				last = b.now
			}
		}
		want := firstWait
		for n, p := range pauses[:len(pauses)-1] { // the last is cut
			if p < want*3/4 || p > want*5/4 {
				t.Errorf("pause %d is %v, want about %v", n, p, want)
			}
			want = min(2*want, longWait)
		}
		if n := len(pauses); n < 20 || n > 40 {
			t.Errorf("%d tries", n+1)
		}
		b.book.Close()
	}
}

func TestWants(t *testing.T) {
	id := ledger.NewID()
	for types, want := range map[string][]string{
		"":                   {"transfer.completed", "transfer.failed", "request.paid"},
		"transfer.*":         {"transfer.completed", "transfer.failed"},
		"request.paid":       {"request.paid"},
		"pot.*":              nil,
		"transfer.completed": {"transfer.completed"},
	} {
		e := ledger.Endpoint{ID: id}
		if types != "" {
			e.Types = []string{types}
		}
		var got []string
		for _, name := range []string{"transfer.completed", "transfer.failed", "request.paid"} {
			if wants(&e, &ledger.Notice{Type: name}) {
				got = append(got, name)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q wants %v, not %v", types, got, want)
		}
		if !wants(&e, &ledger.Notice{Type: ledger.NoticeWebhookTest, Subject: id}) || wants(&e, &ledger.Notice{Type: ledger.NoticeWebhookTest, Subject: ledger.NewID()}) {
			t.Errorf("%q: a test is for its own endpoint only", types)
		}
	}
}
