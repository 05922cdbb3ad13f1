package file_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"bahi/ledger"
	"bahi/ledger/audit/file"
)

// drawn is a reader of a leaf's fields that makes them up.
type drawn struct{ t *rapid.T }

func (d drawn) bytes(n int) []byte {
	if rapid.IntRange(0, 3).Draw(d.t, "zero") == 0 {
		return make([]byte, n)
	}
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(d.t, "bytes")
}
func (d drawn) ID(string, ledger.ID, string) ledger.ID { return ledger.ID(d.bytes(16)) }
func (d drawn) Account(string, ledger.AccountID) ledger.AccountID {
	return ledger.AccountID(d.bytes(16))
}
func (d drawn) Hash(string, [32]byte) [32]byte { return [32]byte(d.bytes(32)) }
func (d drawn) Time(string, int64) int64       { return rapid.Int64Range(0, 1<<56).Draw(d.t, "time") }
func (d drawn) Money(string, int64, ledger.Currency) int64 {
	return rapid.Int64().Draw(d.t, "money")
}
func (d drawn) Number(string, int64) int64 { return int64(rapid.Int32().Draw(d.t, "n")) }
func (d drawn) Flag(string, bool) bool     { return rapid.Bool().Draw(d.t, "flag") }
func (d drawn) Text(name string, _ string) string {
	if name == "currency" {
		return rapid.SampledFrom([]string{"INR", "JPY", "KWD", "XYZ"}).Draw(d.t, "currency")
	}
	return rapid.String().Draw(d.t, "text")
}
func (d drawn) Word(_ string, _ uint8, words []string) uint8 {
	return uint8(rapid.IntRange(1, len(words)-1).Draw(d.t, "word"))
}
func (d drawn) List(_ string, _ int, each func(i int)) {
	for i := range rapid.IntRange(0, 3).Draw(d.t, "n") {
		each(i)
	}
}

// content is what an audit file holds.
type content struct {
	header file.Header
	lines  []file.Line
}

func drawContent(t *rapid.T) (c content) {
	hash := func() tlog.Hash { return tlog.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash")) }
	c.header = file.Header{Origin: rapid.String().Draw(t, "origin"), App: rapid.StringMatching(`[a-z]*`).Draw(t, "app"), First: rapid.Int64Range(0, 9).Draw(t, "first"),
		Size: rapid.Int64().Draw(t, "size"), Checkpoint: rapid.String().Draw(t, "note")}
	for range rapid.IntRange(0, 2).Draw(t, "lists") {
		c.header.Before = append(c.header.Before, hash())
		c.header.Keys = append(c.header.Keys, rapid.String().Draw(t, "key"))
	}
	for n := range rapid.IntRange(0, 12).Draw(t, "lines") {
		switch l := (file.Line{Place: int64(n), Hash: hash()}); rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			c.lines = append(c.lines, file.Line{Checkpoint: rapid.StringN(1, 9, -1).Draw(t, "note")})
		case 1:
			c.lines = append(c.lines, l)
		case 2:
			l.People = []byte(`{"payer":{"name":"Asha \"A\" Rao"}}`)
			fallthrough
		default:
			l.Leaf = ledger.NewLeaf(ledger.LeafKind(rapid.IntRange(1, len(ledger.LeafKindNames())).Draw(t, "kind")))
			l.Leaf.Describe(drawn{t})
			c.lines = append(c.lines, l)
		}
	}
	return c
}

func (c *content) write(t interface{ Fatal(...any) }) []byte {
	var b bytes.Buffer
	w, err := file.NewWriter(&b, c.header)
	for _, l := range c.lines {
		switch {
		case err != nil:
			t.Fatal(err)
		case l.Checkpoint != "":
			err = w.Checkpoint(l.Checkpoint)
		case l.Leaf == nil:
			err = w.Hidden(l.Place, l.Hash)
		default:
			err = w.Leaf(l.Place, l.Hash, l.Leaf, l.People)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte) (c content, err error) {
	r, err := file.NewReader(bytes.NewReader(b))
	if err != nil {
		return c, err
	}
	c.header = r.Header
	for {
		l, err := r.Next()
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		c.lines = append(c.lines, l)
	}
}

func TestFileIsReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContent(t)
		b := c.write(t)
		again, err := read(b)
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		if len(again.lines) != len(c.lines) {
			t.Fatalf("%d lines of %d", len(again.lines), len(c.lines))
		}
		for i, l := range c.lines {
			if l.Leaf != nil && file.HashOf(l.Leaf) != file.HashOf(again.lines[i].Leaf) {
				t.Fatalf("%+v is read as %+v", l.Leaf, again.lines[i].Leaf)
			}
		}
		if twice := again.write(t); !bytes.Equal(twice, b) {
			t.Fatalf("it is written again as\n%s\ninstead of\n%s", twice, b)
		}
	})
}

// Whatever byte is changed, taken or added: it is no audit file any more.
func TestFileThatWasChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContent(t)
		b := c.write(t)
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		changed := bytes.Clone(b)
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			changed[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		case 1:
			changed = append(changed[:at], changed[at+1:]...)
		case 2:
			changed = append(changed[:at], append([]byte{rapid.Byte().Draw(t, "byte")}, changed[at:]...)...)
		}
		if bytes.Equal(changed, b) {
			return
		}
		_, err := read(changed)
		if !errors.Is(err, file.ErrForm) && !errors.Is(err, file.ErrSum) && !errors.Is(err, file.ErrCut) {
			t.Fatalf("byte %d: %v in\n%s", at, err, changed)
		}
	})
}

func TestFileInWords(t *testing.T) {
	id, _ := ledger.ParseTransferRef("BAH01A20AAC586A79F2AB29E957124F7EA7")
	p := &ledger.Posting{Entry: id, Event: ledger.EventDebitReversal, Undoes: ledger.EventDebit, Amount: 5, Currency: "KWD", DebitSeq: 7, CreditSeq: 8,
		DebitBalance: -12345, CreditBalance: math.MinInt64, At: 1764064800123456}
	c := content{header: file.Header{Origin: "bahi.test", Size: 1}, lines: []file.Line{{Hash: file.HashOf(p), Leaf: p}}}
	want := `{"bahi":"log","version":1,"origin":"bahi.test","first":0,"size":1,"before":[],"keys":[]}
{"place":0,"hash":"HASH","leaf":"posting","event":"debit_reversal","entry":"BAH01A20AAC586A79F2AB29E957124F7EA7","undoes":"debit","debit":"00000000000000000000000000000000","credit":"00000000000000000000000000000000","currency":"KWD","amount":"0.005","debit_seq":7,"credit_seq":8,"debit_balance":"-12.345","credit_balance":"-9223372036854775.808","at":"2025-11-25T10:00:00.123456Z"}
`
	got := string(c.write(t))
	got = got[:strings.Index(got, `{"end"`)]
	if i := strings.Index(got, `"hash":"`) + len(`"hash":"`); i > 0 {
		got = got[:i] + "HASH" + got[i+44:]
	}
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func BenchmarkRead(b *testing.B) {
	p := &ledger.Posting{Event: ledger.EventWallet, Amount: 25000, Currency: "INR", DebitSeq: 7, CreditSeq: 8, DebitBalance: 12345, At: 1764064800123456}
	c := content{lines: make([]file.Line, 10_000)}
	for i := range c.lines {
		c.lines[i] = file.Line{Place: int64(i), Hash: file.HashOf(p), Leaf: p}
	}
	written := c.write(b)
	for b.Loop() {
		if _, err := read(written); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "lines/s")
}

// Whatever bytes come: what is read as an audit file is written in the same bytes again.
func FuzzRead(f *testing.F) {
	p := &ledger.Posting{Event: ledger.EventWallet, Amount: 25000, Currency: "INR", DebitSeq: 7, CreditSeq: 8, DebitBalance: 12345, At: 1764064800123456}
	c := content{header: file.Header{Origin: "bahi.test", Size: 2}, lines: []file.Line{{Hash: file.HashOf(p), Leaf: p}, {Checkpoint: "bahi.test\n1\n"}, {Place: 1, Hash: file.HashOf(p)}}}
	f.Add(c.write(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := read(b); err == nil && !bytes.Equal(c.write(t), b) {
			t.Errorf("%q is read as %+v, whose form it is not", b, c)
		}
	})
}
