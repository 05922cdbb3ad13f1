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

	"bahi/api/client"
	"bahi/banks/sim"
	"bahi/ledger"
)

type demoCmd struct {
	JSON        bool   `help:"Print one JSON object per transfer and a last one with the sums."`
	BankProfile string `help:"Banks that decline as those in India do: large, good or weak." enum:",large,good,weak" default:"" env:"BAHI_BANK_PROFILE"`
}

// demoLine is one message of the conversation, with what it asks Bahi to do.
type demoLine struct {
	from, text string
	do         func(context.Context, *scene) (demoTransfer, error)
	shows      string // what this line is in the demo for
}

// scene is where the conversation takes place.
type scene struct {
	chat               *client.Client
	ids                map[string]string // of the parties, by handle
	line               int
	last               client.Transfer // that the line before made
	shop, pot, request string          // what later lines are about
}

// key is the idempotency key of the line: best the id of the chat's message.
func (s *scene) key() string { return fmt.Sprint("line-", s.line) }

// shown waits until a transfer rests, and is what the demo shows of it.
func (s *scene) shown(ctx context.Context, t client.Transfer, err error) (demoTransfer, error) {
	if err == nil {
		t, err = s.chat.Await(ctx, t)
	}
	s.last = t
	if t.Payee.Name == "Chai Point" {
		s.shop = t.ID
	}
	return demoTransfer{ID: t.ID, State: string(t.State), Reason: string(t.Failure.Reason), BankCode: t.Failure.BankCode, status: t.StatusText}, err
}

// goa is the conversation that everybody is in.
const goa = "goa-trip"

// pay is a line that pays somebody from the default account.
func pays(from string, to client.Address, value, note string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		in := client.NewTransfer{Payer: client.ByParty(s.ids[from]), Payee: to, Note: note, Conversation: goa}
		if value != "" {
			amount := client.INR(value)
			in.Amount = &amount
		}
		t, err := s.chat.CreateTransfer(ctx, client.CreateTransferParams{IdempotencyKey: s.key()}, in)
		return s.shown(ctx, t, err)
	}
}

// wallet is a line that pays from wallet to wallet.
func wallet(from, to, value string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		amount := client.INR(value)
		t, err := s.chat.CreateTransfer(ctx, client.CreateTransferParams{IdempotencyKey: s.key()},
			client.NewTransfer{Payer: client.ByWallet(s.ids[from]), Payee: client.ByWallet(s.ids[to]), Amount: &amount, Conversation: goa})
		return s.shown(ctx, t, err)
	}
}

// again is a line that sends what the line before sent, under the same key.
func again(line func(context.Context, *scene) (demoTransfer, error)) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		before := s.last.ID
		s.line--
		t, err := line(ctx, s)
		s.line++
		if err == nil && t.ID != before {
			err = fmt.Errorf("a repeat made another transfer: %s", t.ID)
		}
		t.Replayed = true
		return t, err
	}
}

// withdraw is a line that puts money from a wallet into the bank.
func withdraw(from, value string) func(context.Context, *scene) (demoTransfer, error) {
	return func(ctx context.Context, s *scene) (demoTransfer, error) {
		t, err := s.chat.Withdraw(ctx, s.ids[from], client.WithdrawParams{IdempotencyKey: s.key()}, client.NewWalletTransfer{Amount: client.INR(value)})
		return s.shown(ctx, t, err)
	}
}

// conversation is the demo's script. Amounts from 9101.00 on make simulated banks misbehave.
func conversation() []demoLine {
	return []demoLine{
		{"Asha", "Goa was lovely! Ravi, here is my half of the hotel: 4,250", pays("asha", client.ByPhone("+919876500002"), "4250.00", "hotel"), "a payment from bank to bank, by phone"},
		{"Meera", "And 600 for the scooter, @kabir", pays("meera", client.ByHandle("kabir"), "600.00", "scooter"), "a payment by handle"},
		{"Kabir", "Imran, your boat ticket", pays("kabir", client.ByUPI("imran@kaveri"), "1200.50", "boat"), "a payment by UPI id"},
		{"Divya", "Chai for everybody, I scan the code", pays("divya", client.ByLink("upi://pay?pa=chaipoint@godavari&pn=Chai%20Point&am=175.00&cu=INR&tn=chai"), "", ""), "a shop, by the link in its QR code"},
		{"Chai Point", "One chai was cold: 25 back", refunds("25.00"), "a refund of a part"},
		{"Imran", "I pay the flights: 9,101", pays("imran", client.ByPhone("+919876500001"), "9101.00", "flights"), "a debit that the payer's bank declines"},
		{"Imran", "Hm. Then the other flights: 9,201", pays("imran", client.ByPhone("+919876500003"), "9201.00", "flights"), "a credit that is declined, and the debit reversed"},
		{"Asha", "Meera, the deposit: 9,205", pays("asha", client.ByPhone("+919876500003"), "9205.00", "deposit"), "a credit that times out and turns out done"},
		{"Asha", "Ravi, for the auto, from my wallet", wallet("asha", "ravi", "85.00"), "a wallet payment"},
		{"Asha", "(bad network: the phone sends it again)", again(wallet("asha", "ravi", "85.00")), "a repeated request: nothing is paid twice"},
		{"Ravi", "Too much! 9,000 back to your wallet?", wallet("ravi", "asha", "9000.00"), "a wallet without enough in it"},
		{"Kabir", "Somebody pay +91 98765 00099 for the photos", pays("kabir", client.ByPhone(nilasPhone), "300.00", "photos"), "a phone that nobody has registered"},
		{"Kabir", "Then I send it, and they will join us", invites("kabir", nilasPhone, "300.00", "photos"), "money for a phone that nobody has registered: it waits"},
		{"Nila", "Hello! That was for me", registers("nila", "Nila Das", nilasPhone), "somebody new, who claims it"},
		{"Divya", "Dinner was 1,000. I split it among the four of us", splits("divya", "1000.00", "dinner", "asha", "ravi", "imran"), "a bill that is split: three are asked"},
		{"Ravi", "Here is my part", paysAsk("ravi"), "a request that is paid, by a push"},
		{"Imran", "I wasn't there!", declines("imran"), "a request that is declined"},
		{"Divya", "Asha?", reminds, "a reminder"},
		{"Asha", "Sorry!", paysAsk("asha"), "the last part"},
		{"Asha", "And 100 for the first three who see this", redPacket("asha", "100.00", 3), "a red packet"},
		{"Ravi", "Me!", claims("ravi"), "a share of it, of a size that was fixed before"},
		{"Kabir", "And me", claims("kabir"), "another one"},
		{"Meera", "Kabir, my half of the car: 12,000", pays("meera", client.ByHandle("kabir"), "12000.00", "car"), "a payment above 10,000: the payee gets it in an hour"},
		{"Meera", "Oh no, it was Imran's car. Back, please", cancels, "the sender takes it back before"},
		{"Asha", "My phone is gone! Stop everything", stops("asha", true), "a kill switch"},
		{"(thief)", "Asha sends you 50", wallet("asha", "ravi", "50.00"), "nothing leaves while it is on"},
		{"Asha", "It was in the other jacket", stops("asha", false), "and off again"},
		{"Asha", "Ravi, 1,500 from my wallet", wallet("asha", "ravi", "1500.00"), "a limit: at most 1,000 at once from a wallet"},
		{"Imran", "Kabir, the flat: 500 on every 31st", schedules("imran", "kabir", "500.00", 31), "a payment every month, on its last day where there is no 31st"},
		{"Ravi", "I put my 400 back into the bank. Good night!", withdraw("ravi", "400.00"), "a withdrawal from a wallet"},
		{"(chat)", "What do I show in the bubble?", told, "what the chat's backend was told of, in words to show"},
	}
}

// demoLimits are India's, but all of the demo's people are new, and pay more than may who is.
func demoLimits() *ledger.Limits {
	l := ledger.IndiaLimits()
	l.Default.NewUser = ledger.Limit{}
	return l
}

// nilasPhone is registered only when there is money for it.
const nilasPhone = "+919876500099"

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
	status   string
	again    bool // of the same transfer as the line before, which is counted once
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
	chat := client.New(url, keys.Chat)
	ids, err := seedPeople(ctx, chat)
	if err != nil {
		return sum, err
	}
	n.behave(c.BankProfile)
	at := &scene{chat: chat, ids: ids}
	for _, line := range conversation() {
		at.line++
		t, err := line.do(ctx, at)
		if err != nil {
			return sum, fmt.Errorf("%q: %w", line.text, err)
		}
		if !t.Replayed && !t.again && strings.HasPrefix(t.ID, "BAH") {
			sum.Transfers++
			if t.State == "completed" {
				sum.Completed++
			}
		}
		t.From, t.Text, t.Shows = line.from, line.text, line.shows
		c.say(t)
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

func (c *demoCmd) say(t demoTransfer) {
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
	fmt.Printf("%-6s %s\n       └ %s: %s\n         %s  %s\n", t.From, t.Text, t.Shows, outcome, t.ID, t.status)
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
