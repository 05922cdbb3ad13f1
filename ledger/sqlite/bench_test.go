package sqlite_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bahi/ledger"
	"bahi/ledger/sqlite"
)

const (
	batchSize    = 256
	benchWallets = 1000
)

func newBench(b *testing.B) *book {
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "book.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	return newBook(b, store)
}

// inBatches calls commit with each batch of transfers; an iteration is one transfer.
func inBatches(b *testing.B, make func() ledger.Transfer, commit func([]ledger.Transfer)) {
	var batch []ledger.Transfer
	for b.Loop() {
		if batch = append(batch, make()); len(batch) == batchSize {
			commit(batch)
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		commit(batch)
	}
}

// BenchmarkCommitWallet moves money between wallets: one batch each, with answers of 500 bytes.
func BenchmarkCommitWallet(b *testing.B) { benchWallet(b, nil) }

// BenchmarkCommitWalletLimited does the same under limits that are never reached.
func BenchmarkCommitWalletLimited(b *testing.B) {
	most := ledger.Limit{Sum: ledger.Sums{"INR": 1 << 50}, Count: 1 << 30}
	benchWallet(b, &ledger.Limits{Default: ledger.AppLimits{Window: 24 * time.Hour, ToPerson: most, ToMerchant: most, Received: most,
		WalletTransfer: most.Sum, WalletBalance: most.Sum}})
}

func benchWallet(b *testing.B, limits *ledger.Limits) {
	n := newBench(b)
	n.policy.Limits = limits
	wallets := make([]ledger.End, benchWallets)
	for i := range wallets {
		wallets[i] = n.wallet()
	}
	n.top(wallets[0], 1_000_000_00, wallets[1:]...)
	r := rand.New(rand.NewPCG(1, 2))
	inBatches(b, func() ledger.Transfer {
		payer := r.IntN(benchWallets)
		payee := (payer + 1 + r.IntN(benchWallets-1)) % benchWallets
		return transfer(ledger.Payment, wallets[payer], wallets[payee], 1)
	}, func(ts []ledger.Transfer) { n.commit(creates(ts), true) })
}

// BenchmarkCommitBank moves money between banks: three batches each, the first with answers of 500 bytes.
func BenchmarkCommitBank(b *testing.B) {
	n := newBench(b)
	parties := make([]ledger.ID, benchWallets)
	for i := range parties {
		parties[i] = ledger.NewID()
	}
	r := rand.New(rand.NewPCG(3, 4))
	inBatches(b, func() ledger.Transfer {
		payer, payee := bank, bank
		payer.Party, payee.Party = parties[r.IntN(benchWallets)], parties[r.IntN(benchWallets)]
		payee.Bank, payee.IFSC = "HDFC", "HDFC0000001"
		return transfer(ledger.Payment, payer, payee, 100)
	}, func(ts []ledger.Transfer) {
		n.commit(creates(ts), true)
		n.commit(approvals(ts, ledger.LegDebit), false)
		n.commit(approvals(ts, ledger.LegCredit), false)
	})
}

// usage counts to two records and looks at a third, as a transfer does with its limits.
type usage struct {
	changed [2]ledger.RecordKey
	seen    ledger.RecordKey
}

func (c usage) Declare(s *ledger.Set) {
	for _, k := range c.changed {
		s.Records.Want(k)
	}
	s.Records.See(c.seen)
}

func (c usage) Apply(s *ledger.Set) (any, error) {
	for _, k := range c.changed {
		r, ok := s.Records.Get(k)
		if !ok {
			r = ledger.Record{RecordKey: k, Created: s.Now}
		}
		r.Body, r.Updated = []byte(usageBody), s.Now
		s.Records.Put(k, r)
	}
	return nil, nil
}

var usageBody = `{"hours":[` + strings.Repeat("1767225600000000,", 12) + `0]}`

// BenchmarkCommitUsage is what records add to a transfer.
func BenchmarkCommitUsage(b *testing.B) {
	n := newBench(b)
	var used, seen [benchWallets]ledger.RecordKey
	for i := range used {
		used[i] = ledger.RecordKey{Kind: ledger.RecordUsage, ID: ledger.NewID()}
		seen[i] = ledger.RecordKey{Kind: ledger.RecordSafety, ID: ledger.NewID()}
	}
	r := rand.New(rand.NewPCG(5, 6))
	var batch []ledger.Command
	for b.Loop() {
		payer := r.IntN(benchWallets)
		payee := (payer + 1 + r.IntN(benchWallets-1)) % benchWallets
		batch = append(batch, usage{[2]ledger.RecordKey{used[payer], used[payee]}, seen[payer]})
		if len(batch) == batchSize {
			n.commit(batch, false)
			batch = batch[:0]
		}
	}
}
