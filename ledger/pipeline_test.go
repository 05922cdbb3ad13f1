package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bahi/ledger"
	"bahi/ledger/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gatedStore lets a test hold a commit, or fail it.
type gatedStore struct {
	ledger.Store
	gate    chan struct{}   // a commit waits for one value
	entered chan struct{}   // a commit has begun
	fail    func(int) error // by the commit's number, from 1
	commits int
	batches []int // postings and parties in each batch
}

func (g *gatedStore) Commit(ctx context.Context, declare func() *ledger.Set, apply func(*ledger.Set) error) error {
	g.commits++
	if g.entered != nil {
		g.entered <- struct{}{}
	}
	if g.gate != nil {
		<-g.gate
	}
	if g.fail != nil {
		if err := g.fail(g.commits); err != nil {
			return err
		}
	}
	return g.Store.Commit(ctx, declare, func(s *ledger.Set) error {
		err := apply(s)
		opened := 0
		s.Parties.Changes(func(ledger.ID, *ledger.Party, bool) { opened++ })
		g.batches = append(g.batches, opened)
		return err
	})
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func party() ledger.OpenParty {
	return ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: "Asha", Kind: ledger.Person}}
}

func TestPipelineGathersWhileItWrites(t *testing.T) {
	g := &gatedStore{Store: memory.New(), gate: make(chan struct{}), entered: make(chan struct{}, 16)}
	p := ledger.NewPipeline(g, ledger.PipelineOptions{Log: quiet})
	var callers sync.WaitGroup
	submit := func() {
		defer callers.Done()
		if _, err := ledger.Do[ledger.Party](context.Background(), p, party()); err != nil {
			t.Error(err)
		}
	}
	callers.Add(1)
	go submit()
	<-g.entered // the first is being written
	for range 9 {
		callers.Add(1)
		go submit()
	}
	for p.Waiting() < 9 {
		time.Sleep(time.Millisecond)
	}
	g.gate <- struct{}{}
	g.gate <- struct{}{}
	callers.Wait()
	p.Close()
	if fmt.Sprint(g.batches) != "[1 9]" {
		t.Errorf("batches of %v; want the first alone and the nine that waited together", g.batches)
	}
}

func TestPipelineRefusesWhenFull(t *testing.T) {
	g := &gatedStore{Store: memory.New(), gate: make(chan struct{}), entered: make(chan struct{}, 16)}
	p := ledger.NewPipeline(g, ledger.PipelineOptions{MaxQueue: 2, Log: quiet})
	results := make(chan error, 3)
	submit := func() {
		_, err := ledger.Do[ledger.Party](context.Background(), p, party())
		results <- err
	}
	go submit()
	<-g.entered
	go submit()
	go submit()
	for p.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	if _, err := ledger.Do[ledger.Party](context.Background(), p, party()); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("a full queue answers %v, want ErrBusy", err)
	}
	close(g.gate)
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	p.Close()
	if stored, _ := g.Parties(context.Background(), "", ledger.Page{Limit: 10}); len(stored) != 3 {
		t.Errorf("%d parties are stored, want the 3 that were accepted", len(stored))
	}
}

func TestPipelineAnswersEverythingItAcceptedBeforeItCloses(t *testing.T) {
	g := &gatedStore{Store: memory.New(), gate: make(chan struct{}), entered: make(chan struct{}, 16)}
	p := ledger.NewPipeline(g, ledger.PipelineOptions{Log: quiet})
	results := make(chan error, 5)
	submit := func() {
		_, err := ledger.Do[ledger.Party](context.Background(), p, party())
		results <- err
	}
	go submit()
	<-g.entered // the first is being written
	for range 4 {
		go submit()
	}
	for p.Waiting() < 4 {
		time.Sleep(time.Millisecond)
	}
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	for { // until Close has begun
		if _, err := ledger.Do[ledger.Party](timeout(t), p, party()); errors.Is(err, ledger.ErrClosed) {
			break
		}
	}
	close(g.gate)
	for range 5 {
		if err := <-results; err != nil {
			t.Errorf("accepted before the close, answered %v", err)
		}
	}
	<-closed
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// undeclared touches an account that it did not declare.
type undeclared struct{}

func (undeclared) Declare(*ledger.Set) {}
func (undeclared) Apply(s *ledger.Set) (any, error) {
	s.Accounts.Get(ledger.TransitAccount("INR").ID())
	return nil, nil
}

func TestABugInOneCommandFailsThatCommandOnly(t *testing.T) {
	g := &gatedStore{Store: memory.New(), gate: make(chan struct{}, 16), entered: make(chan struct{}, 16)}
	p := ledger.NewPipeline(g, ledger.PipelineOptions{Log: quiet})
	results := make(chan error, 3)
	do := func(c ledger.Command) {
		_, err := p.Submit(context.Background(), ledger.Request{Command: c})
		if _, bug := c.(undeclared); bug != errors.Is(err, ledger.ErrBug) {
			err = fmt.Errorf("%T: %w", c, err)
		} else {
			err = nil
		}
		results <- err
	}
	go do(party())
	<-g.entered
	go do(party())
	go do(undeclared{})
	for p.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	close(g.gate)
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	p.Close()
	if stored, _ := g.Parties(context.Background(), "", ledger.Page{Limit: 10}); len(stored) != 2 {
		t.Errorf("%d parties are stored, want 2", len(stored))
	}
}

func TestAFailedCommitStoresNothingAndTheNextGoesOn(t *testing.T) {
	g := &gatedStore{Store: memory.New(), fail: func(n int) error {
		if n == 1 {
			return ledger.ErrUnavailable
		}
		return nil
	}}
	p := ledger.NewPipeline(g, ledger.PipelineOptions{Log: quiet})
	defer p.Close()
	c := party()
	if _, err := ledger.Do[ledger.Party](context.Background(), p, c); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("the first commit fails: %v", err)
	}
	if _, err := ledger.Do[ledger.Party](context.Background(), p, c); err != nil {
		t.Fatalf("the same command again: %v", err)
	}
}

func TestIdempotencyKey(t *testing.T) {
	b := newBook(t)
	defer b.close()
	renders := 0
	request := func(hash byte, c ledger.Command) (ledger.Reply, error) {
		return b.pipe.Submit(context.Background(), ledger.Request{Command: c, Key: &ledger.IdempotencyKey{App: "chat", Key: "k"}, RequestHash: [32]byte{hash},
			Answer: func(any) (int, []byte) { renders++; return 201, fmt.Append(nil, "answer ", renders) }})
	}
	var refusal *ledger.Refusal
	if _, err := request(1, ledger.Refused{Why: &ledger.Refusal{Code: "nope"}}); !errors.As(err, &refusal) || refusal.Code != "nope" {
		t.Fatalf("refused before: %v", err)
	}
	first, err := request(1, party())
	if err != nil || first.Replayed {
		t.Fatalf("a refusal does not use its key up: %v, %v", first, err)
	}
	again, err := request(1, party())
	if err != nil || !again.Replayed || string(again.Answer.Body) != string(first.Answer.Body) || again.Answer.Status != 201 {
		t.Errorf("the repeat got %v, %v", again, err)
	}
	if late, err := request(1, ledger.Refused{Why: &ledger.Refusal{Code: "nope"}}); err != nil || !late.Replayed {
		t.Errorf("a repeat that would be refused today got %v, %v", late, err)
	}
	if _, err := request(2, party()); !errors.As(err, &refusal) || refusal.Code != ledger.CodeIdempotencyReuse {
		t.Errorf("another body under the key got %v", err)
	}
	if stored, _ := b.store.Parties(context.Background(), "", ledger.Page{Limit: 10}); len(stored) != 1 {
		t.Errorf("%d parties, want 1", len(stored))
	}
}

// meddler changes what it declared to look at only.
type meddler struct{ id ledger.ID }

func (m meddler) Declare(s *ledger.Set) { s.Instruments.See(m.id) }
func (m meddler) Apply(s *ledger.Set) (any, error) {
	s.Instruments.Put(m.id, ledger.Instrument{ID: m.id})
	return nil, nil
}

func TestWhatIsOnlySeenIsNotChanged(t *testing.T) {
	p := ledger.NewPipeline(memory.New(), ledger.PipelineOptions{Log: slog.New(slog.DiscardHandler)})
	defer p.Close()
	if _, err := p.Submit(t.Context(), ledger.Request{Command: meddler{ledger.NewID()}}); !errors.Is(err, ledger.ErrBug) {
		t.Errorf("got %v, want a bug", err)
	}
	s := ledger.NewSet(1, nil)
	id := ledger.NewID()
	s.Instruments.See(id)
	s.Instruments.Want(id)
	s.Instruments.See(id)
	if len(s.Instruments.Seen()) != 0 || len(s.Instruments.Wanted()) != 1 {
		t.Error("a key that one command changes is locked, whoever else looks at it")
	}
}
