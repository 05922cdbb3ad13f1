package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// TestRulesHoldUnderRandomCommands sends random commands, sensible and not, in
// random order, and demands all invariants of the book after each, and that the
// same command again changes nothing.
func TestRulesHoldUnderRandomCommands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t)
		defer b.close()
		m := &machine{book: b}
		for _, bank := range []string{"SBIN", "HDFC", "SBIN"} {
			account, wallet := b.person("somebody", bank)
			m.ends = append(m.ends, account, wallet)
		}
		b.fund(m.ends[0], m.ends[1], 1_000)
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create,
			"answer": m.answer,
			"cancel": m.cancel,
			"claim":  m.claim,
			"freeze": m.freeze,
			"":       func(*rapid.T) { b.verify() },
		})
	})
}

type machine struct {
	*book
	ends      []ledger.End // account, wallet, account, wallet …
	transfers []ledger.Transfer
}

// twice submits a command under a key and once more: the second time is a replay
// where it was accepted, refused alike where it was refused, and changes nothing.
func (m *machine) twice(rt *rapid.T, c ledger.Command) any {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(rt, "microseconds")) * time.Microsecond)
	id := ledger.NewID()
	r := ledger.Request{Command: c, Key: &ledger.IdempotencyKey{App: "chat", Key: id.KeyRef()},
		Answer: func(any) (int, []byte) { return 201, id[:] }}
	before := m.fingerprint()
	first, err := m.pipe.Submit(context.Background(), r)
	var refusal *ledger.Refusal
	if err != nil && !errors.As(err, &refusal) {
		rt.Fatalf("%T: %v", c, err)
	}
	after := m.fingerprint()
	if err != nil && before != after {
		rt.Fatalf("%T was refused (%v) and changed the book", c, err)
	}
	second, again := m.pipe.Submit(context.Background(), r)
	if (err == nil) != (again == nil) || (err == nil && (!second.Replayed || string(second.Answer.Body) != string(first.Answer.Body))) {
		rt.Fatalf("%T: first %v, repeated %v (%v)", c, err, again, second)
	}
	if m.fingerprint() != after {
		rt.Fatalf("%T: the repeat changed the book", c)
	}
	return first.Result
}

func (m *machine) create(rt *rapid.T) {
	c := create(rapid.SampledFrom(m.ends).Draw(rt, "payer"), rapid.SampledFrom(m.ends).Draw(rt, "payee"), rapid.Int64Range(1, 900).Draw(rt, "paise"))
	c.Queue = rapid.Bool().Draw(rt, "queue")
	m.transfers = append(m.transfers, m.twice(rt, c).(ledger.Transfer))
}

func (m *machine) pick(rt *rapid.T) *ledger.Transfer {
	if len(m.transfers) == 0 {
		rt.Skip("no transfer yet")
	}
	// The latest are the ones with something open.
	back := min(len(m.transfers), 4)
	return &m.transfers[len(m.transfers)-rapid.IntRange(1, back).Draw(rt, "transfer")]
}

// answer lets a bank say anything of any leg; the same word without a key must
// change nothing either.
func (m *machine) answer(rt *rapid.T) {
	c := ledger.RecordResult{Transfer: m.pick(rt), Code: "XX",
		Leg:     ledger.Leg(rapid.IntRange(1, 4).Draw(rt, "leg")),
		Outcome: ledger.Outcome(rapid.IntRange(1, 6).Draw(rt, "outcome")),
		Attempt: rapid.IntRange(0, 4).Draw(rt, "attempt")}
	m.twice(rt, c)
	before := m.fingerprint()
	r, err := ledger.Do[ledger.Recorded](context.Background(), m.pipe, c)
	if err == nil && r.Effect == ledger.Applied || m.fingerprint() != before {
		rt.Fatalf("%s %s again: %v, %s", c.Leg, c.Outcome, err, r.Effect)
	}
}

func (m *machine) cancel(rt *rapid.T) {
	m.twice(rt, ledger.CancelTransfer{Transfer: m.pick(rt), Expired: rapid.Bool().Draw(rt, "expired")})
}

func (m *machine) claim(rt *rapid.T) {
	m.twice(rt, ledger.ClaimInstruction{ID: ledger.InstructionID{Transfer: m.pick(rt).ID, Leg: ledger.LegDebit}})
}

func (m *machine) freeze(rt *rapid.T) {
	wallet := m.ends[2*rapid.IntRange(0, 2).Draw(rt, "wallet")+1]
	m.twice(rt, ledger.FreezeWallet{Party: wallet.Party, Currency: "INR", Frozen: rapid.Bool().Draw(rt, "frozen")})
}

// TestRefusalsBecomeFailedTransfers: what a rule refuses is a failed transfer
// that moved nothing, with the reason.
func TestRefusalsBecomeFailedTransfers(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	other, otherWallet := b.person("Ravi", "HDFC")
	frozen, frozenWallet := b.person("Mina", "HDFC")
	must[ledger.Account](b, ledger.FreezeWallet{Party: frozenWallet.Party, Currency: "INR", Frozen: true})
	gone, _ := b.person("Gita", "SBIN")
	i, err := b.store.Instrument(context.Background(), gone.Instrument)
	if err != nil {
		t.Fatal(err)
	}
	must[ledger.Instrument](b, ledger.UnlinkInstrument{Instrument: i})
	b.fund(account, wallet, 100)

	for _, c := range []struct {
		from, to ledger.End
		minor    int64
		refused  ledger.Reason
		want     ledger.Reason
	}{
		{wallet, otherWallet, 101, "", ledger.InsufficientFunds},
		{wallet, other, 101, "", ledger.InsufficientFunds},
		{wallet, otherWallet, 100, ledger.PayeeNotFound, ledger.PayeeNotFound},
		{wallet, frozenWallet, 1, "", ledger.AccountFrozen},
		{frozenWallet, frozen, 1, "", ledger.AccountFrozen},
		{account, gone, 1, "", ledger.InstrumentUnlinked},
		{wallet, wallet, 1, "", ledger.SameAccount},
		{account, account, 1, "", ledger.SameAccount},
	} {
		cmd := create(c.from, c.to, c.minor)
		cmd.Refused = c.refused
		got := must[ledger.Transfer](b, cmd)
		if got.State != ledger.Failed || got.Reason != c.want {
			t.Errorf("%s -> %s, %d: %s, %s; want failed, %s", c.from.Name, c.to.Name, c.minor, got.State, got.Reason, c.want)
		}
		b.verify()
	}
	if got := b.pay(wallet, otherWallet, 100); got.State != ledger.Completed {
		t.Errorf("the whole balance can be paid: %s, %s", got.State, got.Reason)
	}
}
