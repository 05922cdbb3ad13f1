package sim_test

import (
	"context"
	"fmt"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

func Example() {
	bank, err := sim.Open(sim.Config{Code: "SBIN", OpeningBalance: 1_000_00})
	if err != nil {
		panic(err)
	}
	defer bank.Close()

	debit := banks.Instruction{
		ID:      ledger.InstructionID{Transfer: ledger.NewID(), Leg: ledger.LegDebit},
		Account: banks.Account{Number: "100200300"},
		Amount:  ledger.Amount{Minor: 250_00, Currency: "INR"},
	}
	for range 2 { // a repeat changes nothing
		answer, _ := bank.Submit(context.Background(), debit)
		fmt.Println(answer.Outcome, answer.Code, answer.Ref, bank.Balance("100200300"), bank.Net())
	}

	reversal := debit
	reversal.ID.Leg = ledger.LegDebitReversal
	answer, _ := bank.Reverse(context.Background(), reversal)
	fmt.Println(answer.Outcome, answer.Code, answer.Ref, bank.Balance("100200300"), bank.Net())
	// Output:
	// approved 00 SBIN0000000001 75000 25000
	// approved 00 SBIN0000000001 75000 25000
	// approved 00 SBIN0000000002 100000 0
}
