package simulate

import (
	"context"
	"encoding/binary"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// process is one of the world's machines: it can stop for a while, its clock can
// be set, and when it crashes none of its tasks gets past the wait that it is in.
type process struct {
	s      *scheduler
	name   string
	dead   bool
	frozen bool
	thawed time.Duration // when it was frozen last
	skew   time.Duration // how far its clock is ahead of the world's
}

var (
	_ banks.Clock  = (*process)(nil)
	_ ledger.Tasks = (*process)(nil)
)

// birth is when every world begins.
var birth = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

func (s *scheduler) process(name string) *process { return &process{s: s, name: name} }

// Now implements [banks.Clock].
func (p *process) Now() time.Time { return birth.Add(p.s.now + p.skew) }

// AfterFunc implements [banks.Clock].
func (p *process) AfterFunc(d time.Duration, f func()) func() bool {
	t := &timer{proc: p, f: f}
	p.s.after(d, t)
	return func() bool {
		stopped := !t.fired && !t.off
		t.off = true
		return stopped
	}
}

// Go implements [ledger.Tasks].
func (p *process) Go(f func()) { p.s.spawn(p, f) }

// Wait implements [ledger.Tasks].
func (p *process) Wait(ctx context.Context, c <-chan struct{}) error { return p.s.wait(ctx, c) }

// newID is a time-ordered id by the process's clock.
func (p *process) newID() (id ledger.ID) {
	ms := uint64(p.Now().UnixMilli())
	binary.BigEndian.PutUint64(id[:], ms<<16|p.s.rng.Uint64N(1<<12)|7<<12)
	binary.BigEndian.PutUint64(id[8:], p.s.rng.Uint64()>>2|1<<63)
	return id
}
