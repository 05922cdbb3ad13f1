package sqlite

import (
	"database/sql/driver"
	"errors"
	"strings"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// persist writes what the batch changed. Updates set only what can change in a
// row's life; an index whose columns are not set is not touched.
//
// Of a wallet transfer's 100 µs in a batch of 256, loading takes 10, this 60 and
// the commit 30 to 40. Most of it is pages: what is keyed by time (transfers,
// steps, postings) fills a page with many rows, but each entry under a random
// key dirties a page of its own, which the log takes whole. There are five:
// payer, payee, debited and credited account, idempotency key; without the
// first four a transfer takes a third less. Tables with a rowid, other page
// sizes and many rows to a statement were not faster.
func persist(c *conn, s *ledger.Set) error {
	p := persister{conn: c}
	s.Accounts.Changes(p.account)
	s.Transfers.Changes(p.transfer)
	s.Instructions.Changes(p.instruction)
	s.Parties.Changes(p.party)
	s.Instruments.Changes(p.instrument)
	s.Aliases.Changes(p.alias)
	s.Keys.Changes(p.key)
	s.Answers.Changes(p.answer)
	s.Nodes.Changes(p.node)
	for i := range s.Steps {
		p.step(&s.Steps[i])
	}
	for i := range s.Postings {
		p.posting(&s.Postings[i])
	}
	for i := range s.Contradictions {
		p.contradiction(&s.Contradictions[i])
	}
	return errors.Join(p.err, unbuilt(s))
}

// persister keeps the first error, so that persist reads as a list.
type persister struct {
	conn *conn
	err  error
}

func (p *persister) exec(query string, args ...driver.Value) {
	if p.err == nil {
		p.err = p.conn.exec(query, args...)
	}
}

// insertInto makes an INSERT of all columns.
func insertInto(table, columns string) string {
	return "INSERT INTO " + table + " (" + columns + ") VALUES (?" + strings.Repeat(", ?", strings.Count(columns, ",")) + ")"
}

var errKept = errors.New("a row that is kept for good was changed or deleted")

// kept notes the bug of a command that changes or deletes what it must not.
func (p *persister) kept() { p.err = errors.Join(p.err, errKept) }

var insertAccount = insertInto("accounts", columns.Accounts)

func (p *persister) account(_ ledger.AccountID, a *ledger.Account, inserted bool) {
	switch {
	case a == nil:
		p.kept()
	case inserted:
		p.exec(insertAccount, a.ID[:], a.Name.Path, string(a.Name.Currency), int64(a.Type), a.Bounded, a.Frozen, a.Debits, a.Credits, a.Seq, a.Created)
	default:
		p.exec(`UPDATE accounts SET frozen = ?, debits = ?, credits = ?, seq = ? WHERE id = ?`, a.Frozen, a.Debits, a.Credits, a.Seq, a.ID[:])
	}
}

var insertTransfer = insertInto("transfers", columns.Transfers)

func (p *persister) transfer(_ ledger.ID, t *ledger.Transfer, inserted bool) {
	switch {
	case t == nil:
		p.kept()
	case inserted: // only then: what it becomes, the steps say
		payer, payee := &t.Payer, &t.Payee
		born := t.Birth()
		p.exec(insertTransfer, t.ID[:], t.App, int64(t.Kind),
			optionalID(&payer.Party), optionalID(&payer.Instrument), optionalText(payer.Name), optionalText(payer.Bank),
			optionalText(payer.Account), optionalText(payer.IFSC), optionalText(payer.UPI),
			optionalID(&payee.Party), optionalID(&payee.Instrument), optionalText(payee.Name), optionalText(payee.Bank),
			optionalText(payee.Account), optionalText(payee.IFSC), optionalText(payee.UPI),
			t.Amount.Minor, string(t.Amount.Currency), optionalText(t.Note), optionalText(t.Conversation), optionalText(t.Message),
			optionalText(t.Metadata), optionalText(t.RRN), t.Created, t.Credential,
			int64(born.State), optionalText(born.Reason))
	}
}

var insertInstruction = insertInto("instructions", columns.Instructions)

func (p *persister) instruction(_ ledger.InstructionID, i *ledger.Instruction, inserted bool) {
	switch {
	case i == nil:
		p.kept()
	case inserted:
		p.exec(insertInstruction, i.ID.Transfer[:], int64(i.ID.Leg), i.Bank, i.Node[:], int64(i.State), int64(i.Attempts), i.Due,
			optionalText(i.Code), optionalText(i.Ref), i.Created, i.Updated)
	default: // one may be opened again, so all of it changes
		p.exec(`UPDATE instructions SET bank = ?, node = ?, state = ?, attempts = ?, due = ?, code = ?, ref = ?, created = ?, updated = ? WHERE transfer = ? AND leg = ?`,
			i.Bank, i.Node[:], int64(i.State), int64(i.Attempts), i.Due, optionalText(i.Code), optionalText(i.Ref), i.Created, i.Updated,
			i.ID.Transfer[:], int64(i.ID.Leg))
	}
}

var insertParty = insertInto("parties", columns.Parties)

func (p *persister) party(_ ledger.ID, v *ledger.Party, inserted bool) {
	switch {
	case v == nil:
		p.kept()
	case inserted:
		p.exec(insertParty, v.ID[:], v.App, v.Name, int64(v.Kind), optionalID(&v.Default), v.Created)
	default:
		p.exec(`UPDATE parties SET name = ?, kind = ?, default_instrument = ? WHERE id = ?`, v.Name, int64(v.Kind), optionalID(&v.Default), v.ID[:])
	}
}

var insertInstrument = insertInto("instruments", columns.Instruments)

func (p *persister) instrument(_ ledger.ID, i *ledger.Instrument, inserted bool) {
	switch {
	case i == nil:
		p.kept()
	case inserted:
		p.exec(insertInstrument, i.ID[:], i.Party[:], i.App, int64(i.Kind), optionalText(i.Value), optionalText(i.IFSC), optionalText(i.Bank),
			optionalText(i.UPI), optionalText(i.Currency), i.Unlinked, i.Created)
	default:
		p.exec(`UPDATE instruments SET unlinked = ? WHERE id = ?`, i.Unlinked, i.ID[:])
	}
}

func (p *persister) alias(a ledger.Alias, to *ledger.AliasTarget, inserted bool) {
	switch {
	case to == nil:
		p.exec(`DELETE FROM aliases WHERE app = ? AND kind = ? AND value = ?`, a.App, int64(a.Kind), a.Value)
	case inserted:
		p.exec(`INSERT INTO aliases (app, kind, value, instrument, party) VALUES (?, ?, ?, ?, ?)`, a.App, int64(a.Kind), a.Value, to.Instrument[:], to.Party[:])
	default:
		p.exec(`UPDATE aliases SET instrument = ?, party = ? WHERE app = ? AND kind = ? AND value = ?`, to.Instrument[:], to.Party[:], a.App, int64(a.Kind), a.Value)
	}
}

var insertKey = insertInto("api_keys", columns.Keys)

func (p *persister) key(_ ledger.ID, k *ledger.Key, inserted bool) {
	switch {
	case k == nil:
		p.kept()
	case inserted:
		p.exec(insertKey, k.ID[:], int64(k.Role), optionalText(k.App), optionalText(k.Bank), optionalText(k.Label), k.Hash[:],
			optionalBytes(k.PublicKey), k.Created, k.Revoked)
	default:
		p.exec(`UPDATE api_keys SET revoked = ? WHERE id = ?`, k.Revoked, k.ID[:])
	}
}

var insertNode = insertInto("nodes", columns.Nodes)

func (p *persister) node(_ ledger.ID, n *ledger.Node, inserted bool) {
	switch {
	case n == nil:
		p.kept()
	case inserted:
		p.exec(insertNode, n.ID[:], n.Beat, int64(n.Stripe), n.Gone, n.Started)
	default:
		p.exec(`UPDATE nodes SET beat = ?, gone = ? WHERE id = ?`, n.Beat, n.Gone, n.ID[:])
	}
}

var insertAnswer = insertInto("answers", columns.Answers)

func (p *persister) answer(_ ledger.IdempotencyKey, a *ledger.Answer, inserted bool) {
	if a == nil || !inserted {
		p.kept()
		return
	}
	p.exec(insertAnswer, a.Key.App, a.Key.Key, a.RequestHash[:], int64(a.Status), optionalBytes(a.Body), a.Created)
}

var insertStep = insertInto("steps", columns.Steps)

func (p *persister) step(s *ledger.Step) {
	p.exec(insertStep, s.Transfer[:], int64(s.N), int64(s.State), optionalText(s.Reason), optionalText(s.BankCode), s.At, optionalInt(s.Deadline))
}

var insertPosting = insertInto("postings", columns.Postings)

func (p *persister) posting(v *ledger.Posting) {
	p.exec(insertPosting, v.Entry[:], int64(v.Event), optionalInt(v.Undoes), v.Debit[:], v.Credit[:], v.Amount, string(v.Currency),
		v.DebitSeq, v.CreditSeq, v.DebitBalance, v.CreditBalance, v.At)
}

// breakOf keeps a contradiction; the same one again is nothing new.
func (p *persister) contradiction(b *ledger.Contradiction) {
	p.exec(`INSERT INTO contradictions (transfer, leg, says, was, code, at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		b.Instruction.Transfer[:], int64(b.Instruction.Leg), int64(b.Says), int64(b.Was), optionalText(b.Code), b.At)
}
