package audit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/audit/file"
	"bahi/ledger/memory"
	"bahi/ledger/settle"
)

// book is a book in which the same commands make the same leaves.
type book struct {
	t       testing.TB
	store   ledger.Store
	pipe    *ledger.Pipeline
	now     time.Time
	ids     uint64
	commits []int64 // how many leaves there are after each
	made    []ledger.Transfer
}

func newBook(t testing.TB) *book { return newBookOn(t, memory.New()) }

func newBookOn(t testing.TB, store ledger.Store) *book {
	b := &book{t: t, store: store, now: time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)}
	b.pipe = ledger.NewPipeline(b.store, ledger.PipelineOptions{Now: func() time.Time { return b.now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Observer: func(s *ledger.Set) {
			n := int64(0)
			if len(b.commits) > 0 {
				n = b.commits[len(b.commits)-1]
			}
			for _, row := range s.Log() {
				n += int64(row.Leaves)
			}
			b.commits = append(b.commits, n)
		}})
	t.Cleanup(b.pipe.Close)
	return b
}

func (b *book) do(c ledger.Command) any {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	reply, err := b.pipe.Submit(context.Background(), ledger.Request{Command: c})
	if err != nil {
		b.t.Fatalf("%T: %v", c, err)
	}
	return reply.Result
}

func (b *book) id() (id ledger.ID) {
	b.ids++
	binary.BigEndian.PutUint64(id[8:], b.ids*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[:], uint64(b.now.UnixMilli())<<16)
	return id
}

func bankOf(code string) ledger.End {
	return ledger.End{Bank: code, Account: "1" + code, IFSC: code + "0000001"}
}

func walletOf(n byte) ledger.End { return ledger.End{Party: ledger.ID{15: n}} }

var outcomes = map[string]ledger.Outcome{"approved": ledger.SaysApproved, "declined": ledger.SaysDeclined, "silent": ledger.SaysUnknown, "stands": ledger.SaysStands}

// pay makes a transfer and says what the banks answer, as "debit approved, credit silent".
func (b *book) pay(from, to ledger.End, minor int64, says string) ledger.Transfer {
	b.t.Helper()
	t := b.do(ledger.CreateTransfer{Transfer: ledger.Transfer{ID: b.id(), App: "chat", Kind: ledger.Payment, Payer: from, Payee: to,
		Amount: ledger.Amount{Minor: minor, Currency: "INR"}, RRN: "630610000001"}}).(ledger.Transfer)
	for said := range strings.SplitSeq(says, ", ") {
		name, word, ok := strings.Cut(said, " ")
		if !ok {
			break
		}
		leg, _ := ledger.ParseLeg(name)
		for attempt := range 1 + len(ledger.DefaultPolicy().Checks) {
			t = b.do(ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: outcomes[word], Attempt: attempt}).(ledger.Recorded).Transfer
			if word != "silent" {
				break
			}
		}
	}
	b.made = append(b.made, t)
	return t
}

// found puts a break into the book as a run of the reconciliation does.
type found struct{ b ledger.Break }

func (f found) Declare(s *ledger.Set) { s.Breaks.Want(f.b.ID) }
func (f found) Apply(s *ledger.Set) (any, error) {
	s.Note(&f.b, ledger.NoteOpened, "", "")
	s.Breaks.Put(f.b.ID, f.b)
	return f.b, nil
}

// correct finds a break about a transfer and mends it, by a payout.
func (b *book) correct(t ledger.Transfer) {
	b.t.Helper()
	s := ledger.Subject{Transfer: t.ID, Leg: ledger.LegDebit, Bank: t.Payer.Bank}
	brk := b.do(found{ledger.Break{ID: ledger.BreakID(ledger.ClassAmountDiffers, s), Class: ledger.ClassAmountDiffers, Subject: s, Currency: "INR", Ours: 100, Theirs: 350,
		Bank: ledger.SaysYes, Steps: t.Steps, State: ledger.BreakOpen, Deadline: 1}}).(ledger.Break)
	proposed := ledger.Case{Break: brk, Transfer: &t, By: "asif"}
	made := b.do(ledger.ProposeCorrection{Case: proposed}).(ledger.Correction)
	again, err := b.store.Break(context.Background(), brk.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(ledger.ApplyCorrection{Case: ledger.Case{Break: again, Transfer: &t, By: "meera"}, ID: made.ID, Override: "a reason", Payout: b.id(), RRN: "630610000002"})
}

// erased is the end of what is known of a person.
type erased struct{ ledger.Erasure }

func (erased) Declare(*ledger.Set) {}
func (e erased) Apply(s *ledger.Set) (any, error) {
	e.At = s.Now
	s.Erasures = append(s.Erasures, e.Erasure)
	return nil, nil
}

// third is what the third payment of the story is of; a story is the same but for it.
func (b *book) story(third int64) *book {
	b.t.Helper()
	nrmd, kvri := bankOf("NRMD"), bankOf("KVRI")
	const paid = "debit approved, credit approved"
	b.pay(nrmd, walletOf(1), 9000, "debit approved")
	b.pay(walletOf(1), walletOf(2), 1000, "")
	b.pay(nrmd, kvri, third, paid)
	b.pay(walletOf(1), kvri, 700, "credit approved")
	b.pay(nrmd, kvri, 300, "debit declined")
	b.pay(nrmd, kvri, 400, "debit approved, credit declined, debit_reversal approved")
	b.pay(nrmd, kvri, 500, "debit approved, credit silent, credit_reversal silent")
	b.pay(kvri, nrmd, 600, "debit silent, debit_reversal silent")
	b.pay(kvri, nrmd, 600, "debit approved")
	b.pay(nrmd, kvri, 800, "debit approved, credit silent, credit_reversal approved, debit_reversal approved")
	b.pay(walletOf(2), walletOf(1), 99999, "")
	b.correct(b.made[2])
	b.settle()
	b.do(ledger.RecordAccess{Access: ledger.Access{ID: b.id(), Who: "user:asha", What: "bahi export", Times: 1}})
	b.do(erased{ledger.Erasure{Party: ledger.ID{15: 1}, By: "user:asha"}})
	for n := range int64(10) {
		b.pay(walletOf(1), walletOf(2), 10+n, "")
		b.pay(kvri, nrmd, 20+n, paid)
	}
	return b
}

// settle closes what is due and confirms a position of it.
func (b *book) settle() {
	b.t.Helper()
	schedule := settle.UPI()
	schedule.Fees = settle.Fees{Currency: "INR", Default: 10}
	b.now = b.now.Add(24 * time.Hour)
	desk := settle.Desk{Book: b.pipe, Reader: b.store, Schedule: schedule}
	windows, err := desk.CloseDue(context.Background(), b.now.UnixMicro(), "test")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, w := range windows {
		positions, err := desk.Positions(context.Background(), &w)
		if err != nil {
			b.t.Fatal(err)
		}
		for i := range positions {
			if p := &positions[i]; p.Bank != "" {
				if _, err := desk.Confirm(context.Background(), settle.ConfirmPosition{Window: w.ID, Bank: p.Bank, Currency: "INR", Amount: settle.Owes(p), By: "test"}); err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
}

// leaves are those of the log.
func (b *book) leaves() (all []ledger.Leaf) {
	b.t.Helper()
	err := b.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for row := range s.LogRows() {
			if err := row.Each(func(_ int64, canonical []byte) bool {
				l, err := ledger.ParseLeaf(canonical)
				if err != nil {
					b.t.Fatal(err)
				}
				all = append(all, l)
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// signer is a log's key.
type signer struct{ secret, public string }

func newSigner(t testing.TB, name string) signer {
	secret, public, err := note.GenerateKey(nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return signer{secret, public}
}

func (s signer) sign(t testing.TB, size int64, root tlog.Hash) string {
	key, err := note.NewSigner(s.secret)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := audit.Head{Origin: key.Name(), Tree: tlog.Tree{N: size, Hash: root}}.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// copied is an audit file that can still be changed.
type copied struct {
	header file.Header
	lines  []file.Line
}

// copyOf is the audit file of leaves, signed at the ends of some commits.
func copyOf(t testing.TB, leaves []ledger.Leaf, by signer, origin string, signedAt []int64) *copied {
	c := &copied{header: file.Header{Origin: origin, Keys: []string{by.public}}}
	for place, l := range leaves {
		c.lines = append(c.lines, file.Line{Place: int64(place), Hash: file.HashOf(l), Leaf: l})
	}
	c.sign(t, by, signedAt)
	return c
}

// sign makes the tree anew and signs it, at the end and at some sizes.
func (c *copied) sign(t testing.TB, by signer, at []int64) {
	c.lines = slices.DeleteFunc(c.lines, func(l file.Line) bool { return l.Checkpoint != "" })
	var hashes []tlog.Hash
	var signed []file.Line
	for _, l := range c.lines {
		hashes = append(hashes, l.Hash)
		signed = append(signed, l)
		if size := int64(len(hashes)); size < int64(len(c.lines)) && slices.Contains(at, size) {
			signed = append(signed, file.Line{Checkpoint: by.sign(t, size, rootOf(t, hashes))})
		}
	}
	c.lines = signed
	c.header.Size = int64(len(hashes))
	c.header.Checkpoint = by.sign(t, c.header.Size, rootOf(t, hashes))
}

// rootOf is the root by the library's own way.
func rootOf(t testing.TB, hashes []tlog.Hash) tlog.Hash {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) (found []tlog.Hash, err error) {
		for _, i := range indexes {
			found = append(found, stored[i])
		}
		return found, nil
	})
	for n, h := range hashes {
		more, err := tlog.StoredHashesForRecordHash(int64(n), h, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(int64(len(hashes)), read)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func (c *copied) clone() *copied { return &copied{c.header, slices.Clone(c.lines)} }

func (c *copied) bytes(t testing.TB) []byte {
	var b bytes.Buffer
	w, err := file.NewWriter(&b, c.header)
	for _, l := range c.lines {
		if err == nil && l.Checkpoint != "" {
			err = w.Checkpoint(l.Checkpoint)
		} else if err == nil {
			err = w.Leaf(l.Place, l.Hash, l.Leaf, l.People)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// verified is what verifying a file finds.
func verified(t testing.TB, data []byte, key string, older ...*audit.Kept) (audit.Report, []audit.Finding) {
	var found []audit.Finding
	sum, err := audit.Verify(bytes.NewReader(data), audit.VerifyOptions{Keys: []string{key}, Older: older}, func(f audit.Finding) { found = append(found, f) })
	if err != nil {
		t.Fatal(err)
	}
	return sum, found
}

func kept(t testing.TB, name string, data []byte) *audit.Kept {
	k, err := audit.ReadKept(name, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
