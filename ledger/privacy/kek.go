// Package privacy keeps what a person can be known by encrypted under a key of the
// person's own, over any engine: see [Store]. To erase a person is to delete that key.
package privacy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// KEK is the key-encryption key, which is not in the book: a keyset of Tink, with one key
// that wraps, and those before it, which can still unwrap. It implements [ledger.Wrapper].
type KEK struct {
	keys *keyset.Handle
	aead tink.AEAD
}

// ErrKEK means that a key-encryption key cannot be read.
var ErrKEK = errors.New("this is not a keyset of AES-GCM keys in Tink's JSON form")

// NewKEK makes a keyset of one key.
func NewKEK() (*KEK, error) {
	keys, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	return newKEK(keys)
}

// ReadKEK reads what JSON wrote, or Tink's own tools.
func ReadKEK(text []byte) (*KEK, error) {
	keys, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKEK, err)
	}
	return newKEK(keys)
}

func newKEK(keys *keyset.Handle) (*KEK, error) {
	a, err := aead.New(keys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKEK, err)
	}
	return &KEK{keys, a}, nil
}

// JSON is the keyset in the clear.
func (k *KEK) JSON() ([]byte, error) {
	var b bytes.Buffer
	err := insecurecleartextkeyset.Write(k.keys, keyset.NewJSONWriter(&b))
	return b.Bytes(), err
}

// Wrap implements [ledger.Wrapper].
func (k *KEK) Wrap(secret []byte, about string) ([]byte, error) {
	return k.aead.Encrypt(secret, []byte(about))
}

// Unwrap implements [ledger.Wrapper].
func (k *KEK) Unwrap(wrapped []byte, about string) ([]byte, error) {
	return k.aead.Decrypt(wrapped, []byte(about))
}

// Latest says whether the secret is wrapped by the key that wraps now. (What Tink
// writes begins with a byte of its own and the key's number.)
func (k *KEK) Latest(wrapped []byte) bool {
	return len(wrapped) > 5 && binary.BigEndian.Uint32(wrapped[1:]) == k.keys.KeysetInfo().GetPrimaryKeyId()
}

// Prepared says whether the keyset has a newer key than the one that wraps.
func (k *KEK) Prepared() bool { return k.newest() != k.keys.KeysetInfo().GetPrimaryKeyId() }

func (k *KEK) newest() uint32 {
	keys := k.keys.KeysetInfo().GetKeyInfo()
	return keys[len(keys)-1].GetKeyId()
}

// Prepare adds a key that only unwraps, so that all nodes can have it before any wraps with it.
func (k *KEK) Prepare() (*KEK, error) {
	return k.change(func(m *keyset.Manager) error {
		_, err := m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
}

// Promote makes the newest key the one that wraps.
func (k *KEK) Promote() (*KEK, error) {
	return k.change(func(m *keyset.Manager) error { return m.SetPrimary(k.newest()) })
}

// Retire drops all keys but the one that wraps. What they wrapped is lost, unless it
// was wrapped again: see [Rewrap].
func (k *KEK) Retire() (*KEK, error) {
	info := k.keys.KeysetInfo()
	return k.change(func(m *keyset.Manager) (err error) {
		for _, i := range info.GetKeyInfo() {
			if i.GetKeyId() != info.GetPrimaryKeyId() {
				err = errors.Join(err, m.Delete(i.GetKeyId()))
			}
		}
		return err
	})
}

func (k *KEK) change(f func(*keyset.Manager) error) (*KEK, error) {
	m := keyset.NewManagerFromHandle(k.keys)
	if err := f(m); err != nil {
		return nil, err
	}
	keys, err := m.Handle()
	if err != nil {
		return nil, err
	}
	return newKEK(keys)
}
