package export_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/memory"
	"bahi/ledger/privacy"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/reconcile"
	"bahi/ledger/settle"
)

// world is a book that several nodes write to, by a clock that the test sets.
type world struct {
	testing.TB
	store ledger.Store
	nodes []*ledger.Pipeline
	clock atomic.Int64 // Unix microseconds
	made  uint32
	kek   *privacy.KEK
}

var ctx = context.Background()

func newWorld(t testing.TB, engine ledger.Store) *world {
	store := privacytest.Over(t, engine)
	w := &world{TB: t, store: store}
	w.at("2026-11-25T04:00:00Z")
	for n := range 3 {
		p := ledger.NewPipeline(store, ledger.PipelineOptions{Now: w.now, Log: slog.New(slog.DiscardHandler)})
		p.Become(ledger.Node{ID: ledger.ID{15: byte(n + 1)}, Stripe: n})
		t.Cleanup(p.Close)
		w.nodes = append(w.nodes, p)
	}
	for n := range 30 { // what is known of them is kept under keys of their own
		w.do(0, ledger.OpenParty{Party: ledger.Party{ID: party(n), App: "chat", Name: "somebody", Kind: ledger.Person}})
	}
	return w
}

func memoryWorld(t testing.TB) *world { return newWorld(t, memory.New()) }

func (w *world) at(s string) {
	w.Helper()
	t, err := time.Parse(time.RFC3339, s)
	w.no(err)
	w.clock.Store(t.UnixMicro())
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()) }

func (w *world) pass(d time.Duration) { w.clock.Add(d.Microseconds()) }

func (w *world) no(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) do(node int, c ledger.Command) any {
	w.Helper()
	reply, err := w.nodes[node%len(w.nodes)].Submit(ctx, ledger.Request{Command: c})
	if err != nil {
		w.Fatalf("%T: %v", c, err)
	}
	return reply.Result
}

// id is a transfer's, of the clock's time.
func (w *world) id() (id ledger.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(w.clock.Load()/1000)<<16)
	w.made++
	binary.BigEndian.PutUint32(id[12:], w.made)
	return id
}

func bankOf(code string, n int) ledger.End {
	return ledger.End{Name: "somebody", Bank: code, Account: fmt.Sprintf("10000000%04d", n), IFSC: code + "0000001", Party: party(n), Mark: [32]byte{1}}
}

func walletOf(n int) ledger.End {
	return ledger.End{Name: "somebody", Party: party(n), Mark: [32]byte{1}}
}

func party(n int) (id ledger.ID) {
	id[0] = 0xA
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

var words = map[string]ledger.Outcome{"approved": ledger.SaysApproved, "declined": ledger.SaysDeclined, "stands": ledger.SaysStands, "silent": ledger.SaysUnknown}

// send makes a transfer and says what the banks answered: "debit approved, credit silent".
func (w *world) send(node int, app string, from, to ledger.End, minor int64, c ledger.Currency, says string) ledger.Transfer {
	w.Helper()
	t := w.do(node, ledger.CreateTransfer{Transfer: ledger.Transfer{ID: w.id(), App: app, Kind: ledger.Payment, Payer: from, Payee: to,
		Amount: ledger.Amount{Minor: minor, Currency: c}, RRN: fmt.Sprintf("6329%08d", w.made)}}).(ledger.Transfer)
	if says == "" {
		return t
	}
	for said := range strings.SplitSeq(says, ", ") {
		name, word, _ := strings.Cut(said, " ")
		leg, _ := ledger.ParseLeg(name)
		times := 1
		if word == "silent" {
			times = 1 + len(ledger.DefaultPolicy().Checks)
		}
		for attempt := range times {
			w.pass(time.Millisecond)
			r := w.do(node, ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: words[word], Attempt: attempt, Code: "Z9"}).(ledger.Recorded)
			if r.Effect != ledger.Applied {
				w.Fatalf("%s: %s", said, r.Effect)
			}
			t = r.Transfer
		}
	}
	return t
}

// seal seals what is committed, with a key of the log's own.
func (w *world) seal() ledger.LogHead {
	w.Helper()
	if w.kek == nil {
		var err error
		w.kek, err = privacy.NewKEK()
		w.no(err)
		ring := audit.Keyring{Book: w.nodes[0], Reader: w.store, Wrapper: w.kek, Now: w.now}
		_, err = ring.Ensure(ctx, "bahi.example/log")
		w.no(err)
	}
	head, err := audit.SealAll(ctx, w.nodes[0], w.store, w.kek)
	w.no(err)
	return head
}

const paid = "debit approved, credit approved"

// busy lets everything happen in the book that can, for some days and in several
// currencies, and seals it in pieces.
func (w *world) busy(n int) {
	w.Helper()
	stories := []string{paid, paid, "debit declined", "debit approved, credit declined, debit_reversal approved", "debit approved",
		"debit approved, credit silent, credit approved, credit_reversal approved", "debit approved, credit silent, credit_reversal stands",
		"debit approved, credit silent, credit_reversal silent", "debit silent, debit_reversal silent", ""}
	codes := []string{"NRMD", "KVRI", "GDVR"}
	for i := range n {
		w.pass(17 * time.Minute)
		app, c := []string{"chat", "=shop"}[i%2], []ledger.Currency{"INR", "JPY", "INR", "KWD"}[i/2%4]
		from, to := bankOf(codes[i%3], i%7), bankOf(codes[(i+1+i/3)%3], 7+i%5)
		minor := int64(1 + i*i*7%100_003)
		switch i % 4 {
		case 0: // a wallet is filled, and pays
			w.send(i, app, from, walletOf(i%7), minor+1000, c, "debit approved")
			w.send(i, app, walletOf(i%7), walletOf(20+i%3), minor/2+1, c, "")
		case 1:
			w.send(i, app, walletOf((i-1)%7), to, 10, c, []string{"", "credit approved", "credit declined"}[i%3])
		default:
			w.send(i, app, from, to, minor, c, stories[i%len(stories)])
		}
		if i%3 == 2 {
			w.seal()
		}
	}
	w.settle()
	w.correct()
	w.seal()
}

// settle closes the windows that are over and confirms what banks pay, all but the last.
func (w *world) settle() {
	w.Helper()
	schedule := settle.UPI()
	schedule.Fees = settle.Fees{Currency: "INR", Default: 10}
	d := &settle.Desk{Book: w.nodes[0], Reader: w.store, Schedule: schedule}
	windows, err := d.CloseDue(ctx, w.clock.Load(), "asha")
	w.no(err)
	confirmed := 0
	for _, window := range windows {
		report, err := d.Report(ctx, window.ID)
		w.no(err)
		for i := range report.Positions {
			if p := &report.Positions[i]; p.Bank != "" && i != len(report.Positions)-1 {
				_, err := d.Confirm(ctx, settle.ConfirmPosition{Window: window.ID, Bank: p.Bank, Currency: p.Currency, Amount: settle.Owes(p), Ref: "NEFT", By: "asha"})
				w.no(err)
				confirmed++
			}
		}
	}
	if confirmed == 0 {
		w.Fatal("nothing was settled")
	}
}

// tell is what is ingested, without the files.
type tell struct {
	lines    []ledger.BankLine
	coverage []ledger.Covered
}

func (c tell) Declare(*ledger.Set) {}
func (c tell) Apply(s *ledger.Set) (any, error) {
	s.Lines, s.Coverage = append(s.Lines, c.lines...), append(s.Coverage, c.coverage...)
	return nil, nil
}

// correct lets a bank have taken money that it had said it did not, and mends that.
func (w *world) correct() {
	w.Helper()
	zone := (&ledger.Policy{}).Location()
	t := w.send(1, "chat", bankOf("NRMD", 3), bankOf("KVRI", 9), 777_77, "INR", "debit declined")
	day := ledger.DayAt(t.Created, zone)
	w.do(0, tell{lines: []ledger.BankLine{{ID: ledger.LineID{Source: ledger.SourceBank, Bank: "NRMD", N: 1, Key: ledger.LineKey{1}}, Transfer: t.ID, Name: t.ID.TransferRef(), RRN: t.RRN,
		Day: day, Amount: t.Amount, Debit: true, Moved: true, By: ledger.KeyedByRRN, Code: "00", Count: 1}}, coverage: []ledger.Covered{{Source: ledger.SourceBank, Bank: "NRMD", Day: day}}})
	w.pass(48 * time.Hour)
	_, err := reconcile.Run(ctx, w.nodes[0], w.store, reconcile.Options{From: day, Until: day + 1, Zone: zone, By: "asha", Now: w.now, KnownBank: func(string) bool { return true }})
	w.no(err)
	policy := ledger.DefaultPolicy()
	d := &reconcile.Desk{Book: w.nodes[1], Reader: w.store, Policy: &policy, Now: w.now, RRN: func() string { return "632900000000" }}
	breaks, err := w.store.Breaks(ctx, ledger.BreakFilter{State: ledger.BreakOpen}, ledger.BreakPlace{}, 1000)
	w.no(err)
	i := slices.IndexFunc(breaks, func(b ledger.Break) bool { return b.Subject.Transfer == t.ID })
	if i < 0 {
		w.Fatalf("no break of %s", t.ID.TransferRef())
	}
	c, err := d.Propose(ctx, breaks[i].ID, ledger.RefundPayer, "asha")
	w.no(err)
	w.seal() // the proposal is before the places in which it is applied
	c, err = d.Apply(ctx, c.ID, "", "ravi")
	w.no(err)
	payout, err := w.store.Transfer(ctx, c.Payout)
	w.no(err)
	w.do(1, ledger.RecordResult{Transfer: &payout, Leg: ledger.LegCredit, Outcome: ledger.SaysApproved})
}
