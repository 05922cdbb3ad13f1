package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bahi/ledger"
)

// gather finds many payees with few questions to the book: while one question is
// under way, all that are asked meanwhile become the next. A lone caller waits for
// nobody, and a thousand callers, or a batch of a thousand, cost little more than one.
type gather struct {
	reader ledger.Reader

	mu      sync.Mutex
	waiting []*question
	asking  bool
}

// question is one payee that is looked for, by its alias, or by its party where that is not zero.
type question struct {
	ctx   context.Context // of whoever asks
	party ledger.ID
	alias ledger.Alias
	found ledger.Payee
	err   error // ledger.ErrNotFound, or why it could not be looked for
	done  chan struct{}
}

const (
	maxQuestions   = 1000 // in one look at the book
	gatherDeadline = 5 * time.Second
)

// party finds a party and its default instrument.
func (g *gather) party(ctx context.Context, id ledger.ID) (ledger.Payee, error) {
	return g.ask(&question{ctx: ctx, party: id, done: make(chan struct{})})
}

// alias finds the instrument that an alias leads to, and its party.
func (g *gather) alias(ctx context.Context, a ledger.Alias) (ledger.Payee, error) {
	return g.ask(&question{ctx: ctx, alias: a, done: make(chan struct{})})
}

func (g *gather) ask(q *question) (ledger.Payee, error) {
	g.mu.Lock()
	g.waiting = append(g.waiting, q)
	first := !g.asking
	g.asking = true
	g.mu.Unlock()
	if first {
		go g.answerAll()
	}
	select {
	case <-q.done:
		return q.found, q.err
	case <-q.ctx.Done():
		return ledger.Payee{}, context.Cause(q.ctx)
	}
}

// answerAll asks the book until nobody waits.
func (g *gather) answerAll() {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), maxQuestions)
		questions := g.waiting[:n:n]
		if g.waiting = g.waiting[n:]; n == 0 {
			g.waiting, g.asking = nil, false
		}
		g.mu.Unlock()
		if n == 0 {
			return
		}
		g.answer(questions)
	}
}

// answer asks for all who still want to know, in none of their contexts.
func (g *gather) answer(questions []*question) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherDeadline)
	defer cancel()
	var parties []ledger.ID
	var aliases []ledger.Alias
	for _, q := range questions {
		switch {
		case q.ctx.Err() != nil: // gave up: while a database hangs they must not keep the others waiting
		case q.party.IsZero():
			aliases = append(aliases, q.alias)
		default:
			parties = append(parties, q.party)
		}
	}
	byParty, err := find(ctx, parties, g.reader.Payable)
	byAlias, err2 := find(ctx, aliases, g.reader.Resolve)
	err = errors.Join(err, err2)
	if errors.Is(err, context.DeadlineExceeded) { // ours, not a caller's
		err = fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	for _, q := range questions {
		found, ok := byAlias[q.alias]
		if !q.party.IsZero() {
			found, ok = byParty[q.party]
		}
		switch q.found = found; {
		case err != nil:
			q.err = err
		case !ok:
			q.err = ledger.ErrNotFound
		}
		close(q.done)
	}
}

func find[K comparable](ctx context.Context, keys []K, look func(context.Context, []K) (map[K]ledger.Payee, error)) (map[K]ledger.Payee, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return look(ctx, keys)
}
