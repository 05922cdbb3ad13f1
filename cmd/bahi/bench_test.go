package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
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
	for _, wrong := range [][]string{{"--workload=wallet", "--banks=6"}, {"--workload=bank", "--banks=6", "--hanging=6"}, {"--workload=bank", "--banks=1000"}, {"--bank-profile=weak"}, {"--workload=bank", "--bank-profile=hanging"}} {
		if _, _, code := bahi(t, append([]string{"bench"}, wrong...)...); code != exitUsage {
			t.Errorf("%q: exit code %d", wrong, code)
		}
	}
}

// TestBenchProfile: of weak banks every ninth debit and credit is declined or not
// answered, which is no error.
func TestBenchProfile(t *testing.T) {
	stdout, stderr, code := bahi(t, "bench", "--workload=bank", "--bank-profile=weak", "--seconds=1", "--concurrency=4", "--parties=20", "--json")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var r benchResult
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if r.Done == 0 || r.Errors != 0 || r.Declined < r.Done/20 || r.Declined > r.Done || r.Verify != "ok" {
		t.Errorf("%s", stdout)
	}
}

// TestBenchSuite runs the whole suite shortly, and a profile of one run.
func TestBenchSuite(t *testing.T) {
	stdout, stderr, code := bahi(t, "bench", "--workload=all", "--seconds=1", "--concurrency=4", "--parties=20", "--book=2000", "--json")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var lines []suiteLine
	if err := json.Unmarshal([]byte(stdout), &lines); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	var against []string
	for _, l := range lines {
		word, _, _ := strings.Cut(l.Against, ",")
		against = append(against, word)
		if l.Ratio <= 0 || l.Result.Done == 0 || l.Result.Pgbench <= 0 || l.Result.Errors != 0 || l.Result.Verify != "ok" || l.Bar == "" {
			t.Errorf("%+v", l)
		}
	}
	want := []string{"pgbench", "pgbench", "pgbench", "wallet to wallet", "wallet to wallet", "one fsync'd commit"}
	if !slices.Equal(against, want) {
		t.Errorf("the lines are held against %q, want %q", against, want)
	}
	dir := filepath.Join(t.TempDir(), "profile")
	if _, stderr, code = bahi(t, "bench", "--engine=postgres", "--seconds=1", "--concurrency=4", "--parties=20", "--profile", dir); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	statements, err := os.ReadFile(filepath.Join(dir, "statements.txt"))
	if err != nil || !strings.Contains(string(statements), "INSERT INTO postings") {
		t.Errorf("%v: %s", err, statements)
	}
	if f, err := os.Stat(filepath.Join(dir, "server.pprof")); err != nil || f.Size() == 0 {
		t.Errorf("server.pprof: %v", err)
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
