package postgres

import (
	"bahi/ledger"
	"bahi/ledger/columns"
)

// load are the queries for every row that the set wants. What a batch may change
// is locked, in the order of its keys: an instruction too, since taking it over
// does not name its transfer. An answer is never changed, so it needs no lock: two
// nodes that write the same one meet at its primary key.
func load(s *ledger.Set) (qs []query) {
	add := func(wanted int, q query) {
		if wanted > 0 {
			qs = append(qs, q)
		}
	}
	accounts := s.Accounts.Wanted()
	add(len(accounts), byID(columns.Accounts, "accounts", accounts, func(r *row) {
		a := columns.ReadAccount(r)
		s.Accounts.Load(a.ID, a)
	}))
	transfers := s.Transfers.Wanted()
	add(len(transfers), byID(columns.Transfers, "transfers", transfers, func(r *row) {
		t := columns.ReadTransfer(r)
		s.Transfers.Load(t.ID, t)
	}))
	instructions := transfersOf(s.Instructions.Wanted())
	add(len(instructions), query{sql: `SELECT ` + columns.Instructions + ` FROM instructions WHERE transfer = ANY($1::uuid[]) ORDER BY transfer, leg FOR UPDATE`,
		params: [][]byte{ids(instructions)}, each: func(r *row) {
			if i := columns.ReadInstruction(r); s.Instructions.Declared(i.ID) {
				s.Instructions.Load(i.ID, i)
			}
		}})
	parties := s.Parties.Wanted()
	add(len(parties), byID(columns.Parties, "parties", parties, func(r *row) {
		p := columns.ReadParty(r)
		s.Parties.Load(p.ID, p)
	}))
	instruments := s.Instruments.Wanted()
	add(len(instruments), byID(columns.Instruments, "instruments", instruments, func(r *row) {
		i := columns.ReadInstrument(r)
		s.Instruments.Load(i.ID, i)
	}))
	keys := s.Keys.Wanted()
	add(len(keys), byID(columns.Keys, "api_keys", keys, func(r *row) {
		k := columns.ReadKey(r)
		s.Keys.Load(k.ID, k)
	}))
	nodes := s.Nodes.Wanted()
	add(len(nodes), byID(columns.Nodes, "nodes", nodes, func(r *row) {
		n := columns.ReadNode(r)
		s.Nodes.Load(n.ID, n)
	}))
	aliases := s.Aliases.Wanted()
	add(len(aliases), loadAliases(s, aliases))
	answers := s.Answers.Wanted()
	add(len(answers), loadAnswers(s, answers))
	return qs
}

// byID locks rows by their key. The lock is taken after the sort, so in order.
func byID[K ~[16]byte](cols, table string, keys []K, each func(*row)) query {
	return query{
		sql:    `SELECT ` + cols + ` FROM ` + table + ` WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE`,
		params: [][]byte{ids(keys)},
		each:   each,
	}
}

func loadAliases(s *ledger.Set, wanted []ledger.Alias) query {
	apps, kinds, values := newArray(oidText), newArray(oidInt2), newArray(oidText)
	for _, a := range wanted {
		apps.text(a.App)
		kinds.int2(uint16(a.Kind))
		values.text(a.Value)
	}
	return query{
		sql: `SELECT app, kind, value, instrument, party FROM aliases
	WHERE (app, kind, value) IN (SELECT * FROM unnest($1::text[], $2::int2[], $3::text[])) ORDER BY app, kind, value FOR UPDATE`,
		params: [][]byte{apps.param(), kinds.param(), values.param()},
		each: func(r *row) {
			a := ledger.Alias{App: r.Text(), Kind: ledger.AliasKind(r.Int64()), Value: r.Text()}
			s.Aliases.Load(a, ledger.AliasTarget{Instrument: r.ID(), Party: r.ID()})
		},
	}
}

func loadAnswers(s *ledger.Set, wanted []ledger.IdempotencyKey) query {
	apps, keys := newArray(oidText), newArray(oidText)
	for _, k := range wanted {
		apps.text(k.App)
		keys.text(k.Key)
	}
	return query{
		sql: `SELECT ` + columns.Of("a", columns.Answers) + ` FROM unnest($1::text[], $2::text[]) AS w (app, key)
	JOIN answers AS a ON a.app = w.app AND a.key = w.key`,
		params: [][]byte{apps.param(), keys.param()},
		each: func(r *row) {
			a := columns.ReadAnswer(r)
			s.Answers.Load(a.Key, a)
		},
	}
}

func ids[K ~[16]byte](keys []K) []byte {
	a := newArray(oidUUID)
	for i := range keys {
		a.bytes(keys[i][:])
	}
	return a.param()
}

// transfersOf are the transfers of instructions: those of one lie together.
func transfersOf(ids []ledger.InstructionID) (transfers []ledger.ID) {
	for i, id := range ids {
		if i == 0 || id.Transfer != ids[i-1].Transfer {
			transfers = append(transfers, id.Transfer)
		}
	}
	return transfers
}
