package postgres

import (
	"slices"

	"bahi/ledger"
	"bahi/ledger/columns"
)

// load are the queries for every row that the set wants. What a batch may change
// is locked, in the order of its keys. A transfer's lock is that of its steps and
// instructions too: each is read by a statement behind it, since one that waited
// for a lock sees what was before. An answer is never changed, so it needs no lock:
// two nodes that write the same one meet at its primary key.
func load(s *ledger.Set, from *arrays) (qs []query) {
	lock(&qs, from, columns.Accounts, "accounts", s.Accounts.Wanted(), func(r *row) {
		a := columns.ReadAccount(r)
		s.Accounts.Load(a.ID, a)
	})
	if wanted := s.Transfers.Wanted(); len(wanted) > 0 {
		unread := slices.DeleteFunc(slices.Clone(wanted), s.LoadKnown)
		lock(&qs, from, "id", "transfers", wanted, nil)
		if len(unread) > 0 {
			qs = append(qs, query{sql: `SELECT ` + columns.Transfers + ` FROM transfers WHERE id = ANY($1::uuid[])`, params: [][]byte{ids(from, unread)}, each: func(r *row) {
				t := columns.ReadNewTransfer(r)
				s.Transfers.Load(t.ID, t)
			}})
		}
		qs = append(qs, query{sql: `SELECT ` + columns.Steps + ` FROM steps WHERE transfer = ANY($1::uuid[])`, params: [][]byte{ids(from, wanted)},
			each: func(r *row) { s.LoadStep(columns.ReadStep(r)) }})
	}
	if wanted := s.Instructions.Wanted(); len(wanted) > 0 {
		qs = append(qs, loadInstructions(s, from, wanted))
	}
	party := func(r *row) {
		p := columns.ReadParty(r)
		s.Parties.Load(p.ID, p)
	}
	lock(&qs, from, columns.Parties, "parties", s.Parties.Wanted(), party)
	see(&qs, from, columns.Parties, "parties", s.Parties.Seen(), party)
	instrument := func(r *row) {
		i := columns.ReadInstrument(r)
		s.Instruments.Load(i.ID, i)
	}
	lock(&qs, from, columns.Instruments, "instruments", s.Instruments.Wanted(), instrument)
	// Behind the locks of the accounts: a wallet is unlinked under its account's lock.
	see(&qs, from, columns.Instruments, "instruments", s.Instruments.Seen(), instrument)
	lock(&qs, from, columns.Keys, "api_keys", s.Keys.Wanted(), func(r *row) {
		k := columns.ReadKey(r)
		s.Keys.Load(k.ID, k)
	})
	lock(&qs, from, columns.Nodes, "nodes", s.Nodes.Wanted(), func(r *row) {
		n := columns.ReadNode(r)
		s.Nodes.Load(n.ID, n)
	})
	qs = loadRecords(qs, s, from)
	if wanted := s.Aliases.Wanted(); len(wanted) > 0 {
		qs = append(qs, loadAliases(s, from, wanted))
	}
	if wanted := s.Answers.Wanted(); len(wanted) > 0 {
		qs = append(qs, loadAnswers(s, from, wanted))
	}
	return loadEvidence(qs, s, from)
}

// loadEvidence reads what banks said, what came of it, and how it is settled. A window is
// never changed, so it needs no lock either; its query is behind the locks of the accounts.
func loadEvidence(qs []query, s *ledger.Set, from *arrays) []query {
	const runs = `SELECT ` + columns.Runs + ` FROM runs WHERE n = ANY($1::int8[])`
	run := func(r *row) {
		v := columns.ReadRun(r)
		s.Runs.Load(v.N, v)
	}
	numbered(&qs, from, runs+` ORDER BY n FOR UPDATE`, s.Runs.Wanted(), run)
	numbered(&qs, from, runs, s.Runs.Seen(), run)
	brk := func(r *row) {
		b := columns.ReadBreak(r)
		s.Breaks.Load(b.ID, b)
	}
	lock(&qs, from, columns.Breaks, "breaks", s.Breaks.Wanted(), brk)
	see(&qs, from, columns.Breaks, "breaks", s.Breaks.Seen(), brk)
	correction := func(r *row) {
		c := columns.ReadCorrection(r)
		s.Corrections.Load(c.ID, c)
	}
	lock(&qs, from, columns.Corrections, "corrections", s.Corrections.Wanted(), correction)
	see(&qs, from, columns.Corrections, "corrections", s.Corrections.Seen(), correction)
	if windows := append(s.Windows.Wanted(), s.Windows.Seen()...); len(windows) > 0 {
		qs = append(qs, loadWindows(s, from, windows))
	}
	position := func(r *row) {
		p := columns.ReadPosition(r)
		s.Positions.Load(p.ID, p)
	}
	lock(&qs, from, columns.Positions, "positions", s.Positions.Wanted(), position)
	see(&qs, from, columns.Positions, "positions", s.Positions.Seen(), position)
	return loadLog(qs, s, from)
}

// loadLog reads what is secret, and how far the log is sealed. One sealer waits here for another.
func loadLog(qs []query, s *ledger.Set, from *arrays) []query {
	const persons = `SELECT ` + columns.Persons + ` FROM persons WHERE party = ANY($1::uuid[])`
	const secrets = `SELECT ` + columns.Secrets + ` FROM secrets WHERE name = ANY($1::text[])`
	add := func(sql string, keys []byte, each func(*row)) {
		qs = append(qs, query{sql: sql, params: [][]byte{keys}, each: each})
	}
	person := func(r *row) {
		k := columns.ReadPersonKey(r)
		s.Persons.Load(k.Party, k)
	}
	secret := func(r *row) {
		v := columns.ReadSecret(r)
		s.Secrets.Load(v.Name, v)
	}
	if wanted := s.Persons.Wanted(); len(wanted) > 0 {
		add(persons+` ORDER BY party FOR UPDATE`, ids(from, wanted), person)
	}
	if seen := s.Persons.Seen(); len(seen) > 0 {
		add(persons, ids(from, seen), person)
	}
	if wanted := s.Secrets.Wanted(); len(wanted) > 0 {
		add(secrets+` ORDER BY name FOR UPDATE`, names(from, wanted), secret)
	}
	if seen := s.Secrets.Seen(); len(seen) > 0 {
		add(secrets, names(from, seen), secret)
	}
	head := func(r *row) { s.LogHead.Load(columns.ReadLogHead(r)) }
	if len(s.LogHead.Wanted()) > 0 {
		qs = append(qs, query{sql: logHead + ` FOR UPDATE`, each: head})
	} else if len(s.LogHead.Seen()) > 0 {
		qs = append(qs, query{sql: logHead, each: head})
	}
	return qs
}

// numbered adds the query for rows by their numbers.
func numbered(qs *[]query, from *arrays, sql string, numbers []int64, each func(*row)) {
	if len(numbers) == 0 {
		return
	}
	a := from.lend(oidInt8)
	for _, n := range numbers {
		a.int8(n)
	}
	*qs = append(*qs, query{sql: sql, params: [][]byte{a.param()}, each: each})
}

func loadWindows(s *ledger.Set, from *arrays, wanted []string) query {
	var ws []ledger.Window
	return query{sql: windowsByID, params: [][]byte{names(from, wanted)}, each: func(r *row) {
		ws = columns.ReadWindows(ws, r)
		w := ws[len(ws)-1] // with the cuts that were read so far
		s.Windows.Load(w.ID, w)
	}}
}

// lock adds the query that locks rows by their key, if any are wanted. The lock
// is taken after the sort, so in order.
func lock[K ~[16]byte](qs *[]query, from *arrays, cols, table string, keys []K, each func(*row)) {
	if len(keys) == 0 {
		return
	}
	*qs = append(*qs, query{
		sql:    `SELECT ` + cols + ` FROM ` + table + ` WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE`,
		params: [][]byte{ids(from, keys)},
		each:   each,
	})
}

// see adds the query that only reads.
func see[K ~[16]byte](qs *[]query, from *arrays, cols, table string, keys []K, each func(*row)) {
	if len(keys) > 0 {
		*qs = append(*qs, query{sql: `SELECT ` + cols + ` FROM ` + table + ` WHERE id = ANY($1::uuid[])`, params: [][]byte{ids(from, keys)}, each: each})
	}
}

func loadInstructions(s *ledger.Set, from *arrays, wanted []ledger.InstructionID) query {
	return query{
		sql:    `SELECT ` + columns.Instructions + ` FROM instructions WHERE transfer = ANY($1::uuid[])`,
		params: [][]byte{ids(from, columns.TransfersOf(wanted))},
		each: func(r *row) {
			if i := columns.ReadInstruction(r); s.Instructions.Declared(i.ID) {
				s.Instructions.Load(i.ID, i)
			}
		},
	}
}

func loadAliases(s *ledger.Set, from *arrays, wanted []ledger.Alias) query {
	apps, kinds, values := from.lend(oidText), from.lend(oidInt2), from.lend(oidText)
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

func loadAnswers(s *ledger.Set, from *arrays, wanted []ledger.IdempotencyKey) query {
	apps, keys := from.lend(oidText), from.lend(oidText)
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

func ids[K ~[16]byte](from *arrays, keys []K) []byte {
	a := from.lend(oidUUID)
	for i := range keys {
		a.bytes(keys[i][:])
	}
	return a.param()
}

func names(from *arrays, values []string) []byte {
	a := from.lend(oidText)
	for _, v := range values {
		a.text(v)
	}
	return a.param()
}
