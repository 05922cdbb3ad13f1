package statement

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"bahi/ledger"
)

// Each line of a JSON lines file is one of these, in the order statement, lines, end.
type jsonRecord struct {
	Statement *jsonHeader `json:"statement"`
	Line      *jsonLine   `json:"line"`
	End       *jsonEnd    `json:"end"`
}

type jsonHeader struct {
	Bank     string `json:"bank"`
	Account  string `json:"account"`
	ID       string `json:"id"`
	Currency string `json:"currency"`
	Date     string `json:"date"`
	Opening  string `json:"opening"`
}

type jsonLine struct {
	TransactionID string `json:"transaction_id"`
	RRN           string `json:"rrn"`
	BookingDate   string `json:"booking_date"`
	ValueDate     string `json:"value_date"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	Side          string `json:"side"`
	Reversal      bool   `json:"reversal"`
	Counterparty  string `json:"counterparty"`
	Code          string `json:"code"`
	Reference     string `json:"reference"`
}

type jsonEnd struct {
	Lines   *int   `json:"lines"` // all of the statement
	Credits string `json:"credits"`
	Debits  string `json:"debits"`
	Closing string `json:"closing"`
}

func readJSONL(in *input, t *tally) error {
	l := &lines{in: in}
	for {
		row, err := l.next()
		if errors.Is(err, io.EOF) {
			if t.open {
				return truncated(l.at+1, "end")
			}
			return nil
		}
		if err != nil {
			return wrap(l.at+1, err)
		}
		if strings.TrimSpace(row.line) == "" {
			continue
		}
		var r jsonRecord
		if err := json.Unmarshal([]byte(row.line), &r, json.RejectUnknownMembers(true)); err != nil {
			return mistakef(row.at, "JSON", "%v", err)
		}
		switch {
		case r.Statement != nil && r.Line == nil && r.End == nil:
			err = r.Statement.begin(row.at, t)
		case r.Line != nil && r.Statement == nil && r.End == nil:
			err = r.Line.add(row.at, t)
		case r.End != nil && r.Statement == nil && r.Line == nil:
			err = r.End.end(row.at, t)
		default:
			err = mistakef(row.at, "JSON", "is not exactly one of statement, line and end")
		}
		if err != nil {
			return err
		}
	}
}

func (h *jsonHeader) begin(at int, t *tally) error {
	if t.open {
		return mistakef(at, "end", "of the statement before is missing")
	}
	if h.ID == "" || h.Bank == "" && h.Account == "" {
		return mistakef(at, "statement", "id, or both bank and account, are missing")
	}
	head := Header{Format: JSONL, Bank: h.Bank, Account: compact(h.Account), ID: h.ID, Line: at}
	var err error
	if head.Currency, err = known(at, "currency", h.Currency); err != nil {
		return err
	}
	if h.Date != "" {
		if head.Date, err = day(at, "date", h.Date, time.DateOnly); err != nil {
			return err
		}
	}
	if head.Opening, err = signedBalance(at, "opening", h.Opening, head.Currency); err != nil {
		return err
	}
	return t.begin(head)
}

func (j *jsonLine) add(at int, t *tally) error {
	if !t.open {
		return mistakef(at, "line", "comes before its statement")
	}
	l := Line{TransactionID: j.TransactionID, RRN: j.RRN, Side: Side(j.Side), Reversal: j.Reversal, Counterparty: compact(j.Counterparty),
		Code: j.Code, Reference: j.Reference, Line: at}
	if l.Side != Credit && l.Side != Debit {
		return mistakef(at, "side", "%s is not credit or debit", clip(j.Side))
	}
	if l.RRN != "" && !isRRN(l.RRN) {
		return mistakef(at, "rrn", "%s is not 12 digits", clip(l.RRN))
	}
	currency, err := known(at, "currency", named(j.Currency, string(t.head.Currency)))
	if err != nil {
		return err
	}
	if l.Amount, err = amount(at, "amount", j.Amount, currency); err != nil {
		return err
	}
	if l.BookingDate, err = day(at, "booking_date", j.BookingDate, time.DateOnly); err != nil {
		return err
	}
	if j.ValueDate != "" {
		if l.ValueDate, err = day(at, "value_date", j.ValueDate, time.DateOnly); err != nil {
			return err
		}
	}
	return t.add(l)
}

func (e *jsonEnd) end(at int, t *tally) error {
	if !t.open {
		return mistakef(at, "end", "comes before its statement")
	}
	if e.Lines == nil {
		return mistakef(at, "lines", "is missing")
	}
	if *e.Lines != t.lines {
		return differ(at, "lines", *e.Lines, t.lines)
	}
	for _, s := range []struct {
		name, text string
		is         ledger.Amount
	}{{"credits", e.Credits, t.amount(t.credits)}, {"debits", e.Debits, t.amount(t.debits)}} {
		if s.text == "" {
			continue
		}
		says, err := signedBalance(at, s.name, s.text, t.head.Currency)
		if err != nil {
			return err
		}
		if says.Minor != s.is.Minor {
			return differ(at, s.name, says, s.is)
		}
	}
	closing, err := signedBalance(at, "closing", e.Closing, t.head.Currency)
	if err != nil {
		return err
	}
	return t.end(at, closing, at, "closing")
}

// signedBalance reads a decimal with an optional minus; nil for an empty text.
func signedBalance(at int, field, text string, currency ledger.Currency) (*Balance, error) {
	if text == "" {
		return nil, nil
	}
	plain, negative := strings.CutPrefix(text, "-")
	a, err := amount(at, field, plain, currency)
	if err != nil {
		return nil, err
	}
	b := &Balance{Minor: a.Minor, Currency: currency}
	if negative {
		b.Minor = -b.Minor
	}
	return b, nil
}
