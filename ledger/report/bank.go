package report

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"bahi/ledger"
)

// rowPosition is a position of a closed settlement window that was not confirmed yet.
const rowPosition = "position"

// BankStatement is every posting of a bank's clearing and settlement accounts, and the
// positions that were open at the end of the period: of windows that were closed and
// not confirmed. What the bank owes in all, in closed windows or not, is the closing
// balance of its clearing account.
func BankStatement(ctx context.Context, r ledger.Reader, bank string, q Query) (*Report, error) {
	clearing, err := q.of(ctx, r, ledger.ClearingAccount(bank, "").Path)
	if err != nil {
		return nil, err
	}
	settlement, err := q.of(ctx, r, ledger.SettlementAccount(bank, "").Path)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) { // it has not settled yet
		return nil, err
	}
	columns := append(slices.Clone(ledgerColumns), Column{"window", Text}, Column{"state", Text})
	facts := append(q.facts(), fact{"bank", text(bank)})
	return &Report{Name: "bank-statement", Columns: columns, facts: facts, rows: func(ctx context.Context, yield func(...Cell) error) error {
		posting := func(cells ...Cell) error { return yield(append(cells, Cell{}, Cell{})...) }
		if err := q.postings(ctx, newNames(r), append(clearing, settlement...), posting); err != nil {
			return err
		}
		return q.positions(ctx, r, bank, yield)
	}}, nil
}

// open is a position that was open at the end of a period.
type open struct {
	ledger.Position
	closed int64 // its window
}

func (q *Query) positions(ctx context.Context, r ledger.Reader, bank string, yield func(...Cell) error) error {
	list, err := q.openPositions(ctx, r, bank)
	if err != nil {
		return err
	}
	for i := range list {
		p := &list[i]
		state := ledger.PositionOpen // as far as it can be told: what became of it later is not of the period
		if p.Updated <= q.To {
			state = p.State
		}
		err := yield(text(rowPosition), text(ledger.ClearingAccount(bank, p.Currency).Path), text(string(p.Currency)), at(p.closed), text(p.ID.PositionRef()),
			text(ledger.EventSettlement.String()), text(ledger.SettlementAccount(bank, p.Currency).Path), side(max(p.Net(), 0), p.Currency), side(max(-p.Net(), 0), p.Currency), Cell{},
			text(p.Window), text(state.String()))
		if err != nil {
			return err
		}
	}
	return nil
}

// openPositions are those of the bank that were not confirmed at the end of the period,
// though their window was closed.
func (q *Query) openPositions(ctx context.Context, r ledger.Reader, bank string) (list []open, err error) {
	err = r.Audit(ctx, func(s ledger.Snapshot) error {
		for p, err := range s.Positions() {
			if err != nil {
				return err
			}
			confirmed := p.State == ledger.PositionConfirmed && p.Updated <= q.To // after which it stays as it is
			if p.Bank == bank && !confirmed && (q.Currency == "" || p.Currency == q.Currency) {
				list = append(list, open{Position: p})
			}
		}
		closed := map[string]int64{}
		for w, err := range s.Windows() {
			if err != nil {
				return err
			}
			closed[w.ID] = w.Closed
		}
		for i := range list {
			list[i].closed = closed[list[i].Window]
		}
		return nil
	})
	list = slices.DeleteFunc(list, func(p open) bool { return p.closed > q.To || (p.Net() == 0 && p.Fees == 0) })
	slices.SortFunc(list, func(a, b open) int {
		return cmp.Or(cmp.Compare(a.closed, b.closed), cmp.Compare(a.Window, b.Window), cmp.Compare(a.Currency, b.Currency))
	})
	return list, err
}
