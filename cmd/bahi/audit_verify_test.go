package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bahi/ledger/audit"
)

// testAuditFile exports a book that a server has written, and verifies the file as an auditor does.
func testAuditFile(t *testing.T, book *someBook) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mustBahi := func(args ...string) string {
		t.Helper()
		stdout, stderr, code := bahi(t, args...)
		if code != exitOK {
			t.Fatalf("bahi %v: exit code %d: %s%s", args, code, stdout, stderr)
		}
		return stdout
	}
	key := regexp.MustCompile(`\S+\+[0-9a-f]{8}\+\S+`).FindString(mustBahi("log", "keys", "--data="+book.data))
	mustBahi("export", "--format=jsonl", "--out="+at("book.jsonl"), "--data="+book.data)
	exported, err := os.ReadFile(at("book.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	stdout := mustBahi("audit", "verify", at("book.jsonl"), "--key="+key, "--older="+at("book.jsonl"))
	for _, want := range []string{"\nroot ", "1 of 1 that you kept agree", "8 transfer", "12 posting", "\nbalance  asset ", "\n0 findings in "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, stdout)
		}
	}

	// An amount is changed, and nothing else.
	line := regexp.MustCompile(`\{"place":(\d+),[^\n]*"leaf":"posting","event":"wallet"[^\n]*`).FindSubmatch(exported)
	if line == nil {
		t.Fatalf("no posting in\n%s", exported)
	}
	changed := strings.Replace(string(exported), string(line[0]), strings.Replace(string(line[0]), `"amount":"100.00"`, `"amount":"900.00"`, 1), 1)
	if err := os.WriteFile(at("changed.jsonl"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := bahi(t, "audit", "verify", at("changed.jsonl"), "--key="+key, "--older="+at("book.jsonl"))
	first := "FIRST  place " + string(line[1]) + ", posting wallet of " + book.transfers["wallet"].TransferRef() + ": "
	if code != exitViolated || !strings.Contains(stdout, "\n"+first) || !strings.Contains(stdout, "amount is 900.00, not 100.00") || !strings.Contains(stderr, "does not hold") {
		t.Errorf("exit code %d, want %q in\n%s%s", code, first, stdout, stderr)
	}
	stdout, _, code = bahi(t, "audit", "verify", at("changed.jsonl"), "--key="+key, "--json")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var sum audit.Report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); err != nil || code != exitViolated || sum.FirstBad == nil || sum.Findings != int64(len(lines)-1) {
		t.Errorf("%v, exit code %d: %s", err, code, stdout)
	}

	for name, args := range map[string][]string{
		"no key":         {at("book.jsonl")},
		"not a key":      {at("book.jsonl"), "--key=x"},
		"an older of no": {at("book.jsonl"), "--key=" + key, "--older=" + at("none")},
	} {
		if _, stderr, code := bahi(t, append([]string{"audit", "verify"}, args...)...); code != exitUsage {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
	}
	if _, stderr, code := bahi(t, "audit", "verify", "audit_verify_test.go", "--key="+key); code != exitFailed || !strings.Contains(stderr, "line 1") {
		t.Errorf("not an audit file: exit code %d: %s", code, stderr)
	}
}
