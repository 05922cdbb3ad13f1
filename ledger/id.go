package ledger

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ID identifies a party, an instrument, a transfer, a key or a node: 16 bytes, time-ordered
// (UUID version 7), so that what is written together is stored together.
type ID [16]byte

// NewID makes a new time-ordered ID.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// idSlack is how far the time in an ID may be from that of its commit: an ID is
// made before, on a machine whose clock may be off or set right in between.
const idSlack = int64(24 * time.Hour / time.Microsecond)

// IDsOf bounds the IDs of what was created at from or later and before until, in
// Unix microseconds: first <= id < last. Others are within the bounds too: they
// only keep a search from walking the whole book.
func IDsOf(from, until int64) (first, last ID) {
	return idAt(max(0, from-idSlack)), idAt(until + idSlack)
}

// idAt is the least ID that can be made at a time: UUIDs of version 7 begin with
// 48 bits of milliseconds.
func idAt(micros int64) (id ID) {
	ms := uint64((micros + 999) / 1000)
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// MarshalText writes the ID without a prefix, for the bodies of records.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return badID("")
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// IsZero says whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Compare orders IDs by their bytes, which is by age.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// Prefixes of IDs in their outside form.
const (
	transferPrefix   = "BAH" // the PSP's three letters that a UPI transaction id starts with
	partyPrefix      = "pty_"
	instrumentPrefix = "ins_"
	keyPrefix        = "key_"
	nodePrefix       = "nod_"
	breakPrefix      = "brk_"
	correctionPrefix = "cor_"
	positionPrefix   = "pos_"
	accessPrefix     = "acc_"
	potPrefix        = "pot_"
	requestPrefix    = "req_"
	schedulePrefix   = "sch_"
	endpointPrefix   = "end_"
	eventPrefix      = "evt_"
	trustedPrefix    = "tru_"
)

// TransferRef is the outside form of a transfer's ID: 35 characters, letters and
// digits only, the form that UPI demands of a transaction id, so that the id in
// the chat is the id that both banks know.
func (id ID) TransferRef() string { return transferPrefix + strings.ToUpper(hex.EncodeToString(id[:])) }

// PartyRef is the outside form of a party's ID.
func (id ID) PartyRef() string { return id.Ref(partyPrefix) }

// InstrumentRef is the outside form of an instrument's ID.
func (id ID) InstrumentRef() string { return id.Ref(instrumentPrefix) }

// KeyRef is the outside form of an API key's ID.
func (id ID) KeyRef() string { return id.Ref(keyPrefix) }

// NodeRef is the outside form of a node's ID.
func (id ID) NodeRef() string { return id.Ref(nodePrefix) }

// BreakRef is the outside form of a break's ID.
func (id ID) BreakRef() string { return id.Ref(breakPrefix) }

// AccessRef is the outside form of an access' ID.
func (id ID) AccessRef() string { return id.Ref(accessPrefix) }

// CorrectionRef is the outside form of a correction's ID.
func (id ID) CorrectionRef() string { return id.Ref(correctionPrefix) }

// PositionRef is the outside form of a settlement position's ID.
func (id ID) PositionRef() string { return id.Ref(positionPrefix) }

// PotRef is the outside form of a pot's ID.
func (id ID) PotRef() string { return id.Ref(potPrefix) }

// RequestRef is the outside form of a request's ID.
func (id ID) RequestRef() string { return id.Ref(requestPrefix) }

// ScheduleRef is the outside form of a schedule's ID.
func (id ID) ScheduleRef() string { return id.Ref(schedulePrefix) }

// EndpointRef is the outside form of an endpoint's ID.
func (id ID) EndpointRef() string { return id.Ref(endpointPrefix) }

// EventRef is the outside form of an event's ID.
func (id ID) EventRef() string { return id.Ref(eventPrefix) }

// TrustedRef is the outside form of the ID of a trusted payee's entry.
func (id ID) TrustedRef() string { return id.Ref(trustedPrefix) }

// Ref is the outside form of an ID with a prefix of the book's own; empty for none.
func (id ID) Ref(prefix string) string {
	if prefix == transferPrefix && !id.IsZero() {
		return id.TransferRef()
	}
	if id.IsZero() {
		return ""
	}
	return prefix + hex.EncodeToString(id[:])
}

// ParseTransferRef reads what TransferRef wrote.
func ParseTransferRef(s string) (ID, error) {
	if s != strings.ToUpper(s) {
		return ID{}, badID(transferPrefix)
	}
	return parseRef(transferPrefix, s)
}

// ParsePartyRef reads what PartyRef wrote.
func ParsePartyRef(s string) (ID, error) { return parseLowerRef(partyPrefix, s) }

// ParseInstrumentRef reads what InstrumentRef wrote.
func ParseInstrumentRef(s string) (ID, error) { return parseLowerRef(instrumentPrefix, s) }

// ParseKeyRef reads what KeyRef wrote.
func ParseKeyRef(s string) (ID, error) { return parseLowerRef(keyPrefix, s) }

// ParseBreakRef reads what BreakRef wrote.
func ParseBreakRef(s string) (ID, error) { return parseLowerRef(breakPrefix, s) }

// ParseCorrectionRef reads what CorrectionRef wrote.
func ParseCorrectionRef(s string) (ID, error) { return parseLowerRef(correctionPrefix, s) }

// ParsePotRef reads what PotRef wrote.
func ParsePotRef(s string) (ID, error) { return parseLowerRef(potPrefix, s) }

// ParseRequestRef reads what RequestRef wrote.
func ParseRequestRef(s string) (ID, error) { return parseLowerRef(requestPrefix, s) }

// ParseScheduleRef reads what ScheduleRef wrote.
func ParseScheduleRef(s string) (ID, error) { return parseLowerRef(schedulePrefix, s) }

// ParseEndpointRef reads what EndpointRef wrote.
func ParseEndpointRef(s string) (ID, error) { return parseLowerRef(endpointPrefix, s) }

// ParseTrustedRef reads what TrustedRef wrote.
func ParseTrustedRef(s string) (ID, error) { return parseLowerRef(trustedPrefix, s) }

// One outside form an ID: "PTY_AB" and "pty_ab" must not both be taken.
func parseLowerRef(prefix, s string) (ID, error) {
	if s != strings.ToLower(s) {
		return ID{}, badID(prefix)
	}
	return parseRef(prefix, s)
}

// ParseRef reads what Ref wrote.
func ParseRef(prefix, s string) (ID, error) {
	if prefix == transferPrefix {
		return ParseTransferRef(s)
	}
	return parseLowerRef(prefix, s)
}

func parseRef(prefix, s string) (ID, error) {
	var id ID
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != 2*len(id) {
		return ID{}, badID(prefix)
	}
	if _, err := hex.Decode(id[:], []byte(rest)); err != nil {
		return ID{}, badID(prefix)
	}
	return id, nil
}

func badID(prefix string) error {
	return fmt.Errorf("not an id of the form %s and 32 hexadecimal digits", prefix)
}
