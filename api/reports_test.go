package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bahi/api"
	"bahi/ledger"
)

// reported is a stack in which asha has paid ravi from her wallet.
func reported(t *testing.T, changes ...func(*setup)) (s *stack, asha, ravi *person) {
	s = start(t, changes...)
	a := s.as(chatA)
	asha, ravi = a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00"), a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "40.00").want(201)
	return s, asha, ravi
}

// words are values with a space between each.
func words(values ...any) string { return strings.TrimSpace(fmt.Sprintln(values...)) }

func TestReports(t *testing.T) {
	s, asha, ravi := reported(t)
	paid := time.Now()
	s.as(chatA).pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00").want(201)
	c := s.as(auditor)
	at := func(when time.Time) string { return when.UTC().Format("2006-01-02T15:04:05.000000Z") }

	trial := read[api.TrialBalanceReport](c.get("/v1/reports/trial-balance").want(200))
	last := trial.Rows[len(trial.Rows)-1]
	wantEqual(t, "total", words(trial.Report, last.Row, last.Currency, last.Debit, last.Credit), "trial-balance total INR 100.00 100.00")
	wantEqual(t, "before all", len(read[api.TrialBalanceReport](c.get("/v1/reports/trial-balance?at=2026-01-01").want(200)).Rows), 0)
	wantEqual(t, "of another currency", len(read[api.TrialBalanceReport](c.get("/v1/reports/trial-balance?currency=JPY").want(200)).Rows), 0)
	moved := read[api.TrialBalanceReport](c.get("/v1/reports/trial-balance?from=" + at(paid)).want(200))
	last = moved.Rows[len(moved.Rows)-1]
	wantEqual(t, "moved since", words(last.OpeningDebit, last.Debits, last.Credits, last.Credit), "100.00 1.00 1.00 100.00")

	wallet := "wallet:" + asha.id
	for query, want := range map[string]string{"": "59.00", "&at=" + at(paid): "60.00", "&at=2026-01-01": "0.00"} {
		got := read[api.BalanceReport](c.get("/v1/reports/balance?account=" + wallet + query).want(200)).Rows
		if len(got) != 1 || got[0].Balance != want {
			t.Errorf("%s: %+v, want %s", query, got, want)
		}
	}
	rows := read[api.LedgerReport](c.get("/v1/reports/ledger?account=" + wallet + "&from=" + at(paid)).want(200)).Rows
	wantEqual(t, "the ledger", words(len(rows), rows[0].Balance, rows[1].Debit, rows[1].CounterAccount, rows[2].Balance), "3 60.00 1.00 wallet:"+ravi.id+" 59.00")
	all := read[api.LedgerReport](c.get("/v1/reports/ledger").want(200)).Rows
	if len(all) < 10 {
		t.Errorf("the whole ledger has %d rows", len(all))
	}
	mine := read[api.StatementReport](c.get("/v1/reports/statement?party=" + asha.id).want(200)).Rows
	end := mine[len(mine)-1]
	wantEqual(t, "the top-up in the party's statement", words(end.Row, end.Account, end.Direction, end.Amount, end.State), "transfer bank:NRMD out 100.00 completed")
	bank := read[api.StatementReport](c.get("/v1/reports/statement?bank=NRMD").want(200)).Rows
	wantEqual(t, "the bank's closing balance", words(bank[len(bank)-1].Row, bank[len(bank)-1].Balance), "closing 100.00")
	counts := read[api.TransfersReport](c.get("/v1/reports/transfers").want(200)).Rows
	wantEqual(t, "transfers", words(len(counts), counts[0].State, counts[0].Age, counts[0].Count, counts[0].Sum), "2 completed <1m 3 141.00")
	wantEqual(t, "open transfers", len(read[api.TransfersReport](c.get("/v1/reports/transfers?open=true").want(200)).Rows), 0)
}

func TestReportFormats(t *testing.T) {
	s, _, _ := reported(t)
	c := s.as(operator)
	for _, want := range []struct{ query, accept, kind, begins string }{
		{"", "", "application/json", `{"report":"balance"`},
		{"", "text/csv", "text/csv", "account,currency,type,balance"},
		{"", "text/html, text/csv;q=0.5, text/plain;q=0.9", "text/plain", "balance, at 20"},
		{"", "image/png", "application/json", `{"report":"balance"`},
		{"&format=csv", "application/json", "text/csv", "account,currency,type,balance"},
		{"&format=table", "", "text/plain", "balance, at 20"},
	} {
		got := c.do(c.request("GET", "/v1/reports/balance?account=transit"+want.query, nil, "Accept", want.accept)).want(200)
		if kind := got.header.Get("Content-Type"); kind != want.kind || !strings.HasPrefix(string(got.body), want.begins) {
			t.Errorf("%q, Accept %q: %s: %.60s", want.query, want.accept, kind, got.body)
		}
	}
}

func TestReportRefusals(t *testing.T) {
	s, _, _ := reported(t)
	c := s.as(auditor)
	tomorrow := time.Now().AddDate(0, 0, 2).Format(time.DateOnly)
	for path, want := range map[string]struct {
		status      int
		code, field string
	}{
		"trial-balance?at=" + tomorrow:                        {400, "malformed_parameter", "at"},
		"trial-balance?at=yesterday":                          {400, "malformed_parameter", "at"},
		"trial-balance?at=2026-01-01&from=2026-01-01":         {400, "malformed_parameter", "at"},
		"trial-balance?from=2026-02-30":                       {400, "malformed_parameter", "from"},
		"trial-balance?to=" + tomorrow:                        {400, "malformed_parameter", "to"},
		"ledger?from=2026-02-02&to=2026-02-01":                {400, "malformed_parameter", "from"},
		"trial-balance?format=xml":                            {400, "malformed_parameter", "format"},
		"balance":                                             {400, "malformed_parameter", "account"},
		"balance?account=bank:NONE:clearing":                  {404, "account_not_found", ""},
		"ledger?account=asha":                                 {404, "account_not_found", ""},
		"statement":                                           {400, "malformed_parameter", "party"},
		"statement?bank=NRMD&party=pty_" + hex32:              {400, "malformed_parameter", "party"},
		"statement?bank=NONE":                                 {404, "bank_not_found", ""},
		"statement?party=pty_" + hex32:                        {404, "party_not_found", ""},
		"statement?party=asha":                                {404, "party_not_found", ""},
		"transfers?at=2026-01-01":                             {400, "unknown_parameter", "at"},
		"trial-balance?at=" + strings.Repeat("2026-01-01", 5): {400, "malformed_parameter", "at"},
	} {
		got := c.get("/v1/reports/"+path).refused(want.status, want.code)
		wantEqual(t, path, read[api.Problem](got).Field, want.field)
	}
}

// faulty is a store whose accounts cannot be read from some place on.
type faulty struct {
	ledger.Store
	after atomic.Int64 // lists of accounts
	rows  atomic.Int64 // how many each account seems to have
}

var errFault = errors.New("the disk is broken")

// LinesAt tells of a long statement, and breaks in the middle of it.
func (f *faulty) LinesAt(ctx context.Context, places []ledger.LinePlace) (map[ledger.LinePlace]ledger.StatementLine, error) {
	if f.after.Add(-1) < 0 {
		return nil, errFault
	}
	found := map[ledger.LinePlace]ledger.StatementLine{}
	for _, p := range places {
		found[p] = ledger.StatementLine{Seq: p.Seq, Debited: true, Posting: ledger.Posting{Entry: ledger.ID{1}, Event: ledger.EventDebit, Credit: p.Account, Amount: 1, Currency: "INR", At: 1}}
	}
	return found, nil
}

func (f *faulty) Accounts(ctx context.Context, after ledger.AccountName, limit int) ([]ledger.Account, error) {
	accounts, err := f.Store.Accounts(ctx, after, limit)
	for i := range accounts {
		if n := f.rows.Load(); n > 0 {
			accounts[i].Seq, accounts[i].Debits, accounts[i].Credits, accounts[i].Posted = n, n, 0, 1
		}
	}
	return accounts, err
}

// A report that breaks before anything was sent is a problem; one that breaks later
// breaks its connection, so that it is not taken for a whole one.
func TestReportIsCutHonestly(t *testing.T) {
	f := &faulty{}
	s, _, _ := reported(t, func(o *setup) { o.wrap = func(store ledger.Store) ledger.Store { f.Store = store; return f } })
	c := s.as(auditor)
	f.rows.Store(20_000)
	f.after.Store(0)
	c.get("/v1/reports/ledger?account=transit").refused(500, "internal")
	for _, format := range []string{"json", "csv", "table"} {
		f.after.Store(12)
		resp, err := s.client.Do(c.request("GET", "/v1/reports/ledger?account=transit&format="+format, nil))
		check(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || len(body) < 50_000 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d, %d bytes, %v", format, resp.StatusCode, len(body), err)
		}
	}
	f.after.Store(1 << 40) // the same whole
	resp, err := s.client.Do(c.request("GET", "/v1/reports/ledger?account=transit&format=csv", nil))
	check(t, err)
	defer resp.Body.Close()
	lines := 0
	for r := bufio.NewScanner(resp.Body); r.Scan(); lines++ {
		err = r.Err()
	}
	if err != nil || lines != 1+20_000+2 {
		t.Errorf("whole: %d lines, %v", lines, err)
	}
}

// A server that stops does not wait for a report.
func TestReportWhenTheServerStops(t *testing.T) {
	f := &slow{}
	s, _, _ := reported(t, func(o *setup) { o.wrap = func(store ledger.Store) ledger.Store { f.Store = store; return f } })
	f.reading = make(chan struct{})
	ended := make(chan error, 1)
	request := s.as(auditor).request("GET", "/v1/reports/transfers", nil)
	go func() {
		resp, err := s.client.Do(request)
		if err == nil {
			resp.Body.Close()
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		ended <- err
	}()
	<-f.reading
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("to stop took %v", took)
	}
	<-ended
}

// slow is a store whose snapshot takes for ever.
type slow struct {
	ledger.Store
	reading chan struct{}
}

func (f *slow) Audit(ctx context.Context, check func(ledger.Snapshot) error) error {
	if f.reading == nil {
		return f.Store.Audit(ctx, check)
	}
	return check(endless{ctx: ctx, reading: f.reading})
}

type endless struct {
	ledger.Snapshot
	ctx     context.Context
	reading chan struct{}
}

func (e endless) Transfers(ledger.Range) iter.Seq2[ledger.Transfer, error] {
	return func(yield func(ledger.Transfer, error) bool) {
		close(e.reading)
		<-e.ctx.Done()
		yield(ledger.Transfer{}, context.Cause(e.ctx))
	}
}
