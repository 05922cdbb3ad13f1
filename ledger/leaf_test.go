package ledger_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// leafOf draws a leaf of a kind by filling every field that it describes.
func leafOf(t *rapid.T, k ledger.LeafKind) ledger.Leaf {
	l := ledger.NewLeaf(k)
	l.Describe(&drawn{t})
	return l
}

// drawn is a reader of fields that makes them up.
type drawn struct{ t *rapid.T }

func (d *drawn) bytes(n int) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(d.t, "bytes")
}
func (d *drawn) ID(string, ledger.ID, string) ledger.ID { return ledger.ID(d.bytes(16)) }
func (d *drawn) Account(string, ledger.AccountID) ledger.AccountID {
	return ledger.AccountID(d.bytes(16))
}
func (d *drawn) Hash(string, [32]byte) [32]byte { return [32]byte(d.bytes(32)) }
func (d *drawn) Time(string, int64) int64       { return rapid.Int64().Draw(d.t, "time") }
func (d *drawn) Money(_ string, _ int64, _ ledger.Currency) int64 {
	return rapid.Int64().Draw(d.t, "money")
}
func (d *drawn) Number(string, int64) int64 { return int64(rapid.Int32().Draw(d.t, "n")) }
func (d *drawn) Flag(string, bool) bool     { return rapid.Bool().Draw(d.t, "flag") }
func (d *drawn) Text(string, string) string { return rapid.String().Draw(d.t, "text") }
func (d *drawn) Word(_ string, _ uint8, words []string) uint8 {
	return uint8(rapid.IntRange(1, len(words)-1).Draw(d.t, "word"))
}
func (d *drawn) List(_ string, _ int, each func(i int)) {
	for i := range rapid.IntRange(0, 3).Draw(d.t, "n") {
		each(i)
	}
}

// What is written is read again, to the same leaf and the same bytes.
func TestLeafIsReadAgain(t *testing.T) {
	for n := range ledger.LeafKindNames() {
		k := ledger.LeafKind(n + 1)
		t.Run(k.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				l := leafOf(t, k)
				b := ledger.AppendLeaf(nil, l)
				again, err := ledger.ParseLeaf(b)
				if err != nil {
					t.Fatalf("%x: %v", b, err)
				}
				if !bytes.Equal(ledger.AppendLeaf(nil, again), b) {
					t.Fatalf("%x is read as %+v, which is written otherwise", b, again)
				}
				// Of a transfer, the first commit's words make the rest.
				if k != ledger.LeafTransfer && k != ledger.LeafAccount && !reflect.DeepEqual(l, again) {
					t.Fatalf("%+v is read as %+v", l, again)
				}
			})
		})
	}
}

// No two leaves have the same bytes, and no byte of one can be another or missing.
func TestLeafIsCanonical(t *testing.T) {
	for n := range ledger.LeafKindNames() {
		k := ledger.LeafKind(n + 1)
		t.Run(k.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				b := ledger.AppendLeaf(nil, leafOf(t, k))
				for _, damaged := range [][]byte{b[:len(b)-1], append(bytes.Clone(b), 0)} {
					if _, err := ledger.ParseLeaf(damaged); !errors.Is(err, ledger.ErrLeaf) {
						t.Fatalf("%x: %v", damaged, err)
					}
				}
				at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
				other := bytes.Clone(b)
				other[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
				if l, err := ledger.ParseLeaf(other); err == nil && !bytes.Equal(ledger.AppendLeaf(nil, l), other) {
					t.Fatalf("%x is read as %+v, whose form it is not", other, l)
				}
			})
		})
	}
}

// Whatever bytes come: what is read as a leaf is written in the same bytes again.
func FuzzParseLeaf(f *testing.F) {
	for n := range ledger.LeafKindNames() {
		f.Add(ledger.AppendLeaf(nil, ledger.NewLeaf(ledger.LeafKind(n+1))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := ledger.ParseLeaf(b); err == nil && !bytes.Equal(ledger.AppendLeaf(nil, l), b) {
			t.Errorf("%x is read as %+v, whose form it is not", b, l)
		}
	})
}
