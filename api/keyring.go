package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"bahi/ledger"
)

// secretPrefix lets people and secret scanners recognise a key.
const secretPrefix = "bahi_"

// NewSecret makes the secret of an API key, with 256 random bits, and its hash,
// which is all that is stored.
func NewSecret(role ledger.Role) (secret string, hash [32]byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	secret = secretPrefix + role.String() + "_" + base64.RawURLEncoding.EncodeToString(b[:])
	return secret, sha256.Sum256([]byte(secret))
}

// shortHash is as much of a secret's hash as is written down: it tells two tries from
// each other and gives nobody a key.
func shortHash(secret string) string {
	hash := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(hash[:4])
}

// keyring finds keys by their secret. It remembers what it found for a moment:
// a key that is revoked on this node ends at once, on another within keyMemory.
type keyring struct {
	reader ledger.Reader
	now    func() time.Time

	mu   sync.RWMutex
	seen map[[32]byte]rememberedKey
	// generation counts the changes of keys on this node.
	generation int
}

type rememberedKey struct {
	key   ledger.Key
	until time.Time
}

const (
	keyMemory = time.Second
	maxSeen   = 10_000
)

func newKeyring(r ledger.Reader, now func() time.Time) *keyring {
	return &keyring{reader: r, now: now, seen: map[[32]byte]rememberedKey{}}
}

// find is the valid key with the secret, or ledger.ErrNotFound, with the key where
// it was revoked.
func (k *keyring) find(ctx context.Context, secret string) (ledger.Key, error) {
	hash := sha256.Sum256([]byte(secret))
	k.mu.RLock()
	r, ok := k.seen[hash]
	generation := k.generation
	k.mu.RUnlock()
	if ok && k.now().Before(r.until) {
		return r.key, nil
	}
	key, err := k.reader.KeyByHash(ctx, hash)
	if err == nil && key.Revoked != 0 {
		err = ledger.ErrNotFound
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if errors.Is(err, ledger.ErrNotFound) {
		delete(k.seen, hash)
	}
	if err != nil {
		return key, err
	}
	if generation != k.generation { // perhaps read before it was revoked: good for this request only
		return key, nil
	}
	if len(k.seen) >= maxSeen {
		clear(k.seen)
	}
	k.seen[hash] = rememberedKey{key, k.now().Add(keyMemory)}
	return key, nil
}

// observe forgets keys that a batch changed.
func (k *keyring) observe(set *ledger.Set) {
	set.Keys.Changes(func(_ ledger.ID, key *ledger.Key, _ bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.seen, key.Hash)
		k.generation++
	})
}
