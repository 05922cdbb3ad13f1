package ledger

import (
	"fmt"
	"strings"
	"time"
)

// LeafName says in short which leaf it is: its kind, and what names it in the book.
func LeafName(l Leaf) string {
	name := ""
	switch l := l.(type) {
	case *Account:
		name = l.where()
	case *Transfer:
		name = l.ID.TransferRef()
	case *Step:
		name = fmt.Sprintf("%d of %s", l.N, l.Transfer.TransferRef())
	case *Posting:
		name = fmt.Sprintf("%s of %s", l.Event, l.Entry.Ref(l.Event.entryPrefix()))
	case *Correction:
		name = l.ID.CorrectionRef()
	case *Position:
		name = strings.TrimSpace(fmt.Sprintf("%s %s %s", l.Window, l.Bank, l.Currency))
	case *BreakNote:
		name = fmt.Sprintf("%d of %s", l.N, l.Break.BreakRef())
	case *Window:
		name = l.ID
	case *Access:
		name = l.ID.Ref(accessPrefix)
	case *Erasure:
		name = l.Party.PartyRef()
	}
	return l.LeafKind().String() + " " + name
}

// LeafDifference says in which fields two leaves of a kind differ: "amount is 2500, not 2400".
func LeafDifference(is, not Leaf) string {
	var a, b fieldTexts
	is.Describe(&a)
	not.Describe(&b)
	var out []string
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			out = append(out, fmt.Sprintf("%s is %s, not %s", a[i].name, a[i].value, b[i].value))
		}
	}
	if len(a) != len(b) {
		out = append(out, fmt.Sprintf("%d fields, not %d", len(a), len(b)))
	}
	return strings.Join(out, "; ")
}

// fieldTexts is a [Fields] that notes what each field says.
type fieldTexts []struct{ name, value string }

func (f *fieldTexts) note(name, format string, v any) {
	*f = append(*f, struct{ name, value string }{name, fmt.Sprintf(format, v)})
}

func (f *fieldTexts) ID(name string, v ID, prefix string) ID {
	f.note(name, "%s", orNone(v.Ref(prefix)))
	return v
}

func (f *fieldTexts) Account(name string, v AccountID) AccountID {
	f.note(name, "%s", v)
	return v
}

func (f *fieldTexts) Hash(name string, v [32]byte) [32]byte {
	f.note(name, "%x", v)
	return v
}

func (f *fieldTexts) Time(name string, v int64) int64 {
	if v == 0 {
		f.note(name, "%s", "none")
	} else {
		f.note(name, "%s", time.UnixMicro(v).UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	return v
}

func (f *fieldTexts) Money(name string, v int64, c Currency) int64 {
	f.note(name, "%s", Amount{Minor: v, Currency: c})
	return v
}

func (f *fieldTexts) Number(name string, v int64) int64 {
	f.note(name, "%d", v)
	return v
}

func (f *fieldTexts) Flag(name string, v bool) bool {
	f.note(name, "%v", v)
	return v
}

func (f *fieldTexts) Text(name string, v string) string {
	f.note(name, "%q", v)
	return v
}

func (f *fieldTexts) Word(name string, v uint8, words []string) uint8 {
	f.note(name, "%s", orNone(nameOrNothing(words, v)))
	return v
}

func (f *fieldTexts) List(name string, n int, each func(i int)) {
	f.note(name, "%d of them", n)
	for i := range n {
		each(i)
	}
}

func nameOrNothing(words []string, v uint8) string {
	if v == 0 {
		return ""
	}
	return nameOf(words, v)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
