package statement

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const (
	sniffed  = 4096    // bytes from which the format is recognised
	mostLine = 1 << 20 // bytes of one record, whatever the format
)

// charsets are those that banks declare, by their names in lower case.
var charsets = map[string]encoding.Encoding{
	"utf-8": encoding.Nop, "us-ascii": encoding.Nop, "ascii": encoding.Nop, "": encoding.Nop,
	"utf-16": encoding.Nop, "utf-16le": encoding.Nop, "utf-16be": encoding.Nop, // known by the byte order mark
	"iso-8859-1": charmap.ISO8859_1, "latin1": charmap.ISO8859_1,
	"iso-8859-15": charmap.ISO8859_15, "windows-1252": charmap.Windows1252,
}

// input is a file as UTF-8, without its byte order mark.
type input struct {
	*bufio.Reader
	head string // its first bytes
}

// open finds the character set by the byte order mark, the XML declaration or,
// without both, the name given.
func open(r io.Reader, charset string) (*input, error) {
	raw := bufio.NewReaderSize(r, 64<<10)
	start, err := raw.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var decoded io.Reader = raw
	switch {
	case bytes.HasPrefix(start, []byte{0xEF, 0xBB, 0xBF}):
		_, _ = raw.Discard(3)
	case bytes.HasPrefix(start, []byte{0xFF, 0xFE}), bytes.HasPrefix(start, []byte{0xFE, 0xFF}),
		bytes.HasPrefix(start, []byte("<\x00?\x00")), bytes.HasPrefix(start, []byte("\x00<\x00?")):
		order := unicode.BigEndian
		if start[0] == '<' || start[0] == 0xFF {
			order = unicode.LittleEndian
		}
		decoded = unicode.UTF16(order, unicode.UseBOM).NewDecoder().Reader(raw)
	default:
		peeked, _ := raw.Peek(sniffed) // an error comes again at the first read
		if declared, ok := declaredCharset(string(peeked)); ok {
			charset = declared
		}
		enc, ok := charsets[strings.ToLower(charset)]
		if !ok {
			return nil, mistakef(1, "encoding", "%s is not one of UTF-8, UTF-16, ISO-8859-1, ISO-8859-15, windows-1252", clip(charset))
		}
		if enc != encoding.Nop {
			decoded = enc.NewDecoder().Reader(raw)
		}
	}
	in := &input{Reader: bufio.NewReaderSize(decoded, 64<<10)}
	peeked, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	in.head = string(peeked)
	return in, nil
}

// declaredCharset is that of an XML declaration.
func declaredCharset(head string) (string, bool) {
	head = strings.TrimLeft(head, " \t\r\n")
	if !strings.HasPrefix(head, "<?xml") {
		return "", false
	}
	declaration, _, _ := strings.Cut(head, "?>")
	_, after, found := strings.Cut(declaration, "encoding")
	after = strings.TrimLeft(after, " \t\r\n=")
	if !found || after == "" {
		return "", false
	}
	name, _, _ := strings.Cut(after[1:], after[:1])
	return name, true
}

// guard refuses a record that is larger than any can be, counts lines, and
// checks the characters of what it passes on, so that no parser has to.
type guard struct {
	in     *input
	line   int // of the byte read last
	record int // bytes since the record began
	last   byte
}

func newGuard(in *input) *guard { return &guard{in: in, line: 1} }

// next begins a record.
func (g *guard) next() { g.record = 0 }

// Read implements [io.Reader].
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// A piece ends with its line, so that the lines are counted as they are read.
	n := 0
	for n < len(p) {
		c, err := g.ReadByte()
		if err != nil {
			if n > 0 && errors.Is(err, io.EOF) {
				return n, nil
			}
			return n, err
		}
		p[n] = c
		n++
		if c == '\n' {
			break
		}
	}
	return n, nil
}

// ReadByte implements [io.ByteReader].
func (g *guard) ReadByte() (byte, error) {
	c, err := g.in.ReadByte()
	if err != nil {
		return 0, err
	}
	if g.last == '\n' {
		g.line++
	}
	g.last = c
	if g.record++; g.record > mostLine {
		return 0, mistakef(g.line, "record", "is longer than %d bytes", mostLine)
	}
	if c == 0 {
		return 0, mistakef(g.line, "character", "a NUL byte")
	}
	return c, nil
}

// text is one line of a file.
type text struct {
	line string
	at   int
	cut  bool // the file ends here, without a line break
}

// lines reads a text file line by line.
type lines struct {
	in     *input
	at     int
	peeked *text
}

// next is the next line without its break; io.EOF when there is none.
func (l *lines) next() (text, error) {
	if l.peeked != nil {
		t := *l.peeked
		l.peeked = nil
		return t, nil
	}
	var whole []byte
	for {
		piece, err := l.in.ReadSlice('\n')
		whole = append(whole, piece...)
		if len(whole) > mostLine {
			return text{}, mistakef(l.at+1, "record", "is longer than %d bytes", mostLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(whole) == 0) {
			return text{}, err
		}
		l.at++
		t := text{line: strings.TrimSuffix(strings.TrimSuffix(string(whole), "\n"), "\r"), at: l.at, cut: err != nil}
		return t, t.check()
	}
}

// peek is the next line, which stays the next.
func (l *lines) peek() (text, error) {
	t, err := l.next()
	if err == nil {
		l.peeked = &t
	}
	return t, err
}

func (t text) check() error {
	if i := strings.IndexByte(t.line, 0); i >= 0 {
		return mistakef(t.at, "character", "a NUL byte")
	}
	if !utf8.ValidString(t.line) {
		return mistakef(t.at, "character", "not valid UTF-8")
	}
	return nil
}

// wrap makes an error of reading say where it came, and leaves mistakes alone.
func wrap(line int, err error) error {
	if m := (*Mistake)(nil); errors.As(err, &m) {
		return m
	}
	return fmt.Errorf("line %d: %w", line, err)
}
