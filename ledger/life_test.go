package ledger_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"bahi/ledger"
)

// word is one thing a bank says in a story: "debit approved", "credit silent".
var words = map[string]ledger.Outcome{"approved": ledger.SaysApproved, "declined": ledger.SaysDeclined,
	"not_done": ledger.SaysNotDone, "stands": ledger.SaysStands, "unknown": ledger.SaysUnknown, "not_seen": ledger.SaysNotSeen}

// TestLifeOfATransfer tells, row by row of the table of a transfer's life, what
// the banks say and where the transfer and the money are then. "silent" stands
// for as many unknown outcomes as the policy allows questions, "!" for a word that
// contradicts what is settled.
func TestLifeOfATransfer(t *testing.T) {
	const ( // balances after: payer's bank, transit, payee's bank
		nothing   = "0 0 0"
		inTransit = "500 500 0"
		paid      = "500 0 -500"
	)
	for _, c := range []struct {
		name, says, states, money string
		reason                    ledger.Reason
	}{
		{"happy way", "debit approved, credit approved", "pending debited completed", paid, ""},
		{"debit declined", "debit declined", "pending failed", nothing, ledger.DebitDeclined},
		{"debit never reached the bank", "debit not_done", "pending failed", nothing, ledger.BankUnavailable},
		{"one question, then an answer: too late, given back", "debit unknown, debit approved", "pending reversing", inTransit, ledger.DebitTimedOut},
		{"late debit given back", "debit unknown, debit approved, debit_reversal approved", "pending reversing reversed", nothing, ledger.DebitTimedOut},
		{"debit timed out and not seen: reversed, so that it cannot come later", "debit unknown, debit not_seen", "pending reversing", nothing, ledger.DebitTimedOut},
		{"debit not seen, and now never will be", "debit unknown, debit not_seen, debit_reversal not_done", "pending reversing failed", nothing, ledger.DebitTimedOut},
		{"debit not seen, but it came in between", "debit unknown, debit not_seen, debit_reversal approved", "pending reversing reversed", nothing, ledger.DebitTimedOut},
		{"credit timed out and not seen: only its reversal makes sure", "debit approved, credit unknown, credit not_seen", "pending debited", inTransit, ""},
		{"credit not seen, and now never will be", "debit approved, credit unknown, credit not_seen, credit_reversal not_done, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditTimedOut},
		{"credit not seen, but it came in between", "debit approved, credit unknown, credit not_seen, credit_reversal stands", "pending debited completed", paid, ""},
		{"late debit declined", "debit unknown, debit declined", "pending failed", nothing, ledger.DebitDeclined},
		{"debit silent, reversal says it is back", "debit silent, debit_reversal approved", "pending reversing reversed", nothing, ledger.DebitTimedOut},
		{"debit silent, reversal says it never was", "debit silent, debit_reversal not_done", "pending reversing failed", nothing, ledger.DebitTimedOut},
		{"debit silent, reversal silent", "debit silent, debit_reversal silent", "pending reversing unresolved", nothing, ledger.ReversalFailed},
		{"unresolved, then the bank says it was never debited", "debit silent, debit_reversal silent, debit declined", "pending reversing unresolved failed", nothing, ledger.DebitDeclined},
		{"unresolved, then the bank says it was debited", "debit silent, debit_reversal silent, debit approved", "pending reversing unresolved reversing", inTransit, ledger.DebitTimedOut},
		{"unresolved, then the reversal's answer", "debit silent, debit_reversal silent, debit_reversal approved", "pending reversing unresolved reversed", nothing, ledger.ReversalFailed},
		{"debit confirmed while its reversal is out", "debit silent, debit approved, debit_reversal approved", "pending reversing reversed", nothing, ledger.DebitTimedOut},
		{"debit confirmed, reversal denies it", "debit silent, debit approved, debit_reversal not_done", "pending reversing unresolved", inTransit, ledger.BankContradiction},
		{"debit declined, reversal gives back all the same", "debit silent, debit declined, debit_reversal approved", "pending reversing failed", nothing, ledger.DebitTimedOut},
		{"credit declined", "debit approved, credit declined", "pending debited reversing", inTransit, ledger.CreditDeclined},
		{"credit declined, given back", "debit approved, credit declined, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditDeclined},
		{"credit declined, reversal fails once", "debit approved, credit declined, debit_reversal declined, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditDeclined},
		{"credit declined, reversal silent", "debit approved, credit declined, debit_reversal silent", "pending debited reversing unresolved", inTransit, ledger.ReversalFailed},
		{"credit timed out and turns out done", "debit approved, credit unknown, credit approved", "pending debited completed", paid, ""},
		{"credit timed out and was not done", "debit approved, credit unknown, credit not_done, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.BankUnavailable},
		{"credit silent: no refund on a time-out alone", "debit approved, credit silent", "pending debited", inTransit, ""},
		{"credit silent, its reversal takes it back", "debit approved, credit silent, credit_reversal approved, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditTimedOut},
		{"credit silent, it stands", "debit approved, credit silent, credit_reversal stands", "pending debited completed", paid, ""},
		{"credit silent, it never was", "debit approved, credit silent, credit_reversal not_done, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditTimedOut},
		{"credit and reversal silent: deemed, transit keeps it", "debit approved, credit silent, credit_reversal silent", "pending debited deemed", inTransit, ledger.CreditTimedOut},
		{"deemed, then the bank confirms what it may have undone", "debit approved, credit silent, credit_reversal silent, credit approved", "pending debited deemed", paid, ledger.CreditTimedOut},
		{"deemed, then the bank confirms, and that it stands", "debit approved, credit silent, credit_reversal silent, credit approved, credit_reversal stands", "pending debited deemed completed", paid, ""},
		{"deemed, then the bank confirms, and that it has undone it", "debit approved, credit silent, credit_reversal silent, credit approved, credit_reversal approved, debit_reversal approved", "pending debited deemed reversing reversed", nothing, ledger.CreditTimedOut},
		{"deemed, then the bank declines", "debit approved, credit silent, credit_reversal silent, credit declined, debit_reversal approved", "pending debited deemed reversing reversed", nothing, ledger.CreditDeclined},
		{"credit confirmed while its reversal is out: the reversal decides", "debit approved, credit silent, credit approved, credit_reversal approved, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditTimedOut},
		{"credit confirmed, its reversal finds it standing", "debit approved, credit silent, credit approved, credit_reversal stands", "pending debited completed", paid, ""},
		{"credit confirmed, its reversal denies it", "debit approved, credit silent, credit approved, credit_reversal not_done", "pending debited deemed", paid, ledger.BankContradiction},
		{"credit declined, its reversal says it stands", "debit approved, credit silent, credit declined, credit_reversal stands", "pending debited deemed", inTransit, ledger.BankContradiction},
		{"late answer to a credit's reversal while the payer is given the money back", "debit approved, credit silent, credit_reversal silent, credit declined, credit_reversal stands!", "pending debited deemed reversing", inTransit, ledger.CreditDeclined},
		{"debit declined while its reversal is out, which stays silent", "debit silent, debit declined, debit_reversal silent", "pending reversing failed", nothing, ledger.DebitDeclined},
		{"credit declined while its reversal is out, which stays silent", "debit approved, credit silent, credit declined, credit_reversal silent, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditDeclined},
		{"debit declined, then its silent reversal finds the same", "debit silent, debit declined, debit_reversal silent, debit_reversal not_done", "pending reversing failed", nothing, ledger.DebitDeclined},
		{"credit declined, then its silent reversal finds the same", "debit approved, credit silent, credit_reversal silent, credit declined, credit_reversal not_done, debit_reversal approved", "pending debited deemed reversing reversed", nothing, ledger.CreditDeclined},
		{"credit declined, its reversal takes it back all the same", "debit approved, credit silent, credit declined, credit_reversal approved, debit_reversal approved", "pending debited reversing reversed", nothing, ledger.CreditTimedOut},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBook(t)
			defer b.close()
			payer, _ := b.person("Asha", "SBIN")
			payee, _ := b.person("Ravi", "HDFC")
			tr := b.pay(payer, payee, 500)
			for _, s := range strings.Split(c.says, ", ") {
				b.say(&tr, s)
				b.verify()
			}
			b.wantStates(tr.ID, c.states)
			if got, _ := b.store.Transfer(context.Background(), tr.ID); got.Reason != c.reason {
				t.Errorf("reason is %q, want %q", got.Reason, c.reason)
			}
			if got := b.balances(); got != c.money {
				t.Errorf("payer's bank, transit, payee's bank: %s; want %s", got, c.money)
			}
		})
	}
}

// say records "LEG OUTCOME" as the bank's answer to the instruction as it is now.
func (b *book) say(tr *ledger.Transfer, s string) {
	b.t.Helper()
	leg, word, _ := strings.Cut(s, " ")
	l, _ := ledger.ParseLeg(leg)
	times, want := 1, ledger.Applied
	word, contradicts := strings.CutSuffix(word, "!") // said in vain
	if contradicts {
		want = ledger.Contradicted
	}
	outcome := words[word]
	if word == "silent" {
		outcome, times = ledger.SaysUnknown, len(ledger.DefaultPolicy().Checks)+1
	}
	for range times {
		_, instructions, err := b.store.TransferHistory(context.Background(), tr.ID)
		if err != nil {
			b.t.Fatal(err)
		}
		attempt := -1
		for _, i := range instructions {
			if i.ID.Leg == l {
				attempt = i.Attempts
			}
		}
		r := must[ledger.Recorded](b, ledger.RecordResult{Transfer: tr, Leg: l, Outcome: outcome, Attempt: attempt, Code: "XX"})
		if r.Effect != want {
			b.t.Fatalf("%s: %s", s, r.Effect)
		}
	}
}

func (b *book) wantStates(id ledger.ID, want string) {
	b.t.Helper()
	steps, _, err := b.store.TransferHistory(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	var states []string
	for _, s := range steps {
		states = append(states, s.State.String())
	}
	if got := strings.Join(states, " "); got != want {
		b.t.Errorf("states are %q, want %q", got, want)
	}
}

// balances are those of the payer's bank, transit and the payee's bank.
func (b *book) balances() string {
	var out []string
	for _, n := range []ledger.AccountName{ledger.ClearingAccount("SBIN", "INR"), ledger.TransitAccount("INR"), ledger.ClearingAccount("HDFC", "INR")} {
		a, err := b.store.Account(context.Background(), n.ID())
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			b.t.Fatal(err)
		}
		out = append(out, strconv.FormatInt(a.Balance(), 10))
	}
	return strings.Join(out, " ")
}
