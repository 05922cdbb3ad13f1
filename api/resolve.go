package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// resolver finds the accounts that people name by phone, handle, UPI id or party.
// It remembers for a moment where an alias led to. What it remembers may be out
// of date by then: the rules look at the instrument again at the commit.
type resolver struct {
	reader ledger.Reader
	look   gather
	banks  *banks.Registry
	now    func() time.Time
	memory time.Duration

	mu         sync.RWMutex
	seen       map[query]rememberedPlace
	generation int // counts the changes of parties and instruments on this node
}

// query is an alias, or a party by its reference where the kind is zero.
type query struct {
	alias    ledger.Alias
	currency ledger.Currency
}

type rememberedPlace struct {
	place
	until time.Time
}

const maxPlaces = 100_000

// place is where an address leads: an end of a transfer, or the reason why none.
type place struct {
	party   ledger.Party // zero for an account that Bahi does not know
	end     ledger.End
	refused ledger.Reason
}

func (r *resolver) placeOf(p ledger.Party, i ledger.Instrument, currency ledger.Currency) place {
	out := place{party: p, end: i.End(p.Name)}
	out.end.Standing = ledger.Standing{App: p.App, Kind: p.Kind, Since: p.Created}
	_, connected := r.banks.ByCode(i.Bank)
	switch {
	case i.Unlinked:
		out.refused = ledger.InstrumentUnlinked
	case i.Kind == ledger.BankAccount && !connected: // it was when the account was linked
		out.refused = ledger.BankUnknown
	case i.Currency != currency:
		out.refused = ledger.CurrencyMismatch
	}
	return out
}

// byAlias follows an alias to the instrument that holds the money, or is ledger.ErrNotFound.
func (r *resolver) byAlias(ctx context.Context, a ledger.Alias, currency ledger.Currency) (place, error) {
	return r.remembered(query{a, currency}, func() (place, error) {
		found, err := r.look.alias(ctx, a)
		if err != nil {
			return place{}, err
		}
		if found.Instrument.Kind.HoldsMoney() {
			return r.placeOf(found.Party, found.Instrument, currency), nil
		}
		found, err = r.look.party(ctx, found.Party.ID)
		return r.byDefault(found, currency), err
	})
}

// byParty takes one of the app's parties by its id.
func (r *resolver) byParty(ctx context.Context, app string, id ledger.ID, currency ledger.Currency) (place, error) {
	return r.remembered(query{ledger.Alias{App: app, Value: id.PartyRef()}, currency}, func() (place, error) {
		found, err := r.look.party(ctx, id)
		if err == nil && found.Party.App != app {
			err = ledger.ErrNotFound
		}
		if err != nil {
			return place{}, err
		}
		return r.byDefault(found, currency), nil
	})
}

// byDefault takes the instrument that the party chose to pay and be paid with.
func (r *resolver) byDefault(found ledger.Payee, currency ledger.Currency) place {
	p := found.Party
	if p.Default.IsZero() {
		return place{party: p, end: ledger.End{Party: p.ID, Name: p.Name}, refused: ledger.PayeeNotPayable}
	}
	return r.placeOf(p, found.Instrument, currency)
}

// byID takes one of the app's instruments that hold money by its id.
func (r *resolver) byID(ctx context.Context, app string, id ledger.ID, currency ledger.Currency) (place, error) {
	i, err := r.reader.Instrument(ctx, id)
	if err == nil && (i.App != app || !i.Kind.HoldsMoney()) {
		err = ledger.ErrNotFound
	}
	if err != nil {
		return place{}, err
	}
	p, err := r.reader.Party(ctx, i.Party)
	return r.placeOf(p, i, currency), err
}

// byWallet takes a party's wallet in the currency.
func (r *resolver) byWallet(ctx context.Context, app string, party ledger.ID, currency ledger.Currency) (place, error) {
	return r.byAlias(ctx, ledger.WalletAlias(app, party, currency), currency)
}

// byAccount takes a bank account by its number: one that the app has linked, or
// any other account at a bank that Bahi drives.
func (r *resolver) byAccount(ctx context.Context, app, ifsc, number, name string, currency ledger.Currency) (place, error) {
	known, err := r.byAlias(ctx, ledger.AccountAlias(app, ifsc, number), currency)
	if !errors.Is(err, ledger.ErrNotFound) {
		return known, err
	}
	out := place{end: ledger.End{Name: name, Account: number, IFSC: ifsc}}
	bank, ok := r.banks.ByIFSC(ifsc)
	switch {
	case !ok:
		out.refused = ledger.BankUnknown
		return out, nil
	case currency != upiCurrency:
		out.refused = ledger.CurrencyMismatch
	}
	out.end.Bank = bank.Code
	return out, nil
}

// remembered answers from memory, or looks and remembers what it found.
func (r *resolver) remembered(q query, look func() (place, error)) (place, error) {
	r.mu.RLock()
	found, ok := r.seen[q]
	generation := r.generation
	r.mu.RUnlock()
	now := r.now()
	if ok && now.Before(found.until) {
		return found.place, nil
	}
	p, err := look()
	if err != nil {
		return p, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if generation == r.generation { // else it was perhaps read before the change
		if len(r.seen) >= maxPlaces {
			clear(r.seen)
		}
		r.seen[q] = rememberedPlace{p, now.Add(r.memory)}
	}
	return p, nil
}

// observe forgets everything when a batch changed whom an alias leads to.
func (r *resolver) observe(set *ledger.Set) {
	if !set.Parties.Changed() && !set.Instruments.Changed() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.seen)
	r.generation++
}
