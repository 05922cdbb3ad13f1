// Package memory is a storage engine that forgets everything with the process: for
// tests, and for the simulation of many nodes.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"bahi/ledger"
)

// memory is the plainest engine there is: maps, and slices that are only ever
// appended to.
type memory struct {
	writing sync.Mutex // held by a commit
	mu      sync.RWMutex
	book
}

// book is what is committed.
type book struct {
	accounts     map[ledger.AccountID]ledger.Account
	transfers    map[ledger.ID]ledger.Transfer
	instructions map[ledger.InstructionID]ledger.Instruction
	open         map[ledger.InstructionID]ledger.Instruction // those of instructions that are open
	parties      map[ledger.ID]ledger.Party
	instruments  map[ledger.ID]ledger.Instrument
	aliases      map[ledger.Alias]ledger.AliasTarget
	keys         map[ledger.ID]ledger.Key
	answers      map[ledger.IdempotencyKey]ledger.Answer
	nodes        map[ledger.ID]ledger.Node
	steps        map[ledger.ID][]ledger.Step
	postings     map[ledger.ID][]ledger.Posting
	lines        map[ledger.AccountID][]ledger.StatementLine // each side of each posting
	evidence
	log
	records
}

// New makes an empty store.
func New() ledger.Store {
	return &memory{book: book{
		accounts:     map[ledger.AccountID]ledger.Account{},
		transfers:    map[ledger.ID]ledger.Transfer{},
		instructions: map[ledger.InstructionID]ledger.Instruction{},
		open:         map[ledger.InstructionID]ledger.Instruction{},
		parties:      map[ledger.ID]ledger.Party{},
		instruments:  map[ledger.ID]ledger.Instrument{},
		aliases:      map[ledger.Alias]ledger.AliasTarget{},
		keys:         map[ledger.ID]ledger.Key{},
		answers:      map[ledger.IdempotencyKey]ledger.Answer{},
		nodes:        map[ledger.ID]ledger.Node{},
		steps:        map[ledger.ID][]ledger.Step{},
		postings:     map[ledger.ID][]ledger.Posting{},
		lines:        map[ledger.AccountID][]ledger.StatementLine{},
		evidence:     newEvidence(),
		log:          newLog(),
		records:      newRecords(),
	}}
}

// Commit lets one writer in at a time, as a database does. Readers wait at its
// end only: apply changes the set alone.
func (m *memory) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	set := declare()
	m.load(set)
	if err := apply(set); err != nil {
		return err
	}
	if err := m.check(set); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.persist(set)
	return nil
}

func (b *book) load(s *ledger.Set) {
	loadTable(&s.Accounts, b.accounts)
	loadTable(&s.Transfers, b.transfers)
	for _, id := range s.Transfers.Wanted() {
		for _, step := range b.steps[id] {
			s.LoadStep(step)
		}
	}
	loadTable(&s.Instructions, b.instructions)
	loadTable(&s.Parties, b.parties)
	loadTable(&s.Instruments, b.instruments)
	loadTable(&s.Aliases, b.aliases)
	loadTable(&s.Keys, b.keys)
	loadTable(&s.Answers, b.answers)
	loadTable(&s.Nodes, b.nodes)
	b.evidence.load(s)
	b.log.load(s)
	b.records.load(s)
}

// check refuses what a database's unique indexes refuse.
func (b *book) check(s *ledger.Set) error {
	for _, err := range []error{
		checkTable(&s.Accounts, b.accounts), checkTable(&s.Transfers, b.transfers), checkTable(&s.Instructions, b.instructions),
		checkTable(&s.Parties, b.parties), checkTable(&s.Instruments, b.instruments), checkTable(&s.Keys, b.keys),
		b.evidence.check(s), b.log.check(s), b.records.check(s),
	} {
		if err != nil {
			return err
		}
	}
	posted := map[ledger.InstructionID]bool{} // of this batch; an event bears a leg's number
	for _, p := range s.Postings {
		id := ledger.InstructionID{Transfer: p.Entry, Leg: ledger.Leg(p.Event)}
		again := slices.ContainsFunc(b.postings[p.Entry], func(q ledger.Posting) bool { return q.Event == p.Event })
		if again || posted[id] {
			return fmt.Errorf("memory: %s of %s is posted twice", p.Event, p.Entry.TransferRef())
		}
		posted[id] = true
	}
	return nil
}

func (b *book) persist(s *ledger.Set) {
	saveTable(&s.Accounts, b.accounts)
	s.Transfers.Changes(b.saveTransfer)
	saveTable(&s.Instructions, b.instructions)
	s.Parties.Changes(func(id ledger.ID, p *ledger.Party, _ bool) { b.parties[id] = closedParty(*p) })
	s.Instruments.Changes(func(id ledger.ID, i *ledger.Instrument, _ bool) { b.instruments[id] = closedInstrument(*i) })
	saveTable(&s.Aliases, b.aliases)
	saveTable(&s.Keys, b.keys)
	s.Answers.Changes(func(k ledger.IdempotencyKey, a *ledger.Answer, _ bool) { b.answers[k] = closedAnswer(*a) })
	saveTable(&s.Nodes, b.nodes)
	s.Instructions.Changes(func(id ledger.InstructionID, i *ledger.Instruction, _ bool) {
		delete(b.open, id)
		if i != nil && i.State.Open() {
			b.open[id] = *i
		}
	})
	for _, step := range s.Steps {
		b.steps[step.Transfer] = append(b.steps[step.Transfer], step)
	}
	for _, p := range s.Postings {
		b.postings[p.Entry] = append(b.postings[p.Entry], p)
		b.lines[p.Debit] = append(b.lines[p.Debit], ledger.StatementLine{Posting: p, Debited: true, Seq: p.DebitSeq, Balance: p.DebitBalance})
		b.lines[p.Credit] = append(b.lines[p.Credit], ledger.StatementLine{Posting: p, Seq: p.CreditSeq, Balance: p.CreditBalance})
	}
	b.evidence.persist(s)
	b.log.persist(s)
	b.records.persist(s)
}

func loadTable[K comparable, V any](t *ledger.Table[K, V], rows map[K]V) {
	for _, k := range append(t.Wanted(), t.Seen()...) {
		if v, ok := rows[k]; ok {
			t.Load(k, v)
		}
	}
}

func checkTable[K comparable, V any](t *ledger.Table[K, V], rows map[K]V) (err error) {
	t.Changes(func(k K, _ *V, inserted bool) {
		if _, exists := rows[k]; exists && inserted {
			err = fmt.Errorf("memory: %T %v exists", k, k)
		}
	})
	return err
}

func saveTable[K comparable, V any](t *ledger.Table[K, V], rows map[K]V) {
	t.Changes(func(k K, v *V, _ bool) {
		if v == nil {
			delete(rows, k)
			return
		}
		rows[k] = *v
	})
}

func (m *memory) Close() error                   { return nil }
func (m *memory) Ping(ctx context.Context) error { return nil }

// find reads one row.
func find[K comparable, V any](m *memory, rows map[K]V, k K) (V, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, ok := rows[k]
	if !ok {
		return v, ledger.ErrNotFound
	}
	return v, nil
}

// list reads the rows that are wanted, in order, up to a limit; all of them where it is negative.
func list[K comparable, V any](m *memory, rows map[K]V, limit int, compare func(a, b *V) int, wanted func(*V) bool) ([]V, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []V
	for _, v := range rows {
		if wanted(&v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b V) int { return compare(&a, &b) })
	if limit >= 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

func onPage(p ledger.Page, id ledger.ID) bool {
	return p.Before.IsZero() || id.Compare(p.Before) < 0
}

func (m *memory) Party(ctx context.Context, id ledger.ID) (ledger.Party, error) {
	return find(m, m.parties, id)
}

func (m *memory) Parties(ctx context.Context, app string, page ledger.Page) ([]ledger.Party, error) {
	return list(m, m.parties, page.Limit, func(a, b *ledger.Party) int { return b.ID.Compare(a.ID) },
		func(p *ledger.Party) bool { return (app == "" || p.App == app) && onPage(page, p.ID) })
}

func (m *memory) Instrument(ctx context.Context, id ledger.ID) (ledger.Instrument, error) {
	return find(m, m.instruments, id)
}

func (m *memory) Instruments(ctx context.Context, party ledger.ID) ([]ledger.Instrument, error) {
	return list(m, m.instruments, -1, func(a, b *ledger.Instrument) int { return a.ID.Compare(b.ID) },
		func(i *ledger.Instrument) bool { return i.Party == party && !i.Unlinked })
}

func (m *memory) Payable(ctx context.Context, parties []ledger.ID) (map[ledger.ID]ledger.Payee, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found := map[ledger.ID]ledger.Payee{}
	for _, id := range parties {
		if p, ok := m.parties[id]; ok {
			found[id] = ledger.Payee{Party: p, Instrument: m.instruments[p.Default]}
		}
	}
	return found, nil
}

func (m *memory) Resolve(ctx context.Context, aliases []ledger.Alias) (map[ledger.Alias]ledger.Payee, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found := map[ledger.Alias]ledger.Payee{}
	for _, a := range aliases {
		if target, ok := m.aliases[a]; ok {
			found[a] = ledger.Payee{Party: m.parties[target.Party], Instrument: m.instruments[target.Instrument]}
		}
	}
	return found, nil
}

func (m *memory) Transfer(ctx context.Context, id ledger.ID) (ledger.Transfer, error) {
	return find(m, m.transfers, id)
}

func (m *memory) TransferHistory(ctx context.Context, id ledger.ID) ([]ledger.Step, []ledger.Instruction, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, ok := m.transfers[id]; !ok {
		return nil, nil, ledger.ErrNotFound
	}
	var asked []ledger.Instruction
	for leg := ledger.LegDebit; leg <= ledger.LegCreditReversal; leg++ {
		if i, ok := m.instructions[ledger.InstructionID{Transfer: id, Leg: leg}]; ok {
			asked = append(asked, i)
		}
	}
	t := m.transfers[id]
	return append(t.Beginning(), m.steps[id]...), asked, nil
}

func (m *memory) Transfers(ctx context.Context, f ledger.TransferFilter, page ledger.Page) ([]ledger.Transfer, error) {
	return list(m, m.transfers, page.Limit, func(a, b *ledger.Transfer) int { return b.ID.Compare(a.ID) },
		func(t *ledger.Transfer) bool { return onPage(page, t.ID) && f.Chooses(t) })
}

func (m *memory) Nodes(ctx context.Context) ([]ledger.Node, error) {
	return list(m, m.nodes, -1, func(a, b *ledger.Node) int { return a.ID.Compare(b.ID) },
		func(n *ledger.Node) bool { return !n.Gone })
}

func (m *memory) Drivers(ctx context.Context) (nodes []ledger.ID, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, i := range m.open {
		nodes = append(nodes, i.Node)
	}
	slices.SortFunc(nodes, ledger.ID.Compare)
	return slices.Compact(nodes), nil
}

func (m *memory) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	inOrder := func(a, b *ledger.Instruction) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), compareInstructions(a, b))
	}
	place := &ledger.Instruction{Due: after.Due, ID: after.ID}
	due, err := list(m, m.open, limit, inOrder, func(i *ledger.Instruction) bool { return i.Node == node && i.Due < before && inOrder(i, place) > 0 })
	m.mu.RLock()
	defer m.mu.RUnlock()
	tasks := make([]ledger.Task, len(due))
	for n, i := range due {
		tasks[n] = ledger.Task{Instruction: i, Transfer: m.transfers[i.ID.Transfer]}
	}
	return tasks, err
}

func compareInstructions(a, b *ledger.Instruction) int {
	return cmp.Or(a.ID.Transfer.Compare(b.ID.Transfer), cmp.Compare(a.ID.Leg, b.ID.Leg))
}

func (m *memory) Account(ctx context.Context, id ledger.AccountID) (ledger.Account, error) {
	return find(m, m.accounts, id)
}

func (m *memory) Accounts(ctx context.Context, after ledger.AccountName, limit int) ([]ledger.Account, error) {
	byName := func(a, b ledger.AccountName) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Currency, b.Currency))
	}
	return list(m, m.accounts, limit, func(a, b *ledger.Account) int { return byName(a.Name, b.Name) },
		func(a *ledger.Account) bool { return byName(a.Name, after) > 0 })
}

func (m *memory) Statement(ctx context.Context, id ledger.AccountID, before int64, limit int) ([]ledger.StatementLine, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []ledger.StatementLine
	for _, l := range slices.Backward(m.lines[id]) {
		if len(out) < limit && (before == 0 || l.Seq < before) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (m *memory) KeyByHash(ctx context.Context, hash [32]byte) (ledger.Key, error) {
	keys, _ := list(m, m.keys, 1, func(a, b *ledger.Key) int { return 0 },
		func(k *ledger.Key) bool { return k.Hash == hash })
	if len(keys) == 0 {
		return ledger.Key{}, ledger.ErrNotFound
	}
	return keys[0], nil
}

func (m *memory) Keys(ctx context.Context, page ledger.Page) ([]ledger.Key, error) {
	return list(m, m.keys, page.Limit, func(a, b *ledger.Key) int { return b.ID.Compare(a.ID) },
		func(k *ledger.Key) bool { return onPage(page, k.ID) })
}

// Audit reads a copy, so that check may take its time. The slices need no
// copy of their own: they are only ever appended to.
func (m *memory) Audit(ctx context.Context, check func(ledger.Snapshot) error) error {
	m.mu.RLock()
	copied := snapshot{
		accounts:     maps.Clone(m.accounts),
		transfers:    maps.Clone(m.transfers),
		instructions: maps.Clone(m.instructions),
		steps:        maps.Clone(m.steps),
		postings:     maps.Clone(m.postings),
		lines:        maps.Clone(m.lines),
		evidence:     m.evidence.clone(),
		log:          m.log.clone(),
		records:      m.records.clone(),
	}
	m.mu.RUnlock()
	return check(copied)
}
