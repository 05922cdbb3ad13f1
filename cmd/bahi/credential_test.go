package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"bahi/api"
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

// credentialTest is a chat backend and a bank that share a secret.
type credentialTest struct {
	*testing.T
	where  storage
	server *child
	log    safeBuilder // of every server
	seen   safeBuilder // all answers but those to the bank
	secret map[ledger.Role]string
	blocks []string // that were sent, in Base64
	bodies []string // that they were sent in, after method and path
}

// block is a credential of its own each time: 48 bytes, no one of them by chance.
func (c *credentialTest) block() string {
	raw := sha256.Sum256(fmt.Append(nil, "block ", len(c.blocks)))
	block := base64.StdEncoding.EncodeToString(append(raw[:], "the payer's PIN "...))
	c.blocks = append(c.blocks, block)
	return block
}

func (c *credentialTest) start() {
	c.Helper()
	server, err := startChild(raceProgram(c.T), c.where, &c.log, "--remote-bank=RMTE:RMTE:remote", "--submit-timeout=20s", "--check-timeout=5s",
		"--take-over=500ms", "--checks=21s", "--reversals=1s,2s,4s", "--log-level=debug")
	if err != nil {
		c.Fatalf("%v\n%s", err, c.log.String())
	}
	c.server = server
	c.Cleanup(server.kill)
}

// ask sends a request as the role and keeps what it was answered.
func (c *credentialTest) ask(role ledger.Role, method, path, key string, body any) (status int, answer []byte) {
	c.Helper()
	text, raw := body.(string)
	if !raw && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.Fatal(err)
		}
		text = string(b)
	}
	c.bodies = append(c.bodies, method+"\x00"+path+"\x00"+text)
	var content []byte
	if body != nil {
		content = []byte(text)
	}
	a, err := newClient(c.server.url, c.secret[role], 1).call(c.Context(), method, path, key, content)
	if err != nil {
		c.Fatal(err)
	}
	if role != ledger.RoleBank {
		fmt.Fprintf(&c.seen, "%d %s\n", a.status, a.body)
	}
	return a.status, a.body
}

type leaseAnswer struct {
	Lease, Ask, Instruction, Credential string
}

// lease waits for something to do for the bank.
func (c *credentialTest) lease() leaseAnswer {
	c.Helper()
	var list struct{ Data []leaseAnswer }
	status, body := c.ask(ledger.RoleBank, "POST", "/v1/banks/RMTE/leases", "", map[string]any{"max": 1, "wait": 20, "hold": 60})
	if err := json.Unmarshal(body, &list); err != nil || len(list.Data) != 1 {
		c.Fatalf("%d %s", status, body)
	}
	return list.Data[0]
}

func (c *credentialTest) answer(l leaseAnswer, outcome string) {
	c.Helper()
	status, body := c.ask(ledger.RoleBank, "POST", "/v1/banks/RMTE/leases/results", "", map[string]any{"results": []any{
		map[string]any{"lease": l.Lease, "ask": l.Ask, "instruction": l.Instruction, "outcome": outcome}}})
	if status != http.StatusOK || !bytes.Contains(body, []byte(`"effect"`)) {
		c.Fatalf("%d %s", status, body)
	}
}

// bankGets serves one debit, which must come with the block.
func (c *credentialTest) bankGets(block string) {
	c.Helper()
	l := c.lease()
	if l.Ask != "submit" || l.Credential != block {
		c.Errorf("the bank got %+v, want the block %s", l, block)
	}
	c.answer(l, "approved")
}

// create sends a request that must make one transfer.
func (c *credentialTest) create(path, key string, body any) (t transferAnswer) {
	c.Helper()
	status, answer := c.ask(ledger.RoleChat, "POST", path, key, body)
	if err := json.Unmarshal(answer, &t); err != nil || status != http.StatusCreated {
		c.Fatalf("%d %s: %v", status, answer, err)
	}
	return t
}

func (c *credentialTest) ends(t transferAnswer, state string) {
	c.Helper()
	for !t.rests() {
		_, answer := c.ask(ledger.RoleChat, "GET", "/v1/transfers/"+t.ID+"?wait=20", "", nil)
		if err := json.Unmarshal(answer, &t); err != nil {
			c.Fatal(err)
		}
	}
	if t.State != state {
		c.Errorf("%s is %s (%s), want %s", t.ID, t.State, t.Failure.Reason, state)
	}
}

const openNote = "a note for everybody"

func testCredential(t *testing.T, where storage, moreFiles func(*testing.T) []string) {
	c := &credentialTest{T: t, where: where, secret: map[ledger.Role]string{}}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []ledger.Key{{Role: ledger.RoleChat, App: "chat"}, {Role: ledger.RoleBank, Bank: "RMTE", PublicKey: public}, {Role: ledger.RoleAuditor}} {
		key.ID = ledger.NewID()
		c.secret[key.Role], key.Hash = api.NewSecret(key.Role)
		if err := createKey(where, key); err != nil {
			t.Fatal(err)
		}
	}
	c.start()
	payer, payee := c.people()
	pay := func(block string, more map[string]any) map[string]any {
		in := map[string]any{"payer": map[string]any{"party": payer, "credential": block}, "payee": map[string]any{"party": payee},
			"amount": rupees("10.00"), "note": openNote}
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

// people opens who pays, at the remote bank and with a wallet, and who is paid.
func (c *credentialTest) people() (payer, payee string) {
	c.Helper()
	open := func(name string, instruments ...map[string]any) string {
		var party struct{ ID string }
		_, body := c.ask(ledger.RoleChat, "POST", "/v1/parties", name, map[string]any{"name": name, "kind": "person"})
		if err := json.Unmarshal(body, &party); err != nil {
			c.Fatal(err)
		}
		for n, i := range instruments {
			if status, body := c.ask(ledger.RoleChat, "POST", "/v1/parties/"+party.ID+"/instruments", fmt.Sprint(name, n), i); status != http.StatusCreated {
				c.Fatalf("%d %s", status, body)
			}
		}
		return party.ID
	}
	account := func(bank string) map[string]any {
		return map[string]any{"kind": "bank_account", "account": map[string]any{"number": "100200300400", "ifsc": bank + "0000001"}}
	}
	return open("payer", account("RMTE"), map[string]any{"kind": "wallet"}), open("payee", account("NRMD"))
}

// refusals sends blocks where they are refused: no problem quotes them.
func (c *credentialTest) refusals(payer string, pay func(string, map[string]any) map[string]any) {
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
func (c *credentialTest) search(dirs []string) {
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
		if bytes.Contains(content, []byte(openNote)) {
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
func (c *credentialTest) forms() map[string][]byte {
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
