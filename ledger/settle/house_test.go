package settle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/report/reporttest"
	"bahi/ledger/sqlite"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(closeAndDie); path != "" {
		dieAfterClosing(path)
	}
	goleak.VerifyTestMain(pgtest.Main(m))
}

// engines open one book n times over, as n nodes do.
var engines = map[string]func(t testing.TB, n int) []ledger.Store{
	"memory": func(_ testing.TB, n int) []ledger.Store {
		store := memory.New()
		return slices.Repeat([]ledger.Store{store}, n)
	},
	"sqlite": func(t testing.TB, n int) []ledger.Store {
		path := filepath.Join(t.TempDir(), "bahi.db")
		return opened(t, n, func() (ledger.Store, error) { return privacytest.Sealed(sqlite.Open(context.Background(), path)) })
	},
	"postgres": func(t testing.TB, n int) []ledger.Store {
		url := pgtest.NewDatabase(t)
		return opened(t, n, func() (ledger.Store, error) { return privacytest.Sealed(postgres.Open(context.Background(), url)) })
	},
}

func opened(t testing.TB, n int, open func() (ledger.Store, error)) (stores []ledger.Store) {
	for range n {
		s, err := open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		stores = append(stores, s)
	}
	return stores
}

// onEach runs a test on each engine.
func onEach(t *testing.T, n int, test func(h *house)) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) { test(newHouse(t, open(t, n)...)) })
	}
}

// house is one book, several nodes that write to it, and a clock that all of them go by.
type house struct {
	*testing.T
	nodes []*Desk
	skew  []time.Duration // how far each node's clock is ahead
	now   atomic.Int64
	caps  ledger.Caps // set before anything is paid
}

func newHouse(t *testing.T, stores ...ledger.Store) *house {
	h := &house{T: t, skew: make([]time.Duration, len(stores))}
	h.at("2026-11-25 10:00")
	schedule := UPI()
	schedule.Fees = Fees{Currency: "INR", Default: 10, Banks: map[string]int64{"KVRI": 3}}
	for n, store := range stores {
		p := ledger.NewPipeline(store, ledger.PipelineOptions{Now: func() time.Time { return h.clock(n) }, Caps: func() ledger.Caps { return h.caps }})
		p.Become(ledger.Node{ID: ledger.ID{15: byte(n + 1)}, Stripe: n})
		t.Cleanup(p.Close)
		h.nodes = append(h.nodes, &Desk{Book: p, Reader: store, Schedule: schedule})
	}
	return h
}

func (h *house) clock(node int) time.Time { return time.UnixMicro(h.now.Load()).Add(h.skew[node]) }

// at sets the clock, which shows India's time.
func (h *house) at(s string) {
	h.Helper()
	t, err := time.ParseInLocation("2006-01-02 15:04", s, india)
	if err != nil {
		h.Fatal(err)
	}
	h.now.Store(t.UnixMicro())
}

func (h *house) pass(d time.Duration) { h.now.Add(d.Microseconds()) }

func (h *house) check(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// refused demands that a command was refused with a code.
func (h *house) refused(err error, code string) {
	h.Helper()
	refusal := (*ledger.Refusal)(nil)
	if !errors.As(err, &refusal) || refusal.Code != code {
		h.Fatalf("got %v, want a refusal %s", err, code)
	}
}

// bankOf is somebody with an account at a bank, walletOf somebody's wallet.
func bankOf(code string) ledger.End {
	return ledger.End{Name: "somebody", Bank: code, Account: "100000000001", IFSC: code + "0000001"}
}

func walletOf(n byte) ledger.End { return ledger.End{Name: "somebody", Party: ledger.ID{15: n}} }

// send makes a transfer and says what the banks answered, leg by leg: "debit
// approved, credit silent".
func (h *house) send(node int, from, to ledger.End, minor int64, says string) ledger.Transfer {
	h.Helper()
	t, err := h.trySend(node, from, to, ledger.Amount{Minor: minor, Currency: "INR"}, says)
	h.check(err)
	return t
}

var words = map[string]ledger.Outcome{"approved": ledger.SaysApproved, "declined": ledger.SaysDeclined, "not_done": ledger.SaysNotDone, "stands": ledger.SaysStands, "silent": ledger.SaysUnknown}

func (h *house) trySend(node int, from, to ledger.End, amount ledger.Amount, says string) (ledger.Transfer, error) {
	from.Account = "200000000002" // of somebody else, if it is the same bank
	t, err := ledger.Do[ledger.Transfer](context.Background(), h.nodes[node].Book, ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: "chat",
		Kind: ledger.Payment, Payer: from, Payee: to, Amount: amount, RRN: "632910000001"}})
	if err != nil || says == "" {
		return t, err
	}
	for said := range strings.SplitSeq(says, ", ") {
		name, word, _ := strings.Cut(said, " ")
		leg, _ := ledger.ParseLeg(name)
		times := 1
		if word == "silent" {
			times = 1 + len(ledger.DefaultPolicy().Checks)
		}
		for attempt := range times {
			r, err := ledger.Do[ledger.Recorded](context.Background(), h.nodes[node].Book, ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: words[word], Attempt: attempt})
			if err != nil {
				return t, err
			}
			if r.Effect != ledger.Applied {
				return t, fmt.Errorf("%s: %s", said, r.Effect)
			}
			t = r.Transfer
		}
	}
	return t, nil
}

const paid = "debit approved, credit approved"

// closed closes what is due and demands that it is exactly these windows.
func (h *house) closed(node int, want ...string) {
	h.Helper()
	windows, err := h.nodes[node].CloseDue(context.Background(), h.clock(node).UnixMicro(), "test")
	h.check(err)
	var got []string
	for _, w := range windows {
		got = append(got, w.ID)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		h.Fatalf("closed %v, want %v", got, want)
	}
}

// positions are a window's in short: "NRMD 5-3=+2 (fees)" where NRMD remitted 5, received 3 and so owes 2.
func (h *house) positions(id string) string {
	h.Helper()
	r, err := h.nodes[0].Report(context.Background(), id)
	h.check(err)
	var out []string
	for _, p := range r.Positions {
		out = append(out, fmt.Sprintf("%s %d-%d%+d", bankName(&p), p.Remitted.Minor, p.Received.Minor, p.Fees))
	}
	return strings.Join(out, ", ")
}

func (h *house) wantPositions(id, want string) {
	h.Helper()
	if got := h.positions(id); got != want {
		h.Errorf("positions of %s: %s; want %s", id, got, want)
	}
}

// balance is what an account holds, with its stripes.
func (h *house) balance(n ledger.AccountName) (sum int64) {
	h.Helper()
	accounts, err := ledger.Stripes(context.Background(), h.nodes[0].Reader, n)
	h.check(err)
	for i := range accounts {
		sum += accounts[i].Balance()
	}
	return sum
}

// verify demands that the book holds, and that the windows cut it without a gap.
func (h *house) verify() {
	h.Helper()
	var found []string
	_, err := ledger.Verify(context.Background(), h.nodes[0].Reader, func(v ledger.Violation) { found = append(found, fmt.Sprint(v)) })
	if err != nil || len(found) > 0 {
		h.Fatalf("verify: %v\n%s", err, strings.Join(found, "\n"))
	}
	h.check(reporttest.Check(context.Background(), h.nodes[0].Reader))
	h.cutsAreExact()
}

// windows are all closed ones of a kind, in order.
func (h *house) windows(kind ledger.WindowKind) (windows []ledger.Window) {
	h.Helper()
	before := ""
	for {
		page, err := h.nodes[0].Reader.Windows(context.Background(), "upi", before, 7)
		h.check(err)
		for _, w := range page {
			if before = w.ID; w.Kind == kind {
				windows = append(windows, w)
			}
		}
		if len(page) < 7 {
			slices.SortFunc(windows, func(a, b ledger.Window) int { return int(a.Until - b.Until) })
			return windows
		}
	}
}

// cutsAreExact demands of each kind that each window begins, on each account, where
// the one before it ends, and that the windows' times follow each other too.
func (h *house) cutsAreExact() {
	h.Helper()
	for _, kind := range []ledger.WindowKind{ledger.WindowTransfers, ledger.WindowDisputes} {
		upTo := map[ledger.AccountID]int64{}
		var until int64
		for _, w := range h.windows(kind) {
			if until != 0 && w.From != until {
				h.Errorf("%s begins at %d, the one before it ends at %d", w.ID, w.From, until)
			}
			until = w.Until
			seen := map[ledger.AccountID]bool{}
			for _, c := range w.Cuts {
				if c.After != upTo[c.Account] || c.UpTo < c.After || seen[c.Account] {
					h.Errorf("%s cuts %s after %d up to %d; the one before it ends at %d", w.ID, c.Account, c.After, c.UpTo, upTo[c.Account])
				}
				upTo[c.Account], seen[c.Account] = c.UpTo, true
			}
			for a := range upTo {
				if !seen[a] {
					h.Errorf("%s does not cut %s", w.ID, a)
				}
			}
		}
	}
}

// wantBalanced demands that the positions of each window come to zero, are what the
// test itself makes of the postings, and that over all windows and what is still in
// transit they are what the clearing accounts hold.
func (h *house) wantBalanced() {
	h.Helper()
	ctx := context.Background()
	tally, open := map[string]map[string]int64{}, map[string]int64{} // by window and bank: what it owes; by bank: what is in no window yet
	cut := map[ledger.AccountID][]struct {
		window      string
		after, upTo int64
	}{}
	for _, kind := range []ledger.WindowKind{ledger.WindowTransfers, ledger.WindowDisputes} {
		for _, w := range h.windows(kind) {
			tally[w.ID] = map[string]int64{}
			for _, c := range w.Cuts {
				cut[c.Account] = append(cut[c.Account], struct {
					window      string
					after, upTo int64
				}{w.ID, c.After, c.UpTo})
			}
		}
	}
	move := func(account ledger.AccountID, seq int64, from, to string, minor int64) {
		in := 0
		for _, c := range cut[account] {
			if seq > c.after && seq <= c.upTo {
				in++
				tally[c.window][from] += minor
				tally[c.window][to] -= minor
			}
		}
		if in > 1 {
			h.Errorf("posting %d of %s is in %d windows", seq, account, in)
		}
		if in == 0 {
			open[from] += minor
			open[to] -= minor
		}
	}
	var transit int64
	err := h.nodes[0].Reader.Audit(ctx, func(s ledger.Snapshot) error {
		transfers, names := map[ledger.ID]ledger.Transfer{}, map[ledger.AccountID]ledger.AccountName{}
		for t, err := range s.Transfers(ledger.Range{}) {
			if err != nil {
				return err
			}
			transfers[t.ID] = t
		}
		for a, err := range s.Accounts() {
			if err != nil {
				return err
			}
			names[a.ID] = a.Name
		}
		for p, err := range s.Postings() {
			if err != nil {
				return err
			}
			t := transfers[p.Entry]
			debit, credit := names[p.Debit].Bank(), names[p.Credit].Bank()
			switch p.Event {
			case ledger.EventDebit: // owed until the credit is in a window
				open[t.Payer.Bank] += p.Amount
				transit += p.Amount
			case ledger.EventDebitReversal:
				open[t.Payer.Bank] -= p.Amount
				transit -= p.Amount
			case ledger.EventCredit:
				open[t.Payer.Bank] -= p.Amount
				transit -= p.Amount
				move(p.Debit, p.DebitSeq, t.Payer.Bank, t.Payee.Bank, p.Amount)
			case ledger.EventCreditReversal:
				open[t.Payer.Bank] += p.Amount
				transit += p.Amount
				move(p.Credit, p.CreditSeq, t.Payee.Bank, t.Payer.Bank, p.Amount)
			case ledger.EventAdjustment:
				if debit != "" {
					move(p.Credit, p.CreditSeq, debit, "", p.Amount)
				} else {
					move(p.Debit, p.DebitSeq, "", credit, p.Amount)
				}
			}
		}
		return nil
	})
	h.check(err)
	settled, confirmed := map[string]int64{}, map[string]int64{}
	for id, banks := range tally {
		r, err := h.nodes[0].Report(ctx, id)
		h.check(err)
		var sum int64
		for _, p := range r.Positions {
			sum += p.Net()
			settled[p.Bank] += p.Net()
			if p.State == ledger.PositionConfirmed {
				confirmed[p.Bank] += p.Net()
			}
			if p.Net() != banks[p.Bank] {
				h.Errorf("%s: %s owes %d; its postings say %d", id, p.Bank, p.Net(), banks[p.Bank])
			}
			delete(banks, p.Bank)
		}
		for bank, owes := range banks {
			if owes != 0 {
				h.Errorf("%s: %s has no position; its postings say %d", id, bank, owes)
			}
		}
		if sum != 0 {
			h.Errorf("%s: the positions come to %d", id, sum)
		}
	}
	if held := h.balance(ledger.TransitAccount("INR")); held != transit {
		h.Errorf("transit holds %d, its postings say %d", held, transit)
	}
	for _, bank := range banks {
		if holds := h.balance(ledger.ClearingAccount(bank, "INR")); holds != settled[bank]-confirmed[bank]+open[bank] {
			h.Errorf("%s: clearing holds %d; windows %d, of which confirmed %d, and what is in none %d", bank, holds, settled[bank], confirmed[bank], open[bank])
		}
	}
}

var banks = []string{"NRMD", "KVRI", "GDVR", "STLJ"}

// load is a goroutine that pays between random banks and wallets, through all that
// may become of a transfer, until it is told to stop.
func (h *house) load(node int, seed uint64, stop <-chan struct{}, wg *sync.WaitGroup) {
	wg.Go(func() {
		r := rand.New(rand.NewPCG(seed, 1))
		for {
			select {
			case <-stop:
				return
			default:
			}
			from, to := bankOf(banks[r.IntN(len(banks))]), bankOf(banks[r.IntN(len(banks))])
			if r.IntN(8) == 0 {
				to = walletOf(byte(1 + r.IntN(3)))
			}
			stories := []string{paid, paid, paid, paid, paid, "debit approved", "", "debit declined", "debit approved, credit declined, debit_reversal approved",
				"debit approved, credit silent, credit approved, credit_reversal approved", "debit approved, credit silent, credit_reversal stands",
				"debit approved, credit silent, credit_reversal silent", "debit silent, debit_reversal silent"}
			story := stories[r.IntN(len(stories))]
			if to.IsWallet() {
				story = "debit approved"
			}
			_, err := h.trySend(node, from, to, ledger.Amount{Minor: 1 + r.Int64N(100_000), Currency: "INR"}, story)
			// When the clock jumps an answer comes too late, and the story takes another turn.
			if refusal := (*ledger.Refusal)(nil); err != nil && (!errors.As(err, &refusal) || refusal.Code != ledger.CodeInstructionNotFound) {
				h.Errorf("%s: %v", story, err)
				return
			}
		}
	})
}
