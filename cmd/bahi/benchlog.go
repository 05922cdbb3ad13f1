package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/export"
	"bahi/ledger/postgres/pgtest"
)

// unloggedCmd serves a book without its log, for the bench alone: what the log costs is
// told by the same load with it and without. Such a book does not verify.
type unloggedCmd struct{ serveCmd }

// Run serves as "bahi serve" does.
func (c *unloggedCmd) Run() error {
	c.unlogged = true
	return c.serveCmd.Run()
}

// logLine is one line of what the log can do, and costs.
type logLine struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Beside string  `json:"beside,omitempty"`
}

// logBench measures the log.
type logBench struct {
	cmd   *benchCmd
	dir   string
	pg    *pgtest.Server
	lines []logLine
}

// benchLog measures what the log costs a transfer, how long a proof takes in a large tree,
// and how fast the book is exported and verified.
func (c *benchCmd) benchLog(ctx context.Context, dir string, pg *pgtest.Server) error {
	b := &logBench{cmd: c, dir: dir, pg: pg}
	where, err := b.cost(ctx)
	if err != nil {
		return err
	}
	if err := b.streams(ctx, where); err != nil {
		return err
	}
	if err := b.proofs(ctx); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(b.lines)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, l := range b.lines {
		fmt.Fprintf(w, "%s\t%.*f\t%s\t%s\n", l.Name, digitsFor(l.Value), l.Value, l.Unit, l.Beside)
	}
	return w.Flush()
}

// digitsFor is how many digits after the point say enough.
func digitsFor(v float64) int {
	if v < 100 {
		return 2
	}
	return 0
}

func (b *logBench) add(name string, value float64, unit, beside string, args ...any) {
	b.lines = append(b.lines, logLine{name, value, unit, fmt.Sprintf(beside, args...)})
}

// costRounds is how often the two are measured in turns: the machine changes meanwhile.
const costRounds = 3

// cost runs the same load with the log and without, in turns, and says where the book
// of the last run with it is.
func (b *logBench) cost(ctx context.Context) (storage, error) {
	var with, without float64
	var lag time.Duration
	run := *b.cmd
	run.Workload, run.watchLag = "wallet", true
	for n := range 2 * costRounds {
		dir := filepath.Join(b.dir, "run-"+strconv.Itoa(n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return storage{}, err
		}
		run.unlogged = n%2 == 0
		r, err := run.measure(ctx, dir, b.pg, nil)
		switch {
		case err != nil:
			return storage{}, err
		case run.unlogged:
			without += r.PerSecond / costRounds
		case r.Verify != "ok":
			return storage{}, fmt.Errorf("%w: %s", errViolated, r.Verify)
		default:
			with += r.PerSecond / costRounds
			lag = max(lag, r.lag)
		}
	}
	b.add("wallet to wallet, with the log", with, "done/s", "%.0f without: %.1f%% less", without, 100*(1-with/without))
	b.add("lag of the seal under that load, at most", lag.Seconds(), "s", "bar: below 1")
	return run.where, nil
}

// streams measures the exports and the verifiers on a book, each in a process of its own.
func (b *logBench) streams(ctx context.Context, where storage) error {
	var audited string
	for _, format := range export.Formats {
		path := filepath.Join(b.dir, "book."+string(format))
		rows, took, memory, err := b.export(where, format, path)
		if err != nil {
			return err
		}
		b.add("export as "+string(format), float64(rows)/took.Seconds(), "rows/s", "%d rows, %d MB of memory at most", rows, memory>>20)
		if format == export.JSONL {
			audited = path
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return where.work(ctx, nil, func(store ledger.Store, _ *ledger.Pipeline) error {
		began := time.Now()
		sum, err := checkBook(ctx, store, nil, func(ledger.Violation) {})
		if err == nil && sum.Violations > 0 {
			err = errViolated
		}
		if err != nil {
			return err
		}
		b.add("verify, tables and log", float64(sum.Leaves)/time.Since(began).Seconds(), "leaves/s", "%d transfers, %d leaves", sum.Transfers, sum.Leaves)
		keys, err := audit.ReadKeys(ctx, store)
		if err != nil {
			return err
		}
		return b.auditFile(audited, keys.Verifiers())
	})
}

// export runs the command, and says how many rows it wrote, how long it took and how much
// memory it had at most.
func (b *logBench) export(where storage, format export.Format, path string) (rows int64, took time.Duration, memory int64, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, 0, 0, err
	}
	cmd := exec.Command(program, "export", "--data", where.Data, "--database-url", where.DatabaseURL, "--format", string(format), "--out", path)
	cmd.SysProcAttr = diesWithParent()
	began := time.Now()
	said, err := cmd.CombinedOutput()
	took = time.Since(began)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("%w: %s", err, said)
	}
	if found := exportedRows.FindSubmatch(said); found != nil {
		rows, err = strconv.ParseInt(string(found[1]), 10, 64)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		memory = usage.Maxrss << 10 // Linux counts in KiB
	}
	return rows, took, memory, err
}

var exportedRows = regexp.MustCompile(`: ([0-9]+) rows, sha-256`)

func (b *logBench) auditFile(path string, keys []string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	began, found := time.Now(), 0
	sum, err := audit.Verify(file, audit.VerifyOptions{Keys: keys}, func(audit.Finding) { found++ })
	if err == nil && found > 0 {
		err = fmt.Errorf("%d findings in the audit file", found)
	}
	if err != nil {
		return err
	}
	b.add("audit verify of the audit file", float64(sum.Leaves)/time.Since(began).Seconds(), "leaves/s", "%d leaves", sum.Leaves)
	return nil
}

// proofs measures proofs in a tree whose leaves are made up: only its tiles are in the book.
func (b *logBench) proofs(ctx context.Context) error {
	where, err := b.cmd.newBook(ctx, filepath.Join(b.dir, "tree"), b.pg)
	if err != nil {
		return err
	}
	store, err := where.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	book := ledger.NewPipeline(store, ledger.PipelineOptions{})
	defer book.Close()
	size, err := growTree(ctx, book, int64(b.cmd.Leaves))
	if err != nil {
		return err
	}
	const tries = 1000
	took := make([]time.Duration, tries)
	for i := range took {
		place, older := rand.Int64N(size), 1+rand.Int64N(size)
		began := time.Now()
		hashes := audit.Hashes(ctx, store)
		if i%2 == 0 {
			_, err = tlog.ProveRecord(size, place, hashes)
		} else {
			_, err = tlog.ProveTree(size, older, hashes)
		}
		if err != nil {
			return err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	b.add(fmt.Sprintf("a proof of %d leaves, p50", size), float64(took[tries/2].Microseconds()), "µs", "p99 %d µs; half of inclusion, half of consistency", took[tries*99/100].Microseconds())
	return nil
}

// growTree seals a tree over leaves that are made up and returns its size, a whole number of tiles.
func growTree(ctx context.Context, book *ledger.Pipeline, leaves int64) (int64, error) {
	const width = 256
	var head ledger.LogHead
	var levels [][]byte
	var full []ledger.Tile
	var counts []int64
	var add func(level int, h tlog.Hash)
	add = func(level int, h tlog.Hash) {
		if level == len(levels) {
			levels, counts = append(levels, nil), append(counts, 0)
		}
		levels[level] = append(levels[level], h[:]...)
		if len(levels[level]) == width*tlog.HashSize {
			full = append(full, ledger.Tile{ID: ledger.TileID{Level: level, N: counts[level]}, Hashes: levels[level]})
			root := rootOf(levels[level])
			levels[level], counts[level] = nil, counts[level]+1
			add(level+1, root)
		}
	}
	for n := int64(0); n < leaves; n += width {
		for i := range int64(width) {
			add(0, tlog.RecordHash(binary.BigEndian.AppendUint64(nil, uint64(n+i))))
		}
		last := n+width >= leaves
		if len(full) < 512 && !last {
			continue
		}
		if last {
			for level, hashes := range levels {
				if len(hashes) > 0 {
					full = append(full, ledger.Tile{ID: ledger.TileID{Level: level, N: counts[level]}, Hashes: hashes})
				}
			}
		}
		to := ledger.LogHead{Size: n + width}
		sealed, err := ledger.Do[ledger.LogHead](ctx, book, ledger.Seal{From: head, To: to, Tiles: full, Checkpoint: ledger.Checkpoint{Size: to.Size, Note: "made up"}})
		if err != nil {
			return 0, err
		}
		head, full = sealed, nil
	}
	return head.Size, nil
}

// rootOf is the root of the tree over hashes, as many as a power of two.
func rootOf(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	return tlog.NodeHash(rootOf(hashes[:len(hashes)/2]), rootOf(hashes[len(hashes)/2:]))
}

// watchLag asks a server for the lag of its seal until what it returns is called, which
// says what was the most.
func watchLag(url, secret string) (end func() time.Duration) {
	stop, most := make(chan struct{}), make(chan time.Duration)
	go func() {
		var lag time.Duration
		for {
			select {
			case <-stop:
				most <- lag
				return
			case <-time.After(200 * time.Millisecond):
				lag = max(lag, lagOf(url, secret))
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-most
	}
}

func lagOf(url, secret string) time.Duration {
	request, _ := http.NewRequest(http.MethodGet, url+"/metrics", nil) // it has just answered
	request.Header.Set("Authorization", "Bearer "+secret)
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	_, rest, _ := strings.Cut(string(text), "\nbahi_log_lag_seconds ")
	value, _, _ := strings.Cut(rest, "\n")
	seconds, _ := strconv.ParseFloat(value, 64)
	return time.Duration(seconds * float64(time.Second))
}
