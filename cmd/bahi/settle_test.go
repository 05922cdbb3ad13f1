package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A book is settled from the command line while a server writes to it; the report
// is one that "reconcile check" takes.
func TestSettleBesideAServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	schedule := filepath.Join(t.TempDir(), "settlement.yaml")
	if err := os.WriteFile(schedule, []byte("scheme: upi\nzone: Asia/Kolkata\nwindows:\n  - {kind: transfers, from: 00:00, until: 24:00}\nfees: {default: 0.50}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := newChatKey(storage{Data: data}, "settle")
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, data, append([]string{"--settlement=" + schedule}, fastTimers...)...)
	c := newClient(server.url, secret, 1)
	parties := people(t, c, 2)
	body := map[string]any{"payer": map[string]any{"party": parties[0]}, "payee": map[string]any{"party": parties[1]}, "amount": rupees("100.00")}
	if _, err := c.send(t.Context(), "POST", "/v1/transfers", "one", body, nil); err != nil {
		t.Fatal(err)
	}
	waitUntilRested(t, c, 20*time.Second)

	settle := func(code int, args ...string) (stdout, stderr string) {
		t.Helper()
		stdout, stderr, got := bahi(t, append([]string{"settle", args[0], "--data=" + data, "--settlement=" + schedule}, args[1:]...)...)
		if got != code {
			t.Fatalf("settle %v: exit code %d\n%s%s", args, got, stdout, stderr)
		}
		return stdout, stderr
	}
	out, _ := settle(0, "close")
	window, rest, _ := strings.Cut(out, " ")
	if !strings.HasPrefix(rest, "transfers closed ") || strings.Count(out, "\n") != 1 {
		t.Fatalf("closed %q", out)
	}
	if again, _ := settle(0, "close", window); again != out {
		t.Errorf("closed again: %q, first %q", again, out)
	}
	if _, stderr := settle(1, "close", "upi-2099-01-01-01"); !strings.Contains(stderr, "window_not_over") {
		t.Errorf("closed too early: %s", stderr)
	}

	report, _ := settle(0, "report", window, "--format=csv")
	path := filepath.Join(t.TempDir(), "report.csv")
	if err := os.WriteFile(path, []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	if checked, stderr, code := bahi(t, "reconcile", "check", path); code != 0 || !strings.Contains(checked, "ok") {
		t.Errorf("reconcile check: %d\n%s%s", code, checked, stderr)
	}
	for format, has := range map[string]string{"json": `"net": "-`, "pain.001": "<CtrlSum>"} {
		if out, _ := settle(0, "report", window, "--format="+format); !strings.Contains(out, has) {
			t.Errorf("%s: %s", format, out)
		}
	}
	// Both banks have paid more into wallets than they got.
	if _, stderr := settle(1, "report", window, "--format=camt.054"); !strings.Contains(stderr, "nothing_to_instruct") {
		t.Error(stderr)
	}

	rows, err := csv.NewReader(strings.NewReader(report)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	confirmed := 0
	for _, row := range rows[1:] {
		bank, net := row[1], strings.TrimPrefix(row[9], "-")
		if bank == "bahi" {
			continue
		}
		if _, stderr := settle(2, "confirm", window, bank, net+"1"); !strings.Contains(stderr, "more digits") {
			t.Errorf("%s: %s", bank, stderr)
		}
		if _, stderr := settle(1, "confirm", window, bank, "1"+net); !strings.Contains(stderr, "settlement_amount_differs") {
			t.Errorf("%s: %s", bank, stderr)
		}
		if out, _ := settle(0, "confirm", window, bank, net, "--failed"); !strings.Contains(out, "failed") {
			t.Errorf("%s: %s", bank, out)
		}
		if out, _ := settle(0, "confirm", window, bank, net, "--ref=NEFT1", "--by=asha"); !strings.Contains(out, "confirmed  NEFT1  asha") {
			t.Errorf("%s: %s", bank, out)
		}
		confirmed++
	}
	if status, _ := settle(0, "status", window); confirmed == 0 || strings.Count(status, "confirmed") != confirmed {
		t.Errorf("%d confirmed; status\n%s", confirmed, status)
	}
	if status, _ := settle(0, "status"); !strings.Contains(status, window) {
		t.Errorf("status\n%s", status)
	}
	if err := server.stop(); err != nil {
		t.Fatal(err)
	}
	if out, stderr, code := bahi(t, "verify", "--data="+data); code != exitOK {
		t.Errorf("verify: %d\n%s%s", code, out, stderr)
	}
}
