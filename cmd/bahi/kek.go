package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bahi/ledger"
	"bahi/ledger/privacy"
)

// wrapper is the key-encryption key, made where there is none yet: see [storage.kek].
func (s storage) wrapper() (ledger.Wrapper, error) { return s.kek() }

// kekVariable holds the keyset itself: a flag would show it to everybody on the machine.
const kekVariable = "BAHI_KEK"

// kek reads the key-encryption key from the environment, the file that was named, or
// the data directory, where one is made if it is missing.
func (s storage) kek() (*privacy.KEK, error) {
	if text := os.Getenv(kekVariable); text != "" {
		k, err := privacy.ReadKEK([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kekVariable, err)
		}
		return k, nil
	}
	k, err := readKEK(s.kekPath())
	if s.KEKFile == "" && errors.Is(err, fs.ErrNotExist) {
		return makeKEK(s.kekPath())
	}
	return k, err
}

func (s storage) kekPath() string {
	if s.KEKFile != "" {
		return s.KEKFile
	}
	return filepath.Join(s.Data, "kek.json")
}

func readKEK(path string) (*privacy.KEK, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the key-encryption key cannot be read: %w", err)
	}
	k, err := privacy.ReadKEK(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// makeKEK makes a key-encryption key; of several processes that do so at once, one's counts.
func makeKEK(path string) (*privacy.KEK, error) {
	k, err := privacy.NewKEK()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	mine := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := saveKEK(mine, k); err != nil {
		return nil, err
	}
	defer os.Remove(mine)
	if err := os.Link(mine, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("the key-encryption key cannot be kept: %w", err)
	}
	return readKEK(path)
}

func saveKEK(path string, k *privacy.KEK) error {
	text, err := k.JSON()
	if err != nil {
		return err
	}
	if err := writeFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("the key-encryption key cannot be kept: %w", err)
	}
	return nil
}

// private opens a store of an engine whose secrets were wrapped by the key-encryption key.
func (s storage) private(ctx context.Context, engine ledger.Store) (ledger.Store, error) {
	_, err := os.Stat(s.kekPath())
	made := s.KEKFile == "" && errors.Is(err, fs.ErrNotExist) && os.Getenv(kekVariable) == ""
	k, err := s.kek()
	if err != nil {
		return nil, err
	}
	store, err := privacy.Open(ctx, engine, k)
	if errors.Is(err, privacy.ErrOtherKEK) {
		if made {
			os.Remove(s.kekPath()) // it never wrapped anything
		}
		return nil, fmt.Errorf("%w: start with the one that the book's first start made or was given: its keyset in %s, or its file as --kek-file (by default kek.json in the data directory of the first node)", err, kekVariable)
	}
	if err != nil {
		return nil, err
	}
	return store, nil
}

// engineOf is the engine under a store.
func engineOf(s ledger.Store) ledger.Store {
	if p, ok := s.(*privacy.Store); ok {
		return p.Store
	}
	return s
}

type kekCmd struct {
	Rotate kekRotateCmd `cmd:"" help:"Wrap with a new key from now on; those before it go on unwrapping."`
	Rewrap kekRewrapCmd `cmd:"" help:"Wrap by the newest key what older ones wrapped. Safe to repeat, and beside servers."`
}

type kekRotateCmd struct {
	storage
	Prepare bool `help:"Only add the new key, so that all nodes can be given it; the next rotation has it wrap."`
}

// Run changes the file, or prints the keyset where it came from the environment. Nodes
// read it at their start.
func (c *kekRotateCmd) Run() error {
	// A key that is not the book's is refused.
	return c.look(context.Background(), loginName(), "kek rotate", "", func(ledger.Store) error { return c.rotate() })
}

func (c *kekRotateCmd) rotate() error {
	k, err := c.kek()
	if err != nil {
		return err
	}
	switch {
	case k.Prepared() && c.Prepare:
		return errors.New("a new key is prepared already: rotate without --prepare once all nodes were started with it")
	case !k.Prepared():
		if k, err = k.Prepare(); err != nil {
			return err
		}
	}
	if !c.Prepare {
		if k, err = k.Promote(); err != nil {
			return err
		}
	}
	return c.putKEK(k)
}

// putKEK puts a changed keyset to where the old one came from.
func (s storage) putKEK(k *privacy.KEK) error {
	if os.Getenv(kekVariable) == "" {
		return saveKEK(s.kekPath(), k)
	}
	text, err := k.JSON()
	if err == nil {
		fmt.Printf("%s\n", text)
		fmt.Fprintf(os.Stderr, "Start every node with this keyset in %s.\n", kekVariable)
	}
	return err
}

type kekRewrapCmd struct {
	storage
	Retire bool `help:"Then drop the older keys: what only they can unwrap is lost, such as an old backup."`
}

// Run wraps again. With --retire it does so until nothing was left to do: a server that
// was started before the rotation goes on wrapping by the older key.
func (c *kekRewrapCmd) Run() error {
	ctx := context.Background()
	k, err := c.kek()
	if err != nil {
		return err
	}
	return c.work(ctx, nil, func(store ledger.Store, book *ledger.Pipeline) error {
		if err := accessed(ctx, book, loginName(), "kek rewrap", ""); err != nil {
			return err
		}
		n, err := privacy.Rewrap(ctx, book, store, k)
		if err != nil {
			return err
		}
		fmt.Printf("wrapped again: %d\n", n)
		if !c.Retire {
			return nil
		}
		if n, err = privacy.Rewrap(ctx, book, store, k); err != nil {
			return err
		}
		if n > 0 {
			return errors.New("a server still wraps by an older key: restart all of them with the new keyset, then do this again")
		}
		if k, err = k.Retire(); err != nil {
			return err
		}
		return c.putKEK(k)
	})
}
