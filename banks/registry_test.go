package banks_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"bahi/banks"
)

func plain(code string, handles ...string) banks.Bank {
	return banks.Bank{Code: code, Name: code, IFSCPrefix: code, Handles: handles, Adapter: &scripted{}}
}

// TestRegistryRefuses: a list with a mistake in it is refused whole, and the
// mistake is named by its place.
func TestRegistryRefuses(t *testing.T) {
	r, err := banks.NewRegistry([]banks.Bank{plain("AAAA", "aa"), plain("BBBB", "bb"), plain("GONE", "gone")})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Replace([]banks.Bank{plain("AAAA", "aa"), plain("BBBB", "bb")}); err != nil {
		t.Fatal(err)
	}
	with := func(edit func(*banks.Bank)) []banks.Bank {
		b := plain("CCCC", "cc")
		edit(&b)
		return []banks.Bank{plain("AAAA", "aa"), b}
	}
	for name, c := range map[string]struct {
		list  []banks.Bank
		field string
	}{
		"no code":                           {with(func(b *banks.Bank) { b.Code = "" }), "Code"},
		"a small code":                      {with(func(b *banks.Bank) { b.Code = "cccc" }), "Code"},
		"a long code":                       {with(func(b *banks.Bank) { b.Code = "CCCCC" }), "Code"},
		"twice":                             {with(func(b *banks.Bank) { b.Code = "AAAA" }), "Code"},
		"a prefix with figures":             {with(func(b *banks.Bank) { b.IFSCPrefix = "CCC0" }), "IFSCPrefix"},
		"a prefix twice":                    {with(func(b *banks.Bank) { b.IFSCPrefix = "AAAA" }), "IFSCPrefix"},
		"another's prefix":                  {with(func(b *banks.Bank) { b.IFSCPrefix = "BBBB" }), "IFSCPrefix"},
		"the prefix of one that is leaving": {with(func(b *banks.Bank) { b.IFSCPrefix = "GONE" }), "IFSCPrefix"},
		"a code with another meaning":       {with(func(b *banks.Bank) { b.Code, b.IFSCPrefix = "BBBB", "CCCC" }), "IFSCPrefix"},
		"one that comes back as another":    {with(func(b *banks.Bank) { b.Code, b.IFSCPrefix = "GONE", "CCCC" }), "IFSCPrefix"},
		"a handle twice":                    {with(func(b *banks.Bank) { b.Handles = []string{"cc", "aa"} }), "Handles"},
		"a handle in capitals":              {with(func(b *banks.Bank) { b.Handles = []string{"CC"} }), "Handles"},
		"no adapter":                        {with(func(b *banks.Bank) { b.Adapter = nil }), "Adapter"},
		"none in flight":                    {with(func(b *banks.Bank) { b.MaxInFlight = -1 }), "MaxInFlight"},
		"a limit below zero":                {with(func(b *banks.Bank) { b.MaxAmount.Minor = -1 }), "MaxAmount"},
	} {
		err := r.Replace(c.list)
		var wrong *banks.BankError
		if !errors.As(err, &wrong) || wrong.N != 1 || wrong.Field != c.field {
			t.Errorf("%s: %#v", name, err)
		}
		if b, ok := r.ByHandle("bb"); !ok || b.Code != "BBBB" {
			t.Fatalf("%s: the banks are not as they were", name)
		}
		if _, ok := r.ByCode("CCCC"); ok {
			t.Fatalf("%s: a part of the list was taken in", name)
		}
	}
}

func TestRegistryRoutes(t *testing.T) {
	other := plain("BBBB", "bb", "beebee")
	other.IFSCPrefix = "BEEB"
	r, err := banks.NewRegistry([]banks.Bank{other, plain("AAAA", "aa")})
	if err != nil {
		t.Fatal(err)
	}
	routed := func(b *banks.Bank, ok bool) string {
		if !ok {
			return ""
		}
		return b.Code
	}
	for question, c := range map[string][2]string{
		"an IFSC":               {routed(r.ByIFSC("BEEB0000001")), "BBBB"},
		"the code as IFSC":      {routed(r.ByIFSC("BBBB0000001")), ""},
		"half an IFSC":          {routed(r.ByIFSC("BEE")), ""},
		"a handle":              {routed(r.ByHandle("beebee")), "BBBB"},
		"another's handle":      {routed(r.ByHandle("aa")), "AAAA"},
		"nobody's handle":       {routed(r.ByHandle("cc")), ""},
		"a code":                {routed(r.ByCode("AAAA")), "AAAA"},
		"the prefix for a code": {routed(r.ByCode("BEEB")), ""},
	} {
		if c[0] != c[1] {
			t.Errorf("%s leads to %q, want %q", question, c[0], c[1])
		}
	}
	var codes []string
	for _, b := range r.All() {
		codes = append(codes, b.Code)
	}
	if !slices.Equal(codes, []string{"AAAA", "BBBB"}) {
		t.Errorf("all are %q", codes)
	}
}

// TestRegistryChangesAtOnce: whoever looks while the banks are replaced sees the
// ones or the others, never a mixture.
func TestRegistryChangesAtOnce(t *testing.T) {
	lists := [2][]banks.Bank{{plain("AAAA", "one"), plain("BBBB", "two")}, {plain("AAAA", "two"), plain("BBBB", "one")}}
	r, err := banks.NewRegistry(lists[0])
	if err != nil {
		t.Fatal(err)
	}
	var looking sync.WaitGroup
	var over atomic.Int32
	for range 2 {
		looking.Go(func() {
			defer over.Add(1)
			for range 20_000 {
				all := r.All()
				if len(all) != 2 || all[0].Handles[0] == all[1].Handles[0] {
					t.Error("a mixture")
					return
				}
				if b, ok := r.ByHandle("one"); !ok || b.Handles[0] != "one" {
					t.Error("the handle leads to a bank that does not have it")
					return
				}
			}
		})
	}
	for n := 0; over.Load() < 2; n++ {
		if err := r.Replace(lists[n%2]); err != nil {
			t.Fatal(err)
		}
	}
	looking.Wait()
}
