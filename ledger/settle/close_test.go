package settle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

func TestClosingWindows(t *testing.T) {
	onEach(t, 2, func(h *house) {
		h.send(0, bankOf("NRMD"), bankOf("KVRI"), 500, paid)
		h.send(1, bankOf("KVRI"), bankOf("GDVR"), 70, paid)
		hanging := h.send(0, bankOf("NRMD"), bankOf("STLJ"), 9000, "debit approved")
		// At ten o'clock the window from nine to eleven is open. The first one to be
		// closed takes all there is, however old.
		h.closed(1, "upi-2026-11-25-03", "upi-2026-11-24-12")
		h.closed(0)
		h.wantPositions("upi-2026-11-25-03", "GDVR 0-70+0, KVRI 70-500+3, NRMD 500-0+10")
		h.wantPositions("upi-2026-11-24-12", "")

		h.at("2026-11-25 12:30")
		h.send(0, bankOf("STLJ"), walletOf(1), 40, "debit approved")
		h.send(1, bankOf("NRMD"), bankOf("NRMD"), 11, paid)
		h.closed(0, "upi-2026-11-25-04", "upi-2026-11-25-11")
		h.wantPositions("upi-2026-11-25-04", "bahi 0-40+0, NRMD 11-11+10, STLJ 40-0+10")

		// The one that hung belongs to the window in which it is credited.
		h.at("2026-11-26 00:10")
		_, err := ledger.Do[ledger.Recorded](context.Background(), h.nodes[1].Book, ledger.RecordResult{Transfer: &hanging, Leg: ledger.LegCredit, Outcome: ledger.SaysApproved})
		h.check(err)
		h.closed(1, "upi-2026-11-25-05", "upi-2026-11-25-06", "upi-2026-11-25-07", "upi-2026-11-25-08", "upi-2026-11-25-09", "upi-2026-11-25-10", "upi-2026-11-25-12")
		h.wantPositions("upi-2026-11-25-05", "NRMD 9000-0+10, STLJ 0-9000+0")
		h.wantPositions("upi-2026-11-25-06", "")
		h.verify()
		h.wantBalanced()
	})
}

func TestWindowsThatAreNotClosed(t *testing.T) {
	onEach(t, 1, func(h *house) {
		ctx, d := context.Background(), h.nodes[0]
		closing := func(id string) error { _, err := d.Close(ctx, id, "test"); return err }
		h.refused(closing("upi-2026-11-25-99"), CodeWindowNotFound)
		h.refused(closing("imps-2026-11-25-01"), CodeWindowNotFound)
		h.refused(closing("upi-2026-11-25-04"), CodeWindowNotOver)
		h.refused(closing("upi-2027-11-25-04"), CodeWindowNotOver)
		h.refused(closing("upi-2026-11-25-02"), CodeWindowOutOfOrder) // the first is the one that ended last
		h.check(closing("upi-2026-11-25-03"))
		h.refused(closing("upi-2026-11-25-02"), CodeWindowOutOfOrder)
		h.at("2026-11-25 15:00")
		h.refused(closing("upi-2026-11-25-05"), CodeWindowOutOfOrder)
		h.refused(closing("upi-2026-11-25-06"), CodeWindowOutOfOrder)
		h.check(closing("upi-2026-11-25-04"))
		_, err := d.Report(ctx, "upi-2026-11-25-05")
		h.refused(err, CodeWindowNotFound)
		// Another scheme does not begin anew with what this one has settled.
		other := *d.Schedule
		other.Scheme = "imps"
		_, err = (&Desk{Book: d.Book, Reader: d.Reader, Schedule: &other}).CloseDue(ctx, h.now.Load(), "test")
		h.refused(err, CodeWindowOutOfOrder)
		h.verify()
	})
}

// Closing again, by mistake or to open it anew, gives the window as it was, and changes nothing.
func TestClosingAgain(t *testing.T) {
	onEach(t, 2, func(h *house) {
		ctx := context.Background()
		h.send(0, bankOf("NRMD"), bankOf("KVRI"), 500, paid)
		h.closed(0, "upi-2026-11-25-03", "upi-2026-11-24-12")
		first, err := h.nodes[0].Report(ctx, "upi-2026-11-25-03")
		h.check(err)
		h.send(1, bankOf("NRMD"), bankOf("KVRI"), 20, paid)
		for _, d := range h.nodes {
			h.pass(time.Hour)
			w, err := d.Close(ctx, "upi-2026-11-25-03", "somebody else")
			h.check(err)
			again, err := ledger.Do[ledger.Window](ctx, d.Book, CloseWindow{ID: w.ID, Schedule: d.Schedule, By: "somebody else"})
			h.check(err)
			if fmt.Sprint(w) != fmt.Sprint(first.Window) || fmt.Sprint(again) != fmt.Sprint(first.Window) {
				h.Errorf("closed again: %+v and %+v, first %+v", w, again, first.Window)
			}
			later, err := d.Report(ctx, w.ID)
			h.check(err)
			for _, format := range Formats {
				if a, b := string(written(h.T, first, format)), string(written(h.T, later, format)); a != b {
					h.Errorf("%s\nand later\n%s", a, b)
				}
			}
		}
		h.wantPositions("upi-2026-11-25-03", "KVRI 0-500+0, NRMD 500-0+10")
		h.verify()
	})
}

// Windows are closed by several at once while several others pay, through several
// nodes where the engine has them: each credit is in exactly one window, and each
// balances to the paisa.
func TestClosingUnderLoad(t *testing.T) {
	for engine, nodes := range map[string]int{"memory": 3, "sqlite": 1, "postgres": 3} {
		t.Run(engine, func(t *testing.T) { closeUnderLoad(newHouse(t, engines[engine](t, nodes)...)) })
	}
}

func closeUnderLoad(h *house) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for n := range uint64(6) {
		h.load(int(n)%len(h.nodes), n, stop, &wg)
	}
	for range 12 {
		time.Sleep(60 * time.Millisecond)
		h.pass(90 * time.Minute)
		var closers sync.WaitGroup
		for n := range 3 {
			d := h.nodes[n%len(h.nodes)]
			closers.Go(func() {
				if _, err := d.CloseDue(context.Background(), h.now.Load(), "test"); err != nil {
					h.Error(err)
				}
			})
		}
		closers.Wait()
	}
	close(stop)
	wg.Wait()
	h.wantBalanced() // what came last is in no window yet
	h.pass(2 * time.Hour)
	_, err := h.nodes[0].CloseDue(context.Background(), h.now.Load(), "test")
	h.check(err)
	h.verify()
	h.wantBalanced()
	var count int64
	for _, w := range h.windows(ledger.WindowTransfers) {
		r, err := h.nodes[0].Report(context.Background(), w.ID)
		h.check(err)
		for _, p := range r.Positions {
			count += p.Remitted.Count
		}
	}
	if count < 30 {
		h.Errorf("only %d transfers were settled", count)
	}
}

// barrier is a store whose commits wait for each other once they are loaded.
type barrier struct {
	ledger.Store
	loaded *sync.WaitGroup
	once   sync.Once
}

func (b *barrier) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	return b.Store.Commit(ctx, declare, func(s *ledger.Set) error {
		b.once.Do(func() {
			b.loaded.Done()
			b.loaded.Wait()
		})
		return apply(s)
	})
}

// Two nodes close the first windows of a book at the same moment. Neither sees the
// other's, and their clocks are two hours apart, so that it is not the same window
// either: one of them comes first, and the other goes on behind it.
func TestTwoFirstClosersThatDoNotSeeEachOther(t *testing.T) {
	stores := engines["postgres"](t, 2)
	var loaded sync.WaitGroup
	loaded.Add(2)
	h := newHouse(t, &barrier{Store: stores[0], loaded: &loaded}, &barrier{Store: stores[1], loaded: &loaded})
	h.skew[1] = 2 * time.Hour
	ids := []string{"upi-2026-11-25-03", "upi-2026-11-25-04"}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for n, d := range h.nodes {
		wg.Go(func() { _, errs[n] = d.Close(context.Background(), ids[n], "test") })
	}
	wg.Wait()
	lost := 0
	for _, err := range errs {
		if err != nil {
			h.refused(err, CodeWindowOutOfOrder)
			lost++
		}
	}
	if windows := h.windows(ledger.WindowTransfers); lost != 1 || len(windows) != 1 {
		h.Fatalf("%v; closed %+v", errs, windows)
	}
	h.send(0, bankOf("NRMD"), bankOf("KVRI"), 500, paid)
	h.at("2026-11-25 13:00")
	_, err := h.nodes[0].CloseDue(context.Background(), h.now.Load(), "test")
	h.check(err)
	h.verify()
	h.wantBalanced()
}

// The same with a window before, and the same window for both: one range each, and the second gets the first's.
func TestTwoClosersOfOneWindow(t *testing.T) {
	onEach(t, 8, func(h *house) {
		for round := range 5 {
			h.send(round, bankOf("NRMD"), bankOf("KVRI"), int64(100+round), paid)
			h.pass(2 * time.Hour)
			var wg sync.WaitGroup
			got := make([]string, len(h.nodes))
			for n, d := range h.nodes {
				wg.Go(func() {
					id := d.Schedule.lastOver(ledger.WindowTransfers, h.now.Load()).ID
					w, err := d.Close(context.Background(), id, fmt.Sprint(n))
					got[n] = fmt.Sprint(w, err)
				})
			}
			wg.Wait()
			for n := range got {
				if got[n] != got[0] || !strings.HasSuffix(got[n], "<nil>") {
					h.Errorf("node %d closed %s, node 0 %s", n, got[n], got[0])
				}
			}
		}
		h.verify()
		h.wantBalanced()
	})
}

// Nodes whose clocks are apart close what each thinks is due.
func TestClosersWithClocksApart(t *testing.T) {
	onEach(t, 4, func(h *house) {
		for n := range h.skew {
			h.skew[n] = time.Duration(n-1) * 70 * time.Minute
		}
		for round := range 10 {
			h.send(round%4, bankOf("NRMD"), bankOf("KVRI"), int64(100+round), paid)
			h.pass(50 * time.Minute)
			var wg sync.WaitGroup
			for n, d := range h.nodes {
				wg.Go(func() {
					_, err := d.CloseDue(context.Background(), h.clock(n).UnixMicro(), "test")
					refusal := (*ledger.Refusal)(nil)
					if err != nil && (!errors.As(err, &refusal) || refusal.Code != CodeWindowOutOfOrder) {
						h.Error(err)
					}
				})
			}
			wg.Wait()
		}
		h.verify()
		h.wantBalanced()
	})
}

const closeAndDie = "SETTLE_TEST_CLOSE_AND_DIE"

// dieAfterClosing is another process: it closes a window, stores no positions, says
// that it has and waits to be killed.
func dieAfterClosing(path string) {
	store, err := privacytest.Sealed(sqlite.Open(context.Background(), path))
	if err != nil {
		panic(err)
	}
	schedule := UPI()
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, india)
	d := Desk{Book: ledger.NewPipeline(store, ledger.PipelineOptions{Now: func() time.Time { return now }}), Reader: store, Schedule: schedule}
	if _, err := d.close(context.Background(), "upi-2026-11-25-03", "test"); err != nil {
		panic(err)
	}
	fmt.Println("closed")
	select {}
}

// A node is killed between the close and the positions. Whoever comes next stores
// them, as they were when it was closed.
func TestKilledBetweenCloseAndPositions(t *testing.T) {
	for name, next := range map[string]func(h *house){
		"the next close": func(h *house) { h.at("2026-11-25 11:00"); h.closed(0, "upi-2026-11-25-04", "upi-2026-11-24-12") },
		"a report":       func(h *house) { h.positions("upi-2026-11-25-03") },
		"closing it once again": func(h *house) {
			_, err := h.nodes[0].Close(context.Background(), "upi-2026-11-25-03", "")
			h.check(err)
		},
		"a confirmation": func(h *house) {
			_, err := h.nodes[0].Confirm(context.Background(), ConfirmPosition{Window: "upi-2026-11-25-03", Bank: "NRMD", Currency: "INR", Amount: 510})
			h.check(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bahi.db")
			store, err := privacytest.Sealed(sqlite.Open(t.Context(), path))
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			h := newHouse(t, store)
			h.send(0, bankOf("NRMD"), bankOf("KVRI"), 500, paid)
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Env = append(os.Environ(), closeAndDie+"="+path)
			out, err := c.StdoutPipe()
			h.check(err)
			h.check(c.Start())
			said := make([]byte, 6)
			if _, err := out.Read(said); err != nil || string(said) != "closed" {
				t.Fatalf("it says %q, %v", said, err)
			}
			h.check(c.Process.Signal(syscall.SIGKILL))
			_ = c.Wait()
			if stored, err := store.PositionsOf(t.Context(), "upi-2026-11-25-03"); err != nil || len(stored) > 0 {
				t.Fatalf("stored already: %+v, %v", stored, err)
			}
			h.send(0, bankOf("NRMD"), bankOf("KVRI"), 20, paid)
			next(h)
			stored, err := store.PositionsOf(t.Context(), "upi-2026-11-25-03")
			if err != nil || len(stored) != 2 || stored[1].Remitted.Minor != 500 || stored[1].Fees != 10 {
				t.Errorf("stored %+v, %v", stored, err)
			}
			h.verify()
		})
	}
}
