package simulate

import (
	"context"
	"errors"
	"time"

	"bahi/ledger"
)

// nodeStore is the database as one node reaches it: everything takes time, and at
// each wait the node may crash, or the connection be lost.
type nodeStore struct {
	ledger.Store
	n *node
	p *process
}

var errConflict = errors.New("another writer came between")

// reach travels to the database and says whether it is there.
func (s *nodeStore) reach() error {
	w := s.n.w
	most := 3 * time.Millisecond
	if w.jams(w.plan.commits.slow, 3) {
		most = pick(w.rng, 50*time.Millisecond, time.Second, 2*w.plan.lease)
	}
	w.s.sleep(w.upTo(most))
	if w.s.now < w.away || w.s.now < s.n.cut || w.happens(w.plan.commits.unavailable) {
		return ledger.ErrUnavailable
	}
	return nil
}

// Commit implements [ledger.Store].
func (s *nodeStore) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	w := s.n.w
	if err := s.reach(); err != nil {
		return err
	}
	if w.happens(w.plan.commits.conflicts) {
		err := w.store.Commit(ctx, declare, func(set *ledger.Set) error { return errors.Join(apply(set), errConflict) })
		if !errors.Is(err, errConflict) {
			w.found("a conflict was lost: %v", err)
		}
		if err := s.reach(); err != nil {
			return err
		}
	}
	if w.happens(w.plan.commits.forgotten) {
		w.note(s.p.name, "a commit is lost, and it cannot know")
		return ledger.ErrOutcomeUnknown
	}
	// The node may die while its COMMIT is on the way: it is carried out all the same.
	var err error
	done := make(chan struct{})
	w.net.AfterFunc(w.upTo(3*time.Millisecond), func() {
		var kept *ledger.Set
		err = w.store.Commit(ctx, declare, func(set *ledger.Set) error { kept = set; return apply(set) })
		if err == nil {
			w.committed(s.p, kept)
		} else {
			w.found("%s could not commit: %v", s.p.name, err)
		}
		close(done)
	})
	_ = s.p.Wait(background, done)
	s.n.strike(s.p)
	if err == nil && w.happens(w.plan.commits.unheard) {
		w.note(s.p.name, "it does not hear that this was stored")
		err = ledger.ErrOutcomeUnknown
	}
	return err
}

// committed notes what a batch changed.
func (w *world) committed(p *process, set *ledger.Set) {
	for _, b := range set.Contradictions {
		w.breaks[b.Instruction] = true
		if !w.lies[b.Instruction] {
			w.found("%s was %s and is %s now: a break, and no bank has lied", b.Instruction, b.Was, b.Says)
		}
		w.note(p.name, "break: %s was %s, %s now", b.Instruction, b.Was, b.Says)
	}
	if w.cfg.Trace == nil {
		return
	}
	set.History(func(step *ledger.Step) {
		w.note(p.name, "%s is %s %s", step.Transfer.TransferRef(), step.State, step.Reason)
	})
	set.Instructions.Changes(func(id ledger.InstructionID, i *ledger.Instruction, _ bool) {
		if i != nil {
			w.note(p.name, "%s is %s, %d attempts, by %s", id, i.State, i.Attempts, i.Node.NodeRef())
		}
	})
	set.Nodes.Changes(func(id ledger.ID, n *ledger.Node, _ bool) {
		if n != nil && (n.Gone || n.Beat == 1) {
			w.note(p.name, "node %s: beat %d, gone %v", id.NodeRef(), n.Beat, n.Gone)
		}
	})
}

// read lets a read take its time, and be old by the time it is looked at.
func read[T any](s *nodeStore, what func() (T, error)) (T, error) {
	var none T
	if err := s.reach(); err != nil {
		return none, err
	}
	found, err := what()
	if err := s.reach(); err != nil {
		return none, err
	}
	return found, err
}

// Nodes implements [ledger.Store].
func (s *nodeStore) Nodes(ctx context.Context) ([]ledger.Node, error) {
	return read(s, func() ([]ledger.Node, error) { return s.Store.Nodes(ctx) })
}

// Drivers implements [ledger.Store].
func (s *nodeStore) Drivers(ctx context.Context) ([]ledger.ID, error) {
	return read(s, func() ([]ledger.ID, error) { return s.Store.Drivers(ctx) })
}

// Due implements [ledger.Store].
func (s *nodeStore) Due(ctx context.Context, node ledger.ID, after ledger.DuePlace, before int64, limit int) ([]ledger.Task, error) {
	return read(s, func() ([]ledger.Task, error) { return s.Store.Due(ctx, node, after, before, limit) })
}

// Outbox implements [ledger.Store].
func (s *nodeStore) Outbox(ctx context.Context, limit int) ([]ledger.OutboxRow, error) {
	return read(s, func() ([]ledger.OutboxRow, error) { return s.Store.Outbox(ctx, limit) })
}

// Transfer implements [ledger.Store].
func (s *nodeStore) Transfer(ctx context.Context, id ledger.ID) (ledger.Transfer, error) {
	return read(s, func() (ledger.Transfer, error) { return s.Store.Transfer(ctx, id) })
}

// TransferHistory implements [ledger.Store].
func (s *nodeStore) TransferHistory(ctx context.Context, id ledger.ID) ([]ledger.Step, []ledger.Instruction, error) {
	var steps []ledger.Step
	instructions, err := read(s, func() (i []ledger.Instruction, err error) {
		steps, i, err = s.Store.TransferHistory(ctx, id)
		return i, err
	})
	return steps, instructions, err
}
