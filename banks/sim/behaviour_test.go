package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// plain is what a bank without a mind of its own says to the script of [walk].
const plain = "submit 00, asked 00 00 00; moved; later 00; reversed 00 00 00 00; undone"

// transcripts tell, for every magic amount, what the payer's and the payee's
// bank say, each to the same questions. "-" is silence until the caller gives up
// and "P" is pending. Only departures from plain are listed.
var transcripts = map[string]struct{ debit, credit string }{
	"insufficient-funds": {debit: "submit Z9, asked Z9 Z9 Z9; later Z9; reversed ND ND ND ND"},
	"wrong-pin":          {debit: "submit ZM, asked ZM ZM ZM; later ZM; reversed ND ND ND ND"},
	"payer-unreachable":  {debit: "submit not-sent, asked OD OD OD; later OD; reversed OD OD OD OD"},
	"debit-lost":         {debit: "submit -, asked OD OD OD; later OD; reversed OD OD OD OD"},
	"debit-answer-lost":  {debit: "submit -, asked 00 00 00; moved; later 00; reversed 00 00 00 00; undone"},
	"debit-silent-twice": {debit: "submit -, asked - - 00; moved; later 00; reversed 00 00 00 00; undone"},
	"debit-silent-done":  {debit: "submit -, asked - - -; moved; later -; reversed - - - -"},
	"debit-silent-lost":  {debit: "submit -, asked - - -; later -; reversed - - - -"},
	"debit-twice":        {debit: "submit 00, asked 00 00 00; moved; reports approved 00 @1s; later 00; reversed 00 00 00 00; undone"},
	"debit-late":         {debit: "submit -, asked 00 00 00; moved; reports approved 00 @20s; later 00; reversed 00 00 00 00; undone"},
	"debit-approved-then-declined": {
		debit: "submit 00, asked 00 00 00; moved; reports declined XB @1s; later 00; reversed 00 00 00 00; undone"},
	"debit-declined-then-approved": {
		debit: "submit XB, asked XB XB XB; reports approved 00 @1s; later XB; reversed ND ND ND ND"},
	"debit-pending": {debit: "submit P, asked P P P; moved; reports approved 00 @2s; later 00; reversed 00 00 00 00; undone"},
	"debit-slow":    {debit: "submit 00@2s, asked 00@2s 00@2s 00@2s; moved; later 00@2s; reversed 00 00 00 00; undone"},

	"payee-unknown":       {credit: "submit XI, asked XI XI XI; later XI; reversed NC NC NC NC"},
	"payee-frozen":        {credit: "submit YF, asked YF YF YF; later YF; reversed NC NC NC NC"},
	"payee-unreachable":   {credit: "submit not-sent, asked OC OC OC; later OC; reversed OC OC OC OC"},
	"credit-lost":         {credit: "submit -, asked OC OC OC; later OC; reversed OC OC OC OC"},
	"credit-answer-lost":  {credit: "submit -, asked 00 00 00; moved; later 00; reversed 00 00 00 00; undone"},
	"credit-silent-twice": {credit: "submit -, asked - - 00; moved; later 00; reversed 00 00 00 00; undone"},
	"credit-silent-done":  {credit: "submit -, asked - - -; moved; later -; reversed - - - -"},
	"credit-silent-lost":  {credit: "submit -, asked - - -; later -; reversed - - - -"},
	"credit-twice":        {credit: "submit 00, asked 00 00 00; moved; reports approved 00 @1s; later 00; reversed 00 00 00 00; undone"},
	"credit-late":         {credit: "submit -, asked 00 00 00; moved; reports approved 00 @20s; later 00; reversed 00 00 00 00; undone"},
	"credit-approved-then-declined": {
		credit: "submit 00, asked 00 00 00; moved; reports declined XC @1s; later 00; reversed 00 00 00 00; undone"},
	"credit-declined-then-approved": {
		credit: "submit XC, asked XC XC XC; reports approved 00 @1s; later XC; reversed NC NC NC NC"},
	"credit-pending": {credit: "submit P, asked P P P; moved; reports approved 00 @2s; later 00; reversed 00 00 00 00; undone"},
	"credit-slow":    {credit: "submit 00@2s, asked 00@2s 00@2s 00@2s; moved; later 00@2s; reversed 00 00 00 00; undone"},

	"reversal-declined-twice": {credit: payeeUnknown,
		debit: "submit 00, asked 00 00 00; moved; later 00; reversed 96 96 00 00; undone"},
	"reversal-lost-twice": {credit: payeeUnknown,
		debit: "submit 00, asked 00 00 00; moved; later 00; reversed - - 00 00; undone"},
	"reversal-answer-lost": {credit: payeeUnknown,
		debit: "submit 00, asked 00 00 00; moved; later 00; reversed - 00 00 00; undone"},
	"reversal-declined": {credit: payeeUnknown,
		debit: "submit 00, asked 00 00 00; moved; later 00; reversed 96 96 96 96"},
	"reversal-silent": {credit: payeeUnknown,
		debit: "submit 00, asked 00 00 00; moved; later 00; reversed - - - -"},
	"reversal-pending": {credit: payeeUnknown,
		debit: "submit 00, asked 00 00 00; moved; later 00; reversed P P P P; undone; reports approved 00 @2s"},
	"reversal-twice": {credit: payeeUnknown,
		debit: "submit 00, asked 00 00 00; moved; later 00; reversed 00 00 00 00; undone; reports approved 00 @1s"},
	"credit-undone":     {credit: "submit -, asked - - -; moved; later -; reversed 00 00 00 00; undone"},
	"credit-spent":      {credit: "submit -, asked - - -; moved; later -; reversed CS CS CS CS"},
	"credit-never-seen": {credit: "submit -, asked - - -; later -; reversed OC OC OC OC"},
	"credit-reversal-declined-twice": {
		credit: "submit -, asked - - -; moved; later -; reversed 96 96 00 00; undone"},
}

const payeeUnknown = "submit XI, asked XI XI XI; later XI; reversed NC NC NC NC"

func TestMagicAmounts(t *testing.T) {
	for _, m := range sim.Amounts {
		t.Run(m.Amount().String()+" "+m.Name, func(t *testing.T) {
			want, ok := transcripts[m.Name]
			if !ok {
				t.Fatal("no transcript tells what this amount does")
			}
			for leg, want := range map[ledger.Leg]string{ledger.LegDebit: want.debit, ledger.LegCredit: want.credit} {
				if want == "" {
					want = plain
				}
				synctest.Test(t, func(t *testing.T) {
					w := newWalk(t, sim.Config{})
					if got := w.walk(instruction(leg, "100200300", m.Minor)); got != want {
						t.Errorf("%s:\n got %s\nwant %s", leg, got, want)
					}
				})
			}
		})
	}
	if len(transcripts) != len(sim.Amounts) {
		t.Errorf("%d transcripts for %d amounts", len(transcripts), len(sim.Amounts))
	}
}

func TestAnAccountsBehaviourGoesBeforeTheAmounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWalk(t, sim.Config{Code: "SBIN", OpeningBalance: opening, Latency: time.Second,
			Behaviours: map[string]sim.Behaviour{"777": {ledger.LegDebit: {Does: sim.Declines, Code: "YE"}}}})
		const want = "submit YE@1s, asked YE@1s YE@1s YE@1s; later YE@1s; reversed ND@1s ND@1s ND@1s ND@1s"
		if got := w.walk(instruction(ledger.LegDebit, "777", sim.Amounts[1].Minor)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
		// What the account does not say of a leg, the amount does.
		credit := instruction(ledger.LegCredit, "777", 9201_00)
		if got := w.ask(w.bank.Submit, credit); got != "XI@1s" {
			t.Errorf("the credit got %s", got)
		}
	})
}

func TestOtherCurrenciesHaveNoMagic(t *testing.T) {
	bank := open(t, sim.Config{Code: "DBSS", Currency: "SGD", OpeningBalance: opening})
	i := instruction(ledger.LegDebit, "1", 9101_00)
	i.Amount.Currency = "SGD"
	if a, err := bank.Submit(t.Context(), i); err != nil || a.Code != "00" {
		t.Errorf("got %+v, %v", a, err)
	}
	if a, err := bank.Submit(t.Context(), instruction(ledger.LegDebit, "1", 100)); err != nil || a.Code != "XB" {
		t.Errorf("rupees at a bank in Singapore got %+v, %v", a, err)
	}
}

func TestABehaviourThatCannotBeIsRefused(t *testing.T) {
	for name, behaviour := range map[string]sim.Behaviour{
		"leg":      {ledger.Leg(9): {}},
		"kind":     {ledger.LegDebit: {Does: 99}},
		"code":     {ledger.LegDebit: {Does: sim.Declines}},
		"approved": {ledger.LegDebit: {Does: sim.Declines, Code: "00"}},
		"stands":   {ledger.LegDebitReversal: {Does: sim.Stands}},
		"reversal": {ledger.LegDebitReversal: {Does: sim.Contradicts, Code: "96"}},
	} {
		if _, err := sim.Open(sim.Config{Code: "SBIN", Behaviours: map[string]sim.Behaviour{"1": behaviour}}); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// walk puts a fixed list of questions to a bank, by a clock that it moves itself.
type walk struct {
	t       *testing.T
	bank    *sim.Bank
	clock   *banks.ManualClock
	mu      sync.Mutex
	reports []string
	since   time.Time // of the question that a report may follow
}

// newWalk is for use in a synctest bubble, which tells when a call waits.
func newWalk(t *testing.T, cfg sim.Config) *walk {
	w := &walk{t: t, clock: banks.NewManualClock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))}
	if cfg.Code == "" {
		cfg.Code, cfg.OpeningBalance = "SBIN", opening
	}
	cfg.Clock = w.clock
	w.bank = open(t, cfg)
	w.bank.SetReporter(w)
	return w
}

// Report implements [banks.Reporter].
func (w *walk) Report(_ context.Context, bank string, id ledger.InstructionID, a banks.Answer) (ledger.Recorded, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.Ref == "" || bank == "" {
		w.t.Errorf("a report without its bank or reference: %q %+v", bank, a)
	}
	w.reports = append(w.reports, fmt.Sprintf("; reports %s %s @%s", a.Outcome, a.Code, w.clock.Now().Sub(w.since)))
	return ledger.Recorded{}, nil
}

func (w *walk) walk(i banks.Instruction) string {
	var said strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&said, format, args...) }
	w.since = w.clock.Now()
	say("submit %s, asked %s %s %s", w.ask(w.bank.Submit, i), w.ask(w.bank.Status, i), w.ask(w.bank.Status, i), w.ask(w.bank.Status, i))
	say("%s", w.moved(i, "; moved"))
	say("%s", w.pass())
	say("; later %s", w.ask(w.bank.Status, i))
	w.since = w.clock.Now()
	u := undo(i)
	say("; reversed %s %s %s %s", w.ask(w.bank.Reverse, u), w.ask(w.bank.Reverse, u), w.ask(w.bank.Reverse, u), w.ask(w.bank.Reverse, u))
	say("%s", w.moved(u, "; undone"))
	say("%s", w.pass())
	w.balances(i)
	return said.String()
}

// ask puts one question, and gives up after the 15 s that UPI gives a bank.
func (w *walk) ask(question func(context.Context, banks.Instruction) (banks.Answer, error), i banks.Instruction) string {
	ctx, giveUp := context.WithCancel(w.t.Context())
	defer giveUp()
	said := make(chan string, 1)
	go func() {
		a, err := question(ctx, i)
		switch {
		case errors.Is(err, banks.ErrNotSent):
			said <- "not-sent"
		case err != nil:
			said <- "-"
		case a.Pending:
			said <- "P"
		default:
			said <- a.Code
		}
	}()
	for waited := range 15 {
		synctest.Wait()
		select {
		case s := <-said:
			if waited > 0 {
				s += "@" + (time.Duration(waited) * time.Second).String()
			}
			return s
		default:
			w.clock.Advance(time.Second)
		}
	}
	giveUp()
	return <-said
}

// pass lets a minute pass and gives the reports that came since it was called last.
func (w *walk) pass() string {
	for range 60 {
		w.clock.Advance(time.Second)
		synctest.Wait()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.reports, "")
	w.reports = nil
	return s
}

// moved is the word if the bank's ledger has exactly one entry for the instruction.
func (w *walk) moved(i banks.Instruction, word string) string {
	found := ""
	for e := range w.bank.Entries() {
		if e.ID == i.ID {
			found += word
			if e.Amount != i.Amount.Minor || e.Account != i.Account.Number || e.RRN != i.RRN || e.Ref == "" {
				w.t.Errorf("entry %+v is not of %+v", e, i)
			}
		}
	}
	return found
}

func (w *walk) balances(i banks.Instruction) {
	if got, want := w.bank.Balance(i.Account.Number), opening-w.bank.Net(); got != want {
		w.t.Errorf("the account holds %d, want %d", got, want)
	}
}
