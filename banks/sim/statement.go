package sim

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"time"

	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

// Statement is what a bank tells of one day: all that it moved then, of all its
// customers. It comes from the bank's own book and knows nothing of ours. A debit
// takes money from a customer.
type Statement struct {
	Bank     string
	Currency ledger.Currency
	Day      ledger.Day
	Zone     *time.Location  // of the bank's days
	Opening  int64           // what the days before left: credits less debits, in minor units
	Entries  iter.Seq[Entry] // the day's; they are gone through twice
}

// Statement is the bank's statement of a day as far as it has come.
func (b *Bank) Statement(day ledger.Day, zone *time.Location) *Statement {
	_ = b.begin()
	facts := b.book.facts // only ever added to: both passes see the same
	b.end()
	return b.book.statement(facts, day, zone)
}

// ReadStatement is the same from the bank's file alone. The bank may be open meanwhile:
// a line that is being written is not there yet.
func ReadStatement(path string, day ledger.Day, zone *time.Location) (*Statement, error) {
	k, err := readBook(path)
	if err == nil && k.code == "" {
		err = fmt.Errorf("journal %s: it names no bank", path)
	}
	if err != nil {
		return nil, err
	}
	return k.statement(k.facts, day, zone), nil
}

func (k *book) statement(facts []*fact, day ledger.Day, zone *time.Location) *Statement {
	s := &Statement{Bank: k.code, Currency: k.currency, Day: day, Zone: zone}
	for e := range k.entries(facts) {
		if ledger.DayOf(e.At.In(zone)) < day {
			s.Opening -= e.Net()
		}
	}
	s.Entries = func(yield func(Entry) bool) {
		for e := range k.entries(facts) {
			if ledger.DayOf(e.At.In(zone)) == day && !yield(e) {
				return
			}
		}
	}
	return s
}

// Formats are those that a bank writes.
var Formats = []statement.Format{statement.Camt053, statement.MT940, statement.JSONL}

// Write writes the statement. The same statement is the same file, byte for byte.
func (s *Statement) Write(w io.Writer, format statement.Format) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case statement.Camt053:
		err = s.writeCamt(out)
	case statement.MT940:
		err = s.writeMT940(out)
	case statement.JSONL:
		err = s.writeJSONL(out)
	default:
		err = fmt.Errorf("sim: no bank writes %s", format)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// poolAccount is the account, as each bank calls it, whose movements are those of
// all its customers.
const poolAccount = "UPI"

// id is the bank's own name of the statement.
func (s *Statement) id() string { return s.Bank + "-" + s.Day.String() }

// totals are what a statement says beside its lines.
type totals struct {
	credits, debits         int64
	creditCount, debitCount int
	closing                 int64
}

func (s *Statement) totals() (t totals) {
	for e := range s.Entries {
		if takes(e.ID.Leg) {
			t.debits += e.Amount
			t.debitCount++
		} else {
			t.credits += e.Amount
			t.creditCount++
		}
	}
	t.closing = s.Opening + t.credits - t.debits
	return t
}

// amount is a decimal text without a sign.
func (s *Statement) amount(minor int64) string {
	return ledger.Amount{Minor: max(minor, -minor), Currency: s.Currency}.String()
}

// valueDay is when the money moved. A bank that books late does it on a later day.
func (s *Statement) valueDay(e *Entry) ledger.Day { return ledger.DayOf(e.At.In(s.Zone)) }

// reverses says whether the entry takes an earlier one back.
func (e *Entry) reverses() bool { return e.ID.Leg.Reverses() != 0 }

// side is that of the customer's statement.
func (e *Entry) side() statement.Side {
	if takes(e.ID.Leg) {
		return statement.Debit
	}
	return statement.Credit
}
