package settle

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
)

// Reported is what the switch's settlement report says of a bank and a window.
type Reported struct {
	Window   string
	Bank     string // empty: Bahi itself
	Day      ledger.Day
	Currency ledger.Currency
	Remitted ledger.Volume
	Received ledger.Volume
	Fees     int64
}

// Owes is what the bank is to pay, fees included; below zero: what it is to be paid.
func (r *Reported) Owes() int64 { return r.Remitted.Minor + r.Fees - r.Received.Minor }

// ReadReport takes the rows of a settlement report from what its file was read to.
func ReadReport(items iter.Seq2[statement.Item, error]) (rows []Reported, err error) {
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		switch item := item.(type) {
		case statement.Header:
			if item.Format != statement.Settlement {
				return nil, fmt.Errorf("line %d: this is %s, not a settlement report", item.Line, item.Format)
			}
			row := Reported{Window: item.ID, Bank: item.Bank, Day: ledger.DayOf(item.Date), Currency: item.Currency}
			if row.Bank == Itself {
				row.Bank = ""
			}
			rows = append(rows, row)
		case statement.Line:
			rows[len(rows)-1].take(item)
		}
	}
	return rows, nil
}

// take adds one of the sums that a row is made of.
func (r *Reported) take(l statement.Line) {
	volume := ledger.Volume{Count: int64(l.Count), Minor: l.Amount.Minor}
	switch what := strings.TrimPrefix(l.Reference, r.Window+"/"); what {
	case "remitted":
		r.Remitted = volume
	case "received":
		r.Received = volume
	case "fees":
		r.Fees = volume.Minor
	}
}

// Compare holds the rows that a settlement report has of a window against the
// positions that we have of it. It returns the breaks that should be, without what is
// only known when they are stored. The sums of a break are what the bank owes: they
// are the same where only what is behind them differs. Where a bank has positions in
// several currencies its break tells the first that differs.
func Compare(w *ledger.Window, positions []ledger.Position, reported []Reported) (breaks []ledger.Break) {
	theirs := map[ledger.ID]*Reported{}
	for i, r := range reported {
		theirs[ledger.PositionID(w.ID, r.Bank, r.Currency)] = &reported[i]
	}
	found := map[ledger.ID]bool{}
	differs := func(bank string, b ledger.Break) {
		b.Class, b.Day, b.Subject = ledger.ClassSettlement, w.Day, ledger.Subject{Window: w.ID, Bank: bank}
		b.ID = ledger.BreakID(b.Class, b.Subject)
		if !found[b.ID] {
			found[b.ID] = true
			breaks = append(breaks, b)
		}
	}
	for i := range positions {
		p := &positions[i]
		r, ok := theirs[p.ID]
		delete(theirs, p.ID)
		switch {
		case !ok:
			differs(p.Bank, ledger.Break{Currency: p.Currency, Ours: Owes(p), Switch: ledger.SaysNo, Book: ledger.SaysYes})
		case p.Remitted != r.Remitted || p.Received != r.Received || p.Fees != r.Fees:
			differs(p.Bank, ledger.Break{Currency: p.Currency, Ours: Owes(p), Theirs: r.Owes(), Switch: ledger.SaysYes, Book: ledger.SaysYes})
		}
	}
	for _, r := range reported {
		_, unknown := theirs[ledger.PositionID(w.ID, r.Bank, r.Currency)]
		nothing := r.Remitted == ledger.Volume{} && r.Received == ledger.Volume{} && r.Fees == 0
		if unknown && !nothing {
			differs(r.Bank, ledger.Break{Currency: r.Currency, Theirs: r.Owes(), Switch: ledger.SaysYes, Book: ledger.SaysNo})
		}
	}
	slices.SortFunc(breaks, func(a, b ledger.Break) int { return strings.Compare(a.Subject.Bank, b.Subject.Bank) })
	return breaks
}
