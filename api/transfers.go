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
	if errors.Is(err, ledger.ErrNotFound) || (err == nil && !sees(k, t.App)) {
		return ledger.Transfer{}, notFound("transfer")
	}
	return t, err
}

// GetTransfer implements [ServerInterface].
func (s *Server) GetTransfer(c echo.Context, ref string, params GetTransferParams) error {
	ctx := c.Request().Context()
	t, err := s.await(ctx, caller(c), ref, time.Duration(params.Wait)*time.Second)
	if err != nil {
		return err
	}
	steps, instructions, err := s.reader.TransferHistory(ctx, t.ID)
	if err != nil {
		return err
	}
	out := TransferDetail{Transfer: transferView(&t), History: make([]TransferStep, len(steps)), Instructions: make([]Instruction, len(instructions))}
	for n, step := range steps {
		out.History[n] = TransferStep{State: TransferState(step.State.String()), Reason: FailureReason(step.Reason), BankCode: step.BankCode, At: timeView(step.At)}
	}
	for n, i := range instructions {
		out.Instructions[n] = Instruction{ID: i.ID.String(), Leg: Leg(i.ID.Leg.String()), Bank: i.Bank, State: InstructionState(i.State.String()),
			Code: i.Code, Ref: i.Ref, Attempts: i.Attempts, UpdatedAt: timeView(i.Updated)}
	}
	return writeJSON(c, http.StatusOK, out)
}

// lookAgain is how often a waiting request looks at the book by itself: another
// node may have brought the transfer to rest.
const lookAgain = time.Second

// await waits until the transfer waits for no bank, or for so long.
func (s *Server) await(ctx context.Context, k *ledger.Key, ref string, limit time.Duration) (ledger.Transfer, error) {
	id, err := ledger.ParseTransferRef(ref)
	if err != nil || limit == 0 {
		return s.transfer(ctx, k, ref)
	}
	over := time.NewTimer(limit)
	defer over.Stop()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	rested, stop := s.watch.add(id)
	defer stop()
	for ended := false; ; {
		// Looked at only after the watch began, so that no change falls in between.
		t, err := s.transfer(ctx, k, ref)
		if err != nil || ended || !t.State.Waits() {
			return t, err
		}
		select {
		case t = <-rested:
			return t, nil
		case <-over.C:
			ended = true
		case <-s.stopping:
			ended = true
		case <-again.C:
		case <-ctx.Done():
			return t, nil
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
		out.Data[i] = transferView(&rows[i])
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
