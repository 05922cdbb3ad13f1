package ledger

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/bojanz/currency"
	"github.com/shopspring/decimal"
)

// Currency is an ISO 4217 code in capitals, such as "INR".
type Currency string

// Amount is a sum of money: an integer number of the currency's minor unit
// (paise for INR, yen for JPY, fils for KWD). Never a float.
type Amount struct {
	Minor    int64
	Currency Currency
}

// Reasons why a text is not an amount. [ParseAmount] wraps one of them.
var (
	ErrCurrency        = errors.New("not an ISO 4217 currency code in capitals")
	ErrAmountGrammar   = errors.New(`not a plain decimal number such as "250.00"`)
	ErrAmountPrecision = errors.New("more digits after the point than the currency has")
	ErrAmountRange     = errors.New("larger than a transfer can be")
)

// maxAmount is the most that one transfer can move, in minor units.
const maxAmount = 1_000_000_000_000_000

// maxAmountText bounds the work a hostile text can cause: 16 digits, a point and 3 more.
const maxAmountText = 20

// Digits is how many digits ISO 4217 gives the currency after the point: JPY 0, INR 2, KWD 3.
func (c Currency) Digits() (int32, error) {
	d, ok := currency.GetDigits(string(c))
	if !ok {
		return 0, fmt.Errorf("%w: %q", ErrCurrency, string(c))
	}
	return int32(d), nil
}

// ParseAmount reads a plain decimal ("250", "250.5", "250.00") of the currency
// named by its ISO code. The grammar is checked before the decimal library sees
// the text, since that takes "1e5", "+1" and ".5" too.
func ParseAmount(value, code string) (Amount, error) {
	digits, err := Currency(code).Digits()
	if err != nil {
		return Amount{}, err
	}
	fraction, err := checkGrammar(value)
	if err != nil {
		return Amount{}, err
	}
	if fraction > int(digits) {
		return Amount{}, fmt.Errorf("%w: %s has %d", ErrAmountPrecision, code, digits)
	}
	d, err := decimal.NewFromString(value)
	if err != nil {
		return Amount{}, fmt.Errorf("%w: %w", ErrAmountGrammar, err)
	}
	minor := d.Shift(digits)
	if minor.GreaterThan(decimal.NewFromInt(maxAmount)) {
		return Amount{}, ErrAmountRange
	}
	return Amount{Minor: minor.IntPart(), Currency: Currency(code)}, nil
}

// checkGrammar takes digits without needless leading zeros and at most one point
// with digits on both sides; it returns how many digits follow the point.
func checkGrammar(s string) (fraction int, err error) {
	if s == "" || len(s) > maxAmountText {
		return 0, ErrAmountGrammar
	}
	point := -1
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && point < 0:
			point = i
		case c < '0' || c > '9':
			return 0, ErrAmountGrammar
		}
	}
	whole := s
	if point >= 0 {
		whole, fraction = s[:point], len(s)-point-1
		if fraction == 0 {
			return 0, ErrAmountGrammar
		}
	}
	if whole == "" || (len(whole) > 1 && whole[0] == '0') {
		return 0, ErrAmountGrammar
	}
	return fraction, nil
}

// String is the amount's decimal text with the currency's own number of digits: "250.00".
func (a Amount) String() string {
	digits, err := a.Currency.Digits()
	if err != nil {
		return strconv.FormatInt(a.Minor, 10) + " minor units of an unknown currency"
	}
	return decimal.New(a.Minor, -digits).StringFixed(digits)
}
