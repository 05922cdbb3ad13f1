package ledger_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bahi/ledger"
)

func (b *book) hook() ledger.Endpoint {
	b.t.Helper()
	return must[ledger.Endpoint](b, ledger.CreateEndpoint{Endpoint: ledger.Endpoint{ID: ledger.NewID(), App: "chat", URL: "https://chat.example/", Secrets: []ledger.EndpointSecret{{Wrapped: []byte("1")}}}})
}

// changes makes a change of an endpoint.
func (b *book) changes(e ledger.Endpoint, c ledger.ChangeEndpoint) ledger.Endpoint {
	b.t.Helper()
	c.App, c.ID = e.App, e.ID
	return must[ledger.Endpoint](b, c)
}

func (b *book) deliveries(of ledger.ID) (all []ledger.Delivery) {
	b.t.Helper()
	rows, err := b.store.Records(context.Background(), ledger.RecordFilter{Kind: ledger.RecordDelivery, Parent: of}, ledger.Page{Limit: 100})
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range rows {
		d, err := ledger.ReadDelivery(&rows[i])
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// Old secrets sign until their own ends, however often there is a new one, and not too many at once.
func TestSecretsOfAnEndpoint(t *testing.T) {
	b := newBook(t)
	defer b.close()
	e := b.hook()
	began := b.now.UnixMicro()
	signing := func() (names string) {
		for _, s := range e.Secrets {
			names += string(s.Wrapped)
		}
		return names
	}
	rotate := func(name string, overlap time.Duration) {
		e = b.changes(e, ledger.ChangeEndpoint{Rotate: &ledger.RotateEndpoint{Wrapped: []byte(name), Overlap: overlap}})
	}
	rotate("2", 24*time.Hour)
	rotate("3", 48*time.Hour)
	if until := e.Secrets[2].Until - began; signing() != "321" || until != (24*time.Hour).Microseconds() {
		t.Errorf("%s sign, the first until %d", signing(), until)
	}
	b.now = b.now.Add(25 * time.Hour)
	rotate("4", time.Hour)
	if until := e.Secrets[2].Until - began; signing() != "432" || until != (26*time.Hour).Microseconds() {
		t.Errorf("%s sign, the second until %d", signing(), until)
	}
	rotate("5", time.Hour)
	rotate("6", time.Hour)
	if signing() != "6543" {
		t.Errorf("%s sign", signing())
	}
	rotate("7", 0) // the others were found out
	if signing() != "7" {
		t.Errorf("%s sign", signing())
	}
	b.refuses(ledger.ChangeEndpoint{App: "other", ID: e.ID, Enable: true}, ledger.CodeEndpointNotFound)
	b.refuses(ledger.CreateEndpoint{Endpoint: ledger.Endpoint{ID: ledger.NewID(), App: "chat"}, Beside: ledger.MaxEndpoints}, ledger.CodeTooManyEndpoints)
}

func TestLeaseOfAnEndpoint(t *testing.T) {
	b := newBook(t)
	defer b.close()
	e := b.hook()
	one, other := ledger.NewID(), ledger.NewID()
	claim := func(node, dead ledger.ID) ledger.ClaimEndpoint {
		return ledger.ClaimEndpoint{ID: e.ID, Node: node, Lease: 15 * time.Second, Dead: dead}
	}
	step := func(node ledger.ID) ledger.StepEndpoint {
		return ledger.StepEndpoint{ID: e.ID, Node: node, Lease: 15 * time.Second}
	}
	must[ledger.Endpoint](b, claim(one, ledger.ID{}))
	b.refuses(claim(other, ledger.ID{}), ledger.CodeEndpointHeld)
	b.refuses(claim(other, other), ledger.CodeEndpointHeld)
	b.refuses(step(other), ledger.CodeEndpointHeld)
	b.now = b.now.Add(14 * time.Second)
	must[ledger.Endpoint](b, step(one)) // which prolongs it
	b.now = b.now.Add(14 * time.Second)
	b.refuses(claim(other, ledger.ID{}), ledger.CodeEndpointHeld)
	b.now = b.now.Add(time.Second)
	must[ledger.Endpoint](b, claim(other, ledger.ID{}))
	b.refuses(step(one), ledger.CodeEndpointHeld)
	must[ledger.Endpoint](b, claim(one, other)) // it is known to be dead
	leaves := step(one)
	leaves.Lease = 0
	must[ledger.Endpoint](b, leaves)
	must[ledger.Endpoint](b, claim(other, ledger.ID{}))

	gone := step(other)
	gone.Disable, gone.Version = ledger.EndpointGone, e.Version
	if got := must[ledger.Endpoint](b, gone); got.State != ledger.EndpointDisabled || got.Reason != ledger.EndpointGone {
		t.Errorf("it is %+v", got)
	}
	b.refuses(claim(one, other), ledger.CodeEndpointNotFound)
	b.changes(e, ledger.ChangeEndpoint{Enable: true})
	if got := must[ledger.Endpoint](b, gone); got.State != ledger.EndpointEnabled { // a repeat
		t.Errorf("it is disabled again")
	}
}

// What an app asks for stands, whatever its sender keeps at the same time.
func TestStepMeetsTheApp(t *testing.T) {
	b := newBook(t)
	defer b.close()
	e, node := b.hook(), ledger.NewID()
	must[ledger.Endpoint](b, ledger.ClaimEndpoint{ID: e.ID, Node: node, Lease: time.Minute})
	step := ledger.StepEndpoint{ID: e.ID, Node: node, Lease: time.Minute, To: 10}
	for n := range int64(4) {
		step.Keep = append(step.Keep, ledger.Delivery{Endpoint: e.ID, App: e.App, State: ledger.DeliveryPending, Sequence: n + 1, Event: ledger.NewID(), Subject: ledger.NewID(), Tries: 1, Next: 1})
	}
	step.Keep[3].State = ledger.DeliveryDead
	must[ledger.Endpoint](b, step)
	if got := must[ledger.Endpoint](b, step); got.Cursor != 10 || len(b.deliveries(e.ID)) != 4 { // a repeat
		t.Errorf("the cursor is at %d, with %d deliveries", got.Cursor, len(b.deliveries(e.ID)))
	}
	zero := int64(0)
	b.changes(e, ledger.ChangeEndpoint{Rewind: &zero})
	again := []ledger.Delivery{{Sequence: 1}, {Sequence: 2}, {Sequence: 4}, {Sequence: 5}}
	must[ledger.Endpoint](b, ledger.ReplayDeliveries{App: e.App, ID: e.ID, Events: again})

	late := ledger.StepEndpoint{ID: e.ID, Node: node, Lease: time.Minute, From: 10, To: 12, Taken: []ledger.Delivery{step.Keep[0], step.Keep[2]}, Keep: []ledger.Delivery{step.Keep[1]}}
	late.Keep[0].State = ledger.DeliveryDead
	got := must[ledger.Endpoint](b, late)
	var left []int64
	for _, d := range b.deliveries(e.ID) {
		left = append(left, d.Sequence)
		if d.State != ledger.DeliveryPending || d.Tries != 0 || d.Next != b.now.UnixMicro() {
			t.Errorf("%+v", d)
		}
	}
	if got.Cursor != 0 || !slices.Equal(left, []int64{5, 4, 2, 1}) {
		t.Errorf("the cursor is at %d, left are %v", got.Cursor, left)
	}
}

func TestDeletedEndpoint(t *testing.T) {
	b := newBook(t)
	defer b.close()
	e, node := b.hook(), ledger.NewID()
	must[ledger.Endpoint](b, ledger.ClaimEndpoint{ID: e.ID, Node: node, Lease: time.Minute})
	d := ledger.Delivery{Endpoint: e.ID, App: e.App, State: ledger.DeliveryPending, Sequence: 1}
	step := ledger.StepEndpoint{ID: e.ID, Node: node, Lease: time.Minute, Keep: []ledger.Delivery{d}}
	must[ledger.Endpoint](b, step)
	purge := ledger.PurgeEndpoint{ID: e.ID, Deliveries: []ledger.RecordKey{d.Key()}}
	must[any](b, purge) // it is there
	if n := len(b.deliveries(e.ID)); n != 1 {
		t.Errorf("%d deliveries", n)
	}
	b.changes(e, ledger.ChangeEndpoint{Delete: true})
	b.refuses(step, ledger.CodeEndpointNotFound)
	b.refuses(ledger.ChangeEndpoint{App: e.App, ID: e.ID, Delete: true}, ledger.CodeEndpointNotFound)
	b.refuses(ledger.ReplayDeliveries{App: e.App, ID: e.ID, Events: []ledger.Delivery{d}}, ledger.CodeEndpointNotFound)
	must[any](b, purge)
	must[any](b, ledger.PurgeEndpoint{ID: e.ID})
	must[any](b, purge) // after the end
	_, err := b.store.Record(context.Background(), ledger.RecordKey{Kind: ledger.RecordEndpoint, ID: e.ID})
	if !errors.Is(err, ledger.ErrNotFound) || len(b.deliveries(e.ID)) != 0 {
		t.Errorf("something is left: %v", err)
	}
}
