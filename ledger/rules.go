package ledger

import (
	"fmt"
	"math"
)

// rules are the invariants of the book, for who goes through its tables ([Verify])
// and who goes through its log ([Replay]).
type rules struct {
	report func(Violation)
	found  int64 // violations
	money  map[Currency]*totals
	whole  map[AccountID]AccountID // of each stripe, which account it is a part of
}

func newRules(report func(Violation)) rules {
	return rules{report: report, money: map[Currency]*totals{}, whole: map[AccountID]AccountID{}}
}

// totals are sums over one currency.
type totals struct {
	debits, credits int64 // of all accounts
	transit         int64 // balance of the transit account, all stripes
	held            int64 // what the transfers say is in transit
}

func (r *rules) violated(rule, where, format string, args ...any) {
	r.found++
	r.report(Violation{Rule: rule, Where: where, Detail: fmt.Sprintf(format, args...)})
}

func (r *rules) of(c Currency) *totals {
	t, ok := r.money[c]
	if !ok {
		t = &totals{}
		r.money[c] = t
	}
	return t
}

// where is what violations call the account.
func (a *Account) where() string { return a.Name.Path + " " + string(a.Name.Currency) }

// opened checks an account as it was opened, and is that account without any posting.
func (r *rules) opened(a *Account) Account {
	if a.ID != a.Name.ID() {
		r.violated("account_id", a.where(), "id %s is not the hash of its name", a.ID)
	}
	empty := newAccount(a.Name, a.Created)
	if a.Type != empty.Type || a.Bounded != empty.Bounded {
		r.violated("chart", a.where(), "type %s, bounded %v; the chart says %s, %v", a.Type, a.Bounded, empty.Type, empty.Bounded)
	}
	if whole := a.Name.Whole(); whole != a.Name {
		r.whole[a.ID] = whole.ID()
	}
	empty.ID, empty.Bounded = a.ID, a.Bounded
	return empty
}

// posted adds a line of its statement to an account, of which it must be the next one.
func (r *rules) posted(a *Account, l *StatementLine) {
	p := &l.Posting
	if p.Amount <= 0 || max(a.Debits, a.Credits) > math.MaxInt64-p.Amount {
		r.violated("posting_amount", a.where(), "posting %d is of %d", l.Seq, p.Amount)
	}
	if l.Debited {
		a.Debits += p.Amount
	} else {
		a.Credits += p.Amount
	}
	if p.At < a.Posted {
		r.violated("posting_time", a.where(), "posting %d is of %d, before the one before it", l.Seq, p.At)
	}
	a.Posted = p.At
	a.Seq++
	switch {
	case l.Seq != a.Seq:
		r.violated("account_sequence", a.where(), "posting number %d stands where number %d should (transfer %s)", l.Seq, a.Seq, p.Entry.TransferRef())
		a.Seq = l.Seq
	case l.Balance != a.Balance():
		r.violated("running_balance", a.where(), "after posting %d the balance is noted as %d and adds up to %d", l.Seq, l.Balance, a.Balance())
	}
	if p.Currency != a.Name.Currency {
		r.violated("posting_currency", a.where(), "posting %d is in %s", l.Seq, p.Currency)
	}
	if a.Bounded && a.Balance() < 0 {
		r.violated("bounded_account", a.where(), "the balance was %d after posting %d", a.Balance(), l.Seq)
	}
}

// add adds an account with all its postings to the sums of its currency.
func (r *rules) add(a *Account) {
	t := r.of(a.Name.Currency)
	t.debits += a.Debits
	t.credits += a.Credits
	if a.Name.Whole() == TransitAccount(a.Name.Currency) {
		t.transit += a.Balance()
	}
}

// wholeOf is the account that a stripe is a part of, or the account itself.
func (r *rules) wholeOf(id AccountID) AccountID {
	if whole, ok := r.whole[id]; ok {
		return whole
	}
	return id
}

// currencies checks the sums over the whole book.
func (r *rules) currencies() {
	for c, t := range r.money {
		if t.debits != t.credits {
			r.violated("balance", string(c), "all debits are %d, all credits are %d", t.debits, t.credits)
		}
		if t.transit != t.held {
			r.violated("transit", string(c), "transit holds %d; the transfers under way add up to %d", t.transit, t.held)
		}
	}
}

// step checks that a line of a transfer's history follows on the last one, and makes it the last.
func (r *rules) step(last, s *Step) {
	legal := (last.N == 0 && s.State == Pending) || (last.N > 0 && last.State.mayBecome(s.State))
	if s.N != last.N+1 || !legal {
		r.violated("history", s.Transfer.TransferRef(), "line %d, numbered %d, goes from %s to %s", last.N+1, s.N, last.State, s.State)
	}
	if s.At < last.At {
		r.violated("history", s.Transfer.TransferRef(), "line %d is of %d, before the one before it", s.N, s.At)
	}
	n := last.N + 1
	*last = *s
	last.N = n
}

// terms are what the postings of a transfer are measured by.
type terms struct {
	payer, payee, transit AccountID // whichever stripes take the postings
	amount                Amount
}

func (t *Transfer) terms() terms {
	c := t.Amount.Currency
	return terms{t.Payer.account(c).ID(), t.Payee.account(c).ID(), TransitAccount(c).ID(), t.Amount}
}

// fits checks that a posting is one that its transfer can have, but for the state; it
// says whether its event is.
func (r *rules) fits(where string, t *terms, p *Posting) bool {
	if p.Event < EventDebit || p.Event > EventWallet {
		r.violated("posting_event", where, "event %d is not one of a transfer", p.Event)
		return false
	}
	debit, credit := sides(p.Event, t.payer, t.payee, t.transit)
	if p.Amount != t.amount.Minor || p.Currency != t.amount.Currency || r.wholeOf(p.Debit) != debit || r.wholeOf(p.Credit) != credit || p.Undoes != p.Event.undoes() {
		r.violated("posting_content", where, "the %s posting debits %s and credits %s with %d %s; it should debit %s and credit %s with %d %s", p.Event,
			p.Debit, p.Credit, p.Amount, p.Currency, debit, credit, t.amount.Minor, t.amount.Currency)
	}
	return true
}

// legsDone says for each event of a transfer whether it is done.
type legsDone [EventWallet + 1]bool

// held is how often the transfer's amount is in transit.
func (d *legsDone) held() int {
	return count(d[EventDebit]) - count(d[EventCredit]) + count(d[EventCreditReversal]) - count(d[EventDebitReversal])
}

// fits says whether a transfer in the state can have these postings.
func (s State) fits(d *legsDone) bool {
	switch s {
	case Completed:
		return d[EventWallet] || (d[EventDebit] && d[EventCredit] && !d[EventDebitReversal] && !d[EventCreditReversal])
	case Pending, Failed, Cancelled:
		return *d == legsDone{}
	case Reversed:
		return d[EventDebit] && d[EventDebitReversal] && d[EventCredit] == d[EventCreditReversal]
	case Debited, Deemed, Held:
		return d[EventDebit] && !d[EventDebitReversal] && !d[EventWallet]
	}
	return !d[EventDebitReversal] && !d[EventWallet]
}
