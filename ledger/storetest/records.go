package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"bahi/ledger"
)

// testRecords keeps records of every sort, through all that may become of them.
func testRecords(f *fixture) {
	f.bare()
	s := some{rand.New(rand.NewPCG(81, 82))}
	_, err := f.store.Record(background, s.recordKey())
	wantNotFound(f, "Record", err)
	var all []ledger.Record
	for range 150 {
		all = append(all, s.record())
	}
	f.putRecords(all[:1])
	f.putRecords(all[1:])
	f.wantRecords(all)
	for i := range all {
		s.change(&all[i])
	}
	gone := all[100:]
	all = all[:100]
	f.putRecords(all, of(gone, func(r *ledger.Record) ledger.RecordKey { return r.RecordKey })...)
	f.wantRecords(all)
	f.putRecords(all[:1], gone[0].RecordKey) // which is not there
	f.wantRecords(all)
	for _, r := range gone {
		if _, err := f.store.Record(background, r.RecordKey); !errors.Is(err, ledger.ErrNotFound) {
			f.Errorf("a deleted record: %v", err)
		}
		for _, p := range r.Parties { // nor does anybody find it
			found, err := f.store.Records(background, ledger.RecordFilter{Kind: r.Kind, Party: p}, ledger.Page{Limit: 9})
			equal(f, found, err, nil, deeply)
		}
	}
	for i := range gone { // made again, for others to find
		gone[i].Parties = []ledger.ID{s.id()}
	}
	f.putRecords(gone)
	all = append(all, gone...)
	f.wantRecords(all)
	for _, r := range gone {
		found, err := f.store.Records(background, ledger.RecordFilter{Kind: r.Kind, Party: r.Parties[0]}, ledger.Page{Limit: 9})
		equal(f, found, err, []ledger.Record{asRead(r)}, deeply)
	}
	err = f.batch(func(set *ledger.Set) { set.Records.New(all[0].RecordKey) }, func(set *ledger.Set) error {
		set.Records.Put(all[0].RecordKey, s.record())
		return nil
	})
	if err == nil {
		f.Error("a record that exists was made again")
	}
}

// testRecordLists reads lists by every filter there is.
func testRecordLists(f *fixture) {
	f.bare()
	s := some{rand.New(rand.NewPCG(83, 84))}
	kinds := []ledger.RecordKind{ledger.RecordPot, ledger.RecordRequest}
	apps, conversations, parents := []string{"", "chat", "shop"}, []string{"", "c1", "c2"}, []ledger.ID{{}, s.id(), s.id()}
	parties := []ledger.ID{s.id(), s.id(), s.id()}
	var all []ledger.Record
	for range 250 {
		r := ledger.Record{RecordKey: ledger.RecordKey{Kind: kinds[s.IntN(2)], ID: s.id()}, App: apps[s.IntN(3)], Conversation: conversations[s.IntN(3)],
			Parent: parents[s.IntN(3)], State: uint8(s.IntN(3)), Body: []byte(`{}`), Created: 1, Updated: 1}
		for _, p := range parties {
			if s.IntN(3) == 0 {
				r.Parties = append(r.Parties, p)
			}
		}
		all = append(all, r)
	}
	f.putRecords(all)
	slices.SortFunc(all, func(a, b ledger.Record) int { return b.ID.Compare(a.ID) })
	for _, kind := range append(kinds, ledger.RecordSchedule) {
		for _, app := range append(apps, "none") {
			for _, party := range append(parties, ledger.ID{}, s.id()) {
				for _, parent := range append(parents, s.id()) {
					for _, conversation := range append(conversations, "none") {
						f.wantRecordList(all, ledger.RecordFilter{Kind: kind, App: app, Party: party, Parent: parent, Conversation: conversation, State: uint8(s.IntN(3))})
					}
				}
			}
		}
	}
}

func (f *fixture) wantRecordList(all []ledger.Record, by ledger.RecordFilter) {
	f.Helper()
	want := chosen(all, func(r *ledger.Record) bool {
		return r.Kind == by.Kind && (by.App == "" || r.App == by.App) && (by.Party.IsZero() || slices.Contains(r.Parties, by.Party)) &&
			(by.Parent.IsZero() || r.Parent == by.Parent) && (by.Conversation == "" || r.Conversation == by.Conversation) && (by.State == 0 || r.State == by.State)
	})
	got, err := pages(50, func(p ledger.Page) ([]ledger.Record, error) { return f.store.Records(background, by, p) },
		func(r ledger.Record) ledger.ID { return r.ID })
	f.check(err)
	if !slices.EqualFunc(got, want, func(a, b ledger.Record) bool { return deeply(a, asRead(b)) }) {
		f.Errorf("%+v: %d records, want %d", by, len(got), len(want))
	}
}

// testDueRecords walks what is due in its order, from place to place.
func testDueRecords(f *fixture) {
	f.bare()
	s := some{rand.New(rand.NewPCG(85, 86))}
	var all []ledger.Record
	for range 120 {
		r := s.record()
		r.Due = s.Int64N(12) // some at one time, some at none
		all = append(all, r)
	}
	f.putRecords(all)
	slices.SortFunc(all, func(a, b ledger.Record) int { return a.Place().Compare(b.Place()) })
	for _, before := range []int64{1, 2, 7, 100} {
		want := chosen(all, func(r *ledger.Record) bool { return r.Due != 0 && r.Due < before })
		var got []ledger.Record
		for place, more := (ledger.RecordPlace{}), true; more; {
			rs, err := f.store.DueRecords(background, place, before, 7)
			f.check(err)
			if more = len(rs) > 0; more {
				got, place = append(got, rs...), rs[len(rs)-1].Place()
			}
		}
		if !slices.EqualFunc(got, want, func(a, b ledger.Record) bool { return deeply(a, asRead(b)) }) {
			f.Errorf("%d records are due before %d, want %d", len(got), before, len(want))
		}
	}
	all[len(all)-1].Due = 0
	f.putRecords(all[len(all)-1:])
	rs, err := f.store.DueRecords(background, all[len(all)-2].Place(), 100, 7)
	equal(f, rs, err, nil, deeply)
}

// outbox are the rows of the outbox, in order.
func (f *fixture) outbox() []ledger.OutboxRow {
	f.Helper()
	rows, err := f.store.Outbox(background, 1000)
	f.check(err)
	for i := range rows {
		if i > 0 && rows[i].N <= rows[i-1].N {
			f.Errorf("row %d of the outbox is behind row %d", rows[i].N, rows[i-1].N)
		}
	}
	return rows
}

// told are the notices of an app's stream behind a number, read some rows at a time.
func (f *fixture) told(app string, after int64) (all []ledger.Notice) {
	f.Helper()
	for {
		rows, err := f.store.Stream(background, app, after, 3)
		f.check(err)
		if len(rows) == 0 {
			return all
		}
		for _, r := range rows {
			notices, err := ledger.ParseNotices(r.Data)
			f.check(err)
			if r.App != app || r.Last < r.First || r.Last != r.First+int64(len(notices))-1 || (len(all) > 0 && r.First != after+1) || r.Last <= after {
				f.Fatalf("a row of %s has %d to %d with %d notices, behind %d", r.App, r.First, r.Last, len(notices), after)
			}
			all, after = append(all, notices[max(0, after+1-r.First):]...), r.Last
		}
	}
}

// testOutbox tells apps of transfers: once, in order, each app of its own.
func testOutbox(f *fixture) {
	_, asha := f.rich("chat", "Asha", 1000)
	_, shop := f.person("shop", "Tea")
	f.must(ledger.Publish{Rows: f.outbox()})
	before := f.told("chat", 0)
	var want []ledger.Notice
	var bought ledger.CreateTransfer
	numbers := map[int64]bool{}
	for n := range 4 {
		var commands []ledger.Command
		for range 90 * n {
			bought = f.pay(asha, shop, 1)
			commands = append(commands, bought)
		}
		for _, r := range f.must(append(commands, f.pay(shop, asha, 1))...) {
			t := r.(ledger.Transfer)
			if t.App == "chat" {
				want = append(want, ledger.Notice{App: t.App, Type: ledger.TransferNotice(t.State), Subject: t.ID, N: t.Steps, At: t.Updated})
			}
		}
		rows := f.outbox()
		if len(rows) != 1 || numbers[rows[0].N] {
			f.Fatalf("the outbox has %+v behind %v", rows, numbers)
		}
		numbers[rows[0].N] = true
		some, err := f.store.Outbox(background, 1)
		equal(f, some, err, rows[:1], deeply)
		f.must(ledger.Publish{Rows: rows})
		f.must(ledger.Publish{Rows: rows}) // again
		if left := f.outbox(); len(left) > 0 {
			f.Errorf("the outbox has %+v left", left)
		}
	}
	all := f.told("chat", 0)
	if !slices.Equal(all[len(before):], want) || len(want) != 540 {
		f.Errorf("chat was told of %d, want %d", len(all)-len(before), len(want))
	}
	for _, after := range []int64{1, int64(len(before)), int64(len(before)) + 300, int64(len(all)) - 1} {
		if behind := f.told("chat", after); !slices.Equal(behind, all[after:]) {
			f.Errorf("behind %d of %d chat was told of %d", after, len(all), len(behind))
		}
	}
	if got := len(f.told("shop", 0)); got != 4 {
		f.Errorf("shop was told of %d", got)
	}
	none, err := f.store.Stream(background, "chat", int64(len(all)), 3)
	equal(f, len(none), err, 0, same)
	if db, ok := f.engine.(SQL); ok {
		for _, q := range []string{"UPDATE streams SET data = '00'", "DELETE FROM streams"} {
			if err := db.Exec(background, q); err == nil {
				f.Errorf("%s was not refused", q)
			}
		}
	}
}

// testPublish has all nodes pay, and publish what is in the outbox, at once: every notice
// is told once, those of a transfer in their order.
func testPublish(f *fixture) {
	nodes := f.nodes()
	_, asha := f.rich("chat", "Asha", 10000)
	bank, ravi := f.person("chat", "Ravi")
	var payers, publishers sync.WaitGroup
	stop := make(chan struct{})
	for i, n := range nodes {
		publish := func() {
			rows, err := n.store.Outbox(background, 7)
			if err == nil {
				_, err = n.book.Submit(background, ledger.Request{Command: ledger.Publish{Rows: rows}})
			}
			if err != nil {
				f.Error(err)
			}
		}
		for range 2 {
			publishers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						publish()
					}
				}
			})
		}
		for w := range 3 {
			payers.Go(func() {
				for r := range 15 {
					if w == 0 { // its steps are of two nodes
						t, err := ledger.Do[ledger.Transfer](background, n.book, f.pay(bank, ravi, 1))
						if err == nil {
							_, err = ledger.Do[ledger.Recorded](background, nodes[(i+r)%len(nodes)].book, f.says(t, ledger.LegDebit, ledger.SaysApproved))
						}
						if err != nil {
							f.Error(err)
						}
					} else if _, err := ledger.Do[ledger.Transfer](background, n.book, f.pay(asha, ravi, 1)); err != nil {
						f.Error(err)
					}
				}
			})
		}
	}
	payers.Wait()
	close(stop)
	publishers.Wait()
	f.must(ledger.Publish{Rows: f.outbox()})
	last := map[ledger.ID]ledger.Notice{}
	count := 0
	for _, n := range f.told("chat", 0) {
		if was := last[n.Subject]; n.N <= was.N {
			f.Errorf("%+v was told behind %+v", n, was)
		}
		last[n.Subject] = n
		count++
	}
	if want := 3 + 15*len(nodes)*(3+1+1); count != want || len(last) != 1+15*len(nodes)*3 {
		f.Errorf("told of %d lines of %d transfers, want %d", count, len(last), want)
	}
	for id, n := range last {
		if t, err := f.store.Transfer(background, id); err != nil || n.N != t.Steps || n.Type != ledger.TransferNotice(t.State) {
			f.Errorf("last told of %+v, which is %s with %d lines, %v", n, t.State, t.Steps, err)
		}
	}
}

// count adds one to records that may not be there yet, and looks at another.
type count []ledger.RecordKey

var seenBesides = ledger.RecordKey{Kind: ledger.RecordSafety, ID: ledger.ID{1}}

func (c count) Declare(s *ledger.Set) {
	for _, k := range c {
		s.Records.Want(k)
	}
	s.Records.See(seenBesides)
}

func (c count) Apply(s *ledger.Set) (any, error) {
	for _, k := range c {
		r, ok := s.Records.Get(k)
		if !ok {
			r = ledger.Record{RecordKey: k, Created: s.Now, Body: []byte("0")}
		}
		var n int
		if _, err := fmt.Sscan(string(r.Body), &n); err != nil {
			return nil, err
		}
		r.Body, r.Updated = []byte(fmt.Sprint(n+1)), s.Now
		s.Records.Put(k, r)
	}
	return nil, nil
}

// testRecordsAtOnce has all nodes make and change the same records at once: none is lost.
func testRecordsAtOnce(f *fixture) {
	nodes := f.nodes()
	f.putRecords([]ledger.Record{{RecordKey: seenBesides, Body: []byte("{}"), Created: 1, Updated: 1}})
	var workers sync.WaitGroup
	const each, rounds = 5, 12
	for _, n := range nodes {
		for w := range each {
			workers.Go(func() {
				for round := range rounds {
					var keys count
					for k := range 4 { // of each round, in another order
						keys = append(keys, ledger.RecordKey{Kind: ledger.RecordUsage + ledger.RecordKind(k%2), ID: ledger.ID{2, byte(round), byte(k)}})
					}
					if w%2 == 0 {
						slices.Reverse(keys)
					}
					if _, err := n.book.Submit(context.Background(), ledger.Request{Command: keys}); err != nil {
						f.Error(err)
					}
				}
			})
		}
	}
	workers.Wait()
	for round := range rounds {
		for k := range 4 {
			r, err := f.store.Record(background, ledger.RecordKey{Kind: ledger.RecordUsage + ledger.RecordKind(k%2), ID: ledger.ID{2, byte(round), byte(k)}})
			equal(f, string(r.Body), err, fmt.Sprint(each*len(nodes)), same)
		}
	}
}
