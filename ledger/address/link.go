package address

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bahi/ledger"
)

// ErrLink is wrapped by every error of [ParseLink], beside one of the reasons
// below, [ErrUPI], an error of [Text] or one of ledger.ParseAmount.
var ErrLink = errors.New("not a usable UPI payment link")

// Why a text is not a link.
var (
	ErrLinkLength   = errors.New("longer than 2000 bytes")
	ErrLinkScheme   = errors.New(`does not start with "upi://pay?"`)
	ErrLinkEncoding = errors.New("bad percent encoding")
	ErrLinkRepeated = errors.New("a parameter is given twice")
	ErrLinkCrowded  = errors.New("more than 32 parameters")
	ErrLinkPayee    = errors.New("the payee's UPI id (pa) is missing")
	ErrLinkName     = errors.New("the payee's name (pn) is missing")
	ErrLinkCurrency = errors.New("the currency (cu) is not INR")
	ErrLinkAmount   = errors.New("the amount (am) is zero or less than the least amount (mam)")
	ErrLinkCategory = errors.New("the merchant category (mc) is not four digits")
)

const (
	linkStart     = "upi://pay?"
	linkCurrency  = "INR"
	maxLink       = 2000 // bytes
	maxLinkParams = 32
	maxLinkName   = 99 // characters; so are the next two
	maxLinkNote   = 200
	maxLinkField  = 128
)

// Link is what a UPI deep link or QR code asks the payer's app to pay.
type Link struct {
	Payee     string        // pa: UPI id, lower case
	Name      string        // pn: the payee's name as the link's maker gave it, never proof of who is paid
	Amount    ledger.Amount // am: INR, more than zero; the zero Amount where the payer is to type it
	MinAmount ledger.Amount // mam: the least that the payer may type; the zero Amount for no bound
	Note      string        // tn
	Ref       string        // tr: the payee's own reference, such as an order number
	Category  string        // mc: merchant category code, 4 digits
	TxnID     string        // tid: transaction id given by the payee's app
	URL       string        // url: where more about the transaction is to be read
}

// HasAmount says whether the link fixes the amount.
func (l Link) HasAmount() bool { return l.Amount.Minor != 0 }

// ParseLink reads "upi://pay?pa=asha@okbank&pn=Asha%20Rao&am=250.00&cu=INR". pa
// and pn are mandatory. An optional parameter without a value counts as not
// given, and parameters that Bahi has no use for (mode, orgid, sign …) are passed over, since
// printed codes carry both; a parameter given twice is refused, whatever it is.
// "+" stands for a space, as it does for the readers on phones.
// Every error wraps [ErrLink] and the reason.
func ParseLink(s string) (Link, error) {
	l, err := parseLink(s)
	if err != nil {
		return Link{}, fmt.Errorf("%w: %w", ErrLink, err)
	}
	return l, nil
}

func parseLink(s string) (Link, error) {
	if len(s) > maxLink {
		return Link{}, ErrLinkLength
	}
	if len(s) < len(linkStart) || !strings.EqualFold(s[:len(linkStart)], linkStart) {
		return Link{}, ErrLinkScheme
	}
	l, err := readParams(s[len(linkStart):])
	if err != nil {
		return Link{}, err
	}
	if err := l.check(); err != nil {
		return Link{}, err
	}
	// Raw letters outside ASCII are taken, but written back they are three times
	// as long: what is read must be writable. Nearly all links are too short to matter.
	if 3*len(s)+len(".00.00&cu=INR") > maxLink && len(l.String()) > maxLink {
		return Link{}, ErrLinkLength
	}
	return l, nil
}

// readParams reads every parameter of the query by itself.
func readParams(query string) (Link, error) {
	var l Link
	var seen [maxLinkParams]string
	n := 0
	for param := range strings.SplitSeq(query, "&") {
		if param == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(param, "=")
		key, keyOK := unescape(rawKey)
		value, valueOK := unescape(rawValue)
		switch {
		case !keyOK || !valueOK:
			return Link{}, ErrLinkEncoding
		case slices.Contains(seen[:n], key):
			return Link{}, ErrLinkRepeated
		case n == len(seen):
			return Link{}, ErrLinkCrowded
		}
		seen[n] = key
		n++
		if value == "" {
			continue
		}
		if err := l.set(key, value); err != nil {
			return Link{}, fmt.Errorf("parameter %s: %w", key, err) // a known key: set refuses no other
		}
	}
	return l, nil
}

// set takes one parameter with a value.
func (l *Link) set(key, value string) (err error) {
	switch key {
	case "pa":
		l.Payee, err = UPI(value)
	case "pn":
		l.Name, err = value, Text(value, maxLinkName)
	case "am":
		l.Amount, err = parseLinkAmount(value)
	case "mam":
		l.MinAmount, err = parseLinkAmount(value)
	case "cu":
		if value != linkCurrency {
			return ErrLinkCurrency
		}
	case "tn":
		l.Note, err = value, Text(value, maxLinkNote)
	case "tr":
		l.Ref, err = value, Text(value, maxLinkField)
	case "mc":
		l.Category = value
		if len(value) != 4 || !all(value, isDigit) {
			return ErrLinkCategory
		}
	case "tid":
		l.TxnID, err = value, Text(value, maxLinkField)
	case "url":
		l.URL, err = value, Text(value, maxLink)
	}
	return err
}

func parseLinkAmount(value string) (ledger.Amount, error) {
	a, err := ledger.ParseAmount(value, linkCurrency)
	if err == nil && a.Minor == 0 {
		err = ErrLinkAmount
	}
	return a, err
}

// check is what the parameters must fulfil together.
func (l *Link) check() error {
	switch {
	case l.Payee == "":
		return ErrLinkPayee
	case l.Name == "":
		return ErrLinkName
	case l.HasAmount() && l.Amount.Minor < l.MinAmount.Minor:
		return ErrLinkAmount
	}
	return nil
}

// String writes the link in its normal form, which [ParseLink] reads back to the same Link.
func (l Link) String() string {
	var b strings.Builder
	b.Grow(len(linkStart) + 64 + len(l.Payee) + 3*len(l.Name) + 3*len(l.Note))
	b.WriteString("upi://pay?pa=")
	escape(&b, l.Payee)
	put := func(key, value string) {
		if value != "" {
			b.WriteString(key)
			escape(&b, value)
		}
	}
	put("&pn=", l.Name)
	put("&am=", amountParam(l.Amount))
	put("&cu=", linkCurrency)
	put("&tn=", l.Note)
	put("&tr=", l.Ref)
	put("&mc=", l.Category)
	put("&tid=", l.TxnID)
	put("&mam=", amountParam(l.MinAmount))
	put("&url=", l.URL)
	return b.String()
}

func amountParam(a ledger.Amount) string {
	if a.Minor == 0 {
		return ""
	}
	return a.String()
}

// unescape undoes percent encoding. A "#" would start a fragment, which no
// payment link has, and readers differ in what they make of it.
func unescape(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+#") {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '#':
			return "", false
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), true
}

// escape writes s with all but RFC 3986's unreserved characters and "@" percent-encoded.
func escape(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case isNameByte(c) || c == '~' || c == '@':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}

func isHex(c byte) bool {
	return isDigit(c) || ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F')
}

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
