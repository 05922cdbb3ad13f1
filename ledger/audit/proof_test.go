package audit_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
)

// lived is a book with a transfer that is done, between others, and the log's keys.
func lived(t *testing.T) (n *node, done ledger.Transfer, keys []string) {
	h := inMemory(t)
	n = h.join()
	t.Cleanup(n.close)
	a, wallet := n.person("100000001")
	b, _ := n.person("100000002")
	for range 5 {
		n.paid(a, b, 100)
	}
	n.paid(a, wallet, 5000)
	done = n.paid(a, b, 25000)
	for range 5 {
		n.paid(b, a, 100)
	}
	n.latest()
	found, err := audit.ReadKeys(t.Context(), h.store)
	check(t, err)
	return n, done, found.Verifiers()
}

func TestProofOfATransfer(t *testing.T) {
	n, done, keys := lived(t)
	p, err := audit.ProveTransfer(t.Context(), n.store, done.ID)
	check(t, err)
	head, err := audit.Open(p.Checkpoint, keys...)
	check(t, err)
	if head != p.Head || head.N != n.head().Size {
		t.Errorf("proved for %+v; the log has %d", p.Head, n.head().Size)
	}
	var kinds []string
	for _, l := range p.Leaves {
		check(t, tlog.CheckRecord(l.Hashes, head.N, head.Hash, l.Place, tlog.RecordHash(l.Leaf)))
		leaf, err := ledger.ParseLeaf(l.Leaf)
		check(t, err)
		kinds = append(kinds, leaf.LeafKind().String())
	}
	if want := []string{"transfer", "step", "posting", "step", "posting"}; !slices.Equal(kinds, want) {
		t.Errorf("leaves %v, want %v", kinds, want)
	}
}

func TestProofOfWhatIsNotThere(t *testing.T) {
	n, _, _ := lived(t)
	if _, err := audit.ProveTransfer(t.Context(), n.store, ledger.NewID()); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("no transfer: %v", err)
	}
	a, wallet := n.person("100000003")
	fresh := n.paid(a, wallet, 100)
	if _, err := audit.ProveTransfer(t.Context(), n.store, fresh.ID); !errors.Is(err, audit.ErrNotSealed) {
		t.Errorf("not sealed: %v", err)
	}
}

// forgetful has lost the rows of the log.
type forgetful struct{ ledger.Store }

func (forgetful) LogAt(context.Context, int64) ([]ledger.LogRow, error) { return nil, nil }

func TestProofOfWhatTheLogLacks(t *testing.T) {
	n, done, _ := lived(t)
	if p, err := audit.ProveTransfer(t.Context(), forgetful{n.store}, done.ID); !errors.Is(err, audit.ErrNotLogged) {
		t.Errorf("%v, proved %+v", err, p)
	}
}

// A posting of a node whose clock is behind bears the time of the one before it, which is
// not that of the transfer's step.
func TestProofFindsAPostingOfAnotherTime(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	a, _ := n.person("100000001")
	b, _ := n.person("100000002")
	n.paid(a, b, 100)
	behind := ledger.NewPipeline(h.store, ledger.PipelineOptions{Log: quiet, Now: func() time.Time { return time.Now().Add(-time.Hour) }})
	defer behind.Close()
	late := &node{house: h, book: behind}
	done := late.paid(a, b, 200)
	n.latest()
	p, err := audit.ProveTransfer(t.Context(), h.store, done.ID)
	check(t, err)
	if len(p.Leaves) != 5 {
		t.Errorf("%d leaves", len(p.Leaves))
	}
	postings, err := h.store.PostingsOf(t.Context(), done.ID)
	check(t, err)
	if len(postings) != 2 || postings[0].At == done.Created {
		t.Errorf("the clock was not behind: %+v", postings)
	}
}

func TestConsistency(t *testing.T) {
	n, _, keys := lived(t)
	old, err := audit.Open(n.latest().Note, keys...)
	check(t, err)
	for range 300 {
		n.look()
	}
	now, err := audit.Open(n.latest().Note, keys...)
	check(t, err)
	p, err := audit.ProveConsistency(t.Context(), n.store, old.N, now.N)
	check(t, err)
	check(t, tlog.CheckTree(p, now.N, now.Hash, old.N, old.Hash))
	for _, c := range [][2]int64{{0, now.N}, {-1, 1}, {2, 1}, {1, now.N + 1}} {
		if _, err := audit.ProveConsistency(t.Context(), n.store, c[0], c[1]); !errors.Is(err, audit.ErrNoSuchTree) {
			t.Errorf("from %d to %d: %v", c[0], c[1], err)
		}
	}
}

// receipt makes a receipt of a transfer, whose checkpoint a witness has signed.
func receipt(t *testing.T) (file []byte, done ledger.Transfer, keys []string, witnesses audit.Witnesses) {
	n, done, keys := lived(t)
	file, witnesses = n.receipt(done.ID)
	return file, done, keys, witnesses
}

func (n *node) receipt(of ledger.ID) (file []byte, witnesses audit.Witnesses) {
	t := n.TB
	secret, verifier := witness(t, "witness.example/w1")
	witnesses, err := audit.ReadWitnesses([]string{verifier})
	check(t, err)
	c := n.latest()
	taken, err := witnesses.Check(c, []string{cosign(t, secret, c.Note)})
	check(t, err)
	n.do(ledger.KeepCosignature{Cosignature: taken[0]})
	p, err := audit.ProveTransfer(t.Context(), n.store, of)
	check(t, err)
	file, err = p.Receipt()
	check(t, err)
	return file, witnesses
}

func TestReceipt(t *testing.T) {
	file, done, keys, witnesses := receipt(t)
	r, err := audit.CheckReceipt(file, keys, audit.Witnesses{})
	check(t, err)
	if r.Transfer.ID != done.ID || r.Transfer.Amount != done.Amount || len(r.Postings) != 2 || len(r.Witnesses) != 0 {
		t.Errorf("read %+v", r)
	}
	var states []string
	for _, s := range r.Steps {
		states = append(states, s.State.String())
	}
	if !slices.Equal(states, []string{"pending", "debited", "completed"}) {
		t.Errorf("states %v", states)
	}
	if r, err = audit.CheckReceipt(file, keys, witnesses); err != nil || !slices.Equal(r.Witnesses, []string{"witness.example/w1"}) {
		t.Errorf("witnessed by %v, %v", r.Witnesses, err)
	}
	if !strings.HasPrefix(string(file), r.Words()) || !strings.Contains(r.Words(), "250.00 INR") {
		t.Errorf("it begins\n%.400s\nnot\n%s", file, r.Words())
	}
}

func TestReceiptThatProvesNothing(t *testing.T) {
	n, done, keys := lived(t)
	file, _ := n.receipt(done.ID)
	newest, err := n.store.Transfers(t.Context(), ledger.TransferFilter{}, ledger.Page{Limit: 1})
	check(t, err)
	p, err := audit.ProveTransfer(t.Context(), n.store, newest[0].ID)
	check(t, err)
	theirs, err := p.Receipt()
	check(t, err)
	_, foreign := witness(t, "witness.example/w2")
	strangers, err := audit.ReadWitnesses([]string{foreign})
	check(t, err)
	_, otherKeys := func() ([]byte, []string) { f, _, k, _ := receipt(t); return f, k }()
	parts := bytes.Split(file, []byte("\nc2sp.org/tlog-proof@v1\n"))
	foreignParts := bytes.Split(theirs, []byte("\nc2sp.org/tlog-proof@v1\n"))
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, []byte("\nc2sp.org/tlog-proof@v1\n")) }
	if _, err := audit.CheckReceipt(join(parts...), keys, audit.Witnesses{}); err != nil {
		t.Fatal(err)
	}
	leaf := func(part []byte) []byte {
		line, _, _ := bytes.Cut(part, []byte("\n"))
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(line), "extra "))
		check(t, err)
		return b
	}
	forged := leaf(parts[1])
	amount := bytes.Index(forged, []byte("INR")) + 3
	forged[amount+7]++
	for name, c := range map[string]struct {
		file      []byte
		keys      []string
		witnesses audit.Witnesses
	}{
		"another log's keys":   {file, otherKeys, audit.Witnesses{}},
		"no keys":              {file, nil, audit.Witnesses{}},
		"another witness":      {file, keys, strangers},
		"no proofs":            {parts[0], keys, audit.Witnesses{}},
		"a step left out":      {join(parts[0], parts[1], parts[3], parts[4], parts[5]), keys, audit.Witnesses{}},
		"no transfer":          {join(parts[0], parts[2]), keys, audit.Witnesses{}},
		"two transfers":        {join(parts[0], parts[1], parts[1]), keys, audit.Witnesses{}},
		"another's step":       {join(parts[0], parts[1], foreignParts[2]), keys, audit.Witnesses{}},
		"another's posting":    {join(append(slices.Clone(parts), foreignParts[3])...), keys, audit.Witnesses{}},
		"another amount":       {bytes.Replace(file, []byte(base64.StdEncoding.EncodeToString(leaf(parts[1]))), []byte(base64.StdEncoding.EncodeToString(forged)), 1), keys, audit.Witnesses{}},
		"another place":        {bytes.Replace(file, []byte("\nindex "), []byte("\nindex 1"), 1), keys, audit.Witnesses{}},
		"another size":         {bytes.ReplaceAll(file, []byte("\n\nbahi."), []byte("\n\nahi.")), keys, audit.Witnesses{}},
		"an empty file":        {nil, keys, audit.Witnesses{}},
		"cut off in the midst": {file[:len(file)/2], keys, audit.Witnesses{}},
	} {
		if r, err := audit.CheckReceipt(c.file, c.keys, c.witnesses); !errors.Is(err, audit.ErrReceipt) {
			t.Errorf("%s: %v proves %+v", name, err, r)
		}
	}
}
