package simulate

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"bahi/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// steps is for how long the worlds of these tests are troubled.
const steps = 100

// TestSeeds runs one world after the other. Whatever is found, its seed tells again.
// Together they come to all that can happen: a trouble that quietly went away must
// not leave a test of nothing.
func TestSeeds(t *testing.T) {
	var mu sync.Mutex
	var sum Report
	t.Run("each", func(t *testing.T) {
		for seed := uint64(1); seed <= seeds; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				r := Run(Config{Seed: seed, Steps: steps, Dir: t.TempDir()})
				for _, f := range r.Findings {
					t.Error(f)
				}
				if t.Failed() {
					t.Logf("to run it again: go run ./cmd/bahi sim --seed %d --steps %d --trace", seed, steps)
				}
				mu.Lock()
				defer mu.Unlock()
				sum.add(&r)
			})
		}
	})
	t.Log(sum.String())
	if seeds >= 100 {
		sum.demandAll(t)
	}
}

func (r *Report) add(other *Report) {
	for s, n := range other.States {
		r.States[s] += n
	}
	for h, n := range other.happened {
		r.happened[h] += n
	}
	r.lies += other.lies
	r.Switches += other.Switches
	r.Time += other.Time
}

func (r *Report) demandAll(t *testing.T) {
	for h, n := range r.happened {
		if n == 0 {
			t.Errorf("never: %s", happenings[h])
		}
	}
	for s, n := range r.States {
		if state := ledger.State(s); s > 0 && (state.Waits() || state == ledger.Held) == (n > 0) {
			t.Errorf("%d transfers end as %s", n, state)
		}
	}
	if r.lies == 0 {
		t.Error("no bank has lied")
	}
}

// TestSameSeedSameRun compares everything that happens, byte for byte, also where
// goroutines really run at once.
func TestSameSeedSameRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for seed := uint64(1); seed <= compared; seed++ {
		var first []byte
		for _, processors := range []int{1, 2, 4} {
			runtime.GOMAXPROCS(processors)
			var trace bytes.Buffer
			r := Run(Config{Seed: seed, Steps: steps, Dir: t.TempDir(), Trace: &trace})
			fmt.Fprintf(&trace, "%s\n%v\n", r.String(), r.Findings)
			switch {
			case first == nil:
				first = trace.Bytes()
			case !bytes.Equal(first, trace.Bytes()):
				t.Errorf("seed %d is another run on %d processors: %s", seed, processors, firstDifference(first, trace.Bytes()))
			}
		}
		if len(first) < 10_000 {
			t.Errorf("seed %d: the trace has %d bytes", seed, len(first))
		}
	}
}

func firstDifference(a, b []byte) string {
	linesA, linesB := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for n := range min(len(linesA), len(linesB)) {
		if !bytes.Equal(linesA[n], linesB[n]) {
			return fmt.Sprintf("line %d is\n%s\nand\n%s", n+1, linesA[n], linesB[n])
		}
	}
	return "one is longer"
}
