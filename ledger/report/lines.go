package report

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"bahi/ledger"
)

// Lines of accounts are read in order, page by page. The first ones of many accounts
// come together: most have few.
const (
	firstLines = 64
	moreLines  = 1000
	together   = 200 // groups whose first lines come together
)

// lineReader reads the lines of some groups in a period.
type lineReader struct {
	reader ledger.Reader
	first  map[ledger.LinePlace]ledger.StatementLine
}

// readLines reads the first lines of the groups.
func readLines(ctx context.Context, r ledger.Reader, groups []group) (*lineReader, error) {
	l := &lineReader{reader: r, first: map[ledger.LinePlace]ledger.StatementLine{}}
	var places []ledger.LinePlace
	flush := func() error {
		lines, err := linesAt(ctx, r, places)
		for place, line := range lines {
			l.first[place] = line
		}
		places = places[:0]
		return err
	}
	for i := range groups {
		for j := range groups[i].parts {
			p := &groups[i].parts[j]
			for seq := p.open.Seq + 1; seq <= min(p.close.Seq, p.open.Seq+firstLines); seq++ {
				if places = append(places, ledger.LinePlace{Account: p.account.ID, Seq: seq}); len(places) == maxPlaces {
					if err := flush(); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	if len(places) == 0 {
		return l, nil
	}
	return l, flush()
}

// of are the lines of a part in the period, oldest first.
func (l *lineReader) of(ctx context.Context, p *part) iter.Seq2[ledger.StatementLine, error] {
	return func(yield func(ledger.StatementLine, error) bool) {
		page := l.first
		for seq, end := p.open.Seq+1, p.close.Seq; seq <= end; seq++ {
			place := ledger.LinePlace{Account: p.account.ID, Seq: seq}
			line, ok := page[place]
			if !ok {
				var err error
				if page, err = l.page(ctx, place, end); err != nil {
					yield(line, err)
					return
				}
				line = page[place]
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

func (l *lineReader) page(ctx context.Context, from ledger.LinePlace, end int64) (map[ledger.LinePlace]ledger.StatementLine, error) {
	places := make([]ledger.LinePlace, 0, moreLines)
	for ; from.Seq <= end && len(places) < moreLines; from.Seq++ {
		places = append(places, from)
	}
	return linesAt(ctx, l.reader, places)
}

// ofGroup are the lines of all parts of a group, by time.
func (l *lineReader) ofGroup(ctx context.Context, g *group) iter.Seq2[ledger.StatementLine, error] {
	if len(g.parts) == 1 {
		return l.of(ctx, &g.parts[0])
	}
	return func(yield func(ledger.StatementLine, error) bool) {
		heads := make([]head, 0, len(g.parts))
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		for i := range g.parts {
			next, stop := iter.Pull2(l.of(ctx, &g.parts[i]))
			h := head{next: next, stop: stop}
			h.advance()
			heads = append(heads, h)
		}
		for {
			first := -1
			for i := range heads {
				if heads[i].ok && (first < 0 || heads[i].before(&heads[first])) {
					first = i
				}
			}
			if first < 0 || !yield(heads[first].line, heads[first].err) || heads[first].err != nil {
				return
			}
			heads[first].advance()
		}
	}
}

// head is the next line of a part.
type head struct {
	line ledger.StatementLine
	err  error
	ok   bool
	next func() (ledger.StatementLine, error, bool)
	stop func()
}

func (h *head) advance() { h.line, h.err, h.ok = h.next() }

// before says whether the line comes first. Of one time it is the one of the part that was named first.
func (h *head) before(other *head) bool {
	return h.err != nil || (other.err == nil && cmp.Less(h.line.Posting.At, other.line.Posting.At))
}

// turnovers are what was debited and credited in each group. Where there is at most one
// posting, the balances tell; else the lines are read.
func (q *Query) turnovers(ctx context.Context, r ledger.Reader, groups []group) ([]turnover, error) {
	moved := make([]turnover, len(groups))
	if q.From == 0 {
		return moved, nil
	}
	var busy []group
	var places []int
	for i := range groups {
		g := group{name: groups[i].name, kind: groups[i].kind}
		for _, p := range groups[i].parts {
			if p.close.Seq > p.open.Seq+1 {
				g.parts = append(g.parts, p)
				continue
			}
			change := signed(g.kind, p.close.Minor) - signed(g.kind, p.open.Minor)
			moved[i].debits += max(change, 0)
			moved[i].credits += max(-change, 0)
		}
		if len(g.parts) > 0 {
			busy, places = append(busy, g), append(places, i)
		}
	}
	for some := range slices.Chunk(busy, together) {
		lines, err := readLines(ctx, r, some)
		if err != nil {
			return nil, err
		}
		for i := range some {
			t := &moved[places[i]]
			for j := range some[i].parts {
				if err := t.take(lines.of(ctx, &some[i].parts[j])); err != nil {
					return nil, err
				}
			}
			if err := t.check(&groups[places[i]]); err != nil {
				return nil, err
			}
		}
		places = places[len(some):]
	}
	return moved, nil
}

func (t *turnover) take(lines iter.Seq2[ledger.StatementLine, error]) error {
	for l, err := range lines {
		if err != nil {
			return err
		}
		sum := &t.credits
		if l.Debited {
			sum = &t.debits
		}
		if err := add(sum, l.Posting.Amount); err != nil {
			return err
		}
	}
	return nil
}

// check holds the turnover against the balances.
func (t *turnover) check(g *group) error {
	s, err := g.sums()
	if err == nil && s.closing-s.opening != t.debits-t.credits {
		err = fmt.Errorf("%s %s goes from %d to %d, and its postings add up to %d: run bahi verify", g.name.Path, g.name.Currency, s.opening, s.closing, t.debits-t.credits)
	}
	return err
}
