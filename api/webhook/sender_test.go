package webhook_test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/banks"
	"bahi/ledger"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("time.goFunc"))
}

func TestEventsOfASubjectComeInTheirOrder(t *testing.T) {
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
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	quick.hasAll(500)
	eventually(t, "the slow one is busy", func() bool { slow.mu.Lock(); defer slow.mu.Unlock(); return slow.most == 16 })
	t.Logf("500 events in %v beside one that hangs", time.Since(began))
}

func TestRotation(t *testing.T) {
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
