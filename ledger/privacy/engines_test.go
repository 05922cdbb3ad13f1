package privacy_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/privacy"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// engines open a book, as often as there are nodes, and show all that is stored of it.
var engines = map[string]func(t *testing.T) (open func() ledger.Store, stored func() []byte){
	"memory": func(t *testing.T) (func() ledger.Store, func() []byte) {
		m := memory.New()
		return func() ledger.Store { return m }, func() []byte { return nil }
	},
	"sqlite": func(t *testing.T) (func() ledger.Store, func() []byte) {
		path := filepath.Join(t.TempDir(), "book.db")
		return func() ledger.Store { return opened(t)(sqlite.Open(context.Background(), path)) }, func() []byte {
			file, err := os.ReadFile(path)
			log, e := os.ReadFile(path + "-wal")
			if err := errors.Join(err, e); err != nil {
				t.Fatal(err)
			}
			return append(file, log...)
		}
	},
	"postgres": func(t *testing.T) (func() ledger.Store, func() []byte) {
		url := pgtest.NewDatabase(t)
		return func() ledger.Store { return opened(t)(postgres.Open(context.Background(), url)) }, func() []byte {
			out, err := pgtest.Shared(t).Run("pg_dump", url)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
	},
}

func opened(t *testing.T) func(ledger.Store, error) ledger.Store {
	return func(s ledger.Store, err error) ledger.Store {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

// eachEngine runs a test on every engine.
func eachEngine(t *testing.T, test func(w *world)) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			open, stored := engine(t)
			w := &world{T: t, open: open, stored: stored}
			w.store = privacytest.Over(t, open())
			w.book = w.pipeline(w.store, 0)
			test(w)
		})
	}
}

// world is a book with a node on it.
type world struct {
	*testing.T
	open   func() ledger.Store
	stored func() []byte
	store  *privacy.Store
	book   *ledger.Pipeline
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) pipeline(s ledger.Store, stripe int) *ledger.Pipeline {
	p := ledger.NewPipeline(s, ledger.PipelineOptions{})
	p.Become(ledger.Node{ID: ledger.NewID(), Stripe: stripe})
	w.Cleanup(p.Close)
	return p
}

// do applies a command that is not refused.
func do[R any](w *world, c ledger.Command) R {
	w.Helper()
	r, err := ledger.Do[R](context.Background(), w.book, c)
	w.check(err)
	return r
}

// person is a party with all that it can be known by.
type person struct {
	ledger.Party
	phone, handle, account, wallet ledger.Instrument
}

func (p *person) words() []string {
	return []string{p.Name, p.phone.Value, p.handle.Value, p.account.Value, p.account.UPI}
}

func (w *world) person(name, phone, handle, account string) (p person) {
	w.Helper()
	p.Party = do[ledger.Party](w, ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: name, Kind: ledger.Person}})
	for i, kept := range map[*ledger.Instrument]*ledger.Instrument{
		{Kind: ledger.Phone, Value: phone}: &p.phone, {Kind: ledger.Handle, Value: handle}: &p.handle, {Kind: ledger.Wallet, Currency: "INR"}: &p.wallet,
		{Kind: ledger.BankAccount, Value: account, IFSC: "SBIN0000300", Bank: "SBIN", Currency: "INR", UPI: handle + "@oksbi"}: &p.account,
	} {
		i.ID, i.Party, i.App = ledger.NewID(), p.ID, "chat"
		*kept = do[ledger.Instrument](w, ledger.LinkInstrument{Instrument: *i})
	}
	return p
}

func asha(w *world) person {
	return w.person("Asha Venkataraman", "+919876512345", "asha.venkat", "314159265358")
}

func ravi(w *world) person {
	return w.person("Ravi Chandrasekhar", "+919812398123", "ravi.chandra", "271828182845")
}

// pay is a payment with a note and metadata.
func pay(from, to ledger.End, minor int64) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: "chat", Kind: ledger.Payment, Payer: from, Payee: to,
		Amount: ledger.Amount{Minor: minor, Currency: "INR"}, Note: "medicine for amma", Metadata: `{"clinic":"Kauvery"}`, Conversation: "c-1", RRN: "630610000001"}}
}

var noteWords = []string{"medicine for amma", "Kauvery"}

// paid pays, from a bank where the payer is one.
func (w *world) paid(c ledger.CreateTransfer) ledger.Transfer {
	w.Helper()
	t := do[ledger.Transfer](w, c)
	for _, leg := range []ledger.Leg{ledger.LegDebit, ledger.LegCredit} {
		if here, _ := t.Ends(leg); !here.IsWallet() {
			t = do[ledger.Recorded](w, ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: ledger.SaysApproved}).Transfer
		}
	}
	if t.State != ledger.Completed {
		w.Fatalf("the transfer is %s, %s", t.State, t.Reason)
	}
	return t
}

// holdsNone demands that what is stored holds none of the words: plainly, or as a dump writes bytes.
func (w *world) holdsNone(words ...string) {
	w.Helper()
	all := w.stored()
	for _, word := range words {
		for _, form := range []string{word, hex.EncodeToString([]byte(word)), base64.StdEncoding.EncodeToString([]byte(word))} {
			if bytes.Contains(all, []byte(form)) {
				w.Errorf("%q is stored in the clear", word)
			}
		}
	}
}

// leaves are all leaves of the log, sealed or not.
func (w *world) leaves() (all [][]byte) {
	w.Helper()
	w.check(w.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for r, err := range s.LogRows() {
			if err != nil {
				return err
			}
			if err := r.Each(func(_ int64, leaf []byte) bool {
				all = append(all, bytes.Clone(leaf))
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	}))
	return all
}

func refusedAs(err error) string {
	var r *ledger.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}
