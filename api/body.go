package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
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
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, newProblem(http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than %d bytes", maxBody)
	case err != nil:
		return nil, badRequest("body_not_read", "the body ended before its length")
	case !utf8.Valid(body):
		return nil, badRequest("invalid_utf8", "the body is not valid UTF-8")
	}
	return body, decode(body, into)
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
		return badRequest("wrong_type", "the value is not of the type that the contract has here").at(string(semantic.JSONPointer))
	}
	return badRequest("malformed_json", "the body is not one JSON value")
}
