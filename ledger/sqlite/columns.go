package sqlite

import (
	"strings"

	"bahi/ledger"
)

// The columns of each table and, below them, the function that reads them in
// that order: Go evaluates a literal's calls from left to right.

const accountColumns = `id, path, currency, type, bounded, frozen, debits, credits, seq, created`

func readAccount(r *row) ledger.Account {
	return ledger.Account{
		ID:      r.account(),
		Name:    ledger.AccountName{Path: r.text(), Currency: ledger.Currency(r.text())},
		Type:    ledger.AccountType(r.int64()),
		Bounded: r.bool(),
		Frozen:  r.bool(),
		Debits:  r.int64(),
		Credits: r.int64(),
		Seq:     r.int64(),
		Created: r.int64(),
	}
}

const transferColumns = `id, app, kind,
	payer_party, payer_instrument, payer_name, payer_bank, payer_account, payer_ifsc, payer_upi,
	payee_party, payee_instrument, payee_name, payee_bank, payee_account, payee_ifsc, payee_upi,
	amount, currency, note, conversation, message, metadata, rrn, created,
	state, reason, bank_code, updated, deadline, steps`

func readTransfer(r *row) ledger.Transfer {
	return ledger.Transfer{
		ID:           r.id(),
		App:          r.text(),
		Kind:         ledger.Kind(r.int64()),
		Payer:        readEnd(r),
		Payee:        readEnd(r),
		Amount:       ledger.Amount{Minor: r.int64(), Currency: ledger.Currency(r.text())},
		Note:         r.text(),
		Conversation: r.text(),
		Message:      r.text(),
		Metadata:     r.text(),
		RRN:          r.text(),
		Created:      r.int64(),
		State:        ledger.State(r.int64()),
		Reason:       ledger.Reason(r.text()),
		BankCode:     r.text(),
		Updated:      r.int64(),
		Deadline:     r.int64(),
		Steps:        r.int(),
	}
}

func readEnd(r *row) ledger.End {
	return ledger.End{Party: r.id(), Instrument: r.id(), Name: r.text(), Bank: r.text(), Account: r.text(), IFSC: r.text(), UPI: r.text()}
}

const instructionColumns = `transfer, leg, bank, node, state, attempts, due, code, ref, created, updated`

func readInstruction(r *row) ledger.Instruction {
	return ledger.Instruction{
		ID:       ledger.InstructionID{Transfer: r.id(), Leg: ledger.Leg(r.int64())},
		Bank:     r.text(),
		Node:     r.id(),
		State:    ledger.InstructionState(r.int64()),
		Attempts: r.int(),
		Due:      r.int64(),
		Code:     r.text(),
		Ref:      r.text(),
		Created:  r.int64(),
		Updated:  r.int64(),
	}
}

const stepColumns = `transfer, n, state, reason, bank_code, at`

func readStep(r *row) ledger.Step {
	return ledger.Step{
		Transfer: r.id(),
		N:        r.int(),
		State:    ledger.State(r.int64()),
		Reason:   ledger.Reason(r.text()),
		BankCode: r.text(),
		At:       r.int64(),
	}
}

const postingColumns = `transfer, event, undoes, debit, credit, amount, currency, debit_seq, credit_seq, debit_balance, credit_balance, at`

func readPosting(r *row) ledger.Posting {
	return ledger.Posting{
		Transfer:      r.id(),
		Event:         ledger.Event(r.int64()),
		Undoes:        ledger.Event(r.int64()),
		Debit:         r.account(),
		Credit:        r.account(),
		Amount:        r.int64(),
		Currency:      ledger.Currency(r.text()),
		DebitSeq:      r.int64(),
		CreditSeq:     r.int64(),
		DebitBalance:  r.int64(),
		CreditBalance: r.int64(),
		At:            r.int64(),
	}
}

// readLine reads whether the account is debited, and then a posting.
func readLine(r *row) ledger.StatementLine {
	l := ledger.StatementLine{Debited: r.bool(), Posting: readPosting(r)}
	l.Seq, l.Balance = l.Posting.CreditSeq, l.Posting.CreditBalance
	if l.Debited {
		l.Seq, l.Balance = l.Posting.DebitSeq, l.Posting.DebitBalance
	}
	return l
}

const partyColumns = `id, app, name, kind, default_instrument, created`

func readParty(r *row) ledger.Party {
	return ledger.Party{
		ID:      r.id(),
		App:     r.text(),
		Name:    r.text(),
		Kind:    ledger.PartyKind(r.int64()),
		Default: r.id(),
		Created: r.int64(),
	}
}

const instrumentColumns = `id, party, app, kind, value, ifsc, bank, upi, currency, unlinked, created`

func readInstrument(r *row) ledger.Instrument {
	return ledger.Instrument{
		ID:       r.id(),
		Party:    r.id(),
		App:      r.text(),
		Kind:     ledger.InstrumentKind(r.int64()),
		Value:    r.text(),
		IFSC:     r.text(),
		Bank:     r.text(),
		UPI:      r.text(),
		Currency: ledger.Currency(r.text()),
		Unlinked: r.bool(),
		Created:  r.int64(),
	}
}

const keyColumns = `id, role, app, bank, label, hash, public_key, created, revoked`

func readKey(r *row) ledger.Key {
	return ledger.Key{
		ID:        r.id(),
		Role:      ledger.Role(r.int64()),
		App:       r.text(),
		Bank:      r.text(),
		Label:     r.text(),
		Hash:      r.hash(),
		PublicKey: r.blob(),
		Created:   r.int64(),
		Revoked:   r.int64(),
	}
}

const answerColumns = `app, key, request_hash, status, body, created`

func readAnswer(r *row) ledger.Answer {
	return ledger.Answer{
		Key:         ledger.IdempotencyKey{App: r.text(), Key: r.text()},
		RequestHash: r.hash(),
		Status:      r.int(),
		Body:        r.blob(),
		Created:     r.int64(),
	}
}

const nodeColumns = `id, beat, stripe, gone, started`

func readNode(r *row) ledger.Node {
	return ledger.Node{ID: r.id(), Beat: r.int64(), Stripe: r.int(), Gone: r.bool(), Started: r.int64()}
}

// of puts a table's alias before each column.
func of(alias, columns string) string {
	names := strings.Split(columns, ",")
	for i, n := range names {
		names[i] = alias + "." + strings.TrimSpace(n)
	}
	return strings.Join(names, ", ")
}
