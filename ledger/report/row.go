package report

import (
	"strconv"
	"time"

	"bahi/ledger"
)

// Type is what the cells of a column are.
type Type uint8

// The types of column.
const (
	Text   Type = iota + 1
	Number      // a count
	Money       // a decimal text with the digits of the row's currency; it may be below zero
	Side        // likewise, of the debit or the credit side: never below zero, and left blank for people where it is zero
	Time        // in UTC, with microseconds
)

// Column is a column of a report.
type Column struct {
	Name string // as in JSON and CSV
	Type Type
}

// Cell is one value of a row. The zero cell is empty, in whatever column.
type Cell struct {
	kind     Type
	text     string
	number   int64
	currency ledger.Currency
}

func text(s string) Cell {
	if s == "" {
		return Cell{}
	}
	return Cell{kind: Text, text: s}
}

func number(n int64) Cell { return Cell{kind: Number, number: n} }

func money(minor int64, c ledger.Currency) Cell {
	return Cell{kind: Money, number: minor, currency: c}
}

func side(minor int64, c ledger.Currency) Cell {
	return Cell{kind: Side, number: minor, currency: c}
}

// moment is a time in Unix microseconds; 0: none.
func at(micros int64) Cell {
	if micros == 0 {
		return Cell{}
	}
	return Cell{kind: Time, number: micros}
}

// Empty says whether the cell says nothing.
func (c Cell) Empty() bool { return c.kind == 0 }

// String is the cell as CSV has it.
func (c Cell) String() string {
	switch c.kind {
	case Text:
		return c.text
	case Number:
		return strconv.FormatInt(c.number, 10)
	case Money, Side:
		return ledger.Amount{Minor: c.number, Currency: c.currency}.String()
	case Time:
		return timeText(c.number)
	}
	return ""
}

func timeText(micros int64) string {
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}

// fact says what a report is of.
type fact struct {
	name  string
	value Cell
}

// signed is a balance as debits less credits, whatever the account's normal side.
func signed(t ledger.AccountType, balance int64) int64 {
	debit, credit := sides(t, balance)
	return debit - credit
}
