package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/export"
	"bahi/ledger/privacy/mark"
)

// maxExports is how many exports run at once, each with some megabytes of its own; more wait.
const maxExports = 4

// errCut ends an answer that is not whole and cannot be taken back.
var errCut = errors.New("the answer was cut")

// ExportBook implements [ServerInterface].
func (s *Server) ExportBook(c echo.Context, params ExportBookParams) error {
	ctx, cancel := s.untilStop(context.WithoutCancel(c.Request().Context())) // it may take as long as the caller reads
	defer cancel()
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	case <-c.Request().Context().Done():
		return ledger.ErrBusy
	case <-ctx.Done():
		return ledger.ErrClosed
	}
	o, err := s.exportOptions(ctx, &params)
	if err != nil {
		return err
	}
	if params.Personal {
		if o.People, err = s.people(c, &o); err != nil {
			return err
		}
	}
	if op, ok := s.operation(c); ok {
		if err := s.accessed(c, op, o.String()); err != nil {
			return err
		}
	}
	out := &exportAnswer{c: c, options: &o, sum: sha256.New(), conn: http.NewResponseController(c.Response())}
	rows, err := export.Write(ctx, s.reader, out, o)
	switch {
	case err == nil:
		out.begin()
		h := c.Response().Header()
		h.Set("Bahi-Count", strconv.FormatInt(rows, 10))
		h.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(out.sum.Sum(nil))+":")
		return nil
	case out.begun:
		s.log.Warn("an export was cut", "request_id", requestID(c), "error", err)
		return fmt.Errorf("%w: %w", errCut, err)
	case errors.Is(err, export.ErrNoCheckpoint):
		return newProblem(http.StatusNotFound, "not_found", "%v", err)
	case ctx.Err() != nil:
		return ledger.ErrClosed
	}
	return err
}

// people opens personal data, for who may see it.
func (s *Server) people(c echo.Context, o *export.Options) (func(context.Context, []ledger.ID) (map[ledger.ID]mark.People, error), error) {
	persons, ok := s.reader.(interface {
		People(context.Context, []ledger.ID) (map[ledger.ID]mark.People, error)
	})
	switch role := caller(c).Role; {
	case role != ledger.RoleInspector:
		const reason = "role_not_allowed"
		return nil, newProblem(http.StatusForbidden, reason, "a key of role %s may not see personal data", role).withhold(reason, "")
	case o.Format != export.JSONL:
		return nil, badRequest("malformed_parameter", "only jsonl has personal data").at("personal")
	case !ok:
		return nil, badRequest("malformed_parameter", "this book opens no personal data").at("personal")
	}
	return persons.People, nil
}

func (s *Server) exportOptions(ctx context.Context, p *ExportBookParams) (o export.Options, err error) {
	o = export.Options{Format: export.Format(p.Format), Of: export.Table(p.Of), App: p.App, From: p.ResumeAt, Zone: s.policy.Location()}
	switch {
	case o.Of != export.Postings && o.Format != export.CSV && o.Format != export.Parquet:
		return o, badRequest("malformed_parameter", "%s has no tables: leave it out", o.Format).at("of")
	case o.From > 0 && !o.Format.Resumable():
		return o, badRequest("malformed_parameter", "an export as %s cannot be gone on with: begin it again", o.Format).at("resume_at")
	}
	bounds := export.Bounds{From: p.From, To: p.To, First: -1, Checkpoint: -1}
	for name, place := range map[string]struct{ given, bound *int64 }{"from_leaf": {p.FromLeaf, &bounds.First}, "checkpoint": {p.Checkpoint, &bounds.Checkpoint}} {
		if place.given != nil {
			*place.bound = *place.given
		}
		if place.given != nil && *place.given < 0 {
			return o, badRequest("malformed_parameter", "a place in the log is not below zero").at(name)
		}
	}
	o.Range, err = bounds.Find(ctx, s.reader, o.Zone)
	if wrong := (*export.BoundsError)(nil); errors.As(err, &wrong) {
		return o, badRequest("malformed_parameter", "%s", wrong.Why).at(wrong.Bound)
	}
	return o, err
}

// exportAnswer is an answer that begins with the first byte of the export, so that
// what goes wrong before is a problem like any other, and that goes on as long as the caller reads.
type exportAnswer struct {
	c       echo.Context
	options *export.Options
	sum     hash.Hash
	conn    *http.ResponseController
	begun   bool
}

// exportPause is how long a caller may take to read a piece.
const exportPause = requestTimeout

func (a *exportAnswer) begin() {
	_ = a.conn.SetWriteDeadline(time.Now().Add(exportPause)) // without a connection, as in a test, there is none to keep
	if a.begun {
		return
	}
	a.begun = true
	h := a.c.Response().Header()
	h.Set(echo.HeaderContentType, a.options.Format.Type())
	h.Set("Bahi-First", strconv.FormatInt(a.options.Range.First, 10))
	h.Set("Bahi-Checkpoint", strconv.FormatInt(a.options.Range.Size, 10))
	h.Set("Trailer", "Bahi-Count, Content-Digest")
	a.c.Response().WriteHeader(http.StatusOK)
}

// Write implements [io.Writer].
func (a *exportAnswer) Write(b []byte) (int, error) {
	a.begin()
	a.sum.Write(b)
	n, err := a.c.Response().Write(b)
	if err == nil {
		err = a.conn.Flush()
	}
	return n, err
}
