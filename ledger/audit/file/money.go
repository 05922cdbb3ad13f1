package file

import (
	"math"
	"strconv"

	"bahi/ledger"
)

// digitsOf is how many digits a currency has after the point; none where it is not known.
func digitsOf(c ledger.Currency) int {
	if c == "INR" { // nearly always
		return 2
	}
	d, err := c.Digits()
	if err != nil {
		return 0
	}
	return int(d)
}

// AppendMoney writes minor units as a decimal with all digits of the currency: "-0.05".
func AppendMoney(b []byte, minor int64, c ledger.Currency) []byte {
	digits := digitsOf(c)
	units := uint64(minor)
	if minor < 0 {
		b = append(b, '-')
		units = -units
	}
	at := len(b)
	b = strconv.AppendUint(b, units, 10)
	if digits == 0 {
		return b
	}
	for len(b)-at <= digits { // "5" is "005" before the point is set
		b = append(b, 0)
		copy(b[at+1:], b[at:])
		b[at] = '0'
	}
	b = append(b, 0)
	point := len(b) - 1 - digits
	copy(b[point+1:], b[point:])
	b[point] = '.'
	return b
}

// parseMoney reads what AppendMoney wrote.
func parseMoney(s []byte, c ledger.Currency) (int64, bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	digits, point, units := digitsOf(c), 0, uint64(0)
	for i, d := range s {
		switch {
		case d == '.' && len(s)-1-i == digits && digits > 0 && i > 0:
			point = 1
		case d < '0' || d > '9' || units > math.MaxUint64/10-1:
			return 0, false
		default:
			units = units*10 + uint64(d-'0')
		}
	}
	whole := len(s) - point
	if point > 0 {
		whole -= digits
	}
	switch {
	case whole < 1 || (digits > 0) != (point > 0) || (whole > 1 && s[0] == '0'):
		return 0, false
	case negative:
		return -int64(units), units != 0 && units <= 1<<63
	}
	return int64(units), units <= math.MaxInt64
}
