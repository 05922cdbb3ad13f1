package privacy

import (
	"context"
	"slices"
	"sync"
	"time"

	"bahi/ledger"
)

const (
	// maxKeys is how many persons' keys are remembered at most.
	maxKeys = 65536
	// trust is for how long a key that was remembered is used to read: then it is looked
	// whether another node has erased its person meanwhile.
	trust = time.Second
)

// keyring remembers keys, in two halves: when the young one is full it becomes the
// old one, and what of that is used becomes young again.
type keyring struct {
	mu         sync.Mutex
	young, old map[ledger.ID]*held
	erasures   int // counts the persons that were erased on this node
}

type held struct {
	key     *key
	checked time.Time // when the person was known not to be erased
}

func newKeyring() *keyring { return &keyring{young: map[ledger.ID]*held{}} }

func (r *keyring) get(id ledger.ID) *held {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, ok := r.young[id]
	if !ok {
		if h, ok = r.old[id]; ok {
			r.put(id, h)
		}
	}
	return h
}

func (r *keyring) put(id ledger.ID, h *held) {
	if len(r.young) >= maxKeys/2 {
		r.young, r.old = map[ledger.ID]*held{}, r.young
	}
	r.young[id] = h
}

// moment is a moment to read keys at: see keep.
func (r *keyring) moment() (erasures int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.erasures, time.Now()
}

// keep remembers keys that were read, or looked after, at a moment; none if a person
// was erased on this node since.
func (r *keyring) keep(erasures int, now time.Time, keys map[ledger.ID]*key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if erasures != r.erasures {
		return
	}
	for id, k := range keys {
		r.put(id, &held{k, now})
	}
}

// forget forgets a person who was erased.
func (r *keyring) forget(id ledger.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, id)
	delete(r.old, id)
	r.erasures++
}

// found are keys by whom they belong to. Who has none was erased, or never had one.
type found map[ledger.ID]*key

// keys finds the keys of parties, those that it remembers and those that the book has.
// To read by, those that were remembered for a while are looked after first.
func (s *Store) keys(ctx context.Context, parties []ledger.ID, toRead bool) (found, error) {
	if len(parties) == 0 {
		return nil, nil
	}
	slices.SortFunc(parties, ledger.ID.Compare)
	parties = slices.Compact(parties)
	keys := make(found, len(parties))
	erasures, now := s.ring.moment()
	var unknown, doubted []ledger.ID
	for _, id := range parties {
		switch h := s.ring.get(id); {
		case id.IsZero():
		case h == nil:
			unknown = append(unknown, id)
		case toRead && now.Sub(h.checked) > trust:
			doubted = append(doubted, id)
			fallthrough
		default:
			keys[id] = h.key
		}
	}
	if err := s.check(ctx, keys, doubted); err != nil {
		return nil, err
	}
	if err := s.unwrap(ctx, keys, unknown); err != nil {
		return nil, err
	}
	fresh := make(found, len(unknown)+len(doubted))
	for _, id := range append(unknown, doubted...) {
		if k, ok := keys[id]; ok {
			fresh[id] = k
		}
	}
	s.ring.keep(erasures, now, fresh)
	return keys, nil
}

// check takes out the keys of persons who were erased.
func (s *Store) check(ctx context.Context, keys found, doubted []ledger.ID) error {
	if len(doubted) == 0 {
		return nil
	}
	erased, err := s.Store.Erasures(ctx, doubted)
	for _, e := range erased {
		delete(keys, e.Party)
		s.ring.forget(e.Party)
	}
	return err
}

// unwrap adds the keys that the book has.
func (s *Store) unwrap(ctx context.Context, keys found, unknown []ledger.ID) error {
	if len(unknown) == 0 {
		return nil
	}
	wrapped, err := s.Store.PersonKeys(ctx, unknown)
	if err != nil {
		return err
	}
	for _, p := range wrapped {
		if keys[p.Party], err = unwrapPerson(s.kek, p); err != nil {
			return err
		}
	}
	return nil
}
