// Package privacytest opens stores for tests as a server does: with personal data sealed.
package privacytest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"bahi/ledger"
	"bahi/ledger/privacy"
)

// KEK is the key-encryption key of all books of a test's process.
var KEK = sync.OnceValue(func() *privacy.KEK {
	k, err := privacy.NewKEK()
	if err != nil {
		panic(err)
	}
	return k
})

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
