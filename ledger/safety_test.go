package ledger_test

import (
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// stop stops a party's payments, or starts them.
func (b *book) stop(party ledger.ID, stopped bool) ledger.Safety {
	b.t.Helper()
	return must[ledger.Safety](b, ledger.StopPayments{Party: party, Stopped: stopped, By: "key_1"})
}

// Whoever has stopped all payments pays nothing that begins, for whatever it is, and is paid as before.
func TestStoppedPayments(t *testing.T) {
	b := holding(t, 10_000)
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.fund(account, asha, 5_000)
	paid, got := b.pay(asha, ravi, 1_000), b.pay(ravi, asha, 500)
	before, since := b.pay(account, ravi, 100), b.now.UnixMicro()
	if s := b.stop(asha.Party, true); s.Since != since || s.By != "key_1" {
		t.Fatalf("%+v", s)
	}
	b.now = b.now.Add(10 * time.Second)
	if s := b.stop(asha.Party, true); s.Since != since {
		t.Errorf("stopped again: %+v", s)
	}
	top, withdraw := create(account, asha, 1), create(asha, account, 1)
	top.Transfer.Kind, withdraw.Transfer.Kind = ledger.TopUp, ledger.Withdrawal
	request := create(asha, ravi, 1)
	request.Transfer.Cause = ledger.RecordKey{Kind: ledger.RecordRequest, ID: ledger.NewID()}
	pot := create(asha, ledger.End{Pot: ledger.NewID()}, 1)
	pot.Transfer.Cause = ledger.RecordKey{Kind: ledger.RecordPot, ID: pot.Transfer.Payee.Pot}
	for _, c := range []ledger.Command{create(asha, ravi, 1), create(account, ravi, 1), create(asha, ravi, 20_000), create(asha, ravi, 10_001), top, withdraw, request, pot, b.refund(got.ID, 0)} {
		if tr := must[ledger.Transfer](b, c); tr.State != ledger.Failed || tr.Reason != ledger.PaymentsStopped {
			t.Errorf("%+v", tr)
		}
	}
	b.wantRefunds(got.ID, 0, 0)
	if r := must[ledger.Transfer](b, b.refund(paid.ID, 400)); r.State != ledger.Completed {
		t.Errorf("what comes is %s", r.State)
	}
	claim := create(ledger.End{Pot: ledger.NewID()}, asha, 1)
	claim.Transfer.Cause = ledger.RecordKey{Kind: ledger.RecordPot, ID: claim.Transfer.Payer.Pot}
	if c := must[ledger.Transfer](b, claim); c.Reason == ledger.PaymentsStopped {
		t.Error("a claim is refused")
	}
	b.say(&before, "debit approved") // it was on its way
	b.wantStates(before.ID, "pending debited completed")
	if s := b.stop(asha.Party, false); s.Since != 0 || s.By != "" {
		t.Errorf("%+v", s)
	}
	b.stop(asha.Party, false)
	if tr := b.pay(asha, ravi, 1); tr.State != ledger.Completed {
		t.Errorf("started again, it is %s", tr.State)
	}
	b.stop(asha.Party, true)
	if got := strings.Join(b.notices(asha.Party), " "); got != "party.stopped party.started party.stopped" {
		t.Errorf("told: %s", got)
	}
	b.wantRefused(ledger.StopPayments{Party: ledger.NewID(), Stopped: true}, ledger.CodePartyNotFound, "no party")
	b.verify()
}

// What is held when payments are stopped goes back when its time is over, or is taken back before.
func TestStoppedWhileHeld(t *testing.T) {
	b := holding(t, 1_000)
	account, asha := b.person("Asha", "SBIN")
	_, ravi := b.person("Ravi", "HDFC")
	b.topUp(account, asha, 5_000)
	inside, outside, taken := b.pay(asha, ravi, 1_500), b.pay(account, ravi, 1_500), b.pay(asha, ravi, 1_500)
	b.say(&outside, "debit approved")
	b.stop(asha.Party, true)
	b.wantStates(inside.ID, "pending held")
	b.cancel(&taken)
	b.now = b.now.Add(time.Hour)
	for _, c := range []struct {
		tr     *ledger.Transfer
		state  ledger.State
		reason ledger.Reason
	}{{&inside, ledger.Reversed, ledger.PaymentsStopped}, {&outside, ledger.Reversing, ledger.PaymentsStopped}, {&taken, ledger.Reversed, ledger.CancelledBySender}} {
		if got := b.release(c.tr); got.State != c.state || got.Reason != c.reason {
			t.Errorf("%s, %s; want %s, %s", got.State, got.Reason, c.state, c.reason)
		}
	}
	b.say(&outside, "debit_reversal approved")
	b.verify()
	if b.wallet(asha) != 5_000 || b.wallet(ravi) != 0 {
		t.Errorf("the wallets hold %d and %d", b.wallet(asha), b.wallet(ravi))
	}
}

// Who is trusted is paid without a hold: one of the app's by any of its accounts, anybody else by the account.
func TestTrustedPayees(t *testing.T) {
	b := holding(t, 1_000)
	account, asha := b.person("Asha", "SBIN")
	bank, ravi := b.person("Ravi", "HDFC")
	_, mina := b.person("Mina", "HDFC")
	b.topUp(account, asha, 100_000)
	known := ledger.End{Name: "Gita", Bank: "HDFC", IFSC: "HDFC0000009", Account: "987600000001", UPI: "gita@hdfc"}
	byUPI := ledger.End{Bank: "HDFC", UPI: "shop@hdfc"}
	trust := func(e ledger.End) ledger.TrustedPayee {
		t.Helper()
		return must[ledger.TrustedPayee](b, ledger.TrustPayee{Party: asha.Party, ID: ledger.NewID(), Payee: e})
	}
	held := func(e ledger.End) bool { t.Helper(); return b.pay(asha, e, 1_001).Until != 0 }
	for _, e := range []ledger.End{ravi, bank, known, byUPI, mina} {
		if !held(e) {
			t.Fatalf("%+v is not held", e)
		}
	}
	entry := trust(ravi)
	if entry.Party != ravi.Party || entry.Payee != (ledger.End{}) {
		t.Errorf("%+v", entry)
	}
	gita := trust(known)
	if again := trust(known); again != gita || again.Payee.Account != known.Account || again.Payee.Name != "Gita" {
		t.Errorf("%+v, %+v", gita, again)
	}
	trust(byUPI)
	renamed := known
	renamed.Name, renamed.UPI = "", ""
	moved := byUPI // the UPI id is known to lead to an account now
	moved.Account, moved.IFSC = "987600000002", "HDFC0000009"
	other := known
	other.IFSC = "HDFC0000008"
	for e, want := range map[ledger.End]bool{ravi: false, bank: false, known: false, renamed: false, byUPI: false, moved: true, other: true, mina: true} {
		if got := held(e); got != want {
			t.Errorf("%+v is held: %v", e, got)
		}
	}
	if tr := b.pay(bank, asha, 1_001); tr.Until == 0 {
		t.Error("who is trusted is not who trusts")
	}
	r, err := b.store.Record(t.Context(), ledger.RecordKey{Kind: ledger.RecordSafety, ID: asha.Party})
	if err != nil || r.Owner != asha.Party || r.App != "chat" {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, private := range []string{"gita", "Gita", "9876", "shop", "HDFC"} {
		if strings.Contains(string(r.Body), private) {
			t.Errorf("the body has %q: %s", private, r.Body)
		}
	}
	b.stop(asha.Party, true)
	b.stop(asha.Party, false)
	for _, id := range []ledger.ID{entry.ID, gita.ID, ledger.NewID(), gita.ID} {
		must[any](b, ledger.DistrustPayee{Party: asha.Party, ID: id})
	}
	for e, want := range map[ledger.End]bool{ravi: true, known: true, byUPI: false} {
		if got := held(e); got != want {
			t.Errorf("%+v is held: %v", e, got)
		}
	}
	r, _ = b.store.Record(t.Context(), ledger.RecordKey{Kind: ledger.RecordSafety, ID: asha.Party})
	if strings.Contains(r.Private, "Gita") {
		t.Errorf("whom one does not trust any more is kept: %s", r.Private)
	}
	for range 99 {
		trust(ledger.End{Party: ledger.NewID()})
	}
	b.wantRefused(ledger.TrustPayee{Party: asha.Party, ID: ledger.NewID(), Payee: mina}, ledger.CodeTooManyTrusted, "100")
	trust(byUPI) // is on the list
	must[ledger.Party](b, ledger.CloseParty{Party: ravi.Party})
	b.wantRefused(ledger.TrustPayee{Party: ravi.Party, ID: ledger.NewID(), Payee: mina}, ledger.CodePartyClosed, "closed")
	b.wantRefused(ledger.TrustPayee{Party: ledger.NewID(), ID: ledger.NewID(), Payee: mina}, ledger.CodePartyNotFound, "no party")
	b.wantRefused(ledger.DistrustPayee{Party: ledger.NewID(), ID: ledger.NewID()}, ledger.CodePartyNotFound, "no party")
	b.verify()
}

// Through locks every stripe that any node may post to, those that no node has used yet too.
func TestThrough(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, asha := b.person("Asha", "SBIN")
	b.fund(account, asha, 100)
	b.pipe.Become(ledger.Node{ID: ledger.NewID(), Stripe: 3})
	b.fund(account, asha, 100)
	var known []ledger.Node
	for range 3 {
		known = append(known, must[ledger.Node](b, ledger.Beat{Node: ledger.NewID(), Known: known}))
	}
	for range 2 {
		if err := ledger.Through(t.Context(), b.pipe, b.store, asha.Party); err != nil {
			t.Fatal(err)
		}
		stripes, err := ledger.Stripes(t.Context(), b.store, ledger.TransitAccount("INR"))
		if err != nil || len(stripes) != 4 {
			t.Fatalf("%+v, %v", stripes, err)
		}
		b.verify()
	}
}
