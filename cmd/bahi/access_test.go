package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"bahi/ledger"
	"bahi/ledger/audit"
)

// unwatched are the commands that open a book and show nothing of one that is anybody's:
// they serve it, make it, or have one of their own.
var unwatched = []string{"serve", "serve-unlogged", "migrate up", "migrate status", "bench", "demo", "banks statement"}

// looks is how each other command is called that opens a book.
var looks = map[string]string{
	"keys create":          "--role=auditor",
	"keys list":            "",
	"keys revoke":          "key_" + zeros,
	"verify":               "",
	"export":               "--format=csv",
	"access list":          "",
	"reconcile ingest":     "/dev/null",
	"reconcile run":        "",
	"reconcile status":     "",
	"reconcile breaks":     "",
	"reconcile show":       "brk_" + zeros,
	"reconcile assign":     "brk_" + zeros + " meera",
	"reconcile comment":    "brk_" + zeros + " asked",
	"reconcile close":      "brk_" + zeros + " nothing",
	"reconcile propose":    "brk_" + zeros,
	"reconcile approve":    "cor_" + zeros,
	"reconcile withdraw":   "cor_" + zeros,
	"reconcile apply":      "cor_" + zeros,
	"settle close":         "",
	"settle report":        "upi-2026-11-25-03",
	"settle confirm":       "upi-2026-11-25-03 NRMD 1.00",
	"settle status":        "",
	"kek rotate":           "",
	"kek rewrap":           "",
	"party erase":          "pty_" + zeros + " --as=meera",
	"report trial-balance": "",
	"report balance":       "transit",
	"report ledger":        "",
	"report statement":     "--bank=NRMD",
	"report transfers":     "",
	"log keys":             "",
	"log rotate":           "",
	"log import":           "/dev/null",
}

const zeros = "00000000000000000000000000000000"

// Each command that shows something of the book, or changes it, is written down once
// before it does, and where that cannot be, does nothing.
func TestCommandsAreWrittenDown(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := createKey(storage{Data: data}, ledger.Key{ID: ledger.NewID(), Role: ledger.RoleAuditor, Label: "somebody"}); err != nil {
		t.Fatal(err)
	}
	sealBook(t, storage{Data: data})
	broken := copyDir(t, data)
	breakAccesses(t, broken)
	var called []string
	for _, command := range commandsWithABook(t) {
		args, known := looks[command]
		if !known {
			t.Errorf("bahi %s opens a book: write down that somebody looks at it (see accessed), and say here how it is called", command)
			continue
		}
		call := append(strings.Fields(command), strings.Fields(args)...)
		called = append(called, "bahi "+command)
		_, _, _ = here(t, append(call, "--data="+data)...) // whatever comes of it
		if stdout, stderr, code := here(t, append(call, "--data="+broken)...); code != exitFailed || stdout != "" || !strings.Contains(stderr, errNotRecorded.Error()) {
			t.Errorf("bahi %s where it cannot be written down: exit code %d\n%s%s", command, code, stdout, stderr)
		}
	}
	var written []string
	for _, a := range slices.Backward(allAccesses(t, data)) {
		if written = append(written, a.What); !strings.HasPrefix(a.Who, "user:") || a.Role != "" || a.Denied || a.Times != 1 {
			t.Errorf("written down: %+v", a)
		}
	}
	if want := append([]string{"bahi keys create"}, called...); !slices.Equal(written, want) {
		t.Errorf("written down are\n%q, want\n%q", written, want)
	}
}

// sealBook gives a book's log a key and a checkpoint.
func sealBook(t *testing.T, where storage) {
	t.Helper()
	wrapper, err := where.wrapper()
	if err != nil {
		t.Fatal(err)
	}
	err = where.work(t.Context(), nil, func(store ledger.Store, book *ledger.Pipeline) error {
		if _, err := (&audit.Keyring{Book: book, Reader: store, Wrapper: wrapper}).Ensure(t.Context(), ""); err != nil {
			return err
		}
		_, err := audit.SealAll(t.Context(), book, store, wrapper)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// here runs a command in this process, which is faster; no other test runs meanwhile.
func here(t *testing.T, args ...string) (stdout, stderr string, exitCode int) {
	t.Helper()
	var files [2]*os.File
	for n := range files {
		f, err := os.Create(filepath.Join(t.TempDir(), strconv.Itoa(n)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[n] = f
	}
	wasOut, wasErr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = wasOut, wasErr }()
	os.Stdout, os.Stderr = files[0], files[1]
	exitCode = run(args)
	var texts [2]string
	for n, f := range files {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts[n] = string(text)
	}
	return texts[0], texts[1], exitCode
}

// commandsWithABook are those that have a flag for where the book is.
func commandsWithABook(t *testing.T) (commands []string) {
	t.Helper()
	parser, err := kong.New(&cli{})
	if err != nil {
		t.Fatal(err)
	}
	skip := map[string]bool{}
	for _, command := range unwatched {
		skip[command] = true
	}
	for _, leaf := range parser.Model.Leaves(false) {
		for _, flag := range leaf.Flags {
			command := strings.TrimPrefix(leaf.FullPath(), parser.Model.Name+" ")
			if flag.Name == "data" && !skip[command] {
				commands = append(commands, command)
			}
		}
	}
	return commands
}

// breakAccesses makes a book take no access any more.
func breakAccesses(t *testing.T, data string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+storage{Data: data}.path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TRIGGER accesses_broken BEFORE INSERT ON accesses BEGIN SELECT RAISE(ABORT, 'broken'); END`); err != nil {
		t.Fatal(err)
	}
}

func allAccesses(t *testing.T, data string) []ledger.Access {
	t.Helper()
	store, err := storage{Data: data}.openExisting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rows, err := store.Accesses(t.Context(), ledger.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
