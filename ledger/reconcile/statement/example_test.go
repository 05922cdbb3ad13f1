package statement_test

import (
	"fmt"
	"strings"

	"bahi/ledger/reconcile/statement"
)

func ExampleRead() {
	file := strings.NewReader(":20:X\n:25:NRMDINBB/1\n:28C:330\n:60F:C261124INR1000,00\n" +
		":61:261125C250,00NTRF632923371856//NB1\n:86:dinner\n:62F:C261125INR1250,00\n")
	for item, err := range statement.Read(file, statement.Options{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch item := item.(type) {
		case statement.Header:
			fmt.Println(item.Format, item.Account, item.ID, item.Opening)
		case statement.Line:
			fmt.Println(item.Side, item.Amount, item.RRN, item.Reference)
		case statement.End:
			fmt.Println(item.Lines, item.Closing)
		}
	}
	// Output:
	// mt940 1 2026/330 1000.00
	// credit 250.00 632923371856 NB1
	// 1 1250.00
}
