package api_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bahi/api"
)

const kaveriDay = `{"statement":{"bank":"KVRI","account":"910000000077","id":"J1","currency":"INR","date":"2026-11-25","opening":"-1.00"}}
{"line":{"rrn":"632923371856","booking_date":"2026-11-25","amount":"250.00","side":"credit","code":"00"}}
{"line":{"rrn":"632923371856","booking_date":"2026-11-25","amount":"250.00","side":"credit","code":"00"}}
{"end":{"lines":2,"closing":"499.00"}}
`

func TestBringStatements(t *testing.T) {
	s := start(t)
	got := read[api.StatementFile](s.as(operator).post("/v1/statements", kaveriDay, "Content-Type", "", "Idempotency-Key", "").want(201))
	if len(got.SHA256) != 64 || got.Again || got.Lines != 2 || got.StatementCount != 1 || got.CoveredCount != 1 || got.Covered[0].Bank != "KVRI" || got.Covered[0].Day.String() != "2026-11-25" {
		t.Errorf("%+v", got)
	}
	if st := got.Statements[0]; st.Bank != "KVRI" || st.Name != "J1" || st.Format != "jsonl" || st.Lines != 2 || st.Credits.Value != "500.00" || st.Debits.Value != "0.00" ||
		st.Closing.Value != "499.00" || st.Account != "••••0077" || st.Day.String() != "2026-11-25" || st.Source != "bank" {
		t.Errorf("%+v", st)
	}
	before := s.fingerprint()
	again := read[api.StatementFile](s.as(bankK).post("/v1/statements", kaveriDay, "Content-Type", "text/plain").want(200))
	if !again.Again || again.Lines != 2 || again.SHA256 != got.SHA256 || again.Statements[0].At.IsZero() || again.Statements[0].By == "" {
		t.Errorf("%+v", again)
	}
	wantEqual(t, "lines", s.count("lines"), 2)
	if s.fingerprint() != before {
		t.Error("the file again stored something")
	}
}

func TestWrongStatements(t *testing.T) {
	s := start(t)
	o := s.as(operator)
	before := s.fingerprint()
	p := read[api.Problem](o.post("/v1/statements", strings.Replace(kaveriDay, "499.00", "500.00", 1)).refused(422, "statement_wrong"))
	if p.Line != 4 || p.Field != "closing" || !strings.Contains(p.Detail, "line 4: closing: ") || !strings.Contains(p.Detail, "500.00") {
		t.Errorf("%+v", p)
	}
	form := func(parts ...string) (body, kind string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for i := 0; i+1 < len(parts); i += 2 {
			part, err := w.CreateFormFile(parts[i], "x")
			check(t, err)
			_, err = io.WriteString(part, parts[i+1])
			check(t, err)
		}
		check(t, w.Close())
		return b.String(), w.FormDataContentType()
	}
	for _, c := range []struct {
		name, path, body string
		parts            []string
		headers          []string
		as               string
		status           int
		code             string
	}{
		{name: "nothing", status: 422, code: "statement_wrong"},
		{name: "no statement", body: "hello", status: 422, code: "statement_wrong"},
		{name: "a format that is not known", path: "?format=xls", body: kaveriDay, status: 400, code: "malformed_parameter"},
		{name: "another format", path: "?format=mt940", body: kaveriDay, status: 422, code: "statement_wrong"},
		{name: "CSV without a mapping", path: "?format=csv", body: kaveriDay, status: 422, code: "statement_wrong"},
		{name: "no bank's code", path: "?bank=a%2Fb", body: kaveriDay, status: 400, code: "malformed_parameter"},
		{name: "compressed", body: kaveriDay, headers: []string{"Content-Encoding", "gzip"}, status: 415, code: "unsupported_media_type"},
		{name: "a form without a file", parts: []string{"mapping", "currency: INR"}, status: 400, code: "invalid_field"},
		{name: "a form of nothing", parts: []string{}, status: 400, code: "missing_field"},
		{name: "a form with two files", parts: []string{"file", kaveriDay, "file", kaveriDay}, status: 400, code: "duplicate_field"},
		{name: "a form with another part", parts: []string{"file", kaveriDay, "bank", "KVRI"}, status: 400, code: "unknown_field"},
		{name: "a form without a boundary", body: kaveriDay, headers: []string{"Content-Type", "multipart/form-data"}, status: 415, code: "unsupported_media_type"},
		{name: "a form that is none", body: kaveriDay, headers: []string{"Content-Type", "multipart/form-data; boundary=x"}, status: 400, code: "missing_field"},
		{name: "a bank that brings another's", as: bankN, body: kaveriDay, status: 422, code: "statement_wrong"},
		{name: "a bank that names a bank", as: bankK, path: "?bank=KVRI", body: kaveriDay, status: 400, code: "invalid_field"},
		{name: "a chat backend", as: chatA, body: kaveriDay, status: 403, code: "role_not_allowed"},
		{name: "an auditor", as: auditor, body: kaveriDay, status: 403, code: "role_not_allowed"},
	} {
		who, body, headers := o, c.body, c.headers
		if c.as != "" {
			who = s.as(c.as)
		}
		if c.parts != nil {
			var kind string
			body, kind = form(c.parts...)
			headers = []string{"Content-Type", kind}
		}
		if got := who.post("/v1/statements"+c.path, body, headers...); got.status != c.status || got.code() != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, got.status, got.body, c.status, c.code)
		}
	}
	big := o.request("POST", "/v1/statements", kaveriDay)
	big.ContentLength, big.Body = 5<<30, io.NopCloser(strings.NewReader(kaveriDay))
	if got, err := o.try(big); err == nil && (got.status != 413 || got.code() != "body_too_large") {
		t.Errorf("too large: %d %s", got.status, got.body)
	}
	if s.fingerprint() != before {
		t.Error("something was stored")
	}
	rows, mapping := "day,in,out\n2026-11-25,250.00,\n", "{bank: KVRI, currency: INR, columns: {booking_date: day, credit: in, debit: out}}"
	for _, parts := range [][]string{{"file", rows, "mapping", mapping}, {"mapping", mapping, "file", rows + "2026-11-25,,1.00\n"}} {
		body, kind := form(parts...)
		if got := read[api.StatementFile](o.post("/v1/statements", body, "Content-Type", kind).want(201)); got.Statements[0].Format != "csv" {
			t.Errorf("%+v", got)
		}
	}
	o.post("/v1/statements?bank=NRMD&mirrored=true", kaveriDay).want(201)
}

func TestListStatements(t *testing.T) {
	s := start(t)
	for i := range 3 {
		s.as(bankK).post("/v1/statements", strings.ReplaceAll(kaveriDay, "J1", fmt.Sprint("J", i))+strings.ReplaceAll(kaveriDay, "J1", fmt.Sprint("K", i))).want(201)
	}
	var names []string
	path := "/v1/statements?limit=4"
	for next := path; ; {
		page := read[api.BankStatementList](s.as(auditor).get(next).want(200))
		for _, st := range page.Data {
			names = append(names, st.Name)
		}
		if page.NextCursor == "" {
			break
		}
		next = path + "&cursor=" + page.NextCursor
	}
	wantEqual(t, "names", strings.Join(names, " "), "K2 J2 K1 J1 K0 J0")
	s.as(auditor).get("/v1/statements?cursor=AAAA").refused(400, "invalid_cursor")
	s.as(bankK).get("/v1/statements").refused(404, "not_found")
}

// A file that comes slowly is not cut off by the bounds of other requests, one that
// stops is. A server with short ones shows it in little time.
func TestSlowStatement(t *testing.T) {
	s := start(t)
	short := httptest.NewUnstartedServer(s.server.Handler())
	short.Config.ReadTimeout, short.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	short.Start()
	defer short.Close()
	r, w := io.Pipe()
	go func() {
		for _, line := range strings.SplitAfter(kaveriDay, "\n") {
			_, _ = io.WriteString(w, line)
			time.Sleep(100 * time.Millisecond)
		}
		w.Close()
	}()
	request := s.as(operator).request("POST", "/v1/statements", nil)
	slow, err := http.NewRequestWithContext(t.Context(), "POST", short.URL+"/v1/statements", r)
	check(t, err)
	slow.Header = request.Header
	resp, err := short.Client().Do(slow)
	check(t, err)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != 201 || err != nil {
		t.Errorf("%d %s, %v", resp.StatusCode, body, err)
	}
}

func TestSameStatementAtOnce(t *testing.T) {
	s := start(t)
	var file strings.Builder
	file.WriteString(strings.SplitAfter(kaveriDay, "\n")[0])
	const n = 5000
	for i := range n {
		fmt.Fprintf(&file, "{\"line\":{\"rrn\":\"%012d\",\"booking_date\":\"2026-11-25\",\"amount\":\"1.00\",\"side\":\"credit\"}}\n", i/2)
	}
	fmt.Fprintf(&file, "{\"end\":{\"lines\":%d}}\n", n)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := s.as(operator).try(s.as(operator).request("POST", "/v1/statements", file.String()))
			if err != nil || got.status != 201 && got.status != 200 {
				t.Errorf("%v, %+v", err, got)
			}
		})
	}
	wg.Wait()
	wantEqual(t, "lines", s.count("lines"), n)
	wantEqual(t, "statements", s.count("statements"), 1)
	wantEqual(t, "days", s.count("coverage"), 1)
	s.as(operator).post("/v1/statements", file.String()).want(200)
	left, err := os.ReadDir(os.TempDir())
	check(t, err)
	for _, f := range left {
		if strings.HasPrefix(f.Name(), "bahi-statement-") {
			t.Errorf("%s is left", f.Name())
		}
	}
}
