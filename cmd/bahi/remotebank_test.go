package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

// remoteTest is a server, its chat backend and the process of its bank RMTE.
type remoteTest struct {
	*testing.T
	where  storage
	server *child
	log    safeBuilder // of every server
	seen   safeBuilder // all answers but those to the bank
	secret map[ledger.Role]string
	args   []string // of the servers, after their own
	blocks []string // credentials that were sent, in Base64
	bodies []string // requests that were sent, after method and path
}

func (c *remoteTest) start() {
	c.Helper()
	server, err := startChild(raceProgram(c.T), c.where, &c.log, append([]string{"--remote-bank=RMTE:RMTE:remote", "--submit-timeout=20s", "--check-timeout=5s",
		"--take-over=500ms", "--checks=21s", "--reversals=1s,2s,4s", "--log-level=debug"}, c.args...)...)
	if err != nil {
		c.Fatalf("%v\n%s", err, c.log.String())
	}
	c.server = server
	c.Cleanup(server.kill)
}

// ask sends a request as the role and keeps what it was answered.
func (c *remoteTest) ask(role ledger.Role, method, path, key string, body any) (status int, answer []byte) {
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
func (c *remoteTest) lease() leaseAnswer {
	c.Helper()
	var list struct{ Data []leaseAnswer }
	status, body := c.ask(ledger.RoleBank, "POST", "/v1/banks/RMTE/leases", "", map[string]any{"max": 1, "wait": 20, "hold": 60})
	if err := json.Unmarshal(body, &list); err != nil || len(list.Data) != 1 {
		c.Fatalf("%d %s", status, body)
	}
	return list.Data[0]
}

func (c *remoteTest) answer(l leaseAnswer, outcome string) (effect string) {
	c.Helper()
	status, body := c.ask(ledger.RoleBank, "POST", "/v1/banks/RMTE/leases/results", "", map[string]any{"results": []any{
		map[string]any{"lease": l.Lease, "ask": l.Ask, "instruction": l.Instruction, "outcome": outcome}}})
	if status != http.StatusOK || !bytes.Contains(body, []byte(`"effect"`)) {
		c.Fatalf("%d %s", status, body)
	}
	var done struct {
		Results []struct {
			Result struct{ Effect, State string }
		}
	}
	if err := json.Unmarshal(body, &done); err != nil {
		c.Fatal(err)
	}
	return done.Results[0].Result.Effect + " " + done.Results[0].Result.State
}

// create sends a request that must make one transfer.
func (c *remoteTest) create(path, key string, body any) (t transferAnswer) {
	c.Helper()
	status, answer := c.ask(ledger.RoleChat, "POST", path, key, body)
	if err := json.Unmarshal(answer, &t); err != nil || status != http.StatusCreated {
		c.Fatalf("%d %s: %v", status, answer, err)
	}
	return t
}

func (c *remoteTest) ends(t transferAnswer, state string) {
	c.Helper()
	for t.Waits() {
		_, answer := c.ask(ledger.RoleChat, "GET", "/v1/transfers/"+t.ID+"?wait=20", "", nil)
		if err := json.Unmarshal(answer, &t); err != nil {
			c.Fatal(err)
		}
	}
	if string(t.State) != state {
		c.Errorf("%s is %s (%s), want %s", t.ID, t.State, t.Failure.Reason, state)
	}
}

// newRemoteTest makes the keys.
func newRemoteTest(t *testing.T, where storage) *remoteTest {
	t.Helper()
	c := &remoteTest{T: t, where: where, secret: map[ledger.Role]string{}}
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
	return c
}

// people opens who pays, at the remote bank and with a wallet, and who is paid.
func (c *remoteTest) people() (payer, payee string) {
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

// TestLateAnswerIsTaken: a bank's process answers when nobody waits for it any
// more. The answer is taken, once; the payer, who was told that it is being
// confirmed, gets the money back.
func TestLateAnswerIsTaken(t *testing.T) {
	t.Parallel()
	c := newRemoteTest(t, storage{Data: filepath.Join(t.TempDir(), "data")})
	c.args = []string{"--submit-timeout=300ms", "--checks=1m"}
	c.start()
	payer, payee := c.people()
	transfer := c.create("/v1/transfers", "late", map[string]any{"payer": map[string]any{"party": payer}, "payee": map[string]any{"party": payee}, "amount": rupees("10.00")})
	l := c.lease()
	for state := ""; state != "in_doubt"; time.Sleep(20 * time.Millisecond) {
		var detail struct{ Instructions []struct{ State string } }
		_, body := c.ask(ledger.RoleChat, "GET", "/v1/transfers/"+transfer.ID, "", nil)
		if err := json.Unmarshal(body, &detail); err != nil {
			t.Fatal(err)
		}
		if state = detail.Instructions[0].State; state != "sent" && state != "in_doubt" {
			t.Fatalf("the debit is %s", state)
		}
	}
	if got := c.answer(l, "approved"); got != "applied reversing" {
		t.Errorf("the late answer: %s", got)
	}
	undo := c.lease()
	if undo.Ask != "reverse" || undo.Instruction != transfer.ID+".debit_reversal" {
		t.Errorf("then the bank got %+v", undo)
	}
	if got := c.answer(l, "approved"); got != "repeated reversing" {
		t.Errorf("once more: %s", got)
	}
	if got := c.answer(undo, "approved"); got != "applied reversed" {
		t.Errorf("the reversal: %s", got)
	}
	if got := c.answer(l, "declined"); got != "contradiction reversed" {
		t.Errorf("the opposite: %s", got)
	}
}
