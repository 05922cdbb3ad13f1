package simulate

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// scheduler runs the tasks of a simulated world one at a time: real goroutines
// that hand a token round. Which of those that could go on does so is drawn, and
// when none can, time jumps to the next timer. Everything here belongs to whoever
// has the token, so nothing is locked.
type scheduler struct {
	rng     *rand.Rand
	now     time.Duration // since the beginning of the world
	tasks   []*task       // those that have not ended, oldest first
	running *task
	timers  timerHeap
	stalls  odds     // how often a task that could go on stands still for a while
	wrong   []string // panics
	over    chan struct{}

	made     uint64 // tasks and timers so far
	switches uint64 // times that a task went on
	digest   uint64 // of which did, and when
	ready    []*task
}

// odds is one chance in so many; zero is never.
type odds int

func (o odds) in(rng *rand.Rand) bool { return o > 0 && rng.IntN(int(o)) == 0 }

// task is a goroutine of the world.
type task struct {
	id      uint64
	proc    *process
	f       func()
	started bool
	token   chan struct{}

	// What it waits for, from one wait to its end.
	waiting bool
	ctx     context.Context // nil: none
	c       <-chan struct{}
	came    bool // c was closed or gave a value, or the sleep is over

	stalled time.Duration // it stands still until then
}

func newScheduler(rng *rand.Rand) *scheduler {
	return &scheduler{rng: rng, over: make(chan struct{}), digest: 14695981039346656037}
}

// run runs main, and everything that comes of it, until main ends. What has not
// ended by then ends at its wait.
func (s *scheduler) run(p *process, main func()) {
	s.spawn(p, func() {
		main()
		s.doom()
	})
	s.pass()
	<-s.over
}

// doom ends all processes.
func (s *scheduler) doom() {
	for _, t := range s.tasks {
		t.proc.dead = true
	}
}

func (s *scheduler) spawn(p *process, f func()) {
	if p.dead {
		return
	}
	s.made++
	s.tasks = append(s.tasks, &task{id: s.made, proc: p, f: f, token: make(chan struct{}, 1)})
}

// wait is how a task lets others go on. It does not return to a dead process.
func (s *scheduler) wait(ctx context.Context, c <-chan struct{}) error {
	t := s.running
	t.waiting, t.ctx, t.c, t.came = true, ctx, c, false
	s.park(t)
	t.waiting = false
	// Where both came about, either may be seen first, as in a select.
	if ctx != nil && ctx.Err() != nil && (!t.came || s.rng.IntN(2) == 0) {
		return context.Cause(ctx)
	}
	return nil
}

// sleep waits for d.
func (s *scheduler) sleep(d time.Duration) {
	t := s.running
	t.waiting, t.ctx, t.c, t.came = true, nil, nil, false
	s.after(d, &timer{task: t})
	s.park(t)
	t.waiting = false
}

func (s *scheduler) park(t *task) {
	if next := s.next(); next != t {
		s.resume(next)
		<-t.token
	}
	if t.proc.dead {
		runtime.Goexit()
	}
}

// resume hands the token to a task.
func (s *scheduler) resume(t *task) {
	s.running = t
	if t.started {
		t.token <- struct{}{}
		return
	}
	t.started = true
	go s.body(t)
}

// pass hands the token on for good.
func (s *scheduler) pass() {
	if next := s.next(); next != nil {
		s.resume(next)
		return
	}
	close(s.over)
}

func (s *scheduler) body(t *task) {
	defer func() {
		if r := recover(); r != nil { // not of runtime.Goexit
			s.wrong = append(s.wrong, fmt.Sprintf("%s panicked: %v\n%s", t.proc.name, r, debug.Stack()))
			s.doom()
		}
		s.tasks = slices.DeleteFunc(s.tasks, func(other *task) bool { return other == t })
		s.pass()
	}()
	if !t.proc.dead {
		t.f()
	}
}

// next draws the task that goes on; nil when there is none left.
func (s *scheduler) next() *task {
	for len(s.tasks) > 0 {
		s.ready = s.ready[:0]
		for _, t := range s.tasks {
			if s.may(t) {
				s.ready = append(s.ready, t)
			}
		}
		if len(s.ready) == 0 {
			if !s.advance() {
				s.wrong = append(s.wrong, fmt.Sprintf("%d tasks wait for nothing that could happen", len(s.tasks)))
				s.doom()
			}
			continue
		}
		t := s.ready[s.rng.IntN(len(s.ready))]
		if !t.proc.dead && s.stalls.in(s.rng) {
			d := time.Duration(s.rng.Int64N(int64(3 * time.Second)))
			t.stalled = s.now + d
			s.after(d, &timer{})
			continue
		}
		s.switches++
		s.digest = (s.digest ^ t.id ^ uint64(s.now)) * 1099511628211
		return t
	}
	return nil
}

// may says whether a task could go on now.
func (s *scheduler) may(t *task) bool {
	switch {
	case t.proc.dead:
		return true // to its end
	case t.proc.frozen || t.stalled > s.now:
		return false
	case !t.waiting || t.came:
		return true
	}
	select {
	case <-t.c:
		t.came = true
	default:
	}
	return t.came || (t.ctx != nil && t.ctx.Err() != nil)
}

// timer starts f in its process, or wakes a task, or just makes time pass until then.
type timer struct {
	at    time.Duration
	n     uint64 // the older one first
	proc  *process
	f     func()
	task  *task
	fired bool
	off   bool
}

func (s *scheduler) after(d time.Duration, t *timer) {
	s.made++
	t.at, t.n = s.now+max(0, d), s.made
	heap.Push(&s.timers, t)
}

// idle says whether nothing would come of the timer any more.
func (t *timer) idle() bool {
	return t.off || (t.proc != nil && t.proc.dead) || (t.task != nil && t.task.proc.dead)
}

// advance lets time jump to the next timer and fires all that are due then. It
// says whether there was one.
func (s *scheduler) advance() bool {
	fired := false
	for len(s.timers) > 0 {
		t := s.timers[0]
		if !t.idle() {
			if fired && t.at > s.now {
				break
			}
			s.now, fired = t.at, true
			t.fired = true
			switch {
			case t.task != nil:
				t.task.came = true
			case t.f != nil:
				s.spawn(t.proc, t.f)
			}
		}
		heap.Pop(&s.timers)
	}
	return fired
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || (h[i].at == h[j].at && h[i].n < h[j].n)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(t any)   { *h = append(*h, t.(*timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
