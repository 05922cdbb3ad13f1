package ledger

import (
	"cmp"
	"crypto/sha256"
	"fmt"
)

// Class is what kind of disagreement a [Break] is.
type Class uint8

// The classes.
const (
	ClassNotInBook      Class = iota + 1 // the bank moved money that our book doesn't show
	ClassNotAtBank                       // our book shows money moved that the bank doesn't
	ClassAmountDiffers                   // both show it, with different amounts
	ClassDuplicate                       // the bank moved it twice or more
	ClassLate                            // the bank booked it on a later day
	ClassContradiction                   // a bank's word contradicted an earlier one
	ClassUnknownAccount                  // a line of a bank, or about an account, that the transfer has nothing to do with
	ClassHanging                         // under way, or booked on the other side, when the day was cut off
	ClassInDoubt                         // a transfer in doubt that the bank's statement decides
	ClassNotAtSwitch                     // bank and book show it, the switch doesn't
	ClassOnlyAtSwitch                    // the switch shows it, bank and book don't
	ClassSettlement                      // a settlement report differs from the window's positions
	ClassPayoutFailed                    // a correction's payout did not reach whom it was for: the money is on suspense again
)

var classNames = [...]string{ClassNotInBook: "not_in_book", ClassNotAtBank: "not_at_bank", ClassAmountDiffers: "amount_differs", ClassDuplicate: "duplicate", ClassLate: "late",
	ClassContradiction: "contradiction", ClassUnknownAccount: "unknown_account", ClassHanging: "hanging", ClassInDoubt: "in_doubt", ClassNotAtSwitch: "not_at_switch",
	ClassOnlyAtSwitch: "only_at_switch", ClassSettlement: "settlement_differs", ClassPayoutFailed: "payout_failed"}

// String is the class's word.
func (c Class) String() string { return nameOf(classNames[:], c) }

// ParseClass reads what String wrote.
func ParseClass(s string) (Class, bool) { return parseName[Class](classNames[:], s) }

// ClassNames are the words of all classes.
func ClassNames() []string { return classNames[1:] }

// Word is what one of the sources says of a movement.
type Word uint8

// The words.
const (
	SaysNothing Word = iota // it has not told of that day
	SaysNo
	SaysYes
)

var wordNames = [...]string{SaysNothing: "nothing", SaysNo: "no", SaysYes: "yes"}

// String is the word.
func (w Word) String() string { return wordNames[w] }

// Subject is what a break is about; it has one break of each class. Where Line
// names a line, no transfer of the book is known for it, or none with a leg at its bank.
type Subject struct {
	Transfer ID
	Leg      Leg
	Line     LineID // zero where the break is about a leg
	Window   string // of a settlement report; else empty
	Bank     string
}

// BreakID names the break of a class about a subject. It is made of both, so that
// whoever finds it finds the same one.
func BreakID(c Class, s Subject) ID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %x %d %d %q %x %d %q %q", c, s.Transfer[:], s.Leg, s.Line.Source, s.Line.Bank, s.Line.Key[:], s.Line.N, s.Window, s.Bank))
	return ID(sum[:16])
}

// Break is a disagreement between our book and what a bank or the switch says. A
// run of the reconciliation opens it, and closes it when the disagreement is gone.
type Break struct {
	ID       ID // see [BreakID]
	Class    Class
	Subject  Subject
	Day      Day // the business day that it belongs to
	Currency Currency
	// What moved on the subject's side of the transfer, in minor units: taken from
	// the payer (a debit less its reversal), or given to the payee (likewise). Ours
	// includes what corrections have adjusted already.
	Ours, Theirs int64
	// What each of the three says of it.
	Bank, Switch, Book Word
	Steps              int // lines of the transfer's history when this was found; 0 where there is none

	State      BreakState
	Resolution Resolution // why it is closed
	Owner      string     // who looks after it, or empty
	Opened     int64      // Unix microseconds
	Updated    int64
	Deadline   int64 // until when it is to be closed: T+1, or T+5 where the payee is a merchant
	Notes      int   // lines of its history
	Tries      int   // corrections that were proposed so far
}

// Difference is what the bank moved more than our book shows, on the subject's side.
func (b *Break) Difference() int64 { return b.Theirs - b.Ours }

// Same says whether another finding of the same break says the same.
func (b *Break) Same(other *Break) bool {
	return b.Ours == other.Ours && b.Theirs == other.Theirs && b.Bank == other.Bank && b.Switch == other.Switch && b.Book == other.Book && b.Day == other.Day && b.Steps == other.Steps
}

// BreakState is whether a break is still open.
type BreakState uint8

// The states of a break.
const (
	BreakOpen BreakState = iota + 1
	BreakClosed
)

var breakStateNames = [...]string{BreakOpen: "open", BreakClosed: "closed"}

// String is the state's word.
func (s BreakState) String() string { return nameOf(breakStateNames[:], s) }

// ParseBreakState reads what String wrote.
func ParseBreakState(s string) (BreakState, bool) {
	return parseName[BreakState](breakStateNames[:], s)
}

// Resolution is why a break is closed.
type Resolution uint8

// The resolutions.
const (
	Agreed    Resolution = iota + 1 // later words of the bank, or of the book, agree
	Corrected                       // by a correction
	Dismissed                       // by an operator, as it is: it opens again when what is said changes
)

var resolutionNames = [...]string{Agreed: "agreed", Corrected: "corrected", Dismissed: "dismissed"}

// String is the resolution's word.
func (r Resolution) String() string { return nameOf(resolutionNames[:], r) }

// BreakNote is one line of a break's history. Notes are only ever added.
type BreakNote struct {
	Break ID
	N     int // 1, 2, 3 …
	What  NoteKind
	By    string
	Text  string
	At    int64
}

// NoteKind is what a line of a break's history tells.
type NoteKind uint8

// The kinds of notes.
const (
	NoteOpened NoteKind = iota + 1
	NoteChanged
	NoteAssigned
	NoteCommented
	NoteProposed
	NoteApproved
	NoteApplied
	NoteWithdrawn
	NoteClosed
	NoteReopened
)

var noteNames = [...]string{NoteOpened: "opened", NoteChanged: "changed", NoteAssigned: "assigned", NoteCommented: "commented", NoteProposed: "proposed",
	NoteApproved: "approved", NoteApplied: "applied", NoteWithdrawn: "withdrawn", NoteClosed: "closed", NoteReopened: "reopened"}

// String is the kind's word.
func (k NoteKind) String() string { return nameOf(noteNames[:], k) }

// Note adds a line to a break's history. The caller puts the break.
func (s *Set) Note(b *Break, what NoteKind, by, text string) {
	b.Notes++
	b.Updated = max(s.Now, b.Updated)
	s.Notes = append(s.Notes, BreakNote{Break: b.ID, N: b.Notes, What: what, By: by, Text: text, At: b.Updated})
}

// BreakFilter chooses breaks; what is zero does not restrict.
type BreakFilter struct {
	State     BreakState
	Class     Class
	Bank      string
	Owner     string
	Transfer  ID
	OverdueAt int64 // whose deadline is before it
	From      Day   // of days from, and
	Until     Day   // before
}

// Chooses says whether the filter lets a break through.
func (f *BreakFilter) Chooses(b *Break) bool {
	return (f.State == 0 || b.State == f.State) &&
		(f.Class == 0 || b.Class == f.Class) &&
		(f.Bank == "" || b.Subject.Bank == f.Bank) &&
		(f.Owner == "" || b.Owner == f.Owner) &&
		(f.Transfer.IsZero() || b.Subject.Transfer == f.Transfer) &&
		(f.OverdueAt == 0 || b.Deadline < f.OverdueAt) &&
		(f.From == 0 || b.Day >= f.From) &&
		(f.Until == 0 || b.Day < f.Until)
}

// BreakPlace is a place in the order of breaks, which is by deadline; the zero place is before all.
type BreakPlace struct {
	Deadline int64
	ID       ID
}

// Place is where the break stands.
func (b *Break) Place() BreakPlace { return BreakPlace{b.Deadline, b.ID} }

// Compare orders places.
func (p BreakPlace) Compare(other BreakPlace) int {
	return cmp.Or(cmp.Compare(p.Deadline, other.Deadline), p.ID.Compare(other.ID))
}

// BreakCount is how many breaks of a class there are.
type BreakCount struct {
	Class Class
	State BreakState
	Count int64
}
