package statement

import (
	"strings"

	"bahi/ledger"
)

// camtSummary is TxsSummry as it was read: the currency is only known later.
type camtSummary struct {
	fields []field
	debit  bool // the net amount is a debit
}

func (s *camtSummary) take(f field) {
	switch strings.TrimPrefix(f.path, "TxsSummry/") {
	case "TtlNtries/NbOfNtries", "TtlNtries/Sum", "TtlCdtNtries/NbOfNtries", "TtlCdtNtries/Sum", "TtlDbtNtries/NbOfNtries", "TtlDbtNtries/Sum",
		"TtlNtries/TtlNetNtryAmt", "TtlNtries/TtlNetNtry/Amt":
		s.fields = append(s.fields, f)
	case "TtlNtries/CdtDbtInd", "TtlNtries/TtlNetNtry/CdtDbtInd":
		s.debit = f.text == "DBIT"
	}
}

// check compares the summary with the entries, credits first.
func (s *camtSummary) check(code ledger.Currency, entries [2]sum) error {
	all, ok := plus(entries[0].minor, entries[1].minor)
	if !ok && len(s.fields) > 0 {
		return mistakef(s.fields[0].line, "TxsSummry", "the sum of entries is larger than can be counted")
	}
	net := entries[0].minor - entries[1].minor
	if s.debit {
		net = -net
	}
	for _, f := range s.fields {
		var is int64
		switch strings.TrimPrefix(f.path, "TxsSummry/") {
		case "TtlNtries/NbOfNtries":
			is = int64(entries[0].n + entries[1].n)
		case "TtlCdtNtries/NbOfNtries":
			is = int64(entries[0].n)
		case "TtlDbtNtries/NbOfNtries":
			is = int64(entries[1].n)
		case "TtlNtries/Sum":
			is = all
		case "TtlCdtNtries/Sum":
			is = entries[0].minor
		case "TtlDbtNtries/Sum":
			is = entries[1].minor
		default:
			is = net
		}
		if err := s.compare(f, code, is); err != nil {
			return err
		}
	}
	return nil
}

func (s *camtSummary) compare(f field, code ledger.Currency, is int64) error {
	if strings.HasSuffix(f.path, "NbOfNtries") {
		says, err := count(f.line, f.path, f.text)
		if err == nil && int64(says) != is {
			err = differ(f.line, f.path, says, is)
		}
		return err
	}
	says, err := amount(f.line, f.path, f.text, code)
	if err == nil && says.Minor != is {
		err = differ(f.line, f.path, says, Balance{Minor: is, Currency: code})
	}
	return err
}
