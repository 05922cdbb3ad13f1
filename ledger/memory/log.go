package memory

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"

	"bahi/ledger"
)

// log is the log and what is beside it.
type log struct {
	heads        map[int]ledger.LogHead
	rows         []ledger.LogRow   // by N, which is a row's place here and 1
	byTime       map[int64][]int64 // the N of rows of a time, in order
	sealed       []int64           // the N of the rows that have their place, in order of it
	tiles        map[ledger.TileID][]byte
	checkpoints  []ledger.Checkpoint // by size
	cosignatures []ledger.Cosignature
	accesses     []ledger.Access
	erasures     map[ledger.ID]ledger.Erasure
	secrets      map[string]ledger.Secret
	persons      map[ledger.ID]ledger.PersonKey
}

func newLog() log {
	return log{
		heads:    map[int]ledger.LogHead{},
		byTime:   map[int64][]int64{},
		tiles:    map[ledger.TileID][]byte{},
		erasures: map[ledger.ID]ledger.Erasure{},
		secrets:  map[string]ledger.Secret{},
		persons:  map[ledger.ID]ledger.PersonKey{},
	}
}

func (l *log) clone() log {
	return log{
		rows:        slices.Clone(l.rows), // rows get their places later
		sealed:      l.sealed,
		checkpoints: l.checkpoints,
		accesses:    l.accesses,
		erasures:    maps.Clone(l.erasures),
	}
}

func (l *log) load(s *ledger.Set) {
	loadTable(&s.LogHead, l.heads)
	loadTable(&s.Secrets, l.secrets)
	loadTable(&s.Persons, l.persons)
}

func (l *log) check(s *ledger.Set) error {
	for _, e := range s.Erasures {
		if _, exists := l.erasures[e.Party]; exists {
			return errors.New("memory: a person is erased twice")
		}
	}
	for _, c := range s.Checkpoints {
		if slices.ContainsFunc(l.checkpoints, func(o ledger.Checkpoint) bool { return o.Size == c.Size }) {
			return errors.New("memory: a checkpoint of that size exists")
		}
	}
	return errors.Join(checkTable(&s.LogHead, l.heads), checkTable(&s.Secrets, l.secrets), checkTable(&s.Persons, l.persons))
}

func (l *log) persist(s *ledger.Set) {
	saveTable(&s.LogHead, l.heads)
	saveTable(&s.Secrets, l.secrets)
	saveTable(&s.Persons, l.persons)
	for _, p := range s.Placed {
		l.rows[p.Row-1].First = p.First
		l.sealed = append(l.sealed, p.Row)
	}
	for _, t := range s.Tiles {
		l.tiles[t.ID] = t.Hashes
	}
	l.checkpoints = append(l.checkpoints, s.Checkpoints...)
	for _, c := range s.Cosignatures {
		l.cosignatures = slices.DeleteFunc(l.cosignatures, func(o ledger.Cosignature) bool { return o.Size == c.Size && o.Witness == c.Witness })
		l.cosignatures = append(l.cosignatures, c)
	}
	l.accesses = append(l.accesses, s.Accesses...)
	for _, e := range s.Erasures {
		l.erasures[e.Party] = e
	}
	for _, r := range s.Log() {
		r.N = int64(len(l.rows)) + 1
		l.rows = append(l.rows, r)
		l.byTime[r.At] = append(l.byTime[r.At], r.N)
	}
}

func (m *memory) LogHead(ctx context.Context) (ledger.LogHead, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.heads[1], nil
}

func (m *memory) Unsealed(ctx context.Context, limit int) (rows []ledger.LogRow, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i := range m.rows {
		if limit != len(rows) && m.rows[i].First < 0 {
			rows = append(rows, m.rows[i])
		}
	}
	return rows, nil
}

func (m *memory) LogAt(ctx context.Context, at int64) (rows []ledger.LogRow, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range m.byTime[at] {
		rows = append(rows, m.rows[n-1])
	}
	return rows, nil
}

func (m *memory) LogFrom(ctx context.Context, place int64, limit int) (rows []ledger.LogRow, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	from := sort.Search(len(m.sealed), func(i int) bool {
		r := &m.rows[m.sealed[i]-1]
		return r.First+int64(r.Leaves) > place
	})
	for _, n := range m.sealed[from:min(from+limit, len(m.sealed))] {
		rows = append(rows, m.rows[n-1])
	}
	return rows, nil
}

func (m *memory) Tiles(ctx context.Context, ids []ledger.TileID) (map[ledger.TileID][]byte, error) {
	return findAll(m, m.tiles, ids), nil
}

func (m *memory) Checkpoint(ctx context.Context, size int64) (ledger.Checkpoint, error) {
	return m.lastCheckpoint(func(c *ledger.Checkpoint) bool { return c.Size == size })
}

func (m *memory) CheckpointAt(ctx context.Context, at int64) (ledger.Checkpoint, error) {
	return m.lastCheckpoint(func(c *ledger.Checkpoint) bool { return c.At <= at })
}

func (m *memory) lastCheckpoint(wanted func(*ledger.Checkpoint) bool) (ledger.Checkpoint, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range slices.Backward(m.checkpoints) {
		if wanted(&c) {
			return c, nil
		}
	}
	return ledger.Checkpoint{}, ledger.ErrNotFound
}

func (m *memory) Checkpoints(ctx context.Context, after int64, limit int) ([]ledger.Checkpoint, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	from := sort.Search(len(m.checkpoints), func(i int) bool { return m.checkpoints[i].Size > after })
	return slices.Clone(m.checkpoints[from:min(from+limit, len(m.checkpoints))]), nil
}

func (m *memory) Cosignatures(ctx context.Context, size int64) (of []ledger.Cosignature, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.cosignatures {
		if c.Size == size {
			of = append(of, c)
		}
	}
	slices.SortFunc(of, func(a, b ledger.Cosignature) int { return strings.Compare(a.Witness, b.Witness) })
	return of, nil
}

func (m *memory) Accesses(ctx context.Context, page ledger.Page) (accesses []ledger.Access, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	newest := slices.SortedFunc(slices.Values(m.accesses), func(a, b ledger.Access) int { return b.ID.Compare(a.ID) })
	for _, a := range newest {
		if len(accesses) < page.Limit && onPage(page, a.ID) {
			accesses = append(accesses, a)
		}
	}
	return accesses, nil
}

func (m *memory) Erasures(ctx context.Context, parties []ledger.ID) ([]ledger.Erasure, error) {
	return byID(findAll(m, m.erasures, parties)), nil
}

func (m *memory) PersonKeys(ctx context.Context, parties []ledger.ID) ([]ledger.PersonKey, error) {
	return byID(findAll(m, m.persons, parties)), nil
}

func (m *memory) Secrets(ctx context.Context) (secrets []ledger.Secret, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.SortedFunc(maps.Values(m.secrets), func(a, b ledger.Secret) int { return strings.Compare(a.Name, b.Name) }), nil
}

func (m *memory) TransfersOf(ctx context.Context, ids []ledger.ID) (map[ledger.ID]ledger.Transfer, error) {
	return findAll(m, m.transfers, ids), nil
}

func (m *memory) PostingsOf(ctx context.Context, entry ledger.ID) ([]ledger.Posting, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.SortedFunc(slices.Values(m.postings[entry]), func(a, b ledger.Posting) int { return cmp.Compare(a.Event, b.Event) }), nil
}

func (m *memory) LinesAt(ctx context.Context, places []ledger.LinePlace) (map[ledger.LinePlace]ledger.StatementLine, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found := map[ledger.LinePlace]ledger.StatementLine{}
	for _, p := range places {
		lines := m.lines[p.Account]
		n, ok := slices.BinarySearchFunc(lines, p.Seq, func(l ledger.StatementLine, seq int64) int { return cmp.Compare(l.Seq, seq) })
		if ok {
			found[p] = lines[n]
		}
	}
	return found, nil
}

// findAll reads rows by their keys.
func findAll[K comparable, V any](m *memory, rows map[K]V, keys []K) map[K]V {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found := map[K]V{}
	for _, k := range keys {
		if v, ok := rows[k]; ok {
			found[k] = v
		}
	}
	return found
}

// byID are rows in the order of their keys.
func byID[V any](rows map[ledger.ID]V) (list []V) {
	for _, id := range slices.SortedFunc(maps.Keys(rows), ledger.ID.Compare) {
		list = append(list, rows[id])
	}
	return list
}

func (s snapshot) LogRows() iter.Seq2[ledger.LogRow, error] {
	return func(yield func(ledger.LogRow, error) bool) {
		for _, n := range s.sealed {
			if !yield(s.rows[n-1], nil) {
				return
			}
		}
		for _, r := range s.rows {
			if r.First < 0 && !yield(r, nil) {
				return
			}
		}
	}
}

func (s snapshot) Checkpoints() iter.Seq2[ledger.Checkpoint, error] { return each(s.checkpoints) }

func (s snapshot) Accesses() iter.Seq2[ledger.Access, error] {
	return each(slices.SortedFunc(slices.Values(s.accesses), func(a, b ledger.Access) int { return a.ID.Compare(b.ID) }))
}

func (s snapshot) Erasures() iter.Seq2[ledger.Erasure, error] {
	return sorted(s.erasures, ledger.ID.Compare)
}
