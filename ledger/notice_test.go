package ledger_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bahi/ledger"
)

// TestStreamIsTheSteps sends random commands and publishes now and then, and demands that
// an app was told of each step of each transfer once, in order, with numbers that
// have no gap, and of nothing else. What the first commit of a transfer passes
// through is no news.
func TestStreamIsTheSteps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t)
		defer b.close()
		m := &machine{book: b}
		for _, bank := range []string{"SBIN", "HDFC"} {
			account, wallet := b.person("somebody", bank)
			m.ends = append(m.ends, account, wallet)
		}
		b.fund(m.ends[0], m.ends[1], 1_000)
		var stale []ledger.OutboxRow // what another node has read, and publishes too late
		rt.Repeat(map[string]func(*rapid.T){
			"create":  func(rt *rapid.T) { m.make(rt) },
			"answer":  m.told,
			"cancel":  func(rt *rapid.T) { m.try(ledger.CancelTransfer{Transfer: m.pick(rt)}) },
			"release": func(rt *rapid.T) { m.try(ledger.ReleaseTransfer{Transfer: m.pick(rt)}) },
			"wait":    func(*rapid.T) { m.now = m.now.Add(time.Second) },
			"publish": func(rt *rapid.T) { b.publish(rapid.IntRange(1, 4).Draw(rt, "rows")) },
			"read":    func(*rapid.T) { stale = b.outbox(3) },
			"too late": func(*rapid.T) {
				must[any](b, ledger.Publish{Rows: stale})
			},
		})
		for b.publish(100) > 0 {
		}
		b.wantStream(rt)
	})
}

// make makes a transfer that may be held for a moment.
func (m *machine) make(rt *rapid.T) {
	c := create(rapid.SampledFrom(m.ends).Draw(rt, "payer"), rapid.SampledFrom(m.ends).Draw(rt, "payee"), rapid.Int64Range(1, 900).Draw(rt, "paise"))
	c.Queue = rapid.Bool().Draw(rt, "queue")
	if rapid.Bool().Draw(rt, "held") {
		c.Transfer.Until = m.now.Add(2 * time.Second).UnixMicro()
	}
	m.transfers = append(m.transfers, m.try(c).(ledger.Transfer))
}

// told lets a bank say something of an instruction that is open.
func (m *machine) told(rt *rapid.T) {
	t := m.pick(rt)
	_, asked, err := m.store.TransferHistory(context.Background(), t.ID)
	if err != nil {
		rt.Fatal(err)
	}
	for _, i := range asked {
		if i.State.Open() {
			m.try(ledger.RecordResult{Transfer: t, Leg: i.ID.Leg, Attempt: i.Attempts, Code: "XX",
				Outcome: ledger.Outcome(rapid.IntRange(1, 6).Draw(rt, "outcome"))})
		}
	}
}

// try submits a command that may be refused.
func (m *machine) try(c ledger.Command) any {
	r, _ := m.pipe.Submit(context.Background(), ledger.Request{Command: c})
	return r.Result
}

func (b *book) outbox(limit int) []ledger.OutboxRow {
	rows, err := b.store.Outbox(context.Background(), limit)
	if err != nil {
		b.t.Fatal(err)
	}
	return rows
}

// publish gives some rows of the outbox their numbers and says how many there were.
func (b *book) publish(limit int) int {
	rows := b.outbox(limit)
	must[any](b, ledger.Publish{Rows: rows})
	return len(rows)
}

// wantStream demands that the app was told of the steps.
func (b *book) wantStream(rt *rapid.T) {
	ctx := context.Background()
	rows, err := b.store.Stream(ctx, "chat", 0, 1<<20)
	if err != nil {
		rt.Fatal(err)
	}
	var last int64
	told, seen := map[ledger.ID][]ledger.Notice{}, map[ledger.ID]bool{}
	for _, row := range rows {
		notices, err := ledger.ParseNotices(row.Data)
		if err != nil || row.First != last+1 || row.Last != last+int64(len(notices)) {
			rt.Fatalf("behind %d comes a row from %d to %d with %d events: %v", last, row.First, row.Last, len(notices), err)
		}
		last = row.Last
		for _, n := range notices {
			if id := n.ID(); seen[id] {
				rt.Fatalf("%+v is told twice", n)
			} else {
				seen[id] = true
			}
			told[n.Subject] = append(told[n.Subject], n)
		}
	}
	if n, err := ledger.LastEvent(ctx, b.store, "chat"); err != nil || n != last {
		rt.Fatalf("the last event is %d, not %d: %v", n, last, err)
	}
	all, err := b.store.Transfers(ctx, ledger.TransferFilter{}, ledger.Page{Limit: -1})
	if err != nil {
		rt.Fatal(err)
	}
	for _, t := range all {
		steps, _, err := b.store.TransferHistory(ctx, t.ID)
		if err != nil {
			rt.Fatal(err)
		}
		var want []ledger.Notice
		for _, s := range steps[t.Birth().N-1:] {
			want = append(want, ledger.Notice{App: "chat", Type: ledger.TransferNotice(s.State), Subject: t.ID, N: s.N, At: s.At})
		}
		if !slices.Equal(told[t.ID], want) {
			rt.Fatalf("told %+v\nof     %+v", told[t.ID], want)
		}
		delete(told, t.ID)
	}
	if len(told) > 0 {
		rt.Fatalf("told of what there is not: %+v", told)
	}
}

// A row of a stream is bounded, however much one commit has done.
func TestStreamRowsAreBounded(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, other := b.person("Ravi", "HDFC")
	b.fund(account, wallet, 1_000)
	var many ledger.Many
	for range 600 {
		many = append(many, create(wallet, other, 1))
	}
	must[ledger.Outcomes](b, many)
	b.publish(100)
	rows, err := b.store.Stream(t.Context(), "chat", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, r := range rows {
		sizes = append(sizes, r.Last-r.First+1)
	}
	if want := []int64{256, 256, 91}; !slices.Equal(sizes, want) { // the top-up: pending, debited and completed
		t.Errorf("rows of %v events, want %v", sizes, want)
	}
}

// An event's ID is the same for good: those who keep it know it again.
func TestNoticeID(t *testing.T) {
	n := ledger.Notice{App: "chat", Type: "transfer.completed", Subject: ledger.ID{1, 2, 3}, N: 2, At: 5}
	id := n.ID()
	if got, want := id.Ref("evt_"), "evt_d4b9fdb2665e75b4046c3222129fc9f5"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, other := range []ledger.Notice{
		{App: "chat2", Type: n.Type, Subject: n.Subject, N: n.N}, {App: n.App, Type: "transfer.failed", Subject: n.Subject, N: n.N},
		{App: n.App, Type: n.Type, Subject: ledger.ID{1, 2, 4}, N: n.N}, {App: n.App, Type: n.Type, Subject: n.Subject, N: 3},
	} {
		if other.ID() == id {
			t.Errorf("%+v has the same ID", other)
		}
	}
	n.At = 6
	if n.ID() != id {
		t.Error("the ID depends on the time")
	}
}
