package privacy_test

import (
	"bytes"
	"testing"

	"bahi/ledger"
	"bahi/ledger/privacy"
)

var _ ledger.Wrapper = (*privacy.KEK)(nil)

func must[V any](t *testing.T) func(V, error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestRotationOverlapsAndRetires(t *testing.T) {
	kek := must[*privacy.KEK](t)
	old := kek(privacy.NewKEK())
	wrapped := must[[]byte](t)(old.Wrap([]byte("secret"), "a"))

	prepared := kek(old.Prepare())
	if !prepared.Prepared() || old.Prepared() || !prepared.Latest(wrapped) {
		t.Fatal("a key that was only prepared must not wrap yet")
	}
	rotated := kek(prepared.Promote())
	rotated = kek(privacy.ReadKEK(must[[]byte](t)(rotated.JSON())))
	if rotated.Prepared() || rotated.Latest(wrapped) {
		t.Fatal("the new key must wrap after it was promoted")
	}
	if got := must[[]byte](t)(rotated.Unwrap(wrapped, "a")); !bytes.Equal(got, []byte("secret")) {
		t.Fatalf("the key before must still unwrap, got %q", got)
	}
	if got := must[[]byte](t)(prepared.Unwrap(must[[]byte](t)(rotated.Wrap([]byte("new"), "b")), "b")); string(got) != "new" {
		t.Fatalf("a node that was prepared must unwrap what the new key wraps, got %q", got)
	}
	if _, err := kek(rotated.Retire()).Unwrap(wrapped, "a"); err == nil {
		t.Fatal("a retired key still unwraps")
	}
}

func TestUnwrapNeedsTheSameKeyAndTheSameWords(t *testing.T) {
	kek := must[*privacy.KEK](t)
	k := kek(privacy.NewKEK())
	wrapped := must[[]byte](t)(k.Wrap([]byte("secret"), "party/1"))
	if _, err := k.Unwrap(wrapped, "party/2"); err == nil {
		t.Error("unwrapped as something else")
	}
	if _, err := kek(privacy.NewKEK()).Unwrap(wrapped, "party/1"); err == nil {
		t.Error("unwrapped by another key")
	}
	if _, err := privacy.ReadKEK([]byte(`{"primaryKeyId":1}`)); err == nil {
		t.Error("an empty keyset was taken")
	}
}
