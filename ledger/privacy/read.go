package privacy

import (
	"context"

	"bahi/ledger"
	"bahi/ledger/privacy/mark"
)

// The reads of [ledger.Reader] that return personal data.

// Party implements [ledger.Reader].
func (s *Store) Party(ctx context.Context, id ledger.ID) (ledger.Party, error) {
	p, err := s.Store.Party(ctx, id)
	if err != nil {
		return p, err
	}
	var o opening
	o.party(&p)
	return p, s.open(ctx, &o)
}

// Parties implements [ledger.Reader].
func (s *Store) Parties(ctx context.Context, app string, page ledger.Page) ([]ledger.Party, error) {
	ps, err := s.Store.Parties(ctx, app, page)
	if err != nil {
		return nil, err
	}
	return ps, openAll(ctx, s, ps, (*opening).party)
}

// openAll opens the rows of a list, where they stand.
func openAll[V any](ctx context.Context, s *Store, rows []V, open func(*opening, *V)) error {
	var o opening
	for i := range rows {
		open(&o, &rows[i])
	}
	return s.open(ctx, &o)
}

// Instruments implements [ledger.Reader].
func (s *Store) Instruments(ctx context.Context, party ledger.ID) ([]ledger.Instrument, error) {
	is, err := s.Store.Instruments(ctx, party)
	if err != nil {
		return nil, err
	}
	return is, openAll(ctx, s, is, (*opening).instrument)
}

// Instrument implements [ledger.Reader].
func (s *Store) Instrument(ctx context.Context, id ledger.ID) (ledger.Instrument, error) {
	i, err := s.Store.Instrument(ctx, id)
	if err != nil {
		return i, err
	}
	var o opening
	o.instrument(&i)
	return i, s.open(ctx, &o)
}

// Payable implements [ledger.Reader].
func (s *Store) Payable(ctx context.Context, parties []ledger.ID) (map[ledger.ID]ledger.Payee, error) {
	rows, err := s.Store.Payable(ctx, parties)
	if err != nil {
		return nil, err
	}
	return rows, openPayees(ctx, s, rows)
}

// Resolve implements [ledger.Reader].
func (s *Store) Resolve(ctx context.Context, aliases []ledger.Alias) (map[ledger.Alias]ledger.Payee, error) {
	plain, hidden := make(map[ledger.Alias]ledger.Alias, len(aliases)), make([]ledger.Alias, len(aliases))
	for i, a := range aliases {
		hidden[i] = s.hideAlias(a)
		plain[hidden[i]] = a
	}
	rows, err := s.Store.Resolve(ctx, hidden)
	if err != nil {
		return nil, err
	}
	found := make(map[ledger.Alias]ledger.Payee, len(rows))
	for h, p := range rows {
		found[plain[h]] = p
	}
	return found, openPayees(ctx, s, found)
}

func openPayees[K comparable](ctx context.Context, s *Store, rows map[K]ledger.Payee) error {
	var o opening
	open := make(map[K]*ledger.Payee, len(rows))
	for k, p := range rows {
		open[k] = &p
		o.payee(&p)
	}
	if err := s.open(ctx, &o); err != nil {
		return err
	}
	for k, p := range open {
		rows[k] = *p
	}
	return nil
}

// Transfer implements [ledger.Reader].
func (s *Store) Transfer(ctx context.Context, id ledger.ID) (ledger.Transfer, error) {
	t, err := s.Store.Transfer(ctx, id)
	if err != nil {
		return t, err
	}
	var o opening
	o.transfer(&t)
	return t, s.open(ctx, &o)
}

// Transfers implements [ledger.Reader].
func (s *Store) Transfers(ctx context.Context, f ledger.TransferFilter, page ledger.Page) ([]ledger.Transfer, error) {
	ts, err := s.Store.Transfers(ctx, f, page)
	if err != nil {
		return nil, err
	}
	return ts, openAll(ctx, s, ts, (*opening).transfer)
}

// TransfersOf implements [ledger.LogReader].
func (s *Store) TransfersOf(ctx context.Context, ids []ledger.ID) (map[ledger.ID]ledger.Transfer, error) {
	rows, err := s.Store.TransfersOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	var o opening
	open := make([]ledger.Transfer, 0, len(rows))
	for _, t := range rows {
		open = append(open, t)
		o.transfer(&open[len(open)-1])
	}
	if err := s.open(ctx, &o); err != nil {
		return nil, err
	}
	for _, t := range open {
		rows[t.ID] = t
	}
	return rows, nil
}

// Due implements [ledger.Reader].
func (s *Store) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	tasks, err := s.Store.Due(ctx, node, after, before, limit)
	if err != nil {
		return nil, err
	}
	return tasks, openAll(ctx, s, tasks, func(o *opening, t *ledger.Task) { o.transfer(&t.Transfer) })
}

// Record implements [ledger.RecordReader].
func (s *Store) Record(ctx context.Context, k ledger.RecordKey) (ledger.Record, error) {
	r, err := s.Store.Record(ctx, k)
	if err != nil {
		return r, err
	}
	var o opening
	o.record(&r)
	return r, s.open(ctx, &o)
}

// Records implements [ledger.RecordReader].
func (s *Store) Records(ctx context.Context, f ledger.RecordFilter, page ledger.Page) ([]ledger.Record, error) {
	rs, err := s.Store.Records(ctx, f, page)
	if err != nil {
		return nil, err
	}
	return rs, openAll(ctx, s, rs, (*opening).record)
}

// DueRecords implements [ledger.RecordReader].
func (s *Store) DueRecords(ctx context.Context, after ledger.RecordPlace, before int64, limit int) ([]ledger.Record, error) {
	rs, err := s.Store.DueRecords(ctx, after, before, limit)
	if err != nil {
		return nil, err
	}
	return rs, openAll(ctx, s, rs, (*opening).record)
}

// People are the persons of transfers with the salts of their marks, for whom may see
// both: whoever has them can check them by [mark.Check]. What is missing is left out.
func (s *Store) People(ctx context.Context, transfers []ledger.ID) (map[ledger.ID]mark.People, error) {
	rows, err := s.Store.TransfersOf(ctx, transfers)
	if err != nil {
		return nil, err
	}
	var o opening
	for _, t := range rows {
		o.transfer(&t)
	}
	keys, err := s.keys(ctx, o.persons, true)
	if err != nil {
		return nil, err
	}
	people := make(map[ledger.ID]mark.People, len(rows))
	for id, t := range rows {
		people[id] = s.people(keys, &t)
	}
	return people, nil
}

// Audit implements [ledger.Reader]: a snapshot's transfers are closed, see [ledger.Opened].
func (s *Store) Audit(ctx context.Context, check func(ledger.Snapshot) error) error {
	return s.Store.Audit(ctx, func(snap ledger.Snapshot) error { return check(snapshot{snap, s, ctx}) })
}

type snapshot struct {
	ledger.Snapshot
	store *Store
	ctx   context.Context // of the Audit
}

// OpenTransfers implements [ledger.Opener].
func (s snapshot) OpenTransfers(ts []ledger.Transfer) error {
	return openAll(s.ctx, s.store, ts, (*opening).transfer)
}
