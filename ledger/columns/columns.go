// Package columns holds, for each table of the book, its columns and the
// functions that read and write them in that order. The SQL engines share it:
// their texts differ, their rows do not.
package columns

import (
	"strings"

	"bahi/ledger"
)

// Row is a result row that is read column by column, from left to right; Go
// evaluates a literal's calls in that order. What is NULL reads as Go's zero,
// and what Blob returns is the reader's to keep.
type Row interface {
	Int64() int64
	Pointer() *int64 // an integer, nil where it is NULL
	Bool() bool
	Text() string
	Blob() []byte
	ID() [16]byte
	Hash() [32]byte
}

// Accounts are the columns that [ReadAccount] reads.
const Accounts = `id, path, currency, type, bounded, frozen, debits, credits, seq, reserved, posted, created`

// ReadAccount reads a row of [Accounts].
func ReadAccount(r Row) ledger.Account {
	return ledger.Account{
		ID:       r.ID(),
		Name:     ledger.AccountName{Path: r.Text(), Currency: ledger.Currency(r.Text())},
		Type:     ledger.AccountType(r.Int64()),
		Bounded:  r.Bool(),
		Frozen:   r.Bool(),
		Debits:   r.Int64(),
		Credits:  r.Int64(),
		Seq:      r.Int64(),
		Reserved: r.Int64(),
		Posted:   r.Int64(),
		Created:  r.Int64(),
	}
}

// Transfers are the columns of a transfer's row.
const Transfers = `id, app, kind,
	payer_party, payer_instrument, payer_bank, payer_ifsc, payer_sealed, payer_mark,
	payee_party, payee_instrument, payee_bank, payee_ifsc, payee_sealed, payee_mark,
	amount, currency, conversation, message, rrn, created, credential,
	cause_kind, cause_id, until_time,
	state, reason`

// ReadNewTransfer reads a row of [Transfers]: the transfer as its first commit left it.
func ReadNewTransfer(r Row) ledger.Transfer {
	t := ledger.Transfer{
		ID:           r.ID(),
		App:          r.Text(),
		Kind:         ledger.Kind(r.Int64()),
		Payer:        readEnd(r),
		Payee:        readEnd(r),
		Amount:       ledger.Amount{Minor: r.Int64(), Currency: ledger.Currency(r.Text())},
		Conversation: r.Text(),
		Message:      r.Text(),
		RRN:          r.Text(),
		Created:      r.Int64(),
		Credential:   r.Bool(),
		Cause:        ledger.RecordKey{Kind: ledger.RecordKind(r.Int64()), ID: r.ID()},
		Until:        r.Int64(),
	}
	t.FindPot()
	t.Begin(ledger.State(r.Int64()), ledger.Reason(r.Text()))
	return t
}

// TransfersNow are the columns that [ReadTransfer] reads: those of a transfer t and
// of the last step s of its history, if it has one.
var TransfersNow = Of("t", Transfers) + `, ` + Of("s", Steps)

// ReadTransfer reads a row of [TransfersNow].
func ReadTransfer(r Row) ledger.Transfer {
	t := ReadNewTransfer(r)
	if last := ReadStep(r); last.N > 0 {
		t.Take(last)
	}
	return t
}

// Beginnings are the columns that [ReadBeginning] reads.
const Beginnings = `id, created, state, reason`

// ReadBeginning reads the first lines of a transfer's history from a row of [Beginnings].
func ReadBeginning(r Row) []ledger.Step {
	t := ledger.Transfer{ID: r.ID(), Created: r.Int64()}
	t.Begin(ledger.State(r.Int64()), ledger.Reason(r.Text()))
	return t.Beginning()
}

func readEnd(r Row) ledger.End {
	return ledger.End{Party: r.ID(), Instrument: r.ID(), Bank: r.Text(), IFSC: r.Text(), Sealed: string(r.Blob()), Mark: r.Hash()}
}

// Instructions are the columns that [ReadInstruction] reads.
const Instructions = `transfer, leg, bank, node, state, attempts, due, code, ref, created, updated`

// ReadInstruction reads a row of [Instructions].
func ReadInstruction(r Row) ledger.Instruction {
	return ledger.Instruction{
		ID:       ledger.InstructionID{Transfer: r.ID(), Leg: ledger.Leg(r.Int64())},
		Bank:     r.Text(),
		Node:     r.ID(),
		State:    ledger.InstructionState(r.Int64()),
		Attempts: int(r.Int64()),
		Due:      r.Int64(),
		Code:     r.Text(),
		Ref:      r.Text(),
		Created:  r.Int64(),
		Updated:  r.Int64(),
	}
}

// Nodes are the columns that [ReadNode] reads.
const Nodes = `id, beat, stripe, gone, started`

// ReadNode reads a row of [Nodes].
func ReadNode(r Row) ledger.Node {
	return ledger.Node{ID: r.ID(), Beat: r.Int64(), Stripe: int(r.Int64()), Gone: r.Bool(), Started: r.Int64()}
}

// Steps are the columns that [ReadStep] reads.
const Steps = `transfer, n, state, reason, bank_code, at, deadline`

// ReadStep reads a row of [Steps].
func ReadStep(r Row) ledger.Step {
	return ledger.Step{
		Transfer: r.ID(),
		N:        int(r.Int64()),
		State:    ledger.State(r.Int64()),
		Reason:   ledger.Reason(r.Text()),
		BankCode: r.Text(),
		At:       r.Int64(),
		Deadline: r.Int64(),
	}
}

// Postings are the columns that [ReadPosting] reads.
const Postings = `entry, event, undoes, debit, credit, amount, currency, debit_seq, credit_seq, debit_balance, credit_balance, at`

// ReadPosting reads a row of [Postings].
func ReadPosting(r Row) ledger.Posting {
	return ledger.Posting{
		Entry:         r.ID(),
		Event:         ledger.Event(r.Int64()),
		Undoes:        ledger.Event(r.Int64()),
		Debit:         r.ID(),
		Credit:        r.ID(),
		Amount:        r.Int64(),
		Currency:      ledger.Currency(r.Text()),
		DebitSeq:      r.Int64(),
		CreditSeq:     r.Int64(),
		DebitBalance:  r.Int64(),
		CreditBalance: r.Int64(),
		At:            r.Int64(),
	}
}

// ReadLine reads whether the account is debited, and then a posting.
func ReadLine(r Row) ledger.StatementLine {
	l := ledger.StatementLine{Debited: r.Bool(), Posting: ReadPosting(r)}
	l.Seq, l.Balance = l.Posting.CreditSeq, l.Posting.CreditBalance
	if l.Debited {
		l.Seq, l.Balance = l.Posting.DebitSeq, l.Posting.DebitBalance
	}
	return l
}

// PlaceOf is where a line stands in its account's statement.
func PlaceOf(l *ledger.StatementLine) ledger.LinePlace {
	p := ledger.LinePlace{Account: l.Posting.Credit, Seq: l.Seq}
	if l.Debited {
		p.Account = l.Posting.Debit
	}
	return p
}

// Parties are the columns that [ReadParty] reads.
const Parties = `id, app, sealed, kind, default_instrument, created, closed, erased`

// ReadParty reads a row of [Parties].
func ReadParty(r Row) ledger.Party {
	return ledger.Party{
		ID:      r.ID(),
		App:     r.Text(),
		Sealed:  string(r.Blob()),
		Kind:    ledger.PartyKind(r.Int64()),
		Default: r.ID(),
		Created: r.Int64(),
		Closed:  r.Int64(),
		Erased:  r.Int64(),
	}
}

// Instruments are the columns that [ReadInstrument] reads.
const Instruments = `id, party, app, kind, sealed, ifsc, bank, currency, unlinked, created`

// ReadInstrument reads a row of [Instruments].
func ReadInstrument(r Row) ledger.Instrument {
	return ledger.Instrument{
		ID:       r.ID(),
		Party:    r.ID(),
		App:      r.Text(),
		Kind:     ledger.InstrumentKind(r.Int64()),
		Sealed:   string(r.Blob()),
		IFSC:     r.Text(),
		Bank:     r.Text(),
		Currency: ledger.Currency(r.Text()),
		Unlinked: r.Bool(),
		Created:  r.Int64(),
	}
}

// ReadPayee reads a party and then an instrument, of which there may be none.
func ReadPayee(r Row) ledger.Payee {
	return ledger.Payee{Party: ReadParty(r), Instrument: ReadInstrument(r)}
}

// Keys are the columns that [ReadKey] reads.
const Keys = `id, role, app, bank, label, hash, public_key, created, revoked`

// ReadKey reads a row of [Keys].
func ReadKey(r Row) ledger.Key {
	return ledger.Key{
		ID:        r.ID(),
		Role:      ledger.Role(r.Int64()),
		App:       r.Text(),
		Bank:      r.Text(),
		Label:     r.Text(),
		Hash:      r.Hash(),
		PublicKey: r.Blob(),
		Created:   r.Int64(),
		Revoked:   r.Int64(),
	}
}

// Answers are the columns that [ReadAnswer] reads.
const Answers = `app, key, status, sealed, created`

// ReadAnswer reads a row of [Answers].
func ReadAnswer(r Row) ledger.Answer {
	return ledger.Answer{
		Key:     ledger.IdempotencyKey{App: r.Text(), Key: r.Text()},
		Status:  int(r.Int64()),
		Sealed:  r.Blob(),
		Created: r.Int64(),
	}
}

// Of puts a table's alias before each column.
func Of(alias, columns string) string {
	names := strings.Split(columns, ",")
	for i, n := range names {
		names[i] = alias + "." + strings.TrimSpace(n)
	}
	return strings.Join(names, ", ")
}
