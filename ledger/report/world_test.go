package report_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"

	"bahi/ledger/report"
	"bahi/ledger/report/reporttest"
	"bahi/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// checked is what a test and a property's check have in common.
type checked interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

var background = context.Background()

// engines open an empty book.
var engines = map[string]func(t *testing.T) ledger.Store{
	"memory": func(*testing.T) ledger.Store { return memory.New() },
	"sqlite": func(t *testing.T) ledger.Store {
		return opened(t, func() (ledger.Store, error) { return sqlite.Open(background, filepath.Join(t.TempDir(), "bahi.db")) })
	},
	"postgres": func(t *testing.T) ledger.Store {
		return opened(t, func() (ledger.Store, error) { return postgres.Open(background, pgtest.NewDatabase(t)) })
	},
}

func opened(t *testing.T, open func() (ledger.Store, error)) ledger.Store {
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var zone = (&ledger.Policy{}).Location()

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, zone)

// world is one book, nodes that write to it, each by a clock of its own.
type world struct {
	checked
	store ledger.Store
	nodes []*ledger.Pipeline
	skew  []time.Duration // how far each node's clock is ahead
	now   atomic.Int64    // Unix microseconds
	made  uint32
}

func newWorld(t checked, store ledger.Store, skew ...time.Duration) *world {
	w := &world{checked: t, store: store, skew: skew}
	w.now.Store(noon.UnixMicro())
	for n := range skew {
		p := ledger.NewPipeline(store, ledger.PipelineOptions{Now: func() time.Time { return w.time().Add(w.skew[n]) }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		p.Become(ledger.Node{ID: ledger.ID{15: byte(n + 1)}, Stripe: n})
		w.nodes = append(w.nodes, p)
	}
	return w
}

func (w *world) close() {
	for _, p := range w.nodes {
		p.Close()
	}
}

func (w *world) time() time.Time      { return time.UnixMicro(w.now.Load()) }
func (w *world) pass(d time.Duration) { w.now.Add(d.Microseconds()) }

func (w *world) no(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v", err)
	}
}

func bankOf(code string) ledger.End {
	return ledger.End{Name: "Asha Rao", Bank: code, Account: "100000000001", IFSC: code + "0000001"}
}

func walletOf(n int) ledger.End { return ledger.End{Name: "Ravi Menon", Party: ledger.ID{15: byte(n)}} }

// open makes somebody known.
func (w *world) open(party ledger.ID) {
	w.Helper()
	_, err := ledger.Do[ledger.Party](background, w.nodes[0], ledger.OpenParty{Party: ledger.Party{ID: party, App: "chat", Name: "Ravi Menon", Kind: ledger.Person}})
	w.no(err)
}

func inr(minor int64) ledger.Amount { return ledger.Amount{Minor: minor, Currency: "INR"} }

var outcomes = map[string]ledger.Outcome{"approved": ledger.SaysApproved, "declined": ledger.SaysDeclined, "silent": ledger.SaysUnknown, "stands": ledger.SaysStands}

// id is a transfer's, of the clock's time.
func (w *world) id() (id ledger.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(w.time().UnixMilli())<<16)
	w.made++
	binary.BigEndian.PutUint32(id[12:], w.made)
	return id
}

// send makes a transfer on a node, and says what the banks answer: "debit approved, credit declined".
func (w *world) send(node int, from, to ledger.End, amount ledger.Amount, story string) ledger.Transfer {
	w.Helper()
	from.Account = "200000000002"
	id := w.id()
	t, err := ledger.Do[ledger.Transfer](background, w.nodes[node], ledger.CreateTransfer{Transfer: ledger.Transfer{ID: id, App: "chat", Kind: ledger.Payment,
		Payer: from, Payee: to, Amount: amount, RRN: fmt.Sprintf("6329%08d", w.made)}})
	w.no(err)
	for said := range strings.SplitSeq(story, ", ") {
		name, word, _ := strings.Cut(said, " ")
		leg, ok := ledger.ParseLeg(name)
		for attempt := 0; ok && t.State.Waits(); attempt++ {
			r, err := ledger.Do[ledger.Recorded](background, w.nodes[node], ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: outcomes[word], Attempt: attempt})
			if refusal := (*ledger.Refusal)(nil); errors.As(err, &refusal) && refusal.Code == ledger.CodeInstructionNotFound {
				break // a wallet is not asked
			}
			w.no(err)
			t = r.Transfer
			if word != "silent" || attempt == len(ledger.DefaultPolicy().Checks) {
				break
			}
		}
	}
	return t
}

const paid = "debit approved, credit approved"

// read is what a report says: each row by its columns' names.
func (w *world) read(r *report.Report, err error) []map[string]string {
	w.Helper()
	w.no(err)
	rows, err := reporttest.Rows(background, r)
	w.no(err)
	return rows
}

func (w *world) minor(s, currency string) int64 {
	w.Helper()
	n, err := reporttest.Minor(s, currency)
	w.no(err)
	return n
}

// postings are all of the book's.
func (w *world) postings() (all []ledger.Posting, accounts map[ledger.AccountID]ledger.Account) {
	w.Helper()
	accounts = map[ledger.AccountID]ledger.Account{}
	w.no(w.store.Audit(background, func(s ledger.Snapshot) error {
		for a, err := range s.Accounts() {
			if err != nil {
				return err
			}
			accounts[a.ID] = a
		}
		for p, err := range s.Postings() {
			if err != nil {
				return err
			}
			all = append(all, p)
		}
		return nil
	}))
	return all, accounts
}

// tally is what the postings of an account add up to.
type tally struct{ debits, credits, seq, last int64 }

// tallies replays all postings whose times are from an instant to another.
func (w *world) tallies(from, to int64) map[ledger.AccountID]*tally {
	w.Helper()
	all, accounts := w.postings()
	sums := map[ledger.AccountID]*tally{}
	for id := range accounts {
		sums[id] = &tally{}
	}
	for _, p := range all {
		if p.At < from || p.At > to {
			continue
		}
		d, c := sums[p.Debit], sums[p.Credit]
		d.debits += p.Amount
		c.credits += p.Amount
		for _, s := range []*tally{d, c} {
			s.seq++
			s.last = max(s.last, p.At)
		}
	}
	return sums
}

func (w *world) verify() {
	w.Helper()
	_, err := ledger.Verify(background, w.store, func(v ledger.Violation) { w.Errorf("%+v", v) })
	w.no(err)
}
