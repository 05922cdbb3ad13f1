package postgres_test

import (
	"context"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// TestStopMeetsPayment stops a payer's payments at one node while another has a payment in
// hand that has looked before and did not see it: once Through has returned, the payment
// is stored, or will be refused. The other node posts to a stripe that was used before,
// and to one that was not.
func TestStopMeetsPayment(t *testing.T) {
	url := pgtest.NewDatabase(t)
	a, b := open(t, url), open(t, url)
	defer a.Close()
	defer b.Close()
	book, other := ledger.NewPipeline(a.Store, ledger.PipelineOptions{}), ledger.NewPipeline(b.Store, ledger.PipelineOptions{})
	defer book.Close()
	defer other.Close()
	people := richPeople(t, book, 3, 100)
	for _, p := range people {
		if _, err := ledger.Do[ledger.Party](t.Context(), book, ledger.OpenParty{Party: ledger.Party{ID: p.Party, App: "chat", Name: p.Name, Kind: ledger.Person}}); err != nil {
			t.Fatal(err)
		}
	}
	var nodes []ledger.Node
	join := func() ledger.Node {
		n, err := ledger.Do[ledger.Node](t.Context(), book, ledger.Beat{Node: ledger.NewID(), Known: nodes})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
		return n
	}
	join()
	for i, payer := range people[:2] {
		node, wasUsed := join(), i == 0
		if other.Become(node); wasUsed {
			if _, err := ledger.Do[ledger.Transfer](t.Context(), other, payment(people[2], people[0], 10)); err != nil {
				t.Fatal(err)
			}
		}
		policy := ledger.DefaultPolicy()
		pay := payment(payer, people[2], 10)
		looked, goOn := make(chan struct{}, 4), make(chan struct{})
		stored := make(chan ledger.Transfer, 1)
		go func() {
			var made any
			err := b.Commit(context.Background(), func() *ledger.Set {
				s := ledger.NewSet(time.Now().UnixMicro(), &policy)
				s.Node, s.Stripe = node.ID, node.Stripe
				pay.Declare(s)
				return s
			}, func(s *ledger.Set) (err error) {
				made, err = pay.Apply(s)
				looked <- struct{}{}
				<-goOn
				return err
			})
			if err != nil {
				t.Error(err)
			}
			stored <- made.(ledger.Transfer)
		}()
		<-looked
		if _, err := ledger.Do[ledger.Safety](t.Context(), book, ledger.StopPayments{Party: payer.Party, Stopped: true}); err != nil {
			t.Fatal(err)
		}
		through := make(chan error, 1)
		go func() { through <- ledger.Through(context.Background(), book, a, payer.Party) }()
		early := false
		select {
		case err := <-through:
			if early = true; err != nil {
				t.Error(err)
			}
		case <-time.After(300 * time.Millisecond):
		}
		close(goOn)
		made := <-stored
		if !early {
			if err := <-through; err != nil {
				t.Error(err)
			}
		}
		if early && made.Reason != ledger.PaymentsStopped {
			t.Errorf("stripe %d: Through has returned and the payment is %s after it", node.Stripe, made.State)
		}
		if wasUsed == early {
			t.Errorf("stripe %d was used: %v; it was waited for: %v", node.Stripe, wasUsed, !early)
		}
		again, err := ledger.Do[ledger.Transfer](t.Context(), other, payment(payer, people[2], 10))
		if err != nil || again.Reason != ledger.PaymentsStopped {
			t.Errorf("after it one is %s, %v", again.State, err)
		}
	}
	if _, err := ledger.Verify(t.Context(), a, func(v ledger.Violation) { t.Errorf("%+v", v) }); err != nil {
		t.Error(err)
	}
}
