package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"bahi/banks"
	"bahi/banks/bankstest"
	"bahi/banks/remote"
	"bahi/ledger"
)

// pyBank is the README's bank, to the letter, and a proxy between it and Bahi
// that kills it at a moment of the test's choice.
type pyBank struct {
	t       *testing.T
	dir     string
	url     string // of the proxy
	secret  string
	process *exec.Cmd
	moment  atomic.Int32  // when it is to be killed next
	killed  chan struct{} // it was
	came    chan struct{} // it has come for instructions
	log     safeBuilder
}

// The moments when a process is killed, once.
const (
	never        int32 = iota
	afterLease         // the node has leased something to it, and it does not know
	beforeResult       // it has decided, and nobody was told
	afterResult        // the book has what it said, and it does not know
)

const pyBankCode = "PYBK"

// readmePython is the program that the README shows.
func readmePython(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(readme), "```python\n")
	program, _, found := strings.Cut(program, "```\n")
	if !found {
		t.Fatal("README.md shows no bank in Python")
	}
	return program
}

// pyBankKey makes a key for the bank as the README says.
func pyBankKey(t *testing.T, data string) string {
	t.Helper()
	stdout, stderr, code := bahi(t, "keys", "create", "--data", data, "--role=bank", "--bank="+pyBankCode)
	secret := regexp.MustCompile(`(?m)^secret +(bahi_bank_\S+)$`).FindStringSubmatch(stdout)
	if code != exitOK || secret == nil {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	return secret[1]
}

func startPyBank(t *testing.T, server, secret string) *pyBank {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatalf("this test runs the README's bank: %v", err)
	}
	b := &pyBank{t: t, dir: t.TempDir(), secret: secret, killed: make(chan struct{}, 1), came: make(chan struct{}, 1)}
	if err := os.WriteFile(filepath.Join(b.dir, "bank.py"), []byte(readmePython(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(b.between(target))
	b.url = proxy.URL
	t.Cleanup(func() {
		b.kill()
		proxy.CloseClientConnections()
		proxy.Close()
	})
	b.start()
	return b
}

func (b *pyBank) start() {
	b.t.Helper()
	b.process = exec.Command("python3", "bank.py", b.url, pyBankCode, "bank.db")
	b.process.Dir, b.process.Env = b.dir, append(os.Environ(), "BAHI_KEY="+b.secret)
	b.process.Stderr, b.process.SysProcAttr = &b.log, diesWithParent()
	select {
	case <-b.came: // the one before
	default:
	}
	if err := b.process.Start(); err != nil {
		b.t.Fatal(err)
	}
	<-b.came
}

func (b *pyBank) kill() {
	_ = b.process.Process.Kill()
	_ = b.process.Wait()
}

// strike kills the process if this is the moment; the request under way gets no answer.
func (b *pyBank) strike(moment int32) bool {
	if !b.moment.CompareAndSwap(moment, never) {
		return false
	}
	_ = b.process.Process.Kill()
	b.killed <- struct{}{}
	return true
}

var errStruck = errors.New("the process was killed")

// between is the way from the process to Bahi and back.
func (b *pyBank) between(target *url.URL) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		switch path := r.Request.URL.Path; {
		case strings.HasSuffix(path, "/results") && b.strike(afterResult),
			strings.HasSuffix(path, "/leases") && bytes.Contains(body, []byte(`"lease":`)) && b.strike(afterLease):
			return errStruck
		}
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/results") && b.strike(beforeResult) {
			return
		}
		select {
		case b.came <- struct{}{}:
		default:
		}
		proxy.ServeHTTP(w, r)
	})
}

// TestReadmePythonBank runs the README's bank against a server and pays through
// it, in both directions, while it is killed in the middle of a lease and started
// again; then it holds the bank's book against ours.
//
// It was seen to fail when leases did not expire, when the bank did not write down
// what it said, and when it decided anew what it was asked again.
func TestReadmePythonBank(t *testing.T) {
	patient := []string{"--submit-timeout=20s"}
	for _, c := range []struct {
		name   string
		moment int32
		away   time.Duration // for how long it stays dead
		timers []string
		ends   string // of what was under way
	}{
		{"killed with a lease", afterLease, 0, patient, "completed"},
		{"killed before it answered", beforeResult, 0, patient, "completed"},
		{"killed as it answered", afterResult, 0, patient, "completed"},
		{"away past all patience with a lease", afterLease, 3 * time.Second, []string{"--submit-timeout=2s"}, "failed reversed completed"},
		{"away past all patience with an answer", beforeResult, 3 * time.Second, []string{"--submit-timeout=2s"}, "failed reversed completed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			secret, err := newChatKey(storage{Data: data}, "chat")
			if err != nil {
				t.Fatal(err)
			}
			server := startServer(t, data, append([]string{"--remote-bank=PYBK:PYBK:pybank", "--check-timeout=3s", "--take-over=500ms",
				"--checks=2s,4s", "--reversals=2s,4s,8s", "--log-level=warn"}, c.timers...)...)
			bank := startPyBank(t, server.url, pyBankKey(t, data))
			chat := newClient(server.url, secret, 8)
			pays := pyPeople(t, chat)

			if got := pays("python", "sim", "250.00", "completed"); got.StatusText != "paid" {
				t.Errorf("%+v", got)
			}
			pays("sim", "python", "250.00", "completed")
			if got := pays("python", "sim", "200000.00", "failed"); got.Failure.BankCode != "Z9" {
				t.Errorf("too much ended with %+v", got.Failure)
			}
			if got := pays("sim", "nowhere", "1.00", "reversed"); got.Failure.BankCode != "XI" {
				t.Errorf("to an account that is not there it ended with %+v", got.Failure)
			}
			bank.moment.Store(c.moment)
			var under []transferAnswer
			for n := range 10 {
				from, to := "python", "sim"
				if n%2 == 1 {
					from, to = to, from
				}
				under = append(under, pays(from, to, "10.00", ""))
			}
			<-bank.killed
			_ = bank.process.Wait()
			time.Sleep(c.away)
			bank.start()
			ends := map[string]int{}
			for _, transfer := range under {
				got, err := chat.settled(t.Context(), transfer)
				if err != nil || !strings.Contains(c.ends, string(got.State)) {
					t.Errorf("%s ended %s (%s), expected %s: %v", got.ID, got.State, got.Failure.Reason, c.ends, err)
				}
				ends[string(got.State)]++
			}
			t.Logf("they ended %v", ends)
			if err := server.stop(); err != nil {
				t.Errorf("the server did not end well: %v", err)
			}
			bank.kill()
			bank.compare(openBook(t, storage{Data: data}))
			if t.Failed() {
				t.Logf("the bank said:\n%s", bank.log.String())
			}
		})
	}
}

// pyPeople opens three parties: at the README's bank, at a simulated one and at an
// account of the README's bank that does not exist. It gives the way to pay.
func pyPeople(t *testing.T, c *rawClient) func(from, to, value, ends string) transferAnswer {
	t.Helper()
	parties := map[string]string{}
	for name, account := range map[string]map[string]any{
		"python":  {"number": "100200300400", "ifsc": "PYBK0000001"},
		"sim":     {"number": "100200300400", "ifsc": "NRMD0000001"},
		"nowhere": {"number": "000012345678", "ifsc": "PYBK0000001"},
	} {
		var party struct {
			ID string `json:"id"`
		}
		_, err := c.send(t.Context(), "POST", "/v1/parties", "party-"+name, map[string]any{"name": name, "kind": "person"}, &party)
		if err == nil {
			_, err = c.send(t.Context(), "POST", "/v1/parties/"+party.ID+"/instruments", "account-"+name, map[string]any{"kind": "bank_account", "account": account}, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		parties[name] = party.ID
	}
	return func(from, to, value, ends string) (got transferAnswer) {
		t.Helper()
		in := map[string]any{"payer": map[string]any{"party": parties[from]}, "payee": map[string]any{"party": parties[to]}, "amount": rupees(value)}
		_, err := c.send(t.Context(), "POST", "/v1/transfers", messageID(), in, &got)
		if err == nil && ends != "" {
			got, err = c.settled(t.Context(), got)
		}
		if err != nil || ends != "" && string(got.State) != ends {
			t.Fatalf("%s pays %s to %s: %+v, %v", from, value, to, got, err)
		}
		return got
	}
}

// compare holds the bank's own record against our book, which must hold in itself.
func (b *pyBank) compare(store ledger.Store) {
	t := b.t
	t.Helper()
	sum, err := ledger.Verify(t.Context(), store, func(v ledger.Violation) { t.Errorf("violated: %+v", v) })
	if err != nil || sum.Violations > 0 {
		t.Errorf("verify: %+v, %v", sum, err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.dir, "bank.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT instruction, outcome, moved FROM said")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	type word struct {
		outcome string
		moved   int64
	}
	theirs, moved := map[string]word{}, int64(0)
	for rows.Next() {
		var id string
		var w word
		if err := rows.Scan(&id, &w.outcome, &w.moved); err != nil {
			t.Fatal(err)
		}
		theirs[id] = w
		moved += w.moved
	}
	var kept int64
	if err := errors.Join(rows.Err(), db.QueryRow("SELECT coalesce(sum(paise - 10000000), 0) FROM accounts").Scan(&kept)); err != nil {
		t.Fatal(err)
	}
	held, asked := int64(0), 0
	stripes, err := ledger.Stripes(t.Context(), store, ledger.ClearingAccount(pyBankCode, "INR"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range stripes {
		held += stripes[i].Balance()
	}
	// Its accounts hold less by what it owes the others.
	if moved != kept || moved != -held {
		t.Errorf("the bank moved %d, its accounts changed by %d, our clearing account is %d", moved, kept, held)
	}
	err = store.Audit(t.Context(), func(s ledger.Snapshot) error {
		for i, err := range s.Instructions(ledger.Range{}) {
			if err != nil {
				return err
			}
			if i.Bank != pyBankCode {
				continue
			}
			asked++
			said := theirs[i.ID.String()].outcome
			if (i.State == ledger.Approved) != (said == "approved") {
				t.Errorf("%s is %s here, the bank said %q", i.ID, i.State, said)
			}
			if i.State.Open() {
				t.Errorf("%s is still open", i.ID)
			}
			delete(theirs, i.ID.String())
		}
		return nil
	})
	if err != nil || asked == 0 {
		t.Errorf("%d instructions, %v", asked, err)
	}
	for id, w := range theirs {
		t.Errorf("the bank has %s, %s, which we never asked for", id, w.outcome)
	}
}

func TestReadmePythonBankIsShort(t *testing.T) {
	lines := 0
	for line := range strings.Lines(readmePython(t)) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 60 {
		t.Errorf("the bank has %d lines", lines)
	}
}

// TestReadmePythonBankKeepsTheContract runs the conformance kit against the README's
// bank: the kit's instructions are in no book, so there is none between the two.
func TestReadmePythonBankKeepsTheContract(t *testing.T) {
	t.Parallel()
	near := remote.New(remote.Config{})
	server := httptest.NewServer(bareLeases(near))
	t.Cleanup(func() {
		near.Close()
		server.Close()
	})
	bank := startPyBank(t, server.URL, "none")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(bank.dir, "bank.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	bankstest.Run(t, func(*testing.T) bankstest.Rail {
		return bankstest.Rail{
			Adapter: near,
			Moved: func(id ledger.InstructionID) (moved int64) {
				if err := db.QueryRow("SELECT coalesce(sum(-moved), 0) FROM said WHERE instruction = ?", id.String()).Scan(&moved); err != nil {
					t.Error(err)
				}
				return moved
			},
			Good: banks.Account{Number: "100200300400"}, Missing: banks.Account{Number: "000012345678"},
		}
	})
}

// bareLeases is the HTTP of leases with nothing behind it but the bank.
func bareLeases(b *remote.Bank) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/banks/{bank}/leases", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Max, Wait, Hold int }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			panic(err)
		}
		data := []map[string]any{}
		for _, o := range b.Lease(r.Context(), ledger.ID{}, in.Max, time.Duration(in.Wait)*time.Second, time.Duration(in.Hold)*time.Second) {
			original := ledger.InstructionID{Transfer: o.ID.Transfer, Leg: o.ID.Leg.Reverses()}
			data = append(data, map[string]any{"lease": o.Token, "ask": o.Ask, "instruction": o.ID.String(), "leg": o.ID.Leg.String(), "reverses": original.String(),
				"amount": map[string]any{"value": o.Instruction.Amount.String()}, "account": map[string]any{"number": o.Instruction.Account.Number}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	})
	mux.HandleFunc("POST /v1/banks/{bank}/leases/results", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Results []struct {
				Ask                        remote.Ask
				Instruction, Outcome, Code string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			panic(err)
		}
		for _, said := range in.Results {
			transfer, leg, _ := strings.Cut(said.Instruction, ".")
			id, _ := ledger.ParseTransferRef(transfer)
			l, _ := ledger.ParseLeg(leg)
			outcome, _ := ledger.ParseOutcome(said.Outcome)
			b.Answer(remote.Question{Ask: said.Ask, ID: ledger.InstructionID{Transfer: id, Leg: l}}, banks.Answer{Outcome: outcome, Code: said.Code})
		}
		_, _ = w.Write([]byte("{}"))
	})
	return mux
}
