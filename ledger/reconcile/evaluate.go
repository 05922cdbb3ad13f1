package reconcile

import (
	"cmp"
	"slices"
	"time"

	"bahi/ledger"
)

// Judge says what of a transfer agrees with the words of the banks and the switch
// and what does not. It is pure: the same words in any order get the same verdict.
//
// Each side of a transfer, the payer's bank and the payee's, is judged by itself.
// A side has two legs, there and back. A leg that one of the three shows and
// another does not is judged so:
//
//	bank  switch  book
//	yes   yes     yes   agreed, or late, or hanging if it was booked across the cut-off
//	yes   any     no    not_in_book
//	yes   no      yes   not_at_switch
//	no    any     yes   not_at_bank, or hanging until the day after the cut-off is told
//	no    yes     no    only_at_switch
//	no    no      no    agreed
//
// "No" is only said by who has told of all days on which the leg can have been
// booked; who has not says nothing, and nothing follows from it. Before that table:
// a transfer under way is hanging once its day is told, and one in doubt is in_doubt
// once all its days are. Legs there and back that only one of them shows cancel.
// More movements of a leg than one are a duplicate, and none of them is matched.
type Judge struct {
	Zone      *time.Location
	Today     ledger.Day    // in the zone
	CutOff    time.Duration // how long before and after midnight a bank may have booked on the other day
	LateAfter int           // days that a bank may take to book
	Covered   func(source ledger.Source, bank string, day ledger.Day) bool
	KnownBank func(bank string) bool
}

// Case is a transfer with all that is known of it, each list in any order.
type Case struct {
	Transfer       ledger.Transfer
	Instructions   []ledger.Instruction
	Contradictions []ledger.Contradiction
	Lines          []ledger.BankLine // that name it, or were found to tell of it
	Corrections    []ledger.Correction
}

// Verdict is what follows from a case.
type Verdict struct {
	Matches []ledger.Match // in the order of Compare
	Breaks  []ledger.Break // by ID; only what was found is filled in
}

// Evaluate judges a case.
func (j *Judge) Evaluate(c *Case) Verdict {
	e := evaluation{Judge: j, Case: c}
	payer := e.side(&c.Transfer.Payer, ledger.LegDebit, ledger.LegDebitReversal)
	payee := e.side(&c.Transfer.Payee, ledger.LegCredit, ledger.LegCreditReversal)
	var stray []ledger.BankLine
	for i := range c.Lines {
		l := &c.Lines[i]
		if !l.Moved {
			continue
		}
		name, ok := LegOf(&c.Transfer, l)
		if !ok {
			stray = append(stray, *l)
			continue
		}
		s := &payer
		if name.PayeeSide() {
			s = &payee
		}
		told := &s.leg(name).told[l.ID.Source]
		*told = append(*told, l)
	}
	for _, s := range []*side{&payer, &payee} {
		if s.bank != "" {
			e.judge(s)
		}
	}
	if len(stray) > 0 {
		for _, b := range j.unexplained(stray, c.Transfer.ID, true, adjustments(c.Corrections)) {
			b.Steps = c.Transfer.Steps
			e.verdict.Breaks = append(e.verdict.Breaks, b)
		}
	}
	if c.Transfer.PayoutFailed() {
		e.payoutFailed()
	}
	slices.SortFunc(e.verdict.Matches, ledger.Match.Compare)
	slices.SortFunc(e.verdict.Breaks, func(a, b ledger.Break) int { return a.ID.Compare(b.ID) })
	return e.verdict
}

// payoutFailed finds that the correction which made the payout has not reached whom it
// was for. All agree on where the money is; that it is on suspense is what is wrong.
func (e *evaluation) payoutFailed() {
	s := ledger.Subject{Transfer: e.Transfer.ID, Leg: ledger.LegCredit, Bank: e.Transfer.Payee.Bank}
	e.verdict.Breaks = append(e.verdict.Breaks, ledger.Break{ID: ledger.BreakID(ledger.ClassPayoutFailed, s), Class: ledger.ClassPayoutFailed, Subject: s,
		Day: e.day(e.Transfer.Updated), Currency: e.Transfer.Amount.Currency, Book: ledger.SaysNo, Steps: e.Transfer.Steps})
}

// evaluation is a case while it is judged.
type evaluation struct {
	*Judge
	*Case
	verdict Verdict
}

// side is one end of the transfer, at a bank.
type side struct {
	bank         string // empty for a wallet, of which no bank tells
	legs         [2]leg // there and back
	adjusted     int64  // by corrections
	contradicted int    // of which leg the bank has said two things; less than 0: of none
}

// leg is one leg of a side.
type leg struct {
	name     ledger.Leg
	done     bool  // our book shows it
	open     bool  // the bank is still being asked
	unsaid   bool  // the bank never said: perhaps done
	from, to int64 // when it can have been done
	told     [ledger.SourceSwitch + 1][]*ledger.BankLine
}

func (s *side) leg(name ledger.Leg) *leg {
	return &s.legs[number(name != s.legs[0].name)]
}

func (e *evaluation) side(end *ledger.End, there, back ledger.Leg) side {
	s := side{bank: end.Bank, contradicted: -1}
	for k, name := range []ledger.Leg{there, back} {
		s.legs[k] = leg{name: name, from: e.Transfer.Created, to: e.Transfer.Updated}
	}
	for i := range e.Instructions {
		in := &e.Instructions[i]
		if l := s.leg(in.ID.Leg); l.name == in.ID.Leg {
			l.done, l.open, l.unsaid = in.State == ledger.Approved, in.State.Open(), in.State.Open() || in.State == ledger.Silent
			l.from, l.to = in.Created, in.Updated
		}
	}
	for k := range s.legs {
		if s.contradicted < 0 && slices.ContainsFunc(e.Contradictions, func(c ledger.Contradiction) bool { return c.Instruction.Leg == s.legs[k].name }) {
			s.contradicted = k
		}
	}
	for i := range e.Corrections {
		if c := &e.Corrections[i]; e.about(c, &s) {
			s.adjusted += c.Adjusted()
		}
	}
	return s
}

// about says whether a correction mends a break about a side, and not one about a line.
func (e *evaluation) about(c *ledger.Correction, s *side) bool {
	if c.Bank != s.bank || c.Adjusted() == 0 {
		return false
	}
	for class := ledger.ClassNotInBook; class <= ledger.ClassOnlyAtSwitch; class++ {
		for k := range s.legs {
			if ledger.BreakID(class, ledger.Subject{Transfer: e.Transfer.ID, Leg: s.legs[k].name, Bank: s.bank}) == c.Break {
				return true
			}
		}
	}
	return false
}

// adjustments are what corrections adjusted, by the break that they mend.
func adjustments(corrections []ledger.Correction) map[ledger.ID]int64 {
	by := map[ledger.ID]int64{}
	for i := range corrections {
		by[corrections[i].Break] += corrections[i].Adjusted()
	}
	return by
}

// judge adds the matches of a side, and its break if there is one.
func (e *evaluation) judge(s *side) {
	bank, other := e.weigh(s, ledger.SourceBank), e.weigh(s, ledger.SourceSwitch)
	e.match(s, &bank)
	e.match(s, &other)
	b := ledger.Break{Currency: e.Transfer.Amount.Currency, Ours: s.adjusted, Theirs: bank.net, Steps: e.Transfer.Steps}
	for k := range s.legs {
		if s.legs[k].done {
			b.Ours += sign(k) * e.Transfer.Amount.Minor
		}
	}
	class, k := e.class(s, b.Ours, &bank, &other)
	if class == 0 {
		return
	}
	l := &s.legs[k]
	b.Class, b.Subject = class, ledger.Subject{Transfer: e.Transfer.ID, Leg: l.name, Bank: s.bank}
	b.ID = ledger.BreakID(b.Class, b.Subject)
	b.Day = e.day(l.from)
	if !l.done && len(bank.extra[k]) > 0 {
		b.Day = bank.extra[k][0].day
	}
	b.Bank, b.Switch, b.Book = e.word(s, l, &bank, k), e.word(s, l, &other, k), ledger.SaysNo
	if l.done && s.adjusted == 0 || b.Ours != 0 && s.adjusted != 0 {
		b.Book = ledger.SaysYes
	}
	e.verdict.Breaks = append(e.verdict.Breaks, b)
}

// sign is what a leg there (0) or back (1) adds to what moved on its side.
func sign(k int) int64 { return int64(1 - 2*k) }

func (e *evaluation) day(micros int64) ledger.Day { return ledger.DayAt(micros, e.Zone) }

// told says whether a source has told of all days from one to another.
func (j *Judge) told(source ledger.Source, bank string, from, to ledger.Day) bool {
	for d := from; d <= to; d++ {
		if !j.Covered(source, bank, d) {
			return false
		}
	}
	return true
}

// word is what a source says of a leg.
func (e *evaluation) word(s *side, l *leg, t *tally, k int) ledger.Word {
	switch {
	case len(t.agreed[k])+len(t.extra[k]) > 0:
		return ledger.SaysYes
	case e.told(t.source, s.bank, e.day(l.from), e.day(l.to)):
		return ledger.SaysNo
	}
	return ledger.SaysNothing
}

// class is what is wrong with a side, and with which of its legs; 0 if nothing is.
func (e *evaluation) class(s *side, ours int64, bank, other *tally) (ledger.Class, int) {
	for k := range s.legs {
		if l := &s.legs[k]; l.open {
			if day := e.day(l.from); day < e.Today && e.Covered(ledger.SourceBank, s.bank, day) {
				return ledger.ClassHanging, k
			}
			return 0, k
		}
	}
	if e.inDoubt(s) {
		return e.doubt(s)
	}
	if s.adjusted != 0 {
		return adjusted(ours, bank), 0
	}
	for k := range s.legs {
		switch class := e.differs(s, bank, k); {
		case class == 0:
		case s.contradicted >= 0 && (class == ledger.ClassNotInBook || class == ledger.ClassNotAtBank):
			return ledger.ClassContradiction, k
		default:
			return class, k
		}
	}
	if k := s.contradicted; k >= 0 && e.contradicts(s, bank, k) {
		return ledger.ClassContradiction, k
	}
	for k := range s.legs {
		for _, m := range bank.agreed[k] {
			if class := e.late(&s.legs[k], m.day); class != 0 {
				return class, k
			}
		}
	}
	return e.atSwitch(s, bank, other)
}

// inDoubt says whether the transfer waits for what the side's bank did.
func (e *evaluation) inDoubt(s *side) bool {
	payee := s.legs[0].name.PayeeSide()
	return (payee && e.Transfer.State == ledger.Deemed) || (!payee && e.Transfer.State == ledger.Unresolved)
}

// doubt is decided once the bank has told of all days on which it can have done
// one of the legs. It is about the first of which the bank said nothing.
func (e *evaluation) doubt(s *side) (ledger.Class, int) {
	k := 0
	if !s.legs[0].unsaid && s.legs[1].unsaid {
		k = 1
	}
	for i := range s.legs {
		l := &s.legs[i]
		if e.told(ledger.SourceBank, s.bank, e.day(l.from), e.cut(l)) {
			continue
		}
		if s.contradicted >= 0 {
			return ledger.ClassContradiction, s.contradicted
		}
		return 0, k
	}
	return ledger.ClassInDoubt, k
}

// adjusted compares no legs any more: a correction has put them in line with what was told then.
func adjusted(ours int64, bank *tally) ledger.Class {
	switch {
	case ours == bank.net:
		return 0
	case ours == 0:
		return ledger.ClassNotInBook
	case bank.net == 0:
		return ledger.ClassNotAtBank
	}
	return ledger.ClassAmountDiffers
}

// differs compares what the bank and the book show of a leg.
func (e *evaluation) differs(s *side, bank *tally, k int) ledger.Class {
	switch extra := len(bank.extra[k]); {
	case extra > 1 || (extra == 1 && len(bank.agreed[k]) > 0):
		return ledger.ClassDuplicate
	case extra == 1 && bank.missing[k]:
		return ledger.ClassAmountDiffers
	case extra == 1:
		return ledger.ClassNotInBook
	case bank.missing[k]:
		return e.notThere(s, &s.legs[k])
	}
	return 0
}

// notThere judges a leg of which the bank has shown nothing so far.
func (e *evaluation) notThere(s *side, l *leg) ledger.Class {
	last := e.day(l.to) + ledger.Day(e.LateAfter)
	switch {
	case !e.told(ledger.SourceBank, s.bank, e.day(l.from), last):
		return 0
	case !e.told(ledger.SourceBank, s.bank, last+1, e.cut(l)):
		return ledger.ClassHanging
	}
	return ledger.ClassNotAtBank
}

// cut is the last day that a bank may have booked the leg on, its cut-off considered.
func (e *evaluation) cut(l *leg) ledger.Day { return e.day(l.to + e.CutOff.Microseconds()) }

// contradicts says whether a bank's two words are not settled by what it shows.
func (e *evaluation) contradicts(s *side, bank *tally, k int) bool {
	l := &s.legs[k]
	return len(bank.agreed[k]) == 0 && !e.told(ledger.SourceBank, s.bank, e.day(l.from), e.cut(l))
}

// late judges the day that a leg was booked on.
func (e *evaluation) late(l *leg, booked ledger.Day) ledger.Class {
	first, last := e.day(l.from), e.day(l.to)+ledger.Day(e.LateAfter)
	switch {
	case first <= booked && booked <= last:
		return 0
	case e.day(l.from-e.CutOff.Microseconds()) <= booked && booked <= e.cut(l):
		return ledger.ClassHanging
	}
	return ledger.ClassLate
}

// atSwitch compares the switch with bank and book, which agree.
func (e *evaluation) atSwitch(s *side, bank, other *tally) (ledger.Class, int) {
	for k := range s.legs {
		l := &s.legs[k]
		extra := other.extra[k]
		switch {
		case other.missing[k] && len(bank.agreed[k]) > 0 && (len(extra) > 0 || e.told(ledger.SourceSwitch, s.bank, e.day(l.from), e.cut(l))):
			return ledger.ClassNotAtSwitch, k
		case len(extra) > 0 && e.Covered(ledger.SourceBank, s.bank, extra[0].day):
			return ledger.ClassOnlyAtSwitch, k
		}
	}
	return 0, 0
}

// match adds what a source's lines tell of.
func (e *evaluation) match(s *side, t *tally) {
	for k := range s.legs {
		l := &s.legs[k]
		for _, m := range t.cancelled[k] {
			for _, line := range m.lines {
				e.verdict.Matches = append(e.verdict.Matches, ledger.Match{Line: line.ID, Transfer: e.Transfer.ID, Leg: l.name, Rule: ledger.RuleCancelled})
			}
		}
		if len(t.extra[k]) > 0 {
			continue // which of them it is cannot be told
		}
		for _, m := range t.agreed[k] {
			for _, line := range m.lines {
				e.verdict.Matches = append(e.verdict.Matches, ledger.Match{Line: line.ID, Transfer: e.Transfer.ID, Leg: l.name, Rule: e.rule(l, line)})
			}
		}
	}
}

// rule is how a line was found to tell of a leg.
func (e *evaluation) rule(l *leg, line *ledger.BankLine) ledger.Rule {
	switch onDay := e.day(l.from) <= line.Day && line.Day <= e.day(l.to); {
	case line.Transfer.IsZero() && line.RRN == "":
		return ledger.RuleBatch
	case line.Transfer.IsZero():
		return ledger.RuleRRNDateAmount
	case !onDay:
		return ledger.RuleIDAmount
	case line.RRN != "" && line.RRN == e.Transfer.RRN:
		return ledger.RuleIDRRNDateAmount
	}
	return ledger.RuleIDDateAmount
}

// tally is what a source shows of a side, held against the book.
type tally struct {
	source    ledger.Source
	net       int64         // what moved: there less back
	agreed    [2][]movement // the one that the book shows, or may come to show
	cancelled [2][]movement // there and back, which the book doesn't show
	extra     [2][]movement // all others
	missing   [2]bool       // the book shows it and the source doesn't
}

func (e *evaluation) weigh(s *side, source ledger.Source) tally {
	t := tally{source: source}
	for k := range s.legs {
		l := &s.legs[k]
		all := movements(l.told[source])
		for i := range all {
			t.net += sign(k) * all[i].minor
		}
		if best := e.best(l, all); best >= 0 && (l.done || l.unsaid) {
			t.agreed[k] = []movement{all[best]}
			all = slices.Delete(all, best, best+1)
		}
		t.extra[k] = all
		t.missing[k] = l.done && len(t.agreed[k]) == 0
	}
	t.cancelled[0], t.cancelled[1] = cancel(&t.extra[0], &t.extra[1])
	if t.missing[0] && t.missing[1] && len(t.extra[0])+len(t.extra[1]) == 0 {
		t.missing = [2]bool{}
	}
	return t
}

// best is which of the movements the leg is likely to be: of the exact amount,
// on its own day if there is one, else the first; or -1.
func (e *evaluation) best(l *leg, all []movement) int {
	best := -1
	for i := range all {
		m := &all[i]
		if m.minor != e.Transfer.Amount.Minor {
			continue
		}
		if e.day(l.from) <= m.day && m.day <= e.day(l.to) {
			return i
		}
		if best < 0 {
			best = i
		}
	}
	return best
}

// movement is one movement of money, with the lines that tell of it.
type movement struct {
	day   ledger.Day
	minor int64
	lines []*ledger.BankLine
}

// movements tells how many there are: the formats that a bank sends may name one
// movement differently, so that it is as many lines. Of one day and amount there are
// as many movements as the kind of line that has most of them has lines.
func movements(lines []*ledger.BankLine) []movement {
	slices.SortFunc(lines, compareLines)
	var all []movement
	first, nth := 0, 0 // of this day and amount; within the kind
	for i, l := range lines {
		switch {
		case i == 0 || l.Day != lines[i-1].Day || l.Amount.Minor != lines[i-1].Amount.Minor:
			first, nth = len(all), 0
		case l.By != lines[i-1].By || l.Reversal != lines[i-1].Reversal:
			nth = 0
		default:
			nth++
		}
		if first+nth == len(all) {
			all = append(all, movement{day: l.Day, minor: l.Amount.Minor})
		}
		m := &all[first+nth]
		m.lines = append(m.lines, l)
	}
	return all
}

func compareLines(a, b *ledger.BankLine) int {
	return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Amount.Minor, b.Amount.Minor), cmp.Compare(a.By, b.By), number(a.Reversal)-number(b.Reversal), a.ID.Compare(b.ID))
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// cancel takes the movements there and back out that undo each other.
func cancel(there, back *[]movement) (a, b []movement) {
	for i := 0; i < len(*there); {
		m := (*there)[i]
		k := slices.IndexFunc(*back, func(n movement) bool { return n.minor == m.minor })
		if k < 0 {
			i++
			continue
		}
		a, b = append(a, m), append(b, (*back)[k])
		*there, *back = slices.Delete(*there, i, i+1), slices.Delete(*back, k, k+1)
	}
	return a, b
}
