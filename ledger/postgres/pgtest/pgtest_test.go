package pgtest_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"bahi/ledger/postgres/pgtest"
)

// ownerEnv makes the test binary start a server, say where it is, and wait to be killed.
const ownerEnv = "PGTEST_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerEnv) != "" {
		own()
	}
	goleak.VerifyTestMain(pgtest.Main(m))
}

func start(t *testing.T) *pgtest.Server {
	t.Helper()
	s, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, s)
	return s
}

func closeAtEnd(t *testing.T, s *pgtest.Server) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, url string) (n int) {
	t.Helper()
	if err := connect(t, url).QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSharedDatabasesAreApart(t *testing.T) {
	a, b := pgtest.NewDatabase(t), pgtest.NewDatabase(t)
	exec1(t, connect(t, a), "CREATE TABLE t (id int)")
	exec1(t, connect(t, b), "CREATE TABLE t (id int)")
	if hostOf(t, a) != hostOf(t, b) {
		t.Error("a second shared server")
	}
}

func TestRunReachesTheServer(t *testing.T) {
	out, err := pgtest.Shared(t).Run("psql", "-Atc", "SHOW fsync", "postgres")
	if err != nil || strings.TrimSpace(string(out)) != "off" {
		t.Errorf("psql: %q, %v", out, err)
	}
	if _, err := pgtest.Shared(t).Run("psql", "-c", "nonsense"); err == nil || !strings.Contains(err.Error(), "syntax error") {
		t.Errorf("a failed program does not say why: %v", err)
	}
}

func TestOptions(t *testing.T) {
	s, err := pgtest.Start(t.Context(), pgtest.Options{Fsync: true, Settings: map[string]string{"search_path": "it's"}})
	must(t, err)
	closeAtEnd(t, s)
	for name, want := range map[string]string{"fsync": "on", "full_page_writes": "on", "search_path": "it's"} {
		out, err := s.Run("psql", "-Atc", "SHOW "+name)
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	if n, err := s.DataBytes(); err != nil || n < 10<<20 {
		t.Errorf("data: %d bytes, %v", n, err)
	}
}

func TestFrozenServerAnswersAfterThaw(t *testing.T) {
	s := start(t)
	conn := connect(t, s.URL("postgres"))
	must(t, s.Freeze())
	answered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a frozen server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	must(t, s.Thaw())
	must(t, <-answered)
}

func TestCommitsSurviveStopAndKill(t *testing.T) {
	s := start(t)
	db, err := s.NewDatabase(t.Context())
	must(t, err)
	exec1(t, connect(t, db), "CREATE TABLE t (id int)")
	for _, end := range []func() error{s.StopImmediate, s.Kill} {
		exec1(t, connect(t, db), "INSERT INTO t VALUES (1)")
		before := s.PIDs()
		must(t, end())
		gone(t, before)
		if conn, err := pgx.Connect(t.Context(), db); err == nil {
			conn.Close(t.Context())
			t.Error("a stopped server took a connection")
		}
		must(t, s.StartAgain(t.Context()))
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	if err := s.StartAgain(t.Context()); err == nil {
		t.Error("a running server started again")
	}
}

func TestPromotedStandbyHasWhatWasAcknowledged(t *testing.T) {
	s := start(t)
	db, err := s.NewDatabase(t.Context())
	must(t, err)
	exec1(t, connect(t, db), "CREATE TABLE t (id int)")
	first, err := s.Standby(t.Context())
	must(t, err)
	closeAtEnd(t, first)
	second, err := s.Standby(t.Context())
	must(t, err)
	closeAtEnd(t, second)
	exec1(t, connect(t, db), "INSERT INTO t VALUES (1)")
	must(t, s.Kill())
	for _, standby := range []*pgtest.Server{first, second} {
		must(t, standby.Promote(t.Context()))
		at := standby.URL(databaseOf(t, db))
		exec1(t, connect(t, at), "INSERT INTO t VALUES (2)") // waits for nobody
		if n := count(t, at); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
	}
}

func databaseOf(t *testing.T, at string) string {
	t.Helper()
	u, err := url.Parse(at)
	must(t, err)
	return strings.TrimPrefix(u.Path, "/")
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	for name, bad := range map[string]func(*pgtest.Server) error{
		"running": func(*pgtest.Server) error { return nil },
		"frozen":  (*pgtest.Server).Freeze,
		"killed":  (*pgtest.Server).Kill,
		"stopped": (*pgtest.Server).StopImmediate,
	} {
		s := start(t)
		pids := s.PIDs()
		if len(pids) < 5 {
			t.Fatalf("%s: processes %v", name, pids)
		}
		must(t, bad(s))
		must(t, s.Close())
		must(t, s.Close())
		gone(t, pids)
		empty(t, os.Getenv("TMPDIR"))
		if _, err := net.Dial("tcp", hostOf(t, s.URL("postgres"))); err == nil {
			t.Errorf("%s: somebody still listens", name)
		}
	}
}

func TestKilledOwnerLeavesNothing(t *testing.T) {
	for _, when := range []string{"starting", "running", "frozen"} {
		t.Run(when, func(t *testing.T) {
			tmp := openDir(t)
			killOwner(t, when, tmp)
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
				if left, _ := os.ReadDir(tmp); len(left) == 0 && len(workingUnder(tmp)) == 0 {
					return
				}
			}
			t.Errorf("processes %v", workingUnder(tmp))
			empty(t, tmp)
		})
	}
}

// killOwner runs own in a process of its own and kills that.
func killOwner(t *testing.T, when, tmp string) {
	t.Helper()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerEnv+"="+when, "TMPDIR="+tmp)
	out, err := owner.StdoutPipe()
	must(t, err)
	must(t, owner.Start())
	_, err = out.Read(make([]byte, 1))
	must(t, err)
	if len(workingUnder(tmp)) == 0 {
		t.Error("nothing was there to leave behind")
	}
	must(t, owner.Process.Kill())
	_ = owner.Wait()
}

// own is the process that killOwner kills.
func own() {
	if os.Getenv(ownerEnv) == "starting" {
		time.AfterFunc(100*time.Millisecond, func() { os.Stdout.WriteString("!") })
	}
	s, err := pgtest.Start(context.Background(), pgtest.Options{})
	if err == nil && os.Getenv(ownerEnv) == "frozen" {
		err = s.Freeze()
	}
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString("!")
	select {}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := pgtest.Start(ctx, pgtest.Options{}); err == nil {
		t.Error("started in no time")
	}
	empty(t, os.Getenv("TMPDIR"))
}

func TestBadSettingSaysWhy(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	_, err := pgtest.Start(t.Context(), pgtest.Options{Settings: map[string]string{"no_such_thing": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_thing") {
		t.Errorf("got %v", err)
	}
	empty(t, os.Getenv("TMPDIR"))
}

// openDir is a directory into which the user postgres gets too.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgtest-")
	must(t, err)
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func hostOf(t *testing.T, at string) string {
	t.Helper()
	u, err := url.Parse(at)
	must(t, err)
	return u.Host
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left in %s: %v", dir, left)
	}
}

func gone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		deadline := time.Now().Add(5 * time.Second)
		for alive(pid) && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
		if alive(pid) {
			t.Errorf("process %d lives", pid)
		}
	}
}

// alive does not count a process that ended and that nobody waited for.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	return pgtest.State(pid) != 'Z'
}

func workingUnder(dir string) (pids []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			pids = append(pids, link)
		}
	}
	return pids
}
