package ledger_test

import (
	"context"
	"testing"
	"time"

	"bahi/ledger"
)

// TestClocksDiffer has a transfer go from node to node, each with a clock that is
// behind the one before by a minute: its history and its postings do not.
func TestClocksDiffer(t *testing.T) {
	for _, c := range []struct {
		name string
		says []ledger.RecordResult
		ends ledger.State
	}{
		{"paid", []ledger.RecordResult{{Leg: ledger.LegDebit, Outcome: ledger.SaysApproved}, {Leg: ledger.LegCredit, Outcome: ledger.SaysApproved}}, ledger.Completed},
		{"given back", []ledger.RecordResult{{Leg: ledger.LegDebit, Outcome: ledger.SaysApproved}, {Leg: ledger.LegCredit, Outcome: ledger.SaysDeclined},
			{Leg: ledger.LegDebitReversal, Outcome: ledger.SaysApproved}}, ledger.Reversed},
		{"in doubt", []ledger.RecordResult{{Leg: ledger.LegDebit, Outcome: ledger.SaysNotSeen}, {Leg: ledger.LegDebitReversal, Outcome: ledger.SaysUnknown},
			{Leg: ledger.LegDebitReversal, Outcome: ledger.SaysUnknown, Attempt: 1}, {Leg: ledger.LegDebitReversal, Outcome: ledger.SaysUnknown, Attempt: 2},
			{Leg: ledger.LegDebitReversal, Outcome: ledger.SaysUnknown, Attempt: 3}}, ledger.Unresolved},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBook(t)
			defer b.close()
			payer, _ := b.person("Asha", "SBIN")
			payee, _ := b.person("Ravi", "HDFC")
			tr := b.pay(payer, payee, 500)
			for n, said := range c.says {
				now := b.now.Add(-time.Duration(n+1) * time.Minute)
				node := ledger.NewPipeline(b.store, ledger.PipelineOptions{Now: func() time.Time { return now }})
				said.Transfer = &tr
				r, err := ledger.Do[ledger.Recorded](context.Background(), node, said)
				node.Close()
				if err != nil || r.Effect != ledger.Applied {
					t.Fatalf("%s %s: %s, %v", said.Leg, said.Outcome, r.Effect, err)
				}
			}
			b.verify()
			b.wantTimes(tr.ID, c.ends)
		})
	}
}

// wantTimes demands that no time of the transfer is before its beginning, and that
// a deadline counts from the last step.
func (b *book) wantTimes(id ledger.ID, ends ledger.State) {
	b.t.Helper()
	now := b.now.UnixMicro()
	tr, err := b.store.Transfer(context.Background(), id)
	if err != nil || tr.State != ends || tr.Updated != now {
		b.t.Errorf("it is %s since %d, want %s since %d (%v)", tr.State, tr.Updated, ends, now, err)
	}
	if want := now + ledger.DefaultPolicy().DecideAfter.Microseconds(); tr.Deadline != 0 && tr.Deadline != want {
		b.t.Errorf("the deadline is %d, want %d", tr.Deadline, want)
	}
	steps, asked, err := b.store.TransferHistory(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range steps {
		if s.At != now {
			b.t.Errorf("step %d is of %d, want %d", s.N, s.At, now)
		}
	}
	for _, i := range asked {
		if !i.State.Open() && i.Updated < now {
			b.t.Errorf("the %s was answered at %d, before it all began", i.ID.Leg, i.Updated)
		}
	}
	err = b.store.Audit(context.Background(), func(s ledger.Snapshot) error {
		for p, err := range s.Postings() {
			if err != nil || p.At < now {
				b.t.Errorf("the %s is posted at %d, before it all began (%v)", p.Event, p.At, err)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Error(err)
	}
}
