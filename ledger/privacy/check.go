package privacy

import (
	"context"
	"errors"
	"fmt"

	"bahi/ledger"
)

// ErrOtherKEK means that the secrets of the book were wrapped by another key-encryption key.
var ErrOtherKEK = errors.New("the secrets of this book are kept under another key-encryption key")

// checkSecret is wrapped at the book's first start, to know the key again by.
const checkSecret = "kek/check"

// Check refuses a key-encryption key that is not the book's. A book that has none yet
// takes this one for its own.
func Check(ctx context.Context, book *ledger.Pipeline, secrets []ledger.Secret, w ledger.Wrapper) error {
	for _, s := range secrets {
		if s.Name == checkSecret {
			return checked(s, w)
		}
	}
	wrapped, err := w.Wrap([]byte(checkSecret), checkSecret)
	if err != nil {
		return err
	}
	// Another node may be the first: then its key counts.
	kept, err := ledger.Do[ledger.Secret](ctx, book, ledger.KeepSecret{Secret: ledger.Secret{Name: checkSecret, Wrapped: wrapped}})
	if err != nil {
		return fmt.Errorf("the key-encryption key's check: %w", err)
	}
	return checked(kept, w)
}

func checked(s ledger.Secret, w ledger.Wrapper) error {
	if _, err := w.Unwrap(s.Wrapped, s.Name); err != nil {
		return ErrOtherKEK
	}
	return nil
}
