package report_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/memory"
	"bahi/ledger/report"
	"bahi/ledger/settle"
)

// short is some columns of some rows.
func short(rows []map[string]string, kind string, columns ...string) (out []string) {
	for _, row := range rows {
		if row["row"] != kind {
			continue
		}
		var line []string
		for _, c := range columns {
			line = append(line, row[c])
		}
		out = append(out, strings.Join(line, " "))
	}
	return out
}

func (w *world) want(what string, got []string, want ...string) {
	w.Helper()
	if !slices.Equal(got, want) {
		w.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A bank's statement shows its accounts, and which positions were open when.
func TestBankStatement(t *testing.T) {
	w := newWorld(t, memory.New(), 0, time.Second)
	defer w.close()
	schedule := settle.UPI()
	schedule.Fees = settle.Fees{Currency: "INR", Default: 10}
	desk := settle.Desk{Book: w.nodes[0], Reader: w.store, Schedule: schedule}
	w.send(0, bankOf("NRMD"), bankOf("KVRI"), inr(250_00), paid)
	w.send(1, bankOf("NRMD"), bankOf("KVRI"), inr(50_00), paid)
	w.pass(6 * time.Hour)
	closed, err := desk.CloseDue(background, w.time().UnixMicro(), "meera")
	w.no(err)
	window := closed[0].ID
	closing := w.time()
	w.pass(time.Hour)
	confirm := settle.ConfirmPosition{Window: window, Bank: "NRMD", Currency: "INR", Amount: 300_20, Ref: "NEFT1", By: "meera", Failed: true}
	_, err = desk.Confirm(background, confirm)
	w.no(err)
	failed := w.time()
	w.pass(time.Hour)
	confirm.Failed = false
	_, err = desk.Confirm(background, confirm)
	w.no(err)

	statement := func(at time.Time) []map[string]string {
		return w.read(report.BankStatement(background, w.store, "NRMD", report.Query{Period: report.Period{To: at.UnixMicro()}}))
	}
	open := func(at time.Time) []string {
		return short(statement(at), "position", "window", "debit", "credit", "state")
	}
	w.want("before its window was closed", open(closing.Add(-time.Microsecond)))
	w.want("when it was closed", open(closing), window+" 300.00 0.00 open")
	w.want("when the payment had failed", open(failed), window+" 300.00 0.00 open") // what it was cannot be told any more
	w.want("when it was paid", open(w.time()))
	w.want("closing balances", short(statement(w.time()), "closing", "account", "balance"), "bank:NRMD:clearing 0.00", "bank:NRMD:settlement 300.20")
	w.want("closing balances before", short(statement(closing), "closing", "account", "balance"), "bank:NRMD:clearing 300.00", "bank:NRMD:settlement 0.00")
	w.want("both stripes' postings", short(statement(closing), "posting", "account", "debit", "counter_account", "balance"),
		"bank:NRMD:clearing 250.00 transit 250.00", "bank:NRMD:clearing 50.00 transit 300.00")

	other := w.read(report.BankStatement(background, w.store, "KVRI", report.Query{Period: report.Period{To: w.time().UnixMicro()}}))
	w.want("who is owed", short(other, "position", "window", "debit", "credit", "state"), window+" 0.00 300.00 open")
	if _, err := report.BankStatement(background, w.store, "NONE", report.Query{}); err == nil {
		t.Error("a bank that has no account has a statement")
	}
}

// A party's statement shows its wallets and the states of its bank transfers, and no
// name and no account number.
func TestPartyStatement(t *testing.T) {
	w := newWorld(t, memory.New(), 0)
	defer w.close()
	asha, ravi := walletOf(1), walletOf(2)
	w.open(asha.Party)
	w.open(ravi.Party)
	bank := bankOf("NRMD")
	bank.Party = asha.Party
	w.send(0, bank, asha, inr(100_00), paid)
	w.pass(time.Hour)
	from := w.time()
	w.send(0, asha, ravi, inr(30_00), paid)
	w.pass(time.Second)
	declined := w.send(0, bank, bankOf("KVRI"), inr(5_00), "debit declined")
	w.pass(time.Second)
	waiting := w.send(0, bankOf("KVRI"), bank, inr(7_00), "debit approved")
	w.pass(time.Second)

	q := report.Query{Period: report.Period{From: from.UnixMicro(), To: w.time().UnixMicro()}}
	rows := w.read(report.PartyStatement(background, w.store, asha.Party, q))
	wallet := ledger.WalletAccount(asha.Party, "").Path
	w.want("opening", short(rows, "opening", "account", "balance"), wallet+" 100.00")
	w.want("postings", short(rows, "posting", "direction", "amount", "balance", "counter_account"), "out 30.00 70.00 "+ledger.WalletAccount(ravi.Party, "").Path)
	w.want("closing", short(rows, "closing", "account", "balance"), wallet+" 70.00")
	w.want("transfers, oldest first", short(rows, "transfer", "entry", "account", "direction", "amount", "counter_account", "state", "reason"),
		declined.ID.TransferRef()+" bank:NRMD out 5.00 bank:KVRI failed debit_declined",
		waiting.ID.TransferRef()+" bank:NRMD in 7.00 bank:KVRI debited ")
	for _, f := range report.Formats {
		made, err := report.PartyStatement(background, w.store, asha.Party, report.Query{Period: report.Period{To: w.time().UnixMicro()}})
		w.no(err)
		var b strings.Builder
		w.no(made.Write(background, &b, f))
		for _, personal := range []string{"Asha", "Ravi", "100000000001", "200000000002"} {
			if strings.Contains(b.String(), personal) {
				t.Errorf("the %s holds %q", f, personal)
			}
		}
		if !strings.Contains(b.String(), "100.00") {
			t.Errorf("the %s holds no amount:\n%s", f, b.String())
		}
	}
	if _, err := report.PartyStatement(background, w.store, ledger.ID{15: 99}, q); err == nil {
		t.Error("nobody has a statement")
	}
}

// Transfers fall into buckets by their age, to the microsecond.
func TestTransfersByAge(t *testing.T) {
	w := newWorld(t, memory.New(), 0)
	defer w.close()
	made := w.time()
	w.send(0, bankOf("NRMD"), bankOf("KVRI"), inr(2_50), paid)
	w.send(0, bankOf("NRMD"), bankOf("KVRI"), ledger.Amount{Minor: 7, Currency: "JPY"}, "")
	w.send(0, bankOf("NRMD"), bankOf("KVRI"), inr(1_00), "debit approved, credit silent, credit_reversal silent")
	w.send(0, bankOf("NRMD"), bankOf("KVRI"), inr(4_00), "debit approved, credit silent, credit_reversal silent")
	for after, age := range map[time.Duration]string{
		0: "<1m", time.Minute - 1e3: "<1m", time.Minute: "<15m", 15*time.Minute - 1e3: "<15m", 15 * time.Minute: "<2h", 2*time.Hour - 1e3: "<2h", 2 * time.Hour: "<24h",
		24*time.Hour - 1e3: "<24h", 24 * time.Hour: "older", 900 * time.Hour: "older",
	} {
		now := made.Add(after)
		overdue := 0
		if after > 24*time.Hour { // later than the deadline itself
			overdue = 2
		}
		want := []string{
			fmt.Sprintf("pending %s JPY 1 7 0", age),
			fmt.Sprintf("completed %s INR 1 2.50 0", age),
			fmt.Sprintf("deemed %s INR 2 5.00 %d", age, overdue),
		}
		for _, open := range []bool{false, true} {
			rows := w.read(report.Transfers(w.store, report.Period{To: now.UnixMicro()}, open, now), nil)
			expected, total := want, fmt.Sprintf("INR 3 7.50 %d", overdue)
			if open {
				expected, total = []string{want[0], want[2]}, fmt.Sprintf("INR 2 5.00 %d", overdue)
			}
			w.want(fmt.Sprint(after), short(rows, "transfers", "state", "age", "currency", "count", "sum", "overdue"), expected...)
			w.want("total", short(rows, "total", "currency", "count", "sum", "overdue"), total, "JPY 1 7 0")
		}
	}
	// Made in another period.
	if rows := w.read(report.Transfers(w.store, report.Period{From: made.UnixMicro() + 1, To: made.UnixMicro() + 9}, false, made), nil); len(rows) != 0 {
		t.Errorf("before all: %v", rows)
	}
}

// moving is a store in which a transfer goes on while a report is read.
type moving struct {
	ledger.Store
	once sync.Once
	move func()
}

func (m *moving) Transfers(ctx context.Context, f ledger.TransferFilter, p ledger.Page) ([]ledger.Transfer, error) {
	list, err := m.Store.Transfers(ctx, f, p)
	m.once.Do(m.move)
	return list, err
}

// A transfer that goes from one state to the next while open ones are read counts once.
func TestOpenTransfersWhileTheyGoOn(t *testing.T) {
	w := newWorld(t, memory.New(), 0)
	defer w.close()
	going := w.send(0, bankOf("NRMD"), bankOf("KVRI"), inr(1_00), "")
	m := &moving{Store: w.store, move: func() {
		_, err := ledger.Do[ledger.Recorded](background, w.nodes[0], ledger.RecordResult{Transfer: &going, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved})
		w.no(err)
	}}
	rows := w.read(report.Transfers(m, report.Period{To: w.time().UnixMicro()}, true, w.time()), nil)
	w.want("total", short(rows, "total", "count", "sum"), "1 1.00")
}

// A report is of one moment, whatever is committed while it is made.
func TestReportsWhileWritesGoOn(t *testing.T) {
	w := newWorld(t, memory.New(), 0, time.Minute, -time.Minute)
	defer w.close()
	for n := range places {
		w.send(n%3, places[n], places[(n+1)%len(places)], inr(100), paid)
	}
	m := &busy{Store: w.store}
	m.write = func() { // late: of a time that the report is about
		w.send(2, bankOf("NRMD"), walletOf(1), inr(7), paid)
		w.send(2, bankOf("STLJ"), bankOf("NRMD"), inr(9), paid)
	}
	at := w.time().Add(time.Hour).UnixMicro() // after all clocks
	for name, make := range map[string]func(ledger.Reader) (*report.Report, error){
		"trial balance": func(r ledger.Reader) (*report.Report, error) {
			return report.TrialBalance(r, report.Query{Period: report.Period{To: at}}), nil
		},
		"turnover": func(r ledger.Reader) (*report.Report, error) {
			return report.TrialBalance(r, report.Query{Period: report.Period{From: 1, To: at}}), nil
		},
		"ledger": func(r ledger.Reader) (*report.Report, error) {
			return report.GeneralLedger(background, r, report.Query{Period: report.Period{To: at}})
		},
	} {
		m.written = 0
		before := w.read(make(w.store))
		after := w.read(make(m))
		if fmt.Sprint(before) != fmt.Sprint(after) || m.written == 0 {
			t.Errorf("%s before:\n%v\nafter %d writes:\n%v", name, before, m.written, after)
		}
	}
	w.checkInstants(20)
}

// busy is a store that is written to between the reads of a report.
type busy struct {
	ledger.Store
	write   func()
	written int
}

func (b *busy) Accounts(ctx context.Context, after ledger.AccountName, limit int) ([]ledger.Account, error) {
	b.written++
	b.write()
	return b.Store.Accounts(ctx, after, limit)
}

func (b *busy) LinesAt(ctx context.Context, places []ledger.LinePlace) (map[ledger.LinePlace]ledger.StatementLine, error) {
	b.written++
	b.write()
	return b.Store.LinesAt(ctx, places)
}
