package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of [Pipeline.Submit] beside a [*Refusal] and those of a [Store].
var (
	// ErrBusy means that the queue is full; nothing was stored. Try again in a moment.
	ErrBusy = errors.New("too many requests are waiting")
	// ErrClosed means that the pipeline is shutting down; nothing was stored.
	ErrClosed = errors.New("shutting down")
	// ErrBug means that a command broke a rule of the book's own code; nothing was stored.
	ErrBug = errors.New("internal error")
)

// Request is a command on its way into the book.
type Request struct {
	Command Command
	// Key makes the request safe to repeat: the first answer is stored with the
	// command's changes and given again to whoever repeats it. May be nil.
	Key         *IdempotencyKey
	RequestHash [32]byte
	// Answer makes what is stored under Key from the command's result. It must be pure.
	Answer func(result any) (status int, body []byte)
}

// Reply is what became of a request.
type Reply struct {
	Result   any    // what the command returned; nil for a replay
	Answer   Answer // where the request had a Key
	Replayed bool   // the command was not applied: this is the first answer again
}

// Observer is told of every batch right after its commit and before its callers
// are. It must not block and must not change the set.
type Observer func(*Set)

// PipelineOptions are the pipeline's bounds; zero values are replaced by defaults.
type PipelineOptions struct {
	MaxQueue int // commands that may wait; default 16384
	MaxBatch int // commands in one transaction; default 4096
	Policy   *Policy
	Caps     func() Caps // as they are when a batch begins; nil: no bank has one
	Now      func() time.Time
	Tasks    Tasks
	Observer Observer
	Log      *slog.Logger
	// Unlogged leaves the leaves out, so that what they cost can be measured. A book
	// that was written so does not verify.
	Unlogged bool
}

// Pipeline is the one way into the book. While one batch is being written the
// next gathers: there is no timer, so a lone caller waits for nobody.
type Pipeline struct {
	store Store
	opt   PipelineOptions

	mu      sync.Mutex
	waiting []*job
	weight  int // commands in waiting
	closed  bool

	wake chan struct{} // capacity 1: something waits, or closed
	done chan struct{} // the writer has ended
	last int64         // time of the batch before
	node atomic.Pointer[Node]
}

// job is a request that waits for its reply.
type job struct {
	Request
	weight int
	reply  Reply
	err    error
	ready  chan struct{}
}

// NewPipeline starts the pipeline's writer. Close stops it.
func NewPipeline(store Store, opt PipelineOptions) *Pipeline {
	if opt.MaxQueue == 0 {
		opt.MaxQueue = 16384
	}
	if opt.MaxBatch == 0 {
		opt.MaxBatch = 4096
	}
	if opt.Policy == nil {
		p := DefaultPolicy()
		opt.Policy = &p
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Tasks == nil {
		opt.Tasks = Goroutines{}
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	p := &Pipeline{store: store, opt: opt, wake: make(chan struct{}, 1), done: make(chan struct{})}
	p.Become(Node{})
	opt.Tasks.Go(p.write)
	return p
}

// Become says which node the process is from the next batch on: its ID goes
// with the instructions that are made or taken, its stripe takes the postings.
// Until it is called the process is none, and its instructions are anybody's.
func (p *Pipeline) Become(n Node) { p.node.Store(&n) }

// Submit hands a request over and waits for its commit. It returns a
// [*Refusal], [ErrBusy], [ErrClosed], [ErrBug] or the store's error; all of
// these mean that nothing was stored, except [ErrOutcomeUnknown], which also
// stands for a ctx that ended while the request was under way.
func (p *Pipeline) Submit(ctx context.Context, r Request) (Reply, error) {
	j := &job{Request: r, weight: weightOf(r.Command), ready: make(chan struct{})}
	if err := p.enqueue(j); err != nil {
		return Reply{}, err
	}
	if err := p.opt.Tasks.Wait(ctx, j.ready); err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return j.reply, j.err
}

// Do submits a command without a key and returns its result.
func Do[R any](ctx context.Context, p *Pipeline, c Command) (R, error) {
	reply, err := p.Submit(ctx, Request{Command: c})
	result, _ := reply.Result.(R)
	return result, err
}

// Waiting is how many commands wait for the next batch.
func (p *Pipeline) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weight
}

// Full says whether the next request would be refused with [ErrBusy].
func (p *Pipeline) Full() bool { return p.Waiting() >= p.opt.MaxQueue }

// Close refuses new requests, answers every accepted one and stops the writer.
func (p *Pipeline) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.signal()
	_ = p.opt.Tasks.Wait(forever, p.done)
}

// forever is a context that never ends.
var forever = context.Background()

func (p *Pipeline) enqueue(j *job) error {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return ErrClosed
	case j.urgent():
		p.waiting = slices.Insert(p.waiting, 0, j)
	case p.weight > 0 && p.weight+j.weight > p.opt.MaxQueue:
		p.mu.Unlock()
		return ErrBusy
	default:
		p.waiting = append(p.waiting, j)
	}
	p.weight += j.weight
	p.mu.Unlock()
	p.signal()
	return nil
}

// urgent says whether the job goes before all others, however many wait: a
// node that does not come to say that it lives is taken for dead.
func (j *job) urgent() bool {
	_, beat := j.Command.(Beat)
	return beat
}

func (p *Pipeline) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// write is the writer: one batch after the other until closed and drained.
func (p *Pipeline) write() {
	defer close(p.done)
	for p.opt.Tasks.Wait(forever, p.wake) == nil {
		for {
			batch, closed := p.take()
			if len(batch) > 0 {
				p.commit(batch)
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

// take removes the next batch from the queue.
func (p *Pipeline) take() (batch []*job, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, weight := 0, 0
	for n < len(p.waiting) && (n == 0 || weight+p.waiting[n].weight <= p.opt.MaxBatch) {
		weight += p.waiting[n].weight
		n++
	}
	batch = p.waiting[:n:n]
	p.waiting = p.waiting[n:]
	p.weight -= weight
	if len(p.waiting) == 0 {
		p.waiting = nil // let the answered jobs go
	}
	return batch, p.closed
}

// commit stores a batch and answers its callers. A batch that fails by a fault
// of one command must not fail the others: each is then tried by itself.
func (p *Pipeline) commit(batch []*job) {
	err := p.try(batch)
	if err != nil && len(batch) > 1 && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrOutcomeUnknown) {
		for i := range batch {
			p.commit(batch[i : i+1])
		}
		return
	}
	if err != nil {
		p.opt.Log.Error("batch not stored", "commands", len(batch), "error", err)
	}
	for _, j := range batch {
		if err != nil {
			j.reply, j.err = Reply{}, err
		}
		close(j.ready)
	}
}

func (p *Pipeline) try(batch []*job) error {
	p.last = max(p.last, p.opt.Now().UnixMicro())
	var committed *Set
	declare := func() *Set {
		set, node := NewSet(p.last, p.opt.Policy), p.node.Load()
		set.Node, set.Stripe, set.unlogged = node.ID, node.Stripe, p.opt.Unlogged
		if p.opt.Caps != nil {
			set.Caps = p.opt.Caps()
		}
		for _, j := range batch {
			if j.Key != nil {
				set.Answers.Want(*j.Key)
			}
			j.Command.Declare(set)
		}
		return set
	}
	apply := func(set *Set) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%w: %v\n%s", ErrBug, r, debug.Stack())
			}
		}()
		for _, j := range batch {
			j.reply, j.err = j.apply(set)
		}
		committed = set
		return nil
	}
	// Callers that gave up do not take their batch with them.
	if err := p.store.Commit(forever, declare, apply); err != nil {
		return err
	}
	if p.opt.Observer != nil {
		p.opt.Observer(committed)
	}
	return nil
}

// apply is the pure step of one request: replay, refuse or apply, and keep the answer.
func (j *job) apply(set *Set) (Reply, error) {
	if j.Key != nil {
		if first, ok := set.Answers.Get(*j.Key); ok {
			if first.Erased {
				return Reply{}, refuse(CodeAnswerErased, "this was done under the same key before; the answer told of a person who was erased since")
			}
			if first.RequestHash != j.RequestHash {
				return Reply{}, refuse(CodeIdempotencyReuse, "this idempotency key was used for another request; use a new key")
			}
			return Reply{Answer: first, Replayed: true}, nil
		}
	}
	result, err := j.Command.Apply(set)
	if err != nil {
		return Reply{}, err
	}
	reply := Reply{Result: result}
	if j.Key != nil {
		reply.Answer = Answer{Key: *j.Key, RequestHash: j.RequestHash, Created: set.Now, About: personsOf(j.Command)}
		reply.Answer.Status, reply.Answer.Body = j.Answer(result)
		set.Answers.Put(*j.Key, reply.Answer)
	}
	return reply, nil
}

// Many is a command made of independent ones, each with a result of its own;
// they are stored together.
type Many []Command

// Outcomes are what [Many] returns: for each command its result or its refusal.
type Outcomes []struct {
	Result any
	Err    error
}

// Declare implements [Command].
func (m Many) Declare(s *Set) {
	for _, c := range m {
		c.Declare(s)
	}
}

// Apply implements [Command]; it returns [Outcomes].
func (m Many) Apply(s *Set) (any, error) {
	out := make(Outcomes, len(m))
	for i, c := range m {
		out[i].Result, out[i].Err = c.Apply(s)
	}
	return out, nil
}

func weightOf(c Command) int {
	if m, ok := c.(Many); ok {
		return max(1, len(m))
	}
	return 1
}
