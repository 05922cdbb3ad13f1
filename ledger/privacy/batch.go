package privacy

import (
	"context"
	"errors"

	"bahi/ledger"
)

// batch is the working set of one commit.
type batch struct {
	store *Store
	set   *ledger.Set
	keys  found // of the persons whose data the batch adds
	made  found // of the parties that it opens
	sealer
}

// open opens what the engine loaded, as far as commands and those who observe the batch
// need it. A transfer that was read before the batch is open already, and of parties,
// instruments and records that are looked at only nothing of it counts.
func (b *batch) open(ctx context.Context) error {
	o := opening{keep: true}
	b.set.Parties.Loaded(func(_ ledger.ID, p *ledger.Party, seen bool) {
		if !seen {
			o.party(p)
		}
	})
	b.set.Instruments.Loaded(func(_ ledger.ID, i *ledger.Instrument, seen bool) {
		if !seen {
			o.instrument(i)
		}
	})
	b.set.Transfers.Loaded(func(_ ledger.ID, t *ledger.Transfer, _ bool) { o.transfer(t) })
	b.set.Answers.Loaded(func(_ ledger.IdempotencyKey, a *ledger.Answer, _ bool) { o.answer(a) })
	b.set.Records.Loaded(func(_ ledger.RecordKey, r *ledger.Record, seen bool) {
		if !seen {
			o.record(r)
		}
	})
	return b.store.open(ctx, &o)
}

// seal seals what the commands added.
func (b *batch) seal(ctx context.Context) error {
	if err := b.newPersons(); err != nil {
		return err
	}
	keys, err := b.store.keys(ctx, b.persons(), false)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = found{}
	}
	for id, k := range b.made {
		keys[id] = k
	}
	b.keys = keys
	keep := func(e error) { err = errors.Join(err, e) }
	b.set.Parties.Changes(func(_ ledger.ID, p *ledger.Party, _ bool) {
		if p != nil && p.Sealed == "" {
			keep(b.party(b.keys[p.ID], p))
		}
	})
	b.set.Instruments.Changes(func(_ ledger.ID, i *ledger.Instrument, inserted bool) {
		if i != nil && inserted {
			keep(b.instrument(b.keys[i.Party], i))
		}
	})
	b.set.Transfers.Changes(func(_ ledger.ID, t *ledger.Transfer, inserted bool) {
		if t != nil && inserted {
			keep(b.transfer(t, b.keyOf))
		}
	})
	b.set.Answers.Changes(func(_ ledger.IdempotencyKey, a *ledger.Answer, inserted bool) {
		if a != nil && inserted {
			keep(b.answer(a, b.store.book, b.keys))
		}
	})
	b.set.Records.Changes(func(_ ledger.RecordKey, r *ledger.Record, _ bool) {
		if adds(r) {
			keep(b.record(b.keyOf(r.Owner, ledger.ID{}), r))
		}
	})
	return err
}

// newPersons makes a key for each party that the batch opens.
func (b *batch) newPersons() (err error) {
	b.set.Parties.Changes(func(id ledger.ID, p *ledger.Party, inserted bool) {
		if !inserted || err != nil || !b.set.Persons.Declared(id) {
			return
		}
		if _, has := b.set.Persons.Get(id); has {
			return
		}
		var k *key
		if k, err = newKey(); err != nil {
			return
		}
		var p2 ledger.PersonKey
		if p2, err = wrapPerson(b.store.kek, id, k); err != nil {
			return
		}
		b.set.Persons.Put(id, p2)
		if b.made == nil {
			b.made = found{}
		}
		b.made[id] = k
	})
	return err
}

// persons are the parties whose data the batch adds.
func (b *batch) persons() (all []ledger.ID) {
	b.set.Parties.Changes(func(id ledger.ID, p *ledger.Party, _ bool) {
		if p != nil && p.Sealed == "" {
			all = append(all, id)
		}
	})
	b.set.Instruments.Changes(func(_ ledger.ID, i *ledger.Instrument, inserted bool) {
		if i != nil && inserted {
			all = append(all, i.Party)
		}
	})
	b.set.Transfers.Changes(func(_ ledger.ID, t *ledger.Transfer, inserted bool) {
		if t != nil && inserted {
			all = append(all, t.Payer.Party, t.Payee.Party)
		}
	})
	b.set.Answers.Changes(func(_ ledger.IdempotencyKey, a *ledger.Answer, inserted bool) {
		if a != nil && inserted {
			all = append(all, a.About...)
		}
	})
	b.set.Records.Changes(func(_ ledger.RecordKey, r *ledger.Record, _ bool) {
		if adds(r) {
			all = append(all, r.Owner)
		}
	})
	return all
}

// adds says whether a record has text that is to be sealed.
func adds(r *ledger.Record) bool { return r != nil && r.Private != "" && r.Sealed == "" }

// keyOf is the key of an end's data: its party's, the other end's where it has none, or the book's.
func (b *batch) keyOf(party, other ledger.ID) *key { return b.keys.of(b.store.book, party, other) }

func (f found) of(book *key, party, other ledger.ID) *key {
	switch {
	case !party.IsZero():
		return f[party]
	case !other.IsZero():
		return f[other]
	}
	return book
}

// committed remembers the keys of who is new, and forgets who was erased.
func (b *batch) committed() {
	b.set.Persons.Changes(func(id ledger.ID, p *ledger.PersonKey, _ bool) {
		if p == nil {
			b.store.ring.forget(id)
		}
	})
	if len(b.made) > 0 {
		erasures, now := b.store.ring.moment()
		b.store.ring.keep(erasures, now, b.made)
	}
}
