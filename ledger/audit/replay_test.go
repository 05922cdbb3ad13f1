package audit_test

import (
	"slices"
	"strings"
	"testing"

	"bahi/ledger"
)

// replayed is what a replay finds in leaves.
func replayed(leaves []ledger.Leaf) (found []ledger.Misfit) {
	r := ledger.NewReplay(ledger.Part{}, func(m ledger.Misfit) { found = append(found, m) })
	for place, l := range leaves {
		r.Leaf(int64(place), l)
	}
	r.End()
	return found
}

// altered is a leaf with a change. A leaf is never changed in place: others look at it.
func altered[L any, P interface {
	*L
	ledger.Leaf
}](l ledger.Leaf, change func(P)) ledger.Leaf {
	c := *l.(P)
	change(&c)
	return P(&c)
}

// edit is leaves that a test changes: each change is one that leaves everything else as it was.
type edit struct {
	leaves []ledger.Leaf
	at     int // the place that is to be named
}

// find is the n-th leaf, from 0, whose name begins so.
func (e *edit) find(name string, n int) int {
	for i, l := range e.leaves {
		if strings.HasPrefix(ledger.LeafName(l), name) {
			if n--; n < 0 {
				return i
			}
		}
	}
	panic("no " + name)
}

func change[L any, P interface {
	*L
	ledger.Leaf
}](e *edit, name string, n int, how func(P)) {
	e.at = e.find(name, n)
	e.leaves[e.at] = altered(e.leaves[e.at], how)
}

// last is the last leaf of a kind.
func (e *edit) last(k ledger.LeafKind) int {
	for i, l := range slices.Backward(e.leaves) {
		if l.LeafKind() == k {
			return i
		}
	}
	panic("no " + k.String())
}

// again puts a leaf once more to the end.
func (e *edit) again(place int) {
	e.leaves, e.at = append(e.leaves, e.leaves[place]), len(e.leaves)
}

func (e *edit) remove(place int) {
	e.leaves = slices.Delete(e.leaves, place, place+1)
}

// rulesOfReplay are changes, each of which breaks a rule at a place.
var rulesOfReplay = map[string]func(*edit){
	"account_sequence": func(e *edit) { change(e, "posting credit", 0, func(p *ledger.Posting) { p.CreditSeq++ }) },
	"running_balance":  func(e *edit) { change(e, "posting credit", 0, func(p *ledger.Posting) { p.CreditBalance++ }) },
	"posting_time":     func(e *edit) { change(e, "posting credit", 1, func(p *ledger.Posting) { p.At -= 1e9 }) },
	"posting_currency": func(e *edit) { change(e, "posting credit", 0, func(p *ledger.Posting) { p.Currency = "USD" }) },
	"posting_amount":   func(e *edit) { change(e, "posting credit", 0, func(p *ledger.Posting) { p.Amount = -p.Amount }) },
	"posting_content": func(e *edit) {
		change(e, "posting credit", 0, func(p *ledger.Posting) { p.Debit, p.Credit = p.Credit, p.Debit })
	},
	"bounded_account":       func(e *edit) { change(e, "posting wallet", 0, func(p *ledger.Posting) { p.Amount = 1e9 }) },
	"chart":                 func(e *edit) { change(e, "account wallet:", 0, func(a *ledger.Account) { a.Bounded = false }) },
	"account_opened_once":   func(e *edit) { e.again(e.find("account transit", 0)) },
	"transfer_once":         func(e *edit) { e.again(e.find("transfer", 0)) },
	"posted_once":           func(e *edit) { e.insert(e.find("posting debit", 1)) },
	"window_once":           func(e *edit) { e.again(e.last(ledger.LeafWindow)) },
	"erased_once":           func(e *edit) { e.again(e.last(ledger.LeafErasure)) },
	"correction":            func(e *edit) { e.again(e.last(ledger.LeafCorrection)) },
	"position":              func(e *edit) { e.again(e.last(ledger.LeafPosition)) },
	"notes":                 func(e *edit) { e.again(e.last(ledger.LeafNote)) },
	"deadline":              func(e *edit) { e.deadline() },
	"history":               func(e *edit) { change(e, "step 3 of", 0, func(s *ledger.Step) { s.N++ }) },
	"belongs_to_a_transfer": func(e *edit) { e.again(e.find("step 3 of", 0)) },
	"account_exists": func(e *edit) {
		e.remove(e.find("account transit", 0))
		e.at = e.find("posting", 0)
	},
	"window_cuts": func(e *edit) {
		for e.at = range e.leaves {
			if w, ok := e.leaves[e.at].(*ledger.Window); ok && len(w.Cuts) > 0 {
				break
			}
		}
		e.leaves[e.at] = altered(e.leaves[e.at], func(w *ledger.Window) {
			w.Cuts = slices.Clone(w.Cuts)
			w.Cuts[0].UpTo += 1000
		})
	},
	"posted_as_confirmed": func(e *edit) { // the posting of a position that is confirmed
		e.remove(e.find("posting settlement", 0))
		e.at = e.find("posting settlement", 0)
		for e.leaves[e.at].LeafKind() != ledger.LeafPosition {
			e.at--
		}
	},
	"positions": func(e *edit) { // one of a window's positions was never there
		name := ledger.LeafName(e.leaves[e.find("position", 0)])
		e.leaves = slices.DeleteFunc(e.leaves, func(l ledger.Leaf) bool { return ledger.LeafName(l) == name })
		e.at = -1
	},
	"belongs_to_an_entry": func(e *edit) {
		e.leaves = slices.DeleteFunc(e.leaves, func(l ledger.Leaf) bool { return l.LeafKind() == ledger.LeafCorrection })
		e.at = e.find("posting adjustment", 0)
	},
	"state_of_money": func(e *edit) { // of a wallet's payment, in the middle of the log
		p := e.find("posting wallet", 3)
		e.remove(p)
		e.at = p - 1
	},
	"transit": func(e *edit) { // nobody's money
		e.leaves = append(e.leaves, altered(e.leaves[e.find("posting wallet", 0)], func(p *ledger.Posting) {
			p.Debit = ledger.TransitAccount("INR").ID()
		}))
		e.at = -1
	},
}

// insert puts a leaf once more right behind itself.
func (e *edit) insert(place int) {
	e.leaves = slices.Insert(e.leaves, place+1, e.leaves[place])
	e.at = place + 1
}

// deadline forgets until when a transfer in doubt is to be decided.
func (e *edit) deadline() {
	for i, l := range e.leaves {
		if s, ok := l.(*ledger.Step); ok && s.State == ledger.Deemed {
			e.leaves[i], e.at = altered(l, func(s *ledger.Step) { s.Deadline = 0 }), i
			return
		}
	}
}

// TestReplayRules breaks each rule, by leaves that are well-formed and whose hashes would be right.
func TestReplayRules(t *testing.T) {
	whole := newBook(t).story(2500).leaves()
	if found := replayed(whole); len(found) > 0 {
		t.Fatalf("the book itself: %+v", found)
	}
	for rule, breaks := range rulesOfReplay {
		t.Run(rule, func(t *testing.T) {
			e := &edit{leaves: slices.Clone(whole)}
			breaks(e)
			found := replayed(e.leaves)
			if !slices.ContainsFunc(found, func(m ledger.Misfit) bool { return m.Rule == rule && (e.at < 0 || m.Place == int64(e.at)) }) {
				t.Errorf("not found at place %d; found %+v", e.at, found)
			}
		})
	}
}

// TestReplaySettles: what a commit began and did not complete is told of at the next
// checkpoint, but not while it may be the last commit that goes on behind it.
func TestReplaySettles(t *testing.T) {
	e := &edit{leaves: newBook(t).story(2500).leaves()}
	p := e.find("posting credit", 2) // which completes a transfer; what is left of the commit is its step
	var found []ledger.Misfit
	r := ledger.NewReplay(ledger.Part{}, func(m ledger.Misfit) { found = append(found, m) })
	for place, l := range e.leaves[:p] {
		r.Leaf(int64(place), l)
	}
	r.Settled()
	if len(found) > 0 {
		t.Fatalf("within a commit: %+v", found)
	}
	for place, l := range e.leaves[p+1 : p+12] {
		r.Leaf(int64(p+place), l)
	}
	r.Settled()
	if !slices.ContainsFunc(found, func(m ledger.Misfit) bool { return m.Late && m.Rule == "state_of_money" && m.Place == int64(p-1) }) {
		t.Errorf("after it: %+v", found)
	}
}
