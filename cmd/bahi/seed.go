package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bahi/api"
	"bahi/api/client"
	"bahi/ledger"
)

// demoApp is the chat backend that the demo people talk in.
const demoApp = "demo"

// demoPerson is somebody of the demo, with an account at a simulated bank.
type demoPerson struct {
	name, kind, phone, handle, bank, number string
	wallet                                  string // what is topped up at first; no wallet when empty
}

var demoPeople = []demoPerson{
	{"Asha Rao", "person", "+919876500001", "asha", "NRMD", "100000000001", "2000.00"},
	{"Ravi Menon", "person", "+919876500002", "ravi", "KVRI", "100000000002", "500.00"},
	{"Meera Iyer", "person", "+919876500003", "meera", "GDVR", "100000000003", ""},
	{"Kabir Khan", "person", "+919876500004", "kabir", "STLJ", "100000000004", ""},
	{"Divya Shah", "person", "+919876500005", "divya", "NRMD", "100000000005", ""},
	{"Imran Ali", "person", "+919876500006", "imran", "KVRI", "100000000006", ""},
	{"Chai Point", "merchant", "+919876500007", "chaipoint", "GDVR", "100000000007", ""},
}

// ifsc is the branch where the person banks.
func (p *demoPerson) ifsc() string { return p.bank + "0000001" }

// upi is the person's UPI id: the handle at the bank.
func (p *demoPerson) upi() string {
	for _, b := range simulatedBanks {
		if b.Code == p.bank {
			return p.handle + "@" + b.Handles[0]
		}
	}
	return ""
}

// seedPeople makes the demo's people through the API. Every request has a fixed
// idempotency key, so that seeding again, also after a crash half way, changes
// nothing and gives the same ids. It returns the party ids by handle.
func seedPeople(ctx context.Context, c *client.Client) (map[string]string, error) {
	ids := map[string]string{}
	for i := range demoPeople {
		p := &demoPeople[i]
		key := "seed-" + p.handle
		party, err := c.OpenParty(ctx, client.OpenPartyParams{IdempotencyKey: key}, client.NewParty{Name: p.name, Kind: client.PartyKind(p.kind)})
		if err != nil {
			return nil, err
		}
		ids[p.handle] = party.ID
		instruments := []client.NewInstrument{
			{Kind: "phone", Phone: p.phone},
			{Kind: "handle", Handle: p.handle},
			{Kind: "bank_account", Account: client.BankAccount{Number: p.number, IFSC: p.ifsc()}, UPI: p.upi()},
		}
		if p.wallet != "" {
			instruments = append(instruments, client.NewInstrument{Kind: "wallet"})
		}
		for _, in := range instruments {
			if _, err := c.LinkInstrument(ctx, party.ID, client.LinkInstrumentParams{IdempotencyKey: fmt.Sprint(key, "-", in.Kind)}, in); err != nil {
				return nil, fmt.Errorf("%s's %s: %w", p.name, in.Kind, err)
			}
		}
		if p.wallet != "" {
			if err := fund(ctx, c, party.ID, key+"-topup", p.wallet); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

// fund tops a wallet up. A try that was under way when an earlier start was cut
// off may have been given back since: then another follows under the next key.
func fund(ctx context.Context, c *client.Client, party, key, value string) error {
	err := topUp(ctx, c, party, key, value)
	for try := 2; errors.Is(err, errNotCompleted) && try < 10; try++ {
		err = topUp(ctx, c, party, fmt.Sprint(key, "-", try), value)
	}
	return err
}

// topUp fills a wallet from its owner's bank and waits until the money is there.
func topUp(ctx context.Context, c *client.Client, party, key, value string) error {
	t, err := c.TopUp(ctx, party, client.TopUpParams{IdempotencyKey: key}, client.NewWalletTransfer{Amount: client.INR(value)})
	if err != nil {
		return err
	}
	return completed(ctx, c, t)
}

// demoKeys are the secrets that the demo prints. They are kept in a file only
// the owner can read, since the book has just their hashes.
type demoKeys struct {
	Chat     string `json:"chat"`
	Auditor  string `json:"auditor"`
	Operator string `json:"operator"`
}

// loadDemoKeys reads the keys of an earlier start, or makes them.
func loadDemoKeys(ctx context.Context, book *ledger.Pipeline, data string) (keys demoKeys, err error) {
	path := filepath.Join(data, "demo-keys.json")
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		return keys, json.Unmarshal(b, &keys)
	case !errors.Is(err, os.ErrNotExist):
		return keys, err
	}
	for role, secret := range map[ledger.Role]*string{ledger.RoleChat: &keys.Chat, ledger.RoleAuditor: &keys.Auditor, ledger.RoleOperator: &keys.Operator} {
		key := ledger.Key{ID: ledger.NewID(), Role: role, Label: "demo"}
		if role == ledger.RoleChat {
			key.App = demoApp
		}
		*secret, key.Hash = api.NewSecret(role)
		if _, err := ledger.Do[ledger.Key](ctx, book, ledger.CreateKey{Key: key}); err != nil {
			return keys, err
		}
	}
	b, err = json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return keys, err
	}
	return keys, writeFile(path, b)
}

// writeFile writes a file whole or not at all.
func writeFile(path string, b []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// seedDemo seeds the running node and prints what to try.
func seedDemo(ctx context.Context, n *node, data, url string, w io.Writer) error {
	keys, err := loadDemoKeys(ctx, n.book, data)
	if err != nil {
		return err
	}
	ids, err := seedPeople(ctx, client.New(url, keys.Chat))
	if err != nil {
		return err
	}
	fmt.Fprintf(w, demoText, data, keys.Chat, keys.Auditor, keys.Operator,
		url, keys.Chat, ids["asha"], url, keys.Chat, url, keys.Auditor)
	return nil
}

const demoText = `
The demo's people are Asha (wallet), Ravi (wallet), Meera, Kabir, Divya, Imran and the shop Chai Point,
with accounts at four simulated banks. The book is in %s.

  chat key      %s
  auditor key   %s
  operator key  %s

Asha pays Ravi's phone 250 rupees, from bank to bank:

curl -s %s/v1/transfers -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -H "Idempotency-Key: dinner-$(date +%%s)" -d '{"payer":{"party":"%s"},"payee":{"phone":"+919876500002"},"amount":{"value":"250.00","currency":"INR"},"note":"dinner","conversation":"asha-ravi"}'

What happened in the conversation:

curl -s '%s/v1/transfers?conversation=asha-ravi' -H 'Authorization: Bearer %s'

What the banks owe each other, as the auditor sees it:

curl -s %s/v1/accounts -H 'Authorization: Bearer %s'

`
