package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// TestReceipt follows a key and a payment through the program: the log is signed with an
// imported key, who paid keeps a receipt, and it is checked beside the book, with the
// keys before and after a rotation.
func TestReceipt(t *testing.T) {
	dir := t.TempDir()
	data, keyFile, file := filepath.Join(dir, "data"), filepath.Join(dir, "key"), filepath.Join(dir, "receipt.txt")
	signer, first, err := note.GenerateKey(rand.Reader, "example.com/log")
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, signer+"\n")
	mustRun(t, first, "log", "import", "--data", data, keyFile)
	mustRefuse(t, exec.Command(shippedProgram(t), "serve", "--listen=127.0.0.1:0", "--data", data, "--log-origin=example.com/other"), "the log has another name: it is example.com/log")
	secret, err := newChatKey(storage{Data: data}, "receipts")
	if err != nil {
		t.Fatal(err)
	}

	// paid pays with a server of its own, and keeps the receipt.
	paid := func(key string) {
		server := startServer(t, data, append([]string{"--log-origin=example.com/log"}, fastTimers...)...)
		c := newClient(server.url, secret, 2)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		who := people(t, c, 2)
		a, err := c.call(ctx, "POST", "/v1/transfers?wait=10", key, fmt.Appendf(nil, `{"payer":{"party":%q},"payee":{"party":%q},"amount":{"value":"250.00","currency":"INR"}}`, who[0], who[1]))
		var made struct{ ID, State string }
		if err != nil || a.status != http.StatusCreated || json.Unmarshal(a.body, &made) != nil || made.State != "completed" {
			t.Fatalf("%v: %d %s", err, a.status, a.body)
		}
		receipt, err := c.call(ctx, "GET", "/v1/transfers/"+made.ID+"/receipt", "", nil)
		if err != nil || receipt.status != http.StatusOK || !strings.Contains(string(receipt.body), made.ID) {
			t.Fatalf("%v: %d %s", err, receipt.status, receipt.body)
		}
		write(t, file, string(receipt.body))
		if err := server.stop(); err != nil {
			t.Error(err)
		}
	}
	paid("before")
	mustRun(t, "This receipt is good", "audit", "receipt", file, "--key", first)
	mustRun(t, first, "log", "rotate", "--data", data)
	second := ""
	out, _, _ := bahi(t, "log", "keys", "--data", data)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) == 3 {
		second = strings.Fields(lines[2])[1]
	}
	if !strings.HasPrefix(second, "example.com/log+") || second == first {
		t.Fatalf("the keys after a rotation:\n%s", out)
	}
	mustRefuse(t, exec.Command(shippedProgram(t), "audit", "receipt", file, "--key", second), "this receipt proves nothing")
	paid("after")
	for _, key := range []string{first, second} {
		mustRun(t, "250.00 INR", "audit", "receipt", file, "--key", key)
	}

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(text), "\nindex ", "\nindex 1", 1))
	mustRefuse(t, exec.Command(shippedProgram(t), "audit", "receipt", file, "--key", first), "this receipt proves nothing: proof 1")
	for _, args := range [][]string{{"log", "rotate", "--overlap=59s", "--data", data}, {"audit", "receipt", file}, {"audit", "receipt", file, "--key", first, "--witness", first}} {
		if _, errs, code := bahi(t, args...); code != exitUsage {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
}

// mustRun runs the program, which must end well and print something.
func mustRun(t *testing.T, prints string, args ...string) {
	t.Helper()
	if out, errs, code := bahi(t, args...); code != exitOK || !strings.Contains(out, prints) {
		t.Fatalf("bahi %v: exit code %d, want %q\n%s%s", args, code, prints, out, errs)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
