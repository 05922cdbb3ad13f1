package ledger

import "bytes"

// Rewrap replaces what secrets, also those of endpoints, and persons' keys are wrapped as, where they still are
// as they were read. It returns how many it replaced.
type Rewrap []Rewrapped

// Rewrapped is a secret by its name, or one of an endpoint's, or a person's key by the party.
type Rewrapped struct {
	Secret   string
	Endpoint ID
	Party    ID
	Was, Now []byte
}

// Declare implements [Command].
func (c Rewrap) Declare(s *Set) {
	for _, r := range c {
		switch {
		case r.Secret != "":
			s.Secrets.Want(r.Secret)
		case !r.Endpoint.IsZero():
			s.Records.Want(endpointKey(r.Endpoint))
		default:
			s.Persons.Want(r.Party)
		}
	}
}

// Apply implements [Command].
func (c Rewrap) Apply(s *Set) (any, error) {
	replaced := 0
	for _, r := range c {
		switch {
		case r.Secret != "":
			if v, ok := s.Secrets.Get(r.Secret); ok && bytes.Equal(v.Wrapped, r.Was) {
				v.Wrapped = r.Now
				s.Secrets.Put(v.Name, v)
				replaced++
			}
		case !r.Endpoint.IsZero():
			replaced += s.rewrapEndpoint(r)
		default:
			if v, ok := s.Persons.Get(r.Party); ok && bytes.Equal(v.Wrapped, r.Was) {
				v.Wrapped = r.Now
				s.Persons.Put(v.Party, v)
				replaced++
			}
		}
	}
	return replaced, nil
}

func (s *Set) rewrapEndpoint(r Rewrapped) int {
	kept, e, ok := s.endpoint(r.Endpoint)
	for i := range e.Secrets {
		if ok && bytes.Equal(e.Secrets[i].Wrapped, r.Was) {
			e.Secrets[i].Wrapped = r.Now
			s.putEndpoint(kept, e)
			return 1
		}
	}
	return 0
}
