package mark_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"bahi/ledger/privacy/mark"
)

func person() *rapid.Generator[mark.Person] {
	return rapid.Custom(func(t *rapid.T) mark.Person {
		text := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 6, -1))
		p := mark.Person{Name: text.Draw(t, "name"), Account: text.Draw(t, "account"), UPI: text.Draw(t, "upi"),
			Note: text.Draw(t, "note"), Metadata: text.Draw(t, "metadata")}
		copy(p.Salt[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "salt"))
		return p
	})
}

func TestAMarkIsOfItsOwnDataOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := person().Draw(t, "a"), person().Draw(t, "b")
		if rapid.Bool().Draw(t, "as one text") { // the same letters, cut elsewhere
			b = a
			b.Name, b.Account = "", a.Name+a.Account
		}
		if !mark.Check(a.Mark(), a) {
			t.Fatal("a mark does not verify its own data")
		}
		if mark.Check(a.Mark(), b) != (a == b) {
			t.Fatalf("the mark of %+v and the data %+v", a, b)
		}
	})
}

func TestFormsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := person().Draw(t, "p")
		written := p.Append(nil)
		read, err := mark.Parse(written)
		if err != nil || read != p {
			t.Fatalf("%+v was read as %+v, %v", p, read, err)
		}
		cut := written[:rapid.IntRange(0, len(written)-1).Draw(t, "cut")]
		if _, err := mark.Parse(cut); err == nil {
			t.Fatal("what was cut off was read")
		}
		if _, err := mark.Parse(append(bytes.Clone(written), 0)); err == nil {
			t.Fatal("what has more behind it was read")
		}
		text, err := json.Marshal(p)
		var again mark.Person
		if err != nil || json.Unmarshal(text, &again) != nil || again != p {
			t.Fatalf("%+v as JSON is %s", p, text)
		}
	})
}
