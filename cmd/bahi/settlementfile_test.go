package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/settle"
)

func parseScheduleText(t *testing.T, text string) (*settle.Schedule, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settlement.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readSchedule(path)
}

const goodSettlement = `
scheme: imps
zone: Asia/Kolkata
windows:
  - {kind: transfers, from: 00:00, until: 12:00}
  - {kind: transfers, from: "12:00", until: 24:00}
  - {kind: disputes, from: 06:00, until: 18:00}
fees:
  default: 0.50
  banks: {SBIN: 0.25, HDFC: "1"}
`

func TestSettlementFile(t *testing.T) {
	s, err := parseScheduleText(t, goodSettlement)
	if err != nil {
		t.Fatal(err)
	}
	want := []settle.Slot{{Kind: ledger.WindowTransfers, From: 0, Until: 720}, {Kind: ledger.WindowTransfers, From: 720, Until: 1440}, {Kind: ledger.WindowDisputes, From: 360, Until: 1080}}
	for n := range want {
		if s.Slots[n] != want[n] {
			t.Errorf("window %d is %+v", n+1, s.Slots[n])
		}
	}
	if f := s.Fees; s.Scheme != "imps" || s.Zone.String() != "Asia/Kolkata" || f.Currency != "INR" || f.Default != 50 || f.Banks["SBIN"] != 25 || f.Banks["HDFC"] != 100 {
		t.Errorf("read %+v", s)
	}
	if s, err := readSchedule(""); err != nil || len(s.Slots) != 12 {
		t.Errorf("without a file: %+v, %v", s, err)
	}
}

// Every mistake is told with its line, and all of them at once.
func TestSettlementFileThatIsWrong(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{goodSettlement, "", ":1: there is nothing in it"},
		{"scheme: imps", "scheme: IMPS", ":2: scheme is 1 to 8 small letters and digits, such as upi"},
		{"scheme: imps\n", "\n", ":1: scheme is 1 to 8 small letters and digits, such as upi"},
		{"Asia/Kolkata", "Asia/Nowhere", ":3: zone is the name of a time zone, such as Asia/Kolkata"},
		{"Asia/Kolkata", "Local", ":3: zone is the name of a time zone, such as Asia/Kolkata"},
		{"kind: transfers, from: 00:00", "kind: refunds, from: 00:00", ":5: kind is transfers or disputes"},
		{"from: 00:00", "from: 0:00", ":5: from is a time of the day, such as 05:00"},
		{"until: 24:00", "until: 24:30", ":6: until is a time of the day, such as 07:00, at most 24:00"},
		{"until: 24:00", "until: 03:00", ":6: the window ends at 03:00 and begins at 12:00: it has to end later, on the same day"},
		{`from: "12:00"`, `from: "11:00"`, ":6: the window begins at 11:00, before the one before it ends (12:00)"},
		{"transfers", "disputes", ":7: the window begins at 06:00, before the one before it ends (24:00)"},
		{goodSettlement, "scheme: upi\nzone: UTC\n", ":1: there is no window for transfers"},
		{"default: 0.50", "default: 0.505", ":9: a fee is a sum in INR for each transfer, such as 0.50: " + ledger.ErrAmountPrecision.Error() + ": INR has 2"},
		{"default: 0.50", "default: -1", ":9: a fee is a sum in INR for each transfer, such as 0.50: " + ledger.ErrAmountGrammar.Error()},
		{"default: 0.50", "currency: XXQ", `:9: there is no currency "XXQ"`},
		{"SBIN: 0.25", "sbi: 0.25", `:10: a bank's code is four capitals, not "sbi"`},
		{"fees:", "fee:", `:8: there is no key "fee"`},
		{"zone: Asia/Kolkata", "zone: [1]", ":3: this is a list, and something else belongs here"},
		{"scheme: imps\nzone: Asia/Kolkata", "scheme: i/p\nzone: here", ":2: scheme is 1 to 8 small letters and digits, such as upi\n*:3: zone is the name of a time zone, such as Asia/Kolkata"},
	} {
		_, err := parseScheduleText(t, strings.ReplaceAll(goodSettlement, c.old, c.new))
		if err == nil {
			t.Errorf("%q for %q was taken", c.new, c.old)
			continue
		}
		var got []string
		for line := range strings.Lines(err.Error()) {
			_, rest, _ := strings.Cut(line, "settlement.yaml")
			got = append(got, rest)
		}
		if s := strings.Join(got, "*"); s != c.want {
			t.Errorf("%q for %q: %q, want %q", c.new, c.old, s, c.want)
		}
	}
}
