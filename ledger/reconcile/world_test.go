package reconcile_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/reconcile"
)

// checked is what a test and a property's check have in common.
type checked interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// world is a book with a clock that a test sets.
type world struct {
	t     checked
	store ledger.Store
	book  *ledger.Pipeline
	clock atomic.Int64 // Unix microseconds
	made  uint32
	keys  uint32
}

func newWorld(t checked, store ledger.Store) *world {
	w := &world{t: t, store: store}
	w.at(noon)
	w.book = ledger.NewPipeline(store, ledger.PipelineOptions{Now: w.now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	return w
}

func (w *world) at(t time.Time)       { w.clock.Store(t.UnixMicro()) }
func (w *world) now() time.Time       { return time.UnixMicro(w.clock.Load()) }
func (w *world) close()               { w.book.Close() }
func (w *world) days(n int) time.Time { return noon.AddDate(0, 0, n) }

func (w *world) do(c ledger.Command) any {
	w.t.Helper()
	reply, err := w.book.Submit(context.Background(), ledger.Request{Command: c})
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return reply.Result
}

// id is a transfer's, of the clock's time.
func (w *world) id() (id ledger.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(w.now().UnixMilli())<<16)
	w.made++
	binary.BigEndian.PutUint32(id[12:], w.made)
	return id
}

// transfer makes one whose RRN is its number.
func (w *world) transfer(minor int64) ledger.Transfer {
	w.t.Helper()
	t := ledger.Transfer{ID: w.id(), Kind: ledger.Payment, Amount: inr(minor), RRN: fmt.Sprintf("6324%08d", w.made),
		Payer: ledger.End{Bank: payerBank, Account: "000123456789"}, Payee: ledger.End{Bank: payeeBank, Account: "987654321000"}}
	return w.create(t)
}

func (w *world) create(t ledger.Transfer) ledger.Transfer {
	w.t.Helper()
	return w.do(ledger.CreateTransfer{Transfer: t}).(ledger.Transfer)
}

// twin is another transfer of the same people, with the same amount and the same RRN.
func (w *world) twin(t ledger.Transfer) ledger.Transfer {
	w.t.Helper()
	return w.create(ledger.Transfer{ID: w.id(), Kind: t.Kind, Payer: t.Payer, Payee: t.Payee, Amount: t.Amount, RRN: t.RRN})
}

func (w *world) answer(t *ledger.Transfer, leg ledger.Leg, o ledger.Outcome) {
	w.t.Helper()
	*t = w.do(ledger.RecordResult{Transfer: t, Leg: leg, Outcome: o}).(ledger.Recorded).Transfer
}

func (w *world) completed(minor int64) ledger.Transfer {
	w.t.Helper()
	t := w.transfer(minor)
	w.answer(&t, ledger.LegDebit, ledger.SaysApproved)
	w.answer(&t, ledger.LegCredit, ledger.SaysApproved)
	return t
}

// line is a bank's line about a leg as it was.
func (w *world) line(t *ledger.Transfer, leg ledger.Leg) ledger.BankLine {
	here, _ := t.Ends(leg)
	w.keys++
	l := ledger.BankLine{ID: ledger.LineID{Source: ledger.SourceBank, Bank: here.Bank, N: 1}, Transfer: t.ID, Name: t.ID.TransferRef(), RRN: t.RRN,
		Day: ledger.DayAt(t.Created, india), Amount: t.Amount, Debit: leg == ledger.LegDebit || leg == ledger.LegCreditReversal, Reversal: leg.Reverses() != 0,
		Moved: true, By: ledger.KeyedByRRN, Code: "00", Count: 1}
	binary.BigEndian.PutUint32(l.ID.Key[:], w.keys)
	return l
}

// loose is a line that doesn't name its transfer.
func (w *world) loose(t *ledger.Transfer, leg ledger.Leg) ledger.BankLine {
	l := w.line(t, leg)
	l.Transfer, l.Name = ledger.ID{}, ""
	return l
}

// batched is a line for several transfers, of which it names none.
func (w *world) batched(leg ledger.Leg, sum int64, count int) ledger.BankLine {
	l := w.loose(&ledger.Transfer{Payer: ledger.End{Bank: payerBank}, Payee: ledger.End{Bank: payeeBank}, Created: noon.UnixMicro(), Amount: inr(sum)}, leg)
	l.By, l.Count = ledger.KeyedByAccount, count
	return l
}

// tell is what is ingested, without the files.
type tell struct {
	lines    []ledger.BankLine
	coverage []ledger.Covered
}

func (c tell) Declare(*ledger.Set) {}
func (c tell) Apply(s *ledger.Set) (any, error) {
	s.Lines, s.Coverage = append(s.Lines, c.lines...), append(s.Coverage, c.coverage...)
	return nil, nil
}

func (w *world) tells(lines ...ledger.BankLine) {
	w.t.Helper()
	w.do(tell{lines: lines})
}

// told says that both banks have told of days.
func (w *world) told(days ...ledger.Day) {
	w.t.Helper()
	var c tell
	for _, d := range days {
		c.coverage = append(c.coverage, ledger.Covered{Source: ledger.SourceBank, Bank: payerBank, Day: d}, ledger.Covered{Source: ledger.SourceBank, Bank: payeeBank, Day: d})
	}
	w.do(c)
}

func (w *world) options() reconcile.Options {
	return reconcile.Options{From: monday - 10, Until: monday + 10, Zone: india, By: "test", Now: w.now, KnownBank: func(bank string) bool { return bank != "XXXX" }}
}

func (w *world) run() ledger.Run {
	w.t.Helper()
	run, err := reconcile.Run(context.Background(), w.book, w.store, w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// state is the matches and the breaks of the book, in one line each.
func (w *world) state() (all []string) {
	w.t.Helper()
	collect := func(s ledger.Snapshot) error {
		for _, in := range []ledger.Range{{}} {
			for m, err := range s.Matches(in) {
				if err != nil {
					return err
				}
				all = append(all, fmt.Sprintf("%x %s %s %x %s", m.Transfer[12:], m.Leg, m.Line.Source, m.Line.Key[:4], m.Rule))
			}
			for b, err := range s.Breaks(in) {
				if err != nil {
					return err
				}
				all = append(all, fmt.Sprintf("%s, %s%s, by %+d", show(&b), b.State, resolution(&b), ledger.DayAt(b.Deadline, india)-monday))
			}
		}
		return nil
	}
	if err := w.store.Audit(context.Background(), collect); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func resolution(b *ledger.Break) string {
	if b.Resolution == 0 {
		return ""
	}
	return " " + b.Resolution.String()
}

// breaks are those of the state, without the matches.
func (w *world) breaks(s ledger.BreakState) (all []ledger.Break) {
	w.t.Helper()
	all, err := w.store.Breaks(context.Background(), ledger.BreakFilter{State: s}, ledger.BreakPlace{}, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	got := showAll(w.breaks(ledger.BreakOpen))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("open breaks\n %q\nwant\n %q", got, want)
	}
}

func (w *world) rules(t ledger.Transfer) (all []string) {
	w.t.Helper()
	err := w.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for m, err := range s.Matches(ledger.Range{}) {
			if err != nil {
				return err
			}
			if m.Transfer == t.ID {
				all = append(all, m.Leg.String()+" "+m.Rule.String())
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) expectRules(t ledger.Transfer, want ...string) {
	w.t.Helper()
	if got := w.rules(t); !slices.Equal(got, want) {
		w.t.Errorf("matches %q, want %q", got, want)
	}
}

func (w *world) notes(id ledger.ID) (all []string) {
	w.t.Helper()
	notes, err := w.store.BreakNotes(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, n := range notes {
		if n.N != i+1 {
			w.t.Errorf("note %d has the number %d", i+1, n.N)
		}
		all = append(all, n.What.String())
	}
	return all
}

func memoryWorld(t *testing.T) *world {
	w := newWorld(t, memory.New())
	t.Cleanup(w.close)
	return w
}

// put stores a party.
type put struct{ party ledger.Party }

func (c put) Declare(s *ledger.Set)            { s.Parties.Want(c.party.ID) }
func (c put) Apply(s *ledger.Set) (any, error) { s.Parties.Put(c.party.ID, c.party); return nil, nil }

// crowd makes transfers that came to all kinds of ends, and lines about them that
// are wrong in all kinds of ways; the same for the same number.
func (w *world) crowd(n int) (lines []ledger.BankLine) {
	w.t.Helper()
	for i := range n {
		w.at(noon.Add(time.Duration(i) * time.Second))
		t := w.transfer(int64(1000 + i%7))
		w.answer(&t, ledger.LegDebit, [...]ledger.Outcome{ledger.SaysApproved, ledger.SaysApproved, ledger.SaysApproved, ledger.SaysDeclined}[i%4])
		if t.State == ledger.Debited {
			w.answer(&t, ledger.LegCredit, [...]ledger.Outcome{ledger.SaysApproved, ledger.SaysApproved, ledger.SaysDeclined}[i%3])
		}
		if t.State == ledger.Reversing {
			w.answer(&t, ledger.LegDebitReversal, ledger.SaysApproved)
		}
		for leg := ledger.LegDebit; leg <= ledger.LegCreditReversal; leg++ {
			l := w.line(&t, leg)
			switch (i*5 + int(leg)) % 23 {
			case 0: // missing
				continue
			case 1:
				l.Amount.Minor++
			case 2:
				lines = append(lines, l)
				l = w.line(&t, leg)
			case 3:
				l.Transfer, l.Name = ledger.ID{}, ""
			case 4:
				l.Transfer = w.id()
			case 5:
				l.Day++
			case 6:
				l.Transfer, l.Name, l.RRN, l.By = ledger.ID{}, "", "", ledger.KeyedByReference
			case 7:
				l.ID.Bank = "XXXX"
			case 8:
				l.Account = "5555666677778888"
			case 9:
				lines = append(lines, l)
				l = w.line(&t, leg)
				l.RRN, l.By = "", ledger.KeyedByName
			case 10:
				lines = append(lines, l)
				l = w.line(&t, leg)
				l.ID.Source = ledger.SourceSwitch
			}
			if _, ok := approved(w, &t, leg); ok || i%11 == 0 {
				lines = append(lines, l)
			}
		}
	}
	w.at(w.days(3))
	return lines
}

func approved(w *world, t *ledger.Transfer, leg ledger.Leg) (ledger.Instruction, bool) {
	_, asked, err := w.store.TransferHistory(context.Background(), t.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range asked {
		if i.ID.Leg == leg {
			return i, i.State == ledger.Approved
		}
	}
	return ledger.Instruction{}, false
}

// open are the matches and the open breaks. A break that was found and went again in
// between is known only to those who looked.
func open(w *world) []string {
	return slices.DeleteFunc(w.state(), func(s string) bool { return strings.Contains(s, ", closed ") })
}
