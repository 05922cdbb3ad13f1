package simulate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// planted are mistakes that somebody could make in a rail, an engine or between
// them. Each is found within so many seeds, by what it does to money or to a chat.
var planted = []struct {
	name  string
	seeds uint64
	bug   bug
	finds string // in one of the findings
}{
	{"a credit is tried again under a new id", 10, bug{adapter: func(p *process, a banks.Adapter) banks.Adapter { return &newIDs{a, p} }}, "of a transfer that we do not have"},
	{"a credit that timed out is refunded", 10, bug{adapter: func(_ *process, a banks.Adapter) banks.Adapter { return &refunds{a} }}, "is reversed: the payer has paid false, the payee has the money true"},
	{"an instruction is stored after its transfer", 10, bug{store: func(p *process, s ledger.Store) ledger.Store { return &lateInstructions{s, p} }}, "0 instructions are open in state"},
	{"an answer is taken for the transfer's other leg", 10, bug{adapter: func(_ *process, a banks.Adapter) banks.Adapter {
		return &byTransfer{a, map[ledger.ID]banks.Answer{}}
	}}, "and the bank did it: false"},
	{"an idempotency record is stored after the answer", 20, bug{store: func(p *process, s ledger.Store) ledger.Store { return &lateRecords{s, p} }}, "was answered"},
	{"events are stored after the outbox is emptied", 10, bug{store: func(p *process, s ledger.Store) ledger.Store { return &lateStreams{s, p} }}, "is told []"},
	{"an answer is given before its commit", 10, bug{store: func(p *process, s ledger.Store) ledger.Store { return &writeBehind{Store: s, p: p} }}, "is not in the book"},
	{"a bank has not seen it, so it is not done", 10, bug{adapter: func(_ *process, a banks.Adapter) banks.Adapter { return &hasty{a} }}, "and the bank did it: true"},
	{"a reversal without an answer is held for done", 10, bug{adapter: func(_ *process, a banks.Adapter) banks.Adapter { return &hopeful{a} }}, "and the bank did it: false"},
	{"a debit is sent without its credential", 20, bug{adapter: func(_ *process, a banks.Adapter) banks.Adapter { return &withoutPIN{a} }}, `comes with the credential "", want "PIN of`},
	{"a credential is kept for the reversal", 20, bug{adapter: func(_ *process, a banks.Adapter) banks.Adapter {
		return &keptPIN{a, map[ledger.ID]banks.Credential{}}
	}}, `want ""`},
	{"a batch is written over what another node wrote", 10, bug{store: func(p *process, s ledger.Store) ledger.Store { return &lostUpdates{s, p} }}, "the book: account_totals"},
}

func TestPlantedBugsAreFound(t *testing.T) {
	for _, b := range planted {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= b.seeds; seed++ {
				r := Run(Config{Seed: seed, Steps: steps, Dir: t.TempDir(), bug: b.bug})
				for _, f := range r.Findings {
					if strings.Contains(f, b.finds) {
						t.Logf("seed %d: %s", seed, f)
						return
					}
				}
				for _, f := range r.Findings {
					t.Logf("seed %d, by the way: %s", seed, f)
				}
			}
			t.Errorf("it is not found within %d seeds", b.seeds)
		})
	}
}

// newIDs gives every try of a credit an id of its own.
type newIDs struct {
	banks.Adapter
	p *process
}

func (a *newIDs) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if i.ID.Leg != ledger.LegCredit {
		return a.Adapter.Submit(ctx, i)
	}
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	defer a.p.AfterFunc(time.Second, cancel)()
	answer, err := a.Adapter.Submit(first, i)
	if err != nil && ctx.Err() == nil {
		i.ID.Transfer = a.p.newID()
		return a.Adapter.Submit(ctx, i)
	}
	return answer, err
}

// refunds says that a credit without an answer was declined.
type refunds struct{ banks.Adapter }

func (a *refunds) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	answer, err := a.Adapter.Submit(ctx, i)
	if err != nil && i.ID.Leg == ledger.LegCredit {
		return banks.Answer{Outcome: ledger.SaysDeclined, Code: "U68"}, nil
	}
	return answer, err
}

// byTransfer knows an answer again by its transfer alone.
type byTransfer struct {
	banks.Adapter
	said map[ledger.ID]banks.Answer
}

func (a *byTransfer) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	if said, ok := a.said[i.ID.Transfer]; ok {
		return said, nil
	}
	answer, err := a.Adapter.Submit(ctx, i)
	if err == nil && !answer.Pending {
		a.said[i.ID.Transfer] = answer
	}
	return answer, err
}

// hasty takes "not seen so far" for "not done".
type hasty struct{ banks.Adapter }

func (a *hasty) Status(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	answer, err := a.Adapter.Status(ctx, i)
	if answer.Outcome == ledger.SaysNotSeen {
		answer.Outcome = ledger.SaysNotDone
	}
	return answer, err
}

// hopeful takes a reversal that it sent for done.
type hopeful struct{ banks.Adapter }

func (a *hopeful) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	answer, err := a.Adapter.Reverse(ctx, i)
	if err != nil {
		return banks.Answer{Outcome: ledger.SaysApproved, Code: "00"}, nil
	}
	return answer, err
}

// withoutPIN drops credentials.
type withoutPIN struct{ banks.Adapter }

func (a *withoutPIN) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	i.Credential = banks.Credential{}
	return a.Adapter.Submit(ctx, i)
}

// keptPIN remembers credentials.
type keptPIN struct {
	banks.Adapter
	kept map[ledger.ID]banks.Credential
}

func (a *keptPIN) Submit(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	a.kept[i.ID.Transfer] = i.Credential
	return a.Adapter.Submit(ctx, i)
}

func (a *keptPIN) Reverse(ctx context.Context, i banks.Instruction) (banks.Answer, error) {
	i.Credential = a.kept[i.ID.Transfer]
	return a.Adapter.Reverse(ctx, i)
}

// lateInstructions stores new instructions in a transaction after that of their transfers.
type lateInstructions struct {
	ledger.Store
	p *process
}

func (s *lateInstructions) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	var later []ledger.Instruction
	err := s.Store.Commit(ctx, declare, func(set *ledger.Set) error {
		err := apply(set)
		later = nil
		set.Instructions.Changes(func(_ ledger.InstructionID, i *ledger.Instruction, inserted bool) {
			if inserted {
				later = append(later, *i)
			}
		})
		for _, i := range later {
			set.Instructions.Delete(i.ID)
		}
		return err
	})
	if err != nil || len(later) == 0 {
		return err
	}
	return s.Store.Commit(ctx, func() *ledger.Set {
		set := declare()
		for _, i := range later {
			set.Instructions.Want(i.ID)
		}
		return set
	}, func(set *ledger.Set) error {
		for _, i := range later {
			set.Instructions.Put(i.ID, i)
		}
		return nil
	})
}

// lateRecords stores idempotency records when it comes to it.
type lateRecords struct {
	ledger.Store
	p *process
}

func (s *lateRecords) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	var later []ledger.Answer
	err := s.Store.Commit(ctx, declare, func(set *ledger.Set) error {
		err := apply(set)
		later = nil
		set.Answers.Changes(func(_ ledger.IdempotencyKey, a *ledger.Answer, inserted bool) {
			if inserted {
				later = append(later, *a)
			}
		})
		for _, a := range later {
			set.Answers.Delete(a.Key)
		}
		return err
	})
	if err != nil || len(later) == 0 {
		return err
	}
	s.p.Go(func() {
		for s.Store.Commit(ctx, declare, func(set *ledger.Set) error {
			for _, a := range later {
				set.Answers.Put(a.Key, a)
			}
			return nil
		}) != nil {
		}
	})
	return nil
}

// lateStreams empties the outbox first, and stores what was in it in a commit of its own.
type lateStreams struct {
	ledger.Store
	p *process
}

func (s *lateStreams) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	var later []ledger.StreamRow
	err := s.Store.Commit(ctx, declare, func(set *ledger.Set) error {
		err := apply(set)
		later, set.Streams = set.Streams, nil
		return err
	})
	if err != nil || len(later) == 0 {
		return err
	}
	return s.Store.Commit(ctx, declare, func(set *ledger.Set) error {
		set.Streams = later
		return nil
	})
}

// writeBehind says that a batch is stored before it is.
type writeBehind struct {
	ledger.Store
	p *process
}

func (s *writeBehind) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	kept, err := dryRun(s.Store, ctx, declare, apply)
	if err != nil {
		return err
	}
	s.p.Go(func() { _ = write(s.Store, ctx, declare, kept) })
	return nil
}

// lostUpdates writes a batch by what it read some time before.
type lostUpdates struct {
	ledger.Store
	p *process
}

func (s *lostUpdates) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	kept, err := dryRun(s.Store, ctx, declare, apply)
	if err != nil {
		return err
	}
	return write(s.Store, ctx, declare, kept)
}

var errDry = errors.New("only to see what would come of it")

// dryRun applies a batch and stores nothing.
func dryRun(s ledger.Store, ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) (kept *ledger.Set, err error) {
	inner := s.(*nodeStore)
	if err := inner.reach(); err != nil {
		return nil, err
	}
	err = inner.n.w.store.Commit(ctx, declare, func(set *ledger.Set) error {
		kept = set
		return errors.Join(apply(set), errDry)
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	return kept, err
}

// write stores what a batch would have changed.
func write(s ledger.Store, ctx context.Context, declare func() *ledger.Set, kept *ledger.Set) error {
	return s.Commit(ctx, declare, func(set *ledger.Set) error {
		copyChanges(&set.Accounts, &kept.Accounts)
		copyChanges(&set.Transfers, &kept.Transfers)
		copyChanges(&set.Instructions, &kept.Instructions)
		copyChanges(&set.Parties, &kept.Parties)
		copyChanges(&set.Instruments, &kept.Instruments)
		copyChanges(&set.Aliases, &kept.Aliases)
		copyChanges(&set.Answers, &kept.Answers)
		copyChanges(&set.Nodes, &kept.Nodes)
		set.Postings, set.Steps, set.Contradictions = kept.Postings, kept.Steps, kept.Contradictions
		return nil
	})
}

func copyChanges[K comparable, V any](to, from *ledger.Table[K, V]) {
	from.Changes(func(k K, v *V, _ bool) {
		if v != nil {
			to.Put(k, *v)
		}
	})
}
