package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// usages are the bodies of all usages.
func (b *book) usages() (bodies []string) {
	b.t.Helper()
	err := b.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for r, err := range s.Records(ledger.RecordUsage) {
			if err != nil {
				return err
			}
			if !json.Valid(r.Body) {
				b.t.Errorf("not JSON: %s", r.Body)
			}
			bodies = append(bodies, string(r.Body))
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return bodies
}

// full are limits that one payment of 500 uses up: what payer, payee and the new user may.
func full() *ledger.Limits {
	most := ledger.Limit{Sum: ledger.Sums{"INR": 500}, Count: 1}
	return &ledger.Limits{Default: ledger.AppLimits{Window: day, ToPerson: most, Received: most, NewUser: most, NewFor: day,
		WalletBalance: ledger.Sums{"INR": 500}}}
}

// TestWhatEndsUnpaidIsNotCounted: in each way in which a transfer ends without that its payee
// is paid it is uncounted with its end and not before; one that is paid stays counted.
func TestWhatEndsUnpaidIsNotCounted(t *testing.T) {
	correct := func(class ledger.Class, leg ledger.Leg, ours, theirs int64) func(*book, *ledger.Transfer) {
		return func(b *book, tr *ledger.Transfer) {
			brk := b.breakOf(tr, class, leg, ours, theirs)
			made := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif")})
			must[ledger.Correction](b, b.apply(made, "a reason"))
		}
	}
	cancel := func(expired bool) func(*book, *ledger.Transfer) {
		return func(b *book, tr *ledger.Transfer) {
			must[ledger.Transfer](b, ledger.CancelTransfer{Transfer: tr, Expired: expired})
		}
	}
	say := func(says string) func(*book, *ledger.Transfer) {
		return func(b *book, tr *ledger.Transfer) { b.say(tr, says) }
	}
	release := func(b *book, tr *ledger.Transfer) {
		b.when(time.UnixMicro(tr.Until))
		must[ledger.Transfer](b, ledger.ReleaseTransfer{Transfer: tr})
	}
	for _, c := range []struct {
		name        string
		queue, held bool
		before      []func(*book, *ledger.Transfer)
		end         func(*book, *ledger.Transfer)
		paid        bool
	}{
		{name: "paid", before: []func(*book, *ledger.Transfer){say("debit approved")}, end: say("credit approved"), paid: true},
		{name: "declined", end: say("debit declined")},
		{name: "never sent", end: say("debit not_done")},
		{name: "cancelled", queue: true, end: cancel(false)},
		{name: "expired", queue: true, end: cancel(true)},
		{name: "credit declined", before: []func(*book, *ledger.Transfer){say("debit approved"), say("credit declined")}, end: say("debit_reversal approved")},
		{name: "silent, never debited", before: []func(*book, *ledger.Transfer){say("debit silent")}, end: say("debit_reversal not_done")},
		{name: "silent, declined late", before: []func(*book, *ledger.Transfer){say("debit silent"), say("debit declined")}, end: say("debit_reversal silent")},
		{name: "credit taken back", before: []func(*book, *ledger.Transfer){say("debit approved"), say("credit silent"), say("credit_reversal approved")}, end: say("debit_reversal approved")},
		{name: "unresolved, by a correction", before: []func(*book, *ledger.Transfer){say("debit silent"), say("debit_reversal silent")},
			end: correct(ledger.ClassInDoubt, ledger.LegDebit, 0, 0)},
		{name: "deemed, by a correction", before: []func(*book, *ledger.Transfer){say("debit approved"), say("credit silent"), say("credit_reversal silent"), correct(ledger.ClassInDoubt, ledger.LegCredit, 0, 0)},
			end: say("debit_reversal approved")},
		{name: "deemed, confirmed by a correction", before: []func(*book, *ledger.Transfer){say("debit approved"), say("credit silent"), say("credit_reversal silent")},
			end: correct(ledger.ClassInDoubt, ledger.LegCredit, 0, 500), paid: true},
		{name: "held, taken back", held: true, before: []func(*book, *ledger.Transfer){say("debit approved"), cancel(false)}, end: say("debit_reversal approved")},
		{name: "held, released, paid", held: true, before: []func(*book, *ledger.Transfer){say("debit approved"), release}, end: say("credit approved"), paid: true},
		{name: "held, released, declined", held: true, before: []func(*book, *ledger.Transfer){say("debit approved"), release, say("credit declined")}, end: say("debit_reversal approved")},
	} {
		for _, off := range []bool{false, true} { // limits that are not in force any more when it ends
			t.Run(fmt.Sprint(c.name, " ", off), func(t *testing.T) {
				b := limited(t, full())
				defer func() { b.close() }()
				asha, _ := b.person("Asha", "SBIN")
				ravi, _ := b.person("Ravi", "HDFC")
				standing(ledger.Person, b.now, &asha, &ravi)
				start := b.now
				cmd := create(asha, ravi, 500)
				cmd.Queue = c.queue
				if c.held {
					cmd.Transfer.Until = b.now.Add(time.Hour).UnixMicro()
				}
				tr := must[ledger.Transfer](b, cmd)
				if tr.State == ledger.Failed {
					t.Fatal(tr.Reason)
				}
				for _, do := range c.before {
					do(b, &tr)
				}
				b.limits(asha, ravi, 1, ledger.LimitAmount, start.Add(day))
				if off {
					b.limit(nil)
				}
				c.end(b, &tr)
				b.verify()
				if off {
					b.limit(full())
				}
				if c.paid {
					b.limits(asha, ravi, 1, ledger.LimitAmount, start.Add(day))
				} else {
					b.paid(asha, ravi, 500)
				}
			})
		}
	}
}

// TestHeldInTheWallet: what is held for a wallet takes its room until it is paid or taken back.
func TestHeldInTheWallet(t *testing.T) {
	l := full()
	l.Default.ToPerson, l.Default.Received, l.Default.NewUser = ledger.Limit{}, ledger.Limit{}, ledger.Limit{}
	b := limited(t, l)
	defer b.close()
	account, ashas := b.somebody(ledger.Person, "SBIN")
	_, ravis := b.somebody(ledger.Person, "HDFC")
	b.fund(account, ashas, 500)
	for _, taken := range []bool{true, false} {
		cmd := create(ashas, ravis, 500)
		cmd.Transfer.Until = b.now.Add(time.Hour).UnixMicro()
		held := must[ledger.Transfer](b, cmd)
		if held.State != ledger.Held {
			t.Fatalf("%s %s", held.State, held.Reason)
		}
		b.limits(account, ravis, 1, ledger.LimitWalletBalance, never)
		if taken {
			must[ledger.Transfer](b, ledger.CancelTransfer{Transfer: &held})
			tr := b.paid(account, ravis, 1)
			b.say(&tr, "debit declined")
			continue
		}
		b.when(b.now.Add(time.Hour))
		must[ledger.Transfer](b, ledger.ReleaseTransfer{Transfer: &held})
		b.limits(account, ravis, 1, ledger.LimitWalletBalance, never)
		b.verify()
	}
}

// TestTheGoodWayReadsNoUsage: a bank's yes to a debit or a credit can uncount nothing, and
// does not wait for the lock of what is counted.
func TestTheGoodWayReadsNoUsage(t *testing.T) {
	b := limited(t, full())
	defer b.close()
	asha, _ := b.person("Asha", "SBIN")
	ravi, _ := b.person("Ravi", "HDFC")
	tr := b.paid(asha, ravi, 500)
	for _, c := range []struct {
		command ledger.Command
		want    int
	}{
		{ledger.RecordResult{Transfer: &tr, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved}, 0},
		{ledger.RecordResult{Transfer: &tr, Leg: ledger.LegCredit, Outcome: ledger.SaysApproved}, 0},
		{ledger.ReleaseTransfer{Transfer: &tr}, 0},
		{ledger.RecordResult{Transfer: &tr, Leg: ledger.LegDebit, Outcome: ledger.SaysDeclined}, 3},
		{ledger.RecordResult{Transfer: &tr, Leg: ledger.LegDebitReversal, Outcome: ledger.SaysApproved}, 3},
	} {
		s := ledger.NewSet(b.now.UnixMicro(), &ledger.Policy{Limits: full()})
		c.command.Declare(s)
		n := 0
		for _, k := range s.Records.Wanted() {
			if k.Kind == ledger.RecordUsage {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%+v reads %d usages, want %d", c.command, n, c.want)
		}
	}
}

// TestManyPaymentsAreMerged: an account that pays more often than a list tells apart is held
// to its limit all the same, frees in steps that are not long, and its usage stays short.
func TestManyPaymentsAreMerged(t *testing.T) {
	const each, most = 10, 3000
	b := limited(t, &ledger.Limits{Default: ledger.AppLimits{Window: day, ToPerson: ledger.Limit{Sum: ledger.Sums{"INR": most}, Count: 10_000}}})
	defer b.close()
	asha, _ := b.somebody(ledger.Person, "SBIN")
	ravi, _ := b.somebody(ledger.Person, "HDFC")
	start := b.now
	var at []time.Time    // of those that went through
	for n := range 1200 { // for four days: four times as often as there is room for
		b.when(start.Add(time.Duration(n) * 5 * time.Minute))
		tr := b.pay(asha, ravi, each)
		inWindow := 0
		for _, a := range at {
			if a.After(b.now.Add(-day)) {
				inWindow++
			}
		}
		switch {
		case tr.State == ledger.Failed && tr.Reason != ledger.LimitAmount:
			t.Fatal(tr.Reason)
		case tr.State != ledger.Failed && inWindow*each >= most:
			t.Fatalf("payment %d went through on top of %d", n, inWindow*each)
		case tr.State == ledger.Failed && time.UnixMicro(tr.Until).After(b.now.Add(day)):
			t.Fatalf("payment %d waits until %s", n, time.UnixMicro(tr.Until))
		case tr.State != ledger.Failed:
			at = append(at, b.now)
		}
	}
	// 288 payments are made in a day, for which there is just room.
	if len(at) < 1200*8/10 {
		t.Errorf("%d went through", len(at))
	}
	for _, body := range b.usages() {
		if len(body) > 700 {
			t.Errorf("a usage is %d long: %s", len(body), body)
		}
	}
	b.limit(&ledger.Limits{Default: ledger.AppLimits{Window: day, ToPerson: ledger.Limit{Sum: ledger.Sums{"INR": 1 << 60}}}})
	for n := range 500 {
		b.when(b.now.Add(time.Duration(n)*time.Second)).paid(asha, ravi, each)
	}
	if body := strings.Join(b.usages(), ""); len(body) > 180 {
		t.Errorf("far from every limit a usage is %d long: %s", len(body), body)
	}
}

// TestUsageThatCannotBeRead fails the command and stores nothing.
func TestUsageThatCannotBeRead(t *testing.T) {
	for _, body := range []string{``, `"`, `""`, `"A"`, `"!!!"`, `{}`, `"//////////////8"`, `"AAAAAAAA"`, `"AQEC"`} {
		b := limited(t, full())
		asha, _ := b.person("Asha", "SBIN")
		ravi, _ := b.person("Ravi", "HDFC")
		must[struct{}](b, scribble{ledger.Record{RecordKey: ledger.RecordKey{Kind: ledger.RecordUsage, ID: asha.Instrument}, Body: []byte(body)}})
		if tr, err := ledger.Do[ledger.Transfer](context.Background(), b.pipe, create(asha, ravi, 1)); err == nil {
			t.Errorf("%q was taken: %s", body, tr.State)
		}
		b.close()
	}
}

// scribble keeps a record past the rules.
type scribble struct{ ledger.Record }

func (c scribble) Declare(s *ledger.Set) { s.Records.Want(c.RecordKey) }
func (c scribble) Apply(s *ledger.Set) (any, error) {
	s.Records.Put(c.RecordKey, c.Record)
	return struct{}{}, nil
}
