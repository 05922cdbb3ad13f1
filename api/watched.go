package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// watchedRoles are those of people who look at what is not theirs. Chat backends and
// banks see their own: of them only what they are denied is written down.
var watchedRoles = []ledger.Role{ledger.RoleAuditor, ledger.RoleInspector, ledger.RoleOperator}

// watched says whether it is written down that the caller does this. What is not
// about the book (metrics) is not.
func watched(k *ledger.Key, op *operation) bool {
	return slices.Contains(watchedRoles, k.Role) && op.ofBook()
}

// before writes down what the caller is about to see or do, unless the handler knows
// it better.
func (s *Server) before(c echo.Context, op *operation) error {
	if !watched(caller(c), op) || op.id == "CreateKey" || op.id == "ExportBook" {
		return nil
	}
	return s.accessed(c, op, s.subject(c, op))
}

func (s *Server) accessed(c echo.Context, op *operation, subject string) error {
	k := caller(c)
	return s.accesses.before(c.Request().Context(), ledger.Access{Who: k.ID.KeyRef(), Role: k.Role.String(), What: op.at, Subject: subject})
}

// withheld is why somebody may not have what they asked for, and what that is as far
// as the request's path and query do not say it.
type withheld struct{ reason, subject string }

// withhold makes the problem one that is written down as a denial; the caller is told
// nothing of it.
func (p *problem) withhold(reason, subject string) *problem {
	p.withheld = &withheld{reason, subject}
	return p
}

// foreign answers as if there were no such thing to who asks for one of another's.
func foreign(what, subject string) *problem {
	p := notFound(what)
	return p.withhold(p.code, subject)
}

// noteDenial writes down, a moment later, what the caller was denied.
func (s *Server) noteDenial(c echo.Context, op *operation, err error) {
	var p *problem
	if !errors.As(err, &p) {
		return
	}
	w := p.withheld
	switch {
	case w != nil:
	case p.status == http.StatusUnauthorized:
		w = &withheld{reason: p.code}
	default:
		return
	}
	d := denial{who: unknownCaller, what: op.at, reason: w.reason}
	if k := caller(c); !k.ID.IsZero() {
		d.who, d.role = k.ID.KeyRef(), k.Role.String()
	}
	subject := s.subject(c, op)
	if !strings.Contains(subject, w.subject) {
		subject = joined(w.subject, subject)
	}
	s.accesses.denied(d, subject)
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}
