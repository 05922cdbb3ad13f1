package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBench(t *testing.T) {
	for _, run := range []string{"sqlite wallet", "sqlite bank", "postgres batch", "postgres shop"} {
		t.Run(run, func(t *testing.T) {
			engine, workload, _ := strings.Cut(run, " ")
			stdout, stderr, code := bahi(t, "bench", "--engine", engine, "--workload", workload, "--seconds=1", "--concurrency=4", "--parties=20", "--json")
			if code != exitOK {
				t.Fatalf("exit code %d\n%s", code, stderr)
			}
			var r benchResult
			if err := json.Unmarshal([]byte(stdout), &r); err != nil {
				t.Fatalf("%v: %s", err, stdout)
			}
			if r.Workload != workload || r.Done == 0 || r.PerSecond <= 0 || r.P50 <= 0 || r.P99 < r.P50 || r.Errors != 0 || r.FirstError != "" || r.Verify != "ok" ||
				r.ServerCPU <= 0 || r.LoadCPU <= 0 || (r.DatabaseCPU > 0) != (engine == "postgres") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestBenchHanging: of a few banks one hangs the second time; the payments of the
// others are counted both times, and nothing of it is an error.
func TestBenchHanging(t *testing.T) {
	stdout, stderr, code := bahi(t, "bench", "--workload=bank", "--banks=6", "--hanging=1", "--seconds=1", "--concurrency=4", "--parties=24", "--json")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var r benchResult
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if h := r.WithHanging; h == nil || r.Done == 0 || h.Done == 0 || r.Beside == 0 || h.Beside == 0 || r.Errors+h.Errors != 0 || r.Kept <= 0 || r.Verify != "ok" {
		t.Errorf("%s", stdout)
	}
	for _, wrong := range [][]string{{"--workload=wallet", "--banks=6"}, {"--workload=bank", "--banks=6", "--hanging=6"}, {"--workload=bank", "--banks=1000"}} {
		if _, _, code := bahi(t, append([]string{"bench"}, wrong...)...); code != exitUsage {
			t.Errorf("%q: exit code %d", wrong, code)
		}
	}
}

// TestBenchPairs: nobody pays themselves, and everybody pays and is paid equally often.
func TestBenchPairs(t *testing.T) {
	for parties := 2; parties < 9; parties++ {
		l := &load{parties: make([]string, parties)}
		for n := range l.parties {
			l.parties[n] = string(rune('a' + n))
		}
		pairs := map[string]int{}
		for n := range parties * (parties - 1) * 3 {
			from, to := l.pair(n)
			if from == to {
				t.Fatalf("with %d parties, pair %d is %s to itself", parties, n, from)
			}
			pairs[from+to]++
		}
		for pair, count := range pairs {
			if count != 3 {
				t.Errorf("with %d parties, %s comes %d times", parties, pair, count)
			}
		}
	}
}
