package ledger_test

import (
	"testing"

	"bahi/ledger"
)

// capped is a book in which SBIN may come to owe a sum, with stripes that it has already.
func capped(t *testing.T, limit int64, parts ...int) *book {
	b := newBook(t)
	names := []ledger.AccountName{}
	for _, n := range parts {
		names = append(names, ledger.ClearingAccount("SBIN", "INR").Stripe(n))
	}
	b.caps = ledger.Caps{"SBIN": {Limit: inr(limit), Parts: names}}
	t.Cleanup(b.close)
	return b
}

func (b *book) wantPay(from, to ledger.End, minor int64, want ledger.Reason) ledger.Transfer {
	b.t.Helper()
	tr := b.pay(from, to, minor)
	if tr.Reason != want {
		b.t.Fatalf("a transfer of %d is %s: %q, want %q", minor, tr.State, tr.Reason, want)
	}
	if want == ledger.NetDebitCap && (tr.State != ledger.Failed || tr.BankCode != ledger.CodeNetDebitCap) {
		b.t.Fatalf("it is %s with the code %q", tr.State, tr.BankCode)
	}
	b.verify()
	return tr
}

// What a bank has confirmed, what it is asked for and what it never answered count,
// until it says that it did not do it, gives it back or is paid for it.
func TestNetDebitCap(t *testing.T) {
	b := capped(t, 1000)
	payer, _ := b.person("Asha", "SBIN")
	payee, wallet := b.person("Ravi", "HDFC")
	first := b.wantPay(payer, payee, 600, "")
	b.wantPay(payer, payee, 401, ledger.NetDebitCap)
	second := b.wantPay(payer, payee, 400, "")
	b.wantPay(payer, payee, 1, ledger.NetDebitCap)
	b.wantPay(payee, payer, 5000, "") // another bank has no cap

	b.say(&second, "debit declined")
	third := b.wantPay(payer, wallet, 400, "") // a wallet's top-up counts as well
	b.say(&first, "debit approved")
	b.wantPay(payer, payee, 1, ledger.NetDebitCap)
	b.say(&first, "credit declined")
	b.wantPay(payer, payee, 1, ledger.NetDebitCap) // it is not given back yet
	b.say(&first, "debit_reversal approved")
	fourth := b.wantPay(payer, payee, 600, "")

	b.say(&third, "debit silent")
	b.wantPay(payer, payee, 1, ledger.NetDebitCap) // it may have been debited
	b.say(&third, "debit_reversal silent")
	b.wantPay(payer, payee, 1, ledger.NetDebitCap)
	b.say(&third, "debit declined")
	fifth := b.wantPay(payer, payee, 400, "")
	b.say(&fifth, "debit silent")
	b.say(&fifth, "debit_reversal approved") // so it was, and is back
	sixth := b.wantPay(payer, payee, 400, "")
	if _, err := ledger.Do[ledger.Transfer](t.Context(), b.pipe, ledger.CancelTransfer{Transfer: &sixth}); err == nil {
		t.Fatal("one that may have been sent was cancelled")
	}
	b.say(&fourth, "debit approved")
	b.say(&fourth, "credit approved")
	b.wantPay(payer, payee, 1, ledger.NetDebitCap)
	back := b.wantPay(payee, payer, 250, "") // what the bank receives makes room
	b.say(&back, "debit approved")
	b.wantPay(payer, payee, 250, ledger.NetDebitCap)
	b.say(&back, "credit approved")
	b.wantPay(payer, payee, 251, ledger.NetDebitCap)
	b.wantPay(payer, payee, 250, "")
}

// A queued debit counts, until it is cancelled or expires.
func TestNetDebitCapCountsWhatIsQueued(t *testing.T) {
	b := capped(t, 1000)
	payer, _ := b.person("Asha", "SBIN")
	payee, _ := b.person("Ravi", "HDFC")
	for _, expired := range []bool{false, true} {
		queued := create(payer, payee, 1000)
		queued.Queue = true
		tr := must[ledger.Transfer](b, queued)
		b.wantPay(payer, payee, 1, ledger.NetDebitCap)
		must[ledger.Transfer](b, ledger.CancelTransfer{Transfer: &tr, Expired: expired})
		b.verify()
	}
	b.wantPay(payer, payee, 1000, "")
}

// What was posted to stripes before there was a cap counts with the whole account,
// on which alone there are postings from then on.
func TestNetDebitCapOfStripes(t *testing.T) {
	b := capped(t, 1000, 0, 3)
	payer, _ := b.person("Asha", "SBIN")
	payee, _ := b.person("Ravi", "HDFC")
	caps := b.caps
	b.pipe.Become(ledger.Node{ID: ledger.NewID(), Stripe: 3})
	b.caps = nil
	old, open := b.pay(payer, payee, 700), b.pay(payer, payee, 200)
	b.say(&old, "debit approved")
	b.caps = caps
	b.wantPay(payer, payee, 101, ledger.NetDebitCap)
	b.say(&open, "debit declined") // reserved on the stripe, given back on the whole
	tr := b.wantPay(payer, payee, 300, "")
	b.say(&tr, "debit approved")
	b.wantPay(payer, payee, 1, ledger.NetDebitCap)
	whole, err := b.store.Account(t.Context(), ledger.ClearingAccount("SBIN", "INR").ID())
	stripe, err2 := b.store.Account(t.Context(), ledger.ClearingAccount("SBIN", "INR").Stripe(3).ID())
	if err != nil || err2 != nil || whole.Balance() != 300 || stripe.Balance() != 700 || whole.Reserved+stripe.Reserved != 0 {
		t.Errorf("whole %+v, stripe %+v, %v, %v", whole, stripe, err, err2)
	}
	b.verify()
}

// The check of the book finds a reservation that is wrong.
func TestVerifyFindsAWrongReservation(t *testing.T) {
	b := newBook(t)
	defer b.close()
	payer, _ := b.person("Asha", "SBIN")
	payee, _ := b.person("Ravi", "HDFC")
	b.pay(payer, payee, 500)
	b.verify()
	if _, err := b.pipe.Submit(t.Context(), ledger.Request{Command: forge{}}); err != nil {
		t.Fatal(err)
	}
	var found []ledger.Violation
	if _, err := ledger.Verify(t.Context(), b.store, func(v ledger.Violation) { found = append(found, v) }); err != nil || len(found) != 1 || found[0].Rule != "reserved" {
		t.Errorf("found %v, %v", found, err)
	}
}

// forge takes one paisa out of what SBIN is asked for.
type forge struct{}

func (forge) Declare(s *ledger.Set) { s.WantAccount(ledger.ClearingAccount("SBIN", "INR")) }
func (forge) Apply(s *ledger.Set) (any, error) {
	a, _ := s.Accounts.Get(ledger.ClearingAccount("SBIN", "INR").ID())
	a.Reserved--
	s.Accounts.Put(a.ID, a)
	return nil, nil
}
