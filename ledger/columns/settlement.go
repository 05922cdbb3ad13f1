package columns

import (
	"cmp"
	"iter"
	"slices"

	"bahi/ledger"
)

// Windows are the columns of a window without its cuts.
const Windows = `id, scheme, kind, day, n, from_time, until_time, closed_by, closed`

// Cuts are the columns of a window's cut. They are NULL where it has none.
const Cuts = `place, account, after, up_to`

// WindowsWithCuts are the columns that [ReadWindows] reads: of windows w, each with one of its cuts c.
var WindowsWithCuts = Of("w", Windows) + `, ` + Of("c", Cuts)

// ReadWindows adds a row of [WindowsWithCuts] to windows. Those of one window lie together.
func ReadWindows(windows []ledger.Window, r Row) []ledger.Window {
	w := ledger.Window{
		ID:     r.Text(),
		Scheme: r.Text(),
		Kind:   ledger.WindowKind(r.Int64()),
		Day:    ledger.Day(r.Int64()),
		N:      int(r.Int64()),
		From:   r.Int64(),
		Until:  r.Int64(),
		By:     r.Text(),
		Closed: r.Int64(),
	}
	place, cut := r.Int64(), ledger.Cut{Account: r.ID(), After: r.Int64(), UpTo: r.Int64()}
	if n := len(windows); n == 0 || windows[n-1].ID != w.ID {
		windows = append(windows, w)
	}
	if place > 0 {
		last := &windows[len(windows)-1]
		last.Cuts = append(last.Cuts, cut)
	}
	return windows
}

// ReadWindow reads a row of [WindowsWithCuts]: a window with one of its cuts.
func ReadWindow(r Row) ledger.Window { return ReadWindows(nil, r)[0] }

// JoinWindows makes whole windows of those that [ReadWindow] read, in their order.
func JoinWindows(parts iter.Seq2[ledger.Window, error]) iter.Seq2[ledger.Window, error] {
	return func(yield func(ledger.Window, error) bool) {
		var whole ledger.Window
		for part, err := range parts {
			switch {
			case err != nil:
				yield(whole, err)
				return
			case part.ID == whole.ID:
				whole.Cuts = append(whole.Cuts, part.Cuts...)
				continue
			case whole.ID != "" && !yield(whole, nil):
				return
			}
			whole = part
		}
		if whole.ID != "" {
			yield(whole, nil)
		}
	}
}

// settled is what may change of a position.
const settled = `state, ref, confirmed_by, updated`

// Positions are the columns that [ReadPosition] reads.
const Positions = `id, window_id, bank, currency, remitted, remitted_minor, received, received_minor, fees, ` + settled

// ReadPosition reads a row of [Positions].
func ReadPosition(r Row) ledger.Position {
	return ledger.Position{
		ID:       r.ID(),
		Window:   r.Text(),
		Bank:     r.Text(),
		Currency: ledger.Currency(r.Text()),
		Remitted: ledger.Volume{Count: r.Int64(), Minor: r.Int64()},
		Received: ledger.Volume{Count: r.Int64(), Minor: r.Int64()},
		Fees:     r.Int64(),
		State:    ledger.PositionState(r.Int64()),
		Ref:      r.Text(),
		By:       r.Text(),
		Updated:  r.Int64(),
	}
}

// ReadFlow reads a sum of postings: the banks of payer and payee, the paths of the
// clearing accounts that stand for them where the postings belong to no transfer,
// currency, number and sum.
func ReadFlow(r Row) ledger.Flow {
	f := ledger.Flow{Payer: r.Text(), Payee: r.Text()}
	payer, payee := ledger.AccountName{Path: r.Text()}, ledger.AccountName{Path: r.Text()}
	f.Payer, f.Payee = f.Payer+payer.Bank(), f.Payee+payee.Bank()
	f.Currency, f.Count, f.Minor = ledger.Currency(r.Text()), r.Int64(), r.Int64()
	return f
}

// SumFlows adds up what moved between the same banks, in their order.
func SumFlows(flows []ledger.Flow) (sums []ledger.Flow) {
	order := func(a, b ledger.Flow) int {
		return cmp.Or(cmp.Compare(a.Payer, b.Payer), cmp.Compare(a.Payee, b.Payee), cmp.Compare(a.Currency, b.Currency))
	}
	for _, f := range slices.SortedFunc(slices.Values(flows), order) {
		if n := len(sums) - 1; n >= 0 && order(sums[n], f) == 0 {
			sums[n].Count += f.Count
			sums[n].Minor += f.Minor
		} else {
			sums = append(sums, f)
		}
	}
	return sums
}
