package main

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
)

// someBook is the data of a server that has stopped, with one transfer of every
// kind that matters here, found by its note.
type someBook struct {
	data      string
	transfers map[string]ledger.ID
	parties   []string
}

func makeBook(t *testing.T) *someBook {
	t.Helper()
	b := &someBook{data: filepath.Join(t.TempDir(), "data"), transfers: map[string]ledger.ID{}}
	secret, err := newChatKey(storage{Data: b.data}, "verify")
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, b.data, "--log-level=warn", "--submit-timeout=200ms", "--check-timeout=200ms", "--checks=300ms", "--reversals=100ms")
	c := newClient(server.url, secret, 1)
	b.parties = people(t, c, 3)
	for note, pay := range map[string]struct{ kind, amount string }{
		"bank":     {"party", "100.00"},
		"wallet":   {"wallet", "100.00"},
		"declined": {"party", "9101.00"},
		"reversed": {"party", "9201.00"},
		"deemed":   {"party", "9207.00"},
	} {
		body := map[string]any{"payer": map[string]any{pay.kind: b.parties[0]}, "payee": map[string]any{pay.kind: b.parties[1]}, "amount": rupees(pay.amount), "note": note}
		if _, err := c.send(t.Context(), "POST", "/v1/transfers", note, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	waitUntilRested(t, c, 20*time.Second)
	if err := server.stop(); err != nil {
		t.Fatal(err)
	}
	for _, stored := range allTransfers(t, openBook(t, storage{Data: b.data})) {
		if stored.Note != "" {
			b.transfers[stored.Note] = stored.ID
		}
	}
	return b
}

// tamper changes a copy of the book behind the back of its guards.
func (b *someBook) tamper(t *testing.T, note string, statements ...string) (data string) {
	t.Helper()
	data = copyDir(t, b.data)
	db, err := sql.Open("sqlite", filepath.Join(data, "bahi.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	id := b.transfers[note]
	for _, s := range statements {
		r, err := db.ExecContext(t.Context(), b.fill(s), sql.Named("id", id[:]))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if n, _ := r.RowsAffected(); n != 1 && !strings.HasPrefix(s, "DROP") {
			t.Fatalf("%s: %d rows", s, n)
		}
	}
	return data
}

const (
	noGuardOnUpdate = `DROP TRIGGER postings_refuse_update`
	noGuardOnDelete = `DROP TRIGGER postings_refuse_delete`
	noGuardOfSteps  = `DROP TRIGGER steps_refuse_update`
	noGuardOnChange = `DROP TRIGGER transfers_refuse_update`
)

// tamperings are ways to falsify a book, and what verify says of each.
var tamperings = []struct {
	name   string
	note   string // of the transfer, @id in the statements
	do     []string
	breaks []string // rules and places; "@" is the transfer
}{
	{"a posting's amount", "bank", []string{noGuardOnUpdate, `UPDATE postings SET amount = amount + 1 WHERE entry = @id AND event = 1`},
		[]string{"posting_content @", "running_balance bank:NRMD:clearing INR", "account_totals bank:NRMD:clearing INR", "account_totals transit INR", "differs_from_log posting debit of @"}},
	{"a posting deleted", "wallet", []string{noGuardOnDelete, `DELETE FROM postings WHERE entry = @id`},
		[]string{"posted_as_confirmed @", "state_of_money @", "account_totals wallet:PARTY0 INR", "account_totals wallet:PARTY1 INR", "not_in_tables posting wallet of @"}},
	{"a posting's sides swapped", "bank", []string{noGuardOnUpdate, `UPDATE postings SET debit = credit, credit = debit, debit_seq = credit_seq, credit_seq = debit_seq WHERE entry = @id AND event = 2`},
		[]string{"posting_content @", "running_balance bank:KVRI:clearing INR", "account_totals transit INR", "differs_from_log posting credit of @"}},
	{"a posting replaced, past all guards", "wallet", []string{`REPLACE INTO postings SELECT entry, event, undoes, debit, credit, amount + 5, currency, debit_seq, credit_seq, debit_balance, credit_balance, at FROM postings WHERE entry = @id`},
		[]string{"posting_content @", "running_balance wallet:PARTY0 INR", "account_totals wallet:PARTY1 INR"}},
	{"a posting's currency", "bank", []string{noGuardOnUpdate, `UPDATE postings SET currency = 'USD' WHERE entry = @id AND event = 1`},
		[]string{"posting_content @", "posting_currency bank:NRMD:clearing INR"}},
	{"a noted balance", "bank", []string{noGuardOnUpdate, `UPDATE postings SET debit_balance = debit_balance + 1 WHERE entry = @id AND event = 1`},
		[]string{"running_balance bank:NRMD:clearing INR"}},
	{"a posting's place", "bank", []string{noGuardOnUpdate, `UPDATE postings SET credit_seq = credit_seq + 100 WHERE entry = @id AND event = 2`},
		[]string{"account_sequence bank:KVRI:clearing INR"}},
	{"a posting added", "declined", []string{`INSERT INTO postings SELECT @id, event, undoes, debit, credit, amount, currency, debit_seq + 100, credit_seq + 100, debit_balance, credit_balance, at FROM postings WHERE event = 5`},
		[]string{"posted_as_confirmed @", "state_of_money @", "account_sequence wallet:PARTY0 INR", "account_totals wallet:PARTY1 INR", "not_in_log posting wallet of @"}},
	{"an account's total", "", []string{`UPDATE accounts SET debits = debits + 100 WHERE path = 'transit'`},
		[]string{"account_totals transit INR"}},
	{"an account's name", "", []string{`UPDATE accounts SET path = 'bank:GONE:clearing' WHERE path = 'bank:NRMD:clearing'`},
		[]string{"account_id bank:GONE:clearing INR", "not_in_log account bank:GONE:clearing INR", "not_in_tables account bank:NRMD:clearing INR"}},
	{"an account deleted", "", []string{`DELETE FROM accounts WHERE path = 'transit'`},
		[]string{"account_exists TRANSIT", "not_in_tables account transit INR"}},
	{"a wallet's bound", "", []string{`UPDATE accounts SET bounded = 0 WHERE path = 'wallet:PARTY0'`},
		[]string{"chart wallet:PARTY0 INR", "differs_from_log account wallet:PARTY0 INR"}},
	{"a paid transfer called failed", "bank", []string{noGuardOfSteps, `UPDATE steps SET state = 4 WHERE transfer = @id AND n = 3`},
		[]string{"history @", "state_of_money @", "differs_from_log step 3 of @"}},
	{"a deemed transfer called completed", "deemed", []string{noGuardOfSteps, `UPDATE steps SET state = 3 WHERE transfer = @id AND n = 3`},
		[]string{"deadline @", "state_of_money @"}},
	{"a wallet's transfer called failed", "wallet", []string{noGuardOnChange, `UPDATE transfers SET state = 4 WHERE id = @id`},
		[]string{"posted_as_confirmed @", "state_of_money @", "differs_from_log transfer @"}},
	{"a transfer's amount", "bank", []string{noGuardOnChange, `UPDATE transfers SET amount = amount * 2 WHERE id = @id`},
		[]string{"posting_content @", "differs_from_log transfer @"}},
	{"a transfer's payee", "wallet", []string{noGuardOnChange, `UPDATE transfers SET payee_party = payer_party WHERE id = @id`},
		[]string{"posting_content @", "differs_from_log transfer @"}},
	{"a transfer deleted", "bank", []string{`DROP TRIGGER transfers_refuse_delete`, `DELETE FROM transfers WHERE id = @id`},
		[]string{"belongs_to_a_transfer @", "not_in_tables transfer @"}},
	{"a step of the history deleted", "reversed", []string{`DROP TRIGGER steps_refuse_delete`, `DELETE FROM steps WHERE transfer = @id AND n = 2`},
		[]string{"history @", "not_in_tables step 2 of @"}},
	{"a step's time", "reversed", []string{`DROP TRIGGER steps_refuse_update`, `UPDATE steps SET at = at - 60000000 WHERE transfer = @id AND n = 2`},
		[]string{"history @"}},
	{"a bank's answer", "bank", []string{`UPDATE instructions SET state = 5 WHERE transfer = @id AND leg = 2`},
		[]string{"posted_as_confirmed @"}},
	{"a bank's answer forgotten", "reversed", []string{`DELETE FROM instructions WHERE transfer = @id AND leg = 3`},
		[]string{"posted_as_confirmed @"}},
	{"who was instructed", "bank", []string{`UPDATE instructions SET bank = 'GDVR' WHERE transfer = @id AND leg = 2`},
		[]string{"instructed_bank @"}},
	{"when a transfer changed", "bank", []string{noGuardOfSteps, `UPDATE steps SET at = at - 60000000 WHERE transfer = @id AND n = 3`},
		[]string{"history @"}},
	{"an instruction open again", "declined", []string{`UPDATE instructions SET state = 2 WHERE transfer = @id AND leg = 1`},
		[]string{"open_instruction @"}},
}

func TestVerify(t *testing.T) {
	t.Parallel()
	book := makeBook(t)
	stdout, stderr, code := bahi(t, "verify", "--data", book.data)
	if code != exitOK || !strings.Contains(stdout, " 8 transfers, 12 postings, 43 leaves of the log (42 sealed): 0 violations\n") {
		t.Fatalf("the book itself: exit code %d: %s%s", code, stdout, stderr)
	}
	wrong := book.tamper(t, "", `UPDATE accounts SET debits = debits + 100 WHERE path = 'transit'`)
	stdout, _, code = bahi(t, "verify", "--data", wrong)
	if code != exitViolated || !strings.HasPrefix(stdout, "VIOLATED account_totals       transit INR: debits ") || !strings.HasSuffix(stdout, ": 1 violations\n") {
		t.Errorf("for people: exit code %d: %s", code, stdout)
	}
	t.Run("audit file", func(t *testing.T) { testAuditFile(t, book) })
	for _, c := range tamperings {
		t.Run(c.name, func(t *testing.T) {
			found := verifyJSON(t, book.tamper(t, c.note, c.do...))
			for _, want := range c.breaks {
				rule, where, _ := strings.Cut(book.fill(want), " ")
				where = strings.ReplaceAll(where, "@", book.transfers[c.note].TransferRef())
				if found[rule+" "+where] == "" {
					t.Errorf("verify does not say %s %s; it says\n%v", rule, where, found)
				}
			}
		})
	}
}

// fill puts the book's ids where names stand for them.
func (b *someBook) fill(s string) string {
	path := func(party string) string {
		id, _ := ledger.ParsePartyRef(party)
		return strings.TrimPrefix(ledger.WalletAccount(id, "INR").Path, "wallet:")
	}
	return strings.NewReplacer("PARTY0", path(b.parties[0]), "PARTY1", path(b.parties[1]), "TRANSIT", ledger.TransitAccount("INR").ID().String()).Replace(s)
}

// verifyJSON runs "bahi verify --json" on a book that does not hold. It returns
// the details by rule and place.
func verifyJSON(t *testing.T, data string) map[string]string {
	t.Helper()
	stdout, stderr, code := bahi(t, "verify", "--json", "--data", data)
	if code != exitViolated || !strings.Contains(stderr, "the book does not hold") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	found := map[string]string{}
	for _, line := range lines[:len(lines)-1] {
		var v ledger.Violation
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.Detail == "" {
			t.Errorf("%v: %s", err, line)
		}
		found[v.Rule+" "+v.Where] = v.Detail
	}
	var sum ledger.Verified
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &sum); err != nil || sum.Violations != int64(len(lines)-1) {
		t.Errorf("the sums are %s for %d violations (%v)", lines[len(lines)-1], len(lines)-1, err)
	}
	return found
}
