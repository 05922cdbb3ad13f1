package sim

import (
	"fmt"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// Kind is a way in which a bank treats an instruction.
type Kind uint8

// The kinds.
const (
	Approves       Kind = iota // does it, or declines it by its own rules
	Declines                   // declines with Code; a reversal: only the first time and Again times more
	Unreachable                // is never reached: banks.ErrNotSent
	Delays                     // answers After
	Pends                      // answers "pending", and reports the outcome After
	TimesOutBefore             // does nothing and gives no answer, nor to Again questions more
	TimesOutAfter              // does it and gives no answer, nor to Again questions more
	AnswersTwice               // answers, and reports the same again After
	AnswersLate                // does it and gives no answer, but reports it After
	Contradicts                // approves and reports a refusal After; with a Code: declines and reports an approval
	Stands                     // of a credit's reversal: acts as if the payee had spent the money
)

// Forever, as an Act's Again, has no end.
const Forever = 1 << 30

// Act is how a bank treats one leg.
type Act struct {
	Does  Kind
	Code  string        // the response code that it declines with
	After time.Duration // since the instruction came
	// Again is how many questions get no answer after the first: status checks
	// of a debit or a credit, new tries of a reversal. A restart counts anew, and
	// each process that has the bank open counts by itself.
	Again int
}

// Behaviour says how each leg is treated; a leg that it does not name is treated plainly.
type Behaviour map[ledger.Leg]Act

// check refuses what would quietly be treated plainly.
func (b Behaviour) check() error {
	for leg, act := range b {
		_, reversal := original(ledger.InstructionID{Leg: leg})
		switch {
		case leg < debit || leg > creditReversal:
			return fmt.Errorf("%d is not a leg", leg)
		case act.Does > Stands:
			return fmt.Errorf("%s: unknown kind %d", leg, act.Does)
		case act.Does == Declines && (act.Code == "" || act.Code == approved):
			return fmt.Errorf("%s: it declines with code %q", leg, act.Code)
		case act.Does == Contradicts && reversal && act.Code != "":
			return fmt.Errorf("%s: a reversal that declines first can only be tried again", leg)
		case act.Does == Stands && leg != creditReversal:
			return fmt.Errorf("%s: only a credit can be found to stand", leg)
		}
	}
	return nil
}

// Magic is an amount that makes every simulated bank behave in a way of its own.
type Magic struct {
	Minor     int64 // paise: only INR has magic amounts
	Name      string
	Does      string       // one line for people
	Ends      ledger.State // what the transfer comes to under the default policy, both its ends at simulated banks
	Behaviour Behaviour
}

// Amount is the amount to pay.
func (m *Magic) Amount() ledger.Amount { return ledger.Amount{Minor: m.Minor, Currency: magicCurrency} }

const magicCurrency = "INR"

const (
	debit          = ledger.LegDebit
	credit         = ledger.LegCredit
	debitReversal  = ledger.LegDebitReversal
	creditReversal = ledger.LegCreditReversal
)

// Reports come soon after the answer, or after the 15 s that a bank has to give one.
const (
	soon = time.Second
	slow = 2 * time.Second
	late = 20 * time.Second
)

// Acts that several amounts share.
var (
	payeeUnknown = Act{Does: Declines, Code: "XI"}
	neverTells   = Act{Does: TimesOutAfter, Again: Forever} // it has done it
	neverHears   = Act{Does: TimesOutBefore, Again: Forever}
)

// Amounts are the magic amounts: 91xx for the debit, 92xx for the credit, 93xx for reversals.
var Amounts = []Magic{
	{9101_00, "insufficient-funds", "the payer's bank declines with Z9", ledger.Failed,
		Behaviour{debit: {Does: Declines, Code: "Z9"}}},
	{9102_00, "wrong-pin", "the payer's bank declines with ZM", ledger.Failed,
		Behaviour{debit: {Does: Declines, Code: "ZM"}}},
	{9103_00, "payer-unreachable", "the payer's bank cannot be reached (U28)", ledger.Failed,
		Behaviour{debit: {Does: Unreachable}}},
	{9104_00, "debit-lost", "the debit times out and was not done", ledger.Failed,
		Behaviour{debit: {Does: TimesOutBefore}}},
	{9105_00, "debit-answer-lost", "the debit times out and turns out done", ledger.Reversed,
		Behaviour{debit: {Does: TimesOutAfter}}},
	{9106_00, "debit-silent-twice", "the debit times out, two status checks too, and turns out done", ledger.Reversed,
		Behaviour{debit: {Does: TimesOutAfter, Again: 2}}},
	{9107_00, "debit-silent-done", "the debit is done, but the payer's bank is silent for ever", ledger.Unresolved,
		Behaviour{debit: neverTells, debitReversal: neverHears}},
	{9108_00, "debit-silent-lost", "the debit is not done, and the payer's bank is silent for ever", ledger.Unresolved,
		Behaviour{debit: neverHears, debitReversal: neverHears}},
	{9109_00, "debit-twice", "the debit is approved, and again a second later", ledger.Completed,
		Behaviour{debit: {Does: AnswersTwice, After: soon}}},
	{9110_00, "debit-late", "the debit is approved after 20 s, past its time", ledger.Reversed,
		Behaviour{debit: {Does: AnswersLate, After: late}}},
	{9111_00, "debit-approved-then-declined", "the debit is approved and done, and a second later called declined", ledger.Completed,
		Behaviour{debit: {Does: Contradicts, After: soon}}},
	{9112_00, "debit-declined-then-approved", "the debit is declined and not done, and a second later called approved", ledger.Failed,
		Behaviour{debit: {Does: Contradicts, Code: "XB", After: soon}}},
	{9113_00, "debit-pending", "the debit is pending and approved two seconds later", ledger.Completed,
		Behaviour{debit: {Does: Pends, After: slow}}},
	{9114_00, "debit-slow", "the debit is approved after two seconds", ledger.Completed,
		Behaviour{debit: {Does: Delays, After: slow}}},

	{9201_00, "payee-unknown", "the payee's bank declines with XI", ledger.Reversed,
		Behaviour{credit: payeeUnknown}},
	{9202_00, "payee-frozen", "the payee's bank declines with YF", ledger.Reversed,
		Behaviour{credit: {Does: Declines, Code: "YF"}}},
	{9203_00, "payee-unreachable", "the payee's bank cannot be reached", ledger.Reversed,
		Behaviour{credit: {Does: Unreachable}}},
	{9204_00, "credit-lost", "the credit times out and was not done", ledger.Reversed,
		Behaviour{credit: {Does: TimesOutBefore}}},
	{9205_00, "credit-answer-lost", "the credit times out and turns out done", ledger.Completed,
		Behaviour{credit: {Does: TimesOutAfter}}},
	{9206_00, "credit-silent-twice", "the credit times out, two status checks too, and turns out done", ledger.Completed,
		Behaviour{credit: {Does: TimesOutAfter, Again: 2}}},
	{9207_00, "credit-silent-done", "the credit is done, but the payee's bank is silent for ever", ledger.Deemed,
		Behaviour{credit: neverTells, creditReversal: neverHears}},
	{9208_00, "credit-silent-lost", "the credit is not done, and the payee's bank is silent for ever", ledger.Deemed,
		Behaviour{credit: neverHears, creditReversal: neverHears}},
	{9209_00, "credit-twice", "the credit is approved, and again a second later", ledger.Completed,
		Behaviour{credit: {Does: AnswersTwice, After: soon}}},
	{9210_00, "credit-late", "the credit is approved after 20 s, past its time", ledger.Completed,
		Behaviour{credit: {Does: AnswersLate, After: late}}},
	{9211_00, "credit-approved-then-declined", "the credit is approved and done, and a second later called declined", ledger.Completed,
		Behaviour{credit: {Does: Contradicts, After: soon}}},
	{9212_00, "credit-declined-then-approved", "the credit is declined and not done, and a second later called approved", ledger.Reversed,
		Behaviour{credit: {Does: Contradicts, Code: "XC", After: soon}}},
	{9213_00, "credit-pending", "the credit is pending and approved two seconds later", ledger.Completed,
		Behaviour{credit: {Does: Pends, After: slow}}},
	{9214_00, "credit-slow", "the credit is approved after two seconds", ledger.Completed,
		Behaviour{credit: {Does: Delays, After: slow}}},

	{9301_00, "reversal-declined-twice", "the credit is declined; the debit's reversal is declined twice, then done", ledger.Reversed,
		Behaviour{credit: payeeUnknown, debitReversal: {Does: Declines, Code: "96", Again: 1}}},
	{9302_00, "reversal-lost-twice", "the credit is declined; the debit's reversal is lost twice, then done", ledger.Reversed,
		Behaviour{credit: payeeUnknown, debitReversal: {Does: TimesOutBefore, Again: 1}}},
	{9303_00, "reversal-answer-lost", "the credit is declined; the debit's reversal is done, its first answer lost", ledger.Reversed,
		Behaviour{credit: payeeUnknown, debitReversal: {Does: TimesOutAfter}}},
	{9304_00, "reversal-declined", "the credit is declined; the debit's reversal is declined for ever", ledger.Unresolved,
		Behaviour{credit: payeeUnknown, debitReversal: {Does: Declines, Code: "96", Again: Forever}}},
	{9305_00, "reversal-silent", "the credit is declined; to the debit's reversal the bank is silent for ever", ledger.Unresolved,
		Behaviour{credit: payeeUnknown, debitReversal: neverHears}},
	{9306_00, "reversal-pending", "the credit is declined; the debit's reversal is pending and done two seconds later", ledger.Reversed,
		Behaviour{credit: payeeUnknown, debitReversal: {Does: Pends, After: slow}}},
	{9307_00, "reversal-twice", "the credit is declined; the debit's reversal is approved, and again a second later", ledger.Reversed,
		Behaviour{credit: payeeUnknown, debitReversal: {Does: AnswersTwice, After: soon}}},
	{9308_00, "credit-undone", "the credit is done in silence; its reversal takes it back", ledger.Reversed,
		Behaviour{credit: neverTells}},
	{9309_00, "credit-spent", "the credit is done in silence; its reversal finds the money spent (CS)", ledger.Completed,
		Behaviour{credit: neverTells, creditReversal: {Does: Stands}}},
	{9310_00, "credit-never-seen", "the credit is lost in silence; its reversal finds nothing to undo (OC)", ledger.Reversed,
		Behaviour{credit: neverHears}},
	{9311_00, "credit-reversal-declined-twice", "the credit is done in silence; its reversal is declined twice, then done", ledger.Reversed,
		Behaviour{credit: neverTells, creditReversal: {Does: Declines, Code: "96", Again: 1}}},
}

// magicByMinor finds a magic amount's behaviour.
var magicByMinor = func() map[int64]Behaviour {
	byMinor := make(map[int64]Behaviour, len(Amounts))
	for _, m := range Amounts {
		if _, twice := byMinor[m.Minor]; twice {
			panic(fmt.Sprintf("sim: the magic amount %d is listed twice", m.Minor))
		}
		byMinor[m.Minor] = m.Behaviour
	}
	return byMinor
}()

// actOn is how the bank treats an instruction: by its account, or else by its
// amount, or else by its profile.
func (b *Bank) actOn(i *banks.Instruction) Act {
	if act, ok := b.cfg.Behaviours[i.Account.Number][i.ID.Leg]; ok {
		return act
	}
	if magic, ok := magicByMinor[i.Amount.Minor]; ok && i.Amount.Currency == magicCurrency {
		return magic[i.ID.Leg]
	}
	return b.manner.Load().profile.act(i.ID)
}
