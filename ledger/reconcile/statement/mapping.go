package statement

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"bahi/ledger"
)

// Mapping says how a bank lays its CSV out: one row is one line.
type Mapping struct {
	Charset   string `yaml:"charset"`   // if not UTF-8 and no byte order mark
	Delimiter string `yaml:"delimiter"` // default: comma
	Bank      string `yaml:"bank"`
	Account   string `yaml:"account"`
	Statement string `yaml:"statement"` // its name; default: the day of its first row
	Currency  string `yaml:"currency"`
	Date      string `yaml:"date"` // such as DD.MM.YYYY; default: YYYY-MM-DD

	Decimal   string `yaml:"decimal"`   // mark, "." or ","; default: "."
	Thousands string `yaml:"thousands"` // mark; default: none
	Minor     bool   `yaml:"minor"`     // amounts count the minor unit
	Signed    bool   `yaml:"signed"`    // an amount with a minus is a debit

	Credit   []string `yaml:"credit"`   // what stands in the side's column
	Debit    []string `yaml:"debit"`    //
	Reversal []string `yaml:"reversal"` // what stands in the reversal's column where it is one

	Columns Columns `yaml:"columns"`
}

// Columns are the names of columns; an empty one is not there. The side of a
// line comes from columns of their own (Debit and Credit), from Side, from the
// sign of Amount, or from who of Remitter and Beneficiary is Bank.
type Columns struct {
	Statement     string `yaml:"statement"`
	Bank          string `yaml:"bank"`
	Account       string `yaml:"account"`
	Currency      string `yaml:"currency"`
	TransactionID string `yaml:"transaction_id"`
	RRN           string `yaml:"rrn"`
	BookingDate   string `yaml:"booking_date"`
	ValueDate     string `yaml:"value_date"`
	Amount        string `yaml:"amount"`
	Credit        string `yaml:"credit"`
	Debit         string `yaml:"debit"`
	Side          string `yaml:"side"`
	Balance       string `yaml:"balance"` // of the account after the row
	Counterparty  string `yaml:"counterparty"`
	Payer         string `yaml:"payer"` // accounts, for files that name both
	Payee         string `yaml:"payee"`
	Code          string `yaml:"code"`
	Reference     string `yaml:"reference"`
	Reversal      string `yaml:"reversal"`
	Remitter      string `yaml:"remitter"`    // bank's code or IFSC
	Beneficiary   string `yaml:"beneficiary"` // likewise
}

// upi is the switch's raw file.
var upi = &Mapping{Columns: Columns{
	Statement: "settlement_date", Bank: "bank_code", Currency: "currency", TransactionID: "transaction_id", RRN: "rrn",
	BookingDate: "date", ValueDate: "settlement_date", Amount: "amount", Payer: "from_account", Payee: "to_account",
	Code: "response_code", Reference: "stan", Remitter: "remitter_code", Beneficiary: "beneficiary_ifsc",
}}

// ReadMapping reads a mapping file (YAML).
func ReadMapping(r io.Reader) (*Mapping, error) {
	const most = 64 << 10
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if len(b) > most {
		return nil, fmt.Errorf("the mapping is longer than %d bytes", most)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	m := &Mapping{}
	if err := d.Decode(m); errors.Is(err, io.EOF) {
		return nil, errors.New("the mapping is empty")
	} else if err != nil {
		return nil, err
	}
	return m, m.check()
}

func (m *Mapping) check() error {
	c := m.Columns
	ways := 0
	for _, way := range []bool{c.Credit != "" && c.Debit != "", c.Amount != "" && c.Side != "", c.Amount != "" && m.Signed, c.Amount != "" && c.Remitter != ""} {
		if way {
			ways++
		}
	}
	_, charset := charsets[strings.ToLower(m.Charset)]
	switch {
	case !charset:
		return fmt.Errorf("charset: %q is not known", m.Charset)
	case len(m.Delimiter) > 1 || strings.ContainsAny(m.Delimiter, "\"\r\n"):
		return fmt.Errorf("delimiter: %q is not one character", m.Delimiter)
	case !slices.Contains([]string{"", ".", ","}, m.Decimal):
		return fmt.Errorf(`decimal: %q is neither "." nor ","`, m.Decimal)
	case m.Thousands != "" && (len([]rune(m.Thousands)) > 1 || m.Thousands == m.mark() || strings.ContainsAny(m.Thousands, "0123456789-+")):
		return fmt.Errorf("thousands: %q cannot be the mark", m.Thousands)
	case m.Currency == "" && c.Currency == "":
		return errors.New("currency: neither the currency nor its column is named")
	case c.BookingDate == "":
		return errors.New("columns: booking_date is missing")
	case ways != 1:
		return errors.New("columns: the side comes from exactly one of: credit and debit; amount and side; amount with signed: true; amount, remitter and beneficiary")
	case c.Balance != "" && c.Remitter != "":
		return errors.New("columns: a balance is of one account, remitter and beneficiary are two")
	case c.Side != "" && (len(m.Credit) == 0 || len(m.Debit) == 0):
		return errors.New("columns: side needs the words under credit and debit")
	case (c.Reversal != "") != (len(m.Reversal) > 0):
		return errors.New("columns: reversal needs the words under reversal, and they need it")
	case c.Remitter != "" && (c.Beneficiary == "" || c.Bank == "" && m.Bank == ""):
		return errors.New("columns: remitter needs beneficiary and bank")
	}
	if m.Currency != "" {
		if _, err := known(0, "", m.Currency); err != nil {
			return fmt.Errorf("currency: %w", ledger.ErrCurrency)
		}
	}
	return checkLayout(m.Date)
}

func (m *Mapping) mark() string {
	if m.Decimal == "" {
		return "."
	}
	return m.Decimal
}

// layout is the date's form as Go writes it.
func (m *Mapping) layout() string {
	if m.Date == "" {
		return "2006-01-02"
	}
	return strings.NewReplacer("YYYY", "2006", "YY", "06", "MMM", "Jan", "MM", "01", "DD", "02").Replace(m.Date)
}

func checkLayout(date string) error {
	if date == "" {
		return nil
	}
	for _, part := range []string{"YY", "MM", "DD"} {
		if !strings.Contains(date, part) {
			return fmt.Errorf("date: %q has no %s", date, part)
		}
	}
	if strings.Trim(date, "YMD-./ ") != "" {
		return fmt.Errorf("date: %q holds more than YYYY, YY, MMM, MM, DD and -./ between them", date)
	}
	return nil
}
