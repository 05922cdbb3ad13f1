package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// TestReconcileBesideAServer goes from payments to breaks with the commands alone,
// while the server and its banks are at work: a bank does not tell of a debit, which
// is a break until it does.
func TestReconcileBesideAServer(t *testing.T) {
	zone := noonZone()
	t.Setenv("BAHI_ZONE", zone)
	data := filepath.Join(t.TempDir(), "data")
	secret, err := newChatKey(storage{Data: data}, "reconcile")
	if err != nil {
		t.Fatal(err)
	}
	policy := ledger.DefaultPolicy()
	rules{Zone: zone}.apply(&policy)
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
	correctBesideAServer(t, run, c, whole)
	server.kill()
	run("verify") // what the banks really have is not what they told
}

// noonZone is where it is about noon: what a bank leaves out is missing then, where
// around midnight it might still come.
func noonZone() string {
	ahead := 12 - time.Now().UTC().Hour()
	if ahead == 0 {
		return "Etc/GMT"
	}
	return fmt.Sprintf("Etc/GMT%+d", -ahead) // these names count the other way
}

// correctBesideAServer: the bank tells that it has taken 1.00 beside the 100.00 that were paid. What operators
// do about it from the command line, the server carries out.
func correctBesideAServer(t *testing.T, run func(...string) string, c *rawClient, whole []string) {
	t.Helper()
	for _, file := range whole {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^.*"amount":"100.00".*$`).FindString(string(text))
		if line == "" {
			continue // the other day's
		}
		more := strings.Replace(line, `"100.00"`, `"1.00"`, 1)
		header, _, _ := strings.Cut(string(text), "\n")
		if err := os.WriteFile(file+"-more", []byte(header+"\n"+more+"\n"+`{"end":{"lines":1}}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		run("reconcile", "ingest", file+"-more")
	}
	run("reconcile", "run")
	id := regexp.MustCompile(`brk_[0-9a-f]+`).FindString(run("reconcile", "breaks"))
	has := func(out string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%q is missing in:\n%s", want, out)
			}
		}
	}
	has(run("reconcile", "assign", id, "meera"), "meera")
	has(run("reconcile", "comment", id, "ask the bank"), id)
	has(run("reconcile", "show", id), "may be done: refund", "ask the bank", "1.00 INR")
	has(run("reconcile", "propose", "--dry-run", id), "would be proposed: refund 1.00", "debit suspense, credit transit, 1.00 INR", "pays 1.00 INR from suspense")
	proposed := run("reconcile", "propose", "--as=asif", id)
	correction := regexp.MustCompile(`cor_[0-9a-f]+`).FindString(proposed)
	has(run("reconcile", "withdraw", correction), "withdrawn")
	correction = regexp.MustCompile(`cor_[0-9a-f]+`).FindString(run("reconcile", "propose", "--as=asif", id))
	has(run("reconcile", "approve", "--as=meera", correction), "approved")
	for range 2 {
		has(run("reconcile", "apply", "--override=the payer waits", correction), "applied")
	}
	has(run("reconcile", "status"), "duplicate ")
	var list struct {
		Data []struct{ ID, Kind, State string }
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := c.send(t.Context(), "GET", "/v1/transfers?limit=10", "", nil, &list); err != nil {
			t.Fatal(err)
		}
		payouts := slices.DeleteFunc(list.Data, func(p struct{ ID, Kind, State string }) bool { return p.Kind != "payout" })
		if len(payouts) == 1 && payouts[0].State == "completed" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the payout: %+v", payouts)
		}
	}
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
