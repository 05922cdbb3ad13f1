package report

import (
	"context"
	"errors"
	"math"
	"slices"

	"bahi/ledger"
)

// group is an account with all of its stripes, or one of them alone, over a period.
type group struct {
	name  ledger.AccountName
	kind  ledger.AccountType
	parts []part
}

// part is an account of the book.
type part struct {
	account     ledger.Account
	open, close Balance // before the period and at its end
}

// sums are those of a group; opening and closing are debits less credits.
type sums struct {
	seq, last        int64
	opening, closing int64
}

// errTooLarge is refused rather than told wrong.
var errTooLarge = errors.New("a sum is larger than can be counted")

// add adds to a sum and never overflows.
func add(sum *int64, n int64) error {
	if (n > 0 && *sum > math.MaxInt64-n) || (n < 0 && *sum < math.MinInt64-n) {
		return errTooLarge
	}
	*sum += n
	return nil
}

func (g *group) sums() (s sums, err error) {
	for i := range g.parts {
		p := &g.parts[i]
		s.seq += p.close.Seq
		s.last = max(s.last, p.close.Last)
		err = errors.Join(err, add(&s.opening, signed(g.kind, p.open.Minor)), add(&s.closing, signed(g.kind, p.close.Minor)))
	}
	return s, err
}

// Query is what a report is asked for.
type Query struct {
	Period
	Account  string          // only this one, by its place in the chart, such as bank:NRMD:clearing; a stripe too
	Currency ledger.Currency // only this one
	Stripes  bool            // the stripes of an account apart
}

// nameOf is the account that another is a part of in the report.
func (q *Query) nameOf(n ledger.AccountName) ledger.AccountName {
	if q.Stripes || q.Account == n.Path {
		return n
	}
	return n.Whole()
}

// wants says whether an account is in the report.
func (q *Query) wants(n ledger.AccountName) bool {
	return (q.Currency == "" || n.Currency == q.Currency) && (q.Account == "" || n.Path == q.Account || n.Whole().Path == q.Account)
}

// groups reads accounts that are in the report and gathers them to groups, by name.
func (q *Query) groups(ctx context.Context, r ledger.Reader, accounts []ledger.Account) ([]group, error) {
	accounts = slices.DeleteFunc(accounts, func(a ledger.Account) bool { return !q.wants(a.Name) })
	closing, err := BalancesAt(ctx, r, accounts, q.To)
	if err != nil {
		return nil, err
	}
	opening := make([]Balance, len(accounts))
	if q.From > 0 {
		if opening, err = BalancesAt(ctx, r, accounts, q.From-1); err != nil {
			return nil, err
		}
	}
	var groups []group
	at := map[ledger.AccountName]int{}
	for i := range accounts {
		name := q.nameOf(accounts[i].Name)
		n, ok := at[name]
		if !ok {
			n = len(groups)
			at[name] = n
			groups = append(groups, group{name: name, kind: accounts[i].Type})
		}
		groups[n].parts = append(groups[n].parts, part{accounts[i], opening[i], closing[i]})
	}
	slices.SortStableFunc(groups, func(a, b group) int { return compareNames(a.name, b.name) })
	return groups, nil
}

// of are the groups of one account, in every currency, or [ledger.ErrNotFound].
func (q *Query) of(ctx context.Context, r ledger.Reader, path string) ([]group, error) {
	one := *q
	one.Account = path
	accounts, err := ledger.StripesAt(ctx, r, ledger.AccountName{Path: path}.Whole().Path)
	if err != nil {
		return nil, err
	}
	groups, err := one.groups(ctx, r, accounts)
	if err == nil && len(groups) == 0 {
		err = ledger.ErrNotFound
	}
	return groups, err
}

// all calls yield with the groups of the whole book at one moment, by name, some at a time.
// Accounts without a posting are left out.
func (q *Query) all(ctx context.Context, r ledger.Reader, yield func([]group) error) error {
	now, err := pin(ctx, r)
	if err != nil {
		return err
	}
	var held []ledger.Account // whose stripes may go on in the next page
	for after := (ledger.AccountName{}); ; {
		page, err := r.Accounts(ctx, after, maxPlaces)
		if err != nil {
			return err
		}
		last := len(page) < maxPlaces
		if len(page) > 0 {
			after = page[len(page)-1].Name
		}
		if err := now.turnBack(ctx, r, page); err != nil {
			return err
		}
		held = append(held, page...)
		whole := len(held)
		for !last && whole > 0 && held[whole-1].Name.Whole().Path == after.Whole().Path {
			whole--
		}
		groups, err := q.groups(ctx, r, slices.Clone(held[:whole]))
		if err != nil {
			return err
		}
		groups = slices.DeleteFunc(groups, func(g group) bool {
			return !slices.ContainsFunc(g.parts, func(p part) bool { return p.close.Seq > 0 })
		})
		if err := yield(groups); err != nil || last {
			return err
		}
		held = append(held[:0], held[whole:]...)
	}
}
