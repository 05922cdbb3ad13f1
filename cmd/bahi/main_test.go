package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// TestMain puts the test binary on the PATH as "bahi": called by that name it is
// the program, with the race detector where the tests have it. Servers are run so.
func TestMain(m *testing.M) {
	testscript.Main(suite{pgtest.Main(m)}, map[string]func(){"bahi": main})
}

type suite struct{ pgtest.Tests }

// Run runs the tests and removes what they built.
func (s suite) Run() int {
	os.Setenv("BAHI_LIMITS", noLimits) // servers whose limits are not what is tried have none
	code := s.Tests.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	return code
}

var built string // directory of the shipped program

// shipped builds the program as users have it, once. The race detector makes a
// process slow to start, and too slow to be killed in the middle of much.
var shipped = sync.OnceValues(func() (path string, err error) {
	if built, err = os.MkdirTemp("", "bahi-shipped-"); err != nil {
		return "", err
	}
	path = filepath.Join(built, "bahi")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

func shippedProgram(t *testing.T) string {
	t.Helper()
	path, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// bahi runs the shipped program to its end.
func bahi(t *testing.T, args ...string) (stdout, stderr string, exitCode int) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), shippedProgram(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// fastTimers let a server come to the end of every transfer within seconds.
var fastTimers = []string{"--submit-timeout=500ms", "--check-timeout=500ms", "--take-over=500ms", "--queue-limit=2s",
	"--checks=600ms,1200ms", "--reversals=600ms,1s,2s,4s,8s", "--log-level=warn"}

// startServer runs "bahi serve" until the test ends.
func startServer(t *testing.T, data string, args ...string) *child {
	t.Helper()
	log := &safeBuilder{}
	server, err := startChild(raceProgram(t), storage{Data: data}, log, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(server.kill)
	return server
}

// raceProgram is the test binary under its other name.
func raceProgram(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("bahi")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// safeBuilder takes the output of a process that is still writing.
type safeBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var _ io.Writer = (*safeBuilder)(nil)

// openBook opens the book of a server that has stopped.
func openBook(t *testing.T, where storage) ledger.Store {
	t.Helper()
	store, err := where.openExisting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// allTransfers reads the whole book's transfers.
func allTransfers(t *testing.T, r ledger.Reader) (all []ledger.Transfer) {
	t.Helper()
	page := ledger.Page{Limit: 1000}
	for {
		some, err := r.Transfers(t.Context(), ledger.TransferFilter{}, page)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
		if len(some) < page.Limit {
			return all
		}
		page.Before = some[len(some)-1].ID
	}
}

// waitUntilRested waits until no transfer of the app waits for a bank.
func waitUntilRested(t *testing.T, c *rawClient, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for _, state := range []string{"pending", "debited", "reversing", "pending"} { // the last again: one may have begun since
		for open := 1; open > 0; time.Sleep(10 * time.Millisecond) {
			var list struct {
				Data []json.RawMessage `json:"data"`
			}
			if _, err := c.send(t.Context(), "GET", "/v1/transfers?limit=200&state="+state, "", nil, &list); err != nil {
				t.Fatal(err)
			}
			if open = len(list.Data); open > 0 && time.Now().After(deadline) {
				t.Fatalf("%d or more transfers are still %s after %v, such as %s", open, state, limit, list.Data[0])
			}
		}
	}
}

// mustHold checks the book of a server that has stopped against itself, its log and
// the log's tree, and against the simulated banks' own books.
func mustHold(t *testing.T, where storage) {
	t.Helper()
	found := 0
	sum, err := checkBook(t.Context(), openBook(t, where), nil, func(v ledger.Violation) {
		if found++; found <= 20 {
			t.Errorf("violated: %s %s: %s", v.Rule, v.Where, v.Detail)
		}
	})
	if err != nil || sum.Violations > 0 {
		t.Errorf("verify: %+v, %v", sum, err)
	}
	if served := sum.Transfers > 0; served && (sum.Sealed == 0 || sum.Checkpoints == 0) {
		t.Errorf("verify: nothing was sealed: %+v", sum)
	}
	if difference, err := compareBanks(where); difference != "ok" || err != nil {
		t.Errorf("the banks' books against ours: %s, %v", difference, err)
	}
}

// copyDir copies the files of a data directory that no server is using.
func copyDir(t *testing.T, from string) (to string) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// people opens parties with a bank account and a funded wallet each.
func people(t *testing.T, c *rawClient, count int) []string {
	t.Helper()
	l := &load{cmd: &benchCmd{Parties: count, Workload: "wallet"}, banks: &benchBanks{list: simulatedBanks}, client: c.library()}
	if err := l.prepare(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return l.parties
}
