package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// bubbleOf is what a chat shows of a transfer.
func bubbleOf(t *testing.T, tag string, change func(*ledger.Transfer)) Bubble {
	t.Helper()
	l, err := parseLocale(tag, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	transfer := ledger.Transfer{Kind: ledger.Payment, Amount: ledger.Amount{Minor: 250_00, Currency: "INR"}, Born: ledger.Pending,
		Payer: ledger.End{Name: "Asha", Bank: "NRMD"}, Payee: ledger.End{Name: "Ravi", Bank: "KVRI"}, Conversation: "c-77", Message: "m-1"}
	change(&transfer)
	return (&viewer{see: sightOwn, locale: l}).transferBubble(&transfer)
}

// Both sides of every kind of transfer are told something of each state, in each language.
func TestBubblesOfAllStates(t *testing.T) {
	ends := map[string]func(*ledger.Transfer){"": func(*ledger.Transfer) {}, "into a pot": func(t *ledger.Transfer) { t.Payee = ledger.End{Pot: ledger.ID{1}} },
		"out of a pot": func(t *ledger.Transfer) { t.Payer = ledger.End{Pot: ledger.ID{1}} }}
	for kind := ledger.Payment; kind <= ledger.Refund; kind++ {
		for _, name := range ledger.StateNames() {
			state, _ := ledger.ParseState(name)
			for how, change := range ends {
				texts := map[string]bool{}
				for _, tag := range []string{"en-IN", "hi-IN"} {
					b := bubbleOf(t, tag, func(t *ledger.Transfer) {
						t.Kind, t.State, t.Reason = kind, state, ledger.DebitDeclined
						change(t)
					})
					for _, text := range []string{b.ForPayer.Text, b.ForPayee.Text, b.ForPayer.Next, b.ForPayee.Next, b.Status} {
						if strings.ContainsAny(text, "{}") || len(text) < 4 {
							t.Errorf("%s %s %s in %s: %q", kind, state, how, tag, text)
						}
					}
					for _, side := range []BubbleSide{b.ForPayer, b.ForPayee} {
						if !strings.Contains(side.Text, "₹250.00") {
							t.Errorf("%s %s %s in %s does not say how much: %s", kind, state, how, tag, side.Text)
						}
					}
					texts[b.ForPayer.Text], texts[b.ForPayee.Text+b.Status] = true, true
				}
				if len(texts) != 4 {
					t.Errorf("%s %s %s: the languages have the same words: %v", kind, state, how, texts)
				}
			}
		}
	}
}

// Whatever came in the way, the payer is told what to do.
func TestBubblesOfAllReasons(t *testing.T) {
	for reason := range reasonTexts {
		if final := !slices.Contains([]ledger.Reason{ledger.ReversalFailed, ledger.BankContradiction}, reason); final && tries[reason] == "" {
			t.Errorf("%s: what can the payer do?", reason)
		}
	}
	for _, action := range tries {
		if actions[action].en == "" || actions[action].hi == "" {
			t.Errorf("%s has no words", action)
		}
	}
}

// What people read, word by word.
func TestBubbleTexts(t *testing.T) {
	at := time.Date(2026, 7, 4, 10, 30, 0, 0, time.UTC).UnixMicro()
	for _, c := range []struct {
		name         string
		change       func(*ledger.Transfer)
		payer, payee string
	}{
		{"paid", func(t *ledger.Transfer) { t.State = ledger.Completed },
			"You paid Ravi ₹250.00. [nothing: There is nothing to do.]", "Asha paid you ₹250.00. [nothing: There is nothing to do.]"},
		{"held", func(t *ledger.Transfer) { t.State, t.Until = ledger.Held, at },
			"You paid Ravi ₹250.00. They get it at 04-07-2026 10:30. [cancel: You can cancel it until 04-07-2026 10:30. 2026-07-04T10:30:00Z]",
			"Asha paid you ₹250.00. You get it at 04-07-2026 10:30. [wait: Wait: it goes on by itself. 2026-07-04T10:30:00Z]"},
		{"taken back", func(t *ledger.Transfer) { t.State, t.Reason, t.Until = ledger.Reversed, ledger.CancelledBySender, at },
			"You cancelled ₹250.00 to Ravi. You have it back. [nothing: There is nothing to do.]", "Asha cancelled ₹250.00 to you. [nothing: There is nothing to do.]"},
		{"in doubt", func(t *ledger.Transfer) { t.State, t.Deadline = ledger.Deemed, at },
			"You paid Ravi ₹250.00. Their bank has not confirmed it yet. [wait: Wait: it goes on by itself. 2026-07-04T10:30:00Z]",
			"Asha paid you ₹250.00. Your bank has not confirmed it yet. [wait: Wait: it goes on by itself. 2026-07-04T10:30:00Z]"},
		{"over a limit", func(t *ledger.Transfer) {
			t.State, t.Born, t.Reason, t.Until = ledger.Failed, ledger.Failed, ledger.LimitAmount, at
		}, "You could not pay Ravi ₹250.00. No money moved. [try_later: Try again after 04-07-2026 10:30. 2026-07-04T10:30:00Z]",
			"Asha could not pay you ₹250.00. No money moved. [nothing: There is nothing to do.]"},
		{"nowhere to pay to", func(t *ledger.Transfer) {
			t.State, t.Born, t.Reason = ledger.Failed, ledger.Failed, ledger.PayeeNotPayable
		}, "You could not pay Ravi ₹250.00. No money moved. [nothing: There is nothing to do.]",
			"Asha could not pay you ₹250.00. No money moved. [link_account: Link an account to be paid on.]"},
		{"declined", func(t *ledger.Transfer) {
			t.State, t.Reason, t.Payee.Name, t.Payee.UPI = ledger.Failed, ledger.DebitDeclined, "", "ravi@kaveri"
		},
			"You could not pay ravi@kaveri ₹250.00. No money moved. [use_other_account: Try another account.]",
			"Asha could not pay you ₹250.00. No money moved. [nothing: There is nothing to do.]"},
		{"nobody has a name", func(t *ledger.Transfer) { t.State, t.Payer, t.Payee = ledger.Completed, ledger.End{}, ledger.End{} },
			"You paid somebody ₹250.00. [nothing: There is nothing to do.]", "Somebody paid you ₹250.00. [nothing: There is nothing to do.]"},
		{"a name that looks like ours", func(t *ledger.Transfer) {
			t.State, t.Payer.Name, t.Payee.Name = ledger.Completed, "{amount}", "{payer}"
		},
			"You paid {payer} ₹250.00. [nothing: There is nothing to do.]", "{amount} paid you ₹250.00. [nothing: There is nothing to do.]"},
		{"refunded", func(t *ledger.Transfer) { t.State, t.Kind = ledger.Completed, ledger.Refund },
			"You refunded Ravi ₹250.00. [nothing: There is nothing to do.]", "Asha refunded you ₹250.00. [nothing: There is nothing to do.]"},
		{"topped up", func(t *ledger.Transfer) { t.State, t.Kind = ledger.Debited, ledger.TopUp },
			"₹250.00 is on its way to your wallet. [wait: Wait: it goes on by itself.]", "₹250.00 is on its way to your wallet. [wait: Wait: it goes on by itself.]"},
		{"claimed", func(t *ledger.Transfer) { t.State, t.Payer = ledger.Completed, ledger.End{Pot: ledger.ID{1}} },
			"Ravi got ₹250.00 of what was put aside. [nothing: There is nothing to do.]", "You got ₹250.00 that was put aside. [nothing: There is nothing to do.]"},
	} {
		b := bubbleOf(t, "en-IN", c.change)
		for side, of := range map[*BubbleSide]string{&b.ForPayer: c.payer, &b.ForPayee: c.payee} {
			got := fmt.Sprintf("%s [%s: %s", side.Text, side.Action, side.Next)
			if !side.Until.IsZero() {
				got += " " + side.Until.Format(time.RFC3339)
			}
			if got += "]"; got != of {
				t.Errorf("%s:\n%s, want\n%s", c.name, got, of)
			}
		}
		if b.Conversation != "c-77" || b.Message != "m-1" || b.Amount != "₹250.00" {
			t.Errorf("%s: %+v", c.name, b)
		}
	}
}
