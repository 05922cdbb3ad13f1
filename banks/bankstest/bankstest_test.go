package bankstest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/banks"
	"bahi/banks/bankstest"
	"bahi/ledger"
)

// bank keeps the contract, but for one bug.
type bank struct {
	bug string

	mu       sync.Mutex
	said     map[ledger.InstructionID]banks.Answer
	moves    map[ledger.InstructionID]int64
	pending  map[ledger.InstructionID]bool
	busy     int
	calls    int
	reporter banks.Reporter
}

const (
	good  = "1000000001"
	later = "3000000001"
	work  = 300 * time.Microsecond // half of what an instruction takes
)

// has says whether the bank has the bug.
func (b *bank) has(bug string) bool { return b.bug == bug }

func newBank(bug string) *bank {
	return &bank{bug: bug, said: map[ledger.InstructionID]banks.Answer{}, moves: map[ledger.InstructionID]int64{}, pending: map[ledger.InstructionID]bool{}}
}

// spend takes time, unless the caller gives up.
func (b *bank) spend(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *bank) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if until, _ := ctx.Deadline(); b.has("it holds on to its callers") && time.Until(until) < time.Second {
		time.Sleep(2500 * time.Millisecond)
	}
	if err := b.spend(ctx, work); err != nil {
		if b.has("what was given up comes after its reversal") {
			go func() {
				time.Sleep(5 * work)
				b.mu.Lock()
				defer b.mu.Unlock()
				b.move(i)
			}()
		}
		return banks.Answer{}, err
	}
	b.mu.Lock()
	b.busy++
	crowded := b.busy > 10
	a, seen := b.said[i.ID]
	if b.has("it looks and acts in two steps") && !seen {
		b.mu.Unlock()
		time.Sleep(50 * time.Millisecond) // on busy cores the others are a while in coming
		b.mu.Lock()
		seen = false
	}
	if !seen {
		a = b.decide(i)
		b.said[i.ID] = a
		if b.has("it forgets what it did for whoever hung up") && ctx.Err() != nil {
			delete(b.said, i.ID)
		}
	} else if b.has("it acts on every repeat") || b.has("it takes a changed amount") && i.Amount.Minor > 20_000 {
		b.move(i)
	}
	b.calls++
	if b.has("it has another reference each time") {
		a.Ref = fmt.Sprint(b.calls)
	}
	if b.has("it turns a crowd away") && crowded {
		a = banks.Answer{Outcome: ledger.SaysDeclined, Code: "XY"}
	}
	if b.pending[i.ID] {
		a = banks.Answer{Pending: true}
	}
	b.mu.Unlock()
	err := b.spend(ctx, work)
	b.mu.Lock()
	b.busy--
	b.mu.Unlock()
	switch {
	case err != nil && b.has("it says not sent of what it did"):
		return banks.Answer{}, fmt.Errorf("%w: %w", banks.ErrNotSent, err)
	case err != nil && b.has("it forgets what it did for whoever hung up"):
		b.mu.Lock()
		delete(b.said, i.ID)
		b.mu.Unlock()
		return banks.Answer{}, err
	case err != nil:
		return banks.Answer{}, err
	}
	return a, nil
}

// decide carries an instruction out. The caller holds the lock.
func (b *bank) decide(i banks.Instruction) banks.Answer {
	if i.Account.Number[0] == '0' && !b.has("it pays from nowhere") {
		return banks.Answer{Outcome: ledger.SaysDeclined, Code: "XH"}
	}
	b.move(i)
	a := banks.Answer{Outcome: ledger.SaysApproved, Code: "00", Ref: "R" + i.ID.String()[30:]}
	if i.Account.Number == later && i.ID.Leg.Reverses() == 0 {
		b.pending[i.ID] = true
		time.AfterFunc(10*time.Millisecond, func() { b.report(i.ID, a) })
	}
	return a
}

func (b *bank) report(id ledger.InstructionID, a banks.Answer) {
	b.mu.Lock()
	delete(b.pending, id)
	r := b.reporter
	b.mu.Unlock()
	if b.has("it reports the opposite") {
		a = banks.Answer{Outcome: ledger.SaysDeclined, Code: "XB"}
	}
	if b.has("it reports another's outcome") {
		id.Leg = ledger.LegCredit + ledger.LegDebit - id.Leg
	}
	if b.has("it never reports") || r == nil {
		return
	}
	_, err := r.Report(context.Background(), "GOOD", id, a)
	if b.has("it reports twice, and not the same") {
		_, _ = r.Report(context.Background(), "GOOD", id, banks.Answer{Outcome: ledger.SaysDeclined, Code: "XB"})
	}
	if err != nil && b.has("it forgets what nobody took") {
		b.mu.Lock()
		delete(b.said, id)
		b.mu.Unlock()
	}
}

func (b *bank) move(i banks.Instruction) {
	amount := i.Amount.Minor
	if i.ID.Leg == ledger.LegCredit || i.ID.Leg == ledger.LegDebitReversal {
		amount = -amount
	}
	b.moves[i.ID] += amount
}

func (b *bank) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if err := b.spend(ctx, work); err != nil {
		return banks.Answer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	original := ledger.InstructionID{Transfer: i.ID.Transfer, Leg: i.ID.Leg.Reverses()}
	done, came := b.said[original]
	if !came && !b.has("it lets an original in after its reversal") {
		b.said[original] = banks.Answer{Outcome: ledger.SaysDeclined, Code: "OD"}
	}
	a, again := b.said[i.ID]
	switch {
	case b.pending[original] && b.has("it gives up what is pending, and does it"):
		a = banks.Answer{Outcome: ledger.SaysNotDone, Code: "OD"}
	case again && a.Outcome == ledger.SaysApproved && b.has("it undoes twice"):
		b.move(i)
	case again:
	case done.Outcome == ledger.SaysApproved:
		b.move(i)
		a = banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}
		if b.has("it tells of what it undid that it was never done") {
			b.said[original] = banks.Answer{Outcome: ledger.SaysDeclined, Code: "OD"}
		}
	default:
		a = banks.Answer{Outcome: ledger.SaysNotDone, Code: "OD"}
	}
	b.said[i.ID] = a
	return a, nil
}

func (b *bank) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, seen := b.said[i.ID]
	reversal := i.ID.Leg.Reverses() != 0
	switch {
	case b.pending[i.ID]:
		return banks.Answer{Pending: true}, nil
	case !seen && b.has("it declines what it has not seen"):
		return banks.Answer{Outcome: ledger.SaysDeclined, Code: "OD"}, nil
	case !seen && b.has("a status check keeps the original out") && !reversal:
		b.said[i.ID] = banks.Answer{Outcome: ledger.SaysDeclined, Code: "OD"}
	case !seen && b.has("a status check decides a reversal") && reversal:
		b.said[i.ID] = banks.Answer{Outcome: ledger.SaysNotDone, Code: "OD"}
	case seen && b.has("it tells another outcome when it is asked"):
		return banks.Answer{Outcome: ledger.SaysDeclined, Code: "XB"}, nil
	}
	if !seen {
		return banks.Answer{Outcome: ledger.SaysNotSeen}, nil
	}
	return a, nil
}

func (b *bank) moved(id ledger.InstructionID) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.moves[id]
}

func (b *bank) rail() bankstest.Rail {
	return bankstest.Rail{Adapter: b, Moved: b.moved, Good: banks.Account{Number: good}, Missing: banks.Account{Number: "0000000001"},
		Later: banks.Account{Number: later},
		Report: func(r banks.Reporter) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.reporter = r
		},
		Restart: func(*testing.T) bankstest.Rail {
			b.mu.Lock()
			defer b.mu.Unlock()
			next := newBank(b.bug)
			for id, m := range b.moves {
				next.moves[id] = m
			}
			for id, a := range b.said {
				if !b.has("a restart costs it its memory") {
					next.said[id] = a
				}
			}
			return next.rail()
		}}
}

// bugVariable chooses the bug of a test process.
const bugVariable = "BAHI_TEST_BANK_BUG"

// TestBank: a bank without a bug passes. With a bug it is run by TestBugsAreFound.
func TestBank(t *testing.T) {
	bankstest.Run(t, func(*testing.T) bankstest.Rail { return newBank(os.Getenv(bugVariable)).rail() })
}

// bugs are what the kit must find, in which of its tests and by what reason.
var bugs = []struct{ bug, test, reason string }{
	{"it acts on every repeat", "a repeat gets the same answer and moves nothing", "the bank's book shows"},
	{"it has another reference each time", "a repeat gets the same answer and moves nothing", "as before"},
	{"it looks and acts in two steps", "the same fifty times at one moment is one", "the bank's book shows"},
	{"it turns a crowd away", "fifty at one moment are fifty", "one of fifty is {Pending:false Outcome:declined"},
	{"it pays from nowhere", "a missing account is declined, and there is nothing to reverse", "want declined"},
	{"it undoes twice", "a reversal undoes its original once", "the bank's book shows"},
	{"it tells of what it undid that it was never done", "a reversal undoes its original once", "the original, repeated after its reversal got"},
	{"it lets an original in after its reversal", "a reversal without original keeps the original out", "the original that comes after it is {Pending:false Outcome:approved"},
	{"it lets an original in after its reversal", "an original and its reversal at the same moment leave nothing", "the reversal of what was done is"},
	{"a status check keeps the original out", "status tells the truth and changes nothing", "the status of what never came is"},
	{"it declines what it has not seen", "status tells the truth and changes nothing", "want not_seen"},
	{"it tells another outcome when it is asked", "status tells the truth and changes nothing", "the status got"},
	{"it says not sent of what it did", "a caller that gives up half way learns the outcome later", "the status of what was not sent is"},
	{"it forgets what it did for whoever hung up", "a caller that gives up half way learns the outcome later", "the bank's book shows"},
	{"it holds on to its callers", "a caller that gives up half way learns the outcome later", "did not return when its time was up"},
	{"what was given up comes after its reversal", "a caller that gives up half way can take it back", "the bank's book shows"},
	{"it takes a changed amount", "an instruction that changed on its way moves nothing", "the bank's book shows"},
	{"a status check decides a reversal", "whatever comes when, there is one truth", "the reversal of what was done is"},
	{"it tells another outcome when it is asked", "whatever comes when, there is one truth", ", in the end, got"},
	{"it reports the opposite", "an outcome that comes later is reported, and is what others are told", "the report is"},
	{"it reports another's outcome", "an outcome that comes later is reported, and is what others are told", "the report is of"},
	{"it reports twice, and not the same", "an outcome that comes later is reported, and is what others are told", "and then"},
	{"it forgets what nobody took", "an outcome that comes later is not lost with its report", "the outcome, asked for is"},
	{"it gives up what is pending, and does it", "a reversal before the outcome leaves one truth", "the reversal of what was done is"},
	{"a restart costs it its memory", "a repeat gets the same answer and moves nothing, over a restart", "the bank's book shows"},
}

// TestBugsAreFound: each bank with a bug fails the test that is meant for it, and
// for the reason that is the bug.
func TestBugsAreFound(t *testing.T) {
	for _, c := range bugs {
		t.Run(c.bug+"/"+c.test, func(t *testing.T) {
			t.Parallel()
			run := fmt.Sprintf("^TestBank$/^debit$/^%s$", strings.ReplaceAll(c.test, " ", "_"))
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run, "-test.v")
			cmd.Env = append(os.Environ(), bugVariable+"="+c.bug)
			out, err := cmd.CombinedOutput()
			switch text := string(out); {
			case err == nil:
				t.Errorf("it passed:\n%s", text)
			case !strings.Contains(text, "--- FAIL: TestBank/debit/"+strings.ReplaceAll(c.test, " ", "_")+" ") || !strings.Contains(text, c.reason):
				t.Errorf("it did not fail by %q: %v\n%s", c.reason, err, text)
			}
		})
	}
}
