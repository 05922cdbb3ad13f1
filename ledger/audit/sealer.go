package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
)

// SealerOptions are what a sealer works with.
type SealerOptions struct {
	Book    *ledger.Pipeline
	Reader  ledger.LogReader
	Wrapper ledger.Wrapper         // of the keys that it signs with
	Self    func() ledger.ID       // the node that the process is; zero while it is none
	Dead    func(n ledger.ID) bool // says whether a node will seal nothing any more
	Every   time.Duration          // at most how often it seals; default 300 ms
	Log     *slog.Logger
}

// Sealer seals the log while its node serves the book. Of several nodes one seals: it
// says so in the log's head, and another begins when that one is dead. Should two do it
// at once, one of them is refused by [ledger.Seal].
type Sealer struct {
	opt    SealerOptions
	wake   chan struct{} // capacity 1: there may be something to seal
	ctx    context.Context
	stop   context.CancelFunc
	done   chan struct{}
	failed string // why the last round failed, to be logged once

	mu      sync.Mutex
	renewed bool // the keys may have changed
	seal    sealing
	read    time.Time // when the keys were
}

// keyMemory is for how long the keys are remembered: another process may rotate them.
const keyMemory = MinOverlap / 4

// NewSealer makes a sealer for the pipeline's Observer to call.
func NewSealer() *Sealer {
	s := &Sealer{wake: make(chan struct{}, 1), done: make(chan struct{}), renewed: true}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Start begins to seal, with what an earlier run has left. Close ends it.
func (s *Sealer) Start(opt SealerOptions) {
	if opt.Every == 0 {
		opt.Every = 300 * time.Millisecond
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	s.opt = opt
	go s.run()
}

// Observe is told of a batch that was committed.
func (s *Sealer) Observe(set *ledger.Set) {
	if set.Secrets.Changed() {
		s.mu.Lock()
		s.renewed = true
		s.mu.Unlock()
	}
	if set.Accounts.Changed() || set.Transfers.Changed() || len(set.Steps)+len(set.Postings)+len(set.Notes)+len(set.Accesses)+len(set.Erasures) > 0 ||
		set.Corrections.Changed() || set.Windows.Changed() || set.Positions.Changed() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Close seals what there is and ends. It is for the time between the last change of the
// book and the end of the pipeline.
func (s *Sealer) Close(ctx context.Context) {
	s.stop()
	if s.opt.Book == nil {
		return
	}
	<-s.done
	if err := s.refresh(ctx); err != nil {
		s.failure(err)
	} else if err := s.seal.all(ctx); err != nil {
		s.failure(err)
	}
}

// run seals when it is woken, and looks now and then for what others have committed.
func (s *Sealer) run() {
	defer close(s.done)
	look := time.NewTicker(s.opt.Every)
	defer look.Stop()
	var last time.Time
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-look.C:
		}
		if !s.pause(s.opt.Every - time.Since(last)) {
			return
		}
		if began := time.Now(); s.round(s.ctx) {
			last = began
		}
	}
}

// pause waits, and says whether the sealer goes on.
func (s *Sealer) pause(d time.Duration) bool {
	if d <= 0 {
		return s.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// round seals all there is, and says whether there was anything to look at again soon.
func (s *Sealer) round(ctx context.Context) (busy bool) {
	for {
		n, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			s.failure(err)
		} else if err == nil {
			s.failed = ""
		}
		busy = busy || n > 0
		if n < maxRows || err != nil {
			return busy
		}
	}
}

// failure tells of what keeps the log from being sealed, once.
func (s *Sealer) failure(err error) {
	if s.failed != err.Error() {
		s.opt.Log.Error("the log cannot be sealed", "error", err)
	}
	s.failed = err.Error()
}

// step seals some rows, if this node is the one to do it, and returns how many.
func (s *Sealer) step(ctx context.Context) (int, error) {
	self := s.opt.Self()
	if self.IsZero() {
		return 0, nil
	}
	if err := s.refresh(ctx); err != nil {
		return 0, err
	}
	n, err := s.seal.step(ctx, func(head ledger.LogHead) (ledger.ID, bool) {
		return self, head.Sealer == self || head.Sealer.IsZero() || s.opt.Dead(head.Sealer)
	})
	if moved(err) {
		return 0, nil // by another node, which seals the rest
	}
	return n, err
}

// refresh reads the keys again where they may have changed.
func (s *Sealer) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.renewed && time.Since(s.read) < keyMemory {
		return nil
	}
	now := time.Now()
	seal, err := newSealing(ctx, s.opt.Book, s.opt.Reader, s.opt.Wrapper)
	if err != nil {
		return err
	}
	s.seal, s.renewed, s.read = seal, false, now
	return nil
}

// moved says whether another sealed what was to be sealed.
func moved(err error) bool {
	var refused *ledger.Refusal
	return errors.As(err, &refused) && refused.Code == ledger.CodeLogMoved
}

// SealAll seals what there is, whether servers seal the log at the same time or
// not, and returns how far it is sealed then.
func SealAll(ctx context.Context, book *ledger.Pipeline, reader ledger.LogReader, w ledger.Wrapper) (ledger.LogHead, error) {
	seal, err := newSealing(ctx, book, reader, w)
	if err != nil {
		return ledger.LogHead{}, err
	}
	if err := seal.all(ctx); err != nil {
		return ledger.LogHead{}, err
	}
	return reader.LogHead(ctx)
}

// maxRows is how many rows are sealed at once at most; they have 256 leaves or fewer.
const maxRows = 512

// sealing is what it takes to seal.
type sealing struct {
	book    *ledger.Pipeline
	reader  ledger.LogReader
	origin  string
	signers func(at time.Time) ([]note.Signer, error)
}

func newSealing(ctx context.Context, book *ledger.Pipeline, reader ledger.LogReader, w ledger.Wrapper) (sealing, error) {
	keys, err := ReadKeys(ctx, reader)
	if err != nil {
		return sealing{}, err
	}
	if len(keys) == 0 {
		return sealing{}, errors.New("the log has no key to sign with")
	}
	return sealing{book, reader, keys.Origin(), func(at time.Time) ([]note.Signer, error) { return keys.signers(w, at.UnixMicro()) }}, nil
}

// all seals what there is in the name of the node that seals, which may do so too.
func (s *sealing) all(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := s.step(ctx, func(head ledger.LogHead) (ledger.ID, bool) { return head.Sealer, true })
		switch {
		case moved(err):
		case err != nil:
			return err
		case n < maxRows:
			return nil
		}
	}
	return ctx.Err()
}

// step seals rows that have no place yet, and returns how many, unless may forbids it;
// it says in whose name they are sealed.
func (s *sealing) step(ctx context.Context, may func(ledger.LogHead) (ledger.ID, bool)) (int, error) {
	// The head first: what was not sealed after it was read is not sealed as long as it stands.
	head, err := s.reader.LogHead(ctx)
	if err != nil {
		return 0, err
	}
	by, ok := may(head)
	if !ok {
		return 0, nil
	}
	rows, err := s.reader.Unsealed(ctx, maxRows)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	seal, err := s.extend(ctx, head, rows)
	if err != nil {
		return 0, err
	}
	seal.To.Sealer = by
	_, err = ledger.Do[ledger.LogHead](ctx, s.book, seal)
	return len(rows), err
}

// extend gives rows their places behind a head, in their order, and signs the new head.
func (s *sealing) extend(ctx context.Context, head ledger.LogHead, rows []ledger.LogRow) (ledger.Seal, error) {
	seal := ledger.Seal{From: head}
	edge, err := s.edge(ctx, head)
	if err != nil {
		return seal, err
	}
	for i := range rows {
		seal.Placed = append(seal.Placed, ledger.Placed{Row: rows[i].N, First: edge.size})
		err := rows[i].Each(func(_ int64, leaf []byte) bool {
			edge.add(tlog.RecordHash(leaf))
			return true
		})
		if err != nil {
			return seal, err
		}
	}
	root, err := edge.root()
	if err != nil {
		return seal, err
	}
	seal.Tiles = edge.tiles()
	seal.To.Size, seal.To.Root = edge.size, root
	seal.Checkpoint.Size = edge.size
	signers, err := s.signers(time.Now())
	if err == nil {
		seal.Checkpoint.Note, err = Head{Origin: s.origin, Tree: tlog.Tree{N: edge.size, Hash: root}}.Sign(signers...)
	}
	return seal, err
}

// edge is the right end of the tree. What does not lead to the root that was signed is not
// built upon.
func (s *sealing) edge(ctx context.Context, head ledger.LogHead) (*edge, error) {
	e, err := readEdge(head.Size, func(ids []ledger.TileID) (map[ledger.TileID][]byte, error) { return s.reader.Tiles(ctx, ids) })
	if err != nil || head.Size == 0 {
		return e, err
	}
	root, err := e.root()
	if err == nil && root != tlog.Hash(head.Root) {
		err = ErrTiles
	}
	return e, err
}
