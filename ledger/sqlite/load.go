package sqlite

import (
	"database/sql/driver"

	"bahi/ledger"
)

// load reads every row that the set wants. The write lock is on the whole
// database, so rows need none of their own.
func load(c *conn, s *ledger.Set) error {
	l := loader{conn: c}
	for _, id := range s.Accounts.Wanted() {
		l.one(`SELECT `+accountColumns+` FROM accounts WHERE id = ?`, func(r *row) { s.Accounts.Load(id, readAccount(r)) }, id[:])
	}
	for _, id := range s.Transfers.Wanted() {
		l.one(`SELECT `+transferColumns+` FROM transfers WHERE id = ?`, func(r *row) { s.Transfers.Load(id, readTransfer(r)) }, id[:])
	}
	l.instructions(s)
	for _, id := range s.Parties.Wanted() {
		l.one(`SELECT `+partyColumns+` FROM parties WHERE id = ?`, func(r *row) { s.Parties.Load(id, readParty(r)) }, id[:])
	}
	for _, id := range s.Instruments.Wanted() {
		l.one(`SELECT `+instrumentColumns+` FROM instruments WHERE id = ?`, func(r *row) { s.Instruments.Load(id, readInstrument(r)) }, id[:])
	}
	for _, a := range s.Aliases.Wanted() {
		l.one(`SELECT instrument, party FROM aliases WHERE app = ? AND kind = ? AND value = ?`, func(r *row) {
			s.Aliases.Load(a, ledger.AliasTarget{Instrument: r.id(), Party: r.id()})
		}, a.App, int64(a.Kind), a.Value)
	}
	for _, id := range s.Keys.Wanted() {
		l.one(`SELECT `+keyColumns+` FROM api_keys WHERE id = ?`, func(r *row) { s.Keys.Load(id, readKey(r)) }, id[:])
	}
	for _, k := range s.Answers.Wanted() {
		l.one(`SELECT `+answerColumns+` FROM answers WHERE app = ? AND key = ?`, func(r *row) { s.Answers.Load(k, readAnswer(r)) }, k.App, k.Key)
	}
	return l.err
}

// loader keeps the first error, so that load reads as a list.
type loader struct {
	conn *conn
	err  error
}

func (l *loader) one(query string, found func(*row), key ...driver.Value) {
	if l.err == nil {
		l.err = l.conn.query(query, func(r *row) bool { found(r); return false }, key...)
	}
}

// instructions are wanted by the leg; those of one transfer lie together.
func (l *loader) instructions(s *ledger.Set) {
	var last ledger.ID
	for _, id := range s.Instructions.Wanted() {
		if id.Transfer == last || l.err != nil {
			continue
		}
		last = id.Transfer
		l.err = l.conn.query(`SELECT `+instructionColumns+` FROM instructions WHERE transfer = ?`, func(r *row) bool {
			if i := readInstruction(r); s.Instructions.Declared(i.ID) {
				s.Instructions.Load(i.ID, i)
			}
			return true
		}, last[:])
	}
}
