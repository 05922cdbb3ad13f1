package endtoend

import (
	"bytes"
	"time"

	"bahi/ledger"
	"bahi/ledger/reconcile/statement"
	"bahi/ledger/settle"
)

// schedule is UPI's, with a fee, so that there is one.
var schedule = func() *settle.Schedule {
	s := settle.UPI()
	s.Fees = settle.Fees{Currency: "INR", Default: 5}
	return s
}()

func (w *world) settlement() *settle.Desk {
	return &settle.Desk{Book: w.book, Reader: w.store, Schedule: schedule}
}

// closeWindows closes those that are over.
func (w *world) closeWindows() {
	w.Helper()
	_, err := w.settlement().CloseDue(w.Context(), time.Now().UnixMicro(), "meera")
	w.no(err)
}

// agree holds the books against each other: what each bank tells is what it did and
// its mistakes, and what our book has; what could not be explained is on suspense.
func (m *mistakes) agree() {
	m.Helper()
	for _, code := range codes {
		told, did, ours := m.told(code), m.banks[code].Net(), m.balance(ledger.ClearingAccount(code, "INR"))
		if told != did+m.lies[code] || ours != told {
			m.Errorf("%s did %d, with its mistakes %d, and tells %d; our book has %d", code, did, did+m.lies[code], told, ours)
		}
	}
	if n := m.balance(ledger.TransitAccount("INR")); n != 0 {
		m.Errorf("transit holds %d", n)
	}
	if n := m.balance(ledger.SuspenseAccount("INR")); n != m.suspense {
		m.Errorf("suspense holds %d, want %d", n, m.suspense)
	}
}

// told is what a bank has taken from its customers, less what it gave them, by its statements.
func (m *mistakes) told(code string) int64 { return -m.tellers[code].closing }

// settled closes what is left, has every bank pay, and holds the books against the
// reports: nothing is owed any more.
func (m *mistakes) settled() {
	m.Helper()
	m.closeWindows()
	windows, err := m.store.Windows(m.Context(), schedule.Scheme, "", 1000)
	m.no(err)
	net, owed, fees, moved := map[string]int64{}, map[string]int64{}, int64(0), int64(0)
	for i := range windows {
		positions := m.reported(windows[i].ID)
		var sum int64
		for _, p := range positions {
			sum += p.Net()
			net[p.Bank] += p.Net()
			owed[p.Bank] += settle.Owes(&p)
			fees += p.Fees
			if windows[i].Kind == ledger.WindowTransfers {
				moved += p.Remitted.Count
				if p.Bank != "" && p.Fees != schedule.Fees.Default*p.Remitted.Count {
					m.Errorf("%s pays a fee of %d for %d transfers", p.Bank, p.Fees, p.Remitted.Count)
				}
			}
			if p.Bank != "" {
				m.pay(&p)
			}
		}
		if sum != 0 {
			m.Errorf("the positions of %s add up to %d", windows[i].ID, sum)
		}
	}
	if posted := m.credits(); moved != posted {
		m.Errorf("%d transfers are settled, %d are posted", moved, posted)
	}
	for _, code := range codes {
		if net[code] != m.told(code) {
			m.Errorf("%s nets %d in the reports, and tells %d", code, net[code], m.told(code))
		}
		clearing, settlement := m.balance(ledger.ClearingAccount(code, "INR")), m.balance(ledger.SettlementAccount(code, "INR"))
		if clearing != 0 || settlement != owed[code] {
			m.Errorf("%s has paid: clearing %d, settlement %d, want 0 and %d", code, clearing, settlement, owed[code])
		}
	}
	if n := m.balance(ledger.FeesAccount("INR")); n != fees || fees == 0 {
		m.Errorf("fees are %d, want %d", n, fees)
	}
}

// credits is how often money came to a payee, or was taken back from one.
func (m *mistakes) credits() (n int64) {
	m.Helper()
	m.no(m.store.Audit(m.Context(), func(s ledger.Snapshot) error {
		for p, err := range s.Postings() {
			if err != nil {
				return err
			}
			if p.Event == ledger.EventCredit || p.Event == ledger.EventCreditReversal {
				n++
			}
		}
		return nil
	}))
	return n
}

// reported are a window's positions, by its report, which is read back as the switch's
// report would be. One that says something else of a bank is found out.
func (m *mistakes) reported(window string) []ledger.Position {
	m.Helper()
	r, err := m.settlement().Report(m.Context(), window)
	m.no(err)
	if len(r.Positions) == 0 {
		return nil
	}
	var file bytes.Buffer
	m.no(r.Write(&file, settle.FormatCSV))
	rows, err := settle.ReadReport(statement.Read(&file, statement.Options{}))
	m.no(err)
	if breaks := settle.Compare(&r.Window, r.Positions, rows); len(breaks) > 0 || len(rows) != len(r.Positions) {
		m.Errorf("the report of %s differs from its window: %+v", window, breaks)
	}
	wrong := &rows[m.rng.IntN(len(rows))]
	owed := wrong.Owes()
	wrong.Received.Minor++
	breaks := settle.Compare(&r.Window, r.Positions, rows)
	if len(breaks) != 1 || breaks[0].Class != ledger.ClassSettlement || breaks[0].Subject.Bank != wrong.Bank || breaks[0].Ours != owed || breaks[0].Theirs != owed-1 {
		m.Errorf("of %s %s a paisa more is reported: %+v", window, wrong.Bank, breaks)
	}
	return r.Positions
}

// pay has a bank pay for a position; the first try fails, and the word that it was
// paid comes twice.
func (m *mistakes) pay(p *ledger.Position) {
	m.Helper()
	c := settle.ConfirmPosition{Window: p.Window, Bank: p.Bank, Currency: p.Currency, Amount: settle.Owes(p), Failed: true, Ref: "try", By: "meera"}
	_, err := m.settlement().Confirm(m.Context(), c)
	m.no(err)
	c.Failed, c.Ref = false, "paid"
	for range 2 {
		_, err = m.settlement().Confirm(m.Context(), c)
		m.no(err)
	}
}
