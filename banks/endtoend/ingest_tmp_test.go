package endtoend

import (
	"bytes"
	"encoding/hex"

	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

type tmpIngest struct {
	lines []ledger.BankLine
	cover []ledger.Covered
}

func (tmpIngest) Declare(*ledger.Set) {}
func (c tmpIngest) Apply(s *ledger.Set) (any, error) {
	s.Lines = append(s.Lines, c.lines...)
	s.Coverage = append(s.Coverage, c.cover...)
	return nil, nil
}

func (w *world) ingest(files ...[]byte) {
	for _, file := range files {
		var c tmpIngest
		var h statement.Header
		n := map[ledger.LineID]int{}
		src := ledger.SourceBank
		for item, err := range statement.Read(bytes.NewReader(file), statement.Options{}) {
			w.no(err)
			switch item := item.(type) {
			case statement.Header:
				h = item
				n = map[ledger.LineID]int{}
				if h.Format == statement.UPI {
					src = ledger.SourceSwitch
				}
				c.cover = append(c.cover, ledger.Covered{Source: src, Bank: h.Bank, Day: ledger.DayOf(h.Date)})
			case statement.Line:
				l := ledger.BankLine{Name: item.TransactionID, RRN: item.RRN, Day: ledger.DayOf(item.BookingDate), Amount: item.Amount, Debit: item.Side == statement.Debit,
					Reversal: item.Reversal, Moved: item.Moved(), Code: item.Code, Reference: item.Reference, Count: item.Count, By: ledger.KeyedByRRN}
				l.Transfer, _ = ledger.ParseTransferRef(item.TransactionID)
				l.ID = ledger.LineID{Source: src, Bank: h.Bank}
				_, _ = hex.Decode(l.ID.Key[:], []byte(item.Key))
				n[l.ID]++
				k := n[l.ID]
				l.ID.N = k
				c.lines = append(c.lines, l)
			}
		}
		_, err := w.book.Submit(w.Context(), ledger.Request{Command: c})
		w.no(err)
	}
}
