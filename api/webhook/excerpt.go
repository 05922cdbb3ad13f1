package webhook

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxExcerpt is how much of an answer is kept, in bytes.
const maxExcerpt = 200

// excerpt is how an answer begins, for people; empty where it is no text. What it repeats
// of the event is left out: names and notes are kept nowhere but under their person's key.
func excerpt(answer, event []byte) string {
	answer = bytes.TrimSpace(answer)
	if len(answer) == maxAnswer { // it may be cut within a character
		answer = bytes.ToValidUTF8(answer, nil)
	}
	if !utf8.Valid(answer) || bytes.IndexByte(answer, 0) >= 0 {
		return ""
	}
	text := string(answer)
	for _, personal := range personalTexts(event) {
		text = strings.ReplaceAll(text, personal, "…")
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxExcerpt {
		text = strings.ToValidUTF8(text[:maxExcerpt], "")
	}
	return text
}

// impersonal are members of an event whose texts nobody can be known by.
var impersonal = map[string]bool{"id": true, "type": true, "state": true, "kind": true, "currency": true, "status_text": true, "status": true, "action": true, "reason": true, "bank": true}

// personalTexts are the texts in an event that somebody may be known by, the longest first.
func personalTexts(event []byte) (texts []string) {
	d := jsontext.NewDecoder(bytes.NewReader(event))
	for {
		token, err := d.ReadToken()
		if err != nil {
			break
		}
		at := d.StackPointer()
		if kind, n := d.StackIndex(d.StackDepth()); token.Kind() != '"' || (kind == '{' && n%2 == 1) || impersonal[at.LastToken()] {
			continue
		}
		text := token.String()
		texts = append(texts, text)
		if at.LastToken() == "name" {
			texts = append(texts, strings.Fields(text)...)
		}
	}
	texts = slices.DeleteFunc(texts, func(t string) bool { return utf8.RuneCountInString(t) < 3 })
	slices.SortFunc(texts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return slices.Compact(texts)
}
