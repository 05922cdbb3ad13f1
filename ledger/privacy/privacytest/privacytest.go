// Package privacytest opens stores for tests as a server does: with personal data sealed.
package privacytest

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"bahi/ledger"
	"bahi/ledger/privacy"
)

// inherited is how a process that a test starts gets the key: it opens the test's books too.
const inherited = "BAHI_PRIVACYTEST_KEK"

// KEK is the key-encryption key of all books of a test's process, and of those that it starts.
var KEK = sync.OnceValue(func() *privacy.KEK {
	if text := os.Getenv(inherited); text != "" {
		return must(privacy.ReadKEK([]byte(text)))
	}
	k := must(privacy.NewKEK())
	must(0, os.Setenv(inherited, string(must(k.JSON()))))
	return k
})

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// Over is the store over an engine.
func Over(t testing.TB, engine ledger.Store) *privacy.Store {
	t.Helper()
	s, err := Open(context.Background(), engine)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Open is Over where there is no test at hand.
func Open(ctx context.Context, engine ledger.Store) (*privacy.Store, error) {
	return privacy.Open(ctx, engine, KEK())
}

// Sealed is the store over an engine that was just opened.
func Sealed(engine ledger.Store, err error) (ledger.Store, error) {
	if err != nil {
		return nil, err
	}
	s, err := Open(context.Background(), engine)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return s, nil
}
