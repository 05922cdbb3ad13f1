package statement

import (
	"regexp"
	"strings"
)

// How banks write references into the free text of MT940 and BAI2: as SWIFT's
// /EREF/ words, as ?20EREF+ of the German dialect, or as UPI/number/… in India.
var (
	narrativeID  = regexp.MustCompile(`(?:/EREF/|EREF[+:])\s*([A-Za-z0-9]{1,35})`)
	narrativeRRN = regexp.MustCompile(`(?:/RRN/|RRN[+: ]|\bUPI/(?:[A-Z0-9]{1,8}/)?)\s*(\d{12})\b`)
	narrativeAcc = regexp.MustCompile(`(?:/ACCT/|/IBAN/|IBAN\+|\?31)\s*([A-Za-z0-9]{4,34})`)
	germanField  = regexp.MustCompile(`\?2\d`)
)

// references fills in what a line's own fields did not say.
func (l *Line) references(narrative string) {
	// The German dialect breaks a word at any place into ?20, ?21, ….
	if strings.Contains(narrative, "?20") {
		narrative = germanField.ReplaceAllString(strings.ReplaceAll(narrative, "?20", " "), "")
	}
	for _, f := range []struct {
		to   *string
		from *regexp.Regexp
	}{{&l.TransactionID, narrativeID}, {&l.RRN, narrativeRRN}, {&l.Counterparty, narrativeAcc}} {
		if m := f.from.FindStringSubmatch(narrative); m != nil && *f.to == "" && m[1] != "NOTPROVIDED" {
			*f.to = m[1]
		}
	}
}
