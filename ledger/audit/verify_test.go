package audit_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/audit/file"
)

const origin = "test.example/log"

// original is a file of a book that holds, and its leaves.
func original(t *testing.T) (*book, signer, *copied) {
	b := newBook(t).story(2500)
	by := newSigner(t, origin)
	return b, by, copyOf(t, b.leaves(), by, origin, b.commits)
}

// TestVerifyHolds demands that nothing is found where nothing is wrong, and that all was looked at.
func TestVerifyHolds(t *testing.T) {
	b, by, c := original(t)
	older := copyOf(t, b.leaves()[:b.commits[60]], by, origin, nil)
	sum, found := verified(t, c.bytes(t), by.public, kept(t, "an older file", older.bytes(t)), kept(t, "an older checkpoint", []byte(older.header.Checkpoint)),
		kept(t, "itself", c.bytes(t)))
	if len(found) > 0 || sum.FirstBad != nil {
		t.Fatalf("found %+v", found)
	}
	if sum.Leaves != c.header.Size || sum.Size != c.header.Size || sum.Older != 3 || sum.Checkpoints < 50 || sum.Unknown != 0 {
		t.Errorf("%+v", sum)
	}
	for _, kind := range ledger.LeafKindNames() {
		if sum.Kinds[kind] == 0 {
			t.Errorf("the book has no %s", kind)
		}
	}
	if got, want := fmt.Sprint(sum.Balances), "[{asset INR 4 9690 96.90} {liability INR 4 9650 96.50} {income INR 1 40 0.40}]"; got != want {
		t.Errorf("balances %s, want %s", got, want)
	}
}

// attacks are ways to change the leaves of a book, at a posting.
var attacks = map[string]func(lines []file.Line, p int) []file.Line{
	"an amount changed": func(lines []file.Line, p int) []file.Line {
		changed := *lines[p].Leaf.(*ledger.Posting)
		changed.Amount++
		lines[p].Leaf = &changed
		return lines
	},
	"a row removed": func(lines []file.Line, p int) []file.Line { return slices.Delete(lines, p, p+1) },
	"two rows swapped": func(lines []file.Line, p int) []file.Line {
		q := nextOf(lines, p)
		lines[p], lines[q] = lines[q], lines[p]
		return lines
	},
	"a row inserted": func(lines []file.Line, p int) []file.Line {
		more := *lines[p].Leaf.(*ledger.Posting)
		more.DebitSeq++
		more.CreditSeq++
		return slices.Insert(lines, p+1, file.Line{Place: int64(p + 1), Hash: file.HashOf(&more), Leaf: &more})
	},
}

// nextOf is the place of the next posting to an account of the posting at p.
func nextOf(lines []file.Line, p int) int {
	a := lines[p].Leaf.(*ledger.Posting)
	for q := p + 1; q < len(lines); q++ {
		if b, ok := lines[q].Leaf.(*ledger.Posting); ok && (a.Debit == b.Debit || a.Credit == b.Credit || a.Debit == b.Credit || a.Credit == b.Debit) {
			return q
		}
	}
	return -1
}

// thoroughness is how far an attacker goes to hide what he did.
type thoroughness int

const (
	changesFields thoroughness = iota // nothing else
	changesHashes                     // what he changed has the hash of what it says, and the places are in order
	makesTree                         // and the tree is made anew, and signed by a key of his
	ownsKey                           // and signed by the log's own key
)

var thoroughnesses = []string{changesFields: "fields", changesHashes: "hashes", makesTree: "a fresh tree", ownsKey: "a fresh tree and the key"}

// hide hides what was done.
func (c *copied) hide(t *testing.T, how thoroughness, by signer, at []int64) {
	if how == changesFields {
		return
	}
	for i := range c.lines {
		c.lines[i].Place, c.lines[i].Hash = int64(i), file.HashOf(c.lines[i].Leaf)
	}
	switch how {
	case makesTree:
		c.sign(t, newSigner(t, origin), at)
	case ownsKey:
		c.sign(t, by, at)
	}
}

// TestAttacks does each attack at each posting that has another one after it, hidden as
// well as can be, and demands that the first row that was touched is named, or a range
// that holds it: by what the auditor has kept exactly.
func TestAttacks(t *testing.T) {
	b, by, whole := original(t)
	plain := copyOf(t, b.leaves(), by, origin, nil)
	olderSize := b.commits[len(b.commits)-3]
	older := copyOf(t, b.leaves()[:olderSize], by, origin, nil).bytes(t)
	checkpoint := copyOf(t, b.leaves()[:olderSize], by, origin, nil).header.Checkpoint
	for name, attack := range attacks {
		for how, hidden := range thoroughnesses {
			t.Run(name+", "+hidden, func(t *testing.T) {
				for p := 6; p < len(plain.lines); p += 3 {
					if _, ok := plain.lines[p].Leaf.(*ledger.Posting); !ok || nextOf(plain.lines, p) < 0 {
						continue
					}
					c := plain.clone()
					c.lines = attack(c.lines, p)
					c.hide(t, thoroughness(how), by, nil)
					if how == int(changesHashes) { // the checkpoints that were signed
						c.lines = withCheckpoints(c.lines, whole.lines)
					}
					data := c.bytes(t)
					sum, _ := verified(t, data, by.public)
					wantFirst(t, sum.FirstBad, plain.lines, p, thoroughness(how))
					sum, _ = verified(t, data, by.public, kept(t, "an older file", older))
					if f := sum.FirstBad; int64(p+2) < olderSize && (f == nil || f.Until != 0 || f.Place < int64(p) || f.Place > int64(p+1)) {
						t.Errorf("%d: with an older file: %+v", p, f)
					}
					sum, found := verified(t, data, by.public, kept(t, "an older checkpoint", []byte(checkpoint)))
					rewritten := slices.ContainsFunc(found, func(f audit.Finding) bool { return f.Rule == "rewritten" && f.Place == 0 && f.Until == olderSize-1 })
					if int64(p+2) < olderSize && (sum.FirstBad == nil || (how != int(changesFields) && !rewritten)) {
						t.Errorf("%d: with an older checkpoint: %+v", p, found)
					}
				}
			})
		}
	}
}

// withCheckpoints puts the checkpoints of a file behind as many leaves of another.
func withCheckpoints(lines, of []file.Line) (with []file.Line) {
	at := 0
	for _, l := range of {
		if l.Checkpoint != "" {
			with = append(with, l)
		} else if at < len(lines) {
			with = append(with, lines[at])
			at++
		}
	}
	return append(with, lines[at:]...)
}

func wantFirst(t *testing.T, f *audit.Finding, lines []file.Line, p int, how thoroughness) {
	t.Helper()
	switch {
	case f == nil:
		t.Errorf("%d: nothing is found", p)
	case how == changesFields && (f.Place < int64(p) || f.Place > int64(p+1)):
		t.Errorf("%d: fields: %+v", p, f)
	case how == changesHashes && (f.Place > int64(p+1) || max(f.Place, f.Until) < int64(p)):
		t.Errorf("%d: hashes: %+v", p, f)
	case how >= makesTree && (f.Place > int64(nextOf(lines, p)) || f.Place < int64(p)-4):
		t.Errorf("%d: tree: %+v (next %d)", p, f, nextOf(lines, p))
	}
}

// TestHistoryRewritten gives the book another past in which all fits, signed with the
// log's own key: only what the auditor has kept tells.
func TestHistoryRewritten(t *testing.T) {
	b, by, was := original(t)
	other := newBook(t).story(2499)
	leaves := other.leaves()
	first := 0
	for first < len(leaves) && bytes.Equal(ledger.AppendLeaf(nil, leaves[first]), ledger.AppendLeaf(nil, was.leaf(first))) {
		first++
	}
	rewritten := copyOf(t, leaves, by, origin, other.commits).bytes(t)
	if sum, found := verified(t, rewritten, by.public); sum.Findings > 0 {
		t.Fatalf("the other past does not hold by itself: %+v", found)
	}
	older := copyOf(t, b.leaves()[:b.commits[70]], by, origin, nil)
	sum, _ := verified(t, rewritten, by.public, kept(t, "older.jsonl", older.bytes(t)))
	want := audit.Finding{Rule: "rewritten", Place: int64(first), Leaf: ledger.LeafName(leaves[first]), Detail: "older.jsonl has it otherwise: amount is 24.99, not 25.00"}
	if f := sum.FirstBad; f == nil || f.Rule != want.Rule || f.Place != want.Place || f.Leaf != want.Leaf || f.Detail != want.Detail || f.Until != 0 {
		t.Errorf("with an older file: %+v, want %+v", f, want)
	}
	var checkpoints []*audit.Kept
	for _, n := range []int{2, 40, 75} {
		c := copyOf(t, b.leaves()[:b.commits[n]], by, origin, nil)
		checkpoints = append(checkpoints, kept(t, fmt.Sprint("checkpoint ", n), []byte(c.header.Checkpoint)))
	}
	sum, _ = verified(t, rewritten, by.public, checkpoints...)
	if f := sum.FirstBad; f == nil || f.Rule != "rewritten" || f.Place != b.commits[2] || f.Until != b.commits[40]-1 || sum.Older != 1 {
		t.Errorf("with older checkpoints: %+v", f)
	}
	sum, _ = verified(t, older.bytes(t), by.public, kept(t, "newer.jsonl", was.bytes(t)))
	if f := sum.FirstBad; f == nil || f.Rule != "rewritten" || !strings.Contains(f.Detail, "only ever grows") {
		t.Errorf("with a newer file: %+v", f)
	}
}

// leaf is the leaf at a place.
func (c *copied) leaf(place int) ledger.Leaf {
	for _, l := range c.lines {
		if l.Checkpoint == "" && l.Place == int64(place) {
			return l.Leaf
		}
	}
	return nil
}

// TestSignatures demands that nobody but the log's owner can sign.
func TestSignatures(t *testing.T) {
	b, by, c := original(t)
	leaves := b.leaves()
	for name, wrong := range map[string]func(*copied) string{
		"another key": func(c *copied) string {
			c.sign(t, newSigner(t, origin), nil)
			return "signature"
		},
		"the key of another log": func(c *copied) string {
			c.header.Checkpoint = by.sign(t, c.header.Size+1, tlog.Hash{})
			return "checkpoint"
		},
		"an older checkpoint of another key": func(c *copied) string {
			c.lines = withCheckpoints(copyOf(t, leaves, by, origin, nil).lines, copyOf(t, leaves[:len(leaves)-1], newSigner(t, origin), origin, b.commits).lines)
			return ""
		},
		"an older checkpoint without a signature": func(c *copied) string {
			n := slices.IndexFunc(c.lines, func(l file.Line) bool { return l.Checkpoint != "" })
			text, _, _ := strings.Cut(c.lines[n].Checkpoint, "\n\n")
			c.lines[n].Checkpoint = text + "\n\n"
			return "signature"
		},
		"an older checkpoint with a false signature": func(c *copied) string {
			n := slices.IndexFunc(c.lines, func(l file.Line) bool { return l.Checkpoint != "" })
			c.lines[n].Checkpoint = strings.Replace(c.lines[n].Checkpoint, "=\n\n", "=\nmore\n\n", 1)
			return "signature"
		},
		"an older checkpoint at the wrong place": func(c *copied) string {
			n := slices.IndexFunc(c.lines, func(l file.Line) bool { return l.Checkpoint != "" })
			c.lines[n], c.lines[n+1] = c.lines[n+1], c.lines[n]
			return "checkpoint"
		},
		"leaves at the end missing": func(c *copied) string {
			c.lines = c.lines[:len(c.lines)-1]
			return "file"
		},
		"another origin": func(c *copied) string {
			c.header.Origin = "other"
			return "checkpoint"
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := c.clone()
			want := wrong(changed)
			sum, found := verified(t, changed.bytes(t), by.public)
			if want == "" {
				if sum.Findings > 0 || sum.Unknown < 50 || sum.Checkpoints > 0 {
					t.Fatalf("%+v, found %+v", sum, found)
				}
				return
			}
			if !slices.ContainsFunc(found, func(f audit.Finding) bool { return f.Rule == want }) {
				t.Errorf("found %+v, want %s", found, want)
			}
		})
	}
}

// changer reads a leaf as it is, but for one of its fields.
type changer struct {
	ledger.Fields
	n int // how many fields are still before it
}

func (c *changer) now() bool {
	c.n--
	return c.n == -1
}

func (c *changer) ID(_ string, v ledger.ID, _ string) ledger.ID {
	if c.now() {
		v[3]++
	}
	return v
}

func (c *changer) Account(_ string, v ledger.AccountID) ledger.AccountID {
	if c.now() {
		v[3]++
	}
	return v
}

func (c *changer) Hash(_ string, v [32]byte) [32]byte {
	if c.now() {
		v[3]++
	}
	return v
}

func (c *changer) Number(_ string, v int64) int64 {
	if c.now() {
		v++
	}
	return v
}

func (c *changer) Time(name string, v int64) int64                     { return c.Number(name, v) }
func (c *changer) Money(name string, v int64, _ ledger.Currency) int64 { return c.Number(name, v) }
func (c *changer) Flag(_ string, v bool) bool                          { return c.now() != v }
func (c *changer) Text(_ string, v string) string {
	if c.now() {
		v += "x"
	}
	return v
}

func (c *changer) Word(_ string, v uint8, words []string) uint8 {
	if c.now() {
		v = v%uint8(len(words)-1) + 1
	}
	return v
}

func (c *changer) List(_ string, n int, each func(int)) {
	for i := range n {
		each(i)
	}
}

// TestEveryFieldCounts changes each field of one leaf of each kind: it is named.
func TestEveryFieldCounts(t *testing.T) {
	b, by, _ := original(t)
	plain := copyOf(t, b.leaves(), by, origin, nil)
	for n := range ledger.LeafKindNames() {
		kind := ledger.LeafKind(n + 1)
		p := slices.IndexFunc(plain.lines, func(l file.Line) bool {
			t, ok := l.Leaf.(*ledger.Transfer)
			return l.Leaf.LeafKind() == kind && (!ok || t.Born == ledger.Failed) // only such a one has a reason
		})
		fields := 0
		for {
			leaf, _ := ledger.ParseLeaf(ledger.AppendLeaf(nil, plain.lines[p].Leaf))
			if t, ok := leaf.(*ledger.Transfer); ok {
				t.Steps = 0 // as one that is being read
			}
			change := &changer{n: fields}
			if leaf.Describe(change); change.n >= 0 {
				break
			}
			fields++
			changed := plain.clone()
			changed.lines[p].Leaf = leaf
			if bytes.Equal(changed.bytes(t), plain.bytes(t)) {
				t.Errorf("field %d of a %s is not written", fields, kind)
			}
			sum, found := verified(t, changed.bytes(t), by.public)
			if f := sum.FirstBad; f == nil || f.Place != int64(p) || f.Rule != "content" && f.Rule != "form" {
				t.Errorf("field %d of a %s: %+v, of %+v", fields, kind, f, found)
			}
		}
		if fields < 3 {
			t.Errorf("a %s has %d fields", kind, fields)
		}
	}
}

// TestEveryByteCounts changes one byte of a file, anywhere: it is found.
func TestEveryByteCounts(t *testing.T) {
	b, by, _ := original(t)
	whole := copyOf(t, b.leaves()[:b.commits[60]], by, origin, []int64{b.commits[10], b.commits[40]}).bytes(t)
	rapid.Check(t, func(t *rapid.T) {
		data := slices.Clone(whole)
		data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		found := 0
		_, err := audit.Verify(bytes.NewReader(data), audit.VerifyOptions{Keys: []string{by.public}}, func(audit.Finding) { found++ })
		if err == nil && found == 0 {
			t.Fatal("nothing is found")
		}
	})
}

// TestParts verifies files that begin later, and files that do not show every leaf.
func TestParts(t *testing.T) {
	b, by, _ := original(t)
	leaves := b.leaves()
	for _, first := range []int64{1, 50, 64, int64(len(leaves))} {
		c := copyOf(t, leaves, by, origin, b.commits)
		part := c.from(first)
		sum, found := verified(t, part.bytes(t), by.public)
		if len(found) > 0 || sum.First != first || sum.Leaves != c.header.Size-first {
			t.Errorf("from %d: %+v, found %+v", first, sum, found)
		}
		if first != 50 {
			continue
		}
		p := slices.IndexFunc(part.lines, func(l file.Line) bool { _, ok := l.Leaf.(*ledger.Posting); return ok && l.Place > 100 })
		changed := *part.lines[p].Leaf.(*ledger.Posting)
		changed.Amount++
		part.lines[p].Leaf, part.lines[p].Hash = &changed, file.HashOf(&changed)
		if sum, _ := verified(t, part.bytes(t), by.public); sum.FirstBad == nil || sum.FirstBad.Place != part.lines[p].Place {
			t.Errorf("from %d, an amount changed at %d: %+v", first, part.lines[p].Place, sum.FirstBad)
		}
	}
	hidden := copyOf(t, leaves, by, origin, b.commits)
	for i := range hidden.lines {
		if i%3 == 0 {
			hidden.lines[i].Leaf = nil
		}
	}
	if sum, _ := verified(t, hidden.bytes(t), by.public); sum.FirstBad == nil || sum.FirstBad.Rule != "hidden" || sum.FirstBad.Place != 0 {
		t.Errorf("a file of everything that does not show everything: %+v", sum.FirstBad)
	}
}

// from is the file from a place on.
func (c *copied) from(first int64) *copied {
	p := &copied{header: c.header}
	p.header.First, p.header.Before = first, nil
	done := int64(0)
	for size := first; size > 0; {
		whole := int64(1)
		for whole*2 <= size {
			whole *= 2
		}
		var hashes []tlog.Hash
		for i := done; i < done+whole; i++ {
			hashes = append(hashes, file.HashOf(c.leaf(int(i))))
		}
		p.header.Before = append(p.header.Before, rootOf(nil, hashes))
		done, size = done+whole, size-whole
	}
	at := int64(0)
	for _, l := range c.lines {
		if l.Checkpoint == "" {
			at = l.Place + 1
		}
		if at > first {
			p.lines = append(p.lines, l)
		}
	}
	return p
}
