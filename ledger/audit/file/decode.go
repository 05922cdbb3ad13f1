package file

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// maxLine is the longest line that is read: a header with many keys, a leaf with long texts.
const maxLine = 4 << 20

// Errors of [NewReader] and [Reader.Next], which wrap them with the line.
var (
	// ErrForm means that a line is not as a writer of this package writes it.
	ErrForm = errors.New("not a line of an audit file")
	// ErrCut means that the file ends before its last line.
	ErrCut = errors.New("the file ends before its last line")
	// ErrSum means that the bytes are not those that the last line tells of.
	ErrSum = errors.New("the file is not what its last line says")
)

// Reader reads an audit file line by line. What it gives is as the file says it:
// whether it is true is for others to check.
type Reader struct {
	Header Header

	in     *bufio.Reader
	buffer []byte
	sum    hash.Hash
	number int64
	leaves int64
	again  encoder
}

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	f := &Reader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	d := decoder{b: line}
	d.header(&f.Header)
	return f, f.written(line, &d, func(e *encoder) { e.header(&f.Header) })
}

// Next is the next leaf or checkpoint. After the last one, and once the last line was
// found to be right, it is [io.EOF].
func (f *Reader) Next() (Line, error) {
	before := [sha256.Size]byte{}
	f.sum.Sum(before[:0])
	line, err := f.line()
	if err != nil {
		return Line{}, err
	}
	l, d := Line{Number: f.number}, decoder{b: line}
	switch {
	case bytes.HasPrefix(line, []byte(`{"place":`)):
		f.leaves++
		d.leaf(&l)
		return l, f.written(line, &d, func(e *encoder) { e.leaf(&l) })
	case bytes.HasPrefix(line, []byte(`{"checkpoint":`)):
		d.literal(`{"checkpoint":`)
		l.Checkpoint = d.quoted()
		d.literal(`}`)
		return l, f.written(line, &d, func(e *encoder) { e.checkpoint(l.Checkpoint) })
	}
	return Line{}, f.finish(line, end{f.leaves, before})
}

// finish checks the last line.
func (f *Reader) finish(line []byte, is end) error {
	var said end
	d := decoder{b: line}
	d.literal(`{"end":true,"leaves":`)
	said.leaves = d.integer()
	sum, err := hex.DecodeString(d.Text("sha256", ""))
	d.bad = d.bad || err != nil || len(sum) != len(said.sum)
	copy(said.sum[:], sum)
	d.literal(`}`)
	if err := f.written(line, &d, func(e *encoder) { e.end(&said) }); err != nil {
		return err
	}
	if said != is {
		return fmt.Errorf("%w: %d leaves with sha-256 %x, not %d with %x", ErrSum, is.leaves, is.sum, said.leaves, said.sum)
	}
	if _, err := f.in.ReadByte(); err != io.EOF {
		return fmt.Errorf("line %d: %w: something follows the last line", f.number+1, ErrForm)
	}
	return io.EOF
}

// line reads a line, without its end.
func (f *Reader) line() ([]byte, error) {
	f.number++
	f.buffer = f.buffer[:0]
	for {
		part, err := f.in.ReadSlice('\n')
		f.buffer = append(f.buffer, part...)
		switch {
		case err == nil:
			f.sum.Write(f.buffer)
			return f.buffer[:len(f.buffer)-1], nil
		case err == io.EOF:
			return nil, fmt.Errorf("line %d: %w", f.number, ErrCut)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(f.buffer) > maxLine:
			return nil, fmt.Errorf("line %d: %w: longer than %d bytes", f.number, ErrForm, maxLine)
		}
	}
}

// written says whether what was read of a line would be written so.
func (f *Reader) written(line []byte, d *decoder, write func(*encoder)) error {
	f.again.b, f.again.err = f.again.b[:0], nil
	if !d.bad {
		write(&f.again)
	}
	if d.bad || len(d.b) > 0 || f.again.err != nil || !bytes.Equal(f.again.b, line) {
		return fmt.Errorf("line %d: %w near %q", f.number, ErrForm, d.near(line, f.again.b))
	}
	return nil
}

// decoder reads one line from left to right. It is a [ledger.Fields] that sets a leaf's fields.
type decoder struct {
	b      []byte
	bad    bool
	inList bool // before the first field of an element of a list
}

// near is where a line stops being as it should.
func (d *decoder) near(line, again []byte) []byte {
	at := len(line) - len(d.b)
	if !d.bad {
		for at = 0; at < len(line) && at < len(again) && line[at] == again[at]; {
			at++
		}
	}
	return line[min(at, len(line)):min(at+24, len(line))]
}

func (d *decoder) header(h *Header) {
	d.literal(`{"bahi":"log","version":1`)
	h.Origin = d.Text("origin", "")
	h.App = d.Text("app", "")
	h.First = d.Number("first", 0)
	h.Size = d.Number("size", 0)
	d.literal(`,"before":`)
	d.list(func(int) { h.Before = append(h.Before, d.hash()) })
	d.literal(`,"keys":`)
	d.list(func(int) { h.Keys = append(h.Keys, d.quoted()) })
	h.Checkpoint = d.Text("checkpoint", "")
	d.literal(`}`)
}

func (d *decoder) leaf(l *Line) {
	d.literal(`{"place":`)
	l.Place = d.integer()
	d.literal(`,"hash":`)
	l.Hash = d.hash()
	if kind := d.Text("leaf", ""); kind != "" && !d.bad {
		k, _ := ledger.ParseLeafKind(kind)
		if l.Leaf = ledger.NewLeaf(k); l.Leaf == nil {
			d.bad = true
			return
		}
		l.Leaf.Describe(d)
	}
	if d.has("people") {
		people := d.b[:max(0, len(d.b)-1)]
		d.bad = d.bad || !jsontext.Value(people).IsValid()
		l.People = slices.Clone(people)
		d.b = d.b[len(people):]
	}
	d.literal(`}`)
}

func (d *decoder) literal(s string) {
	rest, ok := bytes.CutPrefix(d.b, []byte(s))
	if d.bad = d.bad || !ok; !d.bad {
		d.b = rest
	}
}

// has says whether the next field has a name, and goes behind it.
func (d *decoder) has(name string) bool {
	n := len(name) + len(`,"":`)
	if d.bad || len(d.b) < n || string(d.b[2:n-2]) != name || string(d.b[n-2:n]) != `":` || d.b[1] != '"' || d.b[0] != d.before() {
		return false
	}
	d.b, d.inList = d.b[n:], false
	return true
}

// before is what stands before a field.
func (d *decoder) before() byte {
	if d.inList {
		return '{'
	}
	return ','
}

// must goes behind the name of a field that is never left out.
func (d *decoder) must(name string) {
	if !d.has(name) {
		d.bad = true
	}
}

// raw is the text between quotes, with its escapes.
func (d *decoder) raw() []byte {
	if d.bad || len(d.b) == 0 || d.b[0] != '"' {
		d.bad = true
		return nil
	}
	for i := 1; i < len(d.b); i++ {
		switch d.b[i] {
		case '\\':
			i++
		case '"':
			s := d.b[1:i]
			d.b = d.b[i+1:]
			return s
		}
	}
	d.bad = true
	return nil
}

func (d *decoder) quoted() string {
	s := d.raw()
	if bytes.IndexByte(s, '\\') < 0 {
		return string(s)
	}
	text, err := jsontext.AppendUnquote(nil, slices.Concat([]byte{'"'}, s, []byte{'"'}))
	d.bad = d.bad || err != nil
	return string(text)
}

func (d *decoder) integer() int64 {
	n := 0
	for n < len(d.b) && (d.b[n] == '-' || (d.b[n] >= '0' && d.b[n] <= '9')) {
		n++
	}
	v, err := strconv.ParseInt(string(d.b[:n]), 10, 64)
	if d.bad = d.bad || err != nil; !d.bad {
		d.b = d.b[n:]
	}
	return v
}

func (d *decoder) hash() (h tlog.Hash) {
	s := d.raw()
	if len(s) != base64.StdEncoding.EncodedLen(len(h)) {
		d.bad = true
		return h
	}
	b := make([]byte, 0, 33)
	b, err := base64.StdEncoding.AppendDecode(b, s)
	if d.bad = d.bad || err != nil || len(b) != len(h); !d.bad {
		copy(h[:], b)
	}
	return h
}

func (d *decoder) list(each func(i int)) {
	d.literal(`[`)
	for i := 0; !d.bad && (len(d.b) == 0 || d.b[0] != ']'); i++ {
		if i > 0 {
			d.literal(`,`)
		}
		each(i)
	}
	d.literal(`]`)
}

// ID implements [ledger.Fields].
func (d *decoder) ID(name string, _ ledger.ID, prefix string) (id ledger.ID) {
	if !d.has(name) {
		return id
	}
	id, err := ledger.ParseRef(prefix, string(d.raw()))
	d.bad = d.bad || err != nil
	return id
}

// Account implements [ledger.Fields].
func (d *decoder) Account(name string, _ ledger.AccountID) (id ledger.AccountID) {
	d.must(name)
	if s := d.raw(); hex.DecodedLen(len(s)) == len(id) {
		_, err := hex.Decode(id[:], s)
		d.bad = d.bad || err != nil
	} else {
		d.bad = true
	}
	return id
}

// Hash implements [ledger.Fields].
func (d *decoder) Hash(name string, _ [32]byte) (h [32]byte) {
	if !d.has(name) {
		return h
	}
	return d.hash()
}

// Time implements [ledger.Fields].
func (d *decoder) Time(name string, _ int64) int64 {
	if !d.has(name) {
		return 0
	}
	t, err := time.Parse(timeLayout, string(d.raw()))
	d.bad = d.bad || err != nil
	return t.UnixMicro()
}

// Money implements [ledger.Fields].
func (d *decoder) Money(name string, _ int64, c ledger.Currency) int64 {
	d.must(name)
	v, ok := parseMoney(d.raw(), c)
	d.bad = d.bad || !ok
	return v
}

// Number implements [ledger.Fields].
func (d *decoder) Number(name string, _ int64) int64 {
	d.must(name)
	return d.integer()
}

// Flag implements [ledger.Fields].
func (d *decoder) Flag(name string, _ bool) bool {
	if !d.has(name) {
		return false
	}
	d.literal("true")
	return true
}

// Text implements [ledger.Fields].
func (d *decoder) Text(name string, _ string) string {
	if !d.has(name) {
		return ""
	}
	return d.quoted()
}

// Word implements [ledger.Fields].
func (d *decoder) Word(name string, _ uint8, words []string) uint8 {
	s := d.Text(name, "")
	if s == "" {
		return 0
	}
	for i, w := range words {
		if w == s {
			return uint8(i)
		}
	}
	d.bad = true
	return 0
}

// List implements [ledger.Fields].
func (d *decoder) List(name string, _ int, each func(i int)) {
	d.must(name)
	d.list(func(i int) {
		d.inList = true
		each(i)
		d.literal(`}`)
	})
}
