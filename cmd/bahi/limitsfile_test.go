package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

func parseLimitsText(t *testing.T, text string) (*ledger.Limits, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readLimits(path)
}

const goodLimits = `
default:
  window: 12h
  to_person: {each: 1000.00, sum: {INR: 2000.50, USD: 100}, count: 7}
  to_merchant: none
  new_user: {sum: 10.00, for: 48h}
  hold: {above: 500.00, for: 30m}
apps:
  kitty:
    wallet: {balance: 9.99}
    received: {count: 3}
  other: none
`

func TestLimitsFile(t *testing.T) {
	l, err := parseLimitsText(t, goodLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.IndiaLimits().Default
	want.Window = 12 * time.Hour
	want.ToPerson = ledger.Limit{Each: ledger.Sums{"INR": 1000_00}, Sum: ledger.Sums{"INR": 2000_50, "USD": 100_00}, Count: 7}
	want.ToMerchant = ledger.Limit{}
	want.NewUser, want.NewFor = ledger.Limit{Sum: ledger.Sums{"INR": 10_00}}, 48*time.Hour
	want.HoldAbove, want.HoldFor = ledger.Sums{"INR": 500_00}, 30*time.Minute
	kitty := want
	kitty.WalletTransfer, kitty.WalletBalance = nil, ledger.Sums{"INR": 999}
	kitty.Received = ledger.Limit{Count: 3}
	for app, want := range map[string]ledger.AppLimits{"": want, "kitty": kitty, "other": {}} {
		got := l.Default
		if app != "" {
			got = l.Apps[app]
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: read %+v, want %+v", app, got, want)
		}
	}
	if l, err := readLimits(""); err != nil || !reflect.DeepEqual(l, ledger.IndiaLimits()) || l.Default.HoldAbove["INR"] != 10_000_00 || l.Default.HoldFor != time.Hour {
		t.Errorf("without a file: %+v, %v", l, err)
	}
	if l, err := readLimits("none"); err != nil || l != nil {
		t.Errorf("none: %+v, %v", l, err)
	}
	if l, err := parseLimitsText(t, "default: none\n"); err != nil || !reflect.DeepEqual(l.Default, ledger.AppLimits{}) {
		t.Errorf("none in the file: %+v, %v", l, err)
	}
	if l, err := parseLimitsText(t, "default: none\napps: {one: {received: {count: 1}}}\n"); err != nil || l.Apps["one"].Window != 24*time.Hour {
		t.Errorf("an app beside none: %+v, %v", l, err)
	}
	if l, err := parseLimitsText(t, benchLimits); err != nil || l.Default.NewUser.Sum != nil || l.Default.HoldAbove == nil {
		t.Errorf("the bench's: %+v, %v", l, err)
	}
	if l := demoLimits(); l.Default.NewUser.Sum != nil || l.Default.ToPerson.Count != 20 {
		t.Errorf("the demo's: %+v", l)
	}
}

// Every mistake is told with its line, and all of them at once.
func TestLimitsFileThatIsWrong(t *testing.T) {
	const sum = "this is a sum, such as 100000.00, or {INR: 100000.00, USD: 1000.00}: "
	const known = "hold, new_user, received, to_merchant, to_person, wallet, window"
	for _, c := range []struct{ old, new, want string }{
		{goodLimits, "", ":1: there is nothing in it"},
		{goodLimits, "none", ":1: a map of keys belongs here, or none"},
		{goodLimits, "default: {}", ":1: a map of keys belongs here, or none"},
		{"default:", "defaults:", `:3: there is no key "defaults" here, but apps, default`},
		{"to_person:", "to_persons:", `:4: there is no key "to_persons" here, but ` + known},
		{"count: 7", "number: 7", `:4: there is no key "number" here, but count, each, sum`},
		{"count: 3", "count: 3, each: 1.00", `:11: there is no key "each" here, but count, sum`},
		{"balance: 9.99", "sum: 9.99", `:10: there is no key "sum" here, but balance, each`},
		{"count: 7", "count: 0", ":4: count is 1 to 1000000000"},
		{"count: 7", "count: 7.5", ":4: count is 1 to 1000000000"},
		{"count: 7", "count: 1e3", ":4: count is 1 to 1000000000"},
		{"each: 1000.00", "each: 1000.005", ":4: " + sum + ledger.ErrAmountPrecision.Error() + ": INR has 2"},
		{"each: 1000.00", "each: -1", ":4: " + sum + ledger.ErrAmountGrammar.Error()},
		{"each: 1000.00", "each: 1e5", ":4: " + sum + ledger.ErrAmountGrammar.Error()},
		{"each: 1000.00", "each: [1]", ":4: a map of keys belongs here, or none"},
		{"USD: 100", "XXQ: 100", ":4: " + sum + ledger.ErrCurrency.Error() + `: "XXQ"`},
		{"USD: 100", "INR: 100", `:4: "INR" stands here a second time, or is empty`},
		{"window: 12h", "window: 12", ":3: this is a time from 1s to 744h0m0s, such as 24h"},
		{"for: 48h", "for: 0s", ":6: this is a time from 1s to 744h0m0s, such as 24h"},
		{"for: 30m", "for: 2000h", ":7: this is a time from 1s to 744h0m0s, such as 24h"},
		{"other: none", "other: all", ":12: a map of keys belongs here, or none"},
		{"other: none", "other: none\n  kitty: none", `:13: "kitty" stands here a second time, or is empty`},
		{"window: 12h", "window: 12h\n  - 1", ":2: did not find expected key"},
		{"window: 12h", "window: 1ms\n  hold: none", ":3: this is a time from 1s to 744h0m0s, such as 24h*:8: \"hold\" stands here a second time, or is empty"},
	} {
		text := strings.Replace(goodLimits, c.old, c.new, 1)
		_, err := parseLimitsText(t, text)
		if err == nil {
			t.Errorf("%q for %q was taken", c.new, c.old)
			continue
		}
		var got []string
		for line := range strings.Lines(err.Error()) {
			_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "limits.yaml")
			got = append(got, rest)
		}
		if s := strings.Join(got, "*"); s != c.want {
			t.Errorf("%q for %q: %q, want %q", c.new, c.old, s, c.want)
		}
	}
	if _, err := readLimits(filepath.Join(t.TempDir(), "absent.yaml")); err == nil || !strings.Contains(err.Error(), "the limits file cannot be read") {
		t.Errorf("a file that is not there: %v", err)
	}
}
