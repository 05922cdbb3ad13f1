package simulate

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// inOrder runs main in a scheduler of its own and returns what it found wrong.
func inOrder(seed uint64, main func(*scheduler, *process)) []string {
	s := newScheduler(rand.New(rand.NewPCG(seed, 0)))
	p := s.process("test")
	s.run(p, func() { main(s, p) })
	return s.wrong
}

// TestTimePasses when everybody waits, from one timer to the next and no further.
func TestTimePasses(t *testing.T) {
	var order []string
	wrong := inOrder(1, func(s *scheduler, p *process) {
		began := p.Now()
		p.AfterFunc(3*time.Hour, func() { order = append(order, "three") })
		p.AfterFunc(time.Hour, func() { order = append(order, "one"); s.sleep(time.Hour); order = append(order, "two") })
		stop := p.AfterFunc(2*time.Hour, func() { order = append(order, "stopped") })
		if !stop() || stop() {
			t.Error("a timer is stopped once")
		}
		s.sleep(4 * time.Hour)
		if passed := p.Now().Sub(began); passed != 4*time.Hour {
			t.Errorf("%v passed", passed)
		}
	})
	if want := []string{"one", "two", "three"}; !slices.Equal(order, want) || wrong != nil {
		t.Errorf("%v, want %v (%v)", order, want, wrong)
	}
}

// TestWait ends with its channel or with its context, whichever comes.
func TestWait(t *testing.T) {
	wrong := inOrder(1, func(s *scheduler, p *process) {
		closed := make(chan struct{})
		p.AfterFunc(time.Second, func() { close(closed) })
		ctx, cancel := context.WithCancelCause(context.Background())
		if err := p.Wait(ctx, closed); err != nil || s.now != time.Second {
			t.Errorf("a channel that is closed: %v after %v", err, s.now)
		}
		token := make(chan struct{}, 1)
		token <- struct{}{}
		if err := p.Wait(ctx, token); err != nil || len(token) != 0 {
			t.Errorf("a channel that gives: %v, %d left", err, len(token))
		}
		cause := errors.New("cause")
		p.AfterFunc(time.Second, func() { cancel(cause) })
		if err := p.Wait(ctx, token); err != cause {
			t.Errorf("a context that ends: %v", err)
		}
	})
	if wrong != nil {
		t.Error(wrong)
	}
}

// TestADeadProcess: none of its tasks gets past its wait, all of them clean up,
// and nothing starts in it any more.
func TestADeadProcess(t *testing.T) {
	var did []string
	wrong := inOrder(1, func(s *scheduler, p *process) {
		dies := s.process("dies")
		dies.Go(func() {
			defer func() { did = append(did, "cleaned up") }()
			s.sleep(time.Hour)
			did = append(did, "woke up")
		})
		dies.AfterFunc(time.Hour, func() { did = append(did, "timer") })
		s.sleep(time.Minute)
		dies.dead = true
		dies.Go(func() { did = append(did, "started") })
		s.sleep(2 * time.Hour)
	})
	if want := []string{"cleaned up"}; !slices.Equal(did, want) || wrong != nil {
		t.Errorf("%v, want %v (%v)", did, want, wrong)
	}
}

// TestAFrozenProcess goes on where it stood, late; its clock went on meanwhile.
func TestAFrozenProcess(t *testing.T) {
	wrong := inOrder(1, func(s *scheduler, p *process) {
		frozen := s.process("frozen")
		var woke time.Time
		frozen.Go(func() { s.sleep(time.Second); woke = frozen.Now() })
		s.sleep(0)
		frozen.frozen = true
		s.sleep(time.Minute)
		frozen.frozen = false
		s.sleep(time.Second)
		if late := woke.Sub(birth); late != time.Minute {
			t.Errorf("it woke up after %v", late)
		}
	})
	if wrong != nil {
		t.Error(wrong)
	}
}

// TestWhatCannotGoOn is found, as is a panic.
func TestWhatCannotGoOn(t *testing.T) {
	stuck := inOrder(1, func(_ *scheduler, p *process) { _ = p.Wait(context.Background(), nil) })
	if len(stuck) != 1 || !strings.Contains(stuck[0], "1 tasks wait for nothing") {
		t.Errorf("stuck: %v", stuck)
	}
	panicked := inOrder(1, func(*scheduler, *process) { panic("oh") })
	if len(panicked) != 1 || !strings.HasPrefix(panicked[0], "test panicked: oh") {
		t.Errorf("panicked: %v", panicked)
	}
}

// TestOrdersDiffer: which of the tasks that could go on does so is the seed's choice.
func TestOrdersDiffer(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(100) {
		var order []byte
		inOrder(seed, func(s *scheduler, p *process) {
			for _, name := range []byte("abc") {
				p.Go(func() { order = append(order, name) })
			}
			s.sleep(time.Second)
		})
		seen[string(order)] = true
	}
	if len(seen) != 6 {
		t.Errorf("100 seeds came to %d of the 6 orders of three tasks", len(seen))
	}
}
