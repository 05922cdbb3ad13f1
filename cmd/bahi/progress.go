package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// progress shows on a terminal how far something is. Elsewhere it shows nothing.
type progress struct {
	out         *os.File
	from, until int64
	began, last time.Time
	shown       bool
}

const progressEvery = 200 * time.Millisecond

func newProgress(out *os.File, from, until int64) *progress {
	p := &progress{from: from, until: until, began: time.Now()}
	if isatty.IsTerminal(out.Fd()) {
		p.out = out
	}
	return p
}

func (p *progress) show(place int64) {
	now := time.Now()
	if p.out == nil || now.Sub(p.last) < progressEvery || p.until <= p.from {
		return
	}
	p.last, p.shown = now, true
	const width = 30
	done := max(0, place-p.from)
	part := int(width * done / (p.until - p.from))
	rate := float64(done) / now.Sub(p.began).Seconds()
	fmt.Fprintf(p.out, "\r[%s%s] %3d%%  %d of %d leaves, %.0f/s \x1b[K", strings.Repeat("#", part), strings.Repeat(".", width-part),
		100*done/(p.until-p.from), place, p.until, rate)
}

// done takes the line away again.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
