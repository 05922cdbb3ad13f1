package reconcile_test

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
	"bahi/ledger/reconcile"
)

var (
	india  = time.FixedZone("IST", 5*60*60+30*60)
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, india)
	monday = ledger.DayOf(noon)
)

const (
	payerBank, payeeBank = "NRMD", "KVRI"
	amount               = int64(25_000)
	rrn                  = "632423371856"
)

// scene is a case that tests build up.
type scene struct {
	reconcile.Case
	covered map[ledger.Covered]bool
	late    int
	keys    uint32
}

// newScene is a transfer that was made at a time and went on for a second.
func newScene(at time.Time, state ledger.State) *scene {
	s := &scene{covered: map[ledger.Covered]bool{}}
	s.Transfer = ledger.Transfer{ID: ledger.ID{1, 2, 3}, Kind: ledger.Payment, State: state, Steps: 3, RRN: rrn,
		Payer: ledger.End{Bank: payerBank, Account: "000123456789"}, Payee: ledger.End{Bank: payeeBank, Account: "987654321000"},
		Amount: inr(amount), Created: at.UnixMicro(), Updated: at.Add(time.Second).UnixMicro()}
	return s
}

func inr(minor int64) ledger.Amount { return ledger.Amount{Minor: minor, Currency: "INR"} }

// asked adds an instruction that was made with the transfer and answered a second later.
func (s *scene) asked(leg ledger.Leg, state ledger.InstructionState) *scene {
	here, _ := s.Transfer.Ends(leg)
	s.Instructions = append(s.Instructions, ledger.Instruction{ID: ledger.InstructionID{Transfer: s.Transfer.ID, Leg: leg}, Bank: here.Bank,
		State: state, Created: s.Transfer.Created, Updated: s.Transfer.Updated})
	return s
}

// line is a line about a leg, on a day, with the transfer's id and its RRN.
func (s *scene) line(source ledger.Source, leg ledger.Leg, day ledger.Day, minor int64) *ledger.BankLine {
	here, _ := s.Transfer.Ends(leg)
	s.keys++
	l := ledger.BankLine{ID: ledger.LineID{Source: source, Bank: here.Bank, N: 1}, Transfer: s.Transfer.ID, Name: s.Transfer.ID.TransferRef(), RRN: rrn,
		Day: day, Amount: inr(minor), Debit: leg == ledger.LegDebit || leg == ledger.LegCreditReversal, Reversal: leg.Reverses() != 0,
		Moved: true, By: ledger.KeyedByRRN, Code: "00", Account: here.Account, Count: 1}
	binary.BigEndian.PutUint32(l.ID.Key[:], s.keys)
	s.Lines = append(s.Lines, l)
	return &s.Lines[len(s.Lines)-1]
}

// tells makes a source tell of a leg as it was.
func (s *scene) tells(source ledger.Source, leg ledger.Leg) *scene {
	s.line(source, leg, monday, amount)
	return s
}

// told says that a source has told of a bank's days.
func (s *scene) told(source ledger.Source, bank string, days ...ledger.Day) *scene {
	for _, d := range days {
		s.covered[ledger.Covered{Source: source, Bank: bank, Day: d}] = true
	}
	return s
}

// allTold says that everybody has told of the day.
func (s *scene) allTold(days ...ledger.Day) *scene {
	for _, bank := range []string{payerBank, payeeBank} {
		s.told(ledger.SourceBank, bank, days...).told(ledger.SourceSwitch, bank, days...)
	}
	return s
}

func (s *scene) judge() *reconcile.Judge {
	return &reconcile.Judge{Zone: india, Today: monday + 3, CutOff: time.Hour, LateAfter: s.late,
		Covered: func(source ledger.Source, bank string, day ledger.Day) bool {
			return s.covered[ledger.Covered{Source: source, Bank: bank, Day: day}]
		},
		KnownBank: func(bank string) bool { return bank != "XXXX" }}
}

func (s *scene) verdict() reconcile.Verdict { return s.judge().Evaluate(&s.Case) }

// show is a break in one line.
func show(b *ledger.Break) string {
	of := b.Subject.Leg.String()
	if b.Subject.Line != (ledger.LineID{}) {
		of = "line of " + b.Subject.Line.Bank
	}
	return fmt.Sprintf("%s of %s at %s: ours %d theirs %d, %s %s %s, day %+d", b.Class, of, b.Subject.Bank, b.Ours, b.Theirs, b.Bank, b.Switch, b.Book, b.Day-monday)
}

func showAll(breaks []ledger.Break) (all []string) {
	for i := range breaks {
		all = append(all, show(&breaks[i]))
	}
	slices.Sort(all)
	return all
}

// expect demands exactly these breaks.
func (s *scene) expect(t *testing.T, want ...string) reconcile.Verdict {
	t.Helper()
	v := s.verdict()
	got := showAll(v.Breaks)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("breaks\n %q\nwant\n %q", got, want)
	}
	return v
}

// rules are the matches in one line each.
func rules(v reconcile.Verdict) (all []string) {
	for _, m := range v.Matches {
		all = append(all, fmt.Sprintf("%s %s %s", m.Line.Source, m.Leg, m.Rule))
	}
	return all
}

func (s *scene) expectRules(t *testing.T, v reconcile.Verdict, want ...string) {
	t.Helper()
	if got := rules(v); !slices.Equal(got, want) {
		t.Errorf("matches\n %q\nwant\n %q", got, want)
	}
}

// settled is a transfer whose legs before the one in question are as everybody
// says, and of which our book shows the leg or not.
func settled(leg ledger.Leg, inBook bool) *scene {
	yes := func(done ledger.State, not ledger.State) ledger.State {
		if inBook {
			return done
		}
		return not
	}
	state := func(is ledger.InstructionState) ledger.InstructionState {
		if inBook {
			return ledger.Approved
		}
		return is
	}
	var s *scene
	switch leg {
	case ledger.LegDebit:
		s = newScene(noon, yes(ledger.Completed, ledger.Failed)).asked(leg, state(ledger.Declined))
	case ledger.LegCredit:
		s = newScene(noon, yes(ledger.Completed, ledger.Reversed)).asked(leg, state(ledger.Declined))
	case ledger.LegDebitReversal:
		s = newScene(noon, yes(ledger.Reversed, ledger.Completed)).asked(ledger.LegDebit, ledger.Approved)
		s.tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceSwitch, ledger.LegDebit)
	case ledger.LegCreditReversal:
		s = newScene(noon, yes(ledger.Reversed, ledger.Completed)).asked(ledger.LegCredit, ledger.Approved)
		s.tells(ledger.SourceBank, ledger.LegCredit).tells(ledger.SourceSwitch, ledger.LegCredit)
	}
	if leg.Reverses() != 0 && inBook {
		s.asked(leg, ledger.Approved)
	}
	return s
}

// The matrix of the three sources, for each leg. The other side has told nothing.
func TestMatrix(t *testing.T) {
	cells := []struct {
		bank, other, book bool
		class             string
	}{
		{true, true, true, ""},
		{true, true, false, "not_in_book"},
		{true, false, true, "not_at_switch"},
		{true, false, false, "not_in_book"},
		{false, true, true, "not_at_bank"},
		{false, false, true, "not_at_bank"},
		{false, true, false, "only_at_switch"},
		{false, false, false, ""},
	}
	word := map[bool]string{true: "yes", false: "no"}
	for leg := ledger.LegDebit; leg <= ledger.LegCreditReversal; leg++ {
		for _, c := range cells {
			t.Run(fmt.Sprintf("%s bank %t switch %t book %t", leg, c.bank, c.other, c.book), func(t *testing.T) {
				s := settled(leg, c.book)
				here, _ := s.Transfer.Ends(leg)
				s.told(ledger.SourceBank, here.Bank, monday).told(ledger.SourceSwitch, here.Bank, monday)
				if c.bank {
					s.tells(ledger.SourceBank, leg)
				}
				if c.other {
					s.tells(ledger.SourceSwitch, leg)
				}
				if c.class == "" {
					s.expect(t)
					return
				}
				before, sign := int64(0), int64(1) // what the leg before has moved, which way this one moves it
				if leg.Reverses() != 0 {
					before, sign = amount, -1
				}
				moved := func(yes bool) int64 {
					if yes {
						return before + sign*amount
					}
					return before
				}
				s.expect(t, fmt.Sprintf("%s of %s at %s: ours %d theirs %d, %s %s %s, day +0", c.class, leg, here.Bank, moved(c.book), moved(c.bank), word[c.bank], word[c.other], word[c.book]))
			})
		}
	}
}

// A switch that has told nothing is not missed, and a bank that has told nothing
// of the day does not say that it has not.
func TestNobodyIsMissedWhoHasToldNothing(t *testing.T) {
	settled(ledger.LegDebit, true).expect(t)
	settled(ledger.LegDebit, true).told(ledger.SourceBank, payerBank, monday-1, monday+1).expect(t)
	settled(ledger.LegDebit, true).tells(ledger.SourceSwitch, ledger.LegDebit).told(ledger.SourceSwitch, payerBank, monday).expect(t)
	settled(ledger.LegDebit, true).told(ledger.SourceSwitch, payerBank, monday).expect(t)
	settled(ledger.LegDebit, false).tells(ledger.SourceSwitch, ledger.LegDebit).expect(t)
	settled(ledger.LegDebit, true).tells(ledger.SourceBank, ledger.LegDebit).told(ledger.SourceBank, payerBank, monday).expect(t)
	settled(ledger.LegDebit, true).told(ledger.SourceBank, payerBank, monday).
		expect(t, "not_at_bank of debit at NRMD: ours 25000 theirs 0, no nothing yes, day +0")
}

func completed() *scene {
	return newScene(noon, ledger.Completed).asked(ledger.LegDebit, ledger.Approved).asked(ledger.LegCredit, ledger.Approved)
}

func TestRules(t *testing.T) {
	s := completed().allTold(monday)
	s.tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceSwitch, ledger.LegDebit).tells(ledger.SourceSwitch, ledger.LegCredit)
	s.line(ledger.SourceBank, ledger.LegCredit, monday, amount).RRN = ""
	v := s.expect(t)
	s.expectRules(t, v, "bank debit id_rrn_date_amount", "switch debit id_rrn_date_amount", "bank credit id_date_amount", "switch credit id_rrn_date_amount")

	s = completed().told(ledger.SourceBank, payerBank, monday)
	l := s.line(ledger.SourceBank, ledger.LegDebit, monday, amount)
	l.Transfer, l.Name = ledger.ID{}, ""
	s.expectRules(t, s.expect(t), "bank debit rrn_date_amount")

	s = completed()
	s.line(ledger.SourceBank, ledger.LegDebit, monday+4, amount)
	s.expectRules(t, s.verdict(), "bank debit id_amount")
}

// What was declined or is only announced has moved nothing.
func TestWhatMovedNothing(t *testing.T) {
	s := settled(ledger.LegDebit, false).allTold(monday)
	l := s.line(ledger.SourceBank, ledger.LegDebit, monday, amount)
	l.Moved, l.Code = false, "Z9"
	s.expectRules(t, s.expect(t))
}

func TestAmountDiffers(t *testing.T) {
	s := completed().allTold(monday).tells(ledger.SourceBank, ledger.LegCredit).tells(ledger.SourceSwitch, ledger.LegCredit).tells(ledger.SourceSwitch, ledger.LegDebit)
	s.line(ledger.SourceBank, ledger.LegDebit, monday, amount-1)
	v := s.expect(t, "amount_differs of debit at NRMD: ours 25000 theirs 24999, yes yes yes, day +0")
	s.expectRules(t, v, "switch debit id_rrn_date_amount", "bank credit id_rrn_date_amount", "switch credit id_rrn_date_amount")
}

func TestDuplicates(t *testing.T) {
	s := completed().told(ledger.SourceBank, payerBank, monday, monday+1).tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceBank, ledger.LegDebit)
	s.expectRules(t, s.expect(t, "duplicate of debit at NRMD: ours 25000 theirs 50000, yes nothing yes, day +0"))

	// Also on two days, and where our book shows none.
	s = completed().told(ledger.SourceBank, payerBank, monday, monday+1).tells(ledger.SourceBank, ledger.LegDebit)
	s.line(ledger.SourceBank, ledger.LegDebit, monday+1, amount)
	s.expectRules(t, s.expect(t, "duplicate of debit at NRMD: ours 25000 theirs 50000, yes nothing yes, day +0"))
	s = settled(ledger.LegCredit, false).tells(ledger.SourceBank, ledger.LegCredit).tells(ledger.SourceBank, ledger.LegCredit)
	s.expectRules(t, s.expect(t, "duplicate of credit at KVRI: ours 0 theirs 50000, yes nothing no, day +0"))

	// A double debit of which one was given back is none.
	s = completed().told(ledger.SourceBank, payerBank, monday)
	s.tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceBank, ledger.LegDebitReversal)
	s.expectRules(t, s.expect(t), "bank debit id_rrn_date_amount", "bank debit cancelled", "bank debit_reversal cancelled")

	// The one that is not given back is that of the leg's own day.
	s = completed().told(ledger.SourceBank, payerBank, monday)
	s.line(ledger.SourceBank, ledger.LegDebit, monday-1, amount)
	s.tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceBank, ledger.LegDebitReversal)
	s.expectRules(t, s.expect(t), "bank debit cancelled", "bank debit id_rrn_date_amount", "bank debit_reversal cancelled")
}

// Two formats that name one movement differently tell of one; each counts its own.
func TestOneMovementInTwoFormats(t *testing.T) {
	s := completed().told(ledger.SourceBank, payerBank, monday).tells(ledger.SourceBank, ledger.LegDebit)
	l := s.line(ledger.SourceBank, ledger.LegDebit, monday, amount)
	l.RRN, l.By = "", ledger.KeyedByName
	s.expectRules(t, s.expect(t), "bank debit id_rrn_date_amount", "bank debit id_date_amount")
	l = s.line(ledger.SourceBank, ledger.LegDebit, monday, amount)
	l.RRN, l.By, l.ID.N = "", ledger.KeyedByName, 2
	s.expect(t, "duplicate of debit at NRMD: ours 25000 theirs 50000, yes nothing yes, day +0")

	// A format without the mark of a reversal tells of the same one too.
	s = newScene(noon, ledger.Reversed).asked(ledger.LegDebit, ledger.Approved).asked(ledger.LegDebitReversal, ledger.Approved)
	s.told(ledger.SourceBank, payerBank, monday).tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceBank, ledger.LegDebitReversal)
	s.line(ledger.SourceBank, ledger.LegDebitReversal, monday, amount).Reversal = false
	s.expect(t)
}

// A debit and its reversal that only one of the two shows undo each other.
func TestPairsCancel(t *testing.T) {
	s := settled(ledger.LegDebit, false).allTold(monday).tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceBank, ledger.LegDebitReversal)
	s.expectRules(t, s.expect(t), "bank debit cancelled", "bank debit_reversal cancelled")

	s = newScene(noon, ledger.Reversed).asked(ledger.LegDebit, ledger.Approved).asked(ledger.LegDebitReversal, ledger.Approved).allTold(monday)
	s.expectRules(t, s.expect(t))
	s.tells(ledger.SourceBank, ledger.LegDebit)
	s.expect(t, "not_at_bank of debit_reversal at NRMD: ours 0 theirs 25000, no no yes, day +0")
}

func TestLate(t *testing.T) {
	s := completed().told(ledger.SourceBank, payerBank, monday, monday+1, monday+2)
	s.line(ledger.SourceBank, ledger.LegDebit, monday+2, amount)
	s.expectRules(t, s.expect(t, "late of debit at NRMD: ours 25000 theirs 25000, yes nothing yes, day +0"), "bank debit id_amount")
	s.late = 2
	s.expect(t)

	// Who may take two days is not missed after one.
	s = completed().told(ledger.SourceBank, payerBank, monday, monday+1)
	s.late = 2
	s.expect(t)
	s.told(ledger.SourceBank, payerBank, monday+2).expect(t, "not_at_bank of debit at NRMD: ours 25000 theirs 0, no nothing yes, day +0")
}

func TestHanging(t *testing.T) {
	// Under way when the day was over.
	s := newScene(noon, ledger.Pending).asked(ledger.LegDebit, ledger.InDoubt)
	s.expect(t)
	s.told(ledger.SourceBank, payerBank, monday).expect(t, "hanging of debit at NRMD: ours 0 theirs 0, no nothing no, day +0")
	s.tells(ledger.SourceBank, ledger.LegDebit)
	s.expectRules(t, s.expect(t, "hanging of debit at NRMD: ours 0 theirs 25000, yes nothing no, day +0"), "bank debit id_rrn_date_amount")
	j := s.judge()
	j.Today = monday
	if v := j.Evaluate(&s.Case); len(v.Breaks) > 0 {
		t.Errorf("the day is not over: %q", showAll(v.Breaks))
	}

	// Made within the hour before midnight.
	late := time.Date(2026, 11, 20, 23, 30, 0, 0, india)
	made := func() *scene {
		return newScene(late, ledger.Completed).asked(ledger.LegDebit, ledger.Approved).told(ledger.SourceBank, payerBank, monday)
	}
	made().expect(t, "hanging of debit at NRMD: ours 25000 theirs 0, no nothing yes, day +0")
	made().told(ledger.SourceBank, payerBank, monday+1).expect(t, "not_at_bank of debit at NRMD: ours 25000 theirs 0, no nothing yes, day +0")
	s = made().told(ledger.SourceBank, payerBank, monday+1)
	s.line(ledger.SourceBank, ledger.LegDebit, monday+1, amount)
	s.expect(t, "hanging of debit at NRMD: ours 25000 theirs 25000, yes nothing yes, day +0")

	// A bank whose clock is behind ours.
	s = newScene(time.Date(2026, 11, 20, 0, 10, 0, 0, india), ledger.Completed).asked(ledger.LegDebit, ledger.Approved)
	s.line(ledger.SourceBank, ledger.LegDebit, monday-1, amount)
	s.expect(t, "hanging of debit at NRMD: ours 25000 theirs 25000, yes nothing yes, day +0")

	// A leg that went on over midnight may be booked on either day.
	s = newScene(time.Date(2026, 11, 20, 23, 59, 59, 500_000_000, india), ledger.Completed).asked(ledger.LegDebit, ledger.Approved)
	s.line(ledger.SourceBank, ledger.LegDebit, monday+1, amount)
	s.expect(t)
}

func deemed() *scene {
	return newScene(noon, ledger.Deemed).asked(ledger.LegDebit, ledger.Approved).asked(ledger.LegCredit, ledger.Silent).asked(ledger.LegCreditReversal, ledger.Silent)
}

func unresolved() *scene {
	return newScene(noon, ledger.Unresolved).asked(ledger.LegDebit, ledger.Silent).asked(ledger.LegDebitReversal, ledger.Silent)
}

func TestInDoubt(t *testing.T) {
	for _, c := range []struct {
		scene func() *scene
		there ledger.Leg
		back  ledger.Leg
		bank  string
	}{{deemed, ledger.LegCredit, ledger.LegCreditReversal, payeeBank}, {unresolved, ledger.LegDebit, ledger.LegDebitReversal, payerBank}} {
		of := fmt.Sprintf("in_doubt of %s at %s: ", c.there, c.bank)
		c.scene().expect(t)
		c.scene().tells(ledger.SourceBank, c.there).expect(t) // the rest of the day is not told
		told := func() *scene { return c.scene().told(ledger.SourceBank, c.bank, monday) }
		told().expect(t, of+"ours 0 theirs 0, no nothing no, day +0")
		s := told().tells(ledger.SourceBank, c.there)
		s.expectRules(t, s.expect(t, of+"ours 0 theirs 25000, yes nothing no, day +0"), fmt.Sprintf("bank %s id_rrn_date_amount", c.there))
		s = told().tells(ledger.SourceBank, c.there).tells(ledger.SourceBank, c.back)
		s.expectRules(t, s.expect(t, of+"ours 0 theirs 0, yes nothing no, day +0"), fmt.Sprintf("bank %s id_rrn_date_amount", c.there), fmt.Sprintf("bank %s id_rrn_date_amount", c.back))
		s = told().tells(ledger.SourceSwitch, c.there).told(ledger.SourceSwitch, c.bank, monday)
		s.expect(t, of+"ours 0 theirs 0, no yes no, day +0")
	}
	// Of a credit that was confirmed and whose reversal is unknown, the reversal is in doubt.
	s := newScene(noon, ledger.Deemed).asked(ledger.LegCredit, ledger.Approved).asked(ledger.LegCreditReversal, ledger.Silent)
	s.told(ledger.SourceBank, payeeBank, monday).tells(ledger.SourceBank, ledger.LegCredit)
	s.expect(t, "in_doubt of credit_reversal at KVRI: ours 25000 theirs 25000, no nothing no, day +0")
	// The payer's side of a deemed transfer is like any other.
	deemed().told(ledger.SourceBank, payerBank, monday).expect(t, "not_at_bank of debit at NRMD: ours 25000 theirs 0, no nothing yes, day +0")
}

func TestContradiction(t *testing.T) {
	contradicted := func() *scene {
		s := completed()
		s.Contradictions = []ledger.Contradiction{{Instruction: ledger.InstructionID{Transfer: s.Transfer.ID, Leg: ledger.LegCredit}, Was: ledger.Approved, Says: ledger.SaysDeclined}}
		return s
	}
	contradicted().expect(t, "contradiction of credit at KVRI: ours 25000 theirs 0, nothing nothing yes, day +0")
	contradicted().told(ledger.SourceBank, payeeBank, monday).expect(t, "contradiction of credit at KVRI: ours 25000 theirs 0, no nothing yes, day +0")
	contradicted().told(ledger.SourceBank, payeeBank, monday).tells(ledger.SourceBank, ledger.LegCredit).expect(t)
	contradicted().tells(ledger.SourceBank, ledger.LegCredit).expect(t)
	contradicted().told(ledger.SourceBank, payeeBank, monday).tells(ledger.SourceBank, ledger.LegCredit).tells(ledger.SourceBank, ledger.LegCredit).
		expect(t, "duplicate of credit at KVRI: ours 25000 theirs 50000, yes nothing yes, day +0")
}

func TestUnknownAccount(t *testing.T) {
	// At a bank that the transfer has nothing to do with.
	s := completed()
	l := s.line(ledger.SourceBank, ledger.LegDebit, monday, amount)
	l.ID.Bank, l.Account = "GDVR", ""
	s.expectRules(t, s.expect(t, "unknown_account of line of GDVR at GDVR: ours 0 theirs 25000, yes nothing no, day +0"))

	// On another account: then ours is missing too.
	s = completed().told(ledger.SourceBank, payeeBank, monday)
	s.line(ledger.SourceBank, ledger.LegCredit, monday, amount).Account = "111122223333"
	s.expectRules(t, s.expect(t, "unknown_account of line of KVRI at KVRI: ours 0 theirs 25000, yes nothing no, day +0",
		"not_at_bank of credit at KVRI: ours 25000 theirs 0, no nothing yes, day +0"))

	// And of another currency.
	s = completed()
	s.line(ledger.SourceBank, ledger.LegCredit, monday, amount).Amount.Currency = "USD"
	s.expect(t, "unknown_account of line of KVRI at KVRI: ours 0 theirs 25000, yes nothing no, day +0")

	for _, told := range []string{"", "123456789", "0000123456789", "IN00NRMD000123456789", "XXXXX6789", "Asha Rao", "9876512345@ok", "0001 2345 6789"} {
		s = completed()
		s.line(ledger.SourceBank, ledger.LegDebit, monday, amount).Account = told
		if s.expectRules(t, s.expect(t), "bank debit id_rrn_date_amount"); t.Failed() {
			t.Fatalf("account told as %q", told)
		}
	}
}

// Both ends at one bank: the account decides, and without it the mark of a reversal.
func TestOneBankForBoth(t *testing.T) {
	legs := func(change func(*ledger.BankLine)) *scene {
		s := completed()
		s.Transfer.Payee.Bank = payerBank
		s.told(ledger.SourceBank, payerBank, monday)
		for i := range s.Instructions {
			s.Instructions[i].Bank = payerBank
		}
		s.tells(ledger.SourceBank, ledger.LegDebit).tells(ledger.SourceBank, ledger.LegCredit)
		for i := range s.Lines {
			change(&s.Lines[i])
		}
		return s
	}
	for _, change := range []func(*ledger.BankLine){func(*ledger.BankLine) {}, func(l *ledger.BankLine) { l.Account = "" }} {
		s := legs(change)
		s.expectRules(t, s.expect(t), "bank debit id_rrn_date_amount", "bank credit id_rrn_date_amount")
	}
	// A credit on the payer's account is a reversal, marked or not.
	s := legs(func(*ledger.BankLine) {})
	s.line(ledger.SourceBank, ledger.LegDebitReversal, monday, amount).Reversal = false
	s.expect(t, "not_in_book of debit_reversal at NRMD: ours 25000 theirs 0, yes nothing no, day +0")
	l := s.line(ledger.SourceBank, ledger.LegCreditReversal, monday, amount)
	l.Account = ""
	s.expect(t, "not_in_book of debit_reversal at NRMD: ours 25000 theirs 0, yes nothing no, day +0", "not_in_book of credit_reversal at NRMD: ours 25000 theirs 0, yes nothing no, day +0")
}

// A correction puts our side in line, whatever the legs say; what is told later is held against it.
func TestCorrected(t *testing.T) {
	s := settled(ledger.LegCredit, true).told(ledger.SourceBank, payeeBank, monday)
	found := s.expect(t, "not_at_bank of credit at KVRI: ours 25000 theirs 0, no nothing yes, day +0").Breaks[0]
	fix := ledger.Correction{Break: found.ID, Transfer: s.Transfer.ID, Leg: found.Subject.Leg, Bank: payeeBank, Action: ledger.ToSuspense, Difference: found.Difference(), State: ledger.CorrectionApproved}
	s.Corrections = []ledger.Correction{fix}
	s.expect(t, "not_at_bank of credit at KVRI: ours 25000 theirs 0, no nothing yes, day +0")
	s.Corrections[0].State = ledger.CorrectionApplied
	s.expect(t)
	s.line(ledger.SourceBank, ledger.LegCredit, monday+3, amount)
	s.expect(t, "not_in_book of credit at KVRI: ours 0 theirs 25000, yes nothing no, day +0")

	// The correction of a line is none of a side.
	s = completed().told(ledger.SourceBank, payeeBank, monday)
	s.line(ledger.SourceBank, ledger.LegCredit, monday, amount).Account = "111122223333"
	for _, b := range s.verdict().Breaks {
		if b.Class == ledger.ClassUnknownAccount {
			s.Corrections = []ledger.Correction{{Break: b.ID, Transfer: s.Transfer.ID, Leg: b.Subject.Leg, Bank: payeeBank, Action: ledger.ToSuspense, Difference: b.Difference(), State: ledger.CorrectionApplied}}
		}
	}
	s.expect(t, "not_at_bank of credit at KVRI: ours 25000 theirs 0, no nothing yes, day +0")
}

func TestWallets(t *testing.T) {
	s := newScene(noon, ledger.Completed).asked(ledger.LegCredit, ledger.Approved)
	s.Transfer.Payer, s.Transfer.Kind = ledger.End{}, ledger.Payout
	s.allTold(monday).told(ledger.SourceBank, "", monday)
	s.expect(t, "not_at_bank of credit at KVRI: ours 25000 theirs 0, no no yes, day +0")
	s.tells(ledger.SourceBank, ledger.LegCredit).tells(ledger.SourceSwitch, ledger.LegCredit)
	s.expectRules(t, s.expect(t), "bank credit id_rrn_date_amount", "switch credit id_rrn_date_amount")
}

// The order in which anything comes does not matter.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		states := []ledger.State{ledger.Pending, ledger.Debited, ledger.Completed, ledger.Failed, ledger.Reversing, ledger.Reversed, ledger.Deemed, ledger.Unresolved}
		s := newScene(noon, rapid.SampledFrom(states).Draw(t, "state"))
		if rapid.Bool().Draw(t, "one bank") {
			s.Transfer.Payee.Bank = payerBank
		}
		for leg := ledger.LegDebit; leg <= ledger.LegCreditReversal; leg++ {
			if rapid.Bool().Draw(t, "asked") {
				s.asked(leg, ledger.InstructionState(rapid.IntRange(int(ledger.Sent), int(ledger.Silent)).Draw(t, "instruction")))
			}
			if rapid.IntRange(0, 5).Draw(t, "contradicted") == 0 {
				s.Contradictions = append(s.Contradictions, ledger.Contradiction{Instruction: ledger.InstructionID{Transfer: s.Transfer.ID, Leg: leg}})
			}
		}
		for range rapid.IntRange(0, 8).Draw(t, "lines") {
			l := s.line(ledger.Source(rapid.IntRange(1, 2).Draw(t, "source")), ledger.Leg(rapid.IntRange(1, 4).Draw(t, "leg")),
				monday+ledger.Day(rapid.IntRange(-1, 2).Draw(t, "day")), amount+int64(rapid.IntRange(0, 1).Draw(t, "more")))
			l.By = ledger.KeyedBy(rapid.IntRange(1, 4).Draw(t, "by"))
			l.Reversal = rapid.Bool().Draw(t, "reversal")
			l.ID.Bank = rapid.SampledFrom([]string{payerBank, payeeBank, "GDVR", "XXXX"}).Draw(t, "bank")
			if rapid.Bool().Draw(t, "unaccounted") {
				l.Account = ""
			}
		}
		for d := monday - 1; d <= monday+2; d++ {
			if rapid.Bool().Draw(t, "told") {
				s.allTold(d)
			}
		}
		want := s.verdict()
		if !slices.IsSortedFunc(want.Matches, ledger.Match.Compare) || len(slices.CompactFunc(slices.Clone(want.Matches), func(a, b ledger.Match) bool { return a.Compare(b) == 0 })) != len(want.Matches) {
			t.Fatalf("matches are out of order or twice: %v", want.Matches)
		}
		s.Lines = rapid.Permutation(s.Lines).Draw(t, "lines in another order")
		s.Instructions = rapid.Permutation(s.Instructions).Draw(t, "instructions in another order")
		s.Contradictions = rapid.Permutation(s.Contradictions).Draw(t, "contradictions in another order")
		if got := s.verdict(); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

// A payout that ended without its payee having the money is told of until it is paid again.
func TestPayoutFailed(t *testing.T) {
	payout := func(state ledger.State, said ledger.InstructionState) *scene {
		s := newScene(noon, state).asked(ledger.LegCredit, said)
		s.Transfer.Payer, s.Transfer.Kind = ledger.End{}, ledger.Payout
		return s
	}
	payout(ledger.Reversed, ledger.Declined).expect(t, "payout_failed of credit at KVRI: ours 0 theirs 0, nothing nothing no, day +0")
	payout(ledger.Completed, ledger.Approved).expect(t)
	payout(ledger.Debited, ledger.Sent).expect(t)
	s := payout(ledger.Reversed, ledger.Declined)
	s.Transfer.Kind = ledger.Payment
	s.expect(t)
}
