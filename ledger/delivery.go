package ledger

import (
	"encoding/binary"
	"time"
)

// Delivery is an event that an endpoint did not take: a record of kind [RecordDelivery]
// whose parent is the endpoint. One that it took has none.
type Delivery struct {
	Endpoint ID            `json:"-"`
	App      string        `json:"-"`
	State    DeliveryState `json:"-"`
	Created  int64         `json:"-"`
	Updated  int64         `json:"-"`

	Sequence int64  `json:"sequence"` // of the event
	Event    ID     `json:"event"`
	Type     string `json:"type"`
	Subject  ID     `json:"subject"`
	Since    int64  `json:"since"`           // since when it is tried, or waits for one before it
	Tries    int    `json:"tries,omitempty"` // how often it was
	Next     int64  `json:"next,omitempty"`  // when it is tried again, Unix microseconds
	Asked    int    `json:"asked,omitempty"` // how often the app asked for it

	// Of the last try.
	Failure string `json:"failure,omitempty"` // a word of package webhook
	Status  int    `json:"status,omitempty"`  // of HTTP, or 0
	Text    string `json:"text,omitempty"`    // how its answer began
}

// DeliveryState is how a delivery stands.
type DeliveryState uint8

// The states of a delivery.
const (
	DeliveryPending DeliveryState = iota + 1
	DeliveryDead                  // it is not tried any more, unless its app asks for it
)

var deliveryStates = [...]string{DeliveryPending: "pending", DeliveryDead: "dead"}

// String is the state's word.
func (d DeliveryState) String() string { return nameOf(deliveryStates[:], d) }

// ParseDeliveryState reads what String wrote.
func ParseDeliveryState(s string) (DeliveryState, bool) {
	return parseName[DeliveryState](deliveryStates[:], s)
}

// ReadDelivery reads a delivery from its record.
func ReadDelivery(r *Record) (Delivery, error) {
	d, err := ReadRecord[Delivery](r)
	d.Endpoint, d.App, d.State, d.Created, d.Updated = r.Parent, r.App, DeliveryState(r.State), r.Created, r.Updated
	return d, err
}

// Key names the delivery's record. There is one of each event and endpoint, and of an
// endpoint they are in the order of the events.
func (d *Delivery) Key() RecordKey {
	var id ID
	copy(id[:8], d.Endpoint[8:]) // the random half
	binary.BigEndian.PutUint64(id[8:], uint64(d.Sequence))
	return RecordKey{RecordDelivery, id}
}

func (s *Set) delivery(d *Delivery) (Record, Delivery, bool) {
	r, known, ok := record[Delivery](s, d.Key())
	known.Endpoint, known.App, known.State = r.Parent, r.App, DeliveryState(r.State)
	return r, known, ok
}

func (s *Set) putDelivery(r Record, d *Delivery) {
	r.RecordKey, r.App, r.Parent, r.State = d.Key(), d.App, d.Endpoint, uint8(d.State)
	putRecord(s, r, d)
}

// ReplayDeliveries sends events to an endpoint again, whatever became of them. It returns
// the [Endpoint].
type ReplayDeliveries struct {
	App    string
	ID     ID
	Events []Delivery // their Sequence, Event, Type and Subject
}

// Declare implements [Command].
func (c ReplayDeliveries) Declare(s *Set) {
	s.Records.Want(endpointKey(c.ID))
	for i := range c.Events {
		s.Records.Want(c.of(i).Key())
	}
}

func (c ReplayDeliveries) of(i int) *Delivery {
	d := c.Events[i]
	d.Endpoint, d.App = c.ID, c.App
	return &d
}

// Apply implements [Command].
func (c ReplayDeliveries) Apply(s *Set) (any, error) {
	r, e, ok := s.endpoint(c.ID)
	if !ok || e.App != c.App {
		return nil, refuse(CodeEndpointNotFound, "there is no endpoint %s", c.ID.EndpointRef())
	}
	for i := range c.Events {
		d := c.of(i)
		kept, known, _ := s.delivery(d)
		d.State, d.Since, d.Next, d.Asked = DeliveryPending, s.Now, s.Now, known.Asked+1
		s.putDelivery(kept, d)
	}
	e.Version, e.Changed = e.Version+1, s.Now
	s.putEndpoint(r, e)
	return e, nil
}

// ClaimEndpoint gives an endpoint to a node, which sends to it until its lease ends. It is
// refused with [CodeEndpointHeld] while another node does. It returns the [Endpoint].
type ClaimEndpoint struct {
	ID    ID
	Node  ID
	Lease time.Duration
	Dead  ID // a node that the claiming one knows to send no more, or zero
}

// Declare implements [Command].
func (c ClaimEndpoint) Declare(s *Set) { s.Records.Want(endpointKey(c.ID)) }

// Apply implements [Command].
func (c ClaimEndpoint) Apply(s *Set) (any, error) {
	r, e, ok := s.endpoint(c.ID)
	switch {
	case !ok || e.State != EndpointEnabled:
		return nil, refuse(CodeEndpointNotFound, "there is no endpoint %s to send to", c.ID.EndpointRef())
	case !e.Node.IsZero() && e.Node != c.Node && e.Node != c.Dead && e.Until > s.Now:
		return nil, refuse(CodeEndpointHeld, "node %s sends to endpoint %s", e.Node.NodeRef(), c.ID.EndpointRef())
	}
	e.Node, e.Until = c.Node, s.Now+c.Lease.Microseconds()
	s.putEndpoint(r, e)
	return e, nil
}

// StepEndpoint keeps how far a node is with sending to an endpoint, and prolongs its lease.
// It is refused with [CodeEndpointHeld] if the endpoint is not the node's any more. It
// returns the [Endpoint] as it is now. To repeat it changes nothing.
type StepEndpoint struct {
	ID    ID
	Node  ID
	Lease time.Duration // 0: the node sends no more

	From, To int64      // the cursor as the node knew it, and as it is now; an app may have set it meanwhile
	Keep     []Delivery // as they are now
	Taken    []Delivery // that the endpoint took
	Revived  int64      // what was to be sent again, which all is; 0: not yet, or nothing
	Disable  DisableReason
	Version  int // of the endpoint that is disabled
}

// Declare implements [Command].
func (c StepEndpoint) Declare(s *Set) {
	s.Records.Want(endpointKey(c.ID))
	for _, list := range [][]Delivery{c.Keep, c.Taken} {
		for i := range list {
			s.Records.Want(list[i].Key())
		}
	}
}

// Apply implements [Command].
func (c StepEndpoint) Apply(s *Set) (any, error) {
	r, e, ok := s.endpoint(c.ID)
	switch {
	case !ok:
		return nil, refuse(CodeEndpointNotFound, "there is no endpoint %s", c.ID.EndpointRef())
	case e.Node != c.Node:
		return nil, refuse(CodeEndpointHeld, "node %s does not send to endpoint %s", c.Node.NodeRef(), c.ID.EndpointRef())
	}
	if e.Cursor == c.From {
		e.Cursor = c.To
	}
	if e.Revive == c.Revived {
		e.Revive = 0
	}
	c.deliveries(s)
	e.Until = s.Now + c.Lease.Microseconds()
	if c.Lease == 0 {
		e.Node, e.Until = ID{}, 0
	}
	if c.Disable != "" && e.Version == c.Version {
		e.State, e.Reason = EndpointDisabled, c.Disable
		e.Version, e.Changed = e.Version+1, s.Now
		s.tellOf(&r, &e, NoticeEndpointDisabled)
	}
	s.putEndpoint(r, e)
	return e, nil
}

// deliveries keeps and drops them, but for those that the app has asked for meanwhile.
func (c StepEndpoint) deliveries(s *Set) {
	for i := range c.Keep {
		d := &c.Keep[i]
		if r, known, ok := s.delivery(d); !ok || known.Asked <= d.Asked {
			s.putDelivery(r, d)
		}
	}
	for i := range c.Taken {
		d := &c.Taken[i]
		if _, known, ok := s.delivery(d); ok && known.Asked <= d.Asked {
			s.Records.Delete(d.Key())
		}
	}
}

// PurgeEndpoint removes deliveries of an endpoint that was deleted; the endpoint too where
// there are none. It returns nothing.
type PurgeEndpoint struct {
	ID         ID
	Deliveries []RecordKey
}

// Declare implements [Command].
func (c PurgeEndpoint) Declare(s *Set) {
	s.Records.Want(endpointKey(c.ID))
	for _, k := range c.Deliveries {
		s.Records.Want(k)
	}
}

// Apply implements [Command].
func (c PurgeEndpoint) Apply(s *Set) (any, error) {
	r, ok := s.Records.Get(endpointKey(c.ID))
	if !ok || EndpointState(r.State) != EndpointDeleted {
		return nil, nil
	}
	for _, k := range c.Deliveries {
		if _, ok := s.Records.Get(k); ok {
			s.Records.Delete(k)
		}
	}
	if len(c.Deliveries) == 0 {
		s.Records.Delete(r.RecordKey)
	}
	return nil, nil
}
