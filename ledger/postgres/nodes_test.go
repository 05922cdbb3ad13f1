package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres"
	"bahi/ledger/postgres/pgtest"
	"bahi/ledger/reconcile"
	"bahi/migrations"
)

// TestManyStart has ten nodes open an empty database at the same moment.
func TestManyStart(t *testing.T) {
	url := pgtest.NewDatabase(t)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			s, err := postgres.Open(context.Background(), url)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(t, url, "SELECT count(*) FROM goose_db_version WHERE version_id = 1"); n != 1 {
		t.Errorf("the first migration was applied %d times", n)
	}
}

// TestNewer refuses tables that a newer program has changed.
func TestNewer(t *testing.T) {
	url := pgtest.NewDatabase(t)
	if err := open(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	must(t, url, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)")
	if _, err := postgres.Open(t.Context(), url); !errors.Is(err, migrations.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
	err := postgres.Migrations(t.Context(), url, func(db *sql.DB, d migrations.Dialect) error { return migrations.Up(t.Context(), db, d) })
	if !errors.Is(err, migrations.ErrNewer) {
		t.Errorf("migrate: got %v, want ErrNewer", err)
	}
}

// TestLostConnection drops the writer's connection between two batches: the batch
// that meets it is not stored, and the next one is.
func TestLostConnection(t *testing.T) {
	d := open(t, pgtest.NewDatabase(t))
	defer d.Close()
	policy := ledger.DefaultPolicy()
	commit := func() error {
		c := ledger.OpenParty{Party: ledger.Party{ID: ledger.NewID(), App: "chat", Name: "Asha", Kind: ledger.Person}}
		return d.Commit(t.Context(), func() *ledger.Set {
			s := ledger.NewSet(1, &policy)
			c.Declare(s)
			return s
		}, func(s *ledger.Set) error {
			_, err := c.Apply(s)
			return err
		})
	}
	if err := commit(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.DropWriter(d.Store); err != nil {
		t.Fatal(err)
	}
	if err := commit(); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if err := commit(); err != nil {
		t.Error(err)
	}
	if n, err := d.Count(t.Context(), "SELECT count(*) FROM parties"); n != 2 || err != nil {
		t.Errorf("%d parties, %v; want 2", n, err)
	}
}

func richPeople(t *testing.T, book *ledger.Pipeline, n int, minor int64) (wallets []ledger.End) {
	t.Helper()
	for range n {
		w := ledger.End{Party: ledger.NewID(), Name: "Asha"}
		c := payment(ledger.End{Name: "Asha", Bank: "SBIN", Account: "314159", IFSC: "SBIN0000300"}, w, minor)
		c.Transfer.Kind = ledger.TopUp
		top, err := ledger.Do[ledger.Transfer](t.Context(), book, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Do[ledger.Recorded](t.Context(), book, ledger.RecordResult{Transfer: &top, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved}); err != nil {
			t.Fatal(err)
		}
		wallets = append(wallets, w)
	}
	return wallets
}

func payment(from, to ledger.End, minor int64) ledger.CreateTransfer {
	return ledger.CreateTransfer{Transfer: ledger.Transfer{ID: ledger.NewID(), App: "chat", Kind: ledger.Payment, Payer: from, Payee: to,
		Amount: ledger.Amount{Minor: minor, Currency: "INR"}, RRN: "630610000001"}}
}

// TestServingRole serves with a role that has the README's rights and no more:
// it can do its work, and cannot rewrite the past.
func TestServingRole(t *testing.T) {
	url := pgtest.NewDatabase(t)
	if err := open(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, grants, ok := strings.Cut(string(readme), "```sql\n")
	grants, _, ends := strings.Cut(grants, "```")
	if !ok || !ends {
		t.Fatal("the README has no grants")
	}
	must(t, url, "DROP ROLE IF EXISTS bahi_serve", "CREATE ROLE bahi_serve LOGIN", grants)
	t.Cleanup(func() { must(t, url, "DROP OWNED BY bahi_serve", "DROP ROLE bahi_serve") })
	serving := strings.Replace(url, "postgres@", "bahi_serve@", 1)
	d := open(t, serving)
	defer d.Close()
	book := ledger.NewPipeline(d.Store, ledger.PipelineOptions{})
	defer book.Close()
	wallets := richPeople(t, book, 2, 100)
	if _, err := ledger.Do[ledger.Transfer](t.Context(), book, payment(wallets[0], wallets[1], 10)); err != nil {
		t.Fatal(err)
	}
	node := ledger.NewID()
	for range 2 { // a beat, and one that locks and raises it
		if _, err := ledger.Do[ledger.Node](t.Context(), book, ledger.Beat{Node: node}); err != nil {
			t.Fatal(err)
		}
	}
	line := ledger.BankLine{ID: ledger.LineID{Source: ledger.SourceBank, Bank: "NRMD", N: 1}, Day: 20_000, Amount: ledger.Amount{Minor: 1, Currency: "INR"}, Moved: true,
		By: ledger.KeyedByReference, Reference: "1", Count: 1}
	for _, line.Reference = range []string{"1", "2"} { // one that is stored, and one that grows
		if _, err := ledger.Do[any](t.Context(), book, reconcile.StoreLines{Lines: []ledger.BankLine{line}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a run that opens a break, and one that overtakes it
		run, err := reconcile.Run(t.Context(), book, d.Store, reconcile.Options{From: 19_999, Until: 20_001})
		if err != nil || run.Breaks != 1 {
			t.Fatalf("%+v, %v", run, err)
		}
	}
	seal(t, book, d)
	for _, sql := range []string{"UPDATE postings SET amount = 1", "DELETE FROM postings", "TRUNCATE postings", "DELETE FROM transfers", "TRUNCATE steps", "DROP TRIGGER postings_refuse ON postings",
		"UPDATE log SET data = ''", "DELETE FROM log", "UPDATE checkpoints SET note = ''", "DELETE FROM accesses", "DELETE FROM erasures", "DELETE FROM secrets", "TRUNCATE persons", "SELECT setval('log_n', 1)"} {
		if err := d.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: got %v, want a lack of privilege", sql, err)
		}
	}
	// A row of transfers may be locked, and is changed by nobody.
	if err := d.Exec(t.Context(), "UPDATE transfers SET note = 'x'"); err == nil || !strings.Contains(err.Error(), "the past is not rewritten") {
		t.Errorf("a transfer is changed: got %v", err)
	}
}

// seal does all that a node does with the log and with what is beside it.
func seal(t *testing.T, book *ledger.Pipeline, d *database) {
	t.Helper()
	rows, err := d.Unsealed(t.Context(), 1000)
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var head ledger.LogHead
	for i, r := range rows { // the tile grows
		size := head.Size + int64(r.Leaves)
		head, err = ledger.Do[ledger.LogHead](t.Context(), book, ledger.Seal{From: head, To: ledger.LogHead{Size: size, Sealer: ledger.NewID()}, Placed: []ledger.Placed{{Row: r.N, First: head.Size}},
			Tiles: []ledger.Tile{{Hashes: make([]byte, 32*(i+1))}}, Checkpoint: ledger.Checkpoint{Size: size, Note: "x"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	party := ledger.NewID()
	for _, line := range []string{"1", "2"} {
		err := commit(d, func(s *ledger.Set) {
			s.Secrets.Want("log/1")
			s.Persons.Want(party)
		}, func(s *ledger.Set) {
			s.Secrets.Put("log/1", ledger.Secret{Name: "log/1", Wrapped: []byte(line)})
			s.Persons.Put(party, ledger.PersonKey{Party: party, Wrapped: []byte(line)})
			s.Cosignatures = []ledger.Cosignature{{Size: head.Size, Witness: "w", Line: line}}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := commit(d, func(s *ledger.Set) { s.Persons.Want(party) }, func(s *ledger.Set) {
		s.Persons.Delete(party)
		s.Erasures = []ledger.Erasure{{Party: party}}
		s.Accesses = []ledger.Access{{ID: party, Who: "w", What: "x", Times: 1}}
	}); err != nil {
		t.Fatal(err)
	}
}

// TestTakeOverMeetsAnswer takes an instruction over at one node while another,
// between its load and its commit, records the bank's answer: neither is lost.
func TestTakeOverMeetsAnswer(t *testing.T) {
	url := pgtest.NewDatabase(t)
	a, b := open(t, url), open(t, url)
	defer a.Close()
	defer b.Close()
	book := ledger.NewPipeline(a.Store, ledger.PipelineOptions{})
	defer book.Close()
	driver := ledger.Node{ID: ledger.NewID()}
	book.Become(driver)
	end := ledger.End{Name: "Asha", Bank: "SBIN", Account: "314159", IFSC: "SBIN0000300"}
	c := payment(end, ledger.End{Party: ledger.NewID(), Name: "Asha"}, 100)
	c.Transfer.Kind = ledger.TopUp
	top, err := ledger.Do[ledger.Transfer](t.Context(), book, c)
	if err != nil {
		t.Fatal(err)
	}
	policy := ledger.DefaultPolicy()
	taken := make(chan error, 1)
	run := func(d *database, c ledger.Command, node ledger.ID, between func()) error {
		return d.Commit(context.Background(), func() *ledger.Set {
			s := ledger.NewSet(top.Created+1, &policy)
			s.Node = node
			c.Declare(s)
			return s
		}, func(s *ledger.Set) error {
			_, err := c.Apply(s)
			between()
			return err
		})
	}
	id := ledger.InstructionID{Transfer: top.ID, Leg: ledger.LegDebit}
	err = run(a, ledger.RecordResult{Transfer: &top, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved}, driver.ID, func() {
		go func() { taken <- run(b, ledger.TakeOver{ID: id, From: driver.ID}, ledger.NewID(), func() {}) }()
		time.Sleep(300 * time.Millisecond) // the other loads, or waits for the lock
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err == nil {
		t.Error("an instruction was taken over that was answered")
	}
	_, asked, err := a.TransferHistory(t.Context(), top.ID)
	if err != nil || len(asked) != 1 || asked[0].State != ledger.Approved {
		t.Errorf("%+v, %v; want it approved", asked, err)
	}
}
