package audit_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/memory"
	"bahi/ledger/privacy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// house is a book that several nodes may share.
type house struct {
	testing.TB
	store ledger.Store
	kek   *privacy.KEK

	mu   sync.Mutex
	dead map[ledger.ID]bool
}

func newHouse(t testing.TB, store ledger.Store) *house {
	kek, err := privacy.NewKEK()
	check(t, err)
	return &house{TB: t, store: store, kek: kek, dead: map[ledger.ID]bool{}}
}

func inMemory(t testing.TB) *house { return newHouse(t, memory.New()) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// node is a pipeline, with a sealer once it seals.
type node struct {
	*house
	id     ledger.ID
	book   *ledger.Pipeline
	sealer *audit.Sealer
	sets   func(*ledger.Set)
}

// join opens a node that does not seal yet; the log has a key.
func (h *house) join() *node {
	n := &node{house: h, id: ledger.NewID(), sealer: audit.NewSealer(), sets: func(*ledger.Set) {}}
	n.book = ledger.NewPipeline(h.store, ledger.PipelineOptions{Log: quiet, Observer: func(s *ledger.Set) { n.sealer.Observe(s); n.sets(s) }})
	n.book.Become(ledger.Node{ID: n.id})
	_, err := n.keyring().Ensure(h.Context(), "")
	check(h, err)
	return n
}

func (n *node) keyring() *audit.Keyring {
	return &audit.Keyring{Book: n.book, Reader: n.store, Wrapper: n.kek}
}

// seal starts the node's sealer.
func (n *node) seal(every time.Duration) {
	n.sealer.Start(audit.SealerOptions{Book: n.book, Reader: n.store, Wrapper: n.kek, Self: func() ledger.ID { return n.id }, Dead: n.isDead, Every: every, Log: quiet})
}

func (h *house) isDead(id ledger.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dead[id]
}

func (h *house) bury(n *node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead[n.id] = true
}

func (n *node) close() {
	n.sealer.Close(context.Background())
	n.book.Close()
}

// look adds a leaf.
func (n *node) look() {
	n.Helper()
	_, err := ledger.Do[ledger.Access](n.Context(), n.book, ledger.RecordAccess{Access: ledger.Access{ID: ledger.NewID(), Who: "user:asha", What: "bahi export", Times: 1}})
	check(n, err)
}

// do commits commands, none of which is refused.
func (n *node) do(commands ...ledger.Command) (results []any) {
	n.Helper()
	for _, c := range commands {
		reply, err := n.book.Submit(n.Context(), ledger.Request{Command: c})
		check(n, err)
		results = append(results, reply.Result)
	}
	return results
}

// person opens a party with an account at a bank and a wallet.
func (n *node) person(number string) (account, wallet ledger.Instrument) {
	n.Helper()
	p := n.do(ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: "Asha", Kind: ledger.Person}})[0].(ledger.Party)
	linked := n.do(
		ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: "chat", Kind: ledger.BankAccount,
			Value: number, IFSC: "SBIN0000300", Bank: "SBIN", Currency: "INR", UPI: number + "@sbi"}},
		ledger.LinkInstrument{Instrument: ledger.Instrument{ID: ledger.NewID(), Party: p.ID, App: "chat", Kind: ledger.Wallet, Currency: "INR"}})
	return linked[0].(ledger.Instrument), linked[1].(ledger.Instrument)
}

func pay(from, to ledger.Instrument, minor int64) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: from.App, Kind: ledger.Payment,
		Payer: from.End("payer"), Payee: to.End("payee"), Amount: ledger.Amount{Minor: minor, Currency: "INR"}, RRN: "630610000001"}}
}

// paid makes a transfer and has the banks say yes.
func (n *node) paid(from, to ledger.Instrument, minor int64) ledger.Transfer {
	n.Helper()
	t := n.do(pay(from, to, minor))[0].(ledger.Transfer)
	for _, leg := range []ledger.Leg{ledger.LegDebit, ledger.LegCredit} {
		if leg == ledger.LegCredit && t.Payee.IsWallet() {
			break
		}
		n.do(ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: ledger.SaysApproved, Code: "00", Ref: "A1"})
	}
	return t
}

// sealed waits until all rows have their place.
func (h *house) sealed() {
	h.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		rows, err := h.store.Unsealed(h.Context(), 1)
		check(h, err)
		if len(rows) == 0 {
			return
		}
		if time.Now().After(end) {
			h.Fatalf("row %d is not sealed", rows[0].N)
		}
	}
}

func (h *house) head() ledger.LogHead {
	h.Helper()
	head, err := h.store.LogHead(h.Context())
	check(h, err)
	return head
}
