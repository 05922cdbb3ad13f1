package reconcile

import "bahi/ledger"

// For the tests.
var NewTwice = newTwice

func (t *twice) See(statement int, key ledger.LineKey)        { t.see(statement, key) }
func (t *twice) Number(statement int, key ledger.LineKey) int { return t.number(statement, key) }
