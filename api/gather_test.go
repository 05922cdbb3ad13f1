package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/memory"
)

// slowReader holds the first question until it is let go, and counts all.
type slowReader struct {
	ledger.Reader
	asked chan int // how many payees each question is about
	hold  chan struct{}
	err   error
}

func (r *slowReader) Resolve(ctx context.Context, aliases []ledger.Alias) (map[ledger.Alias]ledger.Payee, error) {
	r.asked <- len(aliases)
	<-r.hold
	if r.err != nil {
		return nil, r.err
	}
	return r.Reader.Resolve(ctx, aliases)
}

func TestGather(t *testing.T) {
	store := memory.New()
	book := ledger.NewPipeline(store, ledger.PipelineOptions{})
	defer book.Close()
	const people = 100
	alias := func(n int) ledger.Alias {
		return ledger.Alias{App: "chat", Kind: ledger.AliasHandle, Value: fmt.Sprint("p", n)}
	}
	for n := range people {
		party := ledger.Party{ID: ledger.NewID(), App: "chat", Name: alias(n).Value, Kind: ledger.Person}
		for _, c := range []ledger.Command{ledger.OpenParty{Party: party}, ledger.LinkInstrument{Instrument: ledger.Instrument{
			ID: ledger.NewID(), Party: party.ID, App: "chat", Kind: ledger.Handle, Value: party.Name}}} {
			if _, err := book.Submit(t.Context(), ledger.Request{Command: c}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := &slowReader{Reader: store, asked: make(chan int, 10), hold: make(chan struct{})}
	g := &gather{reader: r}

	var asking sync.WaitGroup
	ask := func(n int) {
		asking.Go(func() {
			switch found, err := g.alias(context.Background(), alias(n)); {
			case n < people && (err != nil || found.Party.Name != alias(n).Value):
				t.Errorf("%d: found %q, %v", n, found.Party.Name, err)
			case n >= people && !errors.Is(err, ledger.ErrNotFound):
				t.Errorf("%d, who is not there: %v", n, err)
			}
		})
	}
	ask(0)
	if n := <-r.asked; n != 1 {
		t.Fatalf("the first question is about %d", n)
	}
	for n := 1; n < people+5; n++ {
		ask(n)
	}
	for waiting := 0; waiting < people+4; time.Sleep(time.Millisecond) {
		g.mu.Lock()
		waiting = len(g.waiting)
		g.mu.Unlock()
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.alias(impatient, alias(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("one that gave up: %v", err)
	}
	close(r.hold)
	asking.Wait()
	if n := <-r.asked; n != people+4 || len(r.asked) != 0 {
		t.Errorf("the second question is about %d and %d others follow; want all that came meanwhile in one, but the one who gave up", n, len(r.asked))
	}

	r.err = ledger.ErrUnavailable
	if _, err := g.alias(t.Context(), alias(0)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a database that is away: %v", err)
	}
}
