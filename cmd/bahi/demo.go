package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"bahi/banks/sim"
	"bahi/ledger"
)

type demoCmd struct {
	JSON        bool   `help:"Print one JSON object per transfer and a last one with the sums."`
	BankProfile string `help:"Banks that decline as those in India do: large, good or weak." enum:",large,good,weak" default:"" env:"BAHI_BANK_PROFILE"`
}

// demoLine is one message of the conversation, with the payment that it makes.
type demoLine struct {
	from, text string
	path       string         // of the request; default /v1/transfers
	body       map[string]any // nil: only talk
	repeat     bool           // the same request as the line before, under the same key
	shows      string         // what this line is in the demo for
}

func rupees(value string) map[string]any { return map[string]any{"value": value, "currency": "INR"} }

// conversation is the demo's script. Amounts from 9101.00 on make simulated banks misbehave.
func conversation(ids map[string]string) []demoLine {
	pay := func(from, payeeKind, payee, value, note string) map[string]any {
		return map[string]any{"payer": map[string]any{"party": ids[from]}, "payee": map[string]any{payeeKind: payee},
			"amount": rupees(value), "note": note, "conversation": "goa-trip"}
	}
	wallet := func(from, to, value string) map[string]any {
		return map[string]any{"payer": map[string]any{"wallet": ids[from]}, "payee": map[string]any{"wallet": ids[to]},
			"amount": rupees(value), "conversation": "goa-trip"}
	}
	return []demoLine{
		{from: "Asha", text: "Goa was lovely! Ravi, here is my half of the hotel: 4,250", body: pay("asha", "phone", "+919876500002", "4250.00", "hotel"), shows: "a payment from bank to bank, by phone"},
		{from: "Meera", text: "And 600 for the scooter, @kabir", body: pay("meera", "handle", "kabir", "600.00", "scooter"), shows: "a payment by handle"},
		{from: "Kabir", text: "Imran, your boat ticket", body: pay("kabir", "upi", "imran@kaveri", "1200.50", "boat"), shows: "a payment by UPI id"},
		{from: "Divya", text: "Chai for everybody, I scan the code", body: map[string]any{"payer": map[string]any{"party": ids["divya"]},
			"payee": map[string]any{"link": "upi://pay?pa=chaipoint@godavari&pn=Chai%20Point&am=175.00&cu=INR&tn=chai"}, "conversation": "goa-trip"}, shows: "a shop, by the link in its QR code"},
		{from: "Imran", text: "I pay the flights: 9,101", body: pay("imran", "phone", "+919876500001", "9101.00", "flights"), shows: "a debit that the payer's bank declines"},
		{from: "Imran", text: "Hm. Then the other flights: 9,201", body: pay("imran", "phone", "+919876500003", "9201.00", "flights"), shows: "a credit that is declined, and the debit reversed"},
		{from: "Asha", text: "Meera, the deposit: 9,205", body: pay("asha", "phone", "+919876500003", "9205.00", "deposit"), shows: "a credit that times out and turns out done"},
		{from: "Asha", text: "Ravi, for the auto, from my wallet", body: wallet("asha", "ravi", "85.00"), shows: "a wallet payment"},
		{from: "Asha", text: "(bad network: the phone sends it again)", body: wallet("asha", "ravi", "85.00"), repeat: true, shows: "a repeated request: nothing is paid twice"},
		{from: "Ravi", text: "Too much! 9,000 back to your wallet?", body: wallet("ravi", "asha", "9000.00"), shows: "a wallet without enough in it"},
		{from: "Kabir", text: "Somebody pay +91 98765 00099 for the photos", body: pay("kabir", "phone", "+919876500099", "300.00", "photos"), shows: "a phone that nobody has registered"},
		{from: "Ravi", text: "I put my 400 back into the bank. Good night!", path: "/v1/wallets/" + ids["ravi"] + "/withdrawals", body: map[string]any{"amount": rupees("400.00")}, shows: "a withdrawal from a wallet"},
	}
}

// demoLimits are India's, but all of the demo's people are new, and pay more than may who is.
func demoLimits() *ledger.Limits {
	l := ledger.IndiaLimits()
	l.Default.NewUser = ledger.Limit{}
	return l
}

// demoTimers let hours pass in a second.
func demoTimers() *ledger.Policy {
	p := ledger.DefaultPolicy()
	p.Submit, p.Check = 300*time.Millisecond, 300*time.Millisecond
	p.Checks = []time.Duration{400 * time.Millisecond, 800 * time.Millisecond, 1200 * time.Millisecond}
	p.Reversals = p.Checks
	p.Limits = demoLimits()
	return &p
}

// demoTransfer is what is printed of a transfer with --json.
type demoTransfer struct {
	From     string `json:"from"`
	Text     string `json:"text"`
	Shows    string `json:"shows"`
	ID       string `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	BankCode string `json:"bank_code,omitempty"`
	Replayed bool   `json:"replayed,omitempty"`
}

// demoSum is the last line with --json. A repeated request is no transfer of its own.
type demoSum struct {
	Transfers int    `json:"transfers"`
	Completed int    `json:"completed"`
	Verify    string `json:"verify"`
}

// Run plays the conversation.
func (c *demoCmd) Run() (err error) {
	dir, err := os.MkdirTemp("", "bahi-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	n, err := openNode(ctx, nodeConfig{storage: storage{Data: dir}, policy: demoTimers(), log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.close(ctx)
		return err
	}
	served := make(chan error, 1)
	go func() { served <- n.serve(ctx, l) }()
	sum, err := c.play(ctx, n, dir, "http://"+l.Addr().String())
	stop()
	if err = errors.Join(err, <-served); err != nil {
		return err
	}
	if sum.Verify, err = verifyDemo(storage{Data: dir}); err != nil {
		return err
	}
	c.finish(sum)
	if sum.Verify != "ok" {
		return errViolated
	}
	return nil
}

// play sends the lines one after the other and waits for each to come to rest.
func (c *demoCmd) play(ctx context.Context, n *node, dir, url string) (sum demoSum, err error) {
	keys, err := loadDemoKeys(ctx, n.book, dir)
	if err != nil {
		return sum, err
	}
	chat := newClient(url, keys.Chat, 1)
	ids, err := seedPeople(ctx, chat)
	if err != nil {
		return sum, err
	}
	n.behave(c.BankProfile)
	key := ""
	for i, line := range conversation(ids) {
		if line.path == "" {
			line.path = "/v1/transfers"
		}
		if !line.repeat {
			key = fmt.Sprint("line-", i)
		}
		var t transferAnswer
		a, err := chat.send(ctx, "POST", line.path, key, line.body, &t)
		if err == nil {
			t, err = chat.settled(ctx, t)
		}
		if err != nil {
			return sum, fmt.Errorf("%q: %w", line.text, err)
		}
		if a.replayed != line.repeat {
			return sum, fmt.Errorf("%q: replayed %v", line.text, a.replayed)
		}
		if !line.repeat {
			sum.Transfers++
			if t.State == "completed" {
				sum.Completed++
			}
		}
		c.say(demoTransfer{From: line.from, Text: line.text, Shows: line.shows, ID: t.ID, State: t.State,
			Reason: t.Failure.Reason, BankCode: t.Failure.BankCode, Replayed: a.replayed}, t.StatusText)
	}
	return sum, nil
}

// behave gives the simulated banks a profile, once everybody has their money.
func (n *node) behave(profile string) {
	for _, b := range n.banks.registry.All() {
		if bank, ok := b.Adapter.(*sim.Bank); ok {
			bank.Behave(0, sim.Profiles[profile])
		}
	}
}

func (c *demoCmd) say(t demoTransfer, status string) {
	if c.JSON {
		_ = json.NewEncoder(os.Stdout).Encode(t)
		return
	}
	outcome := t.State
	if t.Reason != "" {
		outcome += ": " + strings.ReplaceAll(t.Reason, "_", " ")
		if t.BankCode != "" {
			outcome += " (" + t.BankCode + ")"
		}
	}
	if t.Replayed {
		outcome += ", the first answer again"
	}
	fmt.Printf("%-6s %s\n       └ %s: %s\n         %s  %s\n", t.From, t.Text, t.Shows, outcome, t.ID, status)
}

func (c *demoCmd) finish(sum demoSum) {
	if c.JSON {
		_ = json.NewEncoder(os.Stdout).Encode(sum)
		return
	}
	fmt.Printf("\n%d transfers, %d completed; verify: %s\n", sum.Transfers, sum.Completed, sum.Verify)
}

// verifyDemo checks the book, and the banks' own books against it.
func verifyDemo(s storage) (string, error) {
	found, err := verifyBook(s)
	if err != nil || found != "ok" {
		return found, err
	}
	return compareBanks(s)
}
