package api

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oapi-codegen/runtime/types"

	"bahi/ledger"
)

// ListBreaks implements [ServerInterface].
func (s *Server) ListBreaks(c echo.Context, params ListBreaksParams) error {
	f, err := s.breakFilter(&params)
	if err != nil {
		return err
	}
	after, err := breakPage(params.Cursor)
	if err != nil {
		return err
	}
	rows, err := s.reader.Breaks(c.Request().Context(), f, after, params.Limit+1)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Break) string {
		return string(binary.BigEndian.AppendUint64(last.ID[:], uint64(last.Deadline)))
	})
	out := BreakList{Data: make([]Break, len(rows)), NextCursor: next}
	for i := range rows {
		out.Data[i] = s.breakView(&rows[i])
	}
	return writeJSON(c, http.StatusOK, out)
}

func (s *Server) breakFilter(params *ListBreaksParams) (f ledger.BreakFilter, err error) {
	f = ledger.BreakFilter{Bank: params.Bank, Owner: params.Owner, From: dayOf(params.From), Until: dayOf(params.Until)}
	f.State, _ = ledger.ParseBreakState(string(params.State)) // the contract's enums were checked
	f.Class, _ = ledger.ParseClass(string(params.Class))
	if params.Overdue {
		f.OverdueAt = s.now().UnixMicro()
	}
	if params.Transfer != "" {
		if f.Transfer, err = ledger.ParseTransferRef(params.Transfer); err != nil {
			err = badRequest("malformed_parameter", "not the id of a transfer").at("transfer")
		}
	}
	return f, err
}

// dayOf is a day of the contract; 0 where it is left out.
func dayOf(d types.Date) ledger.Day {
	if d.IsZero() {
		return 0
	}
	return ledger.DayOf(d.Time)
}

func dayView(d ledger.Day) types.Date { return types.Date{Time: d.Time(time.UTC)} }

// breakPage reads the cursor of the list of breaks: an ID and a deadline.
func breakPage(cursor string) (after ledger.BreakPlace, err error) {
	if cursor == "" {
		return after, nil
	}
	text, err := readCursor(cursor)
	if err != nil || len(text) != len(after.ID)+8 {
		return after, badCursor()
	}
	after.ID = ledger.ID([]byte(text[:len(after.ID)]))
	after.Deadline = int64(binary.BigEndian.Uint64([]byte(text[len(after.ID):])))
	return after, nil
}

// GetBreak implements [ServerInterface].
func (s *Server) GetBreak(c echo.Context, ref string) error {
	id, err := breakID(ref)
	if err != nil {
		return err
	}
	f, err := s.desk.File(c.Request().Context(), id)
	if err != nil {
		return missing(err, "break")
	}
	return writeJSON(c, http.StatusOK, s.fileView(&f))
}

func breakID(ref string) (ledger.ID, error) {
	id, err := ledger.ParseBreakRef(ref)
	if err != nil {
		return id, notFound("break")
	}
	return id, nil
}

// missing names what is not found.
func missing(err error, what string) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return notFound(what)
	}
	return err
}

// AssignBreak implements [ServerInterface].
func (s *Server) AssignBreak(c echo.Context, ref string) error {
	var in BreakAssignment
	return s.tend(c, ref, &in, "/owner", func() string { return in.Owner }, s.desk.Assign)
}

// CommentBreak implements [ServerInterface].
func (s *Server) CommentBreak(c echo.Context, ref string) error {
	var in BreakComment
	return s.tend(c, ref, &in, "/text", func() string { return in.Text }, s.desk.Comment)
}

// CloseBreak implements [ServerInterface].
func (s *Server) CloseBreak(c echo.Context, ref string) error {
	var in BreakComment
	return s.tend(c, ref, &in, "/text", func() string { return in.Text }, s.desk.Dismiss)
}

const maxComment = 1000 // characters

// tend does what a text in the body says about a break, and answers with the break.
func (s *Server) tend(c echo.Context, ref string, in any, field string, text func() string,
	do func(ctx context.Context, id ledger.ID, text, by string) (ledger.Break, error)) error {
	if _, err := readBody(c, in); err != nil {
		return err
	}
	most := maxComment
	if field == "/owner" {
		most = maxLabel
	}
	if err := checkText(field, text(), most, true); err != nil {
		return err
	}
	id, err := breakID(ref)
	if err != nil {
		return err
	}
	b, err := do(c.Request().Context(), id, text(), actor(c))
	if err != nil {
		return missing(err, "break")
	}
	return writeJSON(c, http.StatusOK, s.breakView(&b))
}

// actor is who asks, as histories have it.
func actor(c echo.Context) string { return caller(c).ID.KeyRef() }

// ProposeCorrection implements [ServerInterface].
func (s *Server) ProposeCorrection(c echo.Context, ref string, params ProposeCorrectionParams) error {
	var in NewCorrection
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	var action ledger.Action
	if in.Action != "" {
		var ok bool
		if action, ok = ledger.ParseAction(string(in.Action)); !ok {
			return badRequest("invalid_field", "the contract has no such action").at("/action")
		}
	}
	id, err := breakID(ref)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var made *ledger.Correction
	if !params.DryRun {
		proposed, err := s.desk.Propose(ctx, id, action, actor(c))
		if err != nil {
			return missing(err, "break")
		}
		made = &proposed
	}
	plan, err := s.desk.Rehearse(ctx, id, action, actor(c))
	if err != nil {
		return missing(err, "break")
	}
	return writeJSON(c, http.StatusOK, planView(&plan, made))
}

// ApproveCorrection implements [ServerInterface].
func (s *Server) ApproveCorrection(c echo.Context, ref string) error {
	if err := noBody(c); err != nil {
		return err
	}
	return s.decide(c, ref, s.desk.Approve)
}

// WithdrawCorrection implements [ServerInterface].
func (s *Server) WithdrawCorrection(c echo.Context, ref string) error {
	if err := noBody(c); err != nil {
		return err
	}
	return s.decide(c, ref, s.desk.Withdraw)
}

// ApplyCorrection implements [ServerInterface].
func (s *Server) ApplyCorrection(c echo.Context, ref string) error {
	var in CorrectionApplication
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	if err := checkText("/override", in.Override, maxComment, false); err != nil {
		return err
	}
	return s.decide(c, ref, func(ctx context.Context, id ledger.ID, by string) (ledger.Correction, error) {
		return s.desk.Apply(ctx, id, in.Override, by)
	})
}

func (s *Server) decide(c echo.Context, ref string, how func(ctx context.Context, id ledger.ID, by string) (ledger.Correction, error)) error {
	id, err := ledger.ParseCorrectionRef(ref)
	if err != nil {
		return notFound("correction")
	}
	made, err := how(c.Request().Context(), id, actor(c))
	if err != nil {
		return missing(err, "correction")
	}
	return writeJSON(c, http.StatusOK, correctionView(&made))
}
