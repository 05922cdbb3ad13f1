package ledger_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"bahi/ledger"
)

// putHold writes, past the rules, what says that a transfer is held, or deletes it.
type putHold struct {
	transfer ledger.ID
	due      int64
	gone     bool
}

func (c putHold) key() ledger.RecordKey {
	return ledger.RecordKey{Kind: ledger.RecordHold, ID: c.transfer}
}

func (c putHold) Declare(s *ledger.Set) { s.Records.Want(c.key()) }

func (c putHold) Apply(s *ledger.Set) (any, error) {
	if c.gone {
		s.Records.Delete(c.key())
	} else {
		s.Records.Put(c.key(), ledger.Record{RecordKey: c.key(), Due: c.due, Body: []byte(`{}`), Created: s.Now, Updated: s.Now})
	}
	return nil, nil
}

// TestVerifyHeld: a transfer is held if and only if there is a record that falls due.
func TestVerifyHeld(t *testing.T) {
	b := newBook(t)
	defer b.close()
	account, wallet := b.person("Asha", "SBIN")
	_, shop := b.person("Tea", "HDFC")
	b.fund(account, wallet, 1000)
	until := b.now.Add(time.Hour).UnixMicro()
	hold := func(from, to ledger.End) ledger.Transfer {
		c := create(from, to, 100)
		c.Transfer.Until = until
		return must[ledger.Transfer](b, c)
	}
	held, released, taken, paid := hold(wallet, shop), hold(wallet, shop), hold(wallet, account), b.pay(wallet, shop, 100)
	asked := hold(account, shop)
	asked = must[ledger.Recorded](b, ledger.RecordResult{Transfer: &asked, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved}).Transfer
	if held.State != ledger.Held || asked.State != ledger.Held {
		t.Fatalf("they are %s and %s", held.State, asked.State)
	}
	b.verify()
	b.now = b.now.Add(2 * time.Hour)
	must[ledger.Transfer](b, ledger.CancelTransfer{Transfer: &taken})
	if r := must[ledger.Transfer](b, ledger.ReleaseTransfer{Transfer: &released}); r.State != ledger.Completed {
		t.Fatalf("released it is %s", r.State)
	}
	b.verify()

	none := ledger.NewID()
	for _, wrong := range []struct {
		name        string
		do, undo    putHold
		rule, where string
	}{
		{"nobody goes on", putHold{transfer: held.ID, gone: true}, putHold{transfer: held.ID, due: until}, "held", held.ID.TransferRef()},
		{"nobody goes on in time", putHold{transfer: asked.ID}, putHold{transfer: asked.ID, due: until}, "held", asked.ID.TransferRef()},
		{"released, but held", putHold{transfer: released.ID, due: until}, putHold{transfer: released.ID, gone: true}, "held", released.ID.TransferRef()},
		{"never held", putHold{transfer: paid.ID, due: until}, putHold{transfer: paid.ID, gone: true}, "held", paid.ID.TransferRef()},
		{"no transfer", putHold{transfer: none, due: until}, putHold{transfer: none, gone: true}, "belongs_to_a_transfer", none.TransferRef()},
	} {
		if _, err := b.pipe.Submit(t.Context(), ledger.Request{Command: wrong.do}); err != nil {
			t.Fatal(err)
		}
		var found []string
		_, err := ledger.Verify(context.Background(), b.store, func(v ledger.Violation) { found = append(found, v.Rule+" "+v.Where) })
		if want := []string{wrong.rule + " " + wrong.where}; err != nil || !slices.Equal(found, want) {
			t.Errorf("%s: found %q, %v; want %q", wrong.name, found, err, want)
		}
		if _, err := b.pipe.Submit(t.Context(), ledger.Request{Command: wrong.undo}); err != nil {
			t.Fatal(err)
		}
		b.verify()
	}
}
