package ledger

import (
	"slices"
	"time"
)

// Endpoint is where an app wants its events sent to: a record of kind [RecordEndpoint].
// How far the sending is stands in it too, so that another node can go on where one ended.
type Endpoint struct {
	ID      ID            `json:"-"`
	App     string        `json:"-"`
	State   EndpointState `json:"-"`
	Created int64         `json:"-"`

	URL         string           `json:"url"`
	Types       []string         `json:"types,omitempty"` // of events that it wants, such as "transfer.*"; none: all
	Description string           `json:"description,omitempty"`
	Locale      string           `json:"locale,omitempty"` // in which events are told; empty: the book's
	Secrets     []EndpointSecret `json:"secrets"`          // that sign, the newest first
	Reason      DisableReason    `json:"reason,omitempty"` // why it is disabled
	Changed     int64            `json:"changed"`          // when it last was by its app, or disabled
	Version     int              `json:"version"`          // how often that was
	Told        int              `json:"told,omitempty"`   // how many notices it gave

	Cursor int64 `json:"cursor"`           // of the app's events up to here each was taken, is dead, or has a record of its own
	Revive int64 `json:"revive,omitempty"` // what was dead by then is to be sent again; 0: nothing is
	Node   ID    `json:"node"`             // that sends to it; zero: none
	Until  int64 `json:"until,omitempty"`  // when another node may begin to
}

// EndpointSecret is what deliveries are signed with.
type EndpointSecret struct {
	Wrapped []byte `json:"wrapped"`         // see [Wrapper]
	Until   int64  `json:"until,omitempty"` // when it signs no more, Unix microseconds; 0: not yet known
}

// EndpointState is what may be done with an endpoint.
type EndpointState uint8

// The states of an endpoint.
const (
	EndpointEnabled  EndpointState = iota + 1
	EndpointDisabled               // nothing is sent to it until its app enables it again
	EndpointDeleted                // it is not there any more, but what belongs to it is not all gone
)

// DisableReason is why nothing is sent to an endpoint.
type DisableReason string

// EndpointGone means that its URL answered 410 Gone.
const EndpointGone DisableReason = "gone"

// Codes of refusals about endpoints.
const (
	CodeEndpointNotFound = "endpoint_not_found"
	CodeEndpointHeld     = "endpoint_held" // another node sends to it
	CodeTooManyEndpoints = "too_many_endpoints"
	CodeEventNotFound    = "event_not_found"
)

// Notices of endpoints.
const (
	NoticeWebhookTest      = "webhook.test" // for the endpoint that it is about only
	NoticeEndpointDisabled = "endpoint.disabled"
	NoticeEndpointEnabled  = "endpoint.enabled"
)

// MaxEndpoints is how many an app has at most, but for those that are created at once.
const MaxEndpoints = 20

// maxSecrets is how many secrets of an endpoint sign at once at most.
const maxSecrets = 4

// ReadEndpoint reads an endpoint from its record.
func ReadEndpoint(r *Record) (Endpoint, error) {
	e, err := ReadRecord[Endpoint](r)
	e.ID, e.App, e.State, e.Created = r.ID, r.App, EndpointState(r.State), r.Created
	return e, err
}

// About is what the endpoint's secrets are wrapped as.
func (e *Endpoint) About() string { return "endpoint/" + e.ID.EndpointRef() }

func endpointKey(id ID) RecordKey { return RecordKey{RecordEndpoint, id} }

// endpoint is a declared endpoint with its record.
func (s *Set) endpoint(id ID) (Record, Endpoint, bool) {
	r, e, ok := record[Endpoint](s, endpointKey(id))
	e.ID, e.App, e.State, e.Created = r.ID, r.App, EndpointState(r.State), r.Created
	return r, e, ok && e.State != EndpointDeleted
}

func (s *Set) putEndpoint(r Record, e Endpoint) {
	r.State = uint8(e.State)
	putRecord(s, r, e)
}

// CreateEndpoint makes an endpoint, to which everything is sent that happens from now on.
// It returns the [Endpoint].
type CreateEndpoint struct {
	Endpoint Endpoint // its ID, App, URL, Types, Description, Locale and one secret
	Beside   int      // how many its app has, as read before the batch
}

// Declare implements [Command].
func (c CreateEndpoint) Declare(s *Set) {
	s.Records.New(endpointKey(c.Endpoint.ID))
	s.Records.See(StreamKey(c.Endpoint.App))
}

// Apply implements [Command].
func (c CreateEndpoint) Apply(s *Set) (any, error) {
	if c.Beside >= MaxEndpoints {
		return nil, refuse(CodeTooManyEndpoints, "an app has %d webhooks at most; delete one first", MaxEndpoints)
	}
	_, head, _ := record[streamBody](s, StreamKey(c.Endpoint.App))
	e := c.Endpoint
	e.State, e.Cursor, e.Created, e.Changed = EndpointEnabled, head.Last, s.Now, s.Now
	s.putEndpoint(Record{RecordKey: endpointKey(e.ID), App: e.App}, e)
	return e, nil
}

// ChangeEndpoint is what an app changes about an endpoint of its own: exactly one of the
// fields behind the first two. It returns the [Endpoint].
type ChangeEndpoint struct {
	App string
	ID  ID

	Set    *Endpoint       // its URL, Types, Description and Locale
	Enable bool            // after which it is sent what it has missed
	Rotate *RotateEndpoint // to a new secret
	Rewind *int64          // to send again what is behind this number, or to pass over what is before it
	Revive bool            // to send again all that is dead
	Test   bool            // to give a notice for it alone
	Delete bool
}

// RotateEndpoint is the newest secret of an endpoint.
type RotateEndpoint struct {
	Wrapped []byte
	Overlap time.Duration // for how long those before it go on signing, unless they end earlier
}

// Declare implements [Command].
func (c ChangeEndpoint) Declare(s *Set) {
	s.Records.Want(endpointKey(c.ID))
	if c.Rewind != nil {
		s.Records.See(StreamKey(c.App))
	}
}

// Apply implements [Command].
func (c ChangeEndpoint) Apply(s *Set) (any, error) {
	r, e, ok := s.endpoint(c.ID)
	if !ok || e.App != c.App {
		return nil, refuse(CodeEndpointNotFound, "there is no endpoint %s", c.ID.EndpointRef())
	}
	switch {
	case c.Set != nil:
		e.URL, e.Types, e.Description, e.Locale = c.Set.URL, c.Set.Types, c.Set.Description, c.Set.Locale
	case c.Enable && e.State == EndpointEnabled:
		return e, nil
	case c.Enable:
		e.State, e.Reason = EndpointEnabled, ""
		s.tellOf(&r, &e, NoticeEndpointEnabled)
	case c.Rotate != nil:
		e.rotate(c.Rotate, s.Now)
	case c.Rewind != nil:
		_, head, _ := record[streamBody](s, StreamKey(c.App))
		if *c.Rewind > head.Last {
			return nil, refuse(CodeEventNotFound, "the last event is %d", head.Last)
		}
		e.Cursor = *c.Rewind
	case c.Revive:
		e.Revive = s.Now
	case c.Test:
		s.tellOf(&r, &e, NoticeWebhookTest)
		s.putEndpoint(r, e) // its sender need not know
		return e, nil
	case c.Delete:
		e = Endpoint{ID: e.ID, App: e.App, State: EndpointDeleted, Version: e.Version}
	default:
		panic("ledger: nothing of an endpoint is to be changed")
	}
	e.Version, e.Changed = e.Version+1, s.Now
	s.putEndpoint(r, e)
	return e, nil
}

// tellOf adds a notice of an endpoint.
func (s *Set) tellOf(r *Record, e *Endpoint, what string) {
	e.Told++
	s.tell(r, what, e.Told)
}

func (e *Endpoint) rotate(to *RotateEndpoint, now int64) {
	until := now + to.Overlap.Microseconds()
	for i := range e.Secrets {
		if old := &e.Secrets[i]; old.Until == 0 || old.Until > until {
			old.Until = until
		}
	}
	signing := slices.DeleteFunc(e.Secrets, func(old EndpointSecret) bool { return old.Until <= now })
	e.Secrets = append([]EndpointSecret{{Wrapped: to.Wrapped}}, signing[:min(len(signing), maxSecrets-1)]...)
}
