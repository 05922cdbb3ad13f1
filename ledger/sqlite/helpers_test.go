package sqlite_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/sqlite"
)

var bank = ledger.End{Name: "Asha Rao", Bank: "SBIN", Account: "31415926535", IFSC: "SBIN0000300"}

// book takes batches without a pipeline.
type book struct {
	testing.TB
	store  *sqlite.Store
	policy ledger.Policy
	now    int64
	during func() // called within the transaction, may be nil
}

func newBook(t testing.TB, store *sqlite.Store) *book {
	return &book{TB: t, store: store, policy: ledger.DefaultPolicy(), now: time.Now().UnixMicro()}
}

// wallet is the wallet of a new party.
func (b *book) wallet() ledger.End { return ledger.End{Party: ledger.NewID(), Name: "Asha Rao"} }

// top puts money into wallets.
func (b *book) top(w ledger.End, minor int64, more ...ledger.End) {
	var ts []ledger.Transfer
	for _, w := range append(more, w) {
		ts = append(ts, transfer(ledger.TopUp, bank, w, minor))
	}
	b.commit(creates(ts), false)
	b.commit(approvals(ts, ledger.LegDebit), false)
}

func transfer(kind ledger.Kind, payer, payee ledger.End, minor int64) ledger.Transfer {
	return ledger.Transfer{ID: ledger.NewID(), App: "chat", Kind: kind, Payer: payer, Payee: payee,
		Amount: ledger.Amount{Minor: minor, Currency: "INR"}, Note: "chai and samosa", RRN: "630610000001"}
}

func creates(ts []ledger.Transfer) (cs []ledger.Command) {
	for _, t := range ts {
		cs = append(cs, ledger.CreateTransfer{Transfer: t})
	}
	return cs
}

func approvals(ts []ledger.Transfer, leg ledger.Leg) (cs []ledger.Command) {
	for i := range ts {
		cs = append(cs, ledger.RecordResult{Transfer: &ts[i], Leg: leg, Outcome: ledger.SaysApproved, Code: "00", Ref: "A12345"})
	}
	return cs
}

// try stores the commands in one batch, with an answer for each where they come from a chat.
func (b *book) try(commands []ledger.Command, answered bool) error {
	b.now += 1000
	var keys []ledger.IdempotencyKey
	for i := range commands {
		keys = append(keys, ledger.IdempotencyKey{App: "chat", Key: fmt.Sprintf("%x", random(b.now, i))})
	}
	declare := func() *ledger.Set {
		set := ledger.NewSet(b.now, &b.policy)
		for i, c := range commands {
			if answered {
				set.Answers.Want(keys[i])
			}
			c.Declare(set)
		}
		return set
	}
	apply := func(set *ledger.Set) error {
		if b.during != nil {
			b.during()
		}
		for i, c := range commands {
			if _, err := c.Apply(set); err != nil {
				return err
			}
			if answered {
				set.Answers.Put(keys[i], ledger.Answer{Key: keys[i], Status: 201, Sealed: make([]byte, 500), Created: set.Now})
			}
		}
		return nil
	}
	return b.store.Commit(context.Background(), declare, apply)
}

func (b *book) commit(commands []ledger.Command, answered bool) {
	b.Helper()
	if err := b.try(commands, answered); err != nil {
		b.Fatal(err)
	}
}

func (b *book) verify() {
	b.Helper()
	if _, err := ledger.Verify(context.Background(), b.store, func(v ledger.Violation) { b.Errorf("%+v", v) }); err != nil {
		b.Fatal(err)
	}
}

// random is as good as random and the same each time.
func random(a int64, b int) []byte {
	var in [16]byte
	binary.BigEndian.PutUint64(in[:], uint64(a))
	binary.BigEndian.PutUint64(in[8:], uint64(b))
	h := sha256.Sum256(in[:])
	return h[:16]
}
