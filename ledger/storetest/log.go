package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"bahi/ledger"
)

// logged commits what apply does and returns the rows that it adds to the log.
func (f *fixture) logged(declare func(*ledger.Set), apply func(*ledger.Set)) (rows []ledger.LogRow) {
	f.Helper()
	var committed *ledger.Set
	f.check(f.batch(declare, func(s *ledger.Set) error {
		apply(s)
		committed = s
		return nil
	}))
	return committed.Log() // now that what stands over the engine has put marks for personal data
}

func nothing(*ledger.Set) {}

// testLog commits leaves of all kinds, and more of one time than a row may have: the
// rows come in the order of their commits, as they were made.
func testLog(f *fixture) {
	s := some{rand.New(rand.NewPCG(51, 52))}
	var want []ledger.LogRow
	for n := range 5 {
		r, e := s.rows(), s.evidence(3, n)
		want = append(want, f.logged(func(set *ledger.Set) {
			set.Accounts.Want(r.account.ID)
			set.Transfers.Want(r.transfer.ID)
			e.declare(set)
		}, func(set *ledger.Set) {
			set.Accounts.Put(r.account.ID, r.account)
			set.Transfers.Put(r.transfer.ID, r.transfer)
			e.putTables(set)
			for _, w := range e.windows {
				set.Windows.Put(w.ID, w)
			}
			set.Steps = append(set.Steps, r.steps[r.transfer.Birth().N:]...)
			set.Postings = append(set.Postings, r.posting)
			set.Notes = append(set.Notes, e.notes...)
			set.Accesses = append(set.Accesses, s.access(), s.access())
			set.Erasures = append(set.Erasures, s.erasure())
		})...)
		want = append(want, f.logged(nothing, func(set *ledger.Set) {
			for range 300 * n {
				set.Accesses = append(set.Accesses, s.accessAt(set.Now))
			}
		})...)
	}
	got, err := f.store.Unsealed(background, len(want)+1)
	f.check(err)
	f.wantLogRows(got, want)
	some, err := f.store.Unsealed(background, 7)
	equal(f, some, err, got[:7], deeply)

	kinds := map[ledger.LeafKind]int{}
	for _, r := range got {
		f.check(r.Each(func(place int64, leaf []byte) bool {
			l, err := ledger.ParseLeaf(leaf)
			f.check(err)
			kinds[l.LeafKind()]++
			if l.LeafTime() != r.At {
				f.Errorf("a %s of %d is in a row of %d", l.LeafKind(), l.LeafTime(), r.At)
			}
			return true
		}))
	}
	if len(kinds) != len(ledger.LeafKindNames()) || kinds[ledger.LeafAccess] != 5*2+300*(1+2+3+4) {
		f.Errorf("leaves by kind: %v", kinds)
	}
}

// wantLogRows compares rows with those that a set made, and demands that they are not
// sealed and have numbers that grow.
func (f *fixture) wantLogRows(got, want []ledger.LogRow) {
	f.Helper()
	if len(got) != len(want) {
		f.Fatalf("%d rows of the log, want %d", len(got), len(want))
	}
	for i, r := range got {
		if w := want[i]; r.First != -1 || r.At != w.At || r.Leaves != w.Leaves || !bytes.Equal(r.Data, w.Data) || (i > 0 && r.N <= got[i-1].N) {
			f.Errorf("row %d of the log is %d at %d, from %d, with %d leaves of %d bytes; want %d leaves of %d bytes at %d", i, r.N, r.At, r.First, r.Leaves, len(r.Data), w.Leaves, len(w.Data), w.At)
		}
	}
}

// looks commits accesses, each batch a row of so many leaves, and returns the rows.
func (f *fixture) looks(s some, leaves ...int) []ledger.LogRow {
	f.Helper()
	for _, n := range leaves {
		f.logged(nothing, func(set *ledger.Set) {
			for range n {
				set.Accesses = append(set.Accesses, s.accessAt(set.Now))
			}
		})
	}
	rows, err := f.store.Unsealed(background, 1000)
	f.check(err)
	return rows
}

// seal is a seal of rows behind a head; rows gets their places.
func (s some) seal(from ledger.LogHead, rows []ledger.LogRow) ledger.Seal {
	c := ledger.Seal{From: from, To: ledger.LogHead{Size: from.Size, Root: s.hash(), Sealer: s.id()}}
	for i := range rows {
		rows[i].First = c.To.Size
		c.Placed = append(c.Placed, ledger.Placed{Row: rows[i].N, First: c.To.Size})
		c.To.Size += int64(rows[i].Leaves)
	}
	c.Tiles = []ledger.Tile{{ID: ledger.TileID{N: c.To.Size}, Hashes: s.bytes(32)}} // whatever it is
	c.Checkpoint = ledger.Checkpoint{Size: c.To.Size, Note: fmt.Sprintf("book\n%d\n", c.To.Size)}
	return c
}

// testSeal gives rows their places, in an order that is not that of their numbers.
func testSeal(f *fixture) {
	s := some{rand.New(rand.NewPCG(53, 54))}
	head, err := f.store.LogHead(background)
	equal(f, head, err, ledger.LogHead{}, same)
	rows := f.looks(s, 3, 1, 256, 2, 7, 1)
	none, err := f.store.LogFrom(background, 0, 10)
	equal(f, len(none), err, 0, same)

	later, first := slices.Clone(rows[1:3]), slices.Clone(rows[3:5])
	head = f.must(s.seal(head, first))[0].(ledger.LogHead)
	stored, err := f.store.LogHead(background)
	equal(f, stored, err, head, same)
	moved := s.seal(ledger.LogHead{}, slices.Clone(later))
	wantRefused(f, moved, ledger.CodeLogMoved)
	moved.From = head
	moved.From.Sealer[0]++
	wantRefused(f, moved, ledger.CodeLogMoved)
	stored, err = f.store.LogHead(background)
	equal(f, stored, err, head, same)
	head = f.must(s.seal(head, later))[0].(ledger.LogHead)
	stored, err = f.store.LogHead(background)
	equal(f, stored, err, head, same)

	left, err := f.store.Unsealed(background, 10)
	equal(f, left, err, []ledger.LogRow{rows[0], rows[5]}, deeply)
	sealed := slices.Concat(first, later) // of 2, 7, 1 and 256 leaves
	for place, want := range map[int64][]ledger.LogRow{0: sealed, 1: sealed, 2: sealed[1:], 5: sealed[1:], 8: sealed[1:], 9: sealed[2:], 10: sealed[3:], 11: sealed[3:],
		265: sealed[3:], 266: nil, 1 << 40: nil} {
		got, err := f.store.LogFrom(background, place, 10)
		equal(f, got, err, want, deeply)
		got, err = f.store.LogFrom(background, place, 2)
		equal(f, got, err, want[:min(2, len(want))], deeply)
	}
	f.check(f.store.Audit(background, func(snapshot ledger.Snapshot) error {
		wantStreamOf(f, snapshot.LogRows(), slices.Concat(sealed, left), deeply)
		f.must(s.seal(head, slices.Clone(left))) // committed beside the snapshot
		wantStreamOf(f, snapshot.LogRows(), slices.Concat(sealed, left), deeply)
		return nil
	}))
	for _, at := range []int64{rows[2].At, rows[0].At, 1} {
		got, err := f.store.LogAt(background, at)
		equal(f, len(got), err, len(chosen(rows, func(r *ledger.LogRow) bool { return r.At == at })), same)
		for _, r := range got {
			if r.At != at || r.First < 0 {
				f.Errorf("row %d at %d has the place %d", r.N, r.At, r.First)
			}
		}
	}
}

// testLogAt has many rows of one time, of which some are sealed.
func testLogAt(f *fixture) {
	s := some{rand.New(rand.NewPCG(55, 56))}
	f.looks(s, 1, 2000, 3)
	rows, err := f.store.Unsealed(background, 100)
	f.check(err)
	want := chosen(rows, func(r *ledger.LogRow) bool { return r.At == rows[4].At })
	f.must(s.seal(ledger.LogHead{}, want[2:5]))
	got, err := f.store.LogAt(background, rows[4].At)
	equal(f, got, err, want, deeply)
	if len(want) != 8 {
		f.Errorf("%d rows, want 8", len(want))
	}
}

// testTiles lets tiles grow to their full width.
func testTiles(f *fixture) {
	s := some{rand.New(rand.NewPCG(57, 58))}
	want := map[ledger.TileID][]byte{}
	var ids []ledger.TileID
	grow := func(tiles ...ledger.Tile) {
		f.logged(nothing, func(set *ledger.Set) { set.Tiles = append(set.Tiles, tiles...) })
		for _, t := range tiles {
			want[t.ID] = t.Hashes
		}
	}
	for n := range int64(40) {
		full := s.bytes(32 * 256)
		a, b := ledger.TileID{N: n}, ledger.TileID{Level: 1, N: n * 1e9}
		ids = append(ids, a, b, ledger.TileID{Level: 2, N: n})
		grow(ledger.Tile{ID: a, Hashes: full[:32]}, ledger.Tile{ID: b, Hashes: full})
		grow(ledger.Tile{ID: a, Hashes: full[:64]}, ledger.Tile{ID: a, Hashes: full[:32*5]}) // the later counts
		grow(ledger.Tile{ID: a, Hashes: full[:32*5]})                                        // nothing new
		grow(ledger.Tile{ID: a, Hashes: full})
	}
	got, err := f.store.Tiles(background, ids)
	equal(f, got, err, want, deeply)
	got, err = f.store.Tiles(background, nil)
	equal(f, len(got), err, 0, same)
}

// testCheckpoints looks for checkpoints by size and by time.
func testCheckpoints(f *fixture) {
	s := some{rand.New(rand.NewPCG(59, 60))}
	_, err := f.store.Checkpoint(background, 1)
	wantNotFound(f, "Checkpoint", err)
	var want []ledger.Checkpoint
	for n := range int64(20) { // some of them are of one time
		want = append(want, ledger.Checkpoint{Size: 10 + n*n, At: 1000 + n/3*10, Note: s.text() + "\n\n— book ABC\n"})
	}
	f.logged(nothing, func(set *ledger.Set) { set.Checkpoints = want })
	for _, c := range want {
		got, err := f.store.Checkpoint(background, c.Size)
		equal(f, got, err, c, same)
		of := chosen(want, func(o *ledger.Checkpoint) bool { return o.At <= c.At })
		for _, at := range []int64{c.At, c.At + 9} {
			got, err = f.store.CheckpointAt(background, at)
			equal(f, got, err, of[len(of)-1], same)
		}
	}
	_, err = f.store.CheckpointAt(background, 999)
	wantNotFound(f, "CheckpointAt", err)
	_, err = f.store.Checkpoint(background, 12)
	wantNotFound(f, "Checkpoint", err)
	all, err := f.store.Checkpoints(background, 0, 100)
	equal(f, all, err, want, sameList)
	behind, err := f.store.Checkpoints(background, want[4].Size, 3)
	equal(f, behind, err, want[5:8], sameList)
	if err := f.batch(nothing, func(set *ledger.Set) error { set.Checkpoints = want[:1]; return nil }); err == nil {
		f.Error("a checkpoint was written again")
	}
	f.check(f.store.Audit(background, func(snapshot ledger.Snapshot) error {
		wantStream(f, snapshot.Checkpoints(), want)
		return nil
	}))
}

// testCosignatures has witnesses sign a checkpoint again.
func testCosignatures(f *fixture) {
	sign := func(size int64, witness, line string) ledger.KeepCosignature {
		return ledger.KeepCosignature{Cosignature: ledger.Cosignature{Size: size, Witness: witness, Line: line}}
	}
	f.must(sign(7, "b.example/w", "— b 1"), sign(7, "a.example/w", "— a 1"), sign(8, "a.example/w", "— a 8"))
	f.must(sign(7, "a.example/w", "— a 2"))
	last := f.must(sign(7, "b.example/w", "— b 2"), sign(7, "b.example/w", "— b 3"))[1].(ledger.Cosignature)
	got, err := f.store.Cosignatures(background, 7)
	f.check(err)
	if len(got) != 2 || got[0].Witness != "a.example/w" || got[0].Line != "— a 2" || got[1] != last {
		f.Errorf("cosignatures are %+v", got)
	}
	got, err = f.store.Cosignatures(background, 9)
	equal(f, got, err, nil, sameList)
}

// testAccesses pages through those who looked.
func testAccesses(f *fixture) {
	s := some{rand.New(rand.NewPCG(61, 62))}
	var want []ledger.Access
	for range 23 {
		want = append(want, f.must(ledger.RecordAccess{Access: s.access()})[0].(ledger.Access))
	}
	want = sortedBy(want, func(a, b ledger.Access) int { return b.ID.Compare(a.ID) })
	got, err := pages(5, func(p ledger.Page) ([]ledger.Access, error) { return f.store.Accesses(background, p) }, func(a ledger.Access) ledger.ID { return a.ID })
	equal(f, got, err, want, sameList)
	slices.Reverse(want)
	f.check(f.store.Audit(background, func(snapshot ledger.Snapshot) error {
		wantStream(f, snapshot.Accesses(), want)
		return nil
	}))
}

// testSecrets keeps the first secret of each name.
func testSecrets(f *fixture) {
	s := some{rand.New(rand.NewPCG(63, 64))}
	var want []ledger.Secret
	for _, name := range []string{"log/2", "kek", "log/1"} {
		c := ledger.KeepSecret{Secret: ledger.Secret{Name: name, Public: s.text(), Wrapped: s.bytes(60)}}
		kept := f.must(c)[0].(ledger.Secret)
		c.Secret.Public, c.Secret.Wrapped = "another", s.bytes(60)
		again := f.must(c)[0].(ledger.Secret)
		equal(f, again, nil, kept, deeply)
		want = append(want, kept)
	}
	want[0].Until = f.must(ledger.KeepSecret{Secret: ledger.Secret{Name: "log/2", Until: 77}})[0].(ledger.Secret).Until
	slices.SortFunc(want, func(a, b ledger.Secret) int { return cmp.Compare(a.Name, b.Name) })
	got, err := f.secrets(want)
	equal(f, got, err, want, deeply)
	f.logged(func(set *ledger.Set) { set.Secrets.See("kek") }, func(set *ledger.Set) {
		wantLoaded(f, &set.Secrets, "kek", want[0], func(a, b ledger.Secret) bool { return deeply(a, b) })
	})
	want[0].Wrapped = s.bytes(80) // under another key
	f.logged(func(set *ledger.Set) { set.Secrets.Want("kek") }, func(set *ledger.Set) { set.Secrets.Put("kek", want[0]) })
	got, err = f.secrets(want)
	equal(f, got, err, want, deeply)
}

// secrets are those of the names: what stands over the engine has its own.
func (f *fixture) secrets(named []ledger.Secret) ([]ledger.Secret, error) {
	all, err := f.store.Secrets(background)
	return slices.DeleteFunc(all, func(s ledger.Secret) bool {
		return !slices.ContainsFunc(named, func(n ledger.Secret) bool { return n.Name == s.Name })
	}), err
}

// testPersons keeps persons' keys and destroys some.
func testPersons(f *fixture) {
	s := some{rand.New(rand.NewPCG(65, 66))}
	var keys []ledger.PersonKey
	var parties []ledger.ID
	for range 80 {
		keys = append(keys, ledger.PersonKey{Party: s.id(), Wrapped: s.bytes(60 + s.IntN(20))})
		parties = append(parties, keys[len(keys)-1].Party, s.id())
	}
	change := func(keys []ledger.PersonKey, do func(set *ledger.Set, k ledger.PersonKey)) {
		f.logged(func(set *ledger.Set) {
			for _, k := range keys {
				set.Persons.Want(k.Party)
			}
		}, func(set *ledger.Set) {
			for _, k := range keys {
				do(set, k)
			}
		})
	}
	want := func() {
		f.Helper()
		got, err := f.store.PersonKeys(background, append(parties, parties...))
		equal(f, got, err, sortedBy(keys, func(a, b ledger.PersonKey) int { return a.Party.Compare(b.Party) }), deeply)
		f.logged(func(set *ledger.Set) {
			for _, id := range parties {
				set.Persons.See(id)
			}
		}, func(set *ledger.Set) {
			for _, k := range keys {
				wantLoaded(f, &set.Persons, k.Party, k, func(a, b ledger.PersonKey) bool { return deeply(a, b) })
			}
		})
	}
	put := func(set *ledger.Set, k ledger.PersonKey) { set.Persons.Put(k.Party, k) }
	change(keys, put)
	want()
	for i := range keys[:10] {
		keys[i].Wrapped = s.bytes(64)
	}
	change(keys[:10], put)
	want()
	gone := keys[5:40]
	keys = slices.Concat(keys[:5], keys[40:])
	for range 2 { // the second finds nothing to destroy
		change(gone, func(set *ledger.Set, k ledger.PersonKey) { set.Persons.Delete(k.Party) })
		want()
	}
	change(gone[:1], put) // not that a person who was erased may come back: the engine holds no rule
	keys = append(keys, gone[0])
	want()
}

// testErasures erases persons once each.
func testErasures(f *fixture) {
	s := some{rand.New(rand.NewPCG(67, 68))}
	var want []ledger.Erasure
	var parties []ledger.ID
	for range 50 {
		want = append(want, s.erasure())
		parties = append(parties, want[len(want)-1].Party, s.id())
	}
	f.logged(nothing, func(set *ledger.Set) { set.Erasures = want })
	want = sortedBy(want, func(a, b ledger.Erasure) int { return a.Party.Compare(b.Party) })
	got, err := f.store.Erasures(background, parties)
	equal(f, got, err, want, sameList)
	got, err = f.store.Erasures(background, nil)
	equal(f, got, err, nil, sameList)
	if err := f.batch(nothing, func(set *ledger.Set) error { set.Erasures = want[3:4]; return nil }); err == nil {
		f.Error("a person was erased twice")
	}
	f.check(f.store.Audit(background, func(snapshot ledger.Snapshot) error {
		wantStream(f, snapshot.Erasures(), want)
		return nil
	}))
}

// testBulk reads many transfers and many lines at once, and some that are not there.
func testBulk(f *fixture) {
	all := f.manyTransfers()
	transfers := map[ledger.ID]ledger.Transfer{}
	ids := []ledger.ID{ledger.NewID(), all[0].ID}
	for _, t := range all {
		transfers[t.ID] = t
		ids = append(ids, t.ID, ledger.NewID())
	}
	got, err := f.store.TransfersOf(background, ids)
	equal(f, got, err, transfers, deeply)
	one, err := f.store.TransfersOf(background, []ledger.ID{all[3].ID})
	equal(f, one, err, map[ledger.ID]ledger.Transfer{all[3].ID: all[3]}, deeply)

	lines := map[ledger.LinePlace]ledger.StatementLine{}
	places := []ledger.LinePlace{{Account: ledger.AccountID{1}, Seq: 1}}
	f.check(f.store.Audit(background, func(snapshot ledger.Snapshot) error {
		for l, err := range snapshot.StatementLines() {
			f.check(err)
			p := ledger.LinePlace{Account: l.Posting.Credit, Seq: l.Seq}
			if l.Debited {
				p.Account = l.Posting.Debit
			}
			lines[p] = l
			places = append(places, p, ledger.LinePlace{Account: p.Account, Seq: p.Seq + 1000})
		}
		return nil
	}))
	found, err := f.store.LinesAt(background, places)
	equal(f, found, err, lines, deeply)
	found, err = f.store.LinesAt(background, nil)
	equal(f, len(found), err, 0, same)
	if len(lines) < 50 {
		f.Errorf("only %d lines", len(lines))
	}
}

// testLogKept asks the database itself to rewrite the log.
func testLogKept(f *fixture) {
	db, ok := f.store.(SQL)
	if !ok {
		f.Skip("no SQL")
	}
	s := some{rand.New(rand.NewPCG(69, 70))}
	rows := f.looks(s, 3, 2)
	f.must(s.seal(ledger.LogHead{}, rows[:1]), ledger.KeepSecret{Secret: ledger.Secret{Name: "log/1", Wrapped: s.bytes(9)}},
		ledger.KeepCosignature{Cosignature: ledger.Cosignature{Size: 3, Witness: "w", Line: "— w"}}, ledger.RecordAccess{Access: s.access()})
	f.logged(nothing, func(set *ledger.Set) { set.Erasures = []ledger.Erasure{s.erasure()} })
	for _, q := range []string{
		"UPDATE log SET n = n + 100", "UPDATE log SET at = 1", "UPDATE log SET leaves = 4", "UPDATE log SET data = '00'", "DELETE FROM log", "DELETE FROM log WHERE first IS NULL",
		"UPDATE log SET first = first + 1", "UPDATE log SET first = NULL", "UPDATE log SET first = 0 WHERE first IS NULL", "UPDATE log SET first = 4, leaves = 1 WHERE first IS NULL",
		"UPDATE log_head SET size = size - 1", "UPDATE log_head SET at = at - 1", "DELETE FROM log_head", "UPDATE log_head SET id = 2",
		"UPDATE log_tiles SET n = n + 1", "UPDATE log_tiles SET level = 3", "UPDATE log_tiles SET hashes = (SELECT root FROM log_head)", "DELETE FROM log_tiles",
		"UPDATE checkpoints SET note = 'x'", "DELETE FROM checkpoints", "DELETE FROM cosignatures",
		"UPDATE accesses SET at = 1", "DELETE FROM accesses", "UPDATE erasures SET at = 1", "DELETE FROM erasures",
		"UPDATE secrets SET public = 'x'", "UPDATE secrets SET name = 'x'", "UPDATE secrets SET created = 1", "DELETE FROM secrets",
	} {
		if err := db.Exec(background, q); err == nil {
			f.Errorf("%s was not refused", q)
		}
	}
	f.check(db.Exec(background, "UPDATE log SET first = 3 WHERE first IS NULL AND leaves = 2")) // as a seal does
}

// wantLogInOrder demands that the log tells of all postings and, of each account, in
// the order in which they were posted to it.
func (f *fixture) wantLogInOrder() {
	f.Helper()
	last := map[ledger.AccountID]int64{}
	postings := 0
	f.check(f.store.Audit(background, func(s ledger.Snapshot) error {
		for r, err := range s.LogRows() {
			f.check(err)
			f.check(r.Each(func(_ int64, leaf []byte) bool {
				l, err := ledger.ParseLeaf(leaf)
				f.check(err)
				if p, ok := l.(*ledger.Posting); ok {
					if postings++; p.DebitSeq != last[p.Debit]+1 || p.CreditSeq != last[p.Credit]+1 {
						f.Errorf("row %d tells of postings %d and %d behind %d and %d", r.N, p.DebitSeq, p.CreditSeq, last[p.Debit], last[p.Credit])
					}
					last[p.Debit], last[p.Credit] = p.DebitSeq, p.CreditSeq
				}
				return true
			}))
		}
		for range s.Postings() {
			postings--
		}
		return nil
	}))
	if postings != 0 {
		f.Errorf("the log has %d postings more than the book", postings)
	}
}
