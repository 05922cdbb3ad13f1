// Package simulate runs a whole Bahi, several nodes of it over one book with banks
// and chat backends around them, in one goroutine's worth of time and on a clock
// of its own, while everything goes wrong that can: machines crash at any wait,
// freeze, lose their network and have their clocks set; commits fail, or nobody
// hears what became of them; messages are lost, late, out of order and doubled;
// banks die, decline, keep silent and contradict themselves. At the end it holds
// the banks' books and the chats' memories against ours.
//
// The pipeline, the dispatcher, the rules and the simulated banks are the real
// ones. What a run asks of the world comes from its seed: the same seed is the
// same run, byte for byte.
package simulate

import (
	"fmt"
	"io"
	"time"

	"bahi/banks"
	"bahi/ledger"
)

// Config says which run it is.
type Config struct {
	Seed  uint64
	Steps int       // how many things happen before the world calms down
	Trace io.Writer // gets a line for everything that happens; nil: nobody does
	Dir   string    // an empty directory for the banks' books

	bug bug
}

// bug is a mistake that is planted between the parts of a node, to see whether it
// is found. Without one it is empty.
type bug struct {
	store   func(*process, ledger.Store) ledger.Store
	adapter func(*process, banks.Adapter) banks.Adapter
}

// Report is what became of a run.
type Report struct {
	Config   Config
	Findings []string // what should not have been; empty if all is well
	States   [ledger.Held + 1]int
	Time     time.Duration // that passed in the world
	Switches uint64        // how often another task went on
	Digest   uint64        // of all that happened in order: the same for the same seed
	happened [len(happenings)]int
	lies     int
}

// Transfers is how many there were.
func (r *Report) Transfers() (n int) {
	for _, k := range r.States {
		n += k
	}
	return n
}

// String sums the run up in a line.
func (r *Report) String() string {
	line := fmt.Sprintf("seed %d, %d steps: %d transfers", r.Config.Seed, r.Config.Steps, r.Transfers())
	for s, n := range r.States {
		if n > 0 {
			line += fmt.Sprintf(", %d %s", n, ledger.State(s))
		}
	}
	for h, n := range r.happened {
		if n > 0 {
			line += fmt.Sprintf("; %d %s", n, happenings[h])
		}
	}
	return line + fmt.Sprintf("; %s passed in %d switches, digest %016x", r.Time.Round(time.Second), r.Switches, r.Digest)
}

// Run lets a world run to its end.
func Run(cfg Config) Report {
	w := newWorld(cfg)
	w.s.run(w.self, w.play)
	for _, wrong := range w.s.wrong {
		w.found("%s", wrong)
	}
	w.report.Time, w.report.Switches = w.s.now, w.s.switches
	w.report.Digest, w.report.lies = w.s.digest, len(w.lies)
	return w.report
}
