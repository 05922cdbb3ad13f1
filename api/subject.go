package api

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/audit"
)

// The subject of an access says what was asked for in words that name nobody. So a
// parameter is written down with its value only where that is of a form in which no
// name, phone, handle or account number can be: an id, a time, one of a few words.
// Of any other, just that it was given.

// parameter is one of an operation's, in its path or query.
type parameter struct {
	name  string
	path  bool
	words []string // all that it may be, where the contract has an enum
	kind  string   // boolean, integer, date, date-time or string
}

func readParameters(all ...openapi3.Parameters) (params []parameter) {
	for _, p := range slices.Concat(all...) {
		v := p.Value
		if v.In != openapi3.ParameterInPath && v.In != openapi3.ParameterInQuery || v.Schema == nil {
			continue
		}
		schema := v.Schema.Value
		param := parameter{name: v.Name, path: v.In == openapi3.ParameterInPath, kind: openapi3.TypeString}
		for _, word := range schema.Enum {
			if w, ok := word.(string); ok {
				param.words = append(param.words, w)
			}
		}
		switch {
		case schema.Type.Is(openapi3.TypeBoolean), schema.Type.Is(openapi3.TypeInteger):
			param.kind = schema.Type.Slice()[0]
		case schema.Format == "date", schema.Format == "date-time":
			param.kind = schema.Format
		}
		params = append(params, param)
	}
	return params
}

// unspoken are parameters that say nothing of what is asked for.
var unspoken = []string{"limit", "wait"}

// subject is what a request asks for.
func (s *Server) subject(c echo.Context, op *operation) string {
	var said []string
	for i := range op.params {
		p := &op.params[i]
		value := c.QueryParam(p.name)
		if p.path {
			value, _ = bindPath(c, p.name)
		}
		switch {
		case value == "" || slices.Contains(unspoken, p.name):
		case p.name == "cursor":
			said = append(said, "a later page")
		case p.kind == openapi3.TypeBoolean:
			if on, err := strconv.ParseBool(value); err == nil && on {
				said = append(said, p.name)
			}
		default:
			said = append(said, strings.TrimSpace(p.name+" "+s.word(p, value)))
		}
	}
	return strings.Join(said, ", ")
}

// maxTile is how long the path of a tile may be, for the same reason.
const maxTile = len("x001/067.p/255")

// maxDigits is how long a number may be: a longer one may be a phone's.
const maxDigits = 8

// word is a parameter's value where it can name nobody, else empty.
func (s *Server) word(p *parameter, value string) string {
	ok := false
	switch {
	case p.words != nil:
		ok = slices.Contains(p.words, value)
	case p.kind == openapi3.TypeInteger:
		n, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil && strconv.FormatInt(n, 10) == value && len(value) <= maxDigits
	case p.kind == "date":
		_, err := time.Parse(time.DateOnly, value)
		ok = err == nil
	case p.kind == "date-time":
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			return at.UTC().Format(time.RFC3339)
		}
	case p.name == "bank":
		ok = s.knowsBank(value)
	case p.name == "currency":
		_, err := ledger.Currency(value).Digits()
		ok = err == nil
	case p.name == "tile":
		_, err := audit.ParseTile("0", value)
		ok = err == nil && len(value) <= maxTile
	case p.name == "window":
		ok = s.isWindow(value)
	case p.name == "name", p.name == "account":
		ok = s.isAccount(value)
	case p.name == "at", p.name == "from", p.name == "to": // of a report: a time or a day
		ok = isTime(value)
	default:
		ok = isRef(value)
	}
	if !ok {
		return ""
	}
	return value
}

// isTime says whether it is an RFC 3339 time or a day.
func isTime(v string) bool {
	_, err := time.Parse(time.RFC3339, v)
	_, day := ledger.ParseDay(v)
	return err == nil || day == nil
}

// isRef says whether it is an id of ours.
func isRef(v string) bool {
	for _, parse := range []func(string) (ledger.ID, error){ledger.ParseTransferRef, ledger.ParsePartyRef, ledger.ParseInstrumentRef,
		ledger.ParseRequestRef, ledger.ParsePotRef, ledger.ParseKeyRef, ledger.ParseBreakRef, ledger.ParseCorrectionRef, ledger.ParseTrustedRef} {
		if _, err := parse(v); err == nil {
			return true
		}
	}
	return false
}

// isWindow says whether it is the id of one of the scheme's windows.
func (s *Server) isWindow(v string) bool {
	_, ok := s.settlement.Schedule.Find(v)
	return ok
}

// isAccount says whether it is a place in the chart of accounts.
func (s *Server) isAccount(v string) bool {
	if _, stripe, _ := strings.Cut(v, "#"); len(stripe) > maxDigits {
		return false
	}
	whole := ledger.AccountName{Path: v}.Whole()
	if party, ok := strings.CutPrefix(whole.Path, "wallet:"); ok {
		_, err := ledger.ParsePartyRef(party)
		return err == nil
	}
	if pot, ok := strings.CutPrefix(whole.Path, "pot:"); ok {
		_, err := ledger.ParsePotRef(pot)
		return err == nil
	}
	for _, one := range []func(ledger.Currency) ledger.AccountName{ledger.TransitAccount, ledger.SuspenseAccount, ledger.FeesAccount} {
		if one("") == whole {
			return true
		}
	}
	bank := whole.Bank()
	return s.knowsBank(bank) && (whole == ledger.ClearingAccount(bank, "") || whole == ledger.SettlementAccount(bank, ""))
}
