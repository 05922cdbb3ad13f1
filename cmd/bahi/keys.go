package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"bahi/api"
	"bahi/ledger"
)

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Create a key and print its secret, once."`
	List   keysListCmd   `cmd:"" help:"List the keys, newest first; never a secret."`
	Revoke keysRevokeCmd `cmd:"" help:"Revoke a key for good."`
}

type keysCreateCmd struct {
	storage
	Role      string `help:"What the key may do: chat, bank, auditor, operator or inspector (an auditor who sees personal data)." enum:"chat,bank,auditor,operator,inspector" required:""`
	App       string `help:"The chat backend's app (role chat)."`
	Bank      string `help:"The bank's code (role bank)."`
	PublicKey string `help:"The bank's Ed25519 public key in base64 (role bank); without it a pair is made and the private key printed, once."`
	Label     string `help:"What the key is for, for people."`
}

// Run creates the key in the book, also while a server is using it.
func (c *keysCreateCmd) Run() error {
	role, _ := ledger.ParseRole(c.Role)
	key := ledger.Key{ID: ledger.NewID(), Role: role, App: c.App, Bank: c.Bank, Label: c.Label}
	private, err := c.signingKey(&key)
	if err != nil {
		return err
	}
	if err := api.CheckKey(&key); err != nil {
		return usagef("%w", err)
	}
	secret, hash := api.NewSecret(role)
	key.Hash = hash
	if err := createKey(c.storage, key); err != nil {
		return err
	}
	fmt.Printf("id      %s\nsecret  %s\n", key.ID.KeyRef(), secret)
	if private != "" {
		fmt.Printf("private %s\n", private)
	}
	fmt.Fprintln(os.Stderr, "Keep it: it is stored as a hash only and cannot be shown again.")
	return nil
}

// signingKey sets the public key that a bank signs its results with.
func (c *keysCreateCmd) signingKey(key *ledger.Key) (private string, err error) {
	switch {
	case c.PublicKey != "":
		if key.PublicKey, err = base64.StdEncoding.DecodeString(c.PublicKey); err != nil {
			err = usagef("the public key is not base64: %w", err)
		}
		return "", err
	case key.Role != ledger.RoleBank:
		return "", nil
	}
	public, secret, err := ed25519.GenerateKey(nil)
	key.PublicKey = public
	return base64.StdEncoding.EncodeToString(secret.Seed()), err
}

type keysListCmd struct {
	storage
}

// Run lists the keys.
func (c *keysListCmd) Run() error {
	ctx := context.Background()
	return c.look(ctx, loginName(), "keys list", "", func(store ledger.Store) error { return printKeys(ctx, store) })
}

func printKeys(ctx context.Context, store ledger.Store) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tROLE\tAPP\tBANK\tLABEL\tCREATED\tREVOKED")
	page := ledger.Page{Limit: 100}
	for {
		keys, err := store.Keys(ctx, page)
		if err != nil {
			return err
		}
		for _, k := range keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID.KeyRef(), k.Role, orDash(k.App), orDash(k.Bank), orDash(k.Label), when(k.Created), when(k.Revoked))
			page.Before = k.ID
		}
		if len(keys) < page.Limit {
			return w.Flush()
		}
	}
}

// orDash keeps a line's columns countable for scripts.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func when(micros int64) string {
	if micros == 0 {
		return "-"
	}
	return time.UnixMicro(micros).UTC().Format(time.RFC3339)
}

type keysRevokeCmd struct {
	storage
	Key string `arg:"" help:"The key's id (key_…)."`
}

// Run revokes the key.
func (c *keysRevokeCmd) Run() error {
	id, err := ledger.ParseKeyRef(c.Key)
	if err != nil {
		return usagef("that is not a key's id; see \"bahi keys list\"")
	}
	ctx := context.Background()
	return c.work(ctx, nil, func(_ ledger.Store, book *ledger.Pipeline) error {
		if err := accessed(ctx, book, loginName(), "keys revoke", c.Key); err != nil {
			return err
		}
		_, err := ledger.Do[ledger.Key](ctx, book, ledger.RevokeKey{ID: id})
		return err
	})
}

// createKey stores a key without a server, in a new book where there is none, once it
// is written down who does it.
func createKey(s storage, key ledger.Key) error {
	ctx := context.Background()
	store, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	book := ledger.NewPipeline(store, ledger.PipelineOptions{})
	defer book.Close()
	if err := accessed(ctx, book, loginName(), "keys create", joined(key.ID.KeyRef()+" of role "+key.Role.String(), key.App, key.Bank)); err != nil {
		return err
	}
	_, err = ledger.Do[ledger.Key](ctx, book, ledger.CreateKey{Key: key})
	return err
}
