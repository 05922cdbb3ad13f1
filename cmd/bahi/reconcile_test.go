package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// TestReconcileBesideAServer goes from payments to breaks with the commands alone,
// while the server and its banks are at work: a bank does not tell of a debit, which
// is a break until it does.
func TestReconcileBesideAServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	secret, err := newChatKey(storage{Data: data}, "reconcile")
	if err != nil {
		t.Fatal(err)
	}
	policy := ledger.DefaultPolicy()
	today := func() ledger.Day { return policy.Day(time.Now().UnixMicro()) }
	first := today()
	server := startServer(t, data, fastTimers...)
	c := newClient(server.url, secret, 1)
	parties := people(t, c, 2)
	for _, value := range []string{"100.00", "9201.00", "75.50"} { // the second is reversed
		body := map[string]any{"payer": map[string]any{"party": parties[0]}, "payee": map[string]any{"party": parties[1]}, "amount": rupees(value)}
		if _, err := c.send(t.Context(), "POST", "/v1/transfers", "pay-"+value, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	waitUntilRested(t, c, 20*time.Second)

	run := func(args ...string) string {
		t.Helper()
		stdout, stderr, code := bahi(t, append(args, "--data="+data)...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
		}
		return stdout
	}
	payers := simulatedBanks[0].Code
	var whole []string // files of the payer's bank, in which nothing is left out
	for day := first; day <= today(); day++ {
		for _, b := range simulatedBanks {
			file := filepath.Join(t.TempDir(), fmt.Sprintf("%s-%s", b.Code, day))
			run("banks", "statement", "--bank="+b.Code, "--day="+day.String(), "--format=jsonl", "--out="+file)
			if b.Code == payers {
				whole = append(whole, file)
				file = silentAbout(t, file, "75.50")
			}
			run("reconcile", "ingest", file)
		}
	}
	run("reconcile", "run")
	rows := strings.Split(strings.TrimSpace(run("reconcile", "breaks")), "\n")
	if len(rows) != 2 || !strings.Contains(rows[1], "not_at_bank") || !strings.Contains(rows[1], payers) || !strings.Contains(rows[1], "75.50") {
		t.Fatalf("breaks:\n%s", strings.Join(rows, "\n"))
	}
	for _, file := range whole {
		run("reconcile", "ingest", file)
	}
	if out := run("reconcile", "run"); !strings.Contains(out, " 0 breaks open") {
		t.Errorf("after the bank has told: %s", out)
	}
	server.kill()
	mustHold(t, storage{Data: data})
}

// silentAbout is a statement in JSON lines without the lines of an amount, and
// without the totals that it would have to forge.
func silentAbout(t *testing.T, file, amount string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"amount":"`+amount+`"`) && !strings.HasPrefix(line, `{"end"`) {
			left = append(left, line)
		}
	}
	left = append(left, fmt.Sprintf(`{"end":{"lines":%d}}`+"\n", len(left)-1))
	if err := os.WriteFile(file+"-silent", []byte(strings.Join(left, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file + "-silent"
}
