package ledger_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// plain are limits as one would write them down who keeps every payment and looks at all of
// them each time.
type plain struct {
	limits ledger.AppLimits
	made   []counted
}

// counted is a payment that went through.
type counted struct {
	id           ledger.ID
	payer, payee ledger.End
	at, minor    int64
	unpaid       bool // it has ended so
}

// fits says whether a payment would be within a limit beside the others that are counted.
func fits(l *ledger.Limit, minor, sum int64, count int) (inSum, inCount bool) {
	most, ok := l.Sum["INR"]
	return !ok || sum+minor <= most, l.Count == 0 || count < l.Count
}

// broken are the limits that a payment breaks at a time, but for those that no time mends.
func (p *plain) broken(from, to *ledger.End, minor, now int64) (broken []ledger.Reason) {
	add := func(l *ledger.Limit, window time.Duration, sum, count ledger.Reason, counts func(*counted) bool) {
		s, n := int64(0), 0
		for i := range p.made {
			if c := &p.made[i]; !c.unpaid && c.at > now-window.Microseconds() && counts(c) {
				s, n = s+c.minor, n+1
			}
		}
		inSum, inCount := fits(l, minor, s, n)
		if !inSum {
			broken = append(broken, sum)
		}
		if !inCount {
			broken = append(broken, count)
		}
	}
	merchant := func(e *ledger.End) bool { return e.Standing.Kind == ledger.Merchant }
	if !merchant(from) {
		l := &p.limits.ToPerson
		if merchant(to) {
			l = &p.limits.ToMerchant
		}
		add(l, p.limits.Window, ledger.LimitAmount, ledger.LimitCount, func(c *counted) bool {
			return c.payer.Instrument == from.Instrument && merchant(&c.payee) == merchant(to)
		})
		if ends := from.Standing.Since + p.limits.NewFor.Microseconds(); now < ends {
			add(&p.limits.NewUser, p.limits.NewFor, ledger.LimitNewUser, ledger.LimitNewUser, func(c *counted) bool {
				return c.payer.Party == from.Party && c.at >= from.Standing.Since
			})
		}
	}
	if !merchant(to) {
		add(&p.limits.Received, p.limits.Window, ledger.LimitReceivedAmount, ledger.LimitReceivedCount, func(c *counted) bool {
			return c.payee.Instrument == to.Instrument
		})
	}
	return broken
}

// never are the limits that a payment breaks whenever it is made.
func (p *plain) never(from, to *ledger.End, minor, holds int64) (broken []ledger.Reason) {
	more := func(s ledger.Sums, minor int64, why ledger.Reason) {
		if most, ok := s["INR"]; ok && minor > most {
			broken = append(broken, why)
		}
	}
	if from.Standing.Kind != ledger.Merchant {
		l := &p.limits.ToPerson
		if to.Standing.Kind == ledger.Merchant {
			l = &p.limits.ToMerchant
		}
		more(l.Each, minor, ledger.LimitTransfer)
		more(l.Sum, minor, ledger.LimitAmount)
		if from.IsWallet() {
			more(p.limits.WalletTransfer, minor, ledger.LimitTransfer)
		}
	}
	if to.Standing.Kind != ledger.Merchant {
		more(p.limits.Received.Sum, minor, ledger.LimitReceivedAmount)
		if to.IsWallet() {
			more(p.limits.WalletBalance, minor+holds, ledger.LimitWalletBalance)
		}
	}
	return broken
}

// limitMachine makes payments under limits, and has banks say anything of them.
type limitMachine struct {
	machine
	plain plain
}

// TestLimitsAgainstPlainOnes makes random payments at random times, of which some end
// unpaid: each goes through if and only if it is within limits that are kept in the
// plainest way, and one that is refused is told the first moment at which it is.
func TestLimitsAgainstPlainOnes(t *testing.T) {
	rupees := func(minor int64) ledger.Sums { return ledger.Sums{"INR": minor} }
	limits := ledger.AppLimits{Window: day, NewFor: 12 * time.Hour,
		ToPerson:   ledger.Limit{Each: rupees(60), Sum: rupees(150), Count: 5},
		ToMerchant: ledger.Limit{Each: rupees(90), Sum: rupees(200)},
		Received:   ledger.Limit{Sum: rupees(180), Count: 6},
		NewUser:    ledger.Limit{Sum: rupees(70)}, WalletTransfer: rupees(50), WalletBalance: rupees(160)}
	rapid.Check(t, func(rt *rapid.T) {
		b := limited(t, nil)
		defer b.close()
		m := &limitMachine{machine: machine{book: b}, plain: plain{limits: limits}}
		for n, kind := range []ledger.PartyKind{ledger.Person, ledger.Person, ledger.Merchant} {
			account, wallet := b.person("somebody", []string{"SBIN", "HDFC", "SBIN"}[n])
			b.fund(account, wallet, 100)
			since := []time.Time{b.longAgo(), b.now, b.longAgo()}[n]
			standing(kind, since, &account, &wallet)
			m.ends = append(m.ends, account, wallet)
		}
		b.limit(&ledger.Limits{Default: limits})
		rt.Repeat(map[string]func(*rapid.T){
			"pay": m.pay, "pay more": m.pay, "pay even more": m.pay, "pay as much as it takes": m.pay,
			"say": m.say, "cancel": m.end, "wait": m.wait,
		})
		b.verify()
	})
}

func (m *limitMachine) wait(rt *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Minute, time.Hour, 7 * time.Hour, day - time.Microsecond}).Draw(rt, "wait"))
	if len(m.plain.made) > 0 && rapid.Bool().Draw(rt, "edge") { // to just before, or just when, a payment leaves the window
		c := rapid.SampledFrom(m.plain.made).Draw(rt, "which")
		if edge := time.UnixMicro(c.at).Add(day - time.Duration(rapid.IntRange(0, 1).Draw(rt, "before"))*time.Microsecond); edge.After(m.now) {
			m.now = edge
		}
	}
}

func (m *limitMachine) pay(rt *rapid.T) {
	from := rapid.SampledFrom(m.ends).Draw(rt, "from")
	to := rapid.SampledFrom(m.ends).Draw(rt, "to")
	c := create(from, to, rapid.Int64Range(1, 95).Draw(rt, "minor"))
	c.Queue = rapid.Bool().Draw(rt, "queue")
	holds := m.holds(rt, &to)
	tr := must[ledger.Transfer](m.book, c)
	if tr.Reason == ledger.InsufficientFunds || tr.Reason == ledger.SameAccount {
		return
	}
	now, minor := m.now.UnixMicro(), tr.Amount.Minor
	never, broken := m.plain.never(&from, &to, minor, holds), m.plain.broken(&from, &to, minor, now)
	switch {
	case tr.State != ledger.Failed:
		if len(never)+len(broken) > 0 {
			rt.Fatalf("%d went through and breaks %v %v", minor, never, broken)
		}
		m.plain.made = append(m.plain.made, counted{id: tr.ID, payer: from, payee: to, at: now, minor: minor})
		m.transfers = append(m.transfers, tr)
	case tr.Until == 0:
		if !slices.Contains(never, tr.Reason) {
			rt.Fatalf("%d is refused for good: %s; it breaks %v", minor, tr.Reason, never)
		}
	case len(never) > 0:
		rt.Fatalf("%d is refused until %d: %s; it breaks %v for good", minor, tr.Until, tr.Reason, never)
	default:
		if then := m.plain.broken(&from, &to, minor, tr.Until); len(then) > 0 {
			rt.Fatalf("%d is refused until %d, and then breaks %v", minor, tr.Until, then)
		}
		if before := m.plain.broken(&from, &to, minor, tr.Until-1); !slices.Contains(before, tr.Reason) {
			rt.Fatalf("%d is refused for %s until %d, and before that breaks %v", minor, tr.Reason, tr.Until, before)
		}
	}
}

// holds is what a wallet holds with what is on its way to it.
func (m *limitMachine) holds(rt *rapid.T, e *ledger.End) (sum int64) {
	if !e.IsWallet() {
		return 0
	}
	a, err := m.store.Account(context.Background(), ledger.WalletAccount(e.Party, "INR").ID())
	if err != nil {
		rt.Fatal(err)
	}
	sum = a.Balance()
	for i := range m.transfers {
		tr, err := m.store.Transfer(context.Background(), m.transfers[i].ID)
		if err != nil {
			rt.Fatal(err)
		}
		if !tr.State.Final() && tr.Payee.Instrument == e.Instrument {
			sum += tr.Amount.Minor
		}
	}
	return sum
}

// say has a bank answer something, and looks what has come of it.
func (m *limitMachine) say(rt *rapid.T) {
	tr := m.pick(rt)
	c := ledger.RecordResult{Transfer: tr, Code: "XX", Leg: ledger.Leg(rapid.IntRange(1, 4).Draw(rt, "leg")),
		Outcome: ledger.Outcome(rapid.IntRange(1, 6).Draw(rt, "outcome")), Attempt: rapid.IntRange(0, 4).Draw(rt, "attempt")}
	_, _ = ledger.Do[ledger.Recorded](context.Background(), m.pipe, c)
	m.look(rt, tr)
}

func (m *limitMachine) end(rt *rapid.T) {
	tr := m.pick(rt)
	_, _ = ledger.Do[ledger.Transfer](context.Background(), m.pipe, ledger.CancelTransfer{Transfer: tr})
	m.look(rt, tr)
}

// look takes out what has ended unpaid.
func (m *limitMachine) look(rt *rapid.T, tr *ledger.Transfer) {
	now, err := m.store.Transfer(context.Background(), tr.ID)
	if err != nil {
		rt.Fatal(err)
	}
	for i := range m.plain.made {
		if m.plain.made[i].id == tr.ID {
			m.plain.made[i].unpaid = now.State.Final() && now.State != ledger.Completed
		}
	}
}
