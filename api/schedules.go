package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oapi-codegen/runtime/types"

	"bahi/ledger"
	"bahi/ledger/address"
)

// Bounds and defaults of a schedule; the contract states them.
const (
	maxRunCount = 10_000
	defaultZone = "Asia/Kolkata"
)

// scheduleText is what is personal of a schedule: the note, and a payee who is named by
// what is known of an account and not by a party of the app.
type scheduleText struct {
	Note   string `json:"note,omitempty"`
	Name   string `json:"name,omitempty"`
	UPI    string `json:"upi,omitempty"`
	Number string `json:"number,omitempty"`
	IFSC   string `json:"ifsc,omitempty"`
}

// textOf is empty where the payer was erased.
func textOf(q *ledger.Schedule) (t scheduleText, err error) {
	if q.Private != "" {
		err = json.Unmarshal([]byte(q.Private), &t)
	}
	return t, err
}

// CreateSchedule implements [ServerInterface].
func (s *Server) CreateSchedule(c echo.Context, params CreateScheduleParams) error {
	var in NewSchedule
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	command, err := s.schedule(c.Request().Context(), caller(c).App, &in)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: params.IdempotencyKey, body: body, status: http.StatusCreated, view: viewSchedule})
}

func viewSchedule(result any) any {
	q := result.(ledger.Schedule)
	return scheduleView(&q, sightOwn)
}

// schedule makes the command that a request asks for. Who is not there is refused by the
// pipeline, as it is of a payment.
func (s *Server) schedule(ctx context.Context, app string, in *NewSchedule) (ledger.Command, error) {
	q, text, err := s.readSchedule(app, in)
	if err == nil {
		err = s.schedulePayer(ctx, in, q)
	}
	if err == nil {
		err = s.schedulePayee(ctx, in, q, text)
	}
	if err != nil {
		return refusedLater(err)
	}
	if *text != (scheduleText{}) {
		private, err := json.Marshal(text)
		if err != nil {
			return nil, err
		}
		q.Private = string(private)
	}
	q.RecordKey = ledger.ScheduleKey(ledger.NewID())
	return ledger.CreateSchedule{Schedule: *q}, nil
}

// readSchedule checks everything about a request that needs no look at the book.
func (s *Server) readSchedule(app string, in *NewSchedule) (*ledger.Schedule, *scheduleText, error) {
	t, link, err := s.readPayment(app, &NewTransfer{Payer: in.Payer, Payee: in.Payee, Amount: in.Amount, Note: in.Note, Conversation: in.Conversation})
	if err != nil {
		return nil, nil, err
	}
	if !in.Payer.Credential.IsZero() {
		return nil, nil, badRequest("invalid_field", "a schedule has no credential: nobody gives one when it pays").at("/payer/credential")
	}
	if in.Payee.Invite {
		return nil, nil, badRequest("invalid_address", "a schedule invites nobody").at("/payee/invite")
	}
	q := &ledger.Schedule{Record: ledger.Record{App: app, Conversation: t.Conversation}, Amount: t.Amount}
	text := &scheduleText{Note: t.Note}
	if link != nil {
		text.UPI = link.Payee
		if checkText("", link.Name, maxName, true) == nil {
			text.Name = link.Name
		}
	}
	if q.Calendar, err = readCalendar(in); err != nil {
		return nil, nil, err
	}
	if in.Cap != nil {
		limit, err := parseMoney("/cap", *in.Cap)
		switch {
		case err != nil:
			return nil, nil, err
		case limit.Currency != q.Amount.Currency:
			return nil, nil, badRequest("invalid_field", "the amount is in %s", q.Amount.Currency).at("/cap/currency")
		case limit.Minor < q.Amount.Minor:
			return nil, nil, badRequest("invalid_field", "less than one run moves").at("/cap/value")
		}
		q.Cap = limit.Minor
	}
	return q, text, nil
}

// weekdays are their words, from [time.Sunday] on.
var weekdays = []Weekday{WeekdaySunday, WeekdayMonday, WeekdayTuesday, WeekdayWednesday, WeekdayThursday, WeekdayFriday, WeekdaySaturday}

// readCalendar reads when a schedule pays.
func readCalendar(in *NewSchedule) (c ledger.Calendar, err error) {
	if !in.At.IsZero() {
		for field, given := range map[string]bool{"/every": in.Every != Rhythm{}, "/time": in.Time != "", "/zone": in.Zone != "",
			"/from": !in.From.IsZero(), "/until": in.Until != nil, "/count": in.Count != nil} {
			if given {
				return c, badRequest("invalid_field", "it does not go with at, which is once").at(field)
			}
		}
		return ledger.Calendar{Every: ledger.Once, At: in.At.UnixMicro()}, nil
	}
	day := slices.Index(weekdays, in.Every.Week)
	switch month := in.Every.Month; {
	case in.Every == Rhythm{}:
		return c, badRequest("missing_field", "give at, or every with time").at("/every")
	case month != nil && in.Every.Week != "":
		return c, badRequest("invalid_field", "name a day of the week or one of the month").at("/every")
	case month != nil && (*month < 1 || *month > 31):
		return c, badRequest("invalid_field", "a day of the month is 1 to 31").at("/every/month")
	case month == nil && day < 0:
		return c, badRequest("invalid_field", "a day of the week is sunday to saturday").at("/every/week")
	case month != nil:
		c.Every, c.Date = ledger.Monthly, *month
	default:
		c.Every, c.Weekday = ledger.Weekly, time.Weekday(day)
	}
	if c.Minute, err = readTimeOfDay(in.Time); err != nil {
		return c, err
	}
	if c.Zone = in.Zone; c.Zone == "" {
		c.Zone = defaultZone
	}
	if _, err := ledger.LoadZone(c.Zone); err != nil {
		return c, badRequest("invalid_field", "%v", ledger.ErrZone).at("/zone")
	}
	if !in.From.IsZero() {
		c.From = ledger.DayOf(in.From.Time)
	}
	if in.Until != nil {
		c.Until = max(1, ledger.DayOf(in.Until.Time)) // zero would be no end
	}
	if in.Count != nil {
		if c.Count = *in.Count; c.Count < 1 || c.Count > maxRunCount {
			return c, badRequest("invalid_field", "1 to %d runs", maxRunCount).at("/count")
		}
	}
	return c, nil
}

// readTimeOfDay reads what clocks show, such as 09:00, as minutes since midnight.
func readTimeOfDay(text string) (minutes int, err error) {
	if text == "" {
		return 0, badRequest("missing_field", "this field is required").at("/time")
	}
	t, err := time.Parse("15:04", text)
	if err != nil || t.Format("15:04") != text {
		return 0, badRequest("invalid_field", "a time of day is such as 09:00 or 17:30").at("/time")
	}
	return t.Hour()*60 + t.Minute(), nil
}

// schedulePayer finds who pays.
func (s *Server) schedulePayer(ctx context.Context, in *NewSchedule, q *ledger.Schedule) error {
	found, err := s.payer(ctx, q.App, &in.Payer, q.Amount.Currency)
	if err != nil {
		return err
	}
	q.Owner = found.party.ID
	q.Instrument, err = namedInstrument("/payer", &in.Payer, &found)
	return err
}

// schedulePayee finds who is paid, where that is a party of the app. Any other payee is
// kept as it was named, and looked for at each run.
func (s *Server) schedulePayee(ctx context.Context, in *NewSchedule, q *ledger.Schedule, text *scheduleText) (err error) {
	switch a := &in.Payee; {
	case a.Link != nil: // it was read before
		return nil
	case a.UPI != nil:
		text.UPI, err = checked("invalid_upi", "/payee/upi", *a.UPI, address.UPI)
		return err
	case a.Account != nil:
		text.Name = a.Account.Name
		if err := checkText("/payee/account/name", a.Account.Name, maxName, false); err != nil {
			return err
		}
		if text.Number, err = checked("invalid_account", "/payee/account/number", a.Account.Number, address.AccountNumber); err != nil {
			return err
		}
		text.IFSC, err = checked("invalid_account", "/payee/account/ifsc", a.Account.IFSC, address.IFSC)
		return err
	default:
		found, err := s.follow(ctx, q.App, "/payee", a, q.Amount.Currency)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			return notFound("party").at("/payee")
		case err != nil:
			return err
		}
		q.Payee = found.party.ID
		q.PayeeInstrument, err = namedInstrument("/payee", a, &found)
		return err
	}
}

// namedInstrument is the instrument that an address names, or none where it names a party.
func namedInstrument(field string, a *Address, found *place) (ledger.ID, error) {
	switch {
	case a.Instrument == nil && a.Wallet == nil:
		return ledger.ID{}, nil
	case found.refused == ledger.InstrumentUnlinked:
		return ledger.ID{}, notFound("instrument").at(field)
	}
	return found.end.Instrument, nil
}

// ownSchedule is the schedule that the caller may see by this id.
func (s *Server) ownSchedule(c echo.Context, ref string) (*ledger.Schedule, error) {
	id, err := ledger.ParseScheduleRef(ref)
	if err != nil {
		return nil, notFound("schedule")
	}
	r, err := s.reader.Record(c.Request().Context(), ledger.ScheduleKey(id))
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil, notFound("schedule")
	case err != nil:
		return nil, err
	case !sees(caller(c), r.App):
		return nil, foreign("schedule", ref)
	}
	q, err := ledger.ReadSchedule(&r)
	return &q, err
}

// GetSchedule implements [ServerInterface].
func (s *Server) GetSchedule(c echo.Context, ref string) error {
	q, err := s.ownSchedule(c, ref)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, scheduleView(q, sightOf(caller(c))))
}

// ListSchedules implements [ServerInterface].
func (s *Server) ListSchedules(c echo.Context, params ListSchedulesParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	f := ledger.RecordFilter{Kind: ledger.RecordSchedule, App: appFilter(caller(c))}
	if params.State != "" {
		state, _ := ledger.ParseScheduleState(string(params.State)) // the contract's enum was checked
		f.State = uint8(state)
	}
	if params.Party != "" {
		if f.Party, err = ledger.ParsePartyRef(params.Party); err != nil {
			return badRequest("malformed_parameter", "not the id of a party").at("party")
		}
	}
	rows, err := s.reader.Records(c.Request().Context(), f, page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Record) string { return string(last.ID[:]) })
	out := ScheduleList{Data: make([]Schedule, len(rows)), NextCursor: next}
	for i := range rows {
		q, err := ledger.ReadSchedule(&rows[i])
		if err != nil {
			return err
		}
		out.Data[i] = scheduleView(&q, sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// PauseSchedule implements [ServerInterface].
func (s *Server) PauseSchedule(c echo.Context, ref string, params PauseScheduleParams) error {
	return s.changeSchedule(c, ref, params.IdempotencyKey, func(q *ledger.Schedule) ledger.Command { return ledger.PauseSchedule{Schedule: q} })
}

// ResumeSchedule implements [ServerInterface].
func (s *Server) ResumeSchedule(c echo.Context, ref string, params ResumeScheduleParams) error {
	return s.changeSchedule(c, ref, params.IdempotencyKey, func(q *ledger.Schedule) ledger.Command { return ledger.ResumeSchedule{Schedule: q} })
}

// CancelSchedule implements [ServerInterface].
func (s *Server) CancelSchedule(c echo.Context, ref string, params CancelScheduleParams) error {
	return s.changeSchedule(c, ref, params.IdempotencyKey, func(q *ledger.Schedule) ledger.Command {
		return ledger.CancelSchedule{Schedule: q, Why: ledger.ScheduleAsked}
	})
}

// changeSchedule makes a change that needs no body.
func (s *Server) changeSchedule(c echo.Context, ref, key string, command func(*ledger.Schedule) ledger.Command) error {
	if err := noBody(c); err != nil {
		return err
	}
	q, err := s.ownSchedule(c, ref)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command(q), key: key, status: http.StatusOK, view: viewSchedule})
}

// SkipRun implements [ServerInterface].
func (s *Server) SkipRun(c echo.Context, ref string, params SkipRunParams) error {
	var in SkippedRun
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if in.Run < 1 {
		return badRequest("invalid_field", "the number of the next run, as the schedule shows it").at("/run")
	}
	q, err := s.ownSchedule(c, ref)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: ledger.SkipRun{Schedule: q, Run: in.Run}, key: params.IdempotencyKey, body: body, status: http.StatusOK, view: viewSchedule})
}

func dateView(d ledger.Day) types.Date {
	if d == 0 {
		return types.Date{}
	}
	return types.Date{Time: d.Time(time.UTC)}
}
