package statement

import (
	"errors"
	"io"
	"strings"
	"time"

	"bahi/ledger"
)

// bai2 reads the records of BAI version 2 one at a time. github.com/moov-io/bai2
// keeps the whole file, ends the process when reading fails, counts records where
// lines are wanted, and leaves the control totals unchecked.
type bai2 struct {
	in      *lines
	t       *tally
	last    text // the last line of the record
	file    control
	group   control
	account control

	inFile, inGroup, inAccount, ended bool

	bank     string
	id       string
	asOf     time.Time
	groupCcy ledger.Currency

	head      Header
	closing   *Balance
	closingAt int
	stated    []baiTotal
}

// control is what a trailer must repeat.
type control struct {
	total   int64
	parts   int
	records int
}

// baiTotal is a sum of credits or debits that an account states.
type baiTotal struct {
	side  Side
	minor int64
	n     int // -1: it doesn't say
	line  int
}

// record is a logical record: its fields, and the lines it is on.
type baiRecord struct {
	code   string
	fields []baiField
	line   int
	lines  int
}

type baiField struct {
	text string
	line int
}

// at is a field, or an empty one where the record has no more.
func (r *baiRecord) at(i int) baiField {
	if i < len(r.fields) {
		return r.fields[i]
	}
	return baiField{line: r.line}
}

func readBAI2(in *input, t *tally) error {
	b := &bai2{in: &lines{in: in}, t: t}
	for {
		r, err := b.record()
		if errors.Is(err, io.EOF) {
			if !b.ended {
				return truncated(b.in.at+1, "record 99")
			}
			return nil
		}
		if err != nil {
			return wrap(b.in.at+1, err)
		}
		if err := b.take(r); err != nil {
			return err
		}
	}
}

// record reads a record with its continuations (88).
func (b *bai2) record() (*baiRecord, error) {
	l, err := b.in.next()
	for err == nil && strings.TrimSpace(l.line) == "" {
		l, err = b.in.next()
	}
	if err != nil {
		return nil, err
	}
	code, rest, found := strings.Cut(l.line, ",")
	if !found {
		return nil, mistakef(l.at, "record", "%s has no code and comma", clip(l.line))
	}
	r := &baiRecord{code: code, line: l.at, lines: 1}
	r.extend(rest, l.at)
	b.last = l
	for size := len(rest); ; {
		next, err := b.in.peek()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		rest, more := strings.CutPrefix(next.line, "88,")
		if !more {
			return r, nil
		}
		if size += len(next.line); size > mostLine {
			return nil, mistakef(next.at, "88", "the record is longer than %d bytes", mostLine)
		}
		r.extend(rest, next.at)
		r.lines++
		b.last = next
		_, _ = b.in.next() // the one just seen
	}
}

// extend adds the fields of one line, whose end a slash may mark.
func (r *baiRecord) extend(s string, line int) {
	s = strings.TrimSuffix(strings.TrimRight(s, " "), "/")
	for f := range strings.SplitSeq(s, ",") {
		r.fields = append(r.fields, baiField{text: strings.TrimSpace(f), line: line})
	}
}

func (b *bai2) take(r *baiRecord) error {
	b.file.records += r.lines
	b.group.records += r.lines
	b.account.records += r.lines
	want := map[string]bool{
		"01": !b.inFile && !b.ended, "02": b.inFile && !b.inGroup, "03": b.inGroup && !b.inAccount, "16": b.inAccount,
		"49": b.inAccount, "98": b.inGroup && !b.inAccount, "99": b.inFile && !b.inGroup,
	}
	if ok, is := want[r.code]; !is {
		return mistakef(r.line, "record", "%s is not a record code", clip(r.code))
	} else if !ok {
		return mistakef(r.line, r.code, "the record is out of its place")
	}
	if b.last.cut && r.code != "99" {
		return truncated(b.last.at, "record 99")
	}
	switch r.code {
	case "01":
		b.inFile, b.file = true, control{records: r.lines}
		b.bank, b.id = r.at(0).text, r.at(4).text
		if v := r.at(7); v.text != "" && v.text != "2" {
			return mistakef(v.line, "01 version", "%s is not 2", clip(v.text))
		}
	case "02":
		return b.groupBegins(r)
	case "03":
		return b.accountBegins(r)
	case "16":
		return b.detail(r)
	case "49":
		return b.accountEnds(r)
	case "98":
		b.inGroup = false
		b.file.parts++
		return b.trailer(r, b.group, &b.file)
	case "99":
		b.inFile, b.ended = false, true
		if b.last.cut && !strings.HasSuffix(strings.TrimRight(b.last.line, " "), "/") {
			return truncated(b.last.at, "the slash that ends record 99")
		}
		return b.trailer(r, b.file, nil)
	}
	return nil
}

func (b *bai2) groupBegins(r *baiRecord) error {
	b.inGroup, b.group = true, control{records: r.lines}
	if originator := r.at(1).text; originator != "" {
		b.bank = originator
	}
	if status := r.at(2); status.text != "1" {
		return mistakef(status.line, "02 status", "%s is not 1: deletions, corrections and tests are not taken", clip(status.text))
	}
	date := r.at(3)
	var err error
	if b.asOf, err = day(date.line, "02 as-of date", date.text, mtDay); err != nil {
		return err
	}
	b.groupCcy = "USD" // the standard's default
	if ccy := r.at(5); ccy.text != "" {
		b.groupCcy, err = known(ccy.line, "02 currency", ccy.text)
	}
	return err
}

// accountBegins reads record 03: the account and its balances and totals.
func (b *bai2) accountBegins(r *baiRecord) error {
	b.inAccount, b.account = true, control{records: r.lines}
	b.closing, b.stated = nil, nil
	h := Header{Format: BAI2, Bank: b.bank, Account: compact(r.at(0).text), Date: b.asOf, Currency: b.groupCcy, Line: r.line}
	if h.Account == "" {
		return mistakef(r.line, "03 account", "is missing")
	}
	// The file's number is unique for a day; the account is apart.
	h.ID = b.asOf.Format(time.DateOnly) + "/" + b.id
	if ccy := r.at(1); ccy.text != "" {
		var err error
		if h.Currency, err = known(ccy.line, "03 currency", ccy.text); err != nil {
			return err
		}
	}
	for i := 2; i < len(r.fields); {
		next, err := b.summary(r, i, &h)
		if err != nil {
			return err
		}
		i = next
	}
	b.head = h
	return b.t.begin(h)
}

// summary reads one type code, amount, item count and funds type, and is where the next begins.
func (b *bai2) summary(r *baiRecord, i int, h *Header) (int, error) {
	code, value, items := r.at(i), r.at(i+1), r.at(i+2)
	next, _, err := funds(r, i+3)
	if err != nil || value.text == "" {
		return next, err
	}
	name := "03 amount of type " + clip(code.text)
	n, err := signedMinor(value.line, name, value.text)
	if err != nil {
		return next, err
	}
	if err := b.control(n, value.line, name); err != nil {
		return next, err
	}
	balance := &Balance{Minor: n, Currency: h.Currency}
	switch code.text {
	case "010":
		h.Opening = balance
	case "015":
		b.closing, b.closingAt = balance, value.line
	case "100", "400":
		total := baiTotal{side: Credit, minor: n, n: -1, line: value.line}
		if code.text == "400" {
			total.side = Debit
		}
		if items.text != "" {
			if total.n, err = count(items.line, "03 item count", items.text); err != nil {
				return next, err
			}
		}
		b.stated = append(b.stated, total)
	}
	return next, nil
}

// detail reads record 16: one movement.
func (b *bai2) detail(r *baiRecord) error {
	code, value := r.at(0), r.at(1)
	next, valued, err := funds(r, 2)
	if err != nil {
		return err
	}
	l := Line{Line: r.line, BookingDate: b.asOf, ValueDate: valued, Reference: r.at(next).text}
	if value.text == "" {
		if code.text == "890" { // a message, no movement
			return nil
		}
		return mistakef(value.line, "16 amount", "is missing")
	}
	if l.Amount, err = minorAmount(value.line, "16 amount", value.text, b.head.Currency); err != nil {
		return err
	}
	if err := b.control(l.Amount.Minor, value.line, "16 amount"); err != nil {
		return err
	}
	if l.Side, err = baiSide(code); err != nil {
		return err
	}
	l.Reversal = code.text == "252" || code.text == "552"
	switch customer := r.at(next + 1).text; {
	case isRRN(customer):
		l.RRN = customer
	default:
		l.TransactionID = customer
	}
	var words []string
	for i := next + 2; i < len(r.fields); i++ {
		words = append(words, r.fields[i].text)
	}
	l.references(strings.Join(words, " "))
	return b.t.add(l)
}

// baiSide goes by the ranges of the type codes.
func baiSide(code baiField) (Side, error) {
	switch c := code.text; {
	case len(c) != 3 || !isDigits(c):
	case c >= "100" && c < "400", c >= "920" && c < "960":
		return Credit, nil
	case c >= "400" && c < "700", c >= "960":
		return Debit, nil
	}
	return "", mistakef(code.line, "16 type", "%s is neither a credit nor a debit", clip(code.text))
}

// funds reads a funds type, which is as long as its kind says; a V has the value date.
func funds(r *baiRecord, i int) (next int, valued time.Time, err error) {
	kind := r.at(i)
	switch kind.text {
	case "", "0", "1", "2", "Z":
		return i + 1, valued, nil
	case "V":
		valued, err = day(r.at(i+1).line, "value date", r.at(i+1).text, mtDay)
		return i + 3, valued, err
	case "S":
		return i + 4, valued, nil
	case "D":
		n, err := count(r.at(i+1).line, "funds type D", r.at(i+1).text)
		if err == nil && n > len(r.fields) {
			err = mistakef(kind.line, "funds type D", "names %d pairs, the record has %d fields", n, len(r.fields))
		}
		return i + 2 + 2*n, valued, err
	}
	return i, valued, mistakef(kind.line, "funds type", "%s is not 0, 1, 2, S, V, D or Z", clip(kind.text))
}

// control adds to the account's control total, which takes in every amount.
func (b *bai2) control(n int64, line int, name string) error {
	var ok bool
	if b.account.total, ok = plus(b.account.total, n); !ok {
		return mistakef(line, name, "the control total is larger than can be counted")
	}
	return nil
}

func (b *bai2) accountEnds(r *baiRecord) error {
	b.inAccount = false
	b.group.parts++
	if err := b.trailer(r, b.account, &b.group); err != nil {
		return err
	}
	for _, s := range b.stated {
		is := b.t.credits
		if s.side == Debit {
			is = b.t.debits
		}
		// An account may come as a summary, without its details.
		if b.t.lines > 0 && s.minor != is.minor {
			says := Balance{Minor: s.minor, Currency: b.head.Currency}
			return differ(s.line, "03 total of "+string(s.side)+"s", says, Balance{Minor: is.minor, Currency: b.head.Currency})
		}
		if b.t.lines > 0 && s.n >= 0 && s.n != is.n {
			return differ(s.line, "03 item count of "+string(s.side)+"s", s.n, is.n)
		}
		if b.t.lines == 0 && s.side == Credit {
			b.t.credits.minor = s.minor
		} else if b.t.lines == 0 {
			b.t.debits.minor = s.minor
		}
	}
	return b.t.end(r.line, b.closing, b.closingAt, "03 type 015")
}

// trailer compares a trailer (49, 98, 99) with what was read, and adds that to
// what lies around it.
func (b *bai2) trailer(r *baiRecord, is control, outer *control) error {
	total := r.at(0)
	says, err := signedMinor(total.line, r.code+" control total", total.text)
	if err != nil {
		return err
	}
	if says != is.total {
		return differ(total.line, r.code+" control total", says, is.total)
	}
	last := 1
	if r.code != "49" {
		name := map[string]string{"98": " number of accounts", "99": " number of groups"}[r.code]
		parts, err := count(r.at(1).line, r.code+name, r.at(1).text)
		if err != nil {
			return err
		}
		if parts != is.parts {
			return differ(r.at(1).line, r.code+name, parts, is.parts)
		}
		last = 2
	}
	records, err := count(r.at(last).line, r.code+" number of records", r.at(last).text)
	if err != nil {
		return err
	}
	if records != is.records {
		return differ(r.at(last).line, r.code+" number of records", records, is.records)
	}
	if outer == nil {
		return nil
	}
	var ok bool
	if outer.total, ok = plus(outer.total, is.total); !ok {
		return mistakef(total.line, r.code+" control total", "is larger than can be counted")
	}
	return nil
}
