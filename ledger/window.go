package ledger

import "crypto/sha256"

// Window is a settlement window: the time in which transfers gather whose banks
// then pay each other the net. It is made when it is closed, and never opened again.
//
// What belongs to it is told by no clock. Each account counts its postings; a
// window takes those of the transit accounts (or, for disputes, of suspense) from
// behind the last window's cut up to its own. So each is in exactly one window,
// whatever is written while it closes.
type Window struct {
	ID     string // such as upi-2026-11-25-03
	Scheme string
	Kind   WindowKind
	Day    Day
	N      int   // its place in the scheme's day, from 1
	From   int64 // Unix microseconds: the time that it was for
	Until  int64
	Cuts   []Cut
	By     string
	Closed int64
}

// WindowKind is what a window settles.
type WindowKind uint8

// The kinds of window.
const (
	WindowTransfers WindowKind = iota + 1
	WindowDisputes             // corrections of the reconciliation
)

var windowKindNames = [...]string{WindowTransfers: "transfers", WindowDisputes: "disputes"}

// String is the kind's word.
func (k WindowKind) String() string { return nameOf(windowKindNames[:], k) }

// ParseWindowKind reads what String wrote.
func ParseWindowKind(s string) (WindowKind, bool) {
	return parseName[WindowKind](windowKindNames[:], s)
}

// Cut is which postings of an account belong to a window: After < n <= UpTo.
type Cut struct {
	Account AccountID
	After   int64
	UpTo    int64
}

// Flow is what the postings of some cuts moved from the customers of one bank to
// those of another. A bank without a name is Bahi itself: wallets and suspense.
type Flow struct {
	Payer, Payee string // the banks' codes
	Currency     Currency
	Count        int64
	Minor        int64
}

// Position is what one bank owes or is owed for a window. It owns the postings
// that its confirmation makes.
type Position struct {
	ID       ID // see [PositionID]
	Window   string
	Bank     string // empty: Bahi itself, whose position nobody confirms
	Currency Currency
	Remitted Volume // what its customers paid
	Received Volume // what its customers got
	Fees     int64  // minor units
	State    PositionState
	Ref      string // of the confirmation, or empty
	By       string // who confirmed it
	Updated  int64
}

// Volume is a number of transfers and their sum in minor units.
type Volume struct{ Count, Minor int64 }

// Net is what the bank owes for the window, without fees; below zero: what it is owed.
func (p *Position) Net() int64 { return p.Remitted.Minor - p.Received.Minor }

// Sides are the accounts that the position's payment debits and credits: what a bank
// owed comes from its clearing account to its settlement account.
func (p *Position) Sides() (debit, credit AccountName) {
	debit, credit = SettlementAccount(p.Bank, p.Currency), ClearingAccount(p.Bank, p.Currency)
	if p.Net() < 0 {
		return credit, debit
	}
	return debit, credit
}

// PositionID names the position of a bank in a window.
func PositionID(window, bank string, c Currency) ID {
	sum := sha256.Sum256([]byte("position\x00" + window + "\x00" + bank + "\x00" + string(c)))
	return ID(sum[:16])
}

// PositionState is how far a bank's position is.
type PositionState uint8

// The states of a position.
const (
	PositionOpen      PositionState = iota + 1 // not settled
	PositionConfirmed                          // paid: posted
	PositionFailed                             // the payment failed: it may still be confirmed
)

var positionStateNames = [...]string{PositionOpen: "open", PositionConfirmed: "confirmed", PositionFailed: "failed"}

// String is the state's word.
func (s PositionState) String() string { return nameOf(positionStateNames[:], s) }
