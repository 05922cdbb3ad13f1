package audit

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// Receipt is what a receipt proves of a transfer.
type Receipt struct {
	Head      Head
	Witnesses []string // of those that were asked for, who has signed the head
	Transfer  ledger.Transfer
	Steps     []ledger.Step
	Postings  []ledger.Posting
	First     int64 // place of its first leaf
}

// ErrReceipt means that a receipt proves nothing.
var ErrReceipt = errors.New("this receipt proves nothing")

// proofLine begins each proof of a receipt: C2SP tlog-proof.
const proofLine = "c2sp.org/tlog-proof@v1\n"

// Receipt is the proof as a file that needs nothing but a verifier key of the log to be
// checked. After some words for people, which prove nothing, it is a C2SP tlog-proof for
// each leaf, with the leaf as its extra data, and an empty line behind each but the last.
func (p *TransferProof) Receipt() ([]byte, error) {
	r := Receipt{Head: p.Head}
	var proofs []byte
	for _, l := range p.Leaves {
		leaf, err := ledger.ParseLeaf(l.Leaf)
		if err == nil {
			err = r.add(l.Place, leaf)
		}
		if err != nil {
			return nil, err
		}
		t := proof.TLogProof{Index: uint64(l.Place), ExtraData: l.Leaf, Checkpoint: []byte(p.Checkpoint)}
		for _, h := range l.Hashes {
			t.Hashes = append(t.Hashes, h)
		}
		proofs = append(append(proofs, '\n'), t.Marshal()...)
	}
	words := r.Words() + "\nThese words prove nothing. What follows does: check it with\nbahi audit receipt FILE --key KEY, with a key of the log that you have from where you trust it.\n"
	return append([]byte(words), proofs...), nil
}

// CheckReceipt checks a receipt against the log's keys and says what it proves.
func CheckReceipt(file []byte, keys []string, witnesses Witnesses) (Receipt, error) {
	var r Receipt
	parts := strings.Split(string(file), "\n"+proofLine)
	if len(parts) < 2 {
		return r, fmt.Errorf("%w: there is no proof in it", ErrReceipt)
	}
	checkpoint := ""
	for i, part := range parts[1:] {
		var p proof.TLogProof
		if err := p.Unmarshal([]byte(proofLine + part)); err != nil {
			return r, fmt.Errorf("%w: proof %d: %w", ErrReceipt, i+1, err)
		}
		if checkpoint == "" {
			checkpoint = string(p.Checkpoint)
			if err := r.open(checkpoint, keys, witnesses); err != nil {
				return r, fmt.Errorf("%w: %w", ErrReceipt, err)
			}
		}
		if string(p.Checkpoint) != checkpoint {
			return r, fmt.Errorf("%w: proof %d is for another checkpoint", ErrReceipt, i+1)
		}
		if err := r.prove(&p); err != nil {
			return r, fmt.Errorf("%w: proof %d: %w", ErrReceipt, i+1, err)
		}
	}
	return r, nil
}

// open takes the head that the receipt is about.
func (r *Receipt) open(checkpoint string, keys []string, witnesses Witnesses) (err error) {
	if r.Head, err = Open(checkpoint, keys...); err != nil {
		return err
	}
	_, lines, _ := strings.Cut(strings.TrimSuffix(checkpoint, "\n"), "\n\n")
	by, err := witnesses.Check(ledger.Checkpoint{Size: r.Head.N, Note: checkpoint}, strings.Split(lines, "\n"))
	if err != nil && len(witnesses.verifiers) > 0 {
		return err
	}
	for _, c := range by {
		r.Witnesses = append(r.Witnesses, c.Witness)
	}
	return nil
}

// prove checks one leaf and takes what it says.
func (r *Receipt) prove(p *proof.TLogProof) error {
	hashes := make(tlog.RecordProof, len(p.Hashes))
	for i, h := range p.Hashes {
		hashes[i] = h
	}
	if err := tlog.CheckRecord(hashes, r.Head.N, r.Head.Hash, int64(p.Index), tlog.RecordHash(p.ExtraData)); err != nil {
		return fmt.Errorf("the leaf is not at place %d of the log: %w", p.Index, err)
	}
	leaf, err := ledger.ParseLeaf(p.ExtraData)
	if err != nil {
		return err
	}
	return r.add(int64(p.Index), leaf)
}

// add takes a leaf of the transfer, whose own comes first, and its steps without a gap.
func (r *Receipt) add(place int64, leaf ledger.Leaf) error {
	first := r.Transfer.ID.IsZero()
	switch l := leaf.(type) {
	case *ledger.Transfer:
		if !first {
			return errors.New("it is about two transfers")
		}
		r.Transfer, r.First = *l, place
		r.Steps = l.Beginning()
		return nil
	case *ledger.Step:
		if first || l.Transfer != r.Transfer.ID || l.N != len(r.Steps)+1 {
			return errors.New("a step of the transfer is missing before this one")
		}
		r.Steps = append(r.Steps, *l)
		return nil
	case *ledger.Posting:
		if first || l.Entry != r.Transfer.ID {
			return errors.New("it is about a posting of something else")
		}
		r.Postings = append(r.Postings, *l)
		return nil
	}
	return fmt.Errorf("a %s belongs to no transfer", leaf.LeafKind())
}

// Words says to people what the receipt is about.
func (r *Receipt) Words() string {
	var b bytes.Buffer
	t := &r.Transfer
	fmt.Fprintf(&b, "Transfer %s: %s of %s %s, from %s to %s\n", t.ID.TransferRef(), t.Kind, t.Amount, t.Amount.Currency, side(&t.Payer), side(&t.Payee))
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%s  %s", instant(s.At), s.State)
		if s.Reason != "" {
			fmt.Fprintf(&b, " (%s)", s.Reason)
		}
		b.WriteByte('\n')
	}
	for _, p := range r.Postings {
		fmt.Fprintf(&b, "%s  posted: %s, %s %s\n", instant(p.At), p.Event, ledger.Amount{Minor: p.Amount, Currency: p.Currency}, p.Currency)
	}
	fmt.Fprintf(&b, "in the log of %s, as it was with %d leaves, from place %d on\n", r.Head.Origin, r.Head.N, r.First)
	return b.String()
}

func side(e *ledger.End) string {
	if e.IsWallet() {
		return "a wallet"
	}
	return "an account at " + e.Bank
}

func instant(micros int64) string {
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
}
