package columns

import (
	"errors"

	"bahi/ledger"
)

// The changes of the book's tables. Updates set only what can change in a row's life.
var (
	insertAccounts  = Change{Table: "accounts", Columns: Accounts, Types: []Type{UUID, Text, Text, Int2, Bool, Bool, Int8, Int8, Int8, Int8, Int8, Int8}}
	updateAccounts  = Change{Verb: Update, Table: "accounts", Key: 1, Columns: "id, frozen, debits, credits, seq, reserved, posted", Types: []Type{UUID, Bool, Int8, Int8, Int8, Int8, Int8}}
	insertTransfers = Change{Table: "transfers", Columns: Transfers, Types: []Type{UUID, Text, Int2,
		UUID, UUID, Text, Text, Bytea, Bytea,
		UUID, UUID, Text, Text, Bytea, Bytea,
		Int8, Text, Text, Text, Text, Int8, Bool,
		Int2, UUID, Int8,
		Int2, Text}}
	instructionTypes   = []Type{UUID, Int2, Text, UUID, Int2, Int4, Int8, Text, Text, Int8, Int8}
	insertInstructions = Change{Table: "instructions", Columns: Instructions, Types: instructionTypes}
	updateInstructions = Change{Verb: Update, Table: "instructions", Key: 2, Columns: Instructions, Types: instructionTypes} // one may be opened again
	insertParties      = Change{Table: "parties", Columns: Parties, Types: []Type{UUID, Text, Bytea, Int2, UUID, Int8, Int8, Int8}}
	updateParties      = Change{Verb: Update, Table: "parties", Key: 1, Columns: "id, sealed, default_instrument, closed, erased", Types: []Type{UUID, Bytea, UUID, Int8, Int8}}
	insertInstruments  = Change{Table: "instruments", Columns: Instruments, Types: []Type{UUID, UUID, Text, Int2, Bytea, Text, Text, Text, Bool, Int8}}
	updateInstruments  = Change{Verb: Update, Table: "instruments", Key: 1, Columns: "id, unlinked", Types: []Type{UUID, Bool}}
	aliasTypes         = []Type{Text, Int2, Text, UUID, UUID}
	insertAliases      = Change{Table: "aliases", Columns: aliases, Types: aliasTypes}
	updateAliases      = Change{Verb: Update, Table: "aliases", Key: 3, Columns: aliases, Types: aliasTypes}
	deleteAliases      = Change{Verb: Delete, Table: "aliases", Key: 3, Columns: "app, kind, value", Types: aliasTypes[:3]}
	insertKeys         = Change{Table: "api_keys", Columns: Keys, Types: []Type{UUID, Int2, Text, Text, Text, Bytea, Bytea, Int8, Int8}}
	updateKeys         = Change{Verb: Update, Table: "api_keys", Key: 1, Columns: "id, revoked", Types: []Type{UUID, Int8}}
	insertNodes        = Change{Table: "nodes", Columns: Nodes, Types: []Type{UUID, Int8, Int4, Bool, Int8}}
	updateNodes        = Change{Verb: Update, Table: "nodes", Key: 1, Columns: "id, beat, gone", Types: []Type{UUID, Int8, Bool}}
	insertAnswers      = Change{Table: "answers", Columns: Answers, Types: []Type{Text, Text, Int4, Bytea, Int8}}
	insertSteps        = Change{Table: "steps", Columns: Steps, Types: []Type{UUID, Int4, Int2, Text, Text, Int8, Int8}}
	insertPostings     = Change{Table: "postings", Columns: Postings, Types: []Type{UUID, Int2, Int2, UUID, UUID, Int8, Text, Int8, Int8, Int8, Int8, Int8}}
)

const aliases = `app, kind, value, instrument, party`

// Persist writes what a batch changed: to gives the writer of a change's rows.
func Persist(s *ledger.Set, to func(*Change) Writer) error {
	p := persister{rows: to}
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
	p.evidence(s)
	p.records(s)
	p.log(s)
	p.news(s)
	return p.err
}

// persister writes row by row; what it cannot write it notes, and goes on.
type persister struct {
	rows func(*Change) Writer
	err  error
}

func either(inserted bool, insert, update *Change) *Change {
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
		w := p.rows(&insertAccounts)
		w.ID(a.ID)
		w.Text(a.Name.Path)
		w.Text(string(a.Name.Currency))
		w.Small(uint8(a.Type))
		w.Bool(a.Bounded)
		w.Bool(a.Frozen)
		w.Int8(a.Debits)
		w.Int8(a.Credits)
		w.Int8(a.Seq)
		w.Int8(a.Reserved)
		w.Int8(a.Posted)
		w.Int8(a.Created)
	default:
		w := p.rows(&updateAccounts)
		w.ID(a.ID)
		w.Bool(a.Frozen)
		w.Int8(a.Debits)
		w.Int8(a.Credits)
		w.Int8(a.Seq)
		w.Int8(a.Reserved)
		w.Int8(a.Posted)
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
	w := p.rows(&insertTransfers)
	w.ID(t.ID)
	w.Text(t.App)
	w.Small(uint8(t.Kind))
	writeEnd(w, &t.Payer)
	writeEnd(w, &t.Payee)
	w.Int8(t.Amount.Minor)
	w.Text(string(t.Amount.Currency))
	w.OptionalText(t.Conversation)
	w.OptionalText(t.Message)
	w.OptionalText(t.RRN)
	w.Int8(t.Created)
	w.Bool(t.Credential)
	w.OptionalSmall(uint8(t.Cause.Kind))
	w.OptionalID(t.Cause.ID)
	w.OptionalInt8(t.Until)
	w.Small(uint8(born.State))
	w.OptionalText(string(born.Reason))
}

func writeEnd(w Writer, e *ledger.End) {
	w.OptionalID(e.Party)
	w.OptionalID(e.Instrument)
	w.OptionalText(e.Bank)
	w.OptionalText(e.IFSC)
	w.OptionalBytes([]byte(e.Sealed))
	if e.Mark == [32]byte{} {
		w.OptionalBytes(nil)
	} else {
		w.Bytes(e.Mark[:])
	}
}

func (p *persister) instruction(_ ledger.InstructionID, i *ledger.Instruction, inserted bool) {
	if i == nil {
		p.kept()
		return
	}
	w := p.rows(either(inserted, &insertInstructions, &updateInstructions))
	w.ID(i.ID.Transfer)
	w.Small(uint8(i.ID.Leg))
	w.Text(i.Bank)
	w.ID(i.Node)
	w.Small(uint8(i.State))
	w.Int4(i.Attempts)
	w.Int8(i.Due)
	w.OptionalText(i.Code)
	w.OptionalText(i.Ref)
	w.Int8(i.Created)
	w.Int8(i.Updated)
}

func (p *persister) party(_ ledger.ID, v *ledger.Party, inserted bool) {
	switch {
	case v == nil:
		p.kept()
	case inserted:
		w := p.rows(&insertParties)
		w.ID(v.ID)
		w.Text(v.App)
		w.OptionalBytes([]byte(v.Sealed))
		w.Small(uint8(v.Kind))
		w.OptionalID(v.Default)
		w.Int8(v.Created)
		w.OptionalInt8(v.Closed)
		w.OptionalInt8(v.Erased)
	default:
		w := p.rows(&updateParties)
		w.ID(v.ID)
		w.OptionalBytes([]byte(v.Sealed))
		w.OptionalID(v.Default)
		w.OptionalInt8(v.Closed)
		w.OptionalInt8(v.Erased)
	}
}

func (p *persister) instrument(_ ledger.ID, i *ledger.Instrument, inserted bool) {
	switch {
	case i == nil:
		p.kept()
	case inserted:
		w := p.rows(&insertInstruments)
		w.ID(i.ID)
		w.ID(i.Party)
		w.Text(i.App)
		w.Small(uint8(i.Kind))
		w.OptionalBytes([]byte(i.Sealed))
		w.OptionalText(i.IFSC)
		w.OptionalText(i.Bank)
		w.OptionalText(string(i.Currency))
		w.Bool(i.Unlinked)
		w.Int8(i.Created)
	default:
		w := p.rows(&updateInstruments)
		w.ID(i.ID)
		w.Bool(i.Unlinked)
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
	w := p.rows(s)
	w.Text(a.App)
	w.Small(uint8(a.Kind))
	w.Text(a.Value)
	if to != nil {
		w.ID(to.Instrument)
		w.ID(to.Party)
	}
}

func (p *persister) key(_ ledger.ID, k *ledger.Key, inserted bool) {
	switch {
	case k == nil:
		p.kept()
	case inserted:
		w := p.rows(&insertKeys)
		w.ID(k.ID)
		w.Small(uint8(k.Role))
		w.OptionalText(k.App)
		w.OptionalText(k.Bank)
		w.OptionalText(k.Label)
		w.Bytes(k.Hash[:])
		w.OptionalBytes(k.PublicKey)
		w.Int8(k.Created)
		w.Int8(k.Revoked)
	default:
		w := p.rows(&updateKeys)
		w.ID(k.ID)
		w.Int8(k.Revoked)
	}
}

func (p *persister) node(_ ledger.ID, n *ledger.Node, inserted bool) {
	switch {
	case n == nil:
		p.kept()
	case inserted:
		w := p.rows(&insertNodes)
		w.ID(n.ID)
		w.Int8(n.Beat)
		w.Int4(n.Stripe)
		w.Bool(n.Gone)
		w.Int8(n.Started)
	default:
		w := p.rows(&updateNodes)
		w.ID(n.ID)
		w.Int8(n.Beat)
		w.Bool(n.Gone)
	}
}

func (p *persister) answer(_ ledger.IdempotencyKey, a *ledger.Answer, inserted bool) {
	if a == nil || !inserted {
		p.kept()
		return
	}
	w := p.rows(&insertAnswers)
	w.Text(a.Key.App)
	w.Text(a.Key.Key)
	w.Int4(a.Status)
	w.Bytes(a.Sealed)
	w.Int8(a.Created)
}

func (p *persister) step(s *ledger.Step) {
	w := p.rows(&insertSteps)
	w.ID(s.Transfer)
	w.Int4(s.N)
	w.Small(uint8(s.State))
	w.OptionalText(string(s.Reason))
	w.OptionalText(s.BankCode)
	w.Int8(s.At)
	w.OptionalInt8(s.Deadline)
}

func (p *persister) posting(v *ledger.Posting) {
	w := p.rows(&insertPostings)
	w.ID(v.Entry)
	w.Small(uint8(v.Event))
	w.OptionalSmall(uint8(v.Undoes))
	w.ID(v.Debit)
	w.ID(v.Credit)
	w.Int8(v.Amount)
	w.Text(string(v.Currency))
	w.Int8(v.DebitSeq)
	w.Int8(v.CreditSeq)
	w.Int8(v.DebitBalance)
	w.Int8(v.CreditBalance)
	w.Int8(v.At)
}
