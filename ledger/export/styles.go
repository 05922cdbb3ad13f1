package export

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"bahi/ledger"
	"bahi/ledger/audit/file"
)

// What the two kinds of journal have in common.

var roots = map[ledger.AccountType]string{ledger.Asset: "Assets", ledger.Liability: "Liabilities", ledger.Equity: "Equity",
	ledger.Income: "Income", ledger.Expense: "Expenses"}

// appendAccount appends an account's name: the root of its type, then its own parts,
// each beginning with a capital; the id of a party or a pot as it is written by id.
func appendAccount(b []byte, n ledger.AccountName, id func(b []byte, part string) []byte) []byte {
	b = append(b, roots[n.Type()]...)
	for part := range strings.SplitSeq(n.Path, ":") {
		b = append(b, ':')
		if strings.HasPrefix(part, partyPrefix) || strings.HasPrefix(part, potPrefix) {
			b = id(b, part)
			continue
		}
		b = append(append(b, strings.ToUpper(part[:min(1, len(part))])...), part[min(1, len(part)):]...)
	}
	return b
}

func appendAmount(b []byte, minor int64, c ledger.Currency) []byte {
	return append(append(file.AppendMoney(b, minor, c), ' '), c...)
}

// who pays whom, in words that name no person.
func (a *about) who() string {
	if a == nothing {
		return ""
	}
	return a.payer.String() + " -> " + a.payee.String()
}

func (e end) String() string {
	switch {
	case !e.party.IsZero():
		return e.party.PartyRef()
	case !e.pot.IsZero():
		return e.pot.PotRef()
	case e.bank != "":
		return e.bank
	}
	return "suspense"
}

// tags are what a transaction says of its posting, in order; what is empty is left out.
func tags(f *fact, p *ledger.Posting, yield func(name, value string)) {
	tag := func(name, value string) {
		if value != "" {
			yield(name, value)
		}
	}
	tag("time", time.UnixMicro(p.At).UTC().Format(timeLayout))
	tag("entry", p.EntryRef())
	tag("event", p.Event.String())
	tag("undoes", undone(p))
	if !f.about.transfer.IsZero() && f.about.transfer != p.Entry {
		tag("transfer", f.about.transfer.TransferRef())
	}
	tag("app", f.about.app)
	tag("rrn", f.about.rrn)
}

func title(r Range, app string) string {
	s := fmt.Sprintf("Postings of Bahi's book: its log from leaf %d, up to the checkpoint of size %d", r.First, r.Size)
	if app != "" {
		s += fmt.Sprintf("; only those of the app %q", app)
	}
	return s
}

// hledger writes a journal of hledger.
type hledger struct{}

func (hledger) name(b []byte, n ledger.AccountName) []byte {
	return appendAccount(b, n, func(b []byte, id string) []byte { return append(b, id...) })
}

func (hledger) heading(b []byte, r Range, app string) []byte {
	return append(append(append(b, "; "...), title(r, app)...), "\n\n"...)
}

func (hledger) currency(b []byte, c ledger.Currency) []byte {
	digits, _ := c.Digits()
	return append(append(append(append(append(b, "commodity 1000."...), strings.Repeat("0", int(digits))...), ' '), c...), "\n\n"...)
}

func (h hledger) account(b []byte, n ledger.AccountName) []byte {
	return append(h.name(append(b, "account "...), n), "\n\n"...)
}

func (h hledger) transaction(b []byte, d ledger.Day, f *fact, p *ledger.Posting) []byte {
	b = append(append(append(appendDay(b, d), " * ("...), p.EntryRef()...), ") "...)
	if who := f.about.who(); who != "" {
		b = append(append(b, who...), " | "...)
	}
	b = append(append(b, p.Event.String()...), "\n    ; place:"...)
	b = strconv.AppendInt(b, f.place, 10)
	tags(f, p, func(name, value string) {
		value = strings.ReplaceAll(value, ",", ";") // a comma ends a tag
		b = append(append(append(append(b, ", "...), name...), ':'), value...)
	})
	b = append(b, '\n')
	b = h.line(b, f.debit.Whole(), p.Amount)
	return h.line(b, f.credit.Whole(), -p.Amount)
}

func (h hledger) line(b []byte, n ledger.AccountName, minor int64) []byte {
	b = append(h.name(append(b, "    "...), n), "  "...)
	return append(appendAmount(b, minor, n.Currency), '\n')
}

func (hledger) opening(b []byte, d ledger.Day) []byte {
	return append(appendDay(b, d), " * opening balances\n"...)
}

func (h hledger) opened(b []byte, n ledger.AccountName, minor int64) []byte {
	return h.line(b, n, minor)
}

func (hledger) closing(b []byte, d ledger.Day) []byte {
	return append(appendDay(b, d), " * balances\n"...)
}

func (h hledger) closed(b []byte, _ ledger.Day, n ledger.AccountName, minor int64) []byte {
	b = append(h.name(append(b, "    "...), n), "  "...)
	b = append(appendAmount(b, 0, n.Currency), " = "...)
	return append(appendAmount(b, minor, n.Currency), '\n')
}

// beancount writes a journal of Beancount.
type beancount struct{}

func (beancount) name(b []byte, n ledger.AccountName) []byte {
	return appendAccount(b, n, func(b []byte, id string) []byte {
		b = append(append(b, strings.ToUpper(id[:1])...), id[1:]...)
		b[len(b)-len(id)+len(partyPrefix)-1] = '-' // of Pty_ or Pot_
		return b
	})
}

func (beancount) heading(b []byte, r Range, app string) []byte {
	return append(append(append(b, "; "...), title(r, app)...), "\noption \"title\" \"Bahi\"\n\n"...)
}

func (beancount) currency(b []byte, c ledger.Currency) []byte {
	return append(append(append(b, `option "operating_currency" "`...), c...), "\"\n\n"...)
}

// account opens an account on a day before all others: the times of postings that are
// not of the same account need not be in order.
func (s beancount) account(b []byte, n ledger.AccountName) []byte {
	return append(s.name(append(b, "1970-01-01 open "...), n), "\n\n"...)
}

func (s beancount) transaction(b []byte, d ledger.Day, f *fact, p *ledger.Posting) []byte {
	b = append(appendDay(b, d), " * "...)
	if who := f.about.who(); who != "" {
		b = append(quoted(b, who), ' ')
	}
	b = append(quoted(b, p.Event.String()), "\n  place: "...)
	b = append(strconv.AppendInt(b, f.place, 10), '\n')
	tags(f, p, func(name, value string) {
		b = append(append(append(b, "  "...), name...), ": "...)
		b = append(quoted(b, value), '\n')
	})
	b = s.line(b, f.debit.Whole(), p.Amount)
	return s.line(b, f.credit.Whole(), -p.Amount)
}

func (s beancount) line(b []byte, n ledger.AccountName, minor int64) []byte {
	b = append(s.name(append(b, "  "...), n), "  "...)
	return append(appendAmount(b, minor, n.Currency), '\n')
}

func (beancount) opening(b []byte, d ledger.Day) []byte {
	return append(appendDay(b, d), " * \"opening balances\"\n"...)
}

func (s beancount) opened(b []byte, n ledger.AccountName, minor int64) []byte {
	return s.line(b, n, minor)
}

func (beancount) closing(b []byte, _ ledger.Day) []byte { return b }

// closed asserts a balance at the first moment of the day after, to the last digit:
// Beancount by itself takes what is nearly so.
func (s beancount) closed(b []byte, d ledger.Day, n ledger.AccountName, minor int64) []byte {
	b = append(s.name(append(appendDay(b, d+1), " balance "...), n), "  "...)
	b = append(file.AppendMoney(b, minor, n.Currency), " ~ 0 "...)
	return append(append(b, n.Currency...), '\n')
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// quoted appends a text of Beancount.
func quoted(b []byte, s string) []byte {
	return append(append(append(b, '"'), escapes.Replace(s)...), '"')
}
