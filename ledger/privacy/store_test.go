package privacy_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/privacy"
	"bahi/ledger/privacy/privacytest"
)

func TestAnotherKEKIsRefused(t *testing.T) {
	eachEngine(t, func(w *world) {
		other, err := privacy.NewKEK()
		w.check(err)
		if _, err := privacy.Open(w.Context(), w.open(), other); !errors.Is(err, privacy.ErrOtherKEK) {
			w.Errorf("another key: got %v", err)
		}
		if _, err := privacy.Open(w.Context(), w.open(), privacytest.KEK()); err != nil {
			w.Errorf("the book's own key: %v", err)
		}
	})
}

func TestRewrap(t *testing.T) {
	eachEngine(t, func(w *world) {
		a := asha(w)
		old := privacytest.KEK()
		e := ledger.Endpoint{ID: ledger.NewID(), App: "chat"}
		e.Secrets = []ledger.EndpointSecret{{Wrapped: must[[]byte](w.T)(old.Wrap([]byte("of a webhook"), e.About()))}}
		do[ledger.Endpoint](w, ledger.CreateEndpoint{Endpoint: e})
		next := must[*privacy.KEK](w.T)(must[*privacy.KEK](w.T)(old.Prepare()).Promote())
		if n, err := privacy.Rewrap(w.Context(), w.book, w.store, next); err != nil || n != 5 { // three secrets, her key and that of the webhook
			w.Fatalf("%d wrapped again, %v", n, err)
		}
		if n, err := privacy.Rewrap(w.Context(), w.book, w.store, next); err != nil || n != 0 {
			w.Errorf("then %d, %v", n, err)
		}
		alone := must[*privacy.KEK](w.T)(next.Retire())
		s, err := privacy.Open(w.Context(), w.open(), alone)
		w.check(err)
		if p, err := s.Party(w.Context(), a.ID); err != nil || p.Name != a.Name {
			w.Errorf("by the new key alone: %+v, %v", p, err)
		}
		r := must[ledger.Record](w.T)(s.Record(w.Context(), ledger.RecordKey{Kind: ledger.RecordEndpoint, ID: e.ID}))
		e = must[ledger.Endpoint](w.T)(ledger.ReadEndpoint(&r))
		if secret, err := alone.Unwrap(e.Secrets[0].Wrapped, e.About()); err != nil || string(secret) != "of a webhook" {
			w.Errorf("by the new key alone: %q, %v", secret, err)
		}
		if _, err := privacy.Open(w.Context(), w.open(), old); !errors.Is(err, privacy.ErrOtherKEK) {
			w.Errorf("by the old key: %v", err)
		}
	})
}

// TestErasureMeetsPayment: a payment that looks at its instruments before the party is
// closed is stored before its transfers are counted; one that comes later finds them unlinked.
func TestErasureMeetsPayment(t *testing.T) {
	eachEngine(t, func(w *world) {
		if w.stored() == nil {
			w.Skip("in memory there is one writer at a time")
		}
		a, r := asha(w), ravi(w)
		c := pay(a.account.End(a.Name), a.wallet.End(a.Name), 100)
		c.Transfer.Kind = ledger.TopUp
		w.paid(c) // so that there is a stripe of transit
		do[ledger.Transfer](w, pay(a.wallet.End(a.Name), r.wallet.End(r.Name), 100))

		other := privacytest.Over(w.T, w.open())
		policy := ledger.DefaultPolicy()
		create := pay(a.account.End(a.Name), r.wallet.End(r.Name), 500)
		erased := make(chan error, 1)
		w.check(other.Commit(context.Background(), func() *ledger.Set {
			s := ledger.NewSet(time.Now().UnixMicro(), &policy)
			create.Declare(s)
			return s
		}, func(s *ledger.Set) error {
			_, err := create.Apply(s)
			go func() { // it finds no transfer under way, and waits to close the party
				_, err := ledger.Erase(context.Background(), w.book, w.store, a.ID, "operator")
				erased <- err
			}()
			time.Sleep(300 * time.Millisecond)
			return err
		}))
		if got := refusedAs(<-erased); got != ledger.CodePartyBusy {
			w.Errorf("a payment was stored while the erasure waited: %q, want %q", got, ledger.CodePartyBusy)
		}
		if t, err := w.store.Transfer(w.Context(), create.Transfer.ID); err != nil || t.Payer.Account != a.account.Value {
			w.Errorf("the payment under way cannot be read: %+v, %v", t, err)
		}
		late, err := ledger.Do[ledger.Transfer](w.Context(), w.book, pay(a.account.End(a.Name), r.wallet.End(r.Name), 500))
		if err != nil || late.Reason != ledger.InstrumentUnlinked {
			w.Errorf("a payment of a closed party is %s, %s, %v", late.State, late.Reason, err)
		}
		do[ledger.Recorded](w, ledger.RecordResult{Transfer: &create.Transfer, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved})
		if p, err := ledger.Erase(w.Context(), w.book, w.store, a.ID, "operator"); err != nil || p.Erased == 0 {
			w.Errorf("after its end: %+v, %v", p, err)
		}
	})
}

// TestErasuresAmongPayments pays and erases at two nodes at once: whoever is erased has
// no transfer that is not at an end, and no money.
func TestErasuresAmongPayments(t *testing.T) {
	eachEngine(t, func(w *world) {
		r := ravi(w)
		second := privacytest.Over(w.T, w.open())
		books := []*ledger.Pipeline{w.book, w.pipeline(second, 1)}
		var people []person
		for i := range 12 {
			p := w.person("Person", "+9198765100"+string(rune('0'+i/10))+string(rune('0'+i%10)), "person."+string(rune('a'+i)), "10000000000"+string(rune('a'+i)))
			for _, b := range books { // so that each node's stripe of transit is there
				c := pay(p.account.End(p.Name), r.wallet.End(r.Name), 1)
				t, err := ledger.Do[ledger.Transfer](w.Context(), b, c)
				w.check(err)
				_, err = ledger.Do[ledger.Recorded](w.Context(), b, ledger.RecordResult{Transfer: &t, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved})
				w.check(err)
			}
			people = append(people, p)
		}
		var gone atomic.Int64
		var all sync.WaitGroup
		for i, p := range people {
			all.Go(func() {
				var under []ledger.Transfer
				for n := range 6 {
					t, err := ledger.Do[ledger.Transfer](context.Background(), books[n%2], pay(p.account.End(p.Name), r.wallet.End(r.Name), 1))
					if err != nil {
						w.Error(err)
					}
					if !t.State.Final() {
						under = append(under, t)
					}
					if n == 2 {
						for _, t := range under {
							if _, err := ledger.Do[ledger.Recorded](context.Background(), books[0], ledger.RecordResult{Transfer: &t, Leg: ledger.LegDebit, Outcome: ledger.SaysApproved}); err != nil {
								w.Error(err)
							}
						}
					}
				}
			})
			all.Go(func() {
				for range 20 {
					_, err := ledger.Erase(context.Background(), books[(i+1)%2], w.store, p.ID, "operator")
					if err == nil {
						gone.Add(1)
						return
					}
					if refusedAs(err) != ledger.CodePartyBusy {
						w.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		for _, p := range people {
			now, err := w.store.Party(w.Context(), p.ID)
			w.check(err)
			for _, state := range []ledger.State{ledger.Pending, ledger.Debited, ledger.Reversing} {
				open, err := w.store.Transfers(w.Context(), ledger.TransferFilter{Party: p.ID, State: state}, ledger.Page{Limit: 100})
				w.check(err)
				for _, t := range open {
					if now.Erased != 0 || t.Payer.Account == "" {
						w.Errorf("%s was erased at %d with a transfer %s: %+v", p.ID.PartyRef(), now.Erased, t.State, t.Payer)
					}
				}
			}
		}
		w.Logf("%d of %d erased", gone.Load(), len(people))
		_, err := ledger.Verify(w.Context(), w.store, func(v ledger.Violation) { w.Errorf("book: %+v", v) })
		w.check(err)
	})
}
