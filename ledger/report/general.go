package report

import (
	"context"
	"slices"

	"bahi/ledger"
)

// What a row of a report of postings is, in its first column.
const (
	rowOpening = "opening"
	rowPosting = "posting"
	rowClosing = "closing"
)

var ledgerColumns = []Column{{"row", Text}, {"account", Text}, {"currency", Text}, {"at", Time}, {"entry", Text}, {"event", Text},
	{"counter_account", Text}, {"debit", Side}, {"credit", Side}, {"balance", Money}}

// GeneralLedger is every posting of an account, or of all, in a period: what it had
// before, each posting with the account at its other side and the balance after it, and what it
// had at the end. Balances are by the account's normal side.
func GeneralLedger(ctx context.Context, r ledger.Reader, q Query) (*Report, error) {
	out := &Report{Name: "ledger", Columns: ledgerColumns, facts: q.facts()}
	if q.Account == "" {
		out.rows = func(ctx context.Context, yield func(...Cell) error) error {
			names := newNames(r)
			return q.all(ctx, r, func(groups []group) error { return q.postings(ctx, names, groups, yield) })
		}
		return out, nil
	}
	groups, err := q.of(ctx, r, q.Account)
	if err != nil {
		return nil, err
	}
	out.rows = func(ctx context.Context, yield func(...Cell) error) error {
		return q.postings(ctx, newNames(r), groups, yield)
	}
	return out, nil
}

// postings yields the rows of some groups.
func (q *Query) postings(ctx context.Context, names *names, groups []group, yield func(...Cell) error) error {
	for some := range slices.Chunk(groups, together) {
		lines, err := readLines(ctx, names.reader, some)
		if err != nil {
			return err
		}
		for i := range some {
			if err := q.postingsOf(ctx, names, &some[i], lines, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

func (q *Query) postingsOf(ctx context.Context, names *names, g *group, lines *lineReader, yield func(...Cell) error) error {
	s, err := g.sums()
	if err != nil {
		return err
	}
	name, currency := text(g.name.Path), text(string(g.name.Currency))
	balance := func(row string, when int64, net int64) error {
		return yield(text(row), name, currency, at(when), Cell{}, Cell{}, Cell{}, Cell{}, Cell{}, money(normal(g.kind, net), g.name.Currency))
	}
	if err := balance(rowOpening, q.From, s.opening); err != nil {
		return err
	}
	net, moved := s.opening, turnover{}
	for l, err := range lines.ofGroup(ctx, g) {
		if err != nil {
			return err
		}
		p := &l.Posting
		counter, err := names.counter(ctx, &l)
		if err != nil {
			return err
		}
		t := turnover{credits: p.Amount}
		if l.Debited {
			t = turnover{debits: p.Amount}
		}
		net += t.debits - t.credits
		moved.debits, moved.credits = moved.debits+t.debits, moved.credits+t.credits
		if err := yield(text(rowPosting), name, currency, at(p.At), text(p.EntryRef()), text(p.Event.String()), text(q.nameOf(counter).Path),
			side(t.debits, p.Currency), side(t.credits, p.Currency), money(normal(g.kind, net), p.Currency)); err != nil {
			return err
		}
	}
	if err := moved.check(g); err != nil {
		return err
	}
	return balance(rowClosing, q.To, s.closing)
}

// names knows accounts by their ids; the latest ones it remembers.
type names struct {
	reader ledger.Reader
	known  map[ledger.AccountID]ledger.AccountName
}

// remembered is how many names are remembered.
const remembered = 50_000

func newNames(r ledger.Reader) *names {
	return &names{reader: r, known: map[ledger.AccountID]ledger.AccountName{}}
}

// counter is the account at the other side of a line.
func (n *names) counter(ctx context.Context, l *ledger.StatementLine) (ledger.AccountName, error) {
	id := l.Posting.Debit
	if l.Debited {
		id = l.Posting.Credit
	}
	name, ok := n.known[id]
	if ok {
		return name, nil
	}
	a, err := n.reader.Account(ctx, id)
	if err != nil {
		return name, err
	}
	if len(n.known) >= remembered {
		clear(n.known)
	}
	n.known[id] = a.Name
	return a.Name, nil
}
