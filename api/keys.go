package api

import (
	"crypto/ed25519"
	"net/http"
	"regexp"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

const maxLabel = 99 // characters

var appName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// CheckKey says what is wrong with a key that is about to be created.
func CheckKey(k *ledger.Key) error {
	switch {
	case (k.App != "") != (k.Role == ledger.RoleChat):
		return badRequest("invalid_field", "a chat key, and no other, names its app").at("/app")
	case (k.Bank != "") != (k.Role == ledger.RoleBank):
		return badRequest("invalid_field", "a bank key, and no other, names its bank").at("/bank")
	case k.Role == ledger.RoleBank && len(k.PublicKey) != ed25519.PublicKeySize:
		return badRequest("invalid_field", "a bank key has the bank's Ed25519 public key, 32 bytes in base64").at("/public_key")
	case k.Role != ledger.RoleBank && len(k.PublicKey) != 0:
		return badRequest("invalid_field", "only a bank signs").at("/public_key")
	}
	if k.App != "" && !appName.MatchString(k.App) {
		return badRequest("invalid_field", "an app's name is 1 to 32 of a-z, 0-9, hyphen and underscore, the first a letter or digit").at("/app")
	}
	return checkText("/label", k.Label, maxLabel, false)
}

// CreateKey implements [ServerInterface]. The secret is shown this once: there is
// no replay of the answer, a lost one means another key.
func (s *Server) CreateKey(c echo.Context) error {
	var in NewKey
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	role, ok := ledger.ParseRole(string(in.Role))
	if !ok {
		return badRequest("invalid_field", "role is chat, bank, auditor, operator or inspector").at("/role")
	}
	k := ledger.Key{ID: ledger.NewID(), Role: role, App: in.App, Bank: in.Bank, Label: in.Label, PublicKey: in.PublicKey}
	if err := CheckKey(&k); err != nil {
		return err
	}
	if _, known := s.registry.ByCode(in.Bank); in.Bank != "" && !known {
		return badRequest("invalid_field", "there is no such bank; see /v1/banks").at("/bank")
	}
	secret, hash := NewSecret(role)
	k.Hash = hash
	op, _ := s.operation(c)
	if err := s.accessed(c, op, joined(k.ID.KeyRef()+" of role "+role.String(), k.Bank, k.App)); err != nil {
		return err
	}
	return s.commit(c, change{command: ledger.CreateKey{Key: k}, status: http.StatusCreated,
		view: func(r any) any { return CreatedKey{Key: keyView(r.(ledger.Key)), Secret: secret} }})
}

// ListKeys implements [ServerInterface].
func (s *Server) ListKeys(c echo.Context, params ListKeysParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	rows, err := s.reader.Keys(c.Request().Context(), page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Key) string { return string(last.ID[:]) })
	out := KeyList{Data: make([]Key, len(rows)), NextCursor: next}
	for i := range rows {
		out.Data[i] = keyView(rows[i])
	}
	return writeJSON(c, http.StatusOK, out)
}

// RevokeKey implements [ServerInterface]. Revoking again is safe.
func (s *Server) RevokeKey(c echo.Context, ref string) error {
	id, err := ledger.ParseKeyRef(ref)
	if err != nil {
		return notFound("key")
	}
	if _, err := s.book.Submit(c.Request().Context(), ledger.Request{Command: ledger.RevokeKey{ID: id}}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
