package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"

	"bahi/api"
	"bahi/ledger"
	"bahi/ledger/audit"
	"bahi/ledger/export"
	"bahi/ledger/privacy"
)

func init() {
	for _, kind := range []string{"application/jsonl", "application/vnd.apache.parquet"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.PlainBodyDecoder)
	}
}

// sealed gives the stack's book some transfers of two apps, and seals them.
func (s *stack) sealed(n int) {
	s.t.Helper()
	end := func(bank string) ledger.End {
		return ledger.End{Name: "Somebody Known", Bank: bank, Account: "100000000001", IFSC: bank + "0000001", UPI: "somebody@known", Mark: [32]byte{1}}
	}
	for i := range n {
		made, err := ledger.Do[ledger.Transfer](s.t.Context(), s.book, ledger.CreateTransfer{Queue: true, Refused: ledger.PayeeNotFound, Transfer: ledger.Transfer{ID: ledger.NewID(), App: []string{"alpha", "beta"}[i%2],
			Kind: ledger.Payment, Payer: end("NRMD"), Payee: end("KVRI"), Amount: ledger.Amount{Minor: int64(1 + i), Currency: "INR"}, RRN: "632900000001", Note: "for the dinner"}})
		check(s.t, err)
		_ = made
	}
	a := s.as(chatA)
	asha := a.fund(a.settle(newPerson("asha", 1, "NRMD")), "100.00")
	ravi := a.fund(a.settle(newPerson("ravi", 2, "KVRI")), "")
	a.pay(obj{"wallet": asha.id}, obj{"wallet": ravi.id}, "1.00").want(201)
	kek, err := privacy.NewKEK()
	check(s.t, err)
	_, err = (&audit.Keyring{Book: s.book, Reader: s.store, Wrapper: kek}).Ensure(s.t.Context(), "bahi.example/test")
	check(s.t, err)
	_, err = audit.SealAll(s.t.Context(), s.book, s.store, kek)
	check(s.t, err)
}

// stream reads an export to its end, past the contract's checks, which know no trailers.
func (s *stack) stream(query string) (r *http.Response, body []byte, err error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.addr+"/v1/export?"+query, nil)
	check(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.keys[auditor])
	if r, err = s.client.Do(req); err != nil {
		return r, nil, err
	}
	defer r.Body.Close()
	body, err = io.ReadAll(r.Body)
	return r, body, err
}

func TestExport(t *testing.T) {
	s := start(t)
	s.sealed(20)
	for _, format := range export.Formats {
		s.as(auditor).get("/v1/export?format=" + string(format)).want(200) // as the contract has it
		r, body, err := s.stream("format=" + string(format))
		check(t, err)
		sum := sha256.Sum256(body)
		if got, want := r.Trailer.Get("Content-Digest"), "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"; got != want {
			t.Errorf("%s: the digest is %q, want %q", format, got, want)
		}
		var direct bytes.Buffer
		in, err := export.Whole.Find(t.Context(), s.store, time.UTC)
		check(t, err)
		rows, err := export.Write(t.Context(), s.store, &direct, export.Options{Format: format, Range: export.Range{Size: sizeIn(t, r)}})
		check(t, err)
		if sizeIn(t, r) > in.Size || !bytes.Equal(direct.Bytes(), body) || r.Trailer.Get("Bahi-Count") != fmt.Sprint(rows) || rows == 0 {
			t.Errorf("%s: %d bytes, count %s; the book has %d and %d rows", format, len(body), r.Trailer.Get("Bahi-Count"), direct.Len(), rows)
		}
		if r.Header.Get("Content-Type") != format.Type() || r.TransferEncoding[0] != "chunked" || r.Header.Get("Bahi-First") != "0" {
			t.Errorf("%s: %v %v", format, r.TransferEncoding, r.Header)
		}
		for _, personal := range []string{"Somebody", "somebody@known", "100000000001", "dinner", "asha", "+9198"} {
			if bytes.Contains(body, []byte(personal)) {
				t.Errorf("%s has %q in it", format, personal)
			}
		}
	}
	accesses, err := s.store.Accesses(t.Context(), ledger.Page{Limit: 3})
	check(t, err)
	if a := accesses[0]; a.What != "GET /v1/export" || a.Subject != fmt.Sprintf("beancount of leaves 0 to %d", sizeOf(t, s)) {
		t.Errorf("written down is %+v", a)
	}
}

func sizeIn(t *testing.T, r *http.Response) (size int64) {
	t.Helper()
	_, err := fmt.Sscan(r.Header.Get("Bahi-Checkpoint"), &size)
	check(t, err)
	return size
}

func sizeOf(t *testing.T, s *stack) int64 {
	t.Helper()
	head, err := s.store.LogHead(t.Context())
	check(t, err)
	return head.Size
}

// What came before the connection was cut and what is asked for then are the whole.
func TestExportIsGoneOnWith(t *testing.T) {
	s := start(t)
	s.sealed(30)
	size := sizeOf(t, s)
	for _, format := range export.Formats {
		if !format.Resumable() {
			continue
		}
		query := fmt.Sprintf("format=%s&from_leaf=2&checkpoint=%d", format, size)
		if format == export.CSV {
			query += "&of=steps&app=alpha"
		}
		_, whole, err := s.stream(query)
		check(t, err)
		for _, cut := range []int{0, len(whole) / 3, len(whole) * 2 / 3, len(whole)} {
			k, err := export.Keep(bytes.NewReader(whole[:cut]), format)
			check(t, err)
			r, rest, err := s.stream(fmt.Sprintf("%s&resume_at=%d", query, k.From))
			check(t, err)
			sum := sha256.Sum256(rest)
			if got := append(bytes.Clone(whole[:k.Bytes]), rest...); !bytes.Equal(got, whole) || r.Trailer.Get("Content-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
				t.Errorf("%s cut at %d and gone on with at %d: the same bytes: %v, %v", format, cut, k.From, bytes.Equal(got, whole), r.Trailer)
			}
		}
	}
}

func TestExportOfAnApp(t *testing.T) {
	s := start(t)
	s.sealed(10)
	_, body, err := s.stream("format=csv&of=transfers&app=beta")
	check(t, err)
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	check(t, err)
	for _, row := range rows[1:] {
		wantEqual(t, "the app", row[3], "beta")
	}
	wantEqual(t, "rows", len(rows), 6)
}

func TestExportRefuses(t *testing.T) {
	s := start(t)
	s.as(auditor).get("/v1/export?format=jsonl").refused(404, "not_found") // nothing is sealed
	s.as(auditor).get("/v1/export?format=csv").want(200)
	s.sealed(3)
	for query, field := range map[string]string{
		"format=csv&checkpoint=-1":               "checkpoint",
		"format=xml":                             "format",
		"format=csv&of=people":                   "of",
		"format=hledger&of=steps":                "of",
		"format=csv&from=yesterday-at-noon":      "from",
		"format=csv&to=2026-02-30":               "to",
		"format=csv&checkpoint=1000000":          "checkpoint",
		"format=csv&from_leaf=1000000":           "from",
		"format=csv&from_leaf=-1":                "from_leaf",
		"format=csv&from=2026-11-25&from_leaf=1": "from_leaf",
		"format=csv&to=2026-11-25&checkpoint=1":  "checkpoint",
		"format=parquet&resume_at=1":             "resume_at",
	} {
		wantEqual(t, query, read[api.Problem](s.as(auditor).get("/v1/export?"+query).refused(400, "malformed_parameter")).Field, field)
	}
}

// breaking is a store whose log cannot be read from some call on.
type breaking struct {
	ledger.Store
	left atomic.Int64
}

func (b *breaking) LogFrom(ctx context.Context, place int64, limit int) ([]ledger.LogRow, error) {
	if b.left.Add(-1) < 0 {
		return nil, ledger.ErrUnavailable
	}
	return b.Store.LogFrom(ctx, place, 3) // so that it takes many
}

// An export that breaks is seen to be broken: its connection is cut and nothing stands behind it.
func TestExportThatBreaks(t *testing.T) {
	b := &breaking{}
	s := start(t, func(o *setup) { o.wrap = func(store ledger.Store) ledger.Store { b.Store = store; return b } })
	s.sealed(1500)
	b.left.Store(1 << 40)
	_, whole, err := s.stream("format=csv&of=steps")
	check(t, err)
	if len(whole) < 200_000 {
		t.Fatalf("only %d bytes to break", len(whole))
	}
	b.left.Store(0)
	s.as(auditor).get("/v1/export?format=csv").refused(503, "database_unavailable")
	b.left.Store(400)
	r, body, err := s.stream("format=csv&of=steps")
	if err == nil || len(body) == 0 || len(body) >= len(whole) || !bytes.HasPrefix(whole, body) || r.Trailer.Get("Bahi-Count") != "" || r.Trailer.Get("Content-Digest") != "" {
		t.Errorf("%v after %d of %d bytes, trailers %v", err, len(body), len(whole), r.Trailer)
	}
	b.left.Store(1 << 40)
	s.as(auditor).get("/v1/export?format=csv").want(200)
}

// More exports than run at once wait, and those that run end when the server does.
func TestExportsEndWithTheServer(t *testing.T) {
	b := &breaking{}
	s := start(t, func(o *setup) { o.wrap = func(store ledger.Store) ledger.Store { b.Store = store; return b } })
	s.sealed(1500)
	b.left.Store(1 << 40)
	var open []*http.Response
	for range 4 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/v1/export?format=jsonl", nil)
		check(t, err)
		req.Header.Set("Authorization", "Bearer "+s.keys[auditor])
		r, err := s.client.Do(req)
		check(t, err)
		open = append(open, r)
	}
	for _, r := range open {
		_, err := io.Copy(io.Discard, r.Body)
		check(t, err)
		r.Body.Close()
		if r.Trailer.Get("Bahi-Count") == "" {
			t.Error("an export of several at once has no count")
		}
	}
}

// Personal data is for inspectors, who ask for it; who may not have it is written down.
func TestExportWithPeople(t *testing.T) {
	s := start(t)
	s.sealed(4)
	const query = "/v1/export?format=jsonl&personal=true"
	for _, role := range []string{auditor, operator} {
		s.as(role).get(query).refused(403, "role_not_allowed")
	}
	s.as(inspector).get("/v1/export?format=csv&personal=true").refused(400, "malformed_parameter")
	s.keys[auditor] = s.keys[inspector]
	r, body, err := s.stream("format=jsonl&personal=true")
	check(t, err)
	for _, want := range []string{"Somebody Known", "100000000001", "somebody@known", "for the dinner"} {
		if r.StatusCode != 200 || !bytes.Contains(body, []byte(want)) {
			t.Errorf("status %d, without %s", r.StatusCode, want)
		}
	}
	if _, body, err = s.stream("format=jsonl"); err != nil || bytes.Contains(body, []byte("Somebody Known")) {
		t.Errorf("personal data that was not asked for, or %v", err)
	}
}
