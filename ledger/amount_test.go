package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"bahi/ledger"
)

func TestParseAmount(t *testing.T) {
	for _, c := range []struct {
		value, currency string
		minor           int64
		text            string
	}{
		{"250.00", "INR", 25000, "250.00"},
		{"250", "INR", 25000, "250.00"},
		{"250.5", "INR", 25050, "250.50"},
		{"0.01", "INR", 1, "0.01"},
		{"0", "INR", 0, "0.00"},
		{"12.30", "INR", 1230, "12.30"},
		{"300", "JPY", 300, "300"},
		{"1.234", "KWD", 1234, "1.234"},
		{"10000000000000.00", "INR", 1_000_000_000_000_000, "10000000000000.00"},
	} {
		a, err := ledger.ParseAmount(c.value, c.currency)
		if err != nil || a.Minor != c.minor || a.String() != c.text {
			t.Errorf("%s %s: %d, %q, %v; want %d, %q", c.value, c.currency, a.Minor, a, err, c.minor, c.text)
		}
	}
}

func TestParseAmountRefuses(t *testing.T) {
	for _, c := range []struct {
		value, currency string
		want            error
	}{
		{"1e5", "INR", ledger.ErrAmountGrammar},
		{"+1", "INR", ledger.ErrAmountGrammar},
		{"-1", "INR", ledger.ErrAmountGrammar},
		{".5", "INR", ledger.ErrAmountGrammar},
		{"5.", "INR", ledger.ErrAmountGrammar},
		{"", "INR", ledger.ErrAmountGrammar},
		{"01", "INR", ledger.ErrAmountGrammar},
		{"00.10", "INR", ledger.ErrAmountGrammar},
		{"1,000", "INR", ledger.ErrAmountGrammar},
		{"1_000", "INR", ledger.ErrAmountGrammar},
		{" 1", "INR", ledger.ErrAmountGrammar},
		{"1.2.3", "INR", ledger.ErrAmountGrammar},
		{"0x10", "INR", ledger.ErrAmountGrammar},
		{"NaN", "INR", ledger.ErrAmountGrammar},
		{"١٢", "INR", ledger.ErrAmountGrammar},
		{strings.Repeat("9", 5000), "INR", ledger.ErrAmountGrammar},
		{"1.001", "INR", ledger.ErrAmountPrecision},
		{"1.000", "INR", ledger.ErrAmountPrecision},
		{"1.0", "JPY", ledger.ErrAmountPrecision},
		{"1.2345", "KWD", ledger.ErrAmountPrecision},
		{"10000000000000.01", "INR", ledger.ErrAmountRange},
		{"99999999999999999999", "JPY", ledger.ErrAmountRange},
		{"1", "inr", ledger.ErrCurrency},
		{"1", "XXZ", ledger.ErrCurrency},
		{"1", "", ledger.ErrCurrency},
	} {
		if a, err := ledger.ParseAmount(c.value, c.currency); !errors.Is(err, c.want) {
			t.Errorf("%.40q %s: %v, %v; want %v", c.value, c.currency, a, err, c.want)
		}
	}
}

// FuzzParseAmount: what is taken is written back to the same amount.
func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"250.00", "1e5", ".5", "-0", "00", "9999999999999.99", "1.2.3", "0.00"} {
		f.Add(s, "INR")
	}
	f.Add("1", "JPY")
	f.Add("0.001", "KWD")
	f.Fuzz(func(t *testing.T, value, currency string) {
		a, err := ledger.ParseAmount(value, currency)
		if err != nil {
			return
		}
		again, err := ledger.ParseAmount(a.String(), currency)
		if err != nil || again != a || a.Minor < 0 {
			t.Fatalf("%q %s is %v, which reads as %v, %v", value, currency, a, again, err)
		}
		if digits := strings.Trim(value, "0123456789."); digits != "" {
			t.Fatalf("%q was taken", value)
		}
	})
}
