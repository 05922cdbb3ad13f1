package endtoend

import (
	"bahi/banks/sim"
	"bahi/ledger"
)

// read takes the banks' journals in.
func (m *mistakes) read() {
	m.journals = map[string]map[ledger.InstructionID]sim.Entry{}
	for code, b := range m.banks {
		m.journals[code] = map[ledger.InstructionID]sim.Entry{}
		for e := range b.Entries() {
			m.journals[code][e.ID] = e
		}
	}
}

// moved is what a bank moved on a side of a transfer, by its own journal.
func (m *mistakes) moved(t *ledger.Transfer, leg ledger.Leg) (sum int64) {
	back := leg + ledger.LegDebitReversal - ledger.LegDebit
	bank := m.journals[bankOf(t, leg)]
	return bank[ledger.InstructionID{Transfer: t.ID, Leg: leg}].Amount - bank[ledger.InstructionID{Transfer: t.ID, Leg: back}].Amount
}

// posted is what our book shows of each side of each transfer.
func (w *world) posted() map[ledger.InstructionID]int64 {
	w.Helper()
	shown := map[ledger.InstructionID]int64{}
	w.no(w.store.Audit(w.Context(), func(s ledger.Snapshot) error {
		for p, err := range s.Postings() {
			if err != nil {
				return err
			}
			switch leg := ledger.Leg(p.Event); leg {
			case ledger.LegDebit, ledger.LegCredit:
				shown[ledger.InstructionID{Transfer: p.Entry, Leg: leg}] += p.Amount
			case ledger.LegDebitReversal, ledger.LegCreditReversal:
				shown[ledger.InstructionID{Transfer: p.Entry, Leg: leg.Reverses()}] -= p.Amount
			}
		}
		return nil
	}))
	return shown
}

// doubts notes what is to be found of transfers that are not at an end: those in
// doubt are decided by what their bank did, those under way hang.
func (m *mistakes) doubts(all []ledger.Transfer) {
	m.Helper()
	shown := m.posted()
	for i := range all {
		t := &all[i]
		leg, class, action := ledger.LegCredit, ledger.ClassInDoubt, ledger.ReturnToPayer
		theirs := m.moved(t, ledger.LegCredit)
		switch {
		case t.State == ledger.Debited:
			class, action = ledger.ClassHanging, 0
		case t.State == ledger.Deemed && theirs > 0:
			action = ledger.ConfirmCredit
		case t.State == ledger.Deemed:
		case t.State == ledger.Unresolved:
			leg, action = ledger.LegDebit, ledger.ConfirmFailed
			if theirs = m.moved(t, leg); theirs > 0 {
				action = ledger.ReverseDebit
			}
		case !t.State.Final():
			m.Fatalf("transfer %s is %s", t.ID.TransferRef(), t.State)
		default:
			continue
		}
		m.expect(expected{Class: class, Transfer: t.ID, Payee: leg.PayeeSide(), Bank: bankOf(t, leg),
			Ours: shown[ledger.InstructionID{Transfer: t.ID, Leg: leg}], Theirs: theirs}, action, 0)
	}
}
