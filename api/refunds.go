package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"bahi/banks"
	"bahi/ledger"
)

// RefundTransfer implements [ServerInterface].
func (s *Server) RefundTransfer(c echo.Context, ref string, params RefundTransferParams) error {
	var in NewRefund
	body, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if err := errors.Join(checkText("/note", in.Note, maxNote, false), checkCredential("/credential", in.Credential)); err != nil {
		return err
	}
	var amount ledger.Amount
	if in.Amount != nil {
		if amount, err = parseMoney("/amount", *in.Amount); err != nil {
			return err
		}
	}
	ctx := c.Request().Context()
	t, err := s.transfer(ctx, caller(c), ref)
	if err != nil {
		return err
	}
	command, err := s.refund(ctx, ledger.CreateRefund{Payment: &t, Amount: amount, Note: in.Note}, in.Credential)
	if err != nil {
		return err
	}
	return s.commit(c, change{command: command, key: params.IdempotencyKey, body: body, status: http.StatusCreated, wait: params.Wait, view: viewTransfer})
}

// credentialedRefund is the command that makes a refund whose debit has a credential.
type credentialedRefund struct {
	ledger.CreateRefund
	credential banks.Credential
}

// refund is the command that makes the refund, without its numbers.
func (s *Server) refund(ctx context.Context, made ledger.CreateRefund, c banks.Credential) (ledger.Command, error) {
	minor := made.Amount.Minor
	if minor == 0 { // what is left now tells whether the banks take as much
		kept, err := readRefunds(ctx, s.reader, made.Payment)
		if err != nil {
			return nil, err
		}
		minor = left(made.Payment, &kept)
	}
	t := made.Refund(minor)
	made.Refused, made.Queue = s.dispatcher.Refuses(&t), s.dispatcher.Saturated(t.Payer.Bank)
	switch {
	case c.IsZero() || made.Refused != "":
		return made, nil
	case t.Payer.IsWallet():
		return nil, badRequest("invalid_field", "a wallet has no bank that wants a credential; leave it out").at("/credential")
	}
	made.Credential = true
	return credentialedRefund{made, c}, nil
}

// readRefunds is what was refunded of a transfer.
func readRefunds(ctx context.Context, reader ledger.Reader, t *ledger.Transfer) (kept ledger.Refunds, err error) {
	if t.Kind != ledger.Payment || t.State != ledger.Completed {
		return kept, nil
	}
	r, err := reader.Record(ctx, ledger.RecordKey{Kind: ledger.RecordRefunds, ID: t.ID})
	if errors.Is(err, ledger.ErrNotFound) {
		return kept, nil
	}
	if err != nil {
		return kept, err
	}
	return ledger.ReadRecord[ledger.Refunds](&r)
}

// left is how much of a payment can be refunded still.
func left(t *ledger.Transfer, kept *ledger.Refunds) int64 {
	return t.Amount.Minor - kept.Refunded - kept.UnderWay
}

// refundsView is zero where nobody has refunded any of it.
func refundsView(t *ledger.Transfer, kept *ledger.Refunds) Refunds {
	if *kept == (ledger.Refunds{}) {
		return Refunds{}
	}
	money := func(minor int64) Money { return moneyView(ledger.Amount{Minor: minor, Currency: t.Amount.Currency}) }
	return Refunds{Refunded: money(kept.Refunded), UnderWay: money(kept.UnderWay), Left: money(left(t, kept))}
}

// ListRefunds implements [ServerInterface].
func (s *Server) ListRefunds(c echo.Context, ref string, params ListRefundsParams) error {
	page, err := idPage(params.Cursor, params.Limit)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	t, err := s.transfer(ctx, caller(c), ref)
	if err != nil {
		return err
	}
	rows, err := s.reader.Records(ctx, ledger.RecordFilter{Kind: ledger.RecordRefunds, Parent: t.ID}, page)
	if err != nil {
		return err
	}
	rows, next := cut(rows, params.Limit, func(last *ledger.Record) string { return string(last.ID[:]) })
	ids := make([]ledger.ID, len(rows))
	for n := range rows {
		ids[n] = rows[n].ID
	}
	found, err := s.reader.TransfersOf(ctx, ids)
	if err != nil {
		return err
	}
	out := TransferList{Data: make([]Transfer, len(rows)), NextCursor: next}
	for n, id := range ids {
		r := found[id]
		out.Data[n] = transferView(&r, sightOf(caller(c)))
	}
	return writeJSON(c, http.StatusOK, out)
}

// refundTexts are what the two are told of a payment that was refunded.
var refundTexts = sides{
	phrase{"{payee} has refunded you {refunded} of {amount}.", "{payee} ने {amount} में से {refunded} आपको लौटाए।"},
	phrase{"You have refunded {payer} {refunded} of {amount}.", "आपने {payer} को {amount} में से {refunded} लौटाए।"},
}

// tellRefunds adds to a payment what was refunded of it, as it is when the event is read.
func (v *viewer) tellRefunds(ctx context.Context, t *ledger.Transfer, out *EventData) error {
	kept, err := readRefunds(ctx, v.reader, t)
	out.Refunds = refundsView(t, &kept)
	refunded := ledger.Amount{Minor: kept.Refunded, Currency: t.Amount.Currency}
	with := []string{"{payer}", v.named(&t.Payer), "{payee}", v.named(&t.Payee), "{amount}", v.amount(t.Amount), "{refunded}", v.amount(refunded)}
	out.Bubble.ForPayer, out.Bubble.ForPayee = v.side(refundTexts.payer, "nothing", 0, with...), v.side(refundTexts.payee, "nothing", 0, with...)
	return err
}
