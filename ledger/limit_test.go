package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bahi/ledger"
)

const day = 24 * time.Hour

// limited is a book with limits.
func limited(t testing.TB, limits *ledger.Limits) *book {
	b := newBook(t)
	b.limit(limits)
	return b
}

// limit goes on with other limits.
func (b *book) limit(limits *ledger.Limits) {
	b.pipe.Close()
	policy := ledger.DefaultPolicy()
	policy.Limits = limits
	b.pipe = ledger.NewPipeline(b.store, ledger.PipelineOptions{Now: func() time.Time { return b.now }, Policy: &policy, Log: quiet})
}

// india are India's limits with nothing held.
func india() *ledger.Limits {
	l := ledger.IndiaLimits()
	l.Default.HoldAbove = nil
	return l
}

// standing says of ends what a server knows when it makes a transfer.
func standing(kind ledger.PartyKind, since time.Time, ends ...*ledger.End) {
	for _, e := range ends {
		e.Standing = ledger.Standing{App: "chat", Kind: kind, Since: since.UnixMicro()}
	}
}

// longAgo is when people became known who are not new.
func (b *book) longAgo() time.Time { return b.now.Add(-100 * day) }

// somebody is a person or a merchant who is not new.
func (b *book) somebody(kind ledger.PartyKind, bank string) (account, wallet ledger.End) {
	b.t.Helper()
	account, wallet = b.person("somebody", bank)
	standing(kind, b.longAgo(), &account, &wallet)
	return account, wallet
}

// paid has a payment go through.
func (b *book) paid(from, to ledger.End, minor int64) ledger.Transfer {
	b.t.Helper()
	tr := b.pay(from, to, minor)
	if tr.State == ledger.Failed {
		b.t.Fatalf("%d is not paid: %s", minor, tr.Reason)
	}
	return tr
}

// limits has a payment refused until a time, or for good where it is zero.
func (b *book) limits(from, to ledger.End, minor int64, why ledger.Reason, until time.Time) {
	b.t.Helper()
	b.wantLimited(b.pay(from, to, minor), why, until)
}

func (b *book) wantLimited(tr ledger.Transfer, why ledger.Reason, until time.Time) {
	b.t.Helper()
	want := int64(0)
	if !until.IsZero() {
		want = until.UnixMicro()
	}
	if tr.State != ledger.Failed || tr.Reason != why || tr.Until != want {
		b.t.Fatalf("%d is %s: %q until %s; want %q until %s", tr.Amount.Minor, tr.State, tr.Reason, time.UnixMicro(tr.Until).UTC(), why, until)
	}
	if kept, err := b.store.Transfer(context.Background(), tr.ID); err != nil || kept.Until != want {
		b.t.Fatalf("until %d is kept, want %d (%v)", kept.Until, want, err)
	}
}

// Amounts in rupees.
func rs(rupees int64) int64 { return rupees * 100 }

// when moves the clock.
func (b *book) when(t time.Time) *book { b.now = t; return b }

var never time.Time

func TestLimitsToPersons(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, _ := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	start := b.now
	b.limits(asha, ravi, rs(1_00_000)+1, ledger.LimitTransfer, never)
	b.paid(asha, ravi, rs(1_00_000))
	b.limits(asha, ravi, 1, ledger.LimitAmount, start.Add(day))
	b.when(start.Add(day-time.Microsecond)).limits(asha, ravi, 1, ledger.LimitAmount, start.Add(day))
	b.when(start.Add(day)).paid(asha, ravi, 1)
	b.limits(asha, ravi, rs(1_00_000), ledger.LimitAmount, start.Add(2*day))
	b.paid(asha, ravi, rs(1_00_000)-1)
	b.verify()
}

// The time to try again is when there is room for as much, not for anything.
func TestLimitFreesWhatWasAskedFor(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, _ := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	start := b.now
	for n := range 4 {
		b.when(start.Add(time.Duration(n)*time.Hour)).paid(asha, ravi, rs(10_000)*int64(n+1))
	}
	b.limits(asha, ravi, rs(10_000), ledger.LimitAmount, start.Add(day))
	b.limits(asha, ravi, rs(10_000)+1, ledger.LimitAmount, start.Add(day+time.Hour))
	b.limits(asha, ravi, rs(30_000)+1, ledger.LimitAmount, start.Add(day+2*time.Hour))
	b.limits(asha, ravi, rs(1_00_000), ledger.LimitAmount, start.Add(day+3*time.Hour))
	b.when(start.Add(day+2*time.Hour-1)).limits(asha, ravi, rs(60_000), ledger.LimitAmount, start.Add(day+2*time.Hour))
	b.when(start.Add(day+2*time.Hour)).paid(asha, ravi, rs(60_000))
}

func TestLimitToTheNumber(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, _ := b.somebody(ledger.Person, "SBIN")
	shop, _ := b.somebody(ledger.Merchant, "HDFC")
	start := b.now
	var people []ledger.End
	for range 21 {
		e, _ := b.somebody(ledger.Person, "HDFC")
		people = append(people, e)
	}
	for n := range 20 {
		b.when(start.Add(time.Duration(n)*time.Minute)).paid(asha, people[n], 1)
	}
	b.limits(asha, people[20], 1, ledger.LimitCount, start.Add(day))
	b.paid(asha, shop, 1) // that is another limit
	b.when(start.Add(day-time.Microsecond)).limits(asha, people[20], 1, ledger.LimitCount, start.Add(day))
	b.when(start.Add(day)).paid(asha, people[20], 1)
	b.limits(asha, people[20], 1, ledger.LimitCount, start.Add(day+time.Minute))
}

func TestLimitsToMerchants(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, wallet := b.somebody(ledger.Person, "SBIN")
	shop, shopWallet := b.somebody(ledger.Merchant, "HDFC")
	start := b.now
	b.limits(asha, shop, rs(5_00_000)+1, ledger.LimitTransfer, never)
	b.paid(asha, shop, rs(2_00_000))
	b.paid(asha, shop, rs(3_00_000))
	b.when(start.Add(time.Hour)).limits(asha, shop, 1, ledger.LimitAmount, start.Add(day))
	b.paid(asha, wallet, rs(1_000)) // to a person: another limit

	// A merchant has none: not to pay, not to be paid, not to keep.
	for range 25 {
		b.paid(shop, asha, rs(10_000))
	}
	b.limits(shop, asha, 1, ledger.LimitReceivedCount, start.Add(day+time.Hour)) // who is paid has
	big := b.paid(shop, shopWallet, rs(20_00_000))
	b.say(&big, "debit approved")
	for range 30 {
		b.paid(shopWallet, shop, rs(20_000))
	}
	b.verify()
}

// What a new person pays adds up over all of its accounts.
func TestLimitOfNewUsers(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	shop, _ := b.somebody(ledger.Merchant, "HDFC")
	account, wallet := b.person("Asha", "SBIN")
	b.fund(account, wallet, rs(2_000)) // before the limits are known to it
	since := b.now.Add(-time.Hour)
	standing(ledger.Person, since, &account, &wallet)
	frees := since.Add(day)
	b.limits(account, ravi, rs(5_000)+1, ledger.LimitNewUser, frees)
	b.paid(account, ravi, rs(3_000))
	b.paid(wallet, shop, rs(1_000))
	b.limits(account, shop, rs(1_000)+1, ledger.LimitNewUser, frees)
	b.paid(wallet, ravi, rs(1_000))
	b.when(frees.Add(-time.Microsecond)).limits(account, ravi, 1, ledger.LimitNewUser, frees)
	b.when(frees).paid(account, ravi, rs(90_000))
}

func TestLimitsOfWhatIsReceived(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	ravi, wallet := b.somebody(ledger.Person, "HDFC")
	start := b.now
	payer := func() ledger.End {
		e, _ := b.somebody(ledger.Person, "SBIN")
		return e
	}
	for range 4 {
		b.paid(payer(), ravi, rs(1_00_000))
	}
	b.limits(payer(), ravi, 1, ledger.LimitReceivedAmount, start.Add(day))
	b.when(start.Add(day-time.Microsecond)).limits(payer(), ravi, 1, ledger.LimitReceivedAmount, start.Add(day))
	b.when(start.Add(day))
	for n := range 25 {
		b.when(start.Add(day+time.Duration(n)*time.Minute)).paid(payer(), ravi, 1)
	}
	b.limits(payer(), ravi, 1, ledger.LimitReceivedCount, start.Add(2*day))
	b.paid(payer(), wallet, 1) // each account by itself
	shop, _ := b.somebody(ledger.Merchant, "SBIN")
	b.limits(shop, ravi, rs(4_00_000)+1, ledger.LimitReceivedAmount, never)
	b.limits(shop, ravi, 1, ledger.LimitReceivedCount, start.Add(2*day))
	b.when(start.Add(2*day)).paid(shop, ravi, 1)

	// Of an account that no app has linked nothing is known.
	stranger := ledger.End{Name: "Meera", Bank: "HDFC", Account: "42", IFSC: "HDFC0000001"}
	for range 26 {
		b.paid(shop, stranger, rs(1_00_000))
	}
}

func TestLimitsOfWallets(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, ashas := b.somebody(ledger.Person, "SBIN")
	ravi, ravis := b.somebody(ledger.Person, "HDFC")
	topUp := func(minor int64) ledger.Transfer {
		c := create(asha, ashas, minor)
		c.Transfer.Kind = ledger.TopUp
		return must[ledger.Transfer](b, c)
	}
	b.wantLimited(topUp(rs(5_000)+1), ledger.LimitWalletBalance, never)
	first := topUp(rs(3_000)) // what is on its way counts
	b.wantLimited(topUp(rs(2_000)+1), ledger.LimitWalletBalance, never)
	b.say(&first, "debit approved")
	b.wantLimited(topUp(rs(2_000)+1), ledger.LimitWalletBalance, never)
	second := topUp(rs(2_000))
	b.limits(ravi, ashas, 1, ledger.LimitWalletBalance, never)
	b.verify()
	b.say(&second, "debit declined") // and does not any more when it will not come
	third := b.paid(ravi, ashas, rs(2_000))
	b.say(&third, "debit approved")
	b.verify()

	b.limits(ashas, ravi, rs(1_000)+1, ledger.LimitTransfer, never)
	for range 5 {
		b.paid(ashas, ravis, rs(1_000))
	}
	spent := b.paid(ravis, asha, rs(1_000))
	b.say(&spent, "credit approved")
	withdraw := create(ravis, ravi, rs(4_000))
	withdraw.Transfer.Kind = ledger.Withdrawal
	if tr := must[ledger.Transfer](b, withdraw); tr.State != ledger.Debited {
		t.Errorf("what is withdrawn is not limited: %s", tr.Reason)
	} else {
		b.say(&tr, "credit declined") // it is back, whatever the wallet holds
	}
	b.paid(b.full(), ravis, rs(1_000))
	b.limits(ravi, ravis, 1, ledger.LimitWalletBalance, never)
	spent, err := b.store.Transfer(context.Background(), spent.ID)
	if err != nil {
		t.Fatal(err)
	}
	refund := must[ledger.Transfer](b, ledger.CreateRefund{Payment: &spent, ID: ledger.NewID(), RRN: "630610000009"})
	if b.say(&refund, "debit approved"); b.wallet(ravis) != rs(6_000) {
		t.Errorf("what is refunded is not limited: %d", b.wallet(ravis))
	}
	b.verify()
}

// full is the wallet of somebody else with as much in it as one may pay from it.
func (b *book) full() ledger.End {
	account, wallet := b.somebody(ledger.Person, "SBIN")
	b.fund(account, wallet, rs(1_000))
	return wallet
}

// Money between one's own accounts counts to nothing.
func TestOnlyPaymentsAreLimited(t *testing.T) {
	l := india()
	l.Default.WalletBalance = nil
	b := limited(t, l)
	defer b.close()
	account, wallet := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	for _, kind := range []ledger.Kind{ledger.TopUp, ledger.Withdrawal} {
		for range 21 {
			c := create(account, ravi, rs(5_00_000)+1)
			c.Transfer.Kind = kind
			if tr := must[ledger.Transfer](b, c); tr.State == ledger.Failed {
				t.Fatalf("a %s is limited: %s", kind, tr.Reason)
			}
		}
	}
	b.paid(account, ravi, rs(1_00_000))
	_ = wallet
}

// Where several limits are broken the one is told that frees last, since it is then that
// the payment goes through.
func TestTheLimitThatFreesLast(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, _ := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	start := b.now
	b.paid(asha, ravi, rs(1_00_000))
	for n := range 3 {
		other, _ := b.somebody(ledger.Person, "SBIN")
		b.when(start.Add(time.Duration(n+1)*time.Hour)).paid(other, ravi, rs(1_00_000))
	}
	b.limits(asha, ravi, 1, ledger.LimitAmount, start.Add(day))
	b.when(start.Add(4 * time.Hour))
	b.limits(asha, ravi, rs(1_00_000), ledger.LimitAmount, start.Add(day))
	meera, _ := b.somebody(ledger.Person, "SBIN")
	b.when(start.Add(5*time.Hour)).limits(meera, ravi, rs(1_00_000), ledger.LimitReceivedAmount, start.Add(day))
	b.when(start.Add(day)).paid(meera, ravi, rs(1_00_000))
	b.limits(asha, ravi, rs(1_00_000), ledger.LimitReceivedAmount, start.Add(day+time.Hour))
}

// Each app has its own limits: a payer's are those of its app, a payee's those of the payee's.
func TestLimitsOfApps(t *testing.T) {
	l := india()
	small := l.Default
	small.ToPerson = ledger.Limit{Sum: ledger.Sums{"INR": 500}}
	small.Received = ledger.Limit{Count: 2}
	l.Apps = map[string]ledger.AppLimits{"small": small, "free": {}}
	b := limited(t, l)
	defer b.close()
	start := b.now
	asha, _ := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	meera, _ := b.somebody(ledger.Person, "HDFC")
	pay := func(app string, from, to ledger.End, minor int64) ledger.Transfer {
		c := create(from, to, minor)
		c.Transfer.App = app
		return must[ledger.Transfer](b, c)
	}
	ravi.Standing.App, meera.Standing.App = "free", "free"
	b.wantLimited(pay("small", asha, ravi, 501), ledger.LimitAmount, never)
	if tr := pay("small", asha, ravi, 500); tr.State == ledger.Failed {
		t.Fatal(tr.Reason)
	}
	b.wantLimited(pay("small", asha, meera, 1), ledger.LimitAmount, start.Add(day))
	for range 30 {
		if tr := pay("free", ravi, meera, rs(10_00_000)); tr.State == ledger.Failed {
			t.Fatal(tr.Reason)
		}
	}
	meera.Standing.App = "small"
	for range 2 {
		if tr := pay("free", ravi, meera, rs(10_00_000)); tr.State == ledger.Failed {
			t.Fatal(tr.Reason)
		}
	}
	b.wantLimited(pay("free", ravi, meera, 1), ledger.LimitReceivedCount, start.Add(day))
	b.verify()
}

// Currencies are counted by themselves, and what has no figure in one is not limited.
func TestLimitsByCurrency(t *testing.T) {
	l := &ledger.Limits{Default: ledger.AppLimits{Window: day, NewFor: day, NewUser: ledger.Limit{Sum: ledger.Sums{"INR": 100, "USD": 10}}}}
	b := limited(t, l)
	defer b.close()
	asha, _ := b.person("Asha", "SBIN")
	ravi, _ := b.person("Ravi", "HDFC")
	standing(ledger.Person, b.now, &asha)
	pay := func(c ledger.Currency, minor int64) ledger.Transfer {
		cmd := create(asha, ravi, minor)
		cmd.Transfer.Amount.Currency = c
		return must[ledger.Transfer](b, cmd)
	}
	pay("INR", 100)
	b.wantLimited(pay("USD", 11), ledger.LimitNewUser, b.now.Add(day))
	if tr := pay("USD", 10); tr.State == ledger.Failed {
		t.Error(tr.Reason)
	}
	if tr := pay("JPY", 1_000_000); tr.State == ledger.Failed {
		t.Error(tr.Reason)
	}
	b.wantLimited(pay("INR", 1), ledger.LimitNewUser, b.now.Add(day))
}

// A repeat under the same key counts once.
func TestARepeatCountsOnce(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, _ := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	for n := range 40 {
		c := create(asha, ravi, 1)
		reply, err := b.pipe.Submit(context.Background(), ledger.Request{Command: c, Key: &ledger.IdempotencyKey{App: "chat", Key: fmt.Sprint(n / 2)},
			Answer: func(any) (int, []byte) { return 201, nil }})
		if err != nil || reply.Replayed != (n%2 == 1) {
			t.Fatal(reply.Replayed, err)
		}
		if tr, ok := reply.Result.(ledger.Transfer); ok && tr.State == ledger.Failed {
			t.Fatalf("number %d: %s", n, tr.Reason)
		}
	}
	b.limits(asha, ravi, 1, ledger.LimitCount, b.now.Add(day))
}

// A node whose clock is behind does not bring a list out of order.
func TestLimitsWhereClocksDiffer(t *testing.T) {
	b := limited(t, india())
	defer b.close()
	asha, _ := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	start := b.now
	b.paid(asha, ravi, rs(60_000))
	b.limit(india())
	b.when(start.Add(-time.Minute)).paid(asha, ravi, rs(30_000))
	b.limits(asha, ravi, rs(10_000)+1, ledger.LimitAmount, start.Add(day))
	b.when(start.Add(day-time.Microsecond)).limits(asha, ravi, rs(90_000), ledger.LimitAmount, start.Add(day))
	b.when(start.Add(day)).paid(asha, ravi, rs(1_00_000))
}
