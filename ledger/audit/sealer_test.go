package audit_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/audit/audittest"
)

func TestSealsWhatIsCommitted(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	n.seal(10 * time.Millisecond)
	a, _ := n.person("100000001")
	b, _ := n.person("100000002")
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 20 {
				n.look()
			}
		})
	}
	n.paid(a, b, 25000)
	callers.Wait()
	h.sealed()
	if head := audittest.Agree(t, h.store); head.Sealer != n.id {
		t.Errorf("sealed by %s", head.Sealer.NodeRef())
	}
}

// A lone change is sealed at once, and what follows closely with the next seal: how long
// a seal lasts is not measured, only that there are not many.
func TestSealsAtOnceAndNotTooOften(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	const every = 2 * time.Second
	n.seal(every)
	began := time.Now()
	n.look()
	h.sealed()
	if took := time.Since(began); took >= every {
		t.Errorf("a lone change was sealed after %s", took)
	}
	for range 100 {
		n.look()
		time.Sleep(time.Millisecond)
	}
	checkpoints, err := h.store.Checkpoints(t.Context(), 0, 100)
	check(t, err)
	if took := time.Since(began); len(checkpoints) > 1+int(took/every) {
		t.Errorf("%d seals in %s", len(checkpoints), took)
	}
}

func TestCloseSealsTheRest(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	n.seal(time.Hour)
	n.look()
	h.sealed()
	n.look()
	n.close()
	audittest.Agree(t, h.store)
	if size := h.head().Size; size != 2 {
		t.Errorf("%d leaves", size)
	}
}

// Whoever ends seals the rest, even if it is not the one that seals.
func TestCloseSealsForAnother(t *testing.T) {
	h := inMemory(t)
	n, other := h.join(), h.join()
	n.seal(time.Hour)
	n.look()
	h.sealed()
	other.seal(time.Hour)
	other.look()
	other.close()
	if head := audittest.Agree(t, h.store); head.Size != 2 || head.Sealer != n.id {
		t.Errorf("%d leaves, sealed by %s", head.Size, head.Sealer.NodeRef())
	}
	n.close()
}

// More rows than go into one seal.
func TestCatchesUpInRounds(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	for range 1300 {
		n.look()
	}
	n.seal(time.Hour) // which waits for the first look
	n.look()
	h.sealed()
	audittest.Agree(t, h.store)
	checkpoints, err := h.store.Checkpoints(t.Context(), 0, 100)
	check(t, err)
	if len(checkpoints) != 3 {
		t.Errorf("%d seals for 1301 rows", len(checkpoints))
	}
}

func TestOneNodeSealsUntilItIsDead(t *testing.T) {
	h := inMemory(t)
	nodes := []*node{h.join(), h.join(), h.join()}
	nodes[0].seal(5 * time.Millisecond)
	nodes[0].look()
	h.sealed()
	for _, n := range nodes[1:] {
		n.seal(5 * time.Millisecond)
	}
	for range 50 {
		for _, n := range nodes {
			n.look()
		}
	}
	h.sealed()
	if head := h.head(); head.Sealer != nodes[0].id {
		t.Fatalf("node %s seals beside one that lives", head.Sealer.NodeRef())
	}
	nodes[0].sealer.Close(cancelled()) // killed: it seals no more
	nodes[0].look()
	time.Sleep(50 * time.Millisecond)
	if rows, err := h.store.Unsealed(t.Context(), 1); err != nil || len(rows) == 0 {
		t.Fatalf("sealed for a node that is not dead: %v", err)
	}
	h.bury(nodes[0])
	h.sealed()
	if head := audittest.Agree(t, h.store); head.Sealer == nodes[0].id {
		t.Error("the dead node seals")
	}
	nodes[0].book.Close()
	for _, n := range nodes[1:] {
		n.close()
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// between lets another seal come between a sealer's looks at the book and its own seal.
type between struct {
	ledger.Store
	afterHead, afterRows func()
}

func (b *between) LogHead(ctx context.Context) (ledger.LogHead, error) {
	head, err := b.Store.LogHead(ctx)
	once(&b.afterHead)
	return head, err
}

func (b *between) Unsealed(ctx context.Context, limit int) ([]ledger.LogRow, error) {
	rows, err := b.Store.Unsealed(ctx, limit)
	once(&b.afterRows)
	return rows, err
}

func once(f *func()) {
	if g := *f; g != nil {
		*f = nil
		g()
	}
}

// Two seal at once: no leaf gets two places, whenever the other one comes in between.
func TestAnotherSealsMeanwhile(t *testing.T) {
	for _, when := range []string{"after the head", "after the rows"} {
		h := inMemory(t)
		n := h.join()
		n.look()
		other := func() {
			_, err := audit.SealAll(t.Context(), n.book, h.store, h.kek)
			check(t, err)
			n.look()
		}
		b := &between{Store: h.store}
		if when == "after the head" {
			b.afterHead = other
		} else {
			b.afterRows = other
		}
		head, err := audit.SealAll(t.Context(), n.book, b, h.kek)
		check(t, err)
		if head.Size != 2 {
			t.Errorf("%s: %d leaves", when, head.Size)
		}
		audittest.Agree(t, h.store)
		n.close()
	}
}

// Whoever believes to be alone does no harm.
func TestAllSealAtOnce(t *testing.T) {
	h := inMemory(t)
	var nodes []*node
	for range 3 {
		n := h.join()
		h.bury(n) // to the others
		n.seal(time.Millisecond)
		nodes = append(nodes, n)
	}
	var callers sync.WaitGroup
	for _, n := range nodes {
		callers.Go(func() {
			for range 300 {
				n.look()
			}
		})
		callers.Go(func() {
			for range 20 {
				if _, err := audit.SealAll(t.Context(), n.book, h.store, h.kek); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	for _, n := range nodes {
		n.close()
	}
	if head := audittest.Agree(t, h.store); head.Size != 900 {
		t.Errorf("%d leaves", head.Size)
	}
}

// broken gives another tile, or another row, than what was kept.
type broken struct {
	ledger.Store
	tile, row bool
}

func (b *broken) Tiles(ctx context.Context, ids []ledger.TileID) (map[ledger.TileID][]byte, error) {
	found, err := b.Store.Tiles(ctx, ids)
	for id, hashes := range found {
		if b.tile {
			found[id] = bytes.Repeat([]byte{1}, len(hashes))
		}
	}
	return found, err
}

func (b *broken) Unsealed(ctx context.Context, limit int) ([]ledger.LogRow, error) {
	rows, err := b.Store.Unsealed(ctx, limit)
	for i := range rows {
		if b.row {
			rows[i].Data = rows[i].Data[:len(rows[i].Data)-1]
		}
	}
	return rows, err
}

func TestNothingIsBuiltOnWhatIsBroken(t *testing.T) {
	h := inMemory(t)
	n := h.join()
	defer n.close()
	n.look()
	before, err := audit.SealAll(t.Context(), n.book, h.store, h.kek)
	check(t, err)
	n.look()
	if _, err := audit.SealAll(t.Context(), n.book, &broken{Store: h.store, tile: true}, h.kek); !errors.Is(err, audit.ErrTiles) {
		t.Errorf("with another tile: %v", err)
	}
	if _, err := audit.SealAll(t.Context(), n.book, &broken{Store: h.store, row: true}, h.kek); err == nil || !strings.Contains(err.Error(), "row 2") {
		t.Errorf("with a row that was cut: %v", err)
	}
	if head := h.head(); head != before {
		t.Errorf("sealed %+v", head)
	}
}
