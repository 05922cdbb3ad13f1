package settle

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

var update = flag.Bool("update", false, "write the reports that the tests expect")

// someReport has banks that owe, that are owed and that are even, fees, and Bahi
// itself, in two currencies.
func someReport(t *testing.T) *Report {
	t.Helper()
	w, _ := UPI().Find("upi-2026-11-25-03")
	w.Closed = w.Until + 1_500_000
	flows := []ledger.Flow{
		{Payer: "NRMD", Payee: "KVRI", Currency: "INR", Count: 3, Minor: 125_050},
		{Payer: "KVRI", Payee: "NRMD", Currency: "INR", Count: 1, Minor: 25_000},
		{Payer: "NRMD", Payee: "NRMD", Currency: "INR", Count: 2, Minor: 7},
		{Payer: "GDVR", Payee: "STLJ", Currency: "INR", Count: 1, Minor: 100},
		{Payer: "STLJ", Payee: "GDVR", Currency: "INR", Count: 4, Minor: 100},
		{Payer: "", Payee: "KVRI", Currency: "INR", Count: 2, Minor: 999},
		{Payer: "GDVR", Payee: "", Currency: "INR", Count: 1, Minor: 1},
		{Payer: "HDFC", Payee: "HDFC", Currency: "INR", Count: 1, Minor: 5}, // owes nothing, and is owed nothing
		{Payer: "KVRI", Payee: "NRMD", Currency: "KWD", Count: 1, Minor: 1_234},
	}
	positions, err := positionsOf(&w, flows, &Fees{Currency: "INR", Default: 50, Banks: map[string]int64{"STLJ": 10, "GDVR": 0, "HDFC": 0}})
	if err != nil {
		t.Fatal(err)
	}
	return &Report{Window: w, Positions: positions}
}

func written(t *testing.T, r *Report, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b, format); err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	return b.Bytes()
}

func TestPositionsAndFees(t *testing.T) {
	r := someReport(t)
	var got []string
	for _, p := range r.Positions {
		got = append(got, fmt.Sprintf("%s %s remitted %d/%d received %d/%d fees %d owes %d", p.Currency, bankName(&p), p.Remitted.Count, p.Remitted.Minor, p.Received.Count, p.Received.Minor, p.Fees, Owes(&p)))
	}
	want := []string{
		"INR bahi remitted 2/999 received 1/1 fees 0 owes 998",
		"INR GDVR remitted 2/101 received 4/100 fees 0 owes 1",
		"INR HDFC remitted 1/5 received 1/5 fees 0 owes 0",
		"INR KVRI remitted 1/25000 received 5/126049 fees 50 owes -100999",
		"INR NRMD remitted 5/125057 received 3/25007 fees 250 owes 100300",
		"INR STLJ remitted 4/100 received 1/100 fees 40 owes 40",
		"KWD KVRI remitted 1/1234 received 0/0 fees 0 owes 1234",
		"KWD NRMD remitted 0/0 received 1/1234 fees 0 owes -1234",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("positions\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w := r.Window
	w.Kind = ledger.WindowDisputes
	positions, err := positionsOf(&w, []ledger.Flow{{Payer: "NRMD", Currency: "INR", Count: 3, Minor: 100}}, &Fees{Currency: "INR", Default: 50})
	if err != nil || positions[1].Bank != "NRMD" || positions[1].Fees != 0 {
		t.Errorf("a disputes window costs nothing: %+v, %v", positions, err)
	}
}

func TestSumsThatCannotBeCounted(t *testing.T) {
	w, _ := UPI().Find("upi-2026-11-25-03")
	for name, flows := range map[string][]ledger.Flow{
		"overflow":        {{Payer: "NRMD", Payee: "KVRI", Currency: "INR", Count: 1, Minor: 1 << 62}, {Payer: "NRMD", Payee: "GDVR", Currency: "INR", Count: 1, Minor: 1 << 62}},
		"nothing":         {{Payer: "NRMD", Payee: "KVRI", Currency: "INR", Count: 1}},
		"overflow by fee": {{Payer: "NRMD", Payee: "KVRI", Currency: "INR", Count: 1 << 60, Minor: 1 << 60}},
	} {
		if p, err := positionsOf(&w, flows, &Fees{Currency: "INR", Default: 10}); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// The CSV is a settlement report as the switch writes it: our own reader finds its
// totals right, and no break between it and what it was made from.
func TestReportAsCSVIsReadBack(t *testing.T) {
	r := someReport(t)
	rows, err := ReadReport(statement.Read(bytes.NewReader(written(t, r, FormatCSV)), statement.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(r.Positions) {
		t.Fatalf("%d rows for %d positions", len(rows), len(r.Positions))
	}
	for i, row := range rows {
		p := r.Positions[i]
		want := Reported{Window: p.Window, Bank: p.Bank, Day: r.Window.Day, Currency: p.Currency, Remitted: p.Remitted, Received: p.Received, Fees: p.Fees}
		if row != want {
			t.Errorf("row %d is %+v, want %+v", i, row, want)
		}
	}
	if breaks := Compare(&r.Window, r.Positions, rows); len(breaks) > 0 {
		t.Errorf("breaks with itself: %+v", breaks)
	}
	if _, err := ReadReport(statement.Read(bytes.NewReader(written(t, r, FormatNotification)), statement.Options{})); err == nil {
		t.Error("a camt.054 was taken for a settlement report")
	}
}

func TestReportAsNotificationIsReadBack(t *testing.T) {
	r := someReport(t)
	var got []string
	for item, err := range statement.Read(bytes.NewReader(written(t, r, FormatNotification)), statement.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		switch item := item.(type) {
		case statement.Header:
			got = append(got, fmt.Sprint(item.Format, " ", item.Bank, " ", item.ID, " ", item.Account, " ", item.Currency))
		case statement.Line:
			got = append(got, fmt.Sprint(item.Side, " ", item.Amount, " ", item.Amount.Currency, " ", item.TransactionID, " ", item.Reference, " ", item.BookingDate.Format("2006-01-02"), " pending ", item.Pending))
		}
	}
	want := []string{
		"camt.054 KVRI upi-2026-11-25-03-KVRI-INR BANK:KVRI:SETTLEMENT INR",
		"credit 1009.99 INR upi-2026-11-25-03-KVRI-INR upi-2026-11-25-03-KVRI-INR 2026-11-25 pending true",
		"camt.054 NRMD upi-2026-11-25-03-NRMD-KWD BANK:NRMD:SETTLEMENT KWD",
		"credit 1.234 KWD upi-2026-11-25-03-NRMD-KWD upi-2026-11-25-03-NRMD-KWD 2026-11-25 pending true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReportAsInstruction(t *testing.T) {
	r := someReport(t)
	text := written(t, r, FormatInstruction)
	var doc struct {
		XMLName xml.Name
		Header  struct {
			MsgID   string `xml:"MsgId"`
			Created string `xml:"CreDtTm"`
			Count   string `xml:"NbOfTxs"`
			Sum     string `xml:"CtrlSum"`
		} `xml:"CstmrCdtTrfInitn>GrpHdr"`
		Payments []struct {
			ID     string `xml:"PmtInfId"`
			Debtor string `xml:"DbtrAgt>FinInstnId>Othr>Id"`
			Amount struct {
				Value    string `xml:",chardata"`
				Currency string `xml:"Ccy,attr"`
			} `xml:"CdtTrfTxInf>Amt>InstdAmt"`
			EndToEnd string `xml:"CdtTrfTxInf>PmtId>EndToEndId"`
		} `xml:"CstmrCdtTrfInitn>PmtInf"`
	}
	if err := xml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.XMLName.Space != "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09" || doc.Header.MsgID != r.Window.ID || doc.Header.Created != "2026-11-25T03:30:01Z" || doc.Header.Count != "4" || doc.Header.Sum != "1004.644" {
		t.Errorf("%+v", doc)
	}
	var got []string
	for _, p := range doc.Payments {
		got = append(got, p.Debtor+" "+p.Amount.Value+" "+p.Amount.Currency+" "+p.EndToEnd)
		if p.ID != p.EndToEnd || len(p.ID) > 35 {
			t.Errorf("%q and %q", p.ID, p.EndToEnd)
		}
	}
	want := "GDVR 0.01 INR upi-2026-11-25-03-GDVR-INR NRMD 1003.00 INR upi-2026-11-25-03-NRMD-INR STLJ 0.40 INR upi-2026-11-25-03-STLJ-INR KVRI 1.234 KWD upi-2026-11-25-03-KVRI-KWD"
	if strings.Join(got, " ") != want {
		t.Errorf("payments %v", got)
	}
}

// A report is the same bytes whenever it is written, whatever was confirmed since.
func TestReportIsTheSameBytes(t *testing.T) {
	r := someReport(t)
	confirmed := someReport(t)
	for i := range confirmed.Positions {
		p := &confirmed.Positions[i]
		p.State, p.Ref, p.By, p.Updated = ledger.PositionConfirmed, "R", "somebody", 7
	}
	for _, format := range Formats {
		if first, later := written(t, r, format), written(t, confirmed, format); !bytes.Equal(first, later) {
			t.Errorf("%s:\n%s\nand later\n%s", format, first, later)
		}
		golden := "testdata/report." + format
		if *update {
			if err := os.WriteFile(golden, written(t, r, format), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(written(t, r, format), want) {
			t.Errorf("%s is not %s: %v\n%s", format, golden, err, written(t, r, format))
		}
	}
}

func TestReportWithNothingToInstruct(t *testing.T) {
	r := someReport(t)
	r.Positions = r.Positions[:1] // Bahi itself
	for _, format := range []string{FormatInstruction, FormatNotification} {
		refusal := (*ledger.Refusal)(nil)
		if err := r.Write(&bytes.Buffer{}, format); !errors.As(err, &refusal) || refusal.Code != CodeNothingToInstruct {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestCompareFindsEveryDifference(t *testing.T) {
	r := someReport(t)
	reported := func(change func(rows []Reported) []Reported) []Reported {
		rows, err := ReadReport(statement.Read(bytes.NewReader(written(t, r, FormatCSV)), statement.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		return change(rows)
	}
	for _, c := range []struct {
		name   string
		change func(rows []Reported) []Reported
		want   string
	}{
		{"nothing", func(rows []Reported) []Reported { return rows }, ""},
		{"an amount", func(rows []Reported) []Reported { rows[4].Remitted.Minor += 5; return rows }, "NRMD INR ours 100300 theirs 100305 yes/yes"},
		{"fees", func(rows []Reported) []Reported { rows[4].Fees--; return rows }, "NRMD INR ours 100300 theirs 100299 yes/yes"},
		{"a count", func(rows []Reported) []Reported { rows[4].Received.Count++; return rows }, "NRMD INR ours 100300 theirs 100300 yes/yes"},
		{"both sides alike", func(rows []Reported) []Reported {
			rows[3].Received.Minor += 9
			rows[3].Remitted.Minor += 9
			return rows
		}, "KVRI INR ours -100999 theirs -100999 yes/yes"},
		{"a bank left out", func(rows []Reported) []Reported { return rows[:7] }, "NRMD KWD ours -1234 theirs 0 no/yes"},
		{"a bank too many", func(rows []Reported) []Reported {
			return append(rows, Reported{Window: r.Window.ID, Bank: "SBIN", Currency: "INR", Remitted: ledger.Volume{Count: 1, Minor: 5}})
		}, "SBIN INR ours 0 theirs 5 yes/no"},
		{"a row of zeros", func(rows []Reported) []Reported {
			return append(rows, Reported{Window: r.Window.ID, Bank: "SBIN", Currency: "INR"})
		}, ""},
		{"one bank in two currencies", func(rows []Reported) []Reported {
			rows[4].Fees++
			rows[7].Fees++
			return rows
		}, "NRMD INR ours 100300 theirs 100301 yes/yes"},
		{"everything", func([]Reported) []Reported { return nil }, " INR ours 998 theirs 0 no/yes; GDVR INR ours 1 theirs 0 no/yes; HDFC INR ours 0 theirs 0 no/yes; KVRI INR ours -100999 theirs 0 no/yes; NRMD INR ours 100300 theirs 0 no/yes; STLJ INR ours 40 theirs 0 no/yes"},
	} {
		var got []string
		for _, b := range Compare(&r.Window, r.Positions, reported(c.change)) {
			got = append(got, fmt.Sprintf("%s %s ours %d theirs %d %s/%s", b.Subject.Bank, b.Currency, b.Ours, b.Theirs, b.Switch, b.Book))
			if b.Class != ledger.ClassSettlement || b.Subject.Window != r.Window.ID || b.Day != r.Window.Day || b.ID != ledger.BreakID(b.Class, b.Subject) {
				t.Errorf("%s: %+v", c.name, b)
			}
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, s, c.want)
		}
	}
}
