package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// TestCredentialIsNowhere pays with a credential in every way and then looks for
// it, in every form that it might have, in all that the process and its database
// have written: files, logs, answers, metrics, and the stacks of a process that
// was killed with the credential in its memory. The bank alone has seen it.
//
// It was seen to fail when the hash of a request was one of the whole body, when
// an adapter logged what it was asked, and when a problem quoted the block.
func TestCredentialIsNowhere(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		where := storage{Data: filepath.Join(t.TempDir(), "data")}
		testCredential(t, where, func(*testing.T) []string { return nil })
	})
	t.Run("postgres", func(t *testing.T) {
		pg, err := pgtest.Start(t.Context(), pgtest.Options{Settings: map[string]string{"log_statement": "all"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pg.Close() })
		url, err := pg.NewDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		testCredential(t, storage{Data: filepath.Join(t.TempDir(), "data"), DatabaseURL: url}, func(t *testing.T) []string {
			return []string{flushedDirectory(t, url)}
		})
	})
}

// flushedDirectory is all that a PostgreSQL server has on disk, its log too.
func flushedDirectory(t *testing.T, url string) (dir string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err = conn.Exec(t.Context(), "CHECKPOINT"); err == nil {
		err = conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(dir)
}

// block is a credential of its own each time: 48 bytes, no one of them by chance.
func (c *remoteTest) block() string {
	raw := sha256.Sum256(fmt.Append(nil, "block ", len(c.blocks)))
	block := base64.StdEncoding.EncodeToString(append(raw[:], "the payer's PIN "...))
	c.blocks = append(c.blocks, block)
	return block
}

// bankGets serves one debit, which must come with the block.
func (c *remoteTest) bankGets(block string) {
	c.Helper()
	l := c.lease()
	if l.Ask != "submit" || l.Credential != block {
		c.Errorf("the bank got %+v, want the block %s", l, block)
	}
	c.answer(l, "approved")
}

const openTalk = "a-talk-for-everybody"

func testCredential(t *testing.T, where storage, moreFiles func(*testing.T) []string) {
	c := newRemoteTest(t, where)
	c.start()
	payer, payee := c.people()
	pay := func(block string, more map[string]any) map[string]any {
		in := map[string]any{"payer": map[string]any{"party": payer, "credential": block}, "payee": map[string]any{"party": payee},
			"amount": rupees("10.00"), "note": "dinner", "conversation": openTalk}
		for k, v := range more {
			in[k] = v
		}
		return in
	}

	// In every way that the contract has. A repeat may have another block.
	first := c.block()
	transfer := c.create("/v1/transfers", "one", pay(first, nil))
	c.bankGets(first)
	c.ends(transfer, "completed")
	if again := c.create("/v1/transfers", "one", pay(c.block(), nil)); again.ID != transfer.ID {
		t.Errorf("a repeat with a fresh block made %s, the first was %s", again.ID, transfer.ID)
	}
	if status, body := c.ask(ledger.RoleChat, "POST", "/v1/transfers", "one", pay(c.block(), map[string]any{"amount": rupees("11.00")})); status != http.StatusUnprocessableEntity {
		t.Errorf("another amount under the same key: %d %s", status, body)
	}
	topUp := c.block()
	transfer = c.create("/v1/wallets/"+payer+"/topups", "two", map[string]any{"amount": rupees("5.00"), "credential": topUp})
	c.bankGets(topUp)
	c.ends(transfer, "completed")
	inBatch := c.block()
	misplaced := c.block() // in items that are refused, whose request is stored all the same
	c.ask(ledger.RoleChat, "POST", "/v1/transfers/batch", "three", map[string]any{"transfers": []any{pay(inBatch, nil),
		pay(misplaced, map[string]any{"payee": map[string]any{"party": payee, "credential": misplaced}}), pay(misplaced, map[string]any{"credential": misplaced}),
		pay("", map[string]any{"payer": map[string]any{"party": payer, "credential": map[string]any{"credential": misplaced}}})}})
	c.bankGets(inBatch)
	c.refusals(payer, pay)

	if err := c.server.stop(); err != nil || !strings.Contains(c.log.String(), `"route":"/v1/transfers"`) { // it has written its whole log
		t.Errorf("the server did not end well, or without a log: %v", err)
	}
	c.start()

	// The node dies with the block in its memory and the debit not yet leased.
	waits := c.create("/v1/transfers", "dies", pay(c.block(), nil))
	if err := c.server.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_ = c.server.cmd.Wait()
	if !strings.Contains(c.log.String(), "goroutine ") {
		t.Error("it died without its stacks")
	}
	c.start()
	for l := c.lease(); ; l = c.lease() {
		switch {
		case l.Credential != "" || l.Ask == "submit":
			t.Errorf("after the node's death the bank got %+v", l)
		case l.Ask == "status":
			c.answer(l, "not_seen")
			continue
		}
		c.answer(l, "not_done")
		break
	}
	c.ends(waits, "failed")
	for _, path := range []string{"/metrics", "/v1/accounts", "/v1/transfers", "/v1/banks"} {
		c.ask(ledger.RoleAuditor, "GET", path, "", nil)
	}
	if err := c.server.stop(); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
	c.search(append(moreFiles(t), where.Data))
	sum, err := ledger.Verify(t.Context(), openBook(t, where), func(v ledger.Violation) { t.Errorf("violated: %+v", v) })
	if err != nil || sum.Violations > 0 {
		t.Errorf("verify: %+v, %v", sum, err)
	}
}

// refusals sends blocks where they are refused: no problem quotes them.
func (c *remoteTest) refusals(payer string, pay func(string, map[string]any) map[string]any) {
	c.Helper()
	b := c.block()
	for n, body := range []any{
		pay(strings.Repeat(b, 100), nil), pay(b+"!", nil), pay(" "+b, nil),
		pay("", map[string]any{"payer": map[string]any{"party": payer, "credential": []string{b}}}),
		pay("", map[string]any{"payer": map[string]any{"wallet": payer, "credential": b}}),
		pay("", map[string]any{"payer": map[string]any{"party": b}}),
		pay(b, map[string]any{"payee": map[string]any{"handle": b}}),
		pay(b, map[string]any{"amount": b}), pay(b, map[string]any{"credential": b}),
		`{"payer":{"party":"` + payer + `","credential":"` + b + `"`, `{"payer":{"credential":"` + b + `","credential":"` + b + `"}}`,
		`{"payer":{"credent\u0069al":"` + b + `"},"payee":1}`, `"` + b + `"`, "\xff" + b,
	} {
		if status, _ := c.ask(ledger.RoleChat, "POST", "/v1/transfers", fmt.Sprint("refused-", n), body); status < 400 || status >= 500 {
			c.Errorf("%v was answered %d", body, status)
		}
	}
	c.ask(ledger.RoleChat, "POST", "/v1/wallets/"+payer+"/withdrawals", "refused", map[string]any{"amount": rupees("1.00"), "credential": b})
	// Where no credential belongs at all.
	c.ask(ledger.RoleChat, "GET", "/v1/transfers?credential="+b, "", nil)
	c.ask(ledger.RoleChat, "GET", "/v1/transfers/"+b, "", nil)
}

// search looks for the blocks in everything that was written.
func (c *remoteTest) search(dirs []string) {
	c.Helper()
	written := map[string][]byte{"the log": []byte(c.log.String()), "the answers": []byte(c.seen.String())}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				written[path], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			c.Fatal(err)
		}
	}
	noted := 0
	for name, content := range written {
		if bytes.Contains(content, []byte(openTalk)) {
			noted++
		}
		lower := bytes.ToLower(content)
		for form, text := range c.forms() {
			if bytes.Contains(content, text) || bytes.Contains(lower, []byte(hex.EncodeToString(text))) {
				c.Errorf("%s is in %s", form, name)
			}
		}
	}
	if noted < 2 { // in the answers and in the database
		c.Errorf("the search found what is everywhere in %d places", noted)
	}
}

// forms are what must not be found, as it is or in hexadecimal digits.
func (c *remoteTest) forms() map[string][]byte {
	forms := map[string][]byte{"the payer's PIN": []byte("the payer's PIN ")}
	for n, block := range c.blocks {
		raw, _ := base64.StdEncoding.DecodeString(block)
		ofText, ofRaw := sha256.Sum256([]byte(block)), sha256.Sum256(raw)
		for form, text := range map[string][]byte{"": []byte(block), " decoded": raw[:32], " as a hash": ofText[:], " decoded, as a hash": ofRaw[:]} {
			forms[fmt.Sprint("block ", n, form)] = text
		}
	}
	for _, body := range c.bodies {
		for _, block := range c.blocks {
			if strings.Contains(body, block) {
				hash := sha256.Sum256([]byte(body))
				forms["the hash of "+body] = hash[:]
			}
		}
	}
	return forms
}
