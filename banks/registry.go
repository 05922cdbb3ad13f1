package banks

import (
	"fmt"
	"slices"
	"strings"
)

// Bank is one bank that Bahi can drive.
type Bank struct {
	Code        string   // short name in capitals, such as "SBIN": part of its accounts' names
	Name        string   // for people
	IFSCPrefix  string   // the four letters its branches' IFSCs start with
	Handles     []string // what its UPI ids end in, without "@"
	Adapter     Adapter
	MaxInFlight int // instructions under way at once; 0: 256
}

// Registry is the banks that Bahi knows. It does not change.
type Registry struct {
	banks    []Bank // by code
	byCode   map[string]*Bank
	byIFSC   map[string]*Bank // by prefix
	byHandle map[string]*Bank
}

// NewRegistry checks the banks and puts them in order.
func NewRegistry(list []Bank) (*Registry, error) {
	r := &Registry{banks: slices.Clone(list), byCode: map[string]*Bank{}, byIFSC: map[string]*Bank{}, byHandle: map[string]*Bank{}}
	slices.SortFunc(r.banks, func(a, b Bank) int { return strings.Compare(a.Code, b.Code) })
	for n := range r.banks {
		b := &r.banks[n]
		if b.MaxInFlight == 0 {
			b.MaxInFlight = 256
		}
		switch {
		case b.Code == "" || strings.ToUpper(b.Code) != b.Code || strings.ContainsAny(b.Code, ": /"):
			return nil, fmt.Errorf("bank %q: the code must be capitals without colons, slashes or spaces", b.Code)
		case len(b.IFSCPrefix) != 4:
			return nil, fmt.Errorf("bank %s: the IFSC prefix %q must have four letters", b.Code, b.IFSCPrefix)
		case r.byCode[b.Code] != nil:
			return nil, fmt.Errorf("bank %s is listed twice", b.Code)
		case r.byIFSC[b.IFSCPrefix] != nil:
			return nil, fmt.Errorf("banks %s and %s have the same IFSC prefix %s", r.byIFSC[b.IFSCPrefix].Code, b.Code, b.IFSCPrefix)
		case b.Adapter == nil:
			return nil, fmt.Errorf("bank %s has no adapter", b.Code)
		}
		r.byCode[b.Code], r.byIFSC[b.IFSCPrefix] = b, b
		for _, h := range b.Handles {
			if other := r.byHandle[h]; other != nil {
				return nil, fmt.Errorf("banks %s and %s have the same handle @%s", other.Code, b.Code, h)
			}
			r.byHandle[h] = b
		}
	}
	return r, nil
}

// All are the banks by code.
func (r *Registry) All() []Bank { return r.banks }

// ByCode finds a bank by its code.
func (r *Registry) ByCode(code string) (*Bank, bool) {
	b, ok := r.byCode[code]
	return b, ok
}

// ByHandle finds the bank that issues UPI ids with this ending.
func (r *Registry) ByHandle(handle string) (*Bank, bool) {
	b, ok := r.byHandle[handle]
	return b, ok
}

// ByIFSC finds the bank that a branch belongs to.
func (r *Registry) ByIFSC(ifsc string) (*Bank, bool) {
	if len(ifsc) < 4 {
		return nil, false
	}
	b, ok := r.byIFSC[ifsc[:4]]
	return b, ok
}
