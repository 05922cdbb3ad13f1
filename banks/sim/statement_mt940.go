package sim

import (
	"fmt"
	"io"
	"strings"

	"bahi/ledger"
)

const mtDay = "060102"

// writeMT940 writes SWIFT's form. Its sixteen characters for a reference have room
// for the RRN and none for the transaction id.
func (s *Statement) writeMT940(w io.Writer) error {
	t := s.totals()
	day := s.Day.Time(s.Zone)
	field := func(format string, args ...any) error {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		return err
	}
	err := field(":20:%s\n:25:%s/%s\n:28C:%d\n:60F:%s", day.Format(mtDay), s.Bank, poolAccount, day.YearDay(), s.mtBalance(s.Opening))
	for e := range s.Entries {
		if err != nil {
			return err
		}
		err = field(":61:%s", s.mtEntry(&e))
	}
	if err != nil {
		return err
	}
	return field(":62F:%s\n-", s.mtBalance(t.closing))
}

func (s *Statement) mtBalance(minor int64) string {
	side := "C"
	if minor < 0 {
		side = "D"
	}
	return side + mtDate(s.Day) + string(s.Currency) + s.mtAmount(minor)
}

// mtAmount has a decimal comma always, also where nothing follows it.
func (s *Statement) mtAmount(minor int64) string {
	whole, fraction, _ := strings.Cut(s.amount(minor), ".")
	return whole + "," + fraction
}

func (s *Statement) mtEntry(e *Entry) string {
	side := map[ledger.Leg]string{debit: "D", credit: "C", debitReversal: "RD", creditReversal: "RC"}[e.ID.Leg]
	reference := e.RRN
	if reference == "" || len(reference) > mtReference {
		reference = "NONREF"
	}
	own := e.Ref[max(0, len(e.Ref)-mtReference):]
	return mtDate(s.valueDay(e)) + mtDate(s.Day)[2:] + side + s.mtAmount(e.Amount) + "NTRF" + reference + "//" + own
}

// mtReference is how long a reference may be.
const mtReference = 16

func mtDate(d ledger.Day) string { return strings.ReplaceAll(d.String(), "-", "")[2:] }
