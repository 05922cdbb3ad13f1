package sim_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// written is a journal of three facts: a debit, a declined debit, and the reversal of the first.
func written(t *testing.T) (cfg sim.Config, lines []string) {
	cfg = sim.Config{Code: "SBIN", OpeningBalance: opening, Path: filepath.Join(t.TempDir(), "SBIN.journal")}
	b := open(t, cfg)
	debit := instruction(ledger.LegDebit, "1", 250_00)
	for _, err := range []error{
		heard(b.Submit(t.Context(), debit)),
		heard(b.Submit(t.Context(), instruction(ledger.LegDebit, "0000", 1))),
		heard(b.Reverse(t.Context(), undo(debit))),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}

func heard(_ banks.Answer, err error) error { return err }

func TestJournalLine(t *testing.T) {
	_, lines := written(t)
	if len(lines) != 4 || lines[0] != `{"bank":"SBIN","currency":"INR"}`+"\n" {
		t.Fatalf("got %q", lines)
	}
	for _, part := range []string{`{"at":`, `.debit","account":"1","amount":25000,"rrn":"632812000001","outcome":"approved","code":"00","ref":"SBIN0000000001"}`} {
		if !strings.Contains(lines[1], part) {
			t.Errorf("%s lacks %s", lines[1], part)
		}
	}
}

// A process can be killed after any byte of its last write.
func TestTornTailIsCutOff(t *testing.T) {
	cfg, lines := written(t)
	last := lines[3]
	whole := strings.Join(lines[:3], "")
	for torn := range len(last) { // the last line's end was cut off by written
		if err := os.WriteFile(cfg.Path, []byte(whole+last[:torn]), 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := sim.ReadJournal(cfg.Path)
		if err != nil || len(before) != 1 {
			t.Fatalf("torn after %d bytes: %v, %v", torn, before, err)
		}
		b, err := sim.Open(cfg)
		if err != nil {
			t.Fatalf("torn after %d bytes: %v", torn, err)
		}
		if b.Net() != 250_00 {
			t.Errorf("torn after %d bytes: net %d", torn, b.Net())
		}
		if _, err := b.Submit(t.Context(), instruction(ledger.LegCredit, "2", 100)); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if after, err := sim.ReadJournal(cfg.Path); err != nil || len(after) != 2 {
			t.Fatalf("torn after %d bytes and gone on: %v, %v", torn, after, err)
		}
	}
}

func TestTornFirstLineIsANewBook(t *testing.T) {
	cfg, lines := written(t)
	if err := os.WriteFile(cfg.Path, []byte(lines[0][:5]), 0o600); err != nil {
		t.Fatal(err)
	}
	if b := open(t, cfg); b.Net() != 0 {
		t.Errorf("net %d", b.Net())
	}
	if entries, err := sim.ReadJournal(cfg.Path); err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v", entries, err)
	}
}

func TestMalformedJournalNamesTheLine(t *testing.T) {
	cfg, lines := written(t)
	lines[3] += "\n"
	replaced := func(line int, from, to string) []string {
		out := slices.Clone(lines)
		if !strings.Contains(out[line-1], from) {
			t.Fatalf("line %d has no %s", line, from)
		}
		out[line-1] = strings.Replace(out[line-1], from, to, 1)
		return out
	}
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"another bank":      {replaced(1, "SBIN", "HDFC"), "line 1: it is of bank HDFC in INR"},
		"another currency":  {replaced(1, "INR", "SGD"), "line 1: it is of bank SBIN in SGD"},
		"no header":         {lines[1:], "line 1: "},
		"not JSON":          {replaced(2, `{"at"`, `{at`), "line 2: "},
		"half a line":       {replaced(2, `"ref":"SBIN0000000001"}`, ""), "line 2: "},
		"two values":        {replaced(2, "}", "}{}"), "line 2: more than one JSON value"},
		"empty line":        {replaced(2, lines[1], "\n"), "line 2: "},
		"unknown member":    {replaced(2, `"at"`, `"note":"","at"`), `line 2: json: unknown field "note"`},
		"amount as a text":  {replaced(2, "25000", `"25000"`), "line 2: "},
		"amount as a float": {replaced(2, "25000", `25000.5`), "line 2: "},
		"amount of nothing": {replaced(2, "25000", `0`), "line 2: amount 0 was moved"},
		"another amount":    {replaced(4, "25000", `25001`), "line 4: "},
		"id":                {replaced(2, "BAH", "HAB"), "line 2: malformed instruction id"},
		"leg":               {replaced(2, ".debit", ".theft"), "line 2: malformed instruction id"},
		"outcome":           {replaced(3, "declined", "perhaps"), `line 3: unknown outcome "perhaps"`},
		"a line lost":       {slices.Delete(slices.Clone(lines), 2, 3), "line 3: reference"},
		"a line twice":      {slices.Insert(slices.Clone(lines), 2, lines[1]), "line 3: reference"},
		"decided twice":     {slices.Insert(slices.Clone(lines), 2, strings.Replace(lines[1], "0001\"}", "0002\"}", 1)), "line 3: instruction"},
		"undone undone":     {replaced(2, "approved", "declined"), "line 4: "},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Join(c.lines, "")
			if err := os.WriteFile(cfg.Path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := sim.Open(cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), cfg.Path) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if left, _ := os.ReadFile(cfg.Path); string(left) != text {
				t.Error("the malformed file was changed")
			}
		})
	}
}

// TestSurvivesKill has a child process answer and kill itself with -9.
func TestSurvivesKill(t *testing.T) {
	const env = "SIM_TEST_JOURNAL"
	cfg := sim.Config{Code: "SBIN", OpeningBalance: opening, Path: os.Getenv(env)}
	if cfg.Path != "" {
		b, err := sim.Open(cfg)
		for range 100 {
			if err == nil {
				_, err = b.Submit(context.Background(), instruction(ledger.LegDebit, "1", 1_00))
			}
		}
		if self, found := os.FindProcess(os.Getpid()); err == nil && found == nil {
			self.Kill()
			select {}
		}
		os.Exit(3)
	}
	cfg.Path = filepath.Join(t.TempDir(), "SBIN.journal")
	child := exec.Command(os.Args[0], "-test.run=^TestSurvivesKill$")
	child.Env = append(os.Environ(), env+"="+cfg.Path)
	if err := child.Run(); err == nil || child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child was not killed: %v", err)
	}
	if entries, err := sim.ReadJournal(cfg.Path); err != nil || len(entries) != 100 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if b := open(t, cfg); b.Net() != 100_00 || b.Balance("1") != opening-100_00 {
		t.Errorf("net %d, balance %d", b.Net(), b.Balance("1"))
	}
}
