package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// TestIngestKilled kills "bahi reconcile ingest" with -9 half way, several times, and
// holds the book against one in which nothing happened.
func TestIngestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const n = 16_000
	var b strings.Builder
	b.WriteString(`{"statement":{"bank":"KVRI","account":"77","id":"S1","currency":"INR","date":"2026-11-20"}}` + "\n")
	for i := range n {
		fmt.Fprintf(&b, `{"line":{"rrn":"%012d","booking_date":"2026-11-20","amount":"250.00","side":"credit"}}`+"\n", i/2)
	}
	fmt.Fprintf(&b, `{"end":{"lines":%d,"closing":"5.00"}}`+"\n", n)
	dir := t.TempDir()
	file := filepath.Join(dir, "monday.jsonl")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	calm, killed := storage{Data: filepath.Join(dir, "calm")}, storage{Data: filepath.Join(dir, "killed")}
	for _, where := range []storage{calm, killed} {
		if _, stderr, code := bahi(t, "migrate", "up", "--data="+where.Data); code != 0 {
			t.Fatal(stderr)
		}
	}
	ingest := func(where storage) (out struct {
		Again       bool
		Lines, Days int
		SHA256      string
	}) {
		t.Helper()
		stdout, stderr, code := bahi(t, "reconcile", "ingest", "--json", "--data="+where.Data, file)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		_ = json.Unmarshal([]byte(stdout), &out)
		return out
	}
	ingest(calm)
	want := stored(t, calm)
	if len(want) != n+2 {
		t.Fatalf("%d rows, want %d lines, a day and a statement", len(want), n)
	}
	halfway := 0
	db, err := sql.Open("sqlite", "file:"+killed.path()+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lines := func() (n int) { // a look that is much shorter than the ingest
		if err := db.QueryRow("SELECT count(*) FROM lines").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 3 {
		before := lines()
		cmd := exec.Command(shippedProgram(t), "reconcile", "ingest", "--data="+killed.Data, file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		goesOn := before + n/8
		for end := time.Now().Add(20 * time.Second); lines() < min(goesOn, n) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if got := lines(); got > 0 && got < n {
			halfway++
		}
	}
	if halfway == 0 {
		t.Error("it was never killed half way")
	}
	if out := ingest(killed); out.Again || out.Lines != n {
		t.Errorf("%+v", out)
	}
	if got := stored(t, killed); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d rows, undisturbed %d", len(got), len(want))
	}
	if out := ingest(killed); !out.Again {
		t.Errorf("again: %+v", out)
	}
	mustHold(t, killed)
}

// stored are the lines, days and statements of a book.
func stored(t *testing.T, where storage) (all []string) {
	t.Helper()
	store, err := where.openExisting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Audit(t.Context(), func(s ledger.Snapshot) error {
		for l, err := range s.Lines(ledger.Range{}) {
			if err != nil {
				return err
			}
			all = append(all, fmt.Sprintf("%+v", l))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	days, err := store.Coverage(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		all = append(all, fmt.Sprintf("%+v", d))
	}
	statements, err := store.Statements(t.Context(), ledger.StatementPlace{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		all = append(all, fmt.Sprintf("%x %d %s %s %d %d", s.File, s.N, s.Bank, s.Name, s.Lines, s.Credits))
	}
	return all
}

// TestReadmeIngest runs the lines that the README shows, beside a server.
func TestReadmeIngest(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```\nbahi reconcile ingest")
	script, _, ends := strings.Cut(rest, "```\n")
	if !found || !ends || strings.Count(script, "curl ") != 2 {
		t.Fatal("README.md does not show how statements are taken in")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"monday.sta": ":20:A\n:25:SBININBB/1\n:28C:330\n:60F:C261124INR1000,00\n:61:2611251125C250,00NTRF632923371856//NB1\n:62F:C261125INR1250,00\n-\n",
		"monday.csv": "day;in;out;ref\n25.11.2026;10,00;;A\n",
		"bank.yaml":  "delimiter: ';'\ncurrency: INR\ndate: DD.MM.YYYY\ndecimal: ','\ncolumns: {booking_date: day, credit: in, debit: out, reference: ref}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	secret, stderr, code := bahi(t, "keys", "create", "--role", "operator", "--data="+data)
	if code != 0 {
		t.Fatal(stderr)
	}
	server := startServer(t, data, fastTimers...)
	cmd := exec.CommandContext(t.Context(), "bash", "-ec", "bahi reconcile ingest"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BAHI_DATA="+data, "BAHI="+server.url, "OPERATOR="+secretOf(secret))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"monday.sta: 1 statements, 1 lines, all of 1 days\n", "monday.csv: 1 statements, 1 lines, all of 1 days\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if n := strings.Count(string(out), `"again":true`); n != 2 {
		t.Errorf("%d files were taken in before, want 2:\n%s", n, out)
	}
}

// secretOf is the key in what "bahi keys create" prints.
func secretOf(printed string) string {
	for _, word := range strings.Fields(printed) {
		if strings.HasPrefix(word, "bahi_") {
			return word
		}
	}
	return ""
}
