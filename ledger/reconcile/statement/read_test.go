package statement_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bahi/ledger/reconcile/statement"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixtures are the right files, and their mappings.
var fixtures = []struct{ file, mapping string }{
	{"camt053_v02.xml", ""}, {"camt053_v08.xml", ""}, {"camt054_v04.xml", ""}, {"mt940_swift.sta", ""}, {"mt940_german.sta", ""},
	{"bai2.txt", ""}, {"bai2_continued.txt", ""}, {"upi.csv", ""}, {"settlement.csv", ""}, {"german.csv", "german.yaml"}, {"sides.csv", "sides.yaml"}, {"lines.jsonl", ""},
}

func options(t testing.TB, mapping string) statement.Options {
	t.Helper()
	if mapping == "" {
		return statement.Options{}
	}
	f, err := os.Open(filepath.Join("testdata", mapping))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := statement.ReadMapping(f)
	if err != nil {
		t.Fatal(err)
	}
	return statement.Options{Mapping: m}
}

func load(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// all reads to the end or the first error.
func all(b []byte, o statement.Options) (items []statement.Item, err error) {
	for item, err := range statement.Read(bytes.NewReader(b), o) {
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
	return items, nil
}

// lines are the lines of a file that must be right.
func lines(t testing.TB, file string) []statement.Line {
	t.Helper()
	items, err := all(load(t, file), statement.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var found []statement.Line
	for _, i := range items {
		if l, ok := i.(statement.Line); ok {
			found = append(found, l)
		}
	}
	return found
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

// render writes every field of an item.
func render(i statement.Item) string {
	switch i := i.(type) {
	case statement.Header:
		return fmt.Sprintf("statement %d: %s %q %q %q %s %s, opening %v", i.Line, i.Format, i.Bank, i.Account, i.ID, i.Currency, date(i.Date), i.Opening)
	case statement.Line:
		return fmt.Sprintf("  line %d: id %q rrn %q booked %s value %s %v %s %s reversal %t from %q code %q reference %q count %d pending %t key %s",
			i.Line, i.TransactionID, i.RRN, date(i.BookingDate), date(i.ValueDate), i.Amount, i.Amount.Currency, i.Side, i.Reversal,
			i.Counterparty, i.Code, i.Reference, i.Count, i.Pending, i.Key)
	case statement.End:
		return fmt.Sprintf("end %d: %d lines, credits %v, debits %v, closing %v", i.Line, i.Lines, i.Credits, i.Debits, i.Closing)
	}
	return "?"
}

func TestGolden(t *testing.T) {
	for _, f := range fixtures {
		items, err := all(load(t, f.file), options(t, f.mapping))
		if err != nil {
			t.Errorf("%s: %v", f.file, err)
		}
		var b strings.Builder
		for _, i := range items {
			fmt.Fprintln(&b, render(i))
		}
		golden := filepath.Join("testdata", "golden", f.file+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s: read as\n%swant\n%s", f.file, b.String(), want)
		}
	}
}

// TestEncodings reads the same statement in other characters and line breaks.
func TestEncodings(t *testing.T) {
	want, err := all(load(t, "camt053_v02.xml"), statement.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plain := string(load(t, "camt053_v02.xml"))
	wide := func(order func(r rune) []byte, s string) []byte {
		var b []byte
		for _, r := range s {
			b = append(b, order(r)...)
		}
		return b
	}
	big := func(r rune) []byte { return []byte{byte(r >> 8), byte(r)} }
	little := func(r rune) []byte { return []byte{byte(r), byte(r >> 8)} }
	utf16 := strings.Replace(plain, "UTF-8", "UTF-16", 1)
	for name, b := range map[string][]byte{
		"byte order mark":         []byte("\ufeff" + plain),
		"CRLF":                    []byte(strings.ReplaceAll(plain, "\n", "\r\n")),
		"UTF-16 big":              wide(big, "\ufeff"+utf16),
		"UTF-16 little":           wide(little, "\ufeff"+utf16),
		"UTF-16 unmarked, little": wide(little, utf16),
		"UTF-16 unmarked, big":    wide(big, utf16),
		"windows-1252":            []byte(strings.Replace(plain, "UTF-8", "windows-1252", 1)),
	} {
		got, err := all(b, statement.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d items, want %d", name, len(got), len(want))
		}
		for i := range got {
			if render(got[i]) != render(want[i]) {
				t.Errorf("%s: %s, want %s", name, render(got[i]), render(want[i]))
			}
		}
	}
}

// TestTruncated cuts files that say themselves where they end at every byte.
func TestTruncated(t *testing.T) {
	for _, file := range []string{"camt053_v02.xml", "camt054_v04.xml", "bai2.txt", "lines.jsonl", "mt940_swift.sta"} {
		b := bytes.TrimRight(load(t, file), "\r\n")
		if file == "mt940_swift.sta" { // what follows the text is no part of the statement
			b = b[:bytes.Index(b, []byte("-}"))+1]
		}
		for n := range len(b) {
			if _, err := all(b[:n], statement.Options{}); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken for the whole:\n…%s", file, n, len(b), b[max(0, n-60):n])
			}
		}
	}
	for _, f := range fixtures {
		b := bytes.TrimRight(load(t, f.file), "\r\n")
		if !strings.HasSuffix(f.file, "csv") {
			continue
		}
		if _, err := all(b[:len(b)-1], options(t, f.mapping)); err == nil {
			t.Errorf("%s: the last digit is cut off, and that is taken", f.file)
		}
	}
}

// broken fails half way.
type broken struct{ left []byte }

var errBroken = errors.New("the disk is gone")

func (b *broken) Read(p []byte) (int, error) {
	n := copy(p, b.left)
	if b.left = b.left[n:]; n == 0 {
		return 0, errBroken
	}
	return n, nil
}

// TestReadFails: an error of reading is neither an end nor a mistake of the file.
func TestReadFails(t *testing.T) {
	for _, f := range fixtures {
		// The blank lines at the end bring the failure to where the file is read, past its first look.
		right := len(load(t, f.file))
		b := append(load(t, f.file), bytes.Repeat([]byte("\n"), 200_000)...)
		for _, n := range []int{0, 3, right / 2, right, right + 100_000} {
			var last error
			for _, err := range statement.Read(&broken{b[:n]}, options(t, f.mapping)) {
				last = err
			}
			if !errors.Is(last, errBroken) {
				t.Errorf("%s, after %d of %d bytes: %v", f.file, n, len(b), last)
			}
		}
	}
}

// TestStops: whoever reads may stop at any item.
func TestStops(t *testing.T) {
	for _, f := range fixtures {
		b, o := load(t, f.file), options(t, f.mapping)
		items, err := all(b, o)
		if err != nil {
			t.Fatal(err)
		}
		for n := range items {
			seen := 0
			for range statement.Read(bytes.NewReader(b), o) {
				if seen == n {
					break
				}
				seen++
			}
		}
	}
}
