package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
)

// Record is what the book remembers beside the money, so that people can do with it what
// they do in a conversation: a request, a red packet, a schedule, how much of a limit is
// used. No money is in a record: what moves is in transfers, which name it as their
// [Transfer.Cause]. All kinds share one table, one lock order and one way to fall due;
// what is a kind's own is its body. Whose it is and what it belongs to (App, Owner, Parent,
// Parties, Conversation) is settled when it is made and never changes.
type Record struct {
	RecordKey
	App          string // that it belongs to; empty: none
	Owner        ID     // the party whose record it is, whose key seals Private; or zero
	Parent       ID     // the record it belongs to, or zero
	Parties      []ID   // who finds it in a list; given when it is made, never read
	Conversation string
	State        uint8  // a number of the kind's own, or 0
	Due          int64  // when something is to be done about it, Unix microseconds; 0: nothing is
	Body         []byte // JSON, of the kind's own Go type; never what a person can be known by
	Private      string // text of persons; empty once the owner was erased
	Sealed       string // Private as it is kept; a command that changes Private empties it
	Created      int64
	Updated      int64
}

// RecordKey names a record.
type RecordKey struct {
	Kind RecordKind
	ID   ID
}

// RecordKind is what a record is.
type RecordKind uint8

// The kinds of record.
const (
	RecordHold     RecordKind = iota + 1 // of a held transfer, by its ID
	RecordRefunds                        // what was refunded of a transfer, by its ID
	RecordPot                            // money put aside for others to claim: a red packet, or for somebody who is not registered
	RecordRequest                        // a request for money
	RecordSchedule                       // payments at times
	RecordUsage                          // how much of its limits an instrument has used, by its ID
	RecordSafety                         // a person's kill switch and trusted payees, by the party's ID
	RecordEndpoint                       // where an app wants its events sent to
	RecordDelivery                       // an event that an endpoint did not take yet
	RecordStream                         // how many events an app has had, see [Publish]
)

var recordNames = [...]string{RecordHold: "hold", RecordRefunds: "refunds", RecordPot: "pot", RecordRequest: "request", RecordSchedule: "schedule",
	RecordUsage: "usage", RecordSafety: "safety", RecordEndpoint: "endpoint", RecordDelivery: "delivery", RecordStream: "stream"}

// String is the kind's word.
func (k RecordKind) String() string { return nameOf(recordNames[:], k) }

// prefix is that of the outside form of the IDs of such records.
func (k RecordKind) prefix() string {
	switch k {
	case RecordHold, RecordRefunds:
		return transferPrefix
	case RecordPot:
		return potPrefix
	case RecordRequest:
		return requestPrefix
	case RecordSchedule:
		return schedulePrefix
	case RecordUsage:
		return instrumentPrefix
	case RecordSafety:
		return partyPrefix
	case RecordEndpoint:
		return endpointPrefix
	}
	return ""
}

// Compare orders records by kind, then by age.
func (k RecordKey) Compare(other RecordKey) int {
	return cmp.Or(cmp.Compare(k.Kind, other.Kind), k.ID.Compare(other.ID))
}

// IsZero says whether the key names nothing.
func (k RecordKey) IsZero() bool { return k == RecordKey{} }

// Place is where the record stands in the order of what is due.
func (r *Record) Place() RecordPlace { return RecordPlace{Due: r.Due, Key: r.RecordKey} }

// RecordPlace is a place in the order of what is due; the zero place is before all.
type RecordPlace struct {
	Due int64
	Key RecordKey
}

// Compare orders places.
func (p RecordPlace) Compare(other RecordPlace) int {
	return cmp.Or(cmp.Compare(p.Due, other.Due), p.Key.Compare(other.Key))
}

// RecordFilter chooses records of a kind; what is zero does not restrict. At most one of
// Party, Parent and Conversation is given.
type RecordFilter struct {
	Kind         RecordKind // required
	App          string
	Party        ID // one of its Parties
	Parent       ID
	Conversation string
	State        uint8
}

// RecordReader reads records. It is a part of [Reader].
type RecordReader interface {
	Record(ctx context.Context, k RecordKey) (Record, error)
	Records(ctx context.Context, f RecordFilter, page Page) ([]Record, error)                     // newest first
	DueRecords(ctx context.Context, after RecordPlace, before int64, limit int) ([]Record, error) // due before a time, longest due first, from behind a place
	Outbox(ctx context.Context, limit int) ([]OutboxRow, error)                                   // by N
	Stream(ctx context.Context, app string, after int64, limit int) ([]StreamRow, error)          // rows that hold events behind a number, in order
}

// ReadRecord reads the body of a record as the type that its kind has.
func ReadRecord[V any](r *Record) (v V, err error) {
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return v, fmt.Errorf("%s %x: %w", r.Kind, r.ID, err)
	}
	return v, nil
}

// record is a declared record with its body, if there is one.
func record[V any](s *Set, k RecordKey) (r Record, v V, ok bool) {
	if r, ok = s.Records.Get(k); !ok {
		return r, v, false
	}
	v, err := ReadRecord[V](&r)
	if err != nil {
		panic(err) // the batch fails unstored
	}
	return r, v, true
}

// putRecord keeps a record with a body.
func putRecord(s *Set, r Record, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	if r.Created == 0 {
		r.Created = s.Now
	}
	r.Body, r.Updated = b, max(s.Now, r.Updated)
	s.Records.Put(r.RecordKey, r)
}

// Ref is the outside form of the record's ID.
func (k RecordKey) Ref() string { return k.ID.Ref(k.Kind.prefix()) }
