package main

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// page is a writer that many may use.
type page struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *page) lines() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(p.buf.String(), "\n")
}

func TestLog(t *testing.T) {
	t.Parallel()
	var out page
	log, flush := newLog(&out, slog.LevelInfo)
	log.Info("one")
	log.Debug("not asked for")
	if n := out.lines(); n != 0 {
		t.Errorf("%d lines at once, want them later", n)
	}
	for began := time.Now(); out.lines() == 0 && time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
	}
	if n := out.lines(); n != 1 {
		t.Fatalf("%d lines after a while, want 1", n)
	}
	log.With("k", "v").Info("two")
	log.WithGroup("g").Warn("three")
	if n := out.lines(); n != 3 {
		t.Errorf("%d lines right after a warning, want 3", n)
	}
	long := strings.Repeat("x", logBuffer)
	log.Info(long)
	if n := out.lines(); n != 4 {
		t.Errorf("%d lines after more than the buffer holds, want 4", n)
	}
	log.Info("five")
	flush()
	if n := out.lines(); n != 5 {
		t.Errorf("%d lines at the end, want 5", n)
	}
}
