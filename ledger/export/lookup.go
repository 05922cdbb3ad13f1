package export

import (
	"context"
	"errors"
	"fmt"

	"bahi/ledger"
)

// about is what a leaf belongs to: a transfer, or none, as the postings of settlement.
type about struct {
	transfer     ledger.ID
	app          string
	payer, payee end
	rrn          string
}

// end is a party or a pot, or where Bahi does not know it, its bank.
type end struct {
	party, pot ledger.ID
	bank       string
}

func aboutOf(t *ledger.Transfer) *about {
	return &about{transfer: t.ID, app: t.App, rrn: t.RRN,
		payer: endOf(&t.Payer), payee: endOf(&t.Payee)}
}

func endOf(e *ledger.End) end { return end{e.Party, e.Pot, e.Bank} }

var nothing = &about{}

// lookup finds what the leaves of postings and steps do not say. Most of it has passed by
// a moment before in the log; the rest is read from the book, where none of it ever changes.
type lookup struct {
	reader      ledger.Reader
	transfers   recent[ledger.ID, *about]
	corrections recent[ledger.ID, ledger.ID] // the transfers that they are about
	accounts    recent[ledger.AccountID, ledger.AccountName]
}

// remembered is how much of each kind is remembered: all that one chunk can hold.
const remembered = chunk * 256

func newLookup(r ledger.Reader) *lookup { return &lookup{reader: r} }

// readAtOnce is how many transfers are asked for in one query.
const readAtOnce = 500

// fill says of each fact what it is about.
func (l *lookup) fill(ctx context.Context, facts []fact) error {
	for i := range facts {
		switch v := facts[i].leaf.(type) {
		case *ledger.Transfer:
			facts[i].about = aboutOf(v)
			l.transfers.put(v.ID, facts[i].about)
		case *ledger.Correction:
			l.corrections.put(v.ID, v.Transfer)
		}
	}
	missing := map[ledger.ID][]int{} // transfers, and the facts about them
	for i := range facts {
		if facts[i].about != nil {
			continue
		}
		id, err := l.transferOf(ctx, facts[i].leaf)
		if err != nil {
			return err
		}
		if id.IsZero() {
			facts[i].about = nothing
		} else if known, ok := l.transfers.get(id); ok {
			facts[i].about = known
		} else {
			missing[id] = append(missing[id], i)
		}
	}
	return l.read(ctx, facts, missing)
}

func (l *lookup) read(ctx context.Context, facts []fact, missing map[ledger.ID][]int) error {
	ids := make([]ledger.ID, 0, readAtOnce)
	ask := func() error {
		found, err := l.reader.TransfersOf(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			t, ok := found[id]
			known := aboutOf(&t)
			if !ok {
				known.transfer = id // a correction may be about one that a bank made up
			}
			for _, i := range missing[id] {
				if p, posted := facts[i].leaf.(*ledger.Posting); !ok && (!posted || p.Event != ledger.EventAdjustment) {
					return fmt.Errorf("the book has no transfer %s, which leaf %d of the log is about", id.TransferRef(), facts[i].place)
				}
				facts[i].about = known
			}
			l.transfers.put(id, known)
		}
		ids = ids[:0]
		return nil
	}
	for id := range missing {
		if ids = append(ids, id); len(ids) == readAtOnce {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return ask()
}

// transferOf is the transfer that a leaf is about, zero where it is about none.
func (l *lookup) transferOf(ctx context.Context, leaf ledger.Leaf) (ledger.ID, error) {
	switch v := leaf.(type) {
	case *ledger.Step:
		return v.Transfer, nil
	case *ledger.Correction:
		return v.Transfer, nil
	case *ledger.Posting:
		switch v.Event {
		case ledger.EventSettlement, ledger.EventFee:
			return ledger.ID{}, nil
		case ledger.EventAdjustment:
			return l.corrected(ctx, v.Entry)
		}
		return v.Entry, nil
	}
	return ledger.ID{}, nil
}

// corrected is the transfer that a correction is about.
func (l *lookup) corrected(ctx context.Context, correction ledger.ID) (ledger.ID, error) {
	if id, ok := l.corrections.get(correction); ok {
		return id, nil
	}
	c, err := l.reader.Correction(ctx, correction)
	if err != nil {
		return ledger.ID{}, fmt.Errorf("correction %s: %w", correction.CorrectionRef(), err)
	}
	l.corrections.put(correction, c.Transfer)
	return c.Transfer, nil
}

// account is the name of an account, whose ID is its hash. A wallet's is known from the
// transfer; the others are few.
func (l *lookup) account(ctx context.Context, id ledger.AccountID, c ledger.Currency, of *about) (ledger.AccountName, error) {
	if n, ok := l.accounts.get(id); ok {
		return n, nil
	}
	for _, e := range []end{of.payer, of.payee} {
		if n := ledger.WalletAccount(e.party, c); e.bank == "" && n.ID() == id {
			l.accounts.put(id, n)
			return n, nil
		}
	}
	a, err := l.reader.Account(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		err = fmt.Errorf("the book has no account %s, which is posted to", id)
	}
	if err == nil && a.Name.ID() != id {
		err = fmt.Errorf("the account %s is called %s %s, which is another's name", id, a.Name.Path, a.Name.Currency)
	}
	if err == nil {
		l.accounts.put(id, a.Name)
	}
	return a.Name, err
}

// recent remembers what was put or asked for lately.
type recent[K comparable, V any] struct{ now, before map[K]V }

func (r *recent[K, V]) get(k K) (V, bool) {
	if v, ok := r.now[k]; ok {
		return v, true
	}
	v, ok := r.before[k]
	if ok {
		r.put(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	if len(r.now) >= remembered || r.now == nil {
		r.before, r.now = r.now, make(map[K]V)
	}
	r.now[k] = v
}
