package audit_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cosignatures "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/memory"
	"bahi/ledger/privacy"
)

// latest seals what there is and gives the checkpoint.
func (n *node) latest() ledger.Checkpoint {
	n.Helper()
	_, err := audit.SealAll(n.Context(), n.book, n.store, n.kek)
	check(n, err)
	c, err := audit.Latest(n.Context(), n.store)
	check(n, err)
	return c
}

func TestFirstKeyIsMadeOnce(t *testing.T) {
	h := inMemory(t)
	var nodes [4]*node
	var all sync.WaitGroup
	for i := range nodes {
		all.Go(func() { nodes[i] = h.join() })
	}
	all.Wait()
	keys, err := audit.ReadKeys(t.Context(), h.store)
	check(t, err)
	if len(keys) != 1 || !strings.HasPrefix(keys.Origin(), "bahi.") || len(keys.Origin()) != len("bahi.")+10 {
		t.Fatalf("%d keys of %q", len(keys), keys.Origin())
	}
	if _, err := nodes[0].keyring().Ensure(t.Context(), "example.com/log"); !errors.Is(err, audit.ErrOrigin) {
		t.Errorf("another name: %v", err)
	}
	if again, err := nodes[1].keyring().Ensure(t.Context(), keys.Origin()); err != nil || !slices.Equal(again.Verifiers(), keys.Verifiers()) {
		t.Errorf("the same name: %v, %v", again, err)
	}
	for _, n := range nodes {
		n.close()
	}
}

func TestRotationSignsWithBothForAWhile(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	first, err := audit.ReadKeys(t.Context(), h.store)
	check(t, err)
	n.look()
	if _, err := audit.Open(n.latest().Note, first.Verifiers()...); err != nil {
		t.Fatal(err)
	}
	ring := n.keyring()
	if _, err := ring.Rotate(t.Context(), audit.MinOverlap-1); err == nil {
		t.Error("rotated without an overlap")
	}
	keys, err := ring.Rotate(t.Context(), time.Hour)
	check(t, err)
	if len(keys) != 2 || keys[0].Until == 0 || keys[1].Until != 0 || keys.Origin() != first.Origin() {
		t.Fatalf("keys %+v", keys)
	}
	n.look()
	both := n.latest().Note
	for _, k := range keys.Verifiers() {
		if _, err := audit.Open(both, k); err != nil {
			t.Errorf("in the overlap: %v", err)
		}
	}
	// The overlap of the third ended long ago, so that the second signs no more.
	ring.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	keys, err = ring.Rotate(t.Context(), time.Hour)
	check(t, err)
	n.look()
	after := n.latest().Note
	for i, k := range keys.Verifiers() {
		_, err := audit.Open(after, k)
		if signed := err == nil; signed != (i != 1) {
			t.Errorf("key %d: %v", i+1, err)
		}
	}
}

func TestRotationsAtOnce(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	var all sync.WaitGroup
	var made atomic.Int64
	for range 8 {
		all.Go(func() {
			_, err := n.keyring().Rotate(t.Context(), time.Hour)
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, audit.ErrRotated) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	keys, err := audit.ReadKeys(t.Context(), h.store)
	check(t, err)
	if int(made.Load()) != len(keys)-1 {
		t.Errorf("%d rotations made %d keys", made.Load(), len(keys)-1)
	}
	for i, k := range keys {
		if k.N != i+1 || (k.Until == 0) != (i == len(keys)-1) {
			t.Errorf("key %d of %d: %d until %d", i+1, len(keys), k.N, k.Until)
		}
	}
}

func TestImport(t *testing.T) {
	store := memory.New()
	kek, err := privacy.NewKEK()
	check(t, err)
	book := ledger.NewPipeline(store, ledger.PipelineOptions{Log: quiet})
	defer book.Close()
	ring := &audit.Keyring{Book: book, Reader: store, Wrapper: kek}
	mine, verifier, err := note.GenerateKey(rand.Reader, "example.com/log")
	check(t, err)
	keys, err := ring.Import(t.Context(), mine+"\n", time.Hour)
	check(t, err)
	if !slices.Equal(keys.Verifiers(), []string{verifier}) {
		t.Fatalf("imported %v, not %s", keys.Verifiers(), verifier)
	}
	if keys, err = ring.Ensure(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("made another: %v", err)
	}
	if _, err := ring.Import(t.Context(), mine, time.Hour); err == nil {
		t.Error("imported twice")
	}
	others, _, err := note.GenerateKey(rand.Reader, "example.com/other")
	check(t, err)
	if _, err := ring.Import(t.Context(), others, time.Hour); !errors.Is(err, audit.ErrOrigin) {
		t.Errorf("another log's: %v", err)
	}
	if _, err := ring.Import(t.Context(), verifier, time.Hour); err == nil {
		t.Error("took a verifier key")
	}
	secrets, err := store.Secrets(t.Context())
	check(t, err)
	for _, s := range secrets {
		if strings.Contains(string(s.Wrapped), "PRIVATE") || strings.Contains(s.Public, "PRIVATE") {
			t.Error("the key is in the book in the clear")
		}
	}
}

// A verifier key that was exchanged in the book is noticed before anything is signed.
func TestKeyThatIsNotItsVerifiers(t *testing.T) {
	h := inMemory(t)
	book := ledger.NewPipeline(h.store, ledger.PipelineOptions{Log: quiet})
	defer book.Close()
	secret, _, err := note.GenerateKey(rand.Reader, "example.com/log")
	check(t, err)
	_, other, err := note.GenerateKey(rand.Reader, "example.com/log")
	check(t, err)
	wrapped, err := h.kek.Wrap([]byte(secret), "log/1")
	check(t, err)
	_, err = ledger.Do[ledger.Secret](t.Context(), book, ledger.KeepSecret{Secret: ledger.Secret{Name: "log/1", Public: other, Wrapped: wrapped}})
	check(t, err)
	n := &node{house: h, book: book}
	n.look()
	if _, err := audit.SealAll(t.Context(), book, h.store, h.kek); err == nil || !strings.Contains(err.Error(), "key 1: it is another one") {
		t.Errorf("sealed: %v", err)
	}
}

func TestOpenTrustsOnlyTheLogsOwnKeys(t *testing.T) {
	secret, verifier, err := note.GenerateKey(rand.Reader, "example.com/log")
	check(t, err)
	otherSecret, other, err := note.GenerateKey(rand.Reader, "example.com/other")
	check(t, err)
	signer, err := note.NewSigner(secret)
	check(t, err)
	otherSigner, err := note.NewSigner(otherSecret)
	check(t, err)
	head := audit.Head{Origin: "example.com/log", Tree: tlog.Tree{N: 12, Hash: tlog.RecordHash(nil)}}
	signed, err := head.Sign(signer)
	check(t, err)
	if got, err := audit.Open(signed, other, verifier); err != nil || got != head {
		t.Errorf("opened %+v, %v", got, err)
	}
	foreign, err := head.Sign(otherSigner)
	check(t, err)
	for name, c := range map[string]struct{ text, key string }{
		"another key":                 {signed, other},
		"another log's key signed it": {foreign, other},
		"another size":                {strings.Replace(signed, "\n12\n", "\n13\n", 1), verifier},
		"another root":                {strings.Replace(signed, head.Hash.String(), tlog.RecordHash([]byte("x")).String(), 1), verifier},
		"no signature":                {strings.SplitAfter(signed, "\n\n")[0], verifier},
		"a spoilt signature":          {signed[:len(signed)-12] + "AAAAAAAAAA=\n", verifier},
		"nothing":                     {"", verifier},
	} {
		if _, err := audit.Open(c.text, c.key); !errors.Is(err, audit.ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"example.com/log\n012\n" + head.Hash.String() + "\n", "example.com/log\n12\nAAAA\n", "\n12\n" + head.Hash.String() + "\n",
		"example.com/log\n12\n" + head.Hash.String() + "\nmore\n", "example.com/log\n9223372036854775808\n" + head.Hash.String() + "\n"} {
		if h, err := audit.ParseHead(text); !errors.Is(err, audit.ErrCheckpoint) {
			t.Errorf("%q is read as %+v", text, h)
		}
	}
}

// cosign signs a checkpoint as a witness does, and gives the line.
func cosign(t testing.TB, secret, checkpoint string) string {
	t.Helper()
	signer, err := cosignatures.NewSignerForCosignatureV1(secret)
	check(t, err)
	text, _, _ := strings.Cut(checkpoint, "\n\n")
	signed, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
	check(t, err)
	return strings.TrimSuffix(strings.SplitAfter(string(signed), "\n\n")[1], "\n")
}

func witness(t testing.TB, name string) (secret, verifier string) {
	t.Helper()
	secret, plain, err := note.GenerateKey(rand.Reader, name)
	check(t, err)
	verifier, err = cosignatures.VKeyToCosignatureV1(plain)
	check(t, err)
	return secret, verifier
}

func TestWitnesses(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	n.look()
	c := n.latest()
	secret, verifier := witness(t, "witness.example/w1")
	strange, _ := witness(t, "witness.example/w2")
	known, err := audit.ReadWitnesses([]string{verifier})
	check(t, err)
	mine, theirs := cosign(t, secret, c.Note), cosign(t, strange, c.Note)
	taken, err := known.Check(c, []string{theirs, mine})
	check(t, err)
	if len(taken) != 1 || taken[0].Line != mine || taken[0].Witness != "witness.example/w1" || taken[0].Size != c.Size {
		t.Fatalf("taken %+v", taken)
	}
	keys, err := audit.ReadKeys(t.Context(), h.store)
	check(t, err)
	cosigned := audit.Cosigned(c, taken)
	if _, err := audit.Open(cosigned, keys.Verifiers()...); err != nil || !strings.HasSuffix(cosigned, mine+"\n") {
		t.Errorf("cosigned: %v\n%s", err, cosigned)
	}
	n.look()
	later := n.latest()
	// A text of the witness' own, of which the checkpoint's is only the beginning.
	text, _, _ := strings.Cut(c.Note, "\n\n")
	signer, err := cosignatures.NewSignerForCosignatureV1(secret)
	check(t, err)
	longer, err := note.Sign(&note.Note{Text: text + "\n\n" + theirs + "\n"}, signer)
	check(t, err)
	for name, lines := range map[string][]string{
		"of a longer text":         {strings.TrimSuffix(strings.TrimPrefix(string(longer), text+"\n\n"), "\n")},
		"a stranger's":             {theirs},
		"of another checkpoint":    {cosign(t, secret, later.Note)},
		"none":                     nil,
		"no line":                  {"hello"},
		"one line that is several": {strings.TrimPrefix(cosigned, c.Note)[:3] + "x AAAAAAAA\n\n" + mine},
		"a text of its own":        {theirs + "\n\n" + mine},
	} {
		if taken, err := known.Check(c, lines); !errors.Is(err, audit.ErrCosignature) {
			t.Errorf("%s: %v, %v", name, taken, err)
		}
	}
	if _, err := audit.ReadWitnesses([]string{keys.Verifiers()[0]}); err == nil {
		t.Error("took a key for signing for a witness'")
	}
}
