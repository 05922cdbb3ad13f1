package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"bahi/ledger"
	"bahi/ledger/audit"
)

// sealLog begins to seal the log; its first key is made where it has none.
func (n *node) sealLog(ctx context.Context, cfg nodeConfig) error {
	wrapper, err := cfg.storage.wrapper()
	if err != nil {
		return err
	}
	ring := &audit.Keyring{Book: n.book, Reader: n.store, Wrapper: wrapper}
	if _, err := ring.Ensure(ctx, cfg.logOrigin); errors.Is(err, audit.ErrOrigin) {
		return fmt.Errorf("--log-origin: %w", err)
	} else if err != nil {
		return err
	}
	n.sealer.Start(audit.SealerOptions{Book: n.book, Reader: n.store, Wrapper: wrapper, Self: n.dispatcher.Node, Dead: n.dispatcher.Dead, Log: cfg.log})
	return nil
}

// ring calls f with what makes the log's keys, also while servers use them.
func (s storage) ring(ctx context.Context, f func(*audit.Keyring) error) error {
	wrapper, err := s.wrapper()
	if err != nil {
		return err
	}
	return s.work(ctx, nil, func(store ledger.Store, book *ledger.Pipeline) error {
		return f(&audit.Keyring{Book: book, Reader: store, Wrapper: wrapper})
	})
}

type logCmd struct {
	Keys   logKeysCmd   `cmd:"" help:"Print the verifier keys of the log, for auditors and witnesses."`
	Rotate logRotateCmd `cmd:"" help:"Sign the log with a new key; the old one signs beside it for a while."`
	Import logImportCmd `cmd:"" help:"Sign the log with a key from a file; a key before it signs beside it for a while."`
}

type logKeysCmd struct {
	storage
}

// Run prints each key on a line, with the time until which it signs.
func (c *logKeysCmd) Run() error {
	ctx := context.Background()
	store, err := c.openExisting(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	keys, err := audit.ReadKeys(ctx, store)
	if err != nil {
		return err
	}
	return printLogKeys(keys)
}

func printLogKeys(keys audit.Keys) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "N\tVERIFIER KEY\tSINCE\tUNTIL")
	for _, k := range keys {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", k.N, k.Verifier, when(k.Created), when(k.Until))
	}
	return w.Flush()
}

// overlap is for how long an old key signs beside a new one.
type overlap struct {
	Overlap time.Duration `help:"For how long the old key signs beside the new one: until then all who check the log need the new one." default:"720h"`
}

// Validate is called by the parser.
func (o overlap) Validate() error {
	if o.Overlap < audit.MinOverlap {
		return fmt.Errorf("--overlap: %s at least, so that every node learns of the new key", audit.MinOverlap)
	}
	return nil
}

type logRotateCmd struct {
	storage
	overlap
}

// Validate is called by the parser.
func (c *logRotateCmd) Validate() error {
	return errors.Join(c.storage.Validate(), c.overlap.Validate())
}

// Run makes the key.
func (c *logRotateCmd) Run() error {
	ctx := context.Background()
	return c.ring(ctx, func(r *audit.Keyring) error {
		keys, err := r.Rotate(ctx, c.Overlap)
		if err != nil {
			return err
		}
		return printLogKeys(keys)
	})
}

type logImportCmd struct {
	storage
	overlap
	File string `arg:"" help:"File with a signer's key as C2SP signed-note has it: PRIVATE+KEY+…" type:"existingfile"`
}

// Validate is called by the parser.
func (c *logImportCmd) Validate() error {
	return errors.Join(c.storage.Validate(), c.overlap.Validate())
}

// Run takes the key; in a new book where there is none, so that its log has it from the first leaf on.
func (c *logImportCmd) Run() error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	ctx := context.Background()
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	return c.ring(ctx, func(r *audit.Keyring) error {
		keys, err := r.Import(ctx, string(text), c.Overlap)
		if err != nil {
			return err
		}
		return printLogKeys(keys)
	})
}
