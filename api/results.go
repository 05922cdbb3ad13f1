package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"bahi/banks"
	"bahi/ledger"
)

// maxResults is how many results a bank may report at once, and how many offers it may lease.
const maxResults = 500

// ReportResults implements [ServerInterface]: a bank says what became of many instructions.
func (s *Server) ReportResults(c echo.Context, bank string, _ ReportResultsParams) error {
	if caller(c).Bank != bank {
		return foreign("bank", "")
	}
	items, body, err := readResults(c)
	if err != nil {
		return err
	}
	if err := verifySignature(c.Request().Header, caller(c).PublicKey, s.now(), body); err != nil {
		return err
	}
	taken := make([]taken, len(items))
	for n := range items {
		var in NewResult
		if taken[n].err = decode(items[n], &in); taken[n].err == nil {
			taken[n].ID, taken[n].Answer, taken[n].err = readResult(&in)
		}
	}
	if err := s.record(c.Request().Context(), bank, taken); err != nil {
		return err
	}
	return writeResults(c, taken)
}

// readResults reads the items of a batch, each to be understood by itself.
func readResults(c echo.Context) (items []jsontext.Value, body []byte, err error) {
	var in struct {
		Results []jsontext.Value `json:"results"`
	}
	body, err = readBody(c, &in)
	switch {
	case err != nil:
	case len(in.Results) == 0:
		err = badRequest("missing_field", "there is at least one result").at("/results")
	case len(in.Results) > maxResults:
		err = badRequest("invalid_field", "at most %d results", maxResults).at("/results")
	}
	return in.Results, body, err
}

// taken is one of many results: as it came, and what became of it.
type taken struct {
	banks.Said
	noted    bool // decides nothing by itself
	recorded ledger.Recorded
	err      error // why it was not taken
}

// effectNoted is the effect of an answer that decides nothing by itself.
const effectNoted ledger.Effect = "noted"

// record stores those that may be, in one commit; the others keep their error.
func (s *Server) record(ctx context.Context, bank string, all []taken) (err error) {
	var said []banks.Said
	var of []*taken
	for n := range all {
		switch t := &all[n]; {
		case t.err != nil:
		case t.noted:
			t.recorded.Effect = effectNoted
			t.recorded.Transfer, err = s.reader.Transfer(ctx, t.ID.Transfer)
			if err != nil {
				return err
			}
		default:
			said, of = append(said, t.Said), append(of, t)
		}
	}
	if len(said) == 0 {
		return nil
	}
	outcomes, err := s.dispatcher.ReportAll(ctx, bank, said)
	for n := range outcomes {
		of[n].recorded, _ = outcomes[n].Result.(ledger.Recorded)
		if of[n].err = outcomes[n].Err; errors.Is(of[n].err, ledger.ErrNotFound) {
			of[n].err = notFound("instruction")
		}
	}
	return err
}

// writeResults answers what each result did.
func writeResults(c echo.Context, all []taken) error {
	out := ResultBatch{Results: make([]ResultBatchResult, len(all))}
	for n := range all {
		if err := all[n].err; err != nil {
			p := asProblem(err)
			body := p.body(requestID(c))
			out.Results[n] = ResultBatchResult{Status: p.status, Problem: &body}
			continue
		}
		out.Results[n] = ResultBatchResult{Status: http.StatusOK, Result: resultView(all[n].ID, all[n].recorded)}
	}
	return writeJSON(c, http.StatusOK, out)
}
