package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"bahi/ledger"
)

// unwatched are the commands that open a book and show nothing of one that is anybody's:
// they serve it, make it, or have one of their own.
var unwatched = []string{"serve", "migrate up", "migrate status", "bench", "demo", "banks statement"}

// looks is how each other command is called that opens a book.
var looks = map[string]string{
	"keys create":        "--role=auditor",
	"keys list":          "",
	"keys revoke":        "key_" + zeros,
	"verify":             "",
	"access list":        "",
	"reconcile ingest":   "/dev/null",
	"reconcile run":      "",
	"reconcile status":   "",
	"reconcile breaks":   "",
	"reconcile show":     "brk_" + zeros,
	"reconcile assign":   "brk_" + zeros + " meera",
	"reconcile comment":  "brk_" + zeros + " asked",
	"reconcile close":    "brk_" + zeros + " nothing",
	"reconcile propose":  "brk_" + zeros,
	"reconcile approve":  "cor_" + zeros,
	"reconcile withdraw": "cor_" + zeros,
	"reconcile apply":    "cor_" + zeros,
	"settle close":       "",
	"settle report":      "upi-2026-11-25-03",
	"settle confirm":     "upi-2026-11-25-03 NRMD 1.00",
	"settle status":      "",
}

const zeros = "00000000000000000000000000000000"

// Each command that shows something of the book, or changes it, is written down once
// before it does, and where that cannot be, does nothing.
func TestCommandsAreWrittenDown(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := createKey(storage{Data: data}, ledger.Key{ID: ledger.NewID(), Role: ledger.RoleAuditor, Label: "somebody"}); err != nil {
		t.Fatal(err)
	}
	broken := copyDir(t, data)
	breakAccesses(t, broken)
	for _, command := range commandsWithABook(t) {
		args, known := looks[command]
		if !known {
			t.Errorf("bahi %s opens a book: write down that somebody looks at it (see accessed), and say here how it is called", command)
			continue
		}
		call := append(strings.Fields(command), strings.Fields(args)...)
		before := allAccesses(t, data)
		_, _, _ = bahi(t, append(call, "--data="+data)...) // whatever comes of it
		after := allAccesses(t, data)
		if len(after) != len(before)+1 || after[0].What != "bahi "+command || !strings.HasPrefix(after[0].Who, "user:") || after[0].Denied || after[0].Times != 1 {
			t.Errorf("bahi %s is written down as %+v", command, after[:len(after)-len(before)])
		}
		if stdout, stderr, code := bahi(t, append(call, "--data="+broken)...); code != exitFailed || stdout != "" || !strings.Contains(stderr, errNotRecorded.Error()) {
			t.Errorf("bahi %s where it cannot be written down: exit code %d\n%s%s", command, code, stdout, stderr)
		}
	}
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
