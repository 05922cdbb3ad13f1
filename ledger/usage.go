package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// usage is what counts to the limits of an account: its payments of the last window, those
// of a kind in a list from the oldest. It is the body of a [RecordUsage], one for each
// account, so that the lock of one row makes all of its limits exact on any number of nodes.
type usage [3][]used

// The lists of a usage.
const (
	paidPersons = iota
	paidMerchants
	received
)

// paidNew is the only list of the usage of a new person.
const paidNew = paidPersons

// used is a payment that counts, or several that were merged.
type used struct {
	at     int64 // Unix microseconds; of the last one where there are several
	amount int64 // minor units
	count  int64
	tag    uint32 // a part of the transfer's ID, where it is one
}

// Bounds of a list. With fewer payments in a window each is by itself, and the limits are
// exact. Lists are written with every payment: of an account that is far from its limits
// it is not worth it to tell many apart.
const (
	maxUsed  = 32
	maxFar   = 8  // while less than an eighth of the limit is used
	maxExact = 64 // a limit to the number, up to this, bounds the list by itself
)

// longest is how many payments a list tells apart.
func (r *Limit) longest(l []used, c Currency) int {
	most := maxUsed
	if 0 < r.Count && r.Count <= maxExact {
		most = max(most, r.Count)
	}
	if len(l) <= maxFar {
		return most
	}
	amount, count := total(l)
	sum, bounded := r.Sum[c]
	if (!bounded || amount < sum/8) && (r.Count == 0 || count < int64(r.Count/8)) {
		return maxFar
	}
	return most
}

// usageKey names the usage of an end's account, or of its party where it names none.
func usageKey(e *End) RecordKey {
	if e.Instrument.IsZero() {
		return RecordKey{RecordUsage, e.Party}
	}
	return RecordKey{RecordUsage, e.Instrument}
}

// newUserKey names what a new person has paid in a currency, from all accounts.
func newUserKey(party ID, c Currency) RecordKey {
	sum := sha256.Sum256(append(party[:], c...))
	return RecordKey{RecordUsage, ID(sum[:16])}
}

// tagOf is the part of a transfer's ID that it is found by.
func tagOf(id ID) uint32 { return binary.BigEndian.Uint32(id[12:]) }

// usage is what is used of a declared usage.
func (s *Set) usage(k RecordKey) *usage {
	if u, ok := s.usages[k]; ok {
		return u
	}
	u := &usage{}
	if r, ok := s.Records.Get(k); ok {
		if err := u.UnmarshalJSON(r.Body); err != nil {
			panic(fmt.Sprintf("ledger: usage %x: %v", k.ID, err)) // the batch fails unstored
		}
	}
	if s.usages == nil {
		s.usages = map[RecordKey]*usage{}
	}
	s.usages[k] = u
	return u
}

// keepUsage keeps what was changed of a usage. It belongs to no app: nobody lists them.
func (s *Set) keepUsage(k RecordKey, u *usage) {
	r, ok := s.Records.Get(k)
	if !ok {
		r = Record{RecordKey: k, Created: s.Now}
	}
	r.Body, r.Updated = u.appendJSON(make([]byte, 0, len(r.Body)+32)), max(s.Now, r.Updated)
	s.Records.Put(k, r)
}

// since is the part of a list that counts behind a time.
func since(list []used, past int64) []used {
	n := 0
	for n < len(list) && list[n].at <= past {
		n++
	}
	return list[n:]
}

// add appends a payment to a list, which stays in order whatever the clocks of nodes say.
func (u *usage) add(list int, e used, past int64, r *Limit, c Currency) {
	for n := range u {
		u[n] = since(u[n], past)
	}
	l := u[list]
	if len(l) > 0 {
		e.at = max(e.at, l[len(l)-1].at)
	}
	l = append(l, e)
	if most := r.longest(l, c); len(l) > most {
		l = merge(l, most)
	}
	u[list] = l
}

// merge makes a list shorter than it may be: it joins what lies in the same minute, or in
// the same 2, 4, 8 … minutes until there is room. What is joined counts until the last of it
// leaves the window: never less counts than was paid. The newest are left alone: they may
// still fail and be taken out.
func merge(l []used, most int) []used {
	newest := most / 2
	old, fresh := l[:len(l)-newest], l[len(l)-newest:]
	for cell := time.Minute.Microseconds(); len(old) >= most-newest; cell *= 2 {
		joined := old[:1]
		for _, e := range old[1:] {
			last := &joined[len(joined)-1]
			if last.at/cell != e.at/cell {
				joined = append(joined, e)
				continue
			}
			*last = used{at: e.at, amount: plus(last.amount, e.amount), count: last.count + e.count}
		}
		old = joined
	}
	return append(old, fresh...)
}

// plus is the sum of two amounts, or the most that there is.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// total is what a list adds up to.
func total(l []used) (amount, count int64) {
	for i := range l {
		amount, count = plus(amount, l[i].amount), count+l[i].count
	}
	return amount, count
}

// remove takes a payment out of a list, and says whether it was there by itself.
func (u *usage) remove(list int, tag uint32, amount int64) bool {
	n := slices.IndexFunc(u[list], func(e used) bool { return e.count == 1 && e.tag == tag && e.amount == amount })
	if n < 0 {
		return false
	}
	u[list] = slices.Delete(u[list], n, n+1)
	return true
}

// appendJSON appends the usage as a JSON string: the lists in base64.
func (u *usage) appendJSON(b []byte) []byte {
	var room [1024]byte
	p := room[:0]
	for _, l := range u {
		p = binary.AppendUvarint(p, uint64(len(l)))
		last := int64(0)
		for i := range l {
			e := &l[i]
			p = binary.AppendUvarint(p, uint64(e.at-last))
			if e.count == 1 {
				p = binary.AppendUvarint(p, uint64(e.amount)<<1)
				p = binary.BigEndian.AppendUint32(p, e.tag)
			} else {
				p = binary.AppendUvarint(p, uint64(e.amount)<<1|1)
				p = binary.AppendUvarint(p, uint64(e.count))
			}
			last = e.at
		}
	}
	b = append(b, '"')
	b = base64.RawStdEncoding.AppendEncode(b, p)
	return append(b, '"')
}

var errUsage = errors.New("the usage of limits cannot be read")

// UnmarshalJSON reads what appendJSON wrote.
func (u *usage) UnmarshalJSON(b []byte) error {
	var room [1024]byte
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return errUsage
	}
	p, err := base64.RawStdEncoding.AppendDecode(room[:0], b[1:len(b)-1])
	if err != nil {
		return errUsage
	}
	number := func() uint64 {
		v, n := binary.Uvarint(p)
		if n <= 0 {
			p, err = nil, errUsage
			return 0
		}
		p = p[n:]
		return v
	}
	for list := range u {
		n := number()
		if n > uint64(len(p)) {
			return errUsage
		}
		l, last := make([]used, n, n+1), int64(0)
		for i := range l {
			last += int64(number())
			amount := number()
			l[i] = used{at: last, amount: int64(amount >> 1), count: 1}
			switch {
			case amount&1 != 0:
				l[i].count = int64(number())
			case len(p) < 4:
				return errUsage
			default:
				l[i].tag, p = binary.BigEndian.Uint32(p), p[4:]
			}
		}
		u[list] = l
	}
	if err == nil && len(p) > 0 {
		err = errUsage
	}
	return err
}

// wantUncounted declares what a transfer counts to, for a command that may end it without
// that its payee is paid.
func (s *Set) wantUncounted(t *Transfer) {
	t.counted(func(k RecordKey, _ ...int) { s.Records.Want(k) })
}

// uncount takes a transfer that has ended without that its payee is paid out of what it
// counted to, if it did.
func (s *Set) uncount(t *Transfer) {
	t.counted(func(k RecordKey, lists ...int) {
		u := s.usage(k)
		for _, list := range lists {
			if u.remove(list, tagOf(t.ID), t.Amount.Minor) {
				s.keepUsage(k, u)
				return
			}
		}
	})
}

// counted calls yield with each usage that the transfer may count to, and its lists. It
// looks at nothing but the transfer: the limits may have changed since it was made.
func (t *Transfer) counted(yield func(k RecordKey, lists ...int)) {
	if t.Kind != Payment {
		return
	}
	if !t.Payer.Party.IsZero() {
		yield(usageKey(&t.Payer), paidPersons, paidMerchants)
		yield(newUserKey(t.Payer.Party, t.Amount.Currency), paidNew)
	}
	if t.Payee.receives() {
		yield(usageKey(&t.Payee), received)
	}
}

// receives says whether what the end is paid can be counted: it is an account that some app
// has linked.
func (e *End) receives() bool { return !e.Instrument.IsZero() || !e.Party.IsZero() }
