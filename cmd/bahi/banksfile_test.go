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

// banksFile writes a banks file.
func banksFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "banks.yaml")
	writeBanks(t, path, text)
	return path
}

func writeBanks(t *testing.T, path, text string) {
	t.Helper()
	if err := writeFile(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

const goodBanks = `# Two banks
banks:
  - code: SBIN
    name: State Bank
    ifsc_prefix: SBIN
    handles: [oksbi, sbi]
    rail: sim
    profile: large
    latency: 20ms
    max_in_flight: 64
    max_amount: 100000.00
  - code: HDFC
    name: Other Bank
    ifsc_prefix: HDFB
    rail: sim
`

func TestBanksFile(t *testing.T) {
	entries, err := readBanksFile(banksFile(t, goodBanks))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d banks, %v", len(entries), err)
	}
	e := entries[0]
	if e.bank.NetDebitCap != (ledger.Amount{}) || e.bank.Code != "SBIN" || e.bank.Name != "State Bank" || e.bank.IFSCPrefix != "SBIN" || fmt.Sprint(e.bank.Handles) != "[oksbi sbi]" ||
		e.rail != "sim" || e.profile != "large" || e.latency != 20*time.Millisecond || e.bank.MaxInFlight != 64 ||
		e.bank.MaxAmount != (ledger.Amount{Minor: 100_000_00, Currency: "INR"}) {
		t.Errorf("%+v", e)
	}
	entries, err = readBanksFile(banksFile(t, strings.Replace(goodBanks, "HDFB\n    rail: sim", "HDFB\n    rail: remote", 1)))
	if err != nil || entries[1].rail != remoteRail || entries[1].bank.MaxInFlight != maxInFlight || entries[0].bank.MaxInFlight != 64 {
		t.Errorf("%+v, %v", entries, err)
	}
	if entries, err = readBanksFile(banksFile(t, goodBanks)); err != nil {
		t.Fatal(err)
	}
	if e := entries[1]; e.bank.Code != "HDFC" || e.bank.IFSCPrefix != "HDFB" || e.bank.MaxAmount.Minor != 0 || e.bank.MaxInFlight != 0 {
		t.Errorf("%+v", e)
	}
}

// TestBanksFileOfReadme: the file that people copy is right, and has every key
// that a simulated bank can have.
func TestBanksFileOfReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	entries, err := readBanksFile(banksFile(t, text))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d banks, %v", len(entries), err)
	}
	for key, line := range entries[0].lines {
		if theirs := key == "endpoint" || key == "credentials"; (line == 0) != theirs {
			t.Errorf("%q is on line %d", key, line)
		}
	}
}

// TestBanksFileMistakes: each mistake is named with its line, and all of them at once.
func TestBanksFileMistakes(t *testing.T) {
	t.Setenv("BAHI_TEST_NOTHING", "")
	for name, c := range map[string]struct {
		old, new string // what is written instead of what, in goodBanks
		want     []string
	}{
		"nothing":              {goodBanks, "", []string{"1: there are no banks"}},
		"an empty list":        {goodBanks, "banks: []\n", []string{"1: there are no banks"}},
		"no YAML":              {"name: State Bank", "name: State: Bank", []string{"4: mapping values"}},
		"a tab":                {"    rail: sim\n    profile", "\trail: sim\n    profile", []string{"7: found character that cannot start any token"}},
		"another key":          {"    profile:", "    profil:", []string{`8: there is no key "profil"`}},
		"another key above":    {"banks:", "bank:", []string{`2: there is no key "bank"`}},
		"a key twice":          {"    rail: sim\n    profile: large", "    rail: sim\n    rail: sim", []string{"8: mapping key \"rail\" already defined"}},
		"two documents":        {"    ifsc_prefix: HDFB", "    ifsc_prefix: HDFB\n---\nbanks: []", []string{"1: the file holds more than one document"}},
		"a list for text":      {"State Bank", "[State, Bank]", []string{"4: this is a list"}},
		"text for a number":    {"64", "many", []string{"10: this is text"}},
		"text for a time":      {"20ms", "soon", []string{"9: this is text"}},
		"no code":              {"  - code: HDFC\n    name", "  - name", []string{"12: code is missing"}},
		"an empty entry":       {"  - code: HDFC\n    name: Other Bank\n    ifsc_prefix: HDFB\n    rail: sim\n", "  -\n", []string{"12: there is nothing in this entry"}},
		"only a rail":          {"  - code: HDFC\n    name: Other Bank\n    ifsc_prefix: HDFB\n    rail: sim\n", "  - rail: sim\n", []string{"12: code is missing", "12: name is missing", "12: ifsc_prefix is missing"}},
		"a small code":         {"HDFC", "hdfc", []string{`12: the code "hdfc" is not four capitals`}},
		"a code twice":         {"HDFC", "SBIN", []string{"12: bank SBIN is listed twice"}},
		"a prefix of five":     {"HDFB", "HDFC0", []string{`14: bank HDFC: the IFSC prefix "HDFC0" is not four capitals`}},
		"a prefix twice":       {"HDFB", "SBIN", []string{"14: banks SBIN and HDFC have the same IFSC prefix"}},
		"a handle twice":       {"    ifsc_prefix: HDFB", "    ifsc_prefix: HDFB\n    handles:\n      - sbi", []string{"16: banks SBIN and HDFC have the same handle @sbi"}},
		"a handle with an at":  {"[oksbi, sbi]", "['@sbi']", []string{`6: bank SBIN: the handle "@sbi"`}},
		"no such rail":         {"    rail: sim\n    profile", "    rail: teleport\n    profile", []string{`7: there is no rail "teleport"`, "8: only a simulated bank has a profile", "9: only a simulated bank has a latency"}},
		"no such profile":      {"large", "huge", []string{`8: there is no profile "huge"`}},
		"a latency below zero": {"20ms", "-20ms", []string{"9: the latency is 0s to 1m"}},
		"none in flight":       {"64", "0", []string{"10: max_in_flight is 1 to"}},
		"a limit of nothing":   {"100000.00", "0", []string{"11: max_amount is a sum in rupees"}},
		"a third of a paisa":   {"100000.00", "0.333", []string{"11: max_amount is a sum in rupees"}},
		"a cap of nothing":     {"max_amount: 100000.00", "net_debit_cap: 0", []string{"11: net_debit_cap is a sum in rupees"}},
		"an endpoint":          {"    profile: large", "    endpoint: https://bank.example", []string{"8: a simulated bank has no endpoint"}},
		"a remote's endpoint":  {"    rail: sim\n    profile: large\n    latency: 20ms", "    rail: remote\n    endpoint: https://bank.example", []string{"8: a bank on rail remote has no endpoint"}},
		"half an endpoint":     {"    profile: large", "    endpoint: bank", []string{"8: the endpoint is not a URL", "8: a simulated bank has no endpoint"}},
		"no such file":         {"    profile: large", "    credentials: file:/nowhere/at/all", []string{"8: credentials: open /nowhere", "8: a simulated bank has no credentials"}},
		"no such variable":     {"    profile: large", "    credentials: env:BAHI_TEST_NOTHING", []string{"8: credentials: the environment has no BAHI_TEST_NOTHING", "8: a sim"}},
		"two mistakes":         {"    rail: sim\n    profile: large\n    latency: 20ms\n    max_in_flight: 64", "    rail: sim\n    profile: huge\n    max_in_flight: 0", []string{`8: there is no profile "huge"`, "9: max_in_flight is 1 to"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(goodBanks, c.old, c.new, 1)
			if text == goodBanks {
				t.Fatal("the case changes nothing")
			}
			path := banksFile(t, text)
			_, err := readBanksFile(path)
			if err == nil {
				t.Fatal("it is taken for right")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("%d mistakes, want %d:\n%v", len(lines), len(c.want), err)
			}
			for n, want := range c.want {
				if !strings.HasPrefix(lines[n], path+":"+want) {
					t.Errorf("%q, want line %q", lines[n], want)
				}
			}
		})
	}
}

// TestBanksFileKeepsSecrets: credentials come from where the file says, and no
// message shows one, wherever in the file it was written by mistake.
func TestBanksFileKeepsSecrets(t *testing.T) {
	const hush = "hunter2-and-more"
	got := bankEntry{}
	rails["spy"] = func(_ *node, e *bankEntry, _ *opened) (*opened, error) { got = *e; return &opened{}, nil }
	defer delete(rails, "spy")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(hush+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BAHI_TEST_KEY", hush)
	entry := func(endpoint, credentials string) string {
		return "banks:\n  - {code: SPYB, name: Spy, ifsc_prefix: SPYB, rail: spy, endpoint: " + endpoint + ", credentials: " + credentials + "}\n"
	}
	for _, ref := range []string{"file:" + file, "env:BAHI_TEST_KEY"} {
		entries, err := readBanksFile(banksFile(t, entry("https://bank.example/in", ref)))
		if err != nil {
			t.Fatal(err)
		}
		e := &entries[0]
		if _, err := rails[e.rail](nil, e, nil); err != nil || got.credentials.reveal() != hush || got.endpoint != "https://bank.example/in" {
			t.Errorf("%s: the rail is given %q at %q", ref, got.credentials.reveal(), got.endpoint)
		}
		if shown := fmt.Sprintf("%v %+v %#v", *e, *e, *e); strings.Contains(shown, hush) {
			t.Errorf("%s is shown: %s", ref, shown)
		}
	}
	for name, text := range map[string]string{
		"itself":             entry("https://bank.example", hush),
		"with another kind":  entry("https://bank.example", "vault:"+hush),
		"a relative file":    entry("https://bank.example", "file:"+hush),
		"in the endpoint":    entry("https://user:"+hush+"@bank.example", "env:BAHI_TEST_KEY"),
		"in a bad endpoint":  entry("'https://user:"+hush+"@bank%zz.example'", "env:BAHI_TEST_KEY"),
		"as a number":        entry("https://bank.example", "env:BAHI_TEST_KEY, max_in_flight: "+hush),
		"as a time":          entry("https://bank.example", "env:BAHI_TEST_KEY, latency: "+hush),
		"as the whole entry": "banks:\n  - " + hush + "\n",
		"as the whole file":  hush,
	} {
		if _, err := readBanksFile(banksFile(t, text)); err == nil || strings.Contains(err.Error(), hush) || !strings.Contains(err.Error(), "banks.yaml:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
