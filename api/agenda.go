package api

import (
	"context"

	"bahi/ledger"
	"bahi/ledger/agenda"
)

// Handlers do what falls due, by kind of record.
func (s *Server) Handlers() map[ledger.RecordKind]agenda.Handler {
	return map[ledger.RecordKind]agenda.Handler{
		ledger.RecordHold:    s.release,
		ledger.RecordPot:     s.expirePot,
		ledger.RecordRequest: s.expireRequest,
	}
}

// release pays the payee of a held transfer.
func (s *Server) release(ctx context.Context, r ledger.Record) error {
	t, err := s.reader.Transfer(ctx, r.ID)
	if err != nil {
		return err
	}
	_, err = s.book.Submit(ctx, ledger.Request{Command: ledger.ReleaseTransfer{Transfer: &t}})
	return err
}
