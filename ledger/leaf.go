package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Leaf is a fact that the log keeps for good, see [Set.Log]. It says its fields, in
// a fixed order, to whoever writes or reads it.
type Leaf interface {
	LeafKind() LeafKind
	LeafTime() int64 // when it happened, Unix microseconds
	Describe(Fields)
}

// LeafKind is what a leaf tells of.
type LeafKind uint8

// The kinds of leaf.
const (
	LeafAccount    LeafKind = iota + 1 // an account was opened: [*Account]
	LeafTransfer                       // a transfer was made, as far as its first commit went: [*Transfer]
	LeafStep                           // a transfer's state changed: [*Step]
	LeafPosting                        // [*Posting]
	LeafCorrection                     // as it stands after a change: [*Correction]
	LeafPosition                       // likewise: [*Position]
	LeafNote                           // a line of a break's history: [*BreakNote]
	LeafWindow                         // a settlement window was closed: [*Window]
	LeafAccess                         // somebody looked at the book: [*Access]
	LeafErasure                        // a person's data was erased: [*Erasure]
)

var leafNames = [...]string{LeafAccount: "account", LeafTransfer: "transfer", LeafStep: "step", LeafPosting: "posting", LeafCorrection: "correction",
	LeafPosition: "position", LeafNote: "note", LeafWindow: "window", LeafAccess: "access", LeafErasure: "erasure"}

// String is the kind's word.
func (k LeafKind) String() string { return nameOf(leafNames[:], k) }

// ParseLeafKind reads what String wrote.
func ParseLeafKind(s string) (LeafKind, bool) { return parseName[LeafKind](leafNames[:], s) }

// LeafKindNames are the words of all kinds.
func LeafKindNames() []string { return leafNames[1:] }

// NewLeaf is an empty leaf of a kind, or nil where the kind is not known.
func NewLeaf(k LeafKind) Leaf {
	switch k {
	case LeafAccount:
		return &Account{}
	case LeafTransfer:
		return &Transfer{}
	case LeafStep:
		return &Step{}
	case LeafPosting:
		return &Posting{}
	case LeafCorrection:
		return &Correction{}
	case LeafPosition:
		return &Position{}
	case LeafNote:
		return &BreakNote{}
	case LeafWindow:
		return &Window{}
	case LeafAccess:
		return &Access{}
	case LeafErasure:
		return &Erasure{}
	}
	return nil
}

// Fields takes a leaf's fields one by one: a writer looks at the value and gives it
// back, a reader gives another. (By value, since a pointer handed to an interface
// would put each field on the heap.)
type Fields interface {
	ID(name string, v ID, prefix string) ID // prefix is that of its outside form
	Account(name string, v AccountID) AccountID
	Hash(name string, v [32]byte) [32]byte
	Time(name string, v int64) int64              // Unix microseconds
	Money(name string, v int64, c Currency) int64 // minor units
	Number(name string, v int64) int64
	Flag(name string, v bool) bool
	Text(name string, v string) string
	Word(name string, v uint8, words []string) uint8 // an enumeration; 0 has no word
	List(name string, n int, each func(i int))       // of n, or of how many are read; the fields of each are said by each
}

// leafVersion begins every leaf: a leaf whose fields are others gets another version.
const leafVersion = 1

// maxLeaf is the longest leaf that the log's tiles can hold.
const maxLeaf = math.MaxUint16

// AppendLeaf appends the canonical form of a leaf, of which there is one only: the
// version and the kind, a byte each, then the fields. An ID has 16 bytes, a hash 32, a
// time, a number and money 8 (big-endian, two's complement), a word and a flag 1; a text has its
// length before it in 4 bytes, a list how many it has.
func AppendLeaf(b []byte, l Leaf) []byte {
	w := leafWriter{b}
	w.leaf(l)
	return w.b
}

type leafWriter struct{ b []byte }

func (w *leafWriter) leaf(l Leaf) {
	w.b = append(w.b, leafVersion, byte(l.LeafKind()))
	l.Describe(w)
}

func (w *leafWriter) ID(_ string, v ID, _ string) ID {
	w.b = append(w.b, v[:]...)
	return v
}

func (w *leafWriter) Account(_ string, v AccountID) AccountID {
	w.b = append(w.b, v[:]...)
	return v
}

func (w *leafWriter) Hash(_ string, v [32]byte) [32]byte {
	w.b = append(w.b, v[:]...)
	return v
}

func (w *leafWriter) Number(_ string, v int64) int64 {
	w.b = binary.BigEndian.AppendUint64(w.b, uint64(v))
	return v
}

func (w *leafWriter) Time(name string, v int64) int64              { return w.Number(name, v) }
func (w *leafWriter) Money(name string, v int64, _ Currency) int64 { return w.Number(name, v) }

func (w *leafWriter) Flag(_ string, v bool) bool {
	w.b = append(w.b, byte(count(v)))
	return v
}

func (w *leafWriter) Word(_ string, v uint8, _ []string) uint8 {
	w.b = append(w.b, v)
	return v
}

func (w *leafWriter) length(n int) { w.b = binary.BigEndian.AppendUint32(w.b, uint32(n)) }

func (w *leafWriter) Text(_ string, v string) string {
	w.length(len(v))
	w.b = append(w.b, v...)
	return v
}

func (w *leafWriter) List(_ string, n int, each func(i int)) {
	w.length(n)
	for i := range n {
		each(i)
	}
}

// Errors of [ParseLeaf].
var (
	ErrLeafVersion = errors.New("a leaf of a version that is not known here")
	ErrLeaf        = errors.New("not the canonical form of a leaf")
)

// ParseLeaf reads what [AppendLeaf] wrote, and nothing else: what it returns would be written so again.
func ParseLeaf(b []byte) (Leaf, error) {
	if len(b) < 2 || len(b) > maxLeaf {
		return nil, ErrLeaf
	}
	if b[0] != leafVersion {
		return nil, ErrLeafVersion
	}
	l := NewLeaf(LeafKind(b[1]))
	if l == nil {
		return nil, fmt.Errorf("%w: kind %d is not known", ErrLeaf, b[1])
	}
	r := leafReader{b: b[2:]}
	l.Describe(&r)
	if r.bad || len(r.b) > 0 || !bytes.Equal(AppendLeaf(nil, l), b) {
		return nil, fmt.Errorf("%w of a %s", ErrLeaf, l.LeafKind())
	}
	return l, nil
}

type leafReader struct {
	b   []byte
	bad bool
}

var noBytes [32]byte

// take is the next n bytes, or zeros where there are too few.
func (r *leafReader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return noBytes[:min(n, len(noBytes))]
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *leafReader) ID(string, ID, string) ID            { return ID(r.take(16)) }
func (r *leafReader) Account(string, AccountID) AccountID { return AccountID(r.take(16)) }
func (r *leafReader) Hash(string, [32]byte) [32]byte      { return [32]byte(r.take(32)) }
func (r *leafReader) Number(string, int64) int64          { return int64(binary.BigEndian.Uint64(r.take(8))) }
func (r *leafReader) Time(string, int64) int64            { return r.Number("", 0) }
func (r *leafReader) Money(string, int64, Currency) int64 { return r.Number("", 0) }

func (r *leafReader) Flag(string, bool) bool {
	b := r.take(1)[0]
	r.bad = r.bad || b > 1
	return b == 1
}

func (r *leafReader) Word(_ string, _ uint8, words []string) uint8 {
	v := r.take(1)[0]
	r.bad = r.bad || (v != 0 && (int(v) >= len(words) || words[v] == ""))
	return v
}

func (r *leafReader) length() int {
	n := binary.BigEndian.Uint32(r.take(4))
	if int64(n) > int64(len(r.b)) { // each of what follows takes a byte at least
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *leafReader) Text(string, string) string {
	n := r.length()
	if r.bad {
		return ""
	}
	return string(r.take(n))
}

func (r *leafReader) List(_ string, _ int, each func(i int)) {
	n := r.length()
	for i := 0; i < n && !r.bad; i++ {
		each(i)
	}
}

// set changes a field that was read. What is only looked at is not written to, since
// others may look at it at the same time.
func set[V comparable](field *V, v V) {
	if *field != v {
		*field = v
	}
}

// word, text and number are fields whose Go type is one of our own.

func word[E ~uint8](f Fields, name string, v *E, words []string) {
	set(v, E(f.Word(name, uint8(*v), words)))
}

func text[S ~string](f Fields, name string, v *S) { set(v, S(f.Text(name, string(*v)))) }

func number[N ~int | ~int32](f Fields, name string, v *N) { set(v, N(f.Number(name, int64(*v)))) }
