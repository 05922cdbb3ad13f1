package export_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/audit/file"
	"bahi/ledger/export"
)

// readAudit reads an audit file whole and checks that its hashes are the tree that its
// checkpoints sign.
func readAudit(t testing.TB, b []byte) (h file.Header, leaves []file.Line, older int) {
	t.Helper()
	r, err := file.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	h = r.Header
	roots := h.Before // of complete subtrees, largest first
	size := h.First
	check := func(signed string) {
		head, err := audit.Open(signed, h.Keys...)
		if err != nil || head.N != size || head.Origin != h.Origin {
			t.Fatalf("after %d leaves: %+v, %v", size, head, err)
		}
		root := roots[len(roots)-1]
		for i := len(roots) - 2; i >= 0; i-- {
			root = tlog.NodeHash(roots[i], root)
		}
		if root != head.Hash {
			t.Fatalf("the leaves up to %d are not what the checkpoint signs", size)
		}
	}
	for {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			check(h.Checkpoint)
			return h, leaves, older
		}
		if err != nil {
			t.Fatal(err)
		}
		if l.Checkpoint != "" {
			older++
			check(l.Checkpoint)
			continue
		}
		if l.Place != size || (l.Leaf != nil && file.HashOf(l.Leaf) != l.Hash) {
			t.Fatalf("line %d: the leaf of place %d stands at %d, or is not its hash", l.Number, l.Place, size)
		}
		leaves = append(leaves, l)
		roots = append(roots, l.Hash)
		size++
		for n := size; n%2 == 0 && len(roots) > 1; n /= 2 { // as many pairs join as its number has zeros at the end
			k := len(roots)
			roots = append(roots[:k-2:k-2], tlog.NodeHash(roots[k-2], roots[k-1]))
		}
	}
}

func TestAuditFile(t *testing.T) {
	w := memoryWorld(t)
	w.busy(120)
	w.many(1000, 50)
	w.seal()
	w.send(0, "chat", bankOf("NRMD", 1), bankOf("KVRI", 2), 100, "INR", paid)
	w.seal()
	whole := w.whole()
	for _, first := range []int64{0, 1, 7, 256, 1000, whole.Size - 1} {
		h, leaves, older := readAudit(t, w.export(export.Options{Format: export.JSONL, Range: export.Range{First: first, Size: whole.Size}}))
		if h.First != first || h.Size != whole.Size || int64(len(leaves)) != whole.Size-first || h.Origin != "bahi.example/log" {
			t.Errorf("from %d: %+v with %d leaves", first, h, len(leaves))
		}
		if older == 0 && first < 100 {
			t.Errorf("from %d: no older checkpoint", first)
		}
		for _, l := range leaves {
			if l.Leaf == nil {
				t.Fatalf("from %d: the leaf %d is hidden", first, l.Place)
			}
		}
	}
}

func TestAuditFileOfAnApp(t *testing.T) {
	w := memoryWorld(t)
	w.busy(60)
	_, leaves, _ := readAudit(t, w.export(export.Options{Format: export.JSONL, Range: w.whole(), App: "=shop"}))
	shown := map[ledger.LeafKind]int{}
	hidden := 0
	for _, l := range leaves {
		switch v := l.Leaf.(type) {
		case nil:
			hidden++
			continue
		case *ledger.Transfer:
			if v.App != "=shop" {
				t.Errorf("a transfer of %s is shown", v.App)
			}
		case *ledger.Account:
			if _, ok := v.Name.Wallet(); ok {
				t.Errorf("the wallet %s is shown", v.Name.Path)
			}
		}
		shown[l.Leaf.LeafKind()]++
	}
	rows := int(w.rows(export.Options{Format: export.CSV, Range: w.whole(), App: "=shop"}))
	if shown[ledger.LeafPosting] != rows || rows == 0 || hidden == 0 || shown[ledger.LeafWindow]+shown[ledger.LeafPosition] != 0 || shown[ledger.LeafStep] == 0 {
		t.Errorf("%v are shown, %d hidden; the app has %d postings", shown, hidden, rows)
	}
}

// A key that is made later is not in the file of an earlier checkpoint.
func TestAuditFileAfterARotation(t *testing.T) {
	w := memoryWorld(t)
	w.busy(16)
	o := export.Options{Format: export.JSONL, Range: w.whole()}
	before := w.export(o)
	w.pass(1e9)
	ring := audit.Keyring{Book: w.nodes[0], Reader: w.store, Wrapper: w.kek, Now: w.now}
	_, err := ring.Rotate(ctx, audit.MinOverlap)
	w.no(err)
	if !bytes.Equal(w.export(o), before) {
		t.Error("a rotation changed the file of what was before it")
	}
	w.send(0, "chat", bankOf("NRMD", 1), bankOf("KVRI", 2), 100, "INR", paid)
	w.seal()
	if h, _, _ := readAudit(t, w.export(export.Options{Format: export.JSONL, Range: w.whole()})); len(h.Keys) != 2 {
		t.Errorf("%d keys", len(h.Keys))
	}
}

func TestAuditFileOfNothing(t *testing.T) {
	w := memoryWorld(t)
	if _, err := export.Write(ctx, w.store, io.Discard, export.Options{Format: export.JSONL}); !errors.Is(err, export.ErrNoCheckpoint) {
		t.Error(err)
	}
}
