package ledger

import (
	"bytes"
	"cmp"
	"encoding/hex"
)

// Source is who says that money moved.
type Source uint8

// The sources beside our own book.
const (
	SourceBank   Source = iota + 1 // the bank's own statement
	SourceSwitch                   // the switch's raw file
)

var sourceNames = [...]string{SourceBank: "bank", SourceSwitch: "switch"}

// String is the source's word.
func (s Source) String() string { return nameOf(sourceNames[:], s) }

// LineKey tells one movement of a bank from all others, whatever the file and
// the format that it comes in.
type LineKey [16]byte

// String is the key in hexadecimal.
func (k LineKey) String() string { return hex.EncodeToString(k[:]) }

// LineID names a line: the N-th (1, 2, …) with its key in one statement. Most
// have no second; where there is one, the statement that has most decides.
type LineID struct {
	Source Source
	Bank   string // the bank's code
	Key    LineKey
	N      int
}

// Compare orders LineIDs.
func (l LineID) Compare(other LineID) int {
	return cmp.Or(cmp.Compare(l.Source, other.Source), cmp.Compare(l.Bank, other.Bank), bytes.Compare(l.Key[:], other.Key[:]), cmp.Compare(l.N, other.N))
}

// BankLine is one movement as a bank or the switch tells it. It is seen from the
// customer's account: a debit takes money from a customer.
//
// The same movement comes in several files, and a format may leave out what
// another has. What is stored is therefore what all of them together say, see
// [BankLine.Merge]: it is the same in whatever order they come.
type BankLine struct {
	ID       LineID
	Transfer ID     // the transfer that Name is the reference of, zero where it has not the form of one; it may not exist
	Name     string // the transaction id as told, or empty
	RRN      string // or empty
	Day      Day    // when it was booked
	Amount   Amount
	Debit    bool // out of the customer's account
	Reversal bool // undoes an earlier movement of the other side
	Moved    bool // booked and approved, or deemed to be; else it moved no money
	// By is what the key was made of. Lines of two formats of which one lacks the
	// RRN have different keys: they are the same movement nevertheless.
	By        KeyedBy
	Code      string // response code, or empty
	Reference string // the bank's own, or empty
	Account   string // the customer's, as far as told; or empty
	Count     int    // of the transfers in it: more than 1 where the bank batches
}

// KeyedBy is what a line's key was made of, beside day, amount and side.
type KeyedBy uint8

// What a key is made of, best first.
const (
	KeyedByRRN KeyedBy = iota + 1
	KeyedByName
	KeyedByReference
	KeyedByAccount
)

// Merge is what two tellings of one movement say together: of each text the
// greater, so that neither order nor repetition matters. An engine does the same.
func (l BankLine) Merge(other BankLine) BankLine {
	if other.Transfer.Compare(l.Transfer) > 0 {
		l.Transfer = other.Transfer
	}
	l.Name, l.RRN = max(l.Name, other.Name), max(l.RRN, other.RRN)
	l.Code, l.Reference, l.Account = max(l.Code, other.Code), max(l.Reference, other.Reference), max(l.Account, other.Account)
	l.Count = max(l.Count, other.Count)
	return l
}

// Statement is one statement of a file that was taken in. It is kept to show
// where lines came from; the same file again is nothing new.
type Statement struct {
	File     [32]byte // SHA-256 of the file
	N        int      // its place in the file: 1, 2, …
	Source   Source
	Bank     string
	Name     string // the bank's own name of it
	Account  string
	Format   string
	Currency Currency
	Date     Day // 0 where the file doesn't say
	Lines    int
	Credits  int64  // minor units
	Debits   int64  //
	Closing  *int64 // minor units; nil where the file doesn't say
	By       string // who brought it
	At       int64
}

// Covered says that a source has told all that a bank booked on a day: only then
// does it mean something that a movement is missing.
type Covered struct {
	Source Source
	Bank   string
	Day    Day
}

// Rule is how a line was found to belong to an instruction.
type Rule uint8

// The rules, in the order in which they are tried.
const (
	RuleIDRRNDateAmount Rule = iota + 1
	RuleIDDateAmount
	RuleRRNDateAmount
	RuleIDAmount  // on another day than ours: late
	RuleCancelled // a movement and its reversal, which our book does not have or has too
	RuleBatch     // one line for several instructions of a bank that batches
)

var ruleNames = [...]string{RuleIDRRNDateAmount: "id_rrn_date_amount", RuleIDDateAmount: "id_date_amount", RuleRRNDateAmount: "rrn_date_amount",
	RuleIDAmount: "id_amount", RuleCancelled: "cancelled", RuleBatch: "batch"}

// String is the rule's word.
func (r Rule) String() string { return nameOf(ruleNames[:], r) }

// Match says that a line tells of a leg of a transfer.
type Match struct {
	Line     LineID
	Transfer ID
	Leg      Leg
	Rule     Rule
}

// Compare orders matches by transfer, leg and line: that is their key. The rule
// is no part of it.
func (m Match) Compare(other Match) int {
	return cmp.Or(m.Transfer.Compare(other.Transfer), cmp.Compare(m.Leg, other.Leg), m.Line.Compare(other.Line))
}

// Run is one reconciliation of the book with what the banks said. Only the newest
// may write: one that was overtaken by another stops.
type Run struct {
	N          int64 // 1, 2, 3 …
	Superseded bool  // a later one has begun
	From       Day   // transfers made from this day on
	Until      Day   // and before this one
	Lines      int64 // that were looked at
	Legs       int64 // of transfers, that were
	Matched    int64 // legs for which there are lines
	Breaks     int64 // open when it ended
	By         string
	Began      int64
	Ended      int64 // 0 while it goes on, or where it never did
}
