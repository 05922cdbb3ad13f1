package endtoend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/reconcile"
	"bahi/ledger/report/reporttest"
	"bahi/ledger/sqlite"
)

// TestADayIsReconciledAndSettled is the whole work: payments through banks that fail,
// what they and the switch tell of them with mistakes of every kind, and exactly
// these found; all of it mended, and settled to the paisa.
func TestADayIsReconciledAndSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.db")
	inWorld(t, transfers, func(ctx context.Context) (ledger.Store, error) { return privacytest.Sealed(sqlite.Open(ctx, path)) })
}

func TestADayIsReconciledAndSettledOnPostgreSQL(t *testing.T) {
	url := pgtest.NewDatabase(t)
	inWorld(t, onPostgreSQL, func(ctx context.Context) (ledger.Store, error) { return privacytest.Sealed(postgres.Open(ctx, url)) })
}

func inWorld(t *testing.T, transfers int, open func(context.Context) (ledger.Store, error)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { newWorld(t, dir, open).play(transfers) })
}

// play lives through the days: payments on the first two, mistakes in what is told of
// them in the night after, corrections on the third, the end on the fourth.
func (w *world) play(transfers int) {
	w.Helper()
	first := w.policy.Day(time.Now().UnixMicro())
	w.live(first, transfers)

	w.until(first+2, 10*time.Second)
	m := w.mistakes(first, 1+transfers/4000)
	files := append(w.files(first, m.tellers), w.files(first+1, m.tellers)...)
	files = append(files, w.switchFile(m.rows), w.switchFile(w.switchRows(first+1)))
	w.ingest(m.shuffled(files, files)...)
	w.run(first, first+2)
	open := w.breaks()
	m.compare(open)
	w.run(first, first+2)
	if again := w.breaks(); !slices.Equal(again, open) {
		w.Errorf("another run leaves %d breaks open, or others than the %d before", len(again), len(open))
	}
	w.holds()
	w.closeWindows()

	// The banks are repaired, and what was found is mended.
	w.stop()
	w.repaired = true
	w.start()
	m.mend(open)
	w.until(first+2, time.Hour)
	w.asleep(first+3, 10*time.Second)
	files = append(w.files(first+2, m.tellers), w.switchFile(w.switchRows(first+1)), w.switchFile(w.switchRows(first+2)))
	w.ingest(m.shuffled(files)...)
	m.afterwards()
	w.run(first, first+3)
	open = w.breaks()
	m.compare(open)
	m.mend(open) // of these, all are dismissed
	w.run(first, first+3)
	if open = w.breaks(); len(open) > 0 {
		w.Errorf("%d breaks are open in the end, such as %+v", len(open), open[0])
	}
	m.agree()
	m.paidOut()
	w.holds()

	w.asleep(first+3, 13*time.Hour)
	m.settled()
	w.holds()
	w.no(reporttest.Check(w.Context(), w.store))
}

// shuffled are files in any order.
func (m *mistakes) shuffled(all ...[][]byte) [][]byte {
	files := slices.Concat(all...)
	m.rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	return files
}

// live lets two days pass: the first has nearly all of the payments. What ends in
// doubt takes less than five hours to do so.
func (w *world) live(first ledger.Day, transfers int) {
	w.until(first, 10*time.Hour)
	w.start()
	w.spend(transfers)
	w.until(first, 15*time.Hour)
	w.closeWindows()
	w.asleep(first, 23*time.Hour+50*time.Minute)
	w.spend(200)
	w.until(first+1, 5*time.Hour)
	w.asleep(first+1, 12*time.Hour)
	w.spend(100)
	w.until(first+1, 17*time.Hour)
	w.asleep(first+1, 24*time.Hour-30*time.Second)
	var late []ledger.CreateTransfer
	for n := range 12 {
		late = append(late, w.payment(ledger.Payment, at(codes[n%3], account(n)), at(codes[n%4], payeeAnswerLost), 20_00+int64(n)))
	}
	w.make(late...)
}

// mistakes plants them.
func (w *world) mistakes(day ledger.Day, each int) *mistakes {
	w.Helper()
	m := &mistakes{world: w, rng: rand.New(rand.NewPCG(3, 4)), day: day, tellers: map[string]*teller{}, rows: w.switchRows(day),
		finds: map[expected]ledger.Action{}, lies: map[string]int64{}, planted: map[ledger.Class]int{}}
	for _, code := range codes {
		m.tellers[code] = newTeller(code)
	}
	m.read()
	for _, t := range w.transfers() {
		if w.day(&t) == day && t.State.Final() {
			m.free = append(m.free, t)
		}
	}
	m.rng.Shuffle(len(m.free), func(i, j int) { m.free[i], m.free[j] = m.free[j], m.free[i] })
	m.plant(each)
	m.doubts(w.transfers())
	w.Logf("of %d transfers there is to be found: %v", len(m.transfers()), m.planted)
	return m
}

func (w *world) run(from, until ledger.Day) {
	w.Helper()
	_, err := reconcile.Run(w.Context(), w.book, w.store, reconcile.Options{From: from, Until: until, Zone: zone, By: "meera", Now: time.Now,
		KnownBank: func(code string) bool { return slices.Contains(codes, code) }})
	w.no(err)
}

// breaks are those that are open.
func (w *world) breaks() (all []ledger.Break) {
	w.Helper()
	const page = 100
	for after := (ledger.BreakPlace{}); ; after = all[len(all)-1].Place() {
		some, err := w.store.Breaks(w.Context(), ledger.BreakFilter{State: ledger.BreakOpen}, after, page)
		w.no(err)
		all = append(all, some...)
		if len(some) < page {
			return all
		}
	}
}

func found(b *ledger.Break) expected {
	return expected{Class: b.Class, Transfer: b.Subject.Transfer, Payee: b.Subject.Leg.PayeeSide(), Line: b.Subject.Line != ledger.LineID{}, Bank: b.Subject.Bank,
		Ours: b.Ours, Theirs: b.Theirs}
}

// compare makes sure that exactly what is expected was found.
func (m *mistakes) compare(open []ledger.Break) {
	m.Helper()
	missing := map[expected]bool{}
	for e := range m.finds {
		missing[e] = true
	}
	for i := range open {
		e := found(&open[i])
		if !missing[e] {
			m.Errorf("found and not expected: %s", e)
		}
		delete(missing, e)
	}
	for e := range missing {
		m.Errorf("expected and not found: %s", e)
	}
}

func (e expected) String() string {
	return fmt.Sprintf("%s of %s at %s, payee %t, line %t, ours %d, theirs %d", e.Class, e.Transfer.TransferRef(), e.Bank, e.Payee, e.Line, e.Ours, e.Theirs)
}

// mend does what the reconciliation proposes about each break, or dismisses it; by
// many hands, so that the commits are few.
func (m *mistakes) mend(open []ledger.Break) {
	m.Helper()
	d := &reconcile.Desk{Book: m.book, Reader: m.store, Policy: &m.policy, Now: time.Now, RRN: m.newRRN}
	var hands errgroup.Group
	hands.SetLimit(64)
	for _, b := range open {
		hands.Go(func() error { return m.mendOne(d, &b) })
	}
	m.no(hands.Wait())
	for _, b := range m.breaks() {
		if !underWay(&b) {
			m.Errorf("still open: %s", found(&b))
		}
	}
}

// underWay says whether the break is about a transfer that comes to its end by itself.
func underWay(b *ledger.Break) bool { return b.Class == ledger.ClassHanging && b.Ours != b.Theirs }

func (m *mistakes) mendOne(d *reconcile.Desk, b *ledger.Break) error {
	ctx, want := m.Context(), m.finds[found(b)]
	c, err := d.Propose(ctx, b.ID, 0, "meera")
	if refused := (*ledger.Refusal)(nil); errors.As(err, &refused) && refused.Code == ledger.CodeActionNotAllowed && want == 0 {
		if underWay(b) {
			return nil
		}
		_, err := d.Dismiss(ctx, b.ID, "looked into", "meera")
		return err
	}
	if err != nil || c.Action != want {
		return fmt.Errorf("%s is proposed about %s, want %s: %w", c.Action, found(b), want, err)
	}
	_, err = d.Approve(ctx, c.ID, "ravi")
	for range 2 { // the second time changes nothing
		if err == nil {
			c, err = d.Apply(ctx, c.ID, "", "meera")
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied = append(m.applied, c)
	return err
}

// afterwards notes what is to be found when all is mended: the switch has told of
// payees, deemed to be credited, that they were; the payers got their money back.
func (m *mistakes) afterwards() {
	m.Helper()
	before := m.finds
	m.finds = map[expected]ledger.Action{}
	for e, action := range before {
		if action != ledger.ReturnToPayer {
			continue
		}
		t, err := m.store.Transfer(m.Context(), e.Transfer)
		m.no(err)
		m.expect(expected{Class: ledger.ClassOnlyAtSwitch, Transfer: t.ID, Payee: true, Bank: t.Payee.Bank}, 0, 0)
		m.expect(expected{Class: ledger.ClassNotAtSwitch, Transfer: t.ID, Bank: t.Payer.Bank}, 0, 0)
	}
}

// paidOut makes sure that whoever was to get money that was missing has it.
func (m *mistakes) paidOut() {
	m.Helper()
	m.read()
	for i := range m.applied {
		c := &m.applied[i]
		to, pays := map[ledger.Action]ledger.Leg{ledger.RefundPayer: ledger.LegDebit, ledger.CreditLater: ledger.LegCredit}[c.Action]
		if !pays {
			continue
		}
		t, err := m.store.Transfer(m.Context(), c.Transfer)
		m.no(err)
		end, _ := t.Ends(to)
		e := m.journals[end.Bank][ledger.InstructionID{Transfer: c.Payout, Leg: ledger.LegCredit}]
		if e.Account != end.Account || e.Amount != max(c.Difference, -c.Difference) {
			m.Errorf("%s of %d for %s: %s has credited %+v", c.Action, c.Difference, t.ID.TransferRef(), end.Bank, e)
		}
	}
}
