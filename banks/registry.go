package banks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"bahi/ledger"
)

// Bank is one bank that Bahi can drive.
type Bank struct {
	Code        string   // four capitals, such as "SBIN": part of its accounts' names
	Name        string   // for people
	IFSCPrefix  string   // the four letters its branches' IFSCs start with
	Handles     []string // what its UPI ids end in, without "@"
	Adapter     Adapter
	MaxInFlight int           // instructions under way at once; 0: 256
	NetDebitCap ledger.Amount // the most that it may come to owe; zero: no cap
	MaxAmount   ledger.Amount // of one transfer, from it or to it; zero: no limit of the bank's own

	leaving bool // not in the list any more
}

// DefaultInFlight is the MaxInFlight of a bank that does not name one.
const DefaultInFlight = 256

// Registry is the banks that Bahi knows. Replace changes all of them at one
// moment; looking one up takes no lock.
type Registry struct {
	replacing sync.Mutex
	listed    atomic.Pointer[directory]
}

// directory is the banks at one moment. It does not change.
type directory struct {
	banks    []Bank           // by code; those that are leaving too
	byCode   map[string]*Bank // those that are leaving too
	byIFSC   map[string]*Bank // by prefix
	byHandle map[string]*Bank
}

// BankError is what is wrong with one bank of a list.
type BankError struct {
	N     int    // its place in the list, from 0
	Field string // the name of the wrong field of [Bank]
	Why   string
}

// Error makes a BankError an error.
func (e *BankError) Error() string { return e.Why }

// NewRegistry checks the banks and puts them in order.
func NewRegistry(list []Bank) (*Registry, error) {
	r := &Registry{}
	r.listed.Store(&directory{})
	return r, r.Replace(list)
}

// Replace makes the list the banks that there are, or changes nothing if there
// is a [BankError] in it. A bank that is not in it any more is leaving: it is not
// found, but its open instructions go on. Until nothing of it is open and it is
// forgotten, its code cannot get another IFSC prefix, nor the prefix another code.
func (r *Registry) Replace(list []Bank) error {
	r.replacing.Lock()
	defer r.replacing.Unlock()
	old := r.listed.Load()
	next, err := newDirectory(list, old)
	if err != nil {
		return err
	}
	r.listed.Store(next)
	return nil
}

func newDirectory(list []Bank, old *directory) (*directory, error) {
	next := &directory{banks: slices.Clone(list), byCode: map[string]*Bank{}, byIFSC: map[string]*Bank{}, byHandle: map[string]*Bank{}}
	for n := range next.banks {
		b := &next.banks[n]
		b.leaving = false
		if b.MaxInFlight == 0 {
			b.MaxInFlight = DefaultInFlight
		}
		if field, why := next.add(b, old); why != "" {
			return nil, &BankError{N: n, Field: field, Why: why}
		}
	}
	for n := range old.banks {
		if b := old.banks[n]; next.byCode[b.Code] == nil {
			b.leaving = true
			next.banks = append(next.banks, b)
		}
	}
	slices.SortFunc(next.banks, func(a, b Bank) int { return cmp.Compare(a.Code, b.Code) })
	next.index()
	return next, nil
}

// add checks one bank against the rules and those before it.
func (d *directory) add(b *Bank, old *directory) (field, why string) {
	switch before, others := old.byCode[b.Code], old.byPrefix(b.IFSCPrefix); {
	case !fourCapitals(b.Code):
		return "Code", fmt.Sprintf("the code %q is not four capitals", b.Code)
	case d.byCode[b.Code] != nil:
		return "Code", fmt.Sprintf("bank %s is listed twice", b.Code)
	case !fourCapitals(b.IFSCPrefix):
		return "IFSCPrefix", fmt.Sprintf("bank %s: the IFSC prefix %q is not four capitals", b.Code, b.IFSCPrefix)
	case d.byIFSC[b.IFSCPrefix] != nil:
		return "IFSCPrefix", fmt.Sprintf("banks %s and %s have the same IFSC prefix %s", d.byIFSC[b.IFSCPrefix].Code, b.Code, b.IFSCPrefix)
	case before != nil && before.IFSCPrefix != b.IFSCPrefix:
		return "IFSCPrefix", fmt.Sprintf("bank %s has the IFSC prefix %s, and a code keeps its meaning", b.Code, before.IFSCPrefix)
	case others != nil && others.Code != b.Code:
		return "IFSCPrefix", fmt.Sprintf("the IFSC prefix %s is bank %s's, and keeps its meaning", b.IFSCPrefix, others.Code)
	case b.Adapter == nil:
		return "Adapter", fmt.Sprintf("bank %s has no adapter", b.Code)
	case b.MaxInFlight < 0:
		return "MaxInFlight", fmt.Sprintf("bank %s: not even one instruction may be under way", b.Code)
	case b.NetDebitCap.Minor < 0:
		return "NetDebitCap", fmt.Sprintf("bank %s: the net debit cap is below zero", b.Code)
	case b.MaxAmount.Minor < 0:
		return "MaxAmount", fmt.Sprintf("bank %s: the limit of a transfer is below zero", b.Code)
	}
	d.byCode[b.Code], d.byIFSC[b.IFSCPrefix] = b, b
	for _, h := range b.Handles {
		if len(h) < 2 || len(h) > 64 || strings.Trim(h, "abcdefghijklmnopqrstuvwxyz") != "" {
			return "Handles", fmt.Sprintf("bank %s: the handle %q is not 2 to 64 small letters", b.Code, h)
		}
		if other := d.byHandle[h]; other != nil {
			return "Handles", fmt.Sprintf("banks %s and %s have the same handle @%s", other.Code, b.Code, h)
		}
		d.byHandle[h] = b
	}
	return "", ""
}

func fourCapitals(s string) bool {
	return len(s) == 4 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// byPrefix finds a bank by its IFSC prefix, also one that is leaving.
func (d *directory) byPrefix(prefix string) *Bank {
	for n := range d.banks {
		if d.banks[n].IFSCPrefix == prefix {
			return &d.banks[n]
		}
	}
	return nil
}

// index points at the banks where they are now.
func (d *directory) index() {
	clear(d.byIFSC)
	clear(d.byHandle)
	for n := range d.banks {
		b := &d.banks[n]
		d.byCode[b.Code] = b
		if b.leaving {
			continue
		}
		d.byIFSC[b.IFSCPrefix] = b
		for _, h := range b.Handles {
			d.byHandle[h] = b
		}
	}
}

// All are the banks by code, those that are leaving too.
func (r *Registry) All() []Bank { return r.listed.Load().banks }

// ByCode finds a bank by its code.
func (r *Registry) ByCode(code string) (*Bank, bool) {
	b, ok := r.listed.Load().byCode[code]
	return b, ok && !b.leaving
}

// ByHandle finds the bank that issues UPI ids with this ending.
func (r *Registry) ByHandle(handle string) (*Bank, bool) {
	b, ok := r.listed.Load().byHandle[handle]
	return b, ok
}

// ByIFSC finds the bank that a branch belongs to.
func (r *Registry) ByIFSC(ifsc string) (*Bank, bool) {
	if len(ifsc) < 4 {
		return nil, false
	}
	b, ok := r.listed.Load().byIFSC[ifsc[:4]]
	return b, ok
}

// Driven finds a bank that is listed, or is leaving and goes on with what is open.
func (r *Registry) Driven(code string) (*Bank, bool) {
	b, ok := r.listed.Load().byCode[code]
	return b, ok
}

// leaving are the codes of the banks that are.
func (r *Registry) leaving() (codes []string) {
	for _, b := range r.listed.Load().banks {
		if b.leaving {
			codes = append(codes, b.Code)
		}
	}
	return codes
}

// forget drops a bank that is leaving, unless it has come back. let is called
// while no other change can be made.
func (r *Registry) forget(code string, let func()) {
	r.replacing.Lock()
	defer r.replacing.Unlock()
	old := r.listed.Load()
	if b := old.byCode[code]; b == nil || !b.leaving {
		return
	}
	next := &directory{banks: slices.DeleteFunc(slices.Clone(old.banks), func(b Bank) bool { return b.Code == code }),
		byCode: map[string]*Bank{}, byIFSC: maps.Clone(old.byIFSC), byHandle: maps.Clone(old.byHandle)}
	next.index()
	r.listed.Store(next)
	let()
}
