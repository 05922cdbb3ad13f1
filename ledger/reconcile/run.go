package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bahi/ledger"
)

// Options say what a run looks at. Zero values are replaced by the defaults that are named.
type Options struct {
	From, Until ledger.Day     // transfers made from From on and before Until
	Zone        *time.Location // of the banks' business days; default UTC
	By          string         // who runs it
	Now         func() time.Time
	CutOff      time.Duration     // see [Judge]; default an hour; below zero: none
	LateAfter   int               // see [Judge]
	KnownBank   func(string) bool // whether there is such a bank; default: there is
	Chunk       int               // rows that are written at once; default 4000
}

func (o *Options) defaults() {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CutOff == 0 {
		o.CutOff = time.Hour
	}
	o.CutOff = max(0, o.CutOff)
	if o.KnownBank == nil {
		o.KnownBank = func(string) bool { return true }
	}
	if o.Chunk == 0 {
		o.Chunk = 4000
	}
}

// ErrSuperseded means that another run has begun since. What this one has written
// stands: the other goes on from there.
var ErrSuperseded = errors.New("another run of the reconciliation has begun")

// Run matches what banks and the switch said with our instructions, and opens and
// closes breaks. What it leaves is a function of what was said and of the book: it
// may be stopped at any moment and run again, also beside others. It reads one
// snapshot, and its memory does not grow with the book, except for lines that name
// no transfer: each of the days from a week before From to a week after Until takes 72 bytes.
//
// It returns the run with its counts, or [ErrSuperseded].
func Run(ctx context.Context, book *ledger.Pipeline, r ledger.Reader, opt Options) (ledger.Run, error) {
	opt.defaults()
	run, err := start(ctx, book, r, ledger.Run{From: opt.From, Until: opt.Until, By: opt.By})
	if err != nil {
		return run, err
	}
	today := ledger.DayOf(opt.Now().In(opt.Zone))
	// Coverage is written after the lines that it is about: what it has now, the snapshot has.
	covered, err := coverage(ctx, r, opt.From-around, max(opt.Until, today)+around)
	if err != nil {
		return run, err
	}
	judge := &Judge{Zone: opt.Zone, Today: today, CutOff: opt.CutOff, LateAfter: opt.LateAfter, Covered: covered, KnownBank: opt.KnownBank}
	out := &outbox{book: book, reader: r, zone: opt.Zone, most: opt.Chunk, chunk: Reconciled{Run: run.N}}
	err = r.Audit(ctx, func(s ledger.Snapshot) error {
		p := pass{judge: judge, opt: &opt, out: out, run: &run, loose: &looseLines{from: opt.From, until: opt.Until}}
		return p.all(ctx, s)
	})
	if err := errors.Join(err, out.wait()); err != nil {
		return run, overtaken(err)
	}
	counts, err := r.BreakCounts(ctx)
	if err != nil {
		return run, err
	}
	for _, c := range counts {
		if c.State == ledger.BreakOpen {
			run.Breaks += c.Count
		}
	}
	ended, err := ledger.Do[ledger.Run](ctx, book, EndRun{Run: run})
	if err != nil {
		return run, overtaken(err)
	}
	return ended, nil
}

// around is how many days around a run's own are looked at for what belongs together.
const around = 7

func overtaken(err error) error {
	if errors.Is(err, errSuperseded) {
		return fmt.Errorf("%w: %w", ErrSuperseded, err)
	}
	return err
}

// start begins a run. When several begin at once each gets a number of its own.
func start(ctx context.Context, book *ledger.Pipeline, r ledger.Reader, wanted ledger.Run) (run ledger.Run, err error) {
	for range 100 {
		last, err := r.LastRun(ctx)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return run, err
		}
		run, err = ledger.Do[ledger.Run](ctx, book, StartRun{Last: last, Run: wanted})
		if err == nil {
			return run, nil
		}
		if !errors.Is(err, errSuperseded) {
			// A database may refuse the second of two that began at once by the key alone.
			if now, e := r.LastRun(ctx); e != nil || now.N == last.N {
				return run, err
			}
		}
	}
	return run, ErrSuperseded
}

// coverage reads who has told of which days.
func coverage(ctx context.Context, r ledger.Reader, from, until ledger.Day) (func(ledger.Source, string, ledger.Day) bool, error) {
	all, err := r.Coverage(ctx, from, until)
	if err != nil {
		return nil, err
	}
	told := make(map[ledger.Covered]struct{}, len(all))
	for _, c := range all {
		told[c] = struct{}{}
	}
	return func(source ledger.Source, bank string, day ledger.Day) bool {
		_, ok := told[ledger.Covered{Source: source, Bank: bank, Day: day}]
		return ok
	}, nil
}

// pass is one way through a snapshot.
type pass struct {
	judge *Judge
	opt   *Options
	out   *outbox
	run   *ledger.Run
	loose *looseLines
}

// all judges first the transfers, with the lines that name them and those that were
// found to tell of them, then the lines that are left.
func (p *pass) all(ctx context.Context, s ledger.Snapshot) error {
	if err := p.loose.read(s); err != nil {
		return err
	}
	if err := p.loose.find(p.judge, s, p.reach()); err != nil {
		return err
	}
	if err := p.transfers(ctx, s); err != nil {
		return err
	}
	if err := p.rest(ctx, s); err != nil {
		return err
	}
	return p.out.flush(ctx)
}

// reach are the transfers that may be within the run's days.
func (p *pass) reach() ledger.Range {
	first, last := ledger.IDsOf(p.opt.From.Time(p.opt.Zone).UnixMicro(), p.opt.Until.Time(p.opt.Zone).UnixMicro())
	if first.Compare(ledger.OfNoTransfer.Last) < 0 {
		first = ledger.OfNoTransfer.Last
	}
	return ledger.Range{First: first, Last: last}
}

// within says whether a day is one of the run's own.
func (p *pass) within(d ledger.Day) bool { return p.opt.From <= d && d < p.opt.Until }

// transfers walks the transfers and, beside them, all that belongs to each.
func (p *pass) transfers(ctx context.Context, s ledger.Snapshot) error {
	in := p.reach()
	transfers := pull(ledger.Opened(s, in), func(t *ledger.Transfer) ledger.ID { return t.ID })
	defer transfers.stop()
	instructions := pull(s.Instructions(in), func(i *ledger.Instruction) ledger.ID { return i.ID.Transfer })
	defer instructions.stop()
	contradictions := pull(s.Contradictions(in), func(c *ledger.Contradiction) ledger.ID { return c.Instruction.Transfer })
	defer contradictions.stop()
	lines := pull(s.Lines(in), func(l *ledger.BankLine) ledger.ID { return l.Transfer })
	defer lines.stop()
	matches := pull(s.Matches(in), func(m *ledger.Match) ledger.ID { return m.Transfer })
	defer matches.stop()
	breaks := pull(s.Breaks(in), func(b *ledger.Break) ledger.ID { return b.Subject.Transfer })
	defer breaks.stop()
	corrections := pull(s.CorrectionsOf(in), func(c *ledger.Correction) ledger.ID { return c.Transfer })
	defer corrections.stop()
	var c Case
	for id, ok := least(transfers, lines, breaks); ok; id, ok = least(transfers, lines, breaks) {
		made, told, stored := transfers.of(id), lines.of(id), breaks.of(id)
		switch {
		case len(made) == 0:
			p.orphans(id, told, stored, adjustments(corrections.of(id)))
		case p.within(ledger.DayAt(made[0].Created, p.opt.Zone)):
			c = Case{Transfer: made[0], Instructions: instructions.of(id), Contradictions: contradictions.of(id), Corrections: corrections.of(id)}
			c.Lines = p.loose.add(told, &c.Transfer)
			p.one(&c, matches.of(id), stored)
		}
		if err := p.out.full(ctx); err != nil {
			return err
		}
	}
	return errors.Join(transfers.err, instructions.err, contradictions.err, lines.err, matches.err, breaks.err, corrections.err, ctx.Err())
}

// one judges a transfer of the run's days.
func (p *pass) one(c *Case, matched []ledger.Match, stored []ledger.Break) {
	v := p.judge.Evaluate(c)
	p.run.Lines += int64(len(c.Lines))
	p.run.Legs += int64(len(c.Instructions))
	for i := range v.Matches {
		if i == 0 || v.Matches[i].Leg != v.Matches[i-1].Leg {
			p.run.Matched++
		}
	}
	p.out.matches(v.Matches, matched)
	p.out.breaks(v.Breaks, stored, c.Transfer.Payee.Party)
}

// orphans judges lines that name a transfer which does not exist.
func (p *pass) orphans(id ledger.ID, lines []ledger.BankLine, stored []ledger.Break, adjusted map[ledger.ID]int64) {
	outside := func(b ledger.Break) bool { return !p.within(b.Day) }
	found := slices.DeleteFunc(p.judge.unexplained(lines, id, false, adjusted), outside)
	slices.SortFunc(found, func(a, b ledger.Break) int { return a.ID.Compare(b.ID) })
	for i := range lines {
		p.run.Lines += int64(number(p.within(lines[i].Day)))
	}
	p.out.breaks(found, slices.DeleteFunc(stored, outside), ledger.ID{})
}

// rest judges the lines that name no transfer and were not found to tell of one.
func (p *pass) rest(ctx context.Context, s ledger.Snapshot) error {
	adjusted := map[ledger.ID]int64{}
	for c, err := range s.CorrectionsOf(ledger.OfNoTransfer) {
		if err != nil {
			return err
		}
		adjusted[c.Break] += c.Adjusted()
	}
	p.run.Lines += p.loose.within
	found := p.loose.breaks(p.judge, adjusted)
	stored := pull(s.Breaks(ledger.OfNoTransfer), func(b *ledger.Break) ledger.ID { return b.ID })
	defer stored.stop()
	for b, err := range found {
		if err != nil {
			return err
		}
		for stored.ok && stored.head.ID.Compare(b.ID) < 0 {
			p.gone(stored.of(stored.head.ID))
		}
		p.out.breaks([]ledger.Break{b}, stored.of(b.ID), ledger.ID{})
		if err := p.out.full(ctx); err != nil {
			return err
		}
	}
	for stored.ok {
		p.gone(stored.of(stored.head.ID))
		if err := p.out.full(ctx); err != nil {
			return err
		}
	}
	return errors.Join(stored.err, ctx.Err())
}

// gone closes breaks of no transfer of which nothing is found any more, as far as
// the run has looked.
func (p *pass) gone(stored []ledger.Break) {
	p.out.breaks(nil, slices.DeleteFunc(stored, func(b ledger.Break) bool {
		return !p.within(b.Day) || b.Class == ledger.ClassSettlement
	}), ledger.ID{})
}
