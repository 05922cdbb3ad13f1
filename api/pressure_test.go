package api_test

import (
	"net"
	"testing"

	"bahi/api"
)

// hold sends a request that is not answered soon and gives its answer's channel.
func (c *caller) hold(method, path string, body any, headers ...string) <-chan *answer {
	r := c.request(method, path, body, headers...)
	answers := make(chan *answer, 1)
	go func() {
		got, err := c.try(r)
		if err != nil {
			c.s.t.Errorf("%s: %v", path, err)
		}
		answers <- got
	}()
	return answers
}

func TestBackPressure(t *testing.T) {
	const queue = 4
	g, change := gated()
	s := start(t, change, func(o *setup) { o.maxQueue = queue })
	a := s.as(chatA)
	a.get("/v1/parties").want(200) // the key is read
	party := obj{"name": "somebody", "kind": "person"}
	held := newDoor(t)
	g.before.Store(held)
	accepted := []<-chan *answer{a.hold("POST", "/v1/parties", party)}
	<-held.reached // the first is being written, the others wait
	for range queue {
		accepted = append(accepted, a.hold("POST", "/v1/parties", party))
	}
	eventually(t, "the queue is full", s.book.Full)
	refused := a.post("/v1/parties", party, underOneKey, "later")
	refused.refused(503, "busy")
	wantEqual(t, "Retry-After", refused.header.Get("Retry-After"), "1")
	s.as(nobody).get("/readyz").refused(503, "busy")
	s.as(nobody).get("/healthz").want(200)
	a.get("/v1/parties").want(200) // reading goes on
	wantEqual(t, "stored", s.count("parties"), 0)
	g.before.Store(nil)
	held.open()
	for _, answers := range accepted {
		if got := <-answers; got != nil {
			got.want(201)
		}
	}
	wantEqual(t, "stored", s.count("parties"), len(accepted))
	s.as(nobody).get("/readyz").want(200)
	wantEqual(t, "replayed", a.post("/v1/parties", party, underOneKey, "later").want(201).replayed(), false)
}

func TestShutdownAnswersWhatItAccepted(t *testing.T) {
	g, change := gated()
	s := start(t, change)
	a := s.as(chatA)
	payer := a.openParty("payer")
	a.link(payer, obj{"kind": "bank_account", "account": obj{"number": silentUntilReported, "ifsc": "NRMD0000001"}})
	ravi := a.settle(newPerson("ravi", 2, "KVRI"))
	pending := read[api.Transfer](a.pay(obj{"party": payer}, obj{"party": ravi.id}, "10.00").want(201))

	// One request waits for a bank that is silent, others for their commit.
	waiting := a.hold("GET", "/v1/transfers/"+pending.ID+"?wait=30", nil)
	eventually(t, "it was looked at, and again in the wait", func() bool { return g.looks.Load() == 2 })
	parties := s.count("parties")
	held := newDoor(t)
	g.before.Store(held)
	party := obj{"name": "somebody", "kind": "person"}
	accepted := []<-chan *answer{a.hold("POST", "/v1/parties", party)}
	<-held.reached // the first is being written, the others wait
	for range 4 {
		accepted = append(accepted, a.hold("POST", "/v1/parties", party))
	}
	eventually(t, "all wait", func() bool { return s.book.Waiting() == 4 })
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	if got := <-waiting; got != nil {
		wantEqual(t, "answered as it is", read[api.TransferDetail](got).State, "pending")
	}
	eventually(t, "connections are refused", func() bool {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	g.before.Store(nil)
	held.open()
	for _, answers := range accepted {
		if got := <-answers; got != nil {
			got.want(201)
		}
	}
	<-stopped
	wantEqual(t, "stored", s.count("parties"), parties+len(accepted))
}
