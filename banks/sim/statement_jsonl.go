package sim

import (
	"encoding/json"
	"io"

	"bahi/ledger"
)

// The records of a statement in JSON lines.
type (
	jsonHeader struct {
		Bank     string          `json:"bank"`
		Account  string          `json:"account"`
		ID       string          `json:"id"`
		Currency ledger.Currency `json:"currency"`
		Date     string          `json:"date"`
		Opening  string          `json:"opening"`
	}
	jsonEntry struct {
		TransactionID string `json:"transaction_id"`
		RRN           string `json:"rrn,omitempty"`
		BookingDate   string `json:"booking_date"`
		ValueDate     string `json:"value_date"`
		Amount        string `json:"amount"`
		Side          string `json:"side"`
		Reversal      bool   `json:"reversal,omitempty"`
		Code          string `json:"code"`
		Reference     string `json:"reference"`
	}
	jsonEnd struct {
		Lines   int    `json:"lines"`
		Credits string `json:"credits"`
		Debits  string `json:"debits"`
		Closing string `json:"closing"`
	}
)

func (s *Statement) writeJSONL(w io.Writer) error {
	t, to := s.totals(), json.NewEncoder(w)
	err := to.Encode(map[string]jsonHeader{"statement": {Bank: s.Bank, Account: poolAccount, ID: s.id(), Currency: s.Currency,
		Date: s.Day.String(), Opening: s.signed(s.Opening)}})
	for e := range s.Entries {
		if err != nil {
			return err
		}
		err = to.Encode(map[string]jsonEntry{"line": s.jsonEntry(&e)})
	}
	if err != nil {
		return err
	}
	return to.Encode(map[string]jsonEnd{"end": {Lines: t.creditCount + t.debitCount, Credits: s.amount(t.credits),
		Debits: s.amount(t.debits), Closing: s.signed(t.closing)}})
}

func (s *Statement) jsonEntry(e *Entry) jsonEntry {
	return jsonEntry{TransactionID: e.ID.Transfer.TransferRef(), RRN: e.RRN, BookingDate: s.Day.String(), ValueDate: s.valueDay(e).String(),
		Amount: s.amount(e.Amount), Side: string(e.side()), Reversal: e.reverses(), Code: approved, Reference: e.Ref}
}

// signed is a balance.
func (s *Statement) signed(minor int64) string {
	if minor < 0 {
		return "-" + s.amount(minor)
	}
	return s.amount(minor)
}
