package columns

import "bahi/ledger"

// Contradictions are the columns that [ReadContradiction] reads.
const Contradictions = `transfer, leg, says, was, code, at`

// ReadContradiction reads a row of [Contradictions].
func ReadContradiction(r Row) ledger.Contradiction {
	return ledger.Contradiction{
		Instruction: ledger.InstructionID{Transfer: r.ID(), Leg: ledger.Leg(r.Int64())},
		Says:        ledger.Outcome(r.Int64()),
		Was:         ledger.InstructionState(r.Int64()),
		Code:        r.Text(),
		At:          r.Int64(),
	}
}

const lineKey = `source, bank, key, n`

// Lines are the columns that [ReadBankLine] reads. The last are those that grow, see
// [ledger.BankLine.Merge].
const Lines = lineKey + `, day, amount, currency, debit, reversal, moved, keyed_by, transfer, name, rrn, code, reference, account, transfers`

func readLineID(r Row) ledger.LineID {
	return ledger.LineID{Source: ledger.Source(r.Int64()), Bank: r.Text(), Key: r.ID(), N: int(r.Int64())}
}

// ReadBankLine reads a row of [Lines].
func ReadBankLine(r Row) ledger.BankLine {
	return ledger.BankLine{
		ID:        readLineID(r),
		Day:       ledger.Day(r.Int64()),
		Amount:    ledger.Amount{Minor: r.Int64(), Currency: ledger.Currency(r.Text())},
		Debit:     r.Bool(),
		Reversal:  r.Bool(),
		Moved:     r.Bool(),
		By:        ledger.KeyedBy(r.Int64()),
		Transfer:  r.ID(),
		Name:      r.Text(),
		RRN:       r.Text(),
		Code:      r.Text(),
		Reference: r.Text(),
		Account:   r.Text(),
		Count:     int(r.Int64()),
	}
}

// Statements are the columns that [ReadStatement] reads.
const Statements = `file, n, source, bank, name, account, format, currency, day, lines, credits, debits, closing, brought_by, at`

// ReadStatement reads a row of [Statements].
func ReadStatement(r Row) ledger.Statement {
	return ledger.Statement{
		File:     r.Hash(),
		N:        int(r.Int64()),
		Source:   ledger.Source(r.Int64()),
		Bank:     r.Text(),
		Name:     r.Text(),
		Account:  r.Text(),
		Format:   r.Text(),
		Currency: ledger.Currency(r.Text()),
		Date:     ledger.Day(r.Int64()),
		Lines:    int(r.Int64()),
		Credits:  r.Int64(),
		Debits:   r.Int64(),
		Closing:  r.Pointer(),
		By:       r.Text(),
		At:       r.Int64(),
	}
}

// Coverage are the columns that [ReadCovered] reads.
const Coverage = `day, source, bank`

// ReadCovered reads a row of [Coverage].
func ReadCovered(r Row) ledger.Covered {
	return ledger.Covered{Day: ledger.Day(r.Int64()), Source: ledger.Source(r.Int64()), Bank: r.Text()}
}

const matchKey = `transfer, leg, ` + lineKey

// Matches are the columns that [ReadMatch] reads.
const Matches = matchKey + `, rule`

// ReadMatch reads a row of [Matches].
func ReadMatch(r Row) ledger.Match {
	return ledger.Match{Transfer: r.ID(), Leg: ledger.Leg(r.Int64()), Line: readLineID(r), Rule: ledger.Rule(r.Int64())}
}

// Runs are the columns that [ReadRun] reads.
const Runs = `n, superseded, from_day, until_day, lines, legs, matched, breaks, started_by, began, ended`

// ReadRun reads a row of [Runs].
func ReadRun(r Row) ledger.Run {
	return ledger.Run{
		N:          r.Int64(),
		Superseded: r.Bool(),
		From:       ledger.Day(r.Int64()),
		Until:      ledger.Day(r.Int64()),
		Lines:      r.Int64(),
		Legs:       r.Int64(),
		Matched:    r.Int64(),
		Breaks:     r.Int64(),
		By:         r.Text(),
		Began:      r.Int64(),
		Ended:      r.Int64(),
	}
}

// found is what another finding, or work on it, may change of a break.
const found = `day, ours, theirs, bank_says, switch_says, book_says, steps, state, resolution, owner, opened, updated, deadline, notes, tries`

// Breaks are the columns that [ReadBreak] reads.
const Breaks = `id, class, transfer, leg, line_source, line_bank, line_key, line_n, window_id, bank, currency, ` + found

// ReadBreak reads a row of [Breaks].
func ReadBreak(r Row) ledger.Break {
	return ledger.Break{
		ID:    r.ID(),
		Class: ledger.Class(r.Int64()),
		Subject: ledger.Subject{
			Transfer: r.ID(),
			Leg:      ledger.Leg(r.Int64()),
			Line:     readLineID(r),
			Window:   r.Text(),
			Bank:     r.Text(),
		},
		Currency:   ledger.Currency(r.Text()),
		Day:        ledger.Day(r.Int64()),
		Ours:       r.Int64(),
		Theirs:     r.Int64(),
		Bank:       ledger.Word(r.Int64()),
		Switch:     ledger.Word(r.Int64()),
		Book:       ledger.Word(r.Int64()),
		Steps:      int(r.Int64()),
		State:      ledger.BreakState(r.Int64()),
		Resolution: ledger.Resolution(r.Int64()),
		Owner:      r.Text(),
		Opened:     r.Int64(),
		Updated:    r.Int64(),
		Deadline:   r.Int64(),
		Notes:      int(r.Int64()),
		Tries:      int(r.Int64()),
	}
}

// BreakCounts are the columns that [ReadBreakCount] reads.
const BreakCounts = `class, state, count(*)`

// ReadBreakCount reads a row of [BreakCounts].
func ReadBreakCount(r Row) ledger.BreakCount {
	return ledger.BreakCount{Class: ledger.Class(r.Int64()), State: ledger.BreakState(r.Int64()), Count: r.Int64()}
}

// Term is a condition of a query that compares a column with a value.
type Term struct {
	Column string // with the comparison
	Value  any
}

// BreakTerms are the conditions of a filter.
func BreakTerms(f *ledger.BreakFilter) (terms []Term) {
	add := func(given bool, column string, value any) {
		if given {
			terms = append(terms, Term{column, value})
		}
	}
	add(f.State != 0, "state =", int64(f.State))
	add(f.Class != 0, "class =", int64(f.Class))
	add(f.Bank != "", "bank =", f.Bank)
	add(f.Owner != "", "owner =", f.Owner)
	add(!f.Transfer.IsZero(), "transfer =", f.Transfer[:])
	add(f.OverdueAt != 0, "deadline <", f.OverdueAt)
	add(f.From != 0, "day >=", int64(f.From))
	add(f.Until != 0, "day <", int64(f.Until))
	return terms
}

// Notes are the columns that [ReadNote] reads.
const Notes = `break_id, n, what, author, note, at`

// ReadNote reads a row of [Notes].
func ReadNote(r Row) ledger.BreakNote {
	return ledger.BreakNote{Break: r.ID(), N: int(r.Int64()), What: ledger.NoteKind(r.Int64()), By: r.Text(), Text: r.Text(), At: r.Int64()}
}

// corrected is what may change of a correction.
const corrected = `state, payout, override_reason, approved_by, applied_by, updated`

// Corrections are the columns that [ReadCorrection] reads.
const Corrections = `id, break_id, transfer, leg, bank, action, currency, difference, proposed_by, created, ` + corrected

// ReadCorrection reads a row of [Corrections].
func ReadCorrection(r Row) ledger.Correction {
	return ledger.Correction{
		ID:         r.ID(),
		Break:      r.ID(),
		Transfer:   r.ID(),
		Leg:        ledger.Leg(r.Int64()),
		Bank:       r.Text(),
		Action:     ledger.Action(r.Int64()),
		Currency:   ledger.Currency(r.Text()),
		Difference: r.Int64(),
		ProposedBy: r.Text(),
		Created:    r.Int64(),
		State:      ledger.CorrectionState(r.Int64()),
		Payout:     r.ID(),
		Override:   r.Text(),
		ApprovedBy: r.Text(),
		AppliedBy:  r.Text(),
		Updated:    r.Int64(),
	}
}
