package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math/big"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bojanz/currency"
	"github.com/parquet-go/parquet-go"

	"bahi/ledger"
	"bahi/ledger/export"
)

func readCSV(t testing.TB, b []byte) [][]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// wantTables are the rows of a table from the book's own tables, without their places
// and in any order.
func (w *world) wantTables(of export.Table) (rows []string) {
	w.Helper()
	at := func(micros int64) string {
		if micros == 0 {
			return ""
		}
		return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	sum := func(minor int64, c ledger.Currency) string { return ledger.Amount{Minor: minor, Currency: c}.String() }
	app := func(s string) string { return strings.Replace(s, "=shop", "'=shop", 1) }
	w.no(w.store.Audit(ctx, func(s ledger.Snapshot) error {
		transfers, names := map[ledger.ID]ledger.Transfer{}, map[ledger.AccountID]ledger.AccountName{}
		for t := range s.Transfers(ledger.Range{}) {
			transfers[t.ID] = t
			switch of {
			case export.Transfers:
				rows = append(rows, fmt.Sprintf("%q", []string{at(t.Created), t.ID.TransferRef(), app(t.App), t.Kind.String(), t.Payer.Party.PartyRef(), t.Payer.Bank,
					t.Payee.Party.PartyRef(), t.Payee.Bank, t.Amount.String(), string(t.Amount.Currency), t.RRN, t.Born.String(), string(t.Birth().Reason), strings.TrimPrefix(t.Cause.Kind.String(), "unknown"), t.Cause.Ref(), at(t.Until)}))
			case export.Steps:
				for _, step := range t.Beginning() {
					rows = append(rows, fmt.Sprintf("%q", []string{at(step.At), t.ID.TransferRef(), app(t.App), fmt.Sprint(step.N), step.State.String(), string(step.Reason), step.BankCode, at(step.Deadline)}))
				}
			}
		}
		corrections := map[ledger.ID]ledger.ID{}
		for c := range s.Corrections() {
			corrections[c.ID] = c.Transfer
		}
		if of == export.Steps {
			for step := range s.Steps() {
				rows = append(rows, fmt.Sprintf("%q", []string{at(step.At), step.Transfer.TransferRef(), app(transfers[step.Transfer].App), fmt.Sprint(step.N), step.State.String(),
					string(step.Reason), step.BankCode, at(step.Deadline)}))
			}
		}
		for a := range s.Accounts() {
			names[a.ID] = a.Name
		}
		for p := range s.Postings() {
			if of != export.Postings {
				break
			}
			about, undoes, transfer := p.Entry, "", ""
			if c, ok := corrections[p.Entry]; ok {
				about = c
			}
			t, ok := transfers[about]
			if ok {
				transfer = about.TransferRef()
			}
			if p.Undoes != 0 {
				undoes = p.Undoes.String()
			}
			rows = append(rows, fmt.Sprintf("%q", []string{at(p.At), p.EntryRef(), p.Event.String(), undoes, transfer, app(t.App), t.Payer.Party.PartyRef(), t.Payee.Party.PartyRef(),
				names[p.Debit].Path, names[p.Credit].Path, sum(p.Amount, p.Currency), string(p.Currency), sum(p.DebitBalance, p.Currency), sum(p.CreditBalance, p.Currency), t.RRN}))
		}
		return nil
	}))
	slices.Sort(rows)
	return rows
}

// withoutPlaces are rows without their places, in order, once the places were found to increase.
func withoutPlaces(t testing.TB, rows [][]string) (out []string) {
	t.Helper()
	last := -1
	for _, r := range rows {
		var place int
		if _, err := fmt.Sscan(r[0], &place); err != nil || place < last {
			t.Fatalf("the place %q after %d", r[0], last)
		}
		last = place
		out = append(out, fmt.Sprintf("%q", r[1:]))
	}
	slices.Sort(out)
	return out
}

func TestTablesAsCSV(t *testing.T) {
	w := memoryWorld(t)
	w.busy(120)
	for of, columns := range map[export.Table]string{
		export.Postings:  "place,time,entry,event,undoes,transfer,app,payer_party,payee_party,debit_account,credit_account,amount,currency,debit_balance,credit_balance,rrn",
		export.Transfers: "place,time,transfer,app,kind,payer_party,payer_bank,payee_party,payee_bank,amount,currency,rrn,state,reason,cause,cause_id,until",
		export.Steps:     "place,time,transfer,app,n,state,reason,bank_code,deadline",
	} {
		got := w.export(export.Options{Format: export.CSV, Of: of, Range: w.whole()})
		rows := readCSV(t, got)
		if head := strings.Join(rows[0], ","); head != columns {
			t.Errorf("the columns of the %s are %s", of, head)
		}
		if n := bytes.Count(got, []byte("\r\n")); n != len(rows) || bytes.Count(got, []byte("\n")) != n {
			t.Errorf("%s: %d lines end as RFC 4180 wants it, of %d", of, n, len(rows))
		}
		if have, want := withoutPlaces(t, rows[1:]), w.wantTables(of); !slices.Equal(have, want) {
			t.Errorf("%s:\n%.3000s\nand not\n%.3000s", of, strings.Join(have, "\n"), strings.Join(want, "\n"))
		}
		if n := w.rows(export.Options{Format: export.CSV, Of: of, Range: w.whole()}); n != int64(len(rows)-1) {
			t.Errorf("%d %s are counted, there are %d", n, of, len(rows)-1)
		}
		theirs := python(t, got, "import csv,sys\nfor r in csv.reader(sys.stdin): print(ascii(r))")
		var ours strings.Builder
		for _, r := range rows {
			fmt.Fprintln(&ours, "['"+strings.Join(r, "', '")+"']")
		}
		// An apostrophe makes Python quote with the other mark.
		if got := strings.ReplaceAll(theirs, `"'=shop"`, `''=shop'`); got != ours.String() {
			t.Errorf("%s: Python reads\n%.1000s\nand not\n%.1000s", of, got, ours.String())
		}
	}
}

func python(t testing.TB, in []byte, program string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", "-c", program)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(out), "\r", "")
}

// What a spreadsheet would take for a formula is a text; what holds a mark of the
// format's own is quoted; and all of that can be gone on with.
func TestHostileTexts(t *testing.T) {
	w := memoryWorld(t)
	apps := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", `a "quoted", one`, "plain", "two\nlines", `back\slash`, "semi;colon"}
	for _, app := range apps {
		w.send(0, app, bankOf("NRMD", 1), bankOf("KVRI", 2), 100, "INR", "debit declined")
	}
	w.send(0, "x", bankOf("NRMD", 1), bankOf("KVRI", 2), 100, "INR", paid)
	w.seal()
	o := export.Options{Format: export.CSV, Of: export.Transfers, Range: w.whole()}
	got := w.export(o)
	rows := readCSV(t, got)[1:]
	for i, app := range apps {
		want := app
		if strings.ContainsRune("=+-@\t", rune(app[0])) {
			want = "'" + app
		}
		if rows[i][3] != want {
			t.Errorf("the app %q is %q", app, rows[i][3])
		}
	}
	for cut := range got {
		k, err := export.Keep(bytes.NewReader(got[:cut]), export.CSV)
		w.no(err)
		rest := o
		rest.From = k.From
		if all := append(bytes.Clone(got[:k.Bytes]), w.export(rest)...); !bytes.Equal(all, got) {
			t.Fatalf("cut at %d and gone on at %+v:\n%s", cut, k, all)
		}
	}
}

// parquetRows reads a file back as the texts that the same table has as CSV.
func parquetRows(t testing.TB, b []byte) (columns []string, rows [][]string, groups int) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	fields := f.Schema().Fields()
	for _, c := range fields {
		columns = append(columns, c.Name())
	}
	for _, g := range f.RowGroups() {
		groups++
		r := g.Rows()
		for {
			batch := make([]parquet.Row, 100)
			n, err := r.ReadRows(batch)
			for _, row := range batch[:n] {
				rows = append(rows, texts(t, fields, row))
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return columns, rows, groups
}

func texts(t testing.TB, fields []parquet.Field, row parquet.Row) (out []string) {
	t.Helper()
	money := ledger.Currency("")
	for i, v := range row {
		if fields[i].Name() == "currency" {
			money = ledger.Currency(v.String())
		}
	}
	for i, v := range row {
		typ := fields[i].Type()
		switch logical := fmt.Sprint(typ.LogicalType()); {
		case v.IsNull():
			out = append(out, "")
		case strings.HasPrefix(logical, "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)"):
			out = append(out, time.UnixMicro(v.Int64()).UTC().Format("2006-01-02T15:04:05.000000Z"))
		case strings.HasPrefix(logical, "DECIMAL(23,4)"):
			n := new(big.Int).SetBytes(v.ByteArray())
			if v.ByteArray()[0] > 127 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v.ByteArray()))))
			}
			digits, err := money.Digits()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, new(big.Rat).SetFrac(n, big.NewInt(10_000)).FloatString(int(digits)))
			if _, rest := new(big.Int).QuoRem(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(4-digits)), nil), new(big.Int)); rest.Sign() != 0 {
				t.Errorf("%s %s has more digits than the currency", n, money)
			}
		default:
			out = append(out, v.String())
		}
	}
	return out
}

func TestTablesAsParquet(t *testing.T) {
	w := memoryWorld(t)
	w.busy(120)
	for _, of := range export.Tables {
		got := w.export(export.Options{Format: export.Parquet, Of: of, Range: w.whole()})
		columns, rows, _ := parquetRows(t, got)
		want := readCSV(t, w.export(export.Options{Format: export.CSV, Of: of, Range: w.whole()}))
		if !slices.Equal(columns, want[0]) {
			t.Errorf("the columns of the %s are %v", of, columns)
		}
		for i := range rows {
			for k := range want[i+1] {
				want[i+1][k] = strings.TrimPrefix(want[i+1][k], "'") // no spreadsheet reads it
			}
			if !slices.Equal(rows[i], want[i+1]) {
				t.Fatalf("row %d of the %s is %q, as CSV %q", i, of, rows[i], want[i+1])
			}
		}
		if len(rows) != len(want)-1 || len(rows) == 0 {
			t.Errorf("%d %s, as CSV %d", len(rows), of, len(want)-1)
		}
		for _, mark := range []string{"bahi version 1(build export)", "bahi.first", "bahi.size"} {
			if !bytes.Contains(got, []byte(mark)) {
				t.Errorf("%s is not in the file of the %s", mark, of)
			}
		}
		if bytes.Contains(got, []byte("parquet-go")) {
			t.Error("the file names the library that wrote it, whose builds differ")
		}
	}
}

// A row group is written once it has its rows, so that memory does not grow with the export.
func TestParquetHasRowGroups(t *testing.T) {
	w := memoryWorld(t)
	w.many(50_000, 100)
	w.seal()
	_, rows, groups := parquetRows(t, w.export(export.Options{Format: export.Parquet, Range: w.whole()}))
	if len(rows) != 100_000 || groups != 4 {
		t.Errorf("%d rows in %d groups", len(rows), groups)
	}
}

// The largest balance there can be of the currency with the fewest digits.
func TestParquetHoldsEveryAmount(t *testing.T) {
	for _, code := range currency.GetCurrencyCodes() {
		if d, _ := ledger.Currency(code).Digits(); d > 4 {
			t.Errorf("%s has %d digits, a decimal of the files has 4", code, d)
		}
	}
	for _, minor := range []int64{0, 1, -1, 1 << 62, -1 << 63, 1<<63 - 1} {
		for _, c := range []ledger.Currency{"JPY", "INR", "KWD", "UYW"} {
			digits, err := c.Digits()
			if err != nil {
				t.Fatal(err)
			}
			want := new(big.Int).Mul(big.NewInt(minor), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(4-digits)), nil))
			b := export.AppendDecimal(nil, minor, c)
			got := new(big.Int).SetBytes(b)
			if b[0] > 127 {
				got.Sub(got, new(big.Int).Lsh(big.NewInt(1), 80))
			}
			if len(b) != 10 || got.Cmp(want) != 0 {
				t.Errorf("%d %s is %s in %d bytes, want %s", minor, c, got, len(b), want)
			}
		}
	}
}

func TestNoSuchExport(t *testing.T) {
	w := memoryWorld(t)
	for _, o := range []export.Options{{Format: "xml"}, {Format: export.CSV, Of: "parties"}, {Format: export.HLedger, Of: export.Steps},
		{Format: export.Parquet, Range: export.Range{Size: 3}, From: 1}} {
		if _, err := export.Write(ctx, w.store, io.Discard, o); err == nil {
			t.Errorf("%+v is written", o)
		}
	}
}

// A log with a hole, or a transfer that is gone, does not make an export that looks whole.
func TestDamagedLog(t *testing.T) {
	w := memoryWorld(t)
	w.busy(16)
	for name, s := range map[string]ledger.Store{"a row is gone": holed{Store: w.store, at: w.whole().Size / 2}, "the end is gone": holed{Store: w.store, at: w.whole().Size - 1},
		"a transfer is gone": withoutTransfers{w.store}} {
		for _, o := range all(export.Range{First: 4, Size: w.whole().Size}, "") { // behind the first transfer
			if _, err := export.Write(ctx, s, io.Discard, o); err == nil && (name != "a transfer is gone" || o.Of == export.Steps) {
				t.Errorf("%s: %s of %s is written", name, o.Format, o.Of)
			}
		}
	}
}

type holed struct {
	ledger.Store
	at int64
}

func (h holed) LogFrom(ctx context.Context, place int64, limit int) ([]ledger.LogRow, error) {
	rows, err := h.Store.LogFrom(ctx, place, limit)
	return slices.DeleteFunc(rows, func(r ledger.LogRow) bool { return r.First <= h.at && h.at < r.First+int64(r.Leaves) }), err
}

type withoutTransfers struct{ ledger.Store }

func (withoutTransfers) TransfersOf(context.Context, []ledger.ID) (map[ledger.ID]ledger.Transfer, error) {
	return nil, nil
}
