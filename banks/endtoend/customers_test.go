package endtoend

import (
	"slices"
	"time"

	"bahi/banks/sim"
	"bahi/ledger"
)

// Accounts at which the banks do as they should not. A payer's and a payee's may
// be at any bank.
const (
	payerTakenInSilence  = "9100000001" // debited, and never a word of it
	payerLostInSilence   = "9100000002" // not debited, and never a word of it
	payerNeverReversed   = "9100000003" // to the reversal of a debit, not done, never a word
	payerReversedSilence = "9100000004" // to the reversal of a debit, done, never a word
	payeeGivenInSilence  = "9200000001"
	payeeLostInSilence   = "9200000002"
	payeeUndoneInSilence = "9200000003" // credited and that undone, never a word
	payeeRefused         = "9200000004"
	payeeAnswerLost      = "9200000005" // credited, which is only told when it is asked for
)

var (
	done = sim.Act{Does: sim.TimesOutAfter, Again: sim.Forever}
	lost = sim.Act{Does: sim.TimesOutBefore, Again: sim.Forever}
)

var oddities = map[string]sim.Behaviour{
	payerTakenInSilence:  {ledger.LegDebit: done, ledger.LegDebitReversal: lost},
	payerLostInSilence:   {ledger.LegDebit: lost, ledger.LegDebitReversal: lost},
	payerNeverReversed:   {ledger.LegDebit: {}, ledger.LegDebitReversal: lost},
	payerReversedSilence: {ledger.LegDebit: {}, ledger.LegDebitReversal: done},
	payeeGivenInSilence:  {ledger.LegCredit: done, ledger.LegCreditReversal: lost},
	payeeLostInSilence:   {ledger.LegCredit: lost, ledger.LegCreditReversal: lost},
	payeeUndoneInSilence: {ledger.LegCredit: done, ledger.LegCreditReversal: done},
	payeeRefused:         {ledger.LegCredit: {Does: sim.Declines, Code: "XI"}},
	payeeAnswerLost:      {ledger.LegCredit: {Does: sim.TimesOutAfter}},
}

// inSilence are payments that end in doubt.
var inSilence = []struct{ payer, payee string }{
	{payerTakenInSilence, ""}, {payerLostInSilence, ""}, {payerNeverReversed, payeeRefused}, {payerReversedSilence, payeeRefused},
	{"", payeeGivenInSilence}, {"", payeeLostInSilence}, {"", payeeUndoneInSilence},
}

// stubborn are the magic amounts whose bank stays silent, or says no, for good,
// however often and by whomever it is asked: nobody but the bank can mend these.
var stubborn = []int64{9107_00, 9304_00, 9305_00}

// contradicting are the magic amounts of which a bank says two things: of a debit,
// approved and then declined, or the other way round, and of a credit likewise.
var contradicting = []int64{9111_00, 9112_00, 9211_00, 9212_00}

// spend makes a day's transfers, a batch every few seconds, so that a bank that is
// silent to some has answered others meanwhile and is not left alone.
func (w *world) spend(many int) {
	w.Helper()
	const batch = 250
	wallets := make([]ledger.ID, 20)
	for i := range wallets {
		wallets[i] = w.newID()
	}
	for made := 0; made < many; made += batch {
		var all []ledger.CreateTransfer
		for n := made; n < min(many, made+batch); n++ {
			all = append(all, w.transfer(n, wallets))
		}
		w.make(all...)
		time.Sleep(5 * time.Second)
	}
}

// transfer is the n-th of a day.
func (w *world) transfer(n int, wallets []ledger.ID) ledger.CreateTransfer {
	payer, payee := at(codes[w.rng.IntN(len(codes))], account(n%997)), at(codes[w.rng.IntN(len(codes))], account(1000+n%991))
	wallet := ledger.End{Party: wallets[n%len(wallets)], Name: "somebody"}
	amount := 1_00 + w.rng.Int64N(2_000_00)
	switch {
	case n%50 == 7:
		magic := sim.Amounts[n/50%len(sim.Amounts)].Minor
		if slices.Contains(stubborn, magic) {
			magic = 9201_00
		}
		return w.payment(ledger.Payment, payer, payee, magic)
	case n%100 == 43:
		return w.payment(ledger.Payment, payer, payee, contradicting[n/100%len(contradicting)])
	case n%50 == 17:
		odd := inSilence[n/50%len(inSilence)]
		if odd.payer != "" {
			payer.Account = odd.payer
		}
		if odd.payee != "" {
			payee.Account = odd.payee
		}
		return w.payment(ledger.Payment, payer, payee, amount)
	case n%50 == 27:
		return w.payment(ledger.TopUp, payer, wallet, amount)
	case n%50 == 37:
		return w.payment(ledger.Withdrawal, wallet, payee, amount/10)
	}
	return w.payment(ledger.Payment, payer, payee, amount)
}
