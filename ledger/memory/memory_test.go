package memory_test

import (
	"testing"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) ledger.Store { return memory.New() })
}
