package export_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bahi/ledger"
	"bahi/ledger/export"
)

// export writes all of the options' export.
func (w *world) export(o export.Options) []byte {
	w.Helper()
	var b bytes.Buffer
	_, err := export.Write(ctx, w.store, &b, o)
	w.no(err)
	return b.Bytes()
}

func (w *world) whole() export.Range {
	w.Helper()
	r, err := export.Whole.Find(ctx, w.store, nil)
	w.no(err)
	return r
}

// tool runs a program that must be there, over a file, and returns what it prints.
func tool(t testing.TB, journal []byte, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "book."+strings.TrimPrefix(name, "bean-"))
	if err := os.WriteFile(path, journal, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", path)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%.2000s\n%.2000s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// balances are the book's own, debits less credits, by whole account and currency, as a
// journal calls them; those of zero are left out.
func (w *world) balances(call func(ledger.AccountName) string) map[string]string {
	w.Helper()
	sums := map[ledger.AccountName]int64{}
	accounts, err := w.store.Accounts(ctx, ledger.AccountName{}, 1_000_000)
	w.no(err)
	for i := range accounts {
		sums[accounts[i].Name.Whole()] += accounts[i].Debits - accounts[i].Credits
	}
	out := map[string]string{}
	for n, minor := range sums {
		if minor != 0 {
			out[call(n)+" "+string(n.Currency)] = ledger.Amount{Minor: minor, Currency: n.Currency}.String()
		}
	}
	return out
}

func (w *world) same(what string, got, want map[string]string) {
	w.Helper()
	if len(want) < 8 {
		w.Errorf("%s: only %d balances to compare", what, len(want))
	}
	for k := range want {
		if got[k] != want[k] {
			w.Errorf("%s: %s is %q, the book has %q", what, k, got[k], want[k])
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			w.Errorf("%s: %s is %q, the book has none", what, k, got[k])
		}
	}
}

func hledgerName(n ledger.AccountName) string {
	parts := strings.Split(n.Path, ":")
	for i, p := range parts {
		if !strings.HasPrefix(p, "pty_") {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	root := "Liabilities:"
	switch parts[0] {
	case "Bank":
		root = "Assets:"
	case "Fees":
		root = "Income:"
	}
	return root + strings.Join(parts, ":")
}

func beancountName(n ledger.AccountName) string {
	return strings.ReplaceAll(hledgerName(n), "pty_", "Pty-")
}

// hledgerBalances are those that hledger makes of a journal.
func hledgerBalances(t testing.TB, journal []byte) map[string]string {
	t.Helper()
	tool(t, journal, "hledger", "-f", "FILE", "check", "--strict")
	rows, err := csv.NewReader(strings.NewReader(tool(t, journal, "hledger", "-f", "FILE", "bal", "-N", "--flat", "--layout=bare", "-O", "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows[1:] {
		got[r[0]+" "+r[1]] = r[2]
	}
	return got
}

// beancountBalances are those that Beancount makes of a journal.
func beancountBalances(t testing.TB, journal []byte) map[string]string {
	t.Helper()
	tool(t, journal, "bean-check", "FILE")
	rows, err := csv.NewReader(strings.NewReader(tool(t, journal, "bean-query", "-f", "csv", "FILE", "SELECT account, currency, sum(position) AS held GROUP BY account, currency"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows[1:] {
		if n := strings.Fields(r[2]); len(n) == 2 { // nothing stands where nothing is held
			got[strings.TrimSpace(r[0])+" "+n[1]] = n[0]
		}
	}
	return got
}

func TestHledger(t *testing.T) {
	w := memoryWorld(t)
	w.busy(120)
	journal := w.export(export.Options{Format: export.HLedger, Range: w.whole()})
	w.same("hledger", hledgerBalances(t, journal), w.balances(hledgerName))
}

func TestBeancount(t *testing.T) {
	w := memoryWorld(t)
	w.busy(120)
	journal := w.export(export.Options{Format: export.Beancount, Range: w.whole()})
	w.same("beancount", beancountBalances(t, journal), w.balances(beancountName))
}

// A journal of a part of the book begins with what the accounts have by then, and ends
// with what they have at its end.
func TestJournalOfAPart(t *testing.T) {
	w := memoryWorld(t)
	w.busy(60)
	whole := w.whole()
	for _, first := range []int64{1, whole.Size / 3, whole.Size - 1, whole.Size} {
		r := export.Range{First: first, Size: whole.Size}
		w.same("hledger", hledgerBalances(t, w.export(export.Options{Format: export.HLedger, Range: r})), w.balances(hledgerName))
		w.same("beancount", beancountBalances(t, w.export(export.Options{Format: export.Beancount, Range: r})), w.balances(beancountName))
	}
}

// The journals of an app are those of what its transfers moved; all apps and what belongs
// to none come to the whole.
func TestJournalOfAnApp(t *testing.T) {
	w := memoryWorld(t)
	w.busy(60)
	r := export.Range{First: w.whole().Size / 2, Size: w.whole().Size}
	rows := map[string]int64{}
	for _, app := range []string{"chat", "=shop"} {
		o := export.Options{Format: export.HLedger, Range: r, App: app}
		want := w.shares(r, app, hledgerName)
		w.same("hledger of "+app, hledgerBalances(t, w.export(o)), want)
		rows[app] = w.rows(o)
		o.Format = export.Beancount
		w.same("beancount of "+app, beancountBalances(t, w.export(o)), w.shares(r, app, beancountName))
	}
	if whole := w.rows(export.Options{Format: export.HLedger, Range: r}); rows["chat"] == 0 || rows["=shop"] == 0 || rows["chat"]+rows["=shop"] >= whole {
		t.Errorf("%v transactions of the apps, %d in all", rows, whole)
	}
}

// shares are what an app's transfers leave on the accounts, from the book's own tables.
func (w *world) shares(in export.Range, app string, call func(ledger.AccountName) string) map[string]string {
	w.Helper()
	sums := map[ledger.AccountName]int64{}
	w.no(w.store.Audit(ctx, func(s ledger.Snapshot) error {
		apps, names := map[ledger.ID]string{}, map[ledger.AccountID]ledger.AccountName{}
		for t := range s.Transfers(ledger.Range{}) {
			apps[t.ID] = t.App
		}
		for c := range s.Corrections() {
			apps[c.ID] = apps[c.Transfer]
		}
		for a := range s.Accounts() {
			names[a.ID] = a.Name.Whole()
		}
		for p := range s.Postings() {
			if apps[p.Entry] == app {
				sums[names[p.Debit]] += p.Amount
				sums[names[p.Credit]] -= p.Amount
			}
		}
		return nil
	}))
	out := map[string]string{}
	for n, minor := range sums {
		if minor != 0 {
			out[call(n)+" "+string(n.Currency)] = ledger.Amount{Minor: minor, Currency: n.Currency}.String()
		}
	}
	return out
}

// What is changed in a journal is found by the tools, by the balances at its end.
func TestToolsFindWhatIsChanged(t *testing.T) {
	w := memoryWorld(t)
	w.send(0, "chat", bankOf("NRMD", 1), bankOf("KVRI", 2), 123_45, "INR", paid)
	w.seal()
	for format, check := range map[export.Format][]string{export.HLedger: {"hledger", "-f", "FILE", "check"}, export.Beancount: {"bean-check", "FILE"}} {
		journal := w.export(export.Options{Format: format, Range: w.whole()})
		path := filepath.Join(t.TempDir(), "journal."+string(format))
		for i := range check {
			check[i] = strings.ReplaceAll(check[i], "FILE", path)
		}
		for amount, fine := range map[string]bool{"123.45": true, "123.46": false} {
			changed := bytes.Replace(journal, []byte("123.45"), []byte(amount), 1) // the debit's
			changed = bytes.Replace(changed, []byte("-123.45"), []byte("-"+amount), 1)
			w.no(os.WriteFile(path, changed, 0o600))
			out, err := exec.CommandContext(t.Context(), check[0], check[1:]...).CombinedOutput()
			if (err == nil) != fine {
				t.Errorf("%s with %s: %v\n%s", check[0], amount, err, out)
			}
		}
	}
}
