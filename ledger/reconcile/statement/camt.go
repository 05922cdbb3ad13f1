package statement

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"bahi/ledger"
)

// mostDepth is how deep elements may lie in each other; the standard needs some fifteen.
const mostDepth = 64

// camtNamespace finds the message and its version wherever a bank's namespace has them.
var camtNamespace = regexp.MustCompile(`camt\.05(\d)\.001\.(\d\d)`)

// camt reads camt.053 and camt.054, by the local names of elements: prefixes and
// envelopes differ from bank to bank.
type camt struct {
	format Format
	g      *guard
	d      *xml.Decoder
	t      *tally

	stack []element
	base  int // how deep the statement's own element is; 0: outside

	opened  bool // the message's element was there
	head    Header
	begun   bool // the header was handed on
	acctCcy bool
	closing *camtBalance
	opening *camtBalance
	interim []camtBalance
	balance camtBalance
	summary camtSummary
	booked  [2]sum // entries of the file, credits and debits, not booked ones included
	entry   *camtEntry
}

type element struct {
	name string
	ccy  string // its currency attribute
	text []byte
	line int
}

// field is an element's text, path and line, as it closes.
type field struct {
	path, text, ccy string
	line            int
}

type camtBalance struct {
	code   string
	amount ledger.Amount
	debit  bool
	date   time.Time
	line   int
}

func (b camtBalance) signed() *Balance {
	s := &Balance{Minor: b.amount.Minor, Currency: b.amount.Currency}
	if b.debit {
		s.Minor = -s.Minor
	}
	return s
}

func readCamt(in *input, format Format, t *tally) error {
	g := newGuard(in)
	c := &camt{format: format, g: g, d: xml.NewDecoder(g), t: t}
	// The characters are UTF-8 by now, whatever the declaration says.
	c.d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		g.next()
		line, _ := c.d.InputPos()
		token, err := c.d.RawToken()
		switch {
		case errors.Is(err, io.EOF) && len(c.stack) > 0:
			return truncated(g.line, "the end of "+c.stack[len(c.stack)-1].name)
		case errors.Is(err, io.EOF) && !c.opened:
			return mistakef(g.line, "document", "holds no %s", format)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return c.syntax(err)
		}
		if err := c.token(token, line); err != nil {
			return err
		}
	}
}

func (c *camt) syntax(err error) error {
	if e := (*xml.SyntaxError)(nil); errors.As(err, &e) {
		if strings.Contains(e.Msg, "unexpected EOF") {
			return truncated(e.Line, "the rest")
		}
		return mistakef(e.Line, "XML", "%s", e.Msg)
	}
	return wrap(c.g.line, err)
}

func (c *camt) token(token xml.Token, line int) error {
	switch token := token.(type) {
	case xml.Directive:
		return mistakef(line, "XML", "a document type or entity is not taken")
	case xml.StartElement:
		if len(c.stack) == mostDepth {
			return mistakef(line, "XML", "elements lie deeper than %d", mostDepth)
		}
		if len(c.stack) == 0 && c.opened {
			return mistakef(line, "XML", "a second document follows the first")
		}
		e := element{name: token.Name.Local, line: line}
		for _, a := range token.Attr {
			if a.Name.Local == "Ccy" {
				e.ccy = a.Value
			}
			if m := camtNamespace.FindStringSubmatch(a.Value); m != nil && (a.Name.Space == "xmlns" || a.Name.Local == "xmlns") {
				if err := c.version(m, line); err != nil {
					return err
				}
			}
		}
		if n := len(c.stack); n > 0 {
			c.stack[n-1].text = nil // the blanks between a million entries are not to be kept
		}
		c.stack = append(c.stack, e)
		return c.start(e)
	case xml.CharData:
		if n := len(c.stack); n > 0 {
			e := &c.stack[n-1]
			if e.text = append(e.text, token...); len(e.text) > mostLine { // comments may cut it into many small pieces
				return mistakef(line, e.name, "is longer than %d bytes", mostLine)
			}
		} else if strings.TrimSpace(string(token)) != "" {
			return mistakef(line, "XML", "text outside of the document")
		}
	case xml.EndElement:
		n := len(c.stack)
		if n == 0 || c.stack[n-1].name != token.Name.Local {
			return mistakef(line, "XML", "%s ends where it has not begun", token.Name.Local)
		}
		e := &c.stack[n-1]
		f := field{text: strings.TrimSpace(string(e.text)), ccy: e.ccy, line: e.line}
		if c.base > 0 && n > c.base {
			f.path = c.path(n)
		}
		c.stack = c.stack[:n-1]
		if c.base == n {
			return c.end(line)
		}
		return c.close(f)
	}
	return nil
}

// version refuses what the fields below were not written for.
func (c *camt) version(m []string, line int) error {
	if m[1] != string(c.format[len(c.format)-1]) {
		return mistakef(line, "namespace", "is camt.05%s, the file is read as %s", m[1], c.format)
	}
	if m[2] < "02" || m[2] > "08" {
		return mistakef(line, "namespace", "version 001.%s is not one of 001.02 to 001.08", m[2])
	}
	return nil
}

// path is an element's way from its statement, such as Ntry/Amt.
func (c *camt) path(n int) string {
	var b strings.Builder
	for i := c.base; i < n; i++ {
		if i > c.base {
			b.WriteByte('/')
		}
		b.WriteString(c.stack[i].name)
	}
	return b.String()
}

func (c *camt) start(e element) error {
	n := len(c.stack)
	switch {
	case c.base == 0 && (e.name == "BkToCstmrStmt" || e.name == "BkToCstmrDbtCdtNtfctn"):
		if (e.name == "BkToCstmrStmt") != (c.format == Camt053) {
			return mistakef(e.line, e.name, "is not a %s", c.format)
		}
		c.opened = true
	case c.base == 0 && (e.name == "Stmt" || e.name == "Ntfctn") && n > 1 && strings.HasPrefix(c.stack[n-2].name, "BkToCstmr"):
		*c = camt{format: c.format, g: c.g, d: c.d, t: c.t, stack: c.stack, opened: true, base: n}
		c.head = Header{Format: c.format, Line: e.line}
	case c.base > 0 && n == c.base+1 && e.name == "Bal":
		c.balance = camtBalance{line: e.line}
	case c.base > 0 && n == c.base+1 && e.name == "Ntry":
		c.entry = &camtEntry{line: Line{Line: e.line, Count: 1}}
	case c.entry != nil && n == c.base+3 && e.name == "TxDtls":
		return c.detailBegins(e.line)
	}
	return nil
}

// close takes an element in as it ends.
func (c *camt) close(f field) error {
	if c.base == 0 {
		return nil
	}
	if c.entry != nil {
		return c.entryField(f)
	}
	var err error
	switch f.path {
	case "Id":
		c.head.ID = f.text
	case "CreDtTm", "FrToDt/ToDtTm", "FrToDt/ToDt":
		c.head.Date, err = camtDay(f)
	case "Acct/Id/IBAN", "Acct/Id/Othr/Id":
		c.head.Account = compact(f.text)
	case "Acct/Ccy":
		c.acctCcy = true
		c.head.Currency, err = known(f.line, f.path, f.text)
	case "Acct/Svcr/FinInstnId/BIC", "Acct/Svcr/FinInstnId/BICFI", "Acct/Svcr/FinInstnId/ClrSysMmbId/MmbId", "Acct/Svcr/FinInstnId/Othr/Id":
		if c.head.Bank == "" {
			c.head.Bank = f.text
		}
	case "Bal/Tp/CdOrPrtry/Cd":
		c.balance.code = f.text
	case "Bal/Amt":
		c.balance.amount, err = camtAmount(f)
	case "Bal/CdtDbtInd":
		c.balance.debit, err = isDebit(f)
	case "Bal/Dt/Dt", "Bal/Dt/DtTm":
		c.balance.date, err = camtDay(f)
	case "Bal":
		err = c.balanceEnds()
	default:
		if strings.HasPrefix(f.path, "TxsSummry/") {
			c.summary.take(f)
		}
	}
	return err
}

// balanceEnds sorts the balances: what was booked counts, available money does not.
func (c *camt) balanceEnds() error {
	b := c.balance
	if b.amount.Currency == "" {
		return mistakef(b.line, "Bal/Amt", "is missing")
	}
	if c.begun {
		return mistakef(b.line, "Bal", "comes after the entries")
	}
	switch b.code {
	case "OPBD":
		c.opening = &b
	case "PRCD":
		if c.opening == nil {
			c.opening = &b
		}
	case "CLBD":
		c.closing = &b
	case "ITBD":
		c.interim = append(c.interim, b)
		if len(c.interim) > 2 {
			return mistakef(b.line, "Bal", "a third ITBD: a page has one where it opens and one where it closes")
		}
	}
	return nil
}

// begin hands the header on, before the first line or at the end without any.
func (c *camt) begin(entry ledger.Currency) error {
	if c.begun {
		return nil
	}
	c.begun = true
	// A page in the middle opens and closes with interim balances.
	if c.opening == nil && len(c.interim) > 0 {
		c.opening, c.interim = &c.interim[0], c.interim[1:]
	}
	if c.closing == nil && len(c.interim) > 0 {
		c.closing = &c.interim[0]
	}
	h := &c.head
	if c.opening != nil {
		h.Opening = c.opening.signed()
		if !c.acctCcy {
			h.Currency = h.Opening.Currency
		}
	}
	if c.closing != nil && !c.closing.date.IsZero() {
		h.Date = c.closing.date
	}
	if h.Currency == "" && c.closing != nil {
		h.Currency = c.closing.amount.Currency
	}
	if h.Currency == "" {
		h.Currency = entry
	}
	switch {
	case h.ID == "":
		return mistakef(h.Line, "Id", "is missing")
	case h.Currency == "":
		return mistakef(h.Line, "Acct/Ccy", "is missing, and no balance or entry names one")
	}
	return c.t.begin(*h)
}

// end ends a statement.
func (c *camt) end(line int) error {
	if err := c.begin(""); err != nil {
		return err
	}
	c.base = 0
	if err := c.summary.check(c.head.Currency, c.booked); err != nil {
		return err
	}
	if c.closing == nil {
		return c.t.end(line, nil, 0, "")
	}
	return c.t.end(line, c.closing.signed(), c.closing.line, "Bal")
}

func camtAmount(f field) (ledger.Amount, error) {
	code := ledger.Currency(f.ccy)
	if _, err := code.Digits(); err != nil {
		return ledger.Amount{}, mistakef(f.line, f.path+"/@Ccy", "%v", err)
	}
	return amount(f.line, f.path, f.text, code)
}

func isDebit(f field) (bool, error) {
	switch f.text {
	case "CRDT":
		return false, nil
	case "DBIT":
		return true, nil
	}
	return false, mistakef(f.line, f.path, "%s is not CRDT or DBIT", clip(f.text))
}

// camtDay reads a date, or the date of a time by that time's own zone.
func camtDay(f field) (time.Time, error) {
	d, rest := f.text, ""
	if len(d) > len(time.DateOnly) {
		d, rest = d[:len(time.DateOnly)], d[len(time.DateOnly):]
	}
	if rest != "" && !strings.ContainsRune("TZ+-", rune(rest[0])) {
		return time.Time{}, mistakef(f.line, f.path, "%s is not a date", clip(f.text))
	}
	return day(f.line, f.path, d, time.DateOnly)
}
