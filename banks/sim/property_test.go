package sim_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// TestMoneyIsConserved sends random instructions, repeats, reversals before and
// after their originals, and restarts, to two processes that have the bank open.
// After each step no money has appeared or gone, no instruction has moved any
// twice, no answer has changed, and the file alone tells the same.
func TestMoneyIsConserved(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{first: map[ledger.InstructionID]banks.Answer{}, cfg: sim.Config{
			Code: "SBIN", OpeningBalance: 1_000, Path: filepath.Join(t.TempDir(), "SBIN.journal"),
			Behaviours: map[string]sim.Behaviour{"badly": {
				ledger.LegDebit:          {Does: sim.Contradicts, Code: "XB"},
				ledger.LegCreditReversal: {Does: sim.Stands},
			}}}}
		m.open(rt)
		m.other = m.bank
		m.open(rt)
		defer func() { m.bank.Close(); m.other.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"submit":           m.submit,
			"repeat":           m.repeat,
			"reverse":          m.reverse,
			"reverse unseen":   m.reverseUnseen,
			"ask":              m.ask,
			"close and reopen": func(rt *rapid.T) { m.bank.Close(); m.open(rt) },
			"another process":  func(*rapid.T) { m.bank, m.other = m.other, m.bank },
			"":                 m.check,
		})
	})
}

type machine struct {
	cfg   sim.Config
	bank  *sim.Bank
	other *sim.Bank           // the same one, as another process has it
	sent  []banks.Instruction // debits and credits
	first map[ledger.InstructionID]banks.Answer
}

var accounts = []string{"1", "2", "नाम \"3\"", "badly", "0000"}

func (m *machine) open(rt *rapid.T) {
	var err error
	if m.bank, err = sim.Open(m.cfg); err != nil {
		rt.Fatal(err)
	}
}

func (m *machine) draw(rt *rapid.T) banks.Instruction {
	return instruction(rapid.SampledFrom([]ledger.Leg{ledger.LegDebit, ledger.LegCredit}).Draw(rt, "leg"),
		rapid.SampledFrom(accounts).Draw(rt, "account"), rapid.Int64Range(-1, 700).Draw(rt, "paise"))
}

func (m *machine) pick(rt *rapid.T) banks.Instruction {
	if len(m.sent) == 0 {
		rt.Skip("nothing sent yet")
	}
	return rapid.SampledFrom(m.sent).Draw(rt, "instruction")
}

func (m *machine) submit(rt *rapid.T) {
	i := m.draw(rt)
	m.sent = append(m.sent, i)
	m.hear(rt, m.bank.Submit, i)
}

func (m *machine) repeat(rt *rapid.T)  { m.hear(rt, m.bank.Submit, m.pick(rt)) }
func (m *machine) reverse(rt *rapid.T) { m.hear(rt, m.bank.Reverse, undo(m.pick(rt))) }

func (m *machine) reverseUnseen(rt *rapid.T) {
	i := m.draw(rt)
	if a := m.hear(rt, m.bank.Reverse, undo(i)); a.Outcome != ledger.SaysNotDone {
		rt.Fatalf("the reversal of what never came got %+v", a)
	}
	m.sent = append(m.sent, i) // it may come yet
}

func (m *machine) ask(rt *rapid.T) {
	if i := m.pick(rt); m.first[i.ID].Outcome != 0 {
		m.hear(rt, m.bank.Status, i)
	}
}

// hear demands the first answer again.
func (m *machine) hear(rt *rapid.T, question func(context.Context, banks.Instruction) (banks.Answer, error), i banks.Instruction) banks.Answer {
	a, err := question(context.Background(), i)
	if err != nil {
		rt.Fatal(err)
	}
	if first, known := m.first[i.ID]; known && a != first {
		rt.Fatalf("%s got %+v, before %+v", i.ID, a, first)
	}
	m.first[i.ID] = a
	return a
}

func (m *machine) check(rt *rapid.T) {
	var gained int64
	for _, account := range accounts[:4] {
		balance := m.bank.Balance(account)
		if balance < 0 {
			rt.Fatalf("account %s is at %d", account, balance)
		}
		gained += balance - m.cfg.OpeningBalance
	}
	if net := m.bank.Net(); gained != -net {
		rt.Fatalf("the accounts gained %d while the bank's net is %d", gained, net)
	}
	entries := slices.Collect(m.bank.Entries())
	seen := map[ledger.InstructionID]bool{}
	for _, e := range entries {
		if seen[e.ID] || m.first[e.ID].Outcome != ledger.SaysApproved {
			rt.Fatalf("%s moved money twice, or was answered %+v", e.ID, m.first[e.ID])
		}
		seen[e.ID] = true
	}
	for id, a := range m.first {
		if a.Outcome == ledger.SaysApproved && !seen[id] {
			rt.Fatalf("%s was approved and moved nothing", id)
		}
	}
	fromFile, err := sim.ReadJournal(m.cfg.Path)
	if err != nil || !slices.Equal(fromFile, entries) {
		rt.Fatalf("the file tells %+v, %v, the bank %+v", fromFile, err, entries)
	}
}
