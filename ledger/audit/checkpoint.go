package audit

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/transparency-dev/formats/log"
	cosignatures "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// Head is what a checkpoint says: which tree the log of a name had.
type Head struct {
	Origin string // the log's name
	tlog.Tree
}

// ErrCheckpoint means that a text is not a checkpoint that can be trusted.
var ErrCheckpoint = errors.New("not a checkpoint of this log")

// Sign writes a head as a C2SP tlog-checkpoint.
func (h Head) Sign(signers ...note.Signer) (string, error) {
	text := log.Checkpoint{Origin: h.Origin, Size: uint64(h.N), Hash: h.Hash[:]}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, signers...)
	return string(signed), err
}

// ParseHead reads a checkpoint's text, with the signatures or without, and trusts it.
func ParseHead(text string) (Head, error) {
	var c log.Checkpoint
	text, _, _ = strings.Cut(text, "\n\n")
	text = strings.TrimSuffix(text, "\n") + "\n"
	_, err := c.Unmarshal([]byte(text))
	if err != nil || string(c.Marshal()) != text || len(c.Hash) != tlog.HashSize || c.Size > math.MaxInt64 {
		return Head{}, fmt.Errorf("%w: its text is not an origin, a size and a hash", ErrCheckpoint)
	}
	return Head{Origin: c.Origin, Tree: tlog.Tree{N: int64(c.Size), Hash: tlog.Hash(c.Hash)}}, nil
}

// Open reads a checkpoint that was signed with at least one of the log's keys. A
// signature of one of them that is wrong spoils it.
func Open(signed string, keys ...string) (Head, error) {
	verifiers, err := verifiersOf(keys, note.NewVerifier)
	if err != nil {
		return Head{}, err
	}
	n, err := note.Open([]byte(signed), note.VerifierList(verifiers...))
	if err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	h, err := ParseHead(n.Text)
	if err == nil && h.Origin != n.Sigs[0].Name {
		err = fmt.Errorf("%w: it is of %q, and signed by %q", ErrCheckpoint, h.Origin, n.Sigs[0].Name)
	}
	return h, err
}

func verifiersOf(keys []string, read func(string) (note.Verifier, error)) (verifiers []note.Verifier, err error) {
	for _, key := range keys {
		v, err := read(key)
		if err != nil {
			return nil, fmt.Errorf("%q is no verifier key: %w", key, err)
		}
		verifiers = append(verifiers, v)
	}
	return verifiers, nil
}

// Witnesses are those whose cosignatures are taken: they have seen that the log only grows.
type Witnesses struct{ verifiers []note.Verifier }

// ReadWitnesses reads the verifier keys of witnesses: C2SP tlog-cosignature.
func ReadWitnesses(keys []string) (Witnesses, error) {
	verifiers, err := verifiersOf(keys, cosigner)
	return Witnesses{verifiers}, err
}

func cosigner(key string) (note.Verifier, error) {
	v, err := cosignatures.NewVerifierForCosignatureV1(key)
	if err == nil && !strings.HasPrefix(key, fmt.Sprintf("%s+%08x+", v.Name(), v.KeyHash())) {
		err = errors.New("its number is not that of a witness' key")
	}
	return v, err
}

// ErrCosignature means that a line is not a signature of the checkpoint by a witness
// that is known here.
var ErrCosignature = errors.New("not a cosignature of this checkpoint by a known witness")

// Check takes the lines in which witnesses that are known signed a checkpoint. Lines
// of others are left out, unless all are.
func (w Witnesses) Check(checkpoint ledger.Checkpoint, lines []string) ([]ledger.Cosignature, error) {
	text, _, _ := strings.Cut(checkpoint.Note, "\n\n")
	cosigned := text + "\n\n" + strings.Join(lines, "\n") + "\n"
	n, err := note.Open([]byte(cosigned), note.VerifierList(w.verifiers...))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCosignature, err)
	}
	if n.Text != text+"\n" { // a line broke into several
		return nil, ErrCosignature
	}
	var taken []ledger.Cosignature
	for _, s := range n.Sigs {
		if slices.ContainsFunc(taken, func(t ledger.Cosignature) bool { return t.Witness == s.Name }) {
			continue // by another of its keys
		}
		taken = append(taken, ledger.Cosignature{Size: checkpoint.Size, Witness: s.Name, Line: "— " + s.Name + " " + s.Base64})
	}
	return taken, nil
}

// Cosigned is a checkpoint with what witnesses signed it with.
func Cosigned(c ledger.Checkpoint, by []ledger.Cosignature) string {
	var b strings.Builder
	b.WriteString(c.Note)
	for _, s := range by {
		b.WriteString(s.Line + "\n")
	}
	return b.String()
}
