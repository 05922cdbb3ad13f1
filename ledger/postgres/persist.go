package postgres

import (
	"errors"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// The statements of persist. Updates set only what can change in a row's life.
var (
	insertAccounts  = insertInto("accounts", columns.Accounts, uuid, text, text, i2, boolean, boolean, i8, i8, i8, i8)
	updateAccounts  = update("accounts", 1, "id, frozen, debits, credits, seq", uuid, boolean, i8, i8, i8)
	insertTransfers = insertInto("transfers", columns.Transfers, uuid, text, i2,
		uuid, uuid, text, text, text, text, text,
		uuid, uuid, text, text, text, text, text,
		i8, text, text, text, text, text, text, i8, boolean,
		i2, text)
	insertInstructions = insertInto("instructions", columns.Instructions, uuid, i2, text, uuid, i2, i4, i8, text, text, i8, i8)
	updateInstructions = update("instructions", 2, columns.Instructions, uuid, i2, text, uuid, i2, i4, i8, text, text, i8, i8) // one may be opened again
	insertParties      = insertInto("parties", columns.Parties, uuid, text, text, i2, uuid, i8)
	updateParties      = update("parties", 1, "id, name, kind, default_instrument", uuid, text, i2, uuid)
	insertInstruments  = insertInto("instruments", columns.Instruments, uuid, uuid, text, i2, text, text, text, text, text, boolean, i8)
	updateInstruments  = update("instruments", 1, "id, unlinked", uuid, boolean)
	deleteAliases      = statement{types: []uint32{text, i2, text},
		sql: "DELETE FROM aliases WHERE (app, kind, value) IN (SELECT * FROM " + unnest([]uint32{text, i2, text}) + ")",
		one: "DELETE FROM aliases WHERE app = $1::text AND kind = $2::int2 AND value = $3::text"}
	insertAliases        = insertInto("aliases", "app, kind, value, instrument, party", text, i2, text, uuid, uuid)
	updateAliases        = update("aliases", 3, "app, kind, value, instrument, party", text, i2, text, uuid, uuid)
	insertKeys           = insertInto("api_keys", columns.Keys, uuid, i2, text, text, text, bytea, bytea, i8, i8)
	updateKeys           = update("api_keys", 1, "id, revoked", uuid, i8)
	insertNodes          = insertInto("nodes", columns.Nodes, uuid, i8, i4, boolean, i8)
	updateNodes          = update("nodes", 1, "id, beat, gone", uuid, i8, boolean)
	insertAnswers        = insertInto("answers", columns.Answers, text, text, bytea, i4, bytea, i8)
	insertSteps          = insertInto("steps", columns.Steps, uuid, i4, i2, text, text, i8, i8)
	insertPostings       = insertInto("postings", columns.Postings, uuid, i2, i2, uuid, uuid, i8, text, i8, i8, i8, i8, i8)
	insertContradictions = func() statement {
		s := insertInto("contradictions", "transfer, leg, says, was, code, at", uuid, i2, i2, i2, text, i8)
		s.sql += " ON CONFLICT DO NOTHING" // the same contradiction again is nothing new
		s.one += " ON CONFLICT DO NOTHING"
		return s
	}()
)

// persist are the statements that write what the batch changed.
func persist(s *ledger.Set, from *arrays) ([]query, error) {
	p := persister{arrays: from}
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
	qs := make([]query, len(p.bulks))
	for i, b := range p.bulks {
		qs[i] = b.query()
	}
	return qs, errors.Join(p.err, unbuilt(s))
}

// persister gathers the rows of each statement, in the order of their first use.
type persister struct {
	arrays *arrays
	bulks  []*bulk
	err    error
}

func (p *persister) rows(s *statement) *bulk {
	for _, b := range p.bulks {
		if b.statement == s {
			return b
		}
	}
	b := newBulk(s, p.arrays)
	p.bulks = append(p.bulks, b)
	return b
}

func either(inserted bool, insert, update *statement) *statement {
	if inserted {
		return insert
	}
	return update
}

var errKept = errors.New("a row that is kept for good was changed or deleted")

// kept notes the bug of a command that changes or deletes what it must not.
func (p *persister) kept() { p.err = errors.Join(p.err, errKept) }

func (p *persister) account(_ ledger.AccountID, a *ledger.Account, inserted bool) {
	switch {
	case a == nil:
		p.kept()
	case inserted:
		b := p.rows(&insertAccounts)
		b.id(a.ID)
		b.text(a.Name.Path)
		b.text(string(a.Name.Currency))
		b.small(uint8(a.Type))
		b.bool(a.Bounded)
		b.bool(a.Frozen)
		b.int8(a.Debits)
		b.int8(a.Credits)
		b.int8(a.Seq)
		b.int8(a.Created)
	default:
		b := p.rows(&updateAccounts)
		b.id(a.ID)
		b.bool(a.Frozen)
		b.int8(a.Debits)
		b.int8(a.Credits)
		b.int8(a.Seq)
	}
}

func (p *persister) transfer(_ ledger.ID, t *ledger.Transfer, inserted bool) {
	switch {
	case t == nil:
		p.kept()
		return
	case !inserted: // the steps say it
		return
	}
	born := t.Birth()
	b := p.rows(&insertTransfers)
	b.id(t.ID)
	b.text(t.App)
	b.small(uint8(t.Kind))
	writeEnd(b, &t.Payer)
	writeEnd(b, &t.Payee)
	b.int8(t.Amount.Minor)
	b.text(string(t.Amount.Currency))
	b.optionalText(t.Note)
	b.optionalText(t.Conversation)
	b.optionalText(t.Message)
	b.optionalText(t.Metadata)
	b.optionalText(t.RRN)
	b.int8(t.Created)
	b.bool(t.Credential)
	b.small(uint8(born.State))
	b.optionalText(string(born.Reason))
}

func writeEnd(b *bulk, e *ledger.End) {
	b.optionalID(e.Party)
	b.optionalID(e.Instrument)
	b.optionalText(e.Name)
	b.optionalText(e.Bank)
	b.optionalText(e.Account)
	b.optionalText(e.IFSC)
	b.optionalText(e.UPI)
}

func (p *persister) instruction(_ ledger.InstructionID, i *ledger.Instruction, inserted bool) {
	if i == nil {
		p.kept()
		return
	}
	b := p.rows(either(inserted, &insertInstructions, &updateInstructions))
	b.id(i.ID.Transfer)
	b.small(uint8(i.ID.Leg))
	b.text(i.Bank)
	b.id(i.Node)
	b.small(uint8(i.State))
	b.int4(i.Attempts)
	b.int8(i.Due)
	b.optionalText(i.Code)
	b.optionalText(i.Ref)
	b.int8(i.Created)
	b.int8(i.Updated)
}

func (p *persister) party(_ ledger.ID, v *ledger.Party, inserted bool) {
	switch {
	case v == nil:
		p.kept()
	case inserted:
		b := p.rows(&insertParties)
		b.id(v.ID)
		b.text(v.App)
		b.text(v.Name)
		b.small(uint8(v.Kind))
		b.optionalID(v.Default)
		b.int8(v.Created)
	default:
		b := p.rows(&updateParties)
		b.id(v.ID)
		b.text(v.Name)
		b.small(uint8(v.Kind))
		b.optionalID(v.Default)
	}
}

func (p *persister) instrument(_ ledger.ID, i *ledger.Instrument, inserted bool) {
	switch {
	case i == nil:
		p.kept()
	case inserted:
		b := p.rows(&insertInstruments)
		b.id(i.ID)
		b.id(i.Party)
		b.text(i.App)
		b.small(uint8(i.Kind))
		b.optionalText(i.Value)
		b.optionalText(i.IFSC)
		b.optionalText(i.Bank)
		b.optionalText(i.UPI)
		b.optionalText(string(i.Currency))
		b.bool(i.Unlinked)
		b.int8(i.Created)
	default:
		b := p.rows(&updateInstruments)
		b.id(i.ID)
		b.bool(i.Unlinked)
	}
}

func (p *persister) alias(a ledger.Alias, to *ledger.AliasTarget, inserted bool) {
	s := &updateAliases
	switch {
	case to == nil:
		s = &deleteAliases
	case inserted:
		s = &insertAliases
	}
	b := p.rows(s)
	b.text(a.App)
	b.small(uint8(a.Kind))
	b.text(a.Value)
	if to != nil {
		b.id(to.Instrument)
		b.id(to.Party)
	}
}

func (p *persister) key(_ ledger.ID, k *ledger.Key, inserted bool) {
	switch {
	case k == nil:
		p.kept()
	case inserted:
		b := p.rows(&insertKeys)
		b.id(k.ID)
		b.small(uint8(k.Role))
		b.optionalText(k.App)
		b.optionalText(k.Bank)
		b.optionalText(k.Label)
		b.bytes(k.Hash[:])
		b.optionalBytes(k.PublicKey)
		b.int8(k.Created)
		b.int8(k.Revoked)
	default:
		b := p.rows(&updateKeys)
		b.id(k.ID)
		b.int8(k.Revoked)
	}
}

func (p *persister) node(_ ledger.ID, n *ledger.Node, inserted bool) {
	switch {
	case n == nil:
		p.kept()
	case inserted:
		b := p.rows(&insertNodes)
		b.id(n.ID)
		b.int8(n.Beat)
		b.int4(n.Stripe)
		b.bool(n.Gone)
		b.int8(n.Started)
	default:
		b := p.rows(&updateNodes)
		b.id(n.ID)
		b.int8(n.Beat)
		b.bool(n.Gone)
	}
}

func (p *persister) answer(_ ledger.IdempotencyKey, a *ledger.Answer, inserted bool) {
	if a == nil || !inserted {
		p.kept()
		return
	}
	b := p.rows(&insertAnswers)
	b.text(a.Key.App)
	b.text(a.Key.Key)
	b.bytes(a.RequestHash[:])
	b.int4(a.Status)
	b.optionalBytes(a.Body)
	b.int8(a.Created)
}

func (p *persister) step(s *ledger.Step) {
	b := p.rows(&insertSteps)
	b.id(s.Transfer)
	b.int4(s.N)
	b.small(uint8(s.State))
	b.optionalText(string(s.Reason))
	b.optionalText(s.BankCode)
	b.int8(s.At)
	b.optionalInt8(s.Deadline)
}

func (p *persister) posting(v *ledger.Posting) {
	b := p.rows(&insertPostings)
	b.id(v.Entry)
	b.small(uint8(v.Event))
	b.optionalSmall(uint8(v.Undoes))
	b.id(v.Debit)
	b.id(v.Credit)
	b.int8(v.Amount)
	b.text(string(v.Currency))
	b.int8(v.DebitSeq)
	b.int8(v.CreditSeq)
	b.int8(v.DebitBalance)
	b.int8(v.CreditBalance)
	b.int8(v.At)
}

func (p *persister) contradiction(v *ledger.Contradiction) {
	b := p.rows(&insertContradictions)
	b.id(v.Instruction.Transfer)
	b.small(uint8(v.Instruction.Leg))
	b.small(uint8(v.Says))
	b.small(uint8(v.Was))
	b.optionalText(v.Code)
	b.int8(v.At)
}
