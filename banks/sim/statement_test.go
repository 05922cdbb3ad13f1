package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

var kolkata = time.FixedZone("IST", 5*60*60+30*60)

// bankWithADay is a bank that has moved money on three days: it lives by the clock of a test.
func bankWithADay(t *testing.T, path string) (*sim.Bank, ledger.Day) {
	t.Helper()
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, kolkata)
	clock := banks.NewManualClock(noon.AddDate(0, 0, -1))
	b := open(t, sim.Config{Code: "NRMD", OpeningBalance: opening, Path: path, Clock: clock})
	n := 0
	move := func(leg ledger.Leg, minor int64, back bool) {
		n++
		i := instruction(leg, fmt.Sprintf("1%05d", n), minor)
		i.RRN = fmt.Sprintf("632912%06d", n)
		if n%5 == 0 {
			i.RRN = "" // whoever wants to know it by its RRN cannot
		}
		answerOf(t, b.Submit, i)
		if back {
			answerOf(t, b.Reverse, undo(i))
		}
	}
	day := func() {
		move(ledger.LegDebit, 250_00, false)
		move(ledger.LegDebit, 10_05, true)
		move(ledger.LegCredit, 7, false)
		move(ledger.LegCredit, 99_99, true)
		move(ledger.LegDebit, 2*opening, false) // declined: no line
		move(ledger.LegCredit, 1_00, false)
		move(ledger.LegDebit, 1_00, false)
	}
	for range 3 {
		day()
		clock.Advance(24 * time.Hour)
	}
	return b, ledger.DayOf(noon)
}

// readBack reads a statement as reconciliation does.
func readBack(t *testing.T, file []byte, format statement.Format) (h statement.Header, lines []statement.Line, end statement.End) {
	t.Helper()
	for item, err := range statement.Read(bytes.NewReader(file), statement.Options{}) {
		if err != nil {
			t.Fatalf("%s: %v\n%s", format, err, file)
		}
		switch item := item.(type) {
		case statement.Header:
			h = item
		case statement.Line:
			lines = append(lines, item)
		case statement.End:
			end = item
		}
	}
	return h, lines, end
}

// TestStatementsAreReadBack: what a bank writes is what it did, in each format,
// with totals that hold, and each movement has the same key in all of them.
func TestStatementsAreReadBack(t *testing.T) {
	b, day := bankWithADay(t, "")
	var before int64 // how the day before closed
	for _, d := range []ledger.Day{day - 2, day - 1, day, day + 1, day + 2} {
		keys := map[sim.Entry][]ledger.LineKey{}
		for _, format := range sim.Formats {
			t.Run(d.String()+"/"+string(format), func(t *testing.T) {
				s := b.Statement(d, kolkata)
				var file, again bytes.Buffer
				if err := s.Write(&file, format); err != nil {
					t.Fatal(err)
				}
				if err := b.Statement(d, kolkata).Write(&again, format); err != nil || !bytes.Equal(file.Bytes(), again.Bytes()) {
					t.Fatalf("written twice, it differs: %v", err)
				}
				h, lines, end := readBack(t, file.Bytes(), format)
				if h.Format != format || h.Bank != "NRMD" || h.Currency != "INR" || ledger.DayOf(h.Date) != d || h.Opening == nil || h.Opening.Minor != s.Opening {
					t.Errorf("header %+v", h)
				}
				entries := slices.Collect(s.Entries)
				if len(lines) != len(entries) || end.Lines != len(entries) {
					t.Fatalf("%d lines of %d entries, the end counts %d", len(lines), len(entries), end.Lines)
				}
				closing := s.Opening
				for n, e := range entries {
					closing -= e.Net()
					same(t, &lines[n], &e, format, d)
					keys[e] = append(keys[e], lines[n].Key)
				}
				if end.Closing == nil || end.Closing.Minor != closing || end.Credits.Minor-end.Debits.Minor != closing-s.Opening {
					t.Errorf("end %+v, want a closing balance of %d", end, closing)
				}
			})
		}
		for e, k := range keys {
			// Without an RRN each format names a movement by what it has.
			if len(slices.Compact(k)) != 1 && e.RRN != "" {
				t.Errorf("%s has the keys %v", e.ID, k)
			}
		}
		s := b.Statement(d, kolkata)
		if s.Opening != before {
			t.Errorf("%s opens with %d, the day before closed with %d", d, s.Opening, before)
		}
		for e := range s.Entries {
			before -= e.Net()
		}
		if moved := d >= day-1 && d <= day+1; moved != (len(keys) == 8) {
			t.Errorf("%s: %d movements", d, len(keys))
		}
	}
	if before != -b.Net() {
		t.Errorf("the last day closes with %d, the bank nets %d", before, b.Net())
	}
}

func same(t *testing.T, l *statement.Line, e *sim.Entry, format statement.Format, d ledger.Day) {
	t.Helper()
	takes := e.ID.Leg == ledger.LegDebit || e.ID.Leg == ledger.LegCreditReversal
	name := e.ID.Transfer.TransferRef()
	if format == statement.MT940 {
		name = ""
	}
	if l.TransactionID != name || l.RRN != e.RRN || l.Amount.Minor != e.Amount || l.Reference != e.Ref ||
		(l.Side == statement.Debit) != takes || l.Reversal != (e.ID.Leg.Reverses() != 0) || l.Pending || !l.Moved() ||
		ledger.DayOf(l.BookingDate) != d || ledger.DayOf(l.ValueDate) != d {
		t.Errorf("%+v is read as %+v", e, l)
	}
}

// TestTheZoneDecidesTheDay: what moved at noon in India is of another day in a zone far
// enough to the west, and the balances follow.
func TestTheZoneDecidesTheDay(t *testing.T) {
	b, day := bankWithADay(t, "")
	west := time.FixedZone("west", -12*60*60)
	for e := range b.Statement(day-1, west).Entries {
		if !e.At.Equal(day.Time(kolkata).Add(12 * time.Hour)) {
			t.Fatalf("%s is of %s", e.ID, e.At)
		}
	}
	here, there := b.Statement(day, kolkata), b.Statement(day-1, west)
	if here.Opening != there.Opening || here.Opening == 0 || len(slices.Collect(here.Entries)) != len(slices.Collect(there.Entries)) {
		t.Errorf("opening %d and %d", here.Opening, there.Opening)
	}
	if n := len(slices.Collect(b.Statement(day+1, west).Entries)); n != 0 {
		t.Errorf("%d movements two days later", n)
	}
}

// TestAStatementOfAFile: the file alone tells the same as the open bank; one that
// goes on meanwhile contradicts none of the totals.
func TestAStatementOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "NRMD.jsonl")
	b, day := bankWithADay(t, path)
	var open, read, late bytes.Buffer
	s := b.Statement(day+2, kolkata)
	if err := b.Statement(day, kolkata).Write(&open, statement.Camt053); err != nil {
		t.Fatal(err)
	}
	from, err := sim.ReadStatement(path, day, kolkata)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Write(&read, statement.Camt053); err != nil || !bytes.Equal(open.Bytes(), read.Bytes()) {
		t.Errorf("%v: the file tells\n%s", err, read.Bytes())
	}
	if _, err := b.Submit(context.Background(), instruction(ledger.LegCredit, "1", 5)); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(&late, statement.JSONL); err != nil {
		t.Fatal(err)
	}
	if _, lines, _ := readBack(t, late.Bytes(), statement.JSONL); len(lines) != 0 {
		t.Errorf("a statement tells what came after it: %+v", lines)
	}
	if err := s.Write(&late, statement.BAI2); err == nil {
		t.Error("a format that it cannot write is written")
	}
	nobody := filepath.Join(t.TempDir(), "none")
	for range 2 { // it is not there, and then empty
		if _, err := sim.ReadStatement(nobody, day, kolkata); err == nil {
			t.Error("a statement of nobody")
		}
		if err := os.WriteFile(nobody, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
