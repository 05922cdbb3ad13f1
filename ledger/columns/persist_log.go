package columns

import (
	"cmp"
	"slices"

	"bahi/ledger"
)

// The changes of the log and of what is beside it. A row of the log is numbered by
// the database.
var (
	insertLog           = Change{Table: "log", Columns: "at, leaves, data", Types: []Type{Int8, Int4, Bytea}}
	placeLog            = Change{Verb: Update, Table: "log", Key: 1, Columns: "n, first", Types: []Type{Int8, Int8}}
	insertLogHead       = Change{Table: "log_head", Columns: LogHeads, Types: headTypes}
	updateLogHead       = Change{Verb: Update, Table: "log_head", Key: 1, Columns: LogHeads, Types: headTypes}
	headTypes           = []Type{Int4, Int8, Bytea, Int8, UUID}
	replaceTiles        = Change{Verb: Replace, Table: "log_tiles", Key: 2, Last: 1, Columns: Tiles, Types: []Type{Int4, Int8, Bytea}}
	insertCheckpoints   = Change{Table: "checkpoints", Columns: Checkpoints, Types: []Type{Int8, Int8, Text}}
	replaceCosignatures = Change{Verb: Replace, Table: "cosignatures", Key: 2, Last: 2, Columns: Cosignatures, Types: []Type{Int8, Text, Text, Int8}}
	insertAccesses      = Change{Table: "accesses", Columns: Accesses, Types: []Type{UUID, Text, Text, Text, Text, Bool, Text, Int8, Int8}}
	personTypes         = []Type{UUID, Bytea}
	insertPersons       = Change{Table: "persons", Columns: Persons, Types: personTypes}
	updatePersons       = Change{Verb: Update, Table: "persons", Key: 1, Columns: Persons, Types: personTypes}
	deletePersons       = Change{Verb: Delete, Table: "persons", Key: 1, Columns: "party", Types: personTypes[:1]}
	insertErasures      = Change{Table: "erasures", Columns: Erasures, Types: []Type{UUID, Text, Int8}}
	insertSecrets       = Change{Table: "secrets", Columns: Secrets, Types: []Type{Text, Text, Bytea, Int8, Int8}}
	updateSecrets       = Change{Verb: Update, Table: "secrets", Key: 1, Columns: "name, wrapped, until_time", Types: []Type{Text, Bytea, Int8}}
)

// log writes the log's own rows last: what numbers them must not be asked before all
// rows of the batch are locked or written.
func (p *persister) log(s *ledger.Set) {
	s.Persons.Changes(p.person)
	s.Secrets.Changes(p.secret)
	s.LogHead.Changes(p.logHead)
	for _, v := range s.Placed {
		w := p.rows(&placeLog)
		w.Int8(v.Row)
		w.Int8(v.First)
	}
	for _, t := range lastOf(s.Tiles, func(a, b ledger.Tile) int {
		return cmp.Or(cmp.Compare(a.ID.Level, b.ID.Level), cmp.Compare(a.ID.N, b.ID.N))
	}) {
		w := p.rows(&replaceTiles)
		w.Int4(t.ID.Level)
		w.Int8(t.ID.N)
		w.Bytes(t.Hashes)
	}
	for _, c := range s.Checkpoints {
		w := p.rows(&insertCheckpoints)
		w.Int8(c.Size)
		w.Int8(c.At)
		w.Text(c.Note)
	}
	for _, c := range lastOf(s.Cosignatures, func(a, b ledger.Cosignature) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Witness, b.Witness))
	}) {
		w := p.rows(&replaceCosignatures)
		w.Int8(c.Size)
		w.Text(c.Witness)
		w.Text(c.Line)
		w.Int8(c.At)
	}
	for i := range s.Accesses {
		p.access(&s.Accesses[i])
	}
	for _, e := range s.Erasures {
		w := p.rows(&insertErasures)
		w.ID(e.Party)
		w.OptionalText(e.By)
		w.Int8(e.At)
	}
	for _, r := range s.Log() {
		w := p.rows(&insertLog)
		w.Int8(r.At)
		w.Int4(r.Leaves)
		w.Bytes(r.Data)
	}
}

// lastOf are the rows in the order of their keys, of each key the last: one statement
// of SQL may write a row only once.
func lastOf[V any](rows []V, compare func(a, b V) int) (last []V) {
	for _, r := range slices.SortedStableFunc(slices.Values(rows), compare) {
		if n := len(last) - 1; n >= 0 && compare(last[n], r) == 0 {
			last[n] = r
		} else {
			last = append(last, r)
		}
	}
	return last
}

func (p *persister) logHead(id int, h *ledger.LogHead, inserted bool) {
	if h == nil {
		p.kept()
		return
	}
	w := p.rows(either(inserted, &insertLogHead, &updateLogHead))
	w.Int4(id)
	w.Int8(h.Size)
	w.Bytes(h.Root[:])
	w.Int8(h.At)
	w.ID(h.Sealer)
}

func (p *persister) access(a *ledger.Access) {
	w := p.rows(&insertAccesses)
	w.ID(a.ID)
	w.Text(a.Who)
	w.OptionalText(a.Role)
	w.Text(a.What)
	w.OptionalText(a.Subject)
	w.Bool(a.Denied)
	w.OptionalText(a.Reason)
	w.Int8(a.Times)
	w.Int8(a.At)
}

// person writes the key of a person's data, or destroys it.
func (p *persister) person(party ledger.ID, k *ledger.PersonKey, inserted bool) {
	if k == nil {
		p.rows(&deletePersons).ID(party)
		return
	}
	w := p.rows(either(inserted, &insertPersons, &updatePersons))
	w.ID(party)
	w.Bytes(k.Wrapped)
}

func (p *persister) secret(name string, s *ledger.Secret, inserted bool) {
	if s == nil {
		p.kept()
		return
	}
	w := p.rows(either(inserted, &insertSecrets, &updateSecrets))
	w.Text(name)
	if inserted {
		w.OptionalText(s.Public)
	}
	w.Bytes(s.Wrapped)
	if inserted {
		w.Int8(s.Created)
	}
	w.Int8(s.Until)
}
