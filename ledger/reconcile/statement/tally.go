package statement

import (
	"errors"
	"math"
	"time"

	"bahi/ledger"
)

// errStopped says that whoever reads wants no more.
var errStopped = errors.New("the reader of the stream stopped")

// tally hands the items on and adds them up.
type tally struct {
	yield           func(Item, error) bool
	mirrored        bool
	head            Header
	closes          time.Time // the day of the closing balance, where that is not the header's
	open            bool
	any             bool // there was a statement
	lines           int
	credits, debits sum
}

// sum is a number of lines and their amounts.
type sum struct {
	n     int
	minor int64
}

func (t *tally) begin(h Header) error {
	if h.Opening != nil && h.Opening.Currency != h.Currency {
		return mistakef(h.Line, "opening balance", "is in %s, the account in %s", h.Opening.Currency, h.Currency)
	}
	*t = tally{yield: t.yield, mirrored: t.mirrored, head: h, open: true, any: true}
	return t.hand(h)
}

func (t *tally) add(l Line) error {
	if l.Amount.Currency != t.head.Currency {
		return mistakef(l.Line, "currency", "is %s, the statement's is %s", l.Amount.Currency, t.head.Currency)
	}
	t.lines++
	if l.Moved() {
		side := &t.credits
		if l.Side == Debit {
			side = &t.debits
		}
		side.n++
		var ok bool
		if side.minor, ok = plus(side.minor, l.Amount.Minor); !ok {
			return mistakef(l.Line, "amount", "the sum of %ss is larger than can be counted", l.Side)
		}
	}
	l.Count = max(l.Count, 1)
	if t.mirrored {
		l.Side = l.Side.other()
	}
	l.Key, l.By = l.key(t.head.Account)
	return t.hand(l)
}

// end checks the closing balance, which the file has at a line and a field.
func (t *tally) end(line int, closing *Balance, closingLine int, field string) error {
	if closing != nil && closing.Currency != t.head.Currency {
		return mistakef(closingLine, field, "is in %s, the account in %s", closing.Currency, t.head.Currency)
	}
	if closing != nil && t.head.Opening != nil {
		if err := t.movements(*closing, closingLine, field); err != nil {
			return err
		}
	}
	t.open = false
	date := t.closes
	if date.IsZero() {
		date = t.head.Date
	}
	return t.hand(End{Lines: t.lines, Credits: t.amount(t.credits), Debits: t.amount(t.debits), Closing: closing, Date: date, Line: line})
}

// movements checks that opening and movements make the closing balance.
func (t *tally) movements(closing Balance, line int, field string) error {
	after, ok := plus(t.head.Opening.Minor, t.credits.minor)
	if ok {
		after, ok = plus(after, -t.debits.minor)
	}
	if !ok {
		return mistakef(line, field, "opening balance and movements are larger than can be counted")
	}
	if after != closing.Minor {
		is := Balance{Minor: after, Currency: closing.Currency}
		return mistakef(line, field, "closing balance says %v; opening %v + credits %v - debits %v = %v",
			closing, t.head.Opening, t.amount(t.credits), t.amount(t.debits), is)
	}
	return nil
}

func (t *tally) hand(i Item) error {
	if !t.yield(i, nil) {
		return errStopped
	}
	return nil
}

func (t *tally) amount(s sum) ledger.Amount {
	return ledger.Amount{Minor: s.minor, Currency: t.head.Currency}
}

// plus adds and says whether the sum is right.
func plus(a, b int64) (int64, bool) {
	if (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b) {
		return 0, false
	}
	return a + b, true
}
