package sim_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// TestProfilesAreAsPublished: of many instructions each profile declines what it
// is known for, of the customers' and of its own, and undoes as many debits.
func TestProfilesAreAsPublished(t *testing.T) {
	const many = 20_000
	for name, want := range sim.Profiles {
		if want.Hangs {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := open(t, sim.Config{Code: "SBIN", OpeningBalance: 1 << 50, Profile: want})
			for _, leg := range []ledger.Leg{ledger.LegDebit, ledger.LegCredit} {
				declined, debits, undone := map[banks.Class]int{}, 0, 0
				for range many {
					i := instruction(leg, "1", 100)
					a := answerOf(t, b.Submit, i)
					if again := answerOf(t, b.Submit, i); again != a || answerOf(t, b.Status, i) != a {
						t.Fatalf("%s: first %+v, then %+v", i.ID, a, again)
					}
					if a.Outcome == ledger.SaysDeclined {
						declined[banks.ClassOf(a.Code)]++
						continue
					}
					back := answerOf(t, b.Reverse, undo(i))
					if again := answerOf(t, b.Reverse, undo(i)); again.Outcome != back.Outcome {
						t.Fatalf("%s undone: first %+v, then %+v", i.ID, back, again)
					}
					if debits++; back.Outcome == ledger.SaysApproved {
						undone++
					}
				}
				about(t, leg.String()+"s declined for the customer", declined[banks.Business], want.Business*many/100_00)
				about(t, leg.String()+"s declined for the bank", declined[banks.Technical], want.Technical*many/100_00)
				if leg == ledger.LegDebit {
					about(t, "debits undone", undone, want.Reversed*debits/100_00)
				} else if undone != debits {
					t.Errorf("%d of %d credits undone", undone, debits)
				}
			}
		})
	}
}

// about allows five standard deviations.
func about(t *testing.T, what string, got, want int) {
	t.Helper()
	if off := got - want; off*off > 25*(want+1) {
		t.Errorf("%s: %d, want about %d", what, got, want)
	}
}

func answerOf(t *testing.T, ask func(context.Context, banks.Instruction) (banks.Answer, error), i banks.Instruction) banks.Answer {
	t.Helper()
	a, err := ask(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestABankChangesItsManner: an open bank hangs and comes back; what was decided stays.
func TestABankChangesItsManner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, sim.Config{})
		first, second := instruction(ledger.LegDebit, "1", 100), instruction(ledger.LegDebit, "1", 100)
		done := answerOf(t, b.Submit, first)
		b.Behave(0, sim.Profiles["hanging"])
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if a, err := b.Submit(ctx, second); err == nil || b.Net() != 100 {
			t.Errorf("a bank that hangs says %+v and moved %d", a, b.Net())
		}
		b.Behave(time.Second, sim.Profile{})
		began := time.Now()
		if again := answerOf(t, b.Submit, first); again != done || time.Since(began) != time.Second {
			t.Errorf("after %v: %+v, and before %+v", time.Since(began), again, done)
		}
		if a := answerOf(t, b.Status, second); a.Outcome != ledger.SaysNotSeen {
			t.Errorf("of what it never heard it says %+v", a)
		}
	})
}

// TestMagicBeforeProfile: an amount that decides is not left to chance.
func TestMagicBeforeProfile(t *testing.T) {
	b := open(t, sim.Config{Code: "SBIN", OpeningBalance: opening, Profile: sim.Profile{Business: 100_00}})
	if a := answerOf(t, b.Submit, instruction(ledger.LegDebit, "1", 9102_00)); a.Code != "ZM" {
		t.Errorf("a wrong PIN got %+v", a)
	}
	if a := answerOf(t, b.Submit, instruction(ledger.LegCredit, "1", 9102_00)); a.Code != "00" {
		t.Errorf("its credit got %+v", a)
	}
	if a := answerOf(t, b.Submit, instruction(ledger.LegDebit, "1", 100)); a.Outcome != ledger.SaysDeclined {
		t.Errorf("any other got %+v", a)
	}
}
