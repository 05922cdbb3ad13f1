package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// shown is what "serve --demo" prints for people to paste.
type shown struct {
	server *child
	curl   []string
	keys   []string
}

// serveDemo runs "bahi serve --demo" and reads what it prints.
func serveDemo(t *testing.T, data string) *shown {
	t.Helper()
	log := &safeBuilder{}
	cmd := exec.Command(raceProgram(t), "serve", "--demo", "--listen=127.0.0.1:0", "--data", data)
	cmd.Stderr, cmd.SysProcAttr = log, diesWithParent()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &shown{server: &child{cmd: cmd}}
	t.Cleanup(s.server.kill)
	key := regexp.MustCompile(`^  (?:chat|auditor|operator) key +(bahi_\S+)$`)
	for lines := bufio.NewScanner(out); len(s.curl) < 3 && lines.Scan(); {
		line := lines.Text()
		if url, ok := strings.CutPrefix(line, readyLine); ok {
			s.server.url = url
		} else if strings.HasPrefix(line, "curl ") {
			s.curl = append(s.curl, line)
		} else if found := key.FindStringSubmatch(line); found != nil {
			s.keys = append(s.keys, found[1])
		}
	}
	if len(s.curl) != 3 || len(s.keys) != 3 {
		t.Fatalf("%d keys and %d lines to paste are shown\n%s", len(s.keys), len(s.curl), log)
	}
	return s
}

// paste runs a printed line in the shell.
func paste(t *testing.T, line string, out any) {
	t.Helper()
	answer, err := exec.Command("bash", "-c", line).CombinedOutput()
	if err == nil {
		err = json.Unmarshal(answer, out)
	}
	if err != nil {
		t.Fatalf("%s\n%v: %s", line, err, answer)
	}
}

type transferList struct {
	Data []transferAnswer `json:"data"`
}

func TestServeDemo(t *testing.T) {
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test pastes lines into a shell: %v", err)
		}
	}
	data := filepath.Join(t.TempDir(), "data")
	first := serveDemo(t, data)

	var paid transferAnswer
	paste(t, first.curl[0], &paid)
	if paid.ID == "" || paid.State != "pending" {
		t.Fatalf("the payment is %+v", paid)
	}
	if err := newClient(first.server.url, first.keys[0], 1).completed(t.Context(), paid); err != nil {
		t.Error(err)
	}
	var list transferList
	paste(t, first.curl[1], &list)
	if len(list.Data) != 1 || list.Data[0].ID != paid.ID || list.Data[0].State != "completed" {
		t.Errorf("the conversation holds %+v", list.Data)
	}
	checkPastedAccounts(t, first.curl[2])
	if err := first.server.stop(); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}

	second := serveDemo(t, data)
	if !slices.Equal(second.keys, first.keys) {
		t.Errorf("other keys are shown after the second start: %q, before %q", second.keys, first.keys)
	}
	for n := range first.curl { // the same but for the port: the same ids
		if got, want := strings.ReplaceAll(second.curl[n], second.server.url, ""), strings.ReplaceAll(first.curl[n], first.server.url, ""); got != want {
			t.Errorf("the second start shows\n%s\nthe first\n%s", got, want)
		}
	}
	list = transferList{}
	paste(t, second.curl[1], &list)
	if len(list.Data) != 1 || list.Data[0].ID != paid.ID {
		t.Errorf("after the second start the conversation holds %+v", list.Data)
	}
	if err := second.server.stop(); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
	mustHold(t, storage{Data: data})
}

func checkPastedAccounts(t *testing.T, line string) {
	t.Helper()
	var accounts struct {
		Data []struct {
			Name    string `json:"name"`
			Balance struct {
				Value string `json:"value"`
			} `json:"balance"`
		} `json:"data"`
	}
	paste(t, line, &accounts)
	balances := map[string]string{}
	for _, a := range accounts.Data {
		balances[a.Name] = a.Balance.Value
	}
	// The wallets were topped up from these banks; then one paid the other.
	for name, want := range map[string]string{"bank:NRMD:clearing": "2250.00", "bank:KVRI:clearing": "250.00", "transit": "0.00"} {
		if balances[name] != want {
			t.Errorf("%s is %q, expected %s", name, balances[name], want)
		}
	}
}

// TestSeedAfterCutOff: a top-up of an earlier start, cut off and given back
// since, does not keep the demo from starting.
func TestSeedAfterCutOff(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	secret, err := newChatKey(storage{Data: data}, demoApp)
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, data, fastTimers...)
	c := newClient(server.url, secret, 1)
	ids, err := seedPeople(t.Context(), c.library())
	if err != nil {
		t.Fatal(err)
	}
	// Asha's account does not hold this much, until Kabir pays her.
	const tooMuch = "99000.00"
	if err := topUp(t.Context(), c.library(), ids["asha"], "again", tooMuch); !errors.Is(err, errNotCompleted) {
		t.Fatalf("the first try: %v", err)
	}
	var paid transferAnswer
	body := map[string]any{"payer": map[string]any{"party": ids["kabir"]}, "payee": map[string]any{"party": ids["asha"]}, "amount": rupees("5000.00")}
	if _, err := c.send(t.Context(), "POST", "/v1/transfers", "help", body, &paid); err != nil {
		t.Fatal(err)
	}
	if err := c.completed(t.Context(), paid); err != nil {
		t.Fatal(err)
	}
	if err := fund(t.Context(), c.library(), ids["asha"], "again", tooMuch); err != nil {
		t.Errorf("the second try: %v", err)
	}
}

// TestStopUnderLoad: every request that a stopping server has taken in is
// answered. One without an answer, refused at the door, left nothing in the book.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	secret, err := newChatKey(storage{Data: data}, "stop")
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, data, fastTimers...)
	chat := newClient(server.url, secret, 32)
	parties := people(t, chat, 4)

	var answered, refused atomic.Int64
	var unanswered sync.Map // by note
	var callers sync.WaitGroup
	for n := range 32 {
		callers.Go(func() {
			for i := 0; ; i++ {
				note := fmt.Sprintf("%d-%d", n, i)
				body := fmt.Appendf(nil, `{"payer":{"wallet":"%s"},"payee":{"party":"%s"},"amount":{"value":"1.00","currency":"INR"},"note":"%s"}`,
					parties[n%4], parties[(n+1)%4], note)
				a, err := chat.call(context.Background(), "POST", "/v1/transfers", note, body)
				switch {
				case err != nil:
					unanswered.Store(note, err)
					return
				case a.status == http.StatusServiceUnavailable:
					refused.Add(1)
				case a.status != http.StatusCreated:
					t.Errorf("answered %d: %s", a.status, a.body)
				default:
					answered.Add(1)
				}
			}
		})
	}
	time.Sleep(700 * time.Millisecond)
	began := time.Now()
	if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.cmd.Wait(); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
	took := time.Since(began)
	callers.Wait()
	t.Logf("%d answered, %d refused; it stopped within %v", answered.Load(), refused.Load(), took.Round(time.Millisecond))
	if took > 10*time.Second || answered.Load() == 0 {
		t.Error("it stopped too slowly, or there was no load")
	}
	for _, stored := range allTransfers(t, openBook(t, storage{Data: data})) {
		if err, ok := unanswered.Load(stored.Note); ok {
			t.Errorf("payment %s is in the book and was not answered: %v", stored.Note, err)
		}
	}
}

// TestStopEndsLongPolls: who waits for a silent bank does not hold up the end.
func TestStopEndsLongPolls(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	secret, err := newChatKey(storage{Data: data}, "poll")
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, data, append(fastTimers, "--submit-timeout=1m")...)
	c := newClient(server.url, secret, 2)
	parties := people(t, c, 2)
	var silent transferAnswer
	body := map[string]any{"payer": map[string]any{"party": parties[0]}, "payee": map[string]any{"party": parties[1]}, "amount": rupees("9104.00")}
	if _, err := c.send(t.Context(), "POST", "/v1/transfers", "silent", body, &silent); err != nil {
		t.Fatal(err)
	}
	polled := make(chan error, 1)
	go func() {
		a, err := c.call(context.Background(), "GET", "/v1/transfers/"+silent.ID+"?wait=30", "", nil)
		if err == nil && a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
			err = fmt.Errorf("status %d: %s", a.status, a.body)
		}
		polled <- err
	}()
	select {
	case err := <-polled:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	began := time.Now()
	if err := server.stop(); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to stop", took.Round(time.Millisecond))
	}
	if err := <-polled; err != nil {
		t.Errorf("the waiting request got no answer: %v", err)
	}
}

func TestServeRefusesToStart(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	server := startServer(t, data, fastTimers...)
	address := strings.TrimPrefix(server.url, "http://")

	t.Run("port in use", func(t *testing.T) {
		mustRefuse(t, exec.Command(shippedProgram(t), "serve", "--listen", address, "--data", t.TempDir()), "cannot serve on "+address, "address already in use")
	})
	t.Run("data in use", func(t *testing.T) {
		mustRefuse(t, exec.Command(shippedProgram(t), "serve", "--listen=127.0.0.1:0", "--data", data), "another server is using "+data)
	})
	t.Run("data is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, exec.Command(shippedProgram(t), "serve", "--listen=127.0.0.1:0", "--data", file), "the data directory cannot be made", file)
	})
	t.Run("read-only data", func(t *testing.T) {
		readOnly := t.TempDir()
		if err := os.Chmod(readOnly, 0o555); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, asNobody(t, "serve", readOnly), "the data directory cannot be written", readOnly, "permission denied")
	})
}

// mustRefuse: the program ends with exit code 1 and says why.
func mustRefuse(t *testing.T, cmd *exec.Cmd, why ...string) {
	t.Helper()
	kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("it ended with %v", err)
	}
	for _, w := range why {
		if !strings.Contains(string(out), w) {
			t.Errorf("%q is not in: %s", w, out)
		}
	}
}

// asNobody runs the program on a data directory as a user whom file modes bind:
// root is not.
func asNobody(t *testing.T, command, data string) *exec.Cmd {
	t.Helper()
	program := shippedProgram(t)
	cmd := exec.Command(program, command, "--listen=127.0.0.1:0", "--data", data)
	if os.Geteuid() != 0 {
		return cmd
	}
	// The directories of tests are for their owner alone.
	for _, dir := range []string{filepath.Dir(program), filepath.Dir(data)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// TestKeysBesideServer: keys are made and revoked on the command line while a
// server uses the book.
func TestKeysBesideServer(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	server := startServer(t, data, fastTimers...)
	stdout, stderr, code := bahi(t, "keys", "create", "--data", data, "--role=chat", "--app=beside", "--label=test")
	found := regexp.MustCompile(`^id +(key_\S+)\nsecret +(bahi_chat_\S+)\n$`).FindStringSubmatch(stdout)
	if code != exitOK || found == nil {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	status := func() int {
		a, err := newClient(server.url, found[2], 1).call(t.Context(), "GET", "/v1/parties", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.status
	}
	if got := status(); got != http.StatusOK {
		t.Errorf("the new key is answered %d", got)
	}
	if _, stderr, code := bahi(t, "keys", "revoke", "--data", data, found[1]); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	// The server remembers a key for a second.
	deadline := time.Now().Add(5 * time.Second)
	for status() != http.StatusUnauthorized {
		if time.Now().After(deadline) {
			t.Fatal("the revoked key still works")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if stdout, _, _ := bahi(t, "verify", "--data", data); !strings.HasSuffix(stdout, ": 0 violations\n") {
		t.Errorf("verify beside a server: %s", stdout)
	}
}
