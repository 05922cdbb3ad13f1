package sqlite

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A checkpoint copies pages from the write-ahead log into the file. It waits
// until the log has walBytes, since a page that is written often is copied once.
const (
	walBytes      = 64 << 20
	walLookPeriod = 250 * time.Millisecond
	walPasses     = 2 // the second copies what was added during the first
)

// checkpointer moves the log into the file beside the writer.
//
// It can never quite catch up with a busy writer, and SQLite starts the log
// again from its beginning only when all of it is copied and nobody reads from
// it. So it copies the bulk from a connection of its own; then the writer,
// between two batches, copies the little that was added since.
type checkpointer struct {
	conn   *conn
	ready  atomic.Bool // the bulk is copied: the writer's turn
	forget atomic.Bool // the log is to be emptied, however short it is: something in it was erased since
	quit   chan struct{}
	done   sync.WaitGroup
}

func startCheckpointer(path string) (*checkpointer, error) {
	c, err := connect(path, common)
	if err != nil {
		return nil, err
	}
	w := &checkpointer{conn: c, quit: make(chan struct{})}
	w.done.Go(w.run)
	return w, nil
}

func (w *checkpointer) stop() error {
	close(w.quit)
	w.done.Wait()
	return w.conn.close()
}

func (w *checkpointer) run() {
	look := time.NewTicker(walLookPeriod)
	defer look.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-look.C:
		}
		// A full disk must not stop the checkpoints that come after it.
		if err := w.bulk(); err != nil {
			slog.Error("checkpoint failed; it is tried again", "error", err)
		}
	}
}

func (w *checkpointer) bulk() error {
	frames, err := w.checkpoint("NOOP")
	long := frames*pageBytes >= walBytes || w.forget.Load()
	if err != nil || !long || w.ready.Load() {
		return err
	}
	for range walPasses {
		if _, err := w.checkpoint("PASSIVE"); err != nil {
			return err
		}
	}
	w.ready.Store(true)
	return nil
}

// checkpoint returns how many frames, of one page each, the log holds.
func (w *checkpointer) checkpoint(mode string) (frames int64, err error) {
	err = w.conn.query("PRAGMA wal_checkpoint("+mode+")", func(r *row) bool {
		r.next = 1 // after "busy"
		frames = r.Int64()
		return false
	})
	return frames, err
}

// finish is the writer's turn. It waits for readers only for a moment, and does
// not mind failing: the log stays as it is, and is copied another time.
func (w *checkpointer) finish(writer *conn) {
	if !w.ready.CompareAndSwap(true, false) {
		return
	}
	_ = writer.exec("PRAGMA busy_timeout = 20")
	if w.forget.Load() {
		w.empty(writer)
	} else {
		_ = writer.exec("PRAGMA wal_checkpoint(RESTART)")
	}
	_ = writer.exec("PRAGMA " + patience)
}

// empty copies the whole log and cuts it off, unless somebody reads from it.
func (w *checkpointer) empty(writer *conn) {
	busy := true
	err := writer.query("PRAGMA wal_checkpoint(TRUNCATE)", func(r *row) bool { busy = r.Bool(); return false })
	w.forget.Store(busy || err != nil)
}
