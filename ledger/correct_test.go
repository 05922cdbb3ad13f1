package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// found puts a break into the book as a run of the reconciliation does.
type found struct{ b ledger.Break }

func (f found) Declare(s *ledger.Set) { s.Breaks.Want(f.b.ID) }
func (f found) Apply(s *ledger.Set) (any, error) {
	b := f.b
	if known, ok := s.Breaks.Get(b.ID); ok {
		b.Notes, b.Tries = known.Notes, known.Tries
	}
	s.Note(&b, ledger.NoteOpened, "", "")
	s.Breaks.Put(b.ID, b)
	return b, nil
}

// breakOf makes the break of a class about a leg: our book has ours and the bank has theirs.
func (b *book) breakOf(tr *ledger.Transfer, c ledger.Class, leg ledger.Leg, ours, theirs int64) ledger.Break {
	b.t.Helper()
	now, err := b.store.Transfer(context.Background(), tr.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	here, _ := now.Ends(leg)
	s := ledger.Subject{Transfer: tr.ID, Leg: leg, Bank: here.Bank}
	p := ledger.DefaultPolicy()
	return must[ledger.Break](b, found{ledger.Break{ID: ledger.BreakID(c, s), Class: c, Subject: s, Day: p.Day(now.Created), Currency: "INR", Ours: ours, Theirs: theirs,
		Bank: ledger.SaysYes, Steps: now.Steps, State: ledger.BreakOpen, Deadline: 1}})
}

// at is the case of a break as it is now.
func (b *book) at(id ledger.ID, by string) ledger.Case {
	b.t.Helper()
	brk, err := b.store.Break(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	c := ledger.Case{Break: brk, By: by}
	if t, err := b.store.Transfer(context.Background(), brk.Subject.Transfer); err == nil {
		c.Transfer = &t
	}
	return c
}

func (b *book) apply(made ledger.Correction, override string) ledger.ApplyCorrection {
	return ledger.ApplyCorrection{Case: b.at(made.Break, "meera"), ID: made.ID, Override: override, Payout: ledger.NewID(), RRN: "630610000002"}
}

func (b *book) suspense() int64 {
	a, err := b.store.Account(context.Background(), ledger.SuspenseAccount("INR").ID())
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		b.t.Fatal(err)
	}
	return a.Balance()
}

// TestCorrections tells what banks said, what their statements show, and what a
// correction makes of it: the states, the money at the payer's bank, in transit
// and at the payee's bank, and what is on suspense.
func TestCorrections(t *testing.T) {
	const (
		deemed       = "debit approved, credit silent, credit_reversal silent"
		unresolved   = "debit silent, debit_reversal silent"
		debit        = ledger.LegDebit
		credit       = ledger.LegCredit
		inDoubt      = ledger.ClassInDoubt
		notInBook    = ledger.ClassNotInBook
		notAtBank    = ledger.ClassNotAtBank
		amount       = ledger.ClassAmountDiffers
		duplicate    = ledger.ClassDuplicate
		confirmed    = ledger.ConfirmCredit
		proposed     = ledger.Action(0)
		toSuspense   = ledger.ToSuspense
		creditLater  = ledger.CreditLater
		returnLater  = ledger.ReturnLater
		refund       = ledger.RefundPayer
		returned     = ledger.ReturnToPayer
		confirmFails = ledger.ConfirmFailed
	)
	for _, c := range []struct {
		name, says   string
		class        ledger.Class
		leg          ledger.Leg
		ours, theirs int64
		action, does ledger.Action // what is asked for, and what that is
		states       string
		money        string
		suspense     int64
	}{
		{"deemed, and the payee has it", deemed, inDoubt, credit, 0, 500, proposed, confirmed, "pending debited deemed completed", "500 0 -500", 0},
		{"deemed and confirmed, and it stands", deemed + ", credit approved", inDoubt, credit, 500, 500, proposed, confirmed, "pending debited deemed completed", "500 0 -500", 0},
		{"deemed, though the bank had declined", "debit approved, credit silent, credit declined, credit_reversal stands", inDoubt, credit, 0, 500, proposed, confirmed, "pending debited deemed completed", "500 0 -500", 0},
		{"deemed, and the payee has it not", deemed, inDoubt, credit, 0, 0, proposed, returned, "pending debited deemed reversing", "500 500 0", 0},
		{"deemed and confirmed, and undone since", deemed + ", credit approved", inDoubt, credit, 500, 0, proposed, returned, "pending debited deemed reversing", "500 500 0", 0},
		{"deemed, the payee has another amount", deemed, amount, credit, 0, 400, proposed, confirmed, "pending debited deemed completed", "500 0 -500", 0},
		{"unresolved, and the payer has paid", unresolved, inDoubt, debit, 0, 500, proposed, ledger.ReverseDebit, "pending reversing unresolved reversing", "500 500 0", 0},
		{"unresolved, and the payer has not", unresolved, inDoubt, debit, 0, 0, proposed, confirmFails, "pending reversing unresolved failed", "0 0 0", 0},
		{"unresolved though debited, and the payer has it back", "debit approved, credit declined, debit_reversal silent", inDoubt, debit, 500, 0, proposed, confirmFails, "pending debited reversing unresolved reversed", "0 0 0", 0},
		{"unresolved though debited, and not given back", "debit approved, credit declined, debit_reversal silent", inDoubt, debit, 500, 500, proposed, ledger.ReverseDebit, "pending debited reversing unresolved reversing", "500 500 0", 0},
		{"failed, but the bank took it: paid back from suspense", "debit declined", notInBook, debit, 0, 500, proposed, refund, "pending failed", "500 500 0", 0},
		{"failed, but the bank took it: kept on suspense", "debit declined", notInBook, debit, 0, 500, toSuspense, toSuspense, "pending failed", "500 0 0", 500},
		{"reversed, but the payee's bank gave it", "debit approved, credit declined, debit_reversal approved", notInBook, credit, 0, 500, proposed, toSuspense, "pending debited reversing reversed", "0 0 -500", -500},
		{"completed, but the bank never took it", "debit approved, credit approved", notAtBank, debit, 500, 0, proposed, toSuspense, "pending debited completed", "0 0 -500", -500},
		{"completed, but the payee's bank never gave it: it is told to", "debit approved, credit approved", notAtBank, credit, 500, 0, proposed, creditLater, "pending debited completed", "500 500 0", 0},
		{"completed, but the payee's bank never gave it: the payer gets it", "debit approved, credit approved", notAtBank, credit, 500, 0, returnLater, returnLater, "pending debited completed", "500 500 0", 0},
		{"taken twice", "debit approved, credit approved", duplicate, debit, 500, 1000, proposed, refund, "pending debited completed", "1000 500 -500", 0},
		{"given twice", "debit approved, credit approved", duplicate, credit, 500, 1000, proposed, toSuspense, "pending debited completed", "500 0 -1000", -500},
		{"too little taken", "debit approved, credit approved", amount, debit, 500, 499, proposed, toSuspense, "pending debited completed", "499 0 -500", -1},
		{"too little given", "debit approved, credit approved", amount, credit, 500, 499, proposed, creditLater, "pending debited completed", "500 1 -499", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBook(t)
			defer b.close()
			payer, _ := b.person("Asha", "SBIN")
			payee, _ := b.person("Ravi", "HDFC")
			tr := b.pay(payer, payee, 500)
			for _, s := range strings.Split(c.says, ", ") {
				b.say(&tr, s)
			}
			brk := b.breakOf(&tr, c.class, c.leg, c.ours, c.theirs)
			made := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif"), Action: c.action})
			if made.Action != c.does {
				t.Fatalf("proposes %s, want %s", made.Action, c.does)
			}
			if again := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "meera"), Action: c.action}); again != made {
				t.Errorf("proposed again: %+v", again)
			}
			b.refused(b.apply(made, ""), ledger.CodeCorrectionTooEarly)
			b.now = b.now.Add(24 * time.Hour)
			apply := b.apply(made, "")
			applied := must[ledger.Correction](b, apply)
			b.verify()
			before := b.fingerprint()
			for _, again := range []ledger.ApplyCorrection{apply, b.apply(made, "")} { // as it was sent, and made anew
				if twice := must[ledger.Correction](b, again); twice != applied {
					t.Errorf("applied again: %+v, first %+v", twice, applied)
				}
			}
			if b.fingerprint() != before {
				t.Error("applying again changed the book")
			}
			b.wantStates(tr.ID, c.states)
			if got := b.balances(); got != c.money {
				t.Errorf("payer's bank, transit, payee's bank: %s; want %s", got, c.money)
			}
			if got := b.suspense(); got != c.suspense {
				t.Errorf("on suspense: %d, want %d", got, c.suspense)
			}
			if now := b.at(brk.ID, "").Break; now.State != ledger.BreakClosed || now.Resolution != ledger.Corrected {
				t.Errorf("the break is %s, %s", now.State, now.Resolution)
			}
			b.refused(ledger.WithdrawCorrection{Case: b.at(brk.ID, "asif"), ID: made.ID}, ledger.CodeCorrectionEnded)
			b.refused(ledger.ProposeCorrection{Case: b.at(brk.ID, "asif"), Action: c.action}, ledger.CodeBreakClosed)
			if !applied.Payout.IsZero() {
				b.payOut(applied)
			}
		})
	}
}

// payOut lets the bank carry a correction's payout out; then suspense is empty again.
func (b *book) payOut(c ledger.Correction) {
	b.t.Helper()
	p, err := b.store.Transfer(context.Background(), c.Payout)
	if err != nil {
		b.t.Fatal(err)
	}
	b.say(&p, "credit approved")
	b.verify()
	b.wantStates(p.ID, "pending debited completed")
	if b.suspense() != 0 {
		b.t.Errorf("after the payout %d is on suspense", b.suspense())
	}
}

// completed is a book with a completed transfer whose payee's bank shows other money.
func completed(t testing.TB, theirs int64) (*book, ledger.Transfer, ledger.Break) {
	b := newBook(t)
	payer, _ := b.person("Asha", "SBIN")
	payee, _ := b.person("Ravi", "HDFC")
	tr := b.pay(payer, payee, 5_000_000)
	b.say(&tr, "debit approved")
	b.say(&tr, "credit approved")
	return b, tr, b.breakOf(&tr, ledger.ClassAmountDiffers, ledger.LegCredit, 5_000_000, theirs)
}

func TestALargeCorrectionNeedsTwoPersons(t *testing.T) {
	b, _, brk := completed(t, 3_999_999) // 10,000.01 are missing
	defer b.close()
	b.now = b.now.Add(24 * time.Hour)
	made := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif")})
	b.refused(b.apply(made, ""), ledger.CodeApprovalNeeded)
	b.refused(ledger.ApproveCorrection{Case: b.at(brk.ID, "asif"), ID: made.ID}, ledger.CodeSamePerson)
	approve := ledger.ApproveCorrection{Case: b.at(brk.ID, "meera"), ID: made.ID}
	for range 2 {
		if got := must[ledger.Correction](b, approve); got.State != ledger.CorrectionApproved || got.ApprovedBy != "meera" {
			t.Errorf("approved: %+v", got)
		}
	}
	must[ledger.Correction](b, b.apply(made, ""))

	small, _, brk := completed(t, 4_000_000) // 10,000.00 are not above the limit
	defer small.close()
	small.now = small.now.Add(24 * time.Hour)
	made = must[ledger.Correction](small, ledger.ProposeCorrection{Case: small.at(brk.ID, "asif")})
	must[ledger.Correction](small, small.apply(made, ""))
}

func TestACorrectionOfTheSameDayNeedsAReason(t *testing.T) {
	b, _, brk := completed(t, 4_999_999)
	defer b.close()
	made := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif")})
	b.now = time.Date(2026, 11, 2, 18, 29, 59, 0, time.UTC) // the last second of the day in India
	b.refused(b.apply(made, ""), ledger.CodeCorrectionTooEarly)
	if got := must[ledger.Correction](b, b.apply(made, "the payee is at the branch")); got.Override != "the payee is at the branch" {
		t.Errorf("the reason is not kept: %+v", got)
	}
}

func TestACorrectionOfWhatHasChangedIsRefused(t *testing.T) {
	b := newBook(t)
	defer b.close()
	payer, _ := b.person("Asha", "SBIN")
	payee, _ := b.person("Ravi", "HDFC")
	tr := b.pay(payer, payee, 500)
	for _, s := range []string{"debit approved", "credit silent", "credit_reversal silent"} {
		b.say(&tr, s)
	}
	brk := b.breakOf(&tr, ledger.ClassInDoubt, ledger.LegCredit, 0, 0)
	made := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif")})
	b.now = b.now.Add(24 * time.Hour)
	stale := b.apply(made, "")
	b.say(&tr, "credit_reversal stands") // the bank answers at last: the payee has it
	before := b.fingerprint()
	b.refused(stale, ledger.CodeBreakChanged)
	b.refused(b.apply(made, ""), ledger.CodeBreakChanged)
	if b.fingerprint() != before {
		t.Error("a refused correction changed the book")
	}
	// Another is only proposed once the first is withdrawn.
	b.breakOf(&tr, ledger.ClassInDoubt, ledger.LegCredit, 500, 0)
}

// TestWhatIsNotSaidIsNotCorrected: silence of a bank is no word about the money.
func TestWhatIsNotSaidIsNotCorrected(t *testing.T) {
	deemed := &ledger.Transfer{State: ledger.Deemed}
	for _, c := range []struct {
		name string
		b    ledger.Break
		t    *ledger.Transfer
	}{
		{"the bank has told nothing of the day", ledger.Break{Class: ledger.ClassInDoubt, Subject: ledger.Subject{Leg: ledger.LegCredit}, Bank: ledger.SaysNothing}, deemed},
		{"a contradiction decides nothing", ledger.Break{Class: ledger.ClassContradiction, Subject: ledger.Subject{Leg: ledger.LegCredit}, Bank: ledger.SaysNo}, deemed},
		{"the payer's side of a deemed transfer", ledger.Break{Class: ledger.ClassInDoubt, Subject: ledger.Subject{Leg: ledger.LegDebit}, Bank: ledger.SaysNo}, deemed},
		{"a transfer under way", ledger.Break{Class: ledger.ClassNotAtBank, Subject: ledger.Subject{Leg: ledger.LegDebit}, Bank: ledger.SaysNo, Ours: 5}, &ledger.Transfer{State: ledger.Debited}},
		{"only the switch differs", ledger.Break{Class: ledger.ClassNotAtSwitch, Subject: ledger.Subject{Leg: ledger.LegDebit}, Bank: ledger.SaysYes, Ours: 5, Theirs: 5}, &ledger.Transfer{State: ledger.Completed}},
	} {
		if got := c.b.Actions(c.t); got != nil {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestProposalsOfABreak: one at a time, and of those that fit.
func TestProposalsOfABreak(t *testing.T) {
	b, _, brk := completed(t, 4_999_999)
	defer b.close()
	b.now = b.now.Add(24 * time.Hour)
	b.refused(ledger.ProposeCorrection{Case: b.at(brk.ID, "asif"), Action: ledger.RefundPayer}, ledger.CodeActionNotAllowed)
	old := b.at(brk.ID, "asif")
	first := must[ledger.Correction](b, ledger.ProposeCorrection{Case: old, Action: ledger.CreditLater})
	b.refused(ledger.ProposeCorrection{Case: b.at(brk.ID, "meera"), Action: ledger.ToSuspense}, ledger.CodeCorrectionPending)
	withdraw := ledger.WithdrawCorrection{Case: b.at(brk.ID, "asif"), ID: first.ID}
	for range 2 {
		if got := must[ledger.Correction](b, withdraw); got.State != ledger.CorrectionWithdrawn {
			t.Errorf("withdrawn: %+v", got)
		}
	}
	b.refused(b.apply(first, ""), ledger.CodeCorrectionEnded)
	b.refused(ledger.ProposeCorrection{Case: old, Action: ledger.ToSuspense}, ledger.CodeBreakChanged) // made from what was long ago
	second := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif"), Action: ledger.ToSuspense})
	if second.ID == first.ID {
		t.Error("the second correction has the first one's id")
	}
	b.refused(b.apply(first, ""), ledger.CodeCorrectionNotFound)
	must[ledger.Correction](b, b.apply(second, ""))
	if b.suspense() != 1 {
		t.Errorf("on suspense: %d", b.suspense())
	}
	var told []string
	notes, err := b.store.BreakNotes(context.Background(), brk.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		told = append(told, n.What.String()+" "+n.Text)
	}
	if got, want := strings.Join(told, ", "), "opened , proposed credit_later, withdrawn credit_later, proposed suspense, applied suspense"; got != want {
		t.Errorf("history %q, want %q", got, want)
	}
}

// TestSuspenseAndBack: what the bank mends later is taken back from suspense.
func TestSuspenseAndBack(t *testing.T) {
	b, tr, brk := completed(t, 4_000_000)
	defer b.close()
	b.now = b.now.Add(24 * time.Hour)
	must[ledger.Correction](b, b.apply(must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif"), Action: ledger.ToSuspense}), ""))
	if b.suspense() != 1_000_000 {
		t.Fatalf("on suspense: %d", b.suspense())
	}
	back := b.breakOf(&tr, ledger.ClassNotInBook, ledger.LegCredit, 4_000_000, 5_000_000) // the bank has credited the rest
	must[ledger.Correction](b, b.apply(must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(back.ID, "asif")}), ""))
	b.verify()
	if b.suspense() != 0 {
		t.Errorf("on suspense: %d", b.suspense())
	}
}

// TestAPayoutThatWouldFailIsRefused: the difference does not move either.
func TestAPayoutThatWouldFailIsRefused(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	b.fund(account, wallet, 900)
	out := b.pay(wallet, account, 500)
	b.say(&out, "credit approved")
	brk := b.breakOf(&out, ledger.ClassNotAtBank, ledger.LegCredit, 500, 0)
	must[ledger.Account](b, ledger.FreezeWallet{Party: wallet.Party, Currency: "INR", Frozen: true})
	b.now = b.now.Add(24 * time.Hour)
	made := must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif"), Action: ledger.ReturnLater})
	b.refused(b.apply(made, ""), ledger.CodePayoutRefused)
	if b.suspense() != 0 {
		t.Errorf("on suspense: %d", b.suspense())
	}
	must[ledger.Account](b, ledger.FreezeWallet{Party: wallet.Party, Currency: "INR"})
	must[ledger.Correction](b, b.apply(made, ""))
	b.verify()
	if b.suspense() != 0 {
		t.Errorf("after the payout into the wallet %d is on suspense", b.suspense())
	}
}

// TestAPayoutThatFailedIsPaidAgain: a bank that declines a payout leaves its money on
// suspense, from where it is paid once more, and only once.
func TestAPayoutThatFailedIsPaidAgain(t *testing.T) {
	b, _, brk := completed(t, 4_000_000)
	defer b.close()
	b.now = b.now.Add(24 * time.Hour)
	made := must[ledger.Correction](b, b.apply(must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(brk.ID, "asif")}), ""))
	for range 2 {
		p, err := b.store.Transfer(context.Background(), made.Payout)
		if err != nil {
			t.Fatal(err)
		}
		b.say(&p, "credit declined")
		if b.suspense() != 1_000_000 {
			t.Fatalf("on suspense: %d", b.suspense())
		}
		again := b.breakOf(&p, ledger.ClassPayoutFailed, ledger.LegCredit, 0, 0)
		b.now = b.now.Add(24 * time.Hour)
		made = must[ledger.Correction](b, ledger.ProposeCorrection{Case: b.at(again.ID, "asif")})
		if made.Action != ledger.PayAgain {
			t.Fatalf("proposes %s", made.Action)
		}
		apply := b.apply(made, "")
		made = must[ledger.Correction](b, apply)
		if twice := must[ledger.Correction](b, apply); twice != made {
			t.Errorf("applied again: %+v", twice)
		}
		b.verify()
	}
	b.payOut(made)
}

// TestCorrectionsUnderRandomCommands proposes and applies corrections of random
// breaks, true or not, between random words of banks: the book holds, and each is applied once.
func TestCorrectionsUnderRandomCommands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := limited(t, india())
		defer b.close()
		m := &machine{book: b}
		for _, bank := range []string{"SBIN", "HDFC", "SBIN"} {
			account, wallet := b.person("somebody", bank)
			m.ends = append(m.ends, account, wallet)
		}
		b.fund(m.ends[0], m.ends[1], 1_000)
		var breaks []ledger.ID
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create,
			"answer": m.answer,
			"find": func(rt *rapid.T) {
				t := m.pick(rt)
				leg := ledger.Leg(rapid.IntRange(1, 4).Draw(rt, "leg"))
				if here, _ := t.Ends(leg); here.IsWallet() {
					rt.Skip("no bank")
				}
				class := rapid.SampledFrom([]ledger.Class{ledger.ClassInDoubt, ledger.ClassAmountDiffers, ledger.ClassNotAtBank, ledger.ClassPayoutFailed}).Draw(rt, "class")
				breaks = append(breaks, b.breakOf(t, class, leg, rapid.Int64Range(0, 900).Draw(rt, "ours"), rapid.Int64Range(0, 900).Draw(rt, "theirs")).ID)
			},
			"correct": func(rt *rapid.T) {
				if len(breaks) == 0 {
					rt.Skip("no break yet")
				}
				id := rapid.SampledFrom(breaks).Draw(rt, "break")
				made, _ := m.twice(rt, ledger.ProposeCorrection{Case: b.at(id, "asif"), Action: ledger.Action(rapid.IntRange(0, 9).Draw(rt, "action"))}).(ledger.Correction)
				if made.ID.IsZero() {
					return
				}
				m.twice(rt, b.apply(made, "a reason"))
				before := b.fingerprint()
				if again, err := ledger.Do[ledger.Correction](context.Background(), b.pipe, b.apply(made, "a reason")); err == nil && again.State != ledger.CorrectionApplied || b.fingerprint() != before {
					rt.Fatalf("applied again: %+v, %v", again, err)
				}
			},
			"": func(*rapid.T) { b.verify() },
		})
	})
}
