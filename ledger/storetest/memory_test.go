package storetest_test

import (
	"testing"

	"bahi/ledger"
	"bahi/ledger/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) ledger.Store { return storetest.NewMemory() })
}
