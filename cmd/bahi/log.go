package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// newLog makes the server's log: JSON lines. A line a request costs a twentieth of
// the server's time when each is written by itself, so what only informs is written
// together, at most logDelay late; a warning takes all before it along at once.
func newLog(w io.Writer, level slog.Level) (log *slog.Logger, flush func()) {
	lines := &lineBuffer{to: w}
	return slog.New(promptHandler{slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level}), lines}), lines.flush
}

const (
	logDelay  = 100 * time.Millisecond
	logBuffer = 64 << 10
)

// lineBuffer gathers lines.
type lineBuffer struct {
	mu  sync.Mutex
	to  io.Writer
	buf []byte
}

// Write implements [io.Writer]. slog calls it with one whole line.
func (b *lineBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf) == 0 {
		time.AfterFunc(logDelay, b.flush)
	}
	if b.buf = append(b.buf, line...); len(b.buf) >= logBuffer {
		b.write()
	}
	return len(line), nil
}

func (b *lineBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
}

func (b *lineBuffer) write() {
	if len(b.buf) > 0 {
		_, _ = b.to.Write(b.buf) // there is nowhere to say that the log is full
		b.buf = b.buf[:0]
	}
}

// promptHandler writes what matters at once.
type promptHandler struct {
	slog.Handler
	lines *lineBuffer
}

// Handle implements [slog.Handler].
func (h promptHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		h.lines.flush()
	}
	return err
}

// WithAttrs implements [slog.Handler].
func (h promptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptHandler{h.Handler.WithAttrs(attrs), h.lines}
}

// WithGroup implements [slog.Handler].
func (h promptHandler) WithGroup(name string) slog.Handler {
	return promptHandler{h.Handler.WithGroup(name), h.lines}
}
