// Package banks drives the payer's and the payee's banks: the contract that a
// rail fulfils, the registry of banks, and the dispatcher that hands open
// instructions over, asks after silent ones and records what the banks say.
package banks

import (
	"context"
	"errors"
	"time"

	"bahi/ledger"
)

// Adapter speaks to one bank, or to many over one rail. Its methods are called
// by many goroutines at once. ctx ends when the bank's time is up: a method MUST
// return then, since it holds one of the bank's places.
//
// An instruction may come several times, with the same ID, in any order and at
// the same moment: the bank MUST act on it once and give the same answer again.
//
// What a method gives back is one of four things. An answer with an outcome is the
// bank's word. An answer that is Pending says that the bank has taken the
// instruction and that its word follows, through a [Reporter] or when it is asked
// by Status. An error that wraps [ErrNotSent] says that this call certainly did not
// reach the bank, and never will: a debit or credit is then given up at once. Any
// other error, and a ctx that ended, says that nothing is known: the bank will be
// asked by Status, and the instruction reversed if that tells nothing.
//
// Package bankstest tests all of this.
type Adapter interface {
	// Submit asks the bank to debit or to credit an account.
	Submit(ctx context.Context, i Instruction) (Answer, error)
	// Reverse asks the bank to undo the debit or the credit of the same transfer.
	// ledger.SaysApproved: the original is undone, or was and is. ledger.SaysNotDone:
	// there was no original, and there will never be one: an original that arrives
	// later MUST be declined. ledger.SaysStands (credits only): the credit was done
	// and stands. ledger.SaysDeclined: not now; the reversal is tried again.
	Reverse(ctx context.Context, i Instruction) (Answer, error)
	// Status asks what became of an instruction; it changes nothing.
	// ledger.SaysNotSeen: the bank has not seen it so far.
	Status(ctx context.Context, i Instruction) (Answer, error)
}

// ErrNotSent is wrapped by an adapter's error where the instruction certainly
// did not reach the bank: connection refused, unknown host, a refusal before processing.
var ErrNotSent = errors.New("instruction not sent")

// Instruction is what a bank is asked to do, in all that it needs to know.
type Instruction struct {
	ID           ledger.InstructionID // stays the same over retries
	Amount       ledger.Amount
	Account      Account // the account at this bank
	Counterparty Account // the other end: for the statement's text
	RRN          string  // 12 digits, the same for all legs of a transfer; not unique for ever
	Note         string
	Initiated    time.Time // when the transfer was made
	// Credential is the payer's credential block, where there is one, for the first
	// Submit of a debit and for nothing else. It MUST go nowhere but to the bank.
	Credential Credential
}

// Account is an account as its bank knows it.
type Account struct {
	Number string
	IFSC   string
	UPI    string // the address it was named by, or empty
	Name   string
}

// Answer is what a bank says of an instruction.
type Answer struct {
	// Pending means that the bank took the instruction and reports its outcome
	// later, by a [Reporter]. The other fields are then empty.
	Pending bool
	Outcome ledger.Outcome // SaysApproved, SaysDeclined, SaysNotDone, SaysStands or SaysNotSeen
	Code    string         // the bank's response code, such as "00" or "Z9"
	Ref     string         // the bank's own reference, or empty
}

// Reporter takes what a bank says without being asked: a late answer, a second
// one, the answer to an instruction that it took as pending. Repeats are safe.
type Reporter interface {
	Report(ctx context.Context, bank string, id ledger.InstructionID, a Answer) (ledger.Recorded, error)
}
