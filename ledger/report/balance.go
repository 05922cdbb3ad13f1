package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bahi/ledger"
)

// Balance is what an account held at an instant.
type Balance struct {
	Seq   int64 // how many postings it had
	Minor int64 // by its normal side, as [ledger.Account.Balance]
	Last  int64 // the time of the last posting, Unix microseconds; 0 where there was none
}

// maxPlaces is how many lines, or accounts, are asked for at once.
var maxPlaces = 2000

// BalancesAt are the balances of accounts at an instant, in their order. It looks at
// no posting of an account that was not posted to since, and else at as many as it takes to
// halve its statement down to one; those of all accounts are asked for together.
func BalancesAt(ctx context.Context, r ledger.Reader, accounts []ledger.Account, at int64) ([]Balance, error) {
	balances := make([]Balance, len(accounts))
	for from := 0; from < len(accounts); from += maxPlaces {
		until := min(from+maxPlaces, len(accounts))
		s := search{accounts: accounts[from:until], balances: balances[from:until], at: at}
		if err := s.run(ctx, r); err != nil {
			return nil, err
		}
	}
	return balances, nil
}

// search finds the last posting of each of some accounts that is not after an instant.
// Balances holds the best that is known: that posting is one of them or one before late.
type search struct {
	accounts []ledger.Account
	balances []Balance
	at       int64
	late     []int64 // of each account: a posting that is after the instant, or the one after the last
}

func (s *search) run(ctx context.Context, r ledger.Reader) error {
	s.late = make([]int64, len(s.accounts))
	for i := range s.accounts {
		a := &s.accounts[i]
		if s.late[i] = a.Seq; a.Posted <= s.at {
			s.late[i]++
			s.balances[i] = Balance{Seq: a.Seq, Minor: a.Balance(), Last: a.Posted}
		}
	}
	places := make([]ledger.LinePlace, 0, len(s.accounts))
	for {
		places = places[:0]
		for i := range s.accounts {
			if place, open := s.middle(i); open {
				places = append(places, place)
			}
		}
		if len(places) == 0 {
			return nil
		}
		lines, err := linesAt(ctx, r, places)
		if err != nil {
			return err
		}
		for i := range s.accounts {
			place, open := s.middle(i)
			if !open {
				continue
			}
			if l := lines[place]; l.Posting.At <= s.at {
				s.balances[i] = Balance{Seq: l.Seq, Minor: l.Balance, Last: l.Posting.At}
			} else {
				s.late[i] = l.Seq
			}
		}
	}
}

// middle is the posting of an account to look at next, if there is any.
func (s *search) middle(i int) (ledger.LinePlace, bool) {
	known := s.balances[i].Seq
	return ledger.LinePlace{Account: s.accounts[i].ID, Seq: known + (s.late[i]-known)/2}, s.late[i]-known > 1
}

// linesAt reads lines that must be there.
func linesAt(ctx context.Context, r ledger.Reader, places []ledger.LinePlace) (map[ledger.LinePlace]ledger.StatementLine, error) {
	lines, err := r.LinesAt(ctx, places)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		if _, ok := lines[p]; !ok {
			return nil, fmt.Errorf("account %s has no posting number %d: run bahi verify", p.Account, p.Seq)
		}
	}
	return lines, nil
}

// moment is a book as a report sees it: how many postings each account had when it
// began. Postings are never changed, so whatever is read later is of that moment.
type moment []pinned

type pinned struct {
	id  ledger.AccountID
	seq int64
}

// pin remembers the present moment.
func pin(ctx context.Context, r ledger.Reader) (m moment, err error) {
	err = r.Audit(ctx, func(s ledger.Snapshot) error {
		for a, err := range s.Accounts() { // by ID
			if err != nil {
				return err
			}
			if a.Seq > 0 {
				m = append(m, pinned{a.ID, a.Seq})
			}
		}
		return nil
	})
	return m, err
}

// of is how many postings an account had.
func (m moment) of(id ledger.AccountID) int64 {
	n, ok := slices.BinarySearchFunc(m, id, func(p pinned, id ledger.AccountID) int { return p.id.Compare(id) })
	if !ok {
		return 0
	}
	return m[n].seq
}

// turnBack gives accounts that were read since the totals that they had at the moment.
// Debits and Credits are only good for their balance.
func (m moment) turnBack(ctx context.Context, r ledger.Reader, accounts []ledger.Account) error {
	var places []ledger.LinePlace
	var moved []*ledger.Account
	for i := range accounts {
		a := &accounts[i]
		seq := m.of(a.ID)
		switch {
		case seq == a.Seq:
		case seq == 0:
			a.Seq, a.Debits, a.Credits, a.Posted = 0, 0, 0, 0
		default:
			places, moved = append(places, ledger.LinePlace{Account: a.ID, Seq: seq}), append(moved, a)
		}
	}
	if len(places) == 0 {
		return nil
	}
	lines, err := linesAt(ctx, r, places)
	if err != nil {
		return err
	}
	for i, a := range moved {
		l := lines[places[i]]
		a.Seq, a.Posted = l.Seq, l.Posting.At
		a.Debits, a.Credits = sides(a.Type, l.Balance)
	}
	return nil
}

// sides are a balance as debits and credits of which one is zero.
func sides(t ledger.AccountType, balance int64) (debit, credit int64) {
	if !t.DebitNormal() {
		balance = -balance
	}
	return max(balance, 0), max(-balance, 0)
}

// compareNames is the order of accounts in reports.
func compareNames(a, b ledger.AccountName) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Currency, b.Currency))
}
