package statement_test

import (
	"math"
	"strings"
	"testing"

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
			if !begun || i.Amount.Minor < 0 || i.BookingDate.IsZero() || len(i.Key) != 32 || i.Side != statement.Credit && i.Side != statement.Debit {
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
	if credits == math.MinInt64 {
		t.Fatal("overflow")
	}
}

func fuzz(f *testing.F, format statement.Format, mapping string, suffixes ...string) {
	for _, x := range fixtures {
		for _, s := range suffixes {
			if strings.HasSuffix(x.file, s) {
				f.Add(load(f, x.file))
			}
		}
	}
	o := options(f, mapping)
	o.Format = format
	f.Fuzz(func(t *testing.T, b []byte) { holds(t, b, o) })
}

func FuzzCamt053(f *testing.F) { fuzz(f, statement.Camt053, "", "v02.xml", "v08.xml") }
func FuzzCamt054(f *testing.F) { fuzz(f, statement.Camt054, "", "v04.xml") }
func FuzzMT940(f *testing.F)   { fuzz(f, statement.MT940, "", ".sta") }
func FuzzBAI2(f *testing.F)    { fuzz(f, statement.BAI2, "", "bai2.txt") }
func FuzzUPI(f *testing.F)     { fuzz(f, statement.UPI, "", "upi.csv") }
func FuzzSettlement(f *testing.F) {
	fuzz(f, statement.Settlement, "", "settlement.csv")
}
func FuzzCSV(f *testing.F)   { fuzz(f, statement.CSV, "german.yaml", "german.csv") }
func FuzzJSONL(f *testing.F) { fuzz(f, statement.JSONL, "", ".jsonl") }
func FuzzAny(f *testing.F)   { fuzz(f, "", "", ".xml", ".sta", ".txt", "upi.csv", ".jsonl") }

func FuzzMapping(f *testing.F) {
	f.Add(string(load(f, "german.yaml")))
	f.Add(string(load(f, "sides.yaml")))
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := statement.ReadMapping(strings.NewReader(s)); err == nil {
			holds(t, load(t, "german.csv"), statement.Options{Mapping: m})
		}
	})
}
