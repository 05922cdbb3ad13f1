package ledger_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/memory"
)

// book is a pipeline over an in-memory store whose clock the test moves.
type book struct {
	t     testing.TB
	store ledger.Store
	pipe  *ledger.Pipeline
	now   time.Time
	caps  ledger.Caps
}

func newBook(t testing.TB) *book {
	b := &book{t: t, store: memory.New(), now: time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)}
	b.pipe = ledger.NewPipeline(b.store, ledger.PipelineOptions{Now: func() time.Time { return b.now }, Caps: func() ledger.Caps { return b.caps }})
	return b
}

func (b *book) close() {
	b.pipe.Close()
	if err := b.store.Close(); err != nil {
		b.t.Error(err)
	}
}

// must submits a command that no rule refuses.
func must[R any](b *book, c ledger.Command) R {
	b.t.Helper()
	r, err := ledger.Do[R](context.Background(), b.pipe, c)
	if err != nil {
		b.t.Fatalf("%T: %v", c, err)
	}
	return r
}

func inr(minor int64) ledger.Amount { return ledger.Amount{Minor: minor, Currency: "INR"} }

// person opens a party with a bank account, and a wallet holding money where funds > 0.
func (b *book) person(name, bank string) (account, wallet ledger.End) {
	b.t.Helper()
	p := must[ledger.Party](b, ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: name, Kind: ledger.Person}})
	i := must[ledger.Instrument](b, ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: "chat",
		Kind: ledger.BankAccount, Value: "10000000" + p.ID.PartyRef()[30:], IFSC: bank + "0000001", Bank: bank, Currency: "INR"}})
	w := must[ledger.Instrument](b, ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: "chat",
		Kind: ledger.Wallet, Currency: "INR"}})
	return i.End(name), w.End(name)
}

// pay creates a transfer.
func (b *book) pay(from, to ledger.End, minor int64) ledger.Transfer {
	b.t.Helper()
	return must[ledger.Transfer](b, create(from, to, minor))
}

func create(from, to ledger.End, minor int64) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: "chat", Kind: ledger.Payment,
		Payer: from, Payee: to, Amount: inr(minor), RRN: "630610000001"}}
}

// fund puts money into a wallet by a top-up that the bank approves.
func (b *book) fund(account, wallet ledger.End, minor int64) {
	b.t.Helper()
	t := b.pay(account, wallet, minor)
	must[ledger.Recorded](b, ledger.RecordResult{Transfer: &t, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved})
}

// verify demands that the book holds.
func (b *book) verify() {
	b.t.Helper()
	var found []string
	_, err := ledger.Verify(context.Background(), b.store, func(v ledger.Violation) { found = append(found, fmt.Sprint(v)) })
	if err != nil || len(found) > 0 {
		b.t.Fatalf("verify: %v\n%s", err, strings.Join(found, "\n"))
	}
}

// fingerprint is a hash over everything in the book.
func (b *book) fingerprint() (sum [32]byte) {
	h := sha256.New()
	err := b.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for v, err := range s.Accounts() {
			fmt.Fprintln(h, v, err)
		}
		for v, err := range s.Transfers(ledger.Range{}) {
			fmt.Fprintln(h, v, err)
		}
		for v, err := range s.Instructions(ledger.Range{}) {
			fmt.Fprintln(h, v, err)
		}
		for v, err := range s.Steps() {
			fmt.Fprintln(h, v, err)
		}
		for v, err := range s.Postings() {
			fmt.Fprintln(h, v, err)
		}
		for kind := ledger.RecordHold; kind <= ledger.RecordStream; kind++ {
			for v, err := range s.Records(kind) {
				fmt.Fprintln(h, v, err)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// mustJSON is the body of a record.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
