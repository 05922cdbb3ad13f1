package address_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"

	"bahi/ledger/address"
)

// reading is one text and what a parser makes of it; want is empty where it is refused.
type reading struct{ in, want string }

func checkParser(t *testing.T, parse func(string) (string, error), refusal error, readings []reading) {
	t.Helper()
	for _, r := range readings {
		got, err := parse(r.in)
		switch {
		case got != r.want:
			t.Errorf("%q is read as %q, %v; want %q", r.in, got, err, r.want)
		case r.want == "" && !errors.Is(err, refusal):
			t.Errorf("%q is refused with %v; want %v", r.in, err, refusal)
		case r.want != "" && err != nil:
			t.Errorf("%q is refused with %v", r.in, err)
		}
	}
}

func TestPhone(t *testing.T) {
	checkParser(t, address.Phone, address.ErrPhone, []reading{
		{"+919876543210", "+919876543210"},
		{"+442079460958", "+442079460958"},
		{"+14155552671", "+14155552671"},
		{"+393481234567", "+393481234567"},
		{"+390612345678", "+390612345678"}, // Italy keeps its leading zero
		{"", ""},
		{"+", ""},
		{"919876543210", ""},    // no plus
		{"9876543210", ""},      // national
		{"+91 98765 43210", ""}, // spaces
		{"+91-9876543210", ""},
		{"+91(98765)43210", ""},
		{"+9109876543210", ""}, // a national prefix would be a second spelling
		{"00919876543210", ""},
		{"++919876543210", ""},
		{"+91987654321", ""},    // a digit short
		{"+9198765432101", ""},  // a digit long
		{"+910000000000", ""},   // no such range
		{"+999123456789", ""},   // no such country
		{"+0919876543210", ""},  // no country starts with 0
		{"+91987654321x5", ""},  // extension
		{"+1800FLOWERS", ""},    // letters
		{"＋919876543210", ""},   // full-width plus
		{"+९१९८७६५४३२१०", ""},   // Devanagari digits
		{"+919876543210\n", ""}, // line break
		{"+919876543210\x00", ""},
		{"+" + strings.Repeat("9", 300), ""},
	})
}

func TestHandle(t *testing.T) {
	checkParser(t, address.Handle, address.ErrHandle, []reading{
		{"asha", "asha"},
		{"@Asha.Rao", "asha.rao"},
		{"a_", "a_"},
		{"a-1", "a-1"},
		{strings.Repeat("a", 32), strings.Repeat("a", 32)},
		{"@" + strings.Repeat("a", 32), strings.Repeat("a", 32)},
		{strings.Repeat("a", 33), ""},
		{"", ""},
		{"@", ""},
		{"a", ""},
		{"@@asha", ""},
		{"asha rao", ""},
		{"asha@okbank", ""},
		{"äsha", ""},
		{"as\u212Aa", ""}, // the Kelvin sign becomes a plain k in lower case
		{"asha\u200D", ""},
		{"asha/..", ""},
	})
}

func TestUPI(t *testing.T) {
	checkParser(t, address.UPI, address.ErrUPI, []reading{
		{"asha@okbank", "asha@okbank"},
		{"Asha.Rao-1_x@OkBank", "asha.rao-1_x@okbank"},
		{"9876543210@upi", "9876543210@upi"},
		{strings.Repeat("a", 252) + "@ab", strings.Repeat("a", 252) + "@ab"},
		{strings.Repeat("a", 253) + "@ab", ""},
		{"ab@" + strings.Repeat("b", 64), "ab@" + strings.Repeat("b", 64)},
		{"ab@" + strings.Repeat("b", 65), ""},
		{"", ""},
		{"@", ""},
		{"asha", ""},
		{"a@okbank", ""},
		{"asha@b", ""},
		{"asha@ok1", ""},
		{"asha@ok.bank", ""},
		{"asha@ok@bank", ""},
		{"asha@@bank", ""},
		{"as ha@okbank", ""},
		{" asha@okbank", ""},
		{"asha+tag@okbank", ""},
		{"аsha@okbank", ""}, // a Cyrillic a
		{"asha@okban\u212A", ""},
	})
}

func TestIFSC(t *testing.T) {
	checkParser(t, address.IFSC, address.ErrIFSC, []reading{
		{"SBIN0001234", "SBIN0001234"},
		{"hdfc0abc123", "HDFC0ABC123"},
		{"", ""},
		{"SBIN1001234", ""},
		{"SB1N0001234", ""},
		{"SBIN000123", ""},
		{"SBIN00012345", ""},
		{"SBINO001234", ""}, // the letter O
		{"SBIN000123!", ""},
		{"SBIN0ÀB123", ""},
	})
}

func TestAccountNumber(t *testing.T) {
	checkParser(t, address.AccountNumber, address.ErrAccountNumber, []reading{
		{"123456789", "123456789"},
		{"000000012345", "000000012345"},
		{strings.Repeat("1", 18), strings.Repeat("1", 18)},
		{strings.Repeat("1", 19), ""},
		{"12345678", ""},
		{"", ""},
		{"1234 5678 9012", ""},
		{"-123456789", ""},
		{"12345678X", ""},
		{"१२३४५६७८९", ""},
	})
}

func TestText(t *testing.T) {
	for _, s := range []string{
		"dinner", "Zoë's café", "चाय के लिए", "क्\u200Dष", "ക്\u200D", "می\u200Cخواهم", "👨\u200D👩\u200D👧 ❤️", "a", "  spaced  ", "10% & 5+5 <b>",
		"\uFFFD", strings.Repeat("é", 20),
	} {
		if err := address.Text(s, 20); err != nil {
			t.Errorf("%q is refused: %v", s, err)
		}
	}
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", address.ErrTextBlank},
		{"   ", address.ErrTextBlank},
		{"\u00A0\u3000\u2003", address.ErrTextBlank},
		{"\u200D\u200C", address.ErrTextBlank},
		{"\u3164", address.ErrTextBlank},
		{"\u2800", address.ErrTextBlank},
		{"\uFE0F", address.ErrTextBlank},
		{"a\xff", address.ErrTextEncoding},
		{"\xed\xa0\x80", address.ErrTextEncoding}, // a surrogate
		{"\xc0\x80", address.ErrTextEncoding},     // an overlong zero
		{"a\x00b", address.ErrTextInvisible},
		{"a\nb", address.ErrTextInvisible},
		{"a\tb", address.ErrTextInvisible},
		{"a\x1b[31m", address.ErrTextInvisible},
		{"a\x7f", address.ErrTextInvisible},
		{"a\u0085b", address.ErrTextInvisible},
		{"pay \u202E052\u202C", address.ErrTextInvisible}, // right-to-left override
		{"a\u2066b", address.ErrTextInvisible},
		{"a\u061Cb", address.ErrTextInvisible},
		{"a\u200Bb", address.ErrTextInvisible}, // zero-width space
		{"a\uFEFFb", address.ErrTextInvisible}, // byte order mark
		{"a\u2028b", address.ErrTextInvisible},
		{"a\u00ADb", address.ErrTextInvisible}, // soft hyphen
		{"a\U000E0041", address.ErrTextInvisible},
		{"a\uFFFF", address.ErrTextInvisible},
		{strings.Repeat("é", 21), address.ErrTextLength},
		{strings.Repeat(" ", 21), address.ErrTextLength},
	} {
		if err := address.Text(c.in, 20); !errors.Is(err, c.want) {
			t.Errorf("%q: %v; want %v", c.in, err, c.want)
		}
	}
}

func TestRRN(t *testing.T) {
	india := time.FixedZone("IST", 5*3600+1800)
	for _, c := range []struct {
		at      time.Time
		counter uint32
		want    string
	}{
		{time.Date(2026, 1, 1, 0, 0, 0, 0, india), 0, "600100000000"},
		{time.Date(2024, 12, 31, 23, 59, 59, 0, india), 999_999, "436623999999"},
		{time.Date(2030, 2, 3, 4, 5, 6, 0, india), 1_000_042, "003404000042"},
		{time.Date(2026, 7, 4, 9, 0, 0, 0, india), 1<<32 - 1, "618509967295"},
	} {
		if got := address.RRN(c.at, c.counter); got != c.want {
			t.Errorf("RRN(%s, %d) is %s; want %s", c.at, c.counter, got, c.want)
		}
	}
}

// fuzzParser checks what holds for every parser: no panic, either a value or an
// error, and a normal form is read as itself.
func fuzzParser(f *testing.F, parse func(string) (string, error), seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := parse(s)
		if err != nil {
			if once != "" {
				t.Fatalf("%q is refused and read as %q", s, once)
			}
			return
		}
		if again, err := parse(once); err != nil || again != once {
			t.Fatalf("%q is read as %q, which is read as %q, %v", s, once, again, err)
		}
		if len(once) > len(s) {
			t.Fatalf("%q grew to %q", s, once)
		}
	})
}

// FuzzPhone has the library's own parser, which is slower and more lenient, as the judge.
func FuzzPhone(f *testing.F) {
	for _, s := range []string{"+919876543210", "+14155552671", "+390612345678", "+9109876543210", "+80012345678", "+8000000000", "+5215512345678", "tel:+919876543210;ext=5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := address.Phone(s)
		if err != nil {
			return
		}
		number, err := phonenumbers.Parse(s, "")
		if err != nil || !phonenumbers.IsValidNumber(number) || phonenumbers.Format(number, phonenumbers.E164) != got || got != s {
			t.Fatalf("%q is read as %q; the library reads %v, %v", s, got, number, err)
		}
	})
}

func FuzzHandle(f *testing.F) {
	fuzzParser(f, address.Handle, "asha", "@Asha.Rao", "@@", "as\u212Aa")
}

func FuzzUPI(f *testing.F) {
	fuzzParser(f, address.UPI, "asha@okbank", "A.b-C_1@XY", "a@b", "asha@ok@bank")
}

func FuzzIFSC(f *testing.F) {
	fuzzParser(f, address.IFSC, "SBIN0001234", "hdfc0abc123", "SBINO001234")
}

func FuzzAccountNumber(f *testing.F) {
	fuzzParser(f, address.AccountNumber, "000000012345", "12345678", "१२३४५६७८९")
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"dinner", "\u202E052", "👨\u200D👩\u200D👧", "a\xff", "\u3164"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if address.Text(s, 20) != nil {
			return
		}
		if len([]rune(s)) > 20 || strings.ContainsAny(s, "\x00\n\r\t\x1b\u202E\u2066\uFEFF") || strings.TrimSpace(s) == "" {
			t.Fatalf("%q passed", s)
		}
		if address.Text(s, 1000) != nil {
			t.Fatalf("%q passes under a smaller bound only", s)
		}
	})
}

func BenchmarkPhone(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := address.Phone("+919876543210"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUPI(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := address.UPI("asha@okbank"); err != nil {
			b.Fatal(err)
		}
	}
}
