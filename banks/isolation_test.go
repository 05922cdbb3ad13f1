package banks_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bahi/banks"
	"bahi/ledger"
	"bahi/ledger/memory"
)

// crowd is two hundred banks, of which the first twenty can be ill.
const (
	crowdBanks = 200
	crowdIll   = 20
)

// paced is a bank that approves after a while, or, with 0, never answers.
type paced struct{ takes time.Duration }

func (b paced) answer(ctx context.Context) (banks.Answer, error) {
	if b.takes > 0 {
		select {
		case <-time.After(b.takes):
			return banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}, nil
		case <-ctx.Done():
		}
	}
	<-ctx.Done()
	return banks.Answer{}, ctx.Err()
}

func (b paced) Submit(ctx context.Context, _ banks.Instruction) (banks.Answer, error) {
	return b.answer(ctx)
}

func (b paced) Reverse(ctx context.Context, _ banks.Instruction) (banks.Answer, error) {
	return b.answer(ctx)
}

func (b paced) Status(ctx context.Context, _ banks.Instruction) (banks.Answer, error) {
	return b.answer(ctx)
}

func crowdCode(n int) string { return fmt.Sprintf("C%c%c%c", 'A'+n/100, 'A'+n/10%10, 'A'+n%10) }

// countingReader counts the instructions that sweeps read.
type countingReader struct {
	ledger.Reader
	rows atomic.Int64
}

func (r *countingReader) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	tasks, err := r.Reader.Due(ctx, node, after, before, limit)
	r.rows.Add(int64(len(tasks)))
	return tasks, err
}

// inCrowd runs a node with two hundred banks, of which twenty take so long.
func inCrowd(t *testing.T, ill time.Duration, edit func(*banks.Bank), test func(*world, *countingReader)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: memory.New(), policy: ledger.DefaultPolicy()}
		var list []banks.Bank
		for n := range crowdBanks {
			b := banks.Bank{Code: crowdCode(n), IFSCPrefix: crowdCode(n), Adapter: paced{50 * time.Millisecond}}
			if n < crowdIll {
				b.Adapter = paced{ill}
			}
			edit(&b)
			list = append(list, b)
		}
		registry, err := banks.NewRegistry(list)
		if err != nil {
			t.Fatal(err)
		}
		w.dispatcher = banks.NewDispatcher(registry)
		w.book = ledger.NewPipeline(w.store, ledger.PipelineOptions{Policy: &w.policy, Observer: w.dispatcher.Observe, Log: quiet})
		reader := &countingReader{Reader: w.store}
		w.dispatcher.Start(banks.Options{Book: w.book, Reader: reader, Policy: &w.policy, Clock: banks.WallClock{}, Sole: true, Sweep: time.Second, Log: quiet})
		test(w, reader)
		w.stop()
		w.store.Close()
	})
}

// order makes payments as the API does: refused, queued or sent, as the banks are.
func (w *world) order(pairs [][2]int) (ids []ledger.ID) {
	w.t.Helper()
	var many ledger.Many
	for n, p := range pairs {
		c := w.create(100, n)
		c.Transfer.Payer, c.Transfer.Payee = end(crowdCode(p[0]), n), end(crowdCode(p[1]), n)
		c.Queue = w.dispatcher.Saturated(c.Transfer.Payer.Bank)
		c.Refused = w.dispatcher.Refuses(&c.Transfer)
		many, ids = append(many, c), append(ids, c.Transfer.ID)
	}
	if _, err := ledger.Do[ledger.Outcomes](context.Background(), w.book, many); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// completed counts those that are.
func (w *world) completed(ids []ledger.ID) (n int) {
	for _, id := range ids {
		if w.state(id) == ledger.Completed {
			n++
		}
	}
	return n
}

// crowdThroughput is how many payments among the healthy banks were completed
// twenty seconds after the first, while more than as many go from and to the ill ones.
func crowdThroughput(t *testing.T, ill time.Duration) (done int) {
	inCrowd(t, ill, func(b *banks.Bank) { b.MaxInFlight = 32 }, func(w *world, _ *countingReader) {
		var well [][2]int
		for n := crowdIll; n < crowdBanks; n += 2 { // each pays or is paid
			well = append(well, [2]int{n, n + 1})
		}
		var both [][2]int
		for n := range crowdIll { // from it and to it, and eight times as much as of any other
			for m := range 4 {
				both = append(both, [2]int{n, crowdIll + m}, [2]int{crowdBanks - 1 - m, n})
			}
		}
		var ids []ledger.ID
		for range 40 {
			ids = append(ids, w.order(well)...)
			w.order(both)
			time.Sleep(500 * time.Millisecond)
		}
		done = w.completed(ids)
	})
	return done
}

// TestTheIllSlowNobody: twenty banks of two hundred that hang, or that take nearly
// all the time there is, leave the others at least 95% of what they do.
func TestTheIllSlowNobody(t *testing.T) {
	alone := crowdThroughput(t, 50*time.Millisecond)
	for name, ill := range map[string]time.Duration{"hanging": 0, "slow": 14 * time.Second} {
		t.Run(name, func(t *testing.T) {
			if beside := crowdThroughput(t, ill); alone == 0 || 100*beside < 95*alone {
				t.Errorf("%d payments were completed, and %d where no bank is ill", beside, alone)
			}
		})
	}
}

// TestABacklogCostsAShare: what a dead bank has due by the thousand is not read at
// every sweep; and a payment that is queued meanwhile at a bank that is well, but
// busy, goes on as soon as it can.
func TestABacklogCostsAShare(t *testing.T) {
	busy := crowdBanks - 1
	few := func(b *banks.Bank) {
		if b.MaxInFlight = 2; b.Code == crowdCode(busy) {
			b.Adapter = paced{3 * time.Second}
		}
	}
	inCrowd(t, 0, few, func(w *world, reader *countingReader) {
		var stuck [][2]int
		for n := range 6000 {
			stuck = append(stuck, [2]int{crowdIll + n%(busy-crowdIll), n % crowdIll})
		}
		w.order(stuck)
		w.pass(40*time.Second, time.Second, func() bool { return false }) // all are due to be asked after
		before := reader.rows.Load()
		w.pass(30*time.Second, time.Second, func() bool { return false })
		// A sweep a second may read a page, and the same again of what fell due of late.
		if read := reader.rows.Load() - before; read > 2*30*1000 || read < 6000 {
			w.t.Errorf("%d rows were read within half a minute", read)
		}
		before = reader.rows.Load() // right after all were read, when they are not for a while
		w.pass(10*time.Second, 100*time.Millisecond, func() bool { return reader.rows.Load()-before >= 6000 })
		ids := w.order([][2]int{{busy, 50}, {busy, 51}})
		if ids = append(ids, w.order([][2]int{{busy, 52}})...); !w.dispatcher.Saturated(crowdCode(busy)) {
			w.t.Fatal("the bank that is well is not busy")
		}
		if !w.pass(7500*time.Millisecond, 100*time.Millisecond, func() bool { return w.completed(ids) == len(ids) }) {
			w.t.Errorf("%d of %d payments at a busy bank are completed", w.completed(ids), len(ids))
		}
	})
}
