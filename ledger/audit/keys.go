package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"bahi/ledger"
)

// Key is what the log is signed with, as far as all may know it.
type Key struct {
	N        int    // the first is 1
	Verifier string // a verifier key of C2SP signed-note: its name is the log's
	Created  int64  // Unix microseconds
	Until    int64  // when it signs no more; 0: not yet known
	secret   ledger.Secret
}

// Keys are those of a log, in their order. Each was signed with beside the one before it
// for a while, so that who trusts one can come to trust the next.
type Keys []Key

// secretPrefix begins the names of the secrets that the log is signed with.
const secretPrefix = "log/"

// ReadKeys reads the keys of the log; none where it was never signed.
func ReadKeys(ctx context.Context, r ledger.LogReader) (Keys, error) {
	secrets, err := r.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	var keys Keys
	for _, s := range secrets {
		number, ok := strings.CutPrefix(s.Name, secretPrefix)
		if n, err := strconv.Atoi(number); ok && err == nil {
			keys = append(keys, Key{N: n, Verifier: s.Public, Created: s.Created, Until: s.Until, secret: s})
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Compare(a.N, b.N) })
	return keys, nil
}

// Origin is the log's name, or empty.
func (k Keys) Origin() string {
	if len(k) == 0 {
		return ""
	}
	origin, _, _ := strings.Cut(k[0].Verifier, "+")
	return origin
}

// Verifiers are the verifier keys.
func (k Keys) Verifiers() (verifiers []string) {
	for i := range k {
		verifiers = append(verifiers, k[i].Verifier)
	}
	return verifiers
}

// signs says whether the key signs at a time.
func (k *Key) signs(at int64) bool { return k.Until == 0 || at < k.Until }

// signers are those of the keys that sign at a time.
func (k Keys) signers(w ledger.Wrapper, at int64) ([]note.Signer, error) {
	var signers []note.Signer
	for i := range k {
		if !k[i].signs(at) {
			continue
		}
		secret, err := w.Unwrap(k[i].secret.Wrapped, k[i].secret.Name)
		if err != nil {
			return nil, fmt.Errorf("the log's key %d cannot be unwrapped: %w", k[i].N, err)
		}
		signer, verifier, err := readSigner(string(secret))
		if err == nil && verifier != k[i].Verifier {
			err = errors.New("it is another one")
		}
		if err != nil {
			return nil, fmt.Errorf("the log's key %d: %w", k[i].N, err)
		}
		signers = append(signers, signer)
	}
	if len(signers) == 0 {
		return nil, errors.New("the log has no key to sign with")
	}
	return signers, nil
}

// readSigner reads a signer's key of C2SP signed-note.
func readSigner(key string) (note.Signer, string, error) {
	signer, err := note.NewSigner(key)
	if err != nil {
		return nil, "", err
	}
	parts := strings.SplitN(key, "+", 5) // PRIVATE+KEY+name+number+base64 of the kind and the seed
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil {
		return nil, "", err
	}
	verifier, err := note.NewEd25519VerifierKey(signer.Name(), ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
	return signer, verifier, err
}

// Keyring makes keys for a log.
type Keyring struct {
	Book    *ledger.Pipeline
	Reader  ledger.LogReader
	Wrapper ledger.Wrapper
	Now     func() time.Time // default time.Now
}

// MinOverlap is for how long two keys sign at least: each node learns of a new one within it.
const MinOverlap = time.Minute

// Errors of a [Keyring].
var (
	// ErrOrigin means that the log has another name, which it keeps for good.
	ErrOrigin = errors.New("the log has another name")
	// ErrRotated means that another rotation came first.
	ErrRotated = errors.New("the key was rotated just now")
)

// Ensure makes the first key of a log that has none. An empty origin is any: then the
// log gets a name of its own.
func (k *Keyring) Ensure(ctx context.Context, origin string) (Keys, error) {
	keys, err := ReadKeys(ctx, k.Reader)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		name := origin
		if name == "" {
			name = "bahi." + strings.ToLower(rand.Text()[:10])
		}
		key, _, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			return nil, err
		}
		// Another node may be the first: then its key counts.
		if _, err := k.keep(ctx, nil, key, 0); err != nil && !errors.Is(err, ErrRotated) {
			return nil, err
		}
		if keys, err = ReadKeys(ctx, k.Reader); err != nil {
			return nil, err
		}
	}
	if origin != "" && origin != keys.Origin() {
		return nil, fmt.Errorf("%w: it is %s, not %s", ErrOrigin, keys.Origin(), origin)
	}
	return keys, nil
}

// Rotate makes a new key, beside which the one before it goes on signing for a while.
func (k *Keyring) Rotate(ctx context.Context, overlap time.Duration) (Keys, error) {
	keys, err := ReadKeys(ctx, k.Reader)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("the log has no key yet")
	}
	key, _, err := note.GenerateKey(rand.Reader, keys.Origin())
	if err != nil {
		return nil, err
	}
	return k.keep(ctx, keys, key, overlap)
}

// Import takes a signer's key of C2SP signed-note for the log's next, or its first one.
func (k *Keyring) Import(ctx context.Context, key string, overlap time.Duration) (Keys, error) {
	keys, err := ReadKeys(ctx, k.Reader)
	if err != nil {
		return nil, err
	}
	return k.keep(ctx, keys, strings.TrimSpace(key), overlap)
}

// keep stores a key as the one after those that there are, and ends the last of them.
func (k *Keyring) keep(ctx context.Context, keys Keys, key string, overlap time.Duration) (Keys, error) {
	signer, verifier, err := readSigner(key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not a signer's key: %w", err)
	case len(keys) > 0 && signer.Name() != keys.Origin():
		return nil, fmt.Errorf("%w: it is %s, and the key is of %s", ErrOrigin, keys.Origin(), signer.Name())
	case slices.Contains(keys.Verifiers(), verifier):
		return nil, errors.New("the log has this key already")
	case len(keys) > 0 && overlap < MinOverlap:
		return nil, fmt.Errorf("both keys must sign for %s at least", MinOverlap)
	}
	made := ledger.Secret{Name: secretPrefix + strconv.Itoa(len(keys)+1), Public: verifier}
	if made.Wrapped, err = k.Wrapper.Wrap([]byte(key), made.Name); err != nil {
		return nil, err
	}
	commands := ledger.Many{ledger.KeepSecret{Secret: made}}
	for i := range keys {
		before := keys[i].secret
		before.Until = k.now().Add(overlap).UnixMicro() // unless it has an end already
		commands = append(commands, ledger.KeepSecret{Secret: before})
	}
	outcomes, err := ledger.Do[ledger.Outcomes](ctx, k.Book, commands)
	if err != nil {
		return nil, err
	}
	if kept, _ := outcomes[0].Result.(ledger.Secret); kept.Public != verifier {
		return nil, ErrRotated
	}
	return ReadKeys(ctx, k.Reader)
}

func (k *Keyring) now() time.Time {
	if k.Now == nil {
		return time.Now()
	}
	return k.Now()
}
