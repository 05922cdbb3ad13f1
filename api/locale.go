package api

import (
	"time"

	"github.com/bojanz/currency"
	"golang.org/x/text/language"

	"bahi/ledger"
)

// defaultLocale is that of who does not say which; the contract says so too.
const defaultLocale = "en-IN"

// locale is how people write amounts and times, and in which language they are spoken to.
type locale struct {
	amounts *currency.Formatter
	hindi   bool
	zone    *time.Location
}

// parseLocale reads a BCP 47 tag.
func parseLocale(tag string, zone *time.Location) (locale, error) {
	t, err := language.Parse(tag)
	if err != nil {
		return locale{}, badRequest("malformed_parameter", "not a language tag such as en-IN, hi-IN or ja-JP").at("locale")
	}
	base, script, region := t.Raw()
	of := currency.Locale{Language: base.String()}
	if script != (language.Script{}) {
		of.Script = script.String()
	}
	if region != (language.Region{}) {
		of.Territory = region.String()
	}
	return locale{amounts: currency.NewFormatter(of), hindi: of.Language == "hi", zone: zone}, nil
}

// amount writes an amount as people of the locale do.
func (l *locale) amount(a ledger.Amount) string {
	text := a.String()
	formal, err := currency.NewAmount(text, string(a.Currency))
	if err != nil { // the book has none that is not of ISO 4217
		return text + " " + string(a.Currency)
	}
	return l.amounts.Format(formal)
}

// time writes a time of the book to the minute.
func (l *locale) time(micros int64) string {
	return time.UnixMicro(micros).In(l.zone).Format("02-01-2006 15:04")
}

// phrase is what people are told, in each language.
type phrase struct{ en, hi string }

// in is the phrase in the locale's language.
func (p phrase) in(l *locale) string {
	if l.hindi && p.hi != "" {
		return p.hi
	}
	return p.en
}
