package ledger_test

import (
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// holding is a book in which payments of more than so many paise are held for an hour.
func holding(t testing.TB, above int64) *book {
	b := newBook(t)
	b.pipe.Close()
	policy := ledger.DefaultPolicy()
	policy.Limits = &ledger.Limits{Default: ledger.AppLimits{HoldAbove: map[ledger.Currency]int64{"INR": above}}}
	b.pipe = ledger.NewPipeline(b.store, ledger.PipelineOptions{Now: func() time.Time { return b.now }, Policy: &policy, MaxQueue: 1 << 20})
	t.Cleanup(b.close)
	return b
}

// topUp puts any sum into a wallet: what is not a payment is not held.
func (b *book) topUp(account, wallet ledger.End, minor int64) {
	b.t.Helper()
	c := create(account, wallet, minor)
	c.Transfer.Kind = ledger.TopUp
	t := must[ledger.Transfer](b, c)
	b.say(&t, "debit approved")
}

// cancel and release are the two ways out of a hold.
func (b *book) cancel(tr *ledger.Transfer) ledger.Transfer {
	b.t.Helper()
	return must[ledger.Transfer](b, ledger.CancelTransfer{Transfer: tr})
}

func (b *book) release(tr *ledger.Transfer) ledger.Transfer {
	b.t.Helper()
	return must[ledger.Transfer](b, ledger.ReleaseTransfer{Transfer: tr})
}

// due are the holds whose time is over.
func (b *book) due() (ids []ledger.ID) {
	b.t.Helper()
	rows, err := b.store.DueRecords(b.t.Context(), ledger.RecordPlace{}, b.now.UnixMicro()+1, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Kind == ledger.RecordHold {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// A large payment waits for an hour once its payer has paid; then the payee gets it.
func TestHoldOfALargePayment(t *testing.T) {
	for _, c := range []struct {
		name, before, after string // what banks say before the hold and after it
		bankPays, bankGets  bool
		states              string
	}{
		{"wallet to wallet", "", "", false, false, "pending held debited completed"},
		{"wallet to bank", "", "credit approved", false, true, "pending held debited completed"},
		{"bank to wallet", "debit approved", "", true, false, "pending held debited completed"},
		{"bank to bank", "debit approved", "credit approved", true, true, "pending held debited completed"},
		{"bank to bank, which declines", "debit approved", "credit declined, debit_reversal approved", true, true, "pending held debited reversing reversed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := holding(t, 1_000)
			account, asha := b.person("Asha", "SBIN")
			bank, ravi := b.person("Ravi", "HDFC")
			b.topUp(account, asha, 2_000)
			from, to := asha, ravi
			if c.bankPays {
				from = account
			}
			if c.bankGets {
				to = bank
			}
			tr := b.pay(from, to, 1_001)
			if tr.Until != b.now.Add(time.Hour).UnixMicro() {
				t.Fatalf("it is held until %d", tr.Until)
			}
			if c.before != "" {
				b.say(&tr, c.before)
			}
			b.wantStates(tr.ID, "pending held")
			b.verify()
			b.now = b.now.Add(time.Hour - time.Microsecond)
			if early := b.release(&tr); early.State != ledger.Held || len(b.due()) != 0 {
				t.Fatalf("released early: %s", early.State)
			}
			b.now = b.now.Add(time.Microsecond)
			if due := b.due(); len(due) != 1 || due[0] != tr.ID {
				t.Fatalf("due: %v", due)
			}
			b.release(&tr)
			b.verify()
			b.wantRefused(ledger.CancelTransfer{Transfer: &tr}, ledger.CodeNotCancellable, "run its course")
			for _, s := range strings.Split(c.after, ", ") {
				if s != "" {
					b.say(&tr, s)
				}
			}
			before := b.fingerprint()
			b.release(&tr)
			if b.fingerprint() != before || len(b.due()) != 0 {
				t.Error("releasing again changed the book")
			}
			b.wantStates(tr.ID, c.states)
			b.verify()
		})
	}
}

// The sender takes back what is held: into a wallet at once, to a bank by its reversal.
func TestCancelWhatIsHeld(t *testing.T) {
	b := holding(t, 1_000)
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.topUp(account, asha, 2_000)
	inside := b.pay(asha, ravi, 1_500)
	if got := b.wallet(asha); got != 500 {
		t.Fatalf("while it is held the wallet holds %d", got)
	}
	b.wantRefused(ledger.CancelTransfer{Transfer: &inside, Expired: true}, ledger.CodeNotCancellable, "held")
	back := b.cancel(&inside)
	if back.State != ledger.Reversed || back.Reason != ledger.CancelledBySender || b.wallet(asha) != 2_000 {
		t.Fatalf("%s, %s, the wallet holds %d", back.State, back.Reason, b.wallet(asha))
	}
	outside := b.pay(account, ravi, 1_500)
	b.wantRefused(ledger.CancelTransfer{Transfer: &outside}, ledger.CodeNotCancellable, "once it is held")
	b.say(&outside, "debit approved")
	if back := b.cancel(&outside); back.State != ledger.Reversing || back.Reason != ledger.CancelledBySender {
		t.Fatalf("%s, %s", back.State, back.Reason)
	}
	b.verify()
	b.say(&outside, "debit_reversal approved")
	b.now = b.now.Add(2 * time.Hour)
	for _, tr := range []*ledger.Transfer{&inside, &outside} {
		before := b.fingerprint()
		if again := b.cancel(tr); again.State != ledger.Reversed {
			t.Errorf("cancelled again: %s", again.State)
		}
		b.release(tr)
		if b.fingerprint() != before {
			t.Error("cancelling and releasing again changed the book")
		}
	}
	if b.wallet(ravi) != 0 || len(b.due()) != 0 {
		t.Error("the payee was paid, or something is due")
	}
	b.wantStates(inside.ID, "pending held reversed")
	b.wantStates(outside.ID, "pending held reversing reversed")
	queued := create(account, ravi, 1_500)
	queued.Queue = true
	tr := must[ledger.Transfer](b, queued)
	if got := b.cancel(&tr); got.State != ledger.Cancelled {
		t.Errorf("what was not sent is %s", got.State)
	}
	b.verify()
}

// A debit that takes longer than the hold would have: the payee is paid at once.
func TestHoldThatIsOverBeforeTheDebit(t *testing.T) {
	b := holding(t, 1_000)
	policy := ledger.DefaultPolicy()
	policy.Submit = 3 * time.Hour
	policy.Limits = &ledger.Limits{Apps: map[string]ledger.AppLimits{"chat": {HoldAbove: map[ledger.Currency]int64{"INR": 1_000}, HoldFor: time.Minute}}}
	b.pipe.Close()
	b.pipe = ledger.NewPipeline(b.store, ledger.PipelineOptions{Now: func() time.Time { return b.now }, Policy: &policy})
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	first, second := b.pay(account, ravi, 1_500), b.pay(account, ravi, 1_500)
	b.now = b.now.Add(time.Minute)
	b.say(&first, "debit approved")
	b.wantStates(first.ID, "pending debited completed")
	must[ledger.Safety](b, ledger.StopPayments{Party: asha.Party, Stopped: true})
	b.say(&second, "debit approved")
	b.wantStates(second.ID, "pending reversing")
	if now, _ := b.store.Transfer(t.Context(), second.ID); now.Reason != ledger.PaymentsStopped {
		t.Errorf("because of %s", now.Reason)
	}
	b.verify()
}

// Nothing is held but large payments, nor what goes to and comes from pots.
func TestWhatIsNotHeld(t *testing.T) {
	b := holding(t, 1_000)
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	top := create(account, asha, 10_000)
	top.Transfer.Kind = ledger.TopUp
	up := must[ledger.Transfer](b, top)
	b.say(&up, "debit approved")
	b.wantStates(up.ID, "pending debited completed")
	paid := b.pay(asha, ravi, 1_000)
	b.wantStates(paid.ID, "pending completed")
	funding := create(asha, ledger.End{Pot: ledger.NewID()}, 2_000)
	funding.Transfer.Cause = ledger.RecordKey{Kind: ledger.RecordPot, ID: funding.Transfer.Payee.Pot}
	must[ledger.Transfer](b, funding)
	b.wantStates(funding.Transfer.ID, "pending completed")
	other := create(asha, ravi, 2_000)
	other.Transfer.App = "other"
	dollars := create(asha, ravi, 2_000)
	dollars.Transfer.Amount.Currency = "USD"
	for _, c := range []ledger.CreateTransfer{other, dollars} {
		if got := must[ledger.Transfer](b, c); (got.State == ledger.Held) != (got.App == "other") { // all apps have the default
			t.Errorf("%s of %s is %s", got.Amount, got.App, got.State)
		}
	}
	large := b.pay(asha, ravi, 2_000)
	b.now = b.now.Add(time.Hour)
	b.release(&large)
	if r := must[ledger.Transfer](b, b.refund(large.ID, 0)); r.State != ledger.Completed {
		t.Errorf("the refund is %s", r.State)
	}
	b.verify()
}
