package ledger_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// TestRefundsAndHoldsInAnyOrder pays, refunds, cancels, releases, stops and trusts in any
// order, one by one and many in one batch, while banks say anything. After each step the
// book holds, no payment is refunded beyond its amount, and what left a hold in one way
// never goes the other.
func TestRefundsAndHoldsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &wary{book: holding(t, 500), fates: map[ledger.ID]fate{}, stopped: map[ledger.ID]bool{}, trusts: map[[2]ledger.ID]ledger.ID{}}
		for _, bank := range []string{"SBIN", "HDFC", "SBIN"} {
			account, wallet := m.person("somebody", bank)
			m.topUp(account, wallet, 3_000)
			m.ends = append(m.ends, account, wallet)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"pay":     func(rt *rapid.T) { m.do(rt, m.pay(rt)) },
			"answer":  func(rt *rapid.T) { m.do(rt, m.answer(rt)) },
			"refund":  func(rt *rapid.T) { m.do(rt, m.giveBack(rt)) },
			"cancel":  func(rt *rapid.T) { m.do(rt, m.leave(rt, true)) },
			"release": func(rt *rapid.T) { m.do(rt, m.leave(rt, false)) },
			"at once": m.atOnce,
			"stop":    m.stopOrStart,
			"trust":   m.trust,
			"wait": func(rt *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 61).Draw(rt, "minutes")) * time.Minute)
			},
			"": m.check,
		})
	})
}

// wary is a book whose people are careful.
type wary struct {
	*book
	ends      []ledger.End // account, wallet, account, wallet …
	transfers []ledger.ID
	fates     map[ledger.ID]fate // of what was held
	stopped   map[ledger.ID]bool
	trusts    map[[2]ledger.ID]ledger.ID // by who and whom: the entry
}

// fate is how a transfer left its hold.
type fate uint8

const (
	released fate = iota + 1
	takenBack
	sentBack
)

func (m *wary) pay(rt *rapid.T) ledger.Command {
	from, to := rapid.SampledFrom(m.ends).Draw(rt, "payer"), rapid.SampledFrom(m.ends).Draw(rt, "payee")
	return create(from, to, rapid.Int64Range(1, 1_000).Draw(rt, "paise"))
}

func (m *wary) pick(rt *rapid.T) *ledger.Transfer {
	if len(m.transfers) == 0 {
		rt.Skip("no transfer yet")
	}
	back := min(len(m.transfers), 6)
	t, err := m.store.Transfer(m.t.Context(), m.transfers[len(m.transfers)-rapid.IntRange(1, back).Draw(rt, "transfer")])
	if err != nil {
		rt.Fatal(err)
	}
	return &t
}

func (m *wary) answer(rt *rapid.T) ledger.Command {
	c := ledger.RecordResult{Transfer: m.pick(rt), Code: "XX", Leg: ledger.Leg(rapid.IntRange(1, 4).Draw(rt, "leg")), Outcome: ledger.SaysApproved,
		Attempt: rapid.IntRange(0, 4).Draw(rt, "attempt")}
	if rapid.Bool().Draw(rt, "otherwise") {
		c.Outcome = ledger.Outcome(rapid.IntRange(1, 6).Draw(rt, "outcome"))
	}
	return c
}

func (m *wary) giveBack(rt *rapid.T) ledger.Command {
	return m.refund(m.pick(rt).ID, rapid.Int64Range(0, 400).Draw(rt, "paise"))
}

func (m *wary) leave(rt *rapid.T, cancel bool) ledger.Command {
	t := m.pick(rt)
	if cancel {
		return ledger.CancelTransfer{Transfer: t}
	}
	return ledger.ReleaseTransfer{Transfer: t}
}

// atOnce sends several commands in one batch.
func (m *wary) atOnce(rt *rapid.T) {
	var many ledger.Many
	for range rapid.IntRange(2, 6).Draw(rt, "commands") {
		switch rapid.IntRange(0, 4).Draw(rt, "kind") {
		case 0:
			many = append(many, m.pay(rt))
		case 1:
			many = append(many, m.answer(rt))
		case 2:
			many = append(many, m.giveBack(rt))
		default:
			many = append(many, m.leave(rt, rapid.Bool().Draw(rt, "cancel")))
		}
	}
	m.do(rt, many...)
}

// do sends commands in one batch and keeps what became of each.
func (m *wary) do(rt *rapid.T, commands ...ledger.Command) {
	for n, o := range must[ledger.Outcomes](m.book, ledger.Many(commands)) {
		if o.Err != nil {
			continue
		}
		switch c := commands[n].(type) {
		case ledger.CreateTransfer:
			m.made(rt, o.Result.(ledger.Transfer))
		case ledger.CreateRefund:
			m.made(rt, o.Result.(ledger.Transfer))
		case ledger.CancelTransfer:
			if now := o.Result.(ledger.Transfer); now.State != ledger.Cancelled && m.fates[now.ID] == 0 {
				m.fates[now.ID] = takenBack
			}
		case ledger.ReleaseTransfer:
			now := o.Result.(ledger.Transfer)
			switch {
			case c.Transfer.State != ledger.Held || m.fates[now.ID] != 0 || now.State == ledger.Held:
			case now.Reason == ledger.PaymentsStopped:
				m.fates[now.ID] = sentBack
			default:
				m.fates[now.ID] = released
			}
		}
	}
}

// made keeps a new transfer, which must be refused or held as its payer has set.
func (m *wary) made(rt *rapid.T, t ledger.Transfer) {
	m.transfers = append(m.transfers, t.ID)
	if stopped := m.stopped[t.Payer.Party]; stopped != (t.Reason == ledger.PaymentsStopped) {
		rt.Fatalf("its payer stopped: %v, it is %s, %s", stopped, t.State, t.Reason)
	}
	_, trusted := m.trusts[[2]ledger.ID{t.Payer.Party, t.Payee.Party}]
	if want := t.Kind == ledger.Payment && t.Amount.Minor > 500 && !trusted && t.State != ledger.Failed; want != (t.Until != 0) {
		rt.Fatalf("a %s of %d, payee trusted: %v, is held until %d", t.Kind, t.Amount.Minor, trusted, t.Until)
	}
}

func (m *wary) stopOrStart(rt *rapid.T) {
	party := rapid.SampledFrom(m.ends).Draw(rt, "party").Party
	m.stopped[party] = !m.stopped[party]
	m.stop(party, m.stopped[party])
}

func (m *wary) trust(rt *rapid.T) {
	from, to := rapid.SampledFrom(m.ends).Draw(rt, "payer"), rapid.SampledFrom(m.ends).Draw(rt, "payee")
	pair := [2]ledger.ID{from.Party, to.Party}
	if entry, ok := m.trusts[pair]; ok {
		must[any](m.book, ledger.DistrustPayee{Party: from.Party, ID: entry})
		delete(m.trusts, pair)
		return
	}
	m.trusts[pair] = must[ledger.TrustedPayee](m.book, ledger.TrustPayee{Party: from.Party, ID: ledger.NewID(), Payee: to}).ID
}

func (m *wary) check(rt *rapid.T) {
	m.verify()
	all, err := m.store.Transfers(m.t.Context(), ledger.TransferFilter{}, ledger.Page{Limit: 10_000})
	if err != nil {
		rt.Fatal(err)
	}
	left := map[ledger.ID]int64{}
	for _, t := range slices.Backward(all) { // oldest first
		switch {
		case t.Kind != ledger.Refund && t.State == ledger.Completed:
			left[t.ID] = t.Amount.Minor
		case t.Kind == ledger.Refund && t.State != ledger.Failed && t.State != ledger.Reversed:
			left[t.Cause.ID] -= t.Amount.Minor
		}
		paid := t.State == ledger.Completed || t.State == ledger.Debited || t.State == ledger.Deemed
		switch f := m.fates[t.ID]; {
		case f == takenBack && (paid || t.State == ledger.Held),
			f == sentBack && (paid || t.State == ledger.Held),
			f == released && (t.State == ledger.Held || t.Reason == ledger.CancelledBySender || t.Reason == ledger.PaymentsStopped):
			rt.Fatalf("it left its hold in way %d and is %s, %s", f, t.State, t.Reason)
		}
	}
	for id, n := range left {
		if n < 0 {
			rt.Fatalf("%s is refunded beyond its amount by %d", id.TransferRef(), -n)
		}
	}
}
