package export

import (
	"time"

	"bahi/ledger"
)

// journal writes postings as transactions of plain-text accounting, one each. Stripes are
// the account that they are a part of. A journal that begins in the middle of the book
// begins with its balances; at its end each account's balance is asserted, so that
// whoever reads it checks it.
type journal struct {
	style   style
	options *Options
	out     *output
	held    holdings
	used    map[ledger.Currency]bool // that were declared
	opened  bool                     // the beginning of the range is behind
	last    ledger.Day               // the latest of what was seen
	rows    int64
	b       []byte
}

// style is how a kind of journal writes things. Amounts are debits less credits.
type style interface {
	heading(b []byte, r Range, app string) []byte
	currency(b []byte, c ledger.Currency) []byte
	account(b []byte, n ledger.AccountName) []byte
	transaction(b []byte, d ledger.Day, f *fact, p *ledger.Posting) []byte
	opening(b []byte, d ledger.Day) []byte // the head of a transaction whose lines follow
	opened(b []byte, n ledger.AccountName, minor int64) []byte
	closing(b []byte, d ledger.Day) []byte // likewise, of assertions
	closed(b []byte, d ledger.Day, n ledger.AccountName, minor int64) []byte
}

func newJournal(out *output, o *Options, s style) *journal {
	return &journal{style: s, options: o, out: out, held: newHoldings(), used: map[ledger.Currency]bool{}}
}

func (j *journal) wants(k ledger.LeafKind) bool { return k == ledger.LeafPosting }
func (j *journal) replays() int64               { return 0 }
func (j *journal) count() int64                 { return j.rows }

func (j *journal) begin() error {
	return j.out.add(j.style.heading(nil, j.options.Range, j.options.App))
}

// replay takes a posting whose transaction is not to be written.
func (j *journal) replay(f *fact) error {
	if f.place >= j.options.Range.First {
		j.open()
	}
	j.post(f, f.leaf.(*ledger.Posting))
	j.b = j.b[:0]
	return nil
}

func (j *journal) write(f *fact) error {
	j.open()
	p := f.leaf.(*ledger.Posting)
	day := j.post(f, p)
	j.b = append(j.style.transaction(j.b, day, f, p), '\n')
	j.rows++
	return j.flush()
}

// post keeps the balances and, within the range, declares what was not used before.
func (j *journal) post(f *fact, p *ledger.Posting) ledger.Day {
	debit, credit := j.held.find(p.Debit, f.debit), j.held.find(p.Credit, f.credit)
	j.held.list[debit].minor += p.Amount
	j.held.list[credit].minor -= p.Amount
	if j.opened {
		j.declare(debit)
		j.declare(credit)
	}
	day := ledger.DayAt(p.At, j.options.Zone)
	j.last = max(j.last, day)
	return day
}

func (j *journal) declare(i int32) {
	h := &j.held.list[i]
	if h.declared {
		return
	}
	h.declared = true
	n := j.held.name(h)
	if !j.used[n.Currency] {
		j.used[n.Currency] = true
		j.b = j.style.currency(j.b, n.Currency)
	}
	for c := range j.used {
		if other, ok := j.held.index[ledger.AccountName{Path: n.Path, Currency: c}.ID()]; ok && other != i && j.held.list[other].declared {
			return // in another currency
		}
	}
	j.b = j.style.account(j.b, n)
}

// open writes the balances at the beginning of the range, unless it is behind, or is
// in what was written before.
func (j *journal) open() {
	if j.opened {
		return
	}
	j.opened = true
	some := false
	for i := range j.held.list {
		if j.held.list[i].minor != 0 {
			j.declare(int32(i))
			some = true
		}
	}
	if !some {
		return
	}
	j.b = j.style.opening(j.b, j.last)
	for i := range j.held.list {
		if h := &j.held.list[i]; h.minor != 0 {
			j.b = j.style.opened(j.b, j.held.name(h), h.minor)
		}
	}
	j.b = append(j.b, '\n')
}

func (j *journal) flush() error {
	err := j.out.add(j.b)
	j.b = j.b[:0]
	return err
}

// end asserts the balance of each account that the journal has.
func (j *journal) end() error {
	j.open()
	some := false
	for i := range j.held.list {
		h := &j.held.list[i]
		if !h.declared {
			continue
		}
		if !some {
			some = true
			j.b = j.style.closing(j.b, j.last)
		}
		j.b = j.style.closed(j.b, j.last, j.held.name(h), h.minor)
		if err := j.flush(); err != nil {
			return err
		}
	}
	if err := j.flush(); err != nil {
		return err
	}
	return j.out.flush()
}

// holdings are the balances of whole accounts, in the order in which they were first posted to.
// There may be a million of them, so a wallet's name is made again each time.
type holdings struct {
	index map[ledger.AccountID]int32
	list  []holding
	names []ledger.AccountName // of the others
	money []ledger.Currency    // of the wallets
}

type holding struct {
	party    ledger.ID // of a wallet, else zero
	name     uint32    // which of the names, or of the money
	declared bool
	minor    int64 // debits less credits
}

func newHoldings() holdings { return holdings{index: map[ledger.AccountID]int32{}} }

// find is the place of an account; a stripe's is that of its whole account.
func (h *holdings) find(id ledger.AccountID, n ledger.AccountName) int32 {
	if i, ok := h.index[id]; ok {
		return i
	}
	whole := n.Whole()
	if whole != n {
		i := h.find(whole.ID(), whole)
		h.index[id] = i
		return i
	}
	i := int32(len(h.list))
	h.index[id] = i
	h.list = append(h.list, h.holding(n))
	return i
}

func (h *holdings) holding(n ledger.AccountName) holding {
	if party, ok := n.Wallet(); ok {
		for i, c := range h.money {
			if c == n.Currency {
				return holding{party: party, name: uint32(i)}
			}
		}
		h.money = append(h.money, n.Currency)
		return holding{party: party, name: uint32(len(h.money) - 1)}
	}
	h.names = append(h.names, n)
	return holding{name: uint32(len(h.names) - 1)}
}

func (h *holdings) name(of *holding) ledger.AccountName {
	if !of.party.IsZero() {
		return ledger.WalletAccount(of.party, h.money[of.name])
	}
	return h.names[of.name]
}

// appendDay appends a day as journals have it.
func appendDay(b []byte, d ledger.Day) []byte {
	return d.Time(time.UTC).AppendFormat(b, time.DateOnly)
}
