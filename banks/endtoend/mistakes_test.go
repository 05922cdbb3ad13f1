package endtoend

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"bahi/banks/sim"
	"bahi/ledger"
)

// expected is a break as it must be found.
type expected struct {
	Class    ledger.Class
	Transfer ledger.ID // zero where the line names none that is known
	Payee    bool      // the side
	Line     bool      // it is about a line, not about a leg
	Bank     string
	Ours     int64
	Theirs   int64
}

// mistakes plants mistakes and notes what must be found of each, and what mends it.
type mistakes struct {
	*world
	rng      *rand.Rand
	day      ledger.Day // on which the transfers were made
	tellers  map[string]*teller
	journals map[string]map[ledger.InstructionID]sim.Entry
	rows     []row // the switch's

	free     []ledger.Transfer // of which nothing wrong is told yet
	finds    map[expected]ledger.Action
	lies     map[string]int64 // by bank: what is told to have been taken beside what was
	suspense int64            // what nobody can explain in the end
	planted  map[ledger.Class]int
	applied  []ledger.Correction
}

func (m *mistakes) expect(e expected, a ledger.Action, lie int64) {
	m.Helper()
	if _, twice := m.finds[e]; twice {
		m.Fatalf("%+v is expected twice", e)
	}
	m.finds[e] = a
	m.lies[e.Bank] += lie
	m.planted[e.Class]++
	if a == ledger.ToSuspense { // what a bank took too much is held there, what it gave is missing
		m.suspense += lie
	}
}

// victim takes a transfer that fits out of the free ones.
func (m *mistakes) victim(fits func(*ledger.Transfer) bool) ledger.Transfer {
	m.Helper()
	for i := range m.free {
		if fits(&m.free[i]) {
			t := m.free[i]
			m.free = slices.Delete(m.free, i, i+1)
			return t
		}
	}
	m.Fatal("no transfer is left to be told wrong")
	panic("unreachable")
}

// legs are those of a plain payment, one for each side.
var legs = []ledger.Leg{ledger.LegDebit, ledger.LegCredit}

func either[T any](leg ledger.Leg, payer, payee T) T {
	if leg.PayeeSide() {
		return payee
	}
	return payer
}

// plant plants so many mistakes of each kind.
func (m *mistakes) plant(n int) {
	m.Helper()
	for range n {
		for _, leg := range legs {
			m.removed(leg)
			m.invented(leg)
			m.changed(leg, 1_00)
			m.changed(leg, -50)
			m.doubled(leg)
			m.booked(leg, ledger.ClassLate, m.victim(completed(names, names)))
			m.booked(leg, ledger.ClassHanging, m.victim(m.atCutOff))
			m.elsewhere(leg)
			m.changedWithoutName(leg)
			m.lateWithoutName(leg)
			m.removedRow(leg)
		}
		m.undone()
		m.ofNobody("NRMD")
		m.ofNobody("KVRI")
		m.onlyRow()
		m.strangeRow()
		m.rowOfNobody()
		m.contradicted()
	}
}

// removed: the bank has done it and does not tell.
func (m *mistakes) removed(leg ledger.Leg) {
	m.remove(leg, m.victim(completed(some, some)), ledger.ClassNotAtBank)
}

func (m *mistakes) remove(leg ledger.Leg, t ledger.Transfer, class ledger.Class) {
	m.Helper()
	e := m.did(&t, leg)
	m.tell(bankOf(&t, leg), e.ID)
	m.expect(expected{Class: class, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: bankOf(&t, leg), Ours: e.Amount},
		either(leg, ledger.ToSuspense, ledger.CreditLater), -e.Net())
}

// invented: the bank tells of a debit that it declined, or of a credit.
func (m *mistakes) invented(leg ledger.Leg) {
	state := either(leg, ledger.Failed, ledger.Reversed)
	m.invent(leg, m.victim(func(t *ledger.Transfer) bool { return t.State == state && two(t) && plain(t) }), ledger.ClassNotInBook)
}

func (m *mistakes) invent(leg ledger.Leg, t ledger.Transfer, class ledger.Class) {
	m.Helper()
	bank, e := bankOf(&t, leg), fiction(&t, leg, bankOf(&t, leg))
	m.tellers[bank].invents[m.day] = append(m.tellers[bank].invents[m.day], e)
	m.expect(expected{Class: class, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: bank, Theirs: e.Amount},
		either(leg, ledger.RefundPayer, ledger.ToSuspense), e.Net())
}

// changed: the bank tells of it with more, or less, than it was.
func (m *mistakes) changed(leg ledger.Leg, by int64) {
	t := m.victim(completed(names, names))
	e := m.did(&t, leg)
	other := e
	other.Amount += by
	m.tell(bankOf(&t, leg), e.ID, other)
	action := ledger.ToSuspense
	switch {
	case !leg.PayeeSide() && by > 0:
		action = ledger.RefundPayer
	case leg.PayeeSide() && by < 0:
		action = ledger.CreditLater
	}
	m.expect(expected{Class: ledger.ClassAmountDiffers, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: bankOf(&t, leg), Ours: e.Amount, Theirs: other.Amount},
		action, other.Net()-e.Net())
}

// doubled: the bank tells of it twice.
func (m *mistakes) doubled(leg ledger.Leg) {
	t := m.victim(completed(some, some))
	e := m.did(&t, leg)
	m.tell(bankOf(&t, leg), e.ID, e, e)
	m.expect(expected{Class: ledger.ClassDuplicate, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: bankOf(&t, leg), Ours: e.Amount, Theirs: 2 * e.Amount},
		either(leg, ledger.RefundPayer, ledger.ToSuspense), e.Net())
}

// booked: the bank tells of it a day later, by mistake or since its own day was over.
func (m *mistakes) booked(leg ledger.Leg, class ledger.Class, t ledger.Transfer) {
	e := m.did(&t, leg)
	m.postpone(bankOf(&t, leg), e)
	m.expect(expected{Class: class, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: bankOf(&t, leg), Ours: e.Amount, Theirs: e.Amount}, 0, 0)
}

func (m *mistakes) postpone(bank string, e sim.Entry) {
	m.tell(bank, e.ID)
	m.tellers[bank].invents[m.day+1] = append(m.tellers[bank].invents[m.day+1], e)
}

// elsewhere: a bank tells of it that has nothing to do with it.
func (m *mistakes) elsewhere(leg ledger.Leg) {
	t := m.victim(completed(names, names))
	third := slices.IndexFunc(codes, func(code string) bool { return code != t.Payer.Bank && code != t.Payee.Bank && names(code) })
	bank := codes[third]
	e := fiction(&t, leg, bank)
	m.tellers[bank].invents[m.day] = append(m.tellers[bank].invents[m.day], e)
	m.expect(expected{Class: ledger.ClassUnknownAccount, Transfer: t.ID, Payee: leg.PayeeSide(), Line: true, Bank: bank, Theirs: e.Amount}, ledger.ToSuspense, e.Net())
}

// changedWithoutName: another amount, of a bank that tells no names: nothing shows
// that it is the same movement.
func (m *mistakes) changedWithoutName(leg ledger.Leg) {
	t := m.victim(nameless(leg))
	e := m.did(&t, leg)
	other := e
	other.Amount += 3
	m.tell("KVRI", e.ID, other)
	m.unmatched(leg, &t, e, other)
}

// lateWithoutName: likewise, on another day.
func (m *mistakes) lateWithoutName(leg ledger.Leg) {
	t := m.victim(nameless(leg))
	e := m.did(&t, leg)
	m.postpone("KVRI", e)
	m.unmatched(leg, &t, e, e)
}

func nameless(leg ledger.Leg) func(*ledger.Transfer) bool {
	kaveri := func(bank string) bool { return bank == "KVRI" }
	return either(leg, completed(kaveri, some), completed(some, kaveri))
}

func (m *mistakes) unmatched(leg ledger.Leg, t *ledger.Transfer, was, told sim.Entry) {
	m.Helper()
	m.expect(expected{Class: ledger.ClassNotAtBank, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: "KVRI", Ours: was.Amount},
		either(leg, ledger.ToSuspense, ledger.CreditLater), -was.Net())
	m.expect(expected{Class: ledger.ClassNotInBook, Payee: leg.PayeeSide(), Line: true, Bank: "KVRI", Theirs: told.Amount}, ledger.ToSuspense, told.Net())
}

// undone: the bank tells of a debit that it declined, and that it was taken back.
// That is no break: nothing moved.
func (m *mistakes) undone() {
	t := m.victim(func(t *ledger.Transfer) bool { return t.State == ledger.Failed && two(t) && plain(t) })
	c := m.tellers[t.Payer.Bank]
	c.invents[m.day] = append(c.invents[m.day], fiction(&t, ledger.LegDebit, t.Payer.Bank), fiction(&t, ledger.LegDebitReversal, t.Payer.Bank))
}

// ofNobody: the bank tells of a transfer that is not ours.
func (m *mistakes) ofNobody(bank string) {
	t := ledger.Transfer{ID: m.newID(), RRN: m.newRRN(), Created: m.day.Time(zone).Add(15 * time.Hour).UnixMicro(),
		Amount: ledger.Amount{Minor: 10_00 + m.rng.Int64N(1_000_000), Currency: "INR"}, Payee: at(bank, account(1))}
	e := fiction(&t, ledger.LegCredit, bank)
	m.tellers[bank].invents[m.day] = append(m.tellers[bank].invents[m.day], e)
	want := expected{Class: ledger.ClassNotInBook, Payee: true, Line: true, Bank: bank, Theirs: e.Amount}
	if names(bank) {
		want.Transfer = t.ID
	}
	m.expect(want, ledger.ToSuspense, e.Net())
}

// removedRow: the switch does not tell one of the two banks' rows.
func (m *mistakes) removedRow(leg ledger.Leg) {
	t := m.victim(completed(some, some))
	m.rows = slices.DeleteFunc(m.rows, func(r row) bool { return r.t.ID == t.ID && r.bank == bankOf(&t, leg) })
	m.expect(expected{Class: ledger.ClassNotAtSwitch, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: bankOf(&t, leg), Ours: t.Amount.Minor, Theirs: t.Amount.Minor}, 0, 0)
}

// onlyRow: the switch tells the payer's bank that a payment was approved that was declined.
func (m *mistakes) onlyRow() {
	t := m.victim(func(t *ledger.Transfer) bool { return t.State == ledger.Failed && two(t) && plain(t) })
	i := slices.IndexFunc(m.rows, func(r row) bool { return r.t.ID == t.ID && r.bank == t.Payer.Bank })
	m.rows[i].code = "00"
	m.expect(expected{Class: ledger.ClassOnlyAtSwitch, Transfer: t.ID, Bank: t.Payer.Bank}, 0, 0)
}

// strangeRow: the switch tells of another payer's account.
func (m *mistakes) strangeRow() {
	t := m.victim(completed(some, some))
	i := slices.IndexFunc(m.rows, func(r row) bool { return r.t.ID == t.ID && r.bank == t.Payer.Bank })
	m.rows[i].t.Payer.Account = "7777777777"
	m.expect(expected{Class: ledger.ClassNotAtSwitch, Transfer: t.ID, Bank: t.Payer.Bank, Ours: t.Amount.Minor, Theirs: t.Amount.Minor}, 0, 0)
	m.expect(expected{Class: ledger.ClassOnlyAtSwitch, Transfer: t.ID, Line: true, Bank: t.Payer.Bank}, 0, 0)
}

// rowOfNobody: the switch tells of a transfer that nobody knows.
func (m *mistakes) rowOfNobody() {
	t := ledger.Transfer{ID: m.newID(), RRN: m.newRRN(), Created: m.day.Time(zone).Add(15 * time.Hour).UnixMicro(), Amount: ledger.Amount{Minor: 77_00, Currency: "INR"},
		Payer: at("NRMD", account(1)), Payee: at("STLJ", account(2))}
	m.rows = append(m.rows, row{"NRMD", t, "00"})
	m.expect(expected{Class: ledger.ClassOnlyAtSwitch, Transfer: t.ID, Line: true, Bank: "NRMD"}, 0, 0)
}

// contradicted: the bank has said two things of a leg, and its statement agrees with
// the one that the book does not show. Where it agrees with the other one all is well.
func (m *mistakes) contradicted() {
	with := func(minor int64, s ledger.State) ledger.Transfer {
		m.Helper()
		return m.victim(func(t *ledger.Transfer) bool { return t.Amount.Minor == minor && t.State == s && two(t) })
	}
	m.remove(ledger.LegDebit, with(contradicting[0], ledger.Completed), ledger.ClassContradiction)
	m.invent(ledger.LegDebit, with(contradicting[1], ledger.Failed), ledger.ClassContradiction)
	m.remove(ledger.LegCredit, with(contradicting[2], ledger.Completed), ledger.ClassContradiction)
	m.invent(ledger.LegCredit, with(contradicting[3], ledger.Reversed), ledger.ClassContradiction)
}

// tell has a bank tell something else in place of what it did.
func (m *mistakes) tell(bank string, id ledger.InstructionID, instead ...sim.Entry) {
	m.tellers[bank].wrong[id] = instead
}

// fiction is an entry that no bank has made.
func fiction(t *ledger.Transfer, leg ledger.Leg, bank string) sim.Entry {
	end, _ := t.Ends(leg)
	return sim.Entry{ID: ledger.InstructionID{Transfer: t.ID, Leg: leg}, Account: end.Account, Amount: t.Amount.Minor, RRN: t.RRN,
		Ref: bank + "X" + t.RRN[3:], At: time.UnixMicro(t.Created)}
}

func bankOf(t *ledger.Transfer, leg ledger.Leg) string {
	end, _ := t.Ends(leg)
	return end.Bank
}

// did is what a bank did for a transfer.
func (m *mistakes) did(t *ledger.Transfer, leg ledger.Leg) sim.Entry {
	m.Helper()
	e, ok := m.journals[bankOf(t, leg)][ledger.InstructionID{Transfer: t.ID, Leg: leg}]
	if !ok {
		m.Fatalf("%s has not done the %s of %s", bankOf(t, leg), leg, t.ID.TransferRef())
	}
	return e
}

// The kinds of transfers that may be told wrong.

func some(string) bool { return true }

func two(t *ledger.Transfer) bool {
	return t.Payer.Bank != "" && t.Payee.Bank != "" && t.Payer.Bank != t.Payee.Bank
}

// plain says whether nothing odd is asked of its banks.
func plain(t *ledger.Transfer) bool {
	return t.Amount.Minor < 9000_00 && !strings.HasPrefix(t.Payer.Account, "9") && !strings.HasPrefix(t.Payee.Account, "9")
}

// completed are plain payments between two banks of a kind, made by day.
func completed(payer, payee func(bank string) bool) func(*ledger.Transfer) bool {
	return func(t *ledger.Transfer) bool {
		return t.State == ledger.Completed && two(t) && plain(t) && payer(t.Payer.Bank) && payee(t.Payee.Bank) && !lateAtNight(t)
	}
}

// atCutOff are those that were made when banks may end their day.
func (m *mistakes) atCutOff(t *ledger.Transfer) bool {
	return t.State == ledger.Completed && two(t) && plain(t) && names(t.Payer.Bank) && names(t.Payee.Bank) && lateAtNight(t)
}

func lateAtNight(t *ledger.Transfer) bool { return time.UnixMicro(t.Created).In(zone).Hour() == 23 }
