package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
	"bahi/ledger/reconcile"
)

// GetReconciliation implements [ServerInterface].
func (s *Server) GetReconciliation(c echo.Context) error {
	ctx := c.Request().Context()
	out := Reconciliation{Breaks: []BreakCount{}}
	switch run, err := s.reader.LastRun(ctx); {
	case err == nil:
		out.LastRun = runView(&run)
	case !errors.Is(err, ledger.ErrNotFound):
		return err
	}
	counts, err := s.reader.BreakCounts(ctx)
	if err != nil {
		return err
	}
	for _, n := range counts {
		out.Breaks = append(out.Breaks, BreakCount{Class: BreakClass(n.Class.String()), State: BreakState(n.State.String()), Count: n.Count})
	}
	return writeJSON(c, http.StatusOK, out)
}

func runView(r *ledger.Run) ReconciliationRun {
	v := ReconciliationRun{N: r.N, From: dayView(r.From), Until: dayView(r.Until), State: ReconciliationRunStateRunning,
		Lines: r.Lines, Legs: r.Legs, Matched: r.Matched, OpenBreaks: r.Breaks, By: r.By, BeganAt: timeView(r.Began), EndedAt: timeView(r.Ended)}
	switch {
	case r.Ended != 0:
		v.State = ReconciliationRunStateEnded
	case r.Superseded:
		v.State = ReconciliationRunStateOvertaken
	}
	return v
}

// runPatience is how long a request waits for a run to end.
const runPatience = 20 * time.Second

// maxRunDays bounds one run: it reads all that happened on its days.
const maxRunDays = 3660

// RunReconciliation implements [ServerInterface]. The run goes on when the request
// has ended, but not when the server does.
func (s *Server) RunReconciliation(c echo.Context) error {
	var in NewReconciliationRun
	if _, err := readBody(c, &in); err != nil {
		return err
	}
	from, until := dayOf(in.From), dayOf(in.Until)
	switch {
	case from <= 0:
		return badRequest("invalid_field", "a day such as 2026-11-25").at("/from")
	case until <= from || until > from+maxRunDays:
		return badRequest("invalid_field", "a day after from, at most %d days", maxRunDays).at("/until")
	}
	o := reconcile.Options{From: from, Until: until, Zone: s.policy.Location(), KnownBank: s.knowsBank, By: actor(c), Now: s.now}
	ended := s.runInBackground(func(ctx context.Context) (ledger.Run, error) { return reconcile.Run(ctx, s.book, s.reader, o) })
	patience := time.NewTimer(runPatience)
	defer patience.Stop()
	select {
	case r := <-ended:
		if r.err != nil {
			return r.err
		}
		return writeJSON(c, http.StatusOK, runView(&r.run))
	case <-c.Request().Context().Done():
		return nil // to nobody
	case <-patience.C:
		run, err := s.reader.LastRun(c.Request().Context())
		if err != nil {
			return err
		}
		return writeJSON(c, http.StatusAccepted, runView(&run))
	}
}

// knowsBank says whether the bank is one of ours.
func (s *Server) knowsBank(code string) bool {
	_, known := s.registry.Driven(code)
	return known
}

type runEnd struct {
	run ledger.Run
	err error
}

// runInBackground starts a run that ends with the server. Its end is told once.
func (s *Server) runInBackground(run func(context.Context) (ledger.Run, error)) <-chan runEnd {
	ended := make(chan runEnd, 1)
	ctx, cancel := s.untilStop(context.Background())
	s.runs.Add(1)
	go func() {
		defer s.runs.Done()
		defer cancel()
		r, err := run(ctx)
		if err != nil {
			s.log.Warn("reconciliation", "error", err)
		}
		ended <- runEnd{r, err}
	}()
	return ended
}
