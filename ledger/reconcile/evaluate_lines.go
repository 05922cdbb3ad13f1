package reconcile

import (
	"cmp"
	"slices"
	"strings"

	"bahi/ledger"
)

// LegOf is which leg of a transfer a line tells of, if it can be one. At a bank
// that has both ends the account decides, and where it is not told or both have the same,
// the mark of a reversal.
func LegOf(t *ledger.Transfer, l *ledger.BankLine) (ledger.Leg, bool) {
	if l.Amount.Currency != t.Amount.Currency {
		return 0, false
	}
	payer := l.ID.Bank == t.Payer.Bank && sameAccount(l.Account, t.Payer.Account)
	payee := l.ID.Bank == t.Payee.Bank && sameAccount(l.Account, t.Payee.Account)
	switch {
	case payer && payee:
		return plainLeg(l), true
	case payer && l.Debit:
		return ledger.LegDebit, true
	case payer:
		return ledger.LegDebitReversal, true
	case payee && l.Debit:
		return ledger.LegCreditReversal, true
	case payee:
		return ledger.LegCredit, true
	}
	return 0, false
}

// plainLeg is what a line is by itself.
func plainLeg(l *ledger.BankLine) ledger.Leg {
	switch {
	case l.Debit && l.Reversal:
		return ledger.LegCreditReversal
	case l.Debit:
		return ledger.LegDebit
	case l.Reversal:
		return ledger.LegDebitReversal
	}
	return ledger.LegCredit
}

const (
	shortestAccount = 9  // digits; fewer are the last ones of an account that is not told whole
	leastTold       = 4  // digits; fewer tell nothing
	mostTold        = 18 // digits: the last ones of an IBAN
)

// sameAccount says whether an account as a line tells it can be that of the
// transfer: as a number, masked, or with a country and a bank before it.
func sameAccount(told, ours string) bool {
	a, b := accountDigits(told), strings.TrimLeft(ours, "0")
	switch {
	case a == "" || b == "":
		return true
	case len(a) < min(shortestAccount, len(b)):
		return strings.HasSuffix(b, a)
	}
	return strings.HasSuffix(a, b)
}

// accountDigits are the digits that a line tells of an account, without leading
// zeros; none where it tells of something else, such as a name or a UPI id.
func accountDigits(told string) string {
	var digits []byte
	letters := 0
	for i := range len(told) {
		switch c := told[i]; {
		case '0' <= c && c <= '9':
			digits = append(digits, c)
		case c == '@':
			return ""
		case c != 'X' && c != 'x' && ('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'):
			letters++
		}
	}
	digits = digits[max(0, len(digits)-mostTold):]
	if len(digits) < leastTold || letters > len(digits) {
		return ""
	}
	return strings.TrimLeft(string(digits), "0")
}

// unexplained judges lines that tell of no leg of any transfer and that belong
// together by what they name: known says whether that is a transfer of the book.
// A movement and its reversal cancel.
func (j *Judge) unexplained(lines []ledger.BankLine, transfer ledger.ID, known bool, adjusted map[ledger.ID]int64) []ledger.Break {
	var moved []*ledger.BankLine
	for i := range lines {
		if lines[i].Moved {
			moved = append(moved, &lines[i])
		}
	}
	bySide := func(a, b *ledger.BankLine) int {
		return cmp.Or(strings.Compare(a.ID.Bank, b.ID.Bank), cmp.Compare(a.Amount.Currency, b.Amount.Currency),
			number(plainLeg(a).PayeeSide())-number(plainLeg(b).PayeeSide()))
	}
	slices.SortFunc(moved, bySide)
	var breaks []ledger.Break
	for len(moved) > 0 {
		n := 1
		for n < len(moved) && bySide(moved[n], moved[0]) == 0 {
			n++
		}
		breaks = append(breaks, j.stray(moved[:n], transfer, known, adjusted)...)
		moved = moved[n:]
	}
	return breaks
}

// stray judges the lines of one side at one bank.
func (j *Judge) stray(lines []*ledger.BankLine, transfer ledger.ID, known bool, adjusted map[ledger.ID]int64) []ledger.Break {
	var told [ledger.SourceSwitch + 1][2][]movement
	for source := range told {
		for k := range told[source] {
			told[source][k] = movements(slices.DeleteFunc(slices.Clone(lines), func(l *ledger.BankLine) bool {
				return int(l.ID.Source) != source || (plainLeg(l).Reverses() != 0) != (k == 1)
			}))
		}
		cancel(&told[source][0], &told[source][1])
	}
	class := ledger.ClassNotInBook
	if bank := lines[0].ID.Bank; known || !j.KnownBank(bank) {
		class = ledger.ClassUnknownAccount
	}
	var breaks []ledger.Break
	for k := range 2 {
		others := told[ledger.SourceSwitch][k]
		for _, m := range told[ledger.SourceBank][k] {
			b := lineBreak(class, transfer, m)
			b.Ours, b.Theirs, b.Bank = adjusted[b.ID], sign(k)*m.minor, ledger.SaysYes
			if i := slices.IndexFunc(others, func(o movement) bool { return o.day == m.day && o.minor == m.minor }); i >= 0 {
				others = slices.Delete(others, i, i+1)
				b.Switch = ledger.SaysYes
			} else if j.Covered(ledger.SourceSwitch, b.Subject.Bank, m.day) {
				b.Switch = ledger.SaysNo
			}
			if b.Ours != b.Theirs {
				breaks = append(breaks, b)
			}
		}
		for _, m := range others {
			if b := lineBreak(ledger.ClassOnlyAtSwitch, transfer, m); j.Covered(ledger.SourceBank, b.Subject.Bank, m.day) {
				b.Bank, b.Switch = ledger.SaysNo, ledger.SaysYes
				breaks = append(breaks, b)
			}
		}
	}
	return breaks
}

// lineBreak is a break about the first of the lines that tell of a movement.
func lineBreak(class ledger.Class, transfer ledger.ID, m movement) ledger.Break {
	l := m.lines[0]
	s := ledger.Subject{Transfer: transfer, Leg: plainLeg(l), Line: l.ID, Bank: l.ID.Bank}
	return ledger.Break{ID: ledger.BreakID(class, s), Class: class, Subject: s, Day: m.day, Currency: l.Amount.Currency, Book: ledger.SaysNo}
}
