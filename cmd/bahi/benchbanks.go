package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"bahi/api/client"
	"bahi/banks"
)

// benchBanks are the banks of a run: those that come with Bahi, or so many others,
// of which the first can be made to hang.
type benchBanks struct {
	list    []banks.Bank
	path    string // of the banks file; empty: those that come with Bahi
	profile string // that they have while they do not hang, or empty
	hanging int
}

// maxBenchBanks is how many names there are.
const maxBenchBanks = 26 * 26

func newBenchBanks(dir string, c *benchCmd) (*benchBanks, error) {
	if c.Banks == 0 && c.BankProfile == "" {
		return &benchBanks{list: simulatedBanks}, nil
	}
	b := &benchBanks{path: filepath.Join(dir, "banks.yaml"), profile: c.BankProfile, hanging: c.Hanging}
	for n := range c.Banks {
		code := fmt.Sprintf("BN%c%c", 'A'+n/26, 'A'+n%26)
		b.list = append(b.list, banks.Bank{Code: code, Name: "Bank " + code, IFSCPrefix: code})
	}
	if c.Banks == 0 {
		b.list = simulatedBanks
	}
	return b, b.write(false)
}

// write lists the banks; hang: those that can hang do.
func (b *benchBanks) write(hang bool) error {
	var text bytes.Buffer
	fmt.Fprintln(&text, "banks:")
	for n, bank := range b.list {
		fmt.Fprintf(&text, "  - {code: %s, name: %s, ifsc_prefix: %s, rail: %s", bank.Code, bank.Name, bank.IFSCPrefix, simRail)
		profile := b.profile
		if hang && n < b.hanging {
			profile = "hanging"
		}
		if profile != "" {
			fmt.Fprintf(&text, ", profile: %s", profile)
		}
		fmt.Fprintln(&text, "}")
	}
	return writeFile(b.path, text.Bytes())
}

// args are those that the server needs of them.
func (b *benchBanks) args() []string {
	if b.path == "" {
		return nil
	}
	return []string{"--banks", b.path}
}

// of is the bank of a party.
func (b *benchBanks) of(party int) *banks.Bank { return &b.list[party%len(b.list)] }

// hangs says whether a party's bank is one of those that can hang.
func (b *benchBanks) hangs(party int) bool { return party%len(b.list) < b.hanging }

// errBeside is of a payment that was not waited for and is not counted: one of
// its banks can hang.
var errBeside = errors.New("beside")

// patience is for how many seconds a payment is waited for: banks with a profile
// are silent now and then, and no caller shall stand before one for long.
func (b *benchBanks) patience() string {
	if b.profile != "" {
		return "1"
	}
	return "20"
}

// errDeclined is of a payment that a bank with a profile declined, or did not answer.
var errDeclined = errors.New("declined")

// bank sends a payment from bank to bank. One that touches a bank that can hang
// is sent as often whether it does or not, and not waited for.
func (l *load) bank(key string, n int) error {
	body := l.body("party", n)
	if from, to := l.pairOf(n); !l.banks.hangs(from) && !l.banks.hangs(to) {
		return l.one("/v1/transfers?wait="+l.banks.patience(), key, body)
	}
	status, answer, err := l.caller.call("/v1/transfers", key, body)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("status %d: %s", status, answer)
	}
	if err == nil {
		err = errBeside
	}
	return err
}

// hang lets the banks hang that can, in the running server, and measures again.
func (l *load) hang(ctx context.Context, m *meter, without *benchResult) error {
	if err := l.banks.write(true); err != nil {
		return err
	}
	// The file is looked at every second. Then a first payment that is never answered
	// must be seen to stay where it is.
	time.Sleep(2 * watchEvery)
	amount := client.INR("1.00")
	sent, err := l.client.CreateTransfer(ctx, client.CreateTransferParams{}, client.NewTransfer{Payer: client.ByParty(l.parties[0]), Payee: client.ByParty(l.parties[l.banks.hanging]), Amount: &amount})
	if err != nil {
		return err
	}
	if t, err := l.client.GetTransfer(ctx, sent.ID, client.GetTransferParams{Wait: 1}); err != nil || t.State != client.TransferStatePending {
		return fmt.Errorf("a payment from a bank that hangs is %s: %w", t.State, err)
	}
	again := &load{cmd: l.cmd, client: l.client, caller: l.caller, banks: l.banks, parties: l.parties}
	without.WithHanging = again.run(m)
	without.Kept = without.WithHanging.PerSecond / without.PerSecond
	return nil
}
