// Package sim is a simulated bank: a rail without a wire. It keeps a book of its
// own, which outlives the process, so that its money can be compared with ours;
// and it can be told to behave as badly as real banks do, by account or by one
// of the magic [Amounts].
package sim

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// Config is what a bank is opened with.
type Config struct {
	Code     string          // in capitals, such as "SBIN"
	IFSC     string          // of its only branch; default Code and "0000001"
	Currency ledger.Currency // default INR
	// Path is the file of the bank's book, made if there is none; empty: the book
	// is in memory only. Processes of one machine that open the same file are one
	// bank: each instruction is decided once, whichever of them is asked.
	Path string
	// OpeningBalance is what every account has at first, in minor units. Any
	// number is an account from its first use, except those that begin with "0000".
	OpeningBalance int64
	Latency        time.Duration // before each answer
	Profile        Profile
	Clock          banks.Clock          // default banks.WallClock
	Tasks          ledger.Tasks         // default ledger.Goroutines
	Behaviours     map[string]Behaviour // by account number; a leg that they do not name goes by its amount, or else by the profile
}

// Bank is an open simulated bank. It implements [banks.Adapter].
type Bank struct {
	cfg    Config
	manner atomic.Pointer[manner]
	alive  context.Context // ends when the bank closes
	kill   context.CancelFunc

	mu       sync.Mutex
	book     *book
	journal  *journal // nil: in memory only
	locked   bool     // the journal is
	reporter banks.Reporter
	pending  map[ledger.InstructionID]struct{} // decided, to be reported
	failed   map[ledger.InstructionID]int      // how often an act was carried out on it
	timers   timers
}

var (
	_ banks.Adapter  = (*Bank)(nil)
	_ banks.Resolver = (*Bank)(nil)
)

var errClosed = errors.New("the bank is closed")

// Open opens the bank with the book that its file holds. A last line that was
// being written when the process was killed is dropped: nobody was told of it.
// Anything else that is malformed is an error that names the line.
func Open(cfg Config) (*Bank, error) {
	if cfg.Currency == "" {
		cfg.Currency = "INR"
	}
	if cfg.IFSC == "" {
		cfg.IFSC = cfg.Code + "0000001"
	}
	if cfg.Clock == nil {
		cfg.Clock = banks.WallClock{}
	}
	if cfg.Tasks == nil {
		cfg.Tasks = ledger.Goroutines{}
	}
	cfg.Behaviours = maps.Clone(cfg.Behaviours)
	switch {
	case cfg.Code == "" || cfg.Code != strings.ToUpper(cfg.Code):
		return nil, fmt.Errorf("sim: the bank's code %q must be capitals", cfg.Code)
	case cfg.OpeningBalance < 0:
		return nil, fmt.Errorf("sim: bank %s: the opening balance %d is below zero", cfg.Code, cfg.OpeningBalance)
	}
	for account, behaviour := range cfg.Behaviours {
		if err := behaviour.check(); err != nil {
			return nil, fmt.Errorf("sim: bank %s: account %s: %w", cfg.Code, account, err)
		}
	}
	b := &Bank{cfg: cfg, book: newBook(cfg.Code, cfg.Currency, cfg.OpeningBalance),
		pending: map[ledger.InstructionID]struct{}{}, failed: map[ledger.InstructionID]int{}}
	if cfg.Path != "" {
		var err error
		if b.journal, err = openJournal(cfg.Path, b.book); err != nil {
			return nil, fmt.Errorf("sim: bank %s: %w", cfg.Code, err)
		}
	}
	b.Behave(cfg.Latency, cfg.Profile)
	b.alive, b.kill = context.WithCancel(context.Background())
	return b, nil
}

// Close ends the calls under way without an answer, drops the reports that are
// not due yet, waits for those under way and closes the book.
func (b *Bank) Close() error {
	b.mu.Lock()
	if b.alive.Err() != nil {
		b.mu.Unlock()
		return nil
	}
	b.kill()
	b.timers.stop()
	b.mu.Unlock()
	b.timers.running.Wait()
	return b.journal.close()
}

// SetReporter sets who is told what the bank says without being asked. Without
// one it keeps that to itself, until it is asked.
func (b *Bank) SetReporter(r banks.Reporter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reporter = r
}

// Submit implements [banks.Adapter].
func (b *Bank) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if i.ID.Leg != debit && i.ID.Leg != credit {
		return banks.Answer{}, fmt.Errorf("sim: %s is neither a debit nor a credit", i.ID)
	}
	return b.ask(ctx, &i, b.take)
}

// Reverse implements [banks.Adapter]. It undoes what the original did.
func (b *Bank) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if _, ok := original(i.ID); !ok {
		return banks.Answer{}, fmt.Errorf("sim: %s is not a reversal", i.ID)
	}
	return b.ask(ctx, &i, b.take)
}

// Status implements [banks.Adapter].
func (b *Bank) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	return b.ask(ctx, &i, b.tell)
}

// Resolve implements [banks.Resolver]: what is before the "@" is the account's number.
func (b *Bank) Resolve(ctx context.Context, upi string) (banks.Account, error) {
	m := b.manner.Load()
	if err := b.wait(ctx, m.latency, m.profile.Hangs); err != nil {
		return banks.Account{}, fmt.Errorf("sim: bank %s gave no answer: %w", b.cfg.Code, err)
	}
	number, _, _ := strings.Cut(upi, "@")
	if strings.Trim(number, "0123456789") != "" || missing(number) {
		return banks.Account{}, ledger.ErrNotFound
	}
	return banks.Account{Number: number, IFSC: b.cfg.IFSC, UPI: upi, Name: "Account " + number[max(0, len(number)-4):]}, nil
}

// Net is what the bank owes for its payers minus what it is owed for its payees,
// in minor units: debits less their reversals, less credits, plus theirs. It is
// what the balance of its clearing account must be in our book.
func (b *Bank) Net() int64 {
	var net int64
	for e := range b.Entries() {
		net += e.Net()
	}
	return net
}

// Balance is what the account holds, in minor units; 0 if there is no such account.
func (b *Bank) Balance(account string) int64 {
	_ = b.begin() // should the file be out of reach, what was read of it stands
	defer b.end()
	return b.book.balance(account)
}

// Entries are the lines of the bank's ledger up to now, the oldest first.
func (b *Bank) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		_ = b.begin()
		facts := b.book.facts // only ever added to: what is there now stays as it is
		b.end()
		b.book.entries(facts)(yield)
	}
}

// reply is what the bank has decided to say.
type reply struct {
	banks.Answer
	silent bool // nothing at all
}

// ask decides on an instruction at once and speaks when it is time. ctx can thus
// end a wait, but never a piece of work.
func (b *Bank) ask(ctx context.Context, i *banks.Instruction, decide func(*banks.Instruction, Act) (reply, error)) (banks.Answer, error) {
	if err := ctx.Err(); err != nil {
		return banks.Answer{}, err
	}
	act := b.actOn(i)
	var says reply
	err := b.begin()
	if err == nil {
		says, err = decide(i, act)
	}
	b.end()
	if err != nil {
		return banks.Answer{}, fmt.Errorf("sim: bank %s: %w", b.cfg.Code, err)
	}
	wait := b.manner.Load().latency
	if act.Does == Delays {
		wait += act.After
	}
	if err := b.wait(ctx, wait, says.silent); err != nil {
		return banks.Answer{}, fmt.Errorf("sim: bank %s gave no answer: %w", b.cfg.Code, err)
	}
	return says.Answer, nil
}

// begin takes the bank's lock, and brings the book to what other processes wrote
// of it. Whether or not it could, end is to be called.
func (b *Bank) begin() error {
	b.mu.Lock()
	if b.alive.Err() != nil {
		return errClosed
	}
	err := b.journal.lock(b.book)
	b.locked = err == nil
	return err
}

func (b *Bank) end() {
	if b.locked {
		b.journal.unlock()
		b.locked = false
	}
	b.mu.Unlock()
}

// take carries an instruction out, unless it was before or the act keeps it from it.
func (b *Bank) take(i *banks.Instruction, act Act) (reply, error) {
	_, reversal := original(i.ID)
	switch {
	case act.Does == Unreachable:
		return reply{}, banks.ErrNotSent
	case act.Does == TimesOutBefore && (!reversal || b.fails(i.ID, 1+act.Again)):
		return reply{silent: true}, nil
	case act.Does == Declines && reversal && b.fails(i.ID, 1+act.Again):
		return reply{Answer: banks.Answer{Outcome: ledger.SaysDeclined, Code: act.Code}}, nil
	}
	f, fresh, err := b.decided(i, act)
	if err != nil {
		return reply{}, err
	}
	answer := b.book.answer(f)
	if fresh {
		b.planReport(i.ID, act, answer)
	}
	switch {
	case act.Does == TimesOutAfter && (fresh || b.fails(i.ID, act.Again)), act.Does == AnswersLate && fresh:
		return reply{silent: true}, nil
	case b.isPending(i.ID):
		return reply{Answer: banks.Answer{Pending: true}}, nil
	}
	return reply{Answer: answer}, nil
}

// decided is the fact that an instruction came to, now or before. One that
// changed its amount or account on the way is a bug of its sender.
func (b *Bank) decided(i *banks.Instruction, act Act) (f *fact, fresh bool, err error) {
	from, _ := original(i.ID)
	for _, id := range [...]ledger.InstructionID{i.ID, from} {
		if f, seen := b.book.find(id); seen && (f.amount != i.Amount.Minor || f.account != i.Account.Number) {
			return nil, false, fmt.Errorf("instruction %s: %s came with another amount or account", i.ID, id.Leg)
		}
	}
	if f, seen := b.book.find(i.ID); seen {
		return f, false, nil
	}
	f = b.book.decide(i, act, b.cfg.Clock.Now())
	if err := b.journal.append(f, b.book.ref(f)); err != nil {
		return nil, false, err
	}
	b.book.add(f)
	return f, true, nil
}

// tell says what became of an instruction.
func (b *Bank) tell(i *banks.Instruction, act Act) (reply, error) {
	f, seen := b.book.find(i.ID)
	mute := act.Does == TimesOutBefore || act.Does == TimesOutAfter
	switch {
	case mute && b.fails(i.ID, act.Again):
		return reply{silent: true}, nil
	case b.isPending(i.ID):
		return reply{Answer: banks.Answer{Pending: true}}, nil
	case !seen:
		return reply{Answer: banks.Answer{Outcome: ledger.SaysNotSeen, Code: codesOf(i.ID.Leg).unseen}}, nil
	}
	return reply{Answer: b.book.answer(f)}, nil
}

// fails counts an act that is carried out the first limit times only.
func (b *Bank) fails(id ledger.InstructionID, limit int) bool {
	if b.failed[id] >= limit {
		return false
	}
	b.failed[id]++
	return true
}

func (b *Bank) isPending(id ledger.InstructionID) bool {
	_, ok := b.pending[id]
	return ok
}
