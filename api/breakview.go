package api

import (
	"time"

	"bahi/ledger"
	"bahi/ledger/reconcile"
)

// compensation is what India's banks owe the customer for each day that a break is
// open past its deadline.
const compensation = 100 // rupees

func (s *Server) breakView(b *ledger.Break) Break {
	v := Break{ID: b.ID.BreakRef(), Class: BreakClass(b.Class.String()), State: BreakState(b.State.String()), Bank: b.Subject.Bank, Window: b.Subject.Window,
		Day: dayView(b.Day), Ours: balanceView(b.Ours, b.Currency), Theirs: balanceView(b.Theirs, b.Currency), Owner: b.Owner,
		Says:     BreakWords{Bank: BreakWord(b.Bank.String()), Switch: BreakWord(b.Switch.String()), Book: BreakWord(b.Book.String())},
		OpenedAt: timeView(b.Opened), UpdatedAt: timeView(b.Updated), Deadline: timeView(b.Deadline)}
	if b.State == ledger.BreakClosed {
		v.Resolution = BreakResolution(b.Resolution.String())
	}
	if !b.Subject.Transfer.IsZero() {
		v.Transfer = b.Subject.Transfer.TransferRef()
	}
	if b.Subject.Leg != 0 {
		v.Leg = Leg(b.Subject.Leg.String())
	}
	until := s.now()
	if b.State == ledger.BreakClosed {
		until = timeView(b.Updated)
	}
	if over := until.Sub(timeView(b.Deadline)); over > 0 {
		v.OverdueDays = int(over/(24*time.Hour)) + 1
		if b.Currency == "INR" && b.Difference() != 0 {
			v.Compensation = moneyView(ledger.Amount{Minor: int64(v.OverdueDays) * compensation * 100, Currency: b.Currency})
		}
	}
	return v
}

func (s *Server) fileView(f *reconcile.File) BreakDetail {
	v := BreakDetail{Break: s.breakView(&f.Break), Actions: []CorrectionAction{}, History: []BreakNote{}, Lines: []BankLine{}, Corrections: []Correction{}}
	for _, a := range f.Actions {
		v.Actions = append(v.Actions, CorrectionAction(a.String()))
	}
	for _, n := range f.Notes {
		v.History = append(v.History, BreakNote{N: n.N, What: BreakNoteKind(n.What.String()), By: n.By, Text: n.Text, At: timeView(n.At)})
	}
	for i := range f.Lines {
		v.Lines = append(v.Lines, lineView(&f.Lines[i]))
	}
	for i := range f.Corrections {
		v.Corrections = append(v.Corrections, correctionView(&f.Corrections[i]))
	}
	if f.Transfer != nil {
		v.TransferState = TransferState(f.Transfer.State.String())
	}
	return v
}

func lineView(l *ledger.BankLine) BankLine {
	v := BankLine{Source: BankLineSource(l.ID.Source.String()), Bank: l.ID.Bank, Day: dayView(l.Day), Amount: moneyView(l.Amount), Side: SideCredit,
		Reversal: l.Reversal, Moved: l.Moved, TransactionID: l.Name, RRN: l.RRN, Code: l.Code, Reference: l.Reference}
	if l.Debit {
		v.Side = SideDebit
	}
	return v
}

func correctionView(c *ledger.Correction) Correction {
	v := Correction{ID: c.ID.CorrectionRef(), Break: c.Break.BreakRef(), Action: CorrectionAction(c.Action.String()), State: CorrectionState(c.State.String()),
		Difference: balanceView(c.Difference, c.Currency), Override: c.Override, ProposedBy: c.ProposedBy, ApprovedBy: c.ApprovedBy, AppliedBy: c.AppliedBy,
		CreatedAt: timeView(c.Created), UpdatedAt: timeView(c.Updated)}
	if !c.Transfer.IsZero() {
		v.Transfer = c.Transfer.TransferRef()
	}
	if c.Leg != 0 {
		v.Leg = Leg(c.Leg.String())
	}
	if !c.Payout.IsZero() {
		v.Payout = c.Payout.TransferRef()
	}
	return v
}

// planView shows what the correction would do; made is what is stored of it, nil for a dry run.
func planView(r *reconcile.Rehearsal, made *ledger.Correction) CorrectionPlan {
	stored := made != nil
	if !stored { // as it would be proposed
		made = &r.Correction
		made.State, made.ApprovedBy, made.AppliedBy, made.Override, made.Payout = ledger.CorrectionProposed, "", "", "", ledger.ID{}
	}
	v := CorrectionPlan{Correction: correctionView(made), Stored: stored, Postings: []PlannedPosting{}}
	for _, p := range r.Postings {
		v.Postings = append(v.Postings, PlannedPosting{Event: Event(p.Event.String()), Debit: p.Debit.Path, Credit: p.Credit.Path, Amount: moneyView(p.Amount)})
	}
	if r.Transfer != nil {
		v.TransferState = TransferState(r.Transfer.State.String())
	}
	if r.Payout != nil {
		v.Payout = transferView(r.Payout, sightNone) // operators propose
	}
	return v
}
