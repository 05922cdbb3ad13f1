package address

import "time"

// RRN makes a retrieval reference number: 12 digits, the last digit of the
// year, the day of the year (3), the hour (2) and the counter's last six
// digits, by t's own clock and zone. Banks print it on statements. It comes again
// after ten years, or after a million in an hour: it is never a key by itself.
func RRN(t time.Time, counter uint32) string {
	var b [12]byte
	putDigits(b[0:1], t.Year())
	putDigits(b[1:4], t.YearDay())
	putDigits(b[4:6], t.Hour())
	putDigits(b[6:12], int(counter%1_000_000))
	return string(b[:])
}

// putDigits fills dst with the last digits of n >= 0.
func putDigits(dst []byte, n int) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}
