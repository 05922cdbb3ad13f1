package ledger

import "iter"

// What a person can be known by is kept under a key of the person's own, which is
// itself kept under a key that is not in the book. To erase a person is to delete
// that key: what was written under it is noise from then on, and the log, which
// knows only salted hashes of it, still verifies. See package privacy.

// Wrapper encrypts secrets of the book under the key that is not in the book. What is
// wrapped can only be unwrapped as what it was wrapped as: about names it.
type Wrapper interface {
	Wrap(secret []byte, about string) ([]byte, error)
	Unwrap(wrapped []byte, about string) ([]byte, error)
}

// PersonKey is the key of one person's data.
type PersonKey struct {
	Party   ID
	Wrapped []byte // encrypted
}

// Erasure is that a person's data was erased. Erasures are only ever added.
type Erasure struct {
	Party ID
	By    string
	At    int64 // Unix microseconds
}

// Secret is a secret of the book itself, such as what its log is signed with.
type Secret struct {
	Name    string // such as "log/1"
	Public  string // what all may know of it, or empty
	Wrapped []byte // encrypted by the key that is not in the book
	Created int64
	Until   int64 // when it is of no use any more, Unix microseconds; 0: not yet known
}

// KeepSecret keeps a secret of the book unless there is one of that name, and returns
// the [Secret] that is kept; or sets its Until.
type KeepSecret struct {
	Secret Secret // all but Created
}

// Declare implements [Command].
func (c KeepSecret) Declare(s *Set) { s.Secrets.Want(c.Secret.Name) }

// Apply implements [Command].
func (c KeepSecret) Apply(s *Set) (any, error) {
	kept, ok := s.Secrets.Get(c.Secret.Name)
	switch {
	case !ok:
		kept = c.Secret
		kept.Created = s.Now
		s.Secrets.Put(kept.Name, kept)
	case c.Secret.Until != 0 && kept.Until == 0:
		kept.Until = c.Secret.Until
		s.Secrets.Put(kept.Name, kept)
	}
	return kept, nil
}

// Opener is implemented by snapshots whose transfers hold personal data in a closed form.
type Opener interface {
	OpenTransfers([]Transfer) error // fills in what can be read
}

// openAtOnce is how many transfers are opened together.
const openAtOnce = 512

// Opened are a snapshot's transfers with what their persons can be known by; of who was
// erased it is empty.
func Opened(s Snapshot, in Range) iter.Seq2[Transfer, error] {
	o, ok := s.(Opener)
	if !ok {
		return s.Transfers(in)
	}
	return func(yield func(Transfer, error) bool) {
		chunk := make([]Transfer, 0, openAtOnce)
		give := func() bool {
			if err := o.OpenTransfers(chunk); err != nil {
				yield(Transfer{}, err)
				return false
			}
			for _, t := range chunk {
				if !yield(t, nil) {
					return false
				}
			}
			chunk = chunk[:0]
			return true
		}
		for t, err := range s.Transfers(in) {
			if err != nil {
				yield(t, err)
				return
			}
			if chunk = append(chunk, t); len(chunk) == cap(chunk) && !give() {
				return
			}
		}
		give()
	}
}
