package ledger_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// shaky is a store that fails when it is told to: before a commit is done, or after.
type shaky struct {
	ledger.Store
	before, after bool
}

var errCrash = errors.New("the node died")

func (s *shaky) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	switch {
	case s.before:
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, errCrash)
	case s.after:
		if err := s.Store.Commit(ctx, declare, apply); err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", ledger.ErrOutcomeUnknown, errCrash)
	}
	return s.Store.Commit(ctx, declare, apply)
}

// paying is a schedule that is driven by two nodes which die now and then, with clocks that
// jump, and a payer's bank that says anything.
type paying struct {
	*timetable
	rt    *rapid.T
	nodes [2]*ledger.Pipeline
	shaky [2]*shaky
	skew  [2]time.Duration
	stale [2][]ledger.Command // what a node has read to do, and not done yet
	plan  []ledger.Occurrence // all occurrences of the years in which this happens
}

// TestScheduledPaymentsAreExact demands of a schedule, whatever happens to it, that each of its
// occurrences is paid once at most, that of those that are not paid each is told of, that it never
// moves more than its cap, and that what is made up follows the rule.
func TestScheduledPaymentsAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t)
		defer b.close()
		p := &paying{rt: rt}
		calendar := ledger.Calendar{Every: rapid.SampledFrom([]ledger.Every{ledger.Weekly, ledger.Monthly}).Draw(rt, "every"), Weekday: time.Weekday(rapid.IntRange(0, 6).Draw(rt, "weekday")),
			Date: rapid.IntRange(1, 31).Draw(rt, "date"), Minute: rapid.IntRange(0, 24*60-1).Draw(rt, "minute"), Zone: rapid.SampledFrom(testZones).Draw(rt, "zone")}
		if rapid.Bool().Draw(rt, "counted") {
			calendar.Count = rapid.IntRange(1, 12).Draw(rt, "count")
		}
		p.timetable = b.timetable(100, 450, calendar, func(q *ledger.Schedule) {
			q.Cap = rapid.SampledFrom([]int64{0, 100, 250, 700}).Draw(rt, "cap")
		})
		p.plan = occurrences(t, &calendar, b.now.UnixMicro(), 250)
		if rapid.Bool().Draw(rt, "from a bank") {
			p.payer, _ = b.person("Asha", "SBIN")
		}
		for n := range p.nodes {
			p.shaky[n] = &shaky{Store: b.store}
			p.skew[n] = time.Duration(rapid.IntRange(-90, 90).Draw(rt, "skew")) * time.Second
			p.nodes[n] = ledger.NewPipeline(p.shaky[n], ledger.PipelineOptions{Now: func() time.Time { return b.now.Add(p.skew[n]) }, Log: quiet})
			defer p.nodes[n].Close()
		}
		rt.Repeat(map[string]func(*rapid.T){
			"wait":   p.wait,
			"work":   p.work,
			"read":   p.read,
			"act":    p.act,
			"die":    p.die,
			"answer": p.answer,
			"pause":  func(*rapid.T) { p.change(ledger.PauseSchedule{Schedule: ptr(p.schedule())}) },
			"resume": func(*rapid.T) { p.change(ledger.ResumeSchedule{Schedule: ptr(p.schedule())}) },
			"skip":   p.skip,
			"":       p.check,
		})
	})
}

// wait moves the clock to just before or after something is due, or far.
func (p *paying) wait(rt *rapid.T) {
	q := p.schedule()
	far := time.Duration(rapid.IntRange(1, 40*24*60).Draw(rt, "minutes")) * time.Minute
	if due := time.UnixMicro(q.Due).Sub(p.now); q.Due != 0 && due > -time.Minute && rapid.Bool().Draw(rt, "near") {
		far = max(0, due+time.Duration(rapid.IntRange(-1, 1).Draw(rt, "around"))*time.Second)
	}
	p.now = p.now.Add(far)
}

func (p *paying) node(rt *rapid.T) int { return rapid.IntRange(0, 1).Draw(rt, "node") }

// work has a node do what is due, and holds what it does against the rule.
func (p *paying) work(rt *rapid.T) {
	n := p.node(rt)
	now := p.now.Add(p.skew[n])
	before := p.schedule()
	if err := p.doDue(p.nodes[n], now); err != nil {
		rt.Fatal(err)
	}
	after := p.schedule()
	if before.State != uint8(ledger.ScheduleActive) {
		return
	}
	left := p.plan[before.Next.N-1:]
	if c := before.Calendar.Count; c > 0 {
		left = p.plan[before.Next.N-1 : c]
	}
	come := 0
	for come < len(left) && left[come].At <= now.UnixMicro() {
		come++
	}
	var want []ledger.ScheduleRun
	if makes := come == len(left) || left[come].At-24*3600*1e6 > now.UnixMicro(); come > 0 {
		missed := come
		if makes {
			missed--
		}
		if missed > 0 {
			want = append(want, ledger.ScheduleRun{Occurrence: left[0], Last: left[missed-1].N, Fate: ledger.RunMissed})
		}
		if makes && (before.Cap == 0 || before.Moved+100 <= before.Cap) {
			want = append(want, ledger.ScheduleRun{Occurrence: left[come-1], Fate: ledger.RunMade})
		}
	}
	var got []ledger.ScheduleRun
	for _, r := range after.Runs {
		if r.N >= before.Next.N {
			if r.Last == 0 && r.Fate == ledger.RunMissed {
				r.Last = r.N
			}
			got = append(got, ledger.ScheduleRun{Occurrence: r.Occurrence, Last: r.Last, Fate: r.Fate})
		}
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("at %s a node did\n%+v\nand should have done\n%+v", now, got, want)
	}
}

// read has a node look for what is due.
func (p *paying) read(rt *rapid.T) {
	n := p.node(rt)
	p.stale[n] = append(p.stale[n], p.toDo(p.now.Add(p.skew[n]))...)
}

// act has a node do what it has read to do some time ago.
func (p *paying) act(rt *rapid.T) {
	n := p.node(rt)
	for _, c := range p.stale[n] {
		if _, err := p.nodes[n].Submit(context.Background(), ledger.Request{Command: c}); err != nil {
			rt.Fatal(err)
		}
		if rapid.Bool().Draw(rt, "twice") {
			if r, ok := c.(ledger.RunSchedule); ok {
				r.Create.Transfer.ID = ledger.NewID()
				c = r
			}
			if _, err := p.nodes[n].Submit(context.Background(), ledger.Request{Command: c}); err != nil {
				rt.Fatal(err)
			}
		}
	}
	p.stale[n] = nil
}

// die has a node do what is due and die over it.
func (p *paying) die(rt *rapid.T) {
	n := p.node(rt)
	lost := rapid.Bool().Draw(rt, "lost")
	p.shaky[n].before, p.shaky[n].after = lost, !lost
	if err := p.doDue(p.nodes[n], p.now.Add(p.skew[n])); err != nil && !errors.Is(err, errCrash) {
		rt.Fatal(err)
	}
	p.shaky[n].before, p.shaky[n].after = false, false
	p.stale[n] = nil
}

// answer has the payer's bank answer what it was asked.
func (p *paying) answer(rt *rapid.T) {
	var open []ledger.Transfer
	for _, t := range p.transfers() {
		if t.State == ledger.Pending {
			open = append(open, t)
		}
	}
	if len(open) == 0 {
		rt.Skip("nothing is open")
	}
	t := rapid.SampledFrom(open).Draw(rt, "transfer")
	said := rapid.SampledFrom([]ledger.Outcome{ledger.SaysApproved, ledger.SaysDeclined, ledger.SaysNotDone}).Draw(rt, "outcome")
	must[ledger.Recorded](p.book, ledger.RecordResult{Transfer: &t, Leg: ledger.LegDebit, Outcome: said})
}

// change does what a person asks for; of a schedule that is at its end it is refused.
func (p *paying) change(c ledger.Command) {
	_, err := ledger.Do[ledger.Schedule](context.Background(), p.pipe, c)
	var refusal *ledger.Refusal
	if err != nil && !errors.As(err, &refusal) {
		p.rt.Fatal(err)
	}
}

func (p *paying) skip(rt *rapid.T) {
	q := p.schedule()
	p.change(ledger.SkipRun{Schedule: &q, Run: max(1, q.Next.N-rapid.IntRange(0, 2).Draw(rt, "back"))})
}

func (p *paying) check(rt *rapid.T) {
	p.verify()
	q, made := p.schedule(), p.transfers()
	slices.SortFunc(made, func(a, b ledger.Transfer) int { return cmp.Compare(a.Created, b.Created) })
	var moved, total int64
	for _, t := range made {
		if !t.State.Final() || t.State == ledger.Completed {
			moved += t.Amount.Minor
		}
		if t.State == ledger.Completed {
			total += t.Amount.Minor
		}
	}
	if q.Moved != moved || q.Cap != 0 && max(moved, total) > q.Cap {
		rt.Fatalf("it says that it moved %d and has moved %d, %d of it for good; the cap is %d", q.Moved, moved, total, q.Cap)
	}
	// Each occurrence before the next has one fate, which was told.
	done, runs := 0, 0
	seen := map[string]bool{}
	for _, notice := range p.told() {
		if seen[notice] {
			rt.Fatalf("told twice: %s", notice)
		}
		seen[notice] = true
		what, number, _ := strings.Cut(notice, " ")
		n := 0
		fmt.Sscan(number, &n)
		switch what {
		case "run":
			if n != done+1 {
				rt.Fatalf("run %d comes after %d; what became of those between? %s", n, done, p.told())
			}
			done = n
			t := made[runs]
			runs++
			if due := p.plan[n-1].At; t.Created < due || n < len(p.plan) && n+1 != q.Calendar.Count+1 && t.Created >= p.plan[n].At {
				rt.Fatalf("run %d is of %s and was made at %s", n, time.UnixMicro(due).UTC(), time.UnixMicro(t.Created).UTC())
			}
		case "missed", "skipped":
			if n <= done {
				rt.Fatalf("%s comes after %d: %s", notice, done, p.told())
			}
			done = n
		case "upcoming":
			if n != done+1 {
				rt.Fatalf("notice of run %d comes after %d", n, done)
			}
		}
	}
	if runs != len(made) {
		rt.Fatalf("%d runs were told of and %d transfers made", runs, len(made))
	}
	if q.Next.At != 0 && (q.Next.N != done+1 || q.Next != p.plan[done]) || q.Next.At == 0 && done != q.Calendar.Count {
		rt.Fatalf("the next is %+v, and %d are done with", q.Next, done)
	}
}
