package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"bahi/ledger/postgres/pgtest"
)

// suiteLine is one line of the suite: a run, and what it is held against.
type suiteLine struct {
	Name    string      `json:"name"`
	Result  benchResult `json:"result"`
	Against string      `json:"against"`
	Ratio   float64     `json:"ratio"`
	Bar     string      `json:"bar"`
}

// suite measures every workload on one PostgreSQL, pgbench before and after each.
func (c *benchCmd) suite(ctx context.Context, dir string, pg *pgtest.Server) error {
	s := &benchSuite{cmd: *c, dir: dir, pg: pg}
	s.cmd.Engine, s.cmd.Pgbench = "postgres", true
	wallet := s.line(ctx, "wallet to wallet", benchCmd{Workload: "wallet", Concurrency: c.Concurrency}, "4 or more")
	s.line(ctx, "bank to bank, settled", benchCmd{Workload: "bank", Concurrency: c.Concurrency}, "2 or more")
	s.line(ctx, "wallet, 1,000 a request", benchCmd{Workload: "batch", Concurrency: 8}, "10 or more")
	shop := s.line(ctx, "every wallet pays the same shop", benchCmd{Workload: "shop", Concurrency: c.Concurrency}, "0.9 or more")
	s.against(shop, "wallet to wallet", wallet)
	if c.Book > 0 {
		large := s.line(ctx, fmt.Sprintf("wallet, %d transfers in the book", c.Book), benchCmd{Workload: "wallet", Concurrency: c.Concurrency, Book: c.Book}, "0.8 or more")
		s.against(large, "wallet to wallet", wallet)
	}
	lone := s.line(ctx, "wallet, one caller alone", benchCmd{Workload: "wallet", Concurrency: 1}, "3 or less")
	if s.err == nil {
		var commit float64
		if commit, s.err = runCommits(pg, c.Seconds); s.err == nil {
			l := &s.lines[lone]
			l.Against, l.Ratio = fmt.Sprintf("one fsync'd commit, %.2f ms", commit), l.Result.P50/commit
		}
	}
	if s.err != nil {
		return s.err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(s.lines)
	}
	return s.print()
}

type benchSuite struct {
	cmd   benchCmd
	dir   string
	pg    *pgtest.Server
	lines []suiteLine
	last  float64 // pgbench after the line before
	err   error
}

// line runs one workload and holds it against pgbench.
func (s *benchSuite) line(ctx context.Context, name string, run benchCmd, bar string) (n int) {
	if s.err != nil {
		return 0
	}
	run.Engine, run.Seconds, run.Parties, run.Limits = s.cmd.Engine, s.cmd.Seconds, s.cmd.Parties, s.cmd.Limits
	before := s.last
	if before == 0 {
		if before, s.err = runPgbench(s.pg, run.Seconds); s.err != nil {
			return 0
		}
	}
	dir, err := os.MkdirTemp(s.dir, "line-")
	if err != nil {
		s.err = err
		return 0
	}
	result, err := run.measure(ctx, dir, s.pg, nil)
	if err == nil && result.Verify != "ok" {
		err = fmt.Errorf("%s: %w: %s", name, errViolated, result.Verify)
	}
	if err == nil {
		s.last, err = runPgbench(s.pg, run.Seconds)
	}
	if err != nil {
		s.err = err
		return 0
	}
	result.Pgbench = (before + s.last) / 2
	result.Ratio = result.PerSecond / result.Pgbench
	s.lines = append(s.lines, suiteLine{Name: name, Result: *result, Against: fmt.Sprintf("pgbench, %.0f/s", result.Pgbench), Ratio: result.Ratio, Bar: bar})
	return len(s.lines) - 1
}

// against holds a line against another one. The machine may have changed between
// the two: each counts by its own pgbench.
func (s *benchSuite) against(n int, name string, other int) {
	if s.err == nil {
		s.lines[n].Against, s.lines[n].Ratio = name, s.lines[n].Result.Ratio/s.lines[other].Result.Ratio
	}
}

func (s *benchSuite) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "workload\tcallers\tdone/s\tp50 ms\tp99 ms\tserver+database+load µs\tbytes\terrors\tagainst\tratio\tbar")
	for i := range s.lines {
		l := &s.lines[i]
		r := &l.Result
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.2f\t%.2f\t%.0f+%.0f+%.0f\t%.0f\t%d\t%s\t%.2f\t%s\n", l.Name, r.Concurrency, r.PerSecond, r.P50, r.P99,
			r.ServerCPU, r.DatabaseCPU, r.LoadCPU, r.Bytes, r.Errors, l.Against, l.Ratio, l.Bar)
	}
	return w.Flush()
}

// runCommits measures the median time of a commit of one row by one client, in milliseconds.
func runCommits(pg *pgtest.Server, seconds int) (float64, error) {
	// The directory is one that the server's user may write to.
	script, log := filepath.Join(pg.Dir(), "commit.sql"), filepath.Join(pg.Dir(), "commit")
	if err := os.WriteFile(script, []byte("INSERT INTO one_row VALUES (1);\n"), 0o644); err != nil {
		return 0, err
	}
	if _, err := pg.Run("psql", "-X", "-q", pg.URL("postgres"), "-c", "CREATE TABLE IF NOT EXISTS one_row (n int)"); err != nil {
		return 0, err
	}
	if _, err := pg.Run("pgbench", "-n", "-c", "1", "-T", strconv.Itoa(seconds), "-f", script, "-l", "--log-prefix="+log, "postgres"); err != nil {
		return 0, err
	}
	files, err := filepath.Glob(log + ".*")
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("pgbench left no log: %w", err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return 0, err
	}
	var times []float64
	for line := range strings.Lines(string(text)) {
		// client, transaction, microseconds, …
		if fields := strings.Fields(line); len(fields) > 2 {
			if us, err := strconv.ParseFloat(fields[2], 64); err == nil {
				times = append(times, us/1000)
			}
		}
	}
	if len(times) == 0 {
		return 0, fmt.Errorf("pgbench's log holds no times: %.200s", text)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
