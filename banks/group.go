package banks

import (
	"context"
	"sync"

	"bahi/ledger"
)

// group counts what is under way, as a sync.WaitGroup does, and is waited for by
// way of Tasks. Nothing may be added once somebody waits.
type group struct {
	mu   sync.Mutex
	n    int
	over chan struct{} // closed when nothing is left; nil while nobody waits
}

func (g *group) add(n int) {
	g.mu.Lock()
	g.n += n
	g.mu.Unlock()
}

func (g *group) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.over != nil {
		close(g.over)
	}
}

func (g *group) wait(tasks ledger.Tasks) {
	g.mu.Lock()
	over := make(chan struct{})
	if g.over = over; g.n == 0 {
		close(over)
	}
	g.mu.Unlock()
	_ = tasks.Wait(context.Background(), over) // which never ends
}
