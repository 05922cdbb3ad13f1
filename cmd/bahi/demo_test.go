package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"bahi/banks"
	"bahi/ledger"
)

// demoOutcomes are what the demo's lines come to, in order.
var demoOutcomes = []struct {
	from, state, reason, code string
	replayed                  bool
	again                     bool // of the transfer of the line before
}{
	{from: "Asha", state: "completed"},
	{from: "Meera", state: "completed"},
	{from: "Kabir", state: "completed"},
	{from: "Divya", state: "completed"},
	{from: "Chai Point", state: "completed"},
	{from: "Imran", state: "failed", reason: "debit_declined", code: "Z9"},
	{from: "Imran", state: "reversed", reason: "credit_declined", code: "XI"},
	{from: "Asha", state: "completed"}, // its credit timed out
	{from: "Asha", state: "completed"},
	{from: "Asha", state: "completed", replayed: true},
	{from: "Ravi", state: "failed", reason: "insufficient_funds"},
	{from: "Kabir", state: "failed", reason: "payee_not_found"},
	{from: "Kabir", state: "completed"}, // into a pot
	{from: "Nila", state: "completed"},  // out of it
	{from: "Divya", state: "open"},
	{from: "Ravi", state: "completed"},
	{from: "Imran", state: "open"},
	{from: "Divya", state: "open"},
	{from: "Asha", state: "completed"},
	{from: "Asha", state: "open"},
	{from: "Ravi", state: "completed"},
	{from: "Kabir", state: "completed"},
	{from: "Meera", state: "held"},
	{from: "Meera", state: "reversed", reason: "cancelled_by_sender", again: true},
	{from: "Asha", state: "stopped"},
	{from: "(thief)", state: "failed", reason: "payments_stopped"},
	{from: "Asha", state: "started"},
	{from: "Asha", state: "failed", reason: "limit_transfer"},
	{from: "Imran", state: "active"},
	{from: "Ravi", state: "completed"},
	{from: "(chat)", state: "transfer.completed"},
}

func TestDemoJSON(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := bahi(t, "demo", "--json")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(lines) != len(demoOutcomes)+1 {
		t.Fatalf("%d lines, expected %d and the sums:\n%s", len(lines), len(demoOutcomes), stdout)
	}
	ids := map[string]bool{}
	for n, want := range demoOutcomes {
		var got demoTransfer
		if err := json.Unmarshal([]byte(lines[n]), &got); err != nil {
			t.Fatalf("line %d: %v: %s", n+1, err, lines[n])
		}
		if got.From != want.from || got.State != want.state || got.Reason != want.reason || got.BankCode != want.code || got.Replayed != want.replayed {
			t.Errorf("line %d: %s\nexpected %+v", n+1, lines[n], want)
		}
		if strings.HasPrefix(got.ID, "BAH") && ids[got.ID] != (want.replayed || want.again) {
			t.Errorf("line %d: id %s was there before: %v", n+1, got.ID, ids[got.ID])
		}
		ids[got.ID] = true
	}
	if want := `{"transfers":21,"completed":14,"verify":"ok"}`; lines[len(lines)-1] != want {
		t.Errorf("the last line is %s, expected %s", lines[len(lines)-1], want)
	}
}

func TestDemoForPeople(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := bahi(t, "demo")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, line := range conversation() {
		if !strings.Contains(stdout, line.text) || !strings.Contains(stdout, line.shows) {
			t.Errorf("%q, which shows %s, is not told", line.text, line.shows)
		}
	}
	for _, want := range []string{"failed: debit declined (Z9)", "reversed: credit declined (XI)", "completed, the first answer again",
		"not paid, the payer has the money back", "\n21 transfers, 14 completed; verify: ok\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in:\n%s", want, stdout)
		}
	}
}

// TestDemoProfile: once everybody has their money, the banks behave as they are told to.
func TestDemoProfile(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	n, err := openNode(ctx, nodeConfig{storage: storage{Data: t.TempDir()}, policy: demoTimers(), log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.close(context.WithoutCancel(ctx))
	bank, _ := n.banks.registry.ByCode("NRMD")
	for profile, most := range map[string]int{"": 0, "weak": 40} {
		n.behave(profile)
		declined := 0
		for range 200 {
			a, err := bank.Adapter.Submit(ctx, banks.Instruction{ID: ledger.InstructionID{Transfer: ledger.NewID(), Leg: ledger.LegCredit},
				Amount: ledger.Amount{Minor: 100, Currency: "INR"}, Account: banks.Account{Number: "1234567890"}})
			if err != nil {
				t.Fatal(err)
			}
			if a.Outcome == ledger.SaysDeclined {
				declined++
			}
		}
		if declined > 2*most || (declined > 0) != (most > 0) { // 23 of a weak bank's, give or take
			t.Errorf("profile %q: %d of 200 are declined", profile, declined)
		}
	}
	for _, wrong := range [][]string{{"serve", "--bank-profile=weak"}, {"demo", "--bank-profile=mad"}} {
		if _, _, code := bahi(t, wrong...); code != exitUsage {
			t.Errorf("%q: exit code %d", wrong, code)
		}
	}
}
