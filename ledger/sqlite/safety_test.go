package sqlite_test

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

// piped is a book behind a pipeline, as callers meet it, whose clock a test moves.
type piped struct {
	testing.TB
	store ledger.Store
	pipe  *ledger.Pipeline
	path  string
	ends  []ledger.End
	late  atomic.Int64 // how far the clock is ahead, in microseconds
}

// newPiped has two people with wallets, of which the first holds a thousand rupees, and one
// who has a bank account. More than ten rupees are held.
func newPiped(t *testing.T) *piped {
	p := &piped{path: filepath.Join(t.TempDir(), "book.db")}
	p.open(t)
	t.Cleanup(func() { p.close() })
	for _, bank := range []string{"SBIN", "HDFC", "SBIN"} {
		party := do[ledger.Party](p, ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: "somebody", Kind: ledger.Person}})
		i := ledger.Instrument{ID: ledger.NewID(), Party: party.ID, App: "chat", Kind: ledger.Wallet, Currency: "INR"}
		if bank == "SBIN" && len(p.ends) > 0 {
			i = ledger.Instrument{ID: i.ID, Party: party.ID, App: "chat", Kind: ledger.BankAccount, Value: "555000111", IFSC: "SBIN0000001", Bank: "SBIN", Currency: "INR"}
		}
		i = do[ledger.Instrument](p, ledger.LinkInstrument{Instrument: i})
		p.ends = append(p.ends, i.End("somebody"))
	}
	top := transfer(ledger.TopUp, bank, p.ends[0], 1_000_00)
	do[ledger.Transfer](p, ledger.CreateTransfer{Transfer: top})
	p.says(top, ledger.LegDebit, ledger.SaysApproved)
	return p
}

// says is a bank's answer.
func (p *piped) says(t ledger.Transfer, leg ledger.Leg, outcome ledger.Outcome) {
	p.Helper()
	do[ledger.Recorded](p, ledger.RecordResult{Transfer: &t, Leg: leg, Outcome: outcome})
}

func (p *piped) verify() {
	p.Helper()
	if _, err := ledger.Verify(p.Context(), p.store, func(v ledger.Violation) { p.Errorf("%+v", v) }); err != nil {
		p.Fatal(err)
	}
}

func (p *piped) open(t *testing.T) {
	store, err := privacytest.Sealed(sqlite.Open(t.Context(), p.path))
	if err != nil {
		t.Fatal(err)
	}
	policy := ledger.DefaultPolicy()
	policy.Limits = &ledger.Limits{Default: ledger.AppLimits{HoldAbove: map[ledger.Currency]int64{"INR": 10_00}}}
	p.TB, p.store = t, store
	p.pipe = ledger.NewPipeline(store, ledger.PipelineOptions{Policy: &policy, Now: func() time.Time { return time.Now().Add(time.Duration(p.late.Load()) * time.Microsecond) }})
}

func (p *piped) close() {
	p.pipe.Close()
	if err := p.store.Close(); err != nil {
		p.Error(err)
	}
}

// reopen goes on as a process does that died and was started again.
func (p *piped) reopen(t *testing.T) {
	p.close()
	p.open(t)
}

func do[R any](p *piped, c ledger.Command) R {
	p.Helper()
	r, err := ledger.Do[R](p.Context(), p.pipe, c)
	if err != nil {
		p.Errorf("%T: %v", c, err)
	}
	return r
}

func (p *piped) pay(from, to, minor int) ledger.Transfer {
	p.Helper()
	return do[ledger.Transfer](p, ledger.CreateTransfer{Transfer: transfer(ledger.Payment, p.ends[from], p.ends[to], int64(minor))})
}

func (p *piped) refund(of ledger.Transfer, minor int64) ledger.CreateRefund {
	now, err := p.store.Transfer(p.Context(), of.ID)
	if err != nil {
		p.Error(err)
	}
	c := ledger.CreateRefund{Payment: &now, ID: ledger.NewID(), RRN: "630610000003"}
	if minor > 0 {
		c.Amount = ledger.Amount{Minor: minor, Currency: "INR"}
	}
	return c
}

func (p *piped) balance(end int) int64 {
	p.Helper()
	a, err := p.store.Account(p.Context(), ledger.WalletAccount(p.ends[end].Party, "INR").ID())
	if err != nil {
		p.Fatal(err)
	}
	return a.Balance()
}

func (p *piped) kept(of ledger.Transfer) ledger.Refunds {
	p.Helper()
	r, err := p.store.Record(p.Context(), ledger.RecordKey{Kind: ledger.RecordRefunds, ID: of.ID})
	if err != nil {
		p.Fatal(err)
	}
	kept, err := ledger.ReadRecord[ledger.Refunds](&r)
	if err != nil {
		p.Fatal(err)
	}
	return kept
}

// TestRefundsRace: 200 refunds of a hundredth each, and some of all that is left, at once
// give back what was paid, to the paisa.
func TestRefundsRace(t *testing.T) {
	p := newPiped(t)
	paid := p.pay(0, 1, 10_00)
	var done atomic.Int64
	var all sync.WaitGroup
	for n := range 220 {
		all.Go(func() {
			minor := int64(10)
			if n%11 == 10 {
				minor = 0
			}
			r, err := ledger.Do[ledger.Transfer](p.Context(), p.pipe, p.refund(paid, minor))
			var refusal *ledger.Refusal
			switch {
			case err == nil && r.State == ledger.Completed:
				done.Add(r.Amount.Minor)
			case !errors.As(err, &refusal):
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
	if got := p.kept(paid); done.Load() != 10_00 || got.Refunded != 10_00 || got.UnderWay != 0 || p.balance(0) != 1_000_00 || p.balance(1) != 0 {
		t.Errorf("%d were refunded, %+v are stored, the wallets hold %d and %d", done.Load(), got, p.balance(0), p.balance(1))
	}
	p.verify()
}

// TestHoldsRace: cancelled and released at once, and stopped in between, each of the held
// transfers goes one way.
func TestHoldsRace(t *testing.T) {
	p := newPiped(t)
	held := make([]ledger.Transfer, 90)
	for n := range held {
		held[n] = p.pay(0, 1, 10_01)
	}
	p.late.Store((2 * time.Hour).Microseconds())
	var ends [3]atomic.Int64 // paid, taken back, sent back
	var all sync.WaitGroup
	for n := range held {
		all.Go(func() {
			t, err := ledger.Do[ledger.Transfer](p.Context(), p.pipe, ledger.CancelTransfer{Transfer: &held[n]})
			if err == nil && t.Reason == ledger.CancelledBySender {
				ends[1].Add(1)
			}
		})
		all.Go(func() {
			for range 2 {
				do[ledger.Transfer](p, ledger.ReleaseTransfer{Transfer: &held[n]})
			}
		})
		if n == len(held)/2 {
			all.Go(func() {
				do[ledger.Safety](p, ledger.StopPayments{Party: p.ends[0].Party, Stopped: true})
				if after := p.pay(0, 1, 1); after.Reason != ledger.PaymentsStopped {
					t.Errorf("after the stop one is %s", after.State)
				}
			})
		}
	}
	all.Wait()
	for n := range held {
		now, err := p.store.Transfer(t.Context(), held[n].ID)
		switch {
		case err == nil && now.State == ledger.Completed:
			ends[0].Add(1)
		case err == nil && now.State == ledger.Reversed && now.Reason == ledger.PaymentsStopped:
			ends[2].Add(1)
		case err != nil || now.State != ledger.Reversed || now.Reason != ledger.CancelledBySender:
			t.Errorf("%s, %s, %v", now.State, now.Reason, err)
		}
	}
	paid, taken, sent := ends[0].Load(), ends[1].Load(), ends[2].Load()
	if paid+taken+sent != int64(len(held)) || p.balance(1) != paid*10_01 || p.balance(0)+p.balance(1) != 1_000_00 {
		t.Errorf("%d paid, %d taken back, %d sent back; the wallets hold %d and %d", paid, taken, sent, p.balance(0), p.balance(1))
	}
	p.verify()
}

// TestSafetyOverARestart: a refund and a hold that were under way when a process died go on
// in the next one, which knows who has stopped.
func TestSafetyOverARestart(t *testing.T) {
	p := newPiped(t)
	out := p.pay(0, 2, 9_00) // to a bank
	p.says(out, ledger.LegCredit, ledger.SaysApproved)
	declined, done := do[ledger.Transfer](p, p.refund(out, 4_00)), do[ledger.Transfer](p, p.refund(out, 0))
	first, second := p.pay(0, 1, 10_01), p.pay(0, 1, 10_01)
	p.reopen(t)
	if got := p.kept(out); got.UnderWay != 9_00 {
		t.Errorf("%+v", got)
	}
	p.says(declined, ledger.LegDebit, ledger.SaysDeclined)
	p.says(done, ledger.LegDebit, ledger.SaysApproved)
	if got := p.kept(out); got.UnderWay != 0 || got.Refunded != 5_00 {
		t.Errorf("%+v", got)
	}
	due, err := p.store.DueRecords(t.Context(), ledger.RecordPlace{}, time.Now().Add(2*time.Hour).UnixMicro(), 10)
	if err != nil || len(due) != 2 || due[0].ID != first.ID || due[1].ID != second.ID {
		t.Fatalf("due: %+v, %v", due, err)
	}
	p.late.Store((2 * time.Hour).Microseconds())
	if r := do[ledger.Transfer](p, ledger.ReleaseTransfer{Transfer: &first}); r.State != ledger.Completed {
		t.Errorf("released it is %s", r.State)
	}
	do[ledger.Safety](p, ledger.StopPayments{Party: p.ends[0].Party, Stopped: true})
	p.reopen(t)
	if r := do[ledger.Transfer](p, ledger.ReleaseTransfer{Transfer: &second}); r.State != ledger.Reversed || r.Reason != ledger.PaymentsStopped {
		t.Errorf("stopped it is %s, %s", r.State, r.Reason)
	}
	p.verify()
}
