package address

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Why a text is not fit to be shown. [Text] wraps one of them.
var (
	ErrTextEncoding  = errors.New("not valid UTF-8")
	ErrTextInvisible = errors.New("holds a control character or one that changes the direction of the text unseen")
	ErrTextBlank     = errors.New("shows nothing")
	ErrTextLength    = errors.New("too long")
)

const (
	zeroWidthNonJoiner = '\u200C'
	zeroWidthJoiner    = '\u200D'
)

// Text checks a name or a note that people will read beside an amount: valid
// UTF-8, at most maxRunes characters (code points), something to see, and
// nothing that hides or reorders what is seen: no control character (line
// breaks included), no bidirectional override, no invisible filler. The two
// joiners are allowed: emoji and the scripts of India need them.
func Text(s string, maxRunes int) error {
	if !utf8.ValidString(s) {
		return ErrTextEncoding
	}
	visible, runes := false, 0
	for _, r := range s {
		if isHidden(r) {
			return ErrTextInvisible
		}
		visible = visible || !isBlank(r)
		runes++
	}
	if runes > maxRunes {
		return fmt.Errorf("%w: %d characters are allowed", ErrTextLength, maxRunes)
	}
	if !visible {
		return ErrTextBlank
	}
	return nil
}

// isHidden says whether r does something without being seen.
func isHidden(r rune) bool {
	switch {
	case ' ' <= r && r <= '~': // by far the most common
		return false
	case r == zeroWidthJoiner || r == zeroWidthNonJoiner:
		return false
	case r&0xFFFE == 0xFFFE || (0xFDD0 <= r && r <= 0xFDEF): // noncharacters of Unicode
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// isBlank says whether r shows nothing by itself. Some letters and symbols of
// Unicode are blank, and favourites of those who want an empty name.
func isBlank(r rune) bool {
	switch r {
	case zeroWidthJoiner, zeroWidthNonJoiner, '\u115F', '\u1160', '\u3164', '\uFFA0', '\u2800':
		return true
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Variation_Selector, r)
}
