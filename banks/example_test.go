package banks_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"bahi/banks"
	"bahi/banks/bankstest"
	"bahi/ledger"
)

// pocketBank is a whole rail: a bank that says yes to everybody and remembers what it said.
type pocketBank struct {
	mu   sync.Mutex
	said map[ledger.InstructionID]banks.Answer
}

func (b *pocketBank) Submit(_ context.Context, i banks.Instruction) (banks.Answer, error) {
	return b.once(i.ID, banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}), nil
}

func (b *pocketBank) Reverse(_ context.Context, i banks.Instruction) (banks.Answer, error) {
	original := ledger.InstructionID{Transfer: i.ID.Transfer, Leg: i.ID.Leg.Reverses()}
	// An original that has not come is declined from now on, should it still come.
	if b.once(original, banks.Answer{Outcome: ledger.SaysDeclined, Code: "OD"}).Outcome != ledger.SaysApproved {
		return b.once(i.ID, banks.Answer{Outcome: ledger.SaysNotDone, Code: "OD"}), nil
	}
	return b.once(i.ID, banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}), nil
}

func (b *pocketBank) Status(_ context.Context, i banks.Instruction) (banks.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, ok := b.said[i.ID]; ok {
		return a, nil
	}
	return banks.Answer{Outcome: ledger.SaysNotSeen}, nil
}

// once decides on an instruction the first time and says the same ever after.
func (b *pocketBank) once(id ledger.InstructionID, decide banks.Answer) banks.Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.said[id]; !ok {
		b.said[id] = decide
	}
	return b.said[id]
}

func Example() {
	bank := &pocketBank{said: map[ledger.InstructionID]banks.Answer{}}
	registry, err := banks.NewRegistry([]banks.Bank{{Code: "POCK", Name: "Pocket Bank", IFSCPrefix: "POCK", Adapter: bank}})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, _ := registry.ByIFSC("POCK0000001")
	debit := banks.Instruction{ID: ledger.InstructionID{Transfer: ledger.NewID(), Leg: ledger.LegDebit}, Amount: ledger.Amount{Minor: 25000, Currency: "INR"}}
	for range 2 { // the second time is a repeat: the same answer, and nothing is done twice
		answer, err := found.Adapter.Submit(context.Background(), debit)
		fmt.Println(found.Name, answer.Outcome, answer.Code, err)
	}
	// Output:
	// Pocket Bank approved 00 <nil>
	// Pocket Bank approved 00 <nil>
}

// TestExampleKeepsTheContract: the adapter of the README passes the conformance kit.
func TestExampleKeepsTheContract(t *testing.T) {
	bankstest.Run(t, func(*testing.T) bankstest.Rail {
		b := &forgetful{pocketBank{said: map[ledger.InstructionID]banks.Answer{}}}
		return bankstest.Rail{Adapter: b, Moved: b.moved, Good: banks.Account{Number: "1000000001"}, Missing: banks.Account{Number: "0000000001"}}
	})
}

// forgetful gives the example's bank a missing account and a view of its money.
type forgetful struct{ pocketBank }

func (b *forgetful) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if i.Account.Number[0] == '0' {
		return b.once(i.ID, banks.Answer{Outcome: ledger.SaysDeclined, Code: "XH"}), nil
	}
	if err := ctx.Err(); err != nil {
		return banks.Answer{}, err
	}
	return b.pocketBank.Submit(ctx, i)
}

func (b *forgetful) moved(id ledger.InstructionID) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.said[id].Outcome != ledger.SaysApproved {
		return 0
	}
	if id.Leg == ledger.LegDebit || id.Leg == ledger.LegCreditReversal {
		return 12_345
	}
	return -12_345
}

// TestReadmeShowsTheExample: the README's adapter is this file's, to the letter.
func TestReadmeShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	adapter := text[strings.Index(text, "// pocketBank is"):strings.Index(text, "\nfunc Example()")]
	if !strings.Contains(string(readme), adapter) {
		t.Error("README.md does not show the adapter as it is in banks/example_test.go")
	}
}
