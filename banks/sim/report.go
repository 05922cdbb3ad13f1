package sim

import (
	"context"
	"sync"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// planReport plans what the act has the bank say later, unasked.
func (b *Bank) planReport(id ledger.InstructionID, act Act, a banks.Answer) {
	switch act.Does {
	case Pends:
		b.pending[id] = struct{}{}
	case AnswersTwice, AnswersLate:
	case Contradicts:
		a = opposite(id, a)
	default:
		return
	}
	b.timers.after(b.cfg.Clock, act.After, &b.mu, func() { b.report(id, a) })
}

// opposite is an answer that contradicts a.
func opposite(id ledger.InstructionID, a banks.Answer) banks.Answer {
	if a.Outcome == ledger.SaysApproved {
		return banks.Answer{Outcome: ledger.SaysDeclined, Code: codesOf(id.Leg).other, Ref: a.Ref}
	}
	return banks.Answer{Outcome: ledger.SaysApproved, Code: approved, Ref: a.Ref}
}

func (b *Bank) report(id ledger.InstructionID, a banks.Answer) {
	b.mu.Lock()
	delete(b.pending, id)
	r := b.reporter
	b.mu.Unlock()
	if r != nil {
		// A report that is not taken is lost: the bank tells when it is asked.
		_, _ = r.Report(b.alive, b.cfg.Code, id, a)
	}
}

// wait waits for d, or, silent, for as long as there is somebody to keep waiting.
func (b *Bank) wait(ctx context.Context, d time.Duration, silent bool) error {
	var over chan struct{} // nil: never
	switch {
	case silent:
	case d <= 0:
		return nil
	default:
		over = make(chan struct{})
		defer b.cfg.Clock.AfterFunc(d, func() { close(over) })()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.alive, func() { cancel(errClosed) })()
	return b.cfg.Tasks.Wait(ctx, over)
}

// timers are calls to come. The bank's lock guards all but running.
type timers struct {
	pending map[*timer]struct{}
	stopped bool
	running sync.WaitGroup // pending ones too
}

type timer struct{ stop func() bool }

// after calls f once d has passed, without the lock, unless stopped before. The
// caller holds the lock.
func (s *timers) after(c banks.Clock, d time.Duration, lock sync.Locker, f func()) {
	if s.stopped {
		return
	}
	if s.pending == nil {
		s.pending = map[*timer]struct{}{}
	}
	t := &timer{}
	s.pending[t] = struct{}{}
	s.running.Add(1)
	t.stop = c.AfterFunc(d, func() {
		defer s.running.Done()
		lock.Lock()
		delete(s.pending, t)
		stopped := s.stopped
		lock.Unlock()
		if !stopped {
			f()
		}
	})
}

// stop lets no more timers fire; running is over once those that did are. The
// caller holds the lock.
func (s *timers) stop() {
	s.stopped = true
	for t := range s.pending {
		if t.stop() {
			s.running.Done()
		}
	}
	s.pending = nil
}
