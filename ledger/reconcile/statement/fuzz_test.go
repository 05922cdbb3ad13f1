package statement_test

import (
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

// holds reads anything; what is taken must hold by a sum of its own.
func holds(t *testing.T, b []byte, o statement.Options) {
	items, err := all(b, o)
	var opening *statement.Balance
	var credits, debits int64
	begun, n := false, 0
	for _, i := range items {
		switch i := i.(type) {
		case statement.Header:
			if begun && err == nil {
				t.Fatal("a statement begins within another")
			}
			begun, opening, credits, debits, n = true, i.Opening, 0, 0, 0
		case statement.Line:
			if !begun || i.Amount.Minor < 0 || i.BookingDate.IsZero() || i.Key == (ledger.LineKey{}) || i.Side != statement.Credit && i.Side != statement.Debit {
				t.Fatalf("taken: %s", render(i))
			}
			n++
			if !i.Moved() {
				continue
			}
			if i.Side == statement.Credit {
				credits += i.Amount.Minor
			} else {
				debits += i.Amount.Minor
			}
		case statement.End:
			if !begun || n != i.Lines || n > 0 && (credits != i.Credits.Minor || debits != i.Debits.Minor) {
				t.Fatalf("taken: %s after %d lines, %d, %d", render(i), n, credits, debits)
			}
			if opening != nil && i.Closing != nil && opening.Minor+i.Credits.Minor-i.Debits.Minor != i.Closing.Minor {
				t.Fatalf("taken: opening %v, %s", opening, render(i))
			}
			begun = false
		}
	}
	if begun && err == nil {
		t.Fatal("a statement has no end")
	}
}

// FuzzCamt reads anything as one of the two messages.
func FuzzCamt(f *testing.F) {
	f.Add(false, load(f, "camt053_v02.xml"))
	f.Add(false, load(f, "camt053_v08.xml"))
	f.Add(true, load(f, "camt054_v04.xml"))
	f.Fuzz(func(t *testing.T, notification bool, b []byte) {
		format := statement.Camt053
		if notification {
			format = statement.Camt054
		}
		holds(t, b, statement.Options{Format: format})
	})
}

// FuzzText reads anything as a format of lines, or as what it looks like.
func FuzzText(f *testing.F) {
	formats := []statement.Format{statement.MT940, statement.BAI2, statement.JSONL, statement.UPI, statement.Settlement, ""}
	for i, file := range []string{"mt940_swift.sta", "bai2.txt", "lines.jsonl", "upi.csv", "settlement.csv", "mt940_german.sta"} {
		f.Add(uint8(i), load(f, file))
	}
	f.Fuzz(func(t *testing.T, format uint8, b []byte) {
		holds(t, b, statement.Options{Format: formats[int(format)%len(formats)]})
	})
}

// FuzzCSV reads anything by any mapping that is taken.
func FuzzCSV(f *testing.F) {
	f.Add(string(load(f, "german.yaml")), load(f, "german.csv"))
	f.Add(string(load(f, "sides.yaml")), load(f, "sides.csv"))
	f.Fuzz(func(t *testing.T, mapping string, b []byte) {
		if m, err := statement.ReadMapping(strings.NewReader(mapping)); err == nil {
			holds(t, b, statement.Options{Mapping: m, Format: statement.CSV})
		}
	})
}
