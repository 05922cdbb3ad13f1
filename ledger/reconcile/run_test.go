package reconcile_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/reconcile"
)

func TestRun(t *testing.T) {
	w := memoryWorld(t)
	good, missing := w.completed(25_000), w.completed(30_000)
	w.tells(w.line(&good, ledger.LegDebit), w.line(&good, ledger.LegCredit), w.line(&missing, ledger.LegDebit))
	w.told(monday)
	w.at(w.days(1))
	run := w.run()
	want := ledger.Run{N: 1, From: monday - 10, Until: monday + 10, Lines: 3, Legs: 4, Matched: 3, Breaks: 1, By: "test", Began: w.clock.Load(), Ended: w.clock.Load()}
	if run != want {
		t.Errorf("run %+v\nwant %+v", run, want)
	}
	w.expectRules(good, "debit id_rrn_date_amount", "credit id_rrn_date_amount")
	w.expectRules(missing, "debit id_rrn_date_amount")
	w.expect("not_at_bank of credit at KVRI: ours 30000 theirs 0, no nothing yes, day +0")

	// Again: nothing changes.
	before := w.state()
	if again := w.run(); again.N != 2 || again.Breaks != 1 {
		t.Errorf("again: %+v", again)
	}
	if after := w.state(); !slices.Equal(after, before) {
		t.Errorf("again:\n%q\nbefore\n%q", after, before)
	}
	b := w.breaks(ledger.BreakOpen)[0]
	if got := w.notes(b.ID); !slices.Equal(got, []string{"opened"}) {
		t.Errorf("history %q", got)
	}

	// The bank tells of it after all; then takes it back.
	line := w.line(&missing, ledger.LegCredit)
	w.tells(line)
	w.run()
	w.expect()
	w.expectRules(missing, "debit id_rrn_date_amount", "credit id_rrn_date_amount")
	twice := w.line(&missing, ledger.LegCredit)
	w.tells(twice)
	w.run()
	w.expect("duplicate of credit at KVRI: ours 30000 theirs 60000, yes nothing yes, day +0")
	w.expectRules(missing, "debit id_rrn_date_amount")
	if got := w.notes(b.ID); !slices.Equal(got, []string{"opened", "closed"}) {
		t.Errorf("history %q", got)
	}
}

// TestHeld: a transfer that is held for a day is no break, nor is one whose payee is paid a day later.
func TestHeld(t *testing.T) {
	w := memoryWorld(t)
	made := w.transfer(25_000)
	until := w.days(1)
	held := w.create(ledger.Transfer{ID: w.id(), Kind: made.Kind, Payer: made.Payer, Payee: made.Payee, Amount: inr(30_000), RRN: "632400000099", Until: until.UnixMicro()})
	taken := w.create(ledger.Transfer{ID: w.id(), Kind: made.Kind, Payer: made.Payer, Payee: made.Payee, Amount: inr(40_000), RRN: "632400000098", Until: until.UnixMicro()})
	for _, t := range []*ledger.Transfer{&made, &held, &taken} {
		w.answer(t, ledger.LegDebit, ledger.SaysApproved)
		w.tells(w.line(t, ledger.LegDebit))
	}
	w.answer(&made, ledger.LegCredit, ledger.SaysApproved)
	w.tells(w.line(&made, ledger.LegCredit))
	w.told(monday)
	if held.State != ledger.Held || taken.State != ledger.Held {
		t.Fatalf("they are %s and %s", held.State, taken.State)
	}
	w.at(until)
	w.run()
	w.expect()
	for _, t := range []ledger.Transfer{held, taken} {
		w.expectRules(t, "debit id_rrn_date_amount")
	}

	w.do(ledger.ReleaseTransfer{Transfer: &held})
	w.answer(&held, ledger.LegCredit, ledger.SaysApproved)
	w.do(ledger.CancelTransfer{Transfer: &taken})
	w.answer(&taken, ledger.LegDebitReversal, ledger.SaysApproved)
	for _, line := range []ledger.BankLine{w.line(&held, ledger.LegCredit), w.line(&taken, ledger.LegDebitReversal)} {
		line.Day = monday + 1
		w.tells(line)
	}
	w.told(monday + 1)
	w.at(w.days(2))
	w.run()
	w.expect()
	w.expectRules(held, "debit id_rrn_date_amount", "credit id_rrn_date_amount")
	if held.State != ledger.Completed || taken.State != ledger.Reversed {
		t.Errorf("they are %s and %s", held.State, taken.State)
	}
}

func TestDeadlines(t *testing.T) {
	w := memoryWorld(t)
	shop := ledger.Party{ID: ledger.ID{7}, Name: "Shop", Kind: ledger.Merchant}
	w.do(put{shop})
	person := w.completed(25_000)
	toShop := person
	toShop.Payee.Party = shop.ID
	toShop = w.twin(toShop)
	w.answer(&toShop, ledger.LegDebit, ledger.SaysApproved)
	w.tells(w.line(&person, ledger.LegDebit), w.line(&person, ledger.LegDebit), w.line(&toShop, ledger.LegDebit), w.line(&toShop, ledger.LegDebit))
	w.run()
	var ends []string
	for _, b := range w.breaks(ledger.BreakOpen) {
		ends = append(ends, time.UnixMicro(b.Deadline).In(india).Format(time.DateTime))
	}
	if want := []string{"2026-11-22 00:00:00", "2026-11-26 00:00:00"}; !slices.Equal(ends, want) {
		t.Errorf("deadlines %q, want %q", ends, want)
	}
}

func TestLifeOfABreak(t *testing.T) {
	ctx := context.Background()
	w := memoryWorld(t)
	desk := reconcile.Desk{Book: w.book, Reader: w.store, Now: w.now}
	a := w.completed(25_000)
	w.told(monday)
	w.tells(w.line(&a, ledger.LegCredit))
	w.at(w.days(1))
	w.run()
	b := w.breaks(ledger.BreakOpen)[0]
	do := func(got ledger.Break, err error) ledger.Break {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	refused := func(code string, _ ledger.Break, err error) {
		t.Helper()
		if refusal := (*ledger.Refusal)(nil); !errors.As(err, &refusal) || refusal.Code != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	for range 2 {
		do(desk.Assign(ctx, b.ID, "meera", "asha"))
	}
	for range 2 {
		do(desk.Comment(ctx, b.ID, "ticket 4711", "meera"))
	}
	do(desk.Comment(ctx, b.ID, "ticket 4711", "asha"))
	for _, text := range []string{"", " ", "two\nlines", "a\u202eb", string(make([]rune, 1001))} {
		_, err := desk.Comment(ctx, b.ID, text, "asha")
		refused(reconcile.CodeTextInvalid, b, err)
		_, err = desk.Dismiss(ctx, b.ID, text, "asha")
		refused(reconcile.CodeTextInvalid, b, err)
	}
	for range 2 {
		b = do(desk.Dismiss(ctx, b.ID, "nothing to do", "asha"))
	}
	if b.Owner != "meera" || b.State != ledger.BreakClosed || b.Resolution != ledger.Dismissed {
		t.Errorf("%+v", b)
	}
	// As it was dismissed it stays, and opens again when the bank says something else.
	w.run()
	w.expect()
	wrong := w.line(&a, ledger.LegDebit)
	wrong.Amount.Minor--
	w.tells(wrong)
	w.run()
	w.expect("amount_differs of debit at NRMD: ours 25000 theirs 24999, yes nothing yes, day +0")
	history := []string{"opened", "assigned", "commented", "commented", "closed"}
	if got := w.notes(b.ID); !slices.Equal(got, history) {
		t.Errorf("history %q, want %q", got, history)
	}
	_, err := desk.Assign(ctx, ledger.ID{9}, "meera", "asha")
	refused(ledger.CodeBreakNotFound, b, err)
	_, err = desk.Comment(ctx, ledger.ID{9}, "x", "asha")
	refused(ledger.CodeBreakNotFound, b, err)

	// One that changes stays open, and tells so; one that is gone closes, and may come back.
	b = w.breaks(ledger.BreakOpen)[0]
	other := w.line(&a, ledger.LegDebit)
	other.ID.Source, other.Amount.Minor = ledger.SourceSwitch, 1
	w.tells(other)
	w.run()
	w.expect("amount_differs of debit at NRMD: ours 25000 theirs 24999, yes yes yes, day +0")
	back := wrong
	w.keys++
	binary.BigEndian.PutUint32(back.ID.Key[:], w.keys)
	back.Debit, back.Reversal = false, true
	w.tells(back, w.line(&a, ledger.LegDebit))
	w.run()
	w.expect("not_at_switch of debit at NRMD: ours 25000 theirs 25000, yes yes yes, day +0")
	_, err = desk.Dismiss(ctx, b.ID, "x", "asha")
	refused(ledger.CodeBreakClosed, b, err)
	w.tells(w.line(&a, ledger.LegDebit))
	w.run()
	w.expect("duplicate of debit at NRMD: ours 25000 theirs 50000, yes yes yes, day +0")
	if got, want := w.notes(b.ID), []string{"opened", "changed", "closed"}; !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
}

// A break for which a correction waits is not dismissed.
func TestNoDismissalBesideACorrection(t *testing.T) {
	ctx := context.Background()
	w := memoryWorld(t)
	policy := ledger.DefaultPolicy()
	desk := reconcile.Desk{Book: w.book, Reader: w.store, Policy: &policy, Now: w.now, RRN: func() string { return rrn }}
	a := w.completed(25_000)
	w.told(monday)
	w.tells(w.line(&a, ledger.LegDebit))
	w.at(w.days(1))
	w.run()
	b := w.breaks(ledger.BreakOpen)[0]
	c, err := desk.Propose(ctx, b.ID, 0, "asha")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.book.Submit(ctx, ledger.Request{Command: reconcile.CloseBreak{ID: b.ID, Tries: b.Tries, Text: "x"}}); !errors.Is(err, ledger.ErrBreakBusy) {
		t.Errorf("closed by what was read before the correction: %v", err)
	}
	if _, err := w.book.Submit(ctx, ledger.Request{Command: reconcile.CommentBreak{ID: b.ID, Last: ledger.BreakNote{N: b.Notes}, Text: "x"}}); !errors.Is(err, ledger.ErrBreakBusy) {
		t.Errorf("commented by what was read before the correction: %v", err)
	}
	if _, err := desk.Dismiss(ctx, b.ID, "x", "asha"); err == nil || err.(*ledger.Refusal).Code != ledger.CodeCorrectionPending {
		t.Errorf("got %v", err)
	}
	// Corrected, it stays closed.
	if _, err := desk.Apply(ctx, c.ID, "", "asha"); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.expect()
	if got := w.breaks(ledger.BreakClosed); len(got) != 1 || got[0].Resolution != ledger.Corrected {
		t.Errorf("closed breaks %+v", got)
	}
}

// However the lines come, in how many parts, with how many runs in between: the end is the same.
func TestRunsInBetweenDoNotMatter(t *testing.T) {
	const n = 60
	alone := newWorld(t, memory.New())
	alone.tells(alone.crowd(n)...)
	alone.told(monday, monday+1)
	alone.run()
	want := open(alone)
	alone.close()
	if len(want) < n {
		t.Fatalf("only %d matches and breaks", len(want))
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, memory.New())
		defer w.close()
		lines := rapid.Permutation(w.crowd(n)).Draw(t, "order")
		early := rapid.Bool().Draw(t, "told early")
		if early {
			w.told(monday, monday+1)
		}
		for len(lines) > 0 {
			k := rapid.IntRange(1, len(lines)).Draw(t, "part")
			w.tells(lines[:k]...)
			lines = lines[k:]
			if rapid.Bool().Draw(t, "run") {
				w.run()
			}
		}
		w.told(monday, monday+1)
		w.run()
		if got := open(w); !slices.Equal(got, want) {
			t.Fatalf("got\n%q\nwant\n%q", got, want)
		}
	})
}

func TestEightRunsAtOnce(t *testing.T) {
	const n = 300
	alone := memoryWorld(t)
	alone.tells(alone.crowd(n)...)
	alone.told(monday, monday+1)
	alone.run()
	want := alone.state()

	w := memoryWorld(t)
	w.tells(w.crowd(n)...)
	w.told(monday, monday+1)
	var wg sync.WaitGroup
	var ended atomic.Int32
	for range 8 {
		wg.Go(func() {
			o := w.options()
			o.Chunk = 20
			switch _, err := reconcile.Run(context.Background(), w.book, w.store, o); {
			case err == nil:
				ended.Add(1)
			case !errors.Is(err, reconcile.ErrSuperseded):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ended.Load() == 0 {
		t.Error("none of them came to its end")
	}
	if got := w.state(); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	last, err := w.store.LastRun(context.Background())
	if err != nil || last.N != 8 || last.Superseded || last.Ended == 0 {
		t.Errorf("last run %+v, %v", last, err)
	}
}

// gate is a store whose snapshots wait to be let on.
type gate struct {
	ledger.Store
	reached chan struct{}
	on      chan struct{}
}

func (g *gate) Audit(ctx context.Context, check func(ledger.Snapshot) error) error {
	return g.Store.Audit(ctx, func(s ledger.Snapshot) error {
		g.reached <- struct{}{}
		<-g.on
		return check(s)
	})
}

func TestAnOvertakenRunWritesNoMore(t *testing.T) {
	w := memoryWorld(t)
	a := w.completed(25_000)
	w.told(monday)
	w.at(w.days(1))
	g := &gate{Store: w.store, reached: make(chan struct{}), on: make(chan struct{})}
	result := make(chan error)
	go func() {
		_, err := reconcile.Run(context.Background(), w.book, g, w.options())
		result <- err
	}()
	<-g.reached
	w.tells(w.line(&a, ledger.LegDebit), w.line(&a, ledger.LegCredit))
	w.run()
	want := w.state()
	g.on <- struct{}{}
	if err := <-result; !errors.Is(err, reconcile.ErrSuperseded) {
		t.Errorf("the overtaken run: %v", err)
	}
	if got := w.state(); !slices.Equal(got, want) {
		t.Errorf("it has written: %q, before %q", got, want)
	}
}

// A break that an operator closes while a run looks stays closed until the next run.
func TestClosedWhileARunLooks(t *testing.T) {
	w := memoryWorld(t)
	desk := reconcile.Desk{Book: w.book, Reader: w.store, Now: w.now}
	a := w.completed(25_000)
	w.told(monday)
	w.tells(w.line(&a, ledger.LegCredit))
	w.at(w.days(1))
	w.run()
	b := w.breaks(ledger.BreakOpen)[0]
	// The switch's word is new: that changes the break. So does the bank's, which ends another.
	word := w.line(&a, ledger.LegDebit)
	word.ID.Source = ledger.SourceSwitch
	w.tells(word)
	g := &gate{Store: w.store, reached: make(chan struct{}), on: make(chan struct{})}
	during := func(do func()) {
		t.Helper()
		result := make(chan error)
		go func() {
			_, err := reconcile.Run(context.Background(), w.book, g, w.options())
			result <- err
		}()
		<-g.reached
		do()
		g.on <- struct{}{}
		if err := <-result; err != nil {
			t.Fatal(err)
		}
	}
	during(func() {
		if _, err := desk.Dismiss(context.Background(), b.ID, "looked into", "asha"); err != nil {
			t.Fatal(err)
		}
	})
	w.expect()
	w.run()
	w.expect("not_at_bank of debit at NRMD: ours 25000 theirs 0, no yes yes, day +0")
	w.tells(w.line(&a, ledger.LegDebit))
	during(func() {
		if _, err := desk.Dismiss(context.Background(), b.ID, "looked into", "asha"); err != nil {
			t.Fatal(err)
		}
	})
	if now, _ := w.store.Break(context.Background(), b.ID); now.Resolution != ledger.Dismissed {
		t.Errorf("%+v", now)
	}
	if got, want := w.notes(b.ID), []string{"opened", "closed", "reopened", "closed"}; !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
}

// What a run writes may be written again, whatever came of the first time, and
// whatever people have done since.
func TestWrittenAgain(t *testing.T) {
	w := memoryWorld(t)
	desk := reconcile.Desk{Book: w.book, Reader: w.store, Now: w.now}
	run := w.run()
	b := ledger.Break{ID: ledger.ID{1}, Class: ledger.ClassLate, Subject: ledger.Subject{Transfer: ledger.ID{2}, Leg: ledger.LegDebit, Bank: payerBank}, Day: monday, Currency: "INR"}
	chunk := reconcile.Reconciled{Run: run.N, Findings: []reconcile.Finding{{Break: b}},
		Matches: []ledger.Match{{Line: ledger.LineID{Source: ledger.SourceBank, Bank: payerBank, N: 1}, Transfer: ledger.ID{2}, Leg: ledger.LegDebit, Rule: ledger.RuleIDAmount}}}
	for range 2 {
		w.do(chunk)
	}
	if _, err := desk.Dismiss(context.Background(), b.ID, "looked into", "asha"); err != nil {
		t.Fatal(err)
	}
	w.do(chunk)
	if got, want := w.notes(b.ID), []string{"opened", "closed"}; !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
	gone := reconcile.Reconciled{Run: run.N, Gone: []ledger.ID{b.ID}, Unmatched: chunk.Matches}
	for range 2 {
		w.do(gone)
	}
	if got, want := w.state(), []string{"late of debit at NRMD: ours 0 theirs 0, nothing nothing nothing, day +0, closed dismissed, by -20777"}; !slices.Equal(got, want) {
		t.Errorf("state %q, want %q", got, want)
	}
}

// stopper is a store that has a run stopped after so many commits.
type stopper struct {
	ledger.Store
	stop  func()
	after int
}

func (s *stopper) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	err := s.Store.Commit(ctx, declare, apply)
	if s.after--; s.after == 0 {
		s.stop()
	}
	return err
}

// A run that is stopped anywhere is made good by the next.
func TestStoppedAnywhere(t *testing.T) {
	const n = 120
	alone := memoryWorld(t)
	alone.tells(alone.crowd(n)...)
	alone.told(monday, monday+1)
	alone.run()
	want := alone.state()
	stopped := 0
	for after := 1; after < 20; after++ {
		ctx, stop := context.WithCancel(context.Background())
		store := &stopper{Store: memory.New(), stop: stop}
		w := newWorld(t, store)
		w.tells(w.crowd(n)...)
		w.told(monday, monday+1)
		o := w.options()
		o.Chunk = 25
		store.after = after
		if _, err := reconcile.Run(ctx, w.book, store, o); err != nil {
			stopped++
		}
		w.run()
		if got := w.state(); !slices.Equal(got, want) {
			t.Errorf("stopped after %d commits:\n%q\nwant\n%q", after, got, want)
		}
		w.close()
		stop()
	}
	if stopped < 5 {
		t.Errorf("only %d runs were stopped", stopped)
	}
}

// A run looks only at the days that it is for.
func TestOtherDaysAreLeftAlone(t *testing.T) {
	w := memoryWorld(t)
	w.at(w.days(-20))
	w.completed(25_000)
	w.at(noon)
	a := w.completed(30_000)
	w.told(monday-20, monday)
	w.at(w.days(1))
	w.run()
	w.expect("not_at_bank of debit at NRMD: ours 30000 theirs 0, no nothing yes, day +0", "not_at_bank of credit at KVRI: ours 30000 theirs 0, no nothing yes, day +0")
	o := w.options()
	o.From, o.Until = monday-20, monday
	w.tells(w.line(&a, ledger.LegDebit), w.line(&a, ledger.LegCredit))
	if _, err := reconcile.Run(context.Background(), w.book, w.store, o); err != nil {
		t.Fatal(err)
	}
	if open := w.breaks(ledger.BreakOpen); len(open) != 4 {
		t.Errorf("open breaks %q", showAll(open))
	}
	w.run()
	if open := w.breaks(ledger.BreakOpen); len(open) != 2 {
		t.Errorf("open breaks %q", showAll(open))
	}
}

// What is found about settlement is no matter of a run.
func TestSettlementIsLeftAlone(t *testing.T) {
	w := memoryWorld(t)
	s := ledger.Subject{Window: "upi/2026-11-20/03", Bank: payerBank}
	b := ledger.Break{ID: ledger.BreakID(ledger.ClassSettlement, s), Class: ledger.ClassSettlement, Subject: s, Day: monday, Currency: "INR", Theirs: 1}
	w.do(reconcile.Reconciled{Run: w.run().N, Findings: []reconcile.Finding{{Break: b}}})
	w.run()
	if open := w.breaks(ledger.BreakOpen); len(open) != 1 {
		t.Errorf("open breaks %q", showAll(open))
	}
}

// Two that begin at once get numbers of their own.
func TestStartsAtOnce(t *testing.T) {
	w := memoryWorld(t)
	var wg sync.WaitGroup
	numbers := make([]int64, 8)
	for i := range numbers {
		wg.Go(func() {
			run, err := reconcile.Run(context.Background(), w.book, w.store, w.options())
			if err != nil && !errors.Is(err, reconcile.ErrSuperseded) {
				t.Error(err)
			}
			numbers[i] = run.N
		})
	}
	wg.Wait()
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			t.Errorf("numbers %v", numbers)
		}
	}
}
