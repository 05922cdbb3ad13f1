package statement

import (
	"encoding/csv"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"bahi/ledger"
)

// table reads rows by the names of their columns.
type table struct {
	g    *guard
	csv  *csv.Reader
	cols map[string]int
	row  []string
	line int
}

func newTable(in *input, delimiter string) (*table, error) {
	g := newGuard(in)
	c := csv.NewReader(g)
	c.ReuseRecord = true
	if delimiter != "" {
		c.Comma = rune(delimiter[0])
	}
	t := &table{g: g, csv: c, cols: map[string]int{}}
	if err := t.next(); errors.Is(err, io.EOF) {
		return nil, truncated(1, "the row of names")
	} else if err != nil {
		return nil, err
	}
	for i, name := range t.row {
		name = strings.TrimSpace(name)
		if _, twice := t.cols[name]; twice && name != "" {
			return nil, mistakef(t.line, "column", "%s is there twice", clip(name))
		}
		t.cols[name] = i
	}
	return t, nil
}

// next reads a row; io.EOF after the last.
func (t *table) next() error {
	t.g.next()
	row, err := t.csv.Read()
	if e := (*csv.ParseError)(nil); errors.As(err, &e) {
		return mistakef(e.Line, "row", "%v", e.Err)
	}
	if errors.Is(err, io.EOF) {
		// A last row without its end may lack the last digit of its last field.
		if t.g.last != '\n' && t.line > 0 {
			return truncated(t.line, "the line break of the last row")
		}
		return io.EOF
	}
	if err != nil {
		return wrap(t.g.line, err)
	}
	t.line, _ = t.csv.FieldPos(0)
	for _, field := range row {
		if err := (text{line: field, at: t.line}).check(); err != nil {
			return err
		}
	}
	t.row = row
	return nil
}

// need makes sure that columns are there.
func (t *table) need(names ...string) error {
	for _, name := range names {
		if _, ok := t.cols[name]; name != "" && !ok {
			return mistakef(t.line, "column", "%s is missing", clip(name))
		}
	}
	return nil
}

// get is a column's field; empty for no name.
func (t *table) get(name string) string {
	if name == "" {
		return ""
	}
	return strings.TrimSpace(t.row[t.cols[name]])
}

// sheet reads a CSV by a mapping. Rows that follow each other with the same
// bank, account, statement and currency are one statement.
type sheet struct {
	*table
	m       *Mapping
	t       *tally
	format  Format
	head    Header
	balance *Balance // after the row before
}

func readCSV(in *input, m *Mapping, format Format, t *tally) error {
	tab, err := newTable(in, m.Delimiter)
	if err != nil {
		return err
	}
	s := &sheet{table: tab, m: m, t: t, format: format}
	if err := s.need(m.Columns.names()...); err != nil {
		return err
	}
	for {
		err := s.next()
		if errors.Is(err, io.EOF) {
			return s.end()
		}
		if err != nil {
			return err
		}
		if err := s.take(); err != nil {
			return err
		}
	}
}

// names are those of all columns in use.
func (c Columns) names() []string {
	var names []string
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		names = append(names, v.Field(i).String())
	}
	return names
}

func (s *sheet) end() error {
	if !s.t.open {
		return nil
	}
	return s.t.end(s.line, s.balance, s.line, s.m.Columns.Balance)
}

// take reads a row.
func (s *sheet) take() error {
	c := s.m.Columns
	code := s.m.Currency
	if c.Currency != "" {
		code = s.get(c.Currency)
	}
	currency, err := known(s.line, named(c.Currency, "currency"), code)
	if err != nil {
		return err
	}
	l := Line{Line: s.line, TransactionID: s.get(c.TransactionID), RRN: s.get(c.RRN), Counterparty: compact(s.get(c.Counterparty)),
		Code: s.get(c.Code), Reference: s.get(c.Reference)}
	if l.RRN != "" && !isRRN(l.RRN) {
		return mistakef(s.line, c.RRN, "the RRN %s is not 12 digits", clip(l.RRN))
	}
	if l.BookingDate, err = day(s.line, c.BookingDate, s.get(c.BookingDate), s.m.layout()); err != nil {
		return err
	}
	if text := s.get(c.ValueDate); text != "" {
		if l.ValueDate, err = day(s.line, c.ValueDate, text, s.m.layout()); err != nil {
			return err
		}
	}
	l.Reversal = c.Reversal != "" && slices.Contains(s.m.Reversal, s.get(c.Reversal))
	legs, err := s.legs(l, currency)
	if err != nil {
		return err
	}
	return s.post(legs, currency)
}

// post hands the lines of a row on, in the statement that they belong to.
func (s *sheet) post(legs []Line, currency ledger.Currency) error {
	after, err := s.running(currency)
	if err != nil {
		return err
	}
	first := legs[0]
	h := Header{Format: s.format, Bank: named(s.get(s.m.Columns.Bank), s.m.Bank), Account: compact(named(s.get(s.m.Columns.Account), s.m.Account)),
		ID: named(s.get(s.m.Columns.Statement), s.m.Statement), Currency: currency}
	if h.ID == "" && s.t.open {
		h.ID = s.head.ID
	}
	if h != s.head || !s.t.open {
		if err := s.end(); err != nil {
			return err
		}
		if h.ID == "" {
			h.ID = first.BookingDate.Format("2006-01-02")
		}
		s.head, s.balance = h, nil
		h.Date, h.Line = first.BookingDate, s.line
		if after != nil {
			before, ok := plus(after.Minor, -signedBy(first))
			if !ok {
				return mistakef(s.line, s.m.Columns.Balance, "%v", ledger.ErrAmountRange)
			}
			s.balance = &Balance{Minor: before, Currency: currency}
			h.Opening = s.balance
		}
		if err := s.t.begin(h); err != nil {
			return err
		}
	}
	for _, l := range legs {
		if err := s.t.add(l); err != nil {
			return err
		}
	}
	if after != nil {
		is, ok := plus(s.balance.Minor, signedBy(first))
		if !ok || is != after.Minor {
			return mistakef(s.line, s.m.Columns.Balance, "says %v; %v and the row's amount give %v", after, s.balance, Balance{Minor: is, Currency: currency})
		}
		s.balance = after
	}
	return nil
}

// running is the balance that a row states.
func (s *sheet) running(currency ledger.Currency) (*Balance, error) {
	name := s.m.Columns.Balance
	if name == "" {
		return nil, nil
	}
	a, negative, err := s.money(name, s.get(name), currency, true)
	if err != nil {
		return nil, err
	}
	b := &Balance{Minor: a.Minor, Currency: currency}
	if negative {
		b.Minor = -b.Minor
	}
	return b, nil
}

// legs are the movements of a row: two where the switch's row is of a transfer
// within the bank, otherwise one.
func (s *sheet) legs(l Line, currency ledger.Currency) ([]Line, error) {
	c := s.m.Columns
	if c.Amount == "" {
		return s.columnsOfSides(l, currency)
	}
	var negative bool
	var err error
	if l.Amount, negative, err = s.money(c.Amount, s.get(c.Amount), currency, s.m.Signed); err != nil {
		return nil, err
	}
	switch {
	case c.Side != "":
		word := s.get(c.Side)
		switch {
		case slices.Contains(s.m.Credit, word):
			l.Side = Credit
		case slices.Contains(s.m.Debit, word):
			l.Side = Debit
		default:
			return nil, mistakef(s.line, c.Side, "%s is not a word for credit or debit", clip(word))
		}
	case c.Remitter != "":
		return s.switched(l)
	case negative:
		l.Side = Debit
	default:
		l.Side = Credit
	}
	return []Line{s.between(l)}, nil
}

func (s *sheet) columnsOfSides(l Line, currency ledger.Currency) ([]Line, error) {
	c := s.m.Columns
	credit, debit := s.get(c.Credit), s.get(c.Debit)
	if (credit == "") == (debit == "") {
		return nil, mistakef(s.line, c.Credit+" and "+c.Debit, "exactly one is to be filled: %s, %s", clip(credit), clip(debit))
	}
	name, text := c.Credit, credit
	l.Side = Credit
	if debit != "" {
		name, text, l.Side = c.Debit, debit, Debit
	}
	var err error
	l.Amount, _, err = s.money(name, text, currency, false)
	return []Line{s.between(l)}, err
}

// switched tells the side by which bank is which: remitters are debited.
func (s *sheet) switched(l Line) ([]Line, error) {
	c := s.m.Columns
	bank := named(s.get(c.Bank), s.m.Bank)
	var legs []Line
	if bank != "" && isBank(s.get(c.Remitter), bank) {
		l.Side = Debit
		legs = append(legs, s.between(l))
	}
	if bank != "" && isBank(s.get(c.Beneficiary), bank) {
		l.Side = Credit
		legs = append(legs, s.between(l))
	}
	if legs == nil {
		return nil, mistakef(s.line, named(c.Bank, "bank"), "%s is neither the remitter %s nor the beneficiary %s", clip(bank), clip(s.get(c.Remitter)), clip(s.get(c.Beneficiary)))
	}
	return legs, nil
}

// isBank says whether a code or an IFSC is of the bank.
func isBank(code, bank string) bool {
	const ifsc = 11
	return code == bank || len(code) == ifsc && len(bank) < ifsc && strings.HasPrefix(code, bank)
}

// between fills both accounts in, where the file names both.
func (s *sheet) between(l Line) Line {
	own, other := s.m.Columns.Payee, s.m.Columns.Payer
	if (l.Side == Debit) != l.Reversal {
		own, other = other, own
	}
	l.Account = compact(s.get(own))
	if l.Counterparty == "" {
		l.Counterparty = compact(s.get(other))
	}
	return l
}

// money reads an amount by the mapping's marks.
func (s *sheet) money(name, text string, currency ledger.Currency, signed bool) (ledger.Amount, bool, error) {
	plain, negative := text, false
	if signed {
		plain, negative = strings.CutPrefix(text, "-")
	}
	if s.m.Minor {
		a, err := minorAmount(s.line, name, plain, currency)
		return a, negative, err
	}
	if s.m.Thousands != "" {
		whole, fraction, found := strings.Cut(plain, s.m.mark())
		if !grouped(strings.Split(whole, s.m.Thousands)) {
			return ledger.Amount{}, false, mistakef(s.line, name, "%s has %q in the wrong place", clip(text), s.m.Thousands)
		}
		whole = strings.ReplaceAll(whole, s.m.Thousands, "")
		if plain = whole; found {
			plain += s.m.mark() + fraction
		}
	}
	if s.m.mark() == "," {
		if strings.Contains(plain, ".") {
			return ledger.Amount{}, false, mistakef(s.line, name, "%s: %v", clip(text), ledger.ErrAmountGrammar)
		}
		plain = strings.Replace(plain, ",", ".", 1)
	}
	a, err := amount(s.line, name, plain, currency)
	return a, negative, err
}

// grouped says whether digits lie in groups as people write them, 1,000,000 or
// 10,00,000: a decimal point taken for the mark of thousands would make 12.50 1250.
func grouped(groups []string) bool {
	last := len(groups) - 1
	for i, g := range groups {
		switch {
		case last == 0:
		case i == last && len(g) != 3, i > 0 && len(g) < 2, len(g) == 0, len(g) > 3:
			return false
		}
	}
	return true
}

// signedBy is what a line adds to the balance.
func signedBy(l Line) int64 {
	switch {
	case !l.Moved():
		return 0
	case l.Side == Debit:
		return -l.Amount.Minor
	}
	return l.Amount.Minor
}

// named is the first of two texts that isn't empty.
func named(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
