// Package remote is the rail of a bank that runs as a process of its own, in any
// language: a remote procedure call turned round. What the bank is asked waits
// here as an offer, the bank's process comes for it (it leases offers, many at
// once), and its answer ends the wait. Package api gives it the HTTP.
package remote

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// Config is what a bank is made with; zero values are replaced by defaults.
type Config struct {
	Clock     banks.Clock   // default banks.WallClock
	MaxOffers int           // that may wait for an answer at once; default 10,000
	DownAfter time.Duration // a process that was not heard of for so long is down; default 30 s
}

// Bank is the near end of a bank's process. It implements [banks.Adapter].
//
// Offers live in the memory of the node that asks. A lease that expires is
// offered again, before all others, for as long as somebody waits for its answer;
// what was leased and not answered when its time is up may have been done.
type Bank struct {
	cfg    Config
	secret []byte // of the leases' tokens

	mu      sync.Mutex
	offers  map[Question]*offer // that somebody waits for
	waiting list.List           // of *offer: to be leased, the oldest first
	leases  map[*lease]struct{} // that have an unanswered offer
	pollers list.List           // of chan struct{}: who waits for offers, in the order of coming
	polling int                 // calls of Lease under way
	seen    time.Time           // when the process was last heard of
	closed  bool
	ended   chan struct{} // closed with the bank
}

var _ banks.Adapter = (*Bank)(nil)

// Ask is what a bank is asked to do about an instruction.
type Ask string

// The asks, one for each method of [banks.Adapter].
const (
	AskSubmit  Ask = "submit"
	AskReverse Ask = "reverse"
	AskStatus  Ask = "status"
)

// Question is an ask about one instruction: there is one offer of it at a time.
type Question struct {
	Ask Ask
	ID  ledger.InstructionID
}

// Offer is a question as the bank's process gets it.
type Offer struct {
	Question
	Instruction banks.Instruction
	Token       string    // shows that it was leased; see [Bank.Leased]
	Until       time.Time // then it is offered again
}

// offer is a question that somebody waits for the answer of.
type offer struct {
	Question
	instruction banks.Instruction
	waiters     int
	sent        bool          // it was leased, now or before: the bank may have seen it
	lease       *lease        // that holds it, or nil
	place       *list.Element // among the waiting, or nil
	answered    chan struct{} // closed with the answer
	answer      banks.Answer
}

// lease is a bundle of offers that were handed out together.
type lease struct {
	offers []*offer
	open   int // that are neither answered nor given up
	stop   func() bool
}

// New makes the near end of a bank. The process counts as heard of just now.
func New(cfg Config) *Bank {
	if cfg.Clock == nil {
		cfg.Clock = banks.WallClock{}
	}
	if cfg.MaxOffers == 0 {
		cfg.MaxOffers = 10_000
	}
	if cfg.DownAfter == 0 {
		cfg.DownAfter = 30 * time.Second
	}
	return &Bank{cfg: cfg, secret: newSecret(), offers: map[Question]*offer{}, leases: map[*lease]struct{}{},
		seen: cfg.Clock.Now(), ended: make(chan struct{})}
}

// Close ends all calls under way and forgets the leases.
func (b *Bank) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	close(b.ended)
	for l := range b.leases {
		l.stop()
	}
	return nil
}

// Submit implements [banks.Adapter]. While the bank's process is down nothing is
// sent, so that the payer knows at once.
func (b *Bank) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if b.Down() {
		return banks.Answer{}, fmt.Errorf("%w: the bank's process is down", banks.ErrNotSent)
	}
	return b.ask(ctx, AskSubmit, i)
}

// Reverse implements [banks.Adapter]. It waits also for a process that is down: it may be back in time.
func (b *Bank) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return b.ask(ctx, AskReverse, i)
}

// Status implements [banks.Adapter]. It waits as Reverse does.
func (b *Bank) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return b.ask(ctx, AskStatus, i)
}

var errClosed = errors.New("the bank is closed")

// ask offers a question and waits for the answer.
func (b *Bank) ask(ctx context.Context, ask Ask, i banks.Instruction) (banks.Answer, error) {
	o, err := b.offer(ctx, Question{ask, i.ID}, i)
	if err != nil {
		return banks.Answer{}, fmt.Errorf("%w: %w", banks.ErrNotSent, err)
	}
	select {
	case <-o.answered:
		return o.answer, nil
	case <-ctx.Done():
		return b.giveUp(o, ctx.Err())
	case <-b.ended:
		return b.giveUp(o, errClosed)
	}
}

// offer puts a question where the bank's process finds it, or joins who waits for it already.
func (b *Bank) offer(ctx context.Context, q Question, i banks.Instruction) (*offer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, open := b.offers[q]
	switch {
	case b.closed:
		return nil, errClosed
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case open:
		o.waiters++
		return o, nil
	case len(b.offers) >= b.cfg.MaxOffers:
		return nil, errors.New("too many instructions wait for the bank's process")
	}
	o = &offer{Question: q, instruction: i, waiters: 1, answered: make(chan struct{})}
	b.offers[q] = o
	o.place = b.waiting.PushBack(o)
	b.call()
	return o, nil
}

// giveUp ends a wait without an answer. An offer that nobody waits for is taken
// back: where it was never leased, the bank certainly has not seen it.
func (b *Bank) giveUp(o *offer, why error) (banks.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-o.answered: // at the last moment
		return o.answer, nil
	default:
	}
	if o.waiters--; o.waiters == 0 {
		b.drop(o)
	}
	switch {
	case o.sent:
		return banks.Answer{}, fmt.Errorf("the bank's process has it and did not answer: %w", why)
	case o.waiters > 0:
		return banks.Answer{}, fmt.Errorf("the bank's process may yet come for it: %w", why)
	}
	return banks.Answer{}, fmt.Errorf("%w: the bank's process did not come for it: %w", banks.ErrNotSent, why)
}

// drop takes an offer away from wherever it is.
func (b *Bank) drop(o *offer) {
	delete(b.offers, o.Question)
	o.instruction.Credential = banks.Credential{} // its lease may remember it for a while
	if o.place != nil {
		b.waiting.Remove(o.place)
		o.place = nil
	}
	if l := o.lease; l != nil {
		o.lease = nil
		if l.open--; l.open == 0 {
			l.stop()
			delete(b.leases, l)
		}
	}
}

// Answer ends the wait for a question, if somebody still waits for it.
func (b *Bank) Answer(q Question, a banks.Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = b.cfg.Clock.Now()
	if o, ok := b.offers[q]; ok {
		o.answer = a
		b.drop(o)
		close(o.answered)
	}
}

// Waits says whether somebody still waits for the answer.
func (b *Bank) Waits(q Question) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.offers[q]
	return ok
}

// Heartbeat notes that the bank's process lives and tells it how many offers
// wait and how many are leased.
func (b *Bank) Heartbeat() (waiting, leased int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = b.cfg.Clock.Now()
	return b.waiting.Len(), len(b.offers) - b.waiting.Len()
}

// Down says whether the bank's process was not heard of for too long.
func (b *Bank) Down() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.polling == 0 && b.cfg.Clock.Now().Sub(b.seen) >= b.cfg.DownAfter
}
