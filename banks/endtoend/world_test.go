package endtoend

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/address"
	"bahi/ledger/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// zone is the banks'.
var zone = (&ledger.Policy{}).Location()

// world is a node on a book of its own and its simulated banks, on virtual time:
// hours pass as soon as everybody waits.
type world struct {
	*testing.T
	dir      string
	open     func(context.Context) (ledger.Store, error)
	policy   ledger.Policy
	repaired bool // the banks

	store      ledger.Store
	banks      map[string]*sim.Bank
	book       *ledger.Pipeline
	dispatcher *banks.Dispatcher

	mu   sync.Mutex
	rng  *rand.Rand
	rrns uint32
}

// The banks, and how they are at first.
var profiles = map[string]sim.Profile{"NRMD": sim.Profiles["large"], "KVRI": sim.Profiles["good"], "GDVR": sim.Profiles["weak"], "STLJ": sim.Profiles["good"]}

var codes = []string{"NRMD", "KVRI", "GDVR", "STLJ"}

func newWorld(t *testing.T, dir string, open func(context.Context) (ledger.Store, error)) *world {
	w := &world{T: t, dir: dir, open: open, policy: ledger.DefaultPolicy(), banks: map[string]*sim.Bank{}, rng: rand.New(rand.NewPCG(1, 2))}
	t.Cleanup(w.stop)
	return w
}

// start opens the book and the banks' books, and starts a node. Banks that are repaired
// approve whatever their customers can pay for.
func (w *world) start() {
	w.Helper()
	var err error
	w.store, err = w.open(w.Context())
	w.no(err)
	var list []banks.Bank
	for _, code := range codes {
		cfg := sim.Config{Code: code, Path: filepath.Join(w.dir, code+".jsonl"), OpeningBalance: 10_00_000_00, Clock: banks.WallClock{}}
		if !w.repaired {
			cfg.Profile, cfg.Behaviours = profiles[code], oddities
		}
		b, err := sim.Open(cfg)
		w.no(err)
		w.banks[code] = b
		list = append(list, banks.Bank{Code: code, Name: code, IFSCPrefix: code, Adapter: b})
	}
	registry, err := banks.NewRegistry(list)
	w.no(err)
	log := slog.New(slog.DiscardHandler)
	w.dispatcher = banks.NewDispatcher(registry)
	w.book = ledger.NewPipeline(w.store, ledger.PipelineOptions{Policy: &w.policy, Observer: w.dispatcher.Observe, Log: log})
	for _, b := range w.banks {
		b.SetReporter(w.dispatcher)
	}
	w.dispatcher.Start(banks.Options{Book: w.book, Reader: w.store, Policy: &w.policy, Clock: banks.WallClock{}, NewID: w.newID,
		Sweep: time.Minute, Lease: time.Hour, Sole: true, Log: log})
}

// stop ends what start began, and does nothing where there is nothing to end.
func (w *world) stop() {
	if w.book != nil {
		w.dispatcher.Close()
		w.book.Close()
		w.book = nil
	}
	for code, b := range w.banks {
		if err := b.Close(); err != nil {
			w.Error(err)
		}
		delete(w.banks, code)
	}
	if w.store != nil {
		if err := w.store.Close(); err != nil {
			w.Error(err)
		}
		w.store = nil
	}
}

// asleep lets time pass until a moment of a day with nothing open: what ticks in an
// open book would make an idle day long.
func (w *world) asleep(d ledger.Day, at time.Duration) {
	w.Helper()
	w.stop()
	w.until(d, at)
	w.start()
}

// no ends the test at an error.
func (w *world) no(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// newID is as ledger.NewID makes them, but the same in every run of the test.
func (w *world) newID() (id ledger.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	binary.BigEndian.PutUint64(id[:], uint64(time.Now().UnixMilli())<<16)
	binary.BigEndian.PutUint64(id[8:], w.rng.Uint64())
	id[6], id[7] = 0x70, byte(w.rng.Uint32())
	return id
}

func (w *world) newRRN() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rrns++
	return address.RRN(time.Now().In(zone), w.rrns)
}

// until lets time pass until a moment of a day.
func (w *world) until(d ledger.Day, at time.Duration) {
	w.Helper()
	moment := d.Time(zone).Add(at)
	if time.Now().After(moment) {
		w.Fatalf("it is %s, past %s", time.Now().In(zone), moment)
	}
	time.Sleep(time.Until(moment))
	synctest.Wait()
}

// account is the number of a customer's account.
func account(n int) string { return fmt.Sprintf("1%09d", n) }

func at(bank, number string) ledger.End {
	return ledger.End{Name: "somebody", Bank: bank, IFSC: bank + "0000001", Account: number}
}

// payment is a transfer to be made.
func (w *world) payment(kind ledger.Kind, payer, payee ledger.End, minor int64) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: w.newID(), App: "chat", Kind: kind, RRN: w.newRRN(), Payer: payer, Payee: payee,
		Amount: ledger.Amount{Minor: minor, Currency: "INR"}}}
}

// make makes transfers in one commit.
func (w *world) make(all ...ledger.CreateTransfer) {
	w.Helper()
	many := make(ledger.Many, len(all))
	for i, c := range all {
		many[i] = c
	}
	outcomes, err := ledger.Do[ledger.Outcomes](context.Background(), w.book, many)
	w.no(err)
	for _, o := range outcomes {
		w.no(o.Err)
	}
}

// transfers are all that the book has, by ID.
func (w *world) transfers() (all []ledger.Transfer) {
	w.Helper()
	w.no(w.store.Audit(w.Context(), func(s ledger.Snapshot) error {
		for t, err := range s.Transfers(ledger.Range{}) {
			if err != nil {
				return err
			}
			all = append(all, t)
		}
		return nil
	}))
	return all
}

// day is the business day on which the transfer was made.
func (w *world) day(t *ledger.Transfer) ledger.Day { return w.policy.Day(t.Created) }

// balance is that of an account with all of its stripes.
func (w *world) balance(n ledger.AccountName) (sum int64) {
	w.Helper()
	stripes, err := ledger.Stripes(w.Context(), w.store, n)
	w.no(err)
	for i := range stripes {
		sum += stripes[i].Balance()
	}
	return sum
}

// holds makes sure that every invariant of the book holds.
func (w *world) holds() {
	w.Helper()
	_, err := ledger.Verify(w.Context(), w.store, func(v ledger.Violation) { w.Errorf("%+v", v) })
	w.no(err)
}
