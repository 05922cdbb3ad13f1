// Package statement reads what banks say happened: statements of accounts,
// notifications, the switch's raw files and settlement reports. Whatever the
// format, a file becomes one stream of a [Header], its [Line]s and an [End] per
// statement, and whatever a file says twice is checked: opening balance and
// movements against the closing balance, counts, control sums. A file is never
// in memory whole.
//
// A file is only known to be right once the stream has ended without an error:
// whoever stores lines does it so that they can be taken back until then.
package statement

import (
	"crypto/sha256"
	"fmt"
	"time"

	"bahi/ledger"
)

// Item is a [Header], a [Line] or an [End].
type Item interface{ item() }

// Header begins a statement.
type Header struct {
	Format   Format
	Bank     string // its BIC or code, as the file has it; empty if the file doesn't say
	Account  string
	ID       string // the bank's own name of the statement
	Currency ledger.Currency
	Date     time.Time // a day, at midnight UTC; zero if the file doesn't say
	Opening  *Balance  // nil if the file doesn't say, as in a camt.054
	Line     int       // where it begins in the file
}

// Line is one movement, as the bank booked it.
type Line struct {
	TransactionID string
	RRN           string // 12 digits
	BookingDate   time.Time
	ValueDate     time.Time // zero if the file doesn't say
	Amount        ledger.Amount
	Side          Side
	Reversal      bool // it undoes an earlier movement of the other side
	Counterparty  string
	Code          string // response code, such as 00
	Reference     string // the bank's own
	Count         int    // of the transfers in it; more than 1 if the bank batched them
	Pending       bool   // the bank shows it and has not booked it
	Line          int    // where it begins in the file
	Account       string // the customer's, where the file names both; else empty
	// Key is the same for this movement in every file and format, and By is what it
	// is made of; see key.
	Key ledger.LineKey
	By  ledger.KeyedBy
}

// End ends a statement, when all its totals have been found right.
type End struct {
	Lines           int // all, those that moved nothing included
	Credits, Debits ledger.Amount
	Closing         *Balance  // nil if the file doesn't say
	Date            time.Time // the day that it ends; zero if the file doesn't say
	Line            int
}

func (Header) item() {}
func (Line) item()   {}
func (End) item()    {}

// Side is the side of the account holder's statement: a credit is money in.
type Side string

const (
	Credit Side = "credit"
	Debit  Side = "debit"
)

func (s Side) other() Side {
	if s == Debit {
		return Credit
	}
	return Debit
}

// Balance is what an account holds, negative when overdrawn, in minor units.
type Balance struct {
	Minor    int64
	Currency ledger.Currency
}

func (b Balance) String() string {
	return ledger.Amount{Minor: b.Minor, Currency: b.Currency}.String()
}

// Moved says whether the line moved money: it is booked, and approved or, with
// code RB, deemed to be.
func (l Line) Moved() bool {
	return !l.Pending && (l.Code == "" || l.Code == "00" || l.Code == "RB")
}

// key names the line so that the same movement is known again in another file
// or format of the same bank. It is made of what all formats carry: day, amount,
// side, whether it reverses, whether money moved, and the first there is of RRN (which
// fits even MT940's 16 characters), transaction id and the bank's reference;
// without any, of the account. Neither place nor statement are in it: both
// differ between formats. The RRN alone would not do, since its reversal and,
// ten years on, a stranger have the same.
//
// Two lines of one statement may share a key: a double debit does. Then the
// number of lines with that key tells how many there were; in overlapping
// files the largest such number counts. Nothing smaller than the
// statement can tell, and a statement doesn't fit in memory, so that
// the count is left to whoever stores the lines.
func (l Line) key(account string) (ledger.LineKey, ledger.KeyedBy) {
	by, kind, reference := ledger.KeyedByAccount, "account", account
	switch {
	case l.RRN != "":
		by, kind, reference = ledger.KeyedByRRN, "rrn", l.RRN
	case l.TransactionID != "":
		by, kind, reference = ledger.KeyedByName, "id", l.TransactionID
	case l.Reference != "":
		by, kind, reference = ledger.KeyedByReference, "reference", l.Reference
	}
	// Quoting keeps fields apart, whatever is in them.
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %q %s %t %t %s %q", l.BookingDate.Format(time.DateOnly),
		l.Amount.Minor, l.Amount.Currency, l.Side, l.Reversal, l.Moved(), kind, reference))
	return ledger.LineKey(sum[:16]), by
}
