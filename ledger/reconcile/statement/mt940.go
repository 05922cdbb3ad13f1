package statement

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
)

var (
	mtTag     = regexp.MustCompile(`^:(\d\d[A-Z]?):`)
	mtBalance = regexp.MustCompile(`^([CD])(\d{6})([A-Z]{3})([\d,.]+)$`)
	mtLine    = regexp.MustCompile(`^(\d{6})(\d{4})?(RC|RD|C|D)([A-Z])?(\d[\d,.]*)([A-Z][A-Z0-9]{3})(.*)$`)
)

const mtDay = "060102"

// mt940 reads SWIFT's MT940, with or without the blocks around the text.
type mt940 struct {
	in    *lines
	t     *tally
	block bool // a text block is open: it must be closed
	head  Header
	state mtState
	line  *Line // waits for its :86:
	text  string
}

type mtState int

const (
	mtOutside mtState = iota
	mtHeading         // after :20:
	mtLines           // after :60x:
	mtClosed          // after :62x:
)

func readMT940(in *input, t *tally) error {
	m := &mt940{in: &lines{in: in}, t: t}
	seen := false
	for {
		l, err := m.in.next()
		if errors.Is(err, io.EOF) {
			if !seen && m.state == mtOutside {
				return mistakef(m.in.at+1, ":20:", "is missing")
			}
			return m.atEnd()
		}
		if err != nil {
			return wrap(m.in.at+1, err)
		}
		s := strings.TrimRight(l.line, " \t")
		if strings.HasPrefix(s, "{") {
			if s, err = m.opens(l); err != nil {
				return err
			}
		}
		switch {
		case s == "":
		case s == "-" || strings.HasPrefix(s, "-}"):
			err = m.ends(l.at)
		case l.cut:
			err = truncated(l.at, "the line break of the last line")
		default:
			seen = true
			err = m.tag(l.at, s)
		}
		if err != nil {
			return err
		}
	}
}

// opens takes the headers of a message and is what follows on its line.
func (m *mt940) opens(l text) (string, error) {
	_, rest, found := strings.Cut(l.line, "{4:")
	if !found {
		return "", mistakef(l.at, "{4:", "is missing after the header blocks")
	}
	if m.block {
		return "", mistakef(l.at, "-}", "of the message before is missing")
	}
	if err := m.ends(l.at); err != nil {
		return "", err
	}
	m.block = true
	return rest, nil
}

func (m *mt940) atEnd() error {
	if m.block {
		return truncated(m.in.at, "-}")
	}
	if m.state != mtOutside && m.state != mtClosed {
		return truncated(m.in.at, ":62F:")
	}
	return nil
}

// ends closes a message.
func (m *mt940) ends(at int) error {
	m.block = false
	if m.state != mtOutside && m.state != mtClosed {
		return mistakef(at, ":62F:", "is missing")
	}
	m.state = mtOutside
	return nil
}

// tag reads one field with its further lines.
func (m *mt940) tag(at int, s string) error {
	found := mtTag.FindStringSubmatch(s)
	if found == nil {
		return mistakef(at, "field", "%s begins with no tag such as :61:", clip(s))
	}
	value, more := s[len(found[0]):], []string(nil)
	for size := 0; ; {
		next, err := m.in.peek()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return wrap(m.in.at+1, err)
		}
		if next.line == "-" || strings.HasPrefix(next.line, "-}") || strings.HasPrefix(next.line, "{1:") || mtTag.MatchString(next.line) {
			break
		}
		if next.cut {
			return truncated(next.at, "the line break of the last line")
		}
		if size += len(next.line) + 1; size > mostLine {
			return mistakef(next.at, found[0], "is longer than %d bytes", mostLine)
		}
		more = append(more, next.line)
		_, _ = m.in.next() // the one just seen
	}
	return m.field(at, found[1], value, more)
}

func (m *mt940) field(at int, tag, value string, more []string) error {
	if tag == "86" && m.line != nil {
		m.text = value + strings.Join(more, "")
		return m.flush()
	}
	if err := m.flush(); err != nil {
		return err
	}
	want := map[string]mtState{"25": mtHeading, "25P": mtHeading, "28": mtHeading, "28C": mtHeading, "60F": mtHeading, "60M": mtHeading,
		"61": mtLines, "62F": mtLines, "62M": mtLines}
	if s, ok := want[tag]; ok && s != m.state {
		return mistakef(at, ":"+tag+":", "is out of its place")
	}
	switch tag {
	case "20":
		if m.state == mtHeading || m.state == mtLines {
			return mistakef(at, ":62F:", "of the statement before is missing")
		}
		m.state, m.head = mtHeading, Header{Format: MT940, Line: at}
	case "25", "25P":
		m.account(value, more)
	case "28", "28C":
		m.head.ID = value
	case "60F", "60M":
		return m.opening(at, ":"+tag+":", value)
	case "61":
		return m.movement(at, value)
	case "62F", "62M":
		date, closing, err := m.balance(at, ":"+tag+":", value)
		if err != nil {
			return err
		}
		m.state, m.t.closes = mtClosed, date // the header's is that of the opening balance, a day before
		return m.t.end(at, closing, at, ":"+tag+":")
	}
	return nil
}

func (m *mt940) account(value string, more []string) {
	m.head.Account = compact(value)
	if bank, account, found := strings.Cut(value, "/"); found {
		m.head.Bank, m.head.Account = bank, compact(account)
	}
	if len(more) > 0 { // :25P: has the bank on a line of its own
		m.head.Bank = more[0]
	}
}

func (m *mt940) opening(at int, tag, value string) error {
	date, opening, err := m.balance(at, tag, value)
	switch {
	case err != nil:
		return err
	case m.head.Account == "":
		return mistakef(m.head.Line, ":25:", "is missing")
	case m.head.ID == "":
		return mistakef(m.head.Line, ":28C:", "is missing")
	}
	m.state = mtLines
	m.head.ID = date.Format("2006/") + m.head.ID // the numbers begin again every year
	m.head.Date, m.head.Currency, m.head.Opening = date, opening.Currency, opening
	return m.t.begin(m.head)
}

func (m *mt940) balance(at int, tag, value string) (time.Time, *Balance, error) {
	f := mtBalance.FindStringSubmatch(value)
	if f == nil {
		return time.Time{}, nil, mistakef(at, tag, "%s is not of the form C261125INR1000,00", clip(value))
	}
	date, err := day(at, tag, f[2], mtDay)
	if err != nil {
		return date, nil, err
	}
	code, err := known(at, tag, f[3])
	if err != nil {
		return date, nil, err
	}
	a, err := commaAmount(at, tag, f[4], code)
	b := Balance{Minor: a.Minor, Currency: code}
	if f[1] == "D" {
		b.Minor = -b.Minor
	}
	return date, &b, err
}

// movement reads :61:, and keeps the line until it is known whether :86: follows.
func (m *mt940) movement(at int, value string) error {
	f := mtLine.FindStringSubmatch(value)
	if f == nil {
		return mistakef(at, ":61:", "%s is not of the form 2611251125C250,00NTRFREFERENCE//BANKREF", clip(value))
	}
	l := Line{Line: at}
	var err error
	if l.ValueDate, err = day(at, ":61: value date", f[1], mtDay); err != nil {
		return err
	}
	l.BookingDate = l.ValueDate
	if f[2] != "" {
		if l.BookingDate, err = bookedNear(at, l.ValueDate, f[2]); err != nil {
			return err
		}
	}
	if l.Amount, err = commaAmount(at, ":61: amount", f[5], m.head.Currency); err != nil {
		return err
	}
	l.Side, l.Reversal = Credit, len(f[3]) == 2
	if f[3] == "D" || f[3] == "RC" { // the reversal of a credit takes money away
		l.Side = Debit
	}
	reference, bank, _ := strings.Cut(f[7], "//")
	l.Reference = strings.TrimSpace(bank)
	switch reference = strings.TrimSpace(reference); {
	case isRRN(reference):
		l.RRN = reference
	case reference != "" && reference != "NONREF":
		l.TransactionID = reference
	}
	m.line = &l
	return nil
}

// bookedNear is the month and day in the year that brings them nearest to the value date.
func bookedNear(at int, value time.Time, monthDay string) (time.Time, error) {
	var nearest time.Time
	for _, year := range []int{0, -1, 1} {
		near := value.AddDate(year, 0, 0)
		t, err := time.Parse("20060102", near.Format("2006")+monthDay)
		if err == nil && (nearest.IsZero() || t.Sub(value).Abs() < nearest.Sub(value).Abs()) {
			nearest = t
		}
	}
	if nearest.IsZero() {
		return nearest, mistakef(at, ":61: entry date", "%s is not a month and day", clip(monthDay))
	}
	return nearest, nil
}

func (m *mt940) flush() error {
	if m.line == nil {
		return nil
	}
	l := *m.line
	// Sixteen characters may be less than the whole id, which then is in the text.
	short := l.TransactionID
	if short != "" {
		l.TransactionID = ""
	}
	l.references(m.text)
	if l.TransactionID == "" {
		l.TransactionID = short
	}
	m.line, m.text = nil, ""
	return m.t.add(l)
}
