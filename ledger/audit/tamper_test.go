package audit_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/audit/file"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

// sealedBook is a book in an SQLite file, sealed here and there, that nobody has open.
type sealedBook struct {
	path string
	key  signer
	last ledger.ID // of the transfer that is tampered with; the one after it is of the same wallets
}

// inFile tells a story in an SQLite file that is sealed with a key.
func inFile(t *testing.T, third int64, key signer) *sealedBook {
	ctx := context.Background()
	s := &sealedBook{path: filepath.Join(t.TempDir(), "bahi.db"), key: key}
	kek := privacytest.KEK()
	cryptotest.SetGlobalRandom(t, 1) // two stories that begin alike have the same marks
	store, err := privacytest.Sealed(sqlite.Open(ctx, s.path))
	if err != nil {
		t.Fatal(err)
	}
	b := newBookOn(t, store)
	ring := audit.Keyring{Book: b.pipe, Reader: store, Wrapper: kek}
	if _, err := ring.Import(ctx, key.secret, audit.MinOverlap); err != nil {
		t.Fatal(err)
	}
	seal := func() {
		if _, err := audit.SealAll(ctx, b.pipe, store, kek); err != nil {
			t.Fatal(err)
		}
	}
	b.pay(bankOf("NRMD"), walletOf(1), 9000, "debit approved")
	seal()
	b.story(third)
	seal()
	for n := range int64(4) {
		b.pay(walletOf(1), walletOf(2), 50+n, "")
	}
	s.last = b.made[len(b.made)-3].ID
	seal()
	b.pipe.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// copied is the book in another file.
func (s *sealedBook) copied(t *testing.T) *sealedBook {
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	c := *s
	c.path = filepath.Join(t.TempDir(), "bahi.db")
	if err := os.WriteFile(c.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return &c
}

// exec changes the file behind the back of its guards.
func (s *sealedBook) exec(t *testing.T, statements ...string) {
	t.Helper()
	db := s.unguarded(t)
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement, sql.Named("id", s.last[:])); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// unguarded opens the file without its triggers.
func (s *sealedBook) unguarded(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", s.path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'trigger'`)
	if err != nil {
		t.Fatal(err)
	}
	var triggers []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		triggers = append(triggers, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range triggers {
		if _, err := db.Exec(`DROP TRIGGER ` + name); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// look reads the book.
func look[R any](t *testing.T, s *sealedBook, read func(ledger.Store) (R, error)) R {
	t.Helper()
	store, err := privacytest.Sealed(sqlite.Open(context.Background(), s.path))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, err := read(store)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// violations are what verifying the book finds, with a key from elsewhere.
func (s *sealedBook) violations(t *testing.T, key string) (all []string) {
	t.Helper()
	report := func(v ledger.Violation) { all = append(all, fmt.Sprintf("%s %s: %s", v.Rule, v.Where, v.Detail)) }
	return look(t, s, func(store ledger.Store) ([]string, error) {
		if _, err := ledger.Verify(context.Background(), store, report); err != nil {
			return nil, err
		}
		_, err := audit.VerifyBook(context.Background(), store, []string{key}, report)
		return all, err
	})
}

// lines are the leaves of the log, as lines of an audit file.
func (s *sealedBook) lines(t *testing.T) []file.Line {
	t.Helper()
	return look(t, s, func(store ledger.Store) (lines []file.Line, err error) {
		err = store.Audit(context.Background(), func(snapshot ledger.Snapshot) error {
			for row, err := range snapshot.LogRows() {
				if err != nil {
					return err
				}
				if err := row.Each(func(_ int64, b []byte) bool {
					l, err := ledger.ParseLeaf(b)
					if err != nil {
						t.Fatal(err)
					}
					lines = append(lines, file.Line{Place: int64(len(lines)), Hash: tlog.RecordHash(b), Leaf: l})
					return true
				}); err != nil {
					return err
				}
			}
			return nil
		})
		return lines, err
	})
}

// export writes the audit file as the book has it: its leaves, its checkpoints.
func (s *sealedBook) export(t *testing.T) []byte {
	t.Helper()
	c := &copied{header: file.Header{Origin: origin, Keys: []string{s.key.public}}}
	checkpoints := look(t, s, func(store ledger.Store) ([]ledger.Checkpoint, error) {
		return store.Checkpoints(context.Background(), 0, 100)
	})
	for _, l := range s.lines(t) {
		c.lines = append(c.lines, l)
		c.header.Size++
		for _, checkpoint := range checkpoints[:len(checkpoints)-1] {
			if checkpoint.Size == c.header.Size {
				c.lines = append(c.lines, file.Line{Checkpoint: checkpoint.Note})
			}
		}
	}
	c.header.Checkpoint = checkpoints[len(checkpoints)-1].Note
	return c.bytes(t)
}

// relog puts other leaves into the log, in rows of one each.
func (s *sealedBook) relog(t *testing.T, lines []file.Line) {
	t.Helper()
	db := s.unguarded(t)
	defer db.Close()
	if _, err := db.Exec(`DELETE FROM log`); err != nil {
		t.Fatal(err)
	}
	for place, l := range lines {
		leaf := ledger.AppendLeaf(nil, l.Leaf)
		data := append(binary.BigEndian.AppendUint16(nil, uint16(len(leaf))), leaf...)
		if _, err := db.Exec(`INSERT INTO log (n, first, at, leaves, data) VALUES (?, ?, ?, 1, ?)`, place+1, place, l.Leaf.LeafTime(), data); err != nil {
			t.Fatal(err)
		}
	}
}

// reseal makes tiles, head and checkpoint anew, signed with a key that the book says is its own.
func (s *sealedBook) reseal(t *testing.T, by signer) {
	t.Helper()
	lines := s.lines(t)
	c := &copied{lines: lines}
	c.sign(t, by, nil)
	var hashes []tlog.Hash
	var all []byte
	for _, l := range lines {
		h := file.HashOf(l.Leaf)
		hashes = append(hashes, h)
		all = append(all, h[:]...)
	}
	root := rootOf(t, hashes)
	db := s.unguarded(t)
	defer db.Close()
	statements := []struct {
		do   string
		args []any
	}{
		{`DELETE FROM log_tiles`, nil},
		{`DELETE FROM checkpoints`, nil},
		{`UPDATE log_head SET size = ?, root = ?`, []any{len(hashes), root[:]}},
		{`INSERT INTO checkpoints (size, at, note) VALUES (?, ?, ?)`, []any{len(hashes), time.Now().UnixMicro(), c.header.Checkpoint}},
		{`UPDATE secrets SET public = ? WHERE name LIKE 'log/%'`, []any{by.public}},
	}
	if len(hashes) >= 256 {
		t.Fatal("more than a tile holds")
	}
	statements = append(statements, struct {
		do   string
		args []any
	}{`INSERT INTO log_tiles (level, n, hashes) VALUES (0, 0, ?)`, []any{all}})
	for _, statement := range statements {
		if _, err := db.Exec(statement.do, statement.args...); err != nil {
			t.Fatalf("%s: %v", statement.do, err)
		}
	}
}

// onTables are the attacks on the tables; what swaps rows swaps their places in the accounts' statements.
var onTables = map[string][]string{
	"an amount changed": {`UPDATE postings SET amount = amount + 1 WHERE entry = @id`},
	"a row removed":     {`DELETE FROM postings WHERE entry = @id`},
	"two rows swapped": {`UPDATE postings SET debit_seq = debit_seq + 1000, credit_seq = credit_seq + 1000 WHERE entry = @id`,
		`UPDATE postings SET debit_seq = debit_seq - 1, credit_seq = credit_seq - 1 WHERE debit_seq = (SELECT debit_seq - 999 FROM postings WHERE entry = @id) AND debit = (SELECT debit FROM postings WHERE entry = @id)`,
		`UPDATE postings SET debit_seq = debit_seq - 999, credit_seq = credit_seq - 999 WHERE entry = @id`},
	"a row inserted": {`INSERT INTO postings SELECT randomblob(16), event, undoes, debit, credit, amount, currency, debit_seq + 1000, credit_seq + 1000, debit_balance, credit_balance, at FROM postings WHERE entry = @id`},
}

// TestTamperedBook does each attack in the book's own file, at each depth, and demands that
// verifying the book names the row, and that the file that is exported from it does not
// pass with a key and an older file from before.
func TestTamperedBook(t *testing.T) {
	key := newSigner(t, origin)
	book := inFile(t, 2500, key)
	if found := book.violations(t, key.public); len(found) > 0 {
		t.Fatalf("the book itself: %s", strings.Join(found, "\n"))
	}
	older := book.export(t)
	if sum, found := verified(t, older, key.public, kept(t, "itself", older)); len(found) > 0 || sum.Checkpoints != 2 {
		t.Fatalf("its export: %+v", found)
	}
	lines := book.lines(t)
	p := slices.IndexFunc(lines, func(l file.Line) bool { return ledger.LeafName(l.Leaf) == "posting wallet of "+book.last.TransferRef() })
	name := ledger.LeafName(lines[p].Leaf)

	for attack, statements := range onTables {
		for depth, what := range []string{"the tables", "the log", "the tiles", "the key too"} {
			t.Run(attack+", "+what, func(t *testing.T) {
				c := book.copied(t)
				if attack != "two rows swapped" || depth == 0 { // what only changes the order of the log does not touch the tables
					c.exec(t, statements...)
				}
				wants := []string{name} // the row is named
				if attack == "a row inserted" {
					wants = []string{"not_in_log posting wallet of "}
				}
				if depth > 0 {
					c.relog(t, attacks[attack](slices.Clone(lines), p))
					wants = append(wants, "log_root ", "log_tile ")
				}
				switch depth {
				case 2:
					c.reseal(t, newSigner(t, origin))
					wants = []string{"log_signature "}
				case 3:
					c.reseal(t, key)
					wants = nil
				}
				if depth > 0 { // the log by itself does not hold either: its row is named by its place
					wants = append(wants[min(1, len(wants)):], "of the log: ")
				}
				found := strings.Join(c.violations(t, key.public), "\n")
				for _, want := range wants {
					if !strings.Contains(found, want) {
						t.Errorf("verify does not say %q; it says\n%s", want, found)
					}
				}
				if depth == 0 {
					return // the export is of the log, which is as it was
				}
				sum, _ := verified(t, c.export(t), key.public, kept(t, "older.jsonl", older))
				if f := sum.FirstBad; f == nil || f.Until != 0 || f.Place < int64(p) || f.Place > int64(p+1) {
					t.Errorf("the export: first bad is %+v, want place %d", f, p)
				}
			})
		}
	}
}

// TestRewrittenBook puts another book, in which all fits, into the place of one: with a
// tree of its own, signed by another key or by the same.
func TestRewrittenBook(t *testing.T) {
	key := newSigner(t, origin)
	older := inFile(t, 2500, key).export(t)
	for name, by := range map[string]signer{"another key": newSigner(t, origin), "the same key": key} {
		t.Run(name, func(t *testing.T) {
			other := inFile(t, 2499, by)
			found := other.violations(t, key.public)
			if by == key {
				if len(found) > 0 {
					t.Fatalf("it does not hold by itself: %v", found)
				}
			} else if !strings.Contains(strings.Join(found, "\n"), "log_signature ") {
				t.Errorf("verify does not say that another has signed it: %v", found)
			}
			sum, _ := verified(t, other.export(t), key.public, kept(t, "older.jsonl", older))
			if f := sum.FirstBad; f == nil || f.Rule != "rewritten" || f.Detail != "older.jsonl has it otherwise: amount is 24.99, not 25.00" || !strings.HasPrefix(f.Leaf, "transfer ") {
				t.Errorf("the export: %+v", f)
			}
		})
	}
}

// TestTamperedHeads changes what was sealed, signed by the log's own key where it can be, and leaves the leaves as they are.
func TestTamperedHeads(t *testing.T) {
	key := newSigner(t, origin)
	book := inFile(t, 2500, key)
	sizes := look(t, book, func(store ledger.Store) (sizes []int64, err error) {
		all, err := store.Checkpoints(context.Background(), 0, 100)
		for _, c := range all {
			sizes = append(sizes, c.Size)
		}
		return sizes, err
	})
	first, last := sizes[0], sizes[len(sizes)-1]
	false1 := key.sign(t, first, tlog.Hash{1})
	for want, statement := range map[string]string{
		fmt.Sprintf("log_root checkpoint %d", first):      fmt.Sprintf(`UPDATE checkpoints SET note = '%s' WHERE size = %d`, false1, first),
		fmt.Sprintf("log_checkpoint checkpoint %d", last): fmt.Sprintf(`UPDATE checkpoints SET note = '%s' WHERE size = %d`, false1, last),
		"log_checkpoint log":                              fmt.Sprintf(`DELETE FROM checkpoints WHERE size = %d`, last),
		"log_root head":                                   `UPDATE log_head SET root = zeroblob(32)`,
		"log_tile tile 0 of level 0":                      `UPDATE log_tiles SET hashes = substr(hashes, 1, 32)`,
		"log_place row ":                                  fmt.Sprintf(`UPDATE log SET first = first + 1 WHERE first > %d`, first),
		"log_row row ":                                    `UPDATE log SET at = at + 1 WHERE first = 0`,
	} {
		t.Run(want, func(t *testing.T) {
			c := book.copied(t)
			if strings.Contains(statement, "first + 1") { // past the index
				c.exec(t, `DROP INDEX log_by_place`)
			}
			c.exec(t, statement)
			if found := c.violations(t, key.public); !slices.ContainsFunc(found, func(v string) bool { return strings.HasPrefix(v, want) }) {
				t.Errorf("verify says %v", found)
			}
		})
	}
}
