package main

import (
	"fmt"
	"os"

	"bahi/ledger/audit"
)

type auditReceiptCmd struct {
	File    string   `arg:"" help:"The receipt." type:"existingfile"`
	Key     []string `help:"A verifier key of the log, from where you trust it: see \"bahi log keys\"." required:"" placeholder:"VKEY" sep:"none"`
	Witness []string `help:"Verifier key of a witness; one of those that are given must have signed." placeholder:"VKEY" sep:"none"`
}

// Run checks the receipt, without a book and without a server.
func (c *auditReceiptCmd) Run() error {
	witnesses, err := audit.ReadWitnesses(c.Witness)
	if err != nil {
		return usagef("--witness: %w", err)
	}
	file, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	r, err := audit.CheckReceipt(file, c.Key, witnesses)
	if err != nil {
		return err
	}
	fmt.Print(r.Words())
	for _, w := range r.Witnesses {
		fmt.Println("cosigned by", w)
	}
	fmt.Print("\nThis receipt is good. It proves that the log's owner has signed for all of the above: who has this\n" +
		"checkpoint, or a later one, sees at once if any of it is changed or gone. It does not prove what came later, nor\n" +
		"who the persons are: the log knows them by marks only.\n")
	return nil
}
