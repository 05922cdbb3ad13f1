package file

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// Writer writes an audit file.
type Writer struct {
	out    *bufio.Writer
	sum    hash.Hash
	line   encoder
	end    end
	failed error
}

// NewWriter begins an audit file.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	f := &Writer{sum: sha256.New()}
	f.out = bufio.NewWriterSize(io.MultiWriter(w, f.sum), 64<<10)
	return f, f.write(func(e *encoder) { e.header(&h) })
}

// Leaf writes a leaf; people may be nil.
func (f *Writer) Leaf(place int64, hash tlog.Hash, l ledger.Leaf, people []byte) error {
	f.end.leaves++
	return f.write(func(e *encoder) { e.leaf(&Line{Place: place, Hash: hash, Leaf: l, People: people}) })
}

// Hidden writes only the hash of a leaf.
func (f *Writer) Hidden(place int64, hash tlog.Hash) error {
	f.end.leaves++
	return f.write(func(e *encoder) { e.leaf(&Line{Place: place, Hash: hash}) })
}

// Checkpoint writes an older checkpoint, once the last leaf that it covers is written.
func (f *Writer) Checkpoint(note string) error {
	return f.write(func(e *encoder) { e.checkpoint(note) })
}

// Flush hands over what is written so far, whole lines.
func (f *Writer) Flush() error { return f.out.Flush() }

// Close writes the last line. It does not close what is written to.
func (f *Writer) Close() error {
	if err := f.out.Flush(); err != nil {
		return err
	}
	f.sum.Sum(f.end.sum[:0])
	if err := f.write(func(e *encoder) { e.end(&f.end) }); err != nil {
		return err
	}
	return f.out.Flush()
}

func (f *Writer) write(line func(*encoder)) error {
	if f.failed != nil {
		return f.failed
	}
	f.line.b, f.line.err = f.line.b[:0], nil
	line(&f.line)
	if f.failed = f.line.err; f.failed == nil {
		_, f.failed = f.out.Write(append(f.line.b, '\n'))
	}
	return f.failed
}

// encoder writes one line. It is a [ledger.Fields] that looks at a leaf's fields: what is
// empty is left out, but for numbers and money.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) header(h *Header) {
	e.b = append(e.b, `{"bahi":"log","version":1`...)
	e.Text("origin", h.Origin)
	e.Text("app", h.App)
	e.Number("first", h.First)
	e.Number("size", h.Size)
	e.name("before")
	e.list(len(h.Before), func(i int) { e.hash(h.Before[i]) })
	e.name("keys")
	e.list(len(h.Keys), func(i int) { e.quote(h.Keys[i]) })
	e.Text("checkpoint", h.Checkpoint)
	e.b = append(e.b, '}')
}

func (e *encoder) checkpoint(note string) {
	e.b = append(e.b, `{"checkpoint":`...)
	e.quote(note)
	e.b = append(e.b, '}')
}

func (e *encoder) leaf(l *Line) {
	e.b = strconv.AppendInt(append(e.b, `{"place":`...), l.Place, 10)
	e.name("hash")
	e.hash(l.Hash)
	if l.Leaf != nil {
		e.Text("leaf", l.Leaf.LeafKind().String())
		l.Leaf.Describe(e)
	}
	if l.People != nil {
		e.name("people")
		e.b = append(e.b, l.People...)
	}
	e.b = append(e.b, '}')
}

func (e *encoder) end(v *end) {
	e.b = strconv.AppendInt(append(e.b, `{"end":true,"leaves":`...), v.leaves, 10)
	e.Text("sha256", hex.EncodeToString(v.sum[:]))
	e.b = append(e.b, '}')
}

func (e *encoder) name(name string) {
	e.b = append(append(append(e.b, `,"`...), name...), `":`...)
}

func (e *encoder) quote(s string) {
	b, err := jsontext.AppendQuote(e.b, s)
	e.b = b
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("%q: %w", s, err)
	}
}

func (e *encoder) hash(h tlog.Hash) {
	e.b = append(base64.StdEncoding.AppendEncode(append(e.b, '"'), h[:]), '"')
}

func (e *encoder) list(n int, each func(i int)) {
	e.b = append(e.b, '[')
	for i := range n {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		each(i)
	}
	e.b = append(e.b, ']')
}

// ID implements [ledger.Fields].
func (e *encoder) ID(name string, v ledger.ID, prefix string) ledger.ID {
	if !v.IsZero() {
		e.name(name)
		e.b = append(append(append(e.b, '"'), v.Ref(prefix)...), '"')
	}
	return v
}

// Account implements [ledger.Fields].
func (e *encoder) Account(name string, v ledger.AccountID) ledger.AccountID {
	e.name(name)
	e.b = append(hex.AppendEncode(append(e.b, '"'), v[:]), '"')
	return v
}

// Hash implements [ledger.Fields].
func (e *encoder) Hash(name string, v [32]byte) [32]byte {
	if v != [32]byte{} {
		e.name(name)
		e.hash(v)
	}
	return v
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

// Time implements [ledger.Fields].
func (e *encoder) Time(name string, v int64) int64 {
	if v != 0 {
		e.name(name)
		e.b = append(time.UnixMicro(v).UTC().AppendFormat(append(e.b, '"'), timeLayout), '"')
	}
	return v
}

// Money implements [ledger.Fields].
func (e *encoder) Money(name string, v int64, c ledger.Currency) int64 {
	e.name(name)
	e.b = append(AppendMoney(append(e.b, '"'), v, c), '"')
	return v
}

// Number implements [ledger.Fields].
func (e *encoder) Number(name string, v int64) int64 {
	e.name(name)
	e.b = strconv.AppendInt(e.b, v, 10)
	return v
}

// Flag implements [ledger.Fields].
func (e *encoder) Flag(name string, v bool) bool {
	if v {
		e.name(name)
		e.b = append(e.b, "true"...)
	}
	return v
}

// Text implements [ledger.Fields].
func (e *encoder) Text(name string, v string) string {
	if v != "" {
		e.name(name)
		e.quote(v)
	}
	return v
}

// Word implements [ledger.Fields].
func (e *encoder) Word(name string, v uint8, words []string) uint8 {
	if v != 0 {
		e.Text(name, words[v])
	}
	return v
}

// List implements [ledger.Fields].
func (e *encoder) List(name string, n int, each func(i int)) {
	e.name(name)
	e.list(n, func(i int) {
		at := len(e.b)
		each(i)
		e.b[at] = '{' // instead of the comma before the first field
		e.b = append(e.b, '}')
	})
}
