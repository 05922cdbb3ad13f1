package privacy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"bahi/ledger"
)

// Store keeps what persons can be known by encrypted in an engine that knows nothing of
// it: names, account numbers, UPI ids, phones, handles, notes, metadata and answers. It
// seals what a batch adds, and opens what is read; what is erased reads as empty.
// Aliases are looked up by a keyed hash.
type Store struct {
	ledger.Store // the engine
	kek          ledger.Wrapper
	ring         *keyring
	book         *key   // of what belongs to nobody the book knows
	aliases      []byte // the key of the hash of aliases
}

// ErrOtherKEK means that the secrets of the book were wrapped by another key-encryption key.
var ErrOtherKEK = errors.New("the secrets of this book are kept under another key-encryption key")

// The book's secrets that the package keeps.
const (
	checkSecret = "kek/check" // to know the key-encryption key again by
	bookSecret  = "privacy/book"
	aliasSecret = "privacy/aliases"
)

// Open makes a store of an engine. A book that has no secrets yet takes the key-encryption
// key for its own; any other key is refused with [ErrOtherKEK].
func Open(ctx context.Context, engine ledger.Store, kek ledger.Wrapper) (*Store, error) {
	kept, err := engine.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	secrets := map[string]ledger.Secret{}
	for _, v := range kept {
		secrets[v.Name] = v
	}
	if _, err = secret(ctx, engine, kek, secrets, checkSecret); err != nil {
		return nil, err
	}
	s := &Store{Store: engine, kek: kek, ring: newKeyring()}
	if s.aliases, err = secret(ctx, engine, kek, secrets, aliasSecret); err != nil {
		return nil, err
	}
	raw, err := secret(ctx, engine, kek, secrets, bookSecret)
	if err != nil {
		return nil, err
	}
	s.book, err = keyOf(raw)
	return s, err
}

// secret is a secret of the book, made where there is none; of several nodes that make
// it at once, one's counts.
func secret(ctx context.Context, engine ledger.Store, kek ledger.Wrapper, secrets map[string]ledger.Secret, name string) ([]byte, error) {
	kept, ok := secrets[name]
	if !ok {
		raw := make([]byte, keySize)
		_, _ = rand.Read(raw) // never fails
		wrapped, err := kek.Wrap(raw, name)
		if err != nil {
			return nil, err
		}
		p := ledger.NewPipeline(engine, ledger.PipelineOptions{})
		defer p.Close()
		kept, err = ledger.Do[ledger.Secret](ctx, p, ledger.KeepSecret{Secret: ledger.Secret{Name: name, Wrapped: wrapped}})
		if err != nil {
			return nil, fmt.Errorf("the secret %s: %w", name, err)
		}
	}
	raw, err := kek.Unwrap(kept.Wrapped, name)
	if err != nil {
		return nil, ErrOtherKEK
	}
	return raw, nil
}

// Commit implements [ledger.Store].
func (s *Store) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	var b *batch
	err := s.Store.Commit(ctx, func() *ledger.Set {
		set := declare()
		set.Aliases.Hide(s.hideAlias)
		return set
	}, func(set *ledger.Set) error {
		b = &batch{store: s, set: set}
		if err := b.open(ctx); err != nil {
			return err
		}
		if err := apply(set); err != nil {
			return err
		}
		return b.seal(ctx)
	})
	if err == nil {
		b.committed()
	}
	return err
}

// hideAlias is what is kept of an alias.
func (s *Store) hideAlias(a ledger.Alias) ledger.Alias {
	h := hmac.New(sha256.New, s.aliases)
	b := make([]byte, 0, 128)
	b = binary.BigEndian.AppendUint32(b, uint32(len(a.App)))
	b = append(b, a.App...)
	b = append(b, byte(a.Kind))
	h.Write(append(b, a.Value...))
	a.Value = base64.RawURLEncoding.EncodeToString(h.Sum(b[:0]))
	return a
}
