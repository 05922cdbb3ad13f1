package ledger

import "bytes"

// Rewrap replaces what secrets and persons' keys are wrapped as, where they still are
// as they were read. It returns how many it replaced.
type Rewrap []Rewrapped

// Rewrapped is a secret by its name, or a person's key by the party.
type Rewrapped struct {
	Secret   string
	Party    ID
	Was, Now []byte
}

// Declare implements [Command].
func (c Rewrap) Declare(s *Set) {
	for _, r := range c {
		if r.Secret != "" {
			s.Secrets.Want(r.Secret)
		} else {
			s.Persons.Want(r.Party)
		}
	}
}

// Apply implements [Command].
func (c Rewrap) Apply(s *Set) (any, error) {
	replaced := 0
	for _, r := range c {
		if r.Secret != "" {
			if v, ok := s.Secrets.Get(r.Secret); ok && bytes.Equal(v.Wrapped, r.Was) {
				v.Wrapped = r.Now
				s.Secrets.Put(v.Name, v)
				replaced++
			}
		} else if v, ok := s.Persons.Get(r.Party); ok && bytes.Equal(v.Wrapped, r.Was) {
			v.Wrapped = r.Now
			s.Persons.Put(v.Party, v)
			replaced++
		}
	}
	return replaced, nil
}
