package sqlite

import (
	"database/sql/driver"
	"slices"
	"strconv"
	"strings"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// load reads every row that the set wants. The write lock is on the whole
// database, so rows need none of their own.
func load(c *conn, s *ledger.Set) error {
	l := loader{conn: c}
	byKey(&l, columns.Accounts, "accounts WHERE id", s.Accounts.Wanted(), func(r *row) {
		a := columns.ReadAccount(r)
		s.Accounts.Load(a.ID, a)
	})
	unread := slices.DeleteFunc(s.Transfers.Wanted(), s.LoadKnown)
	byKey(&l, columns.Transfers, "transfers WHERE id", unread, func(r *row) {
		t := columns.ReadNewTransfer(r)
		s.Transfers.Load(t.ID, t)
	})
	byKey(&l, columns.Steps, "steps WHERE transfer", s.Transfers.Wanted(), func(r *row) { s.LoadStep(columns.ReadStep(r)) })
	byKey(&l, columns.Instructions, "instructions WHERE transfer", columns.TransfersOf(s.Instructions.Wanted()), func(r *row) {
		if i := columns.ReadInstruction(r); s.Instructions.Declared(i.ID) {
			s.Instructions.Load(i.ID, i)
		}
	})
	byKey(&l, columns.Parties, "parties WHERE id", append(s.Parties.Wanted(), s.Parties.Seen()...), func(r *row) {
		p := columns.ReadParty(r)
		s.Parties.Load(p.ID, p)
	})
	byKey(&l, columns.Instruments, "instruments WHERE id", append(s.Instruments.Wanted(), s.Instruments.Seen()...), func(r *row) {
		i := columns.ReadInstrument(r)
		s.Instruments.Load(i.ID, i)
	})
	byKey(&l, columns.Keys, "api_keys WHERE id", s.Keys.Wanted(), func(r *row) {
		k := columns.ReadKey(r)
		s.Keys.Load(k.ID, k)
	})
	byKey(&l, columns.Nodes, "nodes WHERE id", s.Nodes.Wanted(), func(r *row) {
		n := columns.ReadNode(r)
		s.Nodes.Load(n.ID, n)
	})
	for _, a := range s.Aliases.Wanted() {
		l.query(`SELECT instrument, party FROM aliases WHERE app = ? AND kind = ? AND value = ?`, func(r *row) {
			s.Aliases.Load(a, ledger.AliasTarget{Instrument: r.ID(), Party: r.ID()})
		}, a.App, int64(a.Kind), a.Value)
	}
	for _, k := range s.Answers.Wanted() {
		l.answer(s, k)
	}
	l.evidence(s)
	l.records(s)
	l.log(s)
	return l.err
}

// loader keeps the first error, so that load reads as a list.
type loader struct {
	conn *conn
	err  error
}

func (l *loader) query(query string, each func(*row), args ...driver.Value) {
	if l.err == nil {
		l.err = l.conn.query(query, func(r *row) bool { each(r); return true }, args...)
	}
}

// atOnce is how many keys one query looks for. The driver spends more on
// starting a query (it asks for the name and type of each column) than SQLite
// on finding a row: with 32 keys a batch loads in half of the time.
const atOnce = 32

var anyOf = " IN (?" + strings.Repeat(", ?", atOnce-1) + ")"

// byKey reads rows by keys of 16 bytes. The last query repeats its last key.
func byKey[K ~[16]byte](l *loader, columns, from string, keys []K, each func(*row)) {
	query := "SELECT " + columns + " FROM " + from + anyOf
	args := make([]driver.Value, atOnce)
	for ; len(keys) > 0; keys = keys[min(atOnce, len(keys)):] {
		for i := range args {
			args[i] = keys[min(i, len(keys)-1)][:]
		}
		l.query(query, each, args...)
	}
}

// answer looks first whether there is one: mostly there is none.
func (l *loader) answer(s *ledger.Set, k ledger.IdempotencyKey) {
	found := false
	l.query(`SELECT 1 FROM answers WHERE app = ? AND key = ?`, func(*row) { found = true }, k.App, k.Key)
	if found {
		l.query(`SELECT `+columns.Answers+` FROM answers WHERE app = ? AND key = ?`, func(r *row) { s.Answers.Load(k, columns.ReadAnswer(r)) }, k.App, k.Key)
	}
}

// evidence reads what banks said, what came of it, and how it is settled.
func (l *loader) evidence(s *ledger.Set) {
	for _, n := range append(s.Runs.Wanted(), s.Runs.Seen()...) {
		l.query(`SELECT `+columns.Runs+` FROM runs WHERE n = ?`, func(r *row) { s.Runs.Load(n, columns.ReadRun(r)) }, n)
	}
	byKey(l, columns.Breaks, "breaks WHERE id", append(s.Breaks.Wanted(), s.Breaks.Seen()...), func(r *row) {
		b := columns.ReadBreak(r)
		s.Breaks.Load(b.ID, b)
	})
	byKey(l, columns.Corrections, "corrections WHERE id", append(s.Corrections.Wanted(), s.Corrections.Seen()...), func(r *row) {
		c := columns.ReadCorrection(r)
		s.Corrections.Load(c.ID, c)
	})
	for _, id := range append(s.Windows.Wanted(), s.Windows.Seen()...) {
		var ws []ledger.Window
		l.query(window, func(r *row) { ws = columns.ReadWindows(ws, r) }, id)
		for _, w := range ws {
			s.Windows.Load(id, w)
		}
	}
	byKey(l, columns.Positions, "positions WHERE id", append(s.Positions.Wanted(), s.Positions.Seen()...), func(r *row) {
		p := columns.ReadPosition(r)
		s.Positions.Load(p.ID, p)
	})
}

// records reads what is remembered beside the money, and what apps are to be told of.
func (l *loader) records(s *ledger.Set) {
	for _, keys := range [][]ledger.RecordKey{s.Records.Wanted(), s.Records.Seen()} {
		columns.KindsOf(keys, func(kind ledger.RecordKind, ids []ledger.ID) {
			byKey(l, columns.Records, "records WHERE kind = "+strconv.Itoa(int(kind))+" AND id", ids, func(r *row) {
				v := columns.ReadRecord(r)
				s.Records.Load(v.RecordKey, v)
			})
		})
	}
	for _, n := range append(s.Outbox.Wanted(), s.Outbox.Seen()...) {
		l.query(`SELECT `+columns.Outbox+` FROM outbox WHERE n = ?`, func(r *row) { s.Outbox.Load(n, columns.ReadOutbox(r)) }, n)
	}
}

// log reads how far the log is sealed, and what is secret.
func (l *loader) log(s *ledger.Set) {
	byKey(l, columns.Persons, "persons WHERE party", append(s.Persons.Wanted(), s.Persons.Seen()...), func(r *row) {
		k := columns.ReadPersonKey(r)
		s.Persons.Load(k.Party, k)
	})
	for _, name := range append(s.Secrets.Wanted(), s.Secrets.Seen()...) {
		l.query(`SELECT `+columns.Secrets+` FROM secrets WHERE name = ?`, func(r *row) { s.Secrets.Load(name, columns.ReadSecret(r)) }, name)
	}
	for _, id := range append(s.LogHead.Wanted(), s.LogHead.Seen()...) {
		l.query(logHead, func(r *row) { s.LogHead.Load(columns.ReadLogHead(r)) }, int64(id))
	}
}
