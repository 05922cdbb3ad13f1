package statement

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bojanz/currency"

	"bahi/ledger"
)

// amount reads a decimal text with the point as its mark, and no sign.
func amount(line int, field, text string, code ledger.Currency) (ledger.Amount, error) {
	a, err := ledger.ParseAmount(text, string(code))
	if err != nil {
		return a, mistakef(line, field, "%s: %v", clip(text), err)
	}
	return a, nil
}

// commaAmount reads an amount as SWIFT writes it: 1000,50 and 1000, and 0,5.
func commaAmount(line int, field, text string, code ledger.Currency) (ledger.Amount, error) {
	whole, fraction, found := strings.Cut(text, ",")
	if !found || strings.Contains(text, ".") {
		return ledger.Amount{}, mistakef(line, field, "%s has no decimal comma", clip(text))
	}
	plain := whole
	if fraction != "" {
		plain += "." + fraction
	}
	a, err := ledger.ParseAmount(plain, string(code))
	if err != nil {
		return a, mistakef(line, field, "%s: %v", clip(text), err)
	}
	return a, nil
}

// minorAmount reads digits that count the minor unit, with leading zeros.
func minorAmount(line int, field, text string, code ledger.Currency) (ledger.Amount, error) {
	if _, err := code.Digits(); err != nil {
		return ledger.Amount{}, mistakef(line, field, "%v", err)
	}
	n, err := minor(line, field, text)
	return ledger.Amount{Minor: n, Currency: code}, err
}

// minor reads unsigned digits.
func minor(line int, field, text string) (int64, error) {
	const most = 18 // digits: further sums are checked for overflow
	if !isDigits(text) {
		return 0, mistakef(line, field, "%s is not a plain whole number", clip(text))
	}
	trimmed := strings.TrimLeft(text, "0")
	if len(trimmed) > most {
		return 0, mistakef(line, field, "%s: %v", clip(text), ledger.ErrAmountRange)
	}
	n, _ := strconv.ParseInt("0"+trimmed, 10, 64) // at most 18 digits: cannot fail
	return n, nil
}

// signedMinor reads digits with an optional sign.
func signedMinor(line int, field, text string) (int64, error) {
	rest, negative := strings.CutPrefix(text, "-")
	if !negative {
		rest = strings.TrimPrefix(text, "+")
	}
	n, err := minor(line, field, rest)
	if negative {
		n = -n
	}
	return n, err
}

// count reads a number of things.
func count(line int, field, text string) (int, error) {
	const most = 1_000_000_000
	n, err := minor(line, field, text)
	if err == nil && n > most {
		err = mistakef(line, field, "%s is more than %d", clip(text), most)
	}
	return int(n), err
}

// day reads a date by Go's layout, as midnight UTC.
func day(line int, field, text, layout string) (time.Time, error) {
	t, err := time.Parse(layout, text)
	if err != nil {
		return t, mistakef(line, field, "%s is not a date", clip(text))
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), nil
}

// known reads a currency by its ISO code, or by its ISO number such as 356.
func known(line int, field, text string) (ledger.Currency, error) {
	if code, ok := numeric()[text]; ok {
		return code, nil
	}
	code := ledger.Currency(text)
	if _, err := code.Digits(); err != nil {
		return "", mistakef(line, field, "%v", err)
	}
	return code, nil
}

var numeric = sync.OnceValue(func() map[string]ledger.Currency {
	codes := make(map[string]ledger.Currency)
	for _, code := range currency.GetCurrencyCodes() {
		if n, ok := currency.GetNumericCode(code); ok && n != "000" {
			codes[n] = ledger.Currency(code)
		}
	}
	return codes
})

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isRRN(s string) bool { return len(s) == 12 && isDigits(s) }

// compact is an account's number without the blanks that people write into it.
func compact(s string) string { return strings.ToUpper(strings.Join(strings.Fields(s), "")) }
