package privacy

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"bahi/ledger"
)

const keySize = 32 // AES-256

// key is the key of one person's data, or the book's own for what is of nobody it knows.
type key struct {
	raw  []byte
	aead tink.AEAD
}

func newKey() (*key, error) {
	raw := make([]byte, keySize)
	_, _ = rand.Read(raw) // never fails
	return keyOf(raw)
}

func keyOf(raw []byte) (*key, error) {
	a, err := subtle.NewAESGCM(raw)
	if err != nil {
		return nil, err
	}
	return &key{raw, a}, nil
}

// keyOfAll is a key that can be had only from all of several.
func keyOfAll(keys []*key) (*key, error) {
	if len(keys) == 1 {
		return keys[0], nil
	}
	h := sha256.New()
	h.Write([]byte("bahi/key of all/1\n"))
	for _, k := range keys {
		h.Write(k.raw) // all are of one length
	}
	return keyOf(h.Sum(nil))
}

// aboutKey names a party's key to the key-encryption key.
func aboutKey(party ledger.ID) string { return "person/" + party.PartyRef() }

// NewPersonKey makes the key of a party's data.
func NewPersonKey(w ledger.Wrapper, party ledger.ID) (ledger.PersonKey, error) {
	k, err := newKey()
	if err != nil {
		return ledger.PersonKey{}, err
	}
	return wrapPerson(w, party, k)
}

func wrapPerson(w ledger.Wrapper, party ledger.ID, k *key) (ledger.PersonKey, error) {
	wrapped, err := w.Wrap(k.raw, aboutKey(party))
	return ledger.PersonKey{Party: party, Wrapped: wrapped}, err
}

func unwrapPerson(w ledger.Wrapper, p ledger.PersonKey) (*key, error) {
	raw, err := w.Unwrap(p.Wrapped, aboutKey(p.Party))
	if err != nil {
		return nil, fmt.Errorf("the key of %s: %w", p.Party.PartyRef(), err)
	}
	return keyOf(raw)
}
