package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bahi/api"
	"bahi/banks"
	"bahi/ledger"
)

// fleet serves banks that a file lists, and speaks to the server.
type fleet struct {
	t      *testing.T
	path   string // of the banks file
	data   string
	log    *safeBuilder
	server *child
	chat   *rawClient
}

func serveFleet(t *testing.T, text string) *fleet {
	t.Helper()
	f := &fleet{t: t, path: banksFile(t, text), data: filepath.Join(t.TempDir(), "data"), log: &safeBuilder{}}
	secret, err := newChatKey(storage{Data: f.data}, "fleet")
	if err != nil {
		t.Fatal(err)
	}
	f.server, err = startChild(raceProgram(t), storage{Data: f.data}, f.log, append(fastTimers, "--log-level=info", "--banks", f.path)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, f.log)
	}
	t.Cleanup(f.server.kill)
	f.chat = newClient(f.server.url, secret, 4)
	return f
}

// shown is a bank as /v1/banks has it.
func (f *fleet) shown(code string) (bank api.Bank, ok bool) {
	f.t.Helper()
	var list api.BankList
	if _, err := f.chat.send(f.t.Context(), "GET", "/v1/banks", "", nil, &list); err != nil {
		f.t.Fatal(err)
	}
	for _, b := range list.Data {
		if b.Code == code {
			return b, true
		}
	}
	return bank, false
}

// comes waits until the bank is as it should be.
func (f *fleet) comes(what, code string, ok func(b api.Bank, there bool) bool) {
	f.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		b, there := f.shown(code)
		if ok(b, there) {
			return
		}
		if time.Since(began) > 20*time.Second {
			f.t.Fatalf("%s: bank %s is %+v\n%s", what, code, b, f.log)
		}
	}
}

// logged waits until the server has logged something.
func (f *fleet) logged(text string) {
	f.t.Helper()
	for began := time.Now(); !strings.Contains(f.log.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			f.t.Fatalf("%q is not logged:\n%s", text, f.log)
		}
	}
}

// person opens a party with an account at a bank.
func (f *fleet) person(n int, ifscPrefix string) (id string) {
	f.t.Helper()
	var party struct {
		ID string `json:"id"`
	}
	_, err := f.chat.send(f.t.Context(), "POST", "/v1/parties", fmt.Sprint("party-", n), map[string]any{"name": fmt.Sprint("Person ", n), "kind": "person"}, &party)
	if err == nil {
		account := map[string]any{"kind": "bank_account", "account": map[string]any{"number": fmt.Sprintf("1%010d", n), "ifsc": ifscPrefix + "0000001"}}
		_, err = f.chat.send(f.t.Context(), "POST", "/v1/parties/"+party.ID+"/instruments", fmt.Sprint("account-", n), account, nil)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return party.ID
}

// pay pays and waits for the end.
func (f *fleet) pay(from, to, value string) transferAnswer {
	f.t.Helper()
	var t transferAnswer
	body := map[string]any{"payer": map[string]any{"party": from}, "payee": map[string]any{"party": to}, "amount": rupees(value)}
	_, err := f.chat.send(f.t.Context(), "POST", "/v1/transfers", messageID(), body, &t)
	if err == nil {
		t, err = f.chat.settled(f.t.Context(), t)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return t
}

// paid demands how a payment ends.
func (f *fleet) paid(t transferAnswer, state, reason string) {
	f.t.Helper()
	if string(t.State) != state || string(t.Failure.Reason) != reason {
		f.t.Errorf("the payment is %s (%s), want %s (%s)\n%s", t.State, t.Failure.Reason, state, reason, f.log)
	}
}

func entry(code, more string) string {
	return fmt.Sprintf("  - {code: %s, name: Bank %s, ifsc_prefix: %s, rail: sim%s}\n", code, code, code, more)
}

// comesToPay pays as soon as the cap lets it: the cap follows the list of the banks.
func (f *fleet) comesToPay(from, to, value string) {
	f.t.Helper()
	for began := time.Now(); f.pay(from, to, value).State != "completed"; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			f.t.Fatalf("%s cannot be paid\n%s", value, f.log)
		}
	}
}

// A bank may come to owe up to its cap, which changes with the file.
func TestNetDebitCapOfTheFile(t *testing.T) {
	t.Parallel()
	f := serveFleet(t, "banks:\n"+entry("AAAA", ", net_debit_cap: 10.00")+entry("BBBB", ""))
	asha, ravi := f.person(1, "AAAA"), f.person(2, "BBBB")
	f.paid(f.pay(asha, ravi, "10.01"), "failed", "net_debit_cap")
	f.paid(f.pay(asha, ravi, "10.00"), "completed", "")
	f.paid(f.pay(asha, ravi, "0.01"), "failed", "net_debit_cap")
	f.paid(f.pay(ravi, asha, "4.00"), "completed", "")
	f.paid(f.pay(asha, ravi, "4.00"), "completed", "")
	f.paid(f.pay(asha, ravi, "0.01"), "failed", "net_debit_cap")

	writeBanks(t, f.path, "banks:\n"+entry("AAAA", ", net_debit_cap: 12.00")+entry("BBBB", ""))
	f.comes("a higher cap", "AAAA", func(b api.Bank, _ bool) bool { return b.NetDebitCap.Value == "12.00" })
	f.paid(f.pay(asha, ravi, "2.01"), "failed", "net_debit_cap")
	f.comesToPay(asha, ravi, "2.00")
	writeBanks(t, f.path, "banks:\n"+entry("AAAA", "")+entry("BBBB", ""))
	f.comes("no cap", "AAAA", func(b api.Bank, _ bool) bool { return b.NetDebitCap.Value == "" })
	f.comesToPay(asha, ravi, "100.00")
	if err := f.server.stop(); err != nil {
		t.Fatal(err)
	}
	mustHold(t, storage{Data: f.data})
}

// TestBanksChangeWhileServing: banks come, change and go without a restart; a
// mistake in the file changes nothing, and nothing is lost meanwhile.
func TestBanksChangeWhileServing(t *testing.T) {
	t.Parallel()
	f := serveFleet(t, "banks:\n"+entry("AAAA", "")+entry("BBBB", ", handles: [bee]"))
	asha, ravi := f.person(1, "AAAA"), f.person(2, "BBBB")
	f.paid(f.pay(asha, ravi, "10.00"), "completed", "")

	writeBanks(t, f.path, "banks:\n"+entry("AAAA", ", max_amount: 5.00")+entry("BBBB", ", handles: [bee]")+entry("CCCC", ""))
	f.comes("a new bank", "CCCC", func(_ api.Bank, there bool) bool { return there })
	f.paid(f.pay(asha, ravi, "5.01"), "failed", "bank_limit_exceeded")
	meera := f.person(3, "CCCC")
	f.paid(f.pay(asha, meera, "5.00"), "completed", "")
	if b, _ := f.shown("AAAA"); b.MaxAmount.Value != "5.00" || b.Windows[2].Approved != 2 {
		t.Errorf("a bank that changed is %+v", b)
	}

	// A mistake: refused whole, with its line.
	writeBanks(t, f.path, "banks:\n"+entry("AAAA", "")+entry("BBBB", ", handles: [bee]")+entry("CCCC", ", colour: red"))
	f.logged(f.path + `:4: there is no key`)
	f.paid(f.pay(asha, ravi, "5.01"), "failed", "bank_limit_exceeded")
	// A code that would mean another bank.
	writeBanks(t, f.path, "banks:\n"+entry("AAAA", "")+strings.ReplaceAll(entry("BBBB", ""), "ifsc_prefix: BBBB", "ifsc_prefix: DDDD"))
	f.logged(f.path + `:3: bank BBBB has the IFSC prefix BBBB`)
	f.paid(f.pay(asha, ravi, "5.01"), "failed", "bank_limit_exceeded")

	// A bank hangs, with a payment at it, and leaves.
	writeBanks(t, f.path, "banks:\n"+entry("AAAA", "")+entry("BBBB", ", profile: hanging")+entry("CCCC", ""))
	f.comes("no limit any more", "AAAA", func(b api.Bank, _ bool) bool { return b.MaxAmount.Value == "" })
	var stuck transferAnswer
	body := map[string]any{"payer": map[string]any{"party": asha}, "payee": map[string]any{"party": ravi}, "amount": rupees("7.00")}
	if _, err := f.chat.send(t.Context(), "POST", "/v1/transfers", "stuck", body, &stuck); err != nil {
		t.Fatal(err)
	}
	f.comes("the credit hangs", "BBBB", func(b api.Bank, _ bool) bool { return b.InFlight == 1 })
	writeBanks(t, f.path, "banks:\n"+entry("AAAA", "")+entry("CCCC", ""))
	f.comes("it leaves", "BBBB", func(b api.Bank, there bool) bool { return there && b.State == "leaving" })
	f.paid(f.pay(asha, ravi, "1.00"), "failed", "bank_unknown")
	f.paid(f.pay(asha, meera, "1.00"), "completed", "")
	// It is back and well: what was stuck is asked after and comes to its end.
	writeBanks(t, f.path, "banks:\n"+entry("AAAA", "")+entry("BBBB", ", handles: [bee]")+entry("CCCC", ""))
	f.comes("it is back", "BBBB", func(b api.Bank, there bool) bool { return there && b.State != "leaving" })
	stuck, err := f.chat.settled(t.Context(), stuck)
	if err != nil || stuck.State != "reversed" && stuck.State != "completed" {
		t.Errorf("what hung is %s: %v", stuck.State, err)
	}
	f.paid(f.pay(asha, ravi, "2.00"), "completed", "")
	if err := f.server.stop(); err != nil {
		t.Errorf("the server did not end well: %v\n%s", err, f.log)
	}
	mustHold(t, storage{Data: f.data})
}

// TestHangup: SIGHUP has the file read again though it looks the same.
func TestHangup(t *testing.T) {
	t.Parallel()
	f := serveFleet(t, "banks:\n"+entry("AAAA", ", max_amount: 5.00"))
	was, err := os.Stat(f.path)
	if err != nil {
		t.Fatal(err)
	}
	next := f.path + ".next" // put in its place at once: a look in between would see another time
	writeBanks(t, next, "banks:\n"+entry("AAAA", ", max_amount: 6.00"))
	if err := errors.Join(os.Chtimes(next, was.ModTime(), was.ModTime()), os.Rename(next, f.path)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * watchEvery / 2)
	if b, _ := f.shown("AAAA"); b.MaxAmount.Value == "6.00" {
		t.Fatal("the file was read again though it looks the same")
	}
	if err := f.server.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	f.comes("the hang-up", "AAAA", func(b api.Bank, _ bool) bool { return b.MaxAmount.Value == "6.00" })
}

func TestServeWithWrongBanks(t *testing.T) {
	t.Parallel()
	data, path := t.TempDir(), banksFile(t, "banks:\n"+entry("AAAA", "")+entry("aaaa", ""))
	_, stderr, code := bahi(t, "serve", "--listen=127.0.0.1:0", "--data", data, "--banks", path)
	if code != exitFailed || !strings.Contains(stderr, path+`:3: the code "aaaa"`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, stderr, code := bahi(t, "serve", "--listen=127.0.0.1:0", "--data", data, "--banks", path+"x"); code != exitFailed || !strings.Contains(stderr, "no such file") {
		t.Errorf("without the file: exit code %d: %s", code, stderr)
	}
	if _, stderr, code := bahi(t, "serve", "--demo", "--data", data, "--banks", path); code != exitUsage || !strings.Contains(stderr, "--demo") {
		t.Errorf("with the demo: exit code %d: %s", code, stderr)
	}
	if _, stderr, code := bahi(t, "banks", "check", path); code != exitFailed || !strings.Contains(stderr, path+`:3: the code "aaaa"`) {
		t.Errorf("check: exit code %d: %s", code, stderr)
	}
	writeBanks(t, path, goodBanks)
	if stdout, stderr, code := bahi(t, "banks", "check", path); code != exitOK || stdout != path+": ok, 2 banks\n" {
		t.Errorf("check: exit code %d: %s%s", code, stdout, stderr)
	}
}

// spyAdapter remembers whether it was closed.
type spyAdapter struct {
	banks.Adapter
	key    string
	closed bool
}

// TestAdaptersAreClosed: an adapter that another one followed is closed once its
// calls must have ended, one of a list that was refused at once, and one of a bank
// that has left when it is forgotten. What has not changed goes on.
func TestAdaptersAreClosed(t *testing.T) {
	var made []*spyAdapter
	rails["spy"] = func(_ *node, e *bankEntry, before *opened) (*opened, error) {
		if e.endpoint == "https://refuses.example" {
			return nil, fmt.Errorf("the bank is not there")
		}
		a := &spyAdapter{key: e.credentials.reveal()}
		made = append(made, a)
		return &opened{Adapter: a, close: func() error { a.closed = true; return nil }}, nil
	}
	defer delete(rails, "spy")
	key := filepath.Join(t.TempDir(), "key")
	spy := func(code, more string) string {
		return fmt.Sprintf("  - {code: %s, name: Spy, ifsc_prefix: %s, rail: spy%s}\n", code, code, more)
	}
	withKey := ", credentials: 'file:" + key + "'"
	registry, err := banks.NewRegistry(nil)
	if err != nil {
		t.Fatal(err)
	}
	policy := ledger.DefaultPolicy()
	s := &bankSet{node: &node{policy: &policy}, path: filepath.Join(t.TempDir(), "banks.yaml"), registry: registry,
		open: map[string]*opened{}, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	load := func(text string) error { writeBanks(t, s.path, "banks:\n"+text); return s.load() }
	closed := func() (out string) {
		for _, a := range made {
			out += map[bool]string{true: "x", false: "o"}[a.closed]
		}
		return out
	}
	writeBanks(t, key, "one")
	for n, step := range []struct {
		text string
		fail string
		want string // of each that was made: open or closed
	}{
		{spy("AAAA", withKey) + spy("BBBB", ""), "", "oo"},
		{spy("AAAA", withKey) + spy("BBBB", ", max_in_flight: 3"), "", "oo"},
		{spy("AAAA", withKey) + spy("CCCC", "") + spy("DDDD", ", endpoint: 'https://refuses.example'"), ":4: the bank is not there", "oox"},
		{spy("AAAA", withKey) + strings.Replace(spy("BBBB", ", endpoint: 'https://moved.example'"), "rail: spy", "rail: sim", 1), ":3: ", "oox"},
		{spy("AAAA", withKey) + entry("BBBB", ""), ":3: a bank gets another rail at a restart only", "oox"},
	} {
		if err := load(step.text); (err == nil) != (step.fail == "") || err != nil && !strings.Contains(err.Error(), s.path+step.fail) {
			t.Fatalf("step %d: %v", n, err)
		}
		if s.tidy(time.Now()); closed() != step.want {
			t.Errorf("step %d: %s, want %s", n, closed(), step.want)
		}
	}
	writeBanks(t, key, "two") // the same entry, another key
	if err := load(spy("AAAA", withKey) + spy("BBBB", "")); err != nil {
		t.Fatal(err)
	}
	b, _ := registry.ByCode("AAAA")
	if a := b.Adapter.(*spyAdapter); a.key != "two" || closed() != "ooxo" {
		t.Errorf("with another key %q: %s", a.key, closed())
	}
	s.tidy(time.Now().Add(policy.Check + policy.Submit)) // a status check, and then the instruction itself
	if closed() != "ooxo" {
		t.Errorf("its calls may still be under way: %s", closed())
	}
	if s.tidy(time.Now().Add(policy.Check + policy.Submit + 2*time.Second)); closed() != "xoxo" {
		t.Errorf("its calls have ended: %s", closed())
	}
	if err := load(spy("AAAA", withKey+", endpoint: 'https://moved.example'") + spy("BBBB", "")); err != nil {
		t.Fatal(err)
	}
	whole, open := registry, s.open
	if s.registry, err = banks.NewRegistry([]banks.Bank{{Code: "AAAA", IFSCPrefix: "AAAA", Adapter: made[4]}}); err != nil {
		t.Fatal(err)
	}
	if s.tidy(time.Now()); closed() != "xxxoo" || len(open) != 1 { // BBBB is forgotten
		t.Errorf("one has left: %s, %d are open", closed(), len(open))
	}
	s.registry = whole
	if s.closeAll(); closed() != "xxxxx" {
		t.Errorf("at the end: %s", closed())
	}
}

// TestARemoteBankIsClosed: whoever waits at a bank that has left is sent away, also
// where its entry has changed meanwhile.
func TestARemoteBankIsClosed(t *testing.T) {
	first, err := openRemote(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	bank, err := openRemote(nil, nil, first)
	if err != nil || bank.Adapter != first.Adapter || bank.close == nil {
		t.Fatalf("%+v, %v", bank, err)
	}
	said := make(chan error, 1)
	go func() { _, err := bank.Status(t.Context(), banks.Instruction{}); said <- err }()
	if err := bank.close(); err != nil {
		t.Fatal(err)
	}
	if err := <-said; err == nil {
		t.Error("a bank that is closed answered")
	}
}
