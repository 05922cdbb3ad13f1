package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// TestPotsHoldUnderRandomCommands funds, claims, cancels and closes pots at random, lets
// banks say anything at any time, and demands all invariants of the book after each. At the
// end whatever is open is answered, and every pot has come to its end with all of its money
// where it belongs.
func TestPotsHoldUnderRandomCommands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t)
		defer b.close()
		m := &potMachine{machine: machine{book: b}, phones: map[ledger.ID]ledger.Instrument{}}
		for _, bank := range []string{"SBIN", "HDFC", "SBIN"} {
			account, wallet := b.person("somebody", bank)
			m.ends = append(m.ends, account, wallet)
			b.fund(account, wallet, 1_000)
		}
		m.movePhone(rt)
		m.fundPot(rt)
		m.fundPot(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"fund":   m.fundPot,
			"claim":  m.claimPot,
			"claim2": m.claimPot,
			"claim3": m.claimPot,
			"answer": m.say,
			"say":    m.say,
			"wait":   m.wait,
			"agenda": m.agenda,
			"cancel": m.cancelPot,
			"phone":  m.movePhone,
			"freeze": m.freeze,
			"": func(*rapid.T) {
				if m.steps++; m.steps%8 == 0 { // the next time finds it too
					b.verify()
				}
			},
		})
		m.end(rt)
	})
}

type potMachine struct {
	machine
	pots   []ledger.FundPot
	phones map[ledger.ID]ledger.Instrument
	steps  int
}

// do submits a command; now and then twice, see [machine.twice].
func (m *potMachine) do(rt *rapid.T, c ledger.Command) any {
	if rapid.IntRange(0, 3).Draw(rt, "twice") == 0 {
		return m.twice(rt, c)
	}
	result, err := ledger.Do[any](context.Background(), m.pipe, c)
	var refusal *ledger.Refusal
	if err != nil && !errors.As(err, &refusal) {
		rt.Fatalf("%T: %v", c, err)
	}
	return result
}

func (m *potMachine) fundPot(rt *rapid.T) {
	from := m.ends[rapid.SampledFrom([]int{0, 1, 1, 3, 3, 5}).Draw(rt, "sender")]
	minor := rapid.Int64Range(5, 400).Draw(rt, "paise")
	var c ledger.FundPot
	if rapid.IntRange(0, 3).Draw(rt, "invitation") == 0 {
		c = invitation(from, minor)
	} else {
		var members []ledger.ID
		if rapid.Bool().Draw(rt, "members") {
			members = []ledger.ID{m.ends[0].Party, m.ends[2].Party}
		}
		c = redPacket(from, minor, rapid.IntRange(1, 4).Draw(rt, "shares"), rapid.SampledFrom([]ledger.PotMode{ledger.EqualShares, ledger.RandomShares}).Draw(rt, "mode"), members...)
	}
	c.Pot.Lasts = time.Duration(rapid.IntRange(1, 10).Draw(rt, "minutes")) * time.Minute
	if made, ok := m.do(rt, c).(ledger.Funded); ok {
		m.pots, m.transfers = append(m.pots, c), append(m.transfers, made.Funding)
	}
}

func (m *potMachine) pickPot(rt *rapid.T) ledger.FundPot {
	if len(m.pots) == 0 {
		rt.Skip("no pot yet")
	}
	return m.pots[len(m.pots)-rapid.IntRange(1, min(len(m.pots), 3)).Draw(rt, "pot")]
}

func (m *potMachine) claimPot(rt *rapid.T) {
	c := m.pickPot(rt)
	phone := ""
	if c.Pot.Type == ledger.Invitation {
		phone = invitedPhone
	}
	if made, ok := m.do(rt, claimPot(c.ID, rapid.SampledFrom(m.ends).Draw(rt, "payee"), phone)).(ledger.Claim); ok {
		m.transfers = append(m.transfers, made.Transfer)
	}
}

// say lets a bank say anything of any leg; most often of one that it was asked for.
func (m *potMachine) say(rt *rapid.T) {
	t := m.pick(rt)
	c := ledger.RecordResult{Transfer: t, Code: "XX", Leg: ledger.Leg(rapid.IntRange(1, 4).Draw(rt, "leg")), Outcome: ledger.SaysApproved}
	if rapid.Bool().Draw(rt, "any outcome") {
		c.Outcome = ledger.Outcome(rapid.IntRange(1, 6).Draw(rt, "outcome"))
	}
	_, instructions, err := m.store.TransferHistory(context.Background(), t.ID)
	if err != nil {
		rt.Fatal(err)
	}
	for _, i := range instructions {
		if i.State.Open() && rapid.IntRange(0, 4).Draw(rt, "any leg") > 0 {
			c.Leg, c.Attempt = i.ID.Leg, i.Attempts
		}
	}
	m.do(rt, c)
}

func (m *potMachine) wait(rt *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "seconds")) * time.Second)
}

// agenda does what falls due.
func (m *potMachine) agenda(rt *rapid.T) {
	due, err := m.store.DueRecords(context.Background(), ledger.RecordPlace{}, m.now.UnixMicro()+1, 100)
	if err != nil {
		rt.Fatal(err)
	}
	for _, r := range due {
		m.closed(rt, m.closing(r.ID))
	}
}

func (m *potMachine) cancelPot(rt *rapid.T) {
	c := m.closing(m.pickPot(rt).ID)
	c.Cancel = true
	m.closed(rt, c)
}

func (m *potMachine) closed(rt *rapid.T, c ledger.ClosePot) {
	m.do(rt, c)
	if t, err := m.store.Transfer(context.Background(), c.Return); err == nil {
		m.transfers = append(m.transfers, t)
	} else if !errors.Is(err, ledger.ErrNotFound) {
		rt.Fatal(err)
	}
}

// movePhone takes the invited phone from who has it, or gives it to somebody.
func (m *potMachine) movePhone(rt *rapid.T) {
	for id, i := range m.phones {
		m.do(rt, ledger.UnlinkInstrument{Instrument: i})
		delete(m.phones, id)
		return
	}
	i := ledger.Instrument{ID: ledger.NewID(), Party: rapid.SampledFrom(m.ends).Draw(rt, "owner").Party, App: "chat", Kind: ledger.Phone, Value: invitedPhone}
	if linked, ok := m.do(rt, ledger.LinkInstrument{Instrument: i}).(ledger.Instrument); ok {
		m.phones[i.ID] = linked
	}
}

// end brings everything to its end.
func (m *potMachine) end(rt *rapid.T) {
	for i := 1; i < len(m.ends); i += 2 {
		must[ledger.Account](m.book, ledger.FreezeWallet{Party: m.ends[i].Party, Currency: "INR"})
	}
	for range 4 {
		for i := range m.transfers {
			m.answered(rt, &m.transfers[i])
		}
		m.now = m.now.Add(24 * time.Hour)
		m.agenda(rt)
		m.verify()
	}
	for _, c := range m.pots {
		m.wantEnd(rt, c.ID)
	}
}

// answered gives what the bank has not said: what is in doubt is said to be done.
func (m *potMachine) answered(rt *rapid.T, t *ledger.Transfer) {
	for range 4 {
		now, err := m.store.Transfer(context.Background(), t.ID)
		_, instructions, err2 := m.store.TransferHistory(context.Background(), t.ID)
		if err != nil || err2 != nil {
			rt.Fatal(err, err2)
		}
		if now.State.Final() {
			return
		}
		last := instructions[len(instructions)-1]
		for _, i := range instructions {
			if i.State.Open() {
				last = i
			}
		}
		outcome := ledger.SaysApproved
		if now.State == ledger.Deemed || last.ID.Leg == ledger.LegCreditReversal {
			outcome, last.ID.Leg = ledger.SaysStands, ledger.LegCreditReversal
		}
		if _, err := ledger.Do[ledger.Recorded](context.Background(), m.pipe, ledger.RecordResult{Transfer: t, Leg: last.ID.Leg, Outcome: outcome}); err != nil {
			rt.Fatal(err)
		}
	}
}

// wantEnd demands that a pot is at its end, and that its money is, once, where it belongs:
// unless it waits for a transfer that banks have contradicted themselves about.
func (m *potMachine) wantEnd(rt *rapid.T, id ledger.ID) {
	r, p := m.pot(id)
	a, err := m.store.Account(context.Background(), ledger.PotAccount(id, "INR").ID())
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		rt.Fatal(err)
	}
	for _, part := range append(append([]ledger.PotPart{{Transfer: p.Funding}}, p.Taken...), p.Returns...) {
		t, err := m.store.Transfer(context.Background(), part.Transfer)
		if err != nil {
			rt.Fatal(err)
		}
		if !t.State.Final() {
			println("waits", t.State.String(), r.State)
			_ = id
			return
		}
	}
	state := ledger.PotState(r.State)
	if a.Balance() != 0 || (state != ledger.PotClosed && state != ledger.PotFailed) || r.Due != 0 {
		rt.Fatalf("the pot is %s and holds %d at the end, due %d: %+v", state, a.Balance(), r.Due, p)
	}
	if state == ledger.PotClosed && p.Rest() != 0 {
		rt.Fatalf("%d of %d are neither claimed nor back", p.Rest(), p.Amount.Minor)
	}
}
