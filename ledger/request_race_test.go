package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

// onDisk is a book in a file of its own, which may be opened again.
func onDisk(t *testing.T, path string, wrap func(ledger.Store) ledger.Store, now func() time.Time) *book {
	file, err := privacytest.Sealed(sqlite.Open(t.Context(), path))
	if err != nil {
		t.Fatal(err)
	}
	b := &book{t: t, store: wrap(file), now: time.Now()}
	b.pipe = ledger.NewPipeline(b.store, ledger.PipelineOptions{Log: quiet, Now: now})
	return b
}

func unwrapped(s ledger.Store) ledger.Store { return s }

// atOnce submits commands from a goroutine each and says how they were refused, or as what
// transfers they ended.
func (b *book) atOnce(commands []ledger.Command) map[string]int {
	b.t.Helper()
	begin, outcomes := make(chan struct{}), make([]string, len(commands))
	var all sync.WaitGroup
	for i, c := range commands {
		all.Go(func() {
			<-begin
			reply, err := b.pipe.Submit(context.Background(), ledger.Request{Command: c})
			var refusal *ledger.Refusal
			switch t, ok := reply.Result.(ledger.Transfer); {
			case errors.As(err, &refusal):
				outcomes[i] = refusal.Code
			case err != nil:
				outcomes[i] = err.Error()
			case ok:
				outcomes[i] = t.State.String()
			default:
				outcomes[i] = "done"
			}
		})
	}
	close(begin)
	all.Wait()
	count := map[string]int{}
	for _, o := range outcomes {
		count[o]++
	}
	return count
}

// TestManyPayOneAskAtOnce: of two hundred who pay the same ask one does.
func TestManyPayOneAskAtOnce(t *testing.T) {
	const payers = 200
	b := onDisk(t, filepath.Join(t.TempDir(), "book.db"), unwrapped, time.Now)
	defer b.close()
	_, to := b.person("Asha", "SBIN")
	account, wallet := b.person("Ravi", "HDFC")
	b.fund(account, wallet, 1_000_000)
	pays := func(q *ledger.MoneyRequest, from ledger.End) (all []ledger.Command) {
		for range payers {
			all = append(all, payAsk(q, from, to))
		}
		return all
	}
	q := must[ledger.MoneyRequest](b, asking(to.Party, 500, wallet.Party))
	if got, want := fmt.Sprint(b.atOnce(pays(&q, wallet))), fmt.Sprint(map[string]int{"completed": 1, ledger.CodeAskPaid: payers - 1}); got != want {
		t.Errorf("by the wallet: %s, want %s", got, want)
	}
	q = must[ledger.MoneyRequest](b, asking(to.Party, 500, wallet.Party))
	if got, want := fmt.Sprint(b.atOnce(pays(&q, account))), fmt.Sprint(map[string]int{"pending": 1, ledger.CodeAskBeingPaid: payers - 1}); got != want {
		t.Errorf("by the bank: %s, want %s", got, want)
	}
	if a, err := b.store.Account(context.Background(), ledger.WalletAccount(to.Party, "INR").ID()); err != nil || a.Balance() != 500 {
		t.Errorf("the payee has %d, %v", a.Balance(), err)
	}
	b.verify()
}

// TestPayAgainstEveryEndAtOnce: each ask has one end, whatever comes at the same time, and
// whoever was told that it did something did.
func TestPayAgainstEveryEndAtOnce(t *testing.T) {
	const asks = 50
	began, late := time.Now(), atomic.Bool{}
	now := func() time.Time {
		if late.Load() {
			return began.Add(time.Second)
		}
		return began
	}
	b := onDisk(t, filepath.Join(t.TempDir(), "book.db"), unwrapped, now)
	defer b.close()
	_, to := b.person("Asha", "SBIN")
	var wallets []ledger.End
	var parties []ledger.ID
	for range asks {
		account, wallet := b.person("somebody", "HDFC")
		b.fund(account, wallet, 500)
		wallets, parties = append(wallets, wallet), append(parties, wallet.Party)
	}
	q := must[ledger.MoneyRequest](b, asking(to.Party, 500, parties...))
	over := asking(to.Party, 500, parties...) // expires while it is paid
	over.Request.Expires = began.Add(time.Second).UnixMicro()
	brief := must[ledger.MoneyRequest](b, over)
	var commands []ledger.Command
	for i := range wallets {
		commands = append(commands, payAsk(&q, wallets[i], to), ledger.CancelRequest{Request: &q, Party: parties[i]},
			ledger.DeclineAsk{Request: &q, Party: parties[i]}, payAsk(&brief, wallets[i], to), ledger.ExpireRequest{ID: brief.ID})
	}
	time.AfterFunc(time.Millisecond, func() { late.Store(true) })
	outcomes := b.atOnce(commands)
	late.Store(true)
	must[any](b, ledger.ExpireRequest{ID: brief.ID})
	paid := 0
	for _, id := range []ledger.ID{q.ID, brief.ID} {
		r := b.asked(id)
		for _, a := range r.Asks {
			switch a.State {
			case ledger.AskPaid:
				paid++
			case ledger.AskOpen, ledger.AskPaying:
				t.Errorf("an ask is %s", a.State)
			}
		}
		if r.State() == ledger.RequestOpen || r.Due != 0 {
			t.Errorf("the request is %s, due at %d", r.State(), r.Due)
		}
	}
	if paid != outcomes["completed"] {
		t.Errorf("%d are paid; answered was %v", paid, outcomes)
	}
	b.verify()
}

// faulty loses commits, or their answers.
type faulty struct {
	ledger.Store
	fault error // of the next commits
	after bool  // which are stored all the same
}

func (f *faulty) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	if f.fault == nil {
		return f.Store.Commit(ctx, declare, apply)
	}
	if !f.after {
		return f.fault
	}
	return errors.Join(f.Store.Commit(ctx, declare, apply), f.fault)
}

// TestPayingAnAskSurvives: a payment of an ask whose commit or whose answer is lost is
// repeated under its key, and a node that dies while the bank is asked is followed by
// another one: the ask is paid once.
func TestPayingAnAskSurvives(t *testing.T) {
	for _, stored := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "book.db")
		f := &faulty{}
		b := onDisk(t, path, func(s ledger.Store) ledger.Store { f.Store = s; return f }, time.Now)
		_, to := b.person("Asha", "SBIN")
		account, _ := b.person("Ravi", "HDFC")
		q := must[ledger.MoneyRequest](b, asking(to.Party, 500, account.Party))
		pay := func() (ledger.Reply, error) { // each try makes a transfer of its own
			c := payAsk(&q, account, to)
			return b.pipe.Submit(context.Background(), ledger.Request{Command: c, Key: &ledger.IdempotencyKey{App: "chat", Key: "m-1"},
				Answer: func(r any) (int, []byte) { id := r.(ledger.Transfer).ID; return 201, id[:] }})
		}
		f.fault, f.after = ledger.ErrOutcomeUnknown, stored
		if _, err := pay(); !errors.Is(err, ledger.ErrOutcomeUnknown) {
			t.Fatal(err)
		}
		f.fault = nil
		first, err := pay()
		if err != nil || first.Replayed != stored {
			t.Fatalf("repeated: %+v, %v", first, err)
		}
		b.close() // while the bank is asked

		b = onDisk(t, path, unwrapped, time.Now)
		again, err := pay()
		if err != nil || !again.Replayed || string(again.Answer.Body) != string(first.Answer.Body) {
			t.Fatalf("repeated by another node: %+v, %v", again, err)
		}
		if _, code := b.submit(payAsk(&q, account, to)); code != ledger.CodeAskBeingPaid {
			t.Errorf("another payment: %q", code)
		}
		made, err := b.store.Transfer(context.Background(), ledger.ID(first.Answer.Body))
		if err != nil {
			t.Fatal(err)
		}
		b.say(&made, "debit approved")
		if now := b.asked(q.ID); states(&now) != "paid, settled" || now.Asks[0].Transfer != made.ID {
			t.Errorf("it is %s: %+v", states(&now), now)
		}
		b.verify()
		b.close()
	}
}
