package reconcile

import (
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
	"strconv"

	"bahi/ledger"
)

// looseLines are the lines that name no transfer of ours, of the run's days and
// some around them. There may be a million: each is kept as little as it can be.
type looseLines struct {
	from, until ledger.Day
	within      int64     // how many were of the run's own days
	blocks      [][]loose // in the order of their IDs: a slice that grows would be copied, and held twice
	count       int32
	byRRN       []int32 // those that have one, by it
	batched     bool    // there are lines that stand for several transfers
	found       []told  // by transfer
	next        int     // the first of found that was not asked for yet
	banks       names[string]
	currencies  names[ledger.Currency]
	seed        maphash.Seed
}

// loose is what is needed of a line.
type loose struct {
	key      ledger.LineKey
	rrn      uint64 // as a number; 0 for none
	name     uint64 // a hash; 0 for none
	account  uint64 // its digits as a number; 0 for none
	minor    int64
	day      int32
	n        int32
	count    int32
	leg      int32 // oneLeg, noLeg, or 0 while none was found
	bank     uint16
	currency uint16
	source   ledger.Source
	by       ledger.KeyedBy
	debit    bool
	reversal bool
}

// What was found of a line: the leg that it tells of; or that it could tell of several,
// or names what somebody else calls a transfer, so that it is taken to tell of none.
const (
	oneLeg = 1
	noLeg  = -1
)

// idLength is how long the id of a transfer is, of everybody who takes part in UPI.
const idLength = 35

// told says that a line was found to tell of a transfer.
type told struct {
	transfer ledger.ID
	line     int32
	leg      ledger.Leg
}

// read takes the lines that name no transfer.
func (l *looseLines) read(s ledger.Snapshot) error {
	l.seed = maphash.MakeSeed()
	for line, err := range s.Lines(ledger.OfNoTransfer) {
		if err != nil {
			return err
		}
		if line.Day < l.from-around || line.Day >= l.until+around {
			continue
		}
		l.within += int64(number(l.from <= line.Day && line.Day < l.until))
		if line.Moved {
			l.put(l.pack(&line))
		}
	}
	slices.SortFunc(l.byRRN, func(a, b int32) int { return cmp.Or(cmp.Compare(l.at(a).rrn, l.at(b).rrn), cmp.Compare(a, b)) })
	return nil
}

// blockSize is how many lines are kept in one piece.
const blockSize = 1 << 14

func (l *looseLines) put(v loose) {
	if l.count%blockSize == 0 {
		l.blocks = append(l.blocks, make([]loose, 0, blockSize))
	}
	last := &l.blocks[len(l.blocks)-1]
	*last = append(*last, v)
	if v.rrn != 0 {
		l.byRRN = append(l.byRRN, l.count)
	}
	l.count++
}

func (l *looseLines) at(i int32) *loose { return &l.blocks[i/blockSize][i%blockSize] }

func (l *looseLines) pack(b *ledger.BankLine) loose {
	v := loose{key: b.ID.Key, rrn: digits(b.RRN), account: digits(accountDigits(b.Account)), minor: b.Amount.Minor, day: int32(b.Day), n: int32(b.ID.N),
		count: int32(b.Count), bank: l.banks.number(b.ID.Bank), currency: l.currencies.number(b.Amount.Currency),
		source: b.ID.Source, by: b.By, debit: b.Debit, reversal: b.Reversal}
	if b.Name != "" {
		v.name = maphash.String(l.seed, b.Name)
		if len(b.Name) == idLength { // or it would have a transfer
			v.leg = noLeg
		}
	}
	if v.batch() {
		l.batched, v.account = true, 0 // which is no customer's
	}
	return v
}

// batch says whether the line stands for several transfers of which it names none.
func (v *loose) batch() bool { return v.count > 1 && v.rrn == 0 && v.name == 0 }

// digits is a text of digits as a number; 0 where it is none.
func digits(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// line is the line again, without its texts.
func (l *looseLines) line(i int32) ledger.BankLine {
	v := l.at(i)
	b := ledger.BankLine{ID: ledger.LineID{Source: v.source, Bank: l.banks.list[v.bank], Key: v.key, N: int(v.n)}, Day: ledger.Day(v.day),
		Amount: ledger.Amount{Minor: v.minor, Currency: l.currencies.list[v.currency]}, Debit: v.debit, Reversal: v.reversal, Moved: true, By: v.by, Count: int(v.count)}
	if v.rrn != 0 {
		b.RRN = strconv.FormatUint(v.rrn, 10)
	}
	if v.account != 0 {
		b.Account = strconv.FormatUint(v.account, 10)
	}
	return b
}

// find looks for the legs that the lines tell of: by RRN, bank, date and amount, if
// that leads to one leg of one transfer only.
func (l *looseLines) find(j *Judge, s ledger.Snapshot, in ledger.Range) error {
	if len(l.byRRN) == 0 && !l.batched {
		return nil
	}
	batches := newBatches(j, l)
	transfers := pull(ledger.Opened(s, in), func(t *ledger.Transfer) ledger.ID { return t.ID })
	defer transfers.stop()
	instructions := pull(s.Instructions(in), func(i *ledger.Instruction) ledger.ID { return i.ID.Transfer })
	defer instructions.stop()
	var lines *rows[ledger.BankLine]
	if l.batched {
		lines = pull(s.Lines(in), func(l *ledger.BankLine) ledger.ID { return l.Transfer })
		defer lines.stop()
	}
	for ; transfers.ok; transfers.advance() {
		t := &transfers.head
		asked := instructions.of(t.ID)
		l.offer(j, t, asked)
		if l.batched {
			batches.offer(t, asked, lines.of(t.ID))
			if lines.err != nil {
				return lines.err
			}
		}
		if instructions.err != nil {
			return instructions.err
		}
	}
	if transfers.err != nil {
		return transfers.err
	}
	l.found = slices.DeleteFunc(l.found, func(f told) bool { return l.at(f.line).leg == noLeg })
	for _, f := range batches.assign(l.found) {
		l.at(f.line).leg = oneLeg
		l.found = append(l.found, f)
	}
	slices.SortFunc(l.found, func(a, b told) int { return cmp.Or(a.transfer.Compare(b.transfer), cmp.Compare(a.line, b.line)) })
	return nil
}

// offer gives a transfer the lines that have its RRN and fit one of its legs.
func (l *looseLines) offer(j *Judge, t *ledger.Transfer, asked []ledger.Instruction) {
	rrn := digits(t.RRN)
	if rrn == 0 {
		return
	}
	least, _ := slices.BinarySearchFunc(l.byRRN, rrn, func(i int32, rrn uint64) int { return cmp.Compare(l.at(i).rrn, rrn) })
	for _, i := range l.byRRN[least:] {
		v := l.at(i)
		if v.rrn != rrn {
			return
		}
		if v.minor != t.Amount.Minor || v.leg == noLeg {
			continue
		}
		line := l.line(i)
		leg, ok := LegOf(t, &line)
		if first, last := j.days(t, asked, leg); !ok || line.Day < first || line.Day > last {
			continue
		}
		if v.leg != 0 {
			v.leg = noLeg
			continue
		}
		l.found = append(l.found, told{t.ID, i, leg})
		v.leg = oneLeg
	}
}

// days are those on which a leg can have been done.
func (j *Judge) days(t *ledger.Transfer, asked []ledger.Instruction, leg ledger.Leg) (first, last ledger.Day) {
	from, to := t.Created, t.Updated
	for i := range asked {
		if asked[i].ID.Leg == leg {
			from, to = asked[i].Created, asked[i].Updated
		}
	}
	return ledger.DayAt(from, j.Zone), ledger.DayAt(to, j.Zone)
}

// add adds to a transfer's own lines those that were found to tell of it. It is
// called for transfers in the order of their IDs.
func (l *looseLines) add(lines []ledger.BankLine, t *ledger.Transfer) []ledger.BankLine {
	for ; l.next < len(l.found); l.next++ {
		f := l.found[l.next]
		switch c := f.transfer.Compare(t.ID); {
		case c > 0:
			return lines
		case c == 0:
			line := l.line(f.line)
			line.Amount.Minor = t.Amount.Minor // where it stands for several, their sum
			lines = append(lines, line)
		}
	}
	return lines
}

// breaks are those about the lines that nothing was found for, by ID.
func (l *looseLines) breaks(j *Judge, adjusted map[ledger.ID]int64) iter.Seq2[ledger.Break, error] {
	var left []int32
	for i := range l.count {
		if l.at(i).leg != oneLeg {
			left = append(left, i)
		}
	}
	tags := l.tags(left)
	slices.SortFunc(left, func(a, b int32) int {
		return cmp.Or(cmp.Compare(tags(a), tags(b)), cmp.Compare(a, b))
	})
	var found []brief
	each := func(group []int32) {
		lines := make([]ledger.BankLine, len(group))
		for k, i := range group {
			lines[k] = l.line(i)
		}
		for _, b := range j.unexplained(lines, ledger.ID{}, false, adjusted) {
			if l.from <= b.Day && b.Day < l.until {
				k := slices.IndexFunc(lines, func(line ledger.BankLine) bool { return line.ID == b.Subject.Line })
				found = append(found, brief{id: b.ID, line: group[k], class: b.Class, other: b.Switch})
			}
		}
	}
	for len(left) > 0 {
		n := 1
		for tags(left[0]) != 0 && n < len(left) && tags(left[n]) == tags(left[0]) {
			n++
		}
		each(left[:n])
		left = left[n:]
	}
	slices.SortFunc(found, func(a, b brief) int { return a.id.Compare(b.id) })
	return func(yield func(ledger.Break, error) bool) {
		for _, f := range found {
			if !yield(l.full(f, adjusted), nil) {
				return
			}
		}
	}
}

// brief is a break about a loose line, in few bytes.
type brief struct {
	id    ledger.ID
	line  int32
	class ledger.Class
	other ledger.Word // the switch's
}

func (l *looseLines) full(f brief, adjusted map[ledger.ID]int64) ledger.Break {
	line := l.line(f.line)
	b := lineBreak(f.class, ledger.ID{}, movement{day: line.Day, minor: line.Amount.Minor, lines: []*ledger.BankLine{&line}})
	b.Bank, b.Switch = ledger.SaysYes, f.other
	if f.class == ledger.ClassOnlyAtSwitch {
		b.Bank = ledger.SaysNo
		return b
	}
	b.Ours, b.Theirs = adjusted[b.ID], line.Amount.Minor
	if plainLeg(&line).Reverses() != 0 {
		b.Theirs = -b.Theirs
	}
	return b
}

// tags tell which lines belong together: those with one RRN, and those with one
// name, of which some may have the RRN too. 0 is a line that belongs to none.
func (l *looseLines) tags(left []int32) func(int32) uint64 {
	rrns := map[uint64]uint64{} // of names that came without one
	for _, i := range left {
		if v := l.at(i); v.rrn == 0 && v.name != 0 {
			rrns[v.name] = 0
		}
	}
	for _, i := range left {
		v := l.at(i)
		if rrn, ok := rrns[v.name]; ok && v.name != 0 {
			rrns[v.name] = max(rrn, v.rrn)
		}
	}
	return func(i int32) uint64 {
		v := l.at(i)
		switch {
		case v.rrn != 0:
			return v.rrn
		case v.name == 0:
			return 0
		case rrns[v.name] != 0:
			return rrns[v.name]
		}
		return v.name | 1<<63
	}
}

// names numbers a few texts.
type names[S ~string] struct {
	list []S
	of   map[S]uint16
}

func (n *names[S]) number(s S) uint16 {
	i, ok := n.of[s]
	if !ok {
		if n.of == nil {
			n.of = map[S]uint16{}
		}
		i = uint16(len(n.list))
		n.list, n.of[s] = append(n.list, s), i
	}
	return i
}
