package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"bahi/ledger"
)

// transfer is the transfer that the caller may see by this id.
func (s *Server) transfer(ctx context.Context, k *ledger.Key, ref string) (ledger.Transfer, error) {
	id, err := ledger.ParseTransferRef(ref)
	if err != nil {
		return ledger.Transfer{}, notFound("transfer")
	}
	t, err := s.reader.Transfer(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return ledger.Transfer{}, notFound("transfer")
	case err == nil && !sees(k, t.App):
		return ledger.Transfer{}, foreign("transfer", "")
	}
	return t, err
}

// GetTransfer implements [ServerInterface].
func (s *Server) GetTransfer(c echo.Context, ref string, params GetTransferParams) error {
	ctx := c.Request().Context()
	story, err := s.await(ctx, caller(c), ref, time.Duration(params.Wait)*time.Second)
	if err != nil {
		return err
	}
	out := storyView(&story, sightOf(caller(c)))
	kept, err := readRefunds(ctx, s.reader, &story.Transfer)
	if err != nil {
		return err
	}
	out.Refunds = refundsView(&story.Transfer, &kept)
	return writeJSON(c, http.StatusOK, out)
}

func storyView(s *ledger.Story, see sight) TransferDetail {
	out := TransferDetail{Transfer: transferView(&s.Transfer, see), History: make([]TransferStep, len(s.Steps)), Instructions: make([]Instruction, len(s.Instructions))}
	for n, step := range s.Steps {
		out.History[n] = TransferStep{State: TransferState(step.State.String()), Reason: FailureReason(step.Reason), BankCode: step.BankCode, At: timeView(step.At)}
	}
	for n, i := range s.Instructions {
		out.Instructions[n] = Instruction{ID: i.ID.String(), Leg: Leg(i.ID.Leg.String()), Bank: i.Bank, State: InstructionState(i.State.String()),
			Code: i.Code, Ref: i.Ref, Attempts: i.Attempts, UpdatedAt: timeView(i.Updated)}
	}
	return out
}

// story reads what the book has of a transfer, which may have gone on since it was read.
func (s *Server) story(ctx context.Context, t ledger.Transfer) (ledger.Story, error) {
	steps, instructions, err := s.reader.TransferHistory(ctx, t.ID)
	if n := len(steps); n > 0 {
		t.Take(steps[n-1])
	}
	return ledger.Story{Transfer: t, Steps: steps, Instructions: instructions}, err
}

// lookAgain is how often a waiting request looks at the book by itself: another
// node may have brought the transfer to rest.
const lookAgain = time.Second

// await waits until the transfer waits for no bank, or for so long.
func (s *Server) await(ctx context.Context, k *ledger.Key, ref string, limit time.Duration) (ledger.Story, error) {
	id, err := ledger.ParseTransferRef(ref)
	if err != nil || limit == 0 {
		t, err := s.transfer(ctx, k, ref)
		if err != nil {
			return ledger.Story{}, err
		}
		return s.story(ctx, t)
	}
	// The watch begins before the book is looked at, so that no change falls in between.
	place, ended, ok := s.watch.add(id)
	if ok {
		if !sees(k, ended.Transfer.App) {
			return ledger.Story{}, foreign("transfer", "")
		}
		return ended, nil
	}
	defer place.stop()
	over := time.NewTimer(limit)
	defer over.Stop()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	var t ledger.Transfer
	look := place.open == "" || !sees(k, place.open) // else it is known to wait
	for last := false; ; look = true {
		if look {
			if t, err = s.transfer(ctx, k, ref); err != nil {
				return ledger.Story{}, err
			}
			if last || !t.State.Waits() {
				return s.story(ctx, t)
			}
		}
		select {
		case story := <-place.rested:
			return story, nil
		case <-over.C:
			last = true
		case <-s.stopping:
			last = true
		case <-again.C:
		case <-ctx.Done():
			return ledger.Story{Transfer: t}, nil // to nobody: the caller is gone
		}
	}
}

// ListTransfers implements [ServerInterface].
func (s *Server) ListTransfers(c echo.Context, params ListTransfersParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	f := ledger.TransferFilter{App: appFilter(caller(c)), Conversation: params.Conversation}
	if params.State != "" {
		f.State, _ = ledger.ParseState(string(params.State)) // the contract's enum was checked
	}
	if params.Party != "" {
		if f.Party, err = ledger.ParsePartyRef(params.Party); err != nil {
			return badRequest("malformed_parameter", "not the id of a party").at("party")
		}
	}
	if !params.From.IsZero() {
		f.From = params.From.UnixMicro()
	}
	if !params.Until.IsZero() {
		f.Until = max(params.Until.UnixMicro(), 1) // zero would not restrict
	}
	rows, err := s.reader.Transfers(c.Request().Context(), f, page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Transfer) string { return string(last.ID[:]) })
	out := TransferList{Data: make([]Transfer, len(rows)), NextCursor: next}
	for i := range rows {
		out.Data[i] = transferView(&rows[i], sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// CancelTransfer implements [ServerInterface].
func (s *Server) CancelTransfer(c echo.Context, ref string, params CancelTransferParams) error {
	if err := noBody(c); err != nil {
		return err
	}
	t, err := s.transfer(c.Request().Context(), caller(c), ref)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: ledger.CancelTransfer{Transfer: &t}, key: params.IdempotencyKey, status: http.StatusOK, view: viewTransfer})
}
