package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// The tables are compared with the log: each row has its leaf, and each leaf its row.
//
// The one lies in the order of the keys, the other in that of time. So both are summed
// up, by hashes that nobody can foresee, and only where the sums differ, in one of
// very many parts, are rows and leaves looked at one by one, in a second walk.

// compared is the comparison.
type compared struct {
	v      *verifier
	key    [16]byte     // made anew for each comparison
	sums   []difference // what the log has less what the tables have
	latest map[ID]changing
	buffer []byte
	// In the second walk: of the parts that differ, what is on one side only.
	parts map[uint16]bool
	rest  map[leafSum]*rest
}

// leafSum stands for a leaf.
type leafSum [16]byte

// difference is a sum of leafSums, and of how many.
type difference struct{ high, low, n uint64 }

// changing is the last leaf of a row that changes: a correction or a position.
type changing struct {
	sum   leafSum
	leaf  Leaf
	place int64
}

// rest is what is more often on one side.
type rest struct {
	leaf  Leaf
	place int64
	more  int // in the log than in the tables
}

// parts is into how many parts what is compared is cut: each takes a sum.
const parts = 1 << 16

// shownParts bounds what is looked at one by one.
const shownParts = 256

func newCompared(v *verifier) compared {
	c := compared{v: v, sums: make([]difference, parts), latest: map[ID]changing{}}
	_, _ = rand.Read(c.key[:]) // it never fails
	return c
}

// log walks the log and replays it.
func (c *compared) log(s Snapshot) error {
	replay := NewReplay(Part{}, func(m Misfit) {
		c.v.violated(m.Rule, m.Where, "place %d of the log: %s", m.Place, m.Detail)
	})
	err := c.leaves(s, func(place int64, l Leaf, canonical []byte) {
		replay.Leaf(place, l)
		sum := c.sum(canonical)
		if id, ok := changes(l); ok {
			c.latest[id] = changing{sum, l, place}
			return
		}
		c.add(sum, 1)
	})
	replay.End()
	return err
}

// changes says whether what a leaf tells of is a row that may change, and which.
func changes(l Leaf) (ID, bool) {
	switch l := l.(type) {
	case *Correction:
		return l.ID, true
	case *Position:
		return l.ID, true
	}
	return ID{}, false
}

// leaves calls each for each leaf, and checks how the rows of the log lie.
func (c *compared) leaves(s Snapshot, each func(place int64, l Leaf, canonical []byte)) error {
	var next int64
	sealed := true
	for row, err := range s.LogRows() {
		if err != nil {
			return err
		}
		where := fmt.Sprintf("row %d", row.N)
		switch {
		case row.First >= 0 && (row.First != next || !sealed):
			c.once("log_place", where, "its first leaf has the place %d, not %d", row.First, next)
		case row.First < 0:
			sealed, row.First = false, next
		}
		err := row.Each(func(_ int64, b []byte) bool {
			l, err := ParseLeaf(b)
			switch {
			case err != nil:
				c.once("log_row", where, "leaf at place %d: %v", next, err)
			case l.LeafTime() != row.At:
				c.once("log_row", where, "%s is of %d, the row of %d", LeafName(l), l.LeafTime(), row.At)
				fallthrough
			default:
				each(next, l, b)
			}
			next++
			return true
		})
		if err != nil {
			c.once("log_row", where, "%v", err)
			next = row.First + int64(row.Leaves)
		}
	}
	c.v.sum.Leaves = next
	return nil
}

// once reports what is seen in the first walk, and would be seen again in the second.
func (c *compared) once(rule, where, format string, args ...any) {
	if c.parts == nil {
		c.v.violated(rule, where, format, args...)
	}
}

func (c *compared) sum(canonical []byte) leafSum {
	c.buffer = append(append(c.buffer[:0], c.key[:]...), canonical...)
	h := sha256.Sum256(c.buffer)
	return leafSum(h[:16])
}

func (s leafSum) part() uint16 { return binary.BigEndian.Uint16(s[:]) }

func (c *compared) add(s leafSum, n int) {
	p := &c.sums[s.part()]
	p.high += uint64(n) * binary.BigEndian.Uint64(s[:])
	p.low += uint64(n) * binary.BigEndian.Uint64(s[8:])
	p.n += uint64(n)
}

// row takes a row of a table.
func (c *compared) row(l Leaf) {
	c.buffer = AppendLeaf(append(c.buffer[:0], c.key[:]...), l)
	h := sha256.Sum256(c.buffer)
	s := leafSum(h[:16])
	if id, ok := changes(l); ok {
		c.newest(id, l, s)
		return
	}
	if c.parts == nil {
		c.add(s, -1)
	} else if c.parts[s.part()] {
		c.keep(s, l, -1, -1)
	}
}

// newest compares a row that may change with the last leaf about it.
func (c *compared) newest(id ID, l Leaf, s leafSum) {
	if c.parts != nil {
		return
	}
	switch last, ok := c.latest[id]; {
	case !ok:
		c.v.violated("not_in_log", LeafName(l), "no leaf tells of it")
	case last.sum != s:
		c.v.violated("differs_from_log", LeafName(l), "%s, as its leaf at place %d says", LeafDifference(l, last.leaf), last.place)
	}
	delete(c.latest, id)
}

// tables walks those tables that nothing else walks.
func (c *compared) tables(s Snapshot) error {
	return errors.Join(compareRows(c, s.Notes()), compareRows(c, s.Windows()), compareRows(c, s.Accesses()), compareRows(c, s.Erasures()))
}

func compareRows[T any, L interface {
	*T
	Leaf
}](c *compared, rows iter.Seq2[T, error]) error {
	for row, err := range rows {
		if err != nil {
			return err
		}
		c.row(L(&row))
	}
	return nil
}

// tapped is the rows as they are, each of which is compared on its way.
func tapped[T any, L interface {
	*T
	Leaf
}](c *compared, rows iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for row, err := range rows {
			if err == nil {
				c.row(L(&row))
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// end reports what differs.
func (c *compared) end(s Snapshot) error {
	for _, last := range c.latest {
		c.v.violated("not_in_tables", LeafName(last.leaf), "the leaf at place %d has no row", last.place)
	}
	c.parts, c.rest = map[uint16]bool{}, map[leafSum]*rest{}
	different := 0
	for n, d := range c.sums {
		if d != (difference{}) {
			if different++; different <= shownParts {
				c.parts[uint16(n)] = true
			}
		}
	}
	if different == 0 {
		return nil
	}
	if err := c.again(s); err != nil {
		return err
	}
	c.tell()
	if different > shownParts {
		c.v.violated("differs_from_log", "book", "some %d rows and leaves more do not agree", different-shownParts)
	}
	return nil
}

// again walks log and tables once more, and keeps what is in the parts that differ.
func (c *compared) again(s Snapshot) error {
	err := c.leaves(s, func(place int64, l Leaf, canonical []byte) {
		if sum := c.sum(canonical); c.parts[sum.part()] {
			if _, ok := changes(l); !ok {
				c.keep(sum, l, place, 1)
			}
		}
	})
	return errors.Join(err, compareRows(c, s.Accounts()), compareRows(c, s.Transfers(Range{})), compareRows(c, s.Steps()), compareRows(c, s.Postings()), c.tables(s))
}

func (c *compared) keep(s leafSum, l Leaf, place int64, more int) {
	r := c.rest[s]
	if r == nil {
		r = &rest{leaf: l, place: place}
		c.rest[s] = r
	}
	r.place = max(r.place, place)
	if r.more += more; r.more == 0 {
		delete(c.rest, s)
	}
}

// tell reports each row without its leaf and each leaf without its row, and as one what is
// about the same.
func (c *compared) tell() {
	var all []*rest
	for _, r := range c.rest {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *rest) int {
		if n := strings.Compare(LeafName(a.leaf), LeafName(b.leaf)); n != 0 {
			return n
		}
		return a.more - b.more
	})
	for i := 0; i < len(all); i++ {
		r, name := all[i], LeafName(all[i].leaf)
		switch {
		case r.more < 0 && i+1 < len(all) && all[i+1].more > 0 && LeafName(all[i+1].leaf) == name:
			c.v.violated("differs_from_log", name, "%s, as its leaf at place %d says", LeafDifference(r.leaf, all[i+1].leaf), all[i+1].place)
			i++
		case r.more < 0:
			c.v.violated("not_in_log", name, "no leaf tells of it")
		default:
			c.v.violated("not_in_tables", name, "the leaf at place %d has no row", r.place)
		}
	}
}
