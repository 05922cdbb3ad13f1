package postgres_test

import (
	"context"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/postgres/pgtest"
)

// TestUnlinkMeetsPayment pays a wallet at one node while another unlinks it: the
// payment looks at the wallet without a lock, and still never pays one whose
// unlinking was stored before it had the account.
func TestUnlinkMeetsPayment(t *testing.T) {
	url := pgtest.NewDatabase(t)
	a, b := open(t, url), open(t, url)
	defer a.Close()
	defer b.Close()
	book, other := ledger.NewPipeline(a.Store, ledger.PipelineOptions{}), ledger.NewPipeline(b.Store, ledger.PipelineOptions{})
	defer book.Close()
	defer other.Close()
	rich := richPeople(t, book, 1, 100)[0]
	party := ledger.Party{ID: ledger.NewID(), App: "chat", Name: "Ravi", Kind: ledger.Person}
	if _, err := ledger.Do[ledger.Party](t.Context(), book, ledger.OpenParty{Party: party}); err != nil {
		t.Fatal(err)
	}
	wallet, err := ledger.Do[ledger.Instrument](t.Context(), book, ledger.LinkInstrument{Instrument: ledger.Instrument{
		ID: ledger.NewID(), Party: party.ID, App: "chat", Kind: ledger.Wallet, Currency: "INR"}})
	if err != nil {
		t.Fatal(err)
	}
	paid := make(chan ledger.Transfer, 1)
	policy := ledger.DefaultPolicy()
	unlink := ledger.UnlinkInstrument{Instrument: wallet}
	err = a.Commit(context.Background(), func() *ledger.Set {
		s := ledger.NewSet(wallet.Created+1, &policy)
		unlink.Declare(s)
		return s
	}, func(s *ledger.Set) error {
		_, err := unlink.Apply(s)
		go func() {
			made, err := ledger.Do[ledger.Transfer](context.Background(), other, payment(rich, wallet.End("Ravi"), 10))
			if err != nil {
				t.Error(err)
			}
			paid <- made
		}()
		time.Sleep(300 * time.Millisecond) // the payment waits for the wallet's account
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if made := <-paid; made.State != ledger.Failed || made.Reason != ledger.InstrumentUnlinked {
		t.Errorf("the payment is %s, %s; want failed, %s", made.State, made.Reason, ledger.InstrumentUnlinked)
	}
}
