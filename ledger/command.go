package ledger

import (
	"cmp"
	"fmt"
)

// Command is one change of money or state. Both methods are pure: no clock, no
// I/O, no randomness; what a command needs of those it was given when it was made.
type Command interface {
	// Declare names every key that Apply will touch.
	Declare(*Set)
	// Apply checks the rules and then changes the set; it returns what the
	// caller gets. A command that returns an error has changed nothing: the
	// error is a [*Refusal].
	Apply(*Set) (any, error)
}

// Refusal is a rule's answer "no" to a command: nothing was stored.
type Refusal struct {
	Code   string // stable, such as "party_not_found"
	Detail string // for people: what is wrong and what to do
	Again  int64  // when the same will be let through, Unix microseconds; 0: that is not known
}

// Error makes a Refusal an error.
func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

func refuse(code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Codes of refusals.
const (
	CodeIdempotencyReuse    = "idempotency_key_reused"
	CodePartyNotFound       = "party_not_found"
	CodeInstrumentNotFound  = "instrument_not_found"
	CodeInstrumentTaken     = "instrument_taken"
	CodeTransferNotFound    = "transfer_not_found"
	CodeAccountNotFound     = "account_not_found"
	CodeKeyNotFound         = "key_not_found"
	CodeNotCancellable      = "transfer_not_cancellable"
	CodeInstructionNotFound = "instruction_not_found"
	CodeNotAPaymentMethod   = "instrument_holds_no_money"
	CodeWalletNotEmpty      = "wallet_not_empty"
	CodePartyClosed         = "party_closed"
	CodePartyBusy           = "party_busy"
	CodeAnswerErased        = "answer_erased"
	CodeNodeGone            = "node_gone"
	CodeNodeAlive           = "node_alive"
)

// IdempotencyKey is a chat backend's own name for a request.
type IdempotencyKey struct {
	App string
	Key string
}

// Answer is the first answer to a request, kept for good under its key.
type Answer struct {
	Key         IdempotencyKey
	RequestHash [32]byte // SHA-256 of the request that it answered
	Status      int      // HTTP status
	Body        []byte   // byte for byte what was answered
	Created     int64
	About       []ID   // the persons it tells of
	Sealed      []byte // RequestHash, Body and About, as they are kept
	Erased      bool   // a person was erased, and with them what is sealed
}

func compareInstructions(a, b InstructionID) int {
	return cmp.Or(a.Transfer.Compare(b.Transfer), cmp.Compare(a.Leg, b.Leg))
}

func compareAliases(a, b Alias) int {
	return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
}

func compareIdempotencyKeys(a, b IdempotencyKey) int {
	return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Key, b.Key))
}
