package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
)

// maxBody is the largest request body in bytes: a full batch fits.
const maxBody = 1 << 20

// readBody reads a JSON body whole and strictly: the right content type, not
// too large, valid UTF-8, one value, no duplicate and no unknown members.
func readBody(c echo.Context, into any) ([]byte, error) {
	r := c.Request()
	kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || kind != echo.MIMEApplicationJSON {
		return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "send Content-Type: application/json").at("Content-Type")
	}
	if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && encoding != "identity" {
		return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "send the body as it is, without Content-Encoding").at(echo.HeaderContentEncoding)
	}
	if r.ContentLength > maxBody { // said before it is sent: not to be waited for
		return nil, tooLargeBody()
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, tooLargeBody()
	case err != nil:
		return nil, badRequest("body_not_read", "the body ended before its length")
	case !utf8.Valid(body):
		return nil, badRequest("invalid_utf8", "the body is not valid UTF-8")
	}
	return body, decode(body, into)
}

func tooLargeBody() *problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than %d bytes", maxBody)
}

// noBody refuses a body where the contract has none: it would be ignored.
func noBody(c echo.Context) error {
	var b [1]byte
	if n, _ := c.Request().Body.Read(b[:]); n > 0 {
		return badRequest("invalid_field", "this request has no body")
	}
	return nil
}

// decode reads one JSON value into the contract's type.
func decode(body []byte, into any) error {
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case err == nil && (bytes.Contains(body, []byte("null")) || bytes.Contains(body, []byte(`""`))):
		return checkValues(body)
	case err == nil:
		return nil
	case errors.Is(err, json.ErrUnknownName):
		p := badRequest("unknown_field", "the contract has no such field; see /openapi.json")
		if errors.As(err, &semantic) {
			p.field = string(semantic.JSONPointer)
		}
		return p
	case errors.Is(err, jsontext.ErrDuplicateName):
		p := badRequest("duplicate_field", "a field stands twice; which one is meant?")
		if errors.As(err, &syntactic) {
			p.field = string(syntactic.JSONPointer)
		}
		return p
	case errors.As(err, &semantic):
		return badRequest("wrong_type", "a JSON %s stands where the contract has another type; amounts, for one, are strings: \"250.00\"", semantic.JSONKind).at(string(semantic.JSONPointer))
	}
	return badRequest("malformed_json", "the body is not one JSON value")
}

// neverEmpty are the texts that may be left out, but of which the contract wants
// at least one character when they are given.
var neverEmpty = map[jsontext.Pointer]bool{"/name": true, "/label": true, "/note": true, "/conversation": true, "/message": true,
	"/app": true, "/bank": true, "/code": true, "/ref": true, "/upi": true, "/currency": true, "/instrument": true, "/party": true, "/reason": true, "/payee/account/name": true,
	"/url": true, "/description": true, "/locale": true}

// checkValues refuses what the contract's types cannot tell from a member that is
// not there: null and empty text. Each item of a batch is checked by itself.
func checkValues(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return nil // the end: the body was read whole before
		}
		at := d.StackPointer()
		switch parent, n := d.StackIndex(d.StackDepth()); {
		case strings.HasPrefix(string(at), "/transfers/"):
		case token.Kind() == 'n':
			return badRequest("wrong_type", "the contract has null nowhere; leave the member out").at(string(at))
		case token.Kind() == '"' && parent == '{' && n%2 == 0 && token.String() == "" && neverEmpty[at]:
			return badRequest("invalid_field", "this field is empty; leave it out").at(string(at))
		}
	}
}
