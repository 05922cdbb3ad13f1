package banks

import (
	"testing"
	"testing/synctest"

	"bahi/ledger"
)

// TestGroup waits for all that was added, and for nothing where nothing was.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		g.wait(ledger.Goroutines{})
		g = group{}
		g.add(2)
		over := false
		go func() { g.wait(ledger.Goroutines{}); over = true }()
		for _, want := range []bool{false, false, true} {
			synctest.Wait()
			if over != want {
				t.Errorf("with %d left it is over: %v", g.n, over)
			}
			if g.n > 0 {
				g.done()
			}
		}
	})
}
