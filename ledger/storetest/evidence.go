package storetest

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"

	"bahi/ledger"
)

// testEvidence writes what banks say, reads it back in every way there is, and writes it again.
func testEvidence(f *fixture) {
	s := some{rand.New(rand.NewPCG(21, 22))}
	e := s.evidence(40, 0)
	f.putEvidence(e)
	f.wantEvidence(e)
	for range 2 { // nothing new, also twice in one batch
		f.check(f.batch(func(s *ledger.Set) { e.declare(s) }, func(s *ledger.Set) error {
			e.putTables(s)
			e.putTold(s)
			e.putTold(s)
			return nil
		}))
	}
	other := e // what is known is not told otherwise
	other.statements, other.contradictions = slices.Clone(e.statements), slices.Clone(e.contradictions)
	for i := range other.statements {
		other.statements[i].Bank, other.statements[i].At = "another", 1
		other.contradictions[i].Code, other.contradictions[i].At = "another", 1
	}
	f.check(f.batch(func(*ledger.Set) {}, func(s *ledger.Set) error { other.putTold(s); return nil }))
	f.wantEvidence(e)
}

// testEvidenceUpdates changes all that may change in a row's life.
func testEvidenceUpdates(f *fixture) {
	s := some{rand.New(rand.NewPCG(23, 24))}
	e := s.evidence(30, 0)
	f.putEvidence(e)
	for i := range e.runs {
		n := s.run(e.runs[i].N)
		n.From, n.Until, n.By, n.Began = e.runs[i].From, e.runs[i].Until, e.runs[i].By, e.runs[i].Began
		e.runs[i] = n
	}
	for i := range e.breaks {
		s.find(&e.breaks[i])
	}
	for i := range e.corrections {
		s.decide(&e.corrections[i])
	}
	for i := range e.positions {
		s.settle(&e.positions[i])
	}
	f.check(f.batch(func(s *ledger.Set) { e.declare(s) }, func(s *ledger.Set) error { e.putTables(s); return nil }))
	f.wantEvidence(e)
	for _, bad := range []func(*ledger.Set){
		func(s *ledger.Set) { s.Windows.Put(e.windows[0].ID, e.windows[0]) },
		func(s *ledger.Set) { s.Notes = append(s.Notes, e.notes[0]) },
	} {
		if err := f.batch(func(s *ledger.Set) { e.declare(s) }, func(s *ledger.Set) error { bad(s); return nil }); err == nil {
			f.Error("what is written once was written again")
		}
	}
	f.wantEvidence(e)
}

// testMerge tells of movements in several files, each of which leaves something out:
// the end is the same in whatever order they come, and however often.
func testMerge(f *fixture) {
	s := some{rand.New(rand.NewPCG(25, 26))}
	for range 40 {
		l := s.line()
		told := make([]ledger.BankLine, 1+s.IntN(4))
		for i := range told {
			told[i] = l
			told[i].Transfer, told[i].Name, told[i].RRN, told[i].Code = s.maybe(), s.text(), s.text(), s.text()
			told[i].Reference, told[i].Account, told[i].Count = s.text(), s.text(), s.IntN(3)
		}
		want := told[0]
		for _, t := range told[1:] {
			want = want.Merge(t)
		}
		told = append(told, told...)
		s.Shuffle(len(told), func(i, k int) { told[i], told[k] = told[k], told[i] })
		for len(told) > 0 {
			n := 1 + s.IntN(len(told))
			f.check(f.batch(func(*ledger.Set) {}, func(set *ledger.Set) error {
				set.Lines = append(set.Lines, told[:n]...)
				return nil
			}))
			told = told[n:]
		}
		got, err := f.store.Line(background, l.ID)
		equal(f, got, err, want, same)
	}
}

// testMatches finds other rules for matches, and takes some back.
func testMatches(f *fixture) {
	s := some{rand.New(rand.NewPCG(27, 28))}
	var want []ledger.Match
	change := func(apply func(*ledger.Set)) {
		f.check(f.batch(func(*ledger.Set) {}, func(s *ledger.Set) error { apply(s); return nil }))
		f.check(f.store.Audit(background, func(snapshot ledger.Snapshot) error {
			wantStream(f, snapshot.Matches(ledger.Range{}), sortedBy(want, ledger.Match.Compare))
			return nil
		}))
	}
	for range 30 {
		m := s.match()
		m.Rule = 1
		want = append(want, m)
	}
	change(func(s *ledger.Set) { s.Matches = append(append(s.Matches, want...), want...) })
	for i := range want {
		want[i].Rule = ledger.Rule(1 + i%6)
	}
	change(func(s *ledger.Set) { s.Matches = append(s.Matches, want...) })
	gone := slices.Clone(want[:10])
	gone[0].Rule++ // which is no part of the key
	want = want[10:]
	change(func(s *ledger.Set) { s.Unmatched = append(append(s.Unmatched, gone...), gone...) })
	change(func(s *ledger.Set) { s.Unmatched = append(s.Unmatched, gone[3]) }) // it is gone already
	change(func(s *ledger.Set) {                                               // taken back and found again
		s.Unmatched = append(s.Unmatched, want[0])
		s.Matches = append(s.Matches, want[0])
	})
}

// testRanges reads ranges of transfers, also several lists side by side.
func testRanges(f *fixture) {
	f.bare()
	s := some{rand.New(rand.NewPCG(29, 30))}
	e := s.evidence(60, 0)
	for range 5000 { // more than a page of them
		e.lines = append(e.lines, s.line())
		e.matches = append(e.matches, s.match())
	}
	e.lines[7].Transfer = ledger.OfNoTransfer.Last
	f.putEvidence(e)
	transfers := f.manyRows(s)
	middle, last := s.id(), s.id()
	if last.Compare(middle) < 0 {
		middle, last = last, middle
	}
	f.check(f.store.Audit(background, func(snapshot ledger.Snapshot) error {
		for _, in := range []ledger.Range{{}, {First: middle}, {Last: middle}, {First: middle, Last: last}, {First: middle, Last: middle}, ledger.OfNoTransfer,
			{First: ledger.OfNoTransfer.Last}, {First: e.lines[0].Transfer, Last: e.lines[0].Transfer}, {First: transfers[3].transfer.ID, Last: transfers[9].transfer.ID}} {
			f.wantEvidenceIn(snapshot, e, in)
			inside := chosen(transfers, func(r *rows) bool { return in.Holds(r.transfer.ID) })
			wantStream(f, snapshot.Transfers(in), of(inside, func(r *rows) ledger.Transfer { return r.transfer }))
			wantStream(f, snapshot.Instructions(in), of(inside, func(r *rows) ledger.Instruction { return r.instruction }))
		}
		f.wantSideBySide(snapshot, e, ledger.Range{First: middle}, ledger.Range{Last: last})
		return nil
	}))
}

// manyRows are transfers with their instructions and steps, in order.
func (f *fixture) manyRows(s some) (rs []rows) {
	for range 30 {
		rs = append(rs, s.rows())
	}
	f.put(rs...)
	return sortedBy(rs, func(a, b rows) int { return a.transfer.ID.Compare(b.transfer.ID) })
}

func of[V, W any](all []V, part func(*V) W) (parts []W) {
	for _, v := range all {
		parts = append(parts, part(&v))
	}
	return parts
}

// wantSideBySide takes turns at the lines of two ranges, and at matches.
func (f *fixture) wantSideBySide(s ledger.Snapshot, e evidence, a, b ledger.Range) {
	f.Helper()
	nextA, stopA := iter.Pull2(s.Lines(a))
	defer stopA()
	nextB, stopB := iter.Pull2(s.Lines(b))
	defer stopB()
	nextM, stopM := iter.Pull2(s.Matches(a))
	defer stopM()
	var inA, inB []ledger.BankLine
	matches := 0
	for open := true; open; {
		open = false
		if l, err, ok := nextA(); ok {
			f.check(err)
			inA, open = append(inA, l), true
		}
		if l, err, ok := nextB(); ok {
			f.check(err)
			inB, open = append(inB, l), true
		}
		if _, err, ok := nextM(); ok {
			f.check(err)
			matches, open = matches+1, true
		}
	}
	if !sameList(inA, linesIn(e.lines, a)) || !sameList(inB, linesIn(e.lines, b)) {
		f.Errorf("side by side: %d and %d lines, want %d and %d in their order", len(inA), len(inB), len(linesIn(e.lines, a)), len(linesIn(e.lines, b)))
	}
	if want := len(chosen(e.matches, func(m *ledger.Match) bool { return a.Holds(m.Transfer) })); matches != want {
		f.Errorf("side by side: %d matches, want %d", matches, want)
	}
}

// testLinesOf reads the lines of a transfer.
func testLinesOf(f *fixture) {
	s := some{rand.New(rand.NewPCG(31, 32))}
	e := evidence{}
	transfer := s.id()
	for i := range 40 {
		e.lines = append(e.lines, s.line())
		if i%4 == 0 {
			e.lines[i].Transfer = transfer
		}
	}
	f.putEvidence(e)
	got, err := f.store.LinesOf(background, transfer)
	equal(f, got, err, linesIn(chosen(e.lines, func(l *ledger.BankLine) bool { return l.Transfer == transfer }), ledger.Range{}), sameList)
}

// testBreakLists compares lists of breaks under every filter, paged, with a plain search.
func testBreakLists(f *fixture) {
	s := some{rand.New(rand.NewPCG(33, 34))}
	transfers := []ledger.ID{{}, s.id(), s.id(), s.id()}
	e := evidence{}
	for i := range 200 {
		b := s.breakOf(transfers[s.IntN(len(transfers))])
		b.Class, b.Deadline, b.Day = ledger.Class(s.upTo(4)), 1000+s.Int64N(20), ledger.Day(100+i%20) // many deadlines are the same
		b.Subject.Bank, b.Owner = []string{"SBIN", "HDFC"}[s.IntN(2)], []string{"", "ravi", "asha"}[s.IntN(3)]
		e.breaks = append(e.breaks, b)
	}
	f.putEvidence(e)
	all := sortedBy(e.breaks, func(a, b ledger.Break) int { return a.Place().Compare(b.Place()) })
	for mask := range 1 << 8 {
		f.wantBreaks(all, s.breakFilter(mask, transfers))
	}
	counts := map[ledger.BreakCount]int64{}
	for _, b := range all {
		counts[ledger.BreakCount{Class: b.Class, State: b.State}]++
	}
	var want []ledger.BreakCount
	for c, n := range counts {
		c.Count = n
		want = append(want, c)
	}
	got, err := f.store.BreakCounts(background)
	equal(f, got, err, sortedBy(want, func(a, b ledger.BreakCount) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.State, b.State))
	}), sameList)
}

// breakFilter restricts by the terms whose bits are set.
func (s some) breakFilter(mask int, transfers []ledger.ID) (b ledger.BreakFilter) {
	for bit, set := range []func(){
		func() { b.State = ledger.BreakState(s.upTo(2)) },
		func() { b.Class = ledger.Class(s.upTo(4)) },
		func() { b.Bank = "SBIN" },
		func() { b.Owner = "ravi" },
		func() { b.Transfer = transfers[1+s.IntN(len(transfers)-1)] },
		func() { b.OverdueAt = 1010 },
		func() { b.From = 105 },
		func() { b.Until = 115 },
	} {
		if mask>>bit&1 == 1 {
			set()
		}
	}
	return b
}

func (f *fixture) wantBreaks(all []ledger.Break, filter ledger.BreakFilter) {
	f.Helper()
	var got []ledger.Break
	for place := (ledger.BreakPlace{}); ; place = got[len(got)-1].Place() {
		page, err := f.store.Breaks(background, filter, place, 25)
		f.check(err)
		if got = append(got, page...); len(page) == 0 || len(got) > len(all) {
			break
		}
	}
	if want := chosen(all, filter.Chooses); !sameList(got, want) {
		f.Errorf("%+v: %d breaks, want %d in their order", filter, len(got), len(want))
	}
}

// testKept asks the database itself to forget.
func testKept(f *fixture) {
	db, ok := f.engine.(SQL)
	if !ok {
		f.Skip("no SQL")
	}
	s := some{rand.New(rand.NewPCG(35, 36))}
	e := s.evidence(5, 0)
	e.windows[0].Cuts = []ledger.Cut{{Account: ledger.AccountID(s.id()), UpTo: 1}}
	f.putEvidence(e)
	for _, q := range []string{
		"UPDATE statements SET at = 1", "DELETE FROM statements", "UPDATE coverage SET day = 1", "DELETE FROM coverage",
		"UPDATE break_notes SET at = 1", "DELETE FROM break_notes", "UPDATE windows SET closed = 1", "DELETE FROM windows",
		"UPDATE window_cuts SET up_to = up_to + 1", "DELETE FROM window_cuts",
		"DELETE FROM lines", "DELETE FROM runs", "DELETE FROM breaks", "DELETE FROM corrections", "DELETE FROM positions",
		"UPDATE breaks SET state = 1, resolution = 1", "UPDATE breaks SET class = 14", "UPDATE lines SET amount = -1", "UPDATE positions SET fees = -1",
	} {
		if err := db.Exec(background, q); err == nil {
			f.Errorf("%s was not refused", q)
		}
	}
	f.wantEvidence(e)
}
