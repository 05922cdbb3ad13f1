package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/feed"
)

const (
	maxDescription = 140 // characters
	maxTypes       = 64
	maxReplays     = 100
	rotateOverlap  = 24 * time.Hour
	maxOverlap     = 7 * 24 * time.Hour
)

// CreateWebhook implements [ServerInterface]. The answer is kept, as all answers are, under
// a key that is not in the book.
func (s *Server) CreateWebhook(c echo.Context, params CreateWebhookParams) error {
	e, body, err := s.newWebhook(c)
	if err != nil {
		return err
	}
	e.ID, e.App = ledger.NewID(), caller(c).App
	secret, wrapped, err := s.webhooks.NewSecret(e.ID)
	if err != nil {
		return err
	}
	e.Secrets = []ledger.EndpointSecret{{Wrapped: wrapped}}
	beside, err := s.reader.Records(c.Request().Context(), ledger.RecordFilter{Kind: ledger.RecordEndpoint, App: e.App}, ledger.Page{Limit: ledger.MaxEndpoints})
	if err != nil {
		return err
	}
	return s.commit(c, change{command: ledger.CreateEndpoint{Endpoint: *e, Beside: len(beside)}, key: params.IdempotencyKey, body: body, status: http.StatusCreated,
		view: func(r any) any { return CreatedWebhook{Webhook: webhookView(r.(ledger.Endpoint)), Secret: secret} }})
}

// newWebhook reads what an app says of a webhook.
func (s *Server) newWebhook(c echo.Context) (*ledger.Endpoint, []byte, error) {
	var in NewWebhook
	body, err := readBody(c, &in)
	if err != nil {
		return nil, nil, err
	}
	if in.URL == "" {
		return nil, nil, badRequest("missing_field", "this field is required").at("/url")
	}
	if err := s.webhooks.CheckURL(in.URL); err != nil {
		return nil, nil, badRequest("invalid_field", "%v", err).at("/url")
	}
	if err := checkText("/description", in.Description, maxDescription, false); err != nil {
		return nil, nil, err
	}
	if _, err := s.viewer(in.Locale); err != nil {
		return nil, nil, badRequest("invalid_field", "not a language tag such as en-IN, hi-IN or ja-JP").at("/locale")
	}
	if len(in.Types) > maxTypes {
		return nil, nil, badRequest("invalid_field", "name %d types at most, or leave them out for all", maxTypes).at("/types")
	}
	for _, t := range in.Types {
		if !isEventType(t) {
			return nil, nil, badRequest("invalid_field", "a type is such as transfer.completed, or transfer.* for all of a kind").at("/types")
		}
	}
	return &ledger.Endpoint{URL: in.URL, Types: in.Types, Description: in.Description, Locale: in.Locale}, body, nil
}

// ListWebhooks implements [ServerInterface].
func (s *Server) ListWebhooks(c echo.Context, params ListWebhooksParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	rows, err := s.reader.Records(c.Request().Context(), ledger.RecordFilter{Kind: ledger.RecordEndpoint, App: caller(c).App}, page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Record) string { return string(last.ID[:]) })
	out := WebhookList{Data: []Webhook{}, NextCursor: next}
	for i := range rows {
		e, err := ledger.ReadEndpoint(&rows[i])
		if err != nil {
			return err
		}
		if e.State != ledger.EndpointDeleted {
			out.Data = append(out.Data, webhookView(e))
		}
	}
	return writeJSON(c, http.StatusOK, out)
}

// GetWebhook implements [ServerInterface].
func (s *Server) GetWebhook(c echo.Context, ref string) error {
	e, err := s.webhook(c, ref)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, webhookView(*e))
}

// webhook is one of the caller's own.
func (s *Server) webhook(c echo.Context, ref string) (*ledger.Endpoint, error) {
	id, err := ledger.ParseEndpointRef(ref)
	if err != nil {
		return nil, notFound("endpoint")
	}
	r, err := s.reader.Record(c.Request().Context(), ledger.RecordKey{Kind: ledger.RecordEndpoint, ID: id})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, notFound("endpoint")
	}
	if err != nil {
		return nil, err
	}
	e, err := ledger.ReadEndpoint(&r)
	if err == nil && (e.App != caller(c).App || e.State == ledger.EndpointDeleted) {
		err = notFound("endpoint")
	}
	return &e, err
}

// UpdateWebhook implements [ServerInterface].
func (s *Server) UpdateWebhook(c echo.Context, ref string) error {
	to, _, err := s.newWebhook(c)
	if err != nil {
		return err
	}
	return s.changeWebhook(c, ref, change{}, ledger.ChangeEndpoint{Set: to})
}

// changeWebhook makes a change of one of the caller's own, and answers with it.
func (s *Server) changeWebhook(c echo.Context, ref string, ch change, command ledger.ChangeEndpoint) error {
	e, err := s.webhook(c, ref)
	if err != nil {
		return err
	}
	command.App, command.ID = e.App, e.ID
	ch.command = command
	if ch.status == 0 {
		ch.status = http.StatusOK
	}
	if ch.view == nil {
		ch.view = func(r any) any { return webhookView(r.(ledger.Endpoint)) }
	}
	return s.commit(c, ch)
}

// DeleteWebhook implements [ServerInterface].
func (s *Server) DeleteWebhook(c echo.Context, ref string) error {
	e, err := s.webhook(c, ref)
	if err != nil {
		return err
	}
	if _, err := s.book.Submit(c.Request().Context(), ledger.Request{Command: ledger.ChangeEndpoint{App: e.App, ID: e.ID, Delete: true}}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// RotateWebhookSecret implements [ServerInterface].
func (s *Server) RotateWebhookSecret(c echo.Context, ref string, params RotateWebhookSecretParams) error {
	var in WebhookRotation
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	overlap := rotateOverlap
	if in.OverlapSeconds != nil {
		overlap = time.Duration(*in.OverlapSeconds) * time.Second
		if *in.OverlapSeconds < 0 || *in.OverlapSeconds > int(maxOverlap/time.Second) {
			return badRequest("invalid_field", "0 to %d seconds", int(maxOverlap/time.Second)).at("/overlap_seconds")
		}
	}
	e, err := s.webhook(c, ref)
	if err != nil {
		return err
	}
	secret, wrapped, err := s.webhooks.NewSecret(e.ID)
	if err != nil {
		return err
	}
	return s.changeWebhook(c, ref, change{key: params.IdempotencyKey, body: body,
		view: func(r any) any { return CreatedWebhook{Webhook: webhookView(r.(ledger.Endpoint)), Secret: secret} }},
		ledger.ChangeEndpoint{Rotate: &ledger.RotateEndpoint{Wrapped: wrapped, Overlap: overlap}})
}

// EnableWebhook implements [ServerInterface].
func (s *Server) EnableWebhook(c echo.Context, ref string, params EnableWebhookParams) error {
	if err := noBody(c); err != nil {
		return err
	}
	return s.changeWebhook(c, ref, change{key: params.IdempotencyKey}, ledger.ChangeEndpoint{Enable: true})
}

// TestWebhook implements [ServerInterface].
func (s *Server) TestWebhook(c echo.Context, ref string, params TestWebhookParams) error {
	if err := noBody(c); err != nil {
		return err
	}
	return s.changeWebhook(c, ref, change{key: params.IdempotencyKey, status: http.StatusAccepted}, ledger.ChangeEndpoint{Test: true})
}

// ReplayWebhook implements [ServerInterface].
func (s *Server) ReplayWebhook(c echo.Context, ref string, params ReplayWebhookParams) error {
	var in WebhookReplay
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	ch := change{key: params.IdempotencyKey, body: body, status: http.StatusAccepted}
	switch {
	case len(in.Events) > 0 && in.After == nil && !in.Dead:
		return s.replayEvents(c, ref, ch, in.Events)
	case len(in.Events) == 0 && in.After != nil && !in.Dead && *in.After >= 0:
		return s.changeWebhook(c, ref, ch, ledger.ChangeEndpoint{Rewind: in.After})
	case len(in.Events) == 0 && in.After == nil && in.Dead:
		return s.changeWebhook(c, ref, ch, ledger.ChangeEndpoint{Revive: true})
	}
	return badRequest("invalid_field", "say which: events, by their sequence; or after, 0 or more; or dead, true")
}

// replayEvents sends some events again.
func (s *Server) replayEvents(c echo.Context, ref string, ch change, sequences []int64) error {
	if len(sequences) > maxReplays {
		return badRequest("invalid_field", "name %d events at most; after takes more", maxReplays).at("/events")
	}
	e, err := s.webhook(c, ref)
	if err != nil {
		return err
	}
	command := ledger.ReplayDeliveries{App: e.App, ID: e.ID}
	asked := map[int64]bool{}
	for _, n := range sequences {
		if n < 1 {
			return badRequest("invalid_field", "the sequence of an event is 1 or more").at("/events")
		}
		found, err := feed.Read(c.Request().Context(), s.reader, e.App, n-1, 1)
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].Sequence != n {
			return newProblem(http.StatusNotFound, ledger.CodeEventNotFound, "there is no event %d yet", n).at("/events")
		}
		if v := &found[0]; !asked[n] {
			command.Events, asked[n] = append(command.Events, ledger.Delivery{Sequence: n, Event: v.ID(), Type: v.Type, Subject: v.Subject}), true
		}
	}
	ch.command, ch.view = command, func(r any) any { return webhookView(r.(ledger.Endpoint)) }
	return s.commit(c, ch)
}

// ListWebhookDeliveries implements [ServerInterface].
func (s *Server) ListWebhookDeliveries(c echo.Context, ref string, params ListWebhookDeliveriesParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	e, err := s.webhook(c, ref)
	if err != nil {
		return err
	}
	state, _ := ledger.ParseDeliveryState(string(params.State))
	rows, err := s.reader.Records(c.Request().Context(), ledger.RecordFilter{Kind: ledger.RecordDelivery, Parent: e.ID, State: uint8(state)}, page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Record) string { return string(last.ID[:]) })
	out := WebhookDeliveryList{Data: make([]WebhookDelivery, len(rows)), NextCursor: next}
	for i := range rows {
		d, err := ledger.ReadDelivery(&rows[i])
		if err != nil {
			return err
		}
		out.Data[i] = deliveryView(&d)
	}
	return writeJSON(c, http.StatusOK, out)
}

func webhookView(e ledger.Endpoint) Webhook {
	v := Webhook{ID: e.ID.EndpointRef(), URL: e.URL, Types: e.Types, Description: e.Description, Locale: e.Locale, State: WebhookStateEnabled,
		DisabledReason: WebhookDisabledReason(e.Reason), Sequence: e.Cursor, CreatedAt: timeView(e.Created), UpdatedAt: timeView(e.Changed)}
	if v.Types == nil {
		v.Types = []string{}
	}
	if v.Locale == "" {
		v.Locale = defaultLocale
	}
	if e.State == ledger.EndpointDisabled {
		v.State = WebhookStateDisabled
	}
	if len(e.Secrets) > 1 {
		v.OldSecretUntil = timeView(e.Secrets[1].Until)
	}
	return v
}

func deliveryView(d *ledger.Delivery) WebhookDelivery {
	v := WebhookDelivery{Event: d.Event.EventRef(), Sequence: d.Sequence, Type: d.Type, State: WebhookDeliveryState(d.State.String()), Tries: d.Tries,
		NextTryAt: timeView(d.Next), Failure: d.Failure, Status: d.Status, Answer: d.Text, CreatedAt: timeView(d.Created), UpdatedAt: timeView(d.Updated)}
	if strings.HasPrefix(d.Type, "transfer.") {
		v.Transfer = d.Subject.TransferRef()
	}
	return v
}

// tellEndpoint shows an endpoint that an event is about, without how far it is: that
// changes with each event.
func tellEndpoint(_ context.Context, _ *viewer, _ *feed.Event, r *ledger.Record) (EventData, error) {
	e, err := ledger.ReadEndpoint(r)
	if err != nil || e.State == ledger.EndpointDeleted {
		return EventData{}, err
	}
	v := webhookView(e)
	v.Sequence = 0
	return EventData{Webhook: v}, nil
}
