package api_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"bahi/api"
	"bahi/api/webhook"
	"bahi/banks"
	"bahi/banks/remote"
	"bahi/banks/sim"
	"bahi/ledger"
	"bahi/ledger/agenda"
	"bahi/ledger/audit"
	"bahi/ledger/feed"
	"bahi/ledger/privacy"
	"bahi/ledger/privacy/privacytest"
	"bahi/ledger/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whose keys a stack has.
const (
	chatA     = "chat a"
	chatB     = "chat b"
	auditor   = "auditor"
	operator  = "operator"
	inspector = "inspector"
	bankN     = "bank NRMD"
	bankK     = "bank KVRI"
	bankR     = "bank RMTE"
	bankR2    = "bank RMTE, another key"
	revoked   = "revoked"
	nobody    = "no key"
)

// Accounts at every simulated bank that behave in a way of their own. The banks'
// clock stands still, so what they put off never comes by itself.
const (
	silentUntilReported = "880000000001" // debits and credits stay pending
	never               = "990000000001" // debits are not answered
)

var patience = ledger.Policy{Submit: time.Minute, Check: time.Minute, Takeover: time.Minute, QueueLimit: time.Minute,
	Checks: []time.Duration{time.Minute}, Reversals: []time.Duration{time.Minute}, DecideAfter: time.Hour, PotLasts: time.Hour, ApproveAbove: 10_000}

// setup is what a test may change of a stack before it starts.
type setup struct {
	path        string // of the book
	keys        map[string]string
	wrap        func(ledger.Store) ledger.Store
	maxQueue    int
	maxInFlight int
	now         func() time.Time
	log         io.Writer
	remote      *remote.Bank // RMTE, driven by a process of its own; or none
	witnesses   audit.Witnesses
	kek         *privacy.KEK
	limits      *ledger.Limits
	feed        *feed.Publisher // of a stack that publishes events; else nil
	hooked      bool            // it sends them too
	heartbeat   time.Duration   // of streams of events
	patience    time.Duration   // with who reads them
	moved       *moved          // the clock of the book and its agenda, of a stack that has one; else nil
}

// moved is a clock that is ahead by as much as a test says.
type moved struct{ ahead atomic.Int64 }

func (m *moved) Now() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }

func (m *moved) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(min(d, 5*time.Millisecond), f).Stop // it may be moved meanwhile
}

// withAgenda does what falls due, by a clock that the test moves.
func withAgenda(o *setup) { o.moved = &moved{} }

// fed publishes events.
func fed(o *setup) { o.feed = feed.New() }

// hooked publishes events and sends them, also to this machine.
func hooked(o *setup) { o.feed, o.hooked = feed.New(), true }

// stack is a whole Bahi on a port of its own: SQLite, four simulated banks, the
// pipeline, the dispatcher and the server.
type stack struct {
	setup
	t          testing.TB
	store      ledger.Store // as the server sees it
	registry   *banks.Registry
	book       *ledger.Pipeline
	banks      map[string]*sim.Bank
	dispatcher *banks.Dispatcher
	webhooks   *webhook.Sender
	server     *api.Server
	agenda     *agenda.Agenda
	addr       string
	client     *http.Client
	served     chan error
	stop       func()
}

// signingKey is the key that a bank of the tests signs with.
func signingKey(bank string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(bank))
	return ed25519.NewKeyFromSeed(seed[:])
}

func start(t testing.TB, changes ...func(*setup)) *stack {
	t.Helper()
	s := &stack{t: t, setup: setup{path: filepath.Join(t.TempDir(), "bahi.db"), log: io.Discard}, banks: map[string]*sim.Bank{}}
	for _, change := range changes {
		change(&s.setup)
	}
	file, err := privacytest.Sealed(sqlite.Open(t.Context(), s.path))
	check(t, err)
	s.store = file
	if s.wrap != nil {
		s.store = s.wrap(file)
	}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.registry = s.openBanks()
	s.dispatcher = banks.NewDispatcher(s.registry)
	s.agenda = agenda.New()
	policy := patience
	policy.Limits = s.limits
	options := ledger.PipelineOptions{MaxQueue: s.maxQueue, Policy: &policy, Log: log, Observer: s.observe}
	if s.moved != nil {
		options.Now = s.moved.Now
	}
	s.book = ledger.NewPipeline(s.store, options)
	s.webhooks = webhook.New(privacytest.KEK(), s.hooked)
	s.server, err = api.New(api.Options{Book: s.book, Reader: s.store, Registry: s.registry, Dispatcher: s.dispatcher, Policy: &policy, Memory: time.Hour, Witnesses: s.witnesses,
		Feed: s.feed, Webhooks: s.webhooks, Heartbeat: s.heartbeat, Patience: s.patience, Now: s.now, Log: log})
	check(t, err)
	for _, b := range s.banks {
		b.SetReporter(s.dispatcher)
	}
	s.dispatcher.Start(banks.Options{Book: s.book, Reader: s.store, Policy: &policy, Clock: banks.WallClock{}, Sole: true, Sweep: 10 * time.Millisecond, Log: log})
	if s.feed != nil {
		s.feed.Start(feed.Options{Book: s.book, Reader: s.store, Clock: banks.WallClock{}, Log: log})
	}
	if s.moved != nil {
		s.agenda.Start(agenda.Options{Reader: s.store, Handlers: s.server.Handlers(), Clock: s.moved, Log: log})
	}
	if s.hooked {
		s.webhooks.Start(webhook.Options{Book: s.book, Reader: s.store, Feed: s.feed, Render: s.server.RenderEvents, Self: s.dispatcher.Node, Dead: s.dispatcher.Dead, Clock: banks.WallClock{}, Log: log})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.addr, s.served = l.Addr().String(), make(chan error, 1)
	go func() { s.served <- s.server.Serve(l) }()
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.stop = sync.OnceFunc(s.close)
	t.Cleanup(s.stop)
	if s.keys == nil {
		s.makeKeys()
	}
	return s
}

// observe hands a committed batch to whoever lives on it.
func (s *stack) observe(set *ledger.Set) {
	s.dispatcher.Observe(set)
	s.server.Observe(set)
	s.agenda.Observe(set)
	s.webhooks.Observe(set)
	if s.feed != nil {
		s.feed.Observe(set)
	}
}

// restart stops the stack and starts another one on the same book.
func (s *stack) restart() *stack {
	s.t.Helper()
	s.stop()
	return start(s.t, func(o *setup) {
		*o = s.setup
		if s.feed != nil {
			fed(o)
		}
	})
}

func (s *stack) openBanks() *banks.Registry {
	s.t.Helper()
	stopped := banks.NewManualClock(time.Now())
	behaviours := map[string]sim.Behaviour{
		silentUntilReported: {ledger.LegDebit: {Does: sim.Pends, After: time.Hour}, ledger.LegCredit: {Does: sim.Pends, After: time.Hour}},
		never:               {ledger.LegDebit: {Does: sim.Delays, After: time.Hour}},
	}
	var list []banks.Bank
	for code, name := range map[string]string{"NRMD": "narmada", "KVRI": "kaveri", "GDVR": "godavari", "STLJ": "sutlej"} {
		b, err := sim.Open(sim.Config{Code: code, Clock: stopped, OpeningBalance: 1_000_000_00, Behaviours: behaviours})
		check(s.t, err)
		s.banks[code] = b
		list = append(list, banks.Bank{Code: code, Name: name, IFSCPrefix: code, Handles: []string{name}, Adapter: b, MaxInFlight: s.maxInFlight})
	}
	if s.remote != nil {
		list = append(list, banks.Bank{Code: "RMTE", Name: "remote", IFSCPrefix: "RMTE", Adapter: s.remote})
	}
	registry, err := banks.NewRegistry(list)
	check(s.t, err)
	return registry
}

// close ends the stack in the order in which the program does.
func (s *stack) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s.client.CloseIdleConnections()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Errorf("shutdown: %v", err)
	}
	if err := <-s.served; err != nil {
		s.t.Errorf("serve: %v", err)
	}
	if s.feed != nil {
		s.feed.Close()
	}
	s.agenda.Close()
	s.webhooks.Close()
	s.dispatcher.Close()
	for _, b := range s.banks {
		_ = b.Close()
	}
	s.book.Close()
	if err := s.store.Close(); err != nil {
		s.t.Errorf("store: %v", err)
	}
}

// makeKeys makes a key for each of those who call.
func (s *stack) makeKeys() {
	s.t.Helper()
	s.keys = map[string]string{}
	for name, key := range map[string]ledger.Key{
		chatA:     {Role: ledger.RoleChat, App: "alpha"},
		chatB:     {Role: ledger.RoleChat, App: "beta"},
		auditor:   {Role: ledger.RoleAuditor},
		operator:  {Role: ledger.RoleOperator},
		inspector: {Role: ledger.RoleInspector},
		bankN:     {Role: ledger.RoleBank, Bank: "NRMD", PublicKey: signingKey("NRMD").Public().(ed25519.PublicKey)},
		bankK:     {Role: ledger.RoleBank, Bank: "KVRI", PublicKey: signingKey("KVRI").Public().(ed25519.PublicKey)},
		bankR:     {Role: ledger.RoleBank, Bank: "RMTE", PublicKey: signingKey("RMTE").Public().(ed25519.PublicKey)},
		bankR2:    {Role: ledger.RoleBank, Bank: "RMTE", PublicKey: signingKey("RMTE").Public().(ed25519.PublicKey)},
		revoked:   {Role: ledger.RoleChat, App: "alpha"},
	} {
		key.ID, key.Label = ledger.NewID(), name
		s.keys[name], key.Hash = api.NewSecret(key.Role)
		_, err := ledger.Do[ledger.Key](s.t.Context(), s.book, ledger.CreateKey{Key: key})
		check(s.t, err)
		if name == revoked {
			_, err = ledger.Do[ledger.Key](s.t.Context(), s.book, ledger.RevokeKey{ID: key.ID})
			check(s.t, err)
		}
	}
}

// fingerprint is a hash of every row of every table and of every leaf of the log, but
// for those that say who looked: tests of accesses count these.
func (s *stack) fingerprint() string {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.path+"?_pragma=query_only(1)")
	check(s.t, err)
	defer db.Close()
	h := sha256.New()
	for _, table := range column(s.t, db, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`) {
		if table == "accesses" || table == "log" {
			continue
		}
		fmt.Fprintln(h, table)
		for _, row := range rowsOf(s.t, db, table) {
			fmt.Fprintln(h, row)
		}
	}
	eachLeaf(s.t, s.store, func(l ledger.Leaf) {
		if l.LeafKind() != ledger.LeafAccess {
			h.Write(ledger.AppendLeaf(nil, l))
		}
	})
	return hex.EncodeToString(h.Sum(nil))
}

// eachLeaf calls yield with every leaf of the log.
func eachLeaf(t testing.TB, r ledger.Reader, yield func(ledger.Leaf)) {
	t.Helper()
	check(t, r.Audit(context.Background(), func(snap ledger.Snapshot) error {
		for row, err := range snap.LogRows() {
			if err != nil {
				return err
			}
			check(t, row.Each(func(_ int64, b []byte) bool {
				leaf, err := ledger.ParseLeaf(b)
				check(t, err)
				yield(leaf)
				return true
			}))
		}
		return nil
	}))
}

func column(t testing.TB, db *sql.DB, query string) (values []string) {
	t.Helper()
	rows, err := db.Query(query)
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		var v string
		check(t, rows.Scan(&v))
		values = append(values, v)
	}
	check(t, rows.Err())
	return values
}

func rowsOf(t testing.TB, db *sql.DB, table string) (lines []string) {
	t.Helper()
	rows, err := db.Query(`SELECT * FROM "` + table + `"`)
	check(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	check(t, err)
	values, pointers := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		check(t, rows.Scan(pointers...))
		lines = append(lines, fmt.Sprint(values...))
	}
	check(t, rows.Err())
	slices.Sort(lines)
	return lines
}

// count is how many rows of a table there are.
func (s *stack) count(table string) int {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.path+"?_pragma=query_only(1)")
	check(s.t, err)
	defer db.Close()
	n, err := strconv.Atoi(column(s.t, db, `SELECT count(*) FROM "`+table+`"`)[0])
	check(s.t, err)
	return n
}

// reopened calls look with the book of a stack that was stopped.
func (s *stack) reopened(look func(ledger.Reader)) {
	s.t.Helper()
	file, err := sqlite.Open(s.t.Context(), s.path)
	check(s.t, err)
	look(file)
	check(s.t, file.Close())
}

// verify checks every invariant of the book.
func (s *stack) verify() {
	s.t.Helper()
	_, err := ledger.Verify(s.t.Context(), s.store, func(v ledger.Violation) { s.t.Errorf("%+v", v) })
	check(s.t, err)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// caller sends requests with one key.
type caller struct {
	s    *stack
	name string
}

func (s *stack) as(name string) *caller { return &caller{s, name} }

// obj is a JSON object of a request.
type obj = map[string]any

func inr(value string) obj { return obj{"value": value, "currency": "INR"} }

// answer is a response that was read whole and keeps the contract.
type answer struct {
	t      testing.TB
	at     string
	status int
	header http.Header
	body   []byte
}

var requests atomic.Int64

// in is the caller in a subtest.
func (c *caller) in(t testing.TB) *caller {
	s := *c.s
	s.t = t
	return &caller{&s, c.name}
}

// request makes a request: a string or bytes are sent as they are, anything else
// as JSON. Header pairs come last; an empty value takes a header away.
func (c *caller) request(method, path string, body any, headers ...string) *http.Request {
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	case []byte:
		content = b
	default:
		var err error
		content, err = json.Marshal(b, json.Deterministic(true))
		check(c.s.t, err)
	}
	r, err := http.NewRequestWithContext(c.s.t.Context(), method, "http://"+c.s.addr+path, bytes.NewReader(content))
	check(c.s.t, err)
	if secret, ok := c.s.keys[c.name]; ok {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPost {
		r.Header.Set("Idempotency-Key", fmt.Sprint("request-", requests.Add(1)))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

// try sends a request; the error may be the contract's. For goroutines.
func (c *caller) try(r *http.Request) (*answer, error) {
	resp, err := c.s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{t: c.s.t, at: r.Method + " " + r.URL.RequestURI(), status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	return a, keepsContract(r, a)
}

func (c *caller) do(r *http.Request) *answer {
	c.s.t.Helper()
	a, err := c.try(r)
	if err != nil {
		c.s.t.Fatalf("%s %s as %s: %v", r.Method, r.URL, c.name, err)
	}
	return a
}

func (c *caller) send(method, path string, body any, headers ...string) *answer {
	c.s.t.Helper()
	return c.do(c.request(method, path, body, headers...))
}

func (c *caller) get(path string) *answer { c.s.t.Helper(); return c.send("GET", path, nil) }

// post posts under an idempotency key of its own.
func (c *caller) post(path string, body any, headers ...string) *answer {
	c.s.t.Helper()
	return c.send("POST", path, body, headers...)
}

// want ends the test unless the answer has the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %s", a.at, a.status, status, a.body)
	}
	return a
}

// refused ends the test unless the answer is the problem.
func (a *answer) refused(status int, code string) *answer {
	a.t.Helper()
	if got := a.code(); a.status != status || got != code {
		a.t.Fatalf("%s: %d %s, want %d %s: %s", a.at, a.status, got, status, code, a.body)
	}
	return a
}

// code is the problem's, or empty.
func (a *answer) code() string {
	var p api.Problem
	if a.status >= 400 {
		_ = json.Unmarshal(a.body, &p)
	}
	return p.Code
}

func (a *answer) replayed() bool { return a.header.Get("Idempotency-Replayed") == "true" }

// read is the answer's body, of which the contract was checked.
func read[T any](a *answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.at, err, a.body)
	}
	return v
}

// contractOnce is the contract as written.
var contractOnce = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromFile("openapi.yaml") })

// keepsContract checks status, headers and body against the contract. A path
// or method that it does not have must be refused with a problem.
func keepsContract(r *http.Request, a *answer) error {
	doc, err := contractOnce()
	if err != nil {
		return err
	}
	id := a.header.Get("X-Request-Id")
	if id == "" || len(id) > 64 {
		return fmt.Errorf("X-Request-Id is %q", id)
	}
	if a.status >= 400 {
		if err := keepsProblem(doc, a); err != nil {
			return err
		}
	}
	if a.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
		return fmt.Errorf("405 without Allow")
	}
	route, params := routeOf(doc, r)
	if route == nil {
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			return fmt.Errorf("%d for what the contract does not have", a.status)
		}
		return nil
	}
	request := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	in := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: a.status, Header: a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateResponse(context.Background(), in.SetBodyBytes(a.body)); err != nil {
		return fmt.Errorf("not by the contract: %d: %w", a.status, err)
	}
	return nil
}

// keepsProblem checks what all problems have in common.
func keepsProblem(doc *openapi3.T, a *answer) error {
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		return fmt.Errorf("%d is %s: %s", a.status, kind, a.body)
	}
	var v any
	var p api.Problem
	if err := json.Unmarshal(a.body, &v); err != nil {
		return err
	}
	if err := doc.Components.Schemas["Problem"].Value.VisitJSON(v); err != nil {
		return fmt.Errorf("%s: %w", a.body, err)
	}
	_ = json.Unmarshal(a.body, &p)
	if p.Status != a.status || p.RequestID != a.header.Get("X-Request-Id") || p.Type != "urn:bahi:problem:"+p.Code || p.Detail == "" {
		return fmt.Errorf("%d with headers %v does not go with its problem %s", a.status, a.header, a.body)
	}
	return nil
}

// routeOf finds the operation of a request; paths without parameters go first.
func routeOf(doc *openapi3.T, r *http.Request) (*routers.Route, map[string]string) {
	paths := doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) { // "batch" before "{transfer}"
		params, ok := matches(path, r.URL.EscapedPath())
		if o := paths[path].Operations()[r.Method]; ok && o != nil {
			return &routers.Route{Spec: doc, Path: path, PathItem: paths[path], Method: r.Method, Operation: o}, params
		}
	}
	return nil, nil
}

func matches(template, path string) (params map[string]string, ok bool) {
	names, parts := strings.Split(template, "/"), strings.Split(path, "/")
	if len(names) != len(parts) {
		return nil, false
	}
	params = map[string]string{}
	for i, name := range names {
		switch {
		case strings.HasPrefix(name, "{"):
			params[strings.Trim(name, "{}")] = parts[i]
		case name != parts[i]:
			return nil, false
		}
	}
	return params, true
}
