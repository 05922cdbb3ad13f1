// Package mark makes and checks the salted hashes that stand in the log for what a
// person can be known by. It needs no key: whoever is shown the fields and their salt can
// check that they are the ones of a transfer.
package mark

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Salt keeps a mark from being guessed.
type Salt [16]byte

// MarshalText writes base64.
func (s Salt) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, s[:]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *Salt) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err == nil && len(b) != len(s) {
		err = errors.New("a salt has 16 bytes")
	}
	copy(s[:], b)
	return err
}

// Person is what is known of the person at one end of a transfer. The payer's end has the
// transfer's note and metadata too.
type Person struct {
	Salt     Salt   `json:"salt"`
	Name     string `json:"name,omitempty"`
	Account  string `json:"account,omitempty"` // the number at the bank
	UPI      string `json:"upi,omitempty"`
	Note     string `json:"note,omitempty"`
	Metadata string `json:"metadata,omitempty"` // a JSON object as text
}

// People are the persons of a transfer. One who was erased, or of whom nothing was known, is nil.
type People struct {
	Payer *Person `json:"payer,omitempty"`
	Payee *Person `json:"payee,omitempty"`
}

// domain keeps a mark from being the hash of anything else.
const domain = "bahi/mark/1\n"

// fields are all but the salt, in the order in which they are hashed.
func (p *Person) fields() [5]*string {
	return [5]*string{&p.Name, &p.Account, &p.UPI, &p.Note, &p.Metadata}
}

// Empty says whether nothing is known.
func (p *Person) Empty() bool {
	for _, f := range p.fields() {
		if *f != "" {
			return false
		}
	}
	return true
}

// Append appends the salt and the fields, each with its length before it in 4 bytes.
func (p *Person) Append(b []byte) []byte {
	b = append(b, p.Salt[:]...)
	for _, f := range p.fields() {
		b = binary.BigEndian.AppendUint32(b, uint32(len(*f)))
		b = append(b, *f...)
	}
	return b
}

// ErrForm means that bytes are not what Append writes.
var ErrForm = errors.New("not the form of a person's data")

// Parse reads what Append wrote.
func Parse(b []byte) (Person, error) {
	var p Person
	if len(b) < len(p.Salt) {
		return p, ErrForm
	}
	b = b[copy(p.Salt[:], b):]
	for _, f := range p.fields() {
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			return p, ErrForm
		}
		n := 4 + int(binary.BigEndian.Uint32(b))
		*f, b = string(b[4:n]), b[n:]
	}
	if len(b) > 0 {
		return p, ErrForm
	}
	return p, nil
}

// Of is the mark of what Append wrote: SHA-256 over a word of its own, the salt and the fields.
func Of(appended []byte) [32]byte {
	b := make([]byte, 0, 256)
	return sha256.Sum256(append(append(b, domain...), appended...))
}

// Mark is the person's mark.
func (p *Person) Mark() [32]byte { return Of(p.Append(nil)) }

// Check says whether a mark is that of the fields and their salt.
func Check(mark [32]byte, p Person) bool { return p.Mark() == mark }
