package api_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"bahi/api"
	"bahi/ledger"
)

func loadContract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestContractIsValidOpenAPI(t *testing.T) {
	if err := loadContract(t).Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}

// eachOperation calls check with every operation and the "METHOD /path" it is at.
func eachOperation(t *testing.T, check func(t *testing.T, at string, o *openapi3.Operation)) {
	t.Helper()
	for path, item := range loadContract(t).Paths.Map() {
		for method, o := range item.Operations() {
			check(t, method+" "+path, o)
		}
	}
}

func TestEveryOperationHasAnIDAndRoles(t *testing.T) {
	ids := map[string]string{}
	eachOperation(t, func(t *testing.T, at string, o *openapi3.Operation) {
		if other, taken := ids[o.OperationID]; o.OperationID == "" || taken {
			t.Errorf("%s: operationId %q is missing or that of %s", at, o.OperationID, other)
		}
		ids[o.OperationID] = at
		roles, ok := o.Extensions["x-roles"].([]any)
		if !ok {
			t.Errorf("%s: x-roles is missing", at)
		}
		for _, r := range roles {
			name, _ := r.(string)
			if _, known := ledger.ParseRole(name); !known {
				t.Errorf("%s: x-roles: there is no role %v", at, r)
			}
		}
		public := o.Security != nil && len(*o.Security) == 0
		if public != (len(roles) == 0) {
			t.Errorf("%s: roles %v, public %v", at, roles, public)
		}
		if strings.HasPrefix(at, "POST") && slices.Contains(roles, any("chat")) && o.Parameters.GetByInAndName("header", "Idempotency-Key") == nil {
			t.Errorf("%s: a chat backend's POST takes no Idempotency-Key", at)
		}
	})
}

func TestEveryResponseIsDeclaredWhole(t *testing.T) {
	eachOperation(t, func(t *testing.T, at string, o *openapi3.Operation) {
		for status, r := range o.Responses.Map() {
			if r.Value.Headers["X-Request-Id"] == nil {
				t.Errorf("%s: %s has no X-Request-Id", at, status)
			}
			if status >= "400" && r.Value.Content["application/problem+json"] == nil {
				t.Errorf("%s: %s is no problem+json", at, status)
			}
			if status == "503" && r.Value.Headers["Retry-After"] == nil {
				t.Errorf("%s: 503 has no Retry-After", at)
			}
		}
		wanted := []string{"400", "500"}
		if o.Security == nil {
			wanted = append(wanted, "401")
		}
		if o.RequestBody != nil {
			wanted = append(wanted, "413", "415")
		}
		for _, status := range wanted {
			if o.Responses.Value(status) == nil {
				t.Errorf("%s: %s is not declared", at, status)
			}
		}
	})
}

func TestRequestBodiesAreClosed(t *testing.T) {
	eachOperation(t, func(t *testing.T, at string, o *openapi3.Operation) {
		if o.RequestBody != nil {
			for kind, body := range o.RequestBody.Value.Content {
				checkClosed(t, at+" "+kind, body.Schema.Value)
			}
		}
	})
}

// checkClosed walks a schema that no unknown member may get into.
func checkClosed(t *testing.T, at string, s *openapi3.Schema) {
	t.Helper()
	if s.Items != nil {
		checkClosed(t, at+"[]", s.Items.Value)
	}
	if !s.Type.Is(openapi3.TypeObject) {
		return
	}
	additional := s.AdditionalProperties
	if len(s.Properties) > 0 && (additional.Has == nil || *additional.Has) {
		t.Errorf("%s: additionalProperties is not false", at)
	}
	for name, p := range s.Properties {
		checkClosed(t, at+"/"+name, p.Value)
	}
}

func TestEnumsAreTheLedgers(t *testing.T) {
	doc := loadContract(t)
	for schema, want := range map[string][]string{"TransferState": ledger.StateNames(), "Role": ledger.RoleNames()} {
		if got := enumOf(doc, schema); !slices.Equal(got, want) {
			t.Errorf("%s is %v; the ledger has %v", schema, got, want)
		}
	}
}

func TestProblemTableListsEveryCode(t *testing.T) {
	doc := loadContract(t)
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [45]\\d\\d \\|").FindAllStringSubmatch(doc.Info.Description, -1) {
		listed = append(listed, row[1])
	}
	if codes := enumOf(doc, "ProblemCode"); !slices.Equal(listed, codes) {
		t.Errorf("the table has\n%v\nthe schema has\n%v", listed, codes)
	}
}

func enumOf(doc *openapi3.T, schema string) (names []string) {
	for _, v := range doc.Components.Schemas[schema].Value.Enum {
		names = append(names, v.(string))
	}
	return names
}

func TestGeneratedCodeIsUpToDate(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the generator")
	}
	fresh := filepath.Join(t.TempDir(), "contract.gen.go")
	if out, err := exec.CommandContext(t.Context(), "go", "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "-o", fresh, "openapi.yaml").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("contract.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("contract.gen.go is not what openapi.yaml says: run go generate ./api")
	}
}

// listener is a server of which only ListTransfers and CancelTransfer are called.
type listener struct {
	api.ServerInterface
	list   *api.ListTransfersParams
	cancel *api.CancelTransferParams
	id     string
}

func (l *listener) ListTransfers(_ echo.Context, p api.ListTransfersParams) error {
	l.list = &p
	return nil
}

func (l *listener) CancelTransfer(_ echo.Context, id string, p api.CancelTransferParams) error {
	l.id, l.cancel = id, &p
	return nil
}

// serve sends one request through the generated wrappers.
func serve(method, target string, header http.Header) (*listener, error) {
	var l listener
	var refusal error
	e := echo.New()
	e.HTTPErrorHandler = func(err error, _ echo.Context) { refusal = err }
	api.RegisterHandlers(e, &l)
	r := httptest.NewRequest(method, target, nil)
	r.Header = header
	e.ServeHTTP(httptest.NewRecorder(), r)
	return &l, refusal
}

func TestParametersKeepTheContract(t *testing.T) {
	l, err := serve(http.MethodGet, "/v1/transfers?state=deemed&from=2026-07-04T00:00:00Z&limit=200&conversation=c%2077", nil)
	want := api.ListTransfersParams{State: api.TransferStateDeemed, From: time.Date(2026, 7, 4, 0, 0, 0, 0, time.UTC), Limit: 200, Conversation: "c 77"}
	if err != nil || l.list == nil || *l.list != want {
		t.Errorf("read %+v, %v; want %+v", l.list, err, want)
	}
	if l, err = serve(http.MethodGet, "/v1/transfers", nil); err != nil || l.list.Limit != 50 {
		t.Errorf("without a limit: %+v, %v; want 50", l.list, err)
	}
	for query, want := range map[string]error{
		"limit=0":                            api.ErrParameterRange,
		"limit=201":                          api.ErrParameterRange,
		"limit=-1":                           api.ErrParameterRange,
		"limit=ten":                          api.ErrParameterMalformed,
		"limit=1e1":                          api.ErrParameterMalformed,
		"limit=99999999999999999999":         api.ErrParameterMalformed,
		"limit=":                             api.ErrParameterMalformed,
		"limit=1&limit=2":                    api.ErrParameterRepeated,
		"state=done":                         api.ErrParameterRange,
		"from=yesterday":                     api.ErrParameterMalformed,
		"conversation=":                      api.ErrParameterMalformed,
		"conversation=%FF":                   api.ErrParameterMalformed,
		"conversation=a%00b":                 api.ErrParameterMalformed,
		"cursor=" + strings.Repeat("x", 256): api.ErrParameterRange,
	} {
		l, err := serve(http.MethodGet, "/v1/transfers?"+query, nil)
		checkParameterError(t, query, "query", err, want)
		if l.list != nil {
			t.Errorf("%.40s reached its handler", query)
		}
	}
}

func TestHeadersKeepTheContract(t *testing.T) {
	const target = "/v1/transfers/BAH1/cancel"
	l, err := serve(http.MethodPost, target, http.Header{"Idempotency-Key": {"m 1"}})
	if err != nil || l.id != "BAH1" || l.cancel.IdempotencyKey != "m 1" {
		t.Errorf("read %q, %+v, %v", l.id, l.cancel, err)
	}
	if l, err = serve(http.MethodPost, target, nil); err != nil || l.cancel.IdempotencyKey != "" {
		t.Errorf("without its optional key: %+v, %v", l.cancel, err)
	}
	for _, c := range []struct {
		values []string
		want   error
	}{
		{[]string{"a", "b"}, api.ErrParameterRepeated},
		{[]string{strings.Repeat("k", 256)}, api.ErrParameterRange},
		{[]string{"clé"}, api.ErrParameterMalformed},
		{[]string{"a\x7f"}, api.ErrParameterMalformed},
	} {
		_, err := serve(http.MethodPost, target, http.Header{"Idempotency-Key": c.values})
		checkParameterError(t, c.values[0], "header", err, c.want)
	}
	_, err = serve(http.MethodPost, "/v1/transfers", nil)
	checkParameterError(t, "no Idempotency-Key", "header", err, api.ErrParameterMissing)
}

func checkParameterError(t *testing.T, what, in string, err, want error) {
	t.Helper()
	var p *api.ParameterError
	var he *echo.HTTPError
	if !errors.As(err, &p) || p.In != in || !errors.Is(err, want) || !errors.As(err, &he) || he.Code != http.StatusBadRequest {
		t.Errorf("%.40s: %v; want a 400 for the %s: %v", what, err, in, want)
	}
}

func TestContractTypesAsJSON(t *testing.T) {
	created := time.Date(2026, 7, 4, 9, 30, 0, 0, time.UTC)
	body, err := json.Marshal(api.TransferDetail{
		Transfer: api.Transfer{ID: "BAH1", Kind: api.TransferKindPayment, State: api.TransferStatePending, StatusText: "being sent",
			Amount: api.Money{Value: "1.00", Currency: "INR"}, Payer: api.TransferEnd{Wallet: true}, RRN: "618509000042", CreatedAt: created, UpdatedAt: created},
	}, json.Deterministic(true))
	const want = `{"amount":{"currency":"INR","value":"1.00"},"created_at":"2026-07-04T09:30:00Z","id":"BAH1","kind":"payment","payee":{},` +
		`"payer":{"wallet":true},"rrn":"618509000042","state":"pending","status_text":"being sent","updated_at":"2026-07-04T09:30:00Z","history":[],"instructions":[]}`
	if err != nil || string(body) != want {
		t.Errorf("written as\n%s, %v\nwant\n%s", body, err, want)
	}
	var n api.NewTransfer
	err = json.Unmarshal([]byte(`{"payer":{"handle":"asha"},"payee":{"account":{"number":"000012345678","ifsc":"SBIN0001234"}},"metadata":{"table":"12"}}`), &n, json.RejectUnknownMembers(true))
	if err != nil || n.Amount != nil || *n.Payer.Handle != "asha" || n.Payer.Phone != nil || n.Payee.Account.IFSC != "SBIN0001234" || n.Metadata["table"] != "12" {
		t.Errorf("read as %+v, %v", n, err)
	}
}
