package columns

import (
	"unicode"

	"bahi/ledger"
)

// newest is an ID behind every other: a page without a beginning starts below it.
var newest = func() (id ledger.ID) {
	for i := range id {
		id[i] = 0xff
	}
	return id
}()

// Before is the upper bound of a page's IDs.
func Before(p ledger.Page) []byte {
	if p.Before.IsZero() {
		return newest[:]
	}
	return p.Before[:]
}

// BeforeWindow is the upper bound of a page's windows. Where the page has no beginning,
// it is the last character there is.
func BeforeWindow(before string) string {
	if before == "" {
		return string(unicode.MaxRune)
	}
	return before
}

// TransfersOf are the transfers of sorted instructions: those of one lie together.
func TransfersOf(ids []ledger.InstructionID) (transfers []ledger.ID) {
	for i, id := range ids {
		if i == 0 || id.Transfer != ids[i-1].Transfer {
			transfers = append(transfers, id.Transfer)
		}
	}
	return transfers
}
