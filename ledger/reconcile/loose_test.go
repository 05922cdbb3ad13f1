package reconcile_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/reconcile"
)

func TestLinesWithoutATransfer(t *testing.T) {
	t.Run("by RRN", func(t *testing.T) {
		w := memoryWorld(t)
		a := w.completed(25_000)
		w.tells(w.loose(&a, ledger.LegDebit), w.loose(&a, ledger.LegCredit))
		w.told(monday)
		w.at(w.days(1))
		w.run()
		w.expect()
		w.expectRules(a, "debit rrn_date_amount", "credit rrn_date_amount")
	})
	t.Run("by RRN, and named by another file", func(t *testing.T) {
		w := memoryWorld(t)
		a := w.completed(25_000)
		named := w.line(&a, ledger.LegDebit)
		nameless := named
		nameless.Transfer, nameless.Name = ledger.ID{}, ""
		w.tells(nameless)
		w.run()
		w.expectRules(a, "debit rrn_date_amount")
		w.tells(named)
		w.run()
		w.expectRules(a, "debit id_rrn_date_amount")
	})
	t.Run("the same RRN ten years before", func(t *testing.T) {
		w := memoryWorld(t)
		a := w.completed(25_000)
		old := w.loose(&a, ledger.LegDebit)
		old.Day = ledger.DayOf(noon.AddDate(-10, 0, 0))
		w.tells(old)
		w.told(monday)
		w.at(w.days(1))
		o := w.options()
		o.From = old.Day - 10
		if _, err := reconcile.Run(context.Background(), w.book, w.store, o); err != nil {
			t.Fatal(err)
		}
		w.expectRules(a)
		w.expect(fmt.Sprintf("not_in_book of line of NRMD at NRMD: ours 0 theirs 25000, yes nothing no, day %+d", old.Day-monday),
			"not_at_bank of debit at NRMD: ours 25000 theirs 0, no nothing yes, day +0", "not_at_bank of credit at KVRI: ours 25000 theirs 0, no nothing yes, day +0")
	})
	t.Run("two of one RRN and amount on one day", func(t *testing.T) {
		w := memoryWorld(t)
		a := w.completed(25_000)
		b := w.twin(a)
		w.answer(&b, ledger.LegDebit, ledger.SaysApproved)
		w.tells(w.loose(&a, ledger.LegDebit))
		w.run()
		w.expectRules(a)
		w.expectRules(b)
		w.expect("not_in_book of line of NRMD at NRMD: ours 0 theirs 25000, yes nothing no, day +0")
	})
	t.Run("another amount, bank, account or id", func(t *testing.T) {
		w := memoryWorld(t)
		a := w.completed(25_000)
		less, elsewhere, other, foreign := w.loose(&a, ledger.LegDebit), w.loose(&a, ledger.LegDebit), w.loose(&a, ledger.LegDebit), w.loose(&a, ledger.LegCredit)
		less.Amount.Minor--
		elsewhere.ID.Bank = "XXXX"
		other.Account = "111122223333"
		foreign.Name = "PTM0000000000000000000000000000001A"
		w.tells(less, elsewhere, other, foreign)
		w.run()
		w.expectRules(a)
		w.expect("not_in_book of line of NRMD at NRMD: ours 0 theirs 24999, yes nothing no, day +0",
			"unknown_account of line of XXXX at XXXX: ours 0 theirs 25000, yes nothing no, day +0",
			"not_in_book of line of NRMD at NRMD: ours 0 theirs 25000, yes nothing no, day +0",
			"not_in_book of line of KVRI at KVRI: ours 0 theirs 25000, yes nothing no, day +0")
	})
	t.Run("a name cut short", func(t *testing.T) {
		w := memoryWorld(t)
		a := w.completed(25_000)
		short := w.loose(&a, ledger.LegDebit)
		short.Name = a.ID.TransferRef()[:16]
		w.tells(short)
		w.run()
		w.expect()
		w.expectRules(a, "debit rrn_date_amount")
	})
	t.Run("unknown", func(t *testing.T) {
		w := memoryWorld(t)
		never := ledger.Transfer{ID: w.id(), Amount: inr(700), RRN: rrn, Created: noon.UnixMicro(), Payer: ledger.End{Bank: payerBank}, Payee: ledger.End{Bank: payeeBank}}
		named, nameless := w.line(&never, ledger.LegDebit), w.loose(&never, ledger.LegCredit)
		nameless.RRN, nameless.By = "", ledger.KeyedByReference
		w.tells(named, nameless)
		run := w.run()
		w.expect("not_in_book of line of NRMD at NRMD: ours 0 theirs 700, yes nothing no, day +0",
			"not_in_book of line of KVRI at KVRI: ours 0 theirs 700, yes nothing no, day +0")
		if run.Lines != 2 {
			t.Errorf("%d lines were looked at", run.Lines)
		}
		before := w.state()
		w.run()
		if after := w.state(); !slices.Equal(before, after) {
			t.Errorf("a second run:\n%q\n%q", before, after)
		}
		// Their reversals undo them, the one by its RRN, the other by its name.
		byRRN := w.loose(&never, ledger.LegDebit)
		back := byRRN
		w.keys++
		binary.BigEndian.PutUint32(back.ID.Key[:], w.keys)
		back.Debit, back.Reversal, back.Day = false, true, monday+1
		w.tells(w.line(&never, ledger.LegDebitReversal), byRRN, back)
		w.run()
		w.expect("not_in_book of line of KVRI at KVRI: ours 0 theirs 700, yes nothing no, day +0")
	})
	t.Run("names of others", func(t *testing.T) {
		w := memoryWorld(t)
		other := ledger.Transfer{Amount: inr(700), Created: noon.UnixMicro(), Payer: ledger.End{Bank: payerBank}, Payee: ledger.End{Bank: payeeBank}}
		there, again, back := w.loose(&other, ledger.LegDebit), w.loose(&other, ledger.LegDebit), w.loose(&other, ledger.LegDebitReversal)
		for _, l := range []*ledger.BankLine{&there, &again, &back} {
			l.Name, l.By = "PTM0000000000000000000000000000001A", ledger.KeyedByName
		}
		again.RRN, again.By = rrn, ledger.KeyedByRRN // the same movement in another format
		w.tells(there, again)
		w.run()
		w.expect("not_in_book of line of NRMD at NRMD: ours 0 theirs 700, yes nothing no, day +0")
		w.tells(back)
		w.run()
		w.expect()
	})
	t.Run("of the switch", func(t *testing.T) {
		w := memoryWorld(t)
		never := ledger.Transfer{ID: w.id(), Amount: inr(700), RRN: rrn, Created: noon.UnixMicro(), Payer: ledger.End{Bank: payerBank}, Payee: ledger.End{Bank: payeeBank}}
		other := w.line(&never, ledger.LegDebit)
		other.ID.Source = ledger.SourceSwitch
		w.tells(other)
		w.run()
		w.expect() // the bank has told nothing
		w.told(monday)
		w.run()
		w.expect("only_at_switch of line of NRMD at NRMD: ours 0 theirs 0, no yes no, day +0")
		w.tells(w.line(&never, ledger.LegDebit))
		w.run()
		w.expect("not_in_book of line of NRMD at NRMD: ours 0 theirs 700, yes yes no, day +0")
	})
}

func TestBatches(t *testing.T) {
	some := func(t *testing.T) (*world, []ledger.Transfer) {
		w := memoryWorld(t)
		var made []ledger.Transfer
		for i := range 6 {
			w.at(noon.Add(time.Duration(i) * time.Minute))
			made = append(made, w.completed(int64(100+i)))
		}
		w.tells(w.line(&made[0], ledger.LegCredit)) // by itself
		return w, made
	}
	t.Run("one", func(t *testing.T) {
		w, made := some(t)
		sum := w.batched(ledger.LegCredit, 102+103+104, 3)
		sum.Account = "888877776666" // the bank's own
		w.tells(sum)
		w.run()
		w.expect()
		for i, m := range made {
			switch i {
			case 0:
				w.expectRules(m, "credit id_rrn_date_amount")
			case 2, 3, 4:
				w.expectRules(m, "credit batch")
			default:
				w.expectRules(m)
			}
		}
		// And it stays, whatever is run.
		before := w.state()
		w.run()
		if after := w.state(); !slices.Equal(before, after) {
			t.Errorf("a second run:\n%q\n%q", before, after)
		}
	})
	for name, line := range map[string]struct {
		leg   ledger.Leg
		sum   int64
		count int
	}{
		"not one after the other": {ledger.LegCredit, 102 + 104, 2},
		"another count":           {ledger.LegCredit, 102 + 103 + 104, 2},
		"one told by itself":      {ledger.LegCredit, 100 + 101, 2},
		"another side":            {ledger.LegDebitReversal, 102 + 103, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w, made := some(t)
			w.tells(w.batched(line.leg, line.sum, line.count))
			w.run()
			if open := w.breaks(ledger.BreakOpen); len(open) != 1 || open[0].Class != ledger.ClassNotInBook {
				t.Errorf("breaks %q", showAll(open))
			}
			for _, m := range made[1:] {
				w.expectRules(m)
			}
		})
	}
	t.Run("around one that was declined", func(t *testing.T) {
		w := memoryWorld(t)
		first := w.completed(101)
		declined := w.transfer(500)
		w.answer(&declined, ledger.LegDebit, ledger.SaysApproved)
		w.answer(&declined, ledger.LegCredit, ledger.SaysDeclined)
		last := w.completed(102)
		w.tells(w.batched(ledger.LegCredit, 203, 2))
		w.run()
		w.expect()
		w.expectRules(first, "credit batch")
		w.expectRules(last, "credit batch")
		w.expectRules(declined)
	})
	t.Run("two that overlap", func(t *testing.T) {
		w := memoryWorld(t)
		for i := range 3 {
			w.at(noon.Add(time.Duration(i) * time.Minute))
			w.completed(int64(100 + i))
		}
		w.tells(w.batched(ledger.LegCredit, 100+101, 2), w.batched(ledger.LegCredit, 101+102, 2))
		w.run()
		if open := w.breaks(ledger.BreakOpen); len(open) != 2 {
			t.Errorf("breaks %q", showAll(open))
		}
	})
	t.Run("two alike", func(t *testing.T) {
		w := memoryWorld(t)
		for _, minor := range []int64{100, 200, 300, 100, 200} {
			w.completed(minor)
		}
		w.tells(w.batched(ledger.LegCredit, 300, 2), w.batched(ledger.LegCredit, 300, 2))
		w.run()
		w.expect()
	})
	t.Run("in two ways", func(t *testing.T) {
		w := memoryWorld(t)
		var made []ledger.Transfer
		for range 4 {
			made = append(made, w.completed(100))
		}
		w.tells(w.batched(ledger.LegCredit, 200, 2))
		w.run()
		w.expect("not_in_book of line of KVRI at KVRI: ours 0 theirs 200, yes nothing no, day +0")
		for _, m := range made {
			w.expectRules(m)
		}
	})
	t.Run("beside a line by RRN", func(t *testing.T) {
		w, made := some(t)
		w.tells(w.loose(&made[3], ledger.LegCredit), w.loose(&made[4], ledger.LegDebit), w.batched(ledger.LegCredit, 102+104, 2))
		w.run()
		w.expect()
		w.expectRules(made[2], "credit batch")
		w.expectRules(made[3], "credit rrn_date_amount")
		w.expectRules(made[4], "debit rrn_date_amount", "credit batch")
	})
}

// A line of the last day may be undone by one of the day after; that one is for another run.
func TestLinesAroundTheDays(t *testing.T) {
	w := memoryWorld(t)
	of := func(rrn string, leg ledger.Leg, day ledger.Day) ledger.BankLine {
		l := w.loose(&ledger.Transfer{RRN: rrn, Amount: inr(700), Payer: ledger.End{Bank: payerBank}}, leg)
		l.Day = day
		return l
	}
	o := w.options()
	o.Until = monday + 1
	never := w.line(&ledger.Transfer{ID: w.id(), Amount: inr(900), Payee: ledger.End{Bank: payeeBank}}, ledger.LegCredit)
	never.Day = monday + 1
	w.tells(never, of("632400000001", ledger.LegDebit, monday), of("632400000001", ledger.LegDebitReversal, monday+1), of("632400000002", ledger.LegDebit, monday+1))
	if _, err := reconcile.Run(context.Background(), w.book, w.store, o); err != nil {
		t.Fatal(err)
	}
	w.expect()
	want := []string{"not_in_book of line of NRMD at NRMD: ours 0 theirs 700, yes nothing no, day +1", "not_in_book of line of KVRI at KVRI: ours 0 theirs 900, yes nothing no, day +1"}
	w.run()
	w.expect(want...)
	if _, err := reconcile.Run(context.Background(), w.book, w.store, o); err != nil {
		t.Fatal(err)
	}
	w.expect(want...)
}
