package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// contract is what the guard needs of openapi.yaml: who may call what, and with
// which parameters. The contract is the only place where that is written down.
type contract struct {
	operations map[string]*operation // by method and route, such as "GET /v1/transfers/:transfer"
	json       []byte                // as served
}

// operation is one line of the table of routes and roles.
type operation struct {
	id     string
	at     string        // the contract's own words for it, such as "GET /v1/transfers/{transfer}"
	roles  []ledger.Role // who may call it; none: everybody, without a key
	query  map[string]bool
	params []parameter // of the path and the query
}

// ofBook says whether the operation shows or changes something of the book.
func (op *operation) ofBook() bool { return strings.Contains(op.at, " /v1/") }

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

func loadContract() (*contract, error) {
	doc, err := GetSpec()
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	c := &contract{operations: map[string]*operation{}}
	for path, item := range doc.Paths.Map() {
		route := pathParameter.ReplaceAllString(path, ":$1")
		for method, o := range item.Operations() {
			op, err := readOperation(o)
			op.at, op.params = method+" "+path, readParameters(item.Parameters, o.Parameters)
			if err != nil {
				return nil, fmt.Errorf("contract: %s %s: %w", method, path, err)
			}
			c.operations[method+" "+route] = &op
		}
	}
	c.json, err = doc.MarshalJSON()
	return c, err
}

func readOperation(o *openapi3.Operation) (operation, error) {
	op := operation{id: o.OperationID, query: map[string]bool{}}
	names, ok := o.Extensions["x-roles"].([]any)
	if !ok {
		return op, errors.New("x-roles is missing")
	}
	for _, n := range names {
		role, ok := ledger.ParseRole(fmt.Sprint(n))
		if !ok {
			return op, fmt.Errorf("x-roles: no role %v", n)
		}
		op.roles = append(op.roles, role)
	}
	for _, p := range o.Parameters {
		if p.Value.In == openapi3.ParameterInQuery {
			op.query[p.Value.Name] = true
		}
	}
	return op, nil
}

// operation is what the request's method and route stand for.
func (s *Server) operation(c echo.Context) (op *operation, ok bool) {
	op, ok = s.contract.operations[c.Request().Method+" "+c.Path()]
	return op, ok
}

// guard lets a request through to its handler when its key has a role that the
// contract names, and every query parameter is the contract's.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		op, ok := s.operation(c)
		if !ok && c.Request().Method == http.MethodOptions && c.Path() != "" {
			return echo.MethodNotAllowedHandler(c) // Echo would answer by itself, which the contract does not have
		}
		if !ok {
			return next(c) // no such route: the router says so
		}
		err := s.admit(c, op)
		if err == nil {
			err = next(c)
		}
		if err != nil {
			s.noteDenial(c, op, err)
		}
		return err
	}
}

// admit checks the caller and the query, and writes down what is to be written down
// before the handler looks at the book.
func (s *Server) admit(c echo.Context, op *operation) error {
	if len(op.roles) == 0 {
		return checkQuery(c, op)
	}
	if err := s.authenticate(c, op); err != nil {
		return err
	}
	if err := checkQuery(c, op); err != nil {
		return err
	}
	return s.before(c, op)
}

// authenticate finds the caller by the bearer key and checks the role.
func (s *Server) authenticate(c echo.Context, op *operation) error {
	r := c.Request()
	values := r.Header.Values(echo.HeaderAuthorization)
	if len(values) != 1 {
		return unauthenticated()
	}
	scheme, secret, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(secret, secretPrefix) {
		return unauthenticated()
	}
	key, err := s.keys.find(r.Context(), secret)
	switch {
	case errors.Is(err, ledger.ErrNotFound) && key.Revoked != 0:
		return unauthenticated().withhold("unauthenticated", "revoked "+key.ID.KeyRef())
	case errors.Is(err, ledger.ErrNotFound):
		return unauthenticated().withhold("unauthenticated", "key "+shortHash(secret))
	}
	if err != nil {
		return err
	}
	exchangeOf(c).caller = key
	for _, role := range op.roles {
		if role == key.Role {
			return nil
		}
	}
	const reason = "role_not_allowed"
	if r.Method == http.MethodGet { // whoever may not look is not told what there is
		return newProblem(http.StatusNotFound, "not_found", "there is nothing here for a key of role %s", key.Role).withhold(reason, "")
	}
	return newProblem(http.StatusForbidden, reason, "a key of role %s may not do this", key.Role).withhold(reason, "")
}

func unauthenticated() *problem {
	return newProblem(http.StatusUnauthorized, "unauthenticated", "send a valid API key: Authorization: Bearer bahi_…")
}

// checkQuery refuses parameters that the contract does not have: a misspelt
// filter must not silently list everything.
func checkQuery(c echo.Context, op *operation) error {
	if c.Request().URL.RawQuery == "" {
		return nil
	}
	if _, err := url.ParseQuery(c.Request().URL.RawQuery); err != nil { // what it cannot read Echo leaves out
		return badRequest("malformed_parameter", "the query is not well-formed")
	}
	for name, values := range c.QueryParams() {
		switch {
		case !op.query[name]:
			return badRequest("unknown_parameter", "the contract has no such query parameter; see /openapi.json").at(name)
		case len(values) > 1:
			return badRequest("duplicate_parameter", "the parameter stands twice; which one is meant?").at(name)
		}
	}
	return nil
}
